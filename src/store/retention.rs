//! Retention: what has been kept long enough is found by readers, and removed by the writer, some rows at a time.
//!
//! Rows are looked through in the order of their ids, which is the order of time, so that no index is needed for it.
//! Invariant: each statement that removes judges once more by itself whether anything live needs the row.

use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Store, Tx};

/// A definition deployed since then is on its way to be used.
const DEPLOYED_MS: i64 = 24 * 3_600_000;

/// What is not kept for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// What events said.
    EventData,
    /// Texts and values of messages that are over.
    Messages,
    /// Variables, results and trace of runs that have ended.
    Progress,
    /// Posts of the relay that are over.
    Relays,
    /// Files that customers sent, and what is known of them.
    Attachments,
    /// Messages that are over, with their attempts.
    Deliveries,
    /// Runs that have ended.
    Runs,
    /// Events, with what came of them.
    Events,
    /// Instants of schedules, and campaigns.
    Firings,
    /// Definitions that nothing goes by.
    Definitions,
    /// What served before.
    Deploys,
}

/// Rows to look through: ids behind `after`, made before `before`.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    pub after: &'a str,
    /// Rows made at this instant or later stay. Unix milliseconds.
    pub before_ms: i64,
    /// Runs that reached somebody are counted by `limit`: one that ended since then stays.
    pub limit_ms: i64,
    pub most: u32,
}

/// A row that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    pub id: String,
    /// Its time is over.
    pub over: bool,
    /// Of a run, what only the interpreter understands; else empty.
    pub text: String,
}

macro_rules! asked {
    () => {
        "{rows: after text, before text, before_ms bigint, limit_ms bigint, most bigint}"
    };
}

macro_rules! looks {
    ($id:literal, $over:literal, $text:literal, $from:literal) => {
        Statement::new(concat!(
            "select ",
            $id,
            ", case when ",
            $over,
            " then 1 else 0 end, ",
            $text,
            " from ",
            $from,
            ", ",
            asked!(),
            " r where ",
            $id,
            " > r.after and ",
            $id,
            " < r.before order by ",
            $id,
            " limit (select most from ",
            asked!(),
            " q)"
        ))
    };
}

/// Nothing that is stored goes by it.
macro_rules! unused {
    () => {
        "not exists (select 1 from run u where u.definition = d.hash)
            and not exists (select 1 from firing f where f.definition = d.hash)
            and not exists (select 1 from stopping s where s.definition = d.hash)"
    };
}

static EVENT_DATA: Statement = looks!(
    "e.id",
    "e.data <> {nothing} and not exists (select 1 from run u where u.event = e.id and u.ended_at_ms is null)",
    "''",
    "event e"
);
static MESSAGES: Statement = looks!(
    "d.id",
    "d.message <> {nothing} and d.state in ('accepted', 'rejected', 'skipped', 'cancelled')",
    "''",
    "delivery d"
);
static PROGRESS: Statement = looks!("u.id", "u.ended_at_ms < r.before_ms", "u.progress", "run u");
static RELAYS: Statement = looks!("l.id", "l.state <> 'queued'", "''", "relay l");
static ATTACHMENTS: Statement = looks!("a.event", "a.state <> 'queued'", "''", "attachment a");
static DELIVERIES: Statement = looks!(
    "d.id",
    "d.state in ('accepted', 'rejected', 'skipped', 'cancelled') and not exists (select 1 from run u
        where u.id = d.run and (u.ended_at_ms is null or u.ended_at_ms >= r.before_ms))",
    "''",
    "delivery d"
);
static RUNS: Statement = looks!(
    "u.id",
    "u.ended_at_ms < r.before_ms and (u.reached_at_ms is null or u.reached_at_ms < r.limit_ms)
        and not exists (select 1 from delivery d where d.run = u.id and d.run <> '' and d.redrive_of is null)",
    "''",
    "run u"
);
static EVENTS: Statement = looks!("e.id", "not exists (select 1 from run u where u.event = e.id)", "''", "event e");
static FIRINGS: Statement = looks!(
    "f.id",
    "f.state in ('done', 'skipped', 'cancelled') and not exists (select 1 from run u where u.firing = f.id and u.firing is not null)
        and not exists (select 1 from schedule s where s.workflow = f.workflow and s.trigger_name = f.trigger_name
            and s.hwm_ms < f.scheduled_at_ms)",
    "''",
    "firing f"
);

