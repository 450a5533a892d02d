//! Forget: what is held of a person is erased. Ids, states and the consent ledger stay.
//!
//! ```text
//! read pages of all events ──► erase those about the person, some hundred at a time   as often as it takes
//!                          ──► take the person out of those about others (`mask`)
//!                          ──► the person, and the events that came meanwhile         one transaction, the last
//! ```
//! What is about others stays theirs: only the person's numbers and identifiers go from it, and live runs of others go on.
//! A kill in between leaves the person known: the command is given again. Invariant: when the person is gone, nothing of
//! them is left, and a withdrawal is found by every number and name they had.

use super::Ask;
use super::mask::Mask;
use crate::consent::{self, Act, Entry};
use crate::contact::{Contact, Phone};
use crate::engine::change::{Change, Changed};
use crate::engine::unit::Unit;
use crate::engine::{Busy, Engine};
use crate::store::Tx;
use crate::store::contacts::ContactKey;
use crate::store::naming::Naming;
use crate::store::people::{About, AboutRow, Numbers};
use std::path::Path;

/// Why runs end and messages are cancelled.
pub(super) const ERASED: &str = "erased";
/// Events looked at, and erased, at a time.
const LOOKED_AT: u32 = 2_000;
const ERASED_AT_ONCE: usize = 200;
/// Events of others that are read whole, and written, at a time.
const MASKED_AT_ONCE: usize = 25;
/// Events are looked at again that came so long before the last look ended: ids are drawn before the commit.
const MARGIN_MS: i64 = 60_000;
/// Behind every id.
const FIRST: &str = "";

/// A part of the work.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Erasure {
    pub(super) contact: String,
    traces: Traces,
    events: Events,
    /// The last part: who asked, and behind which event nobody has looked yet.
    pub(super) forgotten_by: Option<(String, String)>,
}

/// What a person is found by in texts.
#[derive(Debug, Clone)]
pub struct Traces {
    numbers: Numbers,
    mask: Mask,
}

/// Events that a person is erased from.
#[derive(Debug, Clone, Default)]
struct Events {
    /// Of the person alone: they go.
    own: Vec<String>,
    /// Of others as well, and of others only: they stay, without the person.
    shared: Vec<String>,
    of_others: Vec<String>,
}

impl Events {
    fn take(&mut self, page: Vec<AboutRow>, mask: &Mask) {
        for AboutRow { id, about, .. } in page.into_iter().filter(|row| names(row, mask)) {
            match about {
                About::Nothing => {}
                About::Them => self.own.push(id),
                About::Several => self.shared.push(id),
                About::Another => self.of_others.push(id),
            }
        }
    }

    /// As many at a time as one transaction takes.
    fn parts(&self) -> impl Iterator<Item = Self> {
        let own = self.own.chunks(ERASED_AT_ONCE).map(|part| Self { own: part.to_vec(), ..Self::default() });
        let shared = self.shared.chunks(MASKED_AT_ONCE).map(|part| Self { shared: part.to_vec(), ..Self::default() });
        let others = self.of_others.chunks(MASKED_AT_ONCE);
        let others = others.map(|part| Self { of_others: part.to_vec(), ..Self::default() });
        own.chain(shared).chain(others)
    }
}

impl Engine {
    /// Erases everything held of a person: how many events that were; `None` = there is no such person.
    ///
    /// # Errors
    /// What the database said, or [`Busy`] when it did not take a part: what is left is erased when it is asked for again.
    pub async fn forget(&self, contact: &str, who: &str) -> anyhow::Result<Option<usize>> {
        let Some((person, _)) = self.store().contact(&[ContactKey::Id(contact.to_owned())]).await? else {
            return Ok(None);
        };
        let traces = self.traces_of(&person).await?;
        let looked_ms = self.clock().now_ms();
        let mut events = Events::default();
        let mut after = Some(FIRST.to_owned());
        while let Some(behind) = after {
            let page = self.store().events_about(&person.id, &traces.numbers, &behind, LOOKED_AT).await?;
            after = next_after(&page);
            events.take(page, &traces.mask);
        }
        let part = |events, forgotten_by| {
            let (contact, traces) = (person.id.clone(), traces.clone());
            Erasure { contact, traces, events, forgotten_by }
        };
        let mut files = Vec::new();
        for some in events.parts() {
            files.extend(self.erase(part(some, None)).await?);
        }
        let after = first_id_of(looked_ms - MARGIN_MS);
        files.extend(self.erase(part(Events::default(), Some((who.to_owned(), after)))).await?);
        if let Some(folder) = self.media() {
            remove_files(folder, &files).await;
        }
        Ok(Some(events.own.len() + events.shared.len() + events.of_others.len()))
    }

