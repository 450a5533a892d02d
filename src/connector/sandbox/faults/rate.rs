//! How often a fault happens: so many times, always, each n-th time, or with a probability.
//!
//! Pure. Invariant: the same seed and the same order of chances give the same faults, in every build.

use serde_json::{Value, json};

/// How often something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// The next so many times; 0 = never.
    Count(u64),
    Always,
    /// The n-th chance, the 2n-th, …
    Every(u64),
    /// Millionths of all chances, drawn from a generator with a seed.
    Millionths(u64),
}

impl Rate {
    /// Reads `true`, `false`, a count, `{"every": n}` or `{"percent": p}`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(true) => Some(Self::Always),
            Value::Bool(false) => Some(Self::Count(0)),
            Value::Object(map) if map.len() == 1 => match map.iter().next()? {
                (key, n) if key == "every" => n.as_u64().filter(|n| *n > 0).map(Self::Every),
                (key, p) if key == "percent" => {
                    let percent = p.as_f64().filter(|percent| (0.0..=100.0).contains(percent))?;
                    Some(Self::Millionths((percent * 10_000.0).round() as u64))
                }
                _ => None,
            },
            other => other.as_u64().map(Self::Count),
        }
    }
}

/// A switch with its rate and what it has drawn so far.
#[derive(Debug, Clone)]
pub(super) struct Switch {
    rate: Rate,
    chances: u64,
    random: u64,
    pub(super) taken: u64,
}

impl Switch {
    pub(super) fn new(rate: Rate, seed: u64) -> Self {
        Self { rate, chances: 0, random: seed, taken: 0 }
    }

    pub(super) fn set(&mut self, rate: Rate) {
        self.rate = match rate {
            Rate::Count(u64::MAX) => Rate::Always,
            other => other,
        };
        self.chances = 0;
    }

    /// Whether it happens at this chance.
    pub(super) fn take(&mut self) -> bool {
        self.chances += 1;
        let happens = match &mut self.rate {
            Rate::Count(left) => {
                let some = *left > 0;
                *left -= u64::from(some);
                some
            }
            Rate::Always => true,
            Rate::Every(n) => self.chances.is_multiple_of(*n),
            Rate::Millionths(part) => draw(&mut self.random) % 1_000_000 < *part,
        };
        self.taken += u64::from(happens);
        happens
    }

    /// The position, as [`Rate::read`] reads it.
    pub(super) fn show(&self) -> Value {
        match self.rate {
            Rate::Count(0) => json!(false),
            Rate::Count(left) => json!(left),
            Rate::Always => json!(true),
            Rate::Every(n) => json!({ "every": n }),
            Rate::Millionths(part) => json!({ "percent": part as f64 / 10_000.0 }),
        }
    }
}

/// SplitMix64: a few lines that never change, because tests rely on what a seed draws.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: &Value, seed: u64, chances: usize) -> Vec<usize> {
        let mut switch = Switch::new(Rate::read(rate).unwrap(), seed);
        (1..=chances).filter(|_| switch.take()).collect()
    }

    #[test]
    fn a_rate_happens_as_often_as_it_says() {
        assert_eq!(taken(&json!(2), 1, 10), [1, 2]);
        assert_eq!(taken(&json!({"every": 3}), 1, 10), [3, 6, 9]);
        assert_eq!(taken(&json!(true), 1, 4).len(), 4);
        let some = taken(&json!({"percent": 5}), 1, 10_000).len();
        assert!((400..600).contains(&some), "{some}");
        assert_eq!(taken(&json!({"percent": 0}), 1, 1000).len(), 0);
        assert_eq!(taken(&json!({"percent": 100}), 1, 1000).len(), 1000);
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_one_does_not() {
        let drawn = |seed| taken(&json!({"percent": 20}), seed, 200);
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for written in [json!(true), json!(false), json!(3), json!({"every": 4}), json!({"percent": 2.5})] {
            assert_eq!(Switch::new(Rate::read(&written).unwrap(), 0).show(), written);
        }
        for wrong in [json!(-1), json!({"every": 0}), json!({"percent": 101}), json!("x"), json!({"every": 1, "x": 2})]
        {
            assert_eq!(Rate::read(&wrong), None, "{wrong}");
        }
    }
}
