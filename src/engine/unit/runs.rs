//! The runs of a unit of work, and the identities they hold.

use super::{Holder, Known, LiveRun, Origin, PlannedDelivery, Unit, poisoned};
use crate::delivery::DeliveryState;
use crate::engine::advance::{self, Effect, Facts, Input};
use crate::engine::deployed::Definition;
use crate::engine::evaluate;
use crate::run::{Run, RunState, Sentence};
use crate::store::deliveries::DeliveryRow;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

impl Unit<'_> {
    pub(in crate::engine) fn know_identity(&mut self, workflow: String, hash: String, run: String, state: RunState) {
        let holder = Holder { stored: Some(run.clone()), run, state, dirty: false, released: false };
        self.identities.entry((workflow, hash)).or_insert(holder);
    }

    /// Who holds it, by the present state of its run.
    pub(in crate::engine) fn holder(&self, workflow: &str, hash: &str) -> Option<(String, RunState)> {
        let holder = self.identities.get(&(workflow.to_owned(), hash.to_owned())).filter(|holder| !holder.released)?;
        let state = self.runs.get(&holder.run).map_or(holder.state, |known| known.row.run.state);
        Some((holder.run.clone(), state))
    }

    pub(in crate::engine) fn take_identity(&mut self, workflow: &str, hash: &str, run: &Run) {
        let key = (workflow.to_owned(), hash.to_owned());
        let stored = self.identities.get(&key).and_then(|holder| holder.stored.clone());
        self.identities
            .insert(key, Holder { run: run.id.clone(), state: run.state, stored, dirty: true, released: false });
    }

    pub(in crate::engine) fn taken_identities(&self) -> Vec<(String, String, String, Option<String>)> {
        let taken = self.identities.iter().filter(|(_, holder)| holder.dirty);
        taken
            .map(|((workflow, hash), holder)| {
                (workflow.clone(), hash.clone(), holder.run.clone(), holder.stored.clone())
            })
            .collect()
    }

    /// Whatever this run held may be taken by the one that begins anew for it.
    pub(in crate::engine) fn release_identities(&mut self, run: &str) {
        self.identities.values_mut().filter(|holder| holder.run == run).for_each(|holder| holder.released = true);
    }

    /// A run that has not ended.
    pub(in crate::engine) fn live_run(&self, id: &str) -> Option<&Run> {
        self.runs.get(id).map(|known| &known.row.run).filter(|run| !run.state.is_terminal())
    }

    /// The data of the event of a known run.
    pub(in crate::engine) fn event_of(&self, run: &str) -> Option<Arc<Value>> {
        self.runs.get(run).map(|known| known.row.event.clone())
    }

    /// A run of this group is another one done again.
    pub(in crate::engine) fn mark_redriven(&mut self, id: &str, of: &Run) {
        if let Some(known) = self.runs.get_mut(id) {
            (known.row.run.redrive_of, known.row.run.redrive) = (Some(of.id.clone()), of.redrive + 1);
        }
    }

    pub(in crate::engine) fn know_run(&mut self, run: Run, event: Arc<Value>) {
        let row = LiveRun { run, event };
        self.runs.entry(row.run.id.clone()).or_insert(Known { row, origin: Origin::Stored, dirty: false });
    }

    /// Takes in a new run that has to wait for its turn.
    pub(in crate::engine) fn line_up(&mut self, run: Run, event: Arc<Value>) {
        let row = LiveRun { run, event };
        self.runs.insert(row.run.id.clone(), Known { row, origin: Origin::New, dirty: true });
    }

    /// Runs that go one after the other wait for the end of this one: its place in their line is looked at then.
    fn note_end(&mut self, id: &str) {
        if let Some(run) = self.runs.get(id).map(|known| &known.row.run).filter(|run| run.state.is_terminal())
            && let Some(turn) = &run.turn
        {
            self.lines_moved.insert((run.workflow.clone(), turn.clone()));
        }
    }

    /// Starts a new run and moves it to its first pause.
    pub(in crate::engine) fn start_run(
        &mut self,
        run: Run,
        definition: &Arc<Definition>,
        event: Arc<Value>,
    ) -> RunState {
        let id = run.id.clone();
        self.runs.insert(id.clone(), Known { row: LiveRun { run, event }, origin: Origin::New, dirty: true });
        self.move_run_with(&id, &Input::Start, definition);
        self.runs.get(&id).map_or(RunState::NeedsAttention, |known| known.row.run.state)
    }

    /// Moves a known run on; one whose definition is gone needs a person.
    pub(in crate::engine) fn move_run(&mut self, id: &str, input: &Input) {
        let Some(known) = self.runs.get_mut(id).filter(|known| !known.row.run.state.is_terminal()) else { return };
        let run = &known.row.run;
        let current = self.deployed.definitions.get(&run.workflow).filter(|current| current.hash == run.definition);
        match current.or_else(|| self.pinned.get(&run.definition)).cloned() {
            Some(definition) => self.move_run_with(id, input, &definition),
            None => {
                known.row.run.state = RunState::NeedsAttention;
                known.row.run.reason = "its definition is missing".into();
                known.row.run.wake_at_ms = None;
                known.row.run.asks = None;
                known.dirty = true;
            }
        }
    }

    fn move_run_with(&mut self, id: &str, input: &Input, definition: &Arc<Definition>) {
        let Some(known) = self.runs.get(id) else { return };
        let LiveRun { run, event } = &known.row;
        let contact =
            self.contact_value(&run.contact, run.progress.channel.as_deref(), &run.progress.contact, definition);
        let facts = Facts {
            workflow: &definition.workflow,
            project: &definition.settings,
            event,
            contact: &contact,
            now_ms: self.now_ms,
        };
        let moved = evaluate::guarded(|| advance::advance(run.clone(), input, &facts));
        let (run, effects) = moved.unwrap_or_else(|()| (poisoned(run.clone()), Vec::new()));
        let run_id = run.id.clone();
        if let Some(known) = self.runs.get_mut(id) {
            // A run that has not moved is not written: the guard of a stored one would refuse it for ever.
            known.dirty |= known.row.run != run;
            known.row.run = run;
        }
        self.note_end(&run_id);
        for effect in effects {
            let run = run_id.clone();
            match effect {
                Effect::Deliver { step, expires_at_ms, retry_limit, planned } => {
                    self.planned.push(PlannedDelivery { run, step, expires_at_ms, retry_limit, planned: *planned });
                }
                Effect::Call { step, retry_limit, ask } => self.plan_call(run, step, retry_limit, *ask),
            }
        }
    }

    /// Stops a live run; what it has not handed over is cancelled.
    pub(in crate::engine) fn stop_run(&mut self, id: &str, reason: &str) {
        let now_ms = self.now_ms;
        let Some(known) = self.runs.get_mut(id) else { return };
        let run = &mut known.row.run;
        if run.state.is_terminal() {
            return;
        }
        run.leave_wait();
        run.state = RunState::Stopped;
        run.reason = reason.to_owned();
        run.ended_at_ms = Some(now_ms);
        run.progress.paused = None;
        run.tell(now_ms, Sentence::StoppedFor, &[reason]);
        known.dirty = true;
        self.planned.retain(|planned| planned.run != id);
        self.calls.planned.retain(|planned| planned.run != id);
        self.cancelled.push((id.to_owned(), reason.to_owned()));
        self.note_end(id);
    }

    /// Known runs of a person that have not ended.
    pub(in crate::engine) fn live_runs_of(&self, contact: &str) -> Vec<String> {
        let runs = self.runs.values().map(|known| &known.row.run);
        let live = runs.filter(|run| run.contact == contact && !run.state.is_terminal());
        live.map(|run| run.id.clone()).collect()
    }

    /// Changes a known run that has not ended.
    pub(in crate::engine) fn change_run(&mut self, id: &str, change: impl FnOnce(&mut Run, i64)) {
        if let Some(known) = self.runs.get_mut(id).filter(|known| !known.row.run.state.is_terminal()) {
            change(&mut known.row.run, self.now_ms);
            known.dirty = true;
        }
        self.note_end(id);
    }

    /// A message of this run was handed over: from its first one on it counts against the limit of its workflow.
    pub(super) fn reach(&mut self, id: &str) {
        let now_ms = self.now_ms;
        let Some(known) = self.runs.get_mut(id).filter(|known| known.row.run.reached_at_ms.is_none()) else { return };
        let run = &mut known.row.run;
        run.reached_at_ms = Some(now_ms);
        self.reached.note(&run.workflow, &run.contact, &run.event, now_ms);
        match run.ended_at_ms {
            None => known.dirty = true,
            Some(_) => self.reached_late.push((id.to_owned(), now_ms)),
        }
    }

    pub(in crate::engine) fn run_state(&self, id: &str) -> Option<RunState> {
        self.runs.get(id).map(|known| known.row.run.state)
    }

    /// Why the run of a delivery was stopped, if it was.
    pub(in crate::engine) fn stopped_reason(&self, delivery: &str) -> Option<String> {
        let delivery = &self.deliveries.get(delivery)?.delivery;
        let run = &self.runs.get(&delivery.run)?.row.run;
        // One that was done again after its run had ended is not the run's any more.
        let own = delivery.redrive_of.is_none() || run.ended_at_ms > Some(delivery.planned_at_ms);
        (run.state == RunState::Stopped && own).then(|| run.reason.clone())
    }

    /// The people of loaded runs that have a step left: it may ask for them.
    pub(in crate::engine) fn people_of_runs_that_go_on(&self) -> impl Iterator<Item = String> {
        let goes_on = |run: &&Run| match self.definition_of(run) {
            Some(definition) => definition.workflow.next_after(&run.progress.cursor).is_some(),
            None => false,
        };
        self.runs.values().map(|known| &known.row.run).filter(goes_on).map(|run| run.contact.clone())
    }

    /// Whether a status of a message started this run.
    pub(in crate::engine) fn is_of_status(&self, run: &str) -> bool {
        self.runs.get(run).is_some_and(|known| known.row.run.progress.of_status)
    }

    /// The hashes of definitions that live runs go by and that nobody has looked for yet: another node deployed them.
    pub(in crate::engine) fn unknown_definitions(&self) -> Vec<String> {
        let live = self.runs.values().map(|known| &known.row.run).filter(|run| !run.state.is_terminal());
        let unknown = live.filter(|run| self.definition_of(run).is_none() && !self.pinned.knows(&run.definition));
        unknown.map(|run| run.definition.clone()).collect()
    }

    pub(in crate::engine) fn run(&self, id: &str) -> Option<&Run> {
        self.runs.get(id).map(|known| &known.row.run)
    }

    pub(in crate::engine) fn all_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().map(|known| &known.row.run)
    }

    /// Runs that began in this group, each with its event.
    pub(in crate::engine) fn begun_runs(&self) -> impl Iterator<Item = (&Run, &Value)> {
        let begun = self.runs.values().filter(|known| known.origin == Origin::New);
        begun.map(|known| (&known.row.run, known.row.event.as_ref()))
    }

    /// Runs that stand in line as this group has them: what is stored may say otherwise until it is written.
    pub(in crate::engine) fn runs_in_line(&self) -> impl Iterator<Item = &Run> {
        let stands = |run: &&Run| run.state == RunState::Queued && run.is_in_line();
        self.runs.values().map(|known| &known.row.run).filter(stands)
    }

    /// Runs that ended in this group, and were stored before.
    pub(in crate::engine) fn ended_runs(&self) -> impl Iterator<Item = &Run> {
        let ended = |known: &&Known<LiveRun>| known.dirty && known.row.run.state.is_terminal();
        self.runs.values().filter(|known| known.origin == Origin::Stored).filter(ended).map(|known| &known.row.run)
    }

    pub(in crate::engine) fn knows_run(&self, id: &str) -> bool {
        self.runs.contains_key(id)
    }

    pub(in crate::engine) fn new_runs(&self) -> Vec<&Run> {
        let new = self.runs.values().filter(|known| known.origin == Origin::New);
        new.map(|known| &known.row.run).collect()
    }

    pub(in crate::engine) fn changed_runs(&self) -> Vec<&Run> {
        let changed = self.runs.values().filter(|known| known.origin == Origin::Stored && known.dirty);
        changed.map(|known| &known.row.run).collect()
    }

    /// The deliveries that were moved and all runs, as the store holds them once this is written.
    pub(in crate::engine) fn into_written(mut self) -> (Vec<DeliveryRow>, HashMap<String, LiveRun>) {
        let moved = self.moved.iter().filter_map(|id| self.deliveries.remove(id)).collect();
        let run = |(id, mut known): (String, Known<LiveRun>)| {
            // As the statement counts that writes it.
            known.row.run.fence += i64::from(known.origin == Origin::Stored && known.dirty);
            (id, known.row)
        };
        (moved, self.runs.into_iter().map(run).collect())
    }

    /// The earliest instant that something changed in this group is due at; what is due now was claimed or waits for a
    /// call to end.
    pub(in crate::engine) fn next_due_ms(&self) -> Option<i64> {
        let wakes = self.runs.values().filter(|known| known.dirty).filter_map(|known| known.row.run.wake_at_ms);
        let held = self.moved.iter().filter_map(|id| self.deliveries.get(id)).filter(|row| {
            matches!(row.delivery.state, DeliveryState::Held | DeliveryState::Uncertain) && row.delivery.due_at_ms > 0
        });
        wakes.chain(held.map(|row| row.delivery.due_at_ms)).min()
    }
}
