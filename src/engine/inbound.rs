//! Inbound: what the account tells us, applied to the rows of a group. Pure over the unit.
//!
//! A message of the customer opens the window and may start runs; a status moves forward only; an echo of our own
//! mark settles what was uncertain. Invariant: without a valid MAC nothing in a body changes a delivery's state.

use super::evaluate::{Arrival, Candidate, Route, index_of, known_person};
use super::evidence::{apply_status, prove};
use super::hand_on::Late;
use super::rights::stop;
use super::stops::{self, News, Stop};
use super::unit::Unit;
use super::{observe, routing};
use crate::config::Channel;
use crate::connector::webhook::{ContactFacts, ContentKind, Direction, InboundMessage, Incoming, StatusEvent};
use crate::connector::wire;
use crate::contact::{Contact, Phone};
use crate::event::{Dedupe, NewEvent};
use crate::outbox::window;
use crate::store::contacts::ContactKey;
use crate::trigger::TriggerKind;
use crate::trigger::message::{Content, Matcher};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Name under which the account's events are kept.
pub(super) const SOURCE: &str = "callbell";
/// Bytes of an event that nothing follows from, at most.
const MOST_KEPT: usize = 64 * 1024;

/// One event of the account, read, with the attempt that it verifiably concerns.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) incoming: Incoming,
    /// Attempt named by a valid `relance_id`.
    pub(super) attempt: Option<String>,
    /// Its body as it came.
    pub(super) raw: Bytes,
    /// Read from the account's log.
    pub(super) replayed: bool,
}

impl Told {
    pub(super) fn new(id: String, incoming: Incoming, raw: Bytes, key: &[u8]) -> Self {
        let mark = match &incoming {
            Incoming::Message(message) => message.relance_id.as_deref(),
            Incoming::Status(status) => status.relance_id.as_deref(),
            _ => None,
        };
        let attempt = mark.and_then(|mark| wire::verify_id(&[key], mark));
        Self { id, incoming, attempt, raw, replayed: false }
    }

    pub(super) fn dedupe(&self) -> Option<&Dedupe> {
        match &self.incoming {
            Incoming::Check => None,
            Incoming::Message(message) => Some(&message.dedupe),
            Incoming::Status(status) => Some(&status.dedupe),
            Incoming::Contact(contact) => Some(&contact.dedupe),
            Incoming::Other(other) => Some(&other.dedupe),
        }
    }

    pub(super) fn facts(&self) -> Option<&ContactFacts> {
        match &self.incoming {
            Incoming::Check => None,
            Incoming::Message(message) => Some(&message.contact),
            Incoming::Status(status) => status.contact.as_ref(),
            Incoming::Contact(contact) => Some(&contact.contact),
            Incoming::Other(other) => other.contact.as_ref(),
        }
    }

