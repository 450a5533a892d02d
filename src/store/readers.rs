//! Readers: who answers the questions of pages and of tasks beside the loop, while it writes.
//!
//! Of a file or a server there are several, and each question has a deadline. A database in memory has one, asked on the
//! spot: whoever asks is the one who wrote. Invariant: a reader cannot write.

use super::connection::{Bound, arguments, run};
use super::deadline::{Silent, read};
use super::dialect::{Dialect, Sql};
use super::row::Row;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{AnyPool, Executor as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Cloning shares them.
#[derive(Debug, Clone)]
pub(super) enum Readers {
    Pool(AnyPool, Dialect),
    Here(Arc<Mutex<rusqlite::Connection>>),
}

impl Readers {
    pub(super) async fn open(url: &str, dialect: Dialect) -> anyhow::Result<Self> {
        let pool = AnyPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .test_before_acquire(dialect.is_shared())
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(dialect.settings(false)).await.map(drop) })
            })
            .connect(url)
            .await?;
        Ok(Self::Pool(pool, dialect))
    }

    /// Of a SQLite database in memory.
    pub(super) fn here(reader: rusqlite::Connection) -> anyhow::Result<Self> {
        reader.execute_batch(Dialect::Sqlite.settings(false))?;
        Ok(Self::Here(Arc::new(Mutex::new(reader))))
    }

    pub(super) async fn fetch(&self, sql: Sql, values: Vec<Bound>) -> anyhow::Result<Vec<Row>> {
        let (pool, dialect) = match self {
            Self::Here(reader) => {
                let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
                return Ok(run(&mut reader.prepare_cached(&sql.0)?, &values)?);
            }
            Self::Pool(pool, dialect) => (pool, *dialect),
        };
        let mut reader = pool.acquire().await?;
        let answer = read(dialect, sqlx::query_with(sql, arguments(values)).fetch_all(&mut *reader)).await;
        Ok(given_back(reader, dialect, answer)?.into_iter().map(Row::Any).collect())
    }
}

/// A reader that a server did not answer does not go back to the others. One of a file works on: it goes back when it is
/// done, so that there are never more of them.
fn given_back<T>(reader: PoolConnection<sqlx::Any>, dialect: Dialect, answer: anyhow::Result<T>) -> anyhow::Result<T> {
    if dialect.is_shared() && answer.as_ref().is_err_and(|error| error.is::<Silent>()) {
        drop(reader.detach());
    }
    answer
}
