//! Older: rows as an older release writes them, brought into the form of this one.
//!
//! They are there after an upgrade, and as long as servers of two releases work on one database. Each is found by an index
//! that holds nothing else. Invariant: what another server has in hand at this moment is left for the next time.

use super::dialect::Statement;
use super::runs::{read_run, run_columns};
use super::{Rows, Tx};
use crate::run::Run;

/// A release that knows no lanes has one for each channel.
static LANES: Statement = Statement::new(
    "update delivery set lane = channel where id in (select d.id from delivery d
        where d.lane = '' and d.state in ('queued', 'held')
        order by d.due_at_ms, d.id limit (select n from {rows: n bigint} r) {skip locked d})",
);

static CAUSELESS: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", '' from run u where u.state = 'needs_attention' and u.cause is null order by u.id
        limit (select n from {rows: n bigint} r) {skip locked u}"
));

static PUT_CAUSES: Statement = Statement::new(
    "update run set cause = r.cause, cause_at_ms = r.cause_at_ms
     from {rows: id text, fence bigint, cause text, cause_at_ms bigint} r
     where run.id = r.id and run.fence = r.fence and run.state = 'needs_attention'",
);

impl Tx<'_> {
    /// Gives messages that wait in no lane that of their channel, so many at a time: how many there were.
    pub(crate) async fn put_into_lanes(&mut self, most: usize) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        rows.push(&[i64::try_from(most)?.into()]);
        self.write(&LANES, rows).await
    }

    /// Writes down why runs need a person, so many at a time: how many there were.
    pub(crate) async fn put_causes(&mut self, most: usize) -> anyhow::Result<usize> {
        let mut rows = Rows::default();
        rows.push(&[i64::try_from(most)?.into()]);
        let found = self.fetch(&CAUSELESS, rows).await?;
        let runs: Vec<Run> = found.iter().map(|row| Ok(read_run(row)?.run)).collect::<anyhow::Result<_>>()?;
        let mut rows = Rows::default();
        for run in &runs {
            rows.push(&[(&run.id).into(), run.fence.into(), run.cause().as_deref().into(), run.since_ms().into()]);
        }
        self.write(&PUT_CAUSES, rows).await?;
        Ok(runs.len())
    }
}
