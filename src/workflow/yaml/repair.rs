//! Mending in memory: what `scan` found is replaced by what was probably meant, and every place of the mended text is
//! known in the original. Nothing of it is ever written to a file.

use std::ops::Range;

/// One replacement. Edits do not overlap and come in order.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) span: Range<usize>,
    pub(super) change: Change,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Put the part in double quotes.
    Quote,
    /// Write this instead.
    Replace(String),
}

/// A text after its edits.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    pub(super) text: String,
    /// Starts of pieces, in order: offset here, offset in the original, whether the piece was copied from there.
    pieces: Vec<(usize, usize, bool)>,
}

impl Repaired {
    pub(super) fn new(source: &str, edits: Vec<Edit>) -> Self {
        let mut repaired = Self::default();
        let mut at = 0;
        for edit in edits {
            if edit.span.start < at || edit.span.end > source.len() {
                continue;
            }
            repaired.copy(source, at..edit.span.start);
            match &edit.change {
                Change::Quote => repaired.quote(source, edit.span.clone()),
                Change::Replace(text) => repaired.insert(text, edit.span.start),
            }
            at = edit.span.end;
        }
        repaired.copy(source, at..source.len());
        repaired
    }

    /// The place in the original of a byte of the mended text.
    pub(super) fn original(&self, at: usize) -> usize {
        let index = self.pieces.partition_point(|(here, _, _)| *here <= at);
        match index.checked_sub(1).map(|index| self.pieces[index]) {
            Some((here, there, true)) => there + (at - here),
            Some((_, there, false)) => there,
            None => at,
        }
    }

    fn copy(&mut self, source: &str, span: Range<usize>) {
        self.pieces.push((self.text.len(), span.start, true));
        self.text.push_str(&source[span]);
    }

    fn insert(&mut self, text: &str, at: usize) {
        self.pieces.push((self.text.len(), at, false));
        self.text.push_str(text);
    }

    fn quote(&mut self, source: &str, span: Range<usize>) {
        self.insert("\"", span.start);
        let mut from = span.start;
        for (offset, _) in source[span.clone()].match_indices(['"', '\\']) {
            self.copy(source, from..span.start + offset);
            self.insert("\\", span.start + offset);
            from = span.start + offset;
        }
        self.copy(source, from..span.end);
        self.insert("\"", span.end);
    }
}

/// A value in the quotes that suit it: double ones, single ones when it has double ones inside.
pub(super) fn in_quotes(value: &str) -> String {
    match (value.contains(['"', '\\']), value.contains('\'')) {
        (false, _) => format!("\"{value}\""),
        (true, false) => format!("'{value}'"),
        (true, true) => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}
