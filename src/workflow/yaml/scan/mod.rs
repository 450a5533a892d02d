//! The walk over the lines before the parser: finds what authors write and YAML reads otherwise, or not at all.
//!
//! Knows just enough YAML to tell keys, values, block texts and `{ }` apart (`flow` walks the latter). Invariant: a
//! file that is good YAML for the language gets no complaint and no edit here.

mod flow;
mod indent;
mod signs;
mod values;

use super::Found;
use super::repair::{Change, Edit};
use crate::workflow::diagnostic::Edit as Replacement;
use indent::Indents;
use std::cell::Cell;
use std::ops::Range;

pub(super) struct Scanned {
    pub(super) found: Vec<Found>,
    /// In order, not overlapping.
    pub(super) edits: Vec<Edit>,
}

struct Scan<'a> {
    source: &'a str,
    /// Start of the line to look at next.
    at: usize,
    found: Vec<Found>,
    edits: Vec<Edit>,
    indents: Indents,
    /// Start and end of the line that was measured last.
    measured: Cell<(usize, usize)>,
}

/// Finds the mistakes of notation, and what to mend.
pub(super) fn scan(source: &str) -> Scanned {
    let mut scan = Scan {
        source,
        at: 0,
        found: Vec::new(),
        edits: Vec::new(),
        indents: Indents::default(),
        measured: Cell::new((1, 0)),
    };
    scan.not_utf8();
    if source.starts_with('\u{feff}') {
        scan.edits.push(Edit { span: 0..3, change: Change::Replace(String::new()) });
        scan.at = 3;
    }
    while scan.at < source.len() {
        scan.block_line();
    }
    Scanned { found: scan.found, edits: scan.edits }
}

/// Blanks that look like a space and are none.
fn is_false_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{a0}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}')
}

impl Scan<'_> {
    /// A file that was not UTF-8 is read with `U+FFFD` in place of what could not be read.
    fn not_utf8(&mut self) {
        if let Some(at) = self.source.find('\u{fffd}') {
            self.complain("R104", at..at + 3, "this character is not UTF-8", "save the file with the encoding UTF-8");
        }
    }

    /// One line outside of texts and braces.
    fn block_line(&mut self) {
        let end = self.line_end(self.at);
        let start = self.indentation(self.at, end);
        let content = &self.source[start.at..end];
        if content.trim().is_empty() || content.starts_with('#') || content.starts_with("---") {
            self.at = self.next_line(end);
            return;
        }
        self.entry(start.at, start.column, end);
    }

    /// `- `, `key: value` or a value alone.
    fn entry(&mut self, mut at: usize, mut column: usize, end: usize) {
        let mut parent = column;
        let first = column;
        while let Some(blanks) = self.dash(at, end) {
            parent = column;
            column += 1 + blanks.len();
            self.mend_blanks(blanks.clone());
            at = blanks.end;
        }
        if at >= end {
            self.indents.note(first, column, true);
            self.at = self.next_line(end);
            return;
        }
        match self.key_end(at, end) {
            None => {
                self.indents.note(first, parent, false);
                self.value(at, parent, None);
            }
            Some(colon) => {
                let value = self.blanks(colon + 1, end);
                self.mend_blanks(value.clone());
                let key = self.source[at..colon].trim_matches(['"', '\'', ' ']);
                let opens = self.source[value.end..end].is_empty() || self.source[value.end..end].starts_with('#');
                self.indents.note(first, column, opens);
                self.value(value.end, column, Some(key));
            }
        }
    }

    /// The blanks after a `-` that starts a list item.
    fn dash(&self, at: usize, end: usize) -> Option<Range<usize>> {
        let rest = self.source[at..end].strip_prefix('-')?;
        let blanks = self.blanks(at + 1, end);
        (rest.is_empty() || !blanks.is_empty()).then_some(blanks)
    }

    /// Where the colon of `key: ` stands, when the line is one.
    fn key_end(&self, at: usize, end: usize) -> Option<usize> {
        let line = &self.source[at..end];
        let quoted = match line.chars().next()? {
            quote @ ('"' | '\'') => signs::closing_quote(line, quote)? + 1,
            '{' | '[' | '#' | '&' | '*' | '!' | '|' | '>' | '@' | '`' | '%' => return None,
            _ => 0,
        };
        let mut before = ' ';
        for (offset, c) in line.char_indices().skip_while(|(offset, _)| *offset < quoted) {
            if c == ':' && line[offset + 1..].chars().next().is_none_or(|c| c == ' ' || is_false_blank(c)) {
                return Some(at + offset);
            }
            if (c == '#' && before == ' ') || (quoted > 0 && c != ' ') {
                return None;
            }
            before = c;
        }
        None
    }

    fn blanks(&self, at: usize, end: usize) -> Range<usize> {
        let rest = &self.source[at..end];
        at..end - rest.trim_start_matches(|c| c == ' ' || is_false_blank(c)).len()
    }

    /// A non-breaking space after `key:` or `-` glues both together for YAML.
    fn mend_blanks(&mut self, span: Range<usize>) {
        let blanks = &self.source[span.clone()];
        let Some((offset, bad)) = blanks.char_indices().find(|(_, c)| is_false_blank(*c) && *c != '\t') else { return };
        let at = span.start + offset;
        let message = format!("{} stands where a space belongs", indent::blank_name(bad));
        self.complain("R105", at..at + bad.len_utf8(), &message, "replace it by a plain space");
        let plain = " ".repeat(blanks.chars().count());
        self.fix(span.clone(), plain.clone());
        self.edits.push(Edit { span, change: Change::Replace(plain) });
    }

    fn quote(&mut self, span: Range<usize>) {
        self.edits.push(Edit { span, change: Change::Quote });
    }

    /// As [`Scan::quote`], for what was just complained of: the same is what `--fix` writes. Whether a comment between
    /// the lines of a text belongs to it nobody can tell.
    fn quote_told(&mut self, span: Range<usize>) {
        let written = &self.source[span.clone()];
        if written.lines().all(|line| signs::text_end(line) == line.trim_end().len()) {
            self.fix(span.clone(), signs::as_text(written));
        }
        self.quote(span);
    }

    /// Adds a replacement to what was complained of last.
    fn fix(&mut self, span: Range<usize>, with: String) {
        if let Some(found) = self.found.last_mut() {
            found.fix.push(Replacement { span, with });
        }
    }

    fn complain(&mut self, code: &'static str, span: Range<usize>, message: &str, hint: &str) {
        self.found.push(Found { code, span, message: message.into(), hint: hint.into(), fix: Vec::new() });
    }

    /// End of the line around `at`, its line break excluded.
    fn line_end(&self, at: usize) -> usize {
        let (from, to) = self.measured.get();
        if (from..=to).contains(&at) {
            return to;
        }
        let end = self.source[at..].find('\n').map_or(self.source.len(), |offset| at + offset);
        let end = if end > at && self.source.as_bytes()[end - 1] == b'\r' { end - 1 } else { end };
        self.measured.set((at, end));
        end
    }

    /// Start of the line after the one that ends at `end`.
    fn next_line(&self, end: usize) -> usize {
        self.source[end..].find('\n').map_or(self.source.len(), |offset| end + offset + 1)
    }
}
