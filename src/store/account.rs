//! Account: what the account holds, as it last told (templates, lines, teams), and what an installation remembers of
//! itself.
//!
//! `data` is JSON that only the engine reads. Invariant: the rows of a kind are those of one answer.

use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx, first_id};
use anyhow::Context as _;

/// What may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holding {
    Template,
    Channel,
    Team,
}

/// One thing that the account holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldingRow {
    pub kind: Holding,
    pub uuid: String,
    /// JSON.
    pub data: String,
    /// When the account was asked, Unix milliseconds.
    pub seen_at_ms: i64,
}

impl Holding {
    pub const ALL: [Self; 3] = [Self::Template, Self::Channel, Self::Team];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Channel => "channel",
            Self::Team => "team",
        }
    }
}

static FORGET: Statement = Statement::new("delete from account where kind in (select kind from {rows: kind text} r)");

static INSERT: Statement = Statement::new(
    "insert into account (kind, uuid, data, seen_at_ms) select kind, uuid, data, seen_at_ms
     from {rows: kind text, uuid text, data text, seen_at_ms bigint} r where true
     on conflict (kind, uuid) do nothing",
);

static HOLDINGS: Statement = Statement::new(
    "select a.kind, a.uuid, a.data, a.seen_at_ms from account a join {rows: kind text} r on a.kind = r.kind
     order by a.kind, a.uuid",
);

static REMEMBER: Statement = Statement::new(
    "insert into installation (name, value) select name, value from {rows: name text, value text} r where true
     on conflict (name) do update set value = excluded.value",
);

static REMEMBERED: Statement =
    Statement::new("select i.value from {rows: name text} r join installation i on i.name = r.name");

static HEARD: Statement = Statement::new(
    "select e.received_at_ms from {rows: source text, id text} r join event e on e.id >= r.id and e.source = r.source
     order by e.id desc limit 1",
);

static SENT: Statement = Statement::new(
    "select a.started_at_ms from {rows: id text} r join attempt a on a.id >= r.id
     where a.outcome = 'accepted' order by a.id limit 1",
);

impl Tx<'_> {
    /// Writes all that the account holds of a kind; what it holds no more is gone. That it told at all is a row of its
    /// own, without a uuid: an account without teams is not one that was never asked.
    pub(crate) async fn put_holdings(
        &mut self,
        kind: Holding,
        all: &[(&str, String)],
        seen_at_ms: i64,
    ) -> anyhow::Result<()> {
        let mut gone = Rows::default();
        gone.push(&[kind.as_str().into()]);
        self.write(&FORGET, gone).await?;
        let mut rows = Rows::default();
        rows.push(&[kind.as_str().into(), "".into(), "".into(), seen_at_ms.into()]);
        for (uuid, data) in all {
            rows.push(&[kind.as_str().into(), (*uuid).into(), data.into(), seen_at_ms.into()]);
        }
        self.write(&INSERT, rows).await.map(drop)
    }

    /// All that the account holds, the row without a uuid of each kind included.
    pub(crate) async fn holdings(&mut self) -> anyhow::Result<Vec<HoldingRow>> {
        self.fetch(&HOLDINGS, every_kind()).await?.iter().map(read_holding).collect()
    }

    /// Keeps facts of this installation, over what was kept under the same name.
    pub(crate) async fn remember(&mut self, facts: &[(String, String)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        facts.iter().for_each(|(name, value)| rows.push(&[name.into(), value.into()]));
        self.write(&REMEMBER, rows).await.map(drop)
    }
}

impl Store {
    /// All that the account holds, as [`Tx::holdings`].
    ///
    /// # Errors
    /// What the database said.
    pub async fn holdings(&self) -> anyhow::Result<Vec<HoldingRow>> {
        self.read(&HOLDINGS, every_kind()).await?.iter().map(read_holding).collect()
    }

    /// A fact of this installation; `None` when it is not kept.
    ///
    /// # Errors
    /// What the database said.
    pub async fn remembered(&self, name: &str) -> anyhow::Result<Option<String>> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Text(name)]);
        self.read(&REMEMBERED, rows).await?.first().map(|row| row.try_get(0)).transpose()
    }
}

impl Store {
    /// When the newest event of this source came, if one did since then. Unix milliseconds.
    ///
    /// # Errors
    /// What the database said.
    pub async fn heard_since(&self, source: &str, since_ms: i64) -> anyhow::Result<Option<i64>> {
        let mut rows = Rows::default();
        rows.push(&[source.into(), Cell::Text(&first_id(since_ms))]);
        self.read(&HEARD, rows).await?.first().map(|row| row.try_get(0)).transpose()
    }

    /// When the first call began since then that the account took. Unix milliseconds.
    ///
    /// # Errors
    /// What the database said.
    pub async fn first_accepted_since(&self, since_ms: i64) -> anyhow::Result<Option<i64>> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Text(&first_id(since_ms))]);
        self.read(&SENT, rows).await?.first().map(|row| row.try_get(0)).transpose()
    }
}

fn every_kind() -> Rows {
    let mut rows = Rows::default();
    Holding::ALL.iter().for_each(|kind| rows.push(&[kind.as_str().into()]));
    rows
}

fn read_holding(row: &Row) -> anyhow::Result<HoldingRow> {
    let word: String = row.try_get(0)?;
    let kind = Holding::ALL.into_iter().find(|kind| kind.as_str() == word);
    let kind = kind.with_context(|| format!("the account holds no such kind: {word}"))?;
    Ok(HoldingRow { kind, uuid: row.try_get(1)?, data: row.try_get(2)?, seen_at_ms: row.try_get(3)? })
}
