//! The vendor's webhooks API (reference §13.6), for one target per token: the account's only webhook is relance's, and
//! what it tells is handed on.
//!
//! Invariant: nothing here touches the account's own subscription.

use super::Asked;
use super::answer::Answer;
use crate::connector::account::EVENTS;
use crate::connector::guard::Guard;
use crate::connector::{Callbell, is_loopback};
use crate::http::front::Caller;
use crate::http::hooks::some_seconds;
use crate::relay::subscribed_key;
use crate::store::relay_targets::{RelayedFilter, RelayedRow, TargetRow};
use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Value, json};

/// Rows of a page when nothing is said, and at most.
const PAGE: u32 = 20;
const MOST_ROWS: u32 = 100;

/// One target per token: subscribing again replaces it.
pub(super) async fn subscribe(asked: &Asked) -> Result<Answer, Answer> {
    let body = asked.object()?.ok_or_else(|| Answer::faulty(400, "base", "invalid JSON"))?;
    let mut errors = serde_json::Map::new();
    let url = body["url"].as_str().map(str::trim).unwrap_or_default().to_owned();
    match &body["url"] {
        Value::Null => drop(errors.insert("url".into(), json!(["can't be blank"]))),
        _ if !is_fit(&url, asked) => drop(errors.insert("url".into(), json!(["is invalid"]))),
        _ => {}
    }
    let events = names(&body["subscriptions"]);
    if !events.as_ref().is_some_and(|events| events.iter().all(|name| EVENTS.contains(&name.as_str()))) {
        errors.insert("subscriptions".into(), json!(["is not included in the list"]));
    }
    let (true, Some(events)) = (errors.is_empty(), events) else {
        return Err(Answer::json(400, &json!({ "error": errors })));
    };
    let engine = asked.app.engine();
    let created_at_ms = engine.clock().now_ms();
    let target = TargetRow { name: asked.caller.clone(), url, events, created_at_ms };
    engine.put_target(target.clone()).await.map_err(|_| Answer::busy(some_seconds()))?;
    let shown = if target.events.is_empty() { EVENTS.map(str::to_owned).to_vec() } else { target.events };
    let webhook =
        json!({ "url": target.url, "subscriptions": shown, "createdAt": spaced(created_at_ms), "enabled": true });
    Ok(Answer::json(200, &json!({ "webhook": webhook })))
}

pub(super) async fn unsubscribe(asked: &Asked) -> Result<Answer, Answer> {
    let dropped = asked.app.engine().drop_target(&asked.caller).await;
    match dropped.map_err(|_| Answer::busy(some_seconds()))? {
        0 => Err(Answer::not_found()),
        _ => Ok(Answer::json(200, &json!({ "status": "webhook was destroyed" }))),
    }
}

/// What was handed on to this token's target, newest first. What the target took is not kept: its payload is null.
pub(super) async fn events(asked: &Asked) -> Result<Answer, Answer> {
    let page = number(asked, "page", 1, u32::MAX)?;
    let items = number(asked, "items", PAGE, MOST_ROWS)?;
    let success = match asked.query("status") {
        Some("success") => Some(true),
        Some("failed") => Some(false),
        None | Some("") => None,
        Some(_) => return Err(Answer::faulty(400, "status", "is not included in the list")),
    };
    let events = asked.query("subscriptions").map(split).unwrap_or_default();
    let filter = RelayedFilter { target: subscribed_key(&asked.caller), success, events, page, items };
    let found = asked.app.engine().store().relayed(&filter).await;
    let (rows, all) = found.map_err(|error| Answer::store(&error))?;
    let rows: Vec<Value> = rows.iter().map(shown).collect();
    let pages = all.div_ceil(items.into()).max(1);
    Ok(Answer::json(200, &json!({ "webhook_events": rows, "meta": { "page": page, "pages": pages } })))
}

fn shown(row: &RelayedRow) -> Value {
    let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
    let payload = if body.get("payload").is_some() { body["payload"].clone() } else { body };
    json!({
        "event": row.name,
        "payload": payload,
        "response": { "body": row.error, "code": row.http_status, "headers": {} },
        "success": row.http_status.is_some_and(|status| (200..300).contains(&status)),
        "createdAt": Timestamp::from_millisecond(row.at_ms).unwrap_or_default().to_string(),
    })
}

/// A list, or names with commas; `None` for anything else.
fn names(written: &Value) -> Option<Vec<String>> {
    match written {
        Value::Null => Some(Vec::new()),
        Value::String(text) => Some(split(text)),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What may be posted to later, over https; this machine only while the account is a sandbox on it and nobody else can
/// ask. Where a name leads to is looked at when it is called.
fn is_fit(url: &str, asked: &Asked) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let local = asked.parts.extensions.get::<Caller>().is_some_and(Caller::is_local);
    let loopback = local && asked.app.engine().callbell().is_some_and(Callbell::is_local);
    let guard = Guard { loopback };
    let allowed = guard.check(url.scheme(), url.host_str().unwrap_or_default()).is_ok();
    let fit = match is_loopback(&url) {
        true => loopback,
        false => url.scheme() == "https",
    };
    allowed && fit && url.username().is_empty()
}

fn number(asked: &Asked, name: &str, usual: u32, most: u32) -> Result<u32, Answer> {
    let Some(written) = asked.query(name).filter(|written| !written.is_empty()) else { return Ok(usual) };
    let read = written.parse::<u32>().ok().filter(|number| *number > 0);
    read.map(|number| number.min(most)).ok_or_else(|| Answer::faulty(400, name, "is not a number"))
}

/// `2026-03-01 10:30:00 +0000`.
fn spaced(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).unwrap_or_default().strftime("%Y-%m-%d %H:%M:%S +0000").to_string()
}
