//! From parser events to the tree, within bounds, without tags, anchors, aliases, merge keys and duplicate keys.

use super::explain::explain;
use super::repair::{Repaired, in_quotes};
use super::{Entry, Found, Kind, MAX_DEPTH, MAX_NODES, Node, Style};
use crate::workflow::diagnostic::Edit;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;
use std::ops::Range;

pub(super) struct Built {
    pub(super) root: Option<Node>,
    pub(super) found: Vec<Found>,
    pub(super) broken_at: Option<usize>,
}

/// A list or map whose end was not met yet.
struct Open {
    map: bool,
    start: usize,
    items: Vec<Node>,
    entries: Vec<Entry>,
    /// Each key with where it stands in the mended text.
    keys: HashMap<String, usize>,
    /// The key whose value comes next.
    key: Option<Key>,
}

/// A key whose value was not met yet.
struct Key {
    /// Empty for a key that cannot be one, such as a map.
    text: String,
    span: Range<usize>,
    /// Where it starts in the mended text.
    mended: usize,
}

struct Builder<'a> {
    repaired: &'a Repaired,
    open: Vec<Open>,
    root: Option<Node>,
    found: Vec<Found>,
    nodes: usize,
    /// Scalars with an anchor: an alias, although refused, is read as what it stands for.
    anchored: HashMap<usize, (String, Style)>,
    /// An alias of a list or map: whoever removed the anchors would lose what it stands for.
    cannot_write_out: bool,
}

/// Reads the mended text. After an error of the parser the tree holds what came before it.
pub(super) fn build(repaired: &Repaired) -> Built {
    let mut builder = Builder {
        repaired,
        open: Vec::new(),
        root: None,
        found: Vec::new(),
        nodes: 0,
        anchored: HashMap::new(),
        cannot_write_out: false,
    };
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        disallow_directives: true
    };
    let mut broken_at = None;
    for event in Parser::new_from_str_with_options(&repaired.text, options) {
        let stop = match event {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => Some(builder.failure(&error)),
        };
        if let Some(at) = stop {
            broken_at = Some(at);
            break;
        }
    }
    while let Some(open) = builder.open.pop() {
        builder.close(open, repaired.text.len());
    }
    if builder.cannot_write_out {
        builder.found.iter_mut().for_each(|found| found.fix.clear());
    }
    Built { root: builder.root, found: builder.found, broken_at }
}

