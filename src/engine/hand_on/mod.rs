//! Hand on: which events of a group the targets of the relay get, and what of a caller's message is changed in them.
//!
//! The last act of a group: rows of `relay`, in the transaction of the events themselves. `couriers` posts them.
//! Invariant: what is handed on is the body as it came, byte for byte; only in what concerns a message of the gateway
//! its caller finds the uuid that the gateway answered, and not our own metadata.

use super::group::{Context, Done};
use super::inbound::{Told, attempt_of};
use super::unit::Unit;
use crate::connector::webhook::Incoming;
use crate::contact::Contact;
use crate::delivery::{Delivery, code_of_reason, outside_id};
use crate::relay::{Relay, subscribed_key};
use crate::store::Tx;
use crate::store::contacts::ContactKey;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Pairs of `metadata` that are ours.
const OUR_PAIRS: [&str; 2] = ["relance_id", "relance_run"];
const STATUS: &str = "message_status_updated";

/// Who gets events.
struct Receiver {
    key: String,
    /// Names of events; empty = all.
    events: Vec<String>,
}

/// One event for all who want it.
struct Outgoing<'a> {
    event: &'a str,
    name: &'a str,
    body: Cow<'a, str>,
}

/// A status that waited for its answer, and turned out to be of the gateway's message.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) event: String,
    pub(super) body: String,
    pub(super) delivery: String,
}

/// Writes a row per event and target.
pub(super) async fn hand_on(
    tx: &mut Tx<'_>,
    unit: &Unit<'_>,
    told: &[&Told],
    context: &Context<'_>,
    done: &mut Done,
) -> anyhow::Result<()> {
    let ended = std::mem::take(&mut tx.ended);
    if !context.outside.relays || (told.is_empty() && ended.is_empty() && unit.late.is_empty()) {
        return Ok(());
    }
    let receivers = receivers(tx, context).await?;
    if receivers.is_empty() {
        return Ok(());
    }
    let people = people_of(tx, &ended).await?;
    let failed: Vec<(String, String)> =
        ended.iter().map(|delivery| (delivery.id.clone(), failure(delivery, &people))).collect();
    let of_account = told.iter().filter_map(|told| outgoing(told, unit));
    let late = unit.late.iter().map(|late| Outgoing {
        event: &late.event,
        name: STATUS,
        body: rewritten(&late.body, &late.delivery).map_or(Cow::Borrowed(late.body.as_str()), Cow::Owned),
    });
    let of_ours = failed.iter().map(|(id, body)| Outgoing { event: id, name: STATUS, body: body.as_str().into() });
    let now_ms = context.clock.now_ms();
    let mut relays = Vec::new();
    for one in late.chain(of_account).chain(of_ours) {
        for receiver in receivers.iter().filter(|receiver| receiver.wants(one.name)) {
            let (id, body) = (context.clock.new_id(), one.body.clone().into_owned());
            relays.push(Relay::new(id, &receiver.key, one.event, one.name, body, now_ms));
        }
    }
    done.relayed = relays.iter().map(|relay| relay.target.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    tx.insert_relays(&relays).await
}

impl Receiver {
    fn wants(&self, name: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == name)
    }
}

async fn receivers(tx: &mut Tx<'_>, context: &Context<'_>) -> anyhow::Result<Vec<Receiver>> {
    let subscribed = tx.subscribed_targets().await?;
    let of_file = context.deployed.settings.relay.iter();
    let of_file = of_file.map(|target| Receiver { key: target.key(), events: Vec::new() });
    let subscribed = subscribed.into_iter().map(|row| Receiver { key: subscribed_key(&row.name), events: row.events });
    Ok(of_file.chain(subscribed).collect())
}

async fn people_of(tx: &mut Tx<'_>, ended: &[Delivery]) -> anyhow::Result<Vec<Contact>> {
    let keys: BTreeSet<ContactKey> = ended.iter().map(|delivery| ContactKey::Id(delivery.contact.clone())).collect();
    let rows = tx.contacts_by_keys(&keys.into_iter().collect::<Vec<_>>()).await?;
    Ok(rows.into_iter().map(|row| row.contact).collect())
}

/// The account's event as it came; nothing for a check.
fn outgoing<'a>(told: &'a Told, unit: &Unit) -> Option<Outgoing<'a>> {
    told.dedupe()?;
    let body = std::str::from_utf8(&told.raw).ok()?;
    let changed = callers_message(told, unit).and_then(|delivery| rewritten(body, &delivery));
    Some(Outgoing { event: &told.id, name: told.name(), body: changed.map_or(Cow::Borrowed(body), Cow::Owned) })
}

/// The message of the gateway that an event is about.
fn callers_message(told: &Told, unit: &Unit) -> Option<String> {
    let attempt = match &told.incoming {
        Incoming::Status(status) => attempt_of(status, told, unit),
        _ => told.attempt.clone(),
    };
    let delivery = &unit.attempts.get(&attempt?)?.delivery;
    unit.deliveries.get(delivery).filter(|row| row.delivery.caller.is_some()).map(|row| row.delivery.id.clone())
}

/// The body with the uuid that the caller knows, without our pairs; `None` when it has no payload to change.
fn rewritten(body: &str, delivery: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(body.trim_start_matches('\u{feff}')).ok()?;
    let payload = payload_of(&mut value).as_object_mut()?;
    payload.insert("uuid".into(), outside_id(delivery).into());
    match payload.get_mut("metadata") {
        Some(Value::Object(pairs)) => pairs.retain(|key, _| !OUR_PAIRS.contains(&key.as_str())),
        Some(Value::String(text)) => {
            if let Ok(Value::Object(mut pairs)) = serde_json::from_str::<Value>(text) {
                pairs.retain(|key, _| !OUR_PAIRS.contains(&key.as_str()));
                *text = Value::Object(pairs).to_string();
            }
        }
        _ => {}
    }
    Some(value.to_string())
}

/// The payload of an event in its envelope or bare, in a list of one or not.
fn payload_of(value: &mut Value) -> &mut Value {
    let value = single(value);
    match value.get("event").is_some() && value.get("payload").is_some() {
        true => single(&mut value["payload"]),
        false => value,
    }
}

fn single(value: &mut Value) -> &mut Value {
    match value.as_array().is_some_and(|items| items.len() == 1) {
        true => &mut value[0],
        false => value,
    }
}

/// What the vendor would tell of a message that it could not deliver: who only listens must hear of it too.
fn failure(delivery: &Delivery, people: &[Contact]) -> String {
    let person = people.iter().find(|contact| contact.id == delivery.contact);
    let digits = person.and_then(|contact| contact.phone.as_ref()).map(|phone| phone.digits());
    let contact = person.map(
        |contact| json!({ "uuid": contact.uuid, "name": contact.name, "phoneNumber": digits, "bsuid": contact.bsuid }),
    );
    let metadata: &std::collections::BTreeMap<String, String> = &delivery.message.metadata;
    let word = delivery.state.as_str();
    let body = json!({
        "event": STATUS,
        "payload": {
            "uuid": outside_id(&delivery.id),
            "status": "failed",
            "messageStatusPayload": {
                "type": "failed",
                "destination": digits,
                "payload": { "code": code_of_reason(&delivery.reason), "reason": format!("{word}: {}", delivery.reason) },
            },
            "metadata": metadata,
            "contact": contact,
        },
    });
    body.to_string()
}

#[cfg(test)]
mod tests;
