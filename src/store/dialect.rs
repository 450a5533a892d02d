//! Dialect: every difference between SQLite and PostgreSQL, in one place.
//!
//! Statements are written once. `{rows: id text, at_ms bigint}` stands for the rows handed over with the statement,
//! `{skip locked d}` for the tail of a claim of rows of `d`, `{lock d}` for one that waits for them, `{share d}` for rows
//! of `d` that nobody may change, `{nothing}` for an empty JSON object. The rows are bound value by value: the elements of one JSON parameter would be
//! parsed again for each column. Invariant: a value reaches SQL as a bound parameter, never as text.

use sqlx::AssertSqlSafe;
use std::sync::{Arc, OnceLock};

/// A statement as a database reads it.
pub(crate) type Sql = AssertSqlSafe<Arc<str>>;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// Numbers of rows that a statement is prepared for: fewer are filled up, more go in several executions.
pub(crate) const SIZES: [usize; 16] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];

/// A statement in our notation, translated for each database and size once.
pub(crate) struct Statement {
    text: &'static str,
    translated: [[OnceLock<Arc<str>>; SIZES.len()]; 2],
    kinds: OnceLock<Vec<Kind>>,
}

/// What a column of the rows holds. PostgreSQL fixes the type of a parameter at its first use, null or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
}

impl Statement {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, translated: [const { [const { OnceLock::new() }; SIZES.len()] }; 2], kinds: OnceLock::new() }
    }

    /// What the columns of its rows hold.
    pub(crate) fn kinds(&self) -> &[Kind] {
        self.kinds.get_or_init(|| {
            let rows = self.text.split_once("{rows:").and_then(|(_, after)| after.split_once('}'));
            let kind = |(_, kind): (&str, &str)| if kind == "bigint" { Kind::Number } else { Kind::Text };
            rows.map(|(columns, _)| read_columns(columns).into_iter().map(kind).collect()).unwrap_or_default()
        })
    }

    /// Its text for a database and the size at this index. Safe: made of constants of this crate only.
    pub(crate) fn sql(&self, dialect: Dialect, size: usize) -> Sql {
        let cell = &self.translated[dialect as usize][size];
        AssertSqlSafe(cell.get_or_init(|| dialect.translate(self.text, SIZES[size]).into()).clone())
    }
}

/// A statement that only one of the databases has.
pub(super) fn constant(sql: &'static str) -> Sql {
    AssertSqlSafe(sql.into())
}

/// A statement on a table whose name the schema gave.
pub(super) fn on_table(sql: String) -> Sql {
    AssertSqlSafe(sql.into())
}

impl Dialect {
    /// From the address of the database; `None` for any other scheme.
    pub fn of(url: &str) -> Option<Self> {
        match url.split(':').next()? {
            "sqlite" => Some(Self::Sqlite),
            "postgres" | "postgresql" => Some(Self::Postgres),
            _ => None,
        }
    }

