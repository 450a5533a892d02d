//! Stops: entries of `stop_when`, judged against live runs (`language.md` §6.5). The definition a run began with decides.
//!
//! ```text
//! event ─► entries it fits (of what serves, and of older versions) ─► live runs by index ─► `if` ─► stopped
//! ```
//! An event may stop any number of runs: a group takes so many, oldest first, and a row says where the next one goes on
//! (`go_on`); a kill in between loses nothing. No timer fires until the last is stopped. Invariant: a stop concerns what
//! was live when its event came, never what began later.

use super::advance::language_of;
use super::deployed::{Definition, Deployed, Pinned};
use super::evaluate::{Arrival, Person, first_scope, guarded, person};
use super::group::Context;
use super::load::{Unread, load_contacts};
use super::unit::{Unit, nothing};
use crate::condition::{Condition, Verdict};
use crate::contact::Contact;
use crate::event::{Evaluation, EvaluationResult, NewEvent};
use crate::expr::{Scope, printed};
use crate::run::{Run, Sentence};
use crate::store::Tx;
use crate::store::stops::{Concerns, Found, OpenStop, Search, StoppingRow};
use crate::trigger::TriggerKind;
use crate::trigger::message::{Content, Matcher};
use crate::trigger::message_status::Watched;
use crate::workflow::StopWhen;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long another node may take for its part of a stop, before it is looked at again.
const ELSEWHERE_MS: i64 = 250;

/// An entry that an event fits.
#[derive(Debug)]
pub(super) struct Stop {
    definition: Arc<Definition>,
    /// Index in its `stop_when`.
    entry: usize,
    whose: Whose,
    /// Only when nobody takes the message.
    unmatched: bool,
    found: Found,
}

/// Which runs an entry concerns.
#[derive(Debug)]
enum Whose {
    /// Runs about this person.
    Person(Person),
    /// Runs whose own event holds the same values: their hash.
    Same(String),
}

/// An event that is no webhook, as far as entries ask for it.
#[derive(Debug, Clone, Copy)]
pub(super) enum News<'a> {
    Message { channel: &'a str, text: &'a str, contents: &'a [Content] },
    Status { status: Watched, of: &'a str },
    Contact { created: bool, before: Option<&'a Contact>, after: &'a Contact },
}

impl Stop {
    /// Whom it is about, where the person decides.
    pub(super) fn person(&self) -> Option<&Person> {
        match &self.whose {
            Whose::Person(person) => Some(person),
            Whose::Same(_) => None,
        }
    }

    /// Whether it counts only when nobody takes the message.
    pub(super) fn waits_for_nobody(&self) -> bool {
        self.unmatched
    }

    fn stop_when(&self) -> &StopWhen {
        &self.definition.workflow.stop_when[self.entry]
    }

    fn concerns(&self, unit: &Unit) -> Option<Concerns> {
        Some(match &self.whose {
            Whose::Person(person) => Concerns::Contact(unit.contact_by(&person.keys())?.id.clone()),
            Whose::Same(hash) => Concerns::Hash(hash.clone()),
        })
    }

    fn search(&self, unit: &Unit) -> Option<Search> {
        let (workflow, definition) = (self.definition.workflow.id.clone(), self.definition.hash.clone());
        Some(Search { workflow, definition, concerns: self.concerns(unit)? })
    }
}

// --- which entries an event fits ---------------------------------------------------------------------------------------

type Entry<'a> = (&'a Arc<Definition>, usize, &'a StopWhen);

fn entries<'a>(deployed: &'a Deployed, pinned: &'a Pinned) -> impl Iterator<Item = Entry<'a>> {
    let of = |definition: &'a Arc<Definition>| {
        let entries = definition.workflow.stop_when.iter().enumerate();
        entries.map(move |(index, entry)| (definition, index, entry))
    };
    deployed.definitions.values().chain(pinned.all()).flat_map(of)
}

/// The entries that a webhook event fits.
pub(super) fn of_webhook(event: &NewEvent, data: &Value, deployed: &Deployed, pinned: &Pinned) -> Vec<Stop> {
    let fits = |(_, _, entry): &Entry| match &entry.trigger.kind {
        TriggerKind::Webhook { event: name, source } => {
            let from = |wanted: &String| *wanted == event.source || matches!(event.source.as_str(), "api" | "local");
            *name == event.name && source.as_ref().is_none_or(from)
        }
        _ => false,
    };
    let stop = |found: Entry| {
        let who = || person(&found.0.workflow, &found.0.settings, data, event.at_ms).ok();
        guarded(|| stop(found, data, false, event.at_ms, who)).ok().flatten()
    };
    entries(deployed, pinned).filter(fits).filter_map(stop).collect()
}

