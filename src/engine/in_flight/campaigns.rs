//! Campaigns whose list is not read to its end when a deploy overtakes them: what is left of them begins by what serves now,
//! or not at all.
//!
//! Before the runs are looked at: what a campaign began by the older definition is there by then, and nothing follows.
//! Invariant: a part of the list that is under way is begun by the definition that the campaign's row names, or refused.

use super::{InFlight, Mover, is_overtaken};
use crate::engine::change::{Change, Changed};
use crate::engine::deployed::Deployed;
use crate::engine::group::Context;
use crate::engine::repair::CampaignAct;
use crate::engine::unit::Unit;
use crate::engine::{Busy, Engine};
use crate::store::Tx;
use crate::store::schedules::FiringRow;

/// Campaigns that are looked at together.
const PART: u32 = 200;
/// By whom a campaign is cancelled that a deploy has overtaken.
const WHO: &str = "serve";

impl Mover {
    /// Has campaigns of older definitions end, or go on by what serves.
    pub(super) async fn campaigns(&self, engine: &Engine, deployed: &Deployed) -> anyhow::Result<()> {
        let mut after = String::new();
        loop {
            let firings = self.shared.store.unread_campaigns(&after, PART).await?;
            let Some(last) = firings.last() else { return Ok(()) };
            after.clone_from(&last.id);
            for firing in &firings {
                let old = self.shared.store.definition(&firing.definition).await?;
                if old.is_some_and(|old| is_overtaken(&old, deployed)) {
                    self.overtake(engine, firing).await.map_err(|Busy| anyhow::anyhow!("a campaign was not taken"))?;
                }
            }
        }
    }

    async fn overtake(&self, engine: &Engine, firing: &FiringRow) -> Result<(), Busy> {
        match self.manner {
            InFlight::Pin => Ok(()),
            // Whoever has ended it meanwhile has ended it.
            InFlight::Cancel => engine.order_campaign(&firing.id, CampaignAct::Cancel, WHO).await.map(drop),
            InFlight::Restart => match engine.change(Change::OvertakenCampaign(firing.id.clone())).await? {
                Changed::Noted => Ok(()),
                _ => Err(Busy),
            },
        }
    }
}

/// What is left of a campaign begins by what serves. If that has another audience, a person has to look: where the list was
/// left means nothing there. What a person has paused is that person's to end.
pub(in crate::engine) async fn apply(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    id: &str,
    context: &Context<'_>,
) -> anyhow::Result<()> {
    let Some(firing) = tx.firing(id).await? else { return Ok(()) };
    let Some(definition) = unit.deployed.definitions.get(&firing.workflow) else { return Ok(()) };
    let workflow = &definition.workflow;
    let fires = workflow.enabled && workflow.triggers.iter().any(|trigger| trigger.name == firing.trigger);
    if fires && workflow.audience.as_ref().map(ToString::to_string) == firing.audience {
        tx.move_definition(id, &firing.definition, &definition.hash).await?;
    } else if matches!(firing.state.as_str(), "running" | "needs_attention") {
        tx.move_firing(id, &firing.state, ("needs_attention", "audience_changed"), context.node).await?;
    }
    // Whoever reads its list looks again.
    unit.orders.campaigns = true;
    Ok(())
}
