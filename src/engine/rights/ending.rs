//! Ending: everything under way for a person who wants no more, or is erased, ends, in as many groups as it takes.
//!
//! ```text
//! wish ─► the first part, in its own group ─► a row says how far ─► the next part with each look at what is due
//! ```
//! Each run ends as any stopped run does: its calls, its subjects and its place in a line go with it. Nobody's timer fires
//! on this node until the last part is done, and the gate lets nothing through meanwhile. Invariant: what began after the
//! wish is not concerned, and a run that was in line when it came never begins.

use super::{MOST_WORK, guard};
use crate::engine::group::Context;
use crate::engine::load::{load_contacts, load_runs};
use crate::engine::unit::Unit;
use crate::run::Run;
use crate::store::Tx;
use crate::store::endings::EndingRow;
use std::collections::BTreeSet;

/// How long another node may take for its part, before it is looked at again.
const ELSEWHERE_MS: i64 = 250;

/// Reads what is under way for these people, to be ended. Where there is more of it than one group ends, a row says so.
pub(super) async fn load(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    contacts: &BTreeSet<String>,
    reason: &str,
) -> anyhow::Result<()> {
    guard::have_alone(tx, unit, contacts).await?;
    for contact in contacts {
        let row = EndingRow {
            id: unit.clock.new_id(),
            contact: contact.clone(),
            reason: reason.to_owned(),
            before_ms: unit.now_ms,
            after: String::new(),
        };
        let part = read(tx, unit, &row).await?;
        if let Some(after) = part.after {
            unit.rights.endings.push(EndingRow { after, ..row });
        }
    }
    Ok(())
}

/// What was read of what is under way.
struct Part {
    runs: Vec<String>,
    deliveries: Vec<String>,
    /// Behind which run the next part begins; `None` = that was all.
    after: Option<String>,
}

/// Reads one part into the unit.
async fn read(tx: &mut Tx<'_>, unit: &mut Unit<'_>, row: &EndingRow) -> anyhow::Result<Part> {
    let (runs, deliveries) = tx.open_work_of(row, MOST_WORK).await?;
    let more = runs.len() == MOST_WORK || deliveries.len() == MOST_WORK;
    let after = more.then(|| runs.last().unwrap_or(&row.after).clone());
    let unknown: Vec<&str> =
        deliveries.iter().map(String::as_str).filter(|id| !unit.deliveries.contains_key(*id)).collect();
    let mut concerned: BTreeSet<String> = runs.iter().cloned().collect();
    for row in tx.deliveries(&unknown).await? {
        // A message to this person may be a step of somebody else's run, which goes on.
        concerned.extend(Some(row.delivery.run.clone()).filter(|run| !run.is_empty()));
        unit.deliveries.insert(row.delivery.id.clone(), row);
    }
    let people = load_runs(tx, unit, concerned).await?;
    load_contacts(tx, unit, people).await?;
    Ok(Part { runs, deliveries, after })
}

/// Takes the next part of an end that one group was not enough for; when to look again, if any goes on.
pub(in crate::engine) async fn go_on(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    context: &Context<'_>,
) -> anyhow::Result<Option<i64>> {
    // What only another node has heard of is taken over when that one does not get to it.
    if !context.ending && !context.sweep {
        return Ok(None);
    }
    let Some(row) = tx.open_ending().await? else {
        let elsewhere = context.shared && tx.ending_goes_on().await?;
        return Ok(elsewhere.then_some(unit.now_ms + ELSEWHERE_MS));
    };
    let part = read(tx, unit, &row).await?;
    unit.rights.ended.push(row.clone());
    part.runs.iter().for_each(|run| unit.stop_run(run, &row.reason));
    for delivery in &part.deliveries {
        if unit.is_unsent(delivery) {
            unit.cancel_unsent(delivery, &row.reason);
        }
    }
    match part.after {
        Some(after) => unit.rights.endings.push(EndingRow { after, ..row }),
        None => tx.delete_ending(&row.id).await?,
    }
    Ok(Some(unit.now_ms))
}

/// Keeps what goes on in later groups.
pub(in crate::engine) async fn write(tx: &mut Tx<'_>, unit: &Unit<'_>) -> anyhow::Result<()> {
    tx.put_endings(&unit.rights.endings).await
}

impl Unit<'_> {
    /// Why a run of a person ends that has not ended yet; `None` = it may go on.
    pub(in crate::engine) fn ends(&self, run: &Run) -> Option<String> {
        let mut rows = self.rights.endings.iter().chain(&self.rights.ended);
        rows.find(|row| row.concerns(run)).map(|row| row.reason.clone())
    }

    /// Whether an end goes on behind this group.
    pub(in crate::engine) fn has_endings(&self) -> bool {
        !self.rights.endings.is_empty()
    }
}
