//! Scopes of one group: tokens of the account and of each line, and what is paused. Read once with their rows locked,
//! taken from in memory, written with the group.
//!
//! Invariant: a token is granted only from a row that no other writer can take from before the commit.

use crate::config::{Channel, Pace};
use crate::delivery::{Pause, Scope};
use crate::outbox::breaker::{Breaker, Stance};
use crate::outbox::gate::Stop;
use crate::outbox::rates::{self, Limit};
use crate::rules::read_lane;
use crate::store::Tx;
use std::collections::{BTreeSet, HashMap};

/// The breakers of this node, by the name of their channel.
pub(super) type Breakers = HashMap<String, Breaker>;

pub(super) struct Scopes {
    tats: HashMap<String, i64>,
    pauses: HashMap<Scope, Pause>,
    slow: BTreeSet<String>,
    taken: BTreeSet<String>,
    account: Limit,
    now_ms: i64,
}

impl Scopes {
    pub(super) async fn load(
        tx: &mut Tx<'_>,
        lanes: impl Iterator<Item = &str>,
        account: Pace,
    ) -> anyhow::Result<Self> {
        let now_ms = tx.now_ms;
        let account = Limit::of(account);
        let of_lane = |lane| {
            let (channel, workflow) = read_lane(lane);
            [Some(scope_of(channel)), workflow.map(pace_scope)].into_iter().flatten()
        };
        let names: BTreeSet<String> = lanes.flat_map(of_lane).chain([Scope::Account.to_string()]).collect();
        let names: Vec<String> = names.into_iter().collect();
        let mut scopes = Self {
            tats: HashMap::new(),
            pauses: HashMap::new(),
            slow: BTreeSet::new(),
            taken: BTreeSet::new(),
            account,
            now_ms,
        };
        for row in tx.lock_scopes(&names).await? {
            if row.slow_until_ms.is_some_and(|until_ms| now_ms < until_ms) {
                scopes.slow.insert(row.scope.clone());
            }
            let lasting = row.pause.filter(|pause| pause.stands(now_ms));
            if let (Some(pause), Some(scope)) = (lasting, Scope::parse(&row.scope)) {
                scopes.pauses.insert(scope, pause);
            }
            scopes.tats.insert(row.scope, row.tat_us);
        }
        Ok(scopes)
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub(super) fn account_is_paused(&self) -> bool {
        self.pauses.contains_key(&Scope::Account)
    }

    /// Why nothing of the account or of this line leaves.
    pub(super) fn stop(&self, channel: &str, breakers: &Breakers) -> Option<Stop> {
        let paused = |scope| self.pauses.get(&scope).map(|pause| pause.until_ms);
        let paused = paused(Scope::Account).or_else(|| paused(Scope::Channel(channel.to_owned())));
        if let Some(until_ms) = paused {
            return Some(Stop { reason: "channel_paused", until_ms });
        }
        match breakers.get(channel)?.stance(self.now_ms) {
            Stance::Open { until_ms } => Some(Stop { reason: "breaker_open", until_ms: Some(until_ms) }),
            Stance::Closed | Stance::Probe => None,
        }
    }

    /// Why nothing leaves by this template.
    pub(super) fn template_stop(&self, uuid: &str) -> Option<Stop> {
        let pause = self.pauses.get(&Scope::Template(uuid.to_owned()))?;
        Some(Stop { reason: "template_paused", until_ms: pause.until_ms })
    }

    /// How many messages of a line, and of a workflow with a pace, could leave now, at most `most`.
    pub(super) fn available(&self, channel: &Channel, pace: Option<(&str, Pace)>, most: usize) -> usize {
        let left = |most, (scope, limit): (String, Limit)| count(self.tat_us(&scope), limit, self.now_ms, most);
        self.buckets(channel, pace).fold(most, left)
    }

    /// Whether a workflow may send anything now.
    ///
    /// # Errors
    /// When it may.
    pub(super) fn pace_allows(&self, workflow: &str, pace: Pace) -> Result<(), i64> {
        rates::take(self.tat_us(&pace_scope(workflow)), Limit::of(pace), self.now_ms).map(drop)
    }

    /// Takes a token of the account, one of the line and one of the workflow with a pace, or none.
    ///
    /// # Errors
    /// When all of them will have one.
    pub(super) fn take(&mut self, channel: &Channel, pace: Option<(&str, Pace)>) -> Result<(), i64> {
        let take = |(scope, limit): (String, Limit)| {
            let taken = rates::take(self.tat_us(&scope), limit, self.now_ms);
            (scope, taken)
        };
        let all: Vec<_> = self.buckets(channel, pace).map(take).collect();
        if let Some(due_ms) = all.iter().filter_map(|(_, taken)| taken.err()).max() {
            return Err(due_ms);
        }
        for (scope, taken) in all {
            taken.into_iter().for_each(|tat_us| self.put(scope.clone(), tat_us));
        }
        Ok(())
    }

    /// Every bucket that a message needs a token of.
    fn buckets(&self, channel: &Channel, pace: Option<(&str, Pace)>) -> impl Iterator<Item = (String, Limit)> {
        let line = scope_of(&channel.name);
        let of_line = (line.clone(), self.limit(&line, channel.pace));
        let of_pace = pace.map(|(workflow, pace)| (pace_scope(workflow), Limit::of(pace)));
        [Some((Scope::Account.to_string(), self.account)), Some(of_line), of_pace].into_iter().flatten()
    }

    /// Takes so many tokens of the account, for calls that are no message, or none.
    ///
    /// # Errors
    /// When there will be another one.
    pub(super) fn take_of_account(&mut self, calls: usize) -> Result<(), i64> {
        let account = Scope::Account.to_string();
        let take = |tat_us, _| rates::take(tat_us, self.account, self.now_ms);
        let tat_us = (0..calls).try_fold(self.tat_us(&account), take)?;
        self.put(account, tat_us);
        Ok(())
    }

    /// When a message of this line, and of this workflow with a pace, may leave.
    pub(super) fn next_ms(&self, channel: &Channel, pace: Option<(&str, Pace)>) -> i64 {
        let due = |(scope, limit): (String, Limit)| rates::take(self.tat_us(&scope), limit, self.now_ms).err();
        self.buckets(channel, pace).filter_map(due).max().unwrap_or(self.now_ms)
    }

    pub(super) async fn write(&self, tx: &mut Tx<'_>) -> anyhow::Result<()> {
        let taken = self.taken.iter().map(|scope| (scope.clone(), self.tat_us(scope)));
        tx.update_buckets(&taken.collect::<Vec<_>>()).await
    }

    fn limit(&self, scope: &str, pace: Pace) -> Limit {
        let limit = Limit::of(pace);
        if self.slow.contains(scope) { limit.halved() } else { limit }
    }

    fn tat_us(&self, scope: &str) -> i64 {
        self.tats.get(scope).copied().unwrap_or(0)
    }

    fn put(&mut self, scope: String, tat_us: i64) {
        self.taken.insert(scope.clone());
        self.tats.insert(scope, tat_us);
    }
}

fn count(mut tat_us: i64, limit: Limit, now_ms: i64, most: usize) -> usize {
    let mut granted = 0;
    while granted < most
        && let Ok(next) = rates::take(tat_us, limit, now_ms)
    {
        (tat_us, granted) = (next, granted + 1);
    }
    granted
}

fn pace_scope(workflow: &str) -> String {
    Scope::Workflow(workflow.to_owned()).to_string()
}

fn scope_of(channel: &str) -> String {
    Scope::Channel(channel.to_owned()).to_string()
}
