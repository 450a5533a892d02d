//! Events with their evaluations, and the keys that recognise a second delivery.

use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Store, Tx};

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct EventRow {
    pub id: String,
    pub source: String,
    pub name: String,
    pub dedupe_key: String,
    pub dedupe_until_ms: i64,
    pub body_hash: String,
    pub at_ms: i64,
    pub received_at_ms: i64,
    pub contact: Option<String>,
    /// JSON.
    pub data: String,
    /// JSON list of `event::Evaluation`.
    pub evaluations: String,
    /// How many workflows could not judge it, and were not made to since; `None` = none.
    pub failed: Option<i64>,
}

/// A key that was seen before.
#[derive(Debug, Clone)]
pub struct KnownKey {
    pub source: String,
    pub key: String,
    pub event: String,
    pub body_hash: String,
    pub until_ms: i64,
}

static KNOWN_KEYS: Statement = Statement::new(
    "select e.source, e.dedupe_key, e.id, e.body_hash, e.dedupe_until_ms
     from {rows: source text, dedupe_key text} r
     join event e on e.source = r.source and e.dedupe_key = r.dedupe_key",
);

static CLEAR_KEYS: Statement =
    Statement::new("update event set dedupe_key = null where id in (select id from {rows: id text} r)");

static INSERT_EVENTS: Statement = Statement::new(
    "insert into event (id, source, name, dedupe_key, dedupe_until_ms, body_hash, at_ms, received_at_ms, contact,
        data, evaluations, failed)
     select id, source, name, dedupe_key, dedupe_until_ms, body_hash, at_ms, received_at_ms, contact, data, evaluations,
        failed
     from {rows: id text, source text, name text, dedupe_key text, dedupe_until_ms bigint, body_hash text,
        at_ms bigint, received_at_ms bigint, contact text, data text, evaluations text, failed bigint} r",
);

static EVENT: Statement = Statement::new(
    "select e.id, e.source, e.name, e.at_ms, e.received_at_ms, e.contact, e.data, e.evaluations, e.failed
     from event e join {rows: id text} r on r.id = e.id",
);

static EVALUATIONS: Statement =
    Statement::new("select e.id, e.evaluations from {rows: id text} r join event e on e.id = r.id");

static LATEST: Statement = Statement::new(
    "select e.id, e.source, e.name, e.at_ms, e.received_at_ms, e.contact, e.data, e.evaluations, e.failed
     from event e order by e.id desc limit (select n from {rows: n bigint} r)",
);

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub id: Option<String>,
    pub name: Option<String>,
    pub source: Option<String>,
    pub limit: u32,
}

static LIST: Statement = Statement::new(
    "select e.id, e.source, e.name, e.at_ms, e.received_at_ms, e.contact, e.data, e.evaluations, e.failed
     from event e, {rows: id text, name text, source text, n bigint} r
     where (r.id is null or e.id = r.id) and (r.name is null or e.name = r.name)
        and (r.source is null or e.source = r.source)
     order by e.id desc limit (select n from {rows: id text, name text, source text, n bigint} q)",
);

static FAILED: Statement = Statement::new(
    "select e.id, e.source, e.name, e.at_ms, e.received_at_ms, e.contact, e.data, e.evaluations, e.failed
     from event e where e.failed > 0 order by e.id desc limit (select n from {rows: n bigint} r)",
);

static JUDGED_AGAIN: Statement = Statement::new(
    "update event set evaluations = r.evaluations, failed = r.failed
     from {rows: id text, was text, evaluations text, failed bigint} r
     where event.id = r.id and event.evaluations = r.was",
);

