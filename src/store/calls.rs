//! Calls: steps that call out, `http_request` and `update_contact`.
//!
//! Invariant: a result is written only over the taking it belongs to, and one that is stopped before it began never begins.

use super::dialect::Statement;
use super::row::Row;
use super::unreadable::Table;
use super::{Cell, Moved, Rows, Store, Tx};
use crate::call::{CallState, StepCall};
use anyhow::Context as _;

/// Calls of one run that are shown, at most.
const MOST_SHOWN: i64 = 500;

macro_rules! call_columns {
    () => {
        "c.run, c.step, c.id, c.contact, c.state, c.input, c.parts_done, c.claims, c.attempts, c.crashes, c.retry_limit,
         c.due_at_ms, c.result, c.planned_at_ms, c.ended_at_ms"
    };
}

/// A step that a person has done again keeps what is done of the same; and its key, where nobody could tell whether it
/// had been done.
static PLAN: Statement = Statement::new(
    "insert into call (run, step, id, contact, kind, lane, state, input, parts_done, claims, attempts, crashes,
        retry_limit, due_at_ms, planned_at_ms)
     select run, step, id, contact, kind, lane, 'queued', input, '[]', 0, 0, 0, retry_limit, at_ms, at_ms
     from {rows: run text, step text, id text, contact text, kind text, lane text, input text, retry_limit bigint,
        at_ms bigint} r where true
     on conflict (run, step) do update set
        id = case when call.state = 'uncertain' and call.input = excluded.input then call.id else excluded.id end,
        parts_done = case when call.input = excluded.input then call.parts_done else '[]' end,
        lane = excluded.lane, state = 'queued', input = excluded.input, attempts = 0, crashes = 0, node = null,
        retry_limit = excluded.retry_limit, due_at_ms = excluded.due_at_ms, planned_at_ms = excluded.planned_at_ms,
        result = null, ended_at_ms = null
     where call.state not in ('queued', 'held', 'started')",
);

static CLAIM: Statement = Statement::new(concat!(
    "select ",
    call_columns!(),
    " from call c join run u on u.id = c.run
     where c.state = 'queued' and c.due_at_ms <= (select max(now_ms) from {rows: lane text, now_ms bigint, most bigint} n)
        and u.ended_at_ms is null and u.state in ('queued', 'running', 'waiting')
        and not exists (select 1 from {rows: lane text, now_ms bigint, most bigint} r where r.lane = c.lane)
     order by c.due_at_ms, c.id
     limit (select max(most) from {rows: lane text, now_ms bigint, most bigint} m) {skip locked c, u}"
));

static START: Statement = Statement::new(
    "update call set state = 'started', node = r.node, claims = r.claims
     from {rows: run text, step text, node text, claims bigint} r
     where call.run = r.run and call.step = r.step and call.state = 'queued'",
);

static RUNNING: Statement = Statement::new(
    "update run set state = 'running', reason = '', fence = fence + 1 from {rows: id text} r
     where run.id = r.id and run.ended_at_ms is null",
);

static PUT_OFF: Statement = Statement::new(
    "update call set due_at_ms = r.due_at_ms from {rows: run text, step text, due_at_ms bigint} r
     where call.run = r.run and call.step = r.step and call.state = 'queued'",
);

static BY_STEPS: Statement = Statement::new(concat!(
    "select ",
    call_columns!(),
    " from {rows: run text, step text} r join call c on c.run = r.run and c.step = r.step"
));

static SETTLE: Statement = Statement::new(
    "update call set state = r.state, parts_done = r.parts_done, attempts = r.attempts, crashes = r.crashes,
        due_at_ms = r.due_at_ms, node = null, result = r.result, ended_at_ms = r.ended_at_ms
     from {rows: run text, step text, claims bigint, state text, parts_done text, attempts bigint, crashes bigint,
        due_at_ms bigint, result text, ended_at_ms bigint} r
     where call.run = r.run and call.step = r.step and call.state in ('started', 'queued') and call.claims = r.claims",
);

static CANCEL: Statement = Statement::new(
    "update call set state = 'cancelled', ended_at_ms = r.at_ms from {rows: run text, at_ms bigint} r
     where call.run = r.run and call.state in ('queued', 'held')",
);

/// Out of the sight of the claim, however many a campaign has; when it is due stays.
static HOLD: Statement = Statement::new(
    "update call set state = 'held' from {rows: run text} r where call.run = r.run and call.state = 'queued'",
);

static RELEASE: Statement = Statement::new(
    "update call set state = 'queued' from {rows: run text} r where call.run = r.run and call.state = 'held'",
);

