//! Why: what is read to answer why a person got something, or nothing. Read only, and asked once in a while: nothing here
//! has an index of its own.

use super::dialect::Statement;
use super::events::{EventRow, read_event};
use super::row::Row;
use super::{Rows, Store};

/// An event that a look found, as far as it tells.
#[derive(Debug, Clone)]
pub struct NamingRow {
    pub id: String,
    /// It is about the person, started a run about them, or seems to hold one of their names.
    pub fits: bool,
}

/// A page of all events by their ids, newest first. Numbers are written in many ways: signs between digits are left out.
static NAMING: Statement = Statement::new(
    "select p.id, case when p.contact = r.contact or p.bare like r.a or p.bare like r.b or p.bare like r.c
        or exists (select 1 from run u where u.event = p.id and u.contact = r.contact) then 1 else 0 end
     from {rows: contact text, after text, before text, a text, b text, c text, n bigint} r,
        (select e.id, e.contact, replace(replace(replace(e.data, ' ', ''), '-', ''), '.', '') as bare from event e
         where e.id > (select after from {rows: contact text, after text, before text, a text, b text, c text, n bigint} s)
            and e.id < (select before from {rows: contact text, after text, before text, a text, b text, c text, n bigint} t)
         order by e.id desc
         limit (select n from {rows: contact text, after text, before text, a text, b text, c text, n bigint} q)) p
     order by p.id desc",
);

static BY_IDS: Statement = Statement::new(
    "select e.id, e.source, e.name, e.at_ms, e.received_at_ms, e.contact, e.data, e.evaluations, e.failed
     from event e join {rows: id text} r on r.id = e.id",
);

static LIKE: Statement =
    Statement::new("select c.phone from {rows: pattern text} r join contact c on c.phone like r.pattern limit 100");

/// Which events to look at, and for whom.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// Our id of the person; empty = nobody knows them.
    pub contact: String,
    /// Parts of the data without spaces, hyphens and full stops: at most three are told apart.
    pub names: Vec<String>,
    /// Only ids between these two.
    pub after: String,
    pub before: String,
    /// At most so many; newest first.
    pub most: u32,
}

impl Store {
    /// A page of all events, each with whether it may be about the person.
    ///
    /// # Errors
    /// What the database said.
    pub async fn events_naming(&self, naming: &Naming) -> anyhow::Result<Vec<NamingRow>> {
        let patterns: Vec<String> = naming.names.iter().map(|name| format!("%{name}%")).collect();
        let pattern = |at: usize| patterns.get(at).map(String::as_str);
        let mut rows = Rows::default();
        rows.push(&[
            (&naming.contact).into(),
            (&naming.after).into(),
            (&naming.before).into(),
            pattern(0).into(),
            pattern(1).into(),
            pattern(2).into(),
            naming.most.into(),
        ]);
        let read = |row: &Row| -> anyhow::Result<NamingRow> {
            Ok(NamingRow { id: row.try_get(0)?, fits: row.try_get::<i64>(1)? != 0 })
        };
        self.read(&NAMING, rows).await?.iter().map(read).collect()
    }

    /// These events, in no order.
    ///
    /// # Errors
    /// What the database said.
    pub async fn events(&self, ids: &[String]) -> anyhow::Result<Vec<EventRow>> {
        let mut rows = Rows::default();
        ids.iter().for_each(|id| rows.push(&[id.into()]));
        self.read(&BY_IDS, rows).await?.iter().map(read_event).collect()
    }

    /// Digits of known numbers that one of these patterns fits (`_` = any digit, `%` = any digits).
    ///
    /// # Errors
    /// What the database said.
    pub async fn phones_like(&self, patterns: &[String]) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        patterns.iter().for_each(|pattern| rows.push(&[pattern.into()]));
        let found = self.read(&LIKE, rows).await?;
        let mut phones = found.iter().map(|row| row.try_get(0)).collect::<anyhow::Result<Vec<String>>>()?;
        phones.sort_unstable();
        phones.dedup();
        Ok(phones)
    }
}