/// The entries that other news of a person fit.
pub(super) fn of_news(news: News, data: &Value, who: &Person, unit: &Unit) -> Vec<Stop> {
    let stop = |found: Entry| {
        let unmatched = fits(news, &found.2.trigger.kind)?;
        guarded(|| stop(found, data, unmatched, unit.now_ms, || Some(who.clone()))).ok().flatten()
    };
    entries(unit.deployed, unit.pinned).filter_map(stop).collect()
}

/// Whether news fit a trigger, and then whether only as long as nobody takes the message.
fn fits(news: News, kind: &TriggerKind) -> Option<bool> {
    match (news, kind) {
        (News::Message { channel, text, contents }, TriggerKind::Message { matcher, channel: wanted }) => {
            let fits = match matcher {
                Matcher::Any | Matcher::Unmatched => true,
                Matcher::Match(pattern) => pattern.matches(text, contents),
            };
            let here = wanted.as_deref().is_none_or(|wanted| wanted == channel);
            (fits && here).then_some(matches!(matcher, Matcher::Unmatched))
        }
        (News::Status { status, of }, TriggerKind::MessageStatus { status: wanted, of: workflow }) => {
            let of_it = workflow.as_deref().is_none_or(|wanted| wanted == of);
            (*wanted == status && of_it).then_some(false)
        }
        (News::Contact { created, before, after }, TriggerKind::Contact { change }) => {
            change.fits(created, before, after).then_some(false)
        }
        _ => None,
    }
}

/// What an entry makes of an event; `None` where its `if` says no whatever the run, or a value is missing.
fn stop(
    (definition, entry, stop_when): Entry,
    data: &Value,
    unmatched: bool,
    at_ms: i64,
    who: impl FnOnce() -> Option<Person>,
) -> Option<Stop> {
    if asks_event_alone(&stop_when.trigger.condition) {
        let empty = nothing();
        let scope = first_scope(&definition.workflow, &definition.settings, data, &empty, at_ms);
        if !stop_when.trigger.condition.judge(&scope).is_yes() {
            return None;
        }
    }
    let whose = match stop_when.same.is_empty() {
        true => Whose::Person(who()?),
        false => {
            Whose::Same(hash(definition, entry, stop_when.same.iter().map(|(arriving, _)| printed(data, arriving)))?)
        }
    };
    Some(Stop { definition: definition.clone(), entry, whose, unmatched, found: Found::default() })
}

fn asks_event_alone(condition: &Condition) -> bool {
    let event = |question: &&crate::expr::Question| {
        question.paths().iter().all(|path| matches!(path.root.as_str(), "event" | "now"))
    };
    condition.questions().iter().all(event)
}

/// `None` when a value is missing: it is like no other.
fn hash(definition: &Definition, entry: usize, values: impl Iterator<Item = Option<String>>) -> Option<String> {
    let values: Vec<String> = values.collect::<Option<_>>()?;
    let all = serde_json::to_string(&(&definition.hash, entry, values)).ok()?;
    Some(hex::encode(Sha256::digest(all.as_bytes())))
}

/// By what events find a run of a definition: entry and hash.
fn subjects(definition: &Definition, event: &Value) -> Vec<(usize, String)> {
    let entries = definition.workflow.stop_when.iter().enumerate().filter(|(_, entry)| !entry.same.is_empty());
    let subject = |(index, entry): (usize, &StopWhen)| {
        let values = entry.same.iter().map(|(_, own)| printed(event, own));
        Some((index, hash(definition, index, values)?))
    };
    entries.filter_map(subject).collect()
}

// --- what it stops -----------------------------------------------------------------------------------------------------

/// Reads the live runs that the events of a group may stop.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, arrivals: &mut [Arrival]) -> anyhow::Result<()> {
    let (mut searches, mut searching) = (Vec::new(), Vec::new());
    for stop in arrivals.iter_mut().flat_map(|arrival| &mut arrival.stops) {
        if let Some(search) = stop.search(unit) {
            searches.push(search);
            searching.push(stop);
        }
    }
    let mut people = BTreeSet::new();
    for (stop, found) in searching.into_iter().zip(tx.live_runs(&searches).await?) {
        if !asks_event_alone(&stop.stop_when().trigger.condition) {
            people.extend(found.runs.iter().map(|run| run.contact.clone()));
        }
        stop.found = found;
    }
    load_contacts(tx, unit, people).await
}

