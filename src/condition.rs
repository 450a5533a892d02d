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
    pub fn judge(&self, scope: &Scope) -> Verdict {
        match self {
            Self::Always => Verdict::Yes,
            Self::Question(question) => match question.decide(scope) {
                Ok(true) => Verdict::Yes,
                Ok(false) => Verdict::No(format!("{} is no", self.line())),
                Err(why) => Verdict::Undecidable(format!("couldn't tell: {}", why.0)),
            },
            Self::All(items) => all(items, scope),
            Self::Any(items) => any(items, scope),
            Self::None(items) => none(items, scope),
        }
    }

    /// The questions in it, in the order of the file.
    pub fn questions(&self) -> Vec<&Question> {
        match self {
            Self::Always => Vec::new(),
            Self::Question(question) => vec![question],
            Self::All(items) | Self::Any(items) | Self::None(items) => items.iter().flat_map(Self::questions).collect(),
        }
    }

    /// As a sentence names it.
    fn line(&self) -> String {
        let group = |name: &str, items: &[Self]| {
            let lines: Vec<String> = items.iter().map(Self::line).collect();
            format!("{name} of ({})", lines.join("; "))
        };
        match self {
            Self::Always => "always".to_owned(),
            Self::Question(question) => question.source().split_whitespace().collect::<Vec<_>>().join(" "),
            Self::All(items) => group("all", items),
            Self::Any(items) => group("any", items),
            Self::None(items) => group("none", items),
        }
    }
}

/// A no decides; else one doubt leaves the whole in doubt.
fn all(items: &[Condition], scope: &Scope) -> Verdict {
    let mut doubt = None;
    for item in items {
        match item.judge(scope) {
            Verdict::Yes => {}
            no @ Verdict::No(_) => return no,
            unsure @ Verdict::Undecidable(_) => {
                doubt.get_or_insert(unsure);
            }
        }
    }
    doubt.unwrap_or(Verdict::Yes)
}

/// A yes decides; else one doubt leaves the whole in doubt; a no names every line that said so.
fn any(items: &[Condition], scope: &Scope) -> Verdict {
    let (mut reasons, mut doubt) = (Vec::new(), None);
    for item in items {
        match item.judge(scope) {
            Verdict::Yes => return Verdict::Yes,
            Verdict::No(reason) => reasons.push(reason),
            unsure @ Verdict::Undecidable(_) => {
                doubt.get_or_insert(unsure);
            }
        }
    }
    doubt.unwrap_or_else(|| Verdict::No(reasons.join("; ")))
}

/// The opposite of `any`; a doubt stays a doubt.
fn none(items: &[Condition], scope: &Scope) -> Verdict {
    let mut doubt = None;
    for item in items {
        match item.judge(scope) {
            Verdict::Yes => return Verdict::No(format!("{} is yes, and stands under `none`", item.line())),
            Verdict::No(_) => {}
            unsure @ Verdict::Undecidable(_) => {
                doubt.get_or_insert(unsure);
            }
        }
    }
    doubt.unwrap_or(Verdict::Yes)
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
