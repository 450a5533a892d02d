//! Event: something happened outside, told once. What it caused is stored with it, in the same commit.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What arrived, before it is known whether it is new. Made by `trigger::webhook`, `connector::webhook`, the schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Name of the source that vouches for it: an entry of `sources`, `local`, `api`, `callbell`, `schedule`.
    pub source: String,
    /// `order.paid`; for Callbell events the vendor's word (`message_created`).
    pub name: String,
    /// What `event` is in questions and texts.
    pub data: Value,
    /// When it happened, as far as the sender says; else when it was received. Unix milliseconds.
    pub at_ms: i64,
    pub dedupe: Dedupe,
}

/// Whether it only tells what we sent ourselves, or noted: workflows see what customers write.
pub fn is_own_message(source: &str, data: &Value) -> bool {
    source == "callbell" && data["direction"] == "sent"
}

/// How a second delivery of the same event is recognised (`semantics.md` §4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// Unique per source.
    pub key: String,
    /// How long the key is remembered: 30 days for an id, 10 minutes for a hash of the body.
    pub keep_ms: i64,
    /// SHA-256 of the body, hex: the same key with another body is counted as a conflict.
    pub body_hash: String,
}

impl Dedupe {
    /// Ids are remembered for 30 days.
    pub const ID_MS: i64 = 30 * 24 * 3_600_000;
    /// Hashes are remembered for 10 minutes: the same body may honestly come back later.
    pub const HASH_MS: i64 = 10 * 60_000;
}

/// What one workflow made of an event. Kept as JSON with the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub workflow: String,
    /// The trigger's stable name, `webhook:order.paid`.
    pub trigger: String,
    pub result: EvaluationResult,
    /// Why, in words: the line that said no, the cause of a failure. Empty when there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The run that was started or woken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Refused by `once_per`: the run that was there first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// How many times a person had it judged again until this came of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redrive: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_zero(redrive: &u32) -> bool {
    *redrive == 0
}

/// How many workflows could not judge an event, and were not made to since; `None` = none.
pub fn failed(evaluations: &[Evaluation]) -> Option<i64> {
    let later = |at: usize, one: &Evaluation| {
        evaluations[at + 1..].iter().any(|other| other.workflow == one.workflow && other.redrive > one.redrive)
    };
    let open = |(at, one): &(usize, &Evaluation)| one.result == EvaluationResult::Failed && !later(*at, one);
    let open = evaluations.iter().enumerate().filter(open).count();
    (open > 0).then(|| i64::try_from(open).unwrap_or(i64::MAX))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationResult {
    Started,
    Woke,
    Stopped,
    NotMatched,
    Skipped,
    Failed,
}
