//! Redrive: what ended badly is done again as a new row, linked to the old one, which never changes.
//!
//! A run begins anew by the rules and the definition of today; a message leaves again as it was rendered, if the gate lets
//! it; an event is judged again by the one workflow that could not. Invariant: one thing is done again once; whoever wants
//! it a third time repeats the second.

use super::{Refused, may_have_arrived};
use crate::delivery::{Delivery, DeliveryState, VendorStatus};
use crate::engine::change::{Change, Changed};
use crate::engine::evaluate::{self, Arrival, Candidate, Route, Starts, known_person};
use crate::engine::fire::SCHEDULED;
use crate::engine::load::{load_contacts, load_identities, load_people, load_runs, load_settled};
use crate::engine::retention::PAYLOAD_MS;
use crate::engine::unit::Unit;
use crate::engine::{Busy, Engine, campaign, limits};
use crate::event::{self, Dedupe, Evaluation, EvaluationResult, NewEvent};
use crate::run::{Run, RunState, Sentence, TraceEntry, WaitingFor};
use crate::store::Tx;
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use crate::trigger::TriggerKind;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How long a message lives that is sent again.
const LIFE_MS: i64 = 24 * 3_600_000;

/// Something to be done again, and who wants it.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Redrive {
    pub(in crate::engine) what: What,
    pub(in crate::engine) who: String,
}

#[derive(Debug, Clone)]
pub(in crate::engine) enum What {
    Run(String),
    Delivery(String),
    Evaluation { event: String, workflow: String },
}

impl Engine {
    /// Begins an ended run anew: the id of the new one.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it; within, why it is not possible.
    pub async fn redrive_run(&self, run: &str, who: &str) -> Result<Result<String, Refused>, Busy> {
        self.redrive(What::Run(run.to_owned()), who).await
    }

    /// Sends a message again that did not arrive: the id of the new delivery.
    ///
    /// # Errors
    /// As [`Engine::redrive_run`].
    pub async fn redrive_delivery(&self, delivery: &str, who: &str) -> Result<Result<String, Refused>, Busy> {
        self.redrive(What::Delivery(delivery.to_owned()), who).await
    }

    /// Has an event judged again by a workflow that could not: what came of it, `started`, `not_matched` …
    ///
    /// # Errors
    /// As [`Engine::redrive_run`].
    pub async fn redrive_evaluation(
        &self,
        event: &str,
        workflow: &str,
        who: &str,
    ) -> Result<Result<String, Refused>, Busy> {
        self.redrive(What::Evaluation { event: event.to_owned(), workflow: workflow.to_owned() }, who).await
    }

    async fn redrive(&self, what: What, who: &str) -> Result<Result<String, Refused>, Busy> {
        match self.change(Change::Redrive(Redrive { what, who: who.to_owned() })).await? {
            Changed::Redrive(redriven) => Ok(redriven),
            _ => Err(Busy),
        }
    }
}

pub(in crate::engine) async fn apply(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    redrive: &Redrive,
) -> anyhow::Result<Result<String, Refused>> {
    let who = &redrive.who;
    match &redrive.what {
        What::Run(run) => again_run(tx, unit, run, who).await,
        What::Delivery(delivery) => again_delivery(tx, unit, delivery, who).await,
        What::Evaluation { event, workflow } => again_evaluation(tx, unit, event, workflow, who).await,
    }
}

// --- a run ------------------------------------------------------------------------------------------------------------

