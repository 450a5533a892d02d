//! Asking: how a run puts a question to the person, and goes on with the answer, or without one (`language.md` §9).
//!
//! Pure, a part of `advance`; who gets which message is decided before (`routing`). Invariant: a run asks only while it
//! stands at its question, and what was written before that never answers it.

use super::advance::{Flow, Moving, local};
use super::calendar;
use crate::delivery::Settlement;
use crate::run::{Run, RunState, Said, Sentence, WaitingFor};
use crate::trigger::message::Content;
use crate::workflow::{Action, Step, WaitForReply, Workflow};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How far the account's clock may be behind ours: it tells whole seconds, and a tap follows the message at once.
const CLOCKS_MS: i64 = 1_000;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Which of the replies matched, from 1; `None` = `otherwise`.
    pub choice: Option<usize>,
    pub text: String,
    /// When the person wrote it. Unix milliseconds.
    pub at_ms: i64,
}

/// What a person wrote, as far as questions ask for it.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// Name of the channel it came by.
    pub channel: &'a str,
    pub text: &'a str,
    pub contents: &'a [Content],
    /// When it was written. Unix milliseconds.
    pub at_ms: i64,
}

/// The question that a run stands at, if this may answer it: asked on that channel, before it was written, and not over.
/// A paused run hears the answer as well, and goes on with it when it is let.
pub fn open_question<'a>(run: &Run, workflow: &'a Workflow, heard: Heard, now_ms: i64) -> Option<&'a WaitForReply> {
    let listens = matches!(run.state, RunState::Waiting | RunState::Paused);
    let asks = listens && run.progress.waiting_for == Some(WaitingFor::Reply);
    let until_ms = run.progress.paused.as_ref().map_or(run.wake_at_ms, |standing| standing.wake_at_ms);
    let asked_ms = run.progress.asked_at_ms.unwrap_or(run.started_at_ms);
    // A clock that runs ahead of ours makes nothing late.
    let in_time = heard.at_ms >= asked_ms - CLOCKS_MS && until_ms.is_none_or(|end| heard.at_ms.min(now_ms) < end);
    if !asks || !in_time || run.asks.as_deref() != Some(heard.channel) {
        return None;
    }
    match &workflow.step(&run.progress.cursor)?.action {
        Action::WaitForReply(question) => Some(question),
        _ => None,
    }
}

/// Number of the first reply that matches, from 1.
pub fn choice(question: &WaitForReply, heard: Heard) -> Option<usize> {
    let matches = |reply: &crate::workflow::Reply| reply.pattern.matches(heard.text, heard.contents);
    question.replies.iter().position(matches).map(|index| index + 1)
}

impl Moving<'_> {
    pub(super) fn ask(&mut self, question: &WaitForReply) -> Flow {
        let channel = match &self.run.progress.said {
            Some(Said::Nothing) => return self.without_answer("not_asked", Sentence::NotAsked),
            Some(Said::By(channel)) => channel.clone(),
            None => self.own_channel(),
        };
        let (now_ms, zone) = (self.facts.now_ms, &self.facts.workflow.settings.timezone);
        let until_ms = calendar::shift(now_ms, question.lasts, 1, zone);
        self.trace(Sentence::WaitsForReply, &[&local(until_ms, zone)]);
        self.pause(WaitingFor::Reply, Some(until_ms));
        self.run.asks = Some(channel);
        self.run.progress.asked_at_ms = Some(now_ms);
        Flow::Pause
    }

    /// The person answered.
    pub(super) fn hear(&mut self, reply: &Reply) {
        let Some(question) = self.question() else { return };
        let steps = match reply.choice {
            Some(choice) => question.replies.get(choice - 1).map(|reply| reply.steps.as_slice()),
            None => question.otherwise.as_deref(),
        };
        let received_at = Timestamp::from_millisecond(reply.at_ms).map_or(Value::Null, |at| at.to_string().into());
        self.leave_pause();
        let outcome = match reply.choice {
            Some(choice) => {
                self.trace(Sentence::Reply, &[&choice.to_string()]);
                "replied"
            }
            None => {
                self.trace(Sentence::OtherAnswer, &[]);
                "otherwise"
            }
        };
        let mut result = json!({"outcome": outcome, "text": reply.text, "received_at": received_at});
        if let Some(choice) = reply.choice {
            result["choice"] = choice.into();
        }
        self.leave_result(result);
        self.go_into(steps.unwrap_or_default());
    }

    /// Nobody answered in time.
    pub(super) fn give_up_asking(&mut self) {
        let Some(question) = self.question() else { return };
        self.leave_pause();
        self.trace(Sentence::NoReply, &[]);
        self.leave_result(json!({"outcome": "no_reply"}));
        self.go_into(&question.no_reply);
    }

    /// What the message that was settled means for the question after it.
    pub(super) fn note_said(&mut self, settlement: &Settlement) {
        let said = match settlement {
            Settlement::Sent { .. } => Said::By(self.message_channel().unwrap_or_else(|| self.own_channel())),
            _ => Said::Nothing,
        };
        self.run.progress.said = Some(said);
    }

    fn without_answer(&mut self, outcome: &str, line: Sentence) -> Flow {
        self.trace(line, &[]);
        self.leave_result(json!({ "outcome": outcome }));
        let steps = self.question().map(|question| question.no_reply.as_slice()).unwrap_or_default();
        steps.first().map_or(Flow::Next, |step| Flow::Into(step.path.clone()))
    }

    fn go_into(&mut self, steps: &[Step]) {
        let first = steps.first().map(|step| step.path.clone()).or_else(|| self.next());
        self.go(first);
    }

    /// The line that messages of this run leave by where a step names none.
    fn own_channel(&self) -> String {
        let default = || self.facts.project.default_channel().name.clone();
        self.run.progress.channel.clone().unwrap_or_else(default)
    }

    /// The line that the step it stands at names.
    fn message_channel(&self) -> Option<String> {
        match &self.facts.workflow.step(&self.run.progress.cursor)?.action {
            Action::SendMessage(message) => message.channel.clone(),
            _ => None,
        }
    }
}

impl<'a> Moving<'a> {
    fn question(&self) -> Option<&'a WaitForReply> {
        match &self.facts.workflow.step(&self.run.progress.cursor)?.action {
            Action::WaitForReply(question) => Some(question),
            _ => None,
        }
    }
}