/// By their hashes: few, and in no order of time. Which of them serve is not known here.
static DEFINITIONS: Statement = Statement::new(concat!(
    "select d.hash, case when d.created_at_ms < r.before_ms and ",
    unused!(),
    " then 1 else 0 end, '' from definition d, ",
    asked!(),
    " r where d.hash > r.after order by d.hash limit (select most from ",
    asked!(),
    " q)"
));
/// The highest number serves.
static DEPLOYS: Statement = Statement::new(concat!(
    "select cast(o.number as text), case when o.at_ms < r.before_ms and o.number < (select max(number) from deploy)
        then 1 else 0 end, '' from deploy o, ",
    asked!(),
    " r where cast(o.number as text) > r.after order by cast(o.number as text) limit (select most from ",
    asked!(),
    " q)"
));

static CLEAR_EVENT_DATA: Statement = Statement::new(
    "update event set data = {nothing} where id in (select id from {rows: id text} r)
        and not exists (select 1 from run u where u.event = event.id and u.ended_at_ms is null)",
);
static CLEAR_MESSAGES: Statement = Statement::new(
    "update delivery set message = {nothing}, probable = null where id in (select id from {rows: id text} r)
        and state in ('accepted', 'rejected', 'skipped', 'cancelled')",
);
static CLEAR_PROGRESS: Statement = Statement::new(
    "update run set progress = r.progress from {rows: id text, progress text} r
     where run.id = r.id and run.ended_at_ms is not null",
);
static DROP_RELAYS: Statement =
    Statement::new("delete from relay where id in (select id from {rows: id text} r) and state <> 'queued'");
static DROP_ATTACHMENTS: Statement =
    Statement::new("delete from attachment where event in (select id from {rows: id text} r) and state <> 'queued'");
static DROP_ATTEMPTS: Statement = Statement::new(
    "delete from attempt where delivery in (select d.id from {rows: id text} r join delivery d on d.id = r.id
        where d.state in ('accepted', 'rejected', 'skipped', 'cancelled'))",
);
static DROP_DELIVERIES: Statement = Statement::new(
    "delete from delivery where id in (select id from {rows: id text} r)
        and state in ('accepted', 'rejected', 'skipped', 'cancelled')",
);
static DROP_SUBJECTS: Statement = Statement::new("delete from subject where run in (select id from {rows: id text} r)");
static DROP_CALLS: Statement = Statement::new("delete from call where run in (select id from {rows: id text} r)");
static DROP_RUNS: Statement =
    Statement::new("delete from run where id in (select id from {rows: id text} r) and ended_at_ms is not null");
static DROP_EVENTS: Statement = Statement::new(
    "delete from event where id in (select id from {rows: id text} r)
        and not exists (select 1 from run u where u.event = event.id)",
);
static DROP_FIRINGS: Statement = Statement::new(
    "delete from firing where id in (select id from {rows: id text} r) and state in ('done', 'skipped', 'cancelled')",
);
/// Who deploys a definition writes its instant anew, and may have done so since it was looked at.
static DROP_DEFINITIONS: Statement = Statement::new(concat!(
    "delete from definition as d where d.hash in (select id from {rows: id text, fresh_ms bigint} r)
        and d.created_at_ms < (select min(fresh_ms) from {rows: id text, fresh_ms bigint} q) and ",
    unused!()
));
static DROP_DEPLOYS: Statement = Statement::new(
    "delete from deploy where cast(number as text) in (select id from {rows: id text} r)
        and number < (select max(o.number) from deploy o)",
);

static HASHES: Statement = Statement::new(
    "select distinct a.hash from {rows: hash text} r join attachment a on a.hash = r.hash where a.state = 'kept'",
);

impl Kept {
    /// In the order in which they go: what points to others before those.
    pub const ALL: [Self; 11] = [
        Self::EventData,
        Self::Messages,
        Self::Progress,
        Self::Relays,
        Self::Attachments,
        Self::Deliveries,
        Self::Runs,
        Self::Events,
        Self::Firings,
        Self::Definitions,
        Self::Deploys,
    ];

