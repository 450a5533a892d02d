//! A message as the account holds it, and the steps of its way.
//!
//! Pure. Invariant: a row keeps the request's body byte for byte, so that a test can judge what was really sent.

use super::faults::Asked;
use crate::message::Form;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A message that the account holds, as the person sees it.
#[derive(Debug, Clone, Serialize)]
pub struct SandboxMessage {
    /// Counts from one over both directions.
    pub n: u64,
    pub direction: Way,
    /// The id that the answer of the send gave.
    pub uuid: String,
    /// The id under which events and lists show it.
    #[serde(skip)]
    pub(super) event_uuid: String,
    /// With `+`; empty for a person who hides the number.
    pub phone: String,
    #[serde(skip)]
    pub(super) person: String,
    /// The line's uuid.
    pub channel: String,
    pub at_ms: i64,
    pub form: Form,
    /// `text`, `image`, `document`, `audio`, `video`.
    pub kind: String,
    /// As the person reads it: the filled template, the text, the caption.
    pub text: String,
    /// Address of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// Title of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The request's body, byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
    pub history: Vec<Status>,
    /// Further parts of its `message_created`, under the vendor's names: location, cards, the message it answers.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub parts: Map<String, Value>,
    /// Its text and file were removed from the account; the person still has them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Digits to which the platform corrected the number.
    #[serde(skip)]
    pub(super) corrected: Option<String>,
    /// What its request asked to go wrong with it later.
    #[serde(skip)]
    pub(super) asked: Asked,
    /// Its newest status was told in the shape of Cloud API channels.
    #[serde(skip)]
    pub(super) cloud: bool,
}

/// Who wrote it, in the vendor's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By the account.
    Sent,
    /// By the customer.
    Received,
}

/// One step of a message's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub status: &'static str,
    pub at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl SandboxMessage {
    /// The last step.
    pub fn status(&self) -> &'static str {
        self.history.last().map_or("enqueued", |step| step.status)
    }
}

/// Why the platform does not deliver an accepted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Option<i64>,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn code(code: i64, reason: &str) -> Self {
        Self { code: Some(code), reason: reason.into() }
    }

    pub(super) fn words(reason: &str) -> Self {
        Self { code: None, reason: reason.into() }
    }
}

/// When an accepted message moves on, counted from its acceptance.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub sent_ms: i64,
    pub delivered_ms: i64,
    /// `None`: nobody reads.
    pub read_ms: Option<i64>,
}

impl Default for Timing {
    fn default() -> Self {
        Self { sent_ms: 1000, delivered_ms: 2000, read_ms: None }
    }
}

/// A file sent as a `document` shows as what its extension says.
pub(super) fn real_kind(kind: &str, url: Option<&str>) -> String {
    if kind != "document" {
        return kind.to_owned();
    }
    let path = url.unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let extension = path.rsplit('/').next().unwrap_or_default().rsplit_once('.').map(|(_, last)| last.to_lowercase());
    match extension.as_deref() {
        Some("mp3" | "ogg" | "opus" | "m4a" | "aac" | "amr") => "audio",
        Some("mp4" | "3gp" | "mov") => "video",
        Some("jpg" | "jpeg" | "png" | "webp") => "image",
        _ => "document",
    }
    .to_owned()
}
