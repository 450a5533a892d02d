//! Run: one workflow under way for exactly one contact: where it stands, what its steps left, and its trace.

pub mod sentence;

pub use sentence::Sentence;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A run that has not come to its end after so many days is stopped, wherever it stands.
pub const LONGEST_DAYS: i64 = 400;

/// Our state of a run (`semantics.md` §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Behind another run of the same identity (`again: queue`), or with a step that calls out and has not begun.
    Queued,
    /// A step of it calls out.
    Running,
    Waiting,
    /// By a person, until that person lets it go on.
    Paused,
    NeedsAttention,
    Done,
    Stopped,
    Skipped,
}

impl RunState {
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::NeedsAttention,
        Self::Done,
        Self::Stopped,
        Self::Skipped,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::NeedsAttention => "needs_attention",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Skipped => "skipped",
        }
    }

    /// Reads what [`RunState::as_str`] wrote; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// A run in such a state never changes again.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Stopped | Self::Skipped)
    }
}

/// Everything of a run that `advance` reads and changes. The store keeps it as one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: String,
    pub workflow: String,
    /// Hash of the definition it began with and ends with.
    pub definition: String,
    pub contact: String,
    /// The event that started it (a row of an audience is an event as well).
    pub event: String,
    /// The firing that started it, when a schedule did.
    pub firing: Option<String>,
    pub state: RunState,
    /// Why it ended, or what it waits for, in one of the words of `language.md` §10.3 or a sentence.
    pub reason: String,
    pub progress: Progress,
    /// When the wait that it stands in is over. Unix milliseconds.
    pub wake_at_ms: Option<i64>,
    /// Draws of this run derive from it.
    pub seed: i64,
    /// Grows with each change of owner; a stale owner's writes fail.
    pub fence: i64,
    pub started_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    /// Name of the channel on which it waits for an answer.
    pub asks: Option<String>,
    /// Hash of what it is about, where runs about the same go one after the other.
    pub turn: Option<String>,
    /// When the first of its messages was handed over. Unix milliseconds.
    pub reached_at_ms: Option<i64>,
    /// The run that a person had done again as this one, and how many times that was.
    pub redrive_of: Option<String>,
    pub redrive: u32,
}

impl Run {
    /// It stands in no wait any more.
    pub fn leave_wait(&mut self) {
        self.wake_at_ms = None;
        self.asks = None;
        self.progress.waiting_for = None;
        self.progress.asked_at_ms = None;
    }

    /// Whether it has not begun because runs about the same are before it.
    pub fn is_in_line(&self) -> bool {
        !self.state.is_terminal() && self.progress.waiting_for == Some(WaitingFor::Turn)
    }

    /// Adds a line to its story, at the step where it stands.
    pub fn tell(&mut self, at_ms: i64, line: Sentence, parts: &[&str]) {
        let step = self.progress.cursor.clone();
        self.progress.trace.push(TraceEntry { at_ms, step, what: line.with(parts) });
    }

    /// Why it needs a person, in words that runs with the same fault share: the path of its step, a space, and the reason
    /// without numbers, quotes and its tail. `None` = it needs nobody.
    pub fn cause(&self) -> Option<String> {
        let wants = self.state == RunState::NeedsAttention;
        wants.then(|| format!("{} {}", self.progress.cursor, common(&self.reason)))
    }

    /// Since when it stands as it does, as far as its trace tells. Unix milliseconds.
    pub fn since_ms(&self) -> i64 {
        self.progress.trace.last().map_or(self.started_at_ms, |entry| entry.at_ms)
    }
}

/// Longest reason that tells two causes apart, in characters.
const REASON_CHARS: usize = 160;
/// Digits in a row that are a number of something and no code.
const DIGITS: usize = 5;

/// A reason without what differs from one run to the next: long numbers, and what stands in quotes. The codes of the
/// platform stay.
pub fn common(reason: &str) -> String {
    if reason.starts_with("rejected:") {
        return reason.to_owned();
    }
    let mut shared = String::new();
    let mut rest = reason;
    while let Some(first) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let quoted = rest.strip_prefix('"').and_then(|inner| inner.find('"')).map(|end| end + 2);
        let taken = match (digits, quoted) {
            (DIGITS.., _) => digits,
            (_, Some(quoted)) => quoted,
            (0, None) => first.len_utf8(),
            (digits, None) => digits,
        };
        match digits >= DIGITS || quoted.is_some() {
            true => shared.push('…'),
            false => shared.push_str(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    shared.chars().take(REASON_CHARS).collect()
}

/// The part of a run that only the interpreter understands; one JSON text in the store.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Path of the step it stands at (`2.cases.0.do.1`); empty before the first and after the last.
    pub cursor: String,
    /// What that step waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub vars: Map<String, Value>,
    /// `steps.<id>`: what each step with an id left.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub steps: Map<String, Value>,
    /// What the workflow's `contact` map gave for this run only (name, first_name, email, language, timezone).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub contact: Map<String, Value>,
    /// Name of the channel by which the person wrote, when a message started it: answers leave by the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What its nearest message so far came to; `None` before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// Since when it has been asking, Unix milliseconds; of a run that asks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at_ms: Option<i64>,
    /// A status of a message started it: what it sends starts nothing by its own statuses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_status: bool,
    /// A stop word started it: it tells the person nothing more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_stop: bool,
    /// A message of the run in whose place it began may have arrived: whatever this one sends says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Messages that its steps asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sends: u32,
    /// What it stood in when a person paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Standing>,
    /// What happened, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<TraceEntry>,
}

/// What a message of a run came to, for the question that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It left by the channel of this name.
    By(String),
    Nothing,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a paused run stands in, and goes on from when it is let.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub state: RunState,
    pub reason: String,
    /// When its wait is over: that instant stands, however long the pause is. Unix milliseconds.
    pub wake_at_ms: Option<i64>,
    /// What it waited for came meanwhile: the step it goes on at; empty = it is at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    Timer,
    Delivery,
    /// An answer of the person, until `wake_at_ms`.
    Reply,
    /// The result of a step that calls out.
    Call,
    /// The end of the run before it (`again: queue`).
    Turn,
}

/// One line of the story of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceEntry {
    pub at_ms: i64,
    /// Path of the step; empty for the run itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// A [`Sentence`] with its parts: `waits until 2026-03-02 12:00`, `sent as text`.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::common;

    #[test]
    fn a_cause_is_what_runs_with_the_same_fault_share() {
        for (reason, shared) in [
            ("contact.first_name is missing", "contact.first_name is missing"),
            ("rejected:131047", "rejected:131047"),
            ("no item of event.lines has id \"A-1042\"", "no item of event.lines has id …"),
            ("the account refused +34600000001 with 400", "the account refused +… with 400"),
            ("it said \"no", "it said \"no"),
            ("", ""),
        ] {
            assert_eq!(common(reason), shared, "{reason}");
        }
        assert_eq!(common(&"é".repeat(1000)).chars().count(), 160);
    }
}
