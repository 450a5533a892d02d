//! Runs, the identities they took, and the definitions they are pinned to.

use super::dialect::Statement;
use super::row::Row;
use super::unreadable::Table;
use super::{Cell, Rows, Store, Tx};
use crate::run::{Run, RunState};
use anyhow::Context as _;
use serde_json::Value;

/// A run with the data of the event that started it.
#[derive(Debug, Clone)]
pub struct RunRow {
    pub run: Run,
    pub event_data: Value,
}

/// Who holds an identity.
#[derive(Debug, Clone)]
pub struct IdentityRow {
    pub workflow: String,
    pub hash: String,
    pub run: String,
    pub state: RunState,
}

/// The columns of a run `u`, in the order of [`read_run`]; the data of its event follows.
macro_rules! run_columns {
    () => {
        "u.id, u.workflow, u.definition, u.contact, u.event, u.firing, u.state, u.reason, u.progress, u.wake_at_ms,
         u.seed, u.fence, u.started_at_ms, u.ended_at_ms, u.asks, u.turn, u.reached_at_ms, u.redrive_of, u.redrive"
    };
}

pub(super) use run_columns;

pub(super) static DUE: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", e.data from run u join event e on e.id = u.event
     where u.wake_at_ms > $3 and u.wake_at_ms <= $1 order by u.wake_at_ms, u.id limit $2 {skip locked u}"
));

static BY_IDS: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", e.data from {rows: id text} r join run u on u.id = r.id join event e on e.id = u.event"
));

static INSERT: Statement = Statement::new(
    "insert into run (id, workflow, definition, contact, event, firing, state, reason, progress, wake_at_ms, seed, fence,
        started_at_ms, ended_at_ms, asks, turn, reached_at_ms, redrive_of, redrive, cause, cause_at_ms)
     select id, workflow, definition, contact, event, firing, state, reason, progress, wake_at_ms, seed, fence,
        started_at_ms, ended_at_ms, asks, turn, reached_at_ms, redrive_of, redrive, cause, cause_at_ms
     from {rows: id text, workflow text, definition text, contact text, event text, firing text, state text, reason text,
        progress text, wake_at_ms bigint, seed bigint, fence bigint, started_at_ms bigint, ended_at_ms bigint, asks text,
        turn text, reached_at_ms bigint, redrive_of text, redrive bigint, cause text, cause_at_ms bigint} r",
);

static UPDATE: Statement = Statement::new(
    "update run set state = r.state, reason = r.reason, progress = r.progress, wake_at_ms = r.wake_at_ms,
        fence = r.fence + 1, ended_at_ms = r.ended_at_ms, asks = r.asks, cause = r.cause, cause_at_ms = r.cause_at_ms,
        turn = coalesce(run.turn, r.turn), reached_at_ms = coalesce(run.reached_at_ms, r.reached_at_ms)
     from {rows: id text, fence bigint, state text, reason text, progress text, wake_at_ms bigint, ended_at_ms bigint,
        asks text, turn text, reached_at_ms bigint, cause text, cause_at_ms bigint} r
     where run.id = r.id and run.fence = r.fence and run.ended_at_ms is null",
);

/// An identity is kept for good, its run is not.
static IDENTITIES: Statement = Statement::new(
    "select i.workflow, i.hash, i.run, coalesce(u.state, 'done')
     from {rows: workflow text, hash text} r
     join identity i on i.workflow = r.workflow and i.hash = r.hash
     left join run u on u.id = i.run",
);

static TAKE_IDENTITIES: Statement = Statement::new(
    "insert into identity (workflow, hash, run) select workflow, hash, run
     from {rows: workflow text, hash text, run text, held_by text} r where true
     on conflict (workflow, hash) do update set run = excluded.run
     where exists (select 1 from {rows: workflow text, hash text, run text, held_by text} h
        where h.workflow = identity.workflow and h.hash = identity.hash and h.held_by = identity.run)",
);

static LIST: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", '' from run u, {rows: workflow text, state text, contact text, before text, n bigint} r
     where (r.workflow is null or u.workflow = r.workflow) and (r.state is null or u.state = r.state)
        and (r.contact is null or u.contact = r.contact) and (r.before is null or u.id < r.before)
     order by u.id desc limit (select n from {rows: workflow text, state text, contact text, before text, n bigint} q)"
));

