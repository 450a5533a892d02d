//! What the Callbell account tells us by webhook (reference §13): messages of both directions, statuses, contacts.
//!
//! Pure: bytes in, values out. The HTTP layer has checked who calls; the engine decides what follows. Parts that
//! cannot be read are left out; only a body that is no JSON at all is refused.
//!
//! Invariant: nothing here proves that relance sent something. `relance_id` is text until `wire::verify_id` says so.

mod contact;
mod dedupe;
mod message;
mod status;
mod time;

pub use contact::ContactFacts;
pub use message::{Attachment, ContentKind, Direction, InboundMessage, ReplyTo};
pub use status::StatusEvent;
pub use time::read_time;

use crate::event::Dedupe;
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// The event of `relance webhooks test`: taken as any, and forgotten.
pub const TEST_EVENT: &str = "relance_test";

/// How deep a body may be nested.
const DEPTH: usize = 64;

/// One thing the account told us.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A connection check: answered, never stored.
    Check,
    /// `message_created`, in either direction.
    Message(Box<InboundMessage>),
    /// `message_status_updated`.
    Status(Box<StatusEvent>),
    /// `contact_created`, `contact_updated`.
    Contact(Box<ContactEvent>),
    /// Everything else: stored, nothing follows but what its contact object tells.
    Other(Box<OtherEvent>),
}

/// A contact was made or changed in the account.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactEvent {
    /// The vendor's word.
    pub name: String,
    pub contact: ContactFacts,
    pub at_ms: i64,
    pub dedupe: Dedupe,
}

/// An event that starts nothing, or a body that is none.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherEvent {
    /// The vendor's word; `unknown` without one.
    pub name: String,
    pub contact: Option<ContactFacts>,
    /// As it came; of an unknown shape all of it.
    pub payload: Value,
    pub at_ms: i64,
    pub dedupe: Dedupe,
}

/// Why a body cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    Json(String),
    Depth,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "the body is not JSON: {error}"),
            Self::Depth => write!(f, "the body is nested deeper than {DEPTH} levels"),
        }
    }
}

impl std::error::Error for ReadError {}

/// Whether a body is a connection check: empty, or neither an object nor a list. Known before any authentication.
pub fn is_check(raw: &[u8]) -> bool {
    !matches!(raw.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['))
}

/// Everything a body tells: an event in its envelope, bare, or a list of either.
///
/// # Errors
/// When the body begins like JSON and is none, or is nested too deep.
pub fn read(raw: &[u8], received_ms: i64) -> Result<Vec<Incoming>, ReadError> {
    let raw = raw.strip_prefix("\u{feff}".as_bytes()).unwrap_or(raw);
    if is_check(raw) {
        return Ok(vec![Incoming::Check]);
    }
    let body: Value = serde_json::from_slice(raw).map_err(|error| ReadError::Json(error.to_string()))?;
    if is_deeper(&body, DEPTH) {
        return Err(ReadError::Depth);
    }
    Ok(match &body {
        Value::Array(items) if items.is_empty() => vec![Incoming::Check],
        Value::Array(items) => items.iter().map(|item| read_one(item, received_ms)).collect(),
        one => vec![read_one(one, received_ms)],
    })
}

/// The body's own bytes of each of the `count` things it tells: all of it when it tells one.
pub fn parts(raw: &Bytes, count: usize) -> Vec<Bytes> {
    let json = raw.strip_prefix("\u{feff}".as_bytes()).unwrap_or(raw);
    let items: Option<Vec<&RawValue>> = (count > 1).then(|| serde_json::from_slice(json).ok()).flatten();
    match items.filter(|items| items.len() == count) {
        Some(items) => items.into_iter().map(|item| raw.slice_ref(item.get().as_bytes())).collect(),
        None => vec![raw.clone(); count],
    }
}

fn read_one(body: &Value, received_ms: i64) -> Incoming {
    let (name, payload) = unwrap_envelope(body);
    match name {
        TEST_EVENT => Incoming::Check,
        "message_created" => Incoming::Message(Box::new(message::read(payload, received_ms))),
        "message_status_updated" => Incoming::Status(Box::new(status::read(payload, received_ms))),
        "contact_created" | "contact_updated" => Incoming::Contact(Box::new(ContactEvent {
            name: name.to_owned(),
            contact: ContactFacts::read(payload),
            at_ms: received_ms,
            dedupe: dedupe::by_body(name, payload),
        })),
        other => Incoming::Other(Box::new(OtherEvent {
            name: other.to_owned(),
            contact: other_facts(other, payload),
            payload: payload.clone(),
            at_ms: received_ms,
            dedupe: dedupe::by_body(other, payload),
        })),
    }
}

/// Conversations show the person; of one that was deleted only the uuid is told.
fn other_facts(name: &str, payload: &Value) -> Option<ContactFacts> {
    match name {
        "contact_deleted" => Some(ContactFacts { uuid: text(&payload["uuid"]), ..ContactFacts::default() }),
        _ => payload["contact"].is_object().then(|| ContactFacts::read(&payload["contact"])),
    }
}

/// The event's name and payload. A bare payload is known by its keys, as the account's event log shows it.
fn unwrap_envelope(body: &Value) -> (&str, &Value) {
    let has = |key: &str| body.get(key).is_some();
    match body["event"].as_str() {
        Some(name) if has("payload") => (name, single(&body["payload"])),
        Some(name) => (name, body),
        None if has("messageStatusPayload") => ("message_status_updated", body),
        None if has("text") || (has("status") && has("contact")) => ("message_created", body),
        None if has("phoneNumber") => ("contact_updated", body),
        None => ("unknown", body),
    }
}

/// The only item of a one-element list; anything else as it is.
fn single(value: &Value) -> &Value {
    match value.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => value,
    }
}

fn is_deeper(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left == 0 || items.iter().any(|item| is_deeper(item, left - 1)),
        Value::Object(fields) => left == 0 || fields.values().any(|item| is_deeper(item, left - 1)),
        _ => false,
    }
}

/// A text that says something.
fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// An object, whether it came as one or as its JSON text. `Null` for anything else.
fn object(value: &Value) -> Value {
    match value {
        Value::Object(_) => value.clone(),
        Value::String(json) => serde_json::from_str(json).ok().filter(Value::is_object).unwrap_or_default(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests;
