//! Change: what people, other systems and the tasks beside the loop ask to be written. Applied within a group, like
//! events and answers.
//!
//! One variant per thing that may be asked, each with its own file for what it does; here they only meet. Invariant: who
//! asked is answered after the commit.

use super::group::Context;
use super::unit::Unit;
use super::{Busy, Engine, Item, couriers};
use crate::delivery::Scope;
use crate::relay::Relay;
use crate::store::Tx;
use tokio::sync::oneshot;

/// Something to be written.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Ends pauses: what they held is looked at again.
    Resume(Vec<Scope>),
    /// What became of a post of the relay.
    Relayed(Box<Relay>),
    /// A target of the relay is gone: nothing waits for it any more.
    GiveUpRelays(String),
    /// Dead relays are posted again, by their ids.
    RedriveRelays(Vec<String>),
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Changed {
    /// How many pauses there were.
    Resumed(u64),
    /// It is written.
    Noted,
    /// How many relays are repeated.
    Redriven(u64),
}

impl Engine {
    /// Hands a change to the loop; answered after its commit.
    pub(super) async fn change(&self, change: Change) -> Result<Changed, Busy> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Item::Change { change: Box::new(change), reply }).await.map_err(|_| Busy)?;
        answer.await.unwrap_or(Err(Busy))
    }

    /// Ends pauses; what they held leaves by its rates.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it.
    pub async fn resume(&self, scopes: Vec<Scope>) -> Result<u64, Busy> {
        match self.change(Change::Resume(scopes)).await? {
            Changed::Resumed(ended) => Ok(ended),
            _ => Err(Busy),
        }
    }
}

/// Reads what changes are about, into the unit.
pub(super) async fn load(_tx: &mut Tx<'_>, _unit: &mut Unit<'_>, _changes: &[Change]) -> anyhow::Result<()> {
    Ok(())
}

/// Applies one change.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    change: &Change,
    context: &Context<'_>,
) -> anyhow::Result<Changed> {
    match change {
        Change::Resume(scopes) => {
            let ended = tx.resume(scopes).await?;
            tx.release_holds(&["channel_paused", "template_paused"]).await?;
            Ok(Changed::Resumed(ended))
        }
        Change::Relayed(relay) => {
            unit.relayed.push(relay.as_ref().clone());
            Ok(Changed::Noted)
        }
        Change::GiveUpRelays(target) => {
            tx.give_up_relays(target, "nobody wants it any more").await.map(|_| Changed::Noted)
        }
        Change::RedriveRelays(ids) => {
            Ok(Changed::Redriven(tx.redrive_relays(&couriers::copies(ids, context.clock)).await?))
        }
    }
}
