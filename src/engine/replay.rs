//! Replay: an old run computed once more from what is kept of it, and compared with what it did.
//!
//! ```text
//! event, definition, what came from outside (answers, results, orders, the clock) ──► advance ──► the same trace and the
//!                                                                                                 same messages, or not
//! ```
//! `advance` is pure, so what was decided once is decided again by the same facts. What is known of the person is not kept
//! as it was: it is taken as it is today. Pure but for [`Engine::replay`]. Invariant: nothing is written, called or sent.

use super::Engine;
use super::advance::{Effect, Facts, Input, Order, advance};
use super::asking::Reply;
use super::deployed::Definition;
use super::unit::person_value;
use crate::call::{Called, StepCall};
use crate::contact::{Contact, Line};
use crate::delivery::Settlement;
use crate::message::{Form, Message};
use crate::run::{Progress, Run, RunState, TraceEntry, WaitingFor};
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// Lines of the trace, messages and calls that are the same.
    pub lines: usize,
    pub messages: usize,
    pub calls: usize,
    /// The first thing that is not; `None` = everything is.
    pub difference: Option<Difference>,
}

/// Where the two part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Path of the step; empty for the run itself.
    pub step: String,
    /// What it did; empty = nothing.
    pub was: String,
    /// What it does today; empty = nothing.
    pub now: String,
}

/// Why a run cannot be computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReplayed {
    Unknown,
    /// What it was made of was too old to be kept, or the person was erased.
    Forgotten,
    /// Its definition is not stored, or this release cannot read it.
    NoDefinition,
}

/// What is kept of a run.
struct Journal<'a> {
    run: &'a Run,
    event: &'a Value,
    definition: &'a Definition,
    deliveries: &'a [DeliveryRow],
    calls: &'a [StepCall],
    contact: &'a Contact,
    line: Line,
}

impl Engine {
    /// Computes a run once more.
    ///
    /// # Errors
    /// What the database said; within, why it is not possible.
    pub async fn replay(&self, id: &str) -> anyhow::Result<Result<Replayed, NotReplayed>> {
        let store = self.store();
        let Some(row) = store.run(id).await? else { return Ok(Err(NotReplayed::Unknown)) };
        let run = row.run;
        let event = store.event(&run.event).await?;
        let event: Option<Value> = event.and_then(|event| serde_json::from_str(&event.data).ok());
        let Some(event) = event.filter(|data| *data != json!({}) && !run.progress.trace.is_empty()) else {
            return Ok(Err(NotReplayed::Forgotten));
        };
        let stored = store.definition(&run.definition).await?.and_then(Definition::stored);
        let Some(definition) = stored else { return Ok(Err(NotReplayed::NoDefinition)) };
        let found = store.contact(&[ContactKey::Id(run.contact.clone())]).await?;
        let (contact, lines) = found.unwrap_or_default();
        let channel = run.progress.channel.as_ref().unwrap_or(&definition.settings.default_channel().name);
        let line = lines.iter().find(|(name, _)| name == channel).map(|(_, line)| *line).unwrap_or_default();
        let deliveries = store.deliveries_of_runs(&[id]).await?;
        let calls = store.calls_of_run(id).await?;
        let journal = Journal {
            run: &run,
            event: &event,
            definition: &definition,
            deliveries: &deliveries,
            calls: &calls,
            contact: &contact,
            line,
        };
        Ok(Ok(journal.replay()))
    }
}