static OF_CONTACT: Statement = Statement::new(concat!(
    "select ",
    run_columns!(),
    ", '' from run u, {rows: contact text, n bigint} r where u.contact = r.contact
     order by u.id desc limit (select n from {rows: contact text, n bigint} q)"
));

static INSERT_DEFINITIONS: Statement = Statement::new(
    "insert into definition (hash, workflow, files, created_at_ms) select hash, workflow, files, created_at_ms
     from {rows: hash text, workflow text, files text, created_at_ms bigint} r where true
     on conflict (hash) do update set created_at_ms = excluded.created_at_ms",
);

static OPEN_DEFINITIONS: Statement = Statement::new(
    "select d.hash, d.workflow, d.files from definition d, {rows: n bigint} r
     where exists (select 1 from run u where u.definition = d.hash and u.ended_at_ms is null)
        or exists (select 1 from firing f where f.definition = d.hash and f.state = 'running')",
);

static DEFINITIONS_IN_USE: Statement = Statement::new(
    "select d.hash from definition d, {rows: since_ms bigint} r
     where d.created_at_ms > r.since_ms
        or exists (select 1 from run u where u.definition = d.hash and u.ended_at_ms is null)",
);

/// How long a definition that no run goes by yet counts as new.
const NEW_MS: i64 = 24 * 3_600_000;

static LIVE_OF: Statement = Statement::new(
    "select u.id from run u, {rows: definition text, after text, n bigint} r
     where u.definition = r.definition and u.ended_at_ms is null and u.id > r.after
     order by u.id limit (select n from {rows: definition text, after text, n bigint} q)",
);

/// Locked, so that a message that another node begins to send at this moment is seen.
static DELIVERIES_OF: Statement = Statement::new(
    "select d.run, d.attempts, d.state from {rows: run text} r join delivery d on d.run = r.run {lock d}",
);

static CALLS_OF: Statement =
    Statement::new("select c.run, c.claims, c.state from {rows: run text} r join call c on c.run = r.run {lock c}");

static DEFINITION: Statement =
    Statement::new("select d.hash, d.workflow, d.files from {rows: hash text} r join definition d on d.hash = r.hash");

/// Which runs to list; `None` = all.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub workflow: Option<String>,
    pub state: Option<RunState>,
    pub contact: Option<String>,
    /// Only runs older than this id.
    pub before: Option<String>,
    /// At most so many; newest first.
    pub limit: u32,
}

/// A definition that live runs still need.
#[derive(Debug, Clone)]
pub struct DefinitionRow {
    pub hash: String,
    pub workflow: String,
    /// JSON object, path → text.
    pub files: String,
}

