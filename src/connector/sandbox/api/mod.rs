//! The vendor's API (reference §5, §9–§13.6), one file per noun.
//!
//! ```text
//! request ─► list of calls ─► token ─► faults before ─► handler ─► faults after ─► answer
//! ```
//! Invariant: every request leaves a row in the list of calls, refused ones too.

mod change;
mod channels;
mod contacts;
mod conversations;
mod fields;
mod guard;
mod messages;
mod teams;
mod templates;
mod webhooks;

use super::Sandbox;
use super::request::Refusal;
use axum::body::Body;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use fields::Fields;
use serde::Deserialize;
use serde_json::{Value, json};

/// Rows of a page.
const PAGE: usize = 20;

pub(super) fn router(sandbox: &Sandbox) -> Router<Sandbox> {
    Router::new()
        .merge(messages::router())
        .merge(contacts::router())
        .merge(conversations::router())
        .merge(templates::router())
        .merge(channels::router())
        .merge(teams::router())
        .merge(webhooks::router())
        .fallback(any(async || not_found()))
        .method_not_allowed_fallback(async || not_found())
        .layer(from_fn_with_state(sandbox.clone(), guard::see_through))
}

/// What an endpoint says: an object, or a refusal.
type Said = Result<Value, Refusal>;

fn answer(status: u16, body: &Value) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, Json(body)).into_response()
}

fn error(status: u16, text: &str) -> Response {
    answer(status, &json!({ "error": text }))
}

fn not_found() -> Response {
    error(404, "not found")
}

fn unknown() -> Refusal {
    Refusal::plain(404, "not found")
}

fn found(object: Option<Value>) -> Response {
    object.map_or_else(not_found, |object| answer(200, &object))
}

fn say(said: Said) -> Response {
    match said {
        Ok(body) => answer(200, &body),
        Err(refusal) => answer(refusal.status, &refusal.body),
    }
}

fn no_content() -> Response {
    (StatusCode::NO_CONTENT, Body::empty()).into_response()
}

impl Sandbox {
    /// Reads the body's fields, changes the account, and lets what follows happen.
    fn change(&self, raw: &[u8], change: impl FnOnce(&mut super::Account, &mut Fields, i64) -> Said) -> Response {
        let said =
            Fields::read(raw).and_then(|mut fields| self.with(|account, now_ms| change(account, &mut fields, now_ms)));
        self.wake();
        say(said)
    }
}

#[derive(Deserialize)]
struct Paging {
    page: Option<String>,
    items: Option<String>,
}

/// A number of a query string; what is none counts as absent.
fn number(written: Option<&String>) -> Option<usize> {
    written.and_then(|written| written.trim().parse().ok())
}

impl Paging {
    /// One page of rows, and `meta`.
    fn cut(&self, rows: Vec<Value>) -> (Vec<Value>, Value) {
        let per_page = number(self.items.as_ref()).unwrap_or(PAGE).clamp(1, 100);
        let page = number(self.page.as_ref()).unwrap_or(1).max(1);
        let pages = rows.len().div_ceil(per_page).max(1);
        let rows = rows.into_iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
        (rows, json!({ "page": page, "pages": pages }))
    }
}

/// Names behind commas, without blanks.
fn list_of(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