    /// The vendor's uuid of the message that a status is about.
    pub(super) fn message_uuid(&self) -> Option<&str> {
        match &self.incoming {
            Incoming::Status(status) => status.uuid.as_deref(),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> &str {
        match &self.incoming {
            Incoming::Check => "check",
            Incoming::Message(_) => "message_created",
            Incoming::Status(_) => "message_status_updated",
            Incoming::Contact(contact) => &contact.name,
            Incoming::Other(other) => &other.name,
        }
    }
}

impl Told {
    /// Everything that people are found by whom this is about: the person, and who has the number that was corrected to.
    pub(super) fn keys(&self) -> Vec<ContactKey> {
        let corrected = match &self.incoming {
            Incoming::Status(status) => status.corrected.as_ref(),
            _ => None,
        };
        let facts = self.facts().map(facts_keys).unwrap_or_default();
        facts.into_iter().chain(corrected.into_iter().flat_map(ContactKey::of_phone)).collect()
    }
}

/// The keys of the person that facts are about.
pub(super) fn facts_keys(facts: &ContactFacts) -> Vec<ContactKey> {
    let uuid = facts.uuid.clone().map(ContactKey::Uuid);
    let phone = facts.phone.iter().flat_map(ContactKey::of_phone);
    let bsuid = facts.bsuid.clone().map(ContactKey::Bsuid);
    uuid.into_iter().chain(phone).chain(bsuid).collect()
}

/// Applies one event; what may start runs comes back as an arrival, the rest as an event without candidates.
pub(super) fn apply(told: &Told, unit: &mut Unit) -> Option<Arrival> {
    let dedupe = told.dedupe()?.clone();
    let corrects = note_correction(told, unit);
    let before = told.facts().and_then(|facts| unit.contact_by(&facts_keys(facts))).cloned();
    // The facts beside a correction may show the corrected number, which must not make another person; who was deleted
    // in the account is not made again here, nor who was erased by what becomes of messages that they got before.
    let learns = corrects != Some(Correction::Early)
        && told.name() != "contact_deleted"
        && (before.is_some() || !is_of_erased(told, unit));
    let contact = match learns {
        true => told.facts().and_then(|facts| learn(facts, unit)),
        false => before.clone(),
    };
    let Heard { data, at_ms, channel, contents, stops, candidates } =
        hear(told, before.as_ref(), contact.as_ref(), unit)?;
    let event = NewEvent { source: SOURCE.into(), name: told.name().into(), data: Value::Null, at_ms, dedupe };
    Some(Arrival {
        id: told.id.clone(),
        event: Arc::new(event),
        data: Arc::new(data),
        contact: contact.map(|contact| contact.id),
        firing: None,
        channel,
        contents,
        stops,
        candidates,
    })
}

/// What an event comes to.
struct Heard {
    data: Value,
    at_ms: i64,
    channel: Option<String>,
    contents: Option<Vec<Content>>,
    stops: Vec<Stop>,
    candidates: Vec<Candidate>,
}

fn hear(told: &Told, before: Option<&Contact>, contact: Option<&Contact>, unit: &mut Unit) -> Option<Heard> {
    let heard =
        |data, at_ms, stops, candidates| Some(Heard { data, at_ms, channel: None, contents: None, stops, candidates });
    match &told.incoming {
        Incoming::Check => None,
        Incoming::Message(message) => {
            if let Some(attempt) = vouched(told, unit).filter(|_| message.direction == Direction::Sent) {
                prove(attempt, None, unit);
            }
            let channel = line_of(message, &unit.deployed.settings.channels);
            let data = message.event(&channel);
            let customer = contact.filter(|_| message.direction == Direction::Received);
            let taken = customer.is_some_and(|contact| {
                open_window(message, contact, &channel, unit);
                stop::hear(&told.id, message, contact, &channel, unit)
            });
            let said = Some(contents(message)).filter(|_| routing::may_answer(&told.incoming));
            let (mut stops, mut candidates) = match customer {
                Some(contact) => (
                    said.as_deref().map_or(Vec::new(), |said| stops_of(message, said, contact, &channel, &data, unit)),
                    receive(message, contact, &channel, unit),
                ),
                None => Default::default(),
            };
            if taken {
                // Who observes sees it all the same, and what it ends it ends.
                candidates.retain(|candidate| candidate.route == Route::Observes);
                stops.retain(|stop| !stop.waits_for_nobody());
            }
            let contents = said.filter(|_| !taken);
            Some(Heard { data, at_ms: message.at_ms, channel: Some(channel), contents, stops, candidates })
        }
        Incoming::Status(status) => {
            let attempt = attempt_of(status, told, unit);
            let news = attempt.as_deref().is_some_and(|attempt| !observe::is_known(attempt, &status.status, unit));
            note_status(status, told, unit);
            let data = observe::status_event(status.as_ref().into(), attempt.as_deref(), unit);
            let Some(attempt) = attempt.filter(|_| news) else {
                return heard(data, status.at_ms, Vec::new(), Vec::new());
            };
            let stops = observe::stops_of_status(&attempt, &status.status, &data, unit);
            heard(data, status.at_ms, stops, observe::of_status(&attempt, &status.status, unit))
        }
        Incoming::Contact(event) => {
            let created = event.name == "contact_created";
            let data = observe::contact_event(before, contact);
            let Some(after) = contact else { return heard(data, event.at_ms, Vec::new(), Vec::new()) };
            let news = News::Contact { created, before, after };
            let stops = stops::of_news(news, &data, &known_person(after), unit);
            heard(data, event.at_ms, stops, observe::of_contact(created, before, after, unit))
        }
        Incoming::Other(other) => heard(bounded(&other.payload), other.at_ms, Vec::new(), Vec::new()),
    }
}

impl<'a> From<&'a StatusEvent> for observe::Told<'a> {
    fn from(status: &'a StatusEvent) -> Self {
        let (reason, uuid) = (status.reason.as_deref(), status.uuid.as_deref());
        Self { status: &status.status, code: status.code, reason, uuid }
    }
}

/// What came, as it is kept for people to look at; of a very long one its beginning.
fn bounded(payload: &Value) -> Value {
    let text = payload.to_string();
    match text.len() <= MOST_KEPT {
        true => payload.clone(),
        false => json!({ "cut": text[..text.floor_char_boundary(MOST_KEPT)] }),
    }
}

/// Writes what was told of a person; a person nobody knows is made.
/// Writes down what the account tells of a person.
pub(super) fn learn(facts: &ContactFacts, unit: &mut Unit) -> Option<Contact> {
    if !facts.identifies() {
        return None;
    }
    let known = unit.contact_by(&facts_keys(facts)).cloned();
    let mut contact = known.unwrap_or_else(|| Contact { id: unit.clock.new_id(), ..Contact::default() });
    let mut told = facts.clone();
    // An identifier that another person has is not taken from them.
    let taken = |key: Option<ContactKey>, unit: &Unit| {
        key.and_then(|key| unit.contact_by(&[key])).is_some_and(|other| other.id != contact.id)
    };
    let phone = told.phone.as_ref().map(|phone| ContactKey::Phone(phone.digits().into()));
    // A number that this person has as an alias does not take the place of the one that messages go to.
    let other_name = contact.phone.is_some() && phone.clone().is_some_and(|key| unit.is_alias(&key));
    if other_name || taken(phone, unit) {
        told.phone = None;
    }
    if taken(told.uuid.clone().map(ContactKey::Uuid), unit) {
        told.uuid = None;
    }
    if taken(told.bsuid.clone().map(ContactKey::Bsuid), unit) {
        told.bsuid = None;
    }
    told.apply_to(&mut contact);
    unit.put_contact(contact.clone());
    Some(contact)
}

/// Name of the line a message came by. One of another platform is of the line named by that; else by its uuid; without one,
/// or where no channel is listed, it is of the only one; else the uuid itself.
fn line_of(message: &InboundMessage, channels: &[Channel]) -> String {
    let uuid = message.channel_uuid.as_deref();
    if let Some(platform) = message.channel_kind.as_deref().filter(|kind| *kind != "whatsapp") {
        return platform.to_owned();
    }
    let known = channels.iter().find(|channel| uuid.is_some() && channel.uuid.as_deref() == uuid);
    match (known, channels, uuid) {
        (Some(channel), _, _) | (None, [channel], None) => channel.name.clone(),
        (None, [channel], Some(_)) if !channel.listed => channel.name.clone(),
        (None, _, Some(uuid)) => uuid.to_owned(),
        (None, _, None) => "unknown".into(),
    }
}

/// A message of the customer opens the window.
fn open_window(message: &InboundMessage, contact: &Contact, channel: &str, unit: &mut Unit) {
    if message.kind != ContentKind::Reaction {
        let line = window::after_inbound(unit.line(&contact.id, channel), message.at_ms);
        unit.put_line(&contact.id, channel, line);
        unit.opened.push((contact.id.clone(), channel.to_owned()));
    }
}

/// Who may take a message of the customer, in the order in which it is offered.
fn receive(message: &InboundMessage, contact: &Contact, channel: &str, unit: &Unit) -> Vec<Candidate> {
    let contents = contents(message);
    let mut candidates: Vec<Candidate> = Vec::new();
    for (definition, trigger) in unit.deployed.messages() {
        let TriggerKind::Message { matcher, channel: wanted } = &trigger.kind else { continue };
        if wanted.as_deref().is_some_and(|wanted| wanted != channel) {
            continue;
        }
        let route = match matcher {
            Matcher::Any => Route::Observes,
            Matcher::Unmatched => Route::Unmatched,
            Matcher::Match(pattern) if pattern.matches(&message.text, &contents) => Route::Takes(pattern.rank()),
            Matcher::Match(_) => continue,
        };
        let index = index_of(&definition.workflow, trigger);
        candidates.push(Candidate::new(definition, index, route, Ok(known_person(contact))));
    }
    candidates
        .sort_by(|a, b| a.route.cmp(&b.route).then_with(|| a.definition.workflow.id.cmp(&b.definition.workflow.id)));
    candidates
}

fn stops_of(
    message: &InboundMessage,
    contents: &[Content],
    contact: &Contact,
    channel: &str,
    data: &Value,
    unit: &Unit,
) -> Vec<Stop> {
    stops::of_news(News::Message { channel, text: &message.text, contents }, data, &known_person(contact), unit)
}

fn contents(message: &InboundMessage) -> Vec<Content> {
    let words = message.attachments.iter().map(|file| file.kind.as_str()).chain([message.kind.as_str()]);
    let mut contents: Vec<Content> = words.filter_map(Content::from_word).collect();
    if !message.text.is_empty() && !contents.contains(&Content::Text) {
        contents.push(Content::Text);
    }
    contents
}

/// The attempt that a valid mark names. An event of another line, or of another person, is no evidence: somebody has
/// copied the mark. A correction names another number by its nature.
fn vouched<'a>(told: &'a Told, unit: &Unit) -> Option<&'a str> {
    let attempt = told.attempt.as_deref()?;
    let delivery = &unit.deliveries.get(&unit.attempts.get(attempt)?.delivery)?.delivery;
    let (uuid, corrects) = match &told.incoming {
        Incoming::Message(message) => (message.channel_uuid.as_deref(), false),
        Incoming::Status(status) => (None, status.corrected.is_some()),
        _ => (None, false),
    };
    let uuid = uuid.or_else(|| told.facts()?.channel_uuid.as_deref());
    let fits = |facts| corrects || is_of(facts, &delivery.contact, unit);
    let same = is_line(uuid, &delivery.channel, &unit.deployed.settings.channels) && told.facts().is_none_or(fits);
    same.then_some(attempt)
}

