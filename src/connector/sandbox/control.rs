//! The switches of the sandbox below `/sandbox`: what no vendor offers, for tests and curious people.
//!
//! Invariant: only calls with a JSON content type change anything, so no web page can do it behind the user's back.

use super::message::Way;
use super::request::{Recipient, digits};
use super::{Sandbox, SandboxMessage};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/messages", get(messages))
        .route("/calls", get(calls))
        .route("/people", get(people).post(change_person))
        .route("/reply", post(reply))
        .route("/faults", get(faults).post(set_faults))
        .route("/clock", get(clock).post(move_clock))
}

fn wrong(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

#[derive(Deserialize)]
struct Selection {
    /// Only rows with a higher number.
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    phone: Option<String>,
    /// Messages of customers too.
    #[serde(default)]
    all: bool,
}

/// Everything that was accepted, in order.
async fn messages(State(sandbox): State<Sandbox>, Query(wanted): Query<Selection>) -> Json<Vec<SandboxMessage>> {
    let phone =
        wanted.phone.as_deref().map(|phone| digits(phone).map(|digits| format!("+{digits}")).unwrap_or_default());
    let fits = |message: &&SandboxMessage| {
        message.n > wanted.after
            && (wanted.all || message.direction == Way::Sent)
            && phone.as_ref().is_none_or(|phone| phone == &message.phone)
    };
    let limit = wanted.limit.unwrap_or(usize::MAX);
    Json(sandbox.with(|account, _| {
        account.messages.iter().map(|(_, message)| message).filter(fits).take(limit).cloned().collect()
    }))
}

/// Every request to the API, in order.
async fn calls(State(sandbox): State<Sandbox>, Query(wanted): Query<Selection>) -> Json<Vec<Value>> {
    let rows = sandbox.calls().into_iter().filter(|(n, _)| *n > wanted.after).take(wanted.limit.unwrap_or(usize::MAX));
    let numbered = rows.filter_map(|(n, call)| {
        let mut row = serde_json::to_value(call).ok()?;
        row["n"] = n.into();
        Some(row)
    });
    Json(numbered.collect())
}

async fn people(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(json!(sandbox.people()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    phone: String,
    name: Option<String>,
    tags: Option<Vec<String>>,
    custom: Option<Map<String, Value>>,
}

/// Creates or changes a person of the account, who is told of by `contact_created` or `contact_updated`.
async fn change_person(State(sandbox): State<Sandbox>, Json(person): Json<Person>) -> Response {
    let Some(digits) = digits(&person.phone) else {
        return wrong(StatusCode::BAD_REQUEST, "`phone` is no international number");
    };
    let Person { name, tags, custom, .. } = person;
    let to = Recipient::Phone(digits);
    let changed = sandbox.with(|account, now_ms| account.change_person(&to, name, tags, custom, now_ms));
    sandbox.wake();
    Json(json!({ "uuid": changed.uuid, "name": changed.name, "tags": changed.tags, "custom": changed.custom }))
        .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    phone: String,
    #[serde(default)]
    text: String,
    /// Address of a file.
    media: Option<String>,
    channel_uuid: Option<String>,
}

/// The customer writes.
async fn reply(State(sandbox): State<Sandbox>, Json(reply): Json<Reply>) -> Response {
    let Reply { phone, text, media, channel_uuid } = reply;
    match sandbox.reply_on(channel_uuid.as_deref(), &phone, &text, media.as_deref()) {
        Ok(message) => Json(message).into_response(),
        Err(error) => wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn faults(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(sandbox.with(|account, _| account.faults.show()))
}

async fn set_faults(State(sandbox): State<Sandbox>, Json(wanted): Json<Map<String, Value>>) -> Response {
    match sandbox.with(|account, _| account.faults.apply(&wanted).map(|()| account.faults.show())) {
        Ok(shown) => Json(shown).into_response(),
        Err(error) => wrong(StatusCode::BAD_REQUEST, &error),
    }
}

async fn clock(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(json!({ "now_ms": sandbox.0.clock.now_ms() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    to_ms: Option<i64>,
    by_ms: Option<i64>,
}

/// Moves the clock forward and lets everything due until then happen before it answers.
async fn move_clock(State(sandbox): State<Sandbox>, Json(wanted): Json<Move>) -> Response {
    if !sandbox.0.own_clock {
        return wrong(StatusCode::CONFLICT, "this sandbox follows a clock that is moved elsewhere");
    }
    let now_ms = sandbox.0.clock.now_ms();
    let Some(to_ms) = wanted.to_ms.or(wanted.by_ms.map(|by_ms| now_ms.saturating_add(by_ms))) else {
        return wrong(StatusCode::BAD_REQUEST, "say `to_ms` or `by_ms`");
    };
    sandbox.0.clock.move_to(to_ms);
    sandbox.settle().await;
    Json(json!({ "now_ms": sandbox.0.clock.now_ms() })).into_response()
}
