//! What has to change: the indentation of each line and the blanks between two parts of a line.
//!
//! A walk over the tree with a finger in the text: everything between two nodes is blanks, comments and the signs of
//! lists and maps. Invariant: whatever else is met there ends the walk, and the file is left as it is.

use super::super::yaml::{Document, Entry, Kind, Node, Style};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Lines count from 0, places are bytes of the file.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Columns at which lines begin; a line that is missing here begins where it did.
    pub(super) indents: BTreeMap<usize, usize>,
    /// Blanks within a line, and what stands in their place.
    pub(super) gaps: Vec<(Range<usize>, &'static str)>,
    /// Where comments begin, in order; with the column of one that stands alone within braces.
    pub(super) comments: Vec<(usize, Option<usize>)>,
    /// Lines that begin within a text in quotes or a plain one.
    pub(super) inside: BTreeSet<usize>,
    /// Lines of block texts: where their text begins now, and where it will.
    pub(super) blocks: BTreeMap<usize, (usize, usize)>,
}

struct Walk<'a> {
    text: &'a str,
    lines: Vec<usize>,
    /// The finger.
    at: usize,
    /// Lines with an opening brace or bracket that is not closed yet, and the column they are indented from.
    open: Vec<usize>,
    base: usize,
    plan: Plan,
}

/// The key or the dash that a value belongs to.
struct Owner {
    column: usize,
    /// Where it was.
    old: usize,
    /// What lines within braces are indented from.
    braces: usize,
}

/// `None` for a file that is left alone.
pub(super) fn plan(document: &Document) -> Option<Plan> {
    let text = document.source();
    let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut walk = Walk { text, lines, at: 0, open: Vec::new(), base: 0, plan: Plan::default() };
    walk.skip();
    if walk.text[walk.at..].starts_with("---") {
        walk.at += 3;
        walk.skip();
    }
    match &document.root {
        None => {}
        Some(root) if is_flow(text, root) => walk.flow(root)?,
        Some(Node { kind: Kind::Map(entries), .. }) => {
            walk.begin_line(0);
            walk.map(entries, 0)?;
        }
        Some(Node { kind: Kind::List(items), .. }) => {
            walk.begin_line(0);
            walk.list(items, 0)?;
        }
        Some(_) => return None,
    }
    walk.skip();
    (walk.at == text.len()).then_some(walk.plan)
}

