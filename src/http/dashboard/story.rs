//! Story: what happened and why, in words: runs with their trace, events that started nothing, campaigns, schedules.
//!
//! Pure over rows that were read. Invariant: every reason that is a code of the language is shown as a sentence.

use super::moment::Moments;
use super::phones::Names;
use super::words::{Words, word};
use crate::call::StepCall;
use crate::config::is_this_machine;
use crate::contact::Contact;
use crate::delivery::DeliveryState;
use crate::engine::deployed::Deployed;
use crate::event::{Evaluation, EvaluationResult};
use crate::expr::readable_marks;
use crate::run::Run;
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use crate::store::schedules::FiringRow;
use crate::trigger::TriggerKind;
use jiff::Timestamp;
use std::collections::HashMap;

/// Events that started nothing, shown at most.
const REFUSALS: usize = 12;
/// Bad rows of a campaign shown at most.
const BAD_ROWS: usize = 50;
/// Schedules shown at most.
const SCHEDULES: usize = 8;

/// How people and workflows are called.
pub(super) struct Known<'a> {
    pub(super) deployed: &'a Deployed,
    pub(super) contacts: HashMap<&'a str, &'a Contact>,
    pub(super) names: &'a Names,
}

/// The names of the samples, and those that the runs' own events gave for their people.
pub(super) fn names(of_samples: &Names, runs: &[Run], contacts: &HashMap<&str, &Contact>) -> Names {
    let mut names = of_samples.clone();
    for run in runs {
        let phone = contacts.get(run.contact.as_str()).and_then(|contact| contact.phone.as_ref());
        if let (Some(phone), Some(name)) = (phone, given_name(run)) {
            names.entry(phone.digits().to_owned()).or_insert(name);
        }
    }
    names
}

fn given_name(run: &Run) -> Option<String> {
    let given = |field: &str| run.progress.contact.get(field).and_then(|value| value.as_str()).map(str::to_owned);
    given("name").or_else(|| given("first_name"))
}

impl Known<'_> {
    /// The workflow's name; its id when it is gone.
    pub(super) fn workflow(&self, id: &str) -> String {
        self.deployed.definitions.get(id).map_or_else(|| id.to_owned(), |definition| definition.workflow.name.clone())
    }

    fn person(&self, id: &str) -> String {
        let Some(contact) = self.contacts.get(id) else { return String::new() };
        let phone = contact.phone.as_ref();
        let named = contact.name.clone().or_else(|| self.names.get(phone?.digits()).cloned());
        named.or_else(|| phone.map(crate::contact::Phone::e164)).unwrap_or_default()
    }

    fn person_of(&self, run: &Run) -> String {
        given_name(run).unwrap_or_else(|| self.person(&run.contact))
    }
}

#[derive(Debug)]
pub(super) struct RunView {
    pub(super) id: String,
    pub(super) workflow: String,
    pub(super) person: String,
    pub(super) started: String,
    pub(super) class: &'static str,
    pub(super) state: String,
    pub(super) reason: String,
    /// When it goes on, in words.
    pub(super) goes_on: Option<String>,
    pub(super) trace: Vec<(String, String)>,
    pub(super) deliveries: Vec<DeliveryView>,
    /// What its steps asked of other systems, and what came of it.
    pub(super) calls: Vec<String>,
}

#[derive(Debug)]
pub(super) struct DeliveryView {
    pub(super) class: &'static str,
    pub(super) form: &'static str,
    pub(super) state: String,
    pub(super) status: Option<&'static str>,
    pub(super) reason: String,
}

