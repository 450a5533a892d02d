//! In flight: what becomes of live runs when a deploy changed their workflow. As a rule nothing: they end on the
//! definition they began with.
//!
//! ```text
//! deploy ─► row says `restart` ─► task: runs of older definitions, a few at a time ─► Change::Overtaken ─► group
//! ```
//! A campaign whose list is still read is seen to first (`campaigns`).
//!
//! What is left to do is part of the deploy's row: a kill leaves it there, and the next node takes it up. A run that has
//! handed anything over, a message or a call, is never begun anew: it ends as it began. Invariant: nothing is sent twice
//! because a workflow was deployed.

pub(super) mod campaigns;

use super::board::Place;
use super::campaign;
use super::change::{Change, Changed};
use super::deployed::{Definition, Deployed};
use super::evaluate::{self, Arrival, Candidate, Person, Route};
use super::limits;
use super::load::{load_contacts, load_identities, load_runs};
use super::loops::Loop;
use super::routing;
use super::unit::Unit;
use super::{Busy, Engine, Item, Shared};
use crate::config::Files;
use crate::event::{Dedupe, Evaluation, EvaluationResult, NewEvent};
use crate::run::{Run, RunState};
use crate::store::Tx;
use crate::store::deploys::DeployRow;
use crate::store::runs::DefinitionRow;
use crate::workflow::Audience;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// Runs of one change.
const CHUNK: u32 = 200;
const STORE_AGAIN_MS: i64 = 2_000;
/// How long a node may serve what another has replaced: until it has looked around twice.
const FOLLOWED_MS: i64 = 10_000;
const DUTY: &str = "in flight";

/// What becomes of live runs of a workflow that a deploy changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InFlight {
    /// They end on the definition they began with.
    #[default]
    Pin,
    /// Those that have handed nothing over begin anew, with the same event.
    Restart,
    /// They are stopped.
    Cancel,
}

impl InFlight {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Restart => "restart",
            Self::Cancel => "cancel",
        }
    }

    /// What is kept of it as work that is left.
    pub(super) fn stored(self) -> &'static str {
        if self == Self::Pin { "" } else { self.as_str() }
    }

    fn left(word: &str) -> Option<Self> {
        [Self::Restart, Self::Cancel].into_iter().find(|one| one.as_str() == word)
    }
}

/// Live runs that a deploy has overtaken.
#[derive(Debug, Clone)]
pub(super) struct Overtaken {
    pub(super) runs: Vec<String>,
    pub(super) manner: InFlight,
}

// --- beside the loop ------------------------------------------------------------------------------------------------

impl Loop {
    /// Sees to it that what a deploy asks for live runs is done, by one node.
    pub(super) fn see_to_in_flight(&mut self, row: &DeployRow) {
        let Some(manner) = InFlight::left(&row.in_flight) else { return };
        if self.versions.mover.as_ref().is_some_and(|(number, task)| *number == row.number && !task.is_finished()) {
            return;
        }
        let mover = Mover {
            place: self.shared.board.enlist(&format!("{DUTY} {}", row.number), self.queue.clone()),
            shared: self.shared.clone(),
            queue: self.queue.clone(),
            number: row.number,
            at_ms: row.at_ms,
            manner,
        };
        let queue = self.queue.clone();
        let task = self.beside.spawn(async move {
            mover.work().await;
            // Its place is empty now: whoever waits for quiet is answered.
            if let Some(queue) = queue.upgrade() {
                let _ = queue.send(Item::Rested).await;
            }
        });
        self.versions.mover = Some((row.number, task));
    }
}

struct Mover {
    shared: Arc<Shared>,
    queue: mpsc::WeakSender<Item>,
    place: Place,
    number: i64,
    at_ms: i64,
    manner: InFlight,
}

