//! Refused: why a file does not go to a server, and why nothing is served from one that did. Pure.

use super::GONE;
use std::path::PathBuf;

/// Why nothing was carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCarried {
    /// There is no file at this path.
    NoFile(PathBuf),
    /// The address is none of PostgreSQL.
    NoServer,
    /// The server's database holds rows in this table.
    NotEmpty(String),
    /// It does not hold texts in UTF-8.
    Encoding(String),
    /// All of the file has gone to a server already.
    Gone,
    /// It may have gone to that server.
    OnItsWay(String),
    /// The server did not say whether it keeps what was sent, for this reason.
    Unclear(String),
}

impl std::fmt::Display for NotCarried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoFile(path) => write!(f, "there is no database: {}", path.display()),
            Self::NoServer => f.write_str("the address that everything is to go to is none of PostgreSQL"),
            Self::NotEmpty(table) => write!(f, "the PostgreSQL database is not empty: `{table}` holds rows"),
            Self::Encoding(name) => write!(f, "the PostgreSQL database is encoded as {name}, not as UTF8"),
            Self::Gone => f.write_str("this SQLite file was carried over to PostgreSQL already"),
            Self::OnItsWay(server) => write!(f, "this SQLite file was on its way to {server} when that was broken off"),
            Self::Unclear(why) => write!(f, "the server did not say whether it keeps what it was sent: {why}"),
        }
    }
}

impl std::error::Error for NotCarried {}

impl NotCarried {
    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoFile(_) => "without one there is nothing to carry over; `--from` names another file",
            Self::NoServer => "set RELANCE_DATABASE_URL to `postgres://…`, and run it again",
            Self::NotEmpty(_) => "let RELANCE_DATABASE_URL name a database that nothing was served from yet",
            Self::Encoding(_) => "make the database with `create database relance encoding 'UTF8' template template0`",
            Self::Gone => "serve from that server; the way back to a file is a backup that was made before",
            Self::OnItsWay(_) => {
                "let RELANCE_DATABASE_URL name that server and database, and run it again before anything is served there"
            }
            Self::Unclear(_) => "run it again when the server answers: it looks whether everything has arrived",
        }
    }
}

/// Why nothing is served from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Everything has gone to a server.
    Gone,
    /// It may have gone to that one.
    OnItsWay(String),
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => f.write_str("`relance migrate` has carried this SQLite file over to PostgreSQL"),
            Self::OnItsWay(server) => {
                write!(f, "`relance migrate` was broken off while it carried this SQLite file over to {server}")
            }
        }
    }
}

impl std::error::Error for Left {}

impl Left {
    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Gone => "set RELANCE_DATABASE_URL to that server; served from both, messages would be sent twice",
            Self::OnItsWay(_) => {
                "set RELANCE_DATABASE_URL to that server, and run `relance migrate` again before anything is served there"
            }
        }
    }

    pub(super) fn of(mark: String) -> Self {
        if mark == GONE { Self::Gone } else { Self::OnItsWay(mark) }
    }
}