async fn again_run(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    id: &str,
    who: &str,
) -> anyhow::Result<Result<String, Refused>> {
    let Some(row) = tx.runs(&[id]).await?.into_iter().next() else { return Ok(Err(Refused::Unknown)) };
    // One of this very group may have changed.
    let mut of = unit.run(id).cloned().unwrap_or(row.run);
    let sent = tx.deliveries_of(&[id]).await?;
    if let Err(refused) = may_begin_anew(&of, &sent) {
        return Ok(Err(refused));
    }
    of.progress.in_doubt |= sent.iter().any(|row| may_have_arrived(&row.delivery));
    if let Some(known) = tx.redriven_run(&of.event, &of.workflow, &of.contact, of.redrive + 1).await? {
        return Ok(Err(Refused::Redriven(known)));
    }
    let Some(event) = tx.event(&of.event).await? else { return Ok(Err(Refused::Unknown)) };
    if is_forgotten(event.received_at_ms, unit) {
        return Ok(Err(Refused::Forgotten));
    }
    if let Some(refused) = of_cancelled(tx, of.firing.as_deref()).await? {
        return Ok(Err(refused));
    }
    load_contacts(tx, unit, BTreeSet::from([of.contact.clone()])).await?;
    let evaluations: Vec<Evaluation> = serde_json::from_str(&event.evaluations)?;
    let started = evaluations.iter().find(|one| one.workflow == of.workflow);
    let Some(mut arrival) = arrival(&event, &of.workflow, started.map(|one| one.trigger.as_str()), unit)? else {
        return Ok(Err(Refused::Gone));
    };
    (arrival.firing, arrival.channel) = (of.firing.clone(), of.progress.channel.clone());
    if let Some(person) = unit.contact(&of.contact).map(known_person) {
        // Whom it was about then; what the event gave for that run only stays given.
        let given = of.progress.contact.clone();
        arrival
            .candidates
            .iter_mut()
            .for_each(|one| one.who = Ok(evaluate::Person { given: given.clone(), ..person.clone() }));
    }
    judge(tx, unit, &mut arrival).await?;
    let decided = evaluate::start_again(&mut arrival, &of, unit);
    let Some(run) = decided.run else { return Ok(Err(Refused::Rules(rule(decided.result, decided.reason)))) };
    unit.audit(who, "redrive", &format!("run {id}"), &run);
    Ok(Ok(run))
}

/// Judged on what retention has left of it, it would be another event.
fn is_forgotten(at_ms: i64, unit: &Unit<'_>) -> bool {
    at_ms < unit.now_ms - PAYLOAD_MS
}

/// Nothing of a cancelled campaign leaves any more.
async fn of_cancelled(tx: &mut Tx<'_>, firing: Option<&str>) -> anyhow::Result<Option<Refused>> {
    let Some(firing) = firing else { return Ok(None) };
    let states = tx.firing_states(&[firing]).await?;
    let ended = states.into_iter().find(|(_, state)| matches!(state.as_str(), "cancelling" | "cancelled"));
    Ok(ended.map(|(_, state)| Refused::Campaign(state)))
}

/// Only a run that has ended, and of which nothing was handed over.
fn may_begin_anew(of: &Run, sent: &[DeliveryRow]) -> Result<(), Refused> {
    if !of.state.is_terminal() {
        return Err(Refused::Run(of.state));
    }
    sent.iter().try_for_each(unsent)
}

// --- a message --------------------------------------------------------------------------------------------------------

async fn again_delivery(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    id: &str,
    who: &str,
) -> anyhow::Result<Result<String, Refused>> {
    load_settled(tx, unit, &[id]).await?;
    let Some(row) = unit.deliveries.get(id).cloned() else { return Ok(Err(Refused::Unknown)) };
    if let Err(refused) = unsent(&row) {
        return Ok(Err(refused));
    }
    if is_forgotten(row.delivery.planned_at_ms, unit) {
        return Ok(Err(Refused::Forgotten));
    }
    let firing = unit.run(&row.delivery.run).and_then(|run| run.firing.clone());
    if let Some(refused) = of_cancelled(tx, firing.as_deref()).await? {
        return Ok(Err(refused));
    }
    let in_group = unit.desk.deliveries.iter().find(|other| other.redrive_of.as_deref() == Some(id));
    let known = in_group.map(|other| other.id.clone());
    let known = known.or(tx.redrives(&[id]).await?.into_iter().next().map(|(_, copy)| copy));
    if let Some(known) = known {
        return Ok(Err(Refused::Redriven(known)));
    }
    let copy = copy_of(row.delivery, unit);
    let new = copy.id.clone();
    wait_for_copy(&copy, who, unit);
    unit.audit(who, "redrive", &format!("delivery {id}"), &new);
    unit.desk.deliveries.push(copy);
    Ok(Ok(new))
}

