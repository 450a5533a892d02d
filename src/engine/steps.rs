//! Steps: whether the machine's clock was set while the process ran, or the machine slept. Told of in the log; what is
//! due is decided by high-water marks and states, which no step fools: after one back nothing happens twice, one forward
//! is like an hour of downtime. Invariant: it is only looked at, nothing depends on it.

/// Forward steps below this are none: a busy machine, a short sleep.
const FORWARD_MS: i64 = 5 * 60_000;
/// A clock that is disciplined runs back by less.
const BACK_MS: i64 = 1_000;

/// What the two clocks said last: the one that may be set, and the one that only runs forward. Milliseconds.
#[derive(Debug, Default)]
pub(super) struct Steps {
    last: Option<(i64, i64)>,
}

impl Steps {
    /// By how much the clock was set since the last look, when that is worth a word.
    pub(super) fn look(&mut self, now_ms: i64, monotonic_ms: i64) -> Option<i64> {
        let (was_ms, was_monotonic_ms) = self.last.replace((now_ms, monotonic_ms))?;
        let step_ms = (now_ms - was_ms) - (monotonic_ms - was_monotonic_ms);
        (!(-BACK_MS..=FORWARD_MS).contains(&step_ms)).then_some(step_ms)
    }

    /// Says so.
    pub(super) fn note(&mut self, now_ms: i64, monotonic_ms: i64) {
        match self.look(now_ms, monotonic_ms) {
            Some(step_ms) if step_ms < 0 => {
                tracing::warn!(seconds = -step_ms / 1_000, "the clock was set back: what was done is not done again");
            }
            Some(step_ms) => {
                let seconds = step_ms / 1_000;
                tracing::warn!(seconds, "the clock was set forward, or the machine slept: as after a downtime");
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Steps;

    #[test]
    fn a_step_is_what_one_clock_did_and_the_other_did_not() {
        let mut steps = Steps::default();
        for (now_ms, monotonic_ms, expected) in [
            (1_000_000, 0, None),
            (2_000_000, 1_000_000, None),
            (2_000_500, 1_001_000, None),
            (1_900_500, 1_001_000, Some(-100_000)),
            (2_100_500, 1_002_000, None),
            (2_500_500, 1_003_000, Some(399_000)),
            (2_501_500, 1_004_000, None),
        ] {
            assert_eq!(steps.look(now_ms, monotonic_ms), expected, "{now_ms} {monotonic_ms}");
        }
    }
}
