//! Observe: what the account tells of our messages and of people, as events that may start workflows.
//!
//! Pure over the unit. Invariant: nothing that relance itself did starts a loop: a message of a run that a status
//! started starts nothing by its own statuses, and a person that relance's first message made in the account is not new.

use super::evaluate::{Arrival, Candidate, Person, Route, index_of, known_person};
use super::inbound::SOURCE;
use super::stops::{self, News, Stop};
use super::unit::Unit;
use crate::contact::Contact;
use crate::delivery::{Delivery, DeliveryState, VendorStatus};
use crate::event::{Dedupe, NewEvent};
use crate::trigger::TriggerKind;
use crate::trigger::message_status::Watched;
use serde_json::{Value, json};
use std::sync::Arc;

/// A status as the vendor told it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) status: &'a str,
    pub(super) code: Option<i64>,
    pub(super) reason: Option<&'a str>,
    pub(super) uuid: Option<&'a str>,
}

/// Whether the attempt has this status already: a second one says nothing new.
pub(super) fn is_known(attempt: &str, status: &str, unit: &Unit) -> bool {
    unit.attempts.get(attempt).is_none_or(|row| row.statuses.iter().any(|known| known == status))
}

/// What `event` is for a `message_status` trigger (`language.md` §4). Unknown parts are null.
pub(super) fn status_event(told: Told, attempt: Option<&str>, unit: &Unit) -> Value {
    let row = attempt.and_then(|id| unit.attempts.get(id));
    let delivery = row.and_then(|row| unit.deliveries.get(&row.delivery)).map(|row| &row.delivery);
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let uuid = told.uuid.or_else(|| row.and_then(|row| row.message_uuid.as_deref()));
    json!({
        "status": told.status,
        "reason": told.reason,
        "code": told.code,
        "message_id": uuid,
        "workflow": delivery.and_then(|delivery| named(&delivery.workflow)),
        "step": delivery.and_then(|delivery| named(&step_name(delivery, unit))),
        "metadata": delivery.map(|delivery| &delivery.message.metadata),
    })
}

/// The step's id; its path when it has none.
fn step_name(delivery: &Delivery, unit: &Unit) -> String {
    let definition = unit.deployed.definitions.get(&delivery.workflow);
    let step = definition.and_then(|definition| definition.workflow.step(&delivery.step));
    step.and_then(|step| step.id.clone()).unwrap_or_else(|| delivery.step.clone())
}

/// What a status of an attempt comes to, once it is written to the attempt: the word and the message it is about. `failed`
/// counts when it is the last word: no other attempt follows, and nothing says that the message arrived.
fn news<'u>(attempt: &str, status: &str, unit: &'u Unit) -> Option<(Watched, &'u Delivery)> {
    let watched = Watched::ALL.into_iter().find(|watched| watched.as_str() == status)?;
    let row = unit.attempts.get(attempt)?;
    let delivery = unit.deliveries.get(&row.delivery)?;
    let goes_on = matches!(
        delivery.delivery.state,
        DeliveryState::Queued | DeliveryState::Held | DeliveryState::Sending | DeliveryState::Uncertain
    );
    let failed = delivery.status == Some(VendorStatus::Failed) && !goes_on;
    let stale = i64::from(delivery.delivery.attempts) != row.n;
    (!stale && (watched != Watched::Failed || failed)).then_some((watched, &delivery.delivery))
}

/// The workflows that a status of an attempt may start.
pub(super) fn of_status(attempt: &str, status: &str, unit: &Unit) -> Vec<Candidate> {
    let Some((watched, delivery)) = news(attempt, status, unit) else { return Vec::new() };
    if unit.is_of_status(&delivery.run) {
        return Vec::new();
    }
    let Some(contact) = unit.contact(&delivery.contact) else { return Vec::new() };
    let mut candidates = Vec::new();
    for (definition, trigger) in unit.deployed.statuses() {
        let TriggerKind::MessageStatus { status, of } = &trigger.kind else { continue };
        if *status == watched && of.as_ref().is_none_or(|of| *of == delivery.workflow) {
            let index = index_of(&definition.workflow, trigger);
            candidates.push(Candidate::new(definition, index, Route::Observes, Ok(known_person(contact))));
        }
    }
    candidates
}

/// The entries of `stop_when` that a status of an attempt fits.
pub(super) fn stops_of_status(attempt: &str, status: &str, data: &Value, unit: &Unit) -> Vec<Stop> {
    let Some((status, delivery)) = news(attempt, status, unit) else { return Vec::new() };
    let person = Person { id: Some(delivery.contact.clone()), ..Person::default() };
    stops::of_news(News::Status { status, of: &delivery.workflow }, data, &person, unit)
}

/// A status that came before its answer, as an event of its own: the first one told nobody whose it was. `None` when it
/// starts nothing.
pub(super) fn late_arrival(told: Told, attempt: &str, at_ms: i64, unit: &Unit) -> Option<Arrival> {
    let data = status_event(told, Some(attempt), unit);
    let candidates = of_status(attempt, told.status, unit);
    let stops = stops_of_status(attempt, told.status, &data, unit);
    if candidates.is_empty() && stops.is_empty() {
        return None;
    }
    let key = format!("message_status_updated {} {} known", told.uuid.unwrap_or(attempt), told.status);
    let dedupe = Dedupe { key, keep_ms: Dedupe::ID_MS, body_hash: String::new() };
    let name = "message_status_updated".to_owned();
    let event = NewEvent { source: SOURCE.into(), name, data: Value::Null, at_ms, dedupe };
    Some(Arrival {
        id: unit.clock.new_id(),
        event: Arc::new(event),
        data: Arc::new(data),
        contact: None,
        firing: None,
        channel: None,
        contents: None,
        stops,
        candidates,
    })
}

/// What `event` is for a `contact` trigger.
pub(super) fn contact_event(before: Option<&Contact>, after: Option<&Contact>) -> Value {
    json!({ "before": before.map(Contact::to_value), "after": after.map(Contact::to_value) })
}

/// The workflows that a change of a person may start.
pub(super) fn of_contact(created: bool, before: Option<&Contact>, after: &Contact, unit: &Unit) -> Vec<Candidate> {
    let ours = created && (unit.was_written_to(&after.id) || unit.was_called_for(&after.id));
    let before = before.map(|before| unit.before_with_own(before, after));
    let mut candidates = Vec::new();
    for (definition, trigger) in unit.deployed.contacts() {
        let TriggerKind::Contact { change } = &trigger.kind else { continue };
        if !ours && change.fits(created, before.as_ref(), after) {
            let index = index_of(&definition.workflow, trigger);
            candidates.push(Candidate::new(definition, index, Route::Observes, Ok(known_person(after))));
        }
    }
    candidates
}