impl Mover {
    async fn work(mut self) {
        while !self.shared.draining.load(Ordering::SeqCst) && !self.place.has_ended() {
            self.place.look();
            let due_ms = match self.step().await {
                Ok(None) => return,
                Ok(Some(due_ms)) => due_ms,
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "live runs could not be moved: it is tried again soon"
                    );
                    self.shared.clock.now_ms() + STORE_AGAIN_MS
                }
            };
            self.place.rest(&self.shared.clock, due_ms).await;
        }
    }

    /// One pass over the live runs of older definitions; when there has to be another.
    async fn step(&self) -> anyhow::Result<Option<i64>> {
        let current = self.shared.store.current_deploy().await?;
        if current.is_none_or(|row| row.number != self.number || row.in_flight.is_empty()) {
            return Ok(None);
        }
        let engine = self.engine()?;
        if !engine.on_duty(DUTY).await? {
            return Ok(None);
        }
        let begun_ms = self.shared.clock.now_ms();
        let deployed = self.shared.deployed();
        self.campaigns(&engine, &deployed).await?;
        let (mut moved, mut kept) = (0, 0);
        for definition in self.shared.store.open_definitions().await? {
            if is_overtaken(&definition, &deployed) {
                let (of_it, not) = self.pass(&engine, &definition.hash).await?;
                (moved, kept) = (moved + of_it, kept + not);
            }
        }
        if moved + kept > 0 {
            tracing::info!(manner = self.manner.as_str(), runs = moved, kept, "live runs of changed workflows");
        }
        // Until then another node may have begun runs on what it served.
        let again_ms = self.at_ms + FOLLOWED_MS;
        if self.shared.store.dialect().is_shared() && begun_ms < again_ms {
            return Ok(Some(again_ms));
        }
        engine.change(Change::InFlightDone(self.number)).await.map_err(|Busy| anyhow::anyhow!("not taken"))?;
        Ok(None)
    }

    async fn pass(&self, engine: &Engine, definition: &str) -> anyhow::Result<(u64, u64)> {
        let (mut after, mut moved, mut kept) = (String::new(), 0, 0);
        loop {
            let runs = self.shared.store.live_runs_of(definition, &after, CHUNK).await?;
            let Some(last) = runs.last() else { return Ok((moved, kept)) };
            after.clone_from(last);
            let all = runs.len() as u64;
            let overtaken = Overtaken { runs, manner: self.manner };
            match engine.change(Change::Overtaken(overtaken)).await {
                Ok(Changed::Overtaken(these)) => (moved, kept) = (moved + these, kept + (all - these)),
                _ => anyhow::bail!("the store did not take them"),
            }
        }
    }

    fn engine(&self) -> anyhow::Result<Engine> {
        let queue = self.queue.upgrade().ok_or_else(|| anyhow::anyhow!("the engine has ended"))?;
        Ok(Engine { shared: self.shared.clone(), queue })
    }
}

/// Whether a workflow that serves differs from this definition of it by more than what the account says of templates.
/// One that is not there any more is not changed: its runs end as they began.
fn is_overtaken(old: &DefinitionRow, deployed: &Deployed) -> bool {
    let written = |files: &str| -> Option<Files> {
        let mut files: Files = serde_json::from_str(files).ok()?;
        files.remove("templates.lock.json");
        Some(files)
    };
    let current = deployed.definitions.get(&old.workflow);
    current.is_some_and(|current| current.hash != old.hash && written(&current.files) != written(&old.files))
}

// --- within a group ---------------------------------------------------------------------------------------------------

/// Loads the runs that are overtaken, with their people.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, overtaken: &[&Overtaken]) -> anyhow::Result<()> {
    let runs: BTreeSet<String> = overtaken.iter().flat_map(|one| one.runs.iter().cloned()).collect();
    if runs.is_empty() {
        return Ok(());
    }
    let people = load_runs(tx, unit, runs).await?;
    load_contacts(tx, unit, people).await
}

