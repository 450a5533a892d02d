//! Load: the rows that a group's items are about, by a select per kind, into its unit.
//!
//! Invariant: what a decision may change is loaded before it is decided, so that nothing unread is written over.

use super::evaluate::{self, Arrival};
use super::group::{CallResult, Work};
use super::identities;
use super::in_hand::InHand;
use super::inbound::{self, Told};
use super::lookup::LookUp;
use super::overdue::LATE_MS;
use super::rights;
use super::sent::{contact_uuid, message_uuid};
use super::unit::{LiveRun, Unit};
use crate::delivery::{DeliveryState, Outcome};
use crate::outbox::settle;
use crate::store::Tx;
use crate::store::attempts::AttemptRow;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;
use crate::store::runs::RunRow;
use crate::store::unreadable::Table;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Runs woken in one group by timers that are due now.
const DUE_RUNS: usize = 256;

pub(super) async fn load_people(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    arrivals: &[Arrival],
    told: &[&Told],
) -> anyhow::Result<()> {
    let facts = told.iter().flat_map(|told| told.keys());
    let keys: BTreeSet<ContactKey> = arrivals.iter().flat_map(evaluate::keys).chain(facts).collect();
    rights::know_people(tx, unit, &keys.into_iter().collect::<Vec<_>>()).await?;
    let asks = |arrival: &&Arrival| arrival.candidates.iter().any(|candidate| candidate.definition.asks_window);
    let asked = arrivals.iter().filter(asks).flat_map(evaluate::keys);
    let wrote = told.iter().filter_map(|told| told.facts()).flat_map(inbound::facts_keys);
    let people = asked.chain(wrote).filter_map(|key| unit.contact_by(&[key]).map(|contact| contact.id.clone()));
    let people: BTreeSet<String> = people.collect();
    unit.know_lines(tx.lines(&people.into_iter().collect::<Vec<_>>()).await?);
    Ok(())
}

/// Loads the deliveries that calls and statuses are about, with the runs that wait for them.
pub(super) async fn load_calls(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    work: &Work,
    told: &[&Told],
    in_hand: &InHand,
) -> anyhow::Result<()> {
    let marks: Vec<(&str, &str)> = told
        .iter()
        .map(|told| (told.message_uuid().unwrap_or_default(), told.attempt.as_deref().unwrap_or_default()))
        .filter(|(uuid, attempt)| !uuid.is_empty() || !attempt.is_empty())
        .chain(answered_and_told(work, told))
        .collect();
    for attempt in tx.attempts_by(&marks).await? {
        unit.attempts.insert(attempt.id.clone(), attempt);
    }
    let of_attempts = unit.attempts.values().map(|attempt| attempt.delivery.clone());
    let ids: BTreeSet<String> = work.calls.iter().map(|call| call.delivery.clone()).chain(of_attempts).collect();
    let held = ids.iter().filter_map(|id| in_hand.row(id)).cloned();
    unit.deliveries.extend(held.map(|row| (row.delivery.id.clone(), row)));
    let asked: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !unit.deliveries.contains_key(*id)).collect();
    for row in tx.deliveries(&asked).await? {
        unit.deliveries.insert(row.delivery.id.clone(), row);
    }
    load_all_attempts(tx, unit).await?;
    let again = |row: &DeliveryRow| {
        row.delivery.possible_duplicate && matches!(row.was, DeliveryState::Queued | DeliveryState::Held)
    };
    let open = |row: &&DeliveryRow| again(row) || matches!(row.was, DeliveryState::Sending | DeliveryState::Uncertain);
    // Whether a status started the run of a message is asked only where a status may start one.
    let watched = unit.deployed.statuses().next().is_some() && !told.is_empty();
    let asked = |row: &&DeliveryRow| open(row) || (watched && !row.delivery.run.is_empty());
    let runs = unit.deliveries.values().filter(asked).map(|row| row.delivery.run.clone());
    let runs: BTreeSet<String> = runs.filter(|run| !run.is_empty()).collect();
    for LiveRun { run, event } in runs.iter().filter_map(|id| in_hand.run(id)) {
        unit.know_run(run.clone(), event.clone());
    }
    load_runs(tx, unit, runs).await?;
    // An answer may name a person who is known otherwise.
    let named =
        work.calls.iter().filter_map(|call| contact_uuid(&call.outcome)).map(|uuid| ContactKey::Uuid(uuid.into()));
    unit.know_contacts(tx.contacts_by_keys(&named.collect::<Vec<_>>()).await?);
    let people = people_of_calls(unit, work);
    load_contacts(tx, unit, people).await
}

