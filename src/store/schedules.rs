//! Schedules with their high-water marks, the firings they made, and facts of the installation.

use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};
use serde::{Deserialize, Serialize};

/// Up to which instant a trigger has been dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRow {
    pub workflow: String,
    pub trigger: String,
    /// As written: another expression or zone counts from now.
    pub expression: String,
    pub zone: String,
    /// High-water mark, Unix milliseconds.
    pub hwm_ms: i64,
}

/// One due instant of a schedule; with an audience it is a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct FiringRow {
    pub id: String,
    pub workflow: String,
    pub trigger: String,
    pub scheduled_at_ms: i64,
    pub fired_at_ms: i64,
    /// `running`, `done`, `skipped`, `needs_attention`; by hand `pausing`, `paused`, `resuming`, `cancelling`, `cancelled`.
    pub state: String,
    pub reason: String,
    pub definition: String,
    /// The CSV file, relative to `workflows/`, or `tag:` and tags.
    pub audience: Option<String>,
    /// SHA-256 of the file when it was first read.
    pub audience_hash: Option<String>,
    /// How far the walk through the people of a tag is: JSON.
    pub walk: Option<String>,
    /// Rows dealt with so far.
    pub cursor: i64,
    pub total: i64,
    pub counts: FiringCounts,
    pub bad_rows: Vec<BadRow>,
    /// Who feeds it: the node that fired it, or the one that took over from that.
    pub node: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FiringCounts {
    pub started: i64,
    /// Refused by a condition, or by `again`.
    pub refused: i64,
    /// People listed before in the same file.
    pub duplicates: i64,
    /// Rows that could not be used; the first thousand are listed.
    pub bad: i64,
}

/// A row of an audience that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRow {
    /// From 1, the header is line 1.
    pub line: u64,
    pub reason: String,
}

static SCHEDULES: Statement = Statement::new(
    "select workflow, trigger_name, expression, zone, hwm_ms from schedule where $1 = $1 and $2 = $2
     order by workflow, trigger_name {lock}",
);

static UPSERT_SCHEDULES: Statement = Statement::new(
    "insert into schedule (workflow, trigger_name, expression, zone, hwm_ms)
     select workflow, trigger_name, expression, zone, hwm_ms
     from {rows: workflow text, trigger_name text, expression text, zone text, hwm_ms bigint} r where true
     on conflict (workflow, trigger_name) do update set expression = excluded.expression, zone = excluded.zone,
        hwm_ms = excluded.hwm_ms
     where schedule.expression <> excluded.expression or schedule.zone <> excluded.zone",
);

static MOVE_SCHEDULES: Statement = Statement::new(
    "update schedule set hwm_ms = r.hwm_ms
     from {rows: workflow text, trigger_name text, was_ms bigint, hwm_ms bigint} r
     where schedule.workflow = r.workflow and schedule.trigger_name = r.trigger_name and schedule.hwm_ms = r.was_ms",
);

static DELETE_SCHEDULES: Statement = Statement::new(
    "delete from schedule where exists (select 1 from {rows: workflow text, trigger_name text} r
        where r.workflow = schedule.workflow and r.trigger_name = schedule.trigger_name)",
);

static INSERT_FIRINGS: Statement = Statement::new(
    "insert into firing (id, workflow, trigger_name, scheduled_at_ms, fired_at_ms, state, reason, definition, audience,
        audience_hash, cursor_row, total_rows, started, refused, duplicates, bad, bad_rows, node)
     select id, workflow, trigger_name, scheduled_at_ms, fired_at_ms, state, reason, definition, audience, null, 0, 0, 0,
        0, 0, 0, '[]', node
     from {rows: id text, workflow text, trigger_name text, scheduled_at_ms bigint, fired_at_ms bigint, state text,
        reason text, definition text, audience text, node text} r",
);

static FIRED: Statement = Statement::new(
    "select f.workflow, f.trigger_name, f.scheduled_at_ms
     from {rows: workflow text, trigger_name text, scheduled_at_ms bigint} r
     join firing f on f.workflow = r.workflow and f.trigger_name = r.trigger_name
        and f.scheduled_at_ms = r.scheduled_at_ms",
);

