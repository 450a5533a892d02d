//! `/teams`, `/custom_statuses` and `/users/:uuid/status` (reference §12).

use super::super::Sandbox;
use super::super::account::{Account, shown_team, shown_user};
use super::super::office::{CustomStatus, User, dashed};
use super::super::payload;
use super::{Fields, Paging, Said, answer, found, no_content, not_found, unknown};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/teams", get(list))
        .route("/teams/{uuid}", get(show).patch(rename))
        .route("/teams/{uuid}/members", get(members))
        .route("/custom_statuses", get(statuses).post(add_status))
        .route("/custom_statuses/{id}", get(custom_status).put(change_status).delete(remove_status))
        .route("/users/{uuid}/status", get(user_status).put(set_user_status))
}

async fn list(State(sandbox): State<Sandbox>, Query(paging): Query<Paging>) -> Response {
    let rows = sandbox.with(|account, _| account.office.teams.iter().map(shown_team).collect());
    let (rows, meta) = paging.cut(rows);
    answer(200, &json!({ "teams": rows, "meta": meta }))
}

async fn show(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| Some(json!({ "team": shown_team(account.office.team(&uuid)?) }))))
}

async fn rename(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, _| {
        let team = account.office.teams.iter_mut().find(|team| team.uuid == uuid).ok_or_else(unknown)?;
        let name = fields.needed("name");
        fields.check()?;
        team.name = name;
        Ok(json!({ "team": shown_team(team) }))
    })
}

#[derive(Deserialize)]
struct Presence {
    status: Option<String>,
}

async fn members(
    State(sandbox): State<Sandbox>,
    Path(uuid): Path<String>,
    Query(wanted): Query<Presence>,
    Query(paging): Query<Paging>,
) -> Response {
    let rows = sandbox.with(|account, _| {
        let fits = |user: &&User| match wanted.status.as_deref() {
            Some("available") => user.available,
            Some("away") => !user.available,
            _ => true,
        };
        let team = account.office.team(&uuid)?;
        let users = team.members.iter().filter_map(|email| account.office.user(email)).filter(fits);
        Some(users.map(|user| shown_user(user, account)).collect::<Vec<Value>>())
    });
    let Some(rows) = rows else { return not_found() };
    let (rows, meta) = paging.cut(rows);
    answer(200, &json!({ "users": rows, "meta": meta }))
}

async fn statuses(State(sandbox): State<Sandbox>, Query(paging): Query<Paging>) -> Response {
    let rows = sandbox.with(|account, _| account.office.custom_statuses.iter().map(payload::custom_status).collect());
    let (rows, meta) = paging.cut(rows);
    answer(200, &json!({ "customStatuses": rows, "meta": meta }))
}

async fn custom_status(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    found(sandbox.with(|account, _| {
        let status = account.office.custom_statuses.iter().find(|status| status.id == id)?;
        Some(json!({ "customStatus": payload::custom_status(status) }))
    }))
}

async fn add_status(State(sandbox): State<Sandbox>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, now_ms| {
        let (name, emoji) = (fields.needed("name"), fields.text("emoji").unwrap_or_default());
        fields.check()?;
        let id = dashed(&account.new_uuid());
        let status = CustomStatus { id, name, emoji, created_ms: now_ms, updated_ms: now_ms };
        let said = json!({ "customStatus": payload::custom_status(&status) });
        account.office.custom_statuses.push(status);
        Ok(said)
    })
}

async fn change_status(State(sandbox): State<Sandbox>, Path(id): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, now_ms| {
        let known = account.office.custom_statuses.iter_mut().find(|status| status.id == id).ok_or_else(unknown)?;
        let (name, emoji) = (fields.text("name"), fields.text("emoji"));
        fields.check()?;
        known.name = name.unwrap_or(std::mem::take(&mut known.name));
        known.emoji = emoji.unwrap_or(std::mem::take(&mut known.emoji));
        known.updated_ms = now_ms;
        Ok(json!({ "customStatus": payload::custom_status(known) }))
    })
}

/// Colleagues who had it have none from now on, which is told.
async fn remove_status(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    let removed = sandbox.with(|account, now_ms| {
        let place = account.office.custom_statuses.iter().position(|status| status.id == id)?;
        account.office.custom_statuses.remove(place);
        let users = account.office.users.iter_mut().filter(|user| user.custom_status.as_ref() == Some(&id));
        let emails: Vec<String> = users
            .map(|user| {
                user.custom_status = None;
                user.email.clone()
            })
            .collect();
        emails.iter().for_each(|email| account.touch_user(email, now_ms));
        Some(())
    });
    sandbox.wake();
    removed.map_or_else(not_found, |()| no_content())
}

async fn user_status(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| {
        let place = account.office.users.iter().position(|user| user.uuid == uuid)?;
        Some(user_status_answer(account, place))
    }))
}

async fn set_user_status(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, now_ms| change_user_status(account, fields, &uuid, now_ms))
}

fn change_user_status(account: &mut Account, fields: &mut Fields, uuid: &str, now_ms: i64) -> Said {
    let place = account.office.users.iter().position(|user| user.uuid == uuid).ok_or_else(unknown)?;
    let available = fields.flag("available");
    let status = fields.text("custom_status_uuid");
    let known = |id: &String| account.office.custom_statuses.iter().any(|status| &status.id == id);
    if status.as_ref().is_some_and(|id| !known(id)) {
        fields.unknown("custom_status_uuid");
    }
    fields.check()?;
    let named = fields.has("custom_status_uuid");
    let user = &mut account.office.users[place];
    user.available = available.unwrap_or(user.available);
    if named {
        user.custom_status = status;
    }
    let email = user.email.clone();
    account.touch_user(&email, now_ms);
    Ok(user_status_answer(account, place))
}

fn user_status_answer(account: &Account, place: usize) -> Value {
    let user = &account.office.users[place];
    let at = payload::with_offset(user.updated_ms);
    let status = user.custom_status.as_ref();
    let status = status.and_then(|id| account.office.custom_statuses.iter().find(|status| &status.id == id));
    let status = status.map(|status| json!({ "id": status.id, "name": status.name, "last_updated_at": at }));
    json!({ "user_status": {
        "custom_status": status, "appearance": { "available": user.available, "last_updated_at": at },
    } })
}