pub(super) fn runs(
    runs: &[Run],
    (deliveries, calls): (&[DeliveryRow], &[StepCall]),
    known: &Known,
    moments: &Moments,
    words: &'static Words,
) -> Vec<RunView> {
    let view = |run: &Run| {
        let state = run.state.as_str();
        let own = deliveries.iter().rev().filter(|row| row.delivery.run == run.id);
        RunView {
            id: run.id.clone(),
            workflow: known.workflow(&run.workflow),
            person: known.person_of(run),
            started: moments.exact(run.started_at_ms),
            class: state,
            state: word(&words.run_states, state).to_owned(),
            reason: words.reason(&run.reason),
            goes_on: run.wake_at_ms.map(|at_ms| words.goes_on.replace("{}", &moments.at(at_ms))),
            trace: run
                .progress
                .trace
                .iter()
                .map(|entry| (moments.exact(entry.at_ms), words.told(&entry.what)))
                .collect(),
            deliveries: own.map(|row| delivery(row, run, words)).collect(),
            calls: calls.iter().filter(|one| one.run == run.id).filter_map(|one| call(one, words)).collect(),
        }
    };
    runs.iter().map(view).collect()
}

/// `POST https://…`, and its answer: from a system of this machine, or in the place of any other.
fn call(call: &StepCall, words: &'static Words) -> Option<String> {
    let http = call.ask.http()?;
    let told = match call.http_status() {
        Some(status) if is_this_machine(http.host()) => format!("HTTP {status}"),
        Some(status) => words.answered_here.replace("{}", &status.to_string()),
        None => words.reason(call.reason().unwrap_or_default()),
    };
    let asked = readable_marks(&format!("{} {}", http.method, http.address()));
    Some(if told.is_empty() { asked } else { format!("{asked}{}{told}", words.colon) })
}

fn delivery(row: &DeliveryRow, run: &Run, words: &'static Words) -> DeliveryView {
    let state = row.delivery.state.as_str();
    // The trace may have said why already.
    let told = run.progress.trace.iter().any(|entry| entry.what.ends_with(&row.delivery.reason));
    let status = row.status.filter(|_| row.delivery.state == DeliveryState::Accepted);
    DeliveryView {
        class: state,
        form: match row.delivery.form {
            Some(crate::message::Form::Template) => words.template,
            Some(crate::message::Form::Text) => words.text_form,
            None => "",
        },
        state: word(&words.delivery_states, state).to_owned(),
        status: status.map(|status| words.status(status)),
        reason: if told { String::new() } else { words.reason(&row.delivery.reason) },
    }
}

/// An event that started nothing, with what each workflow said.
#[derive(Debug)]
pub(super) struct RefusalView {
    pub(super) id: String,
    pub(super) at: String,
    pub(super) event: String,
    pub(super) person: String,
    /// Workflow, empty when none listens; and why.
    pub(super) reasons: Vec<(String, String)>,
}

/// Newest first. What the account tells and nobody listens to is left out, and rows of audiences: a campaign counts them.
pub(super) fn refusals(
    events: &[EventRow],
    known: &Known,
    moments: &Moments,
    words: &'static Words,
) -> Vec<RefusalView> {
    let view = |row: &EventRow| {
        let evaluations: Vec<Evaluation> = serde_json::from_str(&row.evaluations).ok()?;
        Some(RefusalView {
            id: row.id.clone(),
            at: moments.exact(row.received_at_ms),
            event: row.name.clone(),
            person: row.contact.as_deref().map(|id| known.person(id)).unwrap_or_default(),
            reasons: refusal(row, &evaluations, known, words)?,
        })
    };
    events.iter().filter_map(view).take(REFUSALS).collect()
}

fn refusal(
    row: &EventRow,
    evaluations: &[Evaluation],
    known: &Known,
    words: &'static Words,
) -> Option<Vec<(String, String)>> {
    let audience = |one: &Evaluation| {
        known.deployed.definitions.get(&one.workflow).is_some_and(|definition| definition.workflow.audience.is_some())
    };
    if evaluations.iter().any(|one| did_something(one) || audience(one)) {
        return None;
    }
    match (evaluations.is_empty(), row.source.as_str()) {
        (true, "callbell" | "schedule") => None,
        (true, _) => Some(vec![(String::new(), nobody(&row.name, known.deployed, words).to_owned())]),
        (false, _) => {
            Some(evaluations.iter().map(|one| (known.workflow(&one.workflow), words.reason(&one.reason))).collect())
        }
    }
}

