//! Coverage: the branches of a workflow, and which of them a story took: conditions, cases, replies, ends of a live run, and
//! both forms of a message. Read from the traces that the engine writes.
//!
//! Invariant: a branch is named by the place of its step, so that two that look alike are two.

use super::stage::Scene;
use crate::condition::Condition;
use crate::event::{Evaluation, EvaluationResult};
use crate::message::Form;
use crate::run::{Sentence, TraceEntry};
use crate::store::deliveries::DeliveryFilter;
use crate::store::events::EventFilter;
use crate::store::runs::RunFilter;
use crate::workflow::place::place;
use crate::workflow::{Action, Step, Workflow};
use std::collections::BTreeSet;

/// Rows of each kind that are looked through.
const MOST: u32 = 10_000;

/// Every branch of a workflow, in the order of the file.
pub fn branches(workflow: &Workflow) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |words: String| found.push(named(&workflow.id, &words));
    if !matches!(workflow.condition, Condition::Always) {
        add(STARTS.into());
        add(REFUSES.into());
    }
    for entry in 1..=workflow.stop_when.len() {
        add(stop_words(entry));
    }
    of_steps(&workflow.id, &workflow.steps, &mut found);
    found
}

const STARTS: &str = "`if` says yes";
const REFUSES: &str = "`if` says no";

fn of_steps(workflow: &str, steps: &[Step], found: &mut Vec<String>) {
    for step in steps {
        let mut add = |words: &str| found.push(at(workflow, &step.path, words));
        if !matches!(step.condition, Condition::Always) {
            add("done");
            add("left out");
        }
        match &step.action {
            Action::Branch { cases, .. } => {
                (1..=cases.len()).for_each(|case| add(&format!("case {case}")));
                add("no case");
            }
            Action::WaitForReply(question) => {
                (1..=question.replies.len()).for_each(|reply| add(&format!("reply {reply}")));
                if question.otherwise.is_some() {
                    add("another reply");
                }
                add("no reply");
            }
            Action::SendMessage(message) if message.template.is_some() && has_plain(message) => {
                add("sent as text");
                add("sent as template");
            }
            _ => {}
        }
        for list in step.inner() {
            of_steps(workflow, list, found);
        }
    }
}

fn has_plain(message: &crate::workflow::SendMessage) -> bool {
    !message.text.is_empty()
}

/// The branches that a story took.
///
/// # Errors
/// What the database said.
pub(super) fn went(scene: &Scene<'_>) -> anyhow::Result<BTreeSet<String>> {
    let mut went = BTreeSet::new();
    let filter = RunFilter { limit: MOST, ..RunFilter::default() };
    for run in scene.read(async |store| store.list_runs(&filter).await)? {
        went.insert(named(&run.workflow, STARTS));
        let told = run.progress.trace.iter().filter_map(|entry| taken(&run.workflow, entry));
        went.extend(told);
        // Whatever stands in the trace of a step and is no leaving out says that the step was done.
        let done = run.progress.trace.iter().filter(|entry| !entry.step.is_empty() && !is_left_out(entry));
        went.extend(done.map(|entry| at(&run.workflow, &entry.step, "done")));
    }
    let filter = DeliveryFilter { limit: MOST, ..DeliveryFilter::default() };
    for row in scene.read(async |store| store.list_deliveries(&filter).await)? {
        let delivery = row.delivery;
        went.insert(at(&delivery.workflow, &delivery.step, "done"));
        let form = delivery.form.map(|form| if form == Form::Text { "sent as text" } else { "sent as template" });
        went.extend(form.map(|words| at(&delivery.workflow, &delivery.step, words)));
    }
    let filter = EventFilter { limit: MOST, ..EventFilter::default() };
    for event in scene.read(async |store| store.list_events(&filter).await)? {
        let evaluations: Vec<Evaluation> = serde_json::from_str(&event.evaluations).unwrap_or_default();
        let refused = evaluations.iter().filter(|one| one.result == EvaluationResult::Skipped && !is_code(&one.reason));
        went.extend(refused.map(|one| named(&one.workflow, REFUSES)));
    }
    // Whom a campaign refuses is counted, not listed.
    let firings = scene.read(async |store| store.firings(true, MOST).await)?;
    went.extend(firings.iter().filter(|firing| firing.counts.refused > 0).map(|one| named(&one.workflow, REFUSES)));
    Ok(went)
}

/// A reason that a gate gives (`limit`, `bad_number`), and not the line of a condition.
fn is_code(reason: &str) -> bool {
    reason.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The branch that a line of a trace tells of.
fn taken(workflow: &str, entry: &TraceEntry) -> Option<String> {
    let (told, parts) = Sentence::read(&entry.what)?;
    let first = parts.first().copied().unwrap_or_default();
    let step = |words: &str| Some(at(workflow, &entry.step, words));
    match told {
        Sentence::StopWhen => Some(named(workflow, &stop_words(first.parse().ok()?))),
        Sentence::CaseTaken => step(&format!("case {first}")),
        Sentence::NoCase => step("no case"),
        Sentence::Reply => step(&format!("reply {first}")),
        Sentence::NoReply => step("no reply"),
        Sentence::OtherAnswer => step("another reply"),
        Sentence::LeftOut => step("left out"),
        _ => None,
    }
}

fn is_left_out(entry: &TraceEntry) -> bool {
    matches!(Sentence::read(&entry.what), Some((Sentence::LeftOut, _)))
}

fn stop_words(entry: usize) -> String {
    format!("`stop_when` entry {entry}")
}

fn named(workflow: &str, words: &str) -> String {
    format!("{workflow}: {words}")
}

/// `order_paid: step 2, case 1, step 1: done`.
fn at(workflow: &str, path: &str, words: &str) -> String {
    format!("{workflow}: {}: {words}", place(path, "en"))
}
