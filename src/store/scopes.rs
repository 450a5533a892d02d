//! Scopes: the token buckets that deliveries are sent by, and the pauses that hold them (`account`, `channel:<name>`,
//! `template:<uuid>`).
//!
//! Invariant: a bucket is read with its row locked until the commit, so that two writers never grant the same token.

use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};
use crate::delivery::{Pause, Scope};
use anyhow::Context as _;

/// Everything that is kept about a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRow {
    pub scope: String,
    /// The token bucket: theoretical arrival time, microseconds.
    pub tat_us: i64,
    pub pause: Option<Pause>,
    /// Until when a line goes at half its pace. Unix milliseconds.
    pub slow_until_ms: Option<i64>,
}

// In the order of names, so that two writers wait for each other and never both.
static SCOPES: Statement = Statement::new(
    "select d.scope, d.tat_us, d.pause, d.slow_until_ms from bucket d
     where d.pause is not null or d.scope in (select scope from {rows: scope text} r) order by d.scope {lock}",
);

static ENSURE: Statement = Statement::new(
    "insert into bucket (scope, tat_us) select scope, 0 from {rows: scope text} r where true
     on conflict (scope) do nothing",
);

static UPDATE_BUCKETS: Statement = Statement::new(
    "update bucket set tat_us = r.tat_us from {rows: scope text, tat_us bigint} r where bucket.scope = r.scope",
);

static RAISE: Statement = Statement::new(
    "insert into bucket (scope, tat_us) select scope, tat_us from {rows: scope text, tat_us bigint} r where true
     on conflict (scope) do update set tat_us = excluded.tat_us where bucket.tat_us < excluded.tat_us",
);

static SLOW: Statement = Statement::new(
    "insert into bucket (scope, tat_us, slow_until_ms)
     select scope, 0, until_ms from {rows: scope text, until_ms bigint} r where true
     on conflict (scope) do update set slow_until_ms = excluded.slow_until_ms",
);

static PAUSE: Statement = Statement::new(
    "insert into bucket (scope, tat_us, pause) select scope, 0, pause from {rows: scope text, pause text} r where true
     on conflict (scope) do update set pause = excluded.pause",
);

static RESUME: Statement = Statement::new(
    "update bucket set pause = null where scope in (select scope from {rows: scope text} r) and pause is not null",
);

static PAUSES: Statement = Statement::new(
    "select b.scope, b.pause from bucket b where b.pause is not null order by b.scope
     limit (select n from {rows: n bigint} r)",
);

impl Tx<'_> {
    /// These scopes and everything that is paused, locked until the commit. A scope that is new gets its row first.
    pub(crate) async fn lock_scopes(&mut self, scopes: &[String]) -> anyhow::Result<Vec<ScopeRow>> {
        let found = self.read_scopes(scopes).await?;
        let known = |scope: &&String| found.iter().any(|row| row.scope == **scope);
        if scopes.iter().all(|scope| known(&scope)) {
            return Ok(found);
        }
        self.write(&ENSURE, named(scopes.iter().filter(|scope| !known(scope)))).await?;
        self.read_scopes(scopes).await
    }

    /// As [`Tx::lock_scopes`], of the rows that are there.
    pub(super) async fn read_scopes(&mut self, scopes: &[String]) -> anyhow::Result<Vec<ScopeRow>> {
        self.fetch(&SCOPES, named(scopes)).await?.iter().map(read_scope).collect()
    }

    /// Writes buckets whose rows are locked.
    pub(crate) async fn update_buckets(&mut self, buckets: &[(String, i64)]) -> anyhow::Result<()> {
        self.write(&UPDATE_BUCKETS, numbered(buckets)).await.map(drop)
    }

    /// Empties buckets at least so far; one that is emptier stays.
    pub(crate) async fn raise_buckets(&mut self, buckets: &[(String, i64)]) -> anyhow::Result<()> {
        self.write(&RAISE, numbered(buckets)).await.map(drop)
    }

    /// Halves the pace of scopes until these instants.
    pub(crate) async fn slow_scopes(&mut self, scopes: &[(String, i64)]) -> anyhow::Result<()> {
        self.write(&SLOW, numbered(scopes)).await.map(drop)
    }

    /// Pauses scopes, whatever they were paused for before.
    pub(crate) async fn pause(&mut self, scopes: &[(Scope, Pause)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for (scope, pause) in scopes {
            rows.push(&[Cell::Text(&scope.to_string()), Cell::Text(&serde_json::to_string(pause)?)]);
        }
        self.write(&PAUSE, rows).await.map(drop)
    }

    /// Ends pauses: how many there were.
    pub(crate) async fn resume(&mut self, scopes: &[Scope]) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        scopes.iter().for_each(|scope| rows.push(&[Cell::Text(&scope.to_string())]));
        self.write(&RESUME, rows).await
    }

    /// Everything that is paused.
    pub(crate) async fn pauses(&mut self) -> anyhow::Result<Vec<(Scope, Pause)>> {
        self.fetch(&PAUSES, all()).await?.iter().map(read_pause).collect()
    }
}

impl Store {
    /// Everything that was paused and not resumed, what is over by itself included.
    ///
    /// # Errors
    /// What the database said.
    pub async fn pauses(&self) -> anyhow::Result<Vec<(Scope, Pause)>> {
        self.read(&PAUSES, all()).await?.iter().map(read_pause).collect()
    }
}

fn named<'a>(scopes: impl IntoIterator<Item = &'a String>) -> Rows {
    let mut rows = Rows::default();
    scopes.into_iter().for_each(|scope| rows.push(&[scope.into()]));
    rows
}

fn numbered(scopes: &[(String, i64)]) -> Rows {
    let mut rows = Rows::default();
    scopes.iter().for_each(|(scope, number)| rows.push(&[scope.into(), (*number).into()]));
    rows
}

/// Scopes are few: the account, its lines, its templates.
fn all() -> Rows {
    let mut rows = Rows::default();
    rows.push(&[Cell::Number(10_000)]);
    rows
}

fn read_scope(row: &Row) -> anyhow::Result<ScopeRow> {
    let pause: Option<String> = row.try_get(2)?;
    let pause =
        pause.map(|pause| serde_json::from_str(&pause)).transpose().context("a stored pause is not readable")?;
    Ok(ScopeRow { scope: row.try_get(0)?, tat_us: row.try_get(1)?, pause, slow_until_ms: row.try_get(3)? })
}

fn read_pause(row: &Row) -> anyhow::Result<(Scope, Pause)> {
    let (scope, pause): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let scope = Scope::parse(&scope).with_context(|| format!("no scope: {scope}"))?;
    Ok((scope, serde_json::from_str(&pause).context("a stored pause is not readable")?))
}
