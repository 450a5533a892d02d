//! In hand: the deliveries whose calls this process makes, as it wrote them, so that an answer needs no question to the
//! store. Filled by `claim`, read by `load`.
//!
//! Invariant: kept only where no other process writes the rows, noted only after the commit that wrote them, and forgotten
//! when a group fails.

use super::group::Done;
use crate::delivery::DeliveryState;
use crate::store::deliveries::DeliveryRow;
use std::collections::HashMap;

/// Rows by the delivery's id, as many as calls are open at most.
#[derive(Debug, Default)]
pub(super) struct InHand(HashMap<String, DeliveryRow>);

impl InHand {
    pub(super) fn row(&self, delivery: &str) -> Option<&DeliveryRow> {
        self.0.get(delivery)
    }

    /// What a group that is committed made of them.
    pub(super) fn note(&mut self, done: &mut Done) {
        let written = std::mem::take(&mut done.written);
        written.into_iter().chain(std::mem::take(&mut done.claimed)).for_each(|row| self.put(row));
    }

    fn put(&mut self, row: DeliveryRow) {
        match row.delivery.state {
            DeliveryState::Sending => {
                let was = DeliveryState::Sending;
                self.0.insert(row.delivery.id.clone(), DeliveryRow { was, ..row });
            }
            _ => drop(self.0.remove(&row.delivery.id)),
        }
    }
}
