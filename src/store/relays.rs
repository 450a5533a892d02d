//! Relays: events on their way to targets.
//!
//! Invariant: one that has ended is never posted again; a dead one is repeated by one new row at most.

use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};
use crate::relay::{Relay, RelayState};

/// Which relays to list; `None` = any.
#[derive(Debug, Clone, Default)]
pub struct RelayFilter {
    pub state: Option<RelayState>,
    pub target: Option<String>,
    pub limit: u32,
}

macro_rules! relay_columns {
    () => {
        "l.id, l.target, l.event, l.name, l.body, l.state, l.attempts, l.due_at_ms, l.expires_at_ms, l.ended_at_ms,
         l.http_status, l.error, l.redrive_of"
    };
}

static INSERT: Statement = Statement::new(
    "insert into relay (id, target, event, name, body, state, attempts, due_at_ms, expires_at_ms)
     select id, target, event, name, body, 'queued', 0, due_at_ms, expires_at_ms
     from {rows: id text, target text, event text, name text, body text, due_at_ms bigint, expires_at_ms bigint} r",
);

static NOTE: Statement = Statement::new(
    "update relay set state = r.state, attempts = r.attempts, due_at_ms = r.due_at_ms, ended_at_ms = r.ended_at_ms,
        http_status = r.http_status, error = r.error
     from {rows: id text, state text, attempts bigint, due_at_ms bigint, ended_at_ms bigint, http_status bigint,
        error text} r
     where relay.id = r.id and relay.state = 'queued'",
);

static GIVE_UP: Statement = Statement::new(
    "update relay set state = 'dead', error = coalesce(relay.error, r.error), ended_at_ms = r.at_ms
     from {rows: target text, error text, at_ms bigint} r where relay.target = r.target and relay.state = 'queued'",
);

static REDRIVE: Statement = Statement::new(
    "insert into relay (id, target, event, name, body, state, attempts, due_at_ms, expires_at_ms, redrive_of)
     select r.id, l.target, l.event, l.name, l.body, 'queued', 0, r.due_at_ms, r.expires_at_ms, l.id
     from {rows: id text, redrive_of text, due_at_ms bigint, expires_at_ms bigint} r
     join relay l on l.id = r.redrive_of where l.state = 'dead' on conflict do nothing",
);

static HEAD: Statement = Statement::new(concat!(
    "select ",
    relay_columns!(),
    " from relay l where l.state = 'queued' and l.target = (select target from {rows: target text} r)
     order by l.id limit 1"
));

static WAITING: Statement = Statement::new(
    "select l.target from relay l where l.state = 'queued' and (select n from {rows: n bigint} r) > 0
     group by l.target order by l.target",
);

static LIST: Statement = Statement::new(concat!(
    "select ",
    relay_columns!(),
    " from {rows: most bigint, state text, target text} r join relay l
        on (r.state is null or l.state = r.state) and (r.target is null or l.target = r.target)
     order by l.id desc limit (select most from {rows: most bigint, state text, target text} q)"
));

static DEAD: Statement = Statement::new(
    "select l.id from relay l where l.state = 'dead' and l.target = (select target from {rows: target text} r)
        and not exists (select 1 from relay c where c.redrive_of = l.id)
     order by l.id limit 500",
);

impl Tx<'_> {
    pub(crate) async fn insert_relays(&mut self, relays: &[Relay]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for relay in relays {
            rows.push(&[
                (&relay.id).into(),
                (&relay.target).into(),
                (&relay.event).into(),
                (&relay.name).into(),
                (&relay.body).into(),
                relay.due_at_ms.into(),
                relay.expires_at_ms.into(),
            ]);
        }
        self.write(&INSERT, rows).await.map(drop)
    }

    /// Writes what became of posts; one that has ended stays as it is.
    pub(crate) async fn note_relays(&mut self, relays: &[&Relay]) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for relay in relays {
            rows.push(&[
                (&relay.id).into(),
                relay.state.as_str().into(),
                relay.attempts.into(),
                relay.due_at_ms.into(),
                relay.ended_at_ms.into(),
                relay.http_status.into(),
                relay.error.as_deref().into(),
            ]);
        }
        self.write(&NOTE, rows).await.map(drop)
    }

    /// Gives up everything that waits for a target: how many there were.
    pub(crate) async fn give_up_relays(&mut self, target: &str, error: &str) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        rows.push(&[target.into(), error.into(), self.now_ms.into()]);
        self.write(&GIVE_UP, rows).await
    }

    /// Repeats dead ones, each under the id of its copy: how many there were. One that was repeated already is left out.
    pub(crate) async fn redrive_relays(&mut self, copies: &[(Relay, String)]) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        for (copy, of) in copies {
            rows.push(&[(&copy.id).into(), of.into(), copy.due_at_ms.into(), copy.expires_at_ms.into()]);
        }
        self.write(&REDRIVE, rows).await
    }
}

impl Store {
    /// The one that a target gets next; `None` = nothing waits.
    ///
    /// # Errors
    /// What the database said.
    pub async fn next_relay(&self, target: &str) -> anyhow::Result<Option<Relay>> {
        let mut rows = Rows::default();
        rows.push(&[target.into()]);
        self.read(&HEAD, rows).await?.first().map(read_relay).transpose()
    }

    /// Keys of the targets that something waits for.
    ///
    /// # Errors
    /// What the database said.
    pub async fn waiting_targets(&self) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Number(1)]);
        self.read(&WAITING, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// Ids of what a target did not take and nobody had posted again, the oldest 500.
    ///
    /// # Errors
    /// What the database said.
    pub async fn dead_relays(&self, target: &str) -> anyhow::Result<Vec<String>> {
        let mut rows = Rows::default();
        rows.push(&[target.into()]);
        self.read(&DEAD, rows).await?.iter().map(|row| row.try_get(0)).collect()
    }

    /// Relays, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn list_relays(&self, filter: &RelayFilter) -> anyhow::Result<Vec<Relay>> {
        let mut rows = Rows::default();
        let state = filter.state.map(RelayState::as_str);
        rows.push(&[filter.limit.into(), state.into(), filter.target.as_deref().into()]);
        self.read(&LIST, rows).await?.iter().map(read_relay).collect()
    }
}

fn read_relay(row: &Row) -> anyhow::Result<Relay> {
    let state: String = row.try_get(5)?;
    Ok(Relay {
        id: row.try_get(0)?,
        target: row.try_get(1)?,
        event: row.try_get(2)?,
        name: row.try_get(3)?,
        body: row.try_get(4)?,
        state: RelayState::parse(&state).ok_or_else(|| anyhow::anyhow!("no state of a relay: {state}"))?,
        attempts: u32::try_from(row.try_get::<i64>(6)?)?,
        due_at_ms: row.try_get(7)?,
        expires_at_ms: row.try_get(8)?,
        ended_at_ms: row.try_get(9)?,
        http_status: row.try_get(10)?,
        error: row.try_get(11)?,
        redrive_of: row.try_get(12)?,
    })
}
