//! Delivery: one message to one contact; Attempt: one API call for it; Outcome: what that call told us.

use crate::message::{Form, Message};
use crate::rules::{Rules, lane};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a message is cancelled that its caller took back.
pub const TAKEN_BACK: &str = "deleted";

/// Our state of a delivery (`semantics.md` §7.1). `uncertain` is never resent by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Queued,
    Held,
    Sending,
    Accepted,
    Uncertain,
    Rejected,
    Skipped,
    Cancelled,
}

impl DeliveryState {
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Held,
        Self::Sending,
        Self::Accepted,
        Self::Uncertain,
        Self::Rejected,
        Self::Skipped,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Uncertain => "uncertain",
            Self::Rejected => "rejected",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`DeliveryState::as_str`] wrote; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// One message to one contact, with everything the gate and the wire need.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub id: String,
    /// The run whose step planned it; empty, as `workflow` and `step` are, for a message of the gateway.
    pub run: String,
    pub workflow: String,
    /// Path of the step that planned it.
    pub step: String,
    /// Name of the token that a message of the gateway came with.
    pub caller: Option<String>,
    /// The person who gets it.
    pub contact: String,
    /// Name of the channel it leaves by.
    pub channel: String,
    pub purpose: Purpose,
    pub outside_window: OutsideWindow,
    pub message: Message,
    pub state: DeliveryState,
    /// Why it is held, skipped, rejected, cancelled.
    pub reason: String,
    /// The form of the last attempt.
    pub form: Option<Form>,
    /// When it is to be looked at next: dispatch, end of a hold, deadline of an uncertain one. Unix milliseconds.
    pub due_at_ms: i64,
    pub expires_at_ms: i64,
    /// Place in the person's line: when it became dispatchable.
    pub line_at_ms: i64,
    /// The plain form was refused for the closed window once; only the template may follow.
    pub fallback_used: bool,
    /// Attempts begun.
    pub attempts: u32,
    /// Attempts after a refusal of the transient class, and how many are allowed.
    pub retries: u32,
    pub retry_limit: u32,
    pub seed: i64,
    pub planned_at_ms: i64,
    /// Until when evidence of an uncertain attempt is awaited; its line waits as long.
    pub reconcile_until_ms: Option<i64>,
    /// Look-ups made for the uncertain attempt.
    pub looks: u32,
    /// The message of the account that may be the uncertain one: shown to the operator, never proof.
    pub probable: Option<String>,
    /// Sent again although nobody could tell whether the attempt before had arrived.
    pub possible_duplicate: bool,
    /// Two of its attempts were taken, neither proven to have failed.
    pub duplicate_confirmed: bool,
    /// What its workflow's settings ask of the gate.
    pub rules: Rules,
    /// When it was first handed over, where that counts against what a person gets a day. Unix milliseconds.
    pub handed_at_ms: Option<i64>,
    /// The one that a person had done again as this one.
    pub redrive_of: Option<String>,
}

impl Delivery {
    /// A message of no run that is due now and was not tried yet: what a planned one begins as. It expires at once unless
    /// whoever plans it says otherwise.
    pub fn queued(id: String, contact: String, channel: String, message: Message, now_ms: i64, seed: i64) -> Self {
        Self {
            id,
            run: String::new(),
            workflow: String::new(),
            step: String::new(),
            caller: None,
            contact,
            channel,
            purpose: Purpose::Service,
            outside_window: OutsideWindow::Skip,
            message,
            state: DeliveryState::Queued,
            reason: String::new(),
            form: None,
            due_at_ms: now_ms,
            expires_at_ms: now_ms,
            line_at_ms: now_ms,
            fallback_used: false,
            attempts: 0,
            retries: 0,
            retry_limit: 0,
            seed,
            planned_at_ms: now_ms,
            reconcile_until_ms: None,
            looks: 0,
            probable: None,
            possible_duplicate: false,
            duplicate_confirmed: false,
            rules: Rules::default(),
            handed_at_ms: None,
            redrive_of: None,
        }
    }

    /// Where it waits for its turn.
    pub fn lane(&self) -> String {
        lane(&self.channel, self.rules.pace.map(|_| self.workflow.as_str()))
    }

    /// Whether it ended just now without having reached anybody, and not because its caller took it back. `was`: its
    /// state before.
    pub fn failed_unsent(&self, was: DeliveryState) -> bool {
        let waited = matches!(was, DeliveryState::Queued | DeliveryState::Held);
        match self.state {
            DeliveryState::Skipped | DeliveryState::Rejected => was != self.state,
            DeliveryState::Cancelled => waited && self.reason != TAKEN_BACK,
            _ => false,
        }
    }

    /// Notes that it was handed over: the API took it, or nobody can tell. A message of the gateway, or to a colleague, is
    /// no message of a loop, and is not counted.
    pub fn hand_over(&mut self, now_ms: i64) {
        let counts = !self.run.is_empty() && !self.rules.colleague;
        if counts && self.handed_at_ms.is_none() {
            self.handed_at_ms = Some(now_ms);
        }
    }
}

