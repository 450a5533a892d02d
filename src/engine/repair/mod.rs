//! Repair: what people order of runs, messages, events and campaigns that did not go as they should.
//!
//! ```text
//! runs       retry, skip, pause, resume, cancel: by id, or all of one cause, part by part
//! redrive    an ended run, an unsent message, a failed evaluation: again, as a new row linked to the old one
//! campaigns  pause, resume, cancel: their runs and messages follow, part by part
//! ```
//! Everything is a change, applied within a group, and on record with who ordered it. Invariant: nothing that was
//! delivered, or may have been, is sent again by an order given here.

mod attention;
pub(super) mod campaigns;
pub(super) mod redrive;
pub(super) mod runs;

pub use attention::{Cause, Kind};
pub use campaigns::CampaignAct;
pub use runs::{Act, Tally};

pub(super) use redrive::Redrive;
pub(super) use runs::RunOrder;

use super::load::load_runs;
use super::operator::GIVEN_UP;
use super::unit::Unit;
use crate::delivery::{Delivery, DeliveryState};
use crate::run::RunState;
use crate::store::Tx;
use std::collections::{BTreeMap, BTreeSet};

/// Runs, or rows, that one group changes at most.
pub(super) const PART: usize = 500;
/// Why a message is held while its run, or its campaign, is paused.
const RUN_PAUSED: &str = "run_paused";
const CAMPAIGN_PAUSED: &str = "campaign_paused";

/// Why an order was not obeyed. Nothing was changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no such run, message, event or campaign.
    Unknown,
    /// The run's state does not allow it.
    Run(RunState),
    /// There is no step to be left out: it failed before the first.
    NoStep,
    /// This message of the run stands in the way.
    Message { delivery: String, state: DeliveryState },
    /// This message has arrived after all.
    Arrived(String),
    /// It was done again before, as this one.
    Redriven(String),
    /// The workflow does not serve any more.
    Gone,
    /// What it was made of was kept long enough, and is gone.
    Forgotten,
    /// The workflow's own rules say no today: its conditions, or another run about the same.
    Rules(String),
    /// No evaluation of that workflow has failed, or it was made up for.
    NotFailed,
    /// The campaign's state does not allow it.
    Campaign(String),
    /// Things of this kind are not repaired so, and not all at once.
    NoAct(Kind),
}

impl Refused {
    /// What is wrong, for people.
    pub fn error(&self) -> String {
        match self {
            Self::Unknown => "there is nothing of this id".into(),
            Self::Run(state) => format!("the run is `{}`", state.as_str()),
            Self::NoStep => "the run failed before its first step".into(),
            Self::Message { delivery, state } => format!("its message is `{}`: {delivery}", state.as_str()),
            Self::Arrived(delivery) => format!("its message has arrived: {delivery}"),
            Self::Redriven(as_one) => format!("it was done again before, as {as_one}"),
            Self::Gone => "its workflow does not serve any more".into(),
            Self::Forgotten => "what it was made of is not kept any more".into(),
            Self::Rules(reason) => format!("the workflow does not take it today: {reason}"),
            Self::NotFailed => "no evaluation of this workflow waits to be repeated".into(),
            Self::Campaign(state) => format!("the campaign is `{state}`"),
            Self::NoAct(kind) => format!("this cannot be done to every {} of a cause", kind.as_str()),
        }
    }

    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unknown => "`relance runs list` and `relance campaigns list` show what there is",
            Self::Run(RunState::NeedsAttention) => "it stands already: `retry`, `skip` or `cancel` it",
            Self::Run(RunState::Paused) => "`resume` it first, or `cancel` it",
            Self::Run(state) if state.is_terminal() => {
                "it has ended and never changes again: `relance runs redrive` starts a new one"
            }
            Self::Run(_) => "it goes on by itself: `cancel` it first",
            Self::NoStep => "`retry` it, or `cancel` it",
            Self::Message { state: DeliveryState::Uncertain, .. } => {
                "nobody can tell whether it arrived: say what became of it first, on the page of messages"
            }
            Self::Message { state: DeliveryState::Accepted, .. } | Self::Arrived(_) => {
                "it was handed over, and is not sent a second time"
            }
            Self::Message { .. } => "it is on its way: wait until it has ended",
            Self::Redriven(_) => "repeat that one instead, if it did not arrive either",
            Self::Gone => "serve a project that has it",
            Self::Forgotten => "events and messages are kept 30 days: have the event posted again",
            Self::Rules(_) => "change the workflow or the person, then try again",
            Self::NotFailed => "`GET /api/attention` lists those that do",
            Self::NoAct(Kind::Evaluation) => "only `retry` repairs an event that could not be judged",
            Self::NoAct(Kind::Delivery) => "say of each message what became of it, on the page of messages",
            Self::NoAct(Kind::Run) => "`retry`, `skip` or `cancel` them; one run is paused and resumed by its id",
            Self::NoAct(Kind::Campaign) => "`relance campaigns` resumes or cancels one",
            Self::Campaign(_) => "`relance campaigns show` tells how far it is",
        }
    }
}

