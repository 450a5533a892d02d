//! Consent: the ledger of what a person allowed and what they wanted no more. Append-only: who, when, said by what, with
//! what proof.
//!
//! A [`Contact`] shows what stands today; the ledger outlives it. Without it a withdrawal would be forgotten with the
//! person, and the next import would write to them again. Invariant: a withdrawal is lifted only by an entry that says so,
//! never by consent given beside it.

use crate::contact::{Contact, Withdrawal, WithdrawalScope};
use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha2::Sha256;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub id: String,
    pub at_ms: i64,
    /// Our id of the person.
    pub contact: String,
    /// [`phone_mark`] or [`bsuid_mark`]; `None` for somebody who had neither.
    #[serde(skip)]
    pub person: Option<String>,
    pub act: Act,
    pub scope: WithdrawalScope,
    /// What said so: `event`, `audience`, `import`, `gateway`, `colleague`, `everyone`, `word`, `code`, `operator`.
    pub source: String,
    /// The event's id, the file and its line, the code and its message, the name of the operator's token.
    pub proof: String,
}

/// What the person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Agreed to receive messages.
    Given,
    /// Wants no more.
    Withdrawn,
    /// Wants them again.
    Back,
}

impl Act {
    const ALL: [Self; 3] = [Self::Given, Self::Withdrawn, Self::Back];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Withdrawn => "withdrawn",
            Self::Back => "back",
        }
    }

    /// Reads what [`Act::as_str`] wrote; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == word)
    }
}

/// What is to be written down: the act, its scope, and what said so, as one text (`word stop, event 01…`).
pub type Change = (Act, WithdrawalScope, String);

/// What a change of a person's record adds to the ledger. What was on record adds nothing.
pub fn changes(before: Option<&Contact>, after: &Contact) -> Vec<Change> {
    let mut changes = Vec::new();
    if let (None, Some(consent)) = (before.and_then(|before| before.consent.as_ref()), &after.consent) {
        changes.push((Act::Given, WithdrawalScope::All, consent.proof.clone()));
    }
    if before.is_none_or(|before| before.vouched_at_ms.is_none()) && after.vouched_at_ms.is_some() {
        changes.push((Act::Given, WithdrawalScope::All, VOUCHED.to_owned()));
    }
    let known = |one: &Withdrawal| {
        let mut stood = before.into_iter().flat_map(Contact::withdrawals);
        stood.any(|other| (other.scope, &other.source, other.at_ms) == (one.scope, &one.source, one.at_ms))
    };
    let fresh = after.withdrawals().filter(|one| !known(one));
    changes.extend(fresh.map(|one| (Act::Withdrawn, one.scope, one.source.clone())));
    changes
}

/// `word stop, event 01…` → source and proof.
pub fn source_and_proof(said: &str) -> (&str, &str) {
    said.split_once(' ').unwrap_or((said, ""))
}

/// The withdrawal that stands after these entries, the oldest first.
pub fn standing<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Option<Withdrawal> {
    let mut person = Contact::default();
    for entry in entries {
        match entry.act {
            Act::Given => {}
            Act::Withdrawn => {
                let source = format!("{} {}", entry.source, entry.proof);
                person.withdraw(Withdrawal::new(entry.scope, source.trim_end().to_owned(), entry.at_ms));
            }
            Act::Back if entry.source == WORD => drop(person.back_by_word()),
            Act::Back => person.withdrawal = None,
        }
    }
    person.withdrawal
}

/// The source of what people say themselves, by a word of `opt_out`.
pub const WORD: &str = "word";

/// The rule of the project by which its owner vouches for whomever it addresses, and where it stands.
const VOUCHED: &str = "everyone relance.yaml";

/// By what a number is found in the ledger when nothing else of the person is left. `key`: the installation's.
pub fn phone_mark(key: &[u8], digits: &str) -> String {
    mark(key, "phone", digits)
}

/// As [`phone_mark`], for who hides the number.
pub fn bsuid_mark(key: &[u8], bsuid: &str) -> String {
    mark(key, "bsuid", bsuid)
}

/// The mark of a person: of the number, else of the WhatsApp id.
pub fn person_mark(key: &[u8], contact: &Contact) -> Option<String> {
    person_marks(key, contact).into_iter().next()
}

/// Every mark that the person may be found by, the number's first.
pub fn person_marks(key: &[u8], contact: &Contact) -> Vec<String> {
    let phone = contact.phone.iter().flat_map(|phone| [Some(phone.digits().to_owned()), phone.variant()]);
    let phones = phone.flatten().map(|digits| phone_mark(key, &digits));
    phones.chain(contact.bsuid.iter().map(|bsuid| bsuid_mark(key, bsuid))).collect()
}

/// A hash that stands for something of a person, and tells it to nobody without the key.
pub fn mark(key: &[u8], kind: &str, value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("person|{kind}:{value}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Consent;

    fn entry(act: Act, scope: WithdrawalScope, source: &str) -> Entry {
        let (source, proof) = source_and_proof(source);
        let (id, contact) = (String::new(), String::new());
        Entry { id, at_ms: 1, contact, person: None, act, scope, source: source.into(), proof: proof.into() }
    }

    #[test]
    fn a_word_lifts_what_a_word_withdrew_and_nothing_else() {
        use Act::{Back, Given, Withdrawn};
        use WithdrawalScope::{All, Marketing};
        let stop = || entry(Withdrawn, All, "word stop, event e1");
        let code = || entry(Withdrawn, Marketing, "code 131050, message m1");
        let start = || entry(Back, All, "word start, event e2");
        let scope = |entries: &[Entry]| standing(entries).map(|withdrawal| withdrawal.scope);
        assert_eq!(scope(&[stop()]), Some(All));
        assert_eq!(scope(&[stop(), start()]), None);
        assert_eq!(scope(&[stop(), entry(Given, All, "import people.csv, line 2")]), Some(All));
        assert_eq!(scope(&[code(), start()]), Some(Marketing));
        assert_eq!(scope(&[code(), stop(), start()]), Some(Marketing), "what it came over stands again");
        assert_eq!(scope(&[code(), stop(), start(), entry(Back, All, "operator crm")]), None);
        assert_eq!(scope(&[stop(), start(), stop()]), Some(All));
    }

    #[test]
    fn a_change_is_written_down_once() {
        let consent = Some(Consent { proof: "event e1".into(), at_ms: 1 });
        let agreed = Contact { consent, ..Contact::default() };
        assert_eq!(changes(None, &agreed), [(Act::Given, WithdrawalScope::All, "event e1".into())]);
        assert_eq!(changes(Some(&agreed), &agreed), []);
        let vouched = Contact { vouched_at_ms: Some(1), ..Contact::default() };
        let said = (Act::Given, WithdrawalScope::All, "everyone relance.yaml".to_owned());
        assert_eq!(changes(None, &vouched), [said]);
        assert_eq!(changes(Some(&vouched), &vouched), []);
        let mut gone = agreed.clone();
        gone.withdraw(Withdrawal::new(WithdrawalScope::All, "word stop, event e2".into(), 2));
        let said = (Act::Withdrawn, WithdrawalScope::All, "word stop, event e2".to_owned());
        assert_eq!(changes(Some(&agreed), &gone), [said]);
        let answered = gone.withdrawal.as_mut().unwrap();
        answered.answered_at_ms = Some(3);
        let before = gone.clone();
        assert_eq!(changes(Some(&before), &gone), []);
    }
}
