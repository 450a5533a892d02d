//! Look-ups: what the account is asked about a person before a message is refused for want of knowledge, and about a
//! message of which nobody can tell whether it was taken (`semantics.md` §7.2, §7.3, §7.5).
//!
//! ```text
//! claim: held `contact_unknown` ─ commit ─► asked, beside the loop, at most 10 s ─► learnt ─ the same group judges again
//! ```
//! Invariant: a person is asked for once per line, whatever came of it; what a list of messages shows is never proof.

use super::Item;
use super::change::Change;
use super::loops::Loop;
use super::unit::Unit;
use super::{Busy, Engine, rights};
use crate::config::{Catalogue, Channel};
use crate::connector::webhook::{ContactFacts, read_time};
use crate::connector::{Callbell, Reply, wire};
use crate::contact::{Contact, Phone};
use crate::delivery::{DeliveryState, Scope};
use crate::message::{Form, Message};
use crate::outbox::gate::{ASK_MS, fill};
use crate::outbox::{settle, window};
use crate::store::Tx;
use crate::store::attempts::AttemptRow;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;
use reqwest::Method;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the account has to answer.
const PATIENCE: Duration = Duration::from_millis(ASK_MS.unsigned_abs());
/// Look-ups under way at once.
const MOST_OPEN: usize = 16;
/// Look-ups that wait for a token. What is over it is not kept: its delivery comes again when its hold ends.
const MOST_WAITING: usize = 1000;
/// Silence after a refusal for haste that names none.
const SILENCE_MS: i64 = 1000;
/// A message of the account may be the one in doubt when it was made so long before or after the call began.
const BEFORE_MS: i64 = 5_000;
const AFTER_MS: i64 = 2 * 60_000;

/// Whom, or what, to ask for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LookUp {
    /// What is known: the id when the person is stored.
    person: Contact,
    /// Name of the line.
    channel: String,
    /// Its uuid, when the project lists it.
    channel_uuid: Option<String>,
    /// The message in doubt; `None` = the person is asked for.
    sought: Option<Sought>,
}

/// A message of which nobody can tell whether it was taken.
#[derive(Debug, Clone, PartialEq)]
struct Sought {
    delivery: String,
    /// As the person would read it.
    text: String,
    started_at_ms: i64,
}

/// What the account said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answered {
    look_up: LookUp,
    heard: Heard,
}

#[derive(Debug, Clone, PartialEq)]
enum Heard {
    /// What it knows, and the newest messages.
    Told(Box<ContactFacts>, Vec<Row>),
    /// It knows nobody, or no answer came.
    Nothing,
    /// It refused the token with this status.
    Refused(u16),
    /// It asks for silence.
    Slow { wait_ms: i64 },
}

/// A row of the list of messages.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    uuid: Option<String>,
    received: bool,
    text: String,
    at_ms: i64,
}

impl LookUp {
    /// Whether the account could find this person.
    pub(super) fn is_possible(contact: &Contact) -> bool {
        contact.uuid.is_some() || contact.phone.is_some() || contact.bsuid.is_some()
    }

    pub(super) fn of_person(contact: &Contact, channel: &Channel) -> Self {
        let channel_uuid = channel.uuid.clone().filter(|_| channel.listed);
        Self { person: identity(contact), channel: channel.name.clone(), channel_uuid, sought: None }
    }

    /// Asks for the message of an uncertain delivery; `None` when nobody could recognise it.
    pub(super) fn of_message(
        row: &DeliveryRow,
        attempt: &AttemptRow,
        contact: &Contact,
        catalogue: &Catalogue,
    ) -> Option<Self> {
        let delivery = &row.delivery;
        let text = as_read(&delivery.message, attempt.form, catalogue)?;
        let sought = Sought { delivery: delivery.id.clone(), text, started_at_ms: attempt.started_at_ms };
        let channel = delivery.channel.clone();
        let possible = Self::is_possible(contact);
        possible.then(|| Self { person: identity(contact), channel, channel_uuid: None, sought: Some(sought) })
    }

