//! Rights: what people want no more, written down for good and obeyed everywhere.
//!
//! ```text
//! put_contact ──► ledger    every consent and withdrawal that a record gains is an entry of the same transaction
//! stop        ──► a message that is a stop or back word
//! by_hand     ──► what an operator asks: withdraw, allow, forget, export
//! guard       ──► what begins meanwhile at another node
//! ending      ──► everything under way for a person ends, part by part
//! forget      ──► erasure of everything but ids, states and the ledger
//! ```
//! Here is the group's memory of it. Invariant: a withdrawal never vanishes from a record but by an entry `back`, and
//! whoever appears under a number that withdrew has withdrawn before anything is decided about them.

mod by_hand;
pub(super) mod ending;
pub(super) mod forget;
pub(super) mod guard;
mod mask;
pub(super) mod stop;

pub(super) use by_hand::{Ask, apply, load};

use super::unit::Unit;
use crate::consent::{self, Act, Change, Entry};
use crate::contact::{Contact, Withdrawal, WithdrawalScope};
use crate::delivery::{DeliveryState, Settlement};
use crate::store::Tx;
use crate::store::contacts::ContactKey;
use crate::store::endings::EndingRow;
use std::collections::{BTreeSet, HashMap};

/// Runs, and messages, of one person that end in one group.
const MOST_WORK: usize = 500;

/// What a group knows of withdrawals, and adds to the ledger.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// To be written.
    pub(super) entries: Vec<Entry>,
    /// What people of these marks withdrew who have no record, or none under that name.
    remembered: HashMap<String, Withdrawal>,
    /// Marks that were looked up.
    asked: BTreeSet<String>,
    /// (contact, event) of the stop words of this group.
    stops: Vec<(String, String)>,
    /// Ends that go on behind this group, and those whose last part it does.
    endings: Vec<EndingRow>,
    ended: Vec<EndingRow>,
    /// To be erased when everything else of the group is written.
    erasures: Vec<forget::Erasure>,
}

