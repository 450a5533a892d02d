//! Rates: token buckets by theoretical arrival time (GCRA). Pure; the rows live in the store, shared by all nodes.

use crate::config::Pace;

/// Microseconds between two grants at this pace.
fn interval_us(pace: Pace) -> i64 {
    (pace.per_ms.saturating_mul(1000) / i64::from(pace.count.max(1))).max(1)
}

/// Grants one token at `now_ms`: the bucket's next value, or the instant (Unix ms) at which a token is due.
/// A tenth of a second's worth of tokens may be taken at once.
///
/// # Errors
/// When no token is due yet: the instant at which one will be.
pub fn take(tat_us: i64, pace: Pace, now_ms: i64) -> Result<i64, i64> {
    let (interval, now_us) = (interval_us(pace), now_ms.saturating_mul(1000));
    let burst_us = burst_us(pace);
    match tat_us - burst_us <= now_us {
        true => Ok(tat_us.max(now_us) + interval),
        false => Err((tat_us - burst_us).div_euclid(1000) + 1),
    }
}

/// The bucket of a scope that gets no token before `until_ms` (Unix ms).
pub fn silence(until_ms: i64, pace: Pace) -> i64 {
    until_ms.saturating_mul(1000).saturating_add(burst_us(pace))
}

fn burst_us(pace: Pace) -> i64 {
    let interval = interval_us(pace);
    interval.max(100_000) - interval
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_time_grants_are_at_most_the_burst_and_the_rate() {
        let pace = Pace { count: 80, per_ms: 1000 };
        let (mut tat_us, mut granted, mut now_ms) = (0, 0, 1_000_000);
        let end_ms = now_ms + 10_000;
        while now_ms < end_ms {
            match take(tat_us, pace, now_ms) {
                Ok(next) => (tat_us, granted) = (next, granted + 1),
                Err(due_ms) => {
                    assert!(due_ms > now_ms, "a refusal names a later instant");
                    now_ms = due_ms;
                }
            }
        }
        assert!((800..=808).contains(&granted), "{granted} grants in 10 s at 80 per second, burst 8");
    }

    #[test]
    fn nothing_is_granted_in_a_silence() {
        let pace = Pace { count: 240, per_ms: 1000 };
        let tat_us = silence(5_000, pace);
        assert!(take(tat_us, pace, 4_999).is_err_and(|due_ms| due_ms >= 5_000));
        assert!(take(tat_us, pace, 5_001).is_ok());
    }

    #[test]
    fn a_slow_pace_grants_one_at_a_time() {
        let pace = Pace { count: 1, per_ms: 60_000 };
        let tat_us = take(0, pace, 0).unwrap();
        assert_eq!(take(tat_us, pace, 59_000), Err(60_001));
        assert!(take(tat_us, pace, 60_001).is_ok());
    }
}
