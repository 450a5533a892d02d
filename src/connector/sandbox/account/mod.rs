//! The account as the fake vendor keeps it: lines, templates, people, messages and what becomes of them.
//!
//! ```text
//! accept (a send) ──┐                       ┌── told ──→ mailbox
//! inbound (a reply) ┼─→ messages, people ───┤
//! contacts, staff ──┘                       └── agenda ──→ tick: statuses
//! ```
//!
//! Pure: every change takes the instant as an argument; events go into the `mailbox`, who posts them is `pump`.
//! Invariant: acceptance judges nothing but the request. The platform's rules act later, as a status `failed`.

mod accept;
mod contacts;
mod inbound;
mod staff;
mod told;
mod walk;

pub use inbound::{Card, FilePace, Inbound, Media, MediaFile, Place};

pub(super) use contacts::ContactChange;
pub(super) use inbound::read_person;
pub(super) use staff::Session;
pub(super) use told::{Shape, shown_team, shown_user};
pub(super) use walk::{ContactFilter, CursorError};

use super::SandboxPerson;
use super::faults::{Fault, Faults};
use super::files::File;
use super::log::Log;
use super::mailbox::Mailbox;
use super::message::{SandboxMessage, Status, Timing};
use super::office::Office;
use super::payload;
use super::people::{Line, LineKind, Person, WINDOW_MS, hash_uuid, lines};
use super::setup::SandboxConfig;
use crate::config::LockedTemplate;
use std::collections::{BTreeMap, HashMap, VecDeque};
use walk::Walk;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) lines: Vec<Line>,
    templates: Vec<LockedTemplate>,
    pub(super) office: Office,
    pub(super) people: HashMap<String, Person>,
    /// Keys of `people`, oldest first.
    met: VecDeque<String>,
    met_ever: u64,
    pub(super) messages: Log<SandboxMessage>,
    /// Number of the message behind each uuid that a send was answered with.
    by_uuid: HashMap<String, u64>,
    pub(super) files: Log<File>,
    /// Where this sandbox is reached, `http://127.0.0.1:4100`.
    pub(super) base: Option<String>,
    /// Walks through the contacts that a cursor may go on with, oldest first.
    walks: VecDeque<Walk>,
    pub(super) faults: Faults,
    pub(super) mailbox: Mailbox,
    /// Instants of the requests of the last second.
    recent: VecDeque<i64>,
    /// Requests that were refused because they came too fast.
    pub(super) rate_limited: u64,
    timing: Timing,
    /// What becomes of which message when.
    agenda: BTreeMap<(i64, u64), (u64, Status)>,
    /// Makes this account's ids differ from those of any other.
    salt: String,
    drawn: u64,
    keep: usize,
}

impl Account {
    /// `salt`: see the field.
    pub(super) fn new(config: &SandboxConfig, salt: String) -> Self {
        let keep = config.keep.max(1);
        let mut mailbox = Mailbox::new(config.webhook_url.clone(), keep.saturating_mul(4));
        mailbox.subscriptions = config.subscriptions.clone().map(|names| names.into_iter().collect());
        Self {
            lines: lines(&config.channels, &config.further),
            templates: config.templates.clone(),
            office: config.office.clone(),
            people: HashMap::new(),
            met: VecDeque::new(),
            met_ever: 0,
            messages: Log::new(keep),
            by_uuid: HashMap::new(),
            files: Log::new(keep),
            base: None,
            walks: VecDeque::new(),
            faults: Faults::default(),
            mailbox,
            recent: VecDeque::new(),
            rate_limited: 0,
            timing: config.timing,
            agenda: BTreeMap::new(),
            salt,
            drawn: 0,
            keep,
        }
    }

    pub(super) fn set_templates(&mut self, templates: Vec<LockedTemplate>) {
        self.templates = templates;
    }

    pub(super) fn templates(&self) -> &[LockedTemplate] {
        &self.templates
    }

    pub(super) fn template(&self, uuid: &str) -> Option<&LockedTemplate> {
        self.templates.iter().find(|template| template.uuid == uuid)
    }

    pub(super) fn template_mut(&mut self, uuid: &str) -> Option<&mut LockedTemplate> {
        self.templates.iter_mut().find(|template| template.uuid == uuid)
    }

    /// The line of that uuid, or WhatsApp's main one.
    pub(super) fn line(&self, uuid: Option<&str>) -> Option<&Line> {
        match uuid {
            Some(uuid) => self.lines.iter().find(|line| line.uuid == uuid),
            None => self.main_line(LineKind::Whatsapp),
        }
    }

    /// `None` = the account has no line of that kind.
    pub(super) fn main_line(&self, kind: LineKind) -> Option<&Line> {
        self.lines.iter().find(|line| line.main && line.kind == kind)
    }

    /// As [`Account::line`], when it is in service.
    pub(super) fn working_line(&self, uuid: Option<&str>) -> Option<&Line> {
        self.line(uuid).filter(|line| line.discarded_ms.is_none())
    }

