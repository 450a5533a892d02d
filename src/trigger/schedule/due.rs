//! Due: what a scheduler that was away still has to do (`semantics.md` §6.3).
//!
//! Walks back from now and stops after about [`MOST`] instants, so three years of downtime cost no more than a minute.
//! Invariant: every instant in (`hwm`, now] is fired, skipped, or covered by `skipped_before`; none is in two of them.

use super::{Missed, Schedule};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// Instants that one look fires. One more is listed at most, so that a range always has a skipped row to stand on.
const MOST: usize = 100;

/// An instant no older than this was not missed: the scheduler wakes up a little late, never early.
const ON_TIME: SignedDuration = SignedDuration::from_secs(60);

/// What is due, and where the high-water mark goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// To fire, oldest first.
    pub fire: Vec<Timestamp>,
    /// To record as skipped, reason `missed`; oldest first.
    pub skipped: Vec<Timestamp>,
    /// There were more than can be listed: everything after the old mark and before this instant was missed too, and
    /// is recorded as one range, with the oldest of `skipped`, which is this instant.
    pub skipped_before: Option<Timestamp>,
    /// The new mark: the newest instant seen, or the old mark when nothing is due.
    pub hwm: Timestamp,
}

/// The instants in (`hwm`, `now`], sorted out by `missed` and `catch_up_ms`. A mark in the future (the clock went
/// back) gives nothing. A virtual clock that is moved calls this at each instant in turn, so nothing is missed there.
pub fn due(
    schedule: &Schedule,
    zone: &TimeZone,
    hwm: Timestamp,
    now: Timestamp,
    missed: Missed,
    catch_up_ms: i64,
) -> Due {
    let (mut newest_first, more) = newest(schedule, zone, hwm, now);
    let mark = newest_first.first().copied().unwrap_or(hwm);
    let oldest_late = now.saturating_sub(ON_TIME.max(SignedDuration::from_millis(catch_up_ms)));
    let oldest_late = oldest_late.unwrap_or(Timestamp::MIN);
    let oldest_on_time = now.saturating_sub(ON_TIME).unwrap_or(Timestamp::MIN);
    let kept = match missed {
        Missed::All => newest_first.iter().take(MOST).take_while(|at| **at >= oldest_late).count(),
        Missed::Latest => newest_first.iter().take(1).filter(|at| **at >= oldest_late).count(),
        Missed::Skip => newest_first.iter().take(MOST).take_while(|at| **at >= oldest_on_time).count(),
    };
    let skipped_before = if more { newest_first.last().copied() } else { None };
    let mut skipped = newest_first.split_off(kept);
    newest_first.reverse();
    skipped.reverse();
    Due { fire: newest_first, skipped, skipped_before, hwm: mark }
}

/// The newest instants of (`hwm`, `now`], newest first, at most [`MOST`] and one; and whether there are older ones.
fn newest(schedule: &Schedule, zone: &TimeZone, hwm: Timestamp, now: Timestamp) -> (Vec<Timestamp>, bool) {
    let before = |at: &Timestamp| at.checked_sub(SignedDuration::from_nanos(1)).ok();
    let last = |at| schedule.last_fire_until(at, zone).filter(|at| *at > hwm);
    let mut instants = std::iter::successors(last(now), |at| before(at).and_then(last));
    let listed: Vec<Timestamp> = instants.by_ref().take(MOST + 1).collect();
    (listed, instants.next().is_some())
}
