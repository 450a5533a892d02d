//! By hand: what an operator asks in the name of a person.
//!
//! Invariant: each act is on record with who asked for it, and names nobody but by our id.

use super::{ending, forget};
use crate::consent::{self, Entry};
use crate::contact::{Contact, Phone, Withdrawal, WithdrawalScope};
use crate::engine::change::{Change, Changed};
use crate::engine::load::load_contacts;
use crate::engine::unit::Unit;
use crate::engine::{Busy, Engine};
use crate::store::Tx;
use crate::store::contacts::ContactKey;
use std::collections::BTreeSet;

/// Something asked in the name of a person, by our id or by a number that nobody was known by.
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
    /// Of somebody nobody knows: what they want no more, and with `None` that this is lifted.
    Number {
        phone: Phone,
        refuses: Option<WithdrawalScope>,
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
    /// Our id; `None` = nobody is known by the number yet.
    fn contact<'a>(&'a self, unit: &'a Unit<'_>) -> Option<&'a str> {
        match self {
            Self::Withdraw { contact, .. } | Self::Allow { contact, .. } | Self::Exported { contact, .. } => {
                Some(contact)
            }
            Self::Number { phone, .. } => {
                let keys: Vec<ContactKey> = ContactKey::of_phone(phone).collect();
                unit.contact_by(&keys).map(|contact| contact.id.as_str())
            }
            Self::Erase(erasure) => Some(&erasure.contact),
        }
    }

    /// Why what is under way for the person ends; `None` = it goes on.
    fn ends_work(&self) -> Option<&'static str> {
        match self {
            Self::Withdraw { scope: WithdrawalScope::All, .. }
            | Self::Number { refuses: Some(WithdrawalScope::All), .. } => Some(super::stop::OPTED_OUT),
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

    /// As [`Engine::withdraw`], of a number that nobody is known by: the wish is kept under the number's hash, and counts for
    /// whoever appears under it.
    ///
    /// # Errors
    /// As [`Engine::withdraw`].
    pub async fn withdraw_number(&self, phone: &Phone, scope: WithdrawalScope, who: &str) -> Result<bool, Busy> {
        self.ask(Ask::Number { phone: phone.clone(), refuses: Some(scope), who: who.to_owned() }).await
    }

    /// Lifts what is kept under a number's hash. Whether there was anything.
    ///
    /// # Errors
    /// As [`Engine::withdraw`].
    pub async fn allow_number(&self, phone: &Phone, who: &str) -> Result<bool, Busy> {
        self.ask(Ask::Number { phone: phone.clone(), refuses: None, who: who.to_owned() }).await
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
        self.shared.store.consent_history(Some(&contact.id), &marks).await
    }

    /// As [`Engine::consent_history`], of whoever had this number.
    ///
    /// # Errors
    /// What the database said.
    pub async fn consent_history_of(&self, phone: &Phone) -> anyhow::Result<Vec<Entry>> {
        let marks = consent::person_marks(&self.shared.key, &stranger(phone, String::new()));
        self.shared.store.consent_history(None, &marks).await
    }
}

/// Whoever has this number.
fn stranger(phone: &Phone, id: String) -> Contact {
    Contact { id, phone: Some(phone.clone()), ..Contact::default() }
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
    let numbers = asks().filter_map(|ask| if let Ask::Number { phone, .. } = ask { Some(phone) } else { None });
    let keys: Vec<ContactKey> = numbers.flat_map(ContactKey::of_phone).collect();
    if !keys.is_empty() {
        super::know_people(tx, unit, &keys).await?;
    }
    let named = asks().filter_map(|ask| Some(ask.contact(unit)?.to_owned())).collect();
    load_contacts(tx, unit, named).await?;
    for reason in [super::stop::OPTED_OUT, forget::ERASED] {
        let ended = asks().filter(|ask| ask.ends_work() == Some(reason));
        let ended: BTreeSet<String> = ended.filter_map(|ask| Some(ask.contact(unit)?.to_owned())).collect();
        ending::load(tx, unit, &ended, reason).await?;
    }
    Ok(())
}

pub(in crate::engine) async fn apply(
    tx: &mut Tx<'_>,
    ask: &Ask,
    unit: &mut Unit<'_>,
) -> anyhow::Result<Option<Vec<String>>> {
    let known = ask.contact(unit).and_then(|id| unit.contact(id)).cloned();
    let Some(mut contact) = known else {
        return Ok(match ask {
            Ask::Number { phone, refuses, who } => keep_for_stranger(phone, *refuses, who, unit).then(Vec::new),
            _ => None,
        });
    };
    let id = contact.id.clone();
    match ask {
        // Who is erased has no record to change; what a killed process left of them is still found and erased.
        Ask::Withdraw { .. } | Ask::Allow { .. } | Ask::Number { .. } if contact.gone => return Ok(None),
        Ask::Withdraw { scope, who, .. } | Ask::Number { refuses: Some(scope), who, .. } => {
            contact.withdraw(Withdrawal::new(*scope, format!("operator {who}"), unit.now_ms));
            unit.put_contact(contact);
            if let Some(reason) = ask.ends_work() {
                unit.end_work_of(&id, reason);
            }
            unit.audit(who, "withdraw", &id, if *scope == WithdrawalScope::All { "all" } else { "marketing" });
        }
        Ask::Allow { who, .. } | Ask::Number { who, .. } => {
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

/// Keeps what somebody wants no more who has no record, under every mark of the number. Whether anything is kept, or lifted.
fn keep_for_stranger(phone: &Phone, refuses: Option<WithdrawalScope>, who: &str, unit: &mut Unit<'_>) -> bool {
    let nobody = stranger(phone, unit.clock.new_id());
    let said = format!("operator {who}");
    match refuses {
        Some(scope) => unit.withdraw_marks(&nobody, &Withdrawal::new(scope, said, unit.now_ms)),
        None if unit.remembers(&nobody) => unit.lift_marks(&nobody, &said),
        None => return false,
    }
    let (act, detail) = match refuses {
        Some(WithdrawalScope::All) => ("withdraw", "all"),
        Some(WithdrawalScope::Marketing) => ("withdraw", "marketing"),
        None => ("allow", ""),
    };
    unit.audit(who, act, &nobody.id, detail);
    true
}
