//! Schema: brings a database up to date before anything is read from it, or refuses it.
//!
//! Steps are only ever added, each in a transaction of its own: a kill in the middle leaves a database that the next
//! start takes on from there. Invariant: a release never touches rows that a newer one wrote.

use super::connect;
use super::dialect::Dialect;
use anyhow::{Context as _, bail};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};

/// SQLite before this loses commits under a rare race of its write-ahead log.
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A newer release of relance has written this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewerSchema {
    /// The step of the schema that nobody here knows, and the last one that is known.
    pub found: i64,
    pub known: i64,
}

impl std::fmt::Display for NewerSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { found, known } = self;
        write!(f, "a newer relance has written this database: its schema is at {found}, this release knows {known}")
    }
}

impl std::error::Error for NewerSchema {}

/// The last step that this release knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default()
}

pub(super) async fn migrate(url: &str, dialect: Dialect) -> anyhow::Result<()> {
    let mut connection = connect(url).await?;
    if dialect == Dialect::Sqlite {
        refuse_old_sqlite(&mut connection).await?;
        connection.execute("pragma auto_vacuum = incremental; pragma journal_mode = wal").await?;
    }
    let known = newest();
    match MIGRATIONS.run(&mut connection).await {
        Ok(()) => {}
        Err(MigrateError::VersionMissing(found)) if found > known => bail!(NewerSchema { found, known }),
        Err(error) => return Err(error).context("the schema could not be brought up to date"),
    }
    connection.close().await?;
    Ok(())
}

async fn refuse_old_sqlite(connection: &mut AnyConnection) -> anyhow::Result<()> {
    let version: String = sqlx::query("select sqlite_version()").fetch_one(connection).await?.try_get(0)?;
    let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    if parts.as_slice() < OLDEST_SQLITE.as_slice() {
        bail!("SQLite {version} can lose commits: at least 3.51.3 is needed");
    }
    Ok(())
}
