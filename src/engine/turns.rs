//! Turns: runs about the same go one after the other (`again: queue`), in order of arrival.
//!
//! Who is under way holds the identity; the others are `queued` with its hash. When a run of such a line ends, whatever
//! ended it, the next begins in the same transaction and takes the identity. Invariant: a line without a run under way is
//! empty, or its next run is due at once; whoever gets in line writes the row of the run before, so that of two nodes one
//! sees what the other did.

use super::advance::Input;
use super::identities;
use super::load::{load_contacts, load_runs};
use super::unit::Unit;
use crate::run::{Run, RunState, Sentence, WaitingFor};
use crate::store::Tx;
use crate::store::live::{IN_LINE, Place};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Runs of one line that may begin and end in one group; what is behind them begins with the next.
const MOST_AT_ONCE: usize = 32;

/// Workflow, and hash of what its runs are about.
type Line = (String, String);

/// Puts a new run behind the one that holds its identity.
pub(super) fn line_up(mut run: Run, before: &str, event: Arc<Value>, unit: &mut Unit) {
    run.state = RunState::Queued;
    run.progress.waiting_for = Some(WaitingFor::Turn);
    run.tell(unit.now_ms, Sentence::WaitsForTurn, &[]);
    // It may have begun under a version that knew no lines.
    let turn = run.turn.clone();
    unit.change_run(before, |before, _| before.turn = before.turn.take().or(turn));
    unit.line_up(run, event);
}

/// A run whose timer is due although it stands in line: its line has to be looked at.
pub(super) fn look_at(id: &str, unit: &mut Unit) {
    unit.change_run(id, |run, _| run.wake_at_ms = None);
    if let Some(line) = unit.run(id).and_then(line_of) {
        unit.lines_moved.insert(line);
    }
}

/// Begins what has its turn after everything that happened in this group.
pub(super) async fn pass(tx: &mut Tx<'_>, unit: &mut Unit<'_>) -> anyhow::Result<()> {
    for _ in 0..MOST_AT_ONCE {
        for (line, next) in next_runs(tx, unit).await? {
            begin(&line, &next, unit);
        }
        if unit.lines_moved.is_empty() {
            return Ok(());
        }
    }
    let now_ms = unit.now_ms;
    for next in next_runs(tx, unit).await?.into_values() {
        unit.change_run(&next, |run, _| run.wake_at_ms = Some(now_ms));
    }
    Ok(())
}

/// The next run of each line in which nothing is under way, loaded.
async fn next_runs(tx: &mut Tx<'_>, unit: &mut Unit<'_>) -> anyhow::Result<BTreeMap<Line, String>> {
    let moved = std::mem::take(&mut unit.lines_moved);
    let unknown: Vec<(&str, &str)> = moved
        .iter()
        .filter(|(workflow, turn)| unit.holder(workflow, turn).is_none())
        .map(|(workflow, turn)| (workflow.as_str(), turn.as_str()))
        .collect();
    identities::load(tx, unit, &unknown).await?;
    let is_free = |(workflow, turn): &Line| unit.holder(workflow, turn).is_none_or(|(_, state)| state.is_terminal());
    let free: BTreeSet<Line> = moved.into_iter().filter(is_free).collect();
    let next = first_of_each(tx, unit, free).await?;
    let mut people = load_runs(tx, unit, next.values().cloned().collect()).await?;
    people.extend(next.values().filter_map(|id| unit.run(id)).map(|run| run.contact.clone()));
    load_contacts(tx, unit, people).await?;
    Ok(next)
}

/// The oldest run in each of these lines, stored or begun in this group.
async fn first_of_each(
    tx: &mut Tx<'_>,
    unit: &Unit<'_>,
    free: BTreeSet<Line>,
) -> anyhow::Result<BTreeMap<Line, String>> {
    let mut first = BTreeMap::new();
    let mut after = String::new();
    let mut open = free.clone();
    while !open.is_empty() {
        let asked: Vec<_> =
            open.iter().map(|(workflow, turn)| (workflow.as_str(), turn.as_str(), after.as_str())).collect();
        let mut places = tx.next_in_line(&asked).await?;
        places.sort_by(|a, b| a.2.cmp(&b.2));
        let full = places.len() >= IN_LINE;
        after = places.last().map(|place| place.2.clone()).unwrap_or_default();
        for (workflow, turn, run) in places.into_iter().filter(|place| stands(place, unit)) {
            open.remove(&(workflow.clone(), turn.clone()));
            first.entry((workflow, turn)).or_insert(run);
        }
        if !full {
            break;
        }
    }
    for (line, run) in unit.runs_in_line().filter_map(|run| Some((line_of(run)?, run))) {
        if free.contains(&line) {
            let known = first.entry(line).or_insert_with(|| run.id.clone());
            if run.id < *known {
                known.clone_from(&run.id);
            }
        }
    }
    Ok(first)
}

/// Whether a run still stands in line after what happened in this group.
fn stands((_, _, run): &Place, unit: &Unit) -> bool {
    unit.run(run).is_none_or(|run| run.state == RunState::Queued && run.is_in_line())
}

fn begin((workflow, turn): &Line, next: &str, unit: &mut Unit) {
    let Some(run) = unit.run(next).filter(|run| run.is_in_line()).cloned() else { return };
    // It was live when the person wished that everything ends: whoever is behind it has the turn.
    if let Some(reason) = unit.ends(&run) {
        return unit.stop_run(next, &reason);
    }
    unit.take_identity(workflow, turn, &run);
    unit.change_run(next, |run, now_ms| run.tell(now_ms, Sentence::TurnCame, &[]));
    unit.move_run(next, &Input::Start);
}

fn line_of(run: &Run) -> Option<Line> {
    run.turn.clone().map(|turn| (run.workflow.clone(), turn))
}
