//! Report: the mistakes of one file as they are found, each turned into a place at once.

use crate::workflow::diagnostic::{Diagnostic, Severity};
use crate::workflow::yaml::{Document, Found, Node};
use std::ops::Range;

/// Collects what is wrong with one file.
pub(super) struct Report<'a> {
    pub(super) file: &'a str,
    pub(super) document: &'a Document,
    found: Vec<Diagnostic>,
    errors: usize,
    /// The notation itself had mistakes: what is read is partly a guess, good enough for errors, not for warnings.
    guessed: bool,
}

/// Nobody reads more of one file; and a hostile one must not take long.
const MOST: usize = 500;

impl<'a> Report<'a> {
    /// Begins with the mistakes of notation.
    pub(super) fn new(file: &'a str, document: &'a Document, notation: Vec<Found>) -> Self {
        let mut report = Self { file, document, found: Vec::new(), errors: 0, guessed: false };
        for found in notation {
            report.error(found.code, &found.span, found.message, found.hint);
        }
        report.guessed = report.errors > 0;
        report
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let missing = matches!(code, "R202" | "R203");
        let unread = self.document.broken_at.is_some_and(|broken| span.start >= broken || missing);
        self.errors += 1;
        if !self.guessed || !unread {
            self.push(code, Severity::Error, span, message.into(), hint.into());
        }
    }

    /// A warning, unless a comment `# allow <code>` at the end of its line silences it.
    pub(super) fn warn(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.found.len() < MOST {
            self.found.extend(self.warning(code, span, message, hint));
        }
    }

    /// A warning that is told later, or never; `None` = silenced.
    pub(super) fn warning(
        &self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<Diagnostic> {
        let silenced = self.guessed || allows(self.document.line_of(span.start), code);
        (!silenced).then(|| self.placed(code, Severity::Warning, span, message.into(), hint.into()))
    }

    /// A warning about a part of a scalar; for a block text the comment stands beside its `|`.
    pub(super) fn warn_in(&mut self, code: &'static str, node: &Node, span: &Range<usize>, told: (String, String)) {
        let header = self.document.header_line(node).map(|line| self.document.line(line));
        if !header.is_some_and(|line| allows(line, code)) {
            self.warn(code, span, told.0, told.1);
        }
    }

    fn push(&mut self, code: &'static str, severity: Severity, span: &Range<usize>, message: String, hint: String) {
        if self.found.len() < MOST {
            self.found.push(self.placed(code, severity, span, message, hint));
        }
    }

    fn placed(
        &self,
        code: &'static str,
        severity: Severity,
        span: &Range<usize>,
        message: String,
        hint: String,
    ) -> Diagnostic {
        let (line, column) = self.document.place(span.start);
        let width = self.document.width(span);
        Diagnostic { code, severity, file: self.file.to_owned(), line, column, width, message, hint }
    }

    /// Errors so far, told or not.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    pub(super) fn finish(self) -> Vec<Diagnostic> {
        self.found
    }
}

/// Whether a line ends with `# allow R409`, alone or in a list of codes.
fn allows(line: &str, code: &str) -> bool {
    let Some((_, comment)) = line.rsplit_once('#') else { return false };
    let Some(codes) = comment.trim().strip_prefix("allow ") else { return false };
    codes.split([',', ' ']).any(|allowed| allowed.trim() == code)
}