    /// The line of that uuid when it is of that kind, or the main one of the kind, when it is in service.
    pub(super) fn working_line_of(&self, kind: LineKind, uuid: Option<&str>) -> Option<&Line> {
        let line = if uuid.is_some() { self.line(uuid) } else { self.main_line(kind) };
        line.filter(|line| line.kind == kind && line.discarded_ms.is_none())
    }

    pub(super) fn sent(&self, uuid: &str) -> Option<&SandboxMessage> {
        self.messages.get(*self.by_uuid.get(uuid)?)
    }

    /// Whether the person wrote on that line less than 24 hours ago.
    pub(super) fn is_open(&self, person: &str, line: &str, now_ms: i64) -> bool {
        let last = self.people.get(person).and_then(|person| person.last_inbound_ms.get(line));
        last.is_some_and(|last| now_ms < last + WINDOW_MS)
    }

    /// Whether a request may come now, by the rate limit; one that may not is counted.
    pub(super) fn may_come(&mut self, now_ms: i64) -> bool {
        let Some(most) = self.faults.settings.rate_limit else { return true };
        while self.recent.front().is_some_and(|at_ms| *at_ms <= now_ms - 1000) {
            self.recent.pop_front();
        }
        let fits = self.recent.len() < most;
        if fits {
            self.recent.push_back(now_ms);
        }
        self.rate_limited += u64::from(!fits);
        fits
    }

    /// Moves every message on whose time has come, in order.
    pub(super) fn tick(&mut self, now_ms: i64) {
        if self.faults.settings.silence_rule {
            self.mailbox.mind_the_silence(now_ms);
        }
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            let (number, step) = entry.remove();
            let Some(message) = self.messages.get_mut(number) else { continue };
            message.history.push(step);
            self.faults.asked = message.asked.clone();
            message.cloud = self.faults.take(Fault::CloudPayload);
            self.tell_status(number, now_ms);
        }
    }

    /// When anything happens next, posts of events included.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        let step = self.agenda.first_key_value().map(|((at_ms, _), _)| *at_ms);
        step.into_iter().chain(self.mailbox.next_due_ms()).min()
    }

    /// A message with its person and line.
    pub(super) fn around(&self, number: u64) -> Option<(&SandboxMessage, &Person, &Line)> {
        let message = self.messages.get(number)?;
        Some((message, self.people.get(&message.person)?, self.line(Some(&message.channel))?))
    }

    /// Everyone, oldest first.
    pub(super) fn directory(&self) -> Vec<SandboxPerson> {
        let main = self.line(None).map(|line| line.uuid.as_str()).unwrap_or_default();
        let people = self.met.iter().filter_map(|key| self.people.get(key));
        let shown = people.map(|person| SandboxPerson {
            uuid: person.uuid.clone(),
            phone: person.shown_phone(),
            bsuid: person.bsuid.clone(),
            source: person.source,
            platform_id: person.platform_id.clone(),
            name: person.name.clone(),
            tags: person.tags.clone(),
            window_until_ms: person.last_inbound_ms.get(main).map(|last| last + WINDOW_MS),
            closed: person.closed_ms.is_some(),
            assigned_user: person.assigned.clone(),
            team_uuid: person.team.clone(),
            bot: person.bot.status,
            behaviour: person.behaviour.clone(),
        });
        shown.collect()
    }

    /// Removes text and file of a message of either direction: here, never on the person's phone.
    pub(super) fn delete_message(&mut self, uuid: &str) -> bool {
        let listed = || self.messages.iter().rev().find(|(_, message)| message.event_uuid == uuid);
        let number = self.by_uuid.get(uuid).copied().or_else(|| listed().map(|(number, _)| number));
        let message = number.and_then(|number| self.messages.get_mut(number));
        message.map(|message| message.deleted = true).is_some()
    }

    /// Stores a message and tells the webhook of it.
    fn keep_message(&mut self, message: SandboxMessage, now_ms: i64) {
        let number = message.n;
        if let Some(person) = self.people.get_mut(&message.person) {
            person.active_ms = now_ms;
        }
        if let Some(oldest) = self.messages.push(message) {
            self.by_uuid.remove(&oldest.uuid);
        }
        self.tell_message(number, now_ms);
    }

    pub(super) fn new_uuid(&mut self) -> String {
        self.drawn += 1;
        hash_uuid(&format!("{}|{}", self.salt, self.drawn))
    }

    /// What the status of a message is by `GET /messages/status/:uuid`.
    pub(super) fn status_answer(&self, uuid: &str) -> Option<serde_json::Value> {
        let message = self.sent(uuid)?;
        let step = message.history.last()?;
        let mut said = serde_json::json!({
            "uuid": message.uuid,
            "status": message.status(),
            "messageStatusPayload": payload::status_payload(message, step, message.cloud),
            "metadata": message.metadata,
        });
        if let Some(person) = self.people.get(&message.person) {
            said["contact"] = self.contact(person, Shape::API);
            said["conversation"] = payload::conversation(person);
        }
        Some(serde_json::json!({ "message": said }))
    }
}
