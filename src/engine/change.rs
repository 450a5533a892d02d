//! Change: what people, other systems and the tasks beside the loop ask to be written. Applied within a group, like
//! events and answers.
//!
//! One variant per thing that may be asked, each with its own file for what it does; here they only meet. Invariant: who
//! asked is answered after the commit.

use super::account::AccountFacts;
use super::group::Context;
use super::import::{self, Import, Imported};
use super::in_flight::{self, Overtaken};
use super::learn::{self, Learnt};
use super::load::load_settled;
use super::lookup::{self, Answered};
use super::operator::{self, NotSettled, Settle};
use super::repair::campaigns::{CampaignOrder, CampaignPart};
use super::repair::{self, Redrive, Refused, RunOrder};
use super::retention::Removal;
use super::scopes::Scopes;
use super::submit::{self, Submitted};
use super::take_back::{self, TakenBack};
use super::unit::Unit;
use super::{Busy, Engine, Item, couriers, rights, too_old};
use crate::attachment::Attachment;
use crate::delivery::{DeliveryState, Scope};
use crate::relay::Relay;
use crate::run::RunState;
use crate::store::Tx;
use crate::store::relay_targets::TargetRow;
use tokio::sync::oneshot;

/// Something to be written.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Ends pauses: what they held is looked at again.
    Resume { scopes: Vec<Scope>, who: String },
    /// A person says what became of an uncertain message.
    Settle(Settle),
    /// The account was asked for a person, or for a message.
    LookedUp(Box<Answered>),
    /// A message that a caller of the gateway asks for.
    Submit(submit::Numbered),
    /// A caller takes a message back that was not sent yet: the delivery's id.
    TakeBack(String),
    /// A token of the account's rate, for a call beside the sends.
    TakeToken,
    /// A target of the relay is subscribed, or changes.
    PutTarget(TargetRow),
    /// A target of that name is unsubscribed.
    DropTarget(String),
    /// What became of a post of the relay.
    Relayed(Box<Relay>),
    /// What became of fetching a file.
    Attached(Box<Attachment>),
    /// A target of the relay is gone: nothing waits for it any more.
    GiveUpRelays(String),
    /// Dead relays are posted again, by their ids, because somebody asked for it.
    RedriveRelays { ids: Vec<String>, who: String },
    /// What the account holds.
    Learn(Box<AccountFacts>),
    /// Alerts that are raised (name, words), and names of those that are over.
    Alert { raise: Vec<(String, String)>, clear: Vec<String> },
    /// Facts of the installation (name, value).
    Remember(Vec<(String, String)>),
    /// People of a file.
    Import(Box<Import>),
    /// Something that people order of runs.
    Runs(RunOrder),
    /// Something is done again, as a new row.
    Redrive(Redrive),
    /// Something that people order of a campaign.
    Campaign(CampaignOrder),
    /// A part of its runs follows.
    CampaignPart(CampaignPart),
    /// What an operator asks in the name of a person.
    Rights(rights::Ask),
    /// This node does something for all, by its name, unless another that lives does.
    TakeDuty(String),
    /// A deploy has overtaken live runs.
    Overtaken(Overtaken),
    /// A deploy has overtaken a campaign, and what is left of it goes by what serves.
    OvertakenCampaign(String),
    /// What the deploy of this number asked for live runs is done.
    InFlightDone(i64),
    /// What was kept long enough goes.
    Remove(Removal),
    /// Live runs that have not come to their end in all that time.
    TooOld(Vec<String>),
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Changed {
    /// How many pauses there were.
    Resumed(u64),
    Settled(Result<DeliveryState, NotSettled>),
    LookedUp,
    Submitted(Submitted),
    TakenBack(TakenBack),
    /// Whether there was one; else when there will be, Unix milliseconds.
    Token(Result<(), i64>),
    /// How many targets there were of that name.
    Targets(u64),
    /// It is written.
    Noted,
    /// How many relays are repeated.
    Redriven(u64),
    Learnt(Learnt),
    /// Per row.
    Imported(Vec<Imported>),
    /// Per run.
    Runs(Vec<Result<RunState, Refused>>),
    /// The new row, or its word.
    Redrive(Result<String, Refused>),
    /// The word that its runs follow from now on.
    Campaign(Result<&'static str, Refused>),
    /// Behind which run the next part begins; `None` = that was the last.
    CampaignPart(Option<String>),
    /// Whether there is such a person, and the hashes of files that nobody has any more.
    Rights(Option<Vec<String>>),
    /// Whether it is this node's.
    Duty(bool),
    /// How many runs were stopped.
    Overtaken(u64),
}

impl Change {
    pub(super) fn submission(&self) -> Option<&submit::Numbered> {
        match self {
            Self::Submit(submission) => Some(submission),
            _ => None,
        }
    }
}

impl Engine {
    /// Hands a change to the loop; answered after its commit.
    pub(super) async fn change(&self, change: Change) -> Result<Changed, Busy> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Item::Change { change: Box::new(change), reply }).await.map_err(|_| Busy)?;
        answer.await.unwrap_or(Err(Busy))
    }

    /// A token of the account's rate, for a call that is no send; else when there will be one, Unix milliseconds.
    pub(crate) async fn take_token(&self) -> Result<Result<(), i64>, Busy> {
        match self.change(Change::TakeToken).await? {
            Changed::Token(token) => Ok(token),
            _ => Err(Busy),
        }
    }

    /// Has the account's events handed on to a target; one of the same name is replaced.
    pub(crate) async fn put_target(&self, target: TargetRow) -> Result<(), Busy> {
        self.change(Change::PutTarget(target)).await.map(drop)
    }

    /// Hands nothing on to that target any more: how many there were of that name.
    pub(crate) async fn drop_target(&self, name: &str) -> Result<u64, Busy> {
        match self.change(Change::DropTarget(name.to_owned())).await? {
            Changed::Targets(dropped) => Ok(dropped),
            _ => Err(Busy),
        }
    }

    /// Raises alerts (name, words for people), and clears those that are over, by name.
    ///
    /// # Errors
    /// As [`Engine::resume`].
    pub async fn alert(&self, raise: Vec<(String, String)>, clear: Vec<String>) -> Result<(), Busy> {
        self.change(Change::Alert { raise, clear }).await.map(drop)
    }

    /// Keeps facts of this installation (name, value), over what was kept under the same name.
    ///
    /// # Errors
    /// As [`Engine::resume`].
    pub async fn remember(&self, facts: Vec<(String, String)>) -> Result<(), Busy> {
        self.change(Change::Remember(facts)).await.map(drop)
    }
}