fn is_flow(text: &str, node: &Node) -> bool {
    matches!(node.kind, Kind::List(_) | Kind::Map(_))
        && matches!(text.as_bytes().get(node.span.start), Some(b'{' | b'['))
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn line(&self) -> usize {
        self.lines.partition_point(|start| *start <= self.at).saturating_sub(1)
    }

    fn column(&self) -> usize {
        self.at - self.lines[self.line()]
    }

    /// The line at the finger begins at a column.
    fn begin_line(&mut self, column: usize) {
        let line = self.line();
        self.plan.indents.insert(line, column);
    }

    /// Goes over blanks, line ends and comments; whether a line ended.
    fn skip(&mut self) -> bool {
        let from = self.line();
        while let Some(byte) = self.peek() {
            let after_blank = self.at == 0 || matches!(self.text.as_bytes()[self.at - 1], b' ' | b'\t' | b'\n');
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' if after_blank => self.comment(),
                _ => break,
            }
        }
        self.line() > from
    }

    fn comment(&mut self) {
        let alone = (!self.open.is_empty()).then(|| self.flow_column());
        self.plan.comments.push((self.at, alone));
        self.at += self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at);
    }

    /// Goes to the next part, which begins a line at the column or comes after these blanks.
    fn gap(&mut self, with: &'static str, column: usize) -> bool {
        let from = self.at;
        let broken = self.skip();
        match broken {
            true => self.begin_line(column),
            false => self.plan.gaps.push((from..self.at, with)),
        }
        broken
    }

    /// Takes a sign.
    fn take(&mut self, sign: u8) -> Option<()> {
        (self.peek() == Some(sign)).then(|| self.at += 1)
    }

    /// Keys in lines of their own; the finger is at the first one.
    fn map(&mut self, entries: &[Entry], column: usize) -> Option<()> {
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 && !self.gap("", column) {
                return None;
            }
            let owner = Owner { column, old: self.column(), braces: column };
            self.key(entry)?;
            self.value(&entry.value, &owner)?;
        }
        Some(())
    }

    fn key(&mut self, entry: &Entry) -> Option<()> {
        let written = &self.text[entry.key_span.clone()];
        if entry.key_span.start != self.at || written.is_empty() || written.starts_with(['{', '[']) {
            return None;
        }
        self.at += written.trim_end().len();
        let from = self.at;
        if self.skip() {
            return None;
        }
        self.plan.gaps.push((from..self.at, ""));
        // `{ a }` has a key alone.
        if self.open.is_empty() { self.take(b':') } else { self.take(b':').or(Some(())) }
    }

    /// Items in lines of their own; the finger is at the first dash.
    fn list(&mut self, items: &[Node], column: usize) -> Option<()> {
        for (at, item) in items.iter().enumerate() {
            if at > 0 && !self.gap("", column) {
                return None;
            }
            let owner = Owner { column, old: self.column(), braces: column + 2 };
            self.take(b'-')?;
            if !matches!(self.peek(), None | Some(b' ' | b'\t' | b'\r' | b'\n')) {
                return None;
            }
            self.value(item, &owner)?;
        }
        Some(())
    }

    /// What stands after a key or a dash.
    fn value(&mut self, node: &Node, owner: &Owner) -> Option<()> {
        match &node.kind {
            Kind::Null if self.text[node.span.clone()].trim().is_empty() => return Some(()),
            Kind::Scalar { style: Style::Literal | Style::Folded, .. } => return self.block(owner),
            _ => {}
        }
        let column = owner.column + 2;
        let broken = self.gap(" ", column);
        match &node.kind {
            _ if is_flow(self.text, node) => {
                self.base = if broken { column } else { owner.braces };
                self.flow(node)
            }
            Kind::Map(entries) => self.map(entries, column),
            Kind::List(items) => self.list(items, column),
            Kind::Null | Kind::Scalar { .. } => self.scalar(node, column),
        }
    }

    /// A text in quotes or a plain one, whose further lines begin at a column.
    fn scalar(&mut self, node: &Node, column: usize) -> Option<()> {
        let written = self.text[node.span.clone()].trim_end();
        if self.at != node.span.start || written.is_empty() {
            return None;
        }
        let first = self.line();
        self.at += written.len();
        for line in first + 1..=self.line() {
            self.plan.inside.insert(line);
            self.plan.indents.insert(line, column);
        }
        Some(())
    }

    /// `|` or `>` and the lines below.
    fn block(&mut self, owner: &Owner) -> Option<()> {
        if self.gap(" ", owner.column) || !matches!(self.peek(), Some(b'|' | b'>')) {
            return None;
        }
        let rest = self.text[self.at + 1..].split('\n').next().unwrap_or_default();
        let signs = &rest
            [..rest.len() - rest.trim_start_matches(['+', '-', '1', '2', '3', '4', '5', '6', '7', '8', '9']).len()];
        let deep = signs.chars().find_map(|sign| sign.to_digit(10)).map(|deep| deep as usize);
        self.at += 1 + signs.len();
        let first = self.line() + 1;
        self.rest_of_line()?;
        let (was, last) = self.block_lines(first, owner.old, deep, signs.contains('+'));
        for line in first..last {
            self.plan.blocks.insert(line, (was, owner.column + deep.unwrap_or(2)));
        }
        self.at = self.lines.get(last).map_or(self.text.len(), |start| start - 1).max(self.at);
        Some(())
    }

    /// Blanks and a comment up to the end of the line.
    fn rest_of_line(&mut self) -> Option<()> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
        match self.peek() {
            Some(b'#') => self.comment(),
            None | Some(b'\n') => {}
            Some(_) => return None,
        }
        Some(())
    }

    /// The column at which a block text begins, and the line after its last one.
    fn block_lines(&self, first: usize, owner: usize, deep: Option<usize>, keeps_empty: bool) -> (usize, usize) {
        let (mut column, mut last) = (deep.map(|deep| owner + deep), first);
        for (line, start) in self.lines.iter().enumerate().skip(first) {
            let written = self.text[*start..].split('\n').next().unwrap_or_default().trim_end_matches('\r');
            let indent = written.len() - written.trim_start_matches(' ').len();
            let empty = indent == written.len();
            if !empty && (indent <= owner || indent < *column.get_or_insert(indent)) {
                break;
            }
            // The end of the file is no line.
            if (!empty || keeps_empty || column.is_some_and(|column| indent > column)) && *start < self.text.len() {
                last = line + 1;
            }
        }
        // A text of empty lines alone begins nowhere.
        (column.unwrap_or(usize::MAX), last)
    }

    /// Column of a line within braces: two more for each line that opened some.
    fn flow_column(&self) -> usize {
        self.base + 2 * self.open.iter().collect::<BTreeSet<_>>().len()
    }

    /// A list in brackets or a map in braces; the finger is at the opening one.
    fn flow(&mut self, node: &Node) -> Option<()> {
        if self.at != node.span.start {
            return None;
        }
        self.open.push(self.line());
        self.at += 1;
        match &node.kind {
            Kind::Map(entries) => {
                let pad = if entries.is_empty() { "" } else { " " };
                for entry in entries {
                    self.flow_part(pad, b'}', |walk| {
                        walk.key(entry)?;
                        walk.flow_value(&entry.value)
                    })?;
                }
                self.close(pad, b'}')
            }
            Kind::List(items) => {
                for item in items {
                    self.flow_part("", b']', |walk| walk.flow_value(item))?;
                }
                self.close("", b']')
            }
            _ => None,
        }
    }

    /// One item or entry, and the comma after it. The finger is behind the opening brace or behind a comma.
    fn flow_part(&mut self, pad: &'static str, close: u8, part: impl Fn(&mut Self) -> Option<()>) -> Option<()> {
        let first = matches!(self.text.as_bytes()[self.at - 1], b'{' | b'[');
        self.gap(if first { pad } else { " " }, self.flow_column());
        part(self)?;
        let from = self.at;
        let comments = self.plan.comments.len();
        let broken = self.skip();
        if self.peek() == Some(close) {
            // Closing looks at these blanks again.
            self.plan.comments.truncate(comments);
            self.at = from;
            return Some(());
        }
        match broken {
            true => self.begin_line(self.flow_column()),
            false => self.plan.gaps.push((from..self.at, "")),
        }
        self.take(b',')
    }

    fn close(&mut self, pad: &'static str, close: u8) -> Option<()> {
        let from = self.at;
        let broken = self.skip();
        self.open.pop();
        // After a comma at the end a blank stands as well.
        let comma = self.text.as_bytes()[from - 1] == b',';
        match broken {
            true => self.begin_line(self.flow_column()),
            false => self.plan.gaps.push((from..self.at, if comma { " " } else { pad })),
        }
        self.take(close)
    }

    fn flow_value(&mut self, node: &Node) -> Option<()> {
        if matches!(node.kind, Kind::Null) && self.text[node.span.clone()].trim().is_empty() {
            return Some(());
        }
        if matches!(self.text.as_bytes()[self.at - 1], b':') {
            self.gap(" ", self.flow_column());
        }
        match &node.kind {
            _ if is_flow(self.text, node) => self.flow(node),
            Kind::Map(_) | Kind::List(_) => None,
            Kind::Null | Kind::Scalar { .. } => self.scalar(node, self.flow_column()),
        }
    }
}
