//! Submissions: messages that callers of the gateway ask for. Each is an event of the source `gateway` and a delivery
//! without a run, under one id, judged and stored in one group.
//!
//! Neighbours: `http::gateway` reads the request and answers; the outbox treats the delivery like any other. Invariant:
//! a caller is answered "enqueued" only after the commit that holds the message, and a key of the caller's names one
//! message for 30 days.

use super::calendar;
use super::change::{Change, Changed};
use super::deployed::Deployed;
use super::unit::Unit;
use super::{Busy, Engine, Item, QUEUE_BYTES, rights};
use crate::config::{ChannelKind, LockedTemplate, ProjectSettings};
use crate::connector::request::{Recipient, Refusal, SendRequest};
use crate::connector::wire;
use crate::contact::{Consent, Contact, Phone};
use crate::delivery::{Delivery, Purpose, outside_id};
use crate::event::Dedupe;
use crate::message::{Category, Message, WHATSAPP};
use crate::outbox::window;
use crate::store::Tx;
use crate::store::contacts::ContactKey;
use crate::store::events::EventRow;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

/// Who vouches for submissions, and what they are called.
const SOURCE: &str = "gateway";
const NAME: &str = "message.send";

/// A message that a caller of the gateway asks for.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    /// Name of the token it came with.
    pub(crate) caller: String,
    /// The caller's `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// SHA-256 of everything that was asked, hex.
    pub(crate) hash: String,
    /// Plain text into a closed window is taken, and fails later, as at the vendor's.
    pub(crate) late: bool,
    pub(crate) request: SendRequest,
    /// The body as it was written.
    pub(crate) body: Value,
}

/// A submission with the id that its event and its delivery get.
#[derive(Debug, Clone)]
pub(super) struct Numbered {
    id: String,
    asked: Arc<Submission>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Submitted {
    /// On disk; what the caller is answered.
    Taken { answer: Value },
    /// The same was submitted before, as this event: its answer stands there.
    Before { event: String },
    /// The key stands for another message.
    OtherBody,
    /// Plain text, and the person's window is not known to be open. Nothing is stored.
    WindowClosed,
    /// As `WindowClosed`, and the account was never asked for this person on this line.
    WindowUnknown { person: Box<Contact>, channel: String },
    /// Something it refers to does not exist. Nothing is stored.
    Refused(Refusal),
}

impl Submitted {
    /// What every answer holds.
    pub(crate) fn bare_answer(event: &str) -> Value {
        json!({ "message": { "uuid": outside_id(event), "status": "enqueued" } })
    }
}

/// What a group knows of submissions.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// By dedupe key.
    earlier: HashMap<String, Earlier>,
    /// Planned in this group: what was taken, and what answers a stop word.
    pub(super) deliveries: Vec<Delivery>,
}

#[derive(Debug, Clone)]
struct Earlier {
    event: String,
    hash: String,
}

impl Engine {
    /// Takes a message of a caller: answered after the commit that holds it.
    ///
    /// # Errors
    /// As [`Engine::accept`].
    pub(crate) async fn submit(&self, submission: Submission, bytes: usize) -> Result<Submitted, Busy> {
        let _room = Room::take(&self.shared.waiting_bytes, bytes)?;
        let asked = Arc::new(submission);
        let submitted = self.offer_submission(&asked).await?;
        let Submitted::WindowUnknown { person, channel } = submitted else { return Ok(submitted) };
        // Plain text is not refused for what the account may still tell.
        self.look_up(&person, &channel).await?;
        match self.offer_submission(&asked).await? {
            Submitted::WindowUnknown { .. } => Ok(Submitted::WindowClosed),
            submitted => Ok(submitted),
        }
    }

