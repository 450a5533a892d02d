//! What is ordered of runs, by their ids or by what they have in common.
//!
//! Invariant: a step that sends is taken again, or left out, only when its last message has ended without having been
//! handed over.

use super::redrive::unsent;
use super::{PART, RUN_PAUSED, Refused, may_have_arrived};
use crate::delivery::{Delivery, DeliveryState};
use crate::engine::advance::{Input, Order};
use crate::engine::change::{Change, Changed};
use crate::engine::load::{load_contacts, load_runs};
use crate::engine::turns;
use crate::engine::unit::Unit;
use crate::engine::{Busy, Engine};
use crate::run::{Run, RunState};
use crate::store::Tx;
use crate::store::deliveries::DeliveryRow;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Runs of one cause that one order reaches at most; the next one goes on with the others.
const MOST: usize = 20 * PART;
/// Refusals that are told one by one.
pub(super) const TOLD: usize = 20;

/// What is ordered of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The step that failed is taken again.
    Retry,
    /// The run goes on behind that step.
    Skip,
    /// A paused run goes on; one that needs a person takes its step again.
    Resume,
    Pause,
    Cancel,
}

impl Act {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Resume => "resume",
            Self::Pause => "pause",
            Self::Cancel => "cancel",
        }
    }
}

/// An order on its way to the loop.
#[derive(Debug, Clone)]
pub(in crate::engine) struct RunOrder {
    pub(in crate::engine) runs: Vec<String>,
    pub(in crate::engine) act: Act,
    pub(in crate::engine) who: String,
}

/// What came of an order for one run: its state after it.
pub(in crate::engine) type Obeyed = Result<RunState, Refused>;

/// What came of an order for all runs of a cause.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    pub obeyed: usize,
    pub refused: usize,
    /// The first of those refused: run, and why.
    pub told: Vec<(String, Refused)>,
    /// There are more runs than one order reaches.
    pub more: bool,
}

impl Engine {
    /// Orders something of one run: its state after that.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it; within, why it is not possible.
    pub async fn order(&self, run: &str, act: Act, who: &str) -> Result<Result<RunState, Refused>, Busy> {
        let obeyed = self.order_all(vec![run.to_owned()], act, who).await?;
        Ok(obeyed.into_iter().next().unwrap_or(Err(Refused::Unknown)))
    }

    async fn order_all(&self, runs: Vec<String>, act: Act, who: &str) -> Result<Vec<Obeyed>, Busy> {
        match self.change(Change::Runs(RunOrder { runs, act, who: who.to_owned() })).await? {
            Changed::Runs(obeyed) => Ok(obeyed),
            _ => Err(Busy),
        }
    }

    /// Orders something of all runs that need a person for this cause, part by part.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take a part; what came before it was done.
    pub async fn order_cause(&self, workflow: &str, cause: &str, act: Act, who: &str) -> Result<Tally, Busy> {
        let (mut tally, mut after) = (Tally::default(), String::new());
        while tally.obeyed + tally.refused < MOST {
            let most = u32::try_from(PART).unwrap_or(u32::MAX);
            let found = self.store().runs_of_cause(workflow, cause, &after, most).await;
            let runs = found.map_err(|error| {
                tracing::error!(error = format!("{error:#}"), "the runs of a cause could not be read");
                Busy
            })?;
            let Some(last) = runs.last() else { return Ok(tally) };
            after.clone_from(last);
            for (run, obeyed) in runs.iter().zip(self.order_all(runs.clone(), act, who).await?) {
                tally.count(run, obeyed);
            }
            if runs.len() < PART {
                return Ok(tally);
            }
        }
        tally.more = true;
        Ok(tally)
    }
}

impl Tally {
    fn count(&mut self, run: &str, obeyed: Obeyed) {
        let Err(refused) = obeyed else { return self.obeyed += 1 };
        self.refused += 1;
        if self.told.len() < TOLD {
            self.told.push((run.to_owned(), refused));
        }
    }
}

