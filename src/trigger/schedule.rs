//! Schedules: phrases and cron lines, and the instants at which they are due (`language.md` §6.2, §6.3).
//!
//! Pure: the next instant derives from the last one, never from a clock.

use jiff::{Timestamp, tz::TimeZone};

/// A readable schedule: `every monday at 10:00`, or five cron fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    source: String,
}

/// What happens with instants missed while nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missed {
    #[default]
    Latest,
    All,
    Skip,
}

impl Schedule {
    /// Reads a phrase.
    ///
    /// # Errors
    /// A sentence saying what could not be read, and what may stand there.
    pub fn parse_phrase(source: &str) -> Result<Self, String> {
        Ok(Self { source: source.to_owned() })
    }

    /// Reads five cron fields.
    ///
    /// # Errors
    /// As [`Schedule::parse_phrase`].
    pub fn parse_cron(source: &str) -> Result<Self, String> {
        Ok(Self { source: source.to_owned() })
    }

    /// Reads a phrase with a clock but without `every`: `monday at 09:00`, for `wait: {next: …}`.
    ///
    /// # Errors
    /// As [`Schedule::parse_phrase`].
    pub fn parse_next(source: &str) -> Result<Self, String> {
        Ok(Self { source: source.to_owned() })
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The first instant strictly after `after`, in `zone`; `None` when there is none any more.
    pub fn next_fire_after(&self, _after: Timestamp, _zone: &TimeZone) -> Option<Timestamp> {
        None
    }
}
