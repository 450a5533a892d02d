//! Stepper: which instant comes next on the way to a target, so that a moved clock passes every due instant in order.
//! Pure.
//!
//! Without it a clock moved by 25 hours would find everything due at once, and a reminder of yesterday noon would be
//! sent as of now. Invariant: each step goes forward, and none beyond the target.

/// The instant to move to: the first that is due, else the target; `None` when it is reached and nothing is due there.
/// Instants nearer than `least_ms` are dealt with together.
pub(super) fn next_step(now_ms: i64, due_ms: [Option<i64>; 2], target_ms: i64, least_ms: i64) -> Option<i64> {
    if now_ms >= target_ms {
        return None;
    }
    let first = due_ms.into_iter().flatten().min().unwrap_or(target_ms);
    Some(first.max(now_ms.saturating_add(least_ms)).min(target_ms))
}

#[cfg(test)]
mod tests {
    use super::next_step;

    #[test]
    fn every_due_instant_is_passed_in_order_and_the_target_is_reached() {
        let mut due = vec![900, 5_000, 5_010, 70_000, 100_000, 100_001];
        let (mut now, mut seen) = (1_000, Vec::new());
        while let Some(next) = next_step(now, [due.first().copied(), due.get(1).copied()], 100_000, 50) {
            assert!(next > now && next <= 100_000);
            now = next;
            due.retain(|at| *at > now);
            seen.push(now);
        }
        assert_eq!(seen, [1_050, 5_000, 5_050, 70_000, 100_000]);
        assert_eq!(due, [100_001]);
    }

    #[test]
    fn without_anything_due_the_target_is_one_step_away() {
        assert_eq!(next_step(0, [None, None], 90_000_000, 50), Some(90_000_000));
        assert_eq!(next_step(0, [None, Some(90_000_001)], 90_000_000, 50), Some(90_000_000));
        assert_eq!(next_step(90_000_000, [Some(0), None], 90_000_000, 50), None);
        assert_eq!(next_step(10, [None, None], 0, 50), None);
    }
}
