//! The loop's part: which calls are open, beginning those that a group took, and what nobody answers for any more.
//!
//! Invariant: what is open in this process is in `open` from the commit that takes it to the commit of its result.

use super::claim::Room;
use super::make::Means;
use super::{Ended, Errand};
use crate::call::{Outcome, StepCall};
use crate::connector::outgoing::Outgoing;
use crate::engine::Item;
use crate::engine::loops::Loop;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

/// Calls open at once.
const SLOTS: usize = 64;
/// Calls taken over at a time.
const TAKE_OVER: usize = 500;

/// The calls of this process that are under way.
#[derive(Default)]
pub(in crate::engine) struct Errands {
    /// By run, step and taking: whom it calls.
    open: HashMap<(String, String, u32), String>,
    /// Results that the store did not take yet.
    pub(in crate::engine) carried: Vec<Ended>,
    /// There are calls that no definition known here planned.
    pub(in crate::engine) found: bool,
    outgoing: Option<Outgoing>,
}

impl Ended {
    fn key(&self) -> (String, String, u32) {
        (self.run.clone(), self.step.clone(), self.claims)
    }
}

fn key(call: &StepCall) -> (String, String, u32) {
    (call.run.clone(), call.step.clone(), call.claims)
}

impl Errands {
    pub(in crate::engine) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.carried.is_empty()
    }

    /// These ended, and their results are written.
    pub(in crate::engine) fn forget(&mut self, ended: &[Ended]) {
        for one in ended {
            self.open.remove(&one.key());
        }
    }

    /// What is free once these have ended.
    fn room(&self, ended: &[Ended], account: bool) -> Room {
        let mut left = self.open.clone();
        ended.iter().for_each(|one| drop(left.remove(&one.key())));
        let mut lanes = HashMap::new();
        let free = SLOTS.saturating_sub(left.len());
        for lane in left.into_values() {
            *lanes.entry(lane).or_default() += 1;
        }
        Room { free, lanes, account }
    }
}

impl Loop {
    /// Slots for calls in a group that settles these; none where no workflow calls out.
    pub(in crate::engine) fn errand_room(&self, ended: &[Ended]) -> Room {
        let waits = self.stands() || self.shared.draining.load(Ordering::SeqCst);
        let calls_out = self.errands.found || self.shared.deployed().calls_out || self.pinned.calls_out();
        match calls_out && !waits {
            true => self.errands.room(ended, self.setup.callbell.is_some()),
            false => Room::default(),
        }
    }

    /// Makes the calls of a group that is committed. One that this node has no right to make any more is given up before its
    /// first byte.
    pub(in crate::engine) async fn begin_errands(&mut self, errands: Vec<Errand>) {
        if errands.is_empty() {
            return;
        }
        let may_call = self.may_call().await;
        let means = self.means();
        for errand in errands {
            self.errands.open.insert(key(&errand.call), errand.call.ask.lane());
            let Some(queue) = self.queue.upgrade().filter(|_| may_call) else {
                self.errands.carried.push(Ended::of(&errand.call, Outcome::NotBegun));
                continue;
            };
            let means = means.clone();
            self.beside.spawn(async move {
                let ended = means.make(errand).await;
                let _ = queue.send(Item::Called(ended)).await;
            });
        }
    }

    fn means(&mut self) -> Means {
        let settings = self.shared.deployed().settings.clone();
        if !self.errands.outgoing.as_ref().is_some_and(|outgoing| outgoing.is_for(&settings.allow_hosts)) {
            let outgoing = Outgoing::new(&settings.allow_hosts);
            let outgoing = outgoing.map(|made| made.by(self.setup.outside.http.clone()));
            self.errands.outgoing = outgoing.inspect_err(|error| tracing::error!("{error:#}")).ok();
        }
        Means {
            outgoing: self.errands.outgoing.clone(),
            callbell: self.setup.callbell.clone(),
            secrets: self.setup.outside.secrets.clone(),
        }
    }

    /// Finds calls for which nobody answers any more: those of the dead, and those of this node that it does not know of. A
    /// later group says what becomes of them.
    pub(in crate::engine) async fn find_abandoned(&mut self) -> anyhow::Result<()> {
        let mut tx = self.writer.begin().await?;
        self.errands.found |= tx.has_open_calls().await?;
        let most = TAKE_OVER + self.errands.open.len();
        let found = match self.errands.found {
            true => tx.unfinished_step_calls(&self.node.id, most).await?,
            false => Vec::new(),
        };
        tx.rollback().await?;
        let more = found.len() >= most;
        let left: Vec<StepCall> =
            found.into_iter().filter(|call| !self.errands.open.contains_key(&key(call))).collect();
        if !left.is_empty() {
            tracing::warn!(calls = left.len(), "steps were calling out when the process ended");
            self.errands.carried.extend(left.iter().map(|call| Ended::of(call, Outcome::Abandoned)));
        }
        // Those that are left are looked for by the next group.
        self.unsettled |= more;
        self.due_ms = 0;
        Ok(())
    }
}
