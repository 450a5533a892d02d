//! Audit: who did what by hand. Append-only.

use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Store, Tx};
use serde::Serialize;

/// One thing that somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    pub id: String,
    pub at_ms: i64,
    /// The name of the token that came with it.
    pub who: String,
    /// `settle`, `resume` …
    pub act: String,
    /// What it was done to.
    pub subject: String,
    pub detail: String,
}

static INSERT: Statement = Statement::new(
    "insert into audit (id, at_ms, who, act, subject, detail) select id, at_ms, who, act, subject, detail
     from {rows: id text, at_ms bigint, who text, act text, subject text, detail text} r",
);

static LATEST: Statement = Statement::new(
    "select a.id, a.at_ms, a.who, a.act, a.subject, a.detail from audit a
     order by a.id desc limit (select n from {rows: n bigint} r)",
);

impl Tx<'_> {
    pub(crate) async fn insert_audit(&mut self, entries: &[AuditRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for entry in entries {
            let AuditRow { id, at_ms, who, act, subject, detail } = entry;
            rows.push(&[id.into(), (*at_ms).into(), who.into(), act.into(), subject.into(), detail.into()]);
        }
        self.write(&INSERT, rows).await.map(drop)
    }
}

impl Store {
    /// What was done by hand, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn audit(&self, most: u32) -> anyhow::Result<Vec<AuditRow>> {
        let mut rows = Rows::default();
        rows.push(&[most.into()]);
        let read = |row: &Row| -> anyhow::Result<AuditRow> {
            Ok(AuditRow {
                id: row.try_get(0)?,
                at_ms: row.try_get(1)?,
                who: row.try_get(2)?,
                act: row.try_get(3)?,
                subject: row.try_get(4)?,
                detail: row.try_get(5)?,
            })
        };
        self.read(&LATEST, rows).await?.iter().map(read).collect()
    }
}
