//! In hand: the deliveries whose calls this process makes, and the runs that wait for them, as it wrote them, so that an
//! answer needs no question to the store. Filled by what a group wrote and claimed, read by `load`.
//!
//! Invariant: kept only where no other process writes the rows, noted only after the commit that wrote them, and forgotten
//! when a group fails. A run that was written past this memory has another fence: the group that holds it fails, once.

use super::group::Done;
use super::unit::LiveRun;
use crate::delivery::DeliveryState;
use crate::store::deliveries::DeliveryRow;
use std::collections::HashMap;

/// By ids, as many as calls are open at most.
#[derive(Debug, Default)]
pub(super) struct InHand {
    deliveries: HashMap<String, DeliveryRow>,
    runs: HashMap<String, LiveRun>,
}

impl InHand {
    pub(super) fn row(&self, delivery: &str) -> Option<&DeliveryRow> {
        self.deliveries.get(delivery)
    }

    pub(super) fn run(&self, id: &str) -> Option<&LiveRun> {
        self.runs.get(id)
    }

    /// What a group that is committed made of them.
    pub(super) fn note(&mut self, done: &mut Done) {
        let mut runs = std::mem::take(&mut done.runs);
        self.runs.retain(|id, _| !runs.contains_key(id));
        let written = std::mem::take(&mut done.written);
        for row in written.into_iter().chain(std::mem::take(&mut done.claimed)) {
            let (id, run) = (row.delivery.id.clone(), row.delivery.run.clone());
            if row.delivery.state == DeliveryState::Sending {
                self.deliveries.insert(id, DeliveryRow { was: DeliveryState::Sending, ..row });
                self.runs.extend(runs.remove_entry(&run));
            } else {
                self.deliveries.remove(&id);
                self.runs.remove(&run);
            }
        }
    }
}