/// Whether a uuid may be that of the line with this name.
fn is_line(uuid: Option<&str>, name: &str, channels: &[Channel]) -> bool {
    let Some(uuid) = uuid else { return true };
    let known = channels.iter().find(|channel| channel.uuid.as_deref() == Some(uuid));
    let own = channels.iter().find(|channel| channel.name == name).and_then(|channel| channel.uuid.as_deref());
    known.map_or(own.is_none(), |known| known.name == name)
}

/// Whether facts may be about this person: one identifier in common, or none that contradicts.
fn is_of(facts: &ContactFacts, contact: &str, unit: &Unit) -> bool {
    let Some(known) = unit.contact(contact) else { return true };
    let found = |key: ContactKey| unit.contact_by(&[key]).is_some_and(|other| other.id == contact);
    let differs = (facts.uuid.is_some() && known.uuid.is_some())
        || (facts.phone.is_some() && known.phone.is_some())
        || (facts.bsuid.is_some() && known.bsuid.is_some());
    !differs || facts_keys(facts).into_iter().any(found)
}

/// The attempt that a status is about: by the vendor's uuid, else by our mark.
pub(super) fn attempt_of(status: &StatusEvent, told: &Told, unit: &Unit) -> Option<String> {
    let by_uuid = || {
        let uuid = status.uuid.as_deref()?;
        unit.attempts.values().find(|row| row.message_uuid.as_deref() == Some(uuid)).map(|row| row.id.clone())
    };
    by_uuid().or_else(|| vouched(told, unit).map(str::to_owned))
}

