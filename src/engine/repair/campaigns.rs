//! Campaigns by hand: paused, resumed, cancelled. The fan-out stops at once, at its cursor; the runs and their messages
//! follow part by part.
//!
//! ```text
//! running, done ──► pausing ──► paused ──► resuming ──► running, done
//!        └────────────── any, by cancel ──────────────► cancelling ──► cancelled
//! ```
//! A kill in between leaves the word that ends in `ing`: the next process, or another node, goes on with it from the first
//! run. Another word may be ordered before the runs have followed: whoever walks for the one before stops then. Invariant:
//! each part may be done twice, and the last word is written with the last part, by one who did all parts before it.

use super::{CAMPAIGN_PAUSED, PART, Refused};
use crate::engine::change::{Change, Changed};
use crate::engine::group::Context;
use crate::engine::load::load_runs;
use crate::engine::unit::Unit;
use crate::engine::{Busy, Engine, Item};
use crate::store::Tx;
use crate::store::schedules::FiringRow;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// Why a campaign that stands goes back to `done`: there is nobody left to begin with.
const LIST_READ: &str = "list_read";

/// What is ordered of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignAct {
    Pause,
    Resume,
    Cancel,
}

impl CampaignAct {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }
}

/// An order on its way to the loop.
#[derive(Debug, Clone)]
pub(in crate::engine) struct CampaignOrder {
    pub(in crate::engine) firing: String,
    pub(in crate::engine) act: CampaignAct,
    pub(in crate::engine) who: String,
}

/// A part of the runs of a campaign, on its way to the loop.
#[derive(Debug, Clone)]
pub(in crate::engine) struct CampaignPart {
    pub(in crate::engine) firing: String,
    /// The word that its runs follow.
    pub(in crate::engine) word: String,
    /// Behind which run it begins; empty = with the first.
    pub(in crate::engine) after: String,
}

/// Whether what the runs of a campaign plan waits.
pub(super) fn stands(state: &str) -> bool {
    matches!(state, "pausing" | "paused" | "cancelling" | "cancelled")
}

impl Engine {
    /// Orders something of a campaign: its state when its runs have followed.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it; what was begun is gone on with. Within, why it is not possible.
    pub async fn order_campaign(
        &self,
        firing: &str,
        act: CampaignAct,
        who: &str,
    ) -> Result<Result<String, Refused>, Busy> {
        let order = CampaignOrder { firing: firing.to_owned(), act, who: who.to_owned() };
        let word = match self.change(Change::Campaign(order)).await? {
            Changed::Campaign(Ok(word)) => word,
            Changed::Campaign(Err(refused)) => return Ok(Err(refused)),
            _ => return Err(Busy),
        };
        // In a task of its own: whoever asked may hang up, and the runs follow all the same.
        let (queue, id) = (self.queue.clone(), firing.to_owned());
        let followed = tokio::spawn(async move { go_on(&queue, &id, word).await }).await;
        if !matches!(followed, Ok(Ok(()))) {
            return Err(Busy);
        }
        let stored = self.store().firing(firing).await.map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "a campaign could not be read");
            Busy
        })?;
        Ok(stored.map(|stored| stored.state).ok_or(Refused::Unknown))
    }
}

/// Has the runs of a campaign follow this word, part by part to the last, while it is its word.
pub(in crate::engine) async fn go_on(queue: &mpsc::Sender<Item>, firing: &str, word: &str) -> anyhow::Result<()> {
    let mut after = Some(String::new());
    while let Some(behind) = after {
        let (reply, answer) = oneshot::channel();
        let part = CampaignPart { firing: firing.to_owned(), word: word.to_owned(), after: behind };
        let change = Change::CampaignPart(part);
        queue.send(Item::Change { change: Box::new(change), reply }).await?;
        after = match answer.await? {
            Ok(Changed::CampaignPart(after)) => after,
            _ => anyhow::bail!("the store did not take a part of the campaign"),
        };
    }
    Ok(())
}

