//! Store: rows, and the statements that move them. It knows no rule: what may happen is decided in memory before.
//!
//! One set of statements for both databases (`dialect`). Writes go through one [`Writer`] per process, in groups:
//! one transaction, one commit, each statement at most once with all its rows.
//! Invariant: uniqueness and moves between states are guarded by the database, not by a prior read.

pub mod account;
pub mod alerts;
pub mod aliases;
pub mod attachments;
pub mod attempts;
pub mod audit;
pub mod backup;
pub mod calls;
pub mod complaint;
mod connection;
pub mod consents;
pub mod contacts;
mod deadline;
pub mod deliveries;
pub mod deploys;
pub mod dialect;
pub mod disk;
pub(crate) mod endings;
pub mod events;
pub mod hints;
pub mod inspect;
pub mod limits;
pub mod live;
pub mod memory;
pub mod migrate;
pub(crate) mod naming;
pub mod nodes;
mod older;
pub mod overdue;
pub mod people;
mod readers;
pub mod relay_targets;
pub mod relays;
pub mod repair;
pub mod retention;
mod row;
pub mod runs;
pub mod schedules;
mod schema;
pub mod scopes;
mod sound;
pub mod stops;
#[cfg(test)]
mod suite;
pub(crate) mod unreadable;
pub mod why;

pub use deadline::Silent;
pub use schema::NewerSchema;
pub use sound::Unsound;

use crate::clock::Clock;
use crate::delivery::Delivery;
use anyhow::{Context as _, bail};
use connection::{Begun, Bound, Connection};
use deadline::answered;
use dialect::{Dialect, Kind, SIZES, Sql, Statement, constant};
use disk::Disk;
use readers::Readers;
use row::Row;
use sqlx::{AnyConnection, Connection as _};
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use unreadable::Unreadable;

/// How long a broken connection may take to be closed.
const CLOSE: Duration = Duration::from_secs(3);

/// The database: readers for pages and questions, and the address for the one writer.
#[derive(Debug, Clone)]
pub struct Store {
    url: String,
    dialect: Dialect,
    disk: Arc<Disk>,
    readers: Readers,
    parked: Parked,
    /// Held as long as the store is open: no other process may write this file.
    _lock: Option<Arc<File>>,
}

/// The only connection of this process that writes.
#[derive(Debug)]
pub struct Writer {
    /// `None` after the connection broke, until there is another.
    connection: Option<Connection>,
    dialect: Dialect,
    disk: Arc<Disk>,
    parked: Parked,
    clock: Clock,
}

/// Where the writer of a database in memory waits for the next life of the engine: a new one would have to read the schema
/// and every statement again.
type Parked = Option<Arc<Mutex<Option<Connection>>>>;

/// One open transaction. Dropped without [`Tx::commit`] it is rolled back.
pub struct Tx<'w> {
    tx: Begun<'w>,
    dialect: Dialect,
    disk: Arc<Disk>,
    /// The store's time, read once for the whole transaction. Unix milliseconds.
    pub now_ms: i64,
    /// Statements executed and rows handed over, for the load program.
    pub counted: Counted,
    /// Messages of the gateway that ended in this transaction without having been sent.
    pub(crate) ended: Vec<Delivery>,
    /// Lanes that deliveries were planned for in this transaction.
    pub(crate) planned_by: BTreeSet<String>,
    unreadable: Unreadable,
}

/// A guard was broken: another writer moved the row since it was read. The group is rolled back and done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved;

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("another writer was faster")
    }
}

impl std::error::Error for Moved {}

/// What a group cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    pub statements: u64,
    pub rows: u64,
}

