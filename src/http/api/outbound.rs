//! What an operator does about messages: settles an uncertain one, sees what is paused, and resumes it.
//!
//! Invariant: a refused answer changes nothing, and says what stands in its way.

use super::Who;
use super::mask::masked_text;
use super::query::Query;
use super::view;
use crate::delivery::{DeliveryState, Scope};
use crate::engine::{Answer, NotSettled};
use crate::http::error::Refusal;
use crate::http::room::Sender;
use crate::http::{App, limits};
use axum::Extension;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settle {
    answer: Answer,
}

/// `POST /api/deliveries/<id>/settle`: `{"answer": "was_sent" | "resend" | "give_up"}`.
pub(super) async fn settle(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let hint = "send `{\"answer\": \"was_sent\"}`, `resend` or `give_up`";
    let Settle { answer } = read_json(&app, request, hint).await?;
    match app.engine().settle(&id, answer, &who).await.map_err(|_| Refusal::busy(1))? {
        Ok(state) => Ok(Json(json!({ "version": 1, "id": id, "state": state }))),
        Err(NotSettled::Unknown) => {
            let hint = "`GET /api/deliveries` lists what there is";
            Err(Refusal::new(StatusCode::NOT_FOUND, "there is no delivery of this id", hint))
        }
        Err(NotSettled::State(state)) => Err(not_uncertain(state)),
    }
}

fn not_uncertain(state: DeliveryState) -> Refusal {
    let hint = match state {
        DeliveryState::Accepted => "the vendor took it: nobody has to say what became of it, and it is not sent again",
        DeliveryState::Queued | DeliveryState::Held => "it was not handed over yet: it leaves by itself, or expires",
        DeliveryState::Sending => "its call is open: ask again when it has ended",
        _ => "it has ended, and is not sent again",
    };
    let error = format!("only an `uncertain` delivery can be settled; this one is `{}`", state.as_str());
    Refusal::new(StatusCode::CONFLICT, error, hint)
}

/// `GET /api/pauses`: what nothing leaves by, and why.
pub(super) async fn pauses(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    Query::read(&uri, &[])?;
    let pauses = app.engine().pauses().await.map_err(|error| Refusal::store(&error))?;
    Ok(Json(json!({ "version": 1, "pauses": pauses.iter().map(view::pause).collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resume {
    scope: String,
}

/// `POST /api/resume`: `{"scope": "account" | "channel:<name>" | "template:<uuid>"}`, as `GET /api/pauses` shows it.
pub(super) async fn resume(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let hint = "send `{\"scope\": \"account\"}`, `channel:<name>` or `template:<uuid>`, as `GET /api/pauses` shows it";
    let Resume { scope } = read_json(&app, request, hint).await?;
    let Some(scope) = Scope::parse(&scope) else {
        let shown = scope.chars().filter(|c| !c.is_control()).take(40).collect::<String>();
        return Err(Refusal::unreadable(format!("no scope is called `{}`", masked_text(&shown)), hint));
    };
    let ended = app.engine().resume(vec![scope], &who).await.map_err(|_| Refusal::busy(1))?;
    Ok(Json(json!({ "version": 1, "resumed": ended })))
}

/// Only a body that says it is JSON, which no form of a web page can send, and no page of another name.
pub(super) async fn read_json<T: DeserializeOwned>(
    app: &App,
    request: Request,
    hint: &'static str,
) -> Result<T, Refusal> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        let error = "the body does not say that it is JSON";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error, "send `Content-Type: application/json`"));
    }
    let body = limits::read_body(&parts, body, &app.0, Sender::Known).await?;
    serde_json::from_slice(&body).map_err(|_| Refusal::unreadable("the body cannot be read", hint))
}