/// Stops the fan-out, or lets it begin again; the runs follow in parts.
pub(in crate::engine) async fn apply(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    order: &CampaignOrder,
    context: &Context<'_>,
) -> anyhow::Result<Result<&'static str, Refused>> {
    let Some(firing) = tx.firing(&order.firing).await?.filter(|firing| firing.audience.is_some()) else {
        return Ok(Err(Refused::Unknown));
    };
    let lives = firing.state != "done" || tx.lives(&firing.id).await?;
    let Some(next) = next_word(&firing, order.act, lives) else {
        return Ok(Err(Refused::Campaign(firing.state)));
    };
    let reason = match firing.state.as_str() {
        "done" => LIST_READ,
        "pausing" | "paused" | "resuming" => &firing.reason,
        _ => "",
    };
    tx.move_firing(&firing.id, &firing.state, (next, reason), context.node).await?;
    unit.audit(&order.who, order.act.as_str(), &format!("campaign {}", firing.id), &firing.workflow);
    Ok(Ok(next))
}

/// The word that an act puts on a campaign; `None` = its state does not allow it. What was begun may be ordered again.
fn next_word(firing: &FiringRow, act: CampaignAct, lives: bool) -> Option<&'static str> {
    match (act, firing.state.as_str()) {
        (_, "done") if !lives => None,
        (CampaignAct::Pause, "running" | "done" | "pausing") => Some("pausing"),
        (CampaignAct::Resume, "paused" | "resuming" | "needs_attention") => Some("resuming"),
        (
            CampaignAct::Cancel,
            "running" | "done" | "pausing" | "paused" | "resuming" | "needs_attention" | "cancelling",
        ) => Some("cancelling"),
        _ => None,
    }
}

/// One part of the runs follows; behind which run the next part begins, if there is one.
pub(in crate::engine) async fn apply_part(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    part: &CampaignPart,
    context: &Context<'_>,
) -> anyhow::Result<Option<String>> {
    let CampaignPart { firing: id, word, after } = part;
    let Some(firing) = tx.firing(id).await?.filter(|firing| firing.state == *word) else { return Ok(None) };
    let last_word = match firing.state.as_str() {
        "pausing" => ("paused", firing.reason.as_str()),
        "resuming" if firing.reason == LIST_READ => ("done", ""),
        "resuming" => ("running", ""),
        "cancelling" => ("cancelled", "cancelled"),
        _ => return Ok(None),
    };
    let runs = tx.runs_of_firing(id, after, PART).await?;
    match firing.state.as_str() {
        "pausing" => unit.orders.held.extend(runs.iter().map(|run| (run.clone(), CAMPAIGN_PAUSED))),
        "resuming" => unit.orders.let_go.extend(runs.iter().cloned()),
        _ => {
            load_runs(tx, unit, runs.iter().cloned().collect()).await?;
            runs.iter().for_each(|run| unit.stop_run(run, "cancelled"));
        }
    }
    if runs.len() == PART {
        return Ok(runs.last().cloned());
    }
    tx.move_firing(id, &firing.state, last_word, context.node).await?;
    unit.orders.campaigns = true;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing(state: &str) -> FiringRow {
        FiringRow {
            id: "f1".into(),
            workflow: "w".into(),
            trigger: "t".into(),
            scheduled_at_ms: 0,
            fired_at_ms: 0,
            state: state.into(),
            reason: String::new(),
            definition: "d".into(),
            audience: Some("people.csv".into()),
            audience_hash: None,
            cursor: 0,
            total: 0,
            counts: Default::default(),
            bad_rows: Vec::new(),
            node: None,
            walk: None,
        }
    }

    #[test]
    fn each_act_is_possible_where_it_means_something() {
        use CampaignAct::{Cancel, Pause, Resume};
        let word = |state, act| next_word(&firing(state), act, true);
        for (state, pause, resume, cancel) in [
            ("running", Some("pausing"), None, Some("cancelling")),
            ("done", Some("pausing"), None, Some("cancelling")),
            ("pausing", Some("pausing"), None, Some("cancelling")),
            ("paused", None, Some("resuming"), Some("cancelling")),
            ("resuming", None, Some("resuming"), Some("cancelling")),
            ("needs_attention", None, Some("resuming"), Some("cancelling")),
            ("cancelling", None, None, Some("cancelling")),
            ("cancelled", None, None, None),
            ("skipped", None, None, None),
        ] {
            let words = (word(state, Pause), word(state, Resume), word(state, Cancel));
            assert_eq!(words, (pause, resume, cancel), "{state}");
        }
        assert_eq!(next_word(&firing("done"), Pause, false), None, "nothing of it is left");
    }
}
