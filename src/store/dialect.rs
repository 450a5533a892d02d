//! Dialect: every difference between SQLite and PostgreSQL, in one place.
//!
//! Statements are written once. `{rows: id text, at_ms bigint}` stands for the rows of the JSON list bound as `$1`,
//! `{skip locked}` for the tail of a claim. Invariant: a value reaches SQL as a bound parameter, never as text.

use sqlx::AssertSqlSafe;
use std::sync::{Arc, OnceLock};

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// A statement in our notation, translated for each database once.
pub(crate) struct Statement {
    text: &'static str,
    sqlite: OnceLock<Arc<str>>,
    postgres: OnceLock<Arc<str>>,
}

impl Statement {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// Its text for a database. Safe: made of constants of this crate only.
    pub(crate) fn sql(&self, dialect: Dialect) -> AssertSqlSafe<Arc<str>> {
        let cell = match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        };
        AssertSqlSafe(cell.get_or_init(|| dialect.translate(self.text).into()).clone())
    }
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

    /// Takes the database for one process (1 = taken); `None` where a file lock does it.
    pub(crate) fn exclusive(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("select case when pg_try_advisory_lock(7235452) then 1::bigint else 0::bigint end"),
        }
    }

    fn translate(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (placeholder, after) = after.split_once('}').expect("a placeholder of a statement is closed");
            out.push_str(before);
            out.push_str(&self.placeholder(placeholder));
            rest = after;
        }
        out + rest
    }

    fn placeholder(self, placeholder: &str) -> String {
        if let Some(columns) = placeholder.strip_prefix("rows:") {
            return self.rows(columns);
        }
        match (placeholder, self) {
            ("skip locked", Self::Sqlite) | ("lock", Self::Sqlite) => String::new(),
            ("skip locked", Self::Postgres) => "for update of d skip locked".into(),
            ("lock", Self::Postgres) => "for update".into(),
            _ => unreachable!("no such placeholder: {placeholder}"),
        }
    }

    /// The rows of the JSON list `$1`, each a list of values in the order of `columns`.
    fn rows(self, columns: &str) -> String {
        let column = |(index, column): (usize, &str)| {
            let (name, kind) = column.trim().split_once(' ').expect("a column has a type");
            match self {
                Self::Sqlite => format!("value->>{index} as {name}"),
                Self::Postgres => format!("(value->>{index})::{kind} as {name}"),
            }
        };
        let columns: Vec<String> = columns.split(',').enumerate().map(column).collect();
        let source = match self {
            Self::Sqlite => "json_each($1)",
            Self::Postgres => "jsonb_array_elements($1::jsonb)",
        };
        format!("(select {} from {source})", columns.join(", "))
    }
}
