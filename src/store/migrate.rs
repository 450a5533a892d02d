//! Migrate: everything that a SQLite file holds goes to an empty PostgreSQL database.
//!
//! ```text
//! file locked ─► marked as left ─► every table, row by row, in one transaction of the server ─► committed
//!                     ▲ taken back when anything fails ─┘
//! ```
//! A kill in the middle leaves a marked file and an empty server: the same command does it again. Invariant: no file
//! serves from which the server may have taken over; what was sent by one is not sent again by the other.

use super::connection::open_file;
use super::dialect::Dialect;
use super::disk::Disk;
use super::inspect::path_of;
use super::{lock_file, schema, sound};
use anyhow::{Context as _, bail, ensure};
use rusqlite::types::ValueRef;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

/// The mark of a file that was left, among what an installation remembers.
const LEFT: &str = "left for a server";
/// What is sent to the server at once, in bytes.
const PART: usize = 64 * 1024;

/// What was carried over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    pub tables: usize,
    pub rows: usize,
}

/// Why nothing was carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCarried {
    /// There is no file at this path.
    NoFile(std::path::PathBuf),
    /// The address is none of PostgreSQL.
    NoServer,
    /// The server's database holds rows in this table.
    NotEmpty(String),
}

impl std::fmt::Display for NotCarried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoFile(path) => write!(f, "there is no database: {}", path.display()),
            Self::NoServer => f.write_str("the address that everything is to go to is none of PostgreSQL"),
            Self::NotEmpty(table) => write!(f, "the PostgreSQL database is not empty: `{table}` holds rows"),
        }
    }
}

impl std::error::Error for NotCarried {}

impl NotCarried {
    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoFile(_) => "without one there is nothing to carry over: `relance serve` begins on the server",
            Self::NoServer => "set RELANCE_DATABASE_URL to `postgres://…`, and run it again",
            Self::NotEmpty(_) => "let RELANCE_DATABASE_URL name a database that nothing was served from yet",
        }
    }
}

/// The file was left for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left;

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("`relance migrate` has carried this SQLite file over to PostgreSQL")
    }
}

impl std::error::Error for Left {}

impl Left {
    /// The way out.
    pub const HINT: &str = "set RELANCE_DATABASE_URL to that server; served from both, messages would be sent twice";
}

/// Carries everything over from the file of `from` to the server of `to`. `told`: how many rows there are, then each time
/// how many more have gone.
///
/// # Errors
/// [`NotCarried`], that another process uses the file, or what one of the databases said; the file serves as before then.
pub async fn migrate(from: &str, to: &str, mut told: impl FnMut(Step)) -> anyhow::Result<Carried> {
    sqlx::any::install_default_drivers();
    ensure!(Dialect::of(to) == Some(Dialect::Postgres), NotCarried::NoServer);
    let path = path_of(from);
    ensure!(path.is_file(), NotCarried::NoFile(path));
    let _lock = lock_file(from)?;
    let disk = Disk::of(from, Dialect::Sqlite);
    sound::look(from, Dialect::Sqlite, &disk).await?;
    sound::look(to, Dialect::Postgres, &disk).await?;
    schema::migrate(from, Dialect::Sqlite).await?;
    schema::migrate(to, Dialect::Postgres).await?;
    let file = open_file(from)?;
    let tables = tables(&file)?;
    let mut server = PgConnection::connect(to).await.context("the PostgreSQL server cannot be reached")?;
    refuse_rows(&mut server, &tables).await?;
    mark(&file)?;
    let carried = carry(&file, &mut server, &tables, &mut told).await;
    if carried.is_err() {
        unmark(&file).context("the mark of the file could not be taken back")?;
    }
    let carried = carried?;
    // Until then the server plans by guesses; it does so by itself later.
    let _ = server.execute("analyze").await;
    let _ = server.close().await;
    Ok(carried)
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many rows are there.
    All(usize),
    /// So many more have gone.
    Gone(usize),
}

/// Refuses a file that was left.
pub(super) fn refuse_left(url: &str) -> anyhow::Result<()> {
    let left: i64 =
        open_file(url)?.query_row("select count(*) from installation where name = ?", [LEFT], |row| row.get(0))?;
    ensure!(left == 0, Left);
    Ok(())
}

fn mark(file: &rusqlite::Connection) -> rusqlite::Result<()> {
    let mark = "insert into installation (name, value) values (?, '') on conflict (name) do nothing";
    file.execute(mark, [LEFT]).map(drop)
}