/// Whether a message that ended as unsent may have arrived all the same: one that a person gave up, and one that was sent
/// again in doubt. What is sent in its place says so.
fn may_have_arrived(delivery: &Delivery) -> bool {
    delivery.possible_duplicate || (delivery.state == DeliveryState::Cancelled && delivery.reason == GIVEN_UP)
}

/// What people ordered in a group, beside what stands in the rows themselves.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// (run, step) → the message of that step that ended: the next one is linked to it. And whether it may have arrived.
    pub(super) again: BTreeMap<(String, String), (String, bool)>,
    /// Runs whose messages are held, each with why.
    held: Vec<(String, &'static str)>,
    /// Runs that go on: what their pause held leaves.
    released: Vec<String>,
    /// The same for runs of a campaign.
    let_go: Vec<String>,
    /// A campaign is to be fed.
    pub(super) campaigns: bool,
}

impl Orders {
    /// Whether anything goes on that may be due later than now.
    pub(super) fn releases(&self) -> bool {
        !(self.released.is_empty() && self.let_go.is_empty())
    }
}

/// Holds what this group plans, or puts back in its line, messages and calls, for runs that are paused or whose campaign
/// is. The campaign's row stays locked until the commit: who pauses it at this moment finds what was planned here.
pub(super) async fn hold_what_stands(tx: &mut Tx<'_>, unit: &mut Unit<'_>, planned: &[Delivery]) -> anyhow::Result<()> {
    let waits = |state| matches!(state, DeliveryState::Queued | DeliveryState::Held);
    let moved = unit.moved.iter().filter_map(|id| unit.deliveries.get(id)).map(|row| &row.delivery);
    let back = moved.filter(|delivery| waits(delivery.state)).chain(planned).map(|delivery| &delivery.run);
    let back = back.chain(unit.calls.waiting());
    let runs: BTreeSet<String> = back.chain(&unit.orders.released).filter(|run| !run.is_empty()).cloned().collect();
    if runs.is_empty() {
        return Ok(());
    }
    // Of a failure that the platform told of later, the run is not read yet.
    load_runs(tx, unit, runs.clone()).await?;
    let mut of_firings = BTreeMap::<String, Vec<String>>::new();
    for id in runs {
        let Some(run) = unit.run(&id) else { continue };
        if run.state == RunState::Paused {
            unit.orders.held.push((id, RUN_PAUSED));
        } else if let Some(firing) = &run.firing {
            of_firings.entry(firing.clone()).or_default().push(id);
        }
    }
    let firings: Vec<&str> = of_firings.keys().map(String::as_str).collect();
    for (firing, state) in tx.firing_states(&firings).await? {
        if campaigns::stands(&state) {
            let runs = of_firings.remove(&firing).unwrap_or_default();
            unit.orders.held.extend(runs.into_iter().map(|run| (run, CAMPAIGN_PAUSED)));
        }
    }
    Ok(())
}

/// Writes what was ordered for the messages and calls of runs, behind everything else that the group does to them. A call of
/// a run that is paused itself stays where it is: the claim passes it over.
pub(super) async fn write(tx: &mut Tx<'_>, orders: &Orders) -> anyhow::Result<()> {
    tx.release_deliveries_of(&orders.released, RUN_PAUSED).await?;
    tx.release_deliveries_of(&orders.let_go, CAMPAIGN_PAUSED).await?;
    tx.release_calls_of(&orders.let_go.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    tx.hold_deliveries_of(&orders.held).await?;
    let of_campaigns = orders.held.iter().filter(|(_, why)| *why == CAMPAIGN_PAUSED);
    tx.hold_calls_of(&of_campaigns.map(|(run, _)| run.as_str()).collect::<Vec<_>>()).await
}
