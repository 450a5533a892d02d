//! Fire: the instants of a plan in a zone, with the clock changes of `language.md` §6.3.
//!
//! A cron crate's own search treats `30 2 * * *` and `0,30 2 * * *` differently around a change; here the rule is one:
//! a fixed time belongs to its date, everything else to the clock on the wall.
//! Invariant: `next_after(last_until(t))` never skips an instant and never gives one twice.

use super::plan::{Pass, Plan};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

const TICK: SignedDuration = SignedDuration::from_nanos(1);

/// Stretches between clock changes looked at before giving up: 40 years of a zone that changes four times a year.
const MOST_STRETCHES: usize = 200;

/// Times of day looked at before giving up: they can all lie in one repeated or missing day.
const MOST_TIMES: usize = 3 * 24 * 60;

/// The first instant strictly after `after`; `None` when there is none any more.
pub(super) fn next_after(plan: &Plan, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    match plan.pass {
        Pass::Fixed => next_fixed(plan, after, zone),
        Pass::Elapsed => next_elapsed(plan, after.checked_add(TICK).ok()?, zone),
    }
}

/// The last instant at or before `at`; `None` when there was none.
pub(super) fn last_until(plan: &Plan, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    match plan.pass {
        Pass::Fixed => last_fixed(plan, at, zone),
        Pass::Elapsed => last_elapsed(plan, at, zone),
    }
}

/// The instant of a date and time in `zone`: in a gap the first valid instant after it, when repeated the first pass.
/// `None` only at the end of the calendar.
pub fn first_valid_instant(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(at).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(at).ok(),
        AmbiguousOffset::Gap { before, after } => end_of_gap(at, before, after, zone),
    }
}

/// The change of the clock that skipped `at`: it lies between `at` read with the new offset and with the old one.
fn end_of_gap(at: DateTime, before: Offset, after: Offset, zone: &TimeZone) -> Option<Timestamp> {
    let (earliest, latest) = (after.to_timestamp(at).ok()?, before.to_timestamp(at).ok()?);
    let changes = zone.following(earliest).map(|change| (change.timestamp(), change.offset()));
    let mut near = changes.take_while(|(when, _)| *when <= latest);
    near.find(|(_, offset)| *offset == after).map_or(Some(latest), |(when, _)| Some(when))
}

/// `first_valid_instant` never decreases as the civil time grows, and gives the wall time of `after` an instant that
/// is not later than `after`; so everything up to that wall time is over.
fn next_fixed(plan: &Plan, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut from = zone.to_datetime(after).checked_add(TICK).ok()?;
    for _ in 0..MOST_TIMES {
        let civil = plan.first_from(from)?;
        let instant = first_valid_instant(civil, zone)?;
        if instant > after {
            return Some(instant);
        }
        from = civil.checked_add(TICK).ok()?;
    }
    None
}

fn last_fixed(plan: &Plan, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut until = latest_wall_time(at, zone);
    for _ in 0..MOST_TIMES {
        let civil = plan.last_until(until)?;
        let instant = first_valid_instant(civil, zone)?;
        if instant <= at {
            return Some(instant);
        }
        until = civil.checked_sub(TICK).ok()?;
    }
    None
}

/// The latest time the wall clock showed up to `at`: more than now during the second pass of a repeated hour.
fn latest_wall_time(at: Timestamp, zone: &TimeZone) -> DateTime {
    let shown = zone.to_datetime(at);
    let before_change = zone
        .preceding(at.checked_add(TICK).unwrap_or(at))
        .next()
        .and_then(|change| change.timestamp().checked_sub(TICK).ok())
        .map(|last| zone.to_datetime(last));
    before_change.map_or(shown, |earlier| shown.max(earlier))
}

/// Between two changes the wall clock runs evenly: searched there with the offset of that stretch.
fn next_elapsed(plan: &Plan, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut from = from;
    for _ in 0..MOST_STRETCHES {
        let offset = zone.to_offset(from);
        let civil = plan.first_from(offset.to_datetime(from))?;
        let instant = offset.to_timestamp(civil).ok()?;
        match zone.following(from).next().map(|change| change.timestamp()) {
            Some(change) if instant >= change => from = change,
            _ => return Some(instant),
        }
    }
    None
}

fn last_elapsed(plan: &Plan, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut at = at;
    for _ in 0..MOST_STRETCHES {
        let offset = zone.to_offset(at);
        let civil = plan.last_until(offset.to_datetime(at))?;
        let instant = offset.to_timestamp(civil).ok()?;
        match zone.preceding(at.checked_add(TICK).ok()?).next().map(|change| change.timestamp()) {
            Some(change) if instant < change => at = change.checked_sub(TICK).ok()?,
            _ => return Some(instant),
        }
    }
    None
}