    /// Two of the same are one.
    fn key(&self) -> String {
        let Contact { id, uuid, phone, bsuid, .. } = &self.person;
        match &self.sought {
            Some(sought) => format!("delivery {}", sought.delivery),
            None if !id.is_empty() => format!("{} {id}", self.channel),
            None => format!("{} {uuid:?} {:?} {bsuid:?}", self.channel, phone.as_ref().map(Phone::digits)),
        }
    }

    fn keys(&self) -> Vec<ContactKey> {
        let Contact { id, uuid, phone, bsuid, .. } = &self.person;
        let id = Some(id.clone()).filter(|id| !id.is_empty()).map(ContactKey::Id);
        let uuid = uuid.clone().map(ContactKey::Uuid);
        let phone = phone.as_ref().map(|phone| ContactKey::Phone(phone.digits().into()));
        [id, uuid, phone, bsuid.clone().map(ContactKey::Bsuid)].into_iter().flatten().collect()
    }
}

/// Only what a look-up needs goes along.
fn identity(contact: &Contact) -> Contact {
    let Contact { id, uuid, phone, bsuid, .. } = contact.clone();
    Contact { id, uuid, phone, bsuid, ..Contact::default() }
}

/// The message as the person reads it; `None` when its template's text is not known, or it has none.
fn as_read(message: &Message, form: Form, catalogue: &Catalogue) -> Option<String> {
    let text = match form {
        Form::Text => message.plain.as_ref()?.text.clone()?,
        Form::Template => {
            let template = message.template.as_ref()?;
            fill(&catalogue.lock.get(&template.uuid)?.text, &template.values)
        }
    };
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// How long a delivery is held for its look-up when so many are before it: somewhere in the time that they may take, so that
/// a crowd is neither written again every few seconds nor comes back all at once. `seed`: the delivery's.
pub(super) fn hold_ms(before: usize, seed: i64) -> i64 {
    let rounds = i64::try_from(before.min(MOST_WAITING) / MOST_OPEN).unwrap_or_default();
    ASK_MS + seed.rem_euclid(rounds * ASK_MS + 1)
}

// --- ask --------------------------------------------------------------------------------------------------------------

/// Asks the account. Whatever happens, there is an answer.
async fn ask(callbell: &Callbell, look_up: LookUp) -> Answered {
    let mut told = None;
    let heard = match tokio::time::timeout(PATIENCE, ask_both(callbell, &look_up, &mut told)).await {
        Ok(Ok(heard)) => Some(heard),
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "the account could not be asked for a person");
            None
        }
        Err(_) => {
            tracing::warn!("the account did not answer in time when it was asked for a person");
            None
        }
    };
    // Without the list of messages, what was told of the person still counts.
    let person = || told.map_or(Heard::Nothing, |facts| Heard::Told(Box::new(facts), Vec::new()));
    Answered { look_up, heard: heard.unwrap_or_else(person) }
}

/// `told`: what is known of the person before the messages are asked for.
async fn ask_both(callbell: &Callbell, look_up: &LookUp, told: &mut Option<ContactFacts>) -> anyhow::Result<Heard> {
    let known = look_up.person.uuid.as_deref().filter(|_| look_up.sought.is_some());
    let facts = match known {
        Some(uuid) => ContactFacts { uuid: Some(uuid.to_owned()), ..ContactFacts::default() },
        None => match ask_person(callbell, look_up).await? {
            Ok(body) => ContactFacts::read(&body["contact"]),
            Err(heard) => return Ok(heard),
        },
    };
    let Some(uuid) = facts.uuid.clone() else { return Ok(Heard::Nothing) };
    *told = Some(facts.clone());
    let reply = callbell.ask(Method::GET, &["contacts", &uuid, "messages"], &[("page", "1")], None).await?;
    Ok(match read(reply) {
        Ok(body) => Heard::Told(Box::new(facts), read_rows(&body)),
        Err(Heard::Nothing) => Heard::Told(Box::new(facts), Vec::new()),
        Err(heard) => heard,
    })
}