static UNFINISHED: Statement = Statement::new(concat!(
    "select ",
    call_columns!(),
    " from call c, {rows: node text, most bigint} r
     where c.state = 'started' and (c.node = r.node or not exists (select 1 from node n where n.id = c.node))
     order by c.id limit (select most from {rows: node text, most bigint} q) {skip locked c}"
));

static NEXT_DUE: Statement = Statement::new(
    "select min(c.due_at_ms) from call c, {rows: now_ms bigint} r where c.state = 'queued' and c.due_at_ms > r.now_ms",
);

static OPEN: Statement = Statement::new(
    "select c.run from call c where c.state in ('queued', 'started') and (select n from {rows: n bigint} r) > 0 limit 1",
);

static OF_CONTACTS: Statement = Statement::new(concat!(
    "select ",
    call_columns!(),
    " from {rows: contact text, since_ms bigint} r join call c on c.contact = r.contact
     where c.kind = 'update_contact' and c.claims > 0 and (c.ended_at_ms is null or c.ended_at_ms >= r.since_ms)"
));

static OF_RUN: Statement = Statement::new(concat!(
    "select ",
    call_columns!(),
    " from call c where c.run = (select run from {rows: run text, most bigint} r)
     order by c.planned_at_ms, c.id limit (select most from {rows: run text, most bigint} q)"
));

static OF_RUNS: Statement = Statement::new(concat!(
    "select ",
    call_columns!(),
    " from {rows: run text} r join call c on c.run = r.run order by c.planned_at_ms, c.id"
));

impl Tx<'_> {
    /// Writes calls that begin when they are claimed. A step whose call is under way keeps that one.
    pub(crate) async fn plan_calls(&mut self, calls: &[StepCall]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for call in calls {
            rows.push(&[
                (&call.run).into(),
                (&call.step).into(),
                (&call.id).into(),
                (&call.contact).into(),
                call.ask.kind().into(),
                Cell::Text(&call.ask.lane()),
                Cell::Text(&serde_json::to_string(&call.ask)?),
                call.retry_limit.into(),
                call.planned_at_ms.into(),
            ]);
        }
        self.write(&PLAN, rows).await.map(drop)
    }

    /// Due calls of runs that go on, oldest first, without those of these lanes and those in another node's hands.
    pub(crate) async fn due_calls(&mut self, without: &[&str], most: usize) -> anyhow::Result<Vec<StepCall>> {
        let most = i64::try_from(most)?;
        let mut rows = Rows::default();
        // One row that is no lane, so that there is always one.
        for lane in std::iter::once(&"\u{1}").chain(without) {
            rows.push(&[(*lane).into(), self.now_ms.into(), most.into()]);
        }
        let found = self.fetch(&CLAIM, rows).await?;
        Ok(self.readable(Table::Call, &found, read_call))
    }

    /// Takes calls for a node; their runs are running.
    pub(crate) async fn start_calls(&mut self, calls: &[&StepCall], node: &str) -> anyhow::Result<()> {
        let (mut rows, mut runs) = (Rows::default(), Rows::default());
        for call in calls {
            rows.push(&[(&call.run).into(), (&call.step).into(), node.into(), call.claims.into()]);
            runs.push(&[(&call.run).into()]);
        }
        let started = self.write(&START, rows).await?;
        anyhow::ensure!(started == calls.len() as u64, Moved);
        self.write(&RUNNING, runs).await.map(drop)
    }

    /// Has queued calls wait until they are due.
    pub(crate) async fn put_off_calls(&mut self, calls: &[&StepCall]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        calls.iter().for_each(|call| rows.push(&[(&call.run).into(), (&call.step).into(), call.due_at_ms.into()]));
        self.write(&PUT_OFF, rows).await.map(drop)
    }

    /// The calls of these (run, step).
    pub(crate) async fn step_calls(&mut self, steps: &[(&str, &str)]) -> anyhow::Result<Vec<StepCall>> {
        let mut rows = Rows::default();
        steps.iter().for_each(|(run, step)| rows.push(&[(*run).into(), (*step).into()]));
        self.fetch(&BY_STEPS, rows).await?.iter().map(read_call).collect()
    }

    /// Writes what became of takings; fails when another node has taken one since.
    pub(crate) async fn settle_step_calls(&mut self, calls: &[&StepCall]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for call in calls {
            let result = call.result.as_ref().map(ToString::to_string);
            rows.push(&[
                (&call.run).into(),
                (&call.step).into(),
                call.claims.into(),
                call.state.as_str().into(),
                Cell::Text(&serde_json::to_string(&call.parts_done)?),
                call.attempts.into(),
                call.crashes.into(),
                call.due_at_ms.into(),
                result.as_deref().into(),
                call.ended_at_ms.into(),
            ]);
        }
        let written = self.write(&SETTLE, rows).await?;
        anyhow::ensure!(written == calls.len() as u64, Moved);
        Ok(())
    }

    /// Ends what has not begun of these runs.
    pub(crate) async fn cancel_calls_of(&mut self, runs: &[&str]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|run| rows.push(&[(*run).into(), self.now_ms.into()]));
        self.write(&CANCEL, rows).await.map(drop)
    }

    /// Has the calls of these runs wait that have not begun.
    pub(crate) async fn hold_calls_of(&mut self, runs: &[&str]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|run| rows.push(&[(*run).into()]));
        self.write(&HOLD, rows).await.map(drop)
    }

    /// Has the calls of these runs begin when they are due.
    pub(crate) async fn release_calls_of(&mut self, runs: &[&str]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|run| rows.push(&[(*run).into()]));
        self.write(&RELEASE, rows).await.map(drop)
    }

    /// Calls under way for which no other living node answers: this node's own, and those of the dead.
    pub(crate) async fn unfinished_step_calls(&mut self, node: &str, most: usize) -> anyhow::Result<Vec<StepCall>> {
        let mut rows = Rows::default();
        rows.push(&[node.into(), i64::try_from(most)?.into()]);
        self.fetch(&UNFINISHED, rows).await?.iter().map(read_call).collect()
    }

    /// When the first call is due that is not due yet.
    pub(crate) async fn next_call_due_ms(&mut self) -> anyhow::Result<Option<i64>> {
        let mut rows = Rows::default();
        rows.push(&[self.now_ms.into()]);
        let found = self.fetch(&NEXT_DUE, rows).await?;
        Ok(found.first().map(|row| row.try_get(0)).transpose()?.flatten())
    }

    /// Whether any call has not ended.
    pub(crate) async fn has_open_calls(&mut self) -> anyhow::Result<bool> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Number(1)]);
        Ok(!self.fetch(&OPEN, rows).await?.is_empty())
    }

    /// What `update_contact` asked of the account for these people and that began: open, or ended since then.
    pub(crate) async fn contact_calls(&mut self, people: &[&str], since_ms: i64) -> anyhow::Result<Vec<StepCall>> {
        let mut rows = Rows::default();
        people.iter().for_each(|contact| rows.push(&[(*contact).into(), since_ms.into()]));
        self.fetch(&OF_CONTACTS, rows).await?.iter().map(read_call).collect()
    }
}

