//! Relay targets that were subscribed through the gateway, beside those of `relance.yaml`.
//!
//! Invariant: one target per name, and a name is a token's.

use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};

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
    "select t.name, t.url, t.events, t.created_at_ms from relay_target t order by t.name
     limit (select n from {rows: n bigint} r)",
);

/// One per token: they are few.
const MOST: i64 = 1000;

fn all() -> Rows {
    let mut rows = Rows::default();
    rows.push(&[Cell::Number(MOST)]);
    rows
}

/// `events` is a JSON list of names.
fn read_target(row: &Row) -> anyhow::Result<TargetRow> {
    let events: String = row.try_get(2)?;
    Ok(TargetRow {
        name: row.try_get(0)?,
        url: row.try_get(1)?,
        events: serde_json::from_str(&events)?,
        created_at_ms: row.try_get(3)?,
    })
}

/// Which relayed events to show.
#[derive(Debug, Clone, Default)]
pub struct RelayedFilter {
    pub target: String,
    /// Answered with a 2xx, or not; `None` = all.
    pub success: Option<bool>,
    /// Names; empty = all.
    pub events: Vec<String>,
    /// From 1.
    pub page: u32,
    pub items: u32,
}

/// An event that was handed on, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayedRow {
    pub name: String,
    pub body: String,
    pub http_status: Option<i64>,
    pub error: Option<String>,
    /// When it was queued, Unix milliseconds.
    pub at_ms: i64,
}

static RELAYED: Statement = Statement::new(
    "select e.id, e.name, e.body, e.http_status, e.error, count(*) over ()
     from relay e, {rows: target text, success bigint, names text, n bigint, skipped bigint} r
     where e.target = r.target and (r.names is null or r.names like '%,' || e.name || ',%')
        and (r.success is null
            or (e.attempts > 0 and r.success = (case when e.http_status between 200 and 299 then 1 else 0 end)))
     order by e.id desc
     limit (select n from {rows: target text, success bigint, names text, n bigint, skipped bigint} q)
     offset (select skipped from {rows: target text, success bigint, names text, n bigint, skipped bigint} s)",
);

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

    /// Everybody subscribed through the gateway.
    pub(crate) async fn subscribed_targets(&mut self) -> anyhow::Result<Vec<TargetRow>> {
        self.fetch(&ALL, all()).await?.iter().map(read_target).collect()
    }
}

impl Store {
    /// Everybody subscribed through the gateway.
    ///
    /// # Errors
    /// What the database said.
    pub async fn subscribed_targets(&self) -> anyhow::Result<Vec<TargetRow>> {
        self.read(&ALL, all()).await?.iter().map(read_target).collect()
    }

    /// What was handed on to a target, newest first, and how many rows there are on all pages.
    ///
    /// # Errors
    /// What the database said.
    pub async fn relayed(&self, filter: &RelayedFilter) -> anyhow::Result<(Vec<RelayedRow>, u64)> {
        let mut rows = Rows::default();
        let names = (!filter.events.is_empty()).then(|| format!(",{},", filter.events.join(",")));
        let skipped = i64::from(filter.page.saturating_sub(1)) * i64::from(filter.items);
        rows.push(&[
            (&filter.target).into(),
            filter.success.map(i64::from).into(),
            names.as_deref().into(),
            filter.items.into(),
            skipped.into(),
        ]);
        let found = self.read(&RELAYED, rows).await?;
        let all = found.first().map(|row| row.try_get::<i64>(5)).transpose()?.unwrap_or(0);
        let rows = found.iter().map(read_relayed).collect::<anyhow::Result<_>>()?;
        Ok((rows, u64::try_from(all)?))
    }
}

fn read_relayed(row: &Row) -> anyhow::Result<RelayedRow> {
    let id: String = row.try_get(0)?;
    let drawn_ms = ulid::Ulid::from_string(&id).map_or(0, |id| id.timestamp_ms());
    Ok(RelayedRow {
        name: row.try_get(1)?,
        body: row.try_get(2)?,
        http_status: row.try_get(3)?,
        error: row.try_get(4)?,
        at_ms: i64::try_from(drawn_ms)?,
    })
}
