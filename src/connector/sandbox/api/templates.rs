//! `/templates` (reference §11).

use super::super::Sandbox;
use super::super::payload;
use super::{Paging, answer, found, unknown};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

pub(super) fn router() -> Router<Sandbox> {
    Router::new().route("/templates", get(list)).route("/templates/{uuid}", get(show).patch(rename))
}

async fn list(State(sandbox): State<Sandbox>, Query(paging): Query<Paging>) -> Response {
    let rows = sandbox.with(|account, _| account.templates().iter().map(payload::template).collect());
    let (rows, meta) = paging.cut(rows);
    answer(200, &json!({ "templates": rows, "meta": meta }))
}

async fn show(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| Some(json!({ "template": payload::template(account.template(&uuid)?) }))))
}

async fn rename(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, _| {
        let template = account.template_mut(&uuid).ok_or_else(unknown)?;
        let title = fields.needed("title");
        fields.check()?;
        template.title = title;
        Ok(json!({ "template": payload::template(template) }))
    })
}
