//! Questions: CEL expressions, evaluated with the null rules of `language.md` §7.
//!
//! Parsed once: `wording` finds other languages' habits, the `cel` crate reads the line, `lower` turns it into nodes; `eval` answers.

mod calls;
mod eval;
mod functions;
mod lists;
mod lower;
mod node;
mod syntax;
mod token;
mod uses;
mod wording;

use crate::expr::{Mistake, PathUse, Scope, time};
use eval::{Env, missing, wrong};
use lower::Lowering;
use node::{Expr, Node};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, LazyLock};
use syntax::{bounds, explain, too_long, unreadable};
use token::{Token, tokens};
use wording::reword;

/// A parsed CEL expression. Cheap to clone.
#[derive(Clone)]
pub struct Question {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    node: Node,
}

/// Why a question has no answer: the sentence shown in the trace, `event.total is missing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecidable(pub String);

/// What a question gives, as far as can be told without an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Number,
    Text,
    Time,
    List,
    /// Depends on the event.
    Unknown,
}

impl Kind {
    /// In words: `yes or no`.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Bool => "yes or no",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Time => "a time",
            Self::List => "a list",
            Self::Unknown => "anything",
        }
    }
}

/// A path compared with a literal, for the check against samples (R303).
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub path: PathUse,
    /// `==`, `<`, `in` …, as it stands between the path and the literal.
    pub operator: &'static str,
    /// Text, number or yes/no.
    pub literal: Value,
}

/// Without macros: `has`, `all` … stay the calls they are written as, so that our walk gives them our null rules.
static CEL: LazyLock<cel::Env> = LazyLock::new(|| cel::Env::default().with_optional_support(false));

impl Question {
    /// Parses and checks a CEL line: unknown functions and roots, nested list functions, over-long text are refused.
    ///
    /// # Errors
    /// Every mistake found, at least one.
    pub fn parse(source: &str) -> Result<Self, Vec<Mistake>> {
        if let Some(mistake) = too_long(source) {
            return Err(vec![mistake]);
        }
        let reworded = reword(source);
        let mut mistakes = reworded.mistakes.clone();
        if reworded.stuck {
            return Err(syntax::never_silent(mistakes, source));
        }
        match parse_apart(&reworded.corrected) {
            Ok(node) if mistakes.is_empty() => {
                return Ok(Self { inner: Arc::new(Inner { source: source.to_owned(), node }) });
            }
            Ok(_) => {}
            Err(found) => mistakes.extend(found.into_iter().map(|mistake| {
                let (start, end) = (mistake.offset, mistake.offset + mistake.len);
                let offset = reworded.source_offset(start);
                Mistake { offset, len: reworded.source_offset(end).saturating_sub(offset), fix: None, ..mistake }
            })),
        }
        mistakes.sort_by_key(|mistake| mistake.offset);
        Err(syntax::never_silent(mistakes, source))
    }

    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The fields it mentions, for the check against samples. The item of a list is its first one: `event.items.0.name`.
    pub fn paths(&self) -> Vec<PathUse> {
        uses::paths(&self.inner.node)
    }

    /// What it gives: `if` takes yes or no, `until` a time.
    pub fn result_kind(&self) -> Kind {
        self.inner.node.kind
    }

    /// Its paths that are compared with literals.
    pub fn comparisons(&self) -> Vec<Comparison> {
        uses::comparisons(&self.inner.node)
    }

    /// The answer when it is the same whatever happens: `true`, for cases that nothing after them can reach (R504).
    pub fn constant(&self) -> Option<bool> {
        match self.inner.node.expr {
            Expr::Bool(answer) => Some(answer),
            _ => None,
        }
    }

    /// The answer as JSON (instants are ISO 8601 text, in UTC).
    ///
    /// # Errors
    /// [`Undecidable`] with the reason, when it cannot be decided.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, Undecidable> {
        self.env(scope).eval(&self.inner.node).map(|value| value.to_json())
    }

    /// The answer of a condition.
    ///
    /// # Errors
    /// [`Undecidable`] also when the answer is neither yes nor no.
    pub fn decide(&self, scope: &Scope) -> Result<bool, Undecidable> {
        self.env(scope).yes_or_no(&self.inner.node)
    }

    /// The answer of a wait's `until`, Unix milliseconds: an instant, or what `time()` would read.
    ///
    /// # Errors
    /// [`Undecidable`] also when the answer is no time.
    pub fn instant_ms(&self, scope: &Scope) -> Result<i64, Undecidable> {
        let (env, node) = (self.env(scope), &self.inner.node);
        let value = env.eval(node)?;
        if value.is_null() {
            return Err(missing(&env, node));
        }
        let moment = time::read(&value, scope.zone).ok_or_else(|| wrong(&env, node, &value, "a time"))?;
        Ok(moment.at.as_millisecond())
    }

    fn env<'a>(&'a self, scope: &Scope<'a>) -> Env<'a> {
        Env { scope: *scope, source: &self.inner.source, item: None }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Question").field(&self.inner.source).finish()
    }
}

/// What the parser's recursion takes at the bounds of `syntax::bounds`, several times over.
const STACK: usize = 32 << 20;

/// The parser takes up to 200 KiB of stack for each level of brackets, more than a worker's thread has: it gets a thread of its own.
fn parse_apart(source: &str) -> Result<Node, Vec<Mistake>> {
    let tokens = tokens(source);
    if let Some(mistake) = bounds(source, &tokens) {
        return Err(vec![mistake]);
    }
    let parsed = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || parse(source, &tokens));
        thread.ok()?.join().ok()
    });
    let failed = || vec![unreadable(0, source.len(), "the question could not be read", "write it in a simpler way")];
    parsed.unwrap_or_else(|| Err(failed()))
}

fn parse(source: &str, tokens: &[Token]) -> Result<Node, Vec<Mistake>> {
    let (tree, places) = CEL.parser().parse_with_source_info(source).map_err(|errors| {
        let first = errors.errors.first().map_or((1, 1), |error| error.pos);
        vec![explain(source, tokens, byte_offset(source, first))]
    })?;
    let mut lowering = Lowering { source, tokens, places: &places, mistakes: Vec::new(), item: None, depth: 0 };
    let node = lowering.lower(&tree);
    if lowering.mistakes.is_empty() { Ok(node) } else { Err(lowering.mistakes) }
}

/// The parser's line and column, both from 1, as an offset on a character border.
fn byte_offset(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let mut offset = (start + column).min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
