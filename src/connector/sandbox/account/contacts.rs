//! Contacts as the API and the dashboard change them, and their conversations.
//!
//! Pure. Invariant: every change that somebody could see is told by an event, and a change to the same is not.

use super::super::people::{BotState, Note, Person, key_of, new_person};
use super::super::request::Recipient;
use super::{Account, told::Shape};
use crate::connector::sandbox::payload;
use crate::message::Bot;
use serde_json::{Map, Value, json};

/// What a call changes of a contact; `None` leaves it. Checked: every reference is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct ContactChange {
    pub(in super::super) name: Option<String>,
    /// The whole list.
    pub(in super::super) tags: Option<Vec<String>>,
    /// The fields named; `null` empties one.
    pub(in super::super) custom: Map<String, Value>,
    /// `Some(None)` = nobody.
    pub(in super::super) assigned: Option<Option<String>>,
    pub(in super::super) team: Option<String>,
    pub(in super::super) funnel: Option<String>,
    pub(in super::super) bot: Option<Bot>,
    /// `""` clears it.
    pub(in super::super) note: Option<String>,
}

impl Account {
    /// The key of a person, made known if need be; that is told.
    pub(in super::super) fn meet(&mut self, to: &Recipient, line: &str, now_ms: i64) -> String {
        let (key, is_new) = self.know(to, line, now_ms);
        if is_new {
            self.tell_contact(&key, "contact_created", now_ms);
        }
        key
    }

    /// Makes a contact, or changes the one that is there, and tells of it once.
    pub(in super::super) fn add_contact(
        &mut self,
        to: &Recipient,
        line: &str,
        change: ContactChange,
        now_ms: i64,
    ) -> String {
        let (key, is_new) = self.know(to, line, now_ms);
        let changed = self.apply(&key, change, now_ms);
        if is_new || changed {
            self.tell_contact(&key, if is_new { "contact_created" } else { "contact_updated" }, now_ms);
        }
        key
    }

    /// The key of a person, and whether nobody knew that one before.
    fn know(&mut self, to: &Recipient, line: &str, now_ms: i64) -> (String, bool) {
        let kind = self.line(Some(line)).map(|line| line.kind).unwrap_or_default();
        let key = key_of(to, kind);
        if let Some(known) = self.people.get_mut(&key) {
            known.lines.insert(line.to_owned());
            return (key, false);
        }
        self.met_ever += 1;
        let (met, since_n) = (self.met_ever, self.messages.next_number());
        self.people.insert(key.clone(), Person { met, since_n, ..new_person(to, kind, line, now_ms) });
        self.met.push_back(key.clone());
        if self.met.len() > self.keep
            && let Some(oldest) = self.met.pop_front()
        {
            self.people.remove(&oldest);
        }
        (key, true)
    }

    /// Something is said on that line: a conversation that is closed, or was never opened, is open now.
    pub(in super::super) fn converse(&mut self, key: &str, line: &str, now_ms: i64) {
        let Some(person) = self.people.get_mut(key) else { return };
        line.clone_into(&mut person.line);
        let is_new = person.opened_ms.is_none();
        if person.closed_ms.take().is_some() || is_new {
            person.opened_ms = Some(now_ms);
            self.tell_opened(key, now_ms);
        }
    }

    pub(in super::super) fn key_by_uuid(&self, uuid: &str) -> Option<String> {
        self.people.iter().find(|(_, person)| person.uuid == uuid).map(|(key, _)| key.clone())
    }

    /// Applies a checked change, and tells when anything is different now.
    pub(in super::super) fn change_contact(&mut self, key: &str, change: ContactChange, now_ms: i64) {
        if self.apply(key, change, now_ms) {
            self.tell_contact(key, "contact_updated", now_ms);
        }
    }

    fn apply(&mut self, key: &str, change: ContactChange, now_ms: i64) -> bool {
        let with_bot = self.office.bot.is_some();
        let Some(person) = self.people.get_mut(key) else { return false };
        let before = shown(person);
        let assigned = person.assigned.clone();
        person.name = change.name.or(person.name.take());
        person.tags = change.tags.unwrap_or(std::mem::take(&mut person.tags));
        for (name, value) in change.custom {
            match value {
                Value::Null => drop(person.custom.remove(&name)),
                value => drop(person.custom.insert(name, as_shown(value))),
            }
        }
        person.assigned = change.assigned.unwrap_or(person.assigned.take());
        person.team = change.team.or(person.team.take());
        person.funnel = change.funnel.or(person.funnel.take());
        if let Some(note) = change.note {
            person.note = Some(note).filter(|note| !note.is_empty());
        }
        if let Some(bot) = change.bot.filter(|_| with_bot) {
            person.bot = BotState::asked(bot, now_ms);
        }
        if before == shown(person) {
            return false;
        }
        self.note_assignment(key, assigned.as_deref(), now_ms);
        true
    }

