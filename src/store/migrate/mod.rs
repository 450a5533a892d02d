//! Migrate: everything that a SQLite file holds goes to an empty PostgreSQL database.
//!
//! ```text
//! file locked ─► every row, in one transaction there ─► marked: on its way ─► commit ─► marked: gone
//!                                                        │ not answered, or broken off: that server is asked
//!                                                        ├─► it holds the rows ─► marked: gone
//!                                                        └─► it does not ─► the mark goes, and the file serves
//! ```
//! Invariant: a file whose rows a server may hold is never served from; what one of them sent the other does not send.

mod refused;

pub use refused::{Left, NotCarried};

use super::connection::open_file;
use super::deadline::within;
use super::dialect::{Dialect, on_table};
use super::disk::Disk;
use super::inspect::path_of;
use super::{Store, lock_file, schema, sound};
use anyhow::{Context as _, bail, ensure};
use rusqlite::OptionalExtension as _;
use rusqlite::types::ValueRef;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyConnection, Connection as _, Executor as _, PgConnection, Row as _};
use std::str::FromStr as _;
use std::time::Duration;

/// The mark of a file, among what an installation remembers: [`GONE`], or the server that it is on its way to.
const LEFT: &str = "left for a server";
const GONE: &str = "";
/// What each installation has of its own.
const KEY: &str = "relance_id key";
/// What is sent to the server at once, in bytes.
const PART: usize = 64 * 1024;
/// How long the server may need for a part, and for the whole of a table or the commit.
const SEND: Duration = Duration::from_secs(60);
const FINISH: Duration = Duration::from_secs(1_800);

/// What was carried over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    pub tables: usize,
    pub rows: usize,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many rows are there.
    All(usize),
    /// So many more have gone.
    Gone(usize),
}

/// The mark of the file that is open; `None` = it serves.
pub(super) async fn left(file: &mut AnyConnection) -> anyhow::Result<Option<Left>> {
    let table = sqlx::query("select 1 from sqlite_master where name = 'installation'").fetch_optional(&mut *file);
    if table.await?.is_none() {
        return Ok(None);
    }
    let mark = sqlx::query("select value from installation where name = ?").bind(LEFT).fetch_optional(file);
    Ok(mark.await?.map(|row| row.try_get(0)).transpose()?.map(Left::of))
}

/// Refuses a file that was left.
pub(super) async fn refuse_left(store: &Store) -> anyhow::Result<()> {
    match store.remembered(LEFT).await? {
        Some(mark) => bail!(Left::of(mark)),
        None => Ok(()),
    }
}

/// Carries everything over from the file of `from` to the server of `to`. `told`: how many rows there are, then each time
/// how many more have gone.
///
/// # Errors
/// [`NotCarried`], that another process uses the file, or what one of the databases said. [`left`] tells whether the file
/// serves.
pub async fn migrate(from: &str, to: &str, mut told: impl FnMut(Step)) -> anyhow::Result<Carried> {
    sqlx::any::install_default_drivers();
    ensure!(Dialect::of(to) == Some(Dialect::Postgres), NotCarried::NoServer);
    let path = path_of(from)?;
    ensure!(path.is_file(), NotCarried::NoFile(path));
    let _lock = lock_file(from)?;
    let disk = Disk::of(from, Dialect::Sqlite)?;
    sound::look(from, Dialect::Sqlite, &disk).await?;
    sound::look(to, Dialect::Postgres, &disk).await?;
    schema::migrate(from, Dialect::Sqlite).await?;
    let file = open_file(from)?;
    let tables = tables(&file)?;
    let (server, way) = (connect(to).await?, way(to)?);
    let mut going = Move { file, server, tables, way };
    if let Some(carried) = going.finished_before(to).await? {
        return Ok(carried);
    }
    going.refuse_rows().await?;
    schema::migrate(to, Dialect::Postgres).await?;
    going.run(to, &mut told).await
}

