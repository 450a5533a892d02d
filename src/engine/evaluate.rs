//! Evaluate: from an event to the runs it starts, through the gates of `language.md` §6.1 in their order.
//!
//! Three looks, so that facts are read for a whole group at once: who is it about ([`candidates`], from the event
//! alone), does it apply ([`judge`], with the person known), does it start ([`Starts`], with the
//! identity known; `routing` says in which order).
//! Invariant: workflows are evaluated apart; what one of them does wrong is recorded as its own failure.

use super::deployed::{Definition, Deployed};
pub(super) use super::person::{Person, known_person, person, usable};
use super::stops::Stop;
use super::turns;
use super::unit::{Unit, nothing};
use crate::config::ProjectSettings;
use crate::contact::Contact;
use crate::event::{Evaluation, EvaluationResult, NewEvent};
use crate::expr::Scope;
use crate::run::{Progress, Run, RunState};
use crate::store::contacts::ContactKey;
use crate::trigger::message::Content;
use crate::trigger::{Trigger, TriggerKind};
use crate::workflow::{Again, Workflow};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Runs started by one event at most.
const MOST_RUNS: usize = 100;

/// An event on its way in, with the workflows that may take it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) id: String,
    /// Its `data` stands beside it, shared with the runs.
    pub(super) event: Arc<NewEvent>,
    pub(super) data: Arc<Value>,
    /// Whom it is about, when that is known whatever it starts.
    pub(super) contact: Option<String>,
    /// The firing whose instant, or whose row, this is.
    pub(super) firing: Option<String>,
    /// Name of the channel by which the person wrote.
    pub(super) channel: Option<String>,
    /// Kinds of content, when it is a message that a person wrote: it may answer a question.
    pub(super) contents: Option<Vec<Content>>,
    /// Entries of `stop_when` that it may fulfil.
    pub(super) stops: Vec<Stop>,
    pub(super) candidates: Vec<Candidate>,
}

/// One workflow that may take the event.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) definition: Arc<Definition>,
    pub(super) trigger: usize,
    pub(super) route: Route,
    /// Whom it would be about; else why nobody.
    pub(super) who: Result<Person, &'static str>,
    /// What [`judge`] found.
    verdict: Option<Judged>,
}

/// In which order a message is offered (`language.md` §9.3); everything else is `Observes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    /// Starts whatever others do.
    Observes,
    /// One of these takes the message: the lowest rank first.
    Takes(u8),
    /// Starts when nothing took it.
    Unmatched,
}

/// What the second look found.
#[derive(Debug, Clone)]
enum Judged {
    /// It applies; with the hash of what it is about.
    Applies {
        contact: Box<Contact>,
        identity: Option<String>,
    },
    Refused(EvaluationResult, String),
}

impl Candidate {
    pub(super) fn new(
        definition: &Arc<Definition>,
        trigger: usize,
        route: Route,
        who: Result<Person, &'static str>,
    ) -> Self {
        Self { definition: definition.clone(), trigger, route, who, verdict: None }
    }

    fn trigger(&self) -> &Trigger {
        &self.definition.workflow.triggers[self.trigger]
    }

    /// The identity to be looked up before [`Starts::offer`].
    pub(super) fn identity(&self) -> Option<(&str, &str)> {
        match &self.verdict {
            Some(Judged::Applies { identity: Some(hash), .. }) => Some((&self.definition.workflow.id, hash)),
            _ => None,
        }
    }

    /// The contact it applies to, for [`decide`].
    pub(super) fn applies_to(&self) -> Option<&str> {
        match &self.verdict {
            Some(Judged::Applies { contact, .. }) => Some(&contact.id),
            _ => None,
        }
    }

    /// Whether it does something to the run that is under way about the same: stops it, or goes behind it.
    pub(super) fn touches_holder(&self) -> bool {
        matches!(self.definition.workflow.settings.again, Again::Restart | Again::Queue)
    }
}