static UPDATE_FIRINGS: Statement = Statement::new(
    "update firing set state = r.state, reason = r.reason, audience_hash = r.audience_hash, cursor_row = r.cursor_row,
        total_rows = r.total_rows, started = firing.started + r.started, refused = firing.refused + r.refused,
        duplicates = firing.duplicates + r.duplicates, bad = firing.bad + r.bad, bad_rows = r.bad_rows, walk = r.walk
     from {rows: id text, was bigint, node text, definition text, state text, reason text, audience_hash text, cursor_row bigint,
        total_rows bigint, started bigint, refused bigint, duplicates bigint, bad bigint,
        bad_rows text, walk text} r
     where firing.id = r.id and firing.cursor_row = r.was and firing.state = 'running' and firing.node = r.node
        and firing.definition = r.definition",
);

/// A row that could not be used was judged again.
static COUNT_ROW_AGAIN: Statement = Statement::new(
    "update firing set bad = firing.bad - 1, started = firing.started + r.started, refused = firing.refused + r.refused
     from {rows: id text, started bigint, refused bigint} r
     where firing.id = r.id and firing.audience is not null and firing.bad > 0",
);

static ADOPT_FIRINGS: Statement = Statement::new(
    "update firing set node = r.node from {rows: node text} r
     where firing.state in ('running', 'pausing', 'resuming', 'cancelling') and (firing.node is null or not exists (select 1 from node n where n.id = firing.node))",
);

macro_rules! firing_columns {
    () => {
        "f.id, f.workflow, f.trigger_name, f.scheduled_at_ms, f.fired_at_ms, f.state, f.reason, f.definition, f.audience,
         f.audience_hash, f.cursor_row, f.total_rows, f.started, f.refused, f.duplicates, f.bad,
         f.bad_rows, f.node, f.walk"
    };
}

static OPEN_FIRING: Statement = Statement::new(concat!(
    "select ",
    firing_columns!(),
    " from firing f, {rows: node text} r
     where f.state in ('running', 'pausing', 'resuming', 'cancelling') and f.node = r.node
     order by f.fired_at_ms, f.id limit 1"
));

static FIRINGS: Statement = Statement::new(concat!(
    "select ",
    firing_columns!(),
    " from firing f, {rows: audience bigint, n bigint} r
     where (r.audience = 0 or f.audience is not null)
     order by f.fired_at_ms desc, f.id desc limit (select n from {rows: audience bigint, n bigint} q)"
));

static FIRING: Statement =
    Statement::new(concat!("select ", firing_columns!(), " from {rows: id text} r join firing f on f.id = r.id"));

/// Whose instant, or whose row, an event of a schedule is.
static FIRING_OF: Statement = Statement::new(
    "select f.id from {rows: workflow text, trigger_name text, scheduled_at_ms bigint} r
     join firing f on f.workflow = r.workflow and f.trigger_name = r.trigger_name
        and f.scheduled_at_ms = r.scheduled_at_ms",
);

/// Campaigns of which something is left to begin, by this definition or another.
static UNREAD: Statement = Statement::new(concat!(
    "select ",
    firing_columns!(),
    " from firing f join {rows: after text, n bigint} r on f.id > r.after
     where f.audience is not null and f.state in ('running', 'pausing', 'paused', 'resuming', 'needs_attention')
     order by f.id limit (select n from {rows: after text, n bigint} q)"
));

/// Whoever reads its rows by the definition of before moves it no more.
static MOVE_DEFINITION: Statement = Statement::new(
    "update firing set definition = r.definition from {rows: id text, was text, definition text} r
     where firing.id = r.id and firing.definition = r.was",
);

static STRANDED: Statement = Statement::new(concat!(
    "select ",
    firing_columns!(),
    " from firing f where f.state = 'needs_attention' order by f.id limit (select n from {rows: n bigint} r)"
));

static INSTALLATION: Statement = Statement::new(
    "insert into installation (name, value) select name, value from {rows: name text, value text} r where true
     on conflict (name) do nothing",
);

static INSTALLED: Statement =
    Statement::new("select i.value from {rows: name text} r join installation i on i.name = r.name");

