//! Connection: what the writer writes through, of one kind for each database.
//!
//! SQLite is called where its answer is needed, on the thread of the loop: a statement costs less than the way to another
//! thread and back. PostgreSQL answers over the network, through sqlx. Neighbours: `row` is what comes back, `complaint`
//! what an error means. Invariant: a transaction that is not committed is undone.

use super::deadline::answered;
use super::dialect::{Dialect, Kind, Sql};
use super::inspect::{files_of, path_of};
use super::row::Row;
use super::{OwnedCell, connect, shown};
use anyhow::Context as _;
use rusqlite::types::{ToSql, ToSqlOutput, Value};
use rusqlite::{CachedStatement, OpenFlags};
use sqlx::any::AnyArguments;
use sqlx::{AnyConnection, Arguments as _, Connection as _, Executor as _};

/// Statements that are kept ready: each in those of its sizes that are in use.
const STATEMENTS: usize = 512;

/// A connection that may write.
#[derive(Debug)]
pub(super) enum Connection {
    File(rusqlite::Connection),
    Server(Box<AnyConnection>),
}

/// A transaction under way; dropped, it is undone.
pub(super) enum Begun<'c> {
    File(BegunOnFile<'c>),
    Server(sqlx::Transaction<'c, sqlx::Any>),
}

/// A value of a statement, and what its column holds.
pub(super) type Bound = (OwnedCell, Kind);

impl Connection {
    /// Opens the database of `url`, which is there.
    pub(super) async fn open(url: &str, dialect: Dialect) -> anyhow::Result<Self> {
        match dialect {
            Dialect::Sqlite => Ok(Self::File(open_file(url)?)),
            Dialect::Postgres => {
                let mut connection = connect(url).await?;
                answered(dialect, connection.execute(dialect.settings(true))).await?;
                Ok(Self::Server(Box::new(connection)))
            }
        }
    }

    pub(super) async fn begin(&mut self) -> anyhow::Result<Begun<'_>> {
        match self {
            Self::File(file) => {
                // No complaint about a statement: the connection is of no use any more.
                anyhow::ensure!(file.is_autocommit(), "what was begun before could not be undone");
                run(&mut file.prepare_cached(Dialect::Sqlite.begin())?, &[])?;
                Ok(Begun::File(BegunOnFile(file)))
            }
            Self::Server(server) => {
                let begun = server.begin_with(Dialect::Postgres.begin());
                Ok(Begun::Server(answered(Dialect::Postgres, begun).await?))
            }
        }
    }

    /// Brings the log of SQLite into the database file.
    pub(super) fn checkpoint(&self) -> rusqlite::Result<()> {
        match self {
            Self::File(file) => file.execute_batch("pragma wal_checkpoint(truncate)"),
            Self::Server(_) => Ok(()),
        }
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::File(file) => Ok(file.close().map_err(|(_, error)| error)?),
            Self::Server(server) => Ok(server.close().await?),
        }
    }
}

/// Opens the SQLite database of `url` to write.
pub(super) fn open_file(url: &str) -> anyhow::Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = path_of(url)?;
    let opened = match files_of(url)? {
        Some(files) => rusqlite::Connection::open_with_flags_and_vfs(path, flags, files.as_str()),
        None => rusqlite::Connection::open_with_flags(path, flags),
    };
    let file = opened.with_context(|| format!("cannot open the database {}", shown(url)))?;
    file.set_prepared_statement_cache_capacity(STATEMENTS);
    file.execute_batch(Dialect::Sqlite.settings(true))?;
    Ok(file)
}

impl Begun<'_> {
    /// How many rows it wrote.
    pub(super) async fn execute(&mut self, sql: Sql, values: Vec<Bound>) -> anyhow::Result<u64> {
        match self {
            Self::File(file) => {
                run(&mut file.under_way()?.prepare_cached(&sql.0)?, &values)?;
                Ok(file.0.changes())
            }
            Self::Server(server) => {
                let query = sqlx::query_with(sql, arguments(values));
                Ok(answered(Dialect::Postgres, query.execute(&mut **server)).await?.rows_affected())
            }
        }
    }

    pub(super) async fn fetch(&mut self, sql: Sql, values: Vec<Bound>) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::File(file) => Ok(run(&mut file.under_way()?.prepare_cached(&sql.0)?, &values)?),
            Self::Server(server) => {
                let query = sqlx::query_with(sql, arguments(values));
                let found = answered(Dialect::Postgres, query.fetch_all(&mut **server)).await?;
                Ok(found.into_iter().map(Row::Any).collect())
            }
        }
    }

    pub(super) async fn commit(self) -> anyhow::Result<()> {
        match self {
            Self::File(file) => Ok(run(&mut file.0.prepare_cached("commit")?, &[]).map(drop)?),
            Self::Server(server) => answered(Dialect::Postgres, server.commit()).await,
        }
    }

    pub(super) async fn rollback(self) -> anyhow::Result<()> {
        match self {
            Self::File(file) => Ok(run(&mut file.0.prepare_cached("rollback")?, &[]).map(drop)?),
            Self::Server(server) => answered(Dialect::Postgres, server.rollback()).await,
        }
    }
}

/// A transaction on a file.
pub(super) struct BegunOnFile<'c>(&'c mut rusqlite::Connection);

impl BegunOnFile<'_> {
    /// A full disk may have undone it: what came after would be kept by itself.
    fn under_way(&self) -> anyhow::Result<&rusqlite::Connection> {
        anyhow::ensure!(!self.0.is_autocommit(), "the database undid the transaction before");
        Ok(self.0)
    }
}

impl Drop for BegunOnFile<'_> {
    fn drop(&mut self) {
        // A full disk may have undone it already; a connection that cannot undo is refused by the next `begin`.
        if !self.0.is_autocommit() {
            let _ = self.0.execute_batch("rollback");
        }
    }
}

/// Executes to the end, and reads what comes. Values are bound in the order of their numbers.
pub(super) fn run(statement: &mut CachedStatement<'_>, values: &[Bound]) -> rusqlite::Result<Vec<Row>> {
    for (index, (value, _)) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    let width = statement.column_count();
    let (mut rows, mut found) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        let values: rusqlite::Result<Vec<Value>> = (0..width).map(|column| row.get(column)).collect();
        found.push(Row::Values(values?));
    }
    Ok(found)
}

impl ToSql for OwnedCell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
            Self::Null => Ok(ToSqlOutput::Owned(Value::Null)),
        }
    }
}

/// The same for sqlx, where a null has a type too.
pub(super) fn arguments(values: Vec<Bound>) -> AnyArguments {
    let mut arguments = AnyArguments::default();
    for value in values {
        let bound = match value {
            (OwnedCell::Text(text), _) => arguments.add(text),
            (OwnedCell::Number(number), _) => arguments.add(number),
            (OwnedCell::Null, Kind::Text) => arguments.add(None::<String>),
            (OwnedCell::Null, Kind::Number) => arguments.add(None::<i64>),
        };
        bound.expect("text and integers can be bound");
    }
    arguments
}