async fn ask_person(callbell: &Callbell, look_up: &LookUp) -> anyhow::Result<Result<Value, Heard>> {
    let Contact { uuid, phone, bsuid, .. } = &look_up.person;
    let phone = phone.as_ref().map(Phone::e164);
    let channel: Vec<(&str, &str)> = look_up.channel_uuid.iter().map(|uuid| ("channel_uuid", uuid.as_str())).collect();
    let (path, query): (Vec<&str>, &[(&str, &str)]) = match (uuid, &phone, bsuid) {
        (Some(uuid), _, _) => (vec!["contacts", uuid], &[]),
        (None, Some(phone), _) => (vec!["contacts", "phone", phone], &channel),
        (None, None, Some(bsuid)) => (vec!["contacts", "bsuid", bsuid], &[]),
        (None, None, None) => return Ok(Err(Heard::Nothing)),
    };
    Ok(read(callbell.ask(Method::GET, &path, query, None).await?))
}

fn read(reply: Reply) -> Result<Value, Heard> {
    match reply.status {
        status @ (401 | 403) => Err(Heard::Refused(status)),
        425 | 429 => {
            let wait_ms = wire::wait_ms(reply.retry_after.as_deref(), None).unwrap_or(SILENCE_MS);
            Err(Heard::Slow { wait_ms })
        }
        _ => reply.json().map_err(|_| Heard::Nothing),
    }
}

/// Messages of another kind of channel say nothing of this line.
fn read_rows(body: &Value) -> Vec<Row> {
    let row = |row: &Value| {
        let status = row["status"].as_str()?;
        let ours = row["channel"].as_str().is_none_or(|kind| kind == "whatsapp");
        (ours && matches!(status, "sent" | "received")).then_some(())?;
        Some(Row {
            uuid: row["uuid"].as_str().map(str::to_owned),
            received: status == "received",
            text: row["text"].as_str().unwrap_or_default().trim().to_owned(),
            at_ms: read_time(&row["createdAt"])?,
        })
    };
    body["messages"].as_array().into_iter().flatten().filter_map(row).collect()
}

// --- learn ------------------------------------------------------------------------------------------------------------

/// Reads what was learnt something of.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, learnt: &[&Answered]) -> anyhow::Result<()> {
    let keys: Vec<ContactKey> = learnt.iter().flat_map(|one| one.keys()).collect();
    rights::know_people(tx, unit, &keys).await?;
    let known = learnt.iter().filter_map(|one| unit.contact_by(&one.look_up.keys()).map(|contact| contact.id.clone()));
    let people: Vec<String> = known.collect();
    unit.know_lines(tx.lines(&people).await?);
    let sought = learnt.iter().filter_map(|one| one.look_up.sought.as_ref());
    let ids: Vec<&str> = sought.map(|sought| sought.delivery.as_str()).collect();
    for row in tx.deliveries(&ids).await? {
        unit.deliveries.entry(row.delivery.id.clone()).or_insert(row);
    }
    Ok(())
}

impl Answered {
    fn keys(&self) -> Vec<ContactKey> {
        let facts = match &self.heard {
            Heard::Told(facts, _) => super::inbound::facts_keys(facts),
            _ => Vec::new(),
        };
        self.look_up.keys().into_iter().chain(facts).collect()
    }
}

pub(super) fn apply(learnt: &Answered, unit: &mut Unit) {
    match &learnt.heard {
        Heard::Refused(status) => {
            let pause = settle::credentials_refused(*status, unit.now_ms);
            unit.outbound.pause(Scope::Account, pause);
            judge_again(&learnt.look_up, unit);
        }
        Heard::Slow { wait_ms } => {
            unit.outbound.silence(unit.now_ms + wait_ms);
            judge_again(&learnt.look_up, unit);
        }
        Heard::Told(_, rows) if learnt.look_up.sought.is_some() => find_message(&learnt.look_up, rows, unit),
        Heard::Nothing if learnt.look_up.sought.is_some() => {}
        Heard::Told(facts, rows) => learn(&learnt.look_up, Some((facts, rows)), unit),
        Heard::Nothing => learn(&learnt.look_up, None, unit),
    }
}