    fn looks(self) -> &'static Statement {
        match self {
            Self::EventData => &EVENT_DATA,
            Self::Messages => &MESSAGES,
            Self::Progress => &PROGRESS,
            Self::Relays => &RELAYS,
            Self::Attachments => &ATTACHMENTS,
            Self::Deliveries => &DELIVERIES,
            Self::Runs => &RUNS,
            Self::Events => &EVENTS,
            Self::Firings => &FIRINGS,
            Self::Definitions => &DEFINITIONS,
            Self::Deploys => &DEPLOYS,
        }
    }

    fn removes(self) -> Vec<&'static Statement> {
        match self {
            Self::EventData => vec![&CLEAR_EVENT_DATA],
            Self::Messages => vec![&CLEAR_MESSAGES],
            Self::Progress => vec![],
            Self::Relays => vec![&DROP_RELAYS],
            Self::Attachments => vec![&DROP_ATTACHMENTS],
            Self::Deliveries => vec![&DROP_ATTEMPTS, &DROP_DELIVERIES],
            Self::Runs => vec![&DROP_SUBJECTS, &DROP_CALLS, &DROP_RUNS],
            Self::Events => vec![&DROP_EVENTS],
            Self::Firings => vec![&DROP_FIRINGS],
            Self::Definitions => vec![&DROP_DEFINITIONS],
            Self::Deploys => vec![&DROP_DEPLOYS],
        }
    }
}

static LIVE_BEFORE: Statement = Statement::new(
    "select u.id from run u, {rows: after text, before text, n bigint} r
     where u.ended_at_ms is null and u.id > r.after and u.id < r.before
     order by u.id limit (select n from {rows: after text, before text, n bigint} q)",
);

impl Tx<'_> {
    /// Removes these rows, as far as nothing live needs them, and gives the pages back to the file system.
    pub(crate) async fn remove_kept(&mut self, kept: Kept, ids: &[String]) -> anyhow::Result<()> {
        let fresh_ms = self.now_ms - DEPLOYED_MS;
        for statement in kept.removes() {
            let mut rows = Rows::default();
            ids.iter().for_each(|id| match kept {
                Kept::Definitions => rows.push(&[id.into(), fresh_ms.into()]),
                _ => rows.push(&[id.into()]),
            });
            self.write(statement, rows).await?;
        }
        if let Some(statement) = self.dialect.give_back_pages() {
            self.ask_for(statement, &[]).await?;
        }
        Ok(())
    }

    /// Writes what is left of runs that have ended: (run, progress).
    pub(crate) async fn clear_progress(&mut self, runs: &[(String, String)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        runs.iter().for_each(|(run, progress)| rows.push(&[run.into(), progress.into()]));
        self.write(&CLEAR_PROGRESS, rows).await.map(drop)
    }
}

impl Store {
    /// Runs begun before an instant that have not ended, with ids behind this one, in their order.
    ///
    /// # Errors
    /// What the database said.
    pub async fn live_runs_before(&self, before_ms: i64, after: &str, most: u32) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[after.into(), (&super::first_id(before_ms)).into(), most.into()]);
        self.read(&LIVE_BEFORE, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// Looks a stretch of rows through, in the order of their ids.
    ///
    /// # Errors
    /// What the database said.
    pub async fn look_through(&self, kept: Kept, stretch: Stretch<'_>) -> anyhow::Result<Vec<Looked>> {
        let mut rows = Rows::default();
        rows.push(&[
            stretch.after.into(),
            (&super::first_id(stretch.before_ms)).into(),
            stretch.before_ms.into(),
            stretch.limit_ms.into(),
            stretch.most.into(),
        ]);
        let looked = |row: &Row| -> anyhow::Result<Looked> {
            let over: i64 = row.try_get(1)?;
            Ok(Looked { id: row.try_get(0)?, over: over == 1, text: row.try_get(2)? })
        };
        self.read(kept.looks(), rows).await?.iter().map(looked).collect()
    }

    /// Which of these hashes are of files that are kept.
    ///
    /// # Errors
    /// What the database said.
    pub async fn kept_hashes(&self, hashes: &[String]) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        hashes.iter().for_each(|hash| rows.push(&[hash.into()]));
        self.read(&HASHES, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }
}
