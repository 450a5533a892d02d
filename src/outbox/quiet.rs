//! Quiet hours: until when a person is not to be disturbed. Pure.
//!
//! The clock on the wall decides, through its changes: an hour that is skipped cannot hold anything, an hour that comes twice
//! is quiet twice. Invariant: the end is the first instant at which it is quiet in none of the zones.

use crate::rules::Quiet;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// Ends that are followed, one zone handing over to another; beyond them it is quiet round the clock.
const MOST_ENDS: usize = 16;

/// When it ends, if it is quiet now in any of the zones. Where the zones of a country leave no hour free the instant is one at
/// which it still is: whoever waits asks again. Unix milliseconds.
pub fn quiet_until(quiet: Quiet, zones: &[TimeZone], now_ms: i64) -> Option<i64> {
    let now = Timestamp::from_millisecond(now_ms).ok()?;
    let ends = |at: Timestamp| zones.iter().filter_map(|zone| end_in(quiet, zone, at)).max();
    let mut end = ends(now)?;
    for _ in 1..MOST_ENDS {
        match ends(end) {
            Some(later) => end = later,
            None => break,
        }
    }
    Some(end.as_millisecond())
}

fn is_quiet(quiet: Quiet, zone: &TimeZone, at: Timestamp) -> bool {
    let clock = zone.to_datetime(at).time();
    match quiet.from <= quiet.to {
        true => quiet.from <= clock && clock < quiet.to,
        false => quiet.from <= clock || clock < quiet.to,
    }
}

/// When the quiet that `at` is in ends: as the clock reaches the end, or as it is changed to an hour outside.
fn end_in(quiet: Quiet, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    if !is_quiet(quiet, zone, at) {
        return None;
    }
    let clock = zone.to_datetime(at);
    let date = if clock.time() < quiet.to { clock.date() } else { clock.date().checked_add(1.day()).ok()? };
    let reached = reached_after(date.to_datetime(quiet.to), zone, at)?;
    let changes = zone.following(at).map(|change| change.timestamp()).take_while(|change| *change < reached);
    changes.into_iter().find(|change| !is_quiet(quiet, zone, *change)).or(Some(reached))
}

/// The first instant after `at` at which the clock of the zone shows this, or has skipped it.
fn reached_after(clock: DateTime, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let offsets = match zone.to_ambiguous_timestamp(clock).offset() {
        AmbiguousOffset::Unambiguous { offset } => [offset, offset],
        AmbiguousOffset::Fold { before, after } => [before, after],
        // Both lie around the change, which is found among the changes before the later one.
        AmbiguousOffset::Gap { before, .. } => [before, before],
    };
    offsets.into_iter().filter_map(|offset| offset.to_timestamp(clock).ok()).find(|reached| *reached > at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(written: &str) -> Quiet {
        let (from, to) = written.split_once('-').unwrap();
        Quiet { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    fn at(instant: &str) -> i64 {
        instant.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// Until when it is quiet, as an instant of UTC; `-` when it is not.
    fn until(written: &str, zones: &[&str], now: &str) -> String {
        let zones: Vec<TimeZone> = zones.iter().map(|name| TimeZone::get(name).unwrap()).collect();
        let end = quiet_until(hours(written), &zones, at(now));
        end.map_or("-".to_owned(), |ms| Timestamp::from_millisecond(ms).unwrap().to_string())
    }

    #[test]
    fn the_start_is_included_the_end_is_not_and_midnight_may_lie_between() {
        let table = [
            ("22:00-08:00", "2026-03-02T21:59:59.999+01:00", "-"),
            ("22:00-08:00", "2026-03-02T22:00:00+01:00", "2026-03-03T07:00:00Z"),
            ("22:00-08:00", "2026-03-02T23:59:00+01:00", "2026-03-03T07:00:00Z"),
            ("22:00-08:00", "2026-03-03T00:00:00+01:00", "2026-03-03T07:00:00Z"),
            ("22:00-08:00", "2026-03-03T07:59:59.999+01:00", "2026-03-03T07:00:00Z"),
            ("22:00-08:00", "2026-03-03T08:00:00+01:00", "-"),
            ("13:30-15:00", "2026-03-02T13:30:00+01:00", "2026-03-02T14:00:00Z"),
            ("13:30-15:00", "2026-03-02T15:00:00+01:00", "-"),
            ("08:00-08:00", "2026-03-02T08:00:00+01:00", "-"),
        ];
        for (written, now, end) in table {
            assert_eq!(until(written, &["Europe/Madrid"], now), end, "{written} at {now}");
        }
    }

    #[test]
    fn the_clock_is_followed_through_both_changes() {
        let table = [
            // The night of spring is an hour shorter, the night of autumn an hour longer.
            ("22:00-08:00", "2026-03-28T22:00:00+01:00", "2026-03-29T06:00:00Z"),
            ("22:00-08:00", "2026-10-24T22:00:00+02:00", "2026-10-25T07:00:00Z"),
            // The end is skipped: it is over as the clock jumps.
            ("22:00-02:30", "2026-03-28T23:00:00+01:00", "2026-03-29T01:00:00Z"),
            ("02:00-03:00", "2026-03-29T01:59:59+01:00", "-"),
            ("02:00-03:00", "2026-03-29T03:00:00+02:00", "-"),
            // The end comes twice: the first time counts, and until the second time it is quiet once more.
            ("22:00-02:30", "2026-10-24T23:00:00+02:00", "2026-10-25T00:30:00Z"),
            ("22:00-02:30", "2026-10-25T02:30:00+02:00", "-"),
            ("22:00-02:30", "2026-10-25T02:10:00+01:00", "2026-10-25T01:30:00Z"),
            // Set back to before the start.
            ("02:30-08:00", "2026-10-25T02:45:00+02:00", "2026-10-25T01:00:00Z"),
        ];
        for (written, now, end) in table {
            assert_eq!(until(written, &["Europe/Madrid"], now), end, "{written} at {now}");
        }
    }

    #[test]
    fn in_several_zones_it_is_quiet_as_soon_and_as_long_as_in_any() {
        let spain = ["Europe/Madrid", "Africa/Ceuta", "Atlantic/Canary"];
        assert_eq!(until("22:00-08:00", &spain, "2026-03-02T20:59:00Z"), "-");
        assert_eq!(until("22:00-08:00", &spain, "2026-03-02T21:00:00Z"), "2026-03-03T08:00:00Z", "Madrid begins");
        assert_eq!(until("22:00-08:00", &spain, "2026-03-03T07:30:00Z"), "2026-03-03T08:00:00Z", "Canary ends");
        let states = ["America/New_York", "America/Los_Angeles", "Pacific/Honolulu"];
        assert_eq!(until("21:00-08:00", &states, "2026-01-15T02:00:00Z"), "2026-01-15T18:00:00Z");
        assert_eq!(until("21:00-08:00", &states, "2026-01-15T18:00:00Z"), "-");
        assert_eq!(until("21:00-08:00", &[], "2026-01-15T02:00:00Z"), "-");
    }

    #[test]
    fn where_no_hour_is_free_it_stays_quiet_and_the_search_ends() {
        let round = ["Asia/Tokyo", "Europe/London", "America/Los_Angeles"];
        let end = quiet_until(
            hours("20:00-10:00"),
            &round.map(|name| TimeZone::get(name).unwrap()),
            at("2026-01-15T00:00:00Z"),
        );
        assert!(end.is_some_and(|end| end > at("2026-01-18T00:00:00Z")));
    }
}
