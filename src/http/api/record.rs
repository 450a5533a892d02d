//! What was, as files of a project: `GET /api/runs/<id>/record`, an old run as a test, for `relance test --record`;
//! `GET /api/events/<id>/record`, a received event as a sample, for `relance webhooks record`.

use super::not_found;
use super::query::Query;
use crate::engine::record::NotRecorded;
use crate::http::App;
use crate::http::error::Refusal;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};

/// Without `show_pii=1` numbers, names and addresses are of nobody.
pub(super) async fn record(State(app): State<App>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let open = Query::read(&uri, &["show_pii"])?.open()?;
    let recorded = app.engine().record(&id, open).await.map_err(|error| Refusal::store(&error))?;
    let file = recorded.map_err(|why| refused("run", why))?;
    Ok(Json(json!({ "version": 1, "run": id, "file": file })))
}

fn refused(what: &str, why: NotRecorded) -> Refusal {
    match why {
        NotRecorded::Unknown => not_found(what),
        NotRecorded::Refused(error, hint) => Refusal::new(StatusCode::CONFLICT, error, hint),
    }
}

/// As [`record`], of what an event said; what people wrote is left out as well.
pub(super) async fn sample(State(app): State<App>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let open = Query::read(&uri, &["show_pii"])?.open()?;
    let recorded = app.engine().sample(&id, open).await.map_err(|error| Refusal::store(&error))?;
    let data = recorded.map_err(|why| refused("event", why))?;
    Ok(Json(json!({ "version": 1, "event": id, "data": data })))
}
