//! Live runs, found by what they wait for: an answer of a person, or their turn. Each by an index that holds nothing else.

use super::dialect::Statement;
use super::runs::{RunRow, read_run, run_columns};
use super::unreadable::Table;
use super::{Rows, Tx};

/// Runs in line that one question brings at most.
pub(crate) const IN_LINE: usize = 1000;

pub(super) static ASKING: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", e.data from {rows: contact text} r
     join run u on u.contact = r.contact and u.asks is not null
     join event e on e.id = u.event"
));

static NEXT_IN_LINE: Statement = Statement::new(
    "select u.workflow, u.turn, u.id from {rows: workflow text, turn text, after text} r
     join run u on u.workflow = r.workflow and u.turn = r.turn and u.id > r.after
     where u.turn is not null and u.ended_at_ms is null and u.state = 'queued'
     order by u.id limit 1000",
);

/// A place in a line of runs about the same: workflow, hash of what they are about, run.
pub(crate) type Place = (String, String, String);

impl Tx<'_> {
    /// Runs that wait for an answer of one of these contacts, by their ids.
    pub(crate) async fn asking_runs(&mut self, contacts: &[&str]) -> anyhow::Result<Vec<RunRow>> {
        let mut rows = Rows::default();
        contacts.iter().for_each(|contact| rows.push(&[(*contact).into()]));
        let found = self.fetch(&ASKING, rows).await?;
        Ok(self.readable(Table::Run, &found, read_run))
    }

    /// Runs in these lines (workflow, hash), behind a run of that id, in order of arrival; at most [`IN_LINE`] in all.
    pub(crate) async fn next_in_line(&mut self, lines: &[(&str, &str, &str)]) -> anyhow::Result<Vec<Place>> {
        let mut rows = Rows::default();
        lines.iter().for_each(|(workflow, turn, after)| {
            rows.push(&[(*workflow).into(), (*turn).into(), (*after).into()]);
        });
        let found = self.fetch(&NEXT_IN_LINE, rows).await?;
        found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
    }
}