/// Why an event came to nothing at all.
pub(super) fn nobody(event: &str, deployed: &Deployed, words: &'static Words) -> &'static str {
    if deployed.stops_on(event) { words.stops_nothing } else { words.nobody_listens }
}

/// What the form answers after an event: each workflow with what it made of it.
pub(super) fn outcome(evaluations: &[Evaluation], known: &Known, words: &'static Words) -> Vec<(bool, String, String)> {
    let one = |one: &Evaluation| {
        let reason = match one.result {
            EvaluationResult::Started if one.reason.is_empty() => words.started.to_owned(),
            EvaluationResult::Stopped => words.stopped_runs.to_owned(),
            EvaluationResult::Woke => words.answered.to_owned(),
            _ => words.reason(&one.reason),
        };
        (did_something(one), known.workflow(&one.workflow), reason)
    };
    evaluations.iter().map(one).collect()
}

fn did_something(evaluation: &Evaluation) -> bool {
    use EvaluationResult::{Started, Stopped, Woke};
    matches!(evaluation.result, Started | Woke | Stopped)
}

#[derive(Debug)]
pub(super) struct CampaignView {
    pub(super) id: String,
    pub(super) workflow: String,
    pub(super) at: String,
    pub(super) class: String,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) done: i64,
    pub(super) total: i64,
    pub(super) rows: String,
    pub(super) counts: Vec<(i64, &'static str)>,
    pub(super) bad_rows: Vec<(String, String)>,
    pub(super) more_bad_rows: Option<String>,
}

pub(super) fn campaigns(
    firings: &[FiringRow],
    known: &Known,
    moments: &Moments,
    words: &'static Words,
) -> Vec<CampaignView> {
    let view = |row: &FiringRow| {
        let counts = [row.counts.started, row.counts.refused, row.counts.duplicates, row.counts.bad];
        let rows = words.rows_done.replacen("{}", &row.cursor.to_string(), 1);
        let more_bad = row.counts.bad - i64::try_from(row.bad_rows.len().min(BAD_ROWS)).unwrap_or(0);
        CampaignView {
            id: row.id.clone(),
            workflow: known.workflow(&row.workflow),
            at: moments.short(row.scheduled_at_ms),
            class: row.state.clone(),
            state: word(&words.campaign_states, &row.state).to_owned(),
            reason: words.reason(&row.reason),
            done: row.cursor,
            total: row.total.max(row.cursor).max(1),
            rows: rows.replacen("{}", &row.total.to_string(), 1),
            counts: counts.into_iter().zip(words.counts).filter(|(count, _)| *count > 0).collect(),
            bad_rows: row
                .bad_rows
                .iter()
                .take(BAD_ROWS)
                .map(|bad| (words.line.replace("{}", &bad.line.to_string()), words.reason(&bad.reason)))
                .collect(),
            more_bad_rows: (more_bad > 0).then(|| words.more.replace("{}", &more_bad.to_string())),
        }
    };
    firings.iter().map(view).collect()
}

/// When each schedule fires next: workflow, phrase, instant. Soonest first.
pub(super) fn schedules(deployed: &Deployed, now_ms: i64, moments: &Moments) -> Vec<(String, String, String)> {
    let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let next =
        |(definition, trigger): (&std::sync::Arc<crate::engine::deployed::Definition>, &crate::trigger::Trigger)| {
            let TriggerKind::Schedule { schedule, .. } = &trigger.kind else { return None };
            let at = schedule.next_fire_after(now, &definition.workflow.settings.timezone)?;
            Some((at.as_millisecond(), definition.workflow.name.clone(), schedule.source().to_owned()))
        };
    let mut soonest: Vec<_> = deployed.schedules().filter_map(next).collect();
    soonest.sort();
    soonest.into_iter().take(SCHEDULES).map(|(at_ms, name, phrase)| (name, phrase, moments.short(at_ms))).collect()
}
