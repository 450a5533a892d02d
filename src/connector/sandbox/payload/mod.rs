//! What the fake vendor says, in the vendor's shapes: events (reference §13) and objects of the API (§9–§12).
//!
//! Pure. Invariant: an event has exactly the keys of the fixture that was written from the reference.

use super::message::{SandboxMessage, Status, Way};
use super::office::{CustomStatus, Funnel};
use super::people::{Line, Note, Person};
use crate::config::LockedTemplate;
use crate::message::{Category, TemplateKind};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value, json};

/// The number of every line of the sandbox: it exists nowhere.
const OUR_NUMBER: &str = "33900000000";

/// Payload of `message_created`.
pub(super) fn message_created(message: &SandboxMessage, person: &Person, contact: Value) -> Value {
    let theirs = person.address();
    let (from, to) = match message.direction {
        Way::Received => (theirs, OUR_NUMBER),
        Way::Sent => (OUR_NUMBER, theirs),
    };
    let mut payload = json!({
        "uuid": message.event_uuid,
        "status": message.direction,
        "from": from,
        "to": to,
        "text": if message.text.is_empty() { Value::Null } else { message.text.clone().into() },
        "attachments": message.media.iter().collect::<Vec<_>>(),
        "channel": person.source.word(),
        "contact": contact,
        "createdAt": with_offset(message.at_ms),
    });
    if let Some(fields) = payload.as_object_mut() {
        fields.extend(message.parts.clone());
    }
    if !message.metadata.is_empty() {
        payload["metadata"] = json!(message.metadata);
    }
    payload
}

/// Payload of `message_status_updated`, for the last step of the message's way.
pub(super) fn status_event(message: &SandboxMessage, contact: Value) -> Value {
    let mut payload = json!({
        "uuid": message.uuid,
        "status": message.status(),
        "contact": contact,
        "metadata": message.metadata,
    });
    if let Some(step) = message.history.last() {
        payload["messageStatusPayload"] = status_payload(message, step, message.cloud);
    }
    payload
}

/// What the provider said, in Gupshup's shape or Meta's.
pub(super) fn status_payload(message: &SandboxMessage, step: &Status, cloud: bool) -> Value {
    let seconds = step.at_ms / 1000;
    let destination = message.phone.trim_start_matches('+');
    if cloud {
        let mut status = json!({
            "id": format!("wamid.{}", message.uuid), "status": step.status, "timestamp": seconds.to_string(),
        });
        if step.status == "failed" {
            let reason = step.reason.as_deref().unwrap_or_default();
            let details = json!({ "details": reason });
            let code = step.code.map(|code| code.to_string());
            status["errors"] = json!([{ "code": code, "title": reason, "message": reason, "error_data": details }]);
        }
        return json!({ "messaging": { "value": { "statuses": [status] } } });
    }
    let said = match (step.status, step.code) {
        ("failed", Some(code)) => json!({ "code": code, "reason": step.reason }),
        ("failed", None) => json!({ "reason": step.reason }),
        ("mismatch", _) => json!({ "wa_id": message.corrected, "phone": destination }),
        ("enqueued", _) => json!({ "whatsappMessageId": message.event_uuid, "type": "session" }),
        _ => json!({ "ts": seconds }),
    };
    json!({
        "id": message.event_uuid, "gsId": message.uuid, "type": step.status, "destination": destination, "payload": said,
    })
}

/// Turns `metadata` into its JSON text, as some integrators met it.
pub(super) fn as_text(payload: &mut Value, wanted: bool) {
    if wanted && payload["metadata"].is_object() {
        payload["metadata"] = payload["metadata"].to_string().into();
    }
}

/// A contact; `plus`: with a `+` before the number.
pub(super) fn contact(person: &Person, channel: Value, team: Value, types: Map<String, Value>, plus: bool) -> Value {
    let sign = if plus { "+" } else { "" };
    json!({
        "uuid": person.uuid,
        "name": person.name,
        "phoneNumber": person.phone.as_ref().map(|digits| format!("{sign}{digits}")),
        "avatarUrl": null,
        "blockedAt": null,
        "createdAt": iso(person.created_ms),
        "source": person.source.word(),
        "funnelId": person.funnel,
        "closedAt": person.closed_ms.map(iso),
        "href": format!("https://dash.callbell.eu/contacts/{}", person.uuid),
        "conversationHref": conversation_href(person),
        "tags": person.tags,
        // Real traffic writes an empty text for nobody.
        "assignedUser": person.assigned.as_deref().unwrap_or_default(),
        "customFields": person.custom,
        "customFieldsMetadata": types,
        "team": team,
        "channel": channel,
        "bsuid": person.bsuid,
        "note": person.note,
    })
}