/// Reads the runs, their people, and what their steps sent.
pub(in crate::engine) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, orders: &[&RunOrder]) -> anyhow::Result<()> {
    let ids: Vec<&str> = orders.iter().flat_map(|order| &order.runs).map(String::as_str).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let people = load_runs(tx, unit, ids.iter().map(|id| (*id).to_owned()).collect()).await?;
    load_contacts(tx, unit, people).await?;
    for row in tx.deliveries_of(&ids).await? {
        unit.deliveries.entry(row.delivery.id.clone()).or_insert(row);
    }
    Ok(())
}

pub(in crate::engine) fn apply(order: &RunOrder, unit: &mut Unit<'_>) -> Vec<Obeyed> {
    order.runs.iter().map(|run| obey(run, order.act, &order.who, unit)).collect()
}

fn obey(id: &str, act: Act, who: &str, unit: &mut Unit<'_>) -> Obeyed {
    let run = unit.run(id).ok_or(Refused::Unknown)?;
    let order = allowed(run, act)?;
    let (workflow, step) = (run.workflow.clone(), run.progress.cursor.clone());
    let last = last_of_step(unit.deliveries.values(), id, &step);
    if let (Some(Order::Retry | Order::Skip), Some(row)) = (order, last) {
        may_pass(row, order == Some(Order::Retry))?;
    }
    if let (Some(Order::Retry), Some(row)) = (order, last) {
        let again = (row.delivery.id.clone(), may_have_arrived(&row.delivery));
        unit.orders.again.insert((id.to_owned(), step.clone()), again);
    }
    match order {
        None => unit.stop_run(id, "cancelled"),
        Some(order) => unit.move_run(id, &Input::Ordered { order, who: who.to_owned() }),
    }
    match order {
        Some(Order::Pause) => unit.orders.held.push((id.to_owned(), RUN_PAUSED)),
        Some(Order::Resume) => {
            unit.orders.released.push(id.to_owned());
            if unit.run(id).is_some_and(Run::is_in_line) {
                // Those behind it may have gone before: its line is looked at again.
                turns::look_at(id, unit);
            }
        }
        _ => {}
    }
    unit.audit(who, act.as_str(), &format!("run {id}"), format!("{workflow} {step}").trim_end());
    unit.run(id).map(|run| run.state).ok_or(Refused::Unknown)
}

/// What an act comes to for a run in its state; `None` = it ends.
fn allowed(run: &Run, act: Act) -> Result<Option<Order>, Refused> {
    let state = run.state;
    match act {
        _ if state.is_terminal() => Err(Refused::Run(state)),
        Act::Cancel => Ok(None),
        Act::Resume if state == RunState::Paused => Ok(Some(Order::Resume)),
        Act::Retry | Act::Resume if state == RunState::NeedsAttention => Ok(Some(Order::Retry)),
        Act::Skip if state == RunState::NeedsAttention && run.progress.cursor.is_empty() => Err(Refused::NoStep),
        Act::Skip if state == RunState::NeedsAttention => Ok(Some(Order::Skip)),
        Act::Pause if !matches!(state, RunState::Paused | RunState::NeedsAttention) => Ok(Some(Order::Pause)),
        Act::Pause | Act::Retry | Act::Skip | Act::Resume => Err(Refused::Run(state)),
    }
}

/// The message of a step that was not done again.
fn last_of_step<'a>(rows: impl Iterator<Item = &'a DeliveryRow>, run: &str, step: &str) -> Option<&'a DeliveryRow> {
    let own: Vec<_> = rows.filter(|row| row.delivery.run == run && row.delivery.step == step).collect();
    let redriven: HashSet<&str> = own.iter().filter_map(|row| row.delivery.redrive_of.as_deref()).collect();
    own.iter().copied().find(|row| !redriven.contains(row.delivery.id.as_str()))
}

/// Whether the step of this message may be taken again, or left behind.
fn may_pass(row: &DeliveryRow, again: bool) -> Result<(), Refused> {
    let Delivery { id, state, .. } = &row.delivery;
    match state {
        DeliveryState::Rejected | DeliveryState::Skipped | DeliveryState::Cancelled if again => unsent(row),
        DeliveryState::Rejected | DeliveryState::Skipped | DeliveryState::Cancelled => Ok(()),
        DeliveryState::Accepted if !again => Ok(()),
        state => Err(Refused::Message { delivery: id.clone(), state: *state }),
    }
}