/// Whether it is about a message of ours to somebody who was erased since.
fn is_of_erased(told: &Told, unit: &Unit) -> bool {
    let attempt = match &told.incoming {
        Incoming::Status(status) => attempt_of(status, told, unit),
        _ => vouched(told, unit).map(str::to_owned),
    };
    let delivery = attempt.and_then(|attempt| unit.deliveries.get(&unit.attempts.get(&attempt)?.delivery));
    delivery.is_some_and(|row| unit.is_gone(&row.delivery.contact))
}

/// What a `mismatch` came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Correction {
    Noted,
    /// Nobody knows yet whose message it is about.
    Early,
}

/// A `mismatch` tells by which number the platform knows the recipient: the same person, by another name.
fn note_correction(told: &Told, unit: &mut Unit) -> Option<Correction> {
    let Incoming::Status(status) = &told.incoming else { return None };
    status.corrected.as_ref()?;
    let Some(attempt) = attempt_of(status, told, unit) else { return Some(Correction::Early) };
    correct(&attempt, status.corrected.as_ref(), unit);
    Some(Correction::Noted)
}

/// What is kept of a status that comes before the answer which tells whose it is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Early {
    /// The event, and its body as it came.
    pub(super) event: String,
    pub(super) body: String,
    pub(super) code: Option<i64>,
    pub(super) reason: Option<String>,
    pub(super) corrected: Option<Phone>,
    pub(super) at_ms: i64,
}