/// The workflows that a webhook event may start.
pub(super) fn candidates(deployed: &Deployed, event: &NewEvent, data: &Value) -> Vec<Candidate> {
    let candidate = |(definition, trigger): (&Arc<Definition>, &Trigger)| {
        let index = index_of(&definition.workflow, trigger);
        let who = guarded(|| person(&definition.workflow, &definition.settings, data, event.at_ms));
        Candidate::new(definition, index, Route::Observes, who.unwrap_or(Err("no_contact")))
    };
    deployed.webhooks(&event.name, &event.source).map(candidate).collect()
}

pub(super) fn index_of(workflow: &Workflow, trigger: &Trigger) -> usize {
    workflow.triggers.iter().position(|other| std::ptr::eq(other, trigger)).unwrap_or(0)
}

pub(super) fn first_scope<'a>(
    workflow: &'a Workflow,
    project: &'a ProjectSettings,
    event: &'a Value,
    empty: &'a Value,
    now_ms: i64,
) -> Scope<'a> {
    Scope {
        event,
        contact: empty,
        steps: empty,
        vars: empty,
        workflow: empty,
        now_ms,
        zone: &workflow.settings.timezone,
        language: &project.language,
    }
}

/// Second look: the trigger's `if`, the contact, the workflow's `if`, and what it is about.
pub(super) fn judge(arrival: &mut Arrival, unit: &Unit) {
    let proof = format!("event {}", arrival.id);
    let verdicts: Vec<Judged> =
        arrival.candidates.iter().map(|candidate| judge_guarded(candidate, arrival, &proof, unit)).collect();
    for (candidate, verdict) in arrival.candidates.iter_mut().zip(verdicts) {
        candidate.verdict = Some(verdict);
    }
}

fn judge_guarded(candidate: &Candidate, arrival: &Arrival, proof: &str, unit: &Unit) -> Judged {
    let judged = guarded(|| judge_one(candidate, &arrival.data, arrival.channel.as_deref(), proof, unit));
    judged.unwrap_or_else(|()| {
        Judged::Refused(EvaluationResult::Failed, "internal error while judging the conditions".into())
    })
}

fn judge_one(candidate: &Candidate, event: &Value, channel: Option<&str>, proof: &str, unit: &Unit) -> Judged {
    let Definition { workflow, settings, .. } = candidate.definition.as_ref();
    let contact = candidate.who.as_ref().ok().map(|person| (person.contact(unit, proof), &person.given));
    let value = match &contact {
        Some((contact, given)) => unit.value_of(contact, channel, given, &candidate.definition),
        None => nothing(),
    };
    let empty = nothing();
    let scope = Scope {
        contact: &value,
        language: super::advance::language_of(&value, settings),
        ..first_scope(workflow, settings, event, &empty, unit.now_ms)
    };
    let verdict = candidate.trigger().condition.judge(&scope);
    if !verdict.is_yes() {
        return Judged::Refused(EvaluationResult::NotMatched, verdict.reason().to_owned());
    }
    let contact = match (&candidate.who, contact) {
        (Err(reason), _) => return Judged::Refused(EvaluationResult::Skipped, (*reason).to_owned()),
        (Ok(_), Some((contact, _))) => contact,
        (Ok(_), None) => return Judged::Refused(EvaluationResult::Skipped, "no_contact".into()),
    };
    let verdict = workflow.condition.judge(&scope);
    if !verdict.is_yes() {
        return Judged::Refused(EvaluationResult::Skipped, verdict.reason().to_owned());
    }
    match identity(workflow, &scope) {
        Ok(identity) => Judged::Applies { contact: Box::new(contact), identity },
        Err(reason) => Judged::Refused(EvaluationResult::Failed, reason),
    }
}

/// SHA-256 of what `once_per` yields; `None` without `once_per`.
fn identity(workflow: &Workflow, scope: &Scope) -> Result<Option<String>, String> {
    let Some(question) = &workflow.settings.once_per else { return Ok(None) };
    let value = question.evaluate(scope).map_err(|why| format!("`once_per` cannot be decided: {}", why.0))?;
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            Ok(Some(hex::encode(Sha256::digest(value.to_string().as_bytes()))))
        }
        other => Err(format!("`once_per` yields no text, number or yes/no: {other}")),
    }
}

