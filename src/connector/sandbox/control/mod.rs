//! The switches of the sandbox below `/sandbox`: what no vendor offers, for tests and curious people.
//!
//! Invariant: only calls with a JSON content type change anything, so no web page can do it behind the user's back.

mod account;
mod people;

use super::faults::Asked;
use super::message::Way;
use super::request::digits;
use super::{ASKED, Sandbox, SandboxMessage, files};
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header::HOST};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What there is below `/sandbox`, a line each.
pub const NOTES: &[(&str, &str)] = &[
    ("GET /sandbox/messages?after=&limit=&phone=&all=", "what was accepted, with the bodies; `all` = both directions"),
    ("GET /sandbox/calls?after=&limit=&status=&path=", "every request to the API; `/sandbox/calls/count` sums up"),
    ("GET|POST /sandbox/people", "who is known; sets name, tags, fields, and how the platform treats a person"),
    ("POST /sandbox/reply", "a person writes: text, file, place, cards, a tap on a button, an answer"),
    ("POST /sandbox/colleague", "a colleague writes from the dashboard"),
    ("GET|POST /sandbox/account", "teams, colleagues, tags, fields, funnels, lines, templates, the webhook"),
    ("GET|POST /sandbox/faults", "what goes wrong, and how often"),
    ("GET|POST /sandbox/clock", "the sandbox's time; `{\"by_ms\": 3600000}` lets an hour pass"),
    ("POST /sandbox/reset", "everything as at the beginning"),
];

pub(super) fn router(sandbox: &Sandbox) -> Router<Sandbox> {
    Router::new()
        .route("/messages", get(messages))
        .route("/calls", get(calls))
        .route("/calls/count", get(count_calls))
        .route("/people", get(people::list).post(people::change))
        .route("/reply", post(people::reply))
        .route("/colleague", post(people::write_by_hand))
        .route("/account", get(account::show).post(account::change))
        .route("/faults", get(faults).post(set_faults))
        .route("/clock", get(clock).post(move_clock))
        .route("/reset", post(reset))
        .layer(from_fn_with_state(sandbox.clone(), attend))
        .route("/files/{number}/{name}", get(files::serve))
}

/// Learns where the sandbox is reached, and lets a call ask for faults of what it causes.
async fn attend(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    let asked = match Asked::of(request.headers(), request.uri()) {
        Ok(asked) => asked,
        Err(words) => return wrong(StatusCode::BAD_REQUEST, &words),
    };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    sandbox.with(|account, _| {
        if let (None, Some(host)) = (&account.base, host) {
            account.base = Some(format!("http://{host}"));
        }
    });
    ASKED.scope(asked, next.run(request)).await
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
    /// Of calls: only those answered with it.
    status: Option<u16>,
    /// Of calls: only those whose path begins with it, like `/v1/contacts`.
    path: Option<String>,
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
    let rows = sandbox.calls().into_iter().filter(|(n, call)| {
        *n > wanted.after
            && wanted.status.is_none_or(|status| status == call.status)
            && wanted.path.as_ref().is_none_or(|path| call.path.starts_with(path))
    });
    let numbered = rows.take(wanted.limit.unwrap_or(usize::MAX)).filter_map(|(n, call)| {
        let mut row = serde_json::to_value(call).ok()?;
        row["n"] = n.into();
        Some(row)
    });
    Json(numbered.collect())
}

/// How many requests there were by status, how many came too fast, and how often each fault happened.
async fn count_calls(State(sandbox): State<Sandbox>) -> Json<Value> {
    let mut by_status: BTreeMap<String, u64> = BTreeMap::new();
    sandbox.calls_log().iter().for_each(|(_, call)| *by_status.entry(call.status.to_string()).or_default() += 1);
    let all = sandbox.calls_log().next_number() - 1;
    Json(sandbox.with(|account, _| {
        let (rate_limited, faults) = (account.rate_limited, account.faults.taken());
        json!({ "all": all, "by_status": by_status, "rate_limited": rate_limited, "faults": faults })
    }))
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
    if !sandbox.0.config.own_clock {
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

/// The body is any JSON, `{}` for one: see the invariant.
async fn reset(State(sandbox): State<Sandbox>, Json(_): Json<Value>) -> Json<Value> {
    sandbox.reset();
    Json(json!({ "status": "ok" }))
}