    async fn offer_submission(&self, asked: &Arc<Submission>) -> Result<Submitted, Busy> {
        let numbered = Numbered { id: self.shared.clock.new_id(), asked: asked.clone() };
        let (reply, answer) = oneshot::channel();
        let change = Box::new(Change::Submit(numbered));
        self.queue.try_send(Item::Change { change, reply }).map_err(|_| Busy)?;
        match answer.await.unwrap_or(Err(Busy))? {
            Changed::Submitted(submitted) => Ok(submitted),
            _ => Err(Busy),
        }
    }
}

/// Room for a body among those that wait for a commit; given back when dropped.
struct Room<'a> {
    waiting: &'a AtomicUsize,
    bytes: usize,
}

impl<'a> Room<'a> {
    fn take(waiting: &'a AtomicUsize, bytes: usize) -> Result<Self, Busy> {
        let room = Self { waiting, bytes };
        match waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES {
            true => Err(Busy),
            false => Ok(room),
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Numbered {
    /// The caller's key belongs to its token; a submission without one is found by its own id, when its group was done
    /// although the commit seemed to fail.
    fn dedupe_key(&self) -> String {
        match &self.asked.key {
            Some(key) => format!("{} {key}", self.asked.caller),
            None => self.id.clone(),
        }
    }

    /// By what the person is found.
    fn keys(&self) -> Vec<ContactKey> {
        match &self.asked.request.to {
            Recipient::Bsuid(bsuid) => vec![ContactKey::Bsuid(bsuid.clone())],
            Recipient::Phone(_) => match (self.phone(), self.foreign()) {
                (Some(phone), _) => ContactKey::of_phone(&phone).collect(),
                (None, foreign) => foreign.into_iter().collect(),
            },
        }
    }

    fn phone(&self) -> Option<Phone> {
        match &self.asked.request {
            SendRequest { to: Recipient::Phone(digits), from, .. } if from == WHATSAPP => {
                Phone::from_vendor(digits).ok()
            }
            _ => None,
        }
    }

    /// The name of a person of another platform.
    fn foreign(&self) -> Option<ContactKey> {
        match &self.asked.request {
            SendRequest { to: Recipient::Phone(id), from, .. } if from != WHATSAPP => {
                Some(ContactKey::Alias(format!("{from}:{id}")))
            }
            _ => None,
        }
    }
}

/// Reads what submissions are about, a select per kind.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, changes: &[Change]) -> anyhow::Result<()> {
    let submissions: Vec<&Numbered> = changes.iter().filter_map(Change::submission).collect();
    let keys: Vec<String> = submissions.iter().map(|one| one.dedupe_key()).collect();
    let keys: Vec<(&str, &str)> = keys.iter().map(|key| (SOURCE, key.as_str())).collect();
    let mut expired = Vec::new();
    for row in tx.known_keys(&keys).await? {
        match row.until_ms > unit.now_ms {
            true => drop(unit.desk.earlier.insert(row.key, Earlier { event: row.event, hash: row.body_hash })),
            false => expired.push(row.event),
        }
    }
    tx.clear_keys(&expired).await?;
    let people: BTreeSet<ContactKey> = submissions.iter().flat_map(|one| one.keys()).collect();
    rights::know_people(tx, unit, &people.iter().cloned().collect::<Vec<_>>()).await?;
    let known = people.into_iter().filter_map(|key| unit.contact_by(&[key]).map(|contact| contact.id.clone()));
    let known: BTreeSet<String> = known.collect();
    unit.know_lines(tx.lines(&known.into_iter().collect::<Vec<_>>()).await?);
    Ok(())
}

/// Judges one submission, and stores what is taken.
pub(super) fn apply(submission: &Numbered, unit: &mut Unit<'_>) -> anyhow::Result<Submitted> {
    let key = submission.dedupe_key();
    if let Some(earlier) = unit.desk.earlier.get(&key) {
        return Ok(match earlier.event == submission.id || earlier.hash == submission.asked.hash {
            true => Submitted::Before { event: earlier.event.clone() },
            false => Submitted::OtherBody,
        });
    }
    let request = &submission.asked.request;
    if let Some(refusal) = unknown_references(request, unit.deployed) {
        return Ok(Submitted::Refused(refusal));
    }
    let locked = request.template_uuid.as_ref().and_then(|uuid| unit.deployed.template(uuid));
    if let Some(refusal) = locked.filter(|_| !submission.asked.late).and_then(|locked| wrong_values(request, locked)) {
        return Ok(Submitted::Refused(refusal));
    }
    let channel = channel_of(request, &unit.deployed.settings);
    let message = wire::message_of(request, locked);
    let known = unit.contact_by(&submission.keys()).cloned();
    if !submission.asked.late && !may_leave(&message, known.as_ref(), &channel, unit) {
        return Ok(closed(submission, known, channel, unit));
    }
    let contact = keep_person(submission, known, unit);
    let answer = answer(&submission.id, &contact, request);
    unit.events.push(event(submission, key.clone(), &contact, &answer, unit.now_ms)?);
    let delivery = delivery(submission, contact.id, channel, message, unit);
    unit.vouch(&delivery);
    unit.desk.deliveries.push(delivery);
    let hash = submission.asked.hash.clone();
    unit.desk.earlier.insert(key, Earlier { event: submission.id.clone(), hash });
    Ok(Submitted::Taken { answer })
}

/// Values that are too few or too many: the platform would fail the message later, code 132000.
fn wrong_values(request: &SendRequest, locked: &LockedTemplate) -> Option<Refusal> {
    let given = wire::message_of(request, Some(locked)).template.map_or(0, |template| template.values.len());
    let wrong = format!("must be of the number that the template has: {}, not {given}", locked.placeholders);
    (given != locked.placeholders)
        .then(|| Refusal { status: 422, body: json!({ "error": { "template_values": [wrong] } }) })
}

/// What it refers to and the account does not have, all of it at once. What the account was never asked for may be there.
fn unknown_references(request: &SendRequest, deployed: &Deployed) -> Option<Refusal> {
    let account = &deployed.account;
    let unknown = [
        ("channel_uuid", request.channel_uuid.as_ref().is_some_and(|uuid| account.lacks_channel(uuid))),
        ("team_uuid", request.team_uuid.as_ref().is_some_and(|uuid| account.lacks_team(uuid))),
        ("template_uuid", request.template_uuid.as_ref().is_some_and(|uuid| lacks_template(uuid, deployed))),
    ];
    let unknown = unknown.iter().filter(|(_, unknown)| *unknown);
    let errors: Map<String, Value> = unknown.map(|(field, _)| ((*field).to_owned(), json!(["not found"]))).collect();
    (!errors.is_empty()).then(|| Refusal { status: 422, body: json!({ "error": errors }) })
}

/// The account's last word counts, else the lock file's, when there is one.
fn lacks_template(uuid: &str, deployed: &Deployed) -> bool {
    let lock = &deployed.catalogue.lock;
    match &deployed.account.templates {
        Some(told) => !told.contains_key(uuid),
        None => !lock.is_empty() && !lock.contains_key(uuid),
    }
}

/// The line it leaves by: the project's name of it, else the uuid that was given. Kinds of channel that the project does
/// not speak of have one line each, the account's main one.
fn channel_of(request: &SendRequest, settings: &ProjectSettings) -> String {
    match &request.channel_uuid {
        Some(uuid) => {
            let listed = settings.channels.iter().find(|channel| channel.uuid.as_ref() == Some(uuid));
            listed.map_or_else(|| uuid.clone(), |channel| channel.name.clone())
        }
        None if request.from == WHATSAPP => settings.default_channel().name.clone(),
        None => request.from.clone(),
    }
}

/// Whether the message may be taken as far as the window is concerned. One nobody knows of counts as closed.
fn may_leave(message: &Message, person: Option<&Contact>, channel: &str, unit: &Unit<'_>) -> bool {
    let kind = unit.deployed.settings.channel(channel).map(|channel| channel.kind).unwrap_or_default();
    if message.template.is_some() || message.is_foreign() || kind == ChannelKind::Qr {
        return true;
    }
    person.is_some_and(|person| window::open(unit.line(&person.id, channel), unit.now_ms))
}

/// Whether the window is known to be closed, or merely not known.
fn closed(submission: &Numbered, known: Option<Contact>, channel: String, unit: &Unit<'_>) -> Submitted {
    let line = known.as_ref().map(|contact| unit.line(&contact.id, &channel)).unwrap_or_default();
    if line.last_inbound_ms.or(line.refused_at_ms).or(line.asked_at_ms).is_some() {
        return Submitted::WindowClosed;
    }
    let person = known.unwrap_or_else(|| named(submission));
    Submitted::WindowUnknown { person: Box::new(person), channel }
}

/// The person as far as the request names them.
fn named(submission: &Numbered) -> Contact {
    let bsuid = match &submission.asked.request.to {
        Recipient::Bsuid(bsuid) => Some(bsuid.clone()),
        Recipient::Phone(_) => None,
    };
    Contact { phone: submission.phone(), bsuid, ..Contact::default() }
}

/// The person, made known if need be; the caller's word is the proof of consent, unless there is one already.
fn keep_person(submission: &Numbered, known: Option<Contact>, unit: &mut Unit<'_>) -> Contact {
    let mut contact = known.unwrap_or_else(|| Contact { id: unit.clock.new_id(), ..named(submission) });
    if submission.asked.request.optin && contact.consent.is_none() {
        contact.consent = Some(Consent { proof: format!("gateway {}", submission.id), at_ms: unit.now_ms });
    }
    unit.put_contact(contact.clone());
    if let Some(name) = submission.foreign() {
        unit.put_alias(name, &contact.id, SOURCE);
    }
    contact
}

/// `{"message": {…}}`, with what is known of the parts that were asked for.
fn answer(id: &str, contact: &Contact, request: &SendRequest) -> Value {
    let mut answer = Submitted::bare_answer(id);
    if request.wants_contact {
        let phone = contact.phone.as_ref().map(Phone::e164);
        let parts = [("uuid", &contact.uuid), ("name", &contact.name), ("phone", &phone), ("email", &contact.email)];
        let known = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())));
        answer["message"]["contact"] = Value::Object(known.collect::<Map<String, Value>>());
    }
    answer
}

