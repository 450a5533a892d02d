//! What `POST /contacts` and `PATCH /contacts/:uuid` may say of a contact (reference §10).
//!
//! Pure. Invariant: tags, fields, colleagues and teams must exist in the account already.

use super::super::account::ContactChange;
use super::super::office::Office;
use super::fields::Fields;
use crate::message::Bot;
use serde_json::{Map, Value};

/// Characters of a contact's note.
const LONGEST_NOTE: usize = 1000;

/// Reads the parts both calls have; what is wrong with them stays in `fields`.
pub(super) fn read(fields: &mut Fields, office: &Office) -> ContactChange {
    let name = fields.text("name");
    if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        fields.wrong("name", "can't be blank");
    }
    let note = fields.text("note");
    if note.as_ref().is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
        fields.wrong("note", "is too long (maximum is 1000 characters)");
    }
    let team = fields.text("team_uuid").filter(|uuid| !uuid.is_empty());
    if team.as_ref().is_some_and(|uuid| office.team(uuid).is_none()) {
        fields.unknown("team_uuid");
    }
    ContactChange {
        name,
        tags: read_tags(fields, office),
        custom: read_custom(fields, office),
        assigned: read_assigned(fields, office),
        team,
        funnel: None,
        bot: read_bot(fields, "bot_status"),
        note,
    }
}

/// `bot_start` or `bot_end`.
pub(super) fn read_bot(fields: &mut Fields, field: &str) -> Option<Bot> {
    let word = fields.word(field, &["bot_start", "bot_end"])?;
    Some(if word == "bot_start" { Bot::Start } else { Bot::Stop })
}

/// Tags as the account spells them, each once.
fn read_tags(fields: &mut Fields, office: &Office) -> Option<Vec<String>> {
    let mut tags: Vec<String> = Vec::new();
    for written in fields.list("tags")? {
        match office.tag(&written) {
            Some(tag) if !tags.contains(tag) => tags.push(tag.clone()),
            Some(_) => {}
            None => fields.unknown("tags"),
        }
    }
    Some(tags)
}

fn read_custom(fields: &mut Fields, office: &Office) -> Map<String, Value> {
    let custom = fields.map("custom_fields").unwrap_or_default();
    for (name, value) in &custom {
        let path = format!("custom_fields.{name}");
        match office.field(name) {
            None => fields.unknown(&path),
            Some(field) => {
                if let Some(what) = field.complaint(value) {
                    fields.wrong(&path, what);
                }
            }
        }
    }
    custom
}

fn read_assigned(fields: &mut Fields, office: &Office) -> Option<Option<String>> {
    let nobody = fields.flag("unassign_user") == Some(true);
    let email = fields.text("assigned_user").filter(|email| !email.is_empty());
    match email {
        Some(email) => {
            let known = office.user(&email).map(|user| user.email.clone());
            if known.is_none() {
                fields.unknown("assigned_user");
            }
            known.map(Some)
        }
        None => nobody.then_some(None),
    }
}