impl Tx<'_> {
    /// Every schedule known, locked against other writers.
    pub(crate) async fn schedules(&mut self) -> anyhow::Result<Vec<ScheduleRow>> {
        self.due(&SCHEDULES, 0, 0).await?.iter().map(read_schedule).collect()
    }

    /// Writes schedules; one that is known with the same expression and zone goes on from where it stands.
    pub(crate) async fn upsert_schedules(&mut self, schedules: &[ScheduleRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for row in schedules {
            rows.push(&[
                (&row.workflow).into(),
                (&row.trigger).into(),
                (&row.expression).into(),
                (&row.zone).into(),
                row.hwm_ms.into(),
            ]);
        }
        self.write(&UPSERT_SCHEDULES, rows).await.map(drop)
    }

    /// Moves high-water marks, each from where it stood (`was_ms`); fails when another writer moved one.
    pub(crate) async fn move_schedules(&mut self, moved: &[(ScheduleRow, i64)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for (row, was_ms) in moved {
            rows.push(&[(&row.workflow).into(), (&row.trigger).into(), (*was_ms).into(), row.hwm_ms.into()]);
        }
        let written = self.write(&MOVE_SCHEDULES, rows).await?;
        anyhow::ensure!(written == moved.len() as u64, super::Moved);
        Ok(())
    }

    pub(crate) async fn delete_schedules(&mut self, gone: &[&ScheduleRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        gone.iter().for_each(|row| rows.push(&[(&row.workflow).into(), (&row.trigger).into()]));
        self.write(&DELETE_SCHEDULES, rows).await.map(drop)
    }

    /// Which of these (workflow, trigger, instant) were dealt with before.
    pub(crate) async fn fired(&mut self, instants: &[(&str, &str, i64)]) -> anyhow::Result<Vec<(String, String, i64)>> {
        let mut rows = Rows::default();
        instants
            .iter()
            .for_each(|(workflow, trigger, at)| rows.push(&[(*workflow).into(), (*trigger).into(), (*at).into()]));
        let fired = |row: &Row| -> anyhow::Result<_> { Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)) };
        self.fetch(&FIRED, rows).await?.iter().map(fired).collect()
    }

    pub(crate) async fn insert_firings(&mut self, firings: &[FiringRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for row in firings {
            rows.push(&[
                (&row.id).into(),
                (&row.workflow).into(),
                (&row.trigger).into(),
                row.scheduled_at_ms.into(),
                row.fired_at_ms.into(),
                (&row.state).into(),
                (&row.reason).into(),
                (&row.definition).into(),
                row.audience.as_deref().into(),
                row.node.as_deref().into(),
            ]);
        }
        self.write(&INSERT_FIRINGS, rows).await.map(drop)
    }

    /// Moves a campaign on from the row where it stood (`was`), and adds to its counts what was counted since they were
    /// `counted`; fails when another writer moved it or took it over, and when it goes by another definition by now.
    pub(crate) async fn update_firing(
        &mut self,
        row: &FiringRow,
        was: i64,
        counted: FiringCounts,
    ) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[
            (&row.id).into(),
            was.into(),
            row.node.as_deref().into(),
            (&row.definition).into(),
            (&row.state).into(),
            (&row.reason).into(),
            row.audience_hash.as_deref().into(),
            row.cursor.into(),
            row.total.into(),
            (row.counts.started - counted.started).into(),
            (row.counts.refused - counted.refused).into(),
            (row.counts.duplicates - counted.duplicates).into(),
            (row.counts.bad - counted.bad).into(),
            Cell::Text(&serde_json::to_string(&row.bad_rows)?),
            row.walk.as_deref().into(),
        ]);
        let written = self.write(&UPDATE_FIRINGS, rows).await?;
        anyhow::ensure!(written == 1, super::Moved);
        Ok(())
    }

    /// A firing as it stands now.
    pub(crate) async fn firing(&mut self, id: &str) -> anyhow::Result<Option<FiringRow>> {
        let mut rows = Rows::default();
        rows.push(&[id.into()]);
        self.fetch(&FIRING, rows).await?.first().map(read_firing).transpose()
    }

    /// The firing of a trigger at this instant.
    pub(crate) async fn firing_of(
        &mut self,
        workflow: &str,
        trigger: &str,
        scheduled_at_ms: i64,
    ) -> anyhow::Result<Option<String>> {
        let mut rows = Rows::default();
        rows.push(&[workflow.into(), trigger.into(), scheduled_at_ms.into()]);
        self.fetch(&FIRING_OF, rows).await?.first().map(|row| row.try_get(0)).transpose()
    }

    /// Counts a row of a campaign that could not be used among those that `started`, or were refused.
    pub(crate) async fn count_row_again(&mut self, firing: &str, started: bool) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[firing.into(), started.into(), (!started).into()]);
        self.write(&COUNT_ROW_AGAIN, rows).await.map(drop)
    }

    /// What is left of a campaign begins by another definition from now on, unless it does already.
    pub(crate) async fn move_definition(&mut self, id: &str, was: &str, definition: &str) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[id.into(), was.into(), definition.into()]);
        self.write(&MOVE_DEFINITION, rows).await.map(drop)
    }

    /// Gives this node the campaigns that no living node feeds: how many.
    pub(crate) async fn adopt_firings(&mut self, node: &str) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        rows.push(&[node.into()]);
        self.write(&ADOPT_FIRINGS, rows).await
    }

    /// A fact of the installation; written with `value` when it is not there yet.
    pub(crate) async fn installed(&mut self, name: &str, value: &str) -> anyhow::Result<String> {
        let mut rows = Rows::default();
        rows.push(&[name.into(), value.into()]);
        self.write(&INSTALLATION, rows).await?;
        let mut rows = Rows::default();
        rows.push(&[name.into()]);
        let found = self.fetch(&INSTALLED, rows).await?;
        Ok(found.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_else(|| value.to_owned()))
    }
}

