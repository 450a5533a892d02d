//! Scopes: the token buckets that deliveries are sent by, and the pauses that hold them (`account`, `channel:<name>`,
//! `template:<uuid>`).

use super::dialect::Statement;
use super::{Cell, Rows, Store, Tx};
use crate::delivery::{Pause, Scope};
use anyhow::Context as _;
use sqlx::Row as _;
use sqlx::any::AnyRow;

static BUCKETS: Statement =
    Statement::new("select b.scope, b.tat_us from bucket b where b.scope in (select scope from {rows: scope text} r)");

static UPSERT_BUCKETS: Statement = Statement::new(
    "insert into bucket (scope, tat_us) select scope, tat_us from {rows: scope text, tat_us bigint} r where true
     on conflict (scope) do update set tat_us = excluded.tat_us",
);

static PAUSE: Statement = Statement::new(
    "insert into bucket (scope, tat_us, pause) select scope, 0, pause from {rows: scope text, pause text} r where true
     on conflict (scope) do update set pause = excluded.pause where bucket.pause is null",
);

static RESUME: Statement = Statement::new(
    "update bucket set pause = null where scope in (select scope from {rows: scope text} r) and pause is not null",
);

static PAUSES: Statement = Statement::new(
    "select b.scope, b.pause from bucket b, {rows: n bigint} r where b.pause is not null
     order by b.scope limit (select n from {rows: n bigint} q)",
);

impl Tx<'_> {
    pub(crate) async fn buckets(&mut self, scopes: &[&str]) -> anyhow::Result<Vec<(String, i64)>> {
        let mut rows = Rows::default();
        scopes.iter().for_each(|scope| rows.push(&[(*scope).into()]));
        let bucket = |row: &AnyRow| -> anyhow::Result<_> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        self.fetch(&BUCKETS, rows).await?.iter().map(bucket).collect()
    }

    pub(crate) async fn upsert_buckets(&mut self, buckets: &[(String, i64)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        buckets.iter().for_each(|(scope, tat_us)| rows.push(&[scope.into(), (*tat_us).into()]));
        self.write(&UPSERT_BUCKETS, rows).await.map(drop)
    }

    /// Pauses scopes; one that is paused already keeps its reason.
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
    /// Everything that is paused, for pages and `doctor`.
    ///
    /// # Errors
    /// What the database said.
    pub async fn pauses(&self) -> anyhow::Result<Vec<(Scope, Pause)>> {
        self.read(&PAUSES, all()).await?.iter().map(read_pause).collect()
    }
}

/// Scopes are few: the account, its lines, its templates.
fn all() -> Rows {
    let mut rows = Rows::default();
    rows.push(&[Cell::Number(10_000)]);
    rows
}

fn read_pause(row: &AnyRow) -> anyhow::Result<(Scope, Pause)> {
    let (scope, pause): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let scope = Scope::parse(&scope).with_context(|| format!("no scope: {scope}"))?;
    Ok((scope, serde_json::from_str(&pause).context("a stored pause is not readable")?))
}
