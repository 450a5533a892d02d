//! The account as the fake vendor keeps it: lines, templates, people, messages and what becomes of them.
//!
//! Pure: every change takes the instant as an argument; events go into the `mailbox`, who posts them is `pump`.
//! Invariant: acceptance judges nothing but the request. The platform's rules act later, as a status `failed`.

use super::SandboxPerson;
use super::faults::{Fault, Faults};
use super::fill::fill;
use super::log::Log;
use super::mailbox::Mailbox;
use super::message::{Failure, SandboxMessage, Status, Timing, Way, real_kind};
use super::payload;
use super::people::{Line, Person, WINDOW_MS, hash_uuid, key_of, lines, new_person};
use super::request::{Recipient, Refusal, SendRequest};
use crate::config::{Channel, LockedTemplate};
use crate::message::Form;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, VecDeque};

#[derive(Debug)]
pub(super) struct Account {
    pub(super) lines: Vec<Line>,
    templates: Vec<LockedTemplate>,
    pub(super) people: HashMap<String, Person>,
    /// Keys of `people`, oldest first.
    met: VecDeque<String>,
    pub(super) messages: Log<SandboxMessage>,
    /// Number of the message behind each uuid that a send was answered with.
    by_uuid: HashMap<String, u64>,
    pub(super) faults: Faults,
    pub(super) mailbox: Mailbox,
    timing: Timing,
    /// What becomes of which message when.
    agenda: BTreeMap<(i64, u64), (u64, Status)>,
    /// Makes this account's ids differ from those of any other.
    salt: String,
    drawn: u64,
    keep: usize,
}