/// `message.contact` of an answer to a send: another shape than [`contact`].
pub(super) fn answer_contact(person: &Person) -> Value {
    let phone = person.phone.as_ref().map(|digits| format!("+{digits}"));
    json!({ "uuid": person.uuid, "name": person.name, "phone": phone, "email": null })
}

/// `message.conversation` of an answer to a send.
pub(super) fn conversation(person: &Person) -> Value {
    json!({ "source": person.source.word(), "href": conversation_href(person), "createdAt": iso(person.opened_ms.unwrap_or(person.created_ms)) })
}

fn conversation_href(person: &Person) -> String {
    format!("https://dash.callbell.eu/chat/{}", &person.uuid[..12])
}

/// A row of a contact's message list.
pub(super) fn message_row(message: &SandboxMessage, person: &Person) -> Value {
    let theirs = person.address();
    let (from, to) = if message.direction == Way::Sent { (OUR_NUMBER, theirs) } else { (theirs, OUR_NUMBER) };
    json!({
        "uuid": message.event_uuid,
        "text": if message.deleted { "" } else { message.text.as_str() },
        "status": message.direction,
        "channel": person.source.word(),
        "from": from,
        "to": to,
        "createdAt": iso(message.at_ms),
    })
}

/// A note in a contact's message list: a colleague's has a `uuid`, the account's own has none and goes to its writer.
pub(super) fn note_row(note: &Note, person: &Person) -> Value {
    let theirs = person.address();
    let from = if note.uuid.is_some() { OUR_NUMBER } else { theirs };
    let mut row = json!({
        "text": note.text, "status": "note", "channel": person.source.word(), "from": from, "to": theirs, "createdAt": iso(note.at_ms),
    });
    if let Some(uuid) = &note.uuid {
        row["uuid"] = uuid.as_str().into();
    }
    row
}

/// A row of `GET /channels`.
pub(super) fn listed_channel(line: &Line) -> Value {
    let mut channel = channel(line);
    channel["discardedAt"] = line.discarded_ms.map(iso).into();
    channel
}

pub(super) fn funnel(funnel: &Funnel) -> Value {
    json!({
        "uuid": funnel.uuid,
        "name": funnel.name,
        "emoji": funnel.emoji,
        "position": funnel.position,
        "createdAt": spaced(funnel.created_ms),
    })
}

pub(super) fn custom_status(status: &CustomStatus) -> Value {
    json!({
        "id": status.id,
        "name": status.name,
        "emoji": status.emoji,
        "createdAt": spaced(status.created_ms),
        "updatedAt": spaced(status.updated_ms),
    })
}

pub(super) fn channel(line: &Line) -> Value {
    json!({ "uuid": line.uuid, "title": line.title, "type": line.kind.word(), "main": line.main })
}

pub(super) fn template(template: &LockedTemplate) -> Value {
    let kind = match template.kind {
        TemplateKind::Text => "text",
        TemplateKind::Image => "image",
        TemplateKind::Video => "video",
        TemplateKind::Document => "document",
    };
    let category = template.category.map(|category| match category {
        Category::Marketing => "MARKETING",
        Category::Utility => "UTILITY",
        Category::Authentication => "AUTHENTICATION",
    });
    json!({
        "uuid": template.uuid,
        "title": template.title,
        "templateType": kind,
        "category": category,
        "status": template.status,
        "text": template.text,
        "createdAt": "2026-01-01T00:00:00Z",
    })
}

/// `2026-03-01T09:30:00Z`.
pub(super) fn iso(at_ms: i64) -> String {
    Timestamp::from_second(at_ms.div_euclid(1000)).unwrap_or_default().to_string()
}

/// `2026-03-01T10:30:00.000+01:00`.
pub(super) fn with_offset(at_ms: i64) -> String {
    let zone = TimeZone::fixed(Offset::constant(1));
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(zone);
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// `2026-03-01 10:30:00 +0100`.
pub(super) fn spaced(at_ms: i64) -> String {
    let zone = TimeZone::fixed(Offset::constant(1));
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(zone);
    at.strftime("%Y-%m-%d %H:%M:%S %z").to_string()
}

/// `2026-03-01T09:30:00.123Z`.
pub(super) fn exact(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(TimeZone::UTC);
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
