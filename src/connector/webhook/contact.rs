//! The contact object of any event or answer (reference §10): what the account knows of a person.
//!
//! Pure. Invariant: a part that was not told changes nothing; a part told to be empty empties it.

use super::{object, text};
use crate::contact::{Contact, Phone};
use serde_json::Value;
use std::collections::BTreeMap;

/// What one event told of a person. `None` = not told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ContactFacts {
    /// Callbell's id.
    pub uuid: Option<String>,
    pub phone: Option<Phone>,
    pub bsuid: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub tags: Option<Vec<String>>,
    /// The account's custom fields; a checkbox field is a list.
    pub custom: Option<BTreeMap<String, Value>>,
    /// `Some(None)` = told that nobody has it.
    pub assigned_to: Option<Option<String>>,
    /// Name of the team; `Some(None)` = told that there is none.
    pub team: Option<Option<String>>,
    pub blocked: Option<bool>,
    /// The line that this person writes to.
    pub channel_uuid: Option<String>,
}

impl ContactFacts {
    /// Reads a contact object, or a list holding one.
    pub(super) fn read(value: &Value) -> Self {
        let value = super::single(value);
        let told = |key: &str| value.get(key);
        let phone = told("phoneNumber").or_else(|| told("phone")).and_then(read_phone);
        Self {
            uuid: text(&value["uuid"]),
            phone,
            bsuid: text(&value["bsuid"]),
            name: text(&value["name"]),
            email: text(&value["email"]),
            tags: told("tags").and_then(read_tags),
            custom: told("customFields").map(|fields| read_custom(&object(fields))),
            assigned_to: told("assignedUser").map(read_colleague),
            team: told("team").map(|team| text(&team["name"]).or_else(|| text(team))),
            blocked: told("blockedAt").map(|at| !at.is_null() && at != &Value::Bool(false)),
            channel_uuid: text(&value["channel"]["uuid"]),
        }
    }

    /// Writes what was told into what is known.
    pub fn apply_to(&self, contact: &mut Contact) {
        let set = |known: &mut Option<String>, told: &Option<String>| {
            if told.is_some() {
                known.clone_from(told);
            }
        };
        set(&mut contact.uuid, &self.uuid);
        set(&mut contact.bsuid, &self.bsuid);
        set(&mut contact.name, &self.name);
        set(&mut contact.email, &self.email);
        contact.phone = self.phone.clone().or(contact.phone.take());
        contact.tags = self.tags.clone().unwrap_or(std::mem::take(&mut contact.tags));
        contact.custom = self.custom.clone().unwrap_or(std::mem::take(&mut contact.custom));
        contact.assigned_to = self.assigned_to.clone().unwrap_or(contact.assigned_to.take());
        contact.team = self.team.clone().unwrap_or(contact.team.take());
        contact.blocked = self.blocked.unwrap_or(contact.blocked);
        contact.told |= self.tags.is_some() || self.custom.is_some();
    }

    /// Whether it names somebody.
    pub fn identifies(&self) -> bool {
        self.uuid.is_some() || self.phone.is_some() || self.bsuid.is_some()
    }
}

/// Digits with or without `+` and spaces; some callers write a bare number.
pub(super) fn read_phone(value: &Value) -> Option<Phone> {
    let written = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Phone::from_vendor(&written).ok()
}

fn read_tags(value: &Value) -> Option<Vec<String>> {
    let name = |tag: &Value| text(tag).or_else(|| text(&tag["name"]));
    value.as_array().map(|tags| tags.iter().filter_map(name).collect())
}

/// An e-mail; real traffic writes `""` for nobody.
fn read_colleague(value: &Value) -> Option<String> {
    text(value).or_else(|| text(&value["email"]))
}

/// Field name → value. A list arrives as the JSON text of a list.
fn read_custom(fields: &Value) -> BTreeMap<String, Value> {
    let read = |value: &Value| match value.as_str().filter(|text| text.trim_start().starts_with('[')) {
        Some(list) => serde_json::from_str(list).unwrap_or_else(|_| value.clone()),
        None => value.clone(),
    };
    let fields = fields.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), read(value))).collect()
}