    async fn erase(&self, erasure: Erasure) -> anyhow::Result<Vec<String>> {
        match self.change(Change::Rights(Ask::Erase(Box::new(erasure)))).await? {
            Changed::Rights(Some(files)) => Ok(files),
            _ => Err(Busy.into()),
        }
    }

    /// The events that are about a person among some hundred behind an id, the oldest first, and behind which the next part
    /// of all events begins; `None` = that was the last.
    ///
    /// # Errors
    /// What the database said.
    pub async fn events_about(
        &self,
        person: &Contact,
        traces: &Traces,
        after: &str,
    ) -> anyhow::Result<(Vec<String>, Option<String>)> {
        let page = self.store().events_about(&person.id, &traces.numbers, after, LOOKED_AT).await?;
        let next = next_after(&page);
        let theirs = |row: &AboutRow| matches!(row.about, About::Them | About::Several) && names(row, &traces.mask);
        Ok((page.into_iter().filter(theirs).map(|row| row.id).collect(), next))
    }

    /// What a person is found by in texts, and what is taken out of them.
    ///
    /// # Errors
    /// What the database said.
    pub async fn traces_of(&self, person: &Contact) -> anyhow::Result<Traces> {
        let names = self.store().names_of(&person.id).await?;
        let digits = digits_of(person, &names);
        let deployed = self.deployed();
        let region = deployed.settings.phone_region.as_deref();
        let phones = digits.iter().filter_map(|digits| Phone::from_vendor(digits).ok());
        let at_home: Vec<String> = phones.flat_map(|phone| phone.at_home(region)).collect();
        let numbers = Numbers::new(digits.iter().chain(&at_home).cloned());
        Ok(Traces { numbers, mask: Mask::new(digits, at_home, person) })
    }
}

/// Behind which event the next page begins.
fn next_after(page: &[AboutRow]) -> Option<String> {
    page.last().filter(|_| page.len() == LOOKED_AT as usize).map(|row| row.id.clone())
}

/// Whether what only looks like a number of the person is one.
fn names(row: &AboutRow, mask: &Mask) -> bool {
    row.text.as_ref().is_none_or(|text| mask.stored(text).is_some())
}

/// The present number, those it was corrected to, then the other way to write it.
fn digits_of(person: &Contact, names: &[String]) -> Vec<String> {
    let own = person.phone.iter().map(|phone| phone.digits().to_owned());
    let corrected = names.iter().filter_map(|name| name.strip_prefix("phone:")).map(str::to_owned);
    let variant = person.phone.iter().filter_map(|phone| phone.variant());
    own.chain(corrected).chain(variant).collect()
}

/// A text before every id that is drawn from that instant on.
fn first_id_of(at_ms: i64) -> String {
    ulid::Ulid::from_parts(u64::try_from(at_ms).unwrap_or_default(), 0).to_string()
}

/// Files whose rows are gone. One that cannot be removed is told of in the log: nothing refers to it any more.
async fn remove_files(folder: &Path, hashes: &[String]) {
    for hash in hashes {
        match tokio::fs::remove_file(folder.join(hash)).await {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!(hash, %error, "a file of an erased person could not be removed: remove it"),
        }
    }
}

