//! What stops live runs: the subjects by which events find them, the runs themselves, and stops that go on in later groups.
//!
//! A stop may concern any number of runs: what reads them has a bound, and says where it ended.

use super::dialect::Statement;
use super::row::Row;
use super::runs::{read_run, run_columns};
use super::unreadable::Table;
use super::{Rows, Tx};
use crate::run::Run;

/// Runs that one question brings at most.
pub(crate) const MOST_STOPPED: usize = 500;
/// Questions that one statement carries.
const ASKED: usize = 256;

/// By what an event finds runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// Runs about this contact.
    Contact(String),
    /// Runs whose subject has this hash.
    Hash(String),
}

/// Which runs an entry of `stop_when` of one definition concerns.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) workflow: String,
    /// Hash of the definition.
    pub(crate) definition: String,
    pub(crate) concerns: Concerns,
}

/// What a search found: runs by their ids, live ones and perhaps some that have ended; and whether there may be more.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) runs: Vec<Run>,
    pub(crate) more: bool,
}

/// A stop that goes on.
#[derive(Debug, Clone)]
pub(crate) struct StoppingRow {
    /// Grows with time: of runs that began in the same millisecond those with a smaller id are concerned.
    pub(crate) id: String,
    /// The event that stops.
    pub(crate) event: String,
    pub(crate) search: Search,
    /// Index in `stop_when` of the definition.
    pub(crate) entry: usize,
    /// Runs that began later are not concerned. Unix milliseconds.
    pub(crate) before_ms: i64,
    /// The last run that was looked at; empty = none.
    pub(crate) after: String,
}

/// A stop that goes on, with the data of its event, JSON.
#[derive(Debug)]
pub(crate) struct OpenStop {
    pub(crate) row: StoppingRow,
    pub(crate) data: String,
}

pub(super) static OF_CONTACTS: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", '', r.n from {rows: n bigint, contact text, workflow text, definition text} r
     join run u on u.contact = r.contact and u.workflow = r.workflow and u.definition = r.definition
     where u.ended_at_ms is null order by r.n, u.id limit 500"
));

// The index alone says which: of many, no row is read that is not taken. One that has ended is left out afterwards.
pub(super) static OF_HASHES: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", '', f.n from
        (select r.n, s.run from {rows: n bigint, hash text} r join subject s on s.hash = r.hash
         order by r.n, s.run limit 500) f
     join run u on u.id = f.run order by f.n, f.run"
));

static REST_OF_CONTACT: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", '' from run u
     where u.contact = (select contact from {rows: contact text, after text, workflow text, definition text} r)
        and u.workflow = (select workflow from {rows: contact text, after text, workflow text, definition text} r)
        and u.definition = (select definition from {rows: contact text, after text, workflow text, definition text} r)
        and u.id > (select after from {rows: contact text, after text, workflow text, definition text} r)
        and u.ended_at_ms is null
     order by u.id limit 500"
));

static REST_OF_HASH: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", '' from
        (select s.run from subject s
         where s.hash = (select hash from {rows: hash text, after text} r)
            and s.run > (select after from {rows: hash text, after text} r)
         order by s.run limit 500) f
     join run u on u.id = f.run order by f.run"
));

static INSERT_SUBJECTS: Statement = Statement::new(
    "insert into subject (run, entry, hash) select run, entry, hash from {rows: run text, entry bigint, hash text} r",
);

static DELETE_SUBJECTS: Statement =
    Statement::new("delete from subject where run in (select r.run from {rows: run text} r)");

static PUT_STOPPING: Statement = Statement::new(
    "insert into stopping (id, event, workflow, definition, entry, contact, hash, before_ms, after)
     select id, event, workflow, definition, entry, contact, hash, before_ms, after
     from {rows: id text, event text, workflow text, definition text, entry bigint, contact text, hash text,
        before_ms bigint, after text} r where true
     on conflict (id) do update set after = excluded.after",
);

static DELETE_STOPPING: Statement =
    Statement::new("delete from stopping where id in (select r.id from {rows: id text} r)");

static OPEN_STOP: Statement = Statement::new(
    "select s.id, s.event, s.workflow, s.definition, s.entry, s.contact, s.hash, s.before_ms, s.after, e.data
     from stopping s join event e on e.id = s.event where s.before_ms <= $1 order by s.id limit $2 {skip locked s}",
);

static ANY_STOP: Statement = Statement::new("select s.id from stopping s, {rows: n bigint} r limit 1");

impl StoppingRow {
    /// Whether a run had begun when the event came.
    pub(crate) fn concerns(&self, run: &Run) -> bool {
        (run.started_at_ms, run.id.as_str()) < (self.before_ms, self.id.as_str())
    }
}

