//! Positioned reading of YAML: a tree whose every node knows its place in the text, and every mistake of the notation.
//!
//! `scan` walks the lines first and finds what people write and YAML reads otherwise (unquoted braces, a ` #` in a
//! text, tabs); `repair` mends these in memory, so that the parser goes on and later mistakes are found as well;
//! `build` makes the tree. Invariant: all places are places of the text as it was written, whatever was mended.

mod build;
mod explain;
mod mend;
mod repair;
mod scan;
#[cfg(test)]
mod tests;

use crate::workflow::diagnostic::Edit;
use repair::Repaired;
use std::cell::RefCell;
use std::ops::Range;

/// Largest file, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// Deepest nesting of lists and maps.
const MAX_DEPTH: usize = 32;
/// Most scalars, lists and maps in one file.
const MAX_NODES: usize = 20_000;

/// A file's tree with what is needed to speak of places in it.
#[derive(Debug)]
pub(crate) struct Document {
    source: String,
    /// Byte offset of each line's start.
    lines: Vec<usize>,
    repaired: Repaired,
    /// `None` for an empty file, or when nothing could be read.
    pub(crate) root: Option<Node>,
    /// From this byte on the text could not be read: the tree ends there and says nothing of what is missing.
    pub(crate) broken_at: Option<usize>,
    /// The scalar whose parts were asked for last, with the place of each of its bytes.
    aligned: RefCell<(Range<usize>, Vec<usize>)>,
}

/// A part of the tree. `span` is in bytes of the file.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
    /// The same part in the mended text.
    mended: Range<usize>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// Nothing was written: `key:` alone, `~` or `null`.
    Null,
    Scalar {
        text: String,
        style: Style,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value, in the order of the file. Keys are unique within a map.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// A mistake of the notation, all of them errors.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) code: &'static str,
    /// Bytes of the file.
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: String,
    /// What a person would write instead; empty when that is not known.
    pub(crate) fix: Vec<Edit>,
}

impl Document {
    /// Reads a file: its tree as far as it can be read, and every mistake of the notation.
    pub(crate) fn read(source: &str) -> (Self, Vec<Found>) {
        if source.len() > MAX_BYTES {
            return (Self::without_tree(source), vec![too_large(source.len())]);
        }
        let scan::Scanned { mut found, edits } = scan::scan(source);
        let mut document = Self::without_tree(source);
        document.repaired = Repaired::new(source, edits);
        let built = build::build(&document.repaired);
        // After a mended tab or blank nobody knows how deep the line was meant to be: a complaint of the parser that
        // follows from the guess would only confuse.
        let guessed = found.iter().any(|found| found.code == "R105");
        found.extend(built.found.into_iter().filter(|found| !(guessed && found.code == "R104")));
        document.root = built.root;
        document.broken_at = built.broken_at;
        (document, found)
    }

    /// For files that are no YAML: places only.
    pub(crate) fn without_tree(source: &str) -> Self {
        let lines = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let repaired = Repaired::new("", Vec::new());
        Self { source: source.to_owned(), lines, repaired, root: None, broken_at: None, aligned: RefCell::default() }
    }

    /// Line and column, from 1; the column counts characters.
    pub(crate) fn place(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let start = self.lines[line - 1];
        let before = self.source.get(start..byte.min(self.source.len())).unwrap_or_default();
        let marks = before.chars().filter(|c| *c == '\u{feff}').count();
        (line, before.chars().count() - marks + 1)
    }

    /// The byte at a line and a column, both from 1.
    pub(crate) fn byte_at(&self, line: usize, column: usize) -> usize {
        let start = self.lines.get(line.max(1) - 1).copied().unwrap_or(self.source.len());
        self.source[start..].char_indices().nth(column.max(1) - 1).map_or(self.source.len(), |(at, _)| start + at)
    }

    /// Characters to underline: those of the span on its first line, at least one.
    pub(crate) fn width(&self, span: &Range<usize>) -> usize {
        let text = self.source.get(span.clone()).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        // Blanks at the end belong to the span only when they are all of it.
        let shown = if line.trim().is_empty() { line } else { line.trim_end() };
        shown.chars().count().max(1)
    }

