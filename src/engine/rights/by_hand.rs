//! By hand: what an operator asks in the name of a person.
//!
//! Invariant: each act is on record with who asked for it, and names nobody but by our id.

use super::{ending, forget};
use crate::consent::{self, Entry};
use crate::contact::{Contact, Withdrawal, WithdrawalScope};
use crate::engine::change::{Change, Changed};
use crate::engine::load::load_contacts;
use crate::engine::unit::Unit;
use crate::engine::{Busy, Engine};
use crate::store::Tx;
use std::collections::BTreeSet;

/// Something asked in the name of a person, by our id.
#[derive(Debug, Clone)]
pub(in crate::engine) enum Ask {
    Withdraw {
        contact: String,
        scope: WithdrawalScope,
        who: String,
    },
    /// Every withdrawal is lifted.
    Allow {
        contact: String,
        who: String,
    },
    /// What is held was handed out.
    Exported {
        contact: String,
        who: String,
    },
    Erase(Box<forget::Erasure>),
}

impl Ask {
    fn contact(&self) -> &str {
        match self {
            Self::Withdraw { contact, .. } | Self::Allow { contact, .. } | Self::Exported { contact, .. } => contact,
            Self::Erase(erasure) => &erasure.contact,
        }
    }

    /// Why what is under way for the person ends; `None` = it goes on.
    fn ends_work(&self) -> Option<&'static str> {
        match self {
            Self::Withdraw { scope: WithdrawalScope::All, .. } => Some(super::stop::OPTED_OUT),
            Self::Erase(erasure) if erasure.forgotten_by.is_some() => Some(forget::ERASED),
            _ => None,
        }
    }
}

impl Engine {
    /// Notes that a person wants no more, on an operator's word; with scope `All` what is under way for them ends.
    /// Whether there is such a person.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it.
    pub async fn withdraw(&self, contact: &str, scope: WithdrawalScope, who: &str) -> Result<bool, Busy> {
        self.ask(Ask::Withdraw { contact: contact.to_owned(), scope, who: who.to_owned() }).await
    }

    /// Lifts every withdrawal of a person, on an operator's word. Whether there is such a person.
    ///
    /// # Errors
    /// As [`Engine::withdraw`].
    pub async fn allow(&self, contact: &str, who: &str) -> Result<bool, Busy> {
        self.ask(Ask::Allow { contact: contact.to_owned(), who: who.to_owned() }).await
    }

    /// Keeps that everything held of a person was handed out.
    ///
    /// # Errors
    /// As [`Engine::withdraw`].
    pub async fn exported(&self, contact: &str, who: &str) -> Result<bool, Busy> {
        self.ask(Ask::Exported { contact: contact.to_owned(), who: who.to_owned() }).await
    }

    async fn ask(&self, ask: Ask) -> Result<bool, Busy> {
        match self.change(Change::Rights(ask)).await? {
            Changed::Rights(done) => Ok(done.is_some()),
            _ => Err(Busy),
        }
    }

    /// What is on record of a person's consent, the oldest first; what was withdrawn in an earlier life included.
    ///
    /// # Errors
    /// What the database said.
    pub async fn consent_history(&self, contact: &Contact) -> anyhow::Result<Vec<Entry>> {
        let marks = consent::person_marks(&self.shared.key, contact);
        self.shared.store.consent_history(&contact.id, &marks).await
    }
}

pub(in crate::engine) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, changes: &[Change]) -> anyhow::Result<()> {
    let asks = || {
        changes.iter().filter_map(|change| match change {
            Change::Rights(ask) => Some(ask),
            _ => None,
        })
    };
    if asks().next().is_none() {
        return Ok(());
    }
    load_contacts(tx, unit, asks().map(|ask| ask.contact().to_owned()).collect()).await?;
    for reason in [super::stop::OPTED_OUT, forget::ERASED] {
        let ended = asks().filter(|ask| ask.ends_work() == Some(reason)).map(|ask| ask.contact().to_owned());
        ending::load(tx, unit, &ended.collect::<BTreeSet<_>>(), reason).await?;
    }
    Ok(())
}

pub(in crate::engine) async fn apply(
    tx: &mut Tx<'_>,
    ask: &Ask,
    unit: &mut Unit<'_>,
) -> anyhow::Result<Option<Vec<String>>> {
    let Some(mut contact) = unit.contact(ask.contact()).cloned() else { return Ok(None) };
    let id = contact.id.clone();
    match ask {
        // Who is erased has no record to change; what a killed process left of them is still found and erased.
        Ask::Withdraw { .. } | Ask::Allow { .. } if contact.gone => return Ok(None),
        Ask::Withdraw { scope, who, .. } => {
            contact.withdraw(Withdrawal::new(*scope, format!("operator {who}"), unit.now_ms));
            unit.put_contact(contact);
            if let Some(reason) = ask.ends_work() {
                unit.end_work_of(&id, reason);
            }
            unit.audit(who, "withdraw", &id, if *scope == WithdrawalScope::All { "all" } else { "marketing" });
        }
        Ask::Allow { who, .. } => {
            if contact.withdrawal.is_some() {
                unit.lift(contact, &format!("operator {who}"), |contact| contact.withdrawal = None);
            }
            unit.audit(who, "allow", &id, "");
        }
        Ask::Exported { who, .. } => unit.audit(who, "export", &id, ""),
        Ask::Erase(erasure) => forget::apply(tx, erasure, contact, unit).await?,
    }
    Ok(Some(Vec::new()))
}
