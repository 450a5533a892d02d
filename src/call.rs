//! Call: a step of a run that calls out, `http_request` or `update_contact`: what is asked, how far it is, how it ended.
//!
//! ```text
//! queued ─► started ─► done · failed · uncertain
//!    ▲         │
//!    └─────────┘ the next part, another attempt, its process ended
//! ```
//! Invariant: what may not be repeated (a note) is never called a second time by itself.

use crate::message::Bot;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Takings by processes that then died, after which a person has to look.
pub const MOST_CRASHES: u32 = 3;
/// Longest pause between two attempts.
const BACKOFF_MS: i64 = 5 * 60_000;
/// Pause after which a call is begun again that was not begun.
const NOT_BEGUN_MS: i64 = 1_000;
/// How long the account may refuse whatever it is asked, before the step has failed.
const PATIENCE_MS: i64 = 24 * 3_600_000;

/// One step of one run that calls out.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCall {
    pub run: String,
    /// Path of the step.
    pub step: String,
    /// The `Idempotency-Key` of all its attempts.
    pub id: String,
    pub contact: String,
    pub state: CallState,
    pub ask: Ask,
    /// Parts that are done; an `http_request` has none.
    pub parts_done: Vec<Part>,
    /// How often it was taken: the number that makes a stale owner's result fail.
    pub claims: u32,
    /// Attempts of the part at hand that came back.
    pub attempts: u32,
    /// Takings by processes that died, since it last got on.
    pub crashes: u32,
    /// Further attempts after one that may go better later.
    pub retry_limit: u32,
    /// Unix milliseconds.
    pub due_at_ms: i64,
    /// What it left, and why it failed; `None` = it has not ended.
    pub result: Option<Value>,
    pub planned_at_ms: i64,
    pub ended_at_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    Queued,
    /// Its campaign is paused.
    Held,
    /// Committed before the first byte is written.
    Started,
    Done,
    Failed,
    /// Nobody can tell whether it was done, and it may not be done twice.
    Uncertain,
    /// Its run was stopped before it began.
    Cancelled,
}

impl CallState {
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Held, Self::Started, Self::Done, Self::Failed, Self::Uncertain, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Started => "started",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Uncertain => "uncertain",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`CallState::as_str`] wrote; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What is asked, filled but for its secrets: it is kept and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Ask {
    HttpRequest(HttpCall),
    UpdateContact(ContactCall),
}

impl Ask {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::HttpRequest(_) => "http_request",
            Self::UpdateContact(_) => "update_contact",
        }
    }

    /// The HTTP call, if it is one that the workflow writes out.
    pub fn http(&self) -> Option<&HttpCall> {
        match self {
            Self::HttpRequest(call) => Some(call),
            Self::UpdateContact(_) => None,
        }
    }

    /// Whom it calls: one that does not answer holds up no other.
    pub fn lane(&self) -> String {
        match self {
            Self::HttpRequest(call) => call.host().to_owned(),
            Self::UpdateContact(_) => String::new(),
        }
    }
}

/// An HTTP call. Its texts may hold marks in the place of secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpCall {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub body: Body,
    /// At most 15 s.
    pub timeout_ms: i64,
    /// Status codes that are no failure; empty = any 2xx.
    pub expect: Vec<u16>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    None,
    Json(Value),
    Form(Vec<(String, String)>),
    Raw(String),
}

impl HttpCall {
    /// The host as written, in lower case only where it is written so; empty when there is none.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        match host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((inner, _)) => inner,
            None => host.split(':').next().unwrap_or_default(),
        }
    }

    /// The address with its query, as written: it may hold marks in the place of secrets.
    pub fn address(&self) -> String {
        let mut address = self.url.clone();
        for (name, value) in &self.query {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(&format!("{name}={value}"));
        }
        address
    }

    pub fn expects(&self, status: u16) -> bool {
        if self.expect.is_empty() { (200..300).contains(&status) } else { self.expect.contains(&status) }
    }
}