impl Tx<'_> {
    /// What each of these events came to: (event, JSON list of `event::Evaluation`).
    pub(crate) async fn evaluations(&mut self, events: &[&str]) -> anyhow::Result<Vec<(String, String)>> {
        let mut rows = Rows::default();
        events.iter().for_each(|event| rows.push(&[(*event).into()]));
        self.fetch(&EVALUATIONS, rows).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    pub(crate) async fn event(&mut self, id: &str) -> anyhow::Result<Option<EventRow>> {
        let mut rows = Rows::default();
        rows.push(&[id.into()]);
        self.fetch(&EVENT, rows).await?.first().map(read_event).transpose()
    }

    /// Writes what came of judging an event again; fails when another writer did meanwhile.
    pub(crate) async fn judged_again(&mut self, event: &EventRow, was: &str) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[(&event.id).into(), was.into(), (&event.evaluations).into(), event.failed.into()]);
        let written = self.write(&JUDGED_AGAIN, rows).await?;
        anyhow::ensure!(written == 1, super::Moved);
        Ok(())
    }

    /// Which of these (source, key) pairs were seen before, expired ones included.
    pub(crate) async fn known_keys(&mut self, keys: &[(&str, &str)]) -> anyhow::Result<Vec<KnownKey>> {
        let mut rows = Rows::default();
        keys.iter().for_each(|(source, key)| rows.push(&[(*source).into(), (*key).into()]));
        let known = |row: &Row| -> anyhow::Result<KnownKey> {
            Ok(KnownKey {
                source: row.try_get(0)?,
                key: row.try_get(1)?,
                event: row.try_get(2)?,
                body_hash: row.try_get(3)?,
                until_ms: row.try_get(4)?,
            })
        };
        self.fetch(&KNOWN_KEYS, rows).await?.iter().map(known).collect()
    }

    /// Takes expired keys from their old events, so that new ones may have them.
    pub(crate) async fn clear_keys(&mut self, events: &[String]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        events.iter().for_each(|id| rows.push(&[id.into()]));
        self.write(&CLEAR_KEYS, rows).await.map(drop)
    }

    pub(crate) async fn insert_events(&mut self, events: &[EventRow]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for event in events {
            rows.push(&[
                (&event.id).into(),
                (&event.source).into(),
                (&event.name).into(),
                (&event.dedupe_key).into(),
                event.dedupe_until_ms.into(),
                (&event.body_hash).into(),
                event.at_ms.into(),
                event.received_at_ms.into(),
                event.contact.as_deref().into(),
                (&event.data).into(),
                (&event.evaluations).into(),
                event.failed.into(),
            ]);
        }
        self.write(&INSERT_EVENTS, rows).await.map(drop)
    }
}

impl Store {
    /// One event; `None` when there is none of that id.
    ///
    /// # Errors
    /// What the database said.
    pub async fn event(&self, id: &str) -> anyhow::Result<Option<EventRow>> {
        let mut rows = Rows::default();
        rows.push(&[id.into()]);
        self.read(&EVENT, rows).await?.first().map(read_event).transpose()
    }

    /// The newest events that a workflow could not judge, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn failed_events(&self, most: u32) -> anyhow::Result<Vec<EventRow>> {
        let mut rows = Rows::default();
        rows.push(&[most.into()]);
        self.read(&FAILED, rows).await?.iter().map(read_event).collect()
    }

    /// Events that fit, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn list_events(&self, filter: &EventFilter) -> anyhow::Result<Vec<EventRow>> {
        let mut rows = Rows::default();
        rows.push(&[
            filter.id.as_deref().into(),
            filter.name.as_deref().into(),
            filter.source.as_deref().into(),
            filter.limit.into(),
        ]);
        self.read(&LIST, rows).await?.iter().map(read_event).collect()
    }

    /// The newest events, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn latest_events(&self, most: u32) -> anyhow::Result<Vec<EventRow>> {
        let mut rows = Rows::default();
        rows.push(&[most.into()]);
        self.read(&LATEST, rows).await?.iter().map(read_event).collect()
    }
}

pub(super) fn read_event(row: &Row) -> anyhow::Result<EventRow> {
    Ok(EventRow {
        id: row.try_get(0)?,
        source: row.try_get(1)?,
        name: row.try_get(2)?,
        dedupe_key: String::new(),
        dedupe_until_ms: 0,
        body_hash: String::new(),
        at_ms: row.try_get(3)?,
        received_at_ms: row.try_get(4)?,
        contact: row.try_get(5)?,
        data: row.try_get(6)?,
        evaluations: row.try_get(7)?,
        failed: row.try_get(8)?,
    })
}
