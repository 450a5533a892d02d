//! Complaint: what the database said when it worked and did not do what it was asked. Pure.

use std::error::Error;

/// Of an error of either database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// PostgreSQL's code, or the extended one of SQLite in digits.
    pub code: String,
    /// There is such a row already.
    pub unique: bool,
}

impl Complaint {
    /// `None`: it is another error, like a connection that is lost.
    pub fn of(cause: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(sqlx::Error::Database(error)) = cause.downcast_ref() {
            let code = error.code().unwrap_or_default().into_owned();
            return Some(Self { code, unique: error.is_unique_violation() });
        }
        let error = cause.downcast_ref::<rusqlite::Error>()?.sqlite_error()?;
        let code = error.extended_code;
        let unique =
            [rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE, rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY].contains(&code);
        Some(Self { code: code.to_string(), unique })
    }

    /// The first in a chain of causes.
    pub fn within(error: &anyhow::Error) -> Option<Self> {
        error.chain().find_map(Self::of)
    }
}