    /// How a writing transaction begins. SQLite takes its lock at once: an upgrade later could fail at any moment.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "begin immediate",
            Self::Postgres => "begin",
        }
    }

    /// What every connection is set to; readers of SQLite may not write.
    pub(crate) fn settings(self, writer: bool) -> &'static str {
        match (self, writer) {
            (Self::Sqlite, true) => {
                "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; \
                 pragma busy_timeout = 5000; pragma mmap_size = 0; pragma cache_size = -16384; \
                 pragma temp_store = memory; pragma wal_autocheckpoint = 4000"
            }
            (Self::Sqlite, false) => "pragma query_only = on; pragma busy_timeout = 5000; pragma cache_size = -4096",
            (Self::Postgres, _) => {
                "set statement_timeout = '10s'; set lock_timeout = '2s'; \
                 set idle_in_transaction_session_timeout = '30s'"
            }
        }
    }

    /// The server's time in milliseconds; `None` where the process clock is the store's.
    pub(crate) fn server_time(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("select (extract(epoch from clock_timestamp()) * 1000)::bigint"),
        }
    }

    /// Whether several processes may write the database at once. SQLite's file is locked for one.
    pub(crate) fn is_shared(self) -> bool {
        self == Self::Postgres
    }

    /// Calls out on a channel ($1) who it is ($2), at the commit; nobody hears it where there is one process.
    pub(crate) fn notify(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("select pg_notify($1, $2)"),
        }
    }

    /// Gives pages that nothing lies on any more back to the file system, some at a time; PostgreSQL uses them again.
    pub(crate) fn give_back_pages(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some("pragma incremental_vacuum(500)"),
            Self::Postgres => None,
        }
    }

    fn translate(self, text: &str, size: usize) -> String {
        // SQLite finds a numbered parameter by a walk over all of them: where the rows stand once, they are not numbered.
        let numbered = self == Self::Postgres || text.matches("{rows:").count() > 1;
        let mut out = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (placeholder, after) = after.split_once('}').expect("a placeholder of a statement is closed");
            out.push_str(&self.numbers(before));
            out.push_str(&self.placeholder(placeholder, size, numbered));
            rest = after;
        }
        out + &self.numbers(rest)
    }

    /// A parameter's number is its place on both: to SQLite `$1` is a name, and its place that of its first use.
    fn numbers(self, text: &str) -> String {
        let place = |text: String, number: usize| text.replace(&format!("${number}"), &format!("?{number}"));
        if self == Self::Postgres { text.to_owned() } else { (1..=9).fold(text.to_owned(), place) }
    }

    fn placeholder(self, placeholder: &str, size: usize, numbered: bool) -> String {
        if let Some(columns) = placeholder.strip_prefix("rows:") {
            return self.rows(columns, size, numbered);
        }
        let claimed = placeholder.strip_prefix("skip locked ");
        if let Some(table) = placeholder.strip_prefix("lock ") {
            return if self.is_shared() { format!("for update of {table}") } else { String::new() };
        }
        if let Some(table) = placeholder.strip_prefix("share ") {
            return if self.is_shared() { format!("for share of {table}") } else { String::new() };
        }
        match (placeholder, claimed, self) {
            ("nothing", ..) => "'{}'".into(),
            ("lock", _, Self::Sqlite) | (_, Some(_), Self::Sqlite) => String::new(),
            ("lock", _, Self::Postgres) => "for update".into(),
            (_, Some(table), Self::Postgres) => format!("for update of {table} skip locked"),
            _ => unreachable!("no such placeholder: {placeholder}"),
        }
    }

    /// `size` rows of bound values. Rows that only fill up the size are null throughout and left out.
    fn rows(self, columns: &str, size: usize, numbered: bool) -> String {
        let columns = read_columns(columns);
        let value = |row: usize, index: usize, kind: &str| match (self, numbered) {
            (Self::Sqlite, false) => "?".to_owned(),
            (Self::Sqlite, true) => format!("?{}", row * columns.len() + index + 1),
            (Self::Postgres, _) => format!("${}::{kind}", row * columns.len() + index + 1),
        };
        let row = |row: usize| {
            let values: Vec<_> = columns.iter().enumerate().map(|(index, (_, kind))| value(row, index, kind)).collect();
            format!("({})", values.join(", "))
        };
        let names: Vec<_> =
            columns.iter().enumerate().map(|(index, (name, _))| format!("column{} as {name}", index + 1)).collect();
        let rows: Vec<_> = (0..size).map(row).collect();
        let filled = if size == 1 { "" } else { " where column1 is not null" };
        format!("(select {} from (values {}) v{filled})", names.join(", "), rows.join(", "))
    }
}

/// `id text, at_ms bigint`: names and types.
fn read_columns(columns: &str) -> Vec<(&str, &str)> {
    columns.split(',').map(|column| column.trim().split_once(' ').expect("a column has a type")).collect()
}