impl Tx<'_> {
    /// The live runs that these searches concern, each search's by their ids, [`MOST_STOPPED`] in all, without the data of
    /// their events.
    pub(crate) async fn live_runs(&mut self, searches: &[Search]) -> anyhow::Result<Vec<Found>> {
        let mut found: Vec<Found> = searches.iter().map(|_| Found::default()).collect();
        let (mut people, mut hashes) = (Vec::new(), Vec::new());
        for (n, search) in searches.iter().enumerate() {
            match &search.concerns {
                Concerns::Contact(contact) => people.push((n, contact, search)),
                Concerns::Hash(hash) => hashes.push((n, hash)),
            }
        }
        for part in people.chunks(ASKED) {
            let mut rows = Rows::default();
            for (n, contact, search) in part {
                rows.push(&[
                    i64::try_from(*n)?.into(),
                    (*contact).into(),
                    (&search.workflow).into(),
                    (&search.definition).into(),
                ]);
            }
            let asked = part.iter().map(|(n, _, _)| *n);
            self.sort_out(&OF_CONTACTS, rows, asked, &mut found).await?;
        }
        for part in hashes.chunks(ASKED) {
            let mut rows = Rows::default();
            for (n, hash) in part {
                rows.push(&[i64::try_from(*n)?.into(), (*hash).into()]);
            }
            self.sort_out(&OF_HASHES, rows, part.iter().map(|(n, _)| *n), &mut found).await?;
        }
        Ok(found)
    }

    /// Gives each search its runs. When the bound was reached, those of the last search that got any, and of all behind it,
    /// may not be all.
    async fn sort_out(
        &mut self,
        statement: &Statement,
        rows: Rows,
        asked: impl Iterator<Item = usize>,
        found: &mut [Found],
    ) -> anyhow::Result<()> {
        let rows = self.fetch(statement, rows).await?;
        let full = rows.len() >= MOST_STOPPED;
        let mut last = 0;
        for row in &rows {
            last = usize::try_from(row.try_get::<i64>(20)?)?;
            found[last]
                .runs
                .extend(self.readable(Table::Run, std::slice::from_ref(row), read_run).pop().map(|row| row.run));
        }
        asked.filter(|n| full && *n >= last).for_each(|n| found[n].more = true);
        Ok(())
    }

    /// The next runs of a stop that goes on, those that began since included.
    pub(crate) async fn rest_of_stop(&mut self, stop: &StoppingRow) -> anyhow::Result<Found> {
        let mut rows = Rows::default();
        let (search, after) = (&stop.search, (&stop.after).into());
        let statement = match &search.concerns {
            Concerns::Contact(contact) => {
                rows.push(&[contact.into(), after, (&search.workflow).into(), (&search.definition).into()]);
                &REST_OF_CONTACT
            }
            Concerns::Hash(hash) => {
                rows.push(&[hash.into(), after]);
                &REST_OF_HASH
            }
        };
        let found = self.fetch(statement, rows).await?;
        let runs: Vec<Run> = self.readable(Table::Run, &found, |row| Ok(read_run(row)?.run));
        Ok(Found { more: found.len() >= MOST_STOPPED, runs })
    }

    /// Keeps by what events find runs: (run, entry, hash).
    pub(crate) async fn insert_subjects(&mut self, subjects: &[(String, usize, String)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for (run, entry, hash) in subjects {
            rows.push(&[run.into(), i64::try_from(*entry)?.into(), hash.into()]);
        }
        self.write(&INSERT_SUBJECTS, rows).await.map(drop)
    }

    /// Forgets them for runs that ended.
    pub(crate) async fn delete_subjects(&mut self, runs: &[&str]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|run| rows.push(&[(*run).into()]));
        self.write(&DELETE_SUBJECTS, rows).await.map(drop)
    }

    /// Keeps stops that go on, new ones and how far others are.
    pub(crate) async fn put_stopping(&mut self, stops: &[StoppingRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for stop in stops {
            let (contact, hash) = match &stop.search.concerns {
                Concerns::Contact(contact) => (Some(contact.as_str()), None),
                Concerns::Hash(hash) => (None, Some(hash.as_str())),
            };
            rows.push(&[
                (&stop.id).into(),
                (&stop.event).into(),
                (&stop.search.workflow).into(),
                (&stop.search.definition).into(),
                i64::try_from(stop.entry)?.into(),
                contact.into(),
                hash.into(),
                stop.before_ms.into(),
                (&stop.after).into(),
            ]);
        }
        self.write(&PUT_STOPPING, rows).await.map(drop)
    }

    /// Forgets a stop that is through.
    pub(crate) async fn delete_stopping(&mut self, id: &str) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[id.into()]);
        self.write(&DELETE_STOPPING, rows).await.map(drop)
    }

    /// The oldest stop that goes on and that no other node has in its hands.
    pub(crate) async fn open_stop(&mut self) -> anyhow::Result<Option<OpenStop>> {
        let found = self.due(&OPEN_STOP, i64::MAX, 1).await?;
        found.first().map(read_open).transpose()
    }

    /// Whether any stop goes on, in whosever hands it is.
    pub(crate) async fn stop_goes_on(&mut self) -> anyhow::Result<bool> {
        let mut rows = Rows::default();
        rows.push(&[1_i64.into()]);
        Ok(!self.fetch(&ANY_STOP, rows).await?.is_empty())
    }
}

fn read_open(row: &Row) -> anyhow::Result<OpenStop> {
    let (contact, hash): (Option<String>, Option<String>) = (row.try_get(5)?, row.try_get(6)?);
    let concerns = match contact {
        Some(contact) => Concerns::Contact(contact),
        None => Concerns::Hash(hash.unwrap_or_default()),
    };
    let row_ = StoppingRow {
        id: row.try_get(0)?,
        event: row.try_get(1)?,
        search: Search { workflow: row.try_get(2)?, definition: row.try_get(3)?, concerns },
        entry: usize::try_from(row.try_get::<i64>(4)?)?,
        before_ms: row.try_get(7)?,
        after: row.try_get(8)?,
    };
    Ok(OpenStop { row: row_, data: row.try_get(9)? })
}