/// Decides a part: the rows are erased when everything else of the group is written.
pub(super) async fn apply(
    tx: &mut Tx<'_>,
    erasure: &Erasure,
    contact: Contact,
    unit: &mut Unit<'_>,
) -> anyhow::Result<()> {
    if let Some((who, _)) = &erasure.forgotten_by {
        keep_withdrawal(tx, &contact, unit).await?;
        unit.end_work_of(&contact.id, ERASED);
        unit.forget_contact(&contact.id);
        unit.audit(who, "forget", &contact.id, "");
    }
    unit.rights.erasures.push(erasure.clone());
    Ok(())
}

/// What stands is entered under every mark of the person that does not tell it yet.
async fn keep_withdrawal(tx: &mut Tx<'_>, contact: &Contact, unit: &mut Unit<'_>) -> anyhow::Result<()> {
    let Some(stands) = contact.withdrawal.clone() else { return Ok(()) };
    let names = tx.names_of(&contact.id).await?;
    let corrected = names.iter().filter_map(|name| name.strip_prefix("phone:"));
    let mut marks = consent::person_marks(unit.key, contact);
    marks.extend(corrected.map(|digits| consent::phone_mark(unit.key, digits)));
    let known = tx.withdrawals_of(&marks.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    for mark in marks {
        let told = known.get(&mark).and_then(consent::standing);
        if told.is_none_or(|told| told.scope < stands.scope) {
            let narrower_first: Vec<_> = contact.withdrawals().collect();
            let entries = narrower_first.into_iter().rev().map(|withdrawal| {
                let (source, proof) = consent::source_and_proof(&withdrawal.source);
                Entry {
                    id: unit.clock.new_id(),
                    at_ms: withdrawal.at_ms,
                    contact: contact.id.clone(),
                    person: Some(mark.clone()),
                    act: Act::Withdrawn,
                    scope: withdrawal.scope,
                    source: source.to_owned(),
                    proof: proof.to_owned(),
                }
            });
            let entries: Vec<Entry> = entries.collect();
            unit.rights.entries.extend(entries);
        }
        unit.rights.remembered.insert(mark, stands.clone());
    }
    Ok(())
}

/// Erases what this group is to erase, and tells who asked which files nobody has any more.
pub(in crate::engine) async fn erase(
    tx: &mut Tx<'_>,
    unit: &mut Unit<'_>,
    changed: &mut [Changed],
) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for erasure in std::mem::take(&mut unit.rights.erasures) {
        let Erasure { contact, traces: Traces { numbers, mask }, mut events, forgotten_by } = erasure;
        let forgets = forgotten_by.is_some();
        if let Some((_, mut after)) = forgotten_by {
            loop {
                let page = tx.events_about(&contact, &numbers, &after, LOOKED_AT).await?;
                let next = next_after(&page);
                events.take(page, &mask);
                match next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        // Before the person's own rows: what names them in runs of others is found by their events.
        for part in events.shared.chunks(MASKED_AT_ONCE) {
            take_out(tx, part, &mask.with_names(), &numbers).await?;
        }
        for part in events.of_others.chunks(MASKED_AT_ONCE) {
            take_out(tx, part, &mask, &numbers).await?;
        }
        files.extend(tx.erase_events(&events.own, &numbers).await?);
        if forgets {
            tx.erase_person(&contact, &numbers).await?;
        }
    }
    if !files.is_empty() {
        let told = changed.iter_mut().filter_map(|one| match one {
            Changed::Rights(Some(told)) => Some(told),
            _ => None,
        });
        told.for_each(|told| told.clone_from(&files));
    }
    Ok(())
}

/// Takes a person out of events of others and what those brought about.
async fn take_out(tx: &mut Tx<'_>, events: &[String], mask: &Mask, numbers: &Numbers) -> anyhow::Result<()> {
    let masked = |naming: Naming| Some(Naming { text: mask.stored(&naming.text)?, ..naming });
    let changed: Vec<Naming> = tx.namings(events).await?.into_iter().filter_map(masked).collect();
    tx.put_namings(&changed).await?;
    tx.clear_keys_with(events, numbers).await
}
