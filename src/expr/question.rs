//! Questions: CEL expressions, evaluated with the null rules of `language.md` §7.

use super::{Mistake, PathUse, Scope};
use serde_json::Value;

/// A parsed CEL expression.
#[derive(Debug, Clone)]
pub struct Question {
    source: String,
}

/// Why a question has no answer: the sentence shown in the trace, `event.total is missing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecidable(pub String);

impl Question {
    /// Parses and checks a CEL line: unknown functions and roots, nested list functions, over-long text are refused.
    ///
    /// # Errors
    /// Every mistake found, at least one.
    pub fn parse(source: &str) -> Result<Self, Vec<Mistake>> {
        Ok(Self { source: source.to_owned() })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The fields it mentions, for the check against samples.
    pub fn paths(&self) -> Vec<PathUse> {
        Vec::new()
    }

    /// The answer as JSON (instants are ISO 8601 text).
    ///
    /// # Errors
    /// [`Undecidable`] with the reason, when it cannot be decided.
    pub fn evaluate(&self, _scope: &Scope) -> Result<Value, Undecidable> {
        Err(Undecidable("not built yet".into()))
    }
}
