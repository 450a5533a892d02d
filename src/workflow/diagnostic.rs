//! Diagnostic: one mistake in a project's files, with its place and the way out.

use std::ops::Range;

/// How much a mistake matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One mistake: code, sentence, place, hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `R101` …, `language.md` §13.
    pub code: &'static str,
    pub severity: Severity,
    /// Path of the file, relative to the project.
    pub file: String,
    /// From 1; the column counts characters.
    pub line: usize,
    pub column: usize,
    /// Characters to underline, at least 1.
    pub width: usize,
    /// Lower case start, backticks around literals, no final dot.
    pub message: String,
    /// What to do, with the exact replacement when there is one; may be empty.
    pub hint: String,
    /// What `--fix` writes, all of it or nothing; empty = a person has to decide.
    pub fix: Vec<Edit>,
}

/// One part of a file and what is written in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the file.
    pub span: Range<usize>,
    pub with: String,
}