/// Whether a message is known not to have arrived; else why it is not sent again. What the platform itself told to have
/// failed did not arrive, unless an attempt before it may have; what it told to have arrived after that did.
pub(super) fn unsent(row: &DeliveryRow) -> Result<(), Refused> {
    let delivery = &row.delivery;
    let ended = matches!(delivery.state, DeliveryState::Rejected | DeliveryState::Skipped | DeliveryState::Cancelled);
    match row.status {
        Some(VendorStatus::Delivered | VendorStatus::Read) if ended => Err(Refused::Arrived(delivery.id.clone())),
        Some(VendorStatus::Failed) if delivery.state == DeliveryState::Accepted && !delivery.possible_duplicate => {
            Ok(())
        }
        _ if ended => Ok(()),
        _ => Err(Refused::Message { delivery: delivery.id.clone(), state: delivery.state }),
    }
}

/// The same message, from now on. What may have arrived although it was given up says so.
fn copy_of(old: Delivery, unit: &Unit<'_>) -> Delivery {
    let (now_ms, id) = (unit.now_ms, unit.clock.new_id());
    let possible_duplicate = may_have_arrived(&old);
    Delivery {
        run: old.run,
        workflow: old.workflow,
        step: old.step,
        caller: old.caller,
        purpose: old.purpose,
        outside_window: old.outside_window,
        reason: if old.rules.pace.is_some() { "pace" } else { "" }.to_owned(),
        expires_at_ms: now_ms + LIFE_MS.max(old.expires_at_ms - old.planned_at_ms),
        retry_limit: old.retry_limit,
        possible_duplicate,
        rules: old.rules,
        redrive_of: Some(old.id),
        ..Delivery::queued(id, old.contact, old.channel, old.message, now_ms, unit.clock.new_seed())
    }
}

/// A run that needs a person at the step of this message waits for it again; any other goes its own way.
fn wait_for_copy(copy: &Delivery, who: &str, unit: &mut Unit<'_>) {
    unit.change_run(&copy.run, |run, now_ms| {
        if run.state == RunState::NeedsAttention && run.progress.cursor == copy.step {
            (run.state, run.reason) = (RunState::Waiting, String::new());
            run.progress.waiting_for = Some(WaitingFor::Delivery);
        }
        let what = Sentence::SentAgain.with(&[who]);
        run.progress.trace.push(TraceEntry { at_ms: now_ms, step: copy.step.clone(), what });
    });
}

// --- an evaluation ----------------------------------------------------------------------------------------------------

async fn again_evaluation(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    id: &str,
    workflow: &str,
    who: &str,
) -> anyhow::Result<Result<String, Refused>> {
    let Some(mut row) = tx.event(id).await? else { return Ok(Err(Refused::Unknown)) };
    let mut evaluations: Vec<Evaluation> = serde_json::from_str(&row.evaluations)?;
    let last = evaluations.iter().filter(|one| one.workflow == workflow).max_by_key(|one| one.redrive);
    let Some(failed) = last.filter(|one| one.result == EvaluationResult::Failed).cloned() else {
        return Ok(Err(Refused::NotFailed));
    };
    if is_forgotten(row.received_at_ms, unit) {
        return Ok(Err(Refused::Forgotten));
    }
    let people = row.contact.clone().into_iter().collect();
    load_contacts(tx, unit, people).await?;
    let Some(mut arrival) = arrival(&row, workflow, Some(&failed.trigger), unit)? else {
        return Ok(Err(Refused::Gone));
    };
    if row.source == SCHEDULED {
        arrival.firing = tx.firing_of(workflow, &failed.trigger, row.at_ms).await?;
    }
    if let Some(refused) = of_cancelled(tx, arrival.firing.as_deref()).await? {
        return Ok(Err(refused));
    }
    judge(tx, unit, &mut arrival).await?;
    let mut starts = Starts::default();
    for candidate in std::mem::take(&mut arrival.candidates) {
        starts.offer(candidate, &arrival, unit);
    }
    let Some(judged) = starts.evaluations.pop() else { return Ok(Err(Refused::Gone)) };
    let result = word(judged.result);
    if let Some(firing) = arrival.firing.as_deref().filter(|_| campaign::is_usable(&judged)) {
        tx.count_row_again(firing, judged.result == EvaluationResult::Started).await?;
    }
    unit.audit(who, "redrive", &format!("event {id}"), &format!("{workflow} {result}"));
    evaluations.push(Evaluation { redrive: failed.redrive + 1, ..judged });
    let was = std::mem::replace(&mut row.evaluations, serde_json::to_string(&evaluations)?);
    row.failed = event::failed(&evaluations);
    tx.judged_again(&row, &was).await?;
    Ok(Ok(result))
}

