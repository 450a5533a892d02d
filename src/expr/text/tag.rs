//! Tags: where the `{{ }}` of a text stand, and the words in them, for mistakes and places.
//!
//! The handlebars crate decides what a text means; it tells neither where a word stood nor more than the first mistake.
//! Invariant: pieces cover the source in order, without gaps.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagKind {
    /// `{{path}}`, `{{helper …}}`.
    Print,
    /// `{{#if …}}`.
    Open,
    /// `{{/if}}`.
    Close,
    /// `{{else}}`.
    Else,
    Comment,
    /// Braces without their end.
    Unclosed,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Tag<'s> {
    pub(super) kind: TagKind,
    /// With its braces.
    pub(super) offset: usize,
    pub(super) text: &'s str,
    /// Between the braces, without `~`, `#`, `/` and outer spaces.
    pub(super) inner: &'s str,
    pub(super) inner_offset: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'s> {
    Raw { offset: usize, text: &'s str },
    Tag(Tag<'s>),
}

pub(super) fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut raw_from, mut at) = (0, 0);
    while let Some(open) = source[at..].find("{{").map(|found| found + at) {
        let slashes = source[raw_from..open].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if slashes == 1 {
            at = open + 2; // `\{{` is written as it stands
            continue;
        }
        if raw_from < open {
            found.push(Piece::Raw { offset: raw_from, text: &source[raw_from..open] });
        }
        let tag = tag(source, open);
        at = tag.offset + tag.text.len();
        raw_from = at;
        found.push(Piece::Tag(tag));
    }
    if raw_from < source.len() {
        found.push(Piece::Raw { offset: raw_from, text: &source[raw_from..] });
    }
    found
}

fn tag(source: &str, open: usize) -> Tag<'_> {
    let rest = &source[open..];
    if rest.starts_with("{{!") {
        let (end_mark, skip) = if rest.starts_with("{{!--") { ("--}}", 5) } else { ("}}", 3) };
        let end = rest[skip..].find(end_mark).map(|at| at + skip + end_mark.len());
        let kind = if end.is_some() { TagKind::Comment } else { TagKind::Unclosed };
        let text = &rest[..end.unwrap_or(rest.len())];
        return Tag { kind, offset: open, text, inner: "", inner_offset: open };
    }
    let braces = rest.bytes().take_while(|byte| *byte == b'{').count();
    match end(&rest[braces..]) {
        Some(end) => closed(source, open, braces, braces + end),
        None => {
            let line = rest.find('\n').unwrap_or(rest.len());
            let next = rest[braces..].find("{{").map_or(line, |at| (at + braces).min(line));
            let inner = rest[braces..next.max(braces)].trim();
            Tag {
                kind: TagKind::Unclosed,
                offset: open,
                text: &rest[..next.max(braces)],
                inner,
                inner_offset: open + braces,
            }
        }
    }
}

/// A tag is never longer, so that a text full of open braces is still read in one pass.
const LONGEST: usize = 4096;

/// Where `}}` stands, outside of quotes; `None` when another tag starts first.
fn end(inner: &str) -> Option<usize> {
    let inner = &inner[..inner.floor_char_boundary(LONGEST)];
    let mut quote = None;
    let mut at = 0;
    while let Some(c) = inner[at..].chars().next() {
        let here = &inner[at..];
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) if c == '\\' => at += here.chars().nth(1).map_or(0, char::len_utf8),
            Some(_) => {}
            None if here.starts_with("}}") => return Some(at),
            None if here.starts_with("{{") => break,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
        at += c.len_utf8();
    }
    // A lone apostrophe must not swallow the end.
    let plain = inner.find("}}")?;
    inner.find("{{").is_none_or(|other| plain < other).then_some(plain)
}

fn closed(source: &str, open: usize, braces: usize, end: usize) -> Tag<'_> {
    let rest = &source[open..];
    let tail = rest[end..].bytes().take(braces.max(2)).take_while(|byte| *byte == b'}').count();
    let bare = rest[braces..end].trim_start_matches('~').trim_end_matches('~').trim();
    let (kind, inner) = match bare.chars().next() {
        Some('#') => (TagKind::Open, bare[1..].trim_start()),
        Some('/') => (TagKind::Close, bare[1..].trim_start()),
        _ if bare == "else" => (TagKind::Else, bare),
        _ => (TagKind::Print, bare),
    };
    let inner_offset = inner.as_ptr().addr().saturating_sub(source.as_ptr().addr());
    Tag { kind, offset: open, text: &rest[..end + tail], inner, inner_offset }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordKind {
    /// A name, path or number.
    Word,
    /// A text in quotes.
    Text,
    /// `(`, `)`, `=`, `|` …
    Symbol,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'s> {
    pub(super) kind: WordKind,
    pub(super) offset: usize,
    pub(super) text: &'s str,
}

impl Tag<'_> {
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The words between the braces, with their places in the source.
    pub(super) fn words(&self) -> Vec<Word<'_>> {
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(c) = self.inner[at..].chars().next() {
            let rest = &self.inner[at..];
            if c.is_whitespace() {
                at += c.len_utf8();
                continue;
            }
            let (kind, len) = word(rest, c);
            found.push(Word { kind, offset: self.inner_offset + at, text: &rest[..len] });
            at += len;
        }
        found
    }
}

fn word(rest: &str, first: char) -> (WordKind, usize) {
    if matches!(first, '"' | '\'') {
        let mut escaped = false;
        let close = rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == first && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        return (WordKind::Text, close.map_or(rest.len(), |(at, _)| at + 1));
    }
    let symbol = |c: char| "()=|<>!?&,;%+*{}[]“”‘’".contains(c);
    if symbol(first) {
        let double = ["==", "!=", "<=", ">=", "&&", "||"].iter().find(|double| rest.starts_with(**double));
        return (WordKind::Symbol, double.map_or(first.len_utf8(), |double| double.len()));
    }
    let ends = |c: char| c.is_whitespace() || symbol(c) || matches!(c, '"' | '\'');
    (WordKind::Word, rest.find(ends).unwrap_or(rest.len()))
}
