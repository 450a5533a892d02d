//! What the account tells its webhook, and how its objects look with everything they name.
//!
//! Pure. Invariant: an event that nobody subscribed to is not even written.

use super::super::faults::Fault;
use super::super::office::{Team, User};
use super::super::payload;
use super::super::people::{LineKind, Person};
use super::Account;
use serde_json::{Map, Value, json};

/// How a contact is written: events write the number without `+`, the API with it and the types of fields on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Shape {
    pub(in super::super) plus: bool,
    pub(in super::super) types: bool,
}

impl Shape {
    pub(in super::super) const EVENT: Self = Self { plus: false, types: false };
    pub(in super::super) const API: Self = Self { plus: true, types: false };
}

impl Account {
    /// An event of the contact or colleague `key`.
    pub(super) fn tell(&mut self, key: &str, event: &'static str, payload: &Value, now_ms: i64) {
        self.mailbox.push(key, event, payload, &mut self.faults, now_ms);
    }

    /// `contact_created` and `contact_updated`.
    pub(super) fn tell_contact(&mut self, key: &str, event: &'static str, now_ms: i64) {
        if self.mailbox.wants(event)
            && let Some(person) = self.people.get(key)
        {
            let payload = self.contact(person, Shape::EVENT);
            self.tell(key, event, &payload, now_ms);
        }
    }

    pub(super) fn tell_opened(&mut self, key: &str, now_ms: i64) {
        if self.mailbox.wants("conversation_opened")
            && let Some(person) = self.people.get(key)
        {
            let payload = self.conversation_event(person);
            self.tell(key, "conversation_opened", &payload, now_ms);
        }
    }

    pub(super) fn tell_closed(&mut self, key: &str, reason: Option<&str>, now_ms: i64) {
        if self.mailbox.wants("conversation_closed")
            && let Some(person) = self.people.get(key)
        {
            let mut payload = self.conversation_event(person);
            payload["closedAt"] = payload::iso(now_ms).into();
            payload["closingReason"] = reason.into();
            self.tell(key, "conversation_closed", &payload, now_ms);
        }
    }

    fn conversation_event(&self, person: &Person) -> Value {
        let mut payload = payload::conversation(person);
        payload["contact"] = self.contact(person, Shape::EVENT);
        payload
    }

    /// `message_created`, in either direction.
    pub(super) fn tell_message(&mut self, number: u64, now_ms: i64) {
        if !self.mailbox.wants("message_created") {
            return;
        }
        let (nameless, text) = (self.faults.take(Fault::NoUuid), self.faults.take(Fault::MetadataString));
        let Some((message, person, _)) = self.around(number) else { return };
        let key = message.person.clone();
        let mut payload = payload::message_created(message, person, self.contact(person, Shape::EVENT));
        payload::as_text(&mut payload, text);
        if nameless && let Some(fields) = payload.as_object_mut() {
            fields.remove("uuid");
        }
        self.tell(&key, "message_created", &payload, now_ms);
    }

    /// `message_status_updated`, for the newest step of a message; there is none on other platforms (reference §9).
    pub(super) fn tell_status(&mut self, number: u64, now_ms: i64) {
        if !self.mailbox.wants("message_status_updated") {
            return;
        }
        let text = self.faults.take(Fault::MetadataString);
        let Some((message, person, line)) = self.around(number) else { return };
        if line.kind != LineKind::Whatsapp {
            return;
        }
        let key = message.person.clone();
        let mut payload = payload::status_event(message, self.contact(person, Shape::EVENT));
        payload::as_text(&mut payload, text);
        self.tell(&key, "message_status_updated", &payload, now_ms);
    }

    /// A contact with the line, team and fields it names.
    pub(in super::super) fn contact(&self, person: &Person, shape: Shape) -> Value {
        let line = self.line(Some(&person.line)).or_else(|| self.line(None));
        let channel = line.map_or(Value::Null, payload::channel);
        let team = person.team.as_deref().and_then(|uuid| self.office.team(uuid));
        let team = team.map_or_else(|| json!({}), shown_team);
        let types = if shape.types { self.field_types(person) } else { Map::new() };
        payload::contact(person, channel, team, types, shape.plus)
    }

    /// Value, type and options of each field that the contact has.
    fn field_types(&self, person: &Person) -> Map<String, Value> {
        let typed = person.custom.iter().filter_map(|(name, value)| {
            let field = self.office.field(name)?;
            Some((name.clone(), json!({ "value": value, "type": field.kind, "options": field.options })))
        });
        typed.collect()
    }
}

pub(in super::super) fn shown_team(team: &Team) -> Value {
    json!({
        "uuid": team.uuid,
        "name": team.name,
        "createdAt": payload::iso(team.created_ms),
        "default": team.default,
        "members": team.members.len(),
    })
}

/// A team member, with the custom status the colleague has.
pub(in super::super) fn shown_user(user: &User, account: &Account) -> Value {
    let statuses = &account.office.custom_statuses;
    let status = user.custom_status.as_ref().and_then(|id| statuses.iter().find(|status| &status.id == id));
    let status = status.map(|status| {
        let at = payload::iso(user.updated_ms);
        json!({ "id": status.id, "name": status.name, "emoji": status.emoji, "updatedAt": at })
    });
    json!({
        "email": user.email,
        "name": user.name,
        "available": user.available,
        "lastUpdatedAt": payload::iso(user.updated_ms),
        "userCustomStatus": status,
    })
}
