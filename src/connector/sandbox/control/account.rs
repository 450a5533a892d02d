//! `/sandbox/account`: the office, the lines, the templates, the webhook, and colleagues who come and go.
//!
//! Invariant: a call that is wrong anywhere changes nothing.

use super::super::account::Session;
use super::super::office::Office;
use super::super::people::{Line, with_main};
use super::super::{Account, Sandbox};
use super::wrong;
use crate::config::LockedTemplate;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub(super) async fn show(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(sandbox.with(|account, _| shown(account)))
}

fn shown(account: &Account) -> Value {
    let mut shown = json!(account.office);
    shown["channels"] = json!(account.lines);
    shown["templates"] = json!(account.templates());
    let mailbox = &account.mailbox;
    shown["webhook"] =
        json!({ "url": mailbox.url, "subscriptions": mailbox.subscriptions, "enabled": mailbox.enabled });
    shown
}

/// The parts named are other ones from now on; a list is replaced as a whole.
pub(super) async fn change(State(sandbox): State<Sandbox>, Json(wanted): Json<Map<String, Value>>) -> Response {
    let changed = sandbox.with(|account, now_ms| apply(account, wanted, now_ms).map(|()| shown(account)));
    sandbox.wake();
    match changed {
        Ok(shown) => Json(shown).into_response(),
        Err(error) => wrong(StatusCode::BAD_REQUEST, &error),
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Hook {
    url: Option<String>,
    subscriptions: Option<Vec<String>>,
    enabled: Option<bool>,
}

fn apply(account: &mut Account, mut wanted: Map<String, Value>, now_ms: i64) -> Result<(), String> {
    let lines: Option<Vec<Line>> = take(&mut wanted, "channels")?;
    let templates: Option<Vec<Map<String, Value>>> = take(&mut wanted, "templates")?;
    let templates = templates.map(|rows| rows.into_iter().map(read_template).collect()).transpose()?;
    let hook: Hook = take(&mut wanted, "webhook")?.unwrap_or_default();
    let sessions: Vec<Session> = take(&mut wanted, "sessions")?.unwrap_or_default();
    let mut office = json!(account.office);
    if let Some(known) = office.as_object_mut() {
        known.extend(wanted);
    }
    let office: Office = serde_json::from_value(office).map_err(|error| error.to_string())?;
    if let Some(session) = sessions.iter().find(|session| office.user(&session.user).is_none()) {
        return Err(format!("no colleague `{}`", session.user));
    }
    if let Some(session) = sessions.iter().find(|session| !session.is_known()) {
        return Err(format!("`{}` is no action of a session", session.action));
    }
    account.set_office(office, now_ms);
    if let Some(lines) = lines {
        account.lines = with_main(lines);
    }
    if let Some(templates) = templates {
        account.set_templates(templates);
    }
    let mailbox = &mut account.mailbox;
    mailbox.url = hook.url.or(mailbox.url.take());
    mailbox.subscriptions =
        hook.subscriptions.map(|names| names.into_iter().collect()).or(mailbox.subscriptions.take());
    mailbox.enabled = hook.enabled.unwrap_or(mailbox.enabled);
    sessions.iter().for_each(|session| account.log_session(session, now_ms));
    Ok(())
}

fn take<T: DeserializeOwned>(wanted: &mut Map<String, Value>, part: &str) -> Result<Option<T>, String> {
    let value = wanted.remove(part);
    value.map(serde_json::from_value).transpose().map_err(|error| format!("`{part}`: {error}"))
}

/// As in `templates.lock.json`; only `uuid` and `text` have to be said.
fn read_template(mut row: Map<String, Value>) -> Result<LockedTemplate, String> {
    let title = row.get("uuid").cloned().unwrap_or_default();
    let usual = json!({ "title": title, "type": "text", "category": null, "status": "approved", "placeholders": 0 });
    for (key, value) in usual.as_object().into_iter().flatten() {
        row.entry(key.clone()).or_insert_with(|| value.clone());
    }
    serde_json::from_value(row.into()).map_err(|error| format!("`templates`: {error}"))
}
