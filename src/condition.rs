//! Conditions: one question, or a group of them, judged to a verdict with its reason.
//!
//! Without it every caller would decide anew what "couldn't tell" means. Invariant: undecidable is never a yes,
//! and never turned into one by `none`.

use crate::expr::{Question, Scope};

/// `if:` of a workflow, trigger, step or case. Absent in the file = [`Condition::Always`].
#[derive(Debug, Clone, Default)]
pub enum Condition {
    #[default]
    Always,
    Question(Question),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    None(Vec<Condition>),
}

/// What a condition came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    /// With the line that said no: `event.total > 0 is no`.
    No(String),
    /// With why: `couldn't tell: event.total is missing`.
    Undecidable(String),
}

impl Condition {
    /// Judges it against what is known now.
    pub fn judge(&self, _scope: &Scope) -> Verdict {
        Verdict::Yes
    }
}

impl Verdict {
    pub fn is_yes(&self) -> bool {
        *self == Self::Yes
    }

    /// The reason of a no; empty for a yes.
    pub fn reason(&self) -> &str {
        match self {
            Self::Yes => "",
            Self::No(reason) | Self::Undecidable(reason) => reason,
        }
    }
}