impl Early {
    pub(super) fn keys(self) -> Vec<ContactKey> {
        self.corrected.iter().flat_map(ContactKey::of_phone).collect()
    }
}

/// Applies a status that came early, now that its attempt is known.
pub(super) fn apply_early(attempt: &str, status: &str, early: Early, unit: &mut Unit) {
    let delivery = unit.attempts.get(attempt).and_then(|row| unit.deliveries.get(&row.delivery));
    if let Some(row) = delivery.filter(|row| row.delivery.caller.is_some()) {
        let delivery = row.delivery.id.clone();
        unit.late.push(Late { event: early.event, body: early.body, delivery });
    }
    correct(attempt, early.corrected.as_ref(), unit);
    let news = !observe::is_known(attempt, status, unit);
    apply_status(attempt, status, early.code, unit);
    let uuid = unit.attempts.get(attempt).and_then(|row| row.message_uuid.clone());
    let told = observe::Told { status, code: early.code, reason: early.reason.as_deref(), uuid: uuid.as_deref() };
    let arrival = news.then(|| observe::late_arrival(told, attempt, early.at_ms, unit)).flatten();
    unit.late_arrivals.extend(arrival);
}

fn correct(attempt: &str, corrected: Option<&Phone>, unit: &mut Unit) {
    let delivery = unit.attempts.get(attempt).and_then(|row| unit.deliveries.get(&row.delivery));
    let (Some(corrected), Some(row)) = (corrected, delivery) else { return };
    let (delivery, contact) = (row.delivery.id.clone(), row.delivery.contact.clone());
    if !unit.is_gone(&contact) && !unit.put_alias(ContactKey::Phone(corrected.digits().into()), &contact, "mismatch") {
        tracing::warn!(
            delivery,
            "the platform corrected a number to one that another person has: both are kept, look at them in the account"
        );
    }
}

/// Writes a status to its attempt, and what follows from it to the delivery.
fn note_status(status: &StatusEvent, told: &Told, unit: &mut Unit) {
    if let Some(attempt) = vouched(told, unit) {
        prove(attempt, status.uuid.as_deref(), unit);
        learn_message_uuid(attempt, status, unit);
    }
    match attempt_of(status, told, unit) {
        Some(attempt) => {
            apply_status(&attempt, &status.status, status.code, unit);
        }
        _ => {
            if let Some(uuid) = &status.uuid {
                let body = String::from_utf8_lossy(&told.raw).into_owned();
                let kept = Early {
                    event: told.id.clone(),
                    body,
                    code: status.code,
                    reason: status.reason.clone(),
                    corrected: status.corrected.clone(),
                    at_ms: status.at_ms,
                };
                let kept = serde_json::to_string(&kept).unwrap_or_default();
                unit.early.push((uuid.clone(), status.status.clone(), kept));
            }
        }
    }
}

/// The answer of the send may have been lost: a status with our mark tells the vendor's uuid all the same.
fn learn_message_uuid(attempt: &str, status: &StatusEvent, unit: &mut Unit) {
    let Some(row) = unit.attempts.get_mut(attempt) else { return };
    if row.message_uuid.is_none() && status.uuid.is_some() {
        row.message_uuid.clone_from(&status.uuid);
        unit.told.insert(attempt.to_owned());
    }
}
