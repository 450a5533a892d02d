//! Webhooks of the project's sources: `POST /hooks/<source>/<event>`, in the order of `semantics.md` §4.1.
//!
//! Invariant: 200 is answered only after the event, and everything it caused, is on disk.

use super::error::Refusal;
use super::front::Caller;
use super::room::Sender;
use super::{App, Mode, limits};
use crate::config::{Signature, Source};
use crate::engine::Accepted;
use crate::event::NewEvent;
use crate::trigger::webhook::{self, SourceSecrets};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

/// The source that `dev` takes events from without a secret, on loopback.
pub(super) const LOCAL: &str = "local";

/// A source that only names its events.
pub(super) const NO_SECRETS: Source = Source { signature: Signature::None, secret: None, path_token: None, id: None };

/// The answer to an event that was taken in.
#[derive(Debug, Serialize)]
pub(super) struct Taken {
    status: &'static str,
    event_id: String,
    duplicate: bool,
}

pub(super) async fn take(State(app): State<App>, request: Request) -> Result<Json<Taken>, Refusal> {
    let (parts, body) = request.into_parts();
    let address = parts.uri.path().strip_prefix("/hooks/").unwrap_or_default();
    let (name, rest) = address.split_at(address.find('/').unwrap_or(address.len()));
    let (name, rest) = (decode(name)?, decode(rest)?);
    let event = match name == LOCAL && is_open(&app, &parts) {
        true => take_local(&app, &parts, body, &rest).await?,
        false => take_from_source(&app, &parts, body, &name, &rest).await?,
    };
    let accepted = accept(&app, event).await?;
    Ok(Json(Taken { status: "ok", event_id: accepted.event, duplicate: accepted.duplicate }))
}

/// Hands an event to the engine.
pub(super) async fn accept(app: &App, event: NewEvent) -> Result<Accepted, Refusal> {
    app.engine().accept(event).await.map_err(|_| Refusal::busy(some_seconds()))
}

/// From 1 to 5, not the same for all who ask at once.
pub(super) fn some_seconds() -> u32 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    ASKED.fetch_add(1, Ordering::Relaxed) % 5 + 1
}

/// Whether whoever reaches the server may do everything: `dev` on loopback.
pub(super) fn is_open(app: &App, parts: &Parts) -> bool {
    app.mode() == Mode::Dev && parts.extensions.get::<Caller>().is_some_and(Caller::is_local)
}

async fn take_from_source(
    app: &App,
    parts: &Parts,
    body: axum::body::Body,
    name: &str,
    address: &str,
) -> Result<NewEvent, Refusal> {
    let sources = app.sources();
    let (Some(source), Some(secrets)) = (sources.settings.sources.get(name), sources.secrets.get(name)) else {
        return Err(webhook::Refusal::unknown_source(name).into());
    };
    limits::check_headers(&parts.headers)?;
    let head = webhook::Request { headers: &parts.headers, address, body: &[] };
    webhook::event_of(source, secrets, &head).map_err(|refusal| refused(name, refusal))?;
    let sender = if source.path_token.is_some() { Sender::Known } else { Sender::Unproven };
    let body = limits::read_body(parts, body, &app.0, sender).await?;
    let request = webhook::Request { body: &body, ..head };
    let event = authenticate(app, name, source, secrets, &request)?;
    let now_ms = app.engine().clock().now_ms();
    Ok(webhook::read_event(name, source, &parts.headers, event, &body, now_ms)?)
}

fn authenticate<'a>(
    app: &App,
    name: &str,
    source: &Source,
    secrets: &SourceSecrets,
    request: &webhook::Request<'a>,
) -> Result<Option<&'a str>, Refusal> {
    let verdict = webhook::authenticate(source, secrets, request, app.0.wall.now_ms());
    verdict.map_err(|refusal| refused(name, refusal))
}

fn refused(name: &str, refusal: webhook::Refusal) -> Refusal {
    tracing::debug!(source = name, reason = refusal.message(), "a webhook was refused");
    refusal.into()
}

async fn take_local(app: &App, parts: &Parts, body: axum::body::Body, address: &str) -> Result<NewEvent, Refusal> {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        caller.check_names(&parts.method, &parts.headers)?;
    }
    let body = limits::read_body(parts, body, &app.0, Sender::Known).await?;
    let event = webhook::event_in_address(address);
    let now_ms = app.engine().clock().now_ms();
    Ok(webhook::read_event(LOCAL, &NO_SECRETS, &parts.headers, event, &body, now_ms)?)
}

fn decode(part: &str) -> Result<Cow<'_, str>, Refusal> {
    percent_decode_str(part).decode_utf8().map_err(|_| Refusal::not_found())
}