    /// Forgets a contact and the messages with it.
    pub(in super::super) fn delete_contact(&mut self, key: &str, now_ms: i64) {
        let Some(person) = self.people.remove(key) else { return };
        self.met.retain(|known| known != key);
        let payload = json!({ "uuid": person.uuid, "deleted": payload::exact(now_ms) });
        self.tell(key, "contact_deleted", &payload, now_ms);
    }

    /// Opens the conversation; one that is open stays as it is.
    pub(in super::super) fn open_conversation(&mut self, key: &str, now_ms: i64) {
        if let Some(line) = self.people.get(key).map(|person| person.line.clone()) {
            self.converse(key, &line, now_ms);
        }
    }

    /// Closes the conversation; one that is closed stays as it is.
    pub(in super::super) fn close_conversation(&mut self, key: &str, reason: Option<&str>, now_ms: i64) {
        let Some(person) = self.people.get_mut(key).filter(|person| person.closed_ms.is_none()) else { return };
        person.closed_ms = Some(now_ms);
        self.tell_closed(key, reason, now_ms);
    }

    /// A colleague's note.
    pub(in super::super) fn add_note(&mut self, key: &str, text: &str, now_ms: i64) {
        let uuid = Some(self.new_uuid());
        self.note(key, Note { uuid, text: text.to_owned(), at_ms: now_ms, after_n: 0 });
    }

    /// The account's own note when the conversation changes hands.
    pub(super) fn note_assignment(&mut self, key: &str, before: Option<&str>, now_ms: i64) {
        let Some(person) = self.people.get(key) else { return };
        if person.assigned.as_deref() == before {
            return;
        }
        let name = |email: &String| self.office.user(email).map_or_else(|| email.clone(), |user| user.name.clone());
        let text = match &person.assigned {
            Some(email) => format!("Conversation was assigned to {}", name(email)),
            None => "Conversation was unassigned".to_owned(),
        };
        self.note(key, Note { uuid: None, text, at_ms: now_ms, after_n: 0 });
    }

    fn note(&mut self, key: &str, note: Note) {
        let after_n = self.messages.next_number() - 1;
        if let Some(person) = self.people.get_mut(key) {
            person.add_note(Note { after_n, ..note });
        }
    }

    /// Messages and notes of a contact, newest first.
    pub(in super::super) fn message_rows(&self, uuid: &str) -> Option<Vec<Value>> {
        let (key, person) = self.people.iter().find(|(_, person)| person.uuid == uuid)?;
        let theirs = self.messages.iter().filter(|(n, message)| *n >= person.since_n && &message.person == key);
        let messages = theirs.map(|(n, message)| ((n, 0), payload::message_row(message, person)));
        let notes = person.notes.iter().enumerate();
        let notes = notes.map(|(index, note)| ((note.after_n, index + 1), payload::note_row(note, person)));
        let mut rows: Vec<_> = messages.chain(notes).collect();
        rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Some(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The bot of a conversation; `None` when the account has none.
    pub(in super::super) fn bot_answer(&self, key: &str) -> Option<Value> {
        let (bot, state) = (self.office.bot.as_ref()?, self.people.get(key)?.bot);
        Some(json!({ "bot": {
            "uuid": bot.uuid,
            "name": bot.name,
            "status": state.status,
            "conversationStartedAt": state.started_ms.map(payload::iso),
            "version": bot.version,
            "latestBotVersion": true,
        } }))
    }

    /// `{"contact": …}`, as a list when a fault wants it so.
    pub(in super::super) fn contact_answer(&mut self, key: &str, shape: Shape) -> Option<Value> {
        let as_list = self.faults.take(super::Fault::ContactList);
        let contact = self.contact(self.people.get(key)?, shape);
        Some(json!({ "contact": if as_list { json!([contact]) } else { contact } }))
    }
}

/// Checkbox values are shown as the JSON text of a list.
fn as_shown(value: Value) -> Value {
    if value.is_array() { value.to_string().into() } else { value }
}

/// Everything of a contact that a change may touch.
fn shown(person: &Person) -> Value {
    let Person { name, assigned, team, funnel, note, tags, custom, bot, .. } = person;
    json!([name, assigned, team, funnel, note, tags, custom, bot.status])
}
