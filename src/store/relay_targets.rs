//! Relay targets that were subscribed through the gateway, beside those of `relance.yaml`.
//!
//! Invariant: one target per name, and a name is a token's.

use super::dialect::Statement;
use super::{Cell, Rows, Store, Tx};
use anyhow::Context as _;
use sqlx::Row as _;
use sqlx::any::AnyRow;

/// Somebody who gets the account's events handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    /// Name of the token that subscribed it.
    pub name: String,
    pub url: String,
    /// Names of the events it gets; empty = all.
    pub events: Vec<String>,
    pub created_at_ms: i64,
}

static PUT: Statement = Statement::new(
    "insert into relay_target (name, url, events, created_at_ms) select name, url, events, created_at_ms
     from {rows: name text, url text, events text, created_at_ms bigint} r where true
     on conflict (name) do update set url = excluded.url, events = excluded.events,
        created_at_ms = excluded.created_at_ms",
);

static DROP: Statement =
    Statement::new("delete from relay_target where name in (select name from {rows: name text} r)");

static ALL: Statement = Statement::new(
    "select t.name, t.url, t.events, t.created_at_ms from relay_target t, {rows: n bigint} r order by t.name limit r.n",
);

/// Tokens are few.
const MOST: i64 = 1000;

impl Tx<'_> {
    /// Writes a target; one of the same name is replaced.
    pub(crate) async fn put_target(&mut self, target: &TargetRow) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        let events = serde_json::to_string(&target.events)?;
        let (name, url) = (&target.name, &target.url);
        rows.push(&[name.into(), url.into(), (&events).into(), target.created_at_ms.into()]);
        self.write(&PUT, rows).await
    }

    /// Removes a target: how many there were.
    pub(crate) async fn drop_target(&mut self, name: &str) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        rows.push(&[name.into()]);
        self.write(&DROP, rows).await
    }

    /// Every target.
    pub(crate) async fn targets(&mut self) -> anyhow::Result<Vec<TargetRow>> {
        self.fetch(&ALL, all()).await?.iter().map(read_target).collect()
    }
}

impl Store {
    /// Every target.
    ///
    /// # Errors
    /// What the database said.
    pub async fn targets(&self) -> anyhow::Result<Vec<TargetRow>> {
        self.read(&ALL, all()).await?.iter().map(read_target).collect()
    }
}

fn all() -> Rows {
    let mut rows = Rows::default();
    rows.push(&[Cell::Number(MOST)]);
    rows
}

fn read_target(row: &AnyRow) -> anyhow::Result<TargetRow> {
    let events: String = row.try_get(2)?;
    Ok(TargetRow {
        name: row.try_get(0)?,
        url: row.try_get(1)?,
        events: serde_json::from_str(&events).context("stored names of events are not readable")?,
        created_at_ms: row.try_get(3)?,
    })
}
