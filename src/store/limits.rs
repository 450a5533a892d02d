//! Limits: which runs reached whom, for workflows that ask how often they may.

use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Tx};

/// A run that reached its contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub workflow: String,
    pub contact: String,
    /// What started it: one that a person had done again counts once, by the event of both.
    pub event: String,
    /// When its first message was handed over, Unix milliseconds; [`i64::MAX`] while that is on its way.
    pub at_ms: i64,
}

/// The contacts stay locked until the commit: who counts for one of them waits for whoever counted before.
static FIRST: Statement = Statement::new(
    "select u.id, u.contact, u.event from {rows: run text} r join run u on u.id = r.run join contact c on c.id = u.contact
     where u.reached_at_ms is null order by c.id {lock c}",
);

/// Calls under way are few, whatever the number of runs.
static REACHED: Statement = Statement::new(
    "select r.workflow, r.contact, u.event, u.reached_at_ms from {rows: workflow text, contact text, since_ms bigint} r
     join run u on u.contact = r.contact and u.workflow = r.workflow and u.reached_at_ms > r.since_ms
     union all
     select o.workflow, o.contact, o.event, 9223372036854775807 from delivery s join run o on o.id = s.run
     where s.state = 'sending' and o.reached_at_ms is null
        and exists (select 1 from {rows: workflow text, contact text, since_ms bigint} q
            where q.workflow = o.workflow and q.contact = o.contact)",
);

static REACH: Statement = Statement::new(
    "update run set reached_at_ms = r.at_ms from {rows: run text, at_ms bigint} r
     where run.id = r.run and run.reached_at_ms is null",
);

/// Of its messages, those that the platform told to have failed reached nobody, unless an attempt before may have. Whoever
/// holds the run as it was before reads it again.
static COUNT_AGAIN: Statement = Statement::new(
    "update run set fence = run.fence + 1, reached_at_ms = (
        select min(coalesce(d.handed_at_ms, d.planned_at_ms)) from delivery d
        where d.run = run.id and d.run <> '' and (d.state = 'uncertain' or d.possible_duplicate = 1
            or (d.state = 'cancelled' and d.reason = 'given_up')
            or (d.state = 'accepted' and coalesce(d.status, '') <> 'failed')))
     from {rows: run text} r where run.id = r.run",
);

impl Tx<'_> {
    /// Of these runs those that reached nobody yet: run, and its contact and event.
    pub(crate) async fn first_messages(&mut self, runs: &[&str]) -> anyhow::Result<Vec<(String, (String, String))>> {
        let mut rows = Rows::default();
        runs.iter().for_each(|run| rows.push(&[(*run).into()]));
        let first = |row: &Row| -> anyhow::Result<_> { Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?))) };
        self.fetch(&FIRST, rows).await?.iter().map(first).collect()
    }

    /// Runs that reached their contact after an instant, or are about to: (workflow, contact, since when).
    pub(crate) async fn reached(&mut self, asked: &[(String, String, i64)]) -> anyhow::Result<Vec<Counted>> {
        let mut rows = Rows::default();
        asked.iter().for_each(|(workflow, contact, ms)| rows.push(&[workflow.into(), contact.into(), (*ms).into()]));
        let counted = |row: &Row| -> anyhow::Result<Counted> {
            Ok(Counted {
                workflow: row.try_get(0)?,
                contact: row.try_get(1)?,
                event: row.try_get(2)?,
                at_ms: row.try_get(3)?,
            })
        };
        self.fetch(&REACHED, rows).await?.iter().map(counted).collect()
    }

    /// Notes when runs, ended or not, reached their contacts, unless that is known.
    pub(crate) async fn reach_runs(&mut self, runs: &[(String, i64)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|(run, at_ms)| rows.push(&[run.into(), (*at_ms).into()]));
        self.write(&REACH, rows).await.map(drop)
    }

    /// Notes anew when these runs reached their contacts, if they did: what is told of their messages has changed.
    pub(crate) async fn count_again(&mut self, runs: &[&str]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|run| rows.push(&[(*run).into()]));
        self.write(&COUNT_AGAIN, rows).await.map(drop)
    }
}
