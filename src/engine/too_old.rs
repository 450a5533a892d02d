//! Too old: a run that has not come to its end within 400 days is stopped, wherever it stands. What it waited for does not
//! come any more, and what it knows of the person is not true any more.
//!
//! ```text
//! retention, once a day ─► live runs begun before that, by their ids ─► Change::TooOld, at most 200 ─► group
//! ```
//! Invariant: a call in flight ends and is recorded; no further step is taken.

use super::change::Change;
use super::load::{load_contacts, load_runs};
use super::unit::Unit;
use super::{Busy, Engine};
use crate::run::LONGEST_DAYS;
use crate::store::Tx;
use std::collections::BTreeSet;

/// How long a run may live.
pub(super) const LIFE_MS: i64 = LONGEST_DAYS * 24 * 3_600_000;
const REASON: &str = "too_old";
/// Runs stopped in one commit.
const STOPPED: u32 = 200;

impl Engine {
    /// Stops the runs that are too old: how many there were.
    pub(super) async fn stop_what_is_too_old(&self, now_ms: i64) -> anyhow::Result<usize> {
        let (mut after, mut stopped) = (String::new(), 0);
        loop {
            let runs = self.store().live_runs_before(now_ms - LIFE_MS, &after, STOPPED).await?;
            let Some(last) = runs.last() else { return Ok(stopped) };
            after.clone_from(last);
            stopped += runs.len();
            let taken = self.change(Change::TooOld(runs)).await;
            taken.map_err(|Busy| anyhow::anyhow!("the store does not take it now"))?;
        }
    }
}

/// Loads the runs, with their people.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, changes: &[Change]) -> anyhow::Result<()> {
    let runs = changes.iter().filter_map(|change| match change {
        Change::TooOld(runs) => Some(runs.iter().cloned()),
        _ => None,
    });
    let runs: BTreeSet<String> = runs.flatten().collect();
    if runs.is_empty() {
        return Ok(());
    }
    let people = load_runs(tx, unit, runs).await?;
    load_contacts(tx, unit, people).await
}

/// Stops them; those that have ended meanwhile stay as they are.
pub(super) fn apply(runs: &[String], unit: &mut Unit<'_>) {
    runs.iter().for_each(|run| unit.stop_run(run, REASON));
}
