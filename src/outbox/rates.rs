//! Rates: token buckets by theoretical arrival time (GCRA). Pure; the rows live in the store, shared by all nodes.
//!
//! Invariant: in any time T a bucket grants at most its burst and its rate times T. A bucket that no grant and no silence
//! explains was written by a clock that was ahead, and counts as full: else nothing would leave until time has caught up.

use crate::config::{Pace, PersonPace};
use crate::contact::Line;

/// Longest that anybody is asked to be silent: a `Retry-After`, and what a person is held for.
pub const LONGEST_SILENCE_MS: i64 = 3_600_000;

/// How a bucket fills: microseconds between two grants, and how far ahead of them grants may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    interval_us: i64,
    burst_us: i64,
}

impl Limit {
    /// A tenth of a second's worth of tokens may be taken at once.
    pub fn of(pace: Pace) -> Self {
        let interval_us = (pace.per_ms.saturating_mul(1000) / i64::from(pace.count.max(1))).max(1);
        Self { interval_us, burst_us: interval_us.max(100_000) - interval_us }
    }

    fn of_person(pace: PersonPace) -> Self {
        let interval_us = pace.every_ms.saturating_mul(1000).max(1);
        Self { interval_us, burst_us: interval_us.saturating_mul(i64::from(pace.burst.max(1)) - 1) }
    }

    /// Half the pace.
    pub fn halved(self) -> Self {
        Self { interval_us: self.interval_us.saturating_mul(2), ..self }
    }

    /// How far ahead of now a bucket is at most, at half the pace too.
    fn furthest_us(self) -> i64 {
        let grants_us = self.burst_us.saturating_add(self.interval_us.saturating_mul(2));
        grants_us.saturating_add(LONGEST_SILENCE_MS * 1000)
    }
}

/// Grants one token at `now_ms`: the bucket's next value.
///
/// # Errors
/// When no token is due yet: the instant (Unix ms) at which one will be.
pub fn take(tat_us: i64, limit: Limit, now_ms: i64) -> Result<i64, i64> {
    let now_us = now_ms.saturating_mul(1000);
    let tat_us = if tat_us > now_us.saturating_add(limit.furthest_us()) { now_us } else { tat_us };
    match tat_us.saturating_sub(limit.burst_us) <= now_us {
        true => Ok(tat_us.max(now_us).saturating_add(limit.interval_us)),
        false => Err((tat_us - limit.burst_us).div_euclid(1000) + 1),
    }
}

/// The bucket of a scope that gets no token before `until_ms` (Unix ms).
pub fn silence(until_ms: i64, limit: Limit) -> i64 {
    until_ms.saturating_mul(1000).saturating_add(limit.burst_us)
}

/// Grants a message to a person on a line: what of the line changes.
///
/// # Errors
/// When the person is not to get one yet: the instant (Unix ms) at which it may go.
pub fn take_of_person(line: Line, pace: PersonPace, now_ms: i64) -> Result<Line, i64> {
    let taken = take(line.tat_us.unwrap_or(0), Limit::of_person(pace), now_ms);
    // Nothing was sent later than now, but for what two transactions see of it.
    let sent_at_ms = line.sent_at_ms.filter(|sent_at_ms| *sent_at_ms <= now_ms.saturating_add(pace.apart_ms));
    let apart_ms = sent_at_ms.map_or(now_ms, |sent_at_ms| sent_at_ms.saturating_add(pace.apart_ms));
    match taken {
        Ok(tat_us) if apart_ms <= now_ms => {
            Ok(Line { tat_us: Some(tat_us), sent_at_ms: Some(now_ms), ..Line::default() })
        }
        taken => Err(taken.err().unwrap_or(apart_ms).max(apart_ms)),
    }
}

/// What changes of the line of a person who is to get nothing before `until_ms` (Unix ms).
pub fn silence_person(until_ms: i64, pace: PersonPace) -> Line {
    Line { tat_us: Some(silence(until_ms, Limit::of_person(pace))), ..Line::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(count: u32) -> Limit {
        Limit::of(Pace { count, per_ms: 1000 })
    }

    #[test]
    fn in_any_time_grants_are_at_most_the_burst_and_the_rate() {
        for (limit, most) in [(per_second(80), 800..=808), (per_second(80).halved(), 400..=408)] {
            let (mut tat_us, mut granted, mut now_ms) = (0, 0, 1_000_000);
            let end_ms = now_ms + 10_000;
            while now_ms < end_ms {
                match take(tat_us, limit, now_ms) {
                    Ok(next) => (tat_us, granted) = (next, granted + 1),
                    Err(due_ms) => {
                        assert!(due_ms > now_ms, "a refusal names a later instant");
                        now_ms = due_ms;
                    }
                }
            }
            assert!(most.contains(&granted), "{granted} grants in 10 s by {limit:?}");
        }
    }

    #[test]
    fn nothing_is_granted_in_a_silence() {
        let tat_us = silence(5_000, per_second(240));
        assert!(take(tat_us, per_second(240), 4_999).is_err_and(|due_ms| due_ms >= 5_000));
        assert!(take(tat_us, per_second(240), 5_001).is_ok());
    }

    #[test]
    fn what_a_clock_wrote_that_was_ahead_holds_nothing_back() {
        const YEAR_MS: i64 = 365 * 24 * 3_600_000;
        let ahead = take(0, per_second(240), 1_000_000 + YEAR_MS).unwrap();
        let next = take(ahead, per_second(240), 1_000_000).unwrap();
        assert!(next < 1_001_000_000, "and the bucket is one of today");
        let silent = silence(1_000_000 + LONGEST_SILENCE_MS, per_second(240));
        assert!(take(silent, per_second(240), 1_000_000).is_err(), "an hour may have been asked for");
        let once = Limit::of(Pace { count: 1, per_ms: YEAR_MS });
        assert!(take(take(0, once, 0).unwrap(), once, 1).is_err(), "a slow pace is no wrong clock");
        let line = take_of_person(Line::default(), PersonPace::default(), 1_000_000 + YEAR_MS).unwrap();
        let taken = take_of_person(line, PersonPace::default(), 1_000_000).unwrap();
        assert_eq!(taken.sent_at_ms, Some(1_000_000));
        assert!(take_of_person(taken, PersonPace::default(), 1_000_999).is_err());
    }

    #[test]
    fn a_slow_pace_grants_one_at_a_time() {
        let limit = Limit::of(Pace { count: 1, per_ms: 60_000 });
        let tat_us = take(0, limit, 0).unwrap();
        assert_eq!(take(tat_us, limit, 59_000), Err(60_001));
        assert!(take(tat_us, limit, 60_001).is_ok());
    }

    #[test]
    fn a_person_gets_three_a_second_apart_and_then_one_every_six_seconds() {
        let (mut line, mut now_ms, mut at) = (Line::default(), 1_000_000, Vec::new());
        while at.len() < 6 {
            match take_of_person(line, PersonPace::default(), now_ms) {
                Ok(next) => {
                    line = next;
                    at.push((now_ms - 1_000_000) / 1000);
                }
                Err(due_ms) => {
                    assert!(due_ms > now_ms);
                    now_ms = due_ms;
                }
            }
        }
        assert_eq!(at, [0, 1, 2, 6, 12, 18]);
        let silent = silence_person(now_ms + 64_000, PersonPace::default());
        assert!(take_of_person(silent, PersonPace::default(), now_ms + 63_999).is_err());
        assert!(take_of_person(silent, PersonPace::default(), now_ms + 64_001).is_ok());
    }
}
