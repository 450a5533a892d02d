//! Webhooks of the Callbell account: `POST /callbell/<secret>`, in the order of `semantics.md` §4.1.
//!
//! Callbell counts exactly 200 as success and disables a webhook that fails too often: whatever is well-formed and
//! authenticated is answered `{"status":"ok"}`, after it is on disk. Invariant: a check leaves no row.

use super::error::Refusal;
use super::room::Sender;
use super::{App, auth, hooks, limits, ok};
use crate::connector::webhook::{self, Incoming};
use crate::trigger::webhook::verify_callbell;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use percent_encoding::percent_decode_str;

pub(super) async fn take(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::GET | Method::HEAD => {
            limits::check_headers(&parts.headers)?;
            return Ok(check(&app, &parts));
        }
        Method::POST => {}
        _ => return Err(Refusal::method_not_allowed()),
    }
    let sender = sender(&app, &parts);
    let body = match limits::read_body(&parts, body, &app.0, sender).await {
        // No check is that large: it is said what is missing.
        Err(refusal) if sender == Sender::Nobody && refusal.status == StatusCode::PAYLOAD_TOO_LARGE => {
            return authenticate(&app, &parts, &[]).and(Err(refusal));
        }
        read => read?,
    };
    if webhook::is_check(body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body)) {
        return Ok(check(&app, &parts));
    }
    authenticate(&app, &parts, &body)?;
    let incoming = webhook::read(&body, app.engine().clock().now_ms())
        .map_err(|error| Refusal::unreadable(error.to_string(), "send the event as JSON"))?;
    if incoming.iter().any(|one| *one != Incoming::Check) {
        app.engine().told(incoming, body.clone()).await.map_err(|_| Refusal::busy(hooks::some_seconds()))?;
    }
    Ok(ok())
}

/// A connection check is answered to anybody; it is a sign of life only from who knows the address. Where signatures are
/// the only secret, the address has nothing to know, and a check is not signed.
fn check(app: &App, parts: &Parts) -> Response {
    let environment = &app.0.environment;
    let knows = match &environment.callbell_webhook_secret {
        Some(expected) => auth::is_same(expected, &in_address(parts)),
        None => !environment.callbell_signing_secrets.is_empty() && in_address(parts).is_empty(),
    };
    if knows {
        app.engine().note_check();
    }
    ok()
}

/// What is known before the body is there.
fn sender(app: &App, parts: &Parts) -> Sender {
    let environment = &app.0.environment;
    match &environment.callbell_webhook_secret {
        Some(expected) if auth::is_same(expected, &in_address(parts)) => Sender::Known,
        None if !environment.callbell_signing_secrets.is_empty() => Sender::Unproven,
        _ => Sender::Nobody,
    }
}

fn in_address(parts: &Parts) -> Vec<u8> {
    percent_decode_str(parts.uri.path().strip_prefix("/callbell/").unwrap_or_default()).collect()
}

/// Every secret that is set must be shown: the one of the address, and the signature.
fn authenticate(app: &App, parts: &Parts, body: &[u8]) -> Result<(), Refusal> {
    let hint = "the address is `/callbell/<CALLBELL_WEBHOOK_SECRET>`; a signature needs `CALLBELL_SIGNING_SECRET`";
    let environment = &app.0.environment;
    let (secret, signing) = (&environment.callbell_webhook_secret, &environment.callbell_signing_secrets);
    if secret.is_none() && signing.is_empty() {
        return Err(Refusal::unauthenticated("the server knows no secret of Callbell, and takes nothing", hint));
    }
    if let Some(expected) = secret
        && !auth::is_same(expected, &in_address(parts))
    {
        return Err(Refusal::unauthenticated("the secret in the address is missing or wrong", hint));
    }
    if !signing.is_empty() {
        verify_callbell(signing, &parts.headers, body, app.0.wall.now_ms())
            .map_err(|refusal| Refusal::unauthenticated(refusal.message().to_owned(), hint))?;
    }
    Ok(())
}
