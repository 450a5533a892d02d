//! `message_created`: a message of the customer, or one of ours, of a colleague or of a bot (reference §13.3).
//!
//! Pure. Invariant: the direction comes from `status` alone; `from` and `to` are never looked at.

use super::time::{platform_time, read_time};
use super::{ContactFacts, dedupe, object, text};
use crate::event::Dedupe;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A message that the account holds, in either direction.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundMessage {
    pub direction: Direction,
    /// The event's id of the message; not the uuid that a send was answered with.
    pub uuid: Option<String>,
    /// Empty when there is none.
    pub text: String,
    pub kind: ContentKind,
    pub attachments: Vec<Attachment>,
    /// Location, contact cards, buttons and lists, as they came, under the keys of `event`.
    pub parts: Map<String, Value>,
    /// The message it answers.
    pub reply_to: Option<ReplyTo>,
    pub contact: ContactFacts,
    pub channel_uuid: Option<String>,
    /// `whatsapp`, `telegram` …; `None` when not told.
    pub channel_kind: Option<String>,
    /// As it came: proves nothing before `wire::verify_id` said so.
    pub relance_id: Option<String>,
    /// Platform time. Unix milliseconds.
    pub at_ms: i64,
    /// The time of reception stands in for the platform's.
    pub at_flagged: bool,
    pub dedupe: Dedupe,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the customer.
    Received,
    /// From us: this API, a colleague or a bot.
    Sent,
    /// A note between colleagues, or a word we do not know: never the customer's activity.
    Other,
}

/// The main content. A reaction does not open the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    Text,
    Image,
    Video,
    Audio,
    Document,
    Location,
    Contact,
    Reaction,
}

impl ContentKind {
    /// The word of `event.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Location => "location",
            Self::Contact => "contact",
            Self::Reaction => "reaction",
        }
    }
}

/// A file. Its address lives for about ten minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub kind: ContentKind,
    pub name: String,
    pub url: String,
}

/// The message that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    pub text: String,
    pub at_ms: Option<i64>,
    /// Whether we had sent it.
    pub from_us: bool,
}

impl InboundMessage {
    /// What `event` is for a `message` trigger (`language.md` §4). `channel` is the project's name of the line.
    pub fn event(&self, channel: &str) -> Value {
        let attachment = |file: &Attachment| json!({ "kind": file.kind.as_str(), "name": file.name, "url": file.url });
        let mut event = json!({
            "text": self.text,
            "kind": self.kind.as_str(),
            "attachments": self.attachments.iter().map(attachment).collect::<Vec<_>>(),
            "channel": channel,
            "received_at": iso(self.at_ms),
            "reply_to": self.reply_to.as_ref().map(|to| json!({
                "text": to.text, "sent_at": to.at_ms.map(iso), "from_us": to.from_us,
            })),
        });
        if let Some(fields) = event.as_object_mut() {
            fields.extend(self.parts.clone());
            if self.direction != Direction::Received {
                fields.insert("direction".into(), "sent".into());
            }
        }
        event
    }
}

fn iso(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).unwrap_or_default().to_string()
}

pub(super) fn read(payload: &Value, received_ms: i64) -> InboundMessage {
    let (at_ms, at_flagged) = platform_time(&payload["createdAt"], received_ms);
    let contact = ContactFacts::read(&payload["contact"]);
    let attachments = read_attachments(&payload["attachments"]);
    let channel = &payload["channel"];
    InboundMessage {
        direction: match payload["status"].as_str().map(str::to_lowercase).as_deref() {
            Some("received") => Direction::Received,
            Some("sent") => Direction::Sent,
            _ => Direction::Other,
        },
        uuid: text(&payload["uuid"]),
        text: payload["text"].as_str().unwrap_or_default().to_owned(),
        kind: kind_of(payload, &attachments),
        parts: read_parts(payload),
        reply_to: read_reply(payload),
        channel_uuid: contact.channel_uuid.clone().or_else(|| text(&channel["uuid"])),
        channel_kind: text(channel).or_else(|| text(&channel["type"])).map(|kind| kind.to_lowercase()),
        relance_id: text(&object(&payload["metadata"])["relance_id"]),
        dedupe: dedupe_of(payload, &contact, &attachments),
        contact,
        attachments,
        at_ms,
        at_flagged,
    }
}