/// Third look: identities, and the start itself. What the workflows made of one event, one after the other.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// Who took the message, as the others are told; `None` = nobody yet.
    pub(super) taken_by: Option<&'static str>,
    started: HashSet<String>,
    pub(super) evaluations: Vec<Evaluation>,
}

impl Starts {
    /// Offers the event to the next workflow.
    pub(super) fn offer(&mut self, mut candidate: Candidate, arrival: &Arrival, unit: &mut Unit) {
        let workflow = candidate.definition.workflow.id.clone();
        // A list in `when` is any of them, one run.
        if self.started.contains(&workflow) {
            return;
        }
        let judged = match (candidate.verdict.take(), self.taken_by) {
            (_, Some(taker)) if candidate.route != Route::Observes => {
                Judged::Refused(EvaluationResult::NotMatched, format!("{taker} took the message"))
            }
            _ if self.started.len() >= MOST_RUNS => {
                Judged::Refused(EvaluationResult::Failed, format!("more than {MOST_RUNS} runs from one event"))
            }
            (Some(judged), _) => again_if_known(judged, &candidate, arrival, unit),
            (None, _) => return,
        };
        let Decided { result, reason, run, held_by } = match judged {
            Judged::Refused(result, reason) => Decided { result, reason, run: None, held_by: None },
            Judged::Applies { contact, identity } => start(&candidate, *contact, identity, arrival, None, unit),
        };
        if result == EvaluationResult::Started {
            self.started.insert(workflow.clone());
            if matches!(candidate.route, Route::Takes(_)) {
                self.taken_by = Some("another workflow");
            }
        }
        let trigger = candidate.trigger().name.clone();
        self.evaluations.push(Evaluation { workflow, trigger, result, reason, run, held_by, redrive: 0 });
    }
}

/// Somebody nobody knew when this was judged may have been met since, in the same group.
fn again_if_known(judged: Judged, candidate: &Candidate, arrival: &Arrival, unit: &Unit) -> Judged {
    let Judged::Applies { contact, .. } = &judged else { return judged };
    let keys = candidate.who.as_ref().map(Person::keys).unwrap_or_default();
    match unit.contact_by(&keys) {
        Some(met) if met.id != contact.id => {
            let proof = format!("event {}", arrival.id);
            judge_guarded(candidate, arrival, &proof, unit)
        }
        _ => judged,
    }
}

/// What became of one workflow's part in an event.
pub(super) struct Decided {
    pub(super) result: EvaluationResult,
    pub(super) reason: String,
    /// The run that was started.
    pub(super) run: Option<String>,
    /// The run that `once_per` gives way to.
    held_by: Option<String>,
}

impl Decided {
    fn started(run: String, reason: &str) -> Self {
        Self { result: EvaluationResult::Started, reason: reason.to_owned(), run: Some(run), held_by: None }
    }

    fn refused(reason: &str, held_by: Option<String>) -> Self {
        Self { result: EvaluationResult::Skipped, reason: reason.to_owned(), run: None, held_by }
    }
}

/// Starts the one workflow of an arrival again that was judged, in the place of a run that has ended.
pub(super) fn start_again(arrival: &mut Arrival, of: &Run, unit: &mut Unit) -> Decided {
    let Some(mut candidate) = arrival.candidates.pop() else { return Decided::refused("no_contact", None) };
    match candidate.verdict.take() {
        Some(Judged::Applies { contact, identity }) => start(&candidate, *contact, identity, arrival, Some(of), unit),
        Some(Judged::Refused(result, reason)) => Decided { result, reason, run: None, held_by: None },
        None => Decided::refused("no_contact", None),
    }
}

