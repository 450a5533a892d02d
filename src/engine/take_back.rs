//! Taking back: a caller of the gateway deletes a message that was not sent yet. What is on its way, or was handed over,
//! is the account's to delete.
//!
//! Invariant: only messages of the gateway are taken back; those of a run belong to the run.

use super::change::{Change, Changed};
use super::unit::Unit;
use super::{Busy, Engine};
use crate::delivery::{DeliveryState, TAKEN_BACK};
use crate::store::Tx;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakenBack {
    /// It will not be sent.
    Cancelled,
    /// It stands in a state that no caller ends; `None` = there is no such message of the gateway.
    Stands(Option<DeliveryState>),
}

impl Engine {
    /// Cancels a message of the gateway, unless it has left already.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it.
    pub(crate) async fn take_back(&self, delivery: &str) -> Result<TakenBack, Busy> {
        match self.change(Change::TakeBack(delivery.to_owned())).await? {
            Changed::TakenBack(taken_back) => Ok(taken_back),
            _ => Err(Busy),
        }
    }
}

pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, changes: &[Change]) -> anyhow::Result<()> {
    let named = changes.iter().filter_map(|change| match change {
        Change::TakeBack(delivery) if !unit.deliveries.contains_key(delivery) => Some(delivery.as_str()),
        _ => None,
    });
    for row in tx.deliveries(&named.collect::<Vec<_>>()).await? {
        unit.deliveries.insert(row.delivery.id.clone(), row);
    }
    Ok(())
}

pub(super) fn apply(id: &str, unit: &mut Unit<'_>) -> TakenBack {
    let row = unit.deliveries.get(id).filter(|row| row.delivery.caller.is_some());
    match row.map(|row| row.delivery.state) {
        Some(DeliveryState::Queued | DeliveryState::Held) => {
            unit.change_delivery(id, |row| {
                row.delivery.state = DeliveryState::Cancelled;
                row.delivery.reason = TAKEN_BACK.to_owned();
            });
            TakenBack::Cancelled
        }
        state => TakenBack::Stands(state),
    }
}
