//! Deadline: no call of a database server is awaited for ever. A connection whose other end is gone without a word looks
//! alive for a quarter of an hour.
//!
//! The server ends its own statements sooner (`dialect`). A connection on which a call ran into the deadline is given up
//! whole, never used again: whatever it had begun is undone by the server. Invariant: the loop stands still no longer
//! than this because of one call.

use super::dialect::Dialect;
use std::time::Duration;

/// Longer than a statement may take at the server.
const CALL: Duration = Duration::from_secs(12);

/// The server did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent;

impl std::fmt::Display for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the database did not answer within {} s", CALL.as_secs())
    }
}

impl std::error::Error for Silent {}

/// What a call came to. A file of this machine is waited for: a disk that is slow is not gone.
pub(super) async fn answered<T>(
    dialect: Dialect,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> anyhow::Result<T> {
    match dialect {
        Dialect::Sqlite => Ok(call.await?),
        Dialect::Postgres => Ok(tokio::time::timeout(CALL, call).await.map_err(|_| Silent)??),
    }
}
