//! Lanes: where messages wait for their turn, by which channel each of them leaves, and what of it is looked at in a group.
//!
//! A channel has a lane of its own, and one more for each workflow with a pace whose messages wait on it: a campaign that
//! may not go faster is stepped over as a whole, by the index, and stands in nobody's way. Invariant: a lane that anything
//! waits in has its turn, whether the project lists its channel or not.

use super::claim::earliest;
use super::deployed::Deployed;
use super::group::Context;
use super::scopes::Scopes;
use crate::config::{Channel, ChannelKind, Pace};
use crate::message::FOREIGN;
use crate::outbox::gate::{DAY_MS, PER_DAY};
use crate::rules::read_lane;
use crate::store::Tx;
use crate::store::deliveries::DueDelivery;
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

/// Deliveries looked at where there is no token: holds and skips need none.
const WITHOUT_TOKEN: usize = 4;
/// As many of a lane whose workflow may send: what is held for the night is out of the way soon.
const OF_A_PACE: usize = 16;

/// One lane's turn.
pub(super) struct Turn<'a> {
    pub(super) lane: String,
    pub(super) channel: Cow<'a, Channel>,
    /// Removed from the project: everything is held.
    pub(super) missing: bool,
    /// The workflow whose pace holds here, as it is deployed now.
    pub(super) pace: Option<(String, Pace)>,
    pub(super) due: VecDeque<DueDelivery>,
    /// There may be more than were read.
    pub(super) more: bool,
    /// It was looked at, and nothing was due.
    pub(super) idle: bool,
}

/// The lanes that have a turn: those of the project's channels, and those that anything waits in.
pub(super) fn lane_names<'a>(deployed: &'a Deployed, others: &'a BTreeSet<String>) -> Vec<&'a str> {
    let listed = deployed.settings.channels.iter().map(|channel| channel.name.as_str());
    let others = others.iter().map(String::as_str).filter(|lane| deployed.settings.channel(lane).is_none());
    listed.chain(others).collect()
}

/// What is known of a channel by its name. A line of the account that the project does not list is named by its uuid;
/// `None` = the project listed it once, and nobody can tell which line it was.
fn channel_of<'a>(deployed: &'a Deployed, name: &str) -> Option<Cow<'a, Channel>> {
    if let Some(listed) = deployed.settings.channel(name) {
        return Some(Cow::Borrowed(listed));
    }
    if FOREIGN.contains(&name) {
        // The account's main line of that kind.
        return Some(Cow::Owned(Channel { uuid: None, listed: false, ..unlisted(name) }));
    }
    let digits = name.chars().filter(char::is_ascii_hexdigit).count();
    let is_uuid = digits == 32 && name.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    is_uuid.then(|| Cow::Owned(unlisted(name)))
}

fn unlisted(name: &str) -> Channel {
    Channel {
        name: name.to_owned(),
        uuid: Some(name.to_owned()),
        title: None,
        default: false,
        kind: ChannelKind::Official,
        pace: Channel::PACE,
        listed: true,
    }
}

/// Reads what is due in a lane, as much of it as may leave; when to look again at one whose workflow may send nothing now.
pub(super) async fn begin<'a>(
    tx: &mut Tx<'_>,
    context: &Context<'a>,
    scopes: &Scopes,
    lane: &str,
    next_ms: &mut Option<i64>,
) -> anyhow::Result<Turn<'a>> {
    let (name, workflow) = read_lane(lane);
    let known = channel_of(context.deployed, name);
    let missing = known.is_none();
    let unknown =
        || Cow::Owned(Channel { name: name.to_owned(), ..context.deployed.settings.default_channel().clone() });
    let channel = known.unwrap_or_else(unknown);
    let pace = workflow.and_then(|id| Some((id.to_owned(), pace_of(context.deployed, id)?)));
    let unresolved = channel.listed && channel.uuid.is_none();
    let stands = missing || unresolved || scopes.stop(name, context.breakers).is_some();
    let mut turn =
        Turn { lane: lane.to_owned(), channel, missing, pace, due: VecDeque::new(), more: false, idle: false };
    if let Some((id, pace)) = turn.pace.as_ref().filter(|_| !stands)
        && let Err(due_ms) = scopes.pace_allows(id, *pace)
    {
        *next_ms = earliest(*next_ms, Some(due_ms));
        return Ok(turn);
    }
    let tokens = if stands { context.free } else { scopes.available(&turn.channel, turn.paced(), context.free) };
    let least = if workflow.is_some() { OF_A_PACE } else { WITHOUT_TOKEN };
    let most = tokens.max(least.min(context.free));
    let due = tx.claim_due_deliveries(lane, most, (tx.now_ms - DAY_MS, PER_DAY)).await?;
    turn.more = due.len() >= most || (missing && !due.is_empty());
    turn.idle = due.is_empty();
    turn.due = due.into();
    Ok(turn)
}

impl Turn<'_> {
    /// The workflow whose pace holds, as it is deployed now.
    pub(super) fn paced(&self) -> Option<(&str, Pace)> {
        self.pace.as_ref().map(|(id, pace)| (id.as_str(), *pace))
    }
}

fn pace_of(deployed: &Deployed, workflow: &str) -> Option<Pace> {
    deployed.definitions.get(workflow)?.workflow.settings.pace
}