/// What the mark calls a server: without who asks and the password.
fn way(to: &str) -> anyhow::Result<String> {
    let options = PgConnectOptions::from_str(to)?;
    let place = options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
    Ok(format!("{place}:{}/{}", options.get_port(), options.get_database().unwrap_or_default()))
}

async fn connect(to: &str) -> anyhow::Result<PgConnection> {
    within(SEND, PgConnection::connect(to)).await.context("the PostgreSQL server cannot be reached")
}

/// A file on its way.
struct Move {
    file: rusqlite::Connection,
    server: PgConnection,
    tables: Vec<Table>,
    /// The server, as the mark calls it.
    way: String,
}

impl Move {
    /// An earlier try that was broken off around its commit is brought to its end.
    async fn finished_before(&mut self, to: &str) -> anyhow::Result<Option<Carried>> {
        match self.mark()?.map(Left::of) {
            None => Ok(None),
            Some(Left::Gone) => bail!(NotCarried::Gone),
            Some(Left::OnItsWay(server)) if server != self.way => bail!(NotCarried::OnItsWay(server)),
            Some(Left::OnItsWay(_)) => self.settled(to).await,
        }
    }

    /// What became of a commit that was not answered; `None` = nothing has arrived, and the file serves again.
    async fn settled(&mut self, to: &str) -> anyhow::Result<Option<Carried>> {
        match self.has_arrived(to).await {
            Ok(true) => self.is_gone().map(Some),
            Ok(false) => {
                self.remove_mark().context("nothing has arrived, and the file could not be marked so: run it again")?;
                Ok(None)
            }
            Err(error) => bail!(NotCarried::Unclear(format!("{error:#}"))),
        }
    }

    async fn run(&mut self, to: &str, told: &mut impl FnMut(Step)) -> anyhow::Result<Carried> {
        let Err(error) = self.carry(told).await else { return self.is_gone() };
        // Before the mark nothing was committed.
        match self.mark()? {
            Some(_) => self.settled(to).await?.ok_or(error),
            None => Err(error),
        }
    }

    fn remove_mark(&self) -> rusqlite::Result<()> {
        self.file.execute("delete from installation where name = ?", [LEFT]).map(drop)
    }

    fn mark(&self) -> rusqlite::Result<Option<String>> {
        let ask = "select value from installation where name = ?";
        self.file.query_row(ask, [LEFT], |row| row.get(0)).optional()
    }

    fn is_gone(&self) -> anyhow::Result<Carried> {
        set_mark(&self.file, GONE)
            .context("everything has arrived, and the file could not be marked as gone: run it again")?;
        Ok(Carried { tables: self.tables.len(), rows: self.rows()? })
    }

    /// Rows of the file, without its mark.
    fn rows(&self) -> anyhow::Result<usize> {
        let count = |table: &Table| -> rusqlite::Result<i64> {
            self.file.query_row(&format!("select count(*) from ({})", table.select()), [], |row| row.get(0))
        };
        Ok(usize::try_from(self.tables.iter().map(count).sum::<Result<i64, _>>()?)?)
    }

    /// Whether the server holds what this file was: one transaction brought it, or nothing did, and nothing will. One
    /// whose commit is still under way holds every table, and is waited for. A file without a key was never served from.
    async fn has_arrived(&mut self, to: &str) -> anyhow::Result<bool> {
        let ask = "select value from installation where name = ?";
        let ours: Option<String> = self.file.query_row(ask, [KEY], |row| row.get(0)).optional()?;
        self.server = connect(to).await?;
        if !exists(&mut self.server, "installation").await? {
            return Ok(false);
        }
        let mut tx = within(SEND, self.server.begin()).await?;
        let end =
            "set local statement_timeout = 0; set local lock_timeout = '30s'; lock table installation in share mode";
        within(SEND, tx.execute(end)).await.context("what was begun there before does not end")?;
        let ask = sqlx::query("select value from installation where name = $1").bind(KEY);
        let theirs = within(SEND, ask.fetch_optional(&mut *tx)).await?;
        let theirs: Option<String> = theirs.map(|row| row.try_get(0)).transpose()?;
        within(SEND, tx.rollback()).await?;
        Ok(ours.is_some() && ours == theirs)
    }