/// What changes of a person in the account.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContactCall {
    pub name: Option<String>,
    pub add_tags: Vec<String>,
    pub remove_tags: Vec<String>,
    /// Custom fields by name; an empty text empties one.
    pub fields: Vec<(String, String)>,
    pub note: Option<String>,
    pub assign: Option<Assign>,
    /// Name or uuid.
    pub team: Option<String>,
    pub bot: Option<Bot>,
    pub close: bool,
    /// How the person is called if the account has to be told of them first.
    pub called: Option<String>,
    /// Name of the line they write to.
    pub channel: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assign {
    Nobody,
    /// E-mail of a collaborator.
    To(String),
}

/// One call of the account for an `update_contact`, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Name, tags, fields, assignment, team, bot: values, which may be set twice.
    Set,
    /// Added each time it is called.
    Note,
    Close,
}

impl ContactCall {
    pub fn parts(&self) -> Vec<Part> {
        let sets = self.name.is_some()
            || !(self.add_tags.is_empty() && self.remove_tags.is_empty() && self.fields.is_empty())
            || self.assign.is_some()
            || self.team.is_some()
            || self.bot.is_some();
        let wanted = [(Part::Set, sets), (Part::Note, self.note.is_some()), (Part::Close, self.close)];
        wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(part, _)| part).collect()
    }
}

/// How one taking of a call went.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done, and left this; of an `update_contact`, the part at hand is done.
    Done(Value),
    /// It failed for good.
    Failed { reason: String, left: Value },
    /// It may go better later. `counted`: as one of the attempts that the step has; else the account refuses everybody.
    Passing { reason: String, left: Value, wait_ms: Option<i64>, counted: bool },
    /// Nobody can tell whether it was done.
    Doubt { reason: String },
    /// No byte was written.
    NotBegun,
    /// The process that had it is no more.
    Abandoned,
}

/// What a run is told of the call it waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Called {
    Done(Value),
    Failed {
        reason: String,
        left: Value,
    },
    /// It is called again later.
    Again {
        reason: String,
    },
    Uncertain {
        reason: String,
    },
    /// It waits to be taken again.
    Released,
}

impl StepCall {
    /// The part that is called next; `None` for an `http_request`, and when all are done.
    pub fn part(&self) -> Option<Part> {
        match &self.ask {
            Ask::HttpRequest(_) => None,
            Ask::UpdateContact(call) => call.parts().into_iter().find(|part| !self.parts_done.contains(part)),
        }
    }

    /// The status of the answer, once it has ended with one.
    pub fn http_status(&self) -> Option<u64> {
        self.result.as_ref()?["status"].as_u64()
    }

    /// Why it failed, or is in doubt.
    pub fn reason(&self) -> Option<&str> {
        self.result.as_ref()?["reason"].as_str()
    }

    /// It after one taking; and what its run is told, `None` = nothing yet.
    #[must_use]
    pub fn after(mut self, outcome: Outcome, now_ms: i64) -> (Self, Option<Called>) {
        match outcome {
            Outcome::Done(left) => self.got_on(left, now_ms),
            Outcome::Failed { reason, left } => self.fail(reason, left, now_ms),
            Outcome::Passing { reason, left, wait_ms, counted } => {
                self.attempts += u32::from(counted);
                self.crashes = 0;
                let given_up = match counted {
                    true => self.attempts > self.retry_limit,
                    false => now_ms >= self.planned_at_ms.saturating_add(PATIENCE_MS),
                };
                if given_up {
                    return self.fail(reason, left, now_ms);
                }
                let pause_ms = self.backoff_ms().max(wait_ms.unwrap_or(0));
                self.queue(now_ms.saturating_add(pause_ms));
                (self, Some(Called::Again { reason }))
            }
            Outcome::Doubt { reason } => self.doubt(reason, now_ms),
            Outcome::NotBegun => {
                self.queue(now_ms + NOT_BEGUN_MS);
                (self, Some(Called::Released))
            }
            Outcome::Abandoned => self.abandoned(now_ms),
        }
    }

