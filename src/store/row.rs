//! Row: what a database answered, value by value, whichever way it was asked.

use anyhow::Context as _;
use rusqlite::types::{FromSql, Value, ValueRef};
use sqlx::Row as _;
use sqlx::any::AnyRow;

/// One row of an answer.
pub(crate) enum Row {
    /// Read where it lay.
    Values(Vec<Value>),
    /// Read by sqlx.
    Any(AnyRow),
}

impl Row {
    /// The value at this place, from 0.
    ///
    /// # Errors
    /// When there is none, or it is no such value.
    pub(crate) fn try_get<T>(&self, index: usize) -> anyhow::Result<T>
    where
        T: FromSql + for<'r> sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        match self {
            Self::Values(values) => {
                let value = values.get(index).with_context(|| format!("a row has no column {index}"))?;
                T::column_result(ValueRef::from(value)).with_context(|| format!("column {index} of a row"))
            }
            Self::Any(row) => Ok(row.try_get(index)?),
        }
    }
}