impl Builder<'_> {
    /// Takes one event; the place where reading ends when it must.
    fn event(&mut self, event: Event, span: &Span) -> Option<usize> {
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                self.complain(
                    "R104",
                    &range,
                    "a second document starts here",
                    "one file holds one document: remove `---`",
                );
                return Some(self.repaired.original(range.start));
            }
            Event::Anchor(..) => self.anchor(&range),
            Event::Alias(id) => return self.alias(self.anchored.get(&id).cloned(), range),
            Event::UnresolvedAlias(_) => return self.alias(None, range),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), span);
                return self.scalar(text.into_owned(), style, anchor, range);
            }
            Event::SequenceStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), span);
                return self.start(false, range.start);
            }
            Event::MappingStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), span);
                return self.start(true, range.start);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    return self.close(open, range.end);
                }
            }
            _ => {}
        }
        None
    }

    fn anchor(&mut self, range: &Range<usize>) {
        let written = &self.repaired.text[range.clone()];
        let hint = format!("remove `{}`; a text that starts with `&` needs quotes", written.trim());
        let message = "a value cannot start with `&`: in YAML it is a special sign";
        self.complain("R103", range, message, &hint);
        let after = &self.repaired.text[range.end..];
        let blanks = after.len() - after.trim_start_matches(' ').len();
        self.fix(range.start..range.end + blanks, String::new());
    }

    fn alias(&mut self, scalar: Option<(String, Style)>, range: Range<usize>) -> Option<usize> {
        self.complain("R103", &range, "a value cannot start with `*`: in YAML it is a special sign", NO_ALIASES);
        match &scalar {
            Some((text, _)) if !text.contains([',', '[', ']', '{', '}', ':', '#', '\n']) => {
                self.fix(range.clone(), text.clone());
            }
            Some((text, _)) if !text.contains('\n') => self.fix(range.clone(), in_quotes(text)),
            _ => self.cannot_write_out = true,
        }
        self.add(scalar.map_or(Kind::Null, |(text, style)| Kind::Scalar { text, style }), range)
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, anchor: usize, range: Range<usize>) -> Option<usize> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        if anchor > 0 {
            self.anchored.insert(anchor, (text.clone(), style));
        }
        let is_key = self.open.last().is_some_and(|open| open.map && open.key.is_none());
        let null = style == Style::Plain && (range.is_empty() || matches!(text.as_str(), "~" | "null"));
        match null && !is_key {
            true => self.add(Kind::Null, range),
            false => self.add(Kind::Scalar { text, style }, range),
        }
    }

    fn start(&mut self, map: bool, start: usize) -> Option<usize> {
        if self.open.len() >= MAX_DEPTH {
            let at = start..start + 1;
            self.complain("R104", &at, "nested too deep", "lists and maps may be nested 32 deep at most");
            return Some(self.repaired.original(start));
        }
        self.open.push(Open { map, start, items: Vec::new(), entries: Vec::new(), keys: HashMap::new(), key: None });
        None
    }

    fn close(&mut self, open: Open, end: usize) -> Option<usize> {
        let kind = match open.map {
            true => Kind::Map(open.entries),
            false => Kind::List(open.items),
        };
        self.add(kind, open.start..end.max(open.start))
    }

    fn add(&mut self, kind: Kind, mended: Range<usize>) -> Option<usize> {
        self.nodes += 1;
        let start = self.repaired.original(mended.start);
        if self.nodes == MAX_NODES {
            self.complain("R104", &mended, "too many keys and values", "a file may hold 20,000 of them: split it");
            return Some(start);
        }
        let span = start..self.repaired.original(mended.end).max(start);
        let node = Node { kind, span, mended };
        match self.open.last_mut() {
            None => {
                self.root.get_or_insert(node);
            }
            Some(open) if !open.map => open.items.push(node),
            Some(open) => match open.key.take() {
                None => self.key(node),
                Some(key) => self.value(key, node),
            },
        }
        None
    }

    fn key(&mut self, node: Node) {
        let (span, mended) = (node.span, node.mended.start);
        let text = match node.kind {
            Kind::Scalar { text, style } => {
                if text == "<<" && style == Style::Plain {
                    self.complain_at(
                        "R103",
                        span.clone(),
                        "`<<` cannot be used here",
                        "write the keys themselves in its place",
                    );
                }
                text
            }
            // A map as a key is how YAML reads `{{name}}` or `{ {name} }`: who reads the map says so, by its place.
            _ => String::new(),
        };
        if let Some(open) = self.open.last_mut() {
            open.key = Some(Key { text, span, mended });
        }
    }

    fn value(&mut self, key: Key, value: Node) {
        let Some(open) = self.open.last_mut() else { return };
        if let Some(first) = open.keys.get(&key.text).filter(|_| !key.text.is_empty()) {
            if self.found.len() > MOST_FOUND {
                return;
            }
            // Mending adds no lines, so lines can be counted here.
            let line = self.repaired.text[..*first].matches('\n').count() + 1;
            let message = format!("`{}` is written twice: it stands at line {line} already", key.text);
            self.complain_at("R107", key.span, &message, "keep one of them: only one could count");
            return;
        }
        open.keys.insert(key.text.clone(), key.mended);
        if key.text != "<<" {
            open.entries.push(Entry { key: key.text, key_span: key.span, value });
        }
    }

    fn refuse_tag(&mut self, tagged: bool, span: &Span) {
        if tagged {
            let range = span.tag_span().unwrap_or(*span).byte_range().unwrap_or(0..0);
            self.complain(
                "R103",
                &range,
                "`!` at the start means something else to YAML: a tag",
                "remove it, or put the text in quotes",
            );
        }
    }

    /// Adds a replacement to what was complained of last.
    fn fix(&mut self, mended: Range<usize>, with: String) {
        let start = self.repaired.original(mended.start);
        let span = start..self.repaired.original(mended.end).max(start);
        if let Some(found) = self.found.last_mut() {
            found.fix.push(Edit { span, with });
        }
    }

    fn complain(&mut self, code: &'static str, mended: &Range<usize>, message: &str, hint: &str) {
        let start = self.repaired.original(mended.start);
        let end = self.repaired.original(mended.end).max(start);
        self.complain_at(code, start..end, message, hint);
    }

    fn complain_at(&mut self, code: &'static str, span: Range<usize>, message: &str, hint: &str) {
        self.found.push(Found { code, span, message: message.into(), hint: hint.into(), fix: Vec::new() });
    }

    /// The parser gave up: says so in our words; the place where reading ended.
    fn failure(&mut self, error: &ScanError) -> usize {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.repaired.text.len());
        let (message, hint) = explain(error.kind());
        let span = self.blamed(at);
        self.complain("R104", &span, message, hint);
        let line_start = self.repaired.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        self.repaired.original(line_start.min(span.start))
    }

    /// The parser stops at the next token; the line to look at is the last one with something on it.
    fn blamed(&self, at: usize) -> Range<usize> {
        let text = &self.repaired.text;
        let at = if text[at..].trim().is_empty() { text[..at].trim_end().len() } else { at };
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        start + indent..start + line.trim_end().len().max(indent)
    }
}

/// Nobody reads more of one file.
const MOST_FOUND: usize = 500;
const NO_ALIASES: &str = "write the value out; a text that starts with `*` needs quotes";
