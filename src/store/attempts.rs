//! Attempts: every call for a delivery, what the vendor told of it, and the statuses that came before their answer.

use super::deliveries::read_word;
use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};
use crate::delivery::Attempt;
use crate::message::Form;
use anyhow::Context as _;
use serde::Serialize;

/// How one call ended, as it is kept with the attempt.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    pub id: String,
    pub ended_at_ms: i64,
    pub outcome: &'static str,
    pub http_status: Option<i64>,
    pub code: Option<i64>,
    pub error: Option<String>,
    pub message_uuid: Option<String>,
}

/// An attempt as it is kept, for status events and pages.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptRow {
    pub id: String,
    #[serde(skip)]
    pub delivery: String,
    pub n: i64,
    pub form: Form,
    pub started_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    pub outcome: Option<String>,
    pub http_status: Option<i64>,
    pub code: Option<i64>,
    pub error: Option<String>,
    pub message_uuid: Option<String>,
    /// Every status the vendor told, in the order of arrival.
    pub statuses: Vec<String>,
    /// They as they were read, JSON: what another node adds meanwhile is not written over.
    #[serde(skip)]
    pub was: String,
}

static INSERT_ATTEMPTS: Statement = Statement::new(
    "insert into attempt (id, delivery, n, form, node, started_at_ms, statuses)
     select id, delivery, n, form, node, started_at_ms, '[]'
     from {rows: id text, delivery text, n bigint, form text, node text, started_at_ms bigint} r",
);

static END_ATTEMPTS: Statement = Statement::new(
    "update attempt set ended_at_ms = r.ended_at_ms,
        outcome = case when attempt.outcome = 'accepted' then attempt.outcome else r.outcome end, http_status = r.http_status, code = r.code,
        error = r.error, message_uuid = coalesce(r.message_uuid, attempt.message_uuid)
     from {rows: id text, ended_at_ms bigint, outcome text, http_status bigint, code bigint, error text,
        message_uuid text} r
     where attempt.id = r.id",
);

static PROVE: Statement = Statement::new(
    "update attempt set outcome = 'accepted', message_uuid = coalesce(attempt.message_uuid, r.message_uuid)
     from {rows: id text, message_uuid text} r where attempt.id = r.id",
);

static ADD_STATUSES: Statement = Statement::new(
    "update attempt set statuses = r.statuses, code = coalesce(attempt.code, r.code),
        message_uuid = coalesce(attempt.message_uuid, r.message_uuid)
     from {rows: id text, was text, statuses text, code bigint, message_uuid text} r
     where attempt.id = r.id and attempt.statuses = r.was",
);

macro_rules! attempt_columns {
    () => {
        "a.id, a.delivery, a.n, a.form, a.started_at_ms, a.ended_at_ms, a.outcome, a.http_status, a.code, a.error,
         a.message_uuid, a.statuses"
    };
}

static ATTEMPTS_BY_UUID: Statement = Statement::new(concat!(
    "select ",
    attempt_columns!(),
    " from {rows: uuid text, id text} r join attempt a on a.message_uuid = r.uuid
     union select ",
    attempt_columns!(),
    " from {rows: uuid text, id text} r join attempt a on a.id = r.id"
));

static ATTEMPTS_OF: Statement = Statement::new(concat!(
    "select ",
    attempt_columns!(),
    " from {rows: delivery text} r join attempt a on a.delivery = r.delivery
     order by a.delivery, a.n"
));

static KEEP_EARLY: Statement = Statement::new(
    "insert into early_status (uuid, status, event, kept_at_ms) select uuid, status, event, kept_at_ms
     from {rows: uuid text, status text, event text, kept_at_ms bigint} r where true
     on conflict (uuid, status) do nothing",
);

static EARLY: Statement =
    Statement::new("select s.uuid, s.status, s.event from {rows: uuid text} r join early_status s on s.uuid = r.uuid");

/// The answer may have been recorded by one node while another kept the status.
static ANSWERED_EARLY: Statement = Statement::new(
    "select s.uuid, s.status, s.event from early_status s
     where s.kept_at_ms <= $1 and exists (select 1 from attempt a where a.message_uuid = s.uuid)
     order by s.kept_at_ms, s.uuid, s.status limit $2",
);

static ANY_EARLY: Statement = Statement::new("select s.uuid from early_status s where $1 = $1 limit $2");

static FORGET_EARLY: Statement =
    Statement::new("delete from early_status where uuid in (select uuid from {rows: uuid text} r)");

static FORGET_EARLY_OF: Statement =
    Statement::new("delete from early_status where kept_at_ms <= (select at_ms from {rows: at_ms bigint} r)");

