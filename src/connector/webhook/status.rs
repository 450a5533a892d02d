//! `message_status_updated`: where a message is by the vendor's word, and why it failed (reference §9, §13.4).
//!
//! Pure. Invariant: the status belongs to the dedupe key, so no step of a message's way is taken for a repetition.

use super::contact::read_phone;
use super::time::platform_time;
use super::{ContactFacts, dedupe, object, text};
use crate::connector::wire::find_code;
use crate::contact::Phone;
use crate::event::Dedupe;
use serde_json::Value;

/// A status of one of our messages.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusEvent {
    /// The uuid that the answer of the send gave.
    pub uuid: Option<String>,
    /// The vendor's word, lower case; `VendorStatus::parse` knows those with a rank.
    pub status: String,
    /// Of a failure.
    pub code: Option<i64>,
    /// Of a failure, in the platform's words, at most 300 bytes.
    pub reason: Option<String>,
    /// As it came: proves nothing before `wire::verify_id` said so.
    pub relance_id: Option<String>,
    /// The corrected number of a `mismatch`.
    pub corrected: Option<Phone>,
    pub contact: Option<ContactFacts>,
    /// Platform time. Unix milliseconds.
    pub at_ms: i64,
    /// The time of reception stands in for the platform's.
    pub at_flagged: bool,
    pub dedupe: Dedupe,
}

pub(super) fn read(payload: &Value, received_ms: i64) -> StatusEvent {
    let uuid = text(&payload["uuid"]);
    let status = payload["status"].as_str().unwrap_or_default().trim().to_lowercase();
    let details = object(&payload["messageStatusPayload"]);
    let (code, reason) = if status == "failed" { failure(&details) } else { (None, None) };
    let (at_ms, at_flagged) = platform_time(time_of(&details), received_ms);
    let key = uuid.as_ref().filter(|_| !status.is_empty());
    let dedupe = match key {
        Some(uuid) => dedupe::by_id(format!("message_status_updated {uuid} {status}"), payload),
        None => dedupe::by_body("message_status_updated", payload),
    };
    let corrected = || read_phone(&details["payload"]["wa_id"]).or_else(|| read_phone(&details["payload"]["phone"]));
    StatusEvent {
        corrected: (status == "mismatch").then(corrected).flatten(),
        uuid,
        status,
        code,
        reason,
        relance_id: text(&object(&payload["metadata"])["relance_id"]),
        contact: payload.get("contact").map(ContactFacts::read).filter(ContactFacts::identifies),
        at_ms,
        at_flagged,
        dedupe,
    }
}

/// Code and words in either provider's shape; without words, the beginning of what came.
fn failure(details: &Value) -> (Option<i64>, Option<String>) {
    let (code, words) = find_code(details);
    let raw = || (!details.is_null()).then(|| details.to_string());
    let reason = words.or_else(raw).map(|text| text[..text.floor_char_boundary(300)].to_owned());
    (code, reason)
}

/// Where the two providers put the time; neither always does.
fn time_of(details: &Value) -> &Value {
    let cloud = &details["messaging"]["value"]["statuses"][0]["timestamp"];
    let places = [&details["payload"]["ts"], cloud, &details["ts"], &details["timestamp"]];
    places.into_iter().find(|place| !place.is_null()).unwrap_or(&Value::Null)
}
