//! Plan: which dates, and at which times of day. A calendar without zones; `fire` adds those.
//!
//! Invariant: `times` is sorted, without repetition and not empty, so a search within one day is a binary search.

use jiff::civil::{Date, DateTime, Weekday};

/// A schedule as civil dates and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    days: Days,
    /// Minutes since 00:00, as the clock on the wall shows them.
    times: Vec<u16>,
    pub(super) pass: Pass,
}

/// What a clock change does to the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Once a day each: moved out of a gap, at the first pass of a repeated hour.
    Fixed,
    /// Whenever the clock on the wall shows them: never in a gap, in both passes of a repeated hour.
    Elapsed,
}

/// Which dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Days {
    Every,
    /// One bit per weekday, Sunday = bit 0.
    Weekdays(u8),
    /// One bit per day of the month, the 1st = bit 1. A month without that day has none.
    Monthly(u32),
    LastDay,
    /// The first (1) to fourth (4) of a weekday in the month.
    Nth(i8, Weekday),
    LastWeekday(Weekday),
    On(Date),
    Cron {
        /// January = bit 1.
        months: u16,
        monthdays: u32,
        weekdays: u8,
        /// Both fields are restricted: either suffices.
        either: bool,
    },
}

/// A date that comes back at all comes back within 40 years, the century without a leap day included.
const MOST_DAYS: usize = 40 * 366;

impl Plan {
    /// `times`: minutes since 00:00, in any order, at least one.
    pub(super) fn new(days: Days, mut times: Vec<u16>, pass: Pass) -> Self {
        times.sort_unstable();
        times.dedup();
        Self { days, times, pass }
    }

    /// The first date and time at or after `from`.
    pub(super) fn first_from(&self, from: DateTime) -> Option<DateTime> {
        let (date, minute) = (from.date(), ceil_minute(from));
        if self.days.include(date) {
            let at = self.times.partition_point(|time| *time < minute);
            if let Some(time) = self.times.get(at) {
                return Some(at_minute(date, *time));
            }
        }
        let date = self.days.first_from(date.tomorrow().ok()?)?;
        Some(at_minute(date, *self.times.first()?))
    }

    /// The last date and time at or before `until`.
    pub(super) fn last_until(&self, until: DateTime) -> Option<DateTime> {
        let (date, minute) = (until.date(), minute_of_day(until));
        if self.days.include(date) {
            let at = self.times.partition_point(|time| *time <= minute);
            if at > 0 {
                return Some(at_minute(date, self.times[at - 1]));
            }
        }
        let date = self.days.last_until(date.yesterday().ok()?)?;
        Some(at_minute(date, *self.times.last()?))
    }
}

impl Days {
    fn include(&self, date: Date) -> bool {
        match self {
            Self::Every => true,
            Self::Weekdays(bits) => *bits & weekday_bit(date.weekday()) != 0,
            Self::Monthly(bits) => *bits & monthday_bit(date.day()) != 0,
            Self::LastDay => date.day() == date.days_in_month(),
            Self::Nth(nth, weekday) => date.weekday() == *weekday && (date.day() - 1) / 7 + 1 == *nth,
            Self::LastWeekday(weekday) => date.weekday() == *weekday && date.day() + 7 > date.days_in_month(),
            Self::On(day) => date == *day,
            Self::Cron { months, monthdays, weekdays, either } => {
                let monthday = *monthdays & monthday_bit(date.day()) != 0;
                let weekday = *weekdays & weekday_bit(date.weekday()) != 0;
                let day = if *either { monthday || weekday } else { monthday && weekday };
                day && *months & (1 << date.month()) != 0
            }
        }
    }

    fn first_from(&self, from: Date) -> Option<Date> {
        match self {
            Self::On(day) => (*day >= from).then_some(*day),
            _ => self.search(from, |date| date.tomorrow().ok()),
        }
    }

    fn last_until(&self, until: Date) -> Option<Date> {
        match self {
            Self::On(day) => (*day <= until).then_some(*day),
            _ => self.search(until, |date| date.yesterday().ok()),
        }
    }

    fn search(&self, start: Date, step: impl Fn(&Date) -> Option<Date>) -> Option<Date> {
        std::iter::successors(Some(start), step).take(MOST_DAYS).find(|date| self.include(*date))
    }
}

/// Bit of a weekday in [`Days::Weekdays`].
pub(super) fn weekday_bit(weekday: Weekday) -> u8 {
    1 << weekday.to_sunday_zero_offset()
}

/// Bit of a day of the month in [`Days::Monthly`].
pub(super) fn monthday_bit(day: i8) -> u32 {
    1 << day.clamp(0, 31)
}

fn at_minute(date: Date, minute: u16) -> DateTime {
    let hour = i8::try_from(minute / 60).unwrap_or(23);
    let minute = i8::try_from(minute % 60).unwrap_or(59);
    date.at(hour.min(23), minute, 0, 0)
}

fn minute_of_day(at: DateTime) -> u16 {
    u16::from(at.hour().unsigned_abs()) * 60 + u16::from(at.minute().unsigned_abs())
}

/// The first whole minute at or after; 1440 = not on this day any more.
fn ceil_minute(at: DateTime) -> u16 {
    minute_of_day(at) + u16::from(at.second() != 0 || at.subsec_nanosecond() != 0)
}
