//! Heard: how long ago, as far as a file tells, the person wrote when a step is reached (`language.md` §10.1).
//!
//! Neighbours: `steps` and `wait_for_reply` walk the ways a run can take, `window` asks. Invariant: what is not certain on every way
//! that leads to a step is not certain there.

use super::lowering::Lowering;
use std::collections::{BTreeMap, BTreeSet};

/// The last sign of the person before the step that is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Heard {
    /// The run has just started: what started it says whether the person wrote.
    #[default]
    Start,
    /// The person answered a question asked on this channel; `None` = no channel was named.
    Answer(Option<String>),
    /// A wait, or a question that nobody answered.
    Nothing,
    /// No run gets here.
    Ended,
}

impl Heard {
    /// Time passes.
    pub(super) fn silence(&mut self) {
        if *self != Self::Ended {
            *self = Self::Nothing;
        }
    }

    /// One way or the other leads here.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ended, other) => other,
            (one, Self::Ended) => one,
            (one, other) if one == other => one,
            _ => Self::Nothing,
        }
    }
}

/// What the steps before have left, and the names that they set.
#[derive(Clone)]
struct Left {
    steps: BTreeMap<String, &'static [&'static str]>,
    vars: BTreeSet<String>,
}

/// The ways that lead apart at a step and meet behind it.
pub(super) struct Ways {
    fork: (Left, Heard),
    ends: (Left, Heard),
}

impl<'a> Lowering<'a> {
    pub(super) fn ways(&self) -> Ways {
        let left = Left { steps: self.seen.steps.clone(), vars: self.seen.vars.clone() };
        Ways { ends: (left.clone(), Heard::Ended), fork: (left, self.heard.clone()) }
    }
}

impl Ways {
    /// One way was read to its end; the next begins where they part.
    pub(super) fn end(&mut self, lowering: &mut Lowering) {
        let fork = self.fork.0.clone();
        self.ends.0.steps.extend(std::mem::replace(&mut lowering.seen.steps, fork.steps));
        self.ends.0.vars.extend(std::mem::replace(&mut lowering.seen.vars, fork.vars));
        let heard = std::mem::replace(&mut lowering.heard, self.fork.1.clone());
        self.ends.1 = std::mem::take(&mut self.ends.1).or(heard);
    }

    /// Behind the step: what any of the ways left can be asked for, null when that way was not taken.
    pub(super) fn meet(self, lowering: &mut Lowering) {
        lowering.seen.steps = self.ends.0.steps;
        lowering.seen.vars = self.ends.0.vars;
        lowering.heard = self.ends.1;
    }
}
