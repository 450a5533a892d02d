//! Overdue: since when the oldest work that is due has waited. The figure that grows when a server is behind, or stands
//! still, whatever it says of itself.
//!
//! Invariant: a look costs as many steps as there are lanes, however much waits.

use super::dialect::Statement;
use super::{Rows, Store};

/// When the oldest was due, Unix milliseconds; `None` = nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OldestDue {
    /// A timer, or another step of a run.
    pub run_ms: Option<i64>,
    /// A call of a step, of a run that goes on.
    pub call_ms: Option<i64>,
    /// A message: it may wait for a rate, or for one before it.
    pub message_ms: Option<i64>,
}

pub(super) static OLDEST: Statement = Statement::new(
    "with recursive found (lane) as (
        select min(d.lane) from delivery d where d.state in ('queued', 'held')
        union all
        select (select min(d.lane) from delivery d where d.state in ('queued', 'held') and d.lane > found.lane)
        from found where found.lane is not null)
     select (select min(u.wake_at_ms) from run u where u.wake_at_ms <= r.now_ms),
        (select c.due_at_ms from call c join run w on w.id = c.run
            where c.state = 'queued' and c.due_at_ms <= r.now_ms
               and w.ended_at_ms is null and w.state in ('queued', 'running', 'waiting')
            order by c.due_at_ms limit 1),
        (select min((select min(d.due_at_ms) from delivery d
            where d.lane = found.lane and d.state in ('queued', 'held') and d.due_at_ms <= r.now_ms))
         from found)
     from {rows: now_ms bigint} r",
);

impl Store {
    /// Since when the oldest work has been due at an instant.
    ///
    /// # Errors
    /// What the database said.
    pub async fn oldest_due(&self, now_ms: i64) -> anyhow::Result<OldestDue> {
        let mut rows = Rows::default();
        rows.push(&[now_ms.into()]);
        let found = self.read(&OLDEST, rows).await?;
        let Some(row) = found.first() else { return Ok(OldestDue::default()) };
        Ok(OldestDue { run_ms: row.try_get(0)?, call_ms: row.try_get(1)?, message_ms: row.try_get(2)? })
    }
}