/// The account told nothing of the person, and will be asked again.
fn judge_again(look_up: &LookUp, unit: &mut Unit) {
    let known = unit.contact_by(&look_up.keys()).map(|contact| contact.id.clone());
    unit.outbound.asked.extend(known.map(|id| (id, look_up.channel.clone())));
}

/// Writes what the account knows of a person, and that it was asked: its silence is an answer, too.
fn learn(look_up: &LookUp, told: Option<(&ContactFacts, &[Row])>, unit: &mut Unit) {
    let known = unit.contact_by(&look_up.keys()).cloned();
    let fresh = || Contact { id: unit.clock.new_id(), ..look_up.person.clone() };
    let contact = known.unwrap_or_else(fresh);
    let (id, channel) = (contact.id.clone(), look_up.channel.clone());
    let told = told.filter(|_| !contact.gone);
    let mut line = unit.line(&id, &channel);
    line.asked_at_ms = Some(unit.now_ms);
    match told {
        None => unit.put_contact(contact),
        Some((facts, rows)) => {
            note(contact, facts, unit);
            let other_line =
                look_up.channel_uuid.as_ref().zip(facts.channel_uuid.as_ref()).is_some_and(|(a, b)| a != b);
            // The list does not say by which line a message came: what is known of another one is not this one's. It counts
            // whole seconds.
            let elsewhere_ms = unit.newest_elsewhere(&id, &channel).map_or(0, |at_ms| at_ms + 1000);
            let received = rows.iter().filter(|row| row.received && !other_line).map(|row| row.at_ms).max();
            if let Some(at_ms) = received.filter(|at_ms| *at_ms > elsewhere_ms) {
                line = window::after_inbound(line, at_ms.min(unit.now_ms));
                unit.opened.push((id.clone(), channel.clone()));
            }
        }
    }
    unit.put_line(&id, &channel, line);
    unit.outbound.asked.push((id, channel));
}

/// Identifiers that another person has are not taken from them, and a number is not replaced by another.
pub(super) fn note(mut contact: Contact, facts: &ContactFacts, unit: &mut Unit) {
    let taken = |key: ContactKey| unit.contact_by(&[key]).is_some_and(|other| other.id != contact.id);
    let mut told = facts.clone();
    told.phone = told.phone.filter(|phone| contact.phone.is_none() && !taken(ContactKey::Phone(phone.digits().into())));
    told.uuid = told.uuid.filter(|uuid| !taken(ContactKey::Uuid(uuid.clone())));
    told.bsuid = told.bsuid.filter(|bsuid| !taken(ContactKey::Bsuid(bsuid.clone())));
    told.apply_to(&mut contact);
    unit.put_contact(contact);
}

/// One message of that text and time, and no other: it may well be the one in doubt.
fn find_message(look_up: &LookUp, rows: &[Row], unit: &mut Unit) {
    let Some(sought) = &look_up.sought else { return };
    let span = sought.started_at_ms - BEFORE_MS..=sought.started_at_ms + AFTER_MS;
    let fits = |row: &&Row| !row.received && row.text == sought.text && span.contains(&row.at_ms);
    let mut found = rows.iter().filter(fits);
    let (Some(row), None) = (found.next(), found.next()) else { return };
    let uncertain = |row: &DeliveryRow| row.delivery.state == DeliveryState::Uncertain;
    if unit.deliveries.get(&sought.delivery).is_some_and(uncertain) {
        let probable = row.uuid.clone().unwrap_or_else(|| "unnamed".into());
        unit.change_delivery(&sought.delivery, |row| row.delivery.probable = Some(probable));
    }
}

// --- beside the loop --------------------------------------------------------------------------------------------------

/// The look-ups of this process that wait for a token, and those under way.
#[derive(Default)]
pub(super) struct Looking {
    waiting: VecDeque<LookUp>,
    /// By key, waiting or under way: who is to be told of its end.
    known: HashMap<String, Vec<oneshot::Sender<()>>>,
    open: usize,
}

impl Looking {
    /// How many wait for a token.
    pub(super) fn wanted(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn room(&self) -> usize {
        MOST_OPEN.saturating_sub(self.open)
    }

    /// Whether none is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.open == 0
    }