impl Store {
    /// Opens the database of `url` (`sqlite:path`, `postgres://…`), brings its schema up to date.
    ///
    /// # Errors
    /// When it cannot be reached, its version is refused, it would not keep what it takes, or a migration fails.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::of(url).context("the database address must start with `sqlite:` or `postgres://`")?;
        let disk = Arc::new(Disk::of(url, dialect)?);
        let lock = match dialect {
            Dialect::Sqlite => {
                disk.refused()?;
                Some(Arc::new(lock_file(url)?))
            }
            Dialect::Postgres => None,
        };
        disk.make_way();
        sound::look(url, dialect, &disk).await?;
        let store = Self::opened(url, dialect, lock, disk).await?;
        if dialect == Dialect::Sqlite {
            migrate::refuse_left(&store).await?;
        }
        Ok(store)
    }

    async fn opened(url: &str, dialect: Dialect, lock: Option<Arc<File>>, disk: Arc<Disk>) -> anyhow::Result<Self> {
        schema::migrate(url, dialect).await?;
        let readers = Readers::open(url, dialect).await?;
        Ok(Self { url: url.to_owned(), dialect, disk, readers, parked: None, _lock: lock })
    }

    /// The connection that writes. One per process: on SQLite a second one would wait for the first; on PostgreSQL other
    /// processes have theirs.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn writer(&self, clock: Clock) -> anyhow::Result<Writer> {
        let connection = match self.take_parked() {
            Some(parked) => parked,
            None => self.connect_writer().await?,
        };
        let (disk, parked) = (self.disk.clone(), self.parked.clone());
        Ok(Writer { connection: Some(connection), dialect: self.dialect, disk, parked, clock })
    }

    async fn connect_writer(&self) -> anyhow::Result<Connection> {
        heeded(&self.disk, Connection::open(&self.url, self.dialect).await)
    }

    fn take_parked(&self) -> Option<Connection> {
        self.parked.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where the writer writes.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether the database answers: for `/readyz`.
    ///
    /// # Errors
    /// What the database said.
    pub async fn ping(&self) -> anyhow::Result<()> {
        self.readers.fetch(constant("select 1"), Vec::new()).await.map(drop)
    }

    async fn read(&self, statement: &Statement, rows: Rows) -> anyhow::Result<Vec<Row>> {
        let mut found = Vec::new();
        for (size, values) in rows.executions(statement.kinds()) {
            found.extend(self.readers.fetch(statement.sql(self.dialect, size), values).await?);
        }
        Ok(found)
    }
}

impl Writer {
    /// Begins a transaction that may write, and reads the store's time.
    ///
    /// # Errors
    /// What the database said.
    pub async fn begin(&mut self) -> anyhow::Result<Tx<'_>> {
        let connection = self.connection.as_mut().context("the database is not connected")?;
        let mut tx = heeded(&self.disk, connection.begin().await)?;
        let now_ms = match self.dialect.server_time() {
            Some(statement) if !self.clock.is_virtual() => {
                let answer = tx.fetch(constant(statement), Vec::new()).await?;
                let server_ms: i64 = answer.first().context("the server tells no time")?.try_get(0)?;
                server_ms + self.clock.offset_ms()
            }
            _ => self.clock.now_ms(),
        };
        let counted = Counted::default();
        let (dialect, disk) = (self.dialect, self.disk.clone());
        let (ended, planned_by, unreadable) = Default::default();
        Ok(Tx { tx, dialect, disk, now_ms, counted, ended, planned_by, unreadable })
    }

    /// Opens the connection anew after an error that may have broken it. The old one goes first: the database then
    /// undoes what it had begun, and gives back its locks.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn reconnect(&mut self, store: &Store) -> anyhow::Result<()> {
        if let Some(old) = self.connection.take() {
            // One that does not answer is dropped, which closes it too.
            let _ = tokio::time::timeout(CLOSE, old.close()).await;
        }
        *self = store.writer(self.clock.clone()).await?;
        Ok(())
    }

    /// Brings the log of SQLite into the database file, before the process ends; one in memory waits for the next life.
    pub async fn close(mut self) {
        let Some(connection) = self.connection.take() else { return };
        if let Some(parked) = &self.parked {
            *parked.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        } else if let Err(error) = connection.checkpoint() {
            tracing::warn!(%error, "the log could not be brought into the database file");
        }
    }
}

impl Tx<'_> {
    /// Executes a statement on rows; nothing happens without rows.
    pub(crate) async fn write(&mut self, statement: &Statement, rows: Rows) -> anyhow::Result<u64> {
        self.counted.rows += rows.count as u64;
        let mut written = 0;
        for (size, values) in rows.executions(statement.kinds()) {
            self.counted.statements += 1;
            let answer = self.tx.execute(statement.sql(self.dialect, size), values).await;
            written += heeded(&self.disk, answer)?;
        }
        Ok(written)
    }

    /// Reads with rows as the question; nothing is asked without rows.
    pub(crate) async fn fetch(&mut self, statement: &Statement, rows: Rows) -> anyhow::Result<Vec<Row>> {
        let mut found = Vec::new();
        for (size, values) in rows.executions(statement.kinds()) {
            found.extend(self.ask(statement.sql(self.dialect, size), values).await?);
        }
        Ok(found)
    }

    /// Reads with an instant and a number as the question.
    pub(crate) async fn due(&mut self, statement: &Statement, at_ms: i64, most: usize) -> anyhow::Result<Vec<Row>> {
        self.fetch_by(statement, &[at_ms.into(), i64::try_from(most)?.into()]).await
    }

    /// Reads with these values as the question, in the order of their numbers.
    pub(crate) async fn fetch_by(&mut self, statement: &Statement, values: &[Cell<'_>]) -> anyhow::Result<Vec<Row>> {
        self.ask(statement.sql(self.dialect, 0), values.iter().map(|cell| (cell.owned(), cell.kind())).collect()).await
    }

    /// Executes what only one of the databases has.
    pub(crate) async fn ask_for(&mut self, sql: &'static str, values: &[Cell<'_>]) -> anyhow::Result<()> {
        let values = values.iter().map(|cell| (cell.owned(), cell.kind())).collect();
        self.ask(constant(sql), values).await.map(drop)
    }

    async fn ask(&mut self, sql: Sql, values: Vec<Bound>) -> anyhow::Result<Vec<Row>> {
        self.counted.statements += 1;
        heeded(&self.disk, self.tx.fetch(sql, values).await)
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// What the database said; whether it was committed is then unknown if the connection broke.
    pub async fn commit(self) -> anyhow::Result<()> {
        heeded(&self.disk, self.tx.commit().await)
    }

    /// Undoes everything.
    ///
    /// # Errors
    /// What the database said.
    pub async fn rollback(self) -> anyhow::Result<()> {
        self.tx.rollback().await
    }
}

