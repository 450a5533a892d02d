//! Sound: whether a database keeps what it takes, looked at before anything is written to it.
//!
//! A PostgreSQL server is asked how it is set. A SQLite file is looked through after a stop that left its log behind: for
//! a moment before the start, and on beside it when it is large. Neighbours: `disk` knows where the file lies and ends the
//! process. Invariant: nothing is acknowledged on what is known to lose it.

use super::dialect::Dialect;
use super::disk::Disk;
use super::{answered, connect};
use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};
use std::time::Duration;

/// How long a start waits for the look through a file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a database is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsound {
    /// The server runs with `fsync=off`.
    NoSync,
    /// The server is a replica.
    Replica,
    /// The file is damaged: what SQLite found first.
    Damaged(String),
}

impl std::fmt::Display for Unsound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSync => f.write_str("the server runs with `fsync=off`: a crash of its machine loses everything"),
            Self::Replica => f.write_str("the server is a replica: it only reads"),
            Self::Damaged(what) => write!(f, "the file is damaged: {what}"),
        }
    }
}

impl std::error::Error for Unsound {}

impl Unsound {
    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoSync => "set `fsync = on` on the server; what its disk cannot bear, a test may, and no customer",
            Self::Replica => {
                "let RELANCE_DATABASE_URL name the primary: `target_session_attrs` of a pooler, or its own name"
            }
            Self::Damaged(_) => "restore the newest backup (`relance backup` makes them), and look after the disk",
        }
    }
}

/// How a server is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    fsync: String,
    synchronous_commit: String,
    is_replica: bool,
}

impl Settings {
    pub(super) async fn of(connection: &mut AnyConnection) -> anyhow::Result<Self> {
        let ask = "select current_setting('fsync'), current_setting('synchronous_commit'),
            case when pg_is_in_recovery() then 1::bigint else 0::bigint end";
        let row = answered(Dialect::Postgres, sqlx::query(ask).fetch_one(connection)).await?;
        let is_replica = row.try_get::<i64, _>(2)? == 1;
        Ok(Self { fsync: row.try_get(0)?, synchronous_commit: row.try_get(1)?, is_replica })
    }

    pub(super) fn refused(&self) -> Result<(), Unsound> {
        match (self.is_replica, self.fsync.as_str()) {
            (true, _) => Err(Unsound::Replica),
            (_, "off") => Err(Unsound::NoSync),
            _ => Ok(()),
        }
    }

    /// What may be lost all the same, and why.
    pub(super) fn warning(&self) -> Option<String> {
        let Self { synchronous_commit, .. } = self;
        (!matches!(synchronous_commit.as_str(), "on" | "remote_apply")).then(|| {
            format!(
                "the server runs with `synchronous_commit={synchronous_commit}`: events that were acknowledged may be \
                 lost when it, or its machine, fails. Set it to `on`"
            )
        })
    }
}

/// Looks at a database before it is used.
///
/// # Errors
/// [`Unsound`], or that it cannot be reached.
pub(super) async fn look(url: &str, dialect: Dialect, disk: &Disk) -> anyhow::Result<()> {
    match dialect {
        Dialect::Sqlite => look_through(url, disk).await,
        Dialect::Postgres => {
            let mut connection = connect(url).await?;
            let settings = Settings::of(&mut connection).await?;
            connection.close().await?;
            settings.refused()?;
            if let Some(warning) = settings.warning() {
                tracing::warn!("{warning}");
            }
            Ok(())
        }
    }
}

/// A log with anything in it was left by a stop in the middle: an orderly one brings it into the file.
async fn look_through(url: &str, disk: &Disk) -> anyhow::Result<()> {
    if !disk.has_log() {
        return Ok(());
    }
    let url = url.to_owned();
    let mut damage = tokio::spawn(async move { damage(&url).await });
    match tokio::time::timeout(PATIENCE, &mut damage).await {
        Ok(found) => match found?? {
            Some(what) => Err(Unsound::Damaged(what).into()),
            None => Ok(()),
        },
        Err(_) => {
            tracing::info!("the last stop was sudden and the database is large: it is looked through beside the start");
            tokio::spawn(async move {
                match damage.await {
                    Ok(Ok(Some(what))) => Disk::end(&Unsound::Damaged(what).into()),
                    Ok(Err(error)) => {
                        tracing::warn!(error = format!("{error:#}"), "the database could not be looked through")
                    }
                    _ => {}
                }
            });
            Ok(())
        }
    }
}

/// What is wrong with a file, if anything.
async fn damage(url: &str) -> anyhow::Result<Option<String>> {
    let mut connection = connect(url).await?;
    connection.execute("pragma query_only = on").await?;
    let found = sqlx::query("pragma quick_check(1)").fetch_one(&mut connection).await?;
    let found: String = found.try_get(0)?;
    connection.close().await?;
    Ok((found != "ok").then(|| found.lines().collect::<Vec<_>>().join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_forgets_or_only_reads_is_refused_and_one_that_may_forget_is_told_of() {
        let set = |fsync: &str, synchronous_commit: &str, is_replica| Settings {
            fsync: fsync.into(),
            synchronous_commit: synchronous_commit.into(),
            is_replica,
        };
        assert_eq!(set("on", "on", false).refused(), Ok(()));
        assert_eq!(set("off", "on", false).refused(), Err(Unsound::NoSync));
        assert_eq!(set("on", "on", true).refused(), Err(Unsound::Replica));
        for (level, told) in
            [("on", false), ("remote_apply", false), ("local", true), ("remote_write", true), ("off", true)]
        {
            assert_eq!(set("on", level, false).warning().is_some(), told, "{level}");
        }
    }
}
