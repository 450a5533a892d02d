//! Why something was not sent, in the engine's own words: messages that are held or skipped, runs that wait, events that
//! started nothing. Nothing is guessed.

use super::stage::Scene;
use crate::contact::Phone;
use crate::delivery::DeliveryState;
use crate::event::{Evaluation, EvaluationResult};
use crate::run::{Run, RunState};
use crate::store::contacts::ContactKey;
use crate::store::deliveries::{DeliveryFilter, DeliveryRow};
use crate::store::events::{EventFilter, EventRow};
use crate::store::runs::RunFilter;
use crate::workflow::place::place;
use crate::workflow::test_file::TestFile;
use jiff::Timestamp;

/// Rows of each kind that are told.
const MOST: u32 = 10;
/// Lines of the trace of a run.
const MOST_OF_A_STORY: usize = 12;

/// What is told, and what to look at next.
pub(super) struct Told {
    pub(super) lines: Vec<String>,
    pub(super) hint: String,
}

/// Why nothing more was sent, to that person or to anybody.
///
/// # Errors
/// What the database said.
pub(super) fn nothing_sent(scene: &Scene<'_>, file: &TestFile, person: Option<&Phone>) -> anyhow::Result<Told> {
    let keys: Vec<ContactKey> = person.into_iter().flat_map(ContactKey::of_phone).collect();
    let contact = match keys.is_empty() {
        true => None,
        false => scene.read(async |store| store.contact(&keys).await)?.map(|(contact, _)| contact.id),
    };
    if person.is_some() && contact.is_none() {
        let hint = "nothing was ever about this number: is it the one in the event, or in the sample?";
        return Ok(Told { lines: events(scene, file)?, hint: hint.into() });
    }
    let filter = DeliveryFilter { contact: contact.clone(), limit: MOST, ..DeliveryFilter::default() };
    let deliveries = scene.read(async |store| store.list_deliveries(&filter).await)?;
    let filter = RunFilter { contact, limit: MOST, ..RunFilter::default() };
    let runs = scene.read(async |store| store.list_runs(&filter).await)?;
    let stuck: Vec<&DeliveryRow> =
        deliveries.iter().filter(|row| row.delivery.state != DeliveryState::Accepted).collect();
    let mut lines: Vec<String> = stuck.iter().map(|row| delivery(row, file)).collect();
    lines.extend(runs.iter().map(|run| format!("the run of `{}` {}", run.workflow, standing(run, file))));
    if runs.is_empty() {
        lines.extend(events(scene, file)?);
    }
    let reason = stuck.first().map(|row| row.delivery.reason.as_str());
    Ok(Told { lines, hint: next(reason, &runs) })
}

/// What to look at next.
fn next(reason: Option<&str>, runs: &[Run]) -> String {
    match reason {
        Some("no_consent") => {
            "nothing proves that the person agreed: give the contact the tag of `consent` in relance.yaml, or look at \
             `contact.consent` of the workflow"
        }
        Some("window_closed") => {
            "the window is closed and the step has no template: say when the person wrote with `last_message: 1h ago`, or \
             give the step a template"
        }
        Some("quiet_hours") => "quiet hours hold it until they end: expect it later, or set `quiet_hours: none`",
        Some(reason) if reason.starts_with("rejected") => "the platform refused it: look at the code",
        Some(_) => "the reason above says which rule it was",
        None if runs.is_empty() => "no run was started: look at `when`, `if` and `contact` of the workflow",
        None if runs.iter().any(|run| run.state == RunState::Waiting) => {
            "a run still waits: is the `at` of this entry late enough?"
        }
        None => "the run ended without it: look at the conditions of its steps",
    }
    .to_owned()
}

/// `the message of `cart`, step 2, is skipped: no_consent`.
fn delivery(row: &DeliveryRow, file: &TestFile) -> String {
    let delivery = &row.delivery;
    let until = match delivery.state {
        DeliveryState::Held | DeliveryState::Queued => format!(" until {}", clock_time(delivery.due_at_ms, file)),
        _ => String::new(),
    };
    let reason = if delivery.reason.is_empty() { String::new() } else { format!(": {}", delivery.reason) };
    let (workflow, step, state) = (&delivery.workflow, place(&delivery.step, "en"), delivery.state.as_str());
    format!("the message of `{workflow}`, {step}, is {state}{until}{reason}")
}

/// `waits until 2026-03-02 12:00`, `is stopped: order.paid`.
pub(super) fn standing(run: &Run, file: &TestFile) -> String {
    let reason = if run.reason.is_empty() { String::new() } else { format!(": {}", run.reason) };
    match (run.state, run.wake_at_ms) {
        (RunState::Waiting, Some(at_ms)) => format!("waits until {}{reason}", clock_time(at_ms, file)),
        (state, _) => format!("is {}{reason}", state.as_str().replace('_', " ")),
    }
}

/// Its trace, oldest first.
pub(super) fn story(run: &Run, file: &TestFile) -> Vec<String> {
    let trace = &run.progress.trace;
    let from = trace.len().saturating_sub(MOST_OF_A_STORY);
    let line = |entry: &crate::run::TraceEntry| {
        let step = if entry.step.is_empty() { String::new() } else { format!("{}: ", place(&entry.step, "en")) };
        format!("{}  {step}{}", clock_time(entry.at_ms, file), entry.what)
    };
    trace[from..].iter().map(line).collect()
}

/// What events came to.
fn events(scene: &Scene<'_>, file: &TestFile) -> anyhow::Result<Vec<String>> {
    let filter = EventFilter { limit: MOST, ..EventFilter::default() };
    let events = scene.read(async |store| store.list_events(&filter).await)?;
    let told = |event: &EventRow| {
        let evaluations: Vec<Evaluation> = serde_json::from_str(&event.evaluations).unwrap_or_default();
        let about = evaluations.into_iter().filter(|one| file.workflows.contains(&one.workflow));
        let words: Vec<String> = about.map(|one| evaluation(&one)).collect();
        let came =
            if words.is_empty() { "no workflow of this file listens to it".to_owned() } else { words.join("; ") };
        format!("`{}` at {}: {came}", event.name, clock_time(event.at_ms, file))
    };
    Ok(events.iter().filter(|event| event.source != "callbell" || event.evaluations != "[]").map(told).collect())
}

fn evaluation(one: &Evaluation) -> String {
    let result = match one.result {
        EvaluationResult::Started => "started",
        EvaluationResult::Woke => "woke a run",
        EvaluationResult::Stopped => "stopped a run",
        EvaluationResult::NotMatched => "did not apply",
        EvaluationResult::Skipped => "was skipped",
        EvaluationResult::Failed => "failed",
    };
    let reason = if one.reason.is_empty() { String::new() } else { format!(": {}", one.reason) };
    format!("`{}` {result}{reason}", one.workflow)
}

/// As the workflow's zone shows it.
pub(super) fn clock_time(at_ms: i64, file: &TestFile) -> String {
    let Ok(at) = Timestamp::from_millisecond(at_ms) else { return at_ms.to_string() };
    let at = file.zone.to_datetime(at);
    let format = if at.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(format).to_string()
}
