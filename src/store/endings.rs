//! Endings: what is under way for a person who wants no more, or is erased, and how far its end is.
//!
//! A person may have any number of runs: what reads them has a bound, and a row says where the next group goes on.

use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Tx};
use crate::run::Run;

/// An end that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndingRow {
    /// Grows with time: of what began in the same millisecond only that with a smaller id is concerned.
    pub(crate) id: String,
    pub(crate) contact: String,
    /// Why runs end and messages are cancelled.
    pub(crate) reason: String,
    /// What began later is not concerned. Unix milliseconds.
    pub(crate) before_ms: i64,
    /// The last run that was looked at; empty = none.
    pub(crate) after: String,
}

static OPEN_RUNS: Statement = Statement::new(
    "select u.id from run u, {rows: contact text, after text, before_ms bigint, id text, most bigint} r
     where u.contact = r.contact and u.ended_at_ms is null and u.id > r.after
        and (u.started_at_ms < r.before_ms or (u.started_at_ms = r.before_ms and u.id < r.id))
     order by u.id limit (select most from {rows: contact text, after text, before_ms bigint, id text, most bigint} q)",
);

static OPEN_DELIVERIES: Statement = Statement::new(
    "select d.id from delivery d, {rows: contact text, after text, before_ms bigint, id text, most bigint} r
     where d.contact = r.contact and d.state in ('queued', 'held', 'sending', 'uncertain')
        and d.state in ('queued', 'held')
        and (d.planned_at_ms < r.before_ms or (d.planned_at_ms = r.before_ms and d.id < r.id))
     order by d.id limit (select most from {rows: contact text, after text, before_ms bigint, id text, most bigint} q)",
);

static PUT: Statement = Statement::new(
    "insert into ending (id, contact, reason, before_ms, after) select id, contact, reason, before_ms, after
     from {rows: id text, contact text, reason text, before_ms bigint, after text} r where true
     on conflict (id) do update set after = excluded.after",
);

static DELETE: Statement = Statement::new("delete from ending where id in (select r.id from {rows: id text} r)");

static OPEN: Statement = Statement::new(
    "select n.id, n.contact, n.reason, n.before_ms, n.after from ending n where n.before_ms <= $1 order by n.id limit $2
     {skip locked n}",
);

static ANY: Statement = Statement::new("select n.id from ending n where $1 = $1 limit $2");

impl EndingRow {
    /// Whether a run had begun when the person's wish came.
    pub(crate) fn concerns(&self, run: &Run) -> bool {
        run.contact == self.contact && (run.started_at_ms, run.id.as_str()) < (self.before_ms, self.id.as_str())
    }
}

impl Tx<'_> {
    /// The next runs of a person that have not ended, and of what waits to be sent to them: ids, the oldest first.
    pub(crate) async fn open_work_of(
        &mut self,
        ending: &EndingRow,
        most: usize,
    ) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let question = || -> anyhow::Result<Rows> {
            let EndingRow { id, contact, before_ms, after, .. } = ending;
            let mut rows = Rows::default();
            rows.push(&[contact.into(), after.into(), (*before_ms).into(), id.into(), i64::try_from(most)?.into()]);
            Ok(rows)
        };
        let ids = |rows: Vec<Row>| rows.iter().map(|row| row.try_get(0)).collect::<anyhow::Result<_>>();
        let runs = self.fetch(&OPEN_RUNS, question()?).await?;
        let deliveries = self.fetch(&OPEN_DELIVERIES, question()?).await?;
        Ok((ids(runs)?, ids(deliveries)?))
    }

    /// Keeps ends that go on, new ones and how far others are.
    pub(crate) async fn put_endings(&mut self, endings: &[EndingRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for EndingRow { id, contact, reason, before_ms, after } in endings {
            rows.push(&[id.into(), contact.into(), reason.into(), (*before_ms).into(), after.into()]);
        }
        self.write(&PUT, rows).await.map(drop)
    }

    /// Forgets an end that is through.
    pub(crate) async fn delete_ending(&mut self, id: &str) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[id.into()]);
        self.write(&DELETE, rows).await.map(drop)
    }

    /// The oldest end that goes on and that no other node has in its hands.
    pub(crate) async fn open_ending(&mut self) -> anyhow::Result<Option<EndingRow>> {
        let found = self.due(&OPEN, i64::MAX, 1).await?;
        found.first().map(read_ending).transpose()
    }

    /// Whether any end goes on, in whosever hands it is.
    pub(crate) async fn ending_goes_on(&mut self) -> anyhow::Result<bool> {
        Ok(!self.due(&ANY, 0, 1).await?.is_empty())
    }
}

fn read_ending(row: &Row) -> anyhow::Result<EndingRow> {
    Ok(EndingRow {
        id: row.try_get(0)?,
        contact: row.try_get(1)?,
        reason: row.try_get(2)?,
        before_ms: row.try_get(3)?,
        after: row.try_get(4)?,
    })
}