/// Stops the runs, and begins them anew where that is wanted: how many were stopped.
pub(super) async fn apply(tx: &mut Tx<'_>, unit: &mut Unit<'_>, overtaken: &Overtaken) -> anyhow::Result<u64> {
    let live: Vec<Run> = overtaken.runs.iter().filter_map(|id| unit.live_run(id)).cloned().collect();
    if overtaken.manner == InFlight::Cancel {
        live.iter().for_each(|run| unit.stop_run(&run.id, "cancelled"));
        return Ok(live.len() as u64);
    }
    let ids: Vec<&str> = live.iter().map(|run| run.id.as_str()).collect();
    let handed: HashSet<String> = tx.runs_that_handed_over(&ids).await?.into_iter().collect();
    // What a person has paused is that person's to end.
    let may = |run: &&Run| run.state != RunState::Paused && run.reached_at_ms.is_none() && !handed.contains(&run.id);
    let restarted: Vec<&Run> = live.iter().filter(may).collect();
    let events: Vec<&str> = restarted.iter().map(|run| run.event.as_str()).collect();
    let evaluations: HashMap<String, String> = tx.evaluations(&events).await?.into_iter().collect();
    let mut anew: Vec<(&Run, Arrival)> = Vec::new();
    for run in &restarted {
        let written = evaluations.get(&run.event).map_or("[]", String::as_str);
        if let Some(arrival) = arrival(run, written, unit) {
            anew.push((run, arrival));
        }
        unit.stop_run(&run.id, "restarted");
        unit.release_identities(&run.id);
    }
    let (runs, mut arrivals): (Vec<&Run>, Vec<Arrival>) = anew.into_iter().unzip();
    arrivals.iter_mut().for_each(|arrival| evaluate::judge(arrival, unit));
    load_identities(tx, unit, &arrivals).await?;
    limits::load(tx, unit, &arrivals).await?;
    for (run, arrival) in runs.into_iter().zip(&mut arrivals) {
        unit.release_identities(&run.id);
        for begun in routing::decide(arrival, unit).into_iter().filter_map(|evaluation| evaluation.run) {
            unit.mark_redriven(&begun, run);
        }
    }
    Ok(restarted.len() as u64)
}

/// The run's event, meant for its workflow as it serves now; `None` when its trigger is gone.
fn arrival(run: &Run, evaluations: &str, unit: &Unit<'_>) -> Option<Arrival> {
    let definition = unit.deployed.definitions.get(&run.workflow).filter(|one| one.workflow.enabled)?;
    let evaluations: Vec<Evaluation> = serde_json::from_str(evaluations).ok()?;
    let started = |one: &&Evaluation| one.workflow == run.workflow && one.result == EvaluationResult::Started;
    let name = &evaluations.iter().find(started)?.trigger;
    let trigger = definition.workflow.triggers.iter().position(|trigger| trigger.name == *name)?;
    let data = unit.event_of(&run.id)?;
    let candidate = Candidate::new(definition, trigger, Route::Observes, Ok(person(run, definition, &data, unit)));
    let dedupe = Dedupe { key: String::new(), keep_ms: 0, body_hash: String::new() };
    let event = NewEvent { source: String::new(), name: name.clone(), data: Value::Null, at_ms: unit.now_ms, dedupe };
    Some(Arrival {
        id: run.event.clone(),
        event: Arc::new(event),
        data,
        contact: Some(run.contact.clone()),
        firing: run.firing.clone(),
        channel: run.progress.channel.clone(),
        // It answers nothing and stops nothing: that was done when it came.
        contents: None,
        stops: Vec::new(),
        candidates: vec![candidate],
    })
}

/// The same person; what is given of them for the run only is read anew where the event says it.
fn person(run: &Run, definition: &Definition, data: &Value, unit: &Unit<'_>) -> Person {
    let read = || match &definition.workflow.audience {
        Some(Audience::File(_)) => campaign::person(definition, data, unit.now_ms),
        _ => evaluate::person(&definition.workflow, &definition.settings, data, unit.now_ms),
    };
    let read = evaluate::guarded(read).ok().and_then(Result::ok);
    let (given, consents) = match read {
        Some(read) => (read.given, read.consents),
        None => (run.progress.contact.clone(), false),
    };
    Person { id: Some(run.contact.clone()), given, consents, ..Person::default() }
}
