//! Calls: steps that call out, from the commit that takes one to the commit that holds what came of it.
//!
//! ```text
//! advance ─► row `queued` ─► claim: `started` ─ commit ─► errand beside the loop ─► Item::Called ─► settle ─► advance
//! ```
//! `claim` takes what is due, `make` does it, `beside` is the loop's part, `own` keeps relance from hearing itself.
//! Where a kill may fall: after the claim's commit nobody knows whether the call was made; it is made again under the same
//! key, unless it could add something twice. Invariant: no byte is written before the commit that says so, and a result that is
//! not of the last taking changes nothing.

mod beside;
mod claim;
mod make;
mod own;

pub(super) use beside::Errands;
pub(super) use claim::{Room, claim};
pub(super) use own::{Own, load_own};

use super::advance::Input;
use super::claim::earliest;
use super::load::{load_contacts, load_runs};
use super::lookup;
use super::unit::Unit;
use crate::call::{CallState, Called, Outcome, StepCall};
use crate::connector::person::Whom;
use crate::connector::webhook::ContactFacts;
use crate::delivery::Scope;
use crate::outbox::settle::credentials_refused;
use crate::run::RunState;
use crate::store::Tx;
use std::collections::{BTreeSet, HashMap};

/// A call to be made after the commit.
#[derive(Debug)]
pub(super) struct Errand {
    call: StepCall,
    whom: Whom,
}

/// How one taking of a call ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    run: String,
    step: String,
    /// Which taking it is of.
    claims: u32,
    outcome: Outcome,
    /// What the account tells of the person now.
    facts: Option<Box<ContactFacts>>,
    /// The account refused whoever asks: the status, and for how long it wants silence.
    refuses: Option<(u16, Option<i64>)>,
}

impl Ended {
    fn of(call: &StepCall, outcome: Outcome) -> Self {
        let (run, step) = (call.run.clone(), call.step.clone());
        Self { run, step, claims: call.claims, outcome, facts: None, refuses: None }
    }
}

/// The calls of a group.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Read, by run and step.
    known: HashMap<(String, String), StepCall>,
    pub(super) planned: Vec<StepCall>,
    /// Whether this group planned any: they may begin with it.
    was_planned: bool,
    /// When the first of those that this group put off is due.
    due_ms: Option<i64>,
    settled: Vec<StepCall>,
    /// What relance lately changed of people in the account.
    pub(super) own: Own,
}

impl Desk {
    /// Runs of which this group leaves a call that is to begin, once more perhaps.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &String> {
        let again = self.settled.iter().filter(|call| call.state == CallState::Queued);
        self.planned.iter().chain(again).map(|call| &call.run)
    }
}

/// Reads the calls that ended, their runs and people.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, ended: &[Ended]) -> anyhow::Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    let steps: Vec<_> = ended.iter().map(|one| (one.run.as_str(), one.step.as_str())).collect();
    for call in tx.step_calls(&steps).await? {
        unit.calls.known.insert((call.run.clone(), call.step.clone()), call);
    }
    let people = load_runs(tx, unit, ended.iter().map(|one| one.run.clone()).collect()).await?;
    load_contacts(tx, unit, people).await?;
    let told = ended.iter().filter_map(|one| one.facts.as_ref());
    let named: BTreeSet<_> = told.flat_map(|facts| super::inbound::facts_keys(facts)).collect();
    unit.know_contacts(tx.contacts_by_keys(&named.into_iter().collect::<Vec<_>>()).await?);
    Ok(())
}

/// Applies how a taking ended, and moves its run on.
pub(super) fn settle(ended: &Ended, unit: &mut Unit<'_>) {
    let key = (ended.run.clone(), ended.step.clone());
    let current = |call: &&StepCall| call.state == CallState::Started && call.claims == ended.claims;
    let Some(call) = unit.calls.known.get(&key).filter(current).cloned() else { return };
    if let Some((status, wait_ms)) = ended.refuses {
        match wait_ms {
            Some(wait_ms) => unit.outbound.silence(unit.now_ms + wait_ms),
            None => unit.outbound.pause(Scope::Account, credentials_refused(status, unit.now_ms)),
        }
    }
    if let (Some(facts), Some(contact)) = (&ended.facts, unit.contact(&call.contact).cloned()) {
        lookup::note(contact, facts, unit);
    }
    let now_ms = unit.now_ms;
    let (mut call, told) = call.after(ended.outcome.clone(), now_ms);
    match unit.run_state(&call.run) {
        Some(RunState::Paused) if call.ended_at_ms.is_some() => wait_for_run(&mut call, now_ms),
        Some(RunState::Paused) => {}
        Some(state) if !state.is_terminal() => {
            let step = call.step.clone();
            let input = told.map(|called| Input::Called { step, called });
            input.iter().for_each(|input| unit.move_run(&call.run, input));
        }
        // It was stopped while the call was open: what is done is done, and nothing more is begun.
        _ if call.ended_at_ms.is_none() => (call.state, call.ended_at_ms) = (CallState::Cancelled, Some(now_ms)),
        _ => {}
    }
    if call.state == CallState::Queued {
        unit.calls.due_ms = earliest(unit.calls.due_ms, Some(call.due_at_ms));
    }
    unit.calls.known.insert(key, call.clone());
    unit.calls.settled.push(call);
}

/// Its run is paused by a person: it is told when it goes on, by the claim that finds the call ended.
fn wait_for_run(call: &mut StepCall, now_ms: i64) {
    (call.state, call.due_at_ms, call.ended_at_ms) = (CallState::Queued, now_ms, None);
}

/// The end that [`wait_for_run`] put off.
fn ended_before(call: &StepCall, now_ms: i64) -> Option<(StepCall, Called)> {
    let called = call.told()?;
    let state = match &called {
        Called::Failed { .. } => CallState::Failed,
        Called::Uncertain { .. } => CallState::Uncertain,
        _ => CallState::Done,
    };
    Some((StepCall { state, ended_at_ms: Some(now_ms), ..call.clone() }, called))
}

/// Writes the calls of a group, after its runs.
pub(super) async fn write(tx: &mut Tx<'_>, unit: &mut Unit<'_>) -> anyhow::Result<()> {
    tx.settle_step_calls(&std::mem::take(&mut unit.calls.settled).iter().collect::<Vec<_>>()).await?;
    let planned = std::mem::take(&mut unit.calls.planned);
    tx.plan_calls(&planned).await?;
    unit.calls.was_planned |= !planned.is_empty();
    if unit.deployed.calls_out || unit.pinned.calls_out() {
        let stopped: Vec<&str> = unit.cancelled.iter().map(|(run, _)| run.as_str()).collect();
        tx.cancel_calls_of(&stopped).await?;
    }
    Ok(())
}