    /// What its run is told of one that has ended already: the run was paused meanwhile.
    pub fn told(&self) -> Option<Called> {
        let left = self.result.clone()?;
        Some(match left["reason"].as_str().map(str::to_owned) {
            Some(reason) if left["outcome"] == "uncertain" => Called::Uncertain { reason },
            Some(reason) => Called::Failed { reason, left },
            None => Called::Done(left),
        })
    }

    fn got_on(mut self, left: Value, now_ms: i64) -> (Self, Option<Called>) {
        self.parts_done.extend(self.part());
        (self.attempts, self.crashes) = (0, 0);
        if self.part().is_some() {
            self.queue(now_ms);
            return (self, None);
        }
        self.end(CallState::Done, left.clone(), now_ms);
        (self, Some(Called::Done(left)))
    }

    fn abandoned(mut self, now_ms: i64) -> (Self, Option<Called>) {
        self.crashes += 1;
        let words = "the process ended while the call was open";
        if self.part() == Some(Part::Note) {
            return self.doubt(words.to_owned(), now_ms);
        }
        if self.crashes >= MOST_CRASHES {
            let reason = format!("{words}, {MOST_CRASHES} times in a row");
            return self.fail(reason, Value::Null, now_ms);
        }
        self.queue(now_ms);
        (self, Some(Called::Released))
    }

    fn fail(mut self, reason: String, left: Value, now_ms: i64) -> (Self, Option<Called>) {
        let left = with_words(left, "failed", &reason);
        self.end(CallState::Failed, left.clone(), now_ms);
        (self, Some(Called::Failed { reason, left }))
    }

    fn doubt(mut self, reason: String, now_ms: i64) -> (Self, Option<Called>) {
        self.end(CallState::Uncertain, with_words(Value::Null, "uncertain", &reason), now_ms);
        (self, Some(Called::Uncertain { reason }))
    }

    fn queue(&mut self, due_at_ms: i64) {
        (self.state, self.due_at_ms) = (CallState::Queued, due_at_ms);
    }

    fn end(&mut self, state: CallState, left: Value, now_ms: i64) {
        (self.state, self.result, self.ended_at_ms) = (state, Some(left), Some(now_ms));
    }

    /// Between half and all of 1 s, 2 s, 4 s … at most 5 minutes, drawn from its id: the same each time it is asked.
    fn backoff_ms(&self) -> i64 {
        let most = BACKOFF_MS.min(1000_i64.saturating_mul(1 << self.attempts.saturating_sub(1).min(20)));
        let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let drawn = self.id.bytes().chain(self.attempts.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, mix);
        let spread = most.unsigned_abs() / 2;
        most - i64::try_from((drawn >> 16) % (spread + 1)).unwrap_or_default()
    }
}

