//! `/api/deploy`: what serves. Its texts may name people: they are for tokens that operate.

use super::Query;
use crate::config::Files;
use crate::http::App;
use crate::http::error::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};

/// Deploys listed beside the one that serves.
const LISTED: u32 = 20;

/// `GET /api/deploy`: what serves and what served before; with `show_pii=1` the texts as well.
pub(super) async fn deploy(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let query = Query::read(&uri, &["show_pii"])?;
    let open = query.open()?;
    let store = app.engine().store();
    let listed = store.deploys(LISTED).await.map_err(|error| Refusal::store(&error))?;
    let row = |number: i64, hash: &str, at_ms: i64| json!({ "number": number, "hash": hash, "at_ms": at_ms });
    let Some(serves) = listed.first() else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "nothing was deployed yet", "start `relance serve`"));
    };
    let mut answer = json!({
        "version": 1,
        "deploy": row(serves.number, &serves.hash, serves.at_ms),
        "in_flight": serves.in_flight,
        "before": listed[1..].iter().map(|old| row(old.number, &old.hash, old.at_ms)).collect::<Vec<_>>(),
    });
    if open {
        let files: Files = serde_json::from_str(&serves.files).unwrap_or_default();
        answer["files"] = json!(files);
    }
    Ok(Json(answer))
}
