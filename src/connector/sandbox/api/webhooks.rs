//! `/webhooks`: the account's only webhook and the log of what was posted to it (reference §13.6).

use super::super::Sandbox;
use super::super::mailbox::Logged;
use super::super::payload;
use super::{Paging, answer, list_of};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use serde::Deserialize;
use serde_json::{Value, json};

/// Every kind of event there is.
const EVENTS: [&str; 10] = [
    "message_created",
    "message_status_updated",
    "contact_created",
    "contact_updated",
    "contact_deleted",
    "conversation_opened",
    "conversation_closed",
    "agent_status_updated",
    "agent_session_updated",
    "team_membership_updated",
];

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/webhooks/subscribe", post(subscribe))
        .route("/webhooks/unsubscribe", delete(unsubscribe))
        .route("/webhooks/events", get(events))
}

/// Creates or replaces the only webhook.
async fn subscribe(State(sandbox): State<Sandbox>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, now_ms| {
        let url = fields.needed("url");
        let fits = reqwest::Url::parse(&url).is_ok_and(|url| {
            // This machine by its name is refused as the vendor does; by its number it is what tests are for.
            matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| host != "localhost")
        });
        if !url.is_empty() && !fits {
            fields.wrong("url", "is invalid");
        }
        let names = fields.list("subscriptions").unwrap_or_default();
        if names.iter().any(|name| !EVENTS.contains(&name.as_str())) {
            fields.wrong("subscriptions", "is not included in the list");
        }
        fields.check()?;
        let said = json!({
            "url": url, "subscriptions": names, "createdAt": payload::spaced(now_ms), "enabled": true,
        });
        account.mailbox.subscribe(url, (!names.is_empty()).then(|| names.into_iter().collect()), now_ms);
        Ok(json!({ "webhook": said }))
    })
}

async fn unsubscribe(State(sandbox): State<Sandbox>) -> Response {
    sandbox.set_webhook(None);
    answer(200, &json!({ "status": "webhook was destroyed" }))
}

#[derive(Deserialize)]
struct Wanted {
    status: Option<String>,
    subscriptions: Option<String>,
}

/// Newest first.
async fn events(
    State(sandbox): State<Sandbox>,
    Query(wanted): Query<Wanted>,
    Query(paging): Query<Paging>,
) -> Response {
    let names = list_of(wanted.subscriptions.as_deref().unwrap_or_default());
    let fits = |row: &Logged| {
        let status = match wanted.status.as_deref() {
            Some("success") => row.success,
            Some("failed") => !row.success,
            _ => true,
        };
        status && (names.is_empty() || names.iter().any(|name| name == row.event))
    };
    let rows = sandbox.with(|account, _| {
        let rows = account.mailbox.log.iter().rev().map(|(_, row)| row);
        rows.filter(|row| fits(row)).map(shown).collect()
    });
    let (rows, meta) = paging.cut(rows);
    answer(200, &json!({ "webhook_events": rows, "meta": meta }))
}

fn shown(row: &Logged) -> Value {
    let response = match &row.answer {
        None => json!({ "body": null, "code": null, "headers": {} }),
        Some(answer) => json!({ "body": answer.body, "code": answer.status, "headers": answer.headers }),
    };
    json!({
        "event": row.event,
        "payload": payload_of(&row.body),
        "response": response,
        "success": row.success,
        "createdAt": payload::iso(row.at_ms),
    })
}

/// What was posted, without envelope or list.
fn payload_of(body: &[u8]) -> Value {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = if said.is_array() { said[0].clone() } else { said };
    if said.get("event").is_some() { said["payload"].clone() } else { said }
}