/// Whether a message arrived twice is told by all attempts of it together. Most have one.
async fn load_all_attempts(tx: &mut Tx<'_>, unit: &mut Unit<'_>) -> anyhow::Result<()> {
    let several = unit.deliveries.values().filter(|row| row.delivery.attempts > 1);
    let several: Vec<&str> = several.map(|row| row.delivery.id.as_str()).collect();
    for attempt in tx.attempts_of(&several).await? {
        unit.attempts.entry(attempt.id.clone()).or_insert(attempt);
    }
    Ok(())
}

/// Loads deliveries that a person settles, with their runs and people.
pub(super) async fn load_settled(tx: &mut Tx<'_>, unit: &mut Unit<'_>, ids: &[&str]) -> anyhow::Result<()> {
    for row in tx.deliveries(ids).await? {
        unit.deliveries.entry(row.delivery.id.clone()).or_insert(row);
    }
    let rows = ids.iter().filter_map(|id| unit.deliveries.get(*id));
    let runs = rows.map(|row| row.delivery.run.clone()).filter(|run| !run.is_empty()).collect();
    let people = load_runs(tx, unit, runs).await?;
    load_contacts(tx, unit, people).await
}

/// Attempts whose answer is in the same group as a status of their message: by its uuid alone they are not known yet.
fn answered_and_told<'a>(work: &'a Work, told: &[&'a Told]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let uuids: HashSet<&str> = told.iter().filter_map(|told| told.message_uuid()).collect();
    let told_of = move |call: &&CallResult| message_uuid(&call.outcome).is_some_and(|uuid| uuids.contains(uuid));
    work.calls.iter().filter(told_of).map(|call| ("", call.attempt.as_str()))
}

/// Whose rows settling asks for: people whose run goes on, and those whom an answer may tell something of (their uuid, a
/// closed window). Most calls end a run and tell nothing: nothing is read for them.
fn people_of_calls(unit: &Unit<'_>, work: &Work) -> BTreeSet<String> {
    let quiet = |call: &&CallResult| matches!(call.outcome, Outcome::Accepted { contact_uuid: None, .. });
    let told: HashSet<&str> = unit.attempts.values().map(|attempt| attempt.delivery.as_str()).collect();
    let quiet = work.calls.iter().filter(quiet).map(|call| call.delivery.as_str());
    let quiet: HashSet<&str> = quiet.filter(|delivery| !told.contains(delivery)).collect();
    let telling = unit.deliveries.values().filter(|row| !quiet.contains(row.delivery.id.as_str()));
    telling.map(|row| row.delivery.contact.clone()).chain(unit.people_of_runs_that_go_on()).collect()
}

/// Runs whose timers are due come back by their ids, and uncertain deliveries are looked for: what to ask the account.
/// `overdue`: how many long overdue timers go on as well.
pub(super) async fn load_due(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    overdue: usize,
) -> anyhow::Result<(Vec<String>, Vec<LookUp>)> {
    let late_ms = unit.now_ms - LATE_MS;
    let mut rows = tx.due_runs(late_ms, unit.now_ms, DUE_RUNS).await?;
    if overdue > 0 {
        rows.extend(tx.due_runs(i64::MIN, late_ms, overdue).await?);
    }
    let whose = |row: &RunRow| (row.run.id.clone(), row.run.contact.clone());
    let mut due: Vec<(String, String)> = rows.iter().map(whose).collect();
    let people = know_runs(unit, rows)?;
    load_contacts(tx, unit, people).await?;
    // Without its person, a run would decide as if nothing were known of them.
    due.retain(|(run, contact)| {
        let known = unit.contact(contact).is_some();
        if !known {
            tx.leave_out(Table::Run, run);
        }
        known
    });
    let ids = due.into_iter().map(|(run, _)| run).collect();
    let look_ups = look_for_uncertain(tx, unit).await?;
    Ok((ids, look_ups))
}