/// An event as it was kept, for the one workflow as it serves today; `None` = it does not serve, or has no such trigger.
fn arrival(row: &EventRow, workflow: &str, trigger: Option<&str>, unit: &Unit<'_>) -> anyhow::Result<Option<Arrival>> {
    let Some(definition) = unit.deployed.definitions.get(workflow).filter(|one| one.workflow.enabled) else {
        return Ok(None);
    };
    let triggers = &definition.workflow.triggers;
    let Some(index) = triggers.iter().position(|one| Some(one.name.as_str()) == trigger) else { return Ok(None) };
    let data: Value = serde_json::from_str(&row.data)?;
    let known = || row.contact.as_deref().and_then(|id| unit.contact(id)).map(known_person);
    let who = match &triggers[index].kind {
        // The row of a file names them; whom the account listed is known by now.
        _ if definition.workflow.audience.is_some() => {
            campaign::person(definition, &data, row.at_ms).or_else(|why| known().ok_or(why))
        }
        TriggerKind::Webhook { .. } | TriggerKind::Schedule { .. } => {
            evaluate::person(&definition.workflow, &definition.settings, &data, row.at_ms)
        }
        _ => known().ok_or("no_contact"),
    };
    let channel = data.get("channel").and_then(Value::as_str).map(str::to_owned);
    let message = matches!(triggers[index].kind, TriggerKind::Message { .. });
    let event = NewEvent {
        source: row.source.clone(),
        name: row.name.clone(),
        data: Value::Null,
        at_ms: row.at_ms,
        dedupe: Dedupe { key: row.dedupe_key.clone(), keep_ms: 0, body_hash: row.body_hash.clone() },
    };
    Ok(Some(Arrival {
        id: row.id.clone(),
        event: Arc::new(event),
        data: Arc::new(data),
        contact: row.contact.clone(),
        firing: None,
        channel: channel.filter(|_| message),
        // It starts something, or nothing: what it answered or stopped then is over.
        contents: None,
        stops: Vec::new(),
        candidates: vec![Candidate::new(definition, index, Route::Observes, who)],
    }))
}

/// Reads whom it is about, what it is about and how often they were reached, and asks the conditions.
async fn judge(tx: &mut Tx<'_>, unit: &mut Unit<'_>, arrival: &mut Arrival) -> anyhow::Result<()> {
    load_people(tx, unit, std::slice::from_ref(arrival), &[]).await?;
    evaluate::judge(arrival, unit);
    load_identities(tx, unit, std::slice::from_ref(arrival)).await?;
    let holders = arrival.candidates.iter().filter_map(Candidate::identity);
    let holders = holders.filter_map(|(workflow, hash)| unit.holder(workflow, hash));
    let live = holders.filter(|(_, state)| !state.is_terminal()).map(|(run, _)| run).collect();
    load_runs(tx, unit, live).await?;
    limits::load(tx, unit, std::slice::from_ref(arrival)).await
}

fn rule(result: EvaluationResult, reason: String) -> String {
    if reason.is_empty() { word(result) } else { reason }
}

fn word(result: EvaluationResult) -> String {
    let word = serde_json::to_value(result).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
