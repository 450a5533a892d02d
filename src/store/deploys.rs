//! Deploys: which project serves, by a number that only grows, and which served before.
//!
//! Who deploys holds the lock of one row from its first look to its commit, so that of two nodes one finds what the other
//! did. Invariant: the highest number serves, and its texts are here.

use super::dialect::Statement;
use super::row::Row;
use super::{Cell, Rows, Store, Tx};

/// The row of `installation` that is locked while somebody deploys.
const POINTER: &str = "deploy";

/// One project as it was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployRow {
    /// From 1.
    pub number: i64,
    /// SHA-256 of the texts that decide what its workflows do, hex.
    pub hash: String,
    /// JSON object, path to text; empty once a higher number serves.
    pub files: String,
    /// The node that deployed it.
    pub node: String,
    pub at_ms: i64,
    /// What is still to be done with live runs of older versions; empty = nothing.
    pub in_flight: String,
}

static LOCK: Statement =
    Statement::new("select i.value from installation i where i.name = 'deploy' and $1 = $1 and $2 = $2 {lock}");

static NUMBER: Statement = Statement::new("select coalesce(max(d.number), 0) from deploy d where $1 = $1 and $2 = $2");

macro_rules! columns {
    () => {
        "select d.number, d.hash, d.files, d.node, d.at_ms, d.in_flight from deploy d"
    };
}

static CURRENT: Statement =
    Statement::new(concat!(columns!(), ", {rows: n bigint} r where d.number = (select max(number) from deploy)"));

static LATEST: Statement =
    Statement::new(concat!(columns!(), " order by d.number desc limit (select n from {rows: n bigint} r)"));

static BEFORE: Statement =
    Statement::new("select max(d.number) from deploy d join {rows: hash text} r on r.hash = d.hash");

static INSERT: Statement = Statement::new(
    "insert into deploy (number, hash, files, node, at_ms, in_flight)
     select number, hash, files, node, at_ms, in_flight
     from {rows: number bigint, hash text, files text, node text, at_ms bigint, in_flight text} r",
);

static FORGET_TEXTS: Statement = Statement::new(
    "update deploy set files = '', in_flight = '' from {rows: number bigint} r
     where deploy.number < r.number and (deploy.files <> '' or deploy.in_flight <> '')",
);

static NOTHING_IN_FLIGHT: Statement =
    Statement::new("update deploy set in_flight = '' from {rows: number bigint} r where deploy.number = r.number");

impl Tx<'_> {
    /// What serves; nobody else deploys until this transaction ends. `None` before the first deploy.
    pub(crate) async fn lock_deploys(&mut self) -> anyhow::Result<Option<DeployRow>> {
        self.installed(POINTER, "").await?;
        self.due(&LOCK, 0, 0).await?;
        let mut rows = Rows::default();
        rows.push(&[Cell::Number(1)]);
        self.fetch(&CURRENT, rows).await?.first().map(read_deploy).transpose()
    }

    /// The number that serves; 0 before the first deploy.
    pub(crate) async fn deploy_number(&mut self) -> anyhow::Result<i64> {
        let rows = self.due(&NUMBER, 0, 0).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
    }

    /// Under which number these texts were last deployed, if ever.
    pub(crate) async fn deployed_before(&mut self, hash: &str) -> anyhow::Result<Option<i64>> {
        let mut rows = Rows::default();
        rows.push(&[hash.into()]);
        let found = self.fetch(&BEFORE, rows).await?;
        Ok(found.first().map(|row| row.try_get::<Option<i64>>(0)).transpose()?.flatten())
    }

    /// Moves on to a higher number. What the former ones asked for live runs is not done any more.
    pub(crate) async fn insert_deploy(&mut self, deploy: &DeployRow) -> anyhow::Result<()> {
        let DeployRow { number, hash, files, node, at_ms, in_flight } = deploy;
        let mut rows = Rows::default();
        rows.push(&[(*number).into(), hash.into(), files.into(), node.into(), (*at_ms).into(), in_flight.into()]);
        self.write(&INSERT, rows).await?;
        let mut rows = Rows::default();
        rows.push(&[(*number).into()]);
        self.write(&FORGET_TEXTS, rows).await.map(drop)
    }

    /// Nothing is left to be done with live runs.
    pub(crate) async fn end_in_flight(&mut self, number: i64) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        rows.push(&[number.into()]);
        self.write(&NOTHING_IN_FLIGHT, rows).await.map(drop)
    }
}

impl Store {
    /// What serves; `None` before the first deploy.
    ///
    /// # Errors
    /// What the database said.
    pub async fn current_deploy(&self) -> anyhow::Result<Option<DeployRow>> {
        let mut rows = Rows::default();
        rows.push(&[Cell::Number(1)]);
        self.read(&CURRENT, rows).await?.first().map(read_deploy).transpose()
    }

    /// What served, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn deploys(&self, most: u32) -> anyhow::Result<Vec<DeployRow>> {
        let mut rows = Rows::default();
        rows.push(&[most.into()]);
        self.read(&LATEST, rows).await?.iter().map(read_deploy).collect()
    }
}

fn read_deploy(row: &Row) -> anyhow::Result<DeployRow> {
    Ok(DeployRow {
        number: row.try_get(0)?,
        hash: row.try_get(1)?,
        files: row.try_get(2)?,
        node: row.try_get(3)?,
        at_ms: row.try_get(4)?,
        in_flight: row.try_get(5)?,
    })
}
