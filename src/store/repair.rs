//! Repair: what needs a person, by cause, and the statements by which people hold, release and do things again.
//!
//! Invariant: what is changed for many runs goes part by part, by their ids in order, and each part may be done twice.

use super::deliveries::{DeliveryRow, delivery_columns, read_delivery, released};
use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Store, Tx};

/// Runs that need a person for the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseRow {
    pub workflow: String,
    /// As [`crate::run::Run::cause`] wrote it; of messages in doubt the path of their step.
    pub cause: String,
    pub count: i64,
    /// Unix milliseconds.
    pub oldest_ms: i64,
    pub newest_ms: i64,
    /// The first and the last of them.
    pub examples: Vec<String>,
}

static CAUSES: Statement = Statement::new(
    "select u.workflow, u.cause, count(*), min(u.cause_at_ms), max(u.cause_at_ms), min(u.id), max(u.id) from run u
     where u.state = 'needs_attention' and u.cause is not null
     group by u.workflow, u.cause order by 3 desc, 1, 2 limit (select n from {rows: n bigint} r)",
);

/// One that is still looked for needs nobody yet.
static DOUBTS: Statement = Statement::new(
    "select d.workflow, d.step, count(*), min(d.planned_at_ms), max(d.planned_at_ms), min(d.id), max(d.id)
     from delivery d where d.state = 'uncertain' and d.due_at_ms = 0
     group by d.workflow, d.step order by 3 desc, 1, 2 limit (select n from {rows: n bigint} r)",
);

static RUNS_OF_CAUSE: Statement = Statement::new(
    "select u.id from run u join {rows: workflow text, cause text, after text, n bigint} r
        on u.workflow = r.workflow and u.cause = r.cause
     where u.state = 'needs_attention' and u.id > r.after
     order by u.id limit (select n from {rows: workflow text, cause text, after text, n bigint} q)",
);

static DELIVERIES_OF_RUNS: Statement = Statement::new(concat!(
    "select ",
    delivery_columns!(),
    " from {rows: run text} r join delivery d on d.run = r.run where d.run <> '' order by d.id"
));

static REDRIVES: Statement =
    Statement::new("select d.redrive_of, d.id from {rows: id text} r join delivery d on d.redrive_of = r.id");

static REDRIVEN_RUN: Statement = Statement::new(
    "select u.id from {rows: event text, workflow text, contact text, redrive bigint} r join run u on u.event = r.event
        and u.workflow = r.workflow and u.contact = r.contact and u.redrive = r.redrive",
);

/// Until it expires: the gate looks then. What its own run's pause holds is that pause's to release. That an attempt may
/// not be made before an instant is true after the pause as well.
static HOLD_OF_RUNS: Statement = Statement::new(
    "update delivery set state = 'held', reason = r.reason, due_at_ms = delivery.expires_at_ms,
        not_before_ms = case when delivery.reason in ('backoff', 'cap') then delivery.due_at_ms
            when delivery.reason in ('run_paused', 'campaign_paused') then delivery.not_before_ms end,
        not_before_why = case when delivery.reason in ('backoff', 'cap') then delivery.reason
            when delivery.reason in ('run_paused', 'campaign_paused') then delivery.not_before_why end
     from {rows: run text, reason text} r
     where delivery.run = r.run and delivery.run <> '' and delivery.state in ('queued', 'held')
        and delivery.reason <> 'run_paused'",
);

static RELEASE_OF_RUNS: Statement = Statement::new(concat!(
    "update delivery set line_at_ms = r.now_ms,
        state = case when delivery.not_before_ms > r.now_ms then 'held' else 'queued' end,
        due_at_ms = case when delivery.not_before_ms > r.now_ms then delivery.not_before_ms else r.now_ms end,
        reason = case when delivery.not_before_ms > r.now_ms then delivery.not_before_why else ",
    released!(),
    " end
     from {rows: run text, reason text, now_ms bigint} r
     where delivery.run = r.run and delivery.run <> '' and delivery.state = 'held' and delivery.reason = r.reason"
));

