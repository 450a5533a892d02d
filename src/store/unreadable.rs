//! Unreadable: rows that this release cannot make sense of, because a newer one wrote them or the file is damaged. They are
//! left out of what was asked for, and what is due of them is put off, so that everything else goes on.
//!
//! Invariant: nothing of such a row is written over but when it is due: a server that can read it goes on with it.

use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Tx};
use std::collections::BTreeSet;

/// How long what cannot be read is left alone. Another server may be able to.
pub(crate) const PUT_OFF_MS: i64 = 60_000;

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Run,
    Delivery,
    Call,
    Contact,
}

impl Table {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Delivery => "delivery",
            Self::Call => "call of the run",
            Self::Contact => "contact",
        }
    }
}

/// The rows of a transaction that could not be read, each with its id; of a contact that is not known.
pub(crate) type Unreadable = BTreeSet<(Table, String)>;

static PUT_OFF_RUNS: Statement = Statement::new(
    "update run set fence = run.fence + 1, wake_at_ms = r.at_ms from {rows: id text, now_ms bigint, at_ms bigint} r
     where run.id = r.id and run.ended_at_ms is null and run.wake_at_ms <= r.now_ms",
);

/// It steps out of its person's line; a call in doubt stays in doubt.
static PUT_OFF_DELIVERIES: Statement = Statement::new(
    "update delivery set due_at_ms = r.at_ms,
        state = case delivery.state when 'queued' then 'held' else delivery.state end,
        reason = case delivery.state when 'uncertain' then delivery.reason else 'unreadable' end,
        line_at_ms = case delivery.state when 'uncertain' then delivery.line_at_ms else r.now_ms end
     from {rows: id text, now_ms bigint, at_ms bigint} r
     where delivery.id = r.id and delivery.state in ('queued', 'held', 'uncertain')
        and delivery.due_at_ms > 0 and delivery.due_at_ms <= r.now_ms",
);

static PUT_OFF_CALLS: Statement = Statement::new(
    "update call set due_at_ms = r.at_ms from {rows: id text, now_ms bigint, at_ms bigint} r
     where call.run = r.id and call.state = 'queued' and call.due_at_ms <= r.now_ms",
);

impl Tx<'_> {
    /// Those rows that can be read; the first column names a row.
    pub(super) fn readable<T>(
        &mut self,
        table: Table,
        found: &[Row],
        read: impl Fn(&Row) -> anyhow::Result<T>,
    ) -> Vec<T> {
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            match read(row) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    let id: String = row.try_get(0).unwrap_or_default();
                    tracing::debug!(?table, id, error = format!("{error:#}"), "a row cannot be read");
                    self.unreadable.insert((table, id));
                }
            }
        }
        rows
    }

    /// Notes a row that is read, and cannot be dealt with because one that it points to is not.
    pub(crate) fn leave_out(&mut self, table: Table, id: &str) {
        self.unreadable.insert((table, id.to_owned()));
    }

    /// Puts off what is due and could not be read in this transaction: what there was.
    pub(crate) async fn put_off_unreadable(&mut self) -> anyhow::Result<Unreadable> {
        let all = std::mem::take(&mut self.unreadable);
        let (now_ms, at_ms) = (self.now_ms, self.now_ms + PUT_OFF_MS);
        for (table, statement) in
            [(Table::Run, &PUT_OFF_RUNS), (Table::Delivery, &PUT_OFF_DELIVERIES), (Table::Call, &PUT_OFF_CALLS)]
        {
            let mut rows = Rows::default();
            let these = all.iter().filter(|(of, _)| *of == table);
            these.for_each(|(_, id)| rows.push(&[id.into(), now_ms.into(), at_ms.into()]));
            self.write(statement, rows).await?;
        }
        Ok(all)
    }
}
