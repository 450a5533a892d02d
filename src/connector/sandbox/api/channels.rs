//! `/channels`, `/funnels`, `/auth/me` and `/plan` (reference §12).

use super::super::Sandbox;
use super::super::account::shown_team;
use super::super::payload;
use super::super::people::Line;
use super::{Paging, answer, found, unknown};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/channels", get(list))
        .route("/channels/{uuid}", get(show).patch(rename))
        .route("/funnels", get(funnels))
        .route("/auth/me", get(me))
        .route("/plan", get(plan))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "type")]
    kind: Option<String>,
    active: Option<bool>,
}

async fn list(State(sandbox): State<Sandbox>, Query(wanted): Query<Wanted>, Query(paging): Query<Paging>) -> Response {
    let rows = sandbox.with(|account, _| {
        let fits = |discarded: bool| wanted.active.is_none_or(|active| active != discarded);
        let is_kind = |line: &Line| wanted.kind.as_deref().is_none_or(|kind| kind == line.kind.word());
        let lines = account.lines.iter().filter(|line| is_kind(line) && fits(line.discarded_ms.is_some()));
        lines.map(payload::listed_channel).collect()
    });
    let (rows, meta) = paging.cut(rows);
    answer(200, &json!({ "channels": rows, "meta": meta }))
}

async fn show(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| Some(json!({ "channel": payload::listed_channel(account.line(Some(&uuid))?) }))))
}

async fn rename(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, _| {
        let line = account.lines.iter_mut().find(|line| line.uuid == uuid).ok_or_else(unknown)?;
        let title = fields.needed("title");
        fields.check()?;
        line.title = title;
        Ok(json!({ "channel": payload::listed_channel(line) }))
    })
}

async fn funnels(State(sandbox): State<Sandbox>) -> Response {
    let rows: Vec<Value> = sandbox.with(|account, _| account.office.funnels.iter().map(payload::funnel).collect());
    answer(200, &json!({ "funnels": rows }))
}

async fn me(State(sandbox): State<Sandbox>) -> Response {
    let owner = sandbox.with(|account, _| account.office.owner.clone());
    let said = json!({ "status": "ok", "user_email": owner.email, "user_name": owner.name, "api_key": owner.api_key });
    answer(200, &said)
}

async fn plan(State(sandbox): State<Sandbox>) -> Response {
    answer(
        200,
        &sandbox.with(|account, _| {
            let office = &account.office;
            json!({
                "plan": office.plan.plan,
                "includedChannels": office.plan.included_channels,
                "licenses": office.plan.licenses,
                "activeUsers": office.users.len(),
                "teams": office.teams.iter().map(shown_team).collect::<Vec<_>>(),
            })
        }),
    )
}
