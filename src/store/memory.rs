//! Memory: a database of this process only, for tests and previews of a project: migrated once, emptied as often as needed.
//!
//! The same statements on the same SQLite; only what makes a database last is missing. Invariant: it is there as long as
//! its `Memory` is, and nobody else reaches it.

use super::connection::{Connection, open_file};
use super::dialect::Dialect;
use super::disk::Disk;
use super::readers::Readers;
use super::{Store, connect, schema};
use anyhow::Context as _;
use sqlx::Connection as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How many there were in this process: each has a name of its own.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A file system of SQLite's own.
const FILES: &str = "memdb";

/// A database in memory, and the connection that keeps it.
#[derive(Debug)]
pub struct Memory {
    store: Store,
    keeper: rusqlite::Connection,
    /// What removes every row, table by table.
    emptying: Vec<String>,
}

impl Memory {
    /// An empty database of the newest schema.
    ///
    /// # Errors
    /// What the database said.
    pub async fn new() -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        // Files whose names begin with `/` are shared within the process.
        let url = format!("sqlite:///relance-{number}?mode=rwc&vfs={FILES}");
        let disk = Arc::new(Disk::of(&url, Dialect::Sqlite)?);
        // It is there as long as a connection to it is.
        let made = connect(&url).await?;
        schema::migrate(&url, Dialect::Sqlite).await?;
        let store = Store {
            readers: Readers::here(open_file(&url)?)?,
            url: url.clone(),
            dialect: Dialect::Sqlite,
            disk,
            parked: Some(Arc::new(Mutex::new(Some(Connection::File(open_file(&url)?))))),
            _lock: None,
        };
        let keeper = open_file(&url)?;
        made.close().await?;
        // What only removes needs no way back.
        keeper.execute_batch("pragma foreign_keys = off; pragma journal_mode = off")?;
        let emptying = "select format('delete from \"%w\"', name) from sqlite_master
                        where type = 'table' and name not like 'sqlite%' and name <> '_sqlx_migrations'";
        let emptying = keeper.prepare(emptying)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(Self { store, keeper, emptying })
    }

    /// Its store; as good as any as long as this lives.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Removes every row. Nobody may be writing.
    ///
    /// # Errors
    /// What the database said.
    pub fn empty(&mut self) -> anyhow::Result<()> {
        let tx = self.keeper.transaction().context("the rows could not be removed")?;
        for statement in &self.emptying {
            tx.prepare_cached(statement)
                .and_then(|mut statement| statement.execute([]))
                .context("the rows could not be removed")?;
        }
        tx.commit().context("the rows could not be removed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test]
    async fn each_has_its_own_rows_and_forgets_them_when_asked() {
        let (mut one, other) = (Memory::new().await.unwrap(), Memory::new().await.unwrap());
        let clock = Clock::still(0);
        let mut writer = one.store().writer(clock).await.unwrap();
        let mut tx = writer.begin().await.unwrap();
        tx.remember(&[("fact".to_owned(), "yes".to_owned())]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(one.store().remembered("fact").await.unwrap().as_deref(), Some("yes"));
        assert_eq!(other.store().remembered("fact").await.unwrap(), None);
        one.empty().unwrap();
        assert_eq!(one.store().remembered("fact").await.unwrap(), None);
    }

    #[tokio::test]
    async fn its_writer_comes_back_after_it_broke_and_after_nobody_parked_it() {
        let memory = Memory::new().await.unwrap();
        let store = memory.store();
        let mut writer = store.writer(Clock::still(0)).await.unwrap();
        writer.reconnect(store).await.unwrap();
        writer.begin().await.unwrap().commit().await.unwrap();
        drop(writer);
        let mut writer = store.writer(Clock::still(0)).await.unwrap();
        let mut tx = writer.begin().await.unwrap();
        tx.remember(&[("fact".to_owned(), "yes".to_owned())]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(store.remembered("fact").await.unwrap().as_deref(), Some("yes"));
    }

    #[tokio::test]
    async fn nothing_is_written_after_sqlite_undid_the_transaction_by_itself() {
        let memory = Memory::new().await.unwrap();
        let mut writer = memory.store().writer(Clock::still(0)).await.unwrap();
        let mut tx = writer.begin().await.unwrap();
        // As it does on a full disk.
        tx.ask_for("rollback", &[]).await.unwrap();
        let refused = tx.remember(&[("fact".to_owned(), "yes".to_owned())]).await;
        assert!(refused.is_err() && tx.ask_for("select 1", &[]).await.is_err());
        drop(tx);
        assert_eq!(memory.store().remembered("fact").await.unwrap(), None);
        writer.begin().await.unwrap().commit().await.unwrap();
    }
}