/// Stops what an event stops, but for the run whose question took it. `unmatched`: only what waits for nobody to take it.
pub(super) fn apply(
    arrival: &Arrival,
    spared: Option<&str>,
    unmatched: bool,
    unit: &mut Unit,
    evaluations: &mut Vec<Evaluation>,
) {
    for stop in arrival.stops.iter().filter(|stop| stop.unmatched == unmatched) {
        let Some(search) = stop.search(unit) else { continue };
        let begun = begun_since(stop, &search.concerns, unit);
        let concerned = stop.found.runs.iter().chain(&begun).filter(|run| Some(run.id.as_str()) != spared);
        let halted = halt_all(concerned, &stop.definition, stop.entry, (&arrival.id, &arrival.data), unit);
        let more = stop.found.more;
        if more {
            let after = stop.found.runs.last().map(|run| run.id.clone()).unwrap_or_default();
            let (id, event, before_ms) = (unit.clock.new_id(), arrival.id.clone(), unit.now_ms);
            unit.stopping.push(StoppingRow { id, event, search, entry: stop.entry, before_ms, after });
        }
        evaluations.extend(evaluation(stop, halted, more));
    }
}

/// Runs that an earlier event of the same group began.
fn begun_since(stop: &Stop, concerns: &Concerns, unit: &Unit) -> Vec<Run> {
    let concerned = |(run, event): &(&Run, &Value)| {
        run.definition == stop.definition.hash
            && match concerns {
                Concerns::Contact(contact) => run.contact == *contact,
                Concerns::Hash(hash) => subjects(&stop.definition, event).contains(&(stop.entry, hash.clone())),
            }
    };
    unit.begun_runs().filter(concerned).map(|(run, _)| run.clone()).collect()
}

/// What came of judging runs.
#[derive(Default)]
struct Halted {
    runs: Vec<String>,
    /// Why the first that goes on does.
    refused: Option<String>,
}

fn halt_all<'r>(
    runs: impl Iterator<Item = &'r Run>,
    definition: &Arc<Definition>,
    entry: usize,
    (event, data): (&str, &Value),
    unit: &mut Unit,
) -> Halted {
    let mut halted = Halted::default();
    let Some(stop_when) = definition.workflow.stop_when.get(entry) else { return halted };
    for found in runs {
        // As it is now: it may have moved since it was read.
        let run = unit.run(&found.id).unwrap_or(found).clone();
        if run.state.is_terminal() || run.event == event {
            continue;
        }
        match guarded(|| judge(&stop_when.trigger.condition, &run, definition, data, unit)) {
            Ok(Verdict::Yes) => {
                halted.runs.push(run.id.clone());
                halt(run, entry, stop_when, unit);
            }
            Ok(verdict) => drop(halted.refused.get_or_insert_with(|| verdict.reason().to_owned())),
            Err(()) => drop(halted.refused.get_or_insert_with(|| "internal error while judging `stop_when`".into())),
        }
    }
    halted
}

fn judge(condition: &Condition, run: &Run, definition: &Arc<Definition>, event: &Value, unit: &Unit) -> Verdict {
    if matches!(condition, Condition::Always) {
        return Verdict::Yes;
    }
    let progress = &run.progress;
    let contact = unit.contact_value(&run.contact, progress.channel.as_deref(), &progress.contact, definition);
    let steps = Value::Object(progress.steps.clone());
    let vars = Value::Object(progress.vars.clone());
    let workflow = super::advance::run_value(run);
    condition.judge(&Scope {
        event,
        contact: &contact,
        steps: &steps,
        vars: &vars,
        workflow: &workflow,
        now_ms: unit.now_ms,
        zone: &definition.workflow.settings.timezone,
        language: language_of(&contact, &definition.settings),
    })
}

fn halt(run: Run, entry: usize, stop_when: &StopWhen, unit: &mut Unit) {
    let id = run.id.clone();
    // It ends here: the data of its event is not needed any more.
    unit.know_run(run, Arc::new(Value::Null));
    let name = &stop_when.trigger.name;
    unit.change_run(&id, |run, now_ms| run.tell(now_ms, Sentence::StopWhen, &[&(entry + 1).to_string(), name]));
    let reason = match &stop_when.trigger.kind {
        TriggerKind::Webhook { event, .. } => event,
        _ => name,
    };
    unit.stop_run(&id, reason);
}