impl Store {
    /// The calls of a run, in the order in which they were planned.
    ///
    /// # Errors
    /// What the database said.
    pub async fn calls_of_run(&self, run: &str) -> anyhow::Result<Vec<StepCall>> {
        let mut rows = Rows::default();
        rows.push(&[run.into(), MOST_SHOWN.into()]);
        self.read(&OF_RUN, rows).await?.iter().map(read_call).collect()
    }

    /// The calls of these runs, in the order in which they were planned.
    ///
    /// # Errors
    /// What the database said.
    pub async fn calls_of_runs(&self, runs: &[&str]) -> anyhow::Result<Vec<StepCall>> {
        let mut rows = Rows::default();
        runs.iter().for_each(|run| rows.push(&[(*run).into()]));
        self.read(&OF_RUNS, rows).await?.iter().map(read_call).collect()
    }
}

fn read_call(row: &Row) -> anyhow::Result<StepCall> {
    let number = |index: usize| -> anyhow::Result<u32> { Ok(u32::try_from(row.try_get::<i64>(index)?)?) };
    let (state, input, parts): (String, String, String) = (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
    let result: Option<String> = row.try_get(12)?;
    Ok(StepCall {
        run: row.try_get(0)?,
        step: row.try_get(1)?,
        id: row.try_get(2)?,
        contact: row.try_get(3)?,
        state: CallState::parse(&state).with_context(|| format!("no state of a call: {state}"))?,
        ask: serde_json::from_str(&input).context("what a step asks is not readable")?,
        parts_done: serde_json::from_str(&parts).context("the parts of a step are not readable")?,
        claims: number(7)?,
        attempts: number(8)?,
        crashes: number(9)?,
        retry_limit: number(10)?,
        due_at_ms: row.try_get(11)?,
        result: result.map(|text| serde_json::from_str(&text)).transpose().context("a result is not readable")?,
        planned_at_ms: row.try_get(13)?,
        ended_at_ms: row.try_get(14)?,
    })
}
