//! `/sandbox/people`, `/sandbox/reply`, `/sandbox/colleague`: what people do.

use super::super::account::{ContactChange, Inbound, read_person};
use super::super::people::Behaviour;
use super::super::request::digits;
use super::super::{Account, Sandbox};
use super::wrong;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

pub(super) async fn list(State(sandbox): State<Sandbox>) -> Json<Value> {
    Json(json!(sandbox.people()))
}

/// What is named is changed, the rest stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    phone: Option<String>,
    bsuid: Option<String>,
    platform_id: Option<String>,
    channel_uuid: Option<String>,
    name: Option<String>,
    tags: Option<Vec<String>>,
    custom: Option<Map<String, Value>>,
    opted_out: Option<bool>,
    not_on_whatsapp: Option<bool>,
    blocked: Option<bool>,
    /// `null` = the number is right.
    #[serde(default, deserialize_with = "present")]
    corrected: Option<Option<String>>,
}

/// Tells `null` from what is not there.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Creates or changes a person of the account, as somebody in the dashboard would; that is told by an event.
pub(super) async fn change(State(sandbox): State<Sandbox>, Json(person): Json<Person>) -> Response {
    let changed = sandbox.with(|account, now_ms| change_person(account, person, now_ms));
    sandbox.wake();
    match changed {
        Ok(shown) => Json(shown).into_response(),
        Err(error) => wrong(StatusCode::BAD_REQUEST, &error),
    }
}

fn change_person(account: &mut Account, wanted: Person, now_ms: i64) -> Result<Value, String> {
    let line = account.line(wanted.channel_uuid.as_deref()).ok_or("no such channel")?;
    let to = read_person([&wanted.phone, &wanted.bsuid, &wanted.platform_id], line)?;
    let line = line.uuid.clone();
    let corrected = match wanted.corrected {
        Some(Some(number)) => Some(Some(digits(&number).ok_or("`corrected` is no international number")?)),
        other => other,
    };
    let custom = wanted.custom.unwrap_or_default();
    account.office.learn(wanted.tags.as_deref().unwrap_or_default(), &custom);
    let change = ContactChange { name: wanted.name, tags: wanted.tags, custom, ..ContactChange::default() };
    let key = account.add_contact(&to, &line, change, now_ms);
    let person = account.people.get_mut(&key).ok_or("forgotten at once")?;
    let old = std::mem::take(&mut person.behaviour);
    person.behaviour = Behaviour {
        opted_out: wanted.opted_out.unwrap_or(old.opted_out),
        not_on_whatsapp: wanted.not_on_whatsapp.unwrap_or(old.not_on_whatsapp),
        blocked: wanted.blocked.unwrap_or(old.blocked),
        corrected: corrected.unwrap_or(old.corrected),
    };
    let mut shown = json!({ "uuid": person.uuid, "name": person.name, "tags": person.tags, "custom": person.custom });
    if let (Some(shown), Value::Object(behaviour)) = (shown.as_object_mut(), json!(person.behaviour)) {
        shown.extend(behaviour);
    }
    Ok(shown)
}

/// The customer writes.
pub(super) async fn reply(State(sandbox): State<Sandbox>, Json(said): Json<Inbound>) -> Response {
    match sandbox.receive(&said) {
        Ok(message) => Json(message).into_response(),
        Err(error) => wrong(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByHand {
    phone: Option<String>,
    bsuid: Option<String>,
    platform_id: Option<String>,
    text: String,
    channel_uuid: Option<String>,
}

/// A colleague writes, or a bot: a message `sent` that no program asked for.
pub(super) async fn write_by_hand(State(sandbox): State<Sandbox>, Json(said): Json<ByHand>) -> Response {
    let written = sandbox.with(|account, now_ms| {
        let line = account.working_line(said.channel_uuid.as_deref()).ok_or("no such channel")?;
        let to = read_person([&said.phone, &said.bsuid, &said.platform_id], line)?;
        let line = line.uuid.clone();
        let key = account.meet(&to, &line, now_ms);
        let number = account.write_by_hand(&key, &line, &said.text, now_ms);
        account.messages.get(number).cloned().ok_or_else(|| "forgotten at once".to_owned())
    });
    sandbox.wake();
    match written {
        Ok(message) => Json(message).into_response(),
        Err(error) => wrong(StatusCode::BAD_REQUEST, &error),
    }
}
