//! Calendar: adding durations as authors mean them. `1d` is tomorrow at the same clock time, `24h` is 24 hours. Pure.

use crate::trigger::schedule::first_valid_instant;
use crate::workflow::Duration;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// `from_ms` shifted by a duration, `sign` = 1 or -1. A clock time inside a spring gap becomes the first valid instant
/// after it; a repeated one the first of the two.
pub fn shift(from_ms: i64, duration: Duration, sign: i64, zone: &TimeZone) -> i64 {
    let moved = match duration.days {
        0 => from_ms,
        days => shift_days(from_ms, i64::from(days) * sign, zone).unwrap_or(from_ms),
    };
    moved.saturating_add(duration.ms.saturating_mul(sign))
}

fn shift_days(from_ms: i64, days: i64, zone: &TimeZone) -> Option<i64> {
    let from = Timestamp::from_millisecond(from_ms).ok()?;
    let clock = zone.to_datetime(from).checked_add(days.days()).ok()?;
    Some(first_valid_instant(clock, zone)?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_calendar_day_keeps_the_clock_time_and_24_hours_do_not() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let before_change = at("2027-03-27T12:00:00+01:00");
        let day = Duration { days: 1, ms: 0 };
        let hours = Duration { days: 0, ms: 24 * 3_600_000 };
        assert_eq!(shift(before_change, day, 1, &paris), at("2027-03-28T12:00:00+02:00"));
        assert_eq!(shift(before_change, hours, 1, &paris), at("2027-03-28T13:00:00+02:00"));
    }

    #[test]
    fn a_clock_time_in_the_spring_gap_is_the_first_valid_instant_after_it() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let day = Duration { days: 1, ms: 0 };
        assert_eq!(shift(at("2027-03-27T02:30:00+01:00"), day, 1, &paris), at("2027-03-28T03:00:00+02:00"));
        assert_eq!(shift(at("2026-10-24T02:30:00+02:00"), day, 1, &paris), at("2026-10-25T02:30:00+02:00"));
    }
}