impl Account {
    pub(super) fn new(
        channels: &[Channel],
        timing: Timing,
        webhook: Option<String>,
        salt: String,
        keep: usize,
    ) -> Self {
        Self {
            lines: lines(channels),
            templates: Vec::new(),
            people: HashMap::new(),
            met: VecDeque::new(),
            messages: Log::new(keep),
            by_uuid: HashMap::new(),
            faults: Faults::default(),
            mailbox: Mailbox::new(webhook, keep.saturating_mul(4)),
            timing,
            agenda: BTreeMap::new(),
            salt,
            drawn: 0,
            keep: keep.max(1),
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

    /// The line of that uuid, or the main one.
    pub(super) fn line(&self, uuid: Option<&str>) -> Option<&Line> {
        match uuid {
            Some(uuid) => self.lines.iter().find(|line| line.uuid == uuid),
            None => self.lines.iter().find(|line| line.main),
        }
    }

    pub(super) fn sent(&self, uuid: &str) -> Option<&SandboxMessage> {
        self.messages.get(*self.by_uuid.get(uuid)?)
    }

    /// Enqueues a request whose references are all known; its number.
    ///
    /// # Errors
    /// 422 for a reference that is unknown.
    pub(super) fn accept(&mut self, request: SendRequest, body: Box<RawValue>, now_ms: i64) -> Result<u64, Refusal> {
        if request.from != "whatsapp" {
            return Err(Refusal::field(422, "from", "has no channel"));
        }
        let line = self.line(request.channel_uuid.as_deref()).cloned();
        let line = line.ok_or_else(|| Refusal::field(422, "channel_uuid", "not found"))?;
        let template = match &request.template_uuid {
            None => None,
            Some(uuid) => {
                Some(self.template(uuid).cloned().ok_or_else(|| Refusal::field(422, "template_uuid", "not found"))?)
            }
        };
        let person = self.meet(&request.to, now_ms);
        let filled =
            template.as_ref().map(|template| fill(template, &request.kind, &request.text, &request.template_values));
        let failure = self.judge(&request, &line, &person, filled.as_ref(), now_ms);
        let text = filled.and_then(Result::ok).unwrap_or(request.text);
        let number = self.messages.next_number();
        let message = SandboxMessage {
            n: number,
            direction: Way::Sent,
            uuid: self.new_uuid(),
            event_uuid: self.new_uuid(),
            phone: self.people[&person].phone.as_ref().map_or_else(String::new, |digits| format!("+{digits}")),
            person,
            channel: line.uuid,
            at_ms: now_ms,
            form: if template.is_some() { Form::Template } else { Form::Text },
            kind: real_kind(&request.kind, request.url.as_deref()),
            text,
            media: request.url,
            template: template.map(|template| template.title),
            metadata: request.metadata,
            body: Some(body),
            history: vec![Status { status: "enqueued", at_ms: now_ms, code: None, reason: None }],
        };
        self.by_uuid.insert(message.uuid.clone(), number);
        self.keep_message(message, now_ms);
        self.plan(number, failure, now_ms);
        Ok(number)
    }

    /// What the platform does with an accepted message; `None` = it arrives.
    fn judge(
        &mut self,
        request: &SendRequest,
        line: &Line,
        person: &str,
        filled: Option<&Result<String, Failure>>,
        now_ms: i64,
    ) -> Option<Failure> {
        if let Some(code) = self.faults.take_failure() {
            return Some(Failure::code(code, "asked for by the test"));
        }
        let kind = real_kind(&request.kind, request.url.as_deref());
        if line.qr {
            let refused = filled.is_some() || matches!(kind.as_str(), "audio" | "video");
            return refused.then(|| Failure::words("not available on this channel"));
        }
        match filled {
            Some(filled) => filled.as_ref().err().cloned(),
            None if self.is_open(person, &line.uuid, now_ms) => None,
            None => Some(Failure::code(131_047, "Re-engagement message")),
        }
    }

    /// Whether the person wrote on that line less than 24 hours ago.
    pub(super) fn is_open(&self, person: &str, line: &str, now_ms: i64) -> bool {
        let last = self.people.get(person).and_then(|person| person.last_inbound_ms.get(line));
        last.is_some_and(|last| now_ms < last + WINDOW_MS)
    }

    fn plan(&mut self, number: u64, failure: Option<Failure>, now_ms: i64) {
        let Timing { sent_ms, delivered_ms, read_ms } = self.timing;
        let step = |status, after_ms, failure: Option<Failure>| Status {
            status,
            at_ms: now_ms + after_ms,
            code: failure.as_ref().and_then(|failure| failure.code),
            reason: failure.map(|failure| failure.reason),
        };
        let steps = match failure {
            Some(failure) => vec![step("failed", sent_ms, Some(failure))],
            None => {
                let read = read_ms.map(|read_ms| step("read", read_ms, None));
                let way = [step("sent", sent_ms, None), step("delivered", delivered_ms, None)];
                way.into_iter().chain(read).collect()
            }
        };
        for step in steps {
            self.drawn += 1;
            self.agenda.insert((step.at_ms, self.drawn), (number, step));
        }
    }

    /// The customer writes: opens the window of that line.
    pub(super) fn receive(&mut self, to: &Recipient, line: &str, text: &str, media: Option<&str>, now_ms: i64) -> u64 {
        let person = self.meet(to, now_ms);
        if let Some(known) = self.people.get_mut(&person) {
            known.last_inbound_ms.insert(line.to_owned(), now_ms);
        }
        let (number, uuid) = (self.messages.next_number(), self.new_uuid());
        let message = SandboxMessage {
            n: number,
            direction: Way::Received,
            uuid: uuid.clone(),
            event_uuid: uuid,
            phone: self.people[&person].phone.as_ref().map_or_else(String::new, |digits| format!("+{digits}")),
            person,
            channel: line.to_owned(),
            at_ms: now_ms,
            form: Form::Text,
            kind: media.map_or_else(|| "text".to_owned(), |url| real_kind("document", Some(url))),
            text: text.to_owned(),
            media: media.map(str::to_owned),
            template: None,
            metadata: BTreeMap::new(),
            body: None,
            history: Vec::new(),
        };
        self.keep_message(message, now_ms);
        number
    }

    /// Creates or changes a person, as someone in the vendor's dashboard would.
    pub(super) fn change_person(
        &mut self,
        to: &Recipient,
        name: Option<String>,
        tags: Option<Vec<String>>,
        custom: Option<Map<String, Value>>,
        now_ms: i64,
    ) -> Person {
        let event = if self.people.contains_key(&key_of(to)) { "contact_updated" } else { "contact_created" };
        let key = self.meet(to, now_ms);
        let Self { people, lines, faults, mailbox, .. } = self;
        let person = people.entry(key.clone()).or_insert_with(|| new_person(to, now_ms));
        person.name = name.or(person.name.take());
        person.tags = tags.unwrap_or(std::mem::take(&mut person.tags));
        person.custom = custom.unwrap_or(std::mem::take(&mut person.custom));
        let line = lines.iter().find(|line| line.main).unwrap_or(&lines[0]);
        let payload = payload::contact(person, line, false);
        mailbox.push(&key, event, &payload, faults, now_ms);
        person.clone()
    }

    /// Moves every message on whose time has come, in order.
    pub(super) fn tick(&mut self, now_ms: i64) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            let (number, step) = entry.remove();
            let Some(message) = self.messages.get_mut(number) else { continue };
            message.history.push(step);
            let cloud = self.faults.take(Fault::CloudPayload);
            let text = self.faults.take(Fault::MetadataString);
            if let Some((message, person, line)) = self.around(number) {
                let mut payload = payload::status_event(message, person, line, cloud);
                payload::as_text(&mut payload, text);
                let key = message.person.clone();
                self.mailbox.push(&key, "message_status_updated", &payload, &mut self.faults, now_ms);
            }
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
            phone: person.phone.as_ref().map_or_else(String::new, |digits| format!("+{digits}")),
            name: person.name.clone(),
            tags: person.tags.clone(),
            window_until_ms: person.last_inbound_ms.get(main).map(|last| last + WINDOW_MS),
        });
        shown.collect()
    }

    /// Stores a message and tells the webhook of it.
    fn keep_message(&mut self, message: SandboxMessage, now_ms: i64) {
        let number = message.n;
        if let Some(oldest) = self.messages.push(message) {
            self.by_uuid.remove(&oldest.uuid);
        }
        let (nameless, text) = (self.faults.take(Fault::NoUuid), self.faults.take(Fault::MetadataString));
        let Some((message, person, line)) = self.around(number) else { return };
        let mut payload = payload::message_created(message, person, line);
        payload::as_text(&mut payload, text);
        if nameless && let Some(fields) = payload.as_object_mut() {
            fields.remove("uuid");
        }
        let key = message.person.clone();
        self.mailbox.push(&key, "message_created", &payload, &mut self.faults, now_ms);
    }

    /// The key of a person, made known if need be.
    fn meet(&mut self, to: &Recipient, now_ms: i64) -> String {
        let key = key_of(to);
        if !self.people.contains_key(&key) {
            self.people.insert(key.clone(), new_person(to, now_ms));
            self.met.push_back(key.clone());
        }
        if self.met.len() > self.keep
            && let Some(oldest) = self.met.pop_front()
        {
            self.people.remove(&oldest);
        }
        key
    }

    fn new_uuid(&mut self) -> String {
        self.drawn += 1;
        hash_uuid(&format!("{}|{}", self.salt, self.drawn))
    }
}