impl Tx<'_> {
    /// Runs whose wait ended after `after_ms` and until `until_ms`, oldest first, without those that another node is
    /// moving at this moment.
    pub(crate) async fn due_runs(&mut self, after_ms: i64, until_ms: i64, most: usize) -> anyhow::Result<Vec<RunRow>> {
        let found = self.fetch_by(&DUE, &[until_ms.into(), i64::try_from(most)?.into(), after_ms.into()]).await?;
        Ok(self.readable(Table::Run, &found, read_run))
    }

    /// Those of these runs that can be read.
    pub(crate) async fn runs(&mut self, ids: &[&str]) -> anyhow::Result<Vec<RunRow>> {
        let mut rows = Rows::default();
        ids.iter().for_each(|id| rows.push(&[(*id).into()]));
        let found = self.fetch(&BY_IDS, rows).await?;
        Ok(self.readable(Table::Run, &found, read_run))
    }

    pub(crate) async fn insert_runs(&mut self, runs: &[&Run]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for run in runs {
            let cause = run.cause();
            rows.push(&[
                (&run.id).into(),
                (&run.workflow).into(),
                (&run.definition).into(),
                (&run.contact).into(),
                (&run.event).into(),
                run.firing.as_deref().into(),
                run.state.as_str().into(),
                (&run.reason).into(),
                Cell::Text(&serde_json::to_string(&run.progress)?),
                run.wake_at_ms.into(),
                run.seed.into(),
                run.fence.into(),
                run.started_at_ms.into(),
                run.ended_at_ms.into(),
                run.asks.as_deref().into(),
                run.turn.as_deref().into(),
                run.reached_at_ms.into(),
                run.redrive_of.as_deref().into(),
                run.redrive.into(),
                cause.as_deref().into(),
                cause.as_ref().map(|_| run.since_ms()).into(),
            ]);
        }
        self.write(&INSERT, rows).await.map(drop)
    }

    /// Writes runs that nobody else moved since they were read; fails when one was.
    pub(crate) async fn update_runs(&mut self, runs: &[&Run]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for run in runs {
            let cause = run.cause();
            rows.push(&[
                (&run.id).into(),
                run.fence.into(),
                run.state.as_str().into(),
                (&run.reason).into(),
                Cell::Text(&serde_json::to_string(&run.progress)?),
                run.wake_at_ms.into(),
                run.ended_at_ms.into(),
                run.asks.as_deref().into(),
                run.turn.as_deref().into(),
                run.reached_at_ms.into(),
                cause.as_deref().into(),
                cause.as_ref().map(|_| run.since_ms()).into(),
            ]);
        }
        let written = self.write(&UPDATE, rows).await?;
        anyhow::ensure!(written == runs.len() as u64, super::Moved);
        Ok(())
    }

    /// Which of these runs handed a message or a call over, or may be doing so now.
    pub(crate) async fn runs_that_handed_over(&mut self, runs: &[&str]) -> anyhow::Result<Vec<String>> {
        let questions = || {
            let mut rows = Rows::default();
            runs.iter().for_each(|run| rows.push(&[(*run).into()]));
            rows
        };
        let mut handed = Vec::new();
        for row in self.fetch(&DELIVERIES_OF, questions()).await? {
            let (attempts, state): (i64, String) = (row.try_get(1)?, row.try_get(2)?);
            if attempts > 0 || matches!(state.as_str(), "sending" | "accepted" | "uncertain") {
                handed.push(row.try_get(0)?);
            }
        }
        for row in self.fetch(&CALLS_OF, questions()).await? {
            let (claims, state): (i64, String) = (row.try_get(1)?, row.try_get(2)?);
            if claims > 0 || state != "queued" {
                handed.push(row.try_get(0)?);
            }
        }
        Ok(handed)
    }

    /// Who holds these (workflow, hash) identities.
    pub(crate) async fn identities(&mut self, keys: &[(&str, &str)]) -> anyhow::Result<Vec<IdentityRow>> {
        let mut rows = Rows::default();
        keys.iter().for_each(|(workflow, hash)| rows.push(&[(*workflow).into(), (*hash).into()]));
        let identity = |row: &Row| -> anyhow::Result<IdentityRow> {
            Ok(IdentityRow {
                workflow: row.try_get(0)?,
                hash: row.try_get(1)?,
                run: row.try_get(2)?,
                state: read_state(row.try_get(3)?)?,
            })
        };
        self.fetch(&IDENTITIES, rows).await?.iter().map(identity).collect()
    }

    /// Gives identities to runs: (workflow, hash, run, who held it before). Fails when another writer was faster.
    pub(crate) async fn take_identities(
        &mut self,
        taken: &[(String, String, String, Option<String>)],
    ) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for (workflow, hash, run, held_by) in taken {
            rows.push(&[workflow.into(), hash.into(), run.into(), held_by.as_deref().into()]);
        }
        let written = self.write(&TAKE_IDENTITIES, rows).await?;
        anyhow::ensure!(written == taken.len() as u64, super::Moved);
        Ok(())
    }

    pub(crate) async fn insert_definitions(&mut self, definitions: &[DefinitionRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for row in definitions {
            rows.push(&[(&row.hash).into(), (&row.workflow).into(), (&row.files).into(), self.now_ms.into()]);
        }
        self.write(&INSERT_DEFINITIONS, rows).await.map(drop)
    }

    /// The definitions that live runs and campaigns still need.
    pub(crate) async fn open_definitions(&mut self) -> anyhow::Result<Vec<DefinitionRow>> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Number(1)]);
        self.fetch(&OPEN_DEFINITIONS, rows).await?.iter().map(read_definition).collect()
    }

    /// Hashes of definitions by which runs go or may go, whichever node deployed them.
    pub(crate) async fn definitions_in_use(&mut self) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[(self.now_ms - NEW_MS).into()]);
        self.fetch(&DEFINITIONS_IN_USE, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }
}