impl Journal<'_> {
    fn replay(&self) -> Replayed {
        let mut again = self.beginning();
        let mut effects = Vec::new();
        let mut replayed = Replayed { lines: 0, messages: 0, calls: 0, difference: None };
        let mut started = false;
        replayed.difference = loop {
            self.take_over(&mut again);
            let before = again.progress.trace.len();
            let entry = self.kept(before);
            let (input, now_ms) = match (started, entry) {
                (false, _) => (Some(Input::Start), self.start_ms(&again)),
                (true, None) => break None,
                (true, Some(entry)) => (self.input(entry, before, &again), entry.at_ms),
            };
            started = true;
            let moved = input.map(|input| self.moved(again.clone(), &input, now_ms));
            let Some((moved, more)) = moved.filter(|(moved, _)| *moved != again) else {
                break Some(differs(entry, None));
            };
            effects.extend(more);
            again = moved;
            let other = (before..again.progress.trace.len()).find(|at| self.kept(*at) != again.progress.trace.get(*at));
            if let Some(at) = other {
                break Some(differs(self.kept(at), again.progress.trace.get(at)));
            }
        };
        replayed.lines = again.progress.trace.iter().zip(&self.run.progress.trace).take_while(|(a, b)| a == b).count();
        if replayed.difference.is_none() {
            self.compare_effects(&effects, &mut replayed);
        }
        replayed
    }

    /// As it stood before its first step.
    fn beginning(&self) -> Run {
        let kept = &self.run.progress;
        let progress = Progress {
            contact: kept.contact.clone(),
            channel: kept.channel.clone(),
            of_status: kept.of_status,
            ..Progress::default()
        };
        Run {
            state: RunState::Waiting,
            reason: String::new(),
            wake_at_ms: None,
            ended_at_ms: None,
            asks: None,
            progress,
            ..self.run.clone()
        }
    }

    fn kept(&self, at: usize) -> Option<&TraceEntry> {
        self.run.progress.trace.get(at)
    }

    /// When it came to its first step: at once, or when its turn came.
    fn start_ms(&self, again: &Run) -> i64 {
        again.progress.trace.last().map_or(self.run.started_at_ms, |entry| entry.at_ms)
    }

    fn moved(&self, run: Run, input: &Input, now_ms: i64) -> (Run, Vec<Effect>) {
        let given = &run.progress.contact;
        let contact = person_value(self.contact, self.line, now_ms, given, self.definition);
        let facts = Facts {
            workflow: &self.definition.workflow,
            project: &self.definition.settings,
            event: self.event,
            contact: &contact,
            now_ms,
        };
        advance(run, input, &facts)
    }

    /// Lines that others wrote into its trace, at a pause: they are no decision of the run.
    fn take_over(&self, again: &mut Run) {
        while let Some(entry) = self.kept(again.progress.trace.len()) {
            let stopped = entry.what.starts_with("stopped: ") && again.progress.waiting_for.is_some();
            let sent_again =
                entry.what.starts_with("its message is sent again by ") || entry.what.starts_with("sent again by ");
            let outside = stopped
                || sent_again
                || entry.what.starts_with("`stop_when` entry ")
                || entry.what.starts_with("waits for its turn")
                || entry.what == "its turn came";
            if !outside {
                return;
            }
            again.progress.trace.push(entry.clone());
            if sent_again && again.state == RunState::NeedsAttention {
                again.state = RunState::Waiting;
                again.progress.waiting_for = Some(WaitingFor::Delivery);
            }
        }
    }

    /// What made it go on, as the line tells that it then wrote.
    fn input(&self, entry: &TraceEntry, at: usize, again: &Run) -> Option<Input> {
        let (what, step) = (entry.what.as_str(), again.progress.cursor.clone());
        let settled = |settlement| Some(Input::Settled { step: step.clone(), settlement });
        let called = |called| Some(Input::Called { step: step.clone(), called });
        let ordered = |order, who: &str| Some(Input::Ordered { order, who: who.to_owned() });
        match what {
            "the wait is over" | "no reply came" => return Some(Input::TimerDue),
            "sent as text" => return settled(self.sent(Form::Text, &step)),
            "sent as template" => return settled(self.sent(Form::Template, &step)),
            "another answer came: otherwise" => return Some(self.replied(None, entry, &step)),
            "the contact is changed" => return called(Called::Done(self.left(&step, json!({ "outcome": "done" })))),
            _ if what.starts_with("nobody can tell whether the message was taken") => {
                return settled(Settlement::Uncertain);
            }
            _ => {}
        }
        if let Some(number) = what.strip_prefix("reply ").and_then(|rest| rest.strip_suffix(" came")) {
            return Some(self.replied(Some(number.parse().ok()?), entry, &step));
        }
        if let Some(status) = what.strip_prefix("answered ") {
            let status: u16 = status.parse().ok()?;
            return called(Called::Done(self.left(&step, json!({ "outcome": "done", "status": status }))));
        }
        if let Some(reason) = what.strip_prefix("not sent: ") {
            let fails = self.kept(at + 1).is_some_and(|next| next.what.starts_with("needs attention: "));
            return settled(Settlement::Skipped { reason: reason.to_owned(), fails });
        }
        if let Some(reason) = what.strip_prefix("the message failed: ") {
            return settled(Settlement::Failed { reason: reason.to_owned() });
        }
        if let Some(reason) = what.strip_prefix("the call failed: ") {
            let left = self.left(&step, json!({ "outcome": "failed", "reason": reason }));
            return called(Called::Failed { reason: reason.to_owned(), left });
        }
        let uncertain = "nobody can tell whether it was done, and it is not done again by itself: ";
        if let Some(reason) = what.strip_prefix(uncertain) {
            return called(Called::Uncertain { reason: reason.to_owned() });
        }
        if let Some(reason) = what.strip_suffix("; it is tried again") {
            return called(Called::Again { reason: reason.to_owned() });
        }
        let orders = [
            ("tried again by ", Order::Retry),
            ("step left out by ", Order::Skip),
            ("paused by ", Order::Pause),
            ("resumed by ", Order::Resume),
        ];
        orders.into_iter().find_map(|(lead, order)| ordered(order, what.strip_prefix(lead)?))
    }

    fn sent(&self, form: Form, step: &str) -> Settlement {
        let message_id = self.left(step, Value::Null)["message_id"].as_str().map(str::to_owned);
        Settlement::Sent { form, message_id }
    }

    fn replied(&self, choice: Option<usize>, entry: &TraceEntry, step: &str) -> Input {
        let left = self.left(step, Value::Null);
        let text = left["text"].as_str().unwrap_or_default().to_owned();
        let at: Option<Timestamp> = left["received_at"].as_str().and_then(|at| at.parse().ok());
        Input::Replied(Reply { choice, text, at_ms: at.map_or(entry.at_ms, Timestamp::as_millisecond) })
    }

    /// What the step left under its id. Without an id nothing can read it.
    fn left(&self, step: &str, otherwise: Value) -> Value {
        let id = self.definition.workflow.step(step).and_then(|step| step.id.as_deref());
        id.and_then(|id| self.run.progress.steps.get(id)).cloned().unwrap_or(otherwise)
    }

    /// What it asked for, against what is kept. What was erased is not compared.
    fn compare_effects(&self, effects: &[Effect], replayed: &mut Replayed) {
        for (at, effect) in effects.iter().enumerate() {
            // A step that was taken again planned its message again: the last counts.
            let later = effects[at + 1..].iter().any(|other| step_of(other) == step_of(effect));
            let difference = match effect {
                _ if later => None,
                Effect::Deliver { step, planned, .. } => {
                    let first = |row: &&DeliveryRow| row.delivery.step == *step && row.delivery.redrive_of.is_none();
                    let kept = self.deliveries.iter().find(first).map(|row| &row.delivery.message);
                    let kept = kept.filter(|message| **message != Message::default());
                    replayed.messages += usize::from(kept.is_some_and(|kept| *kept == planned.message));
                    kept.filter(|kept| **kept != planned.message)
                        .map(|kept| (step, json!(kept), json!(planned.message)))
                }
                Effect::Call { step, ask, .. } => {
                    let kept = self.calls.iter().find(|call| call.step == *step).map(|call| &call.ask);
                    replayed.calls += usize::from(kept.is_some_and(|kept| kept == &**ask));
                    kept.filter(|kept| *kept != &**ask).map(|kept| (step, json!(kept), json!(ask)))
                }
            };
            if let Some((step, was, now)) = difference {
                let difference = Difference { step: step.clone(), was: was.to_string(), now: now.to_string() };
                replayed.difference.get_or_insert(difference);
            }
        }
    }
}

fn step_of(effect: &Effect) -> &str {
    match effect {
        Effect::Deliver { step, .. } | Effect::Call { step, .. } => step,
    }
}

fn differs(was: Option<&TraceEntry>, now: Option<&TraceEntry>) -> Difference {
    let what = |entry: Option<&TraceEntry>| entry.map(|entry| entry.what.clone()).unwrap_or_default();
    let step = was.or(now).map(|entry| entry.step.clone()).unwrap_or_default();
    Difference { step, was: what(was), now: what(now) }
}