impl Store {
    /// The oldest campaign of this node that has rows left, or runs to be held, released or stopped.
    ///
    /// # Errors
    /// What the database said.
    pub async fn open_firing(&self, node: &str) -> anyhow::Result<Option<FiringRow>> {
        let mut rows = Rows::default();
        rows.push(&[node.into()]);
        self.read(&OPEN_FIRING, rows).await?.first().map(read_firing).transpose()
    }

    /// One firing; `None` when there is none of that id.
    ///
    /// # Errors
    /// What the database said.
    pub async fn firing(&self, id: &str) -> anyhow::Result<Option<FiringRow>> {
        let mut rows = Rows::default();
        rows.push(&[id.into()]);
        self.read(&FIRING, rows).await?.first().map(read_firing).transpose()
    }

    /// Campaigns behind this one whose list may not be read to its end, in order of ids, those that stand included.
    ///
    /// # Errors
    /// What the database said.
    pub async fn unread_campaigns(&self, after: &str, most: u32) -> anyhow::Result<Vec<FiringRow>> {
        let mut rows = Rows::default();
        rows.push(&[after.into(), most.into()]);
        self.read(&UNREAD, rows).await?.iter().map(read_firing).collect()
    }

    /// Campaigns that cannot go on without a person, oldest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn stranded_campaigns(&self, most: u32) -> anyhow::Result<Vec<FiringRow>> {
        let mut rows = Rows::default();
        rows.push(&[most.into()]);
        self.read(&STRANDED, rows).await?.iter().map(read_firing).collect()
    }

    /// Firings, newest first; only those over an audience when `campaigns`.
    ///
    /// # Errors
    /// What the database said.
    pub async fn firings(&self, campaigns: bool, most: u32) -> anyhow::Result<Vec<FiringRow>> {
        let mut rows = Rows::default();
        rows.push(&[campaigns.into(), most.into()]);
        self.read(&FIRINGS, rows).await?.iter().map(read_firing).collect()
    }
}

fn read_schedule(row: &Row) -> anyhow::Result<ScheduleRow> {
    Ok(ScheduleRow {
        workflow: row.try_get(0)?,
        trigger: row.try_get(1)?,
        expression: row.try_get(2)?,
        zone: row.try_get(3)?,
        hwm_ms: row.try_get(4)?,
    })
}

fn read_firing(row: &Row) -> anyhow::Result<FiringRow> {
    let bad_rows: String = row.try_get(16)?;
    Ok(FiringRow {
        id: row.try_get(0)?,
        workflow: row.try_get(1)?,
        trigger: row.try_get(2)?,
        scheduled_at_ms: row.try_get(3)?,
        fired_at_ms: row.try_get(4)?,
        state: row.try_get(5)?,
        reason: row.try_get(6)?,
        definition: row.try_get(7)?,
        audience: row.try_get(8)?,
        audience_hash: row.try_get(9)?,
        cursor: row.try_get(10)?,
        total: row.try_get(11)?,
        counts: FiringCounts {
            started: row.try_get(12)?,
            refused: row.try_get(13)?,
            duplicates: row.try_get(14)?,
            bad: row.try_get(15)?,
        },
        bad_rows: serde_json::from_str(&bad_rows)?,
        node: row.try_get(17)?,
        walk: row.try_get(18)?,
    })
}
