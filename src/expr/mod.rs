//! Expressions: questions (CEL) and text (Handlebars). Parsed and checked once, evaluated against a [`Scope`].
//!
//! `question/` holds the one notation, `text/` the other; beside them lies what both share. The crates parse; evaluation is
//! ours, because its rules are the language's promise: an unknown field is null, a comparison with null is undecidable and never
//! a yes, a hole in a text stops the message (`language.md` §7, §8). Invariant: evaluation neither panics nor asks a clock; same
//! scope, same result.

mod fold;
mod number;
mod path;
pub mod question;
mod suggest;
pub mod text;
mod time;
mod value;

pub use fold::{fold, fold_or_keep};
pub use path::{field, plain_name, printed};
pub use question::{Comparison, Kind, Question, Undecidable};
pub(crate) use suggest::nearest;
pub use text::{Hole, MARK_END, MARK_START, Text, readable_marks};

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use serde_json::Value;

/// What questions and texts can see. Each root is a JSON value; a missing field is null.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub event: &'a Value,
    pub contact: &'a Value,
    /// By step id.
    pub steps: &'a Value,
    pub vars: &'a Value,
    /// `id`, `version`, `run_id`, `started_at`.
    pub workflow: &'a Value,
    /// The instant the step runs, Unix milliseconds: `now`.
    pub now_ms: i64,
    /// The workflow's zone.
    pub zone: &'a TimeZone,
    /// Language of dates, numbers and money: the contact's, else the project's (`en`, `fr`, `es-MX`).
    pub language: &'a str,
}

impl<'a> Scope<'a> {
    /// Where nothing is known but the event.
    pub fn of_event(event: &'a Value, now_ms: i64, zone: &'a TimeZone, language: &'a str) -> Self {
        const NOTHING: &Value = &Value::Null;
        Self { event, contact: NOTHING, steps: NOTHING, vars: NOTHING, workflow: NOTHING, now_ms, zone, language }
    }
}

/// A mistake found while parsing or checking, with its place inside the expression or text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Code of `language.md` §13: `R302`, `R304`, `R310` …
    pub code: &'static str,
    /// Byte offset and length inside the source given to `parse`.
    pub offset: usize,
    pub len: usize,
    /// One sentence: lower case start, backticks around literals, no final dot.
    pub message: String,
    /// The way out, with the exact replacement when there is one.
    pub hint: String,
    /// What to write in the source instead; `None` = a person has to decide.
    pub fix: Option<Instead>,
}

/// A part of a source and what is written in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// Bytes.
    pub offset: usize,
    pub len: usize,
    pub with: String,
}

/// A path mentioned by an expression or text: `event.customer.phone`, for checks against samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathUse {
    /// `event`, `contact`, `steps`, `vars`, `workflow`, `now`, `secret`.
    pub root: String,
    pub fields: Vec<String>,
    /// Byte offset and length inside the source.
    pub offset: usize,
    pub len: usize,
    /// Absence is expected there: inside `has`, `default`, `#if`, or compared with null.
    pub optional: bool,
    /// What the place can take, for the check against samples.
    pub wants: Wants,
}

impl PathUse {
    /// As it is written: `event.customer.phone`.
    pub fn shown(&self) -> String {
        std::iter::once(self.root.as_str()).chain(self.fields.iter().map(String::as_str)).collect::<Vec<_>>().join(".")
    }
}

/// What a place that mentions a path can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Text, a number, a time or yes/no: it is printed, or given to a helper. A list or an object is a hole.
    Scalar,
    /// A list: `#each`, `count`, `join`, `find`, `all` …
    List,
    /// Anything.
    Any,
}

/// Bounds that keep one evaluation cheap, whatever the file and the event say.
mod bound {
    /// Length of a question, bytes.
    pub(super) const QUESTION: usize = 4 * 1024;
    /// Operators, brackets and full stops of a question: what the parser's recursion can reach.
    pub(super) const PARTS: usize = 400;
    /// Nesting of a question after parsing, and of blocks in a text.
    pub(super) const DEPTH: usize = 64;
    /// Items of a list that a question or a text walks.
    pub(super) const ITEMS: usize = 1_000;
    /// Bytes of a text as written, and its tags: the handlebars crate counts lines anew for each of them.
    pub(super) const TEXT: usize = 64 * 1024;
    pub(super) const TAGS: usize = 500;
    /// Bytes of a text that an evaluation makes.
    pub(super) const OUTPUT: usize = 256 * 1024;
}
