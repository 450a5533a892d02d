//! Report: the mistakes of one file as they are found, each turned into a place at once.

use super::account::AccountNames;
use super::allow;
use crate::workflow::diagnostic::{Diagnostic, Edit, Severity};
use crate::workflow::yaml::{Document, Found, Node};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

/// Collects what is wrong with one file.
pub(super) struct Report<'a> {
    pub(super) file: &'a str,
    pub(super) document: &'a Document,
    found: Vec<Diagnostic>,
    errors: usize,
    /// The notation itself had mistakes: what is read is partly a guess, good enough for errors, not for warnings.
    guessed: bool,
    /// What was found last is told: a fix that comes with it is kept.
    told: bool,
    pub(super) account: Option<&'a AccountNames>,
    /// The file was accepted before, and is read as it was then.
    pub(super) accepted: bool,
    /// What comments `# allow` keep quiet: line and code.
    silenced: RefCell<BTreeSet<(usize, &'static str)>>,
    /// The code of every mistake but those of the notation and of later releases, in files that have one for all.
    only: Option<&'static str>,
}

/// Nobody reads more of one file; and a hostile one must not take long.
const MOST: usize = 500;

impl<'a> Report<'a> {
    /// Begins with the mistakes of notation.
    pub(super) fn new(file: &'a str, document: &'a Document, notation: Vec<Found>) -> Self {
        let mut report = Self {
            file,
            document,
            found: Vec::new(),
            errors: 0,
            guessed: false,
            told: false,
            account: None,
            accepted: false,
            silenced: RefCell::default(),
            only: None,
        };
        for found in notation {
            report.error(found.code, &found.span, found.message, found.hint);
            report.fix(found.fix);
        }
        report.guessed = report.errors > 0;
        report
    }

    /// From now on mistakes are told under this code, but those of later releases.
    pub(super) fn all_as(self, code: &'static str) -> Self {
        Self { only: Some(code), ..self }
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
        let code = self.only.filter(|_| !code.starts_with("R1") && code != "R206").unwrap_or(code);
        self.errors += 1;
        self.told = (!self.guessed || !unread) && self.found.len() < MOST;
        if self.told {
            self.push(code, Severity::Error, span, message.into(), hint.into());
        }
    }

    /// What releases before took for no mistake: an error for who writes, nothing in a file that was accepted before.
    /// Whether it is one.
    pub(super) fn stricter(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> bool {
        if !self.accepted {
            self.error(code, span, message, hint);
        }
        !self.accepted
    }

    /// A warning, unless a comment `# allow <code>` at the end of its line silences it. Whether it is told.
    pub(super) fn warn(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> bool {
        self.told = false;
        if self.found.len() < MOST {
            let warning = self.warning(code, span, message, hint);
            self.told = warning.is_some();
            self.found.extend(warning);
        }
        self.told
    }

    /// What `--fix` writes for the mistake that was found last.
    pub(super) fn fix(&mut self, edits: impl IntoIterator<Item = Edit>) {
        if let Some(last) = self.found.last_mut().filter(|_| self.told) {
            last.fix.extend(edits);
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
        let silenced = self.guessed || self.silenced(self.document.place(span.start).0, code);
        (!silenced).then(|| self.placed(code, Severity::Warning, span, message.into(), hint.into()))
    }

    /// A warning about a part of a scalar; for a block text the comment stands beside its `|`.
    pub(super) fn warn_in(&mut self, code: &'static str, node: &Node, span: &Range<usize>, told: (String, String)) {
        self.told = false;
        if !self.document.header_line(node).is_some_and(|line| self.silenced(line, code)) {
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
        Diagnostic { code, severity, file: self.file.to_owned(), line, column, width, message, hint, fix: Vec::new() }
    }

    /// Errors so far, told or not.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether a comment at the end of this line silences this code.
    fn silenced(&self, line: usize, code: &'static str) -> bool {
        let silenced = allow::codes(self.document.line(line)).any(|(_, allowed)| allowed == code);
        if silenced {
            self.silenced.borrow_mut().insert((line, code));
        }
        silenced
    }

    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        if !self.guessed {
            let silenced = self.silenced.take();
            allow::tell_idle(&mut self, &silenced);
        }
        self.found
    }
}