fn unmark(file: &rusqlite::Connection) -> rusqlite::Result<()> {
    file.execute("delete from installation where name = ?", [LEFT]).map(drop)
}

/// A table with its columns, of names that the schema gave.
struct Table {
    name: String,
    columns: Vec<String>,
}

impl Table {
    /// As a list for a statement.
    fn columns(&self) -> String {
        format!("\"{}\"", self.columns.join("\", \""))
    }
}

fn tables(file: &rusqlite::Connection) -> rusqlite::Result<Vec<Table>> {
    let names = "select name from sqlite_master where type = 'table' and name not like 'sqlite%'
                 and name <> '_sqlx_migrations' order by name";
    let names: Vec<String> = file.prepare(names)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut columns = file.prepare("select name from pragma_table_info(?)")?;
    let table = |name: String| {
        let columns = columns.query_map([&name], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(Table { name, columns })
    };
    names.into_iter().map(table).collect()
}

async fn refuse_rows(server: &mut PgConnection, tables: &[Table]) -> anyhow::Result<()> {
    for Table { name, .. } in tables {
        let ask = AssertSqlSafe(format!("select exists (select 1 from \"{name}\")"));
        if sqlx::query(ask).fetch_one(&mut *server).await?.try_get::<bool, _>(0)? {
            bail!(NotCarried::NotEmpty(name.clone()));
        }
    }
    Ok(())
}

async fn carry(
    file: &rusqlite::Connection,
    server: &mut PgConnection,
    tables: &[Table],
    told: &mut impl FnMut(Step),
) -> anyhow::Result<Carried> {
    let count = |table: &Table| -> rusqlite::Result<i64> {
        file.query_row(&format!("select count(*) from \"{}\"", table.name), [], |row| row.get(0))
    };
    told(Step::All(usize::try_from(tables.iter().map(count).sum::<Result<i64, _>>()?)?));
    let mut tx = server.begin().await?;
    let mut carried = Carried { tables: tables.len(), rows: 0 };
    for table in tables {
        let rows = carry_table(file, &mut tx, table, told).await;
        carried.rows += rows.with_context(|| format!("the rows of `{}` could not be carried over", table.name))?;
    }
    tx.commit().await.context("the PostgreSQL server could not keep it")?;
    Ok(carried)
}

async fn carry_table(
    file: &rusqlite::Connection,
    server: &mut PgConnection,
    table: &Table,
    told: &mut impl FnMut(Step),
) -> anyhow::Result<usize> {
    let columns = table.columns();
    let marked = if table.name == "installation" { format!(" where name <> '{LEFT}'") } else { String::new() };
    let mut all = file.prepare(&format!("select {columns} from \"{}\"{marked}", table.name))?;
    let mut rows = all.query([])?;
    let mut copy = server.copy_in_raw(&format!("copy \"{}\" ({columns}) from stdin", table.name)).await?;
    let (mut part, mut in_part, mut sent) = (Vec::new(), 0, 0);
    loop {
        let row = rows.next()?;
        if let Some(row) = row {
            write_row(&mut part, row, table.columns.len())?;
            in_part += 1;
        }
        let is_last = row.is_none();
        if is_last || part.len() >= PART {
            copy.send(part.as_slice()).await?;
            told(Step::Gone(in_part));
            sent += in_part;
            part.clear();
            in_part = 0;
        }
        if is_last {
            break;
        }
    }
    let kept = copy.finish().await?;
    ensure!(kept == sent as u64, "{kept} of {sent} rows arrived");
    Ok(sent)
}

/// A line of the server's text format.
fn write_row(line: &mut Vec<u8>, row: &rusqlite::Row<'_>, width: usize) -> anyhow::Result<()> {
    for column in 0..width {
        if column > 0 {
            line.push(b'\t');
        }
        match row.get_ref(column)? {
            ValueRef::Null => line.extend(br"\N"),
            ValueRef::Integer(number) => line.extend(number.to_string().as_bytes()),
            ValueRef::Text(text) => write_text(line, text),
            ValueRef::Real(_) | ValueRef::Blob(_) => bail!("column {column} holds what no column here may"),
        }
    }
    line.push(b'\n');
    Ok(())
}

fn write_text(line: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'\\' => line.extend(br"\\"),
            b'\t' => line.extend(br"\t"),
            b'\n' => line.extend(br"\n"),
            b'\r' => line.extend(br"\r"),
            other => line.push(*other),
        }
    }
}
