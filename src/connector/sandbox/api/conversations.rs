//! `/contacts/:uuid/bot` and `/contacts/:uuid/conversation`: who answers, open or closed, notes, funnels (reference §10).

use super::super::Sandbox;
use super::super::account::{Account, ContactChange, Shape};
use super::super::payload;
use super::change::read_bot;
use super::{Fields, Said, found, unknown};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde_json::{Value, json};

pub(super) fn router() -> Router<Sandbox> {
    Router::new()
        .route("/contacts/{uuid}/bot", get(bot).post(set_bot))
        .route("/contacts/{uuid}/conversation/open", post(open))
        .route("/contacts/{uuid}/conversation/close", post(close))
        .route("/contacts/{uuid}/conversation/note", post(note))
        .route("/contacts/{uuid}/conversation/update_funnel", put(funnel))
        // The spelling of the code sample.
        .route("/contacts/{uuid}/messages/update_funnel", post(funnel))
}

async fn bot(State(sandbox): State<Sandbox>, Path(uuid): Path<String>) -> Response {
    found(sandbox.with(|account, _| account.bot_answer(&account.key_by_uuid(&uuid)?)))
}

async fn set_bot(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, now_ms| {
        let key = account.key_by_uuid(&uuid).ok_or_else(unknown)?;
        fields.needed("status");
        let bot = read_bot(fields, "status");
        fields.check()?;
        account.change_contact(&key, ContactChange { bot, ..ContactChange::default() }, now_ms);
        account.bot_answer(&key).ok_or_else(unknown)
    })
}

async fn open(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, _, now_ms| {
        let key = account.key_by_uuid(&uuid).ok_or_else(unknown)?;
        account.open_conversation(&key, now_ms);
        with_closing(account, &key)
    })
}

async fn close(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields: &mut Fields, now_ms| {
        let key = account.key_by_uuid(&uuid).ok_or_else(unknown)?;
        let reason = fields.text("closing_reason");
        fields.check()?;
        account.close_conversation(&key, reason.as_deref(), now_ms);
        with_closing(account, &key)
    })
}

/// `contact`, and `closedAt` beside it.
fn with_closing(account: &mut Account, key: &str) -> Said {
    let closed_ms = account.people.get(key).and_then(|person| person.closed_ms);
    let mut said = account.contact_answer(key, Shape::API).ok_or_else(unknown)?;
    said["closedAt"] = closed_ms.map_or(Value::Null, |at_ms| payload::iso(at_ms).into());
    Ok(said)
}

async fn note(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, now_ms| {
        let key = account.key_by_uuid(&uuid).ok_or_else(unknown)?;
        let text = fields.needed("text");
        fields.check()?;
        account.add_note(&key, &text, now_ms);
        Ok(json!({ "success": true }))
    })
}

async fn funnel(State(sandbox): State<Sandbox>, Path(uuid): Path<String>, raw: Bytes) -> Response {
    sandbox.change(&raw, |account, fields, now_ms| {
        let key = account.key_by_uuid(&uuid).ok_or_else(unknown)?;
        let funnel = fields.needed("funnel_id");
        if !funnel.is_empty() && account.office.funnel(&funnel).is_none() {
            fields.unknown("funnel_id");
        }
        fields.check()?;
        account.change_contact(&key, ContactChange { funnel: Some(funnel), ..ContactChange::default() }, now_ms);
        account.contact_answer(&key, Shape::API).ok_or_else(unknown)
    })
}
