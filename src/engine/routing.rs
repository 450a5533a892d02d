//! Routing: who gets an event, in the order of `language.md` §9.3. Decides over the unit; what it needs is read before.
//!
//! ```text
//! questions whose replies match ─► stop_when ─► observers ─► one workflow ─► otherwise ─► unmatched
//! ```
//! The first that takes a message ends the search; stops and observers take none. Invariant: a message answers one
//! question at most, and none that was asked after it was written.

use super::advance::Input;
use super::asking::{self, Heard, Reply};
use super::evaluate::{self, Arrival, Route, Starts};
use super::inbound::{self, Told};
use super::load::know_runs;
use super::stops;
use super::unit::Unit;
use crate::connector::webhook::{ContentKind, Direction, Incoming};
use crate::event::{Evaluation, EvaluationResult};
use crate::run::Run;
use crate::store::Tx;
use crate::workflow::WaitForReply;
use serde_json::Value;
use std::collections::BTreeSet;

/// Reads the questions that wait for people who wrote. Where nobody asks anything, nothing is read; other nodes may ask
/// what this one has not heard of.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, told: &[&Told], shared: bool) -> anyhow::Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let asks = |definition: &std::sync::Arc<super::deployed::Definition>| definition.asks;
    if !shared && !unit.deployed.definitions.values().any(asks) && !unit.pinned.all().any(asks) {
        return Ok(());
    }
    let writers = told.iter().filter(|told| may_answer(&told.incoming)).filter_map(|told| told.facts());
    let people: BTreeSet<&str> = writers
        .filter_map(|facts| unit.contact_by(&inbound::facts_keys(facts)))
        .map(|contact| contact.id.as_str())
        .collect();
    let rows = tx.asking_runs(&people.into_iter().collect::<Vec<_>>()).await?;
    know_runs(unit, rows).map(drop)
}

/// A message that a person wrote; a reaction is none.
pub(super) fn may_answer(incoming: &Incoming) -> bool {
    match incoming {
        Incoming::Message(message) => message.direction == Direction::Received && message.kind != ContentKind::Reaction,
        _ => false,
    }
}

/// Offers an event to all who may take it: what each made of it.
pub(super) fn decide(arrival: &mut Arrival, unit: &mut Unit) -> Vec<Evaluation> {
    let mut starts = Starts::default();
    let about: Vec<_> = evaluate::keys(arrival).collect();
    let (matching, other) = questions(arrival, unit);
    let question = matching.into_iter().next().filter(|_| starts.taken_by.is_none());
    let answered = question.map(|question| wake(&question, arrival, unit, &mut starts));
    stops::apply(arrival, answered.as_deref(), false, unit, &mut starts.evaluations);
    let candidates = std::mem::take(&mut arrival.candidates);
    let (unmatched, others): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| candidate.route == Route::Unmatched);
    for candidate in others {
        starts.offer(candidate, arrival, unit);
    }
    if starts.taken_by.is_none()
        && let Some(question) = other.into_iter().find(|question| stands(question, arrival, unit))
    {
        wake(&question, arrival, unit, &mut starts);
    }
    if starts.taken_by.is_none() {
        stops::apply(arrival, None, true, unit, &mut starts.evaluations);
    }
    for candidate in unmatched {
        starts.offer(candidate, arrival, unit);
    }
    // Whom an event is about is kept with it, also when it is somebody met just now.
    arrival.contact = arrival.contact.take().or_else(|| unit.contact_by(&about).map(|contact| contact.id.clone()));
    starts.evaluations
}

/// A question that a message may answer, and with which reply; `None` = `otherwise`.
struct Question {
    run: String,
    choice: Option<usize>,
}

/// The questions of the sender that the message answers with one of their replies, and those that take any other, newest
/// first.
fn questions(arrival: &Arrival, unit: &Unit) -> (Vec<Question>, Vec<Question>) {
    let Some(heard) = heard(arrival) else { return Default::default() };
    let (mut matching, mut other) = (Vec::new(), Vec::new());
    for (run, question) in open_questions(arrival, heard, unit) {
        let choice = asking::choice(question, heard);
        let question_ = Question { run: run.id.clone(), choice };
        match choice {
            Some(_) => matching.push(question_),
            None if question.otherwise.is_some() => other.push(question_),
            None => {}
        }
    }
    (matching, other)
}

fn open_questions<'u>(arrival: &Arrival, heard: Heard, unit: &'u Unit) -> Vec<(&'u Run, &'u WaitForReply)> {
    let asking = |run: &&Run| run.asks.is_some() && Some(&run.contact) == arrival.contact.as_ref();
    // What this very message started asks after it.
    let runs = unit.all_runs().filter(asking).filter(|run| run.event != arrival.id);
    let question = |run: &'u Run| {
        let workflow = &unit.definition_of(run)?.workflow;
        asking::open_question(run, workflow, heard, unit.now_ms).map(|question| (run, question))
    };
    let mut found: Vec<_> = runs.filter_map(question).collect();
    found.sort_by(|(a, _), (b, _)| (b.progress.asked_at_ms, &b.id).cmp(&(a.progress.asked_at_ms, &a.id)));
    found
}

fn heard(arrival: &Arrival) -> Option<Heard<'_>> {
    Some(Heard {
        channel: arrival.channel.as_deref()?,
        text: text(arrival),
        contents: arrival.contents.as_deref()?,
        at_ms: arrival.event.at_ms,
    })
}

fn text(arrival: &Arrival) -> &str {
    arrival.data.get("text").and_then(Value::as_str).unwrap_or_default()
}

/// Whether nothing ended or moved the question since it was found.
fn stands(question: &Question, arrival: &Arrival, unit: &Unit) -> bool {
    let Some(heard) = heard(arrival) else { return false };
    open_questions(arrival, heard, unit).iter().any(|(run, _)| run.id == question.run)
}

/// Gives the message to a question: the run that asked it.
fn wake(question: &Question, arrival: &Arrival, unit: &mut Unit, starts: &mut Starts) -> String {
    let reply = Reply { choice: question.choice, text: text(arrival).to_owned(), at_ms: arrival.event.at_ms };
    let run = question.run.clone();
    starts.taken_by = Some("a question");
    starts.evaluations.push(Evaluation {
        workflow: unit.run(&run).map(|run| run.workflow.clone()).unwrap_or_default(),
        trigger: "wait_for_reply".into(),
        result: EvaluationResult::Woke,
        reason: question.choice.map_or("otherwise".into(), |choice| format!("reply {choice}")),
        run: Some(run.clone()),
        held_by: None,
        redrive: 0,
    });
    unit.move_run(&run, &Input::Replied(reply));
    run
}