    async fn refuse_rows(&mut self) -> anyhow::Result<()> {
        let encoding = sqlx::query("select current_setting('server_encoding')").fetch_one(&mut self.server);
        let encoding: String = within(SEND, encoding).await?.try_get(0)?;
        ensure!(encoding == "UTF8", NotCarried::Encoding(encoding));
        for Table { name, .. } in &self.tables {
            if !exists(&mut self.server, name).await? {
                continue;
            }
            let ask = sqlx::query(on_table(format!("select exists (select 1 from \"{name}\")")));
            if within(SEND, ask.fetch_one(&mut self.server)).await?.try_get(0)? {
                bail!(NotCarried::NotEmpty(name.clone()));
            }
        }
        Ok(())
    }

    async fn carry(&mut self, told: &mut impl FnMut(Step)) -> anyhow::Result<()> {
        told(Step::All(self.rows()?));
        let mut tx = within(SEND, self.server.begin()).await?;
        // A role's own settings are for short statements, and may trade safety for speed.
        let settings =
            "set local statement_timeout = 0; set local lock_timeout = '10s'; set local synchronous_commit = on";
        within(SEND, tx.execute(settings)).await?;
        for table in &self.tables {
            let gone = carry_table(&self.file, &mut tx, table, told).await;
            gone.with_context(|| format!("the rows of `{}` could not be carried over", table.name))?;
        }
        // A kill until here leaves a file that serves.
        set_mark(&self.file, &self.way)?;
        within(FINISH, tx.commit()).await.context("the PostgreSQL server could not keep it")?;
        // Until then the server plans by guesses; it does so by itself later.
        let _ = within(FINISH, self.server.execute("analyze")).await;
        Ok(())
    }
}

fn set_mark(file: &rusqlite::Connection, mark: &str) -> rusqlite::Result<()> {
    let set =
        "insert into installation (name, value) values (?, ?) on conflict (name) do update set value = excluded.value";
    file.execute(set, [LEFT, mark]).map(drop)
}

async fn exists(server: &mut PgConnection, table: &str) -> anyhow::Result<bool> {
    let ask = sqlx::query("select to_regclass(format('%I', $1::text)) is not null").bind(table);
    Ok(within(SEND, ask.fetch_one(server)).await?.try_get(0)?)
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

    /// All of its rows that go.
    fn select(&self) -> String {
        let goes = if self.name == "installation" { format!(" where name <> '{LEFT}'") } else { String::new() };
        format!("select {} from \"{}\"{goes}", self.columns(), self.name)
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

async fn carry_table(
    file: &rusqlite::Connection,
    server: &mut PgConnection,
    table: &Table,
    told: &mut impl FnMut(Step),
) -> anyhow::Result<()> {
    let mut all = file.prepare(&table.select())?;
    let mut rows = all.query([])?;
    let copy = format!("copy \"{}\" ({}) from stdin", table.name, table.columns());
    let mut copy = within(SEND, server.copy_in_raw(&copy)).await?;
    let (mut part, mut in_part, mut sent) = (Vec::new(), 0, 0);
    loop {
        let row = rows.next()?;
        if let Some(row) = row {
            write_row(&mut part, row, table.columns.len())?;
            in_part += 1;
        }
        let is_last = row.is_none();
        if is_last || part.len() >= PART {
            within(SEND, copy.send(part.as_slice())).await?;
            told(Step::Gone(in_part));
            sent += in_part as u64;
            part.clear();
            in_part = 0;
        }
        if is_last {
            break;
        }
    }
    let kept = within(FINISH, copy.finish()).await?;
    ensure!(kept == sent, "{kept} of {sent} rows arrived");
    Ok(())
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
