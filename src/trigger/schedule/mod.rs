//! Schedules: phrases and cron lines, and the instants at which they are due (`language.md` §6.2, §6.3).
//!
//! `phrase` and `cron` read the two notations into one [`plan::Plan`] of dates and times of day, `fire` places a plan
//! in a zone, `due` says what a late scheduler still has to do.
//! Pure: the next instant derives from the last one, never from a clock.

mod cron;
mod due;
mod fire;
mod phrase;
mod plan;
#[cfg(test)]
mod tests;

pub use due::{Due, due};
pub use fire::first_valid_instant;

use jiff::{Timestamp, tz::TimeZone};
use plan::Plan;

/// A readable schedule: `every monday at 10:00`, or five cron fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    source: String,
    plan: Plan,
    weekday_numbers: bool,
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
        Ok(Self { source: source.to_owned(), plan: phrase::parse(source)?, weekday_numbers: false })
    }

    /// Reads five cron fields.
    ///
    /// # Errors
    /// As [`Schedule::parse_phrase`].
    pub fn parse_cron(source: &str) -> Result<Self, String> {
        let plan = cron::parse(source)?;
        Ok(Self { source: source.to_owned(), plan, weekday_numbers: cron::has_weekday_numbers(source) })
    }

    /// Reads a phrase with a clock but without `every`: `monday at 09:00`, for `wait: {next: …}`.
    ///
    /// # Errors
    /// As [`Schedule::parse_phrase`].
    pub fn parse_next(source: &str) -> Result<Self, String> {
        Ok(Self { source: source.to_owned(), plan: phrase::parse_next(source)?, weekday_numbers: false })
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a cron line names weekdays by number, which some tools count from Sunday = 1 (R502 warns).
    pub fn has_weekday_numbers(&self) -> bool {
        self.weekday_numbers
    }

    /// The first instant strictly after `after`, in `zone`; `None` when there is none any more.
    pub fn next_fire_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        fire::next_after(&self.plan, after, zone)
    }

    /// The last instant at or before `at`, in `zone`; `None` when there was none.
    pub fn last_fire_until(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        fire::last_until(&self.plan, at, zone)
    }

    /// The instants strictly after `after`, oldest first. Endless for most schedules: take as many as needed.
    pub fn fires_after<'a>(&'a self, after: Timestamp, zone: &'a TimeZone) -> impl Iterator<Item = Timestamp> + 'a {
        std::iter::successors(self.next_fire_after(after, zone), |last| self.next_fire_after(*last, zone))
    }
}
