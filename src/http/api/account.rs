//! What the command line asks of a running server about the account, people and events.

use super::super::App;
use super::super::error::Refusal;
use super::super::hooks;
use super::mask::masked_text;
use super::outbound::read_json;
use super::query::Query;
use super::{people, view};
use crate::config::Secret;
use crate::consent;
use crate::engine::import::{Import, ImportRow};
use crate::store::events::EventFilter;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const AS_SENT: &str = "send it as `relance` does";
/// Rows of one import.
const MOST_ROWS: usize = 500;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/alerts", get(alerts))
        .route("/api/events", get(events))
        .route("/api/contacts", get(contact))
        .route("/api/contacts/show", post(contact))
        .route("/api/contacts/import", post(import))
        .route("/api/webhooks/connected", post(connected))
        .route("/api/webhooks/is-connected", post(is_connected))
}

/// `GET /api/alerts`: what an operator should know, and what is paused.
async fn alerts(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    Query::read(&uri, &[])?;
    let alerts = app.engine().alerts().await.map_err(|error| Refusal::store(&error))?;
    let pauses = app.engine().pauses().await.map_err(|error| Refusal::store(&error))?;
    let alert = |one: &crate::store::alerts::Alert| json!({ "name": one.name, "what": masked_text(&one.what), "since": view::iso(one.since_ms) });
    Ok(Json(json!({
        "version": 1,
        "alerts": alerts.iter().map(alert).collect::<Vec<_>>(),
        "pauses": pauses.iter().map(view::pause).collect::<Vec<_>>(),
    })))
}

/// `GET /api/events`: newest first. With `show_pii=1` numbers are not masked.
async fn events(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Refusal> {
    let query = Query::read(&uri, &["name", "source", "id", "limit", "show_pii"])?;
    let filter = EventFilter {
        id: query.text("id"),
        name: query.text("name"),
        source: query.text("source"),
        limit: query.limit()?,
    };
    let rows = app.engine().store().list_events(&filter).await.map_err(|error| Refusal::store(&error))?;
    let open = query.open()?;
    let shown = rows.iter().map(|row| if open { view::open_event(row) } else { view::event(row) });
    Ok(Json(json!({ "version": 1, "events": shown.collect::<Vec<_>>() })))
}

/// `POST /api/contacts/show`, the person named in the body, and `GET /api/contacts?uuid=|id=`: one person. With
/// `show_pii=1` the number is not masked. A number that nobody is known by, and whose owner wants no more messages, has no
/// `id`: what is kept is under the number's hash.
async fn contact(State(app): State<App>, request: Request) -> Result<Json<Value>, Refusal> {
    let (whom, query) = people::asked(&app, request, &["show_pii"]).await?;
    let (open, known) = (query.open()?, whom.known(&app).await?);
    let history = match (&known, &whom) {
        (Some((contact, _)), _) => app.engine().consent_history(contact).await,
        (None, people::Whom::Number(phone)) => app.engine().consent_history_of(phone).await,
        (None, people::Whom::Other(_)) => Ok(Vec::new()),
    };
    let history = history.map_err(|error| Refusal::store(&error))?;
    let mut shown = match (&known, whom, consent::standing(&history)) {
        (Some((contact, lines)), _, _) => view::contact(contact, lines),
        (None, people::Whom::Number(phone), Some(withdrawal)) => {
            json!({ "phone": phone.e164(), "withdrawal": view::withdrawal(&withdrawal) })
        }
        _ => return Err(super::not_found("contact")),
    };
    shown["consent_history"] = history.iter().map(view::consent).collect();
    let shown = if open { shown } else { super::mask::masked(shown) };
    Ok(Json(json!({ "version": 1, "zone": super::zone(&app), "contact": shown })))
}

#[derive(Deserialize)]
struct Rows {
    /// The file's name.
    source: String,
    rows: Vec<WrittenRow>,
}

#[derive(Deserialize)]
struct WrittenRow {
    line: u64,
    columns: Map<String, Value>,
}

/// `POST /api/contacts/import`: at most 500 rows; what became of each, in order.
async fn import(State(app): State<App>, request: Request) -> Result<Json<Value>, Refusal> {
    let Rows { source, rows } = read_json(&app, request, AS_SENT).await?;
    if rows.len() > MOST_ROWS {
        let hint = format!("send at most {MOST_ROWS} at a time");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too many rows at once", hint));
    }
    let region = app.engine().deployed().settings.phone_region.clone();
    let read = |row: &WrittenRow| ImportRow::read(row.line, &row.columns, region.as_deref());
    let read: Vec<Result<ImportRow, &str>> = rows.iter().map(read).collect();
    let good: Vec<ImportRow> = read.iter().filter_map(|row| row.clone().ok()).collect();
    let imported = app.engine().import(Import { rows: good, source }).await;
    let mut imported = imported.map_err(|_| Refusal::busy(hooks::some_seconds()))?.into_iter();
    let answer = |(row, read): (&WrittenRow, &Result<ImportRow, &str>)| match read {
        Ok(_) => json!({ "line": row.line, "result": imported.next().map(|one| one.as_str()) }),
        Err(reason) => json!({ "line": row.line, "result": "bad", "reason": reason }),
    };
    let answers: Vec<Value> = rows.iter().zip(&read).map(answer).collect();
    Ok(Json(json!({ "version": 1, "rows": answers })))
}

#[derive(Deserialize)]
struct Connected {
    url: String,
}

/// `POST /api/webhooks/connected`: the account posts its events to this address, by our own doing.
async fn connected(State(app): State<App>, request: Request) -> Result<Json<Value>, Refusal> {
    let Connected { url } = read_json(&app, request, AS_SENT).await?;
    let kept = app.engine().webhook_connected(&Secret::new(url)).await;
    kept.map_err(|_| Refusal::busy(hooks::some_seconds()))?;
    Ok(Json(json!({ "version": 1, "connected": true })))
}

/// `POST /api/webhooks/is-connected`: whether it was, and when the account last posted something here. Posted, because
/// the address is a secret.
async fn is_connected(State(app): State<App>, request: Request) -> Result<Json<Value>, Refusal> {
    let Connected { url } = read_json(&app, request, AS_SENT).await?;
    let known = app.engine().webhook(&Secret::new(url)).await.map_err(|error| Refusal::store(&error))?;
    let posted = known.posted_ms.map(view::iso);
    Ok(Json(json!({ "version": 1, "connected": known.connected_ms.is_some(), "posted_at": posted })))
}