async fn look_for_uncertain(tx: &mut Tx<'_>, unit: &mut Unit<'_>) -> anyhow::Result<Vec<LookUp>> {
    let overdue = tx.overdue_uncertain(DUE_RUNS).await?;
    if overdue.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = overdue.iter().map(|row| row.delivery.id.clone()).collect();
    let attempts = tx.attempts_of(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let runs = overdue.iter().map(|row| row.delivery.run.clone()).filter(|run| !run.is_empty()).collect();
    let mut people = load_runs(tx, unit, runs).await?;
    people.extend(overdue.iter().map(|row| row.delivery.contact.clone()));
    load_contacts(tx, unit, people).await?;
    for row in overdue {
        // One that an item of this very group is about is in there, and may have changed.
        unit.deliveries.entry(row.delivery.id.clone()).or_insert(row);
    }
    let last = |id: &str| attempts.iter().rfind(|attempt| attempt.delivery == id);
    Ok(ids.iter().filter_map(|id| look_for(unit, id, last(id))).collect())
}

/// One more look; at the deadline a person is asked as well.
fn look_for(unit: &mut Unit, id: &str, attempt: Option<&AttemptRow>) -> Option<LookUp> {
    let now_ms = unit.now_ms;
    unit.deliveries.get(id).filter(|row| row.delivery.state == DeliveryState::Uncertain)?;
    // First of all, whatever else is missing: one that stays due would be found again at once, for ever.
    let mut over = false;
    unit.change_delivery(id, |row| over = settle::look_again(&mut row.delivery, now_ms));
    if over {
        unit.ask_a_person(id);
    }
    let row = unit.deliveries.get(id)?;
    let contact = unit.contact(&row.delivery.contact)?;
    LookUp::of_message(row, attempt?, contact, &unit.deployed.catalogue)
}

/// Loads runs; the people they are about come back.
pub(super) async fn load_runs(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    runs: BTreeSet<String>,
) -> anyhow::Result<BTreeSet<String>> {
    // A message of the gateway has no run.
    let unknown = |id: &&str| !id.is_empty() && !unit.knows_run(id);
    let ids: Vec<&str> = runs.iter().map(String::as_str).filter(unknown).collect();
    let rows = tx.runs(&ids).await?;
    know_runs(unit, rows)
}

/// Takes in runs that were read; the people they are about come back.
pub(super) fn know_runs(unit: &mut Unit<'_>, rows: Vec<RunRow>) -> anyhow::Result<BTreeSet<String>> {
    let mut people = BTreeSet::new();
    for row in rows {
        people.insert(row.run.contact.clone());
        unit.know_run(row.run, Arc::new(row.event_data));
    }
    need_definitions(unit)?;
    Ok(people)
}

/// A run of a definition that only another node has deployed: the group is done again once it is read.
#[derive(Debug)]
pub(super) struct Unread(pub(super) Vec<String>);

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a definition of another node is not read yet")
    }
}

impl std::error::Error for Unread {}

fn need_definitions(unit: &Unit<'_>) -> anyhow::Result<()> {
    let unknown = unit.unknown_definitions();
    anyhow::ensure!(unknown.is_empty(), Unread(unknown));
    Ok(())
}

pub(super) async fn load_contacts(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    people: BTreeSet<String>,
) -> anyhow::Result<()> {
    let unknown = people.iter().filter(|id| unit.contact(id).is_none());
    let keys: Vec<ContactKey> = unknown.cloned().map(ContactKey::Id).collect();
    unit.know_contacts(tx.contacts_by_keys(&keys).await?);
    unit.know_lines(tx.lines(&people.into_iter().collect::<Vec<_>>()).await?);
    Ok(())
}

pub(super) async fn load_identities(tx: &mut Tx<'_>, unit: &mut Unit<'_>, arrivals: &[Arrival]) -> anyhow::Result<()> {
    let candidates = || arrivals.iter().flat_map(|arrival| &arrival.candidates);
    let keys: BTreeSet<(&str, &str)> = candidates().filter_map(evaluate::Candidate::identity).collect();
    let touched: HashSet<&str> = candidates()
        .filter(|candidate| candidate.touches_holder())
        .map(|candidate| candidate.definition.workflow.id.as_str())
        .collect();
    let mut holders = BTreeSet::new();
    for row in identities::load(tx, unit, &keys.into_iter().collect::<Vec<_>>()).await? {
        if touched.contains(row.workflow.as_str()) && !row.state.is_terminal() {
            holders.insert(row.run);
        }
    }
    load_runs(tx, unit, holders).await.map(drop)
}
