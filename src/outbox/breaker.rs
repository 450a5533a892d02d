//! Breaker: stops calling a channel whose calls come to nothing, and tries it again with one real message. Pure; the
//! engine's loop keeps one per channel, in memory: each node judges by what it sees itself.
//!
//! ```text
//! closed ── 5 calls without an answer in a row, or half of 20 in 30 s ──► open ── 30 s, doubling to 5 min ──► probe
//!   ▲                                                                     ▲                                  │
//!   └──────────────── the probe was answered ─────────────────────────────┼── it was not ────────────────────┘
//! ```
//! Invariant: a refusal (4xx, 429) is an answer; it never opens anything.

use crate::delivery::Outcome;
use std::collections::VecDeque;

/// Calls without any answer, one after the other, that open it.
const IN_A_ROW: u32 = 5;
/// How long calls are remembered, and how many there must be for their share to count.
const SPAN_MS: i64 = 30_000;
const ENOUGH: u32 = 20;
/// How long it stays open the first time, and at most.
const FIRST_WAIT_MS: i64 = 30_000;
const LONGEST_WAIT_MS: i64 = 5 * 60_000;
/// A probe ends within the time-out of a call.
pub const PROBE_MS: i64 = 15_000;

/// One channel's breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// How long it stays open next.
    wait_ms: i64,
    in_a_row: u32,
    /// Calls of the last 30 s by second: (second, calls, failures).
    seconds: VecDeque<(i64, u32, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Closed,
    Open { until_ms: i64 },
    Probing { attempt: String },
}

/// Whether a call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stance {
    Closed,
    /// Not before that instant.
    Open {
        until_ms: i64,
    },
    /// One.
    Probe,
}

/// What a call showed of the way to the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// It serves.
    Served,
    /// It answers, and did not serve this: tells that the way is open, and counts for nothing else.
    Refused,
    /// It answers that it is in trouble.
    Trouble,
    Nothing,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, wait_ms: FIRST_WAIT_MS, in_a_row: 0, seconds: VecDeque::new() }
    }
}

impl Breaker {
    pub fn stance(&self, now_ms: i64) -> Stance {
        match self.state {
            State::Closed => Stance::Closed,
            State::Open { until_ms } if now_ms < until_ms => Stance::Open { until_ms },
            State::Open { .. } => Stance::Probe,
            State::Probing { .. } => Stance::Open { until_ms: now_ms + PROBE_MS },
        }
    }

    /// A call begins: the first one after the pause is the probe.
    pub fn begun(&mut self, attempt: &str, now_ms: i64) {
        if self.stance(now_ms) == Stance::Probe {
            self.state = State::Probing { attempt: attempt.to_owned() };
        }
    }

    /// A call ended. Whether the breaker closed by it, or opened: what it held is to be looked at again.
    pub fn ended(&mut self, attempt: &str, outcome: &Outcome, now_ms: i64) -> Option<Turned> {
        let heard = heard(outcome);
        match &self.state {
            State::Closed => {
                self.count(heard, now_ms);
                self.is_too_much().then(|| self.open(now_ms))
            }
            State::Probing { attempt: probe } if probe == attempt => match heard {
                Heard::Served | Heard::Refused => {
                    *self = Self::default();
                    Some(Turned::Closed)
                }
                Heard::Trouble | Heard::Nothing => Some(self.open(now_ms)),
            },
            // Calls from before it opened tell nothing new.
            State::Probing { .. } | State::Open { .. } => None,
        }
    }

    fn count(&mut self, heard: Heard, now_ms: i64) {
        self.in_a_row = if heard == Heard::Nothing { self.in_a_row + 1 } else { 0 };
        self.seconds.retain(|(second, _, _)| *second * 1000 > now_ms - SPAN_MS);
        if heard == Heard::Refused {
            return;
        }
        let second = now_ms.div_euclid(1000);
        if self.seconds.back().is_none_or(|(last, _, _)| *last != second) {
            self.seconds.push_back((second, 0, 0));
        }
        if let Some((_, calls, failures)) = self.seconds.back_mut() {
            *calls += 1;
            *failures += u32::from(heard != Heard::Served);
        }
    }

    fn is_too_much(&self) -> bool {
        let (calls, failures) = self.seconds.iter().fold((0, 0), |(a, b), (_, calls, failed)| (a + calls, b + failed));
        self.in_a_row >= IN_A_ROW || (calls >= ENOUGH && failures * 2 >= calls)
    }