/// What the writer was answered; the disk takes in how it failed.
fn heeded<T>(disk: &Disk, answer: anyhow::Result<T>) -> anyhow::Result<T> {
    answer.inspect_err(|error| disk.heed(error))
}

/// Rows on their way into a statement.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    cells: Vec<OwnedCell>,
    count: usize,
}

/// A value of a row. Both databases know text and 64-bit integers; everything else is one of the two.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Number(i64),
    Null,
}

#[derive(Debug)]
pub(crate) enum OwnedCell {
    Text(String),
    Number(i64),
    Null,
}

impl Rows {
    /// Adds a row. The first cell of a row is never null where there may be several rows.
    pub(crate) fn push(&mut self, cells: &[Cell]) {
        self.cells.extend(cells.iter().map(|cell| cell.owned()));
        self.count += 1;
    }

    /// The executions that carry all rows: the index of each one's size, and its values.
    fn executions(self, kinds: &[Kind]) -> Vec<(usize, Vec<Bound>)> {
        let largest = SIZES[SIZES.len() - 1];
        let width = kinds.len();
        let mut cells = self.cells.into_iter();
        let execution = |first: usize| {
            let rows = (self.count - first).min(largest);
            let size = SIZES.iter().position(|size| *size >= rows).unwrap_or(SIZES.len() - 1);
            let filling = std::iter::repeat_with(|| OwnedCell::Null);
            let filled = cells.by_ref().take(rows * width).chain(filling.take((SIZES[size] - rows) * width));
            (size, filled.zip(kinds.iter().copied().cycle()).collect())
        };
        (0..self.count).step_by(largest).map(execution).collect()
    }
}

impl Cell<'_> {
    fn kind(self) -> Kind {
        match self {
            Cell::Number(_) => Kind::Number,
            Cell::Text(_) | Cell::Null => Kind::Text,
        }
    }

    fn owned(self) -> OwnedCell {
        match self {
            Cell::Null => OwnedCell::Null,
            Cell::Number(number) => OwnedCell::Number(number),
            // PostgreSQL's text cannot hold NUL: it becomes the replacement character, on both databases.
            Cell::Text(text) if text.contains('\0') => OwnedCell::Text(text.replace('\0', "\u{fffd}")),
            Cell::Text(text) => OwnedCell::Text(text.to_owned()),
        }
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Cell<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Cell<'_> {
    fn from(yes: bool) -> Self {
        Self::Number(yes.into())
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }
}

/// The smallest id of an instant: ids sort by time, so that the table's own key answers.
fn first_id(at_ms: i64) -> String {
    ulid::Ulid::from_parts(at_ms.max(0).unsigned_abs(), 0).to_string()
}

/// SQLite: `<database>.lock` beside the file.
fn lock_file(url: &str) -> anyhow::Result<File> {
    let path = format!("{}.lock", inspect::path_of(url)?.display());
    let file = File::create(&path).with_context(|| format!("cannot make {path}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => bail!("another relance process uses this database: {path} is locked"),
    }
}

async fn connect(url: &str) -> anyhow::Result<AnyConnection> {
    let dialect = Dialect::of(url).context("the database address must start with `sqlite:` or `postgres://`")?;
    let connected = answered(dialect, AnyConnection::connect(url)).await;
    connected.with_context(|| format!("cannot open the database {}", shown(url)))
}

/// An address without the password that it may contain.
fn shown(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}
