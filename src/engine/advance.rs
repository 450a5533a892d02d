//! Advance: moves a run from where it stands to its next pause. Pure: same arguments, same result.
//!
//! A run pauses for one thing at a time: a wait, or a delivery. Effects name no ids; who applies them derives keys
//! from (run, step), unique in the store, so that applying one twice changes nothing.

use super::asking::Reply;
use super::calendar;
use crate::action::send_message::{self, Planned};
use crate::action::{http_request, update_contact};
use crate::call::{Ask, Called};
use crate::config::ProjectSettings;
use crate::delivery::Settlement;
use crate::expr::{Question, Scope};
use crate::message::Form;
use crate::run::{Run, RunState, Said, Sentence, Standing, TraceEntry, WaitingFor};
use crate::workflow::{self, Action, IfPast, Shift, Step, Wait, Workflow};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Messages that one run asks for at most: one that wants more is caught in a loop, and a person has to look at it.
pub const SENDS: u32 = 50;
/// What is true while the run moves.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub workflow: &'a Workflow,
    pub project: &'a ProjectSettings,
    pub event: &'a Value,
    /// The person as questions and texts see them.
    pub contact: &'a Value,
    pub now_ms: i64,
}

/// Why the run moves.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    Start,
    TimerDue,
    /// The delivery that this step planned came to an end, or nobody can tell.
    Settled {
        step: String,
        settlement: Settlement,
    },
    /// The person answered the question that the run stands at.
    Replied(Reply),
    /// What came of the call of this step.
    Called {
        step: String,
        called: Called,
    },
    /// A person orders it, by the name of the token.
    Ordered {
        order: Order,
        who: String,
    },
}

/// What a person may order of a run that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The step at which it failed is taken again, with the facts of today.
    Retry,
    /// It goes on behind that step.
    Skip,
    /// No further step; what is under way ends and is recorded.
    Pause,
    /// A paused one goes on.
    Resume,
}

/// What is to be done in the transaction that stores the run.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Deliver { step: String, expires_at_ms: i64, retry_limit: u32, planned: Box<Planned> },
    Call { step: String, retry_limit: u32, ask: Box<Ask> },
}

/// Moves the run on. Terminal runs, and inputs they do not wait for, change nothing.
pub fn advance(run: Run, input: &Input, facts: &Facts) -> (Run, Vec<Effect>) {
    let mut moving = Moving { run, facts, effects: Vec::new() };
    match input {
        Input::Start => moving.start(),
        Input::TimerDue if moving.is_due(WaitingFor::Timer) => moving.wake(),
        Input::TimerDue if moving.is_due(WaitingFor::Reply) => moving.give_up_asking(),
        Input::Replied(reply) if moving.waits_for(WaitingFor::Reply) => moving.hear(reply),
        Input::Settled { step, settlement }
            if moving.waits_for(WaitingFor::Delivery) && moving.run.progress.cursor == *step =>
        {
            moving.settle(settlement);
        }
        Input::Called { step, called } if moving.waits_for(WaitingFor::Call) && moving.run.progress.cursor == *step => {
            moving.called(called);
        }
        Input::Ordered { order, who } => moving.obey(*order, who),
        _ => {}
    }
    (moving.run, moving.effects)
}

/// How one step ended.
pub(super) enum Flow {
    Next,
    Into(String),
    Pause,
    End(RunState, String),
}

pub(super) struct Moving<'a> {
    pub(super) run: Run,
    pub(super) facts: &'a Facts<'a>,
    pub(super) effects: Vec<Effect>,
}