impl Tx<'_> {
    pub(crate) async fn insert_attempts(&mut self, attempts: &[Attempt], node: &str) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for attempt in attempts {
            rows.push(&[
                (&attempt.id).into(),
                (&attempt.delivery).into(),
                attempt.n.into(),
                attempt.form.as_str().into(),
                node.into(),
                attempt.started_at_ms.into(),
            ]);
        }
        self.write(&INSERT_ATTEMPTS, rows).await.map(drop)
    }

    /// Writes how calls ended; what evidence has proven stays proven.
    pub(crate) async fn end_attempts(&mut self, ends: &[AttemptEnd]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for end in ends {
            rows.push(&[
                (&end.id).into(),
                end.ended_at_ms.into(),
                end.outcome.into(),
                end.http_status.into(),
                end.code.into(),
                end.error.as_deref().into(),
                end.message_uuid.as_deref().into(),
            ]);
        }
        self.write(&END_ATTEMPTS, rows).await.map(drop)
    }

    /// Notes evidence that the vendor took these (attempt, message uuid): whatever their call told, or tells yet.
    pub(crate) async fn prove_attempts(&mut self, proven: &[(String, Option<String>)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        proven.iter().for_each(|(id, uuid)| rows.push(&[id.into(), uuid.as_deref().into()]));
        self.write(&PROVE, rows).await.map(drop)
    }

    /// The attempts of these deliveries, by delivery and number.
    pub(crate) async fn attempts_of(&mut self, deliveries: &[&str]) -> anyhow::Result<Vec<AttemptRow>> {
        let mut rows = Rows::default();
        deliveries.iter().for_each(|id| rows.push(&[(*id).into()]));
        self.fetch(&ATTEMPTS_OF, rows).await?.iter().map(read_attempt).collect()
    }

    /// Attempts by the vendor's uuid or by their own id.
    pub(crate) async fn attempts_by(&mut self, uuid_or_id: &[(&str, &str)]) -> anyhow::Result<Vec<AttemptRow>> {
        let mut rows = Rows::default();
        uuid_or_id.iter().for_each(|(uuid, id)| rows.push(&[(*uuid).into(), (*id).into()]));
        self.fetch(&ATTEMPTS_BY_UUID, rows).await?.iter().map(read_attempt).collect()
    }

    /// Writes what the vendor told of attempts, and the code of a failure; fails when another node wrote some since they
    /// were read.
    pub(crate) async fn write_statuses(&mut self, attempts: &[&AttemptRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for attempt in attempts {
            let statuses = serde_json::to_string(&attempt.statuses)?;
            let uuid = attempt.message_uuid.as_deref();
            rows.push(&[
                (&attempt.id).into(),
                (&attempt.was).into(),
                Cell::Text(&statuses),
                attempt.code.into(),
                uuid.into(),
            ]);
        }
        let written = self.write(&ADD_STATUSES, rows).await?;
        anyhow::ensure!(written == attempts.len() as u64, super::Moved);
        Ok(())
    }

    /// Keeps (uuid, status, event JSON) until the answer tells whose they are.
    pub(crate) async fn keep_early_statuses(&mut self, early: &[(String, String, String)]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for (uuid, status, event) in early {
            rows.push(&[uuid.into(), status.into(), event.into(), self.now_ms.into()]);
        }
        self.write(&KEEP_EARLY, rows).await.map(drop)
    }

    /// Early status events (uuid, status, event JSON) of these uuids.
    pub(crate) async fn early_statuses(&mut self, uuids: &[&str]) -> anyhow::Result<Vec<(String, String, String)>> {
        let mut rows = Rows::default();
        uuids.iter().for_each(|uuid| rows.push(&[(*uuid).into()]));
        self.fetch(&EARLY, rows).await?.iter().map(read_early).collect()
    }

    /// Those whose answer is recorded by now.
    pub(crate) async fn answered_early_statuses(
        &mut self,
        most: usize,
    ) -> anyhow::Result<Vec<(String, String, String)>> {
        let now_ms = self.now_ms;
        self.due(&ANSWERED_EARLY, now_ms, most).await?.iter().map(read_early).collect()
    }

    /// Whether any status event still waits for its answer.
    pub(crate) async fn has_early_statuses(&mut self) -> anyhow::Result<bool> {
        Ok(!self.due(&ANY_EARLY, 0, 1).await?.is_empty())
    }

    /// Forgets those kept at `until_ms` or earlier: their answers are not awaited any more.
    pub(crate) async fn forget_early_statuses_until(&mut self, until_ms: i64) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Number(until_ms)]);
        self.write(&FORGET_EARLY_OF, rows).await.map(drop)
    }

    pub(crate) async fn forget_early_statuses(&mut self, uuids: &[&str]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        uuids.iter().for_each(|uuid| rows.push(&[(*uuid).into()]));
        self.write(&FORGET_EARLY, rows).await.map(drop)
    }
}

impl Store {
    /// The attempts of these deliveries, by delivery and number.
    ///
    /// # Errors
    /// What the database said.
    pub async fn attempts(&self, deliveries: &[&str]) -> anyhow::Result<Vec<AttemptRow>> {
        let mut rows = Rows::default();
        deliveries.iter().for_each(|id| rows.push(&[(*id).into()]));
        self.read(&ATTEMPTS_OF, rows).await?.iter().map(read_attempt).collect()
    }
}

fn read_attempt(row: &Row) -> anyhow::Result<AttemptRow> {
    let statuses: String = row.try_get(11)?;
    Ok(AttemptRow {
        id: row.try_get(0)?,
        delivery: row.try_get(1)?,
        n: row.try_get(2)?,
        form: read_word(row.try_get(3)?)?,
        started_at_ms: row.try_get(4)?,
        ended_at_ms: row.try_get(5)?,
        outcome: row.try_get(6)?,
        http_status: row.try_get(7)?,
        code: row.try_get(8)?,
        error: row.try_get(9)?,
        message_uuid: row.try_get(10)?,
        statuses: serde_json::from_str(&statuses).context("stored statuses are not readable")?,
        was: statuses,
    })
}

fn read_early(row: &Row) -> anyhow::Result<(String, String, String)> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}
