//! Indentation: tabs and blanks that are no spaces, and how deep their lines were probably meant to be.

use super::super::Found;
use super::super::repair::{Change, Edit};
use super::{Scan, is_false_blank};

/// What earlier lines tell about the depth of a line whose own blanks do not.
#[derive(Debug, Default)]
pub(super) struct Indents {
    /// Column at which a neighbour of the last line would start.
    neighbour: usize,
    /// Column after the dashes of the last line: its keys' column.
    inside: usize,
    /// The last line ended with `key:`, so something deeper follows.
    opens: bool,
    /// Depth given to blanks as they were written.
    seen: Vec<(String, usize)>,
    /// End of the last line with bad blanks, to name a whole run of them once.
    run_end: usize,
}

/// Where a line's content starts, and the column it counts as.
pub(super) struct Start {
    pub(super) at: usize,
    pub(super) column: usize,
}

impl Indents {
    /// Remembers a line: the column it starts at, that of its key, and whether something deeper must follow.
    pub(super) fn note(&mut self, first: usize, inside: usize, opens: bool) {
        (self.neighbour, self.inside, self.opens) = (first, inside, opens);
    }

    fn guess(&mut self, blanks: &str) -> usize {
        let seen = self.seen.iter().find(|(written, _)| written == blanks).map(|(_, depth)| *depth);
        let depth = match (self.opens, seen) {
            (true, Some(depth)) if depth > self.inside => depth,
            (true, _) => self.inside + 2,
            (false, Some(depth)) => depth,
            (false, None) if self.seen.is_empty() => self.inside,
            (false, None) => self.neighbour,
        };
        self.seen.retain(|(written, _)| written != blanks);
        self.seen.push((blanks.to_owned(), depth));
        // Each kind of indentation is remembered once; a file has few, and a hostile one must not slow the search.
        if self.seen.len() > 64 {
            self.seen.remove(0);
        }
        depth
    }
}

impl Scan<'_> {
    /// Measures a line's indentation, and mends it when it holds anything but spaces.
    pub(super) fn indentation(&mut self, at: usize, end: usize) -> Start {
        let blanks = self.blanks(at, end);
        let written = &self.source[blanks.clone()];
        if blanks.end == end || !written.contains(is_false_blank) {
            return Start { at: blanks.end, column: written.len() };
        }
        let depth = self.indents.guess(written);
        self.bad_indentation(at, end, depth);
        Start { at: blanks.end, column: depth }
    }

    /// Complains of the blanks at the start of a line and replaces them by `depth` spaces.
    pub(super) fn bad_indentation(&mut self, at: usize, end: usize, depth: usize) {
        let blanks = self.blanks(at, end);
        let written = &self.source[blanks.clone()];
        let follows = self.indents.run_end > 0 && self.indents.run_end == at;
        self.indents.run_end = self.next_line(end);
        self.edits.push(Edit { span: blanks.clone(), change: Change::Replace(" ".repeat(depth)) });
        let Some((offset, bad)) = written.char_indices().find(|(_, c)| is_false_blank(*c)) else { return };
        match self.found.last_mut().filter(|found| follows && found.code == "R105") {
            Some(first) => first.message = format!("{}, on the lines below as well", in_indentation(bad).0),
            None => {
                let span = at + offset..at + offset + bad.len_utf8();
                let (message, hint) = in_indentation(bad);
                self.found.push(Found { code: "R105", span, message, hint: hint.into(), fix: Vec::new() });
            }
        }
        self.fix(blanks, " ".repeat(depth));
    }
}

/// What is wrong, and the way out. What looks like a space, or like nothing, is told with the sign that stands for it.
fn in_indentation(blank: char) -> (String, &'static str) {
    let again = "delete everything before the first word and type the spaces again, two for each level; or run `relance check --fix`";
    match blank {
        '\t' => ("a tab in the indentation".to_owned(), "indent with spaces, two for each level"),
        '\u{a0}' | '\u{202f}' => ("a non-breaking space in the indentation, shown as `␣`".to_owned(), again),
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => {
            ("an invisible character before the text of this line, shown as `·`".to_owned(), again)
        }
        _ => (format!("{} in the indentation", blank_name(blank)), again),
    }
}

pub(super) fn blank_name(blank: char) -> &'static str {
    match blank {
        '\t' => "a tab",
        '\u{a0}' | '\u{202f}' => "a non-breaking space",
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => "an invisible character of no width",
        _ => "a wide space",
    }
}
