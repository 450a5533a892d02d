//! Inspect: a look at a database from outside, for `doctor`. Nothing is locked, migrated or written.

use super::dialect::Dialect;
use super::migrate::{self, Left};
use super::sound::Settings;
use super::{connect, schema, shown};
use anyhow::Context as _;
use sqlx::any::AnyConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, Connection as _, Row as _};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

/// What a look from outside finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// `SQLite 3.51.3`, `PostgreSQL 15.4`.
    pub server: String,
    /// The newest migration that the database has; `None` = it was never used.
    pub schema: Option<i64>,
    /// The newest one of this release.
    pub expected: i64,
    /// Why it cannot be written to; `None` = it can, as far as permissions tell.
    pub refuses: Option<String>,
    /// What it may lose, and why.
    pub warning: Option<String>,
    /// Why nothing is served from this file.
    pub left: Option<Left>,
}

/// Looks at the database of `url`.
///
/// # Errors
/// When it cannot be reached, or the address is none.
pub async fn inspect(url: &str) -> anyhow::Result<Inspection> {
    sqlx::any::install_default_drivers();
    let dialect = Dialect::of(url).context("the database address must start with `sqlite:` or `postgres://`")?;
    let expected = schema::newest();
    match dialect {
        Dialect::Sqlite => inspect_file(url, expected).await,
        Dialect::Postgres => inspect_server(url, expected).await,
    }
}

async fn inspect_file(url: &str, expected: i64) -> anyhow::Result<Inspection> {
    let path = path_of(url)?;
    let refuses = refuses_writes(&path).map(|error| error.to_string());
    if !path.exists() {
        return Ok(Inspection { server: "SQLite".into(), schema: None, expected, refuses, warning: None, left: None });
    }
    let mut connection = connect(&read_only(url)).await?;
    let version: String = sqlx::query("select sqlite_version()").fetch_one(&mut connection).await?.try_get(0)?;
    let schema = schema_of(&mut connection).await;
    let left = migrate::left(&mut connection).await?;
    connection.close().await?;
    Ok(Inspection { server: format!("SQLite {version}"), schema, expected, refuses, warning: None, left })
}

async fn inspect_server(url: &str, expected: i64) -> anyhow::Result<Inspection> {
    let mut connection = connect(url).await?;
    let version: String =
        sqlx::query("select current_setting('server_version')").fetch_one(&mut connection).await?.try_get(0)?;
    let settings = Settings::of(&mut connection).await?;
    let may = "select case when has_schema_privilege(current_schema(), 'create') then 1::bigint else 0::bigint end";
    let may: i64 = sqlx::query(may).fetch_one(&mut connection).await?.try_get(0)?;
    let refuses = match (settings.refused(), may) {
        (Err(unsound), _) => Some(unsound.to_string()),
        (Ok(()), 0) => Some("the user may not create tables in its schema".to_owned()),
        _ => None,
    };
    let schema = schema_of(&mut connection).await;
    connection.close().await?;
    let (server, warning) = (format!("PostgreSQL {version}"), settings.warning());
    Ok(Inspection { server, schema, expected, refuses, warning, left: None })
}

/// A database without the table of migrations was never used.
pub(super) async fn schema_of(connection: &mut AnyConnection) -> Option<i64> {
    let newest = "select max(version) from _sqlx_migrations where success";
    sqlx::query(newest).fetch_one(connection).await.ok()?.try_get(0).ok()
}

/// The file of an address, as sqlx reads it.
pub(super) fn path_of(url: &str) -> anyhow::Result<PathBuf> {
    let read = |any: AnyConnectOptions| SqliteConnectOptions::from_str(any.database_url.as_str());
    let file = AnyConnectOptions::from_str(url).and_then(read);
    let file = file.with_context(|| format!("the database address cannot be read: {}", shown(url)))?;
    Ok(file.get_filename().to_owned())
}

/// The file system of SQLite's own that an address names.
pub(super) fn files_of(url: &str) -> anyhow::Result<Option<String>> {
    let url = AnyConnectOptions::from_str(url)?.database_url;
    Ok(url.query_pairs().filter(|(name, _)| name == "vfs").last().map(|(_, files)| files.into_owned()))
}

fn read_only(url: &str) -> String {
    format!("{}?mode=ro", url.split('?').next().unwrap_or(url))
}

/// The file and its folder must be writable: the log of SQLite lies beside the database.
fn refuses_writes(path: &Path) -> Option<std::io::Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.exists()
        && let Err(error) = OpenOptions::new().append(true).open(path)
    {
        return Some(error);
    }
    let metadata = folder.metadata();
    match metadata {
        Ok(metadata) if metadata.permissions().readonly() => Some(std::io::ErrorKind::PermissionDenied.into()),
        Ok(_) => None,
        // It is made at the first start.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::super::backup::backup;
    use super::*;

    #[tokio::test]
    async fn a_file_that_does_not_say_whether_it_was_left_is_not_taken_for_one_that_serves() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("r.db"), folder.path().join("copy.db"));
        let (url, file) = (format!("sqlite:{}", path.display()), rusqlite::Connection::open(&path).unwrap());
        file.execute_batch("create table installation (name text)").unwrap();
        assert!(inspect(&url).await.is_err() && backup(&url, &copy).await.is_err());
        assert!(!copy.exists());
        file.execute_batch("drop table installation").unwrap();
        assert_eq!(inspect(&url).await.unwrap().left, None);
        backup(&url, &copy).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_read_leaves_no_file_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}?journal_mode=wal", folder.path().join("r.db").display());
        for error in [inspect(&url).await.unwrap_err(), Store::open(&url).await.unwrap_err()] {
            assert!(format!("{error:#}").contains("unknown query parameter `journal_mode`"), "{error:#}");
        }
        assert!(folder.path().read_dir().unwrap().next().is_none() && !Path::new(".lock").exists());
    }
}