fn dedupe_of(payload: &Value, contact: &ContactFacts, attachments: &[Attachment]) -> Dedupe {
    if let Some(uuid) = text(&payload["uuid"]) {
        return dedupe::by_id(format!("message_created {uuid}"), payload);
    }
    let paths: Vec<&str> = attachments.iter().map(|file| without_query(&file.url)).collect();
    let parts = json!([contact.uuid, payload["createdAt"], payload["status"], payload["text"], paths]);
    dedupe::by_id(format!("message_created #{}", dedupe::hash(&parts.to_string())), payload)
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Real traffic names no type: the file decides, then the special parts, then it is a text.
fn kind_of(payload: &Value, attachments: &[Attachment]) -> ContentKind {
    let has = |key: &str| payload.get(key).is_some_and(|part| !part.is_null());
    match attachments.first() {
        Some(file) => file.kind,
        None if has("messageLocation") => ContentKind::Location,
        None if has("messageContactCard") => ContentKind::Contact,
        None if has("messageReaction") => ContentKind::Reaction,
        None => ContentKind::Text,
    }
}

fn read_attachments(value: &Value) -> Vec<Attachment> {
    let list: &[Value] = match value {
        Value::Array(items) => items,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    list.iter().filter_map(read_attachment).collect()
}

fn read_attachment(value: &Value) -> Option<Attachment> {
    let url = text(value).or_else(|| text(&value["url"]))?;
    let last = without_query(&url).rsplit('/').next().unwrap_or_default();
    let name = text(&value["file_name"])
        .unwrap_or_else(|| percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned());
    let kind = kind_of_file(&name, value["content_type"].as_str());
    Some(Attachment { kind, name, url })
}

/// By the media type when it is told, else by the extension. A file of an unknown kind is a document.
fn kind_of_file(name: &str, content_type: Option<&str>) -> ContentKind {
    match content_type.and_then(|kind| kind.split('/').next()) {
        Some("image") => return ContentKind::Image,
        Some("video") => return ContentKind::Video,
        Some("audio") => return ContentKind::Audio,
        _ => {}
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    match extension.as_deref() {
        Some("jpg" | "jpeg" | "png" | "webp" | "gif" | "heic") => ContentKind::Image,
        Some("mp4" | "3gp" | "3gpp" | "mov" | "webm") => ContentKind::Video,
        Some("mp3" | "ogg" | "oga" | "opus" | "m4a" | "aac" | "amr" | "wav") => ContentKind::Audio,
        _ => ContentKind::Document,
    }
}

/// The special parts in one shape each, whichever way they were spelt.
fn read_parts(payload: &Value) -> Map<String, Value> {
    let mut parts = Map::new();
    let place = object(&payload["messageLocation"]);
    if let (Some(latitude), Some(longitude)) =
        (degrees(&place["coordinates"]["x"]), degrees(&place["coordinates"]["y"]))
    {
        let url = text(&place["googleMapsLocation"]);
        parts.insert("location".into(), json!({ "latitude": latitude, "longitude": longitude, "url": url }));
    }
    if let Some(cards) = object(&payload["messageContactCard"])["contactsInfo"].as_array() {
        parts.insert("contacts".into(), cards.iter().map(read_card).collect());
    }
    for (key, name) in [("messageReplyButton", "buttons"), ("messageInteractiveList", "list")] {
        let wrapped = object(&payload[key]);
        let said = object(&wrapped["metadata"]);
        if !said.is_null() {
            parts.insert(name.into(), said);
        }
    }
    parts
}

fn degrees(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|degrees: &f64| degrees.is_finite())
}

fn read_card(card: &Value) -> Value {
    let name = text(&card["name"]).or_else(|| text(&card["name"]["formatted_name"]));
    let phones = card["phones"].as_array().into_iter().flatten();
    let phones: Vec<Value> =
        phones.filter_map(|phone| text(&phone["phone"]).or_else(|| text(phone))).map(Value::from).collect();
    json!({ "name": name, "phones": phones })
}

/// The field table spells it `mesageContext`, the release notes `messageContext`.
fn read_reply(payload: &Value) -> Option<ReplyTo> {
    let context = [&payload["messageContext"], &payload["mesageContext"]].map(object);
    let target = context.iter().map(|context| object(&context["target"])).find(|target| !target.is_null())?;
    Some(ReplyTo {
        text: target["text"].as_str().unwrap_or_default().to_owned(),
        at_ms: read_time(&target["createdAt"]),
        from_us: target["status"].as_str() == Some("sent"),
    })
}