impl Moving<'_> {
    fn waits_for(&self, what: WaitingFor) -> bool {
        !self.run.state.is_terminal() && self.run.progress.waiting_for == Some(what)
    }

    /// Of what came due together with something that moved the run, nothing is due any more.
    fn is_due(&self, what: WaitingFor) -> bool {
        self.waits_for(what) && self.run.wake_at_ms.is_some_and(|at_ms| at_ms <= self.facts.now_ms)
    }

    fn start(&mut self) {
        // Its turn came, when it had to wait for one.
        self.leave_pause();
        self.run.progress.vars = self.facts.project.vars.clone();
        let named = self.facts.workflow.vars.clone();
        if let Err(reason) = self.assign(&named) {
            return self.end(RunState::NeedsAttention, reason);
        }
        let first = self.facts.workflow.steps.first().map(|step| step.path.clone());
        self.go(first);
    }

    fn wake(&mut self) {
        self.leave_pause();
        self.trace(Sentence::WaitOver, &[]);
        self.leave_result(json!({"outcome": "done"}));
        let next = self.next();
        self.go(next);
    }

    fn obey(&mut self, order: Order, who: &str) {
        let wanting = self.run.state == RunState::NeedsAttention;
        match order {
            Order::Retry if wanting => {
                self.trace(Sentence::TriedAgain, &[who]);
                self.leave_pause();
                match self.run.progress.cursor.as_str() {
                    "" => self.start(),
                    step => self.go(Some(step.to_owned())),
                }
            }
            Order::Skip if wanting && !self.run.progress.cursor.is_empty() => {
                self.trace(Sentence::LeftOutBy, &[who]);
                self.leave_pause();
                self.leave_result(json!({"outcome": "skipped", "reason": "by_hand"}));
                let next = self.next();
                self.go(next);
            }
            Order::Pause if !wanting && !self.run.state.is_terminal() && self.run.state != RunState::Paused => {
                self.trace(Sentence::Paused, &[who]);
                self.run.progress.paused = Some(Standing {
                    state: std::mem::replace(&mut self.run.state, RunState::Paused),
                    reason: std::mem::take(&mut self.run.reason),
                    wake_at_ms: self.run.wake_at_ms.take(),
                    at: None,
                });
            }
            Order::Resume if self.run.state == RunState::Paused => self.resume(who),
            _ => {}
        }
    }

    /// Goes on from what a paused run stands in.
    fn resume(&mut self, who: &str) {
        self.trace(Sentence::Resumed, &[who]);
        let Some(standing) = self.run.progress.paused.take() else { return self.run.state = RunState::Waiting };
        (self.run.state, self.run.reason) = (standing.state, standing.reason);
        self.run.wake_at_ms = standing.wake_at_ms;
        if let Some(at) = standing.at {
            self.leave_pause();
            self.go(Some(at).filter(|at| !at.is_empty()));
        }
    }

    fn settle(&mut self, settlement: &Settlement) {
        if *settlement == Settlement::Uncertain {
            self.trace(Sentence::MessageInDoubt, &[]);
            let (state, reason) = match &mut self.run.progress.paused {
                Some(standing) => (&mut standing.state, &mut standing.reason),
                None => (&mut self.run.state, &mut self.run.reason),
            };
            (*state, *reason) = (RunState::NeedsAttention, "uncertain".into());
            return;
        }
        self.leave_pause();
        self.note_said(settlement);
        self.leave_result(settlement_result(settlement, self.facts.now_ms));
        self.trace_settled(settlement);
        match settlement {
            // Other runs reached the person as often as the workflow may, before this one did.
            Settlement::Skipped { reason, .. } if reason == "limit" => self.end(RunState::Skipped, reason.clone()),
            Settlement::Failed { reason } | Settlement::Skipped { reason, fails: true } => {
                self.end(RunState::NeedsAttention, reason.clone());
            }
            _ => {
                let next = self.next();
                self.go(next);
            }
        }
    }

    pub(super) fn leave_pause(&mut self) {
        self.run.leave_wait();
        self.run.state = RunState::Waiting;
        self.run.reason.clear();
    }

    pub(super) fn next(&self) -> Option<String> {
        self.facts.workflow.next_after(&self.run.progress.cursor)
    }

    /// Walks from a step to the next pause or the end. A paused run only keeps where it will go on.
    pub(super) fn go(&mut self, mut path: Option<String>) {
        if let Some(standing) = &mut self.run.progress.paused {
            standing.at = Some(path.unwrap_or_default());
            return self.run.state = RunState::Paused;
        }
        while let Some(at) = path.take() {
            self.run.progress.cursor = at;
            let Some(step) = self.facts.workflow.step(&self.run.progress.cursor) else {
                return self.end(RunState::NeedsAttention, "the step is not in the definition".into());
            };
            match self.take(step) {
                Flow::Next => path = self.next(),
                Flow::Into(inner) => path = Some(inner),
                Flow::Pause => return,
                Flow::End(state, reason) => return self.end(state, reason),
            }
        }
        self.run.progress.cursor.clear();
        self.end(RunState::Done, String::new());
    }

    fn take(&mut self, step: &Step) -> Flow {
        let verdict = self.with_scope(|scope| step.condition.judge(scope));
        if !verdict.is_yes() {
            self.trace(Sentence::LeftOut, &[verdict.reason()]);
            if matches!(step.action, Action::SendMessage(_)) {
                self.run.progress.said = Some(Said::Nothing);
            }
            return Flow::Next;
        }
        match &step.action {
            Action::SendMessage(message) => self.send(step, message),
            Action::Wait(wait) => self.wait(wait),
            Action::WaitForReply(question) => self.ask(question),
            Action::Branch { cases, otherwise } => self.branch(cases, otherwise),
            Action::HttpRequest(request) => {
                let planned = self.with_scope(|scope| http_request::plan(request, scope).map(Ask::HttpRequest));
                self.call_out(step, planned)
            }
            Action::UpdateContact(change) => {
                let channel = self.run.progress.channel.as_deref();
                let planned = self.with_scope(|scope| update_contact::plan(change, scope, channel));
                self.call_out(step, planned.map(Ask::UpdateContact))
            }
            Action::Set(values) => match self.assign(values) {
                Ok(()) => Flow::Next,
                Err(reason) => Flow::End(RunState::NeedsAttention, reason),
            },
            Action::Stop(reason) => match self.with_scope(|scope| reason.render(scope)) {
                Ok(reason) => Flow::End(RunState::Stopped, reason),
                Err(hole) => Flow::End(RunState::Stopped, hole.0),
            },
        }
    }

    fn send(&mut self, step: &Step, message: &workflow::SendMessage) -> Flow {
        let planned = match self.with_scope(|scope| send_message::plan(message, scope, self.facts.project)) {
            Ok(planned) => planned,
            Err(hole) => {
                self.leave_result(json!({"outcome": "failed", "reason": hole.0}));
                return Flow::End(RunState::NeedsAttention, hole.0);
            }
        };
        if self.run.progress.sends >= SENDS {
            return Flow::End(RunState::NeedsAttention, format!("more than {SENDS} messages of one run"));
        }
        self.run.progress.sends += 1;
        for (sentence, parts) in &planned.chosen {
            self.trace(*sentence, &parts.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let settings = &self.facts.workflow.settings;
        let expires = message.expires.unwrap_or(settings.expires);
        self.effects.push(Effect::Deliver {
            step: step.path.clone(),
            expires_at_ms: calendar::shift(self.facts.now_ms, expires, 1, &settings.timezone),
            retry_limit: step.retry.unwrap_or(settings.retry),
            planned: Box::new(planned),
        });
        self.pause(WaitingFor::Delivery, None);
        Flow::Pause
    }

    fn wait(&mut self, wait: &Wait) -> Flow {
        let (now_ms, zone) = (self.facts.now_ms, &self.facts.workflow.settings.timezone);
        let (until_ms, if_past) = match wait {
            Wait::For(duration) => (calendar::shift(now_ms, *duration, 1, zone), IfPast::Continue),
            Wait::Next(schedule) => match next_instant(schedule, now_ms, zone) {
                Some(until_ms) => (until_ms, IfPast::Continue),
                None => return Flow::End(RunState::NeedsAttention, "the schedule has no next instant".into()),
            },
            Wait::Until { time, shift, if_past } => match self.instant(time) {
                Ok(at_ms) => (shifted(at_ms, *shift, zone), *if_past),
                Err(reason) => return Flow::End(RunState::NeedsAttention, reason),
            },
        };
        if until_ms <= now_ms && if_past == IfPast::Stop {
            self.trace(Sentence::Passed, &[&local(until_ms, zone)]);
            return Flow::End(RunState::Stopped, "past".into());
        }
        self.trace(Sentence::WaitsUntil, &[&local(until_ms, zone)]);
        if until_ms <= now_ms {
            return Flow::Next;
        }
        self.pause(WaitingFor::Timer, Some(until_ms));
        Flow::Pause
    }

    fn instant(&self, time: &Question) -> Result<i64, String> {
        self.with_scope(|scope| time.instant_ms(scope)).map_err(|why| format!("couldn't tell: {}", why.0))
    }

    fn branch(&mut self, cases: &[workflow::Case], otherwise: &[Step]) -> Flow {
        for (index, case) in cases.iter().enumerate() {
            let verdict = self.with_scope(|scope| case.condition.judge(scope));
            if verdict.is_yes() {
                return self.enter(index + 1, &case.steps);
            }
            self.trace(Sentence::CaseNotTaken, &[&(index + 1).to_string(), verdict.reason()]);
        }
        self.enter(0, otherwise)
    }

    /// `choice`: number of the case from 1; 0 = `otherwise`.
    fn enter(&mut self, choice: usize, steps: &[Step]) -> Flow {
        match choice {
            0 => self.trace(Sentence::NoCase, &[]),
            choice => self.trace(Sentence::CaseTaken, &[&choice.to_string()]),
        }
        self.leave_result(json!({"outcome": "done", "choice": choice}));
        steps.first().map_or(Flow::Next, |step| Flow::Into(step.path.clone()))
    }

    fn assign(&mut self, values: &[(String, workflow::Value)]) -> Result<(), String> {
        for (name, value) in values {
            let value = match value {
                workflow::Value::Number(number) => Value::Number(number.clone()),
                workflow::Value::Text(text) => {
                    let rendered = self.with_scope(|scope| text.render(scope));
                    Value::String(rendered.map_err(|hole| format!("`{name}`: {}", hole.0))?)
                }
            };
            self.run.progress.vars.insert(name.clone(), value);
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, what: WaitingFor, wake_at_ms: Option<i64>) {
        self.run.progress.waiting_for = Some(what);
        self.run.state = RunState::Waiting;
        self.run.wake_at_ms = wake_at_ms;
    }

    pub(super) fn end(&mut self, state: RunState, reason: String) {
        self.run.leave_wait();
        self.run.progress.paused = None;
        self.run.state = state;
        if state.is_terminal() {
            self.run.ended_at_ms = Some(self.facts.now_ms);
        }
        self.push_trace(Sentence::ending(state, &reason));
        self.run.reason = reason;
    }

    /// Leaves a result under the step's id, when it has one.
    pub(super) fn leave_result(&mut self, result: Value) {
        let id = self.facts.workflow.step(&self.run.progress.cursor).and_then(|step| step.id.clone());
        if let Some(id) = id {
            self.run.progress.steps.insert(id, result);
        }
    }

    pub(super) fn trace(&mut self, line: Sentence, parts: &[&str]) {
        self.push_trace(line.with(parts));
    }

    fn push_trace(&mut self, what: String) {
        let step = self.run.progress.cursor.clone();
        self.run.progress.trace.push(TraceEntry { at_ms: self.facts.now_ms, step, what });
    }

    fn trace_settled(&mut self, settlement: &Settlement) {
        match settlement {
            Settlement::Sent { form: Form::Text, .. } => self.trace(Sentence::SentAsText, &[]),
            Settlement::Sent { form: Form::Template, .. } => self.trace(Sentence::SentAsTemplate, &[]),
            Settlement::Skipped { reason, .. } => self.trace(Sentence::NotSent, &[reason]),
            Settlement::Failed { reason } => self.trace(Sentence::MessageFailed, &[reason]),
            Settlement::Uncertain => self.trace(Sentence::MessageInDoubt, &[]),
        }
    }

    fn with_scope<T>(&self, ask: impl FnOnce(&Scope) -> T) -> T {
        let progress = &self.run.progress;
        let steps = Value::Object(progress.steps.clone());
        let vars = Value::Object(progress.vars.clone());
        let workflow = run_value(&self.run);
        let settings = &self.facts.workflow.settings;
        ask(&Scope {
            event: self.facts.event,
            contact: self.facts.contact,
            steps: &steps,
            vars: &vars,
            workflow: &workflow,
            now_ms: self.facts.now_ms,
            zone: &settings.timezone,
            language: language_of(self.facts.contact, self.facts.project),
        })
    }
}

/// Language of dates, numbers and texts: the contact's, else the project's.
pub fn language_of<'a>(contact: &'a Value, project: &'a ProjectSettings) -> &'a str {
    contact.get("language").and_then(Value::as_str).unwrap_or(&project.language)
}

pub(super) fn run_value(run: &Run) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), run.workflow.as_str().into());
    fields.insert("version".into(), run.definition.get(..12).unwrap_or(&run.definition).into());
    fields.insert("run_id".into(), run.id.as_str().into());
    let started = Timestamp::from_millisecond(run.started_at_ms).map_or(Value::Null, |at| at.to_string().into());
    fields.insert("started_at".into(), started);
    Value::Object(fields)
}