static RUNS_OF_FIRING: Statement = Statement::new(
    "select u.id from run u join {rows: firing text, after text, n bigint} r on u.firing = r.firing
     where u.id > r.after
     order by u.id limit (select n from {rows: firing text, after text, n bigint} q)",
);

static LIVES: Statement = Statement::new(
    "select u.id from run u join {rows: firing text} r on u.firing = r.firing where u.ended_at_ms is null limit 1",
);

static LIVE_CAMPAIGNS: Statement = Statement::new(
    "select f.id from {rows: id text} r join firing f on f.id = r.id
     where exists (select 1 from run u where u.firing = f.id and u.ended_at_ms is null)",
);

/// Locked against who pauses them, until what was planned for them is committed.
static FIRING_STATES: Statement =
    Statement::new("select f.id, f.state from {rows: id text} r join firing f on f.id = r.id {share f}");

static MOVE_FIRING: Statement = Statement::new(
    "update firing set state = r.state, reason = r.reason, node = r.node
     from {rows: id text, was text, state text, reason text, node text} r
     where firing.id = r.id and firing.state = r.was",
);

static RUN_STATES: Statement = Statement::new(
    "select u.state, count(*) from run u join {rows: firing text} r on u.firing = r.firing group by u.state order by 1",
);

static DELIVERY_STATES: Statement = Statement::new(
    "select d.state, count(*) from run u join {rows: firing text} r on u.firing = r.firing
        join delivery d on d.run = u.id and d.run <> ''
     group by d.state order by 1",
);

impl Tx<'_> {
    /// Every message of these runs, oldest first.
    pub(crate) async fn deliveries_of(&mut self, runs: &[&str]) -> anyhow::Result<Vec<DeliveryRow>> {
        self.fetch(&DELIVERIES_OF_RUNS, each(runs)).await?.iter().map(read_delivery).collect()
    }

    /// Which of these deliveries were done again, and as which.
    pub(crate) async fn redrives(&mut self, deliveries: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
        self.fetch(&REDRIVES, each(deliveries)).await?.iter().map(read_pair).collect()
    }

    /// The run of that number among those about one event, workflow and contact.
    pub(crate) async fn redriven_run(
        &mut self,
        event: &str,
        workflow: &str,
        contact: &str,
        redrive: u32,
    ) -> anyhow::Result<Option<String>> {
        let mut rows = Rows::default();
        rows.push(&[event.into(), workflow.into(), contact.into(), redrive.into()]);
        self.fetch(&REDRIVEN_RUN, rows).await?.first().map(|row| row.try_get(0)).transpose()
    }

    /// Holds what was not handed over of these (run, reason) pairs, until it is released or expires.
    pub(crate) async fn hold_deliveries_of(&mut self, runs: &[(String, &'static str)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|(run, reason)| rows.push(&[run.into(), (*reason).into()]));
        self.write(&HOLD_OF_RUNS, rows).await.map(drop)
    }

    /// Puts back what is held for that reason of these runs: in its line, or to wait for the instant it waited for.
    pub(crate) async fn release_deliveries_of(&mut self, runs: &[String], reason: &str) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|run| rows.push(&[run.into(), reason.into(), self.now_ms.into()]));
        self.write(&RELEASE_OF_RUNS, rows).await.map(drop)
    }

    /// The ids of a campaign's runs behind this one, in order.
    pub(crate) async fn runs_of_firing(
        &mut self,
        firing: &str,
        after: &str,
        most: usize,
    ) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[firing.into(), after.into(), i64::try_from(most)?.into()]);
        self.fetch(&RUNS_OF_FIRING, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// Whether a run of this campaign has not ended.
    pub(crate) async fn lives(&mut self, firing: &str) -> anyhow::Result<bool> {
        Ok(!self.fetch(&LIVES, each(&[firing])).await?.is_empty())
    }

    /// The states of these firings, which nobody changes before the commit.
    pub(crate) async fn firing_states(&mut self, firings: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
        self.fetch(&FIRING_STATES, each(firings)).await?.iter().map(read_pair).collect()
    }

    /// Moves a firing from a state to another, in the hands of this node; fails when another writer moved it.
    pub(crate) async fn move_firing(
        &mut self,
        id: &str,
        was: &str,
        (state, reason): (&str, &str),
        node: &str,
    ) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[id.into(), was.into(), state.into(), reason.into(), node.into()]);
        let written = self.write(&MOVE_FIRING, rows).await?;
        anyhow::ensure!(written == 1, super::Moved);
        Ok(())
    }
}

