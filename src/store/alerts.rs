//! Alerts: what an operator should know, until it is over.

use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};
use serde::Serialize;

/// Something that an operator should know. `name` is stable (`template:<uuid>`); `what` is for people, and holds no
/// number, token or text of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    pub name: String,
    pub what: String,
    pub since_ms: i64,
}

static RAISE: Statement = Statement::new(
    "insert into alert (name, what, since_ms) select name, what, since_ms
     from {rows: name text, what text, since_ms bigint} r where true
     on conflict (name) do update set what = excluded.what",
);

static CLEAR: Statement = Statement::new("delete from alert where name in (select name from {rows: name text} r)");

static ALERTS: Statement = Statement::new(
    "select a.name, a.what, a.since_ms from alert a, {rows: n bigint} r
     order by a.since_ms, a.name limit (select n from {rows: n bigint} q)",
);

impl Tx<'_> {
    /// Raises alerts; one that stands already keeps its beginning.
    pub(crate) async fn raise_alerts(&mut self, alerts: &[(String, String)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        alerts.iter().for_each(|(name, what)| rows.push(&[name.into(), what.into(), self.now_ms.into()]));
        self.write(&RAISE, rows).await.map(drop)
    }

    /// Clears alerts: how many stood.
    pub(crate) async fn clear_alerts(&mut self, names: &[String]) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        names.iter().for_each(|name| rows.push(&[name.into()]));
        self.write(&CLEAR, rows).await
    }

    /// Everything that stands, oldest first.
    pub(crate) async fn alerts(&mut self) -> anyhow::Result<Vec<Alert>> {
        self.fetch(&ALERTS, all()).await?.iter().map(read_alert).collect()
    }
}

impl Store {
    /// Everything that stands, oldest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn alerts(&self) -> anyhow::Result<Vec<Alert>> {
        self.read(&ALERTS, all()).await?.iter().map(read_alert).collect()
    }
}

/// Alerts are few: what they are about is.
fn all() -> Rows {
    let mut rows = Rows::default();
    rows.push(&[Cell::Number(10_000)]);
    rows
}

fn read_alert(row: &Row) -> anyhow::Result<Alert> {
    Ok(Alert { name: row.try_get(0)?, what: row.try_get(1)?, since_ms: row.try_get(2)? })
}
