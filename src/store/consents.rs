//! The consent ledger. Rows are added, never changed.
//!
//! `person` is a keyed hash of the number ([`crate::consent::phone_mark`]): a withdrawal is found by it when the contact is
//! gone. Invariant: nothing here tells a number.

use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Store, Tx};
use crate::consent::{Act, Entry};
use crate::contact::WithdrawalScope;
use anyhow::Context as _;
use std::collections::HashMap;

macro_rules! consent_columns {
    () => {
        "n.id, n.at_ms, n.contact, n.person, n.act, n.scope, n.source, n.proof"
    };
}

static INSERT: Statement = Statement::new(
    "insert into consent (id, at_ms, contact, person, act, scope, source, proof)
     select id, at_ms, contact, person, act, scope, source, proof
     from {rows: id text, at_ms bigint, contact text, person text, act text, scope text, source text, proof text} r",
);

static OF_PERSONS: Statement = Statement::new(concat!(
    "select ",
    consent_columns!(),
    " from {rows: person text} r join consent n on n.person = r.person
     where n.act in ('withdrawn', 'back') order by n.at_ms, n.id"
));

/// Of a contact, and of whoever had the same marks before.
static HISTORY: Statement = Statement::new(concat!(
    "select ",
    consent_columns!(),
    " from consent n where n.contact in (select value from {rows: value text} a)
     union select ",
    consent_columns!(),
    " from consent n where n.person in (select value from {rows: value text} b)
     order by 2, 1"
));

impl Tx<'_> {
    pub(crate) async fn insert_consents(&mut self, entries: &[Entry]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for entry in entries {
            rows.push(&[
                (&entry.id).into(),
                entry.at_ms.into(),
                (&entry.contact).into(),
                entry.person.as_deref().into(),
                entry.act.as_str().into(),
                scope_word(entry.scope).into(),
                (&entry.source).into(),
                (&entry.proof).into(),
            ]);
        }
        self.write(&INSERT, rows).await.map(drop)
    }

    /// What people with these marks withdrew and took back, the oldest first; by mark.
    pub(crate) async fn withdrawals_of(&mut self, persons: &[&str]) -> anyhow::Result<HashMap<String, Vec<Entry>>> {
        let mut rows = Rows::default();
        persons.iter().for_each(|person| rows.push(&[(*person).into()]));
        let mut found = HashMap::<String, Vec<Entry>>::new();
        for row in self.fetch(&OF_PERSONS, rows).await? {
            let entry = read_entry(&row)?;
            found.entry(entry.person.clone().unwrap_or_default()).or_default().push(entry);
        }
        Ok(found)
    }
}

impl Store {
    /// Everything on record of a person, the oldest first. `contact`: our id, of who has a record; `marks`: of the number
    /// they have today.
    ///
    /// # Errors
    /// What the database said.
    pub async fn consent_history(&self, contact: Option<&str>, marks: &[String]) -> anyhow::Result<Vec<Entry>> {
        let mut rows = Rows::default();
        contact.iter().for_each(|id| rows.push(&[(*id).into()]));
        marks.iter().for_each(|mark| rows.push(&[mark.into()]));
        self.read(&HISTORY, rows).await?.iter().map(read_entry).collect()
    }
}

fn scope_word(scope: WithdrawalScope) -> &'static str {
    match scope {
        WithdrawalScope::Marketing => "marketing",
        WithdrawalScope::All => "all",
    }
}

fn read_entry(row: &Row) -> anyhow::Result<Entry> {
    let (act, scope): (String, String) = (row.try_get(4)?, row.try_get(5)?);
    Ok(Entry {
        id: row.try_get(0)?,
        at_ms: row.try_get(1)?,
        contact: row.try_get(2)?,
        person: row.try_get(3)?,
        act: Act::parse(&act).with_context(|| format!("no act of the consent ledger: {act}"))?,
        scope: super::deliveries::read_word(scope)?,
        source: row.try_get(6)?,
        proof: row.try_get(7)?,
    })
}