fn next_instant(schedule: &crate::trigger::schedule::Schedule, now_ms: i64, zone: &jiff::tz::TimeZone) -> Option<i64> {
    let now = Timestamp::from_millisecond(now_ms).ok()?;
    schedule.next_fire_after(now, zone).map(Timestamp::as_millisecond)
}

fn shifted(at_ms: i64, shift: Shift, zone: &jiff::tz::TimeZone) -> i64 {
    match shift {
        Shift::None => at_ms,
        Shift::Before(duration) => calendar::shift(at_ms, duration, -1, zone),
        Shift::After(duration) => calendar::shift(at_ms, duration, 1, zone),
    }
}

/// `2026-03-02 12:00`, as the workflow's zone shows it.
pub fn local(at_ms: i64, zone: &jiff::tz::TimeZone) -> String {
    Timestamp::from_millisecond(at_ms)
        .map(|at| zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default()
}

fn settlement_result(settlement: &Settlement, now_ms: i64) -> Value {
    match settlement {
        Settlement::Sent { form, message_id } => {
            let sent_at = Timestamp::from_millisecond(now_ms).map_or(Value::Null, |at| at.to_string().into());
            json!({"outcome": "sent", "form": form, "message_id": message_id, "sent_at": sent_at})
        }
        Settlement::Skipped { reason, .. } => json!({"outcome": "skipped", "reason": reason}),
        Settlement::Failed { reason } => json!({"outcome": "failed", "reason": reason}),
        Settlement::Uncertain => json!({"outcome": "uncertain"}),
    }
}
