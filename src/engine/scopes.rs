//! Scopes of one group: tokens of the account and of each line, and what is paused. Read once with their rows locked,
//! taken from in memory, written with the group.
//!
//! Invariant: a token is granted only from a row that no other writer can take from before the commit.

use crate::config::{Channel, Pace};
use crate::delivery::{Pause, Scope};
use crate::outbox::breaker::{Breaker, Stance};
use crate::outbox::gate::Stop;
use crate::outbox::rates::{self, Limit};
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
        channels: impl Iterator<Item = &str>,
        account: Pace,
    ) -> anyhow::Result<Self> {
        let now_ms = tx.now_ms;
        let account = Limit::of(account);
        let names: Vec<String> = channels.map(scope_of).chain([Scope::Account.to_string()]).collect();
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
            let lasting = row.pause.filter(|pause| pause.until_ms.is_none_or(|until_ms| now_ms < until_ms));
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

    /// How many messages of a line could leave now, at most `most`.
    pub(super) fn available(&self, channel: &Channel, most: usize) -> usize {
        let of_account = count(self.tat_us(&Scope::Account.to_string()), self.account, self.now_ms, most);
        let scope = scope_of(&channel.name);
        count(self.tat_us(&scope), self.limit(&scope, channel.pace), self.now_ms, of_account)
    }

    /// Takes a token of the account and one of the line, or none.
    ///
    /// # Errors
    /// When both will have one.
    pub(super) fn take(&mut self, channel: &Channel) -> Result<(), i64> {
        let (account, line) = (Scope::Account.to_string(), scope_of(&channel.name));
        let of_account = rates::take(self.tat_us(&account), self.account, self.now_ms);
        let of_line = rates::take(self.tat_us(&line), self.limit(&line, channel.pace), self.now_ms);
        match (of_account, of_line) {
            (Ok(account_us), Ok(line_us)) => {
                self.put(account, account_us);
                self.put(line, line_us);
                Ok(())
            }
            (of_account, of_line) => {
                Err(of_account.err().into_iter().chain(of_line.err()).max().unwrap_or(self.now_ms))
            }
        }
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

    /// When a message of this line may leave.
    pub(super) fn next_ms(&self, channel: &Channel) -> i64 {
        let scope = scope_of(&channel.name);
        let account = rates::take(self.tat_us(&Scope::Account.to_string()), self.account, self.now_ms);
        let line = rates::take(self.tat_us(&scope), self.limit(&scope, channel.pace), self.now_ms);
        account.err().into_iter().chain(line.err()).max().unwrap_or(self.now_ms)
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

fn scope_of(channel: &str) -> String {
    Scope::Channel(channel.to_owned()).to_string()
}
