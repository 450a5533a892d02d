//! Overdue: timers that are found long after they were due, as after downtime, go on at a rate, oldest first.
//!
//! A million reminders of a lost night must not take the engine, the account's look-ups and the people's evening at once.
//! What is due now passes them. Invariant: of overdue timers at most [`BATCH`] go on in any [`PAUSE_MS`], which is 200 a
//! second and node.

/// A timer is overdue when it was due this long ago.
pub(super) const LATE_MS: i64 = 60_000;
/// Overdue timers that go on together.
const BATCH: usize = 50;
/// Between two of these.
const PAUSE_MS: i64 = 250;

/// What this node knows of overdue timers.
#[derive(Debug)]
pub(super) struct Overdue {
    stands: bool,
    next_ms: i64,
}

impl Overdue {
    /// Nobody knows what an earlier life left: it is looked for at once.
    pub(super) const UNKNOWN: Self = Self { stands: true, next_ms: 0 };

    /// How many may go on now.
    pub(super) fn room(&self, now_ms: i64) -> usize {
        if self.stands && self.next_ms <= now_ms { BATCH } else { 0 }
    }

    /// After a group that had this room, and found that there are (more) of them or none; when to look again.
    pub(super) fn seen(&mut self, room: usize, stands: bool, now_ms: i64) -> Option<i64> {
        self.stands = stands;
        if room > 0 {
            self.next_ms = now_ms + PAUSE_MS;
        }
        stands.then_some(self.next_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overdue_timers_go_on_at_200_a_second_however_often_they_are_looked_at() {
        let mut overdue = Overdue::UNKNOWN;
        let (mut left, mut went) = (1_000_usize, Vec::new());
        let begun_ms = 1_000_000;
        for now_ms in begun_ms..begun_ms + 10_000 {
            let room = overdue.room(now_ms);
            let taken = room.min(left);
            left -= taken;
            went.extend(std::iter::repeat_n(now_ms, taken));
            overdue.seen(room, left > 0, now_ms);
        }
        assert_eq!((left, went.len()), (0, 1_000));
        for second in begun_ms..begun_ms + 9_000 {
            let within = went.iter().filter(|at_ms| (second..second + 1_000).contains(*at_ms)).count();
            assert!(within <= 200, "{within}");
        }
        assert_eq!(went.last(), Some(&(begun_ms + 4_750)), "as soon as the rate allows");
    }

    #[test]
    fn without_any_nothing_is_looked_for_until_some_are_seen() {
        let mut overdue = Overdue::UNKNOWN;
        assert_eq!(overdue.room(0), BATCH);
        assert_eq!(overdue.seen(BATCH, false, 0), None);
        assert_eq!(overdue.room(100_000), 0);
        assert_eq!(overdue.seen(0, true, 100_000), Some(PAUSE_MS), "at once");
        assert_eq!(overdue.room(100_000), BATCH);
    }
}
