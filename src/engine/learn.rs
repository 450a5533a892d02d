//! Learn: what the account told is written, what differs from the project is told, and what waited for it is looked at
//! again. Within a group.
//!
//! Invariant: the group that learns judges with what it learnt (`overlaid`), so that what it releases is not held again
//! by yesterday's word.

use super::account::{Account, AccountFacts};
use super::change::{Change, Changed};
use super::deployed::Deployed;
use super::drift::{self, Drift, PREFIX};
use super::{Busy, Engine};
use crate::delivery::Scope;
use crate::store::Tx;
use crate::store::account::Holding;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Codes of a template that the platform itself paused, and opens again by itself.
const PAUSED: [i64; 1] = [132_015];

/// What came of learning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learnt {
    /// What differs since now, in words.
    pub raised: Vec<String>,
    /// Names of alerts that are over.
    pub cleared: Vec<String>,
    /// Pauses of templates that ended.
    pub resumed: u64,
}

impl Engine {
    /// Writes what the account told; from then on it is what the gate judges with.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it.
    pub async fn learn_account(&self, facts: AccountFacts) -> Result<Learnt, Busy> {
        let Changed::Learnt(learnt) = self.change(Change::Learn(Box::new(facts))).await? else { return Err(Busy) };
        for what in &learnt.raised {
            tracing::warn!(hint = "`relance templates lint` shows it whole", "the account differs: {what}");
        }
        for name in &learnt.cleared {
            tracing::info!(alert = name, "the account is as the project says again");
        }
        Ok(learnt)
    }
}

/// What serves, with what these changes tell of the account.
pub(super) fn overlaid(deployed: Arc<Deployed>, changes: &[Change]) -> Arc<Deployed> {
    let mut account = deployed.account.clone();
    for change in changes {
        if let Change::Learn(facts) = change {
            account = Arc::new(account.learn(facts));
        }
    }
    match *account == *deployed.account {
        true => deployed,
        false => Arc::new(deployed.with_account(account)),
    }
}

/// Writes what was told. `deployed` holds it already.
pub(super) async fn apply(tx: &mut Tx<'_>, facts: &AccountFacts, deployed: &Deployed) -> anyhow::Result<Learnt> {
    let before = Account::read(&tx.holdings().await?);
    write(tx, facts).await?;
    let mut learnt = review(tx, deployed).await?;
    let changed = changed_templates(&before, &deployed.account);
    learnt.resumed = resume(tx, facts, deployed, &changed).await?;
    if !changed.is_empty() || learnt.resumed > 0 {
        tx.release_holds(&["template_paused", "template_category", "template_changed"]).await?;
    }
    if before.channels != deployed.account.channels {
        tx.release_holds(&["channel_paused"]).await?;
    }
    Ok(learnt)
}

async fn write(tx: &mut Tx<'_>, facts: &AccountFacts) -> anyhow::Result<()> {
    let AccountFacts { templates, channels, teams, asked_at_ms: at_ms } = facts;
    put(tx, Holding::Template, templates.as_deref(), |one| &one.uuid, *at_ms).await?;
    put(tx, Holding::Channel, channels.as_deref(), |one| &one.uuid, *at_ms).await?;
    put(tx, Holding::Team, teams.as_deref(), |one| &one.uuid, *at_ms).await
}

/// `None` = the account was not asked, or did not answer: what is kept stays.
async fn put<T: Serialize>(
    tx: &mut Tx<'_>,
    kind: Holding,
    all: Option<&[T]>,
    uuid: impl Fn(&T) -> &String,
    at_ms: i64,
) -> anyhow::Result<()> {
    let Some(all) = all else { return Ok(()) };
    let row = |one| Ok((uuid(one).as_str(), serde_json::to_string(one)?));
    let rows = all.iter().map(row).collect::<anyhow::Result<Vec<_>>>()?;
    tx.put_holdings(kind, &rows, at_ms).await
}

/// Raises an alert for each difference, and clears those that are over.
pub(super) async fn review(tx: &mut Tx<'_>, deployed: &Deployed) -> anyhow::Result<Learnt> {
    let found = drift::drift(deployed);
    let standing = tx.alerts().await?;
    let is_new = |drift: &&Drift| !standing.iter().any(|alert| alert.name == drift.name && alert.what == drift.what);
    let raised: Vec<String> = found.iter().filter(is_new).map(|drift| drift.what.clone()).collect();
    let is_over = |name: &str| name.starts_with(PREFIX) && !found.iter().any(|drift| drift.name == name);
    let cleared: Vec<String> = standing.into_iter().map(|alert| alert.name).filter(|name| is_over(name)).collect();
    tx.raise_alerts(&found.into_iter().map(|drift| (drift.name, drift.what)).collect::<Vec<_>>()).await?;
    tx.clear_alerts(&cleared).await?;
    Ok(Learnt { raised, cleared, resumed: 0 })
}

/// Templates of which the account tells something else than before.
fn changed_templates(before: &Account, now: &Account) -> BTreeSet<String> {
    if before.templates == now.templates {
        return BTreeSet::new();
    }
    let uuids = [before, now].into_iter().filter_map(|account| account.templates.as_ref()).flat_map(|all| all.keys());
    uuids.filter(|uuid| before.template(uuid) != now.template(uuid)).cloned().collect()
}

/// Ends the pauses of approved templates that are older than the account's word. One that the template's own content
/// caused ends only when the account tells something else of it: else one message an hour would be burnt.
async fn resume(
    tx: &mut Tx<'_>,
    facts: &AccountFacts,
    deployed: &Deployed,
    changed: &BTreeSet<String>,
) -> anyhow::Result<u64> {
    if facts.templates.is_none() {
        return Ok(0);
    }
    let is_over = |(scope, pause): &(Scope, crate::delivery::Pause)| match scope {
        Scope::Template(uuid) => {
            let approved = deployed.account.template(uuid).is_some_and(|now| now.status == "approved");
            let by_itself = pause.code.is_none_or(|code| PAUSED.contains(&code)) || changed.contains(uuid);
            approved && by_itself && pause.since_ms < facts.asked_at_ms
        }
        _ => false,
    };
    let over: Vec<Scope> = tx.pauses().await?.into_iter().filter(is_over).map(|(scope, _)| scope).collect();
    tx.resume(&over).await
}
