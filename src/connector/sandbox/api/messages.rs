//! `/messages`: sending, statuses, deletion (reference §3–§6, §9).

use super::super::Sandbox;
use super::guard::Note;
use super::{Fields, answer, error, found, no_content, not_found, say, unknown};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{delete, get, post};
use serde::Deserialize;

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/messages/send", post(send))
        .route("/messages/status/{uuid}", get(status))
        .route("/messages", delete(remove_by_body))
        .route("/messages/{uuid}", delete(remove))
}

#[derive(Deserialize, Default)]
struct Wanted {
    #[serde(default)]
    fields: String,
}

async fn send(State(sandbox): State<Sandbox>, uri: Uri, raw: Bytes) -> Response {
    let fields = Query::<Wanted>::try_from_uri(&uri).map(|query| query.0.fields).unwrap_or_default();
    match sandbox.with(|account, now_ms| account.send(&raw, &fields, now_ms)) {
        Err(refusal) => say(Err(refusal)),
        Ok(taken) => {
            sandbox.wake();
            let mut response = answer(200, &taken.body);
            response.extensions_mut().insert(Note::accepted(taken.uuid));
            response
        }
    }
}

async fn status(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| account.status_answer(&uuid)))
}

async fn remove(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    match sandbox.with(|account, _| account.delete_message(&uuid)) {
        true => no_content(),
        false => not_found(),
    }
}

/// As the code samples of the documentation call it.
async fn remove_by_body(State(sandbox): State<Sandbox>, raw: Bytes) -> Response {
    let uuid = Fields::read(&raw).and_then(|mut fields| {
        let uuid = fields.needed("uuid");
        fields.check().map(|()| uuid)
    });
    let removed = uuid.and_then(|uuid| {
        let removed = sandbox.with(|account, _| account.delete_message(&uuid));
        removed.then_some(()).ok_or_else(unknown)
    });
    match removed {
        Ok(()) => no_content(),
        Err(refusal) if refusal.status == 404 => error(404, "not found"),
        Err(refusal) => say(Err(refusal)),
    }
}