/// Reads what changes are about, into the unit.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, changes: &[Change]) -> anyhow::Result<()> {
    for change in changes {
        if let Change::Import(import) = change {
            rights::know_people(tx, unit, &import.keys()).await?;
        }
    }
    submit::load(tx, unit, changes).await?;
    rights::load(tx, unit, changes).await?;
    take_back::load(tx, unit, changes).await?;
    let answered = changes.iter().filter_map(|change| match change {
        Change::LookedUp(answered) => Some(answered.as_ref()),
        _ => None,
    });
    lookup::load(tx, unit, &answered.collect::<Vec<_>>()).await?;
    let overtaken = changes.iter().filter_map(|change| match change {
        Change::Overtaken(overtaken) => Some(overtaken),
        _ => None,
    });
    in_flight::load(tx, unit, &overtaken.collect::<Vec<_>>()).await?;
    too_old::load(tx, unit, changes).await?;
    let ordered = changes.iter().filter_map(|change| match change {
        Change::Runs(order) => Some(order),
        _ => None,
    });
    repair::runs::load(tx, unit, &ordered.collect::<Vec<_>>()).await?;
    let settled = changes.iter().filter_map(|change| match change {
        Change::Settle(settle) => Some(settle.delivery.as_str()),
        _ => None,
    });
    load_settled(tx, unit, &settled.collect::<Vec<_>>()).await
}