impl Store {
    /// Runs, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn list_runs(&self, filter: &RunFilter) -> anyhow::Result<Vec<Run>> {
        let mut rows = Rows::default();
        rows.push(&[
            filter.workflow.as_deref().into(),
            filter.state.map(RunState::as_str).into(),
            filter.contact.as_deref().into(),
            filter.before.as_deref().into(),
            filter.limit.into(),
        ]);
        self.read(&LIST, rows).await?.iter().map(|row| read_run(row).map(|row| row.run)).collect()
    }

    /// As [`Tx::open_definitions`].
    ///
    /// # Errors
    /// What the database said.
    pub async fn open_definitions(&self) -> anyhow::Result<Vec<DefinitionRow>> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Number(1)]);
        self.read(&OPEN_DEFINITIONS, rows).await?.iter().map(read_definition).collect()
    }

    /// Live runs of a definition with ids behind this one, in their order.
    ///
    /// # Errors
    /// What the database said.
    pub async fn live_runs_of(&self, definition: &str, after: &str, most: u32) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[definition.into(), after.into(), most.into()]);
        self.read(&LIVE_OF, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// The newest runs of a person, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn runs_of(&self, contact: &str, most: u32) -> anyhow::Result<Vec<Run>> {
        let mut rows = Rows::default();
        rows.push(&[contact.into(), most.into()]);
        self.read(&OF_CONTACT, rows).await?.iter().map(|row| read_run(row).map(|row| row.run)).collect()
    }

    /// A definition by its hash, whichever node deployed it; `None` when there is none.
    ///
    /// # Errors
    /// What the database said.
    pub async fn definition(&self, hash: &str) -> anyhow::Result<Option<DefinitionRow>> {
        let mut rows = Rows::default();
        rows.push(&[hash.into()]);
        self.read(&DEFINITION, rows).await?.first().map(read_definition).transpose()
    }

    /// One run with its event's data; `None` when there is none of that id.
    ///
    /// # Errors
    /// What the database said.
    pub async fn run(&self, id: &str) -> anyhow::Result<Option<RunRow>> {
        let mut rows = Rows::default();
        rows.push(&[id.into()]);
        self.read(&BY_IDS, rows).await?.first().map(read_run).transpose()
    }

    /// Those of these runs that are still kept and can be read, in no order.
    ///
    /// # Errors
    /// What the database said.
    pub async fn runs(&self, ids: &[String]) -> anyhow::Result<Vec<Run>> {
        let mut rows = Rows::default();
        ids.iter().for_each(|id| rows.push(&[id.into()]));
        let found = self.read(&BY_IDS, rows).await?;
        Ok(found.iter().filter_map(|row| Some(read_run(row).ok()?.run)).collect())
    }
}

fn read_definition(row: &Row) -> anyhow::Result<DefinitionRow> {
    Ok(DefinitionRow { hash: row.try_get(0)?, workflow: row.try_get(1)?, files: row.try_get(2)? })
}

pub(super) fn read_run(row: &Row) -> anyhow::Result<RunRow> {
    let progress: String = row.try_get(8)?;
    let run = Run {
        id: row.try_get(0)?,
        workflow: row.try_get(1)?,
        definition: row.try_get(2)?,
        contact: row.try_get(3)?,
        event: row.try_get(4)?,
        firing: row.try_get(5)?,
        state: read_state(row.try_get(6)?)?,
        reason: row.try_get(7)?,
        progress: serde_json::from_str(&progress).context("the progress of a run is not readable")?,
        wake_at_ms: row.try_get(9)?,
        seed: row.try_get(10)?,
        fence: row.try_get(11)?,
        started_at_ms: row.try_get(12)?,
        ended_at_ms: row.try_get(13)?,
        asks: row.try_get(14)?,
        turn: row.try_get(15)?,
        reached_at_ms: row.try_get(16)?,
        redrive_of: row.try_get(17)?,
        redrive: u32::try_from(row.try_get::<i64>(18)?)?,
    };
    let data: String = row.try_get(19)?;
    // Lists ask for no data.
    let data = Some(data).filter(|data| !data.is_empty()).map(|data| serde_json::from_str(&data)).transpose();
    Ok(RunRow { run, event_data: data.context("the data of an event is not readable")?.unwrap_or_default() })
}

pub(super) fn read_state(word: String) -> anyhow::Result<RunState> {
    RunState::parse(&word).with_context(|| format!("no state of a run: {word}"))
}