    fn open(&mut self, now_ms: i64) -> Turned {
        let until_ms = now_ms + self.wait_ms;
        *self = Self {
            state: State::Open { until_ms },
            wait_ms: (self.wait_ms * 2).min(LONGEST_WAIT_MS),
            in_a_row: 0,
            seconds: VecDeque::new(),
        };
        Turned::Open
    }
}

/// Which way it turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    Open,
    Closed,
}

fn heard(outcome: &Outcome) -> Heard {
    match outcome {
        Outcome::Accepted { .. } => Heard::Served,
        Outcome::Refused { .. } | Outcome::NotSent { status: Some(_), .. } => Heard::Refused,
        Outcome::Uncertain { status: Some(_), .. } => Heard::Trouble,
        Outcome::Uncertain { status: None, .. } | Outcome::NotSent { status: None, .. } => Heard::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Outcome {
        Outcome::Accepted { status: 200, message_uuid: None, contact_uuid: None }
    }

    fn nothing() -> Outcome {
        Outcome::NotSent { error: "refused".into(), status: None, retry_after_ms: None }
    }

    fn trouble() -> Outcome {
        Outcome::Uncertain { status: Some(502), error: "bad gateway".into() }
    }

    fn refused(status: u16) -> Outcome {
        Outcome::Refused { status, code: None, error: "no".into() }
    }

    fn slow() -> Outcome {
        Outcome::NotSent { error: "slow".into(), status: Some(429), retry_after_ms: None }
    }

    #[test]
    fn five_calls_without_an_answer_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        for outcome in [nothing(), nothing(), nothing(), nothing(), served(), nothing(), nothing(), nothing()] {
            assert_eq!(breaker.ended("a", &outcome, 0), None);
        }
        assert_eq!(breaker.ended("a", &nothing(), 0), None);
        assert_eq!(breaker.stance(0), Stance::Closed);
        assert_eq!(breaker.ended("a", &nothing(), 10), Some(Turned::Open));
        assert_eq!(breaker.stance(10), Stance::Open { until_ms: 30_010 });
        assert_eq!(breaker.stance(30_009), Stance::Open { until_ms: 30_010 });
        assert_eq!(breaker.stance(30_010), Stance::Probe);
    }

    #[test]
    fn half_of_twenty_calls_in_thirty_seconds_open_it() {
        let mut breaker = Breaker::default();
        for n in 0..19 {
            let outcome = if n % 2 == 0 { trouble() } else { served() };
            assert_eq!(breaker.ended("a", &outcome, n * 1000), None, "{n}");
        }
        assert_eq!(breaker.ended("a", &trouble(), 19_000), Some(Turned::Open));
        let mut breaker = Breaker::default();
        for n in 0..100 {
            let outcome = if n % 2 == 0 { trouble() } else { served() };
            assert_eq!(breaker.ended("a", &outcome, n * 2000), None, "never twenty in thirty seconds");
        }
    }

    #[test]
    fn refusals_never_open_it() {
        let mut breaker = Breaker::default();
        for n in 0..200 {
            let outcome = [refused(400), refused(401), refused(403), slow()][n % 4].clone();
            assert_eq!(breaker.ended("a", &outcome, 0), None);
        }
        assert_eq!(breaker.stance(0), Stance::Closed);
    }

    #[test]
    fn one_real_message_tries_and_the_pause_doubles_to_five_minutes() {
        let mut breaker = Breaker::default();
        (0..4).for_each(|_| assert_eq!(breaker.ended("a", &nothing(), 0), None));
        assert_eq!(breaker.ended("a", &nothing(), 0), Some(Turned::Open));
        let (mut now_ms, mut waits) = (0, Vec::new());
        for n in 0..6 {
            let Stance::Open { until_ms } = breaker.stance(now_ms) else { panic!("open") };
            waits.push((until_ms - now_ms) / 1000);
            now_ms = until_ms;
            assert_eq!(breaker.stance(now_ms), Stance::Probe);
            breaker.begun(&format!("p{n}"), now_ms);
            assert!(matches!(breaker.stance(now_ms), Stance::Open { .. }), "one at a time");
            assert_eq!(breaker.ended("an older call", &served(), now_ms), None);
            assert_eq!(breaker.ended(&format!("p{n}"), &nothing(), now_ms), Some(Turned::Open));
        }
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
        now_ms += 300_000;
        breaker.begun("p", now_ms);
        assert_eq!(breaker.ended("p", &refused(422), now_ms), Some(Turned::Closed));
        assert_eq!(breaker, Breaker::default());
    }
}
