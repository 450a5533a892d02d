//! Duty: what one node does for all, such as posting to one target of the relay, which wants its events in order.
//!
//! Whoever is there first takes it and keeps it; when that node is gone, the next one that looks takes it. A node that
//! lost a duty finds another's name there before its next act. Invariant: two nodes that hear of each other never hold
//! the same duty.

use super::change::{Change, Changed};
use super::{Busy, Engine};

impl Engine {
    /// Whether this node is to do it now.
    pub(super) async fn on_duty(&self, name: &str) -> anyhow::Result<bool> {
        if !self.store().dialect().is_shared() {
            return Ok(true);
        }
        match self.store().duty(name).await? {
            Some(holder) => Ok(holder == self.node()),
            None => match self.change(Change::TakeDuty(name.to_owned())).await {
                Ok(Changed::Duty(taken)) => Ok(taken),
                Ok(_) | Err(Busy) => anyhow::bail!("the store did not take who is on duty"),
            },
        }
    }
}