fn event(
    submission: &Numbered,
    dedupe_key: String,
    contact: &Contact,
    answer: &Value,
    now_ms: i64,
) -> anyhow::Result<EventRow> {
    Ok(EventRow {
        id: submission.id.clone(),
        source: SOURCE.to_owned(),
        name: NAME.to_owned(),
        dedupe_key,
        dedupe_until_ms: now_ms.saturating_add(Dedupe::ID_MS),
        body_hash: submission.asked.hash.clone(),
        at_ms: now_ms,
        received_at_ms: now_ms,
        contact: Some(contact.id.clone()),
        data: serde_json::to_string(&json!({ "request": submission.asked.body, "answer": answer }))?,
        evaluations: "[]".to_owned(),
        failed: None,
    })
}

fn delivery(submission: &Numbered, contact: String, channel: String, message: Message, unit: &Unit<'_>) -> Delivery {
    let defaults = &unit.deployed.settings.defaults;
    Delivery {
        caller: Some(submission.asked.caller.clone()),
        purpose: purpose_of(&message),
        expires_at_ms: calendar::shift(unit.now_ms, defaults.expires, 1, &defaults.timezone),
        retry_limit: defaults.retry,
        ..Delivery::queued(submission.id.clone(), contact, channel, message, unit.now_ms, unit.clock.new_seed())
    }
}

/// The template's category decides; plain text is a service in the open window.
fn purpose_of(message: &Message) -> Purpose {
    match message.template.as_ref().map(|template| template.category) {
        None => Purpose::Service,
        Some(Some(Category::Marketing)) => Purpose::Marketing,
        Some(Some(Category::Utility | Category::Authentication) | None) => Purpose::Utility,
    }
}
