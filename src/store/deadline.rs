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
/// Whoever asks a file of this machine waits no longer; the loop is no reader.
const READ: Duration = Duration::from_secs(5);

/// The database did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent {
    pub after: Duration,
}

impl std::fmt::Display for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the database did not answer within {} s", self.after.as_secs())
    }
}

impl std::error::Error for Silent {}

/// What a call of the writer came to. A file of this machine is waited for: a disk that is slow is not gone.
pub(super) async fn answered<T>(
    dialect: Dialect,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> anyhow::Result<T> {
    match dialect {
        Dialect::Sqlite => Ok(call.await?),
        Dialect::Postgres => within(CALL, call).await,
    }
}

/// What a question of a reader came to.
pub(super) async fn read<T>(
    dialect: Dialect,
    question: impl Future<Output = Result<T, sqlx::Error>>,
) -> anyhow::Result<T> {
    match dialect {
        Dialect::Sqlite => within(READ, question).await,
        Dialect::Postgres => within(CALL, question).await,
    }
}

/// What a call came to within a time of one's own.
pub(super) async fn within<T>(
    after: Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> anyhow::Result<T> {
    Ok(tokio::time::timeout(after, call).await.map_err(|_| Silent { after })??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn who_is_not_answered_in_time_is_told() {
        let after = Duration::from_millis(1);
        let error = within(after, pending::<Result<(), _>>()).await.unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Silent { after }));
        assert!(within(after, ready(Ok(()))).await.is_ok());
    }
}