/// One API call. The row is committed before the first byte is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// A ULID; with its MAC it is the `relance_id` of the wire.
    pub id: String,
    pub delivery: String,
    pub n: u32,
    pub form: Form,
    pub started_at_ms: i64,
}

/// A delivery's id as callers of the gateway see it: the same 128 bits, 32 hex characters, like the vendor's own ids.
pub fn outside_id(id: &str) -> String {
    ulid::Ulid::from_string(id).map_or_else(|_| id.to_owned(), |ulid| format!("{:032x}", u128::from(ulid)))
}

/// The id behind one that a caller shows; `None` = it cannot be ours.
pub fn inside_id(uuid: &str) -> Option<String> {
    let hex = uuid.len() == 32 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = u128::from_str_radix(uuid, 16).ok().filter(|_| hex)?;
    Some(ulid::Ulid::from(bits).to_string())
}

/// The code with which the platform would have refused what relance did not send for this reason; `None` when it has none.
pub fn code_of_reason(reason: &str) -> Option<i64> {
    match reason {
        "window_closed" => Some(131_047),
        "opted_out" => Some(131_050),
        "invalid_values" => Some(132_000),
        "template_unavailable" => Some(132_001),
        _ => None,
    }
}

/// Why nothing of a scope leaves: the account, a channel, or a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// In words, for people.
    pub why: String,
    /// The platform's code that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    pub since_ms: i64,
    /// When it ends by itself; `None` = a person resumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

impl Pause {
    /// Whether it stands at an instant: one that ends by itself stays on record until the next takes its place.
    pub fn stands(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

/// What a pause, or a token bucket, is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Account,
    /// By its name.
    Channel(String),
    /// By its uuid.
    Template(String),
    /// By its id: the pace of its messages.
    Workflow(String),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => f.write_str("account"),
            Self::Channel(name) => write!(f, "channel:{name}"),
            Self::Template(uuid) => write!(f, "template:{uuid}"),
            Self::Workflow(id) => write!(f, "workflow:{id}"),
        }
    }
}

impl Scope {
    /// Reads what was written by `Display`; `None` for anything else.
    pub fn parse(written: &str) -> Option<Self> {
        match written.split_once(':') {
            None => (written == "account").then_some(Self::Account),
            Some(("channel", name)) => Some(Self::Channel(name.to_owned())),
            Some(("template", uuid)) => Some(Self::Template(uuid.to_owned())),
            Some(("workflow", id)) => Some(Self::Workflow(id.to_owned())),
            Some(_) => None,
        }
    }
}

/// What a call told us. Data, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No connection took the request, or it was refused unread (425, 429): safe to send again.
    NotSent { error: String, status: Option<u16>, retry_after_ms: Option<i64> },
    /// The API said no.
    Refused { status: u16, code: Option<i64>, error: String },
    /// The API enqueued it. The uuid is missing when the answer's body was cut or unreadable.
    Accepted { status: u16, message_uuid: Option<String>, contact_uuid: Option<String> },
    /// Nobody can tell whether it was taken.
    Uncertain { status: Option<u16>, error: String },
}

impl Outcome {
    /// The word kept with the attempt.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotSent { .. } => "not_sent",
            Self::Refused { .. } => "refused",
            Self::Accepted { .. } => "accepted",
            Self::Uncertain { .. } => "uncertain",
        }
    }
}

/// What became of a delivery, as far as its run is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    Sent {
        form: Form,
        message_id: Option<String>,
    },
    /// `fails`: the step counts as failed (`outside_window: fail`, bad values).
    Skipped {
        reason: String,
        fails: bool,
    },
    Failed {
        reason: String,
    },
    /// The deadline passed without evidence.
    Uncertain,
}

/// Why a message is sent: decides which compliance rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Marketing,
    Utility,
    Service,
}

/// What becomes of a plain message that meets a closed window and has no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsideWindow {
    #[default]
    Fail,
    Skip,
    Hold,
}

/// The vendor's word for where a message is. Only moves forward, by [`VendorStatus::rank`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VendorStatus {
    Enqueued,
    Sent,
    Failed,
    Delivered,
    Read,
}

impl VendorStatus {
    const ALL: [Self; 5] = [Self::Enqueued, Self::Sent, Self::Failed, Self::Delivered, Self::Read];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }

    /// `None` for words without a rank (`mismatch`, `deleted`, unknown ones): stored, never shown.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Higher wins: `failed` beats `sent`, `delivered` beats `failed`.
    pub fn rank(self) -> u8 {
        self as u8 + 1
    }

    /// The status to show for a set of events, whatever their order and number.
    pub fn displayed(events: impl IntoIterator<Item = Self>) -> Option<Self> {
        events.into_iter().max_by_key(|status| status.rank())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_goes_out_in_hex_and_comes_back() {
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let shown = outside_id(id);
        assert_eq!((shown.len(), inside_id(&shown).as_deref()), (32, Some(id)));
        assert_eq!(inside_id(&shown.to_uppercase()).as_deref(), Some(id));
        for other in ["", id, "3b1f0c9d-7a5e-4f22-86c4-d0e9b7a1c3f5", "+b1f0c9d7a5e4f2286c4d0e9b7a1c3f5"] {
            assert_eq!(inside_id(other), None, "{other}");
        }
    }
}