/// Reads the people whom these keys identify; of those nobody knows, what they withdrew in an earlier life.
pub(super) async fn know_people(tx: &mut Tx<'_>, unit: &mut Unit<'_>, keys: &[ContactKey]) -> anyhow::Result<()> {
    unit.know_contacts(tx.contacts_by_keys(keys).await?);
    let strangers = unit.marks_of_strangers(keys);
    if strangers.is_empty() {
        return Ok(());
    }
    let found = tx.withdrawals_of(&strangers.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let standing = |(mark, entries): (String, Vec<Entry>)| Some((mark, consent::standing(&entries)?));
    unit.rights.remembered.extend(found.into_iter().filter_map(standing));
    unit.rights.asked.extend(strangers);
    Ok(())
}

impl Unit<'_> {
    fn marks_of_strangers(&self, keys: &[ContactKey]) -> BTreeSet<String> {
        let stranger = |key: &&ContactKey| {
            matches!(key, ContactKey::Phone(_) | ContactKey::Bsuid(_))
                && self.contact_by(std::slice::from_ref(*key)).is_none()
        };
        let marks = keys.iter().filter(stranger).filter_map(|key| match key {
            ContactKey::Phone(digits) => Some(consent::phone_mark(self.key, digits)),
            ContactKey::Bsuid(bsuid) => Some(consent::bsuid_mark(self.key, bsuid)),
            _ => None,
        });
        marks.filter(|mark| !self.rights.asked.contains(mark)).collect()
    }

    /// What somebody with this number or WhatsApp id withdrew before counts for this record.
    pub(super) fn remind(&self, contact: &mut Contact) {
        if self.rights.remembered.is_empty() {
            return;
        }
        for mark in consent::person_marks(self.key, contact) {
            if let Some(withdrawal) = self.rights.remembered.get(&mark) {
                contact.withdraw(withdrawal.clone());
            }
        }
    }

    /// As [`Unit::remind`], for another name that a person gets.
    pub(super) fn remind_of_name(&mut self, key: &ContactKey, contact: &str) {
        let ContactKey::Phone(digits) = key else { return };
        let mark = consent::phone_mark(self.key, digits);
        let (Some(withdrawal), Some(mut contact)) =
            (self.rights.remembered.get(&mark).cloned(), self.contact(contact).cloned())
        else {
            return;
        };
        contact.withdraw(withdrawal);
        self.put_contact(contact);
    }

    /// Notes in the ledger what a record gains by a change, and keeps what was withdrawn: a record read earlier, or made
    /// of what an event says, does not know of it.
    pub(super) fn keep_rights(&mut self, contact: &mut Contact) {
        let known = self.contact(&contact.id);
        if let Some(stands) = known.and_then(|known| known.withdrawal.as_ref()) {
            let narrower = contact.withdrawal.as_ref().is_none_or(|said| said.scope <= stands.scope);
            if narrower {
                contact.withdrawal = Some(stands.clone());
            }
        }
        let changes = consent::changes(known, contact);
        self.note_changes(contact, changes);
        self.remind(contact);
    }

    /// What the person was reminded of is on record already, since it was said.
    fn note_changes(&mut self, contact: &Contact, changes: Vec<Change>) {
        for (act, scope, said) in changes {
            if act != Act::Withdrawn || !self.is_told(contact, scope, &said) {
                self.note_entry(contact, act, scope, &said);
            }
        }
    }

    /// Whether the ledger tells of this withdrawal under a mark of the person.
    fn is_told(&self, contact: &Contact, scope: WithdrawalScope, said: &str) -> bool {
        if self.rights.remembered.is_empty() {
            return false;
        }
        let marks = consent::person_marks(self.key, contact);
        let mut stood = marks.iter().filter_map(|mark| self.rights.remembered.get(mark)).flat_map(Withdrawal::all);
        stood.any(|one| one.scope == scope && one.source == said)
    }

    fn note_entry(&mut self, contact: &Contact, act: Act, scope: WithdrawalScope, said: &str) {
        self.note_mark(contact, consent::person_mark(self.key, contact), act, scope, said);
    }

    fn note_mark(&mut self, contact: &Contact, mark: Option<String>, act: Act, scope: WithdrawalScope, said: &str) {
        let (source, proof) = consent::source_and_proof(said);
        self.rights.entries.push(Entry {
            id: self.clock.new_id(),
            at_ms: self.now_ms,
            contact: contact.id.clone(),
            person: mark,
            act,
            scope,
            source: source.to_owned(),
            proof: proof.to_owned(),
        });
    }

    /// Lifts withdrawals, which `put_contact` never does.
    fn lift(&mut self, mut contact: Contact, said: &str, lift: impl FnOnce(&mut Contact)) {
        let scope = contact.withdrawal.as_ref().map_or(WithdrawalScope::All, |withdrawal| withdrawal.scope);
        lift(&mut contact);
        for mark in consent::person_marks(self.key, &contact) {
            self.rights.remembered.remove(&mark);
        }
        self.note_entry(&contact, Act::Back, scope, said);
        self.write_contact(contact);
    }

    /// Whether anything stands under a mark of somebody without a record.
    fn remembers(&self, nobody: &Contact) -> bool {
        consent::person_marks(self.key, nobody).iter().any(|mark| self.rights.remembered.contains_key(mark))
    }

    /// Enters a withdrawal under every mark of somebody without a record that does not tell it yet.
    fn withdraw_marks(&mut self, nobody: &Contact, withdrawal: &Withdrawal) {
        for mark in consent::person_marks(self.key, nobody) {
            let mut person = Contact { withdrawal: self.rights.remembered.remove(&mark), ..Contact::default() };
            if !person.opted_out(withdrawal.scope) {
                self.note_mark(nobody, Some(mark.clone()), Act::Withdrawn, withdrawal.scope, &withdrawal.source);
                person.withdraw(withdrawal.clone());
            }
            self.rights.remembered.extend(person.withdrawal.map(|stands| (mark, stands)));
        }
    }

    /// Lifts what stands under the marks of somebody without a record.
    fn lift_marks(&mut self, nobody: &Contact, said: &str) {
        for mark in consent::person_marks(self.key, nobody) {
            if let Some(stood) = self.rights.remembered.remove(&mark) {
                self.note_mark(nobody, Some(mark), Act::Back, stood.scope, said);
            }
        }
    }

    /// What waits to be sent to a person.
    fn unsent_to(&self, contact: &str) -> Vec<String> {
        let of_person = self.deliveries.iter().filter(|(_, row)| row.delivery.contact == contact);
        of_person.map(|(id, _)| id).filter(|id| self.is_unsent(id)).cloned().collect()
    }

    fn is_unsent(&self, delivery: &str) -> bool {
        let waits = |state| matches!(state, DeliveryState::Queued | DeliveryState::Held);
        self.deliveries.get(delivery).is_some_and(|row| waits(row.delivery.state))
    }

    /// Cancels what waits to be sent. A run that goes on without it is told so.
    fn cancel_unsent(&mut self, delivery: &str, reason: &str) {
        self.change_delivery(delivery, |row| {
            row.delivery.state = DeliveryState::Cancelled;
            row.delivery.reason = reason.to_owned();
        });
        let settlement = Settlement::Skipped { reason: reason.to_owned(), fails: false };
        self.settle_run(delivery, Some(settlement));
    }

    /// Ends everything under way for a person: their runs, and what was not handed over to them.
    pub(super) fn end_work_of(&mut self, contact: &str, reason: &str) {
        for run in self.live_runs_of(contact) {
            self.stop_run(&run, reason);
        }
        for delivery in self.unsent_to(contact) {
            self.cancel_unsent(&delivery, reason);
        }
    }
}