fn with_words(left: Value, outcome: &str, reason: &str) -> Value {
    let mut left = if left.is_object() { left } else { json!({}) };
    left["outcome"] = outcome.into();
    left["reason"] = reason.into();
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http() -> StepCall {
        let call = HttpCall {
            method: "POST".into(),
            url: "https://api.example.com/x".into(),
            headers: Vec::new(),
            query: Vec::new(),
            body: Body::None,
            timeout_ms: 10_000,
            expect: Vec::new(),
        };
        StepCall {
            run: "r".into(),
            step: "0".into(),
            id: "01".into(),
            contact: "c".into(),
            state: CallState::Started,
            ask: Ask::HttpRequest(call),
            parts_done: Vec::new(),
            claims: 1,
            attempts: 0,
            crashes: 0,
            retry_limit: 2,
            due_at_ms: 0,
            result: None,
            planned_at_ms: 0,
            ended_at_ms: None,
        }
    }

    fn contact(parts_done: &[Part]) -> StepCall {
        let call =
            ContactCall { add_tags: vec!["vip".into()], note: Some("n".into()), close: true, ..ContactCall::default() };
        StepCall { ask: Ask::UpdateContact(call), parts_done: parts_done.to_vec(), ..http() }
    }

    fn passing(wait_ms: Option<i64>, counted: bool) -> Outcome {
        Outcome::Passing { reason: "answered 503".into(), left: Value::Null, wait_ms, counted }
    }

    #[test]
    fn a_host_is_read_from_an_address_however_it_is_written() {
        let cases = [
            ("https://api.example.com/a?b#c", "api.example.com"),
            ("http://u:p@api.example.com:8080", "api.example.com"),
            ("https://[::1]:80/", "::1"),
            ("https://evil.example\\@api.example.com/", "evil.example"),
            ("api.example.com", ""),
        ];
        for (url, host) in cases {
            let Ask::HttpRequest(call) = http().ask else { panic!() };
            assert_eq!(HttpCall { url: url.into(), ..call }.host(), host, "{url}");
        }
    }

    #[test]
    fn what_may_go_better_later_is_tried_as_often_as_the_step_says_and_waits_as_long_as_it_is_asked_to() {
        let (first, told) = http().after(passing(None, true), 1_000);
        assert_eq!((first.state, first.attempts), (CallState::Queued, 1));
        assert!((1_500..=2_000).contains(&first.due_at_ms), "{}", first.due_at_ms);
        assert_eq!(told, Some(Called::Again { reason: "answered 503".into() }));
        let (second, _) = StepCall { state: CallState::Started, ..first }.after(passing(Some(60_000), true), 5_000);
        assert_eq!(second.due_at_ms, 65_000);
        let (third, told) = second.after(passing(None, true), 70_000);
        assert_eq!((third.state, third.ended_at_ms), (CallState::Failed, Some(70_000)));
        assert!(matches!(told, Some(Called::Failed { reason, left }) if left["reason"] == reason));
    }

    #[test]
    fn an_account_that_refuses_everybody_costs_no_attempt_and_is_given_up_after_a_day() {
        let mut call = http();
        for _ in 0..50 {
            call = call.after(passing(None, false), PATIENCE_MS - 1).0;
        }
        assert_eq!((call.state, call.attempts), (CallState::Queued, 0));
        assert_eq!(call.after(passing(None, false), PATIENCE_MS).0.state, CallState::Failed);
    }

    #[test]
    fn parts_follow_each_other_and_the_last_one_ends_the_step() {
        let (set, told) = contact(&[]).after(Outcome::Done(json!({"outcome": "done"})), 5);
        assert_eq!((set.part(), set.state, told), (Some(Part::Note), CallState::Queued, None));
        let (noted, _) = set.after(Outcome::Done(json!({"outcome": "done"})), 6);
        let (closed, told) = noted.after(Outcome::Done(json!({"outcome": "done"})), 7);
        assert_eq!((closed.state, closed.part()), (CallState::Done, None));
        assert_eq!(told, Some(Called::Done(json!({"outcome": "done"}))));
    }

    #[test]
    fn what_a_dead_process_had_open_is_called_again_unless_that_could_add_something_twice() {
        for call in [http(), contact(&[]), contact(&[Part::Set, Part::Note])] {
            let (again, told) = call.after(Outcome::Abandoned, 9);
            assert_eq!((again.state, again.due_at_ms, told), (CallState::Queued, 9, Some(Called::Released)));
        }
        let (note, told) = contact(&[Part::Set]).after(Outcome::Abandoned, 9);
        assert_eq!((note.state, note.told().is_some()), (CallState::Uncertain, true));
        assert!(matches!(told, Some(Called::Uncertain { .. })));
        let mut call = http();
        for _ in 0..MOST_CRASHES {
            call = call.after(Outcome::Abandoned, 9).0;
        }
        assert_eq!(call.state, CallState::Failed, "a poison is put aside");
        let came_back = StepCall { crashes: 2, ..http() }.after(passing(None, true), 9).0;
        assert_eq!(came_back.after(Outcome::Abandoned, 9).0.state, CallState::Queued, "an answer is progress");
    }
}
