//! Early: status events that came before the answer which tells whose they are. They wait in a table of their own.
//!
//! On a database of one process it is known whether an answer is awaited at all. Where several share it, the answer may
//! be awaited by another: what came early is kept for a while, asked for with each answer, and swept for what one node
//! kept while another recorded the answer. Invariant: a status is applied once, to the attempt that its answer names.

use super::group::{Context, Work};
use super::inbound::{self, Early};
use super::load::{load_contacts, load_runs};
use super::rights;
use super::sent::message_uuid;
use super::unit::Unit;
use crate::store::Tx;
use crate::store::attempts::AttemptRow;

/// How long a status is kept that nobody's answer names: longer than any call, and any trouble in writing its end.
const KEPT_MS: i64 = 10 * 60_000;
/// Statuses swept up in one group.
const SWEPT: usize = 256;

/// Applies what came before the answers of this group.
pub(super) async fn settle(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    work: &Work,
    context: &Context<'_>,
) -> anyhow::Result<()> {
    let uuids: Vec<&str> = work.calls.iter().filter_map(|call| message_uuid(&call.outcome)).collect();
    let asks = context.early || context.shared;
    let mut early = if asks { tx.early_statuses(&uuids).await? } else { Vec::new() };
    if context.shared && context.sweep {
        early.extend(tx.answered_early_statuses(SWEPT).await?);
    }
    if early.is_empty() {
        return Ok(());
    }
    let named: Vec<(&str, &str)> = early.iter().map(|(uuid, _, _)| (uuid.as_str(), "")).collect();
    tx.end_attempts(&std::mem::take(&mut unit.ends)).await?;
    load_attempts(tx, unit, &named).await?;
    let corrected = early.iter().filter_map(|(_, _, kept)| serde_json::from_str(kept).ok()).flat_map(Early::keys);
    rights::know_people(tx, unit, &corrected.collect::<Vec<_>>()).await?;
    for (uuid, status, kept) in &early {
        let of = |row: &&AttemptRow| row.message_uuid.as_ref() == Some(uuid);
        let attempt = unit.attempts.values().find(of).map(|row| row.id.clone());
        if let Some(attempt) = attempt {
            inbound::apply_early(&attempt, status, serde_json::from_str(kept)?, unit);
        }
    }
    let uuids: Vec<&str> = early.iter().map(|(uuid, _, _)| uuid.as_str()).collect();
    tx.forget_early_statuses(&uuids).await
}

/// The attempts, their deliveries, and the people: a status may close a person's window, and lines are written whole.
async fn load_attempts(tx: &mut Tx<'_>, unit: &mut Unit<'_>, named: &[(&str, &str)]) -> anyhow::Result<()> {
    for attempt in tx.attempts_by(named).await? {
        unit.attempts.insert(attempt.id.clone(), attempt);
    }
    let of_attempts = unit.attempts.values().map(|attempt| attempt.delivery.as_str());
    let unknown: Vec<&str> = of_attempts.filter(|id| !unit.deliveries.contains_key(*id)).collect();
    for row in tx.deliveries(&unknown).await? {
        unit.deliveries.insert(row.delivery.id.clone(), row);
    }
    // Whether a status started a run decides what its messages may start.
    let runs = unit.deliveries.values().map(|row| row.delivery.run.clone()).filter(|run| !run.is_empty()).collect();
    load_runs(tx, unit, runs).await?;
    let told = unit.attempts.values().filter_map(|attempt| unit.deliveries.get(&attempt.delivery));
    let people = told.map(|row| row.delivery.contact.clone()).collect();
    load_contacts(tx, unit, people).await
}

/// Drops what nobody waits for: whether any is kept after this group.
pub(super) async fn tidy(tx: &mut Tx<'_>, unit: &mut Unit<'_>, context: &Context<'_>) -> anyhow::Result<bool> {
    if context.shared {
        if context.sweep {
            tx.forget_early_statuses_until(tx.now_ms - KEPT_MS).await?;
        }
        return Ok(true);
    }
    if !context.calling {
        unit.early.clear();
        if context.early {
            tx.forget_early_statuses_until(i64::MAX).await?;
        }
    }
    Ok(!unit.early.is_empty() || (context.early && context.calling))
}