    pub(super) fn want(&mut self, look_up: LookUp, reply: Option<oneshot::Sender<()>>) {
        let key = look_up.key();
        if !self.known.contains_key(&key) {
            if self.waiting.len() >= MOST_WAITING {
                return;
            }
            self.waiting.push_back(look_up);
        }
        self.known.entry(key).or_default().extend(reply);
    }

    /// Nothing can be asked now: who waits is told so, and the deliveries are looked at again when their hold ends.
    pub(super) fn forget_waiting(&mut self) {
        for look_up in std::mem::take(&mut self.waiting) {
            self.tell(&look_up.key());
        }
    }

    fn begin(&mut self, most: usize) -> Vec<LookUp> {
        let count = most.min(self.room()).min(self.waiting.len());
        self.open += count;
        self.waiting.drain(..count).collect()
    }

    pub(super) fn ended(&mut self, key: &str) {
        self.open = self.open.saturating_sub(1);
        self.tell(key);
    }

    fn tell(&mut self, key: &str) {
        for reply in self.known.remove(key).into_iter().flatten() {
            let _ = reply.send(());
        }
    }
}

impl Loop {
    /// Begins as many look-ups as got tokens. The answer is a change of a later group.
    pub(super) fn begin_looks(&mut self, granted: usize) {
        let (Some(callbell), Some(queue)) = (self.setup.callbell.clone(), self.queue.upgrade()) else {
            return self.looking.forget_waiting();
        };
        for look_up in self.looking.begin(granted) {
            let (callbell, queue) = (callbell.clone(), queue.clone());
            self.beside.spawn(async move {
                let key = look_up.key();
                let learnt = ask(&callbell, look_up).await;
                let (reply, kept) = oneshot::channel();
                let change = Box::new(Change::LookedUp(Box::new(learnt)));
                if queue.send(Item::Change { change, reply }).await.is_ok() && !matches!(kept.await, Ok(Ok(_))) {
                    tracing::warn!("what the account told of a person was not kept: it is asked again");
                }
                let _ = queue.send(Item::Looked(key)).await;
            });
        }
    }
}

impl Engine {
    /// Asks the account what it knows of a person on a line, unless that is under way; returns when the answer is written
    /// down, after 10 s at the latest. `person`: what identifies them; `channel`: its name, or the uuid of one that the
    /// project does not list. Whether there is anything left to ask is the caller's to know: `Line::asked_at_ms`.
    ///
    /// # Errors
    /// [`Busy`] when the engine has stopped.
    pub async fn look_up(&self, person: &Contact, channel: &str) -> Result<(), Busy> {
        if !LookUp::is_possible(person) {
            return Ok(());
        }
        let settings = &self.deployed().settings;
        let channel_uuid = match settings.channel(channel) {
            Some(channel) => channel.uuid.clone().filter(|_| channel.listed),
            None => Some(channel.to_owned()),
        };
        let look_up = LookUp { person: identity(person), channel: channel.to_owned(), channel_uuid, sought: None };
        let (reply, told) = oneshot::channel();
        self.queue.send(Item::LookUp { look_up: Box::new(look_up), reply }).await.map_err(|_| Busy)?;
        let _ = tokio::time::timeout(PATIENCE, told).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_waits_within_bounds_and_comes_back_spread() {
        let mut looking = Looking::default();
        for n in 0..2 * MOST_WAITING {
            let person = Contact { id: n.to_string(), ..Contact::default() };
            looking.want(LookUp { person, channel: "main".into(), channel_uuid: None, sought: None }, None);
        }
        assert_eq!((looking.wanted(), looking.known.len()), (MOST_WAITING, MOST_WAITING));
        assert_eq!(hold_ms(MOST_OPEN - 1, -7), ASK_MS);
        let holds: Vec<i64> = (0..100).map(|n| hold_ms(100_000, n * 7919)).collect();
        assert!(holds.iter().all(|ms| (ASK_MS..=63 * ASK_MS).contains(ms)));
        assert!(holds.iter().max() > holds.iter().min().map(|ms| ms + 300_000).as_ref());
    }
}