impl Store {
    /// Runs that need a person, by cause, the most frequent first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn causes(&self, most: u32) -> anyhow::Result<Vec<CauseRow>> {
        self.read(&CAUSES, most_of(most)).await?.iter().map(read_cause).collect()
    }

    /// Messages whose fate a person has to say, by step.
    ///
    /// # Errors
    /// What the database said.
    pub async fn doubts(&self, most: u32) -> anyhow::Result<Vec<CauseRow>> {
        self.read(&DOUBTS, most_of(most)).await?.iter().map(read_cause).collect()
    }

    /// The ids of runs with this cause behind this one, in order.
    ///
    /// # Errors
    /// What the database said.
    pub async fn runs_of_cause(
        &self,
        workflow: &str,
        cause: &str,
        after: &str,
        most: u32,
    ) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[workflow.into(), cause.into(), after.into(), most.into()]);
        self.read(&RUNS_OF_CAUSE, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// Every message of these runs, oldest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn deliveries_of_runs(&self, runs: &[&str]) -> anyhow::Result<Vec<DeliveryRow>> {
        self.read(&DELIVERIES_OF_RUNS, each(runs)).await?.iter().map(read_delivery).collect()
    }

    /// Which of these campaigns have runs that have not ended.
    ///
    /// # Errors
    /// What the database said.
    pub async fn live_campaigns(&self, firings: &[&str]) -> anyhow::Result<Vec<String>> {
        self.read(&LIVE_CAMPAIGNS, each(firings)).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// How many runs of a campaign stand in each state, and how many messages of theirs.
    ///
    /// # Errors
    /// What the database said.
    pub async fn campaign_states(&self, firing: &str) -> anyhow::Result<(Vec<StateCount>, Vec<StateCount>)> {
        let count = |row: &Row| -> anyhow::Result<StateCount> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        let runs = self.read(&RUN_STATES, each(&[firing])).await?.iter().map(count).collect::<Result<_, _>>()?;
        let sent = self.read(&DELIVERY_STATES, each(&[firing])).await?.iter().map(count).collect::<Result<_, _>>()?;
        Ok((runs, sent))
    }
}

/// A state's word, and how many stand in it.
pub type StateCount = (String, i64);

fn each(ids: &[&str]) -> Rows {
    let mut rows = Rows::default();
    ids.iter().for_each(|id| rows.push(&[(*id).into()]));
    rows
}

fn most_of(most: u32) -> Rows {
    let mut rows = Rows::default();
    rows.push(&[most.into()]);
    rows
}

fn read_pair(row: &Row) -> anyhow::Result<(String, String)> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}

fn read_cause(row: &Row) -> anyhow::Result<CauseRow> {
    let mut examples: Vec<String> = vec![row.try_get(5)?, row.try_get(6)?];
    examples.dedup();
    Ok(CauseRow {
        workflow: row.try_get(0)?,
        cause: row.try_get(1)?,
        count: row.try_get(2)?,
        oldest_ms: row.try_get(3)?,
        newest_ms: row.try_get(4)?,
        examples,
    })
}