/// `of`: the run in whose place it starts, which holds back nobody.
fn start(
    candidate: &Candidate,
    contact: Contact,
    identity: Option<String>,
    arrival: &Arrival,
    of: Option<&Run>,
    unit: &mut Unit,
) -> Decided {
    let workflow = &candidate.definition.workflow;
    let (mut before, mut lined) = (None, false);
    let over = unit.is_over_limit(workflow, &contact.id, &arrival.id);
    if let Some(hash) = &identity
        && let Some((holder, state)) = unit.holder(&workflow.id, hash)
        && of.is_none_or(|of| of.id != holder)
    {
        match (workflow.settings.again, state.is_terminal()) {
            (Again::Never, true) => return Decided::refused("already_done", Some(holder)),
            (Again::Never | Again::Skip, _) if !state.is_terminal() => {
                return Decided::refused("already_running", Some(holder));
            }
            (Again::Restart, false) if over => {}
            (Again::Restart, false) => {
                // Runs that got in line under an older version go on behind this one.
                lined = unit.run(&holder).is_some_and(|run| run.turn.is_some());
                unit.stop_run(&holder, "restarted");
            }
            (Again::Queue, false) => before = Some(holder),
            _ => {}
        }
    }
    // It leaves the identity free, and has stopped nothing.
    if over {
        return Decided::refused("limit", None);
    }
    let mut run = new_run(candidate, &contact, arrival, unit);
    run.turn = identity.clone().filter(|_| lined || workflow.settings.again == Again::Queue);
    if let Some(of) = of {
        (run.redrive_of, run.redrive) = (Some(of.id.clone()), of.redrive + 1);
        run.progress.in_doubt = of.progress.in_doubt;
    }
    let id = run.id.clone();
    if let Some(before) = before {
        unit.put_contact(as_known_now(candidate, contact, arrival, unit));
        turns::line_up(run, &before, arrival.data.clone(), unit);
        return Decided::started(id, "waits for its turn");
    }
    if let Some(hash) = &identity {
        unit.take_identity(&workflow.id, hash, &run);
    }
    unit.put_contact(as_known_now(candidate, contact, arrival, unit));
    unit.start_run(run, &candidate.definition, arrival.data.clone());
    Decided::started(id, "")
}

/// The contact with what others of the group have learnt of the person since it was judged.
fn as_known_now(candidate: &Candidate, judged: Contact, arrival: &Arrival, unit: &Unit) -> Contact {
    match &candidate.who {
        Ok(person) if unit.contact(&judged.id).is_some() => person.contact(unit, &format!("event {}", arrival.id)),
        _ => judged,
    }
}

fn new_run(candidate: &Candidate, contact: &Contact, arrival: &Arrival, unit: &Unit) -> Run {
    let given = candidate.who.as_ref().map(|person| person.given.clone()).unwrap_or_default();
    Run {
        id: unit.clock.new_id(),
        workflow: candidate.definition.workflow.id.clone(),
        definition: candidate.definition.hash.clone(),
        contact: contact.id.clone(),
        event: arrival.id.clone(),
        firing: arrival.firing.clone(),
        state: RunState::Waiting,
        reason: String::new(),
        progress: Progress {
            contact: given,
            channel: arrival.channel.clone(),
            of_status: matches!(candidate.trigger().kind, TriggerKind::MessageStatus { .. }),
            of_stop: unit.says_stop(&arrival.id),
            ..Progress::default()
        },
        wake_at_ms: None,
        seed: unit.clock.new_seed(),
        fence: 0,
        started_at_ms: unit.now_ms,
        ended_at_ms: None,
        asks: None,
        turn: None,
        reached_at_ms: None,
        redrive_of: None,
        redrive: 0,
    }
}

/// The contact keys of everybody an arrival may be about.
pub(super) fn keys(arrival: &Arrival) -> impl Iterator<Item = ContactKey> {
    let started = arrival.candidates.iter().filter_map(|candidate| candidate.who.as_ref().ok());
    started.chain(arrival.stops.iter().filter_map(Stop::person)).flat_map(Person::keys)
}

/// Runs a decision; a panic inside it is caught at this border and costs that one decision.
pub(super) fn guarded<T>(decide: impl FnOnce() -> T) -> Result<T, ()> {
    catch_unwind(AssertUnwindSafe(decide)).map_err(|_| tracing::error!("a decision panicked"))
}