/// Applies one change.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    change: &Change,
    context: &Context<'_>,
) -> anyhow::Result<Changed> {
    match change {
        Change::Resume { scopes, who } => Ok(Changed::Resumed(operator::resume(tx, unit, scopes, who).await?)),
        Change::Settle(settle) => Ok(Changed::Settled(operator::apply(settle, unit))),
        Change::LookedUp(answered) => {
            lookup::apply(answered, unit);
            Ok(Changed::LookedUp)
        }
        Change::Submit(submission) => Ok(Changed::Submitted(submit::apply(submission, unit)?)),
        Change::TakeBack(delivery) => Ok(Changed::TakenBack(take_back::apply(delivery, unit))),
        Change::TakeToken => {
            // Sends and other calls share the account's rate.
            let mut scopes = Scopes::load(tx, std::iter::empty(), context.deployed.settings.callbell.pace).await?;
            let taken = scopes.take_of_account(1);
            scopes.write(tx).await?;
            Ok(Changed::Token(taken))
        }
        Change::PutTarget(target) => Ok(Changed::Targets(tx.put_target(target).await?)),
        Change::DropTarget(name) => Ok(Changed::Targets(tx.drop_target(name).await?)),
        Change::Relayed(relay) => {
            unit.relayed.push(relay.as_ref().clone());
            Ok(Changed::Noted)
        }
        Change::Attached(file) => {
            unit.attached.push(file.as_ref().clone());
            Ok(Changed::Noted)
        }
        Change::GiveUpRelays(target) => {
            tx.give_up_relays(target, "nobody wants it any more").await.map(|_| Changed::Noted)
        }
        Change::RedriveRelays { ids, who } => {
            let copies = tx.redrive_relays(&couriers::copies(ids, context.clock)).await?;
            unit.audit(who, "redrive", "relay", &format!("{copies} of {}", ids.len()));
            Ok(Changed::Redriven(copies))
        }
        Change::Learn(facts) => Ok(Changed::Learnt(learn::apply(tx, facts, context.deployed).await?)),
        Change::Alert { raise, clear } => {
            tx.raise_alerts(raise).await?;
            tx.clear_alerts(clear).await?;
            Ok(Changed::Noted)
        }
        Change::Import(import) => Ok(Changed::Imported(import::apply(import, unit))),
        Change::Rights(ask) => Ok(Changed::Rights(rights::apply(tx, ask, unit).await?)),
        Change::Remember(facts) => {
            tx.remember(facts).await?;
            Ok(Changed::Noted)
        }
        Change::Overtaken(overtaken) => Ok(Changed::Overtaken(in_flight::apply(tx, unit, overtaken).await?)),
        Change::OvertakenCampaign(firing) => {
            in_flight::campaigns::apply(tx, unit, firing, context).await.map(|()| Changed::Noted)
        }
        Change::InFlightDone(number) => tx.end_in_flight(*number).await.map(|()| Changed::Noted),
        Change::TooOld(runs) => {
            too_old::apply(runs, unit);
            Ok(Changed::Noted)
        }
        Change::Remove(Removal::Rows(kept, ids)) => tx.remove_kept(*kept, ids).await.map(|()| Changed::Noted),
        Change::Remove(Removal::Progress(runs)) => tx.clear_progress(runs).await.map(|()| Changed::Noted),
        Change::Runs(order) => Ok(Changed::Runs(repair::runs::apply(order, unit))),
        Change::Redrive(redrive) => Ok(Changed::Redrive(repair::redrive::apply(tx, unit, redrive).await?)),
        Change::Campaign(order) => Ok(Changed::Campaign(repair::campaigns::apply(tx, unit, order, context).await?)),
        Change::CampaignPart(part) => {
            Ok(Changed::CampaignPart(repair::campaigns::apply_part(tx, unit, part, context).await?))
        }
        Change::TakeDuty(name) => Ok(Changed::Duty(tx.take_duty(name, context.node).await?)),
    }
}
