//! What is handed on to the targets of the relay, and having the dead ones sent again.

use super::outbound::read_json;
use super::query::Query;
use super::{App, Refusal, Who, view};
use crate::store::relays::RelayFilter;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

/// The body of a redrive: the ids, or all that a target did not take.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Wanted {
    Ids(Vec<String>),
    Target(String),
}

/// `GET /api/relay`: newest first. Bodies are left out: they hold what people write.
pub(super) async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let query = Query::read(&uri, &["state", "target", "limit"])?;
    let filter = RelayFilter { state: query.relay_state()?, target: query.text("target"), limit: query.limit()? };
    let relays = app.engine().store().list_relays(&filter).await.map_err(|error| Refusal::store(&error))?;
    Ok(Json(json!({ "version": 1, "relays": relays.iter().map(view::relay).collect::<Vec<_>>() })))
}

/// `POST /api/relay/redrive`: `{"ids": […]}` or `{"target": "…"}`; answered with how many are posted again.
pub(super) async fn redrive(
    State(app): State<App>,
    Extension(Who(who)): Extension<Who>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let hint = "send `{\"ids\": [\"…\"]}`, or `{\"target\": \"…\"}` for everything that a target did not take";
    let ids = match read_json(&app, request, hint).await? {
        Wanted::Ids(ids) => ids,
        Wanted::Target(target) => {
            app.engine().store().dead_relays(&target).await.map_err(|error| Refusal::store(&error))?
        }
    };
    let copies = app.engine().redrive_relays(ids, &who).await.map_err(|_| Refusal::busy(1))?;
    Ok(Json(json!({ "version": 1, "redriven": copies })))
}