    /// The line a byte lies on, without its end.
    pub(crate) fn line_of(&self, byte: usize) -> &str {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        self.source[self.lines[line - 1]..].lines().next().unwrap_or_default()
    }

    /// The text of a span as written.
    pub(crate) fn written(&self, span: &Range<usize>) -> &str {
        self.source.get(span.clone()).unwrap_or_default()
    }

    /// Where a part of a scalar's text stands in the file.
    pub(crate) fn part_of(&self, node: &Node, offset: usize, len: usize) -> Range<usize> {
        let Kind::Scalar { text, style } = &node.kind else { return node.span.clone() };
        if text.is_empty() {
            return node.span.clone();
        }
        let raw = self.repaired.text.get(node.mended.clone()).unwrap_or_default();
        let mut aligned = self.aligned.borrow_mut();
        if aligned.0 != node.mended {
            *aligned = (node.mended.clone(), align(text, raw, *style));
        }
        let places = &aligned.1;
        let place = |at: usize| places.get(at).or(places.last()).map_or(0, |raw_at| node.mended.start + raw_at);
        let start = self.repaired.original(place(offset));
        let last = place((offset + len.max(1) - 1).min(text.len() - 1));
        let after = self.repaired.original(last + written_len(raw, last - node.mended.start, *style));
        let last = self.repaired.original(last);
        let end = self.source[last..].chars().next().map_or(last, |c| last + c.len_utf8());
        start..end.max(after).max(start)
    }

    /// The line above a block scalar (`text: |`), where a comment about it may stand.
    pub(crate) fn header_line(&self, node: &Node) -> Option<usize> {
        let Kind::Scalar { style: Style::Literal | Style::Folded, .. } = node.kind else { return None };
        let (line, _) = self.place(node.span.start);
        (1..line).rev().find(|line| !self.line(*line).trim().is_empty())
    }

    /// The file as written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// A line by its number, without its end.
    pub(crate) fn line(&self, number: usize) -> &str {
        self.lines.get(number.max(1) - 1).map_or("", |start| self.line_of(*start))
    }
}

fn too_large(bytes: usize) -> Found {
    Found {
        code: "R104",
        span: 0..1,
        message: format!("the file is too large: {} KiB", bytes.div_ceil(1024)),
        hint: "a file may hold 256 KiB at most: split it into several workflows".into(),
        fix: Vec::new(),
    }
}

/// For every byte of `text`, the byte of `raw` it came from. Folding and indentation change blanks only, so the other
/// characters follow each other in the same order in both.
fn align(text: &str, raw: &str, style: Style) -> Vec<usize> {
    let bytes = raw.as_bytes();
    let mut at = usize::from(matches!(style, Style::Single | Style::Double));
    let mut places = Vec::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_whitespace() {
            places.push(at.min(raw.len()));
            if bytes.get(at) == Some(&(c as u8)) {
                at += 1;
            } else if style == Style::Double && bytes.get(at) == Some(&b'\\') {
                at += escape_len(&raw[at..]);
            }
            continue;
        }
        at = skip_blanks(bytes, at, style);
        places.extend(std::iter::repeat_n(at.min(raw.len()), c.len_utf8()));
        at += written_len(raw, at, style);
    }
    places
}

/// Length of the character of `raw` at a byte, as it is written: with its escape.
fn written_len(raw: &str, at: usize, style: Style) -> usize {
    match (style, raw.as_bytes().get(at)) {
        (Style::Double, Some(b'\\')) => escape_len(&raw[at..]),
        (Style::Single, Some(b'\'')) => 2,
        _ => raw.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8),
    }
}

fn skip_blanks(bytes: &[u8], mut at: usize, style: Style) -> usize {
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            Some(b'\\') if style == Style::Double && matches!(bytes.get(at + 1), Some(b'\n' | b'\r')) => at += 2,
            _ => return at,
        }
    }
}

/// Length of an escape of a double-quoted text, `\` included.
fn escape_len(raw: &str) -> usize {
    match raw.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') if raw.get(6..8) == Some("\\u") => {
            // A pair of surrogates is one character.
            let high = raw.get(2..6).and_then(|hex| u16::from_str_radix(hex, 16).ok());
            if high.is_some_and(|code| (0xD800..0xDC00).contains(&code)) { 12 } else { 6 }
        }
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 1 + raw.get(1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8),
    }
}
