//! Nodes: the servers that share this database, and when each was last heard of.
//!
//! A node's row is its right to claim: it is renewed in the transaction that claims, and removed before its work is taken
//! over, so that the database puts the two in an order. Invariant: heartbeats are written and judged by the store's time.

use super::dialect::Statement;
use super::row::Row;
use super::{Rows, Store, Tx};

/// More servers than anybody runs on one database.
const MOST: usize = 1000;

static JOIN: Statement = Statement::new(
    "insert into node (id, since_ms, heartbeat_ms) select id, now_ms, now_ms from {rows: id text, now_ms bigint} r",
);

/// Who says that it lives hears which deploy serves.
static BEAT: Statement = Statement::new(
    "update node set heartbeat_ms = r.now_ms from {rows: id text, now_ms bigint} r where node.id = r.id
     returning (select coalesce(max(d.number), 0) from deploy d)",
);

static NODES: Statement =
    Statement::new("select n.id, n.heartbeat_ms from node n where $1 = $1 order by n.id limit $2");

static OTHERS: Statement = Statement::new("select n.id from {rows: own text} r join node n on n.id <> r.own limit 1");

static REMOVE: Statement = Statement::new("delete from node where id in (select id from {rows: id text} r)");

static TAKE_DUTY: Statement = Statement::new(
    "insert into duty (name, node) select name, node from {rows: name text, node text} r where true
     on conflict (name) do update set node = excluded.node
     where duty.node = excluded.node or not exists (select 1 from node n where n.id = duty.node)",
);

static DUTY: Statement = Statement::new(
    "select d.node from {rows: name text} r join duty d on d.name = r.name join node n on n.id = d.node",
);

/// One that writes its heartbeat at this moment lives, and its row is left alone.
static REMOVE_SILENT: Statement = Statement::new(
    "delete from node where id in (
        select d.id from node d, {rows: own text, before_ms bigint} r
        where d.id <> r.own and d.heartbeat_ms <= r.before_ms order by d.id {skip locked d})",
);

impl Tx<'_> {
    /// Renews a node's heartbeat: the number of the deploy that serves; `None` = the others do not count it in any more.
    pub(crate) async fn beat(&mut self, node: &str) -> anyhow::Result<Option<i64>> {
        let mut rows = Rows::default();
        rows.push(&[node.into(), self.now_ms.into()]);
        let beaten = self.fetch(&BEAT, rows).await?;
        beaten.first().map(|row| row.try_get(0)).transpose()
    }

    /// As [`Tx::beat`]; one that is not counted in, or no more, joins.
    pub(crate) async fn beat_or_join(&mut self, node: &str) -> anyhow::Result<i64> {
        if let Some(number) = self.beat(node).await? {
            return Ok(number);
        }
        let mut rows = Rows::default();
        rows.push(&[node.into(), self.now_ms.into()]);
        self.write(&JOIN, rows).await?;
        self.deploy_number().await
    }

    /// Every node with its heartbeat.
    pub(crate) async fn nodes(&mut self) -> anyhow::Result<Vec<(String, i64)>> {
        let node = |row: &Row| -> anyhow::Result<_> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        self.due(&NODES, 0, MOST).await?.iter().map(node).collect()
    }

    pub(crate) async fn remove_node(&mut self, node: &str) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[node.into()]);
        self.write(&REMOVE, rows).await.map(drop)
    }

    /// Removes every node but `own` that was last heard of at `before_ms` or earlier.
    pub(crate) async fn remove_silent_nodes(&mut self, own: &str, before_ms: i64) -> anyhow::Result<u64> {
        let mut rows = Rows::default();
        rows.push(&[own.into(), before_ms.into()]);
        self.write(&REMOVE_SILENT, rows).await
    }

    /// Gives a duty to a node unless another living one has it: whether it has it now.
    pub(crate) async fn take_duty(&mut self, name: &str, node: &str) -> anyhow::Result<bool> {
        let mut rows = Rows::default();
        rows.push(&[name.into(), node.into()]);
        Ok(self.write(&TAKE_DUTY, rows).await? == 1)
    }
}

impl Store {
    /// The living node that has a duty.
    ///
    /// # Errors
    /// What the database said.
    pub async fn duty(&self, name: &str) -> anyhow::Result<Option<String>> {
        let mut rows = Rows::default();
        rows.push(&[name.into()]);
        self.read(&DUTY, rows).await?.first().map(|row| row.try_get(0)).transpose()
    }

    /// Whether another node than this one serves as well.
    ///
    /// # Errors
    /// What the database said.
    pub async fn has_other_nodes(&self, own: &str) -> anyhow::Result<bool> {
        let mut rows = Rows::default();
        rows.push(&[own.into()]);
        Ok(!self.read(&OTHERS, rows).await?.is_empty())
    }
}