fn evaluation(stop: &Stop, halted: Halted, more: bool) -> Option<Evaluation> {
    let (result, reason, run) = match (halted.runs.as_slice(), more) {
        ([], false) => (EvaluationResult::NotMatched, halted.refused?, None),
        ([run], false) => (EvaluationResult::Stopped, String::new(), Some(run.clone())),
        (runs, false) => (EvaluationResult::Stopped, format!("{} runs", runs.len()), None),
        (runs, true) => (EvaluationResult::Stopped, format!("{} runs, others follow", runs.len()), None),
    };
    let workflow = stop.definition.workflow.id.clone();
    Some(Evaluation {
        workflow,
        trigger: format!("stop_when {}", stop.stop_when().trigger.name),
        result,
        reason,
        run,
        held_by: None,
        redrive: 0,
    })
}

// --- across groups -----------------------------------------------------------------------------------------------------

/// Takes the next part of a stop that one group was not enough for; when to look again, if any goes on.
pub(super) async fn go_on(tx: &mut Tx<'_>, unit: &mut Unit<'_>, context: &Context<'_>) -> anyhow::Result<Option<i64>> {
    // What only another node has heard of is taken over when that one does not get to it.
    if entries(unit.deployed, unit.pinned).next().is_none() && !context.sweep {
        return Ok(None);
    }
    let Some(OpenStop { mut row, data }) = tx.open_stop().await? else {
        let elsewhere = context.shared && tx.stop_goes_on().await?;
        return Ok(elsewhere.then_some(unit.now_ms + ELSEWHERE_MS));
    };
    let Some(definition) = definition(&row.search, unit)? else {
        tracing::error!(
            workflow = row.search.workflow,
            "the definition of a stop under way is missing: it is given up"
        );
        tx.delete_stopping(&row.id).await?;
        return Ok(Some(unit.now_ms));
    };
    let found = tx.rest_of_stop(&row).await?;
    let asks =
        definition.workflow.stop_when.get(row.entry).is_some_and(|one| !asks_event_alone(&one.trigger.condition));
    let people = found.runs.iter().filter(|_| asks).map(|run| run.contact.clone()).collect();
    load_contacts(tx, unit, people).await?;
    let concerned = found.runs.iter().filter(|run| row.concerns(run));
    halt_all(concerned, &definition, row.entry, (&row.event, &serde_json::from_str(&data)?), unit);
    match found.runs.last().filter(|_| found.more) {
        Some(last) => {
            row.after.clone_from(&last.id);
            unit.stopping.push(row);
        }
        None => tx.delete_stopping(&row.id).await?,
    }
    Ok(Some(unit.now_ms))
}

fn definition(search: &Search, unit: &Unit) -> anyhow::Result<Option<Arc<Definition>>> {
    let current = unit.deployed.definitions.get(&search.workflow).filter(|one| one.hash == search.definition);
    let found = current.or_else(|| unit.pinned.get(&search.definition)).cloned();
    anyhow::ensure!(found.is_some() || unit.pinned.knows(&search.definition), Unread(vec![search.definition.clone()]));
    Ok(found)
}

/// Writes by what events find the runs of this group, and the stops that go on.
pub(super) async fn write(tx: &mut Tx<'_>, unit: &mut Unit<'_>) -> anyhow::Result<()> {
    let has_same = |run: &Run| {
        let definition = unit.definition_of(run)?;
        definition.workflow.stop_when.iter().any(|entry| !entry.same.is_empty()).then_some(definition)
    };
    let live = unit.begun_runs().filter(|(run, _)| !run.state.is_terminal());
    let live = live.filter_map(|(run, event)| Some((run, event, has_same(run)?)));
    let of_run = |(run, event, definition): (&Run, &Value, &Arc<Definition>)| {
        let subjects = guarded(|| subjects(definition, event)).unwrap_or_default().into_iter();
        let run = run.id.clone();
        subjects.map(move |(entry, hash)| (run.clone(), entry, hash))
    };
    let begun: Vec<_> = live.flat_map(of_run).collect();
    let ended: Vec<&str> = unit.ended_runs().filter(|run| has_same(run).is_some()).map(|run| run.id.as_str()).collect();
    tx.insert_subjects(&begun).await?;
    tx.delete_subjects(&ended).await?;
    tx.put_stopping(&std::mem::take(&mut unit.stopping)).await
}
