//! The keys of a workflow and of its steps in the order in which the language lists them (`language.md` §3, §9).
//!
//! Whole entries change places, with the comments on their lines and below them; the empty lines between stay where they
//! are. Invariant: where a comment stands between two entries, nobody knows which one it is about, and nothing is moved.

use super::super::yaml::{Document, Entry, Kind, Node};
use std::collections::BTreeMap;
use std::ops::Range;

const WORKFLOW: [&str; 13] = [
    "name",
    "description",
    "enabled",
    "purpose",
    "when",
    "audience",
    "contact",
    "if",
    "vars",
    "stop_when",
    "settings",
    "do",
    "on_error",
];
/// Keys of a step before its action, and after it.
const BEFORE: [&str; 3] = ["id", "name", "if"];
const AFTER: [&str; 2] = ["retry", "on_error"];
/// Keys with steps.
const STEPS: [&str; 4] = ["do", "otherwise", "no_reply", "on_error"];
/// Keys below which there may be steps.
const AROUND: [&str; 4] = ["wait_for_reply", "replies", "branch", "cases"];
/// Maps of one file that are put in order at most.
const MOST: usize = 1_000;

/// The same file in order. What it says is the same, or it is left as it was.
pub(super) fn ordered(text: String) -> String {
    let mut now = text.clone();
    for _ in 0..MOST {
        let (document, found) = Document::read(&now);
        let next = document.root.as_ref().filter(|_| found.is_empty()).and_then(|root| first_moved(&document, root));
        match next {
            Some(next) => now = next,
            None => break,
        }
    }
    if now == text || says_the_same(&text, &now) { now } else { text }
}

/// The file with the first map that is out of order put in order.
fn first_moved(document: &Document, root: &Node) -> Option<String> {
    let Kind::Map(entries) = &root.kind else { return None };
    let is_workflow = ["when", "do"].iter().all(|key| entries.iter().any(|entry| entry.key == *key));
    if !is_workflow {
        return None;
    }
    let rank = |entry: &Entry| WORKFLOW.iter().position(|key| *key == entry.key);
    moved(document, entries, rank).or_else(|| steps_of(document, entries))
}

/// Looks for steps below these keys.
fn steps_of(document: &Document, entries: &[Entry]) -> Option<String> {
    entries.iter().find_map(|entry| match (&entry.value.kind, entry.key.as_str()) {
        (Kind::List(items), key) if STEPS.contains(&key) => items.iter().find_map(|item| step(document, item)),
        (Kind::List(items), key) if AROUND.contains(&key) => items.iter().find_map(|item| match &item.kind {
            Kind::Map(entries) => steps_of(document, entries),
            _ => None,
        }),
        (Kind::Map(entries), key) if AROUND.contains(&key) => steps_of(document, entries),
        _ => None,
    })
}

fn step(document: &Document, node: &Node) -> Option<String> {
    let Kind::Map(entries) = &node.kind else { return None };
    let action = |entry: &&Entry| !BEFORE.contains(&entry.key.as_str()) && !AFTER.contains(&entry.key.as_str());
    let one_action = entries.iter().filter(action).count() == 1;
    let rank = |entry: &Entry| {
        let after = || AFTER.iter().position(|key| *key == entry.key).map(|at| BEFORE.len() + 1 + at);
        Some(BEFORE.iter().position(|key| *key == entry.key).or_else(after).unwrap_or(BEFORE.len()))
    };
    moved(document, entries, rank).filter(|_| one_action).or_else(|| steps_of(document, entries))
}

/// The file with the entries of a map in the order of their ranks; `None` when they are, or must stay.
fn moved(document: &Document, entries: &[Entry], rank: impl Fn(&Entry) -> Option<usize>) -> Option<String> {
    let ranks: Vec<usize> = entries.iter().map(rank).collect::<Option<_>>()?;
    if ranks.is_sorted() {
        return None;
    }
    let text = document.source();
    let column = |at: usize| at - text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let first = column(entries.first()?.key_span.start);
    let mut slots: Vec<Range<usize>> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let start = entry.key_span.start;
        let next = entries.get(at + 1).map(|next| next.key_span.start);
        let end = match next {
            // The line before the next key.
            Some(next) => next.checked_sub(column(next) + 1)?,
            None => {
                let last = last_byte(text, &entry.value).max(entry.key_span.end);
                text[last..].find('\n').map_or(text.len(), |newline| last + newline)
            }
        };
        // In braces, or beside another key.
        if column(start) != first || end < start || text[start..].starts_with('{') {
            return None;
        }
        slots.push(start..start + text[start..end].trim_end().len());
    }
    let written: Vec<&str> = slots.iter().map(|slot| &text[slot.clone()]).collect();
    let between = |part: &&str| part.lines().skip(1).any(|line| comment_column(line).is_some_and(|at| at <= first));
    // Empty lines at the end of such a text belong to it.
    let keeps_empty = |part: &&str| part.contains("|+") || part.contains(">+");
    if written.iter().any(|part| between(part) || keeps_empty(part)) {
        return None;
    }
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|at| ranks[*at]);
    if order.first() != Some(&0) && is_spoken_of(&text[..slots.first()?.start]) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (slot, from) in slots.iter().zip(order) {
        out.push_str(&text[at..slot.start]);
        out.push_str(written[from]);
        at = slot.end;
    }
    out.push_str(&text[at..]);
    Some(out)
}

/// Whether a comment stands directly above what follows. That an editor reads is about the whole file.
fn is_spoken_of(before: &str) -> bool {
    let above = before.rfind('\n').and_then(|end| before[..end].lines().last());
    above.is_some_and(|line| comment_column(line).is_some() && !line.contains("yaml-language-server:"))
}

fn comment_column(line: &str) -> Option<usize> {
    let text = line.trim_start_matches(' ');
    text.starts_with('#').then(|| line.len() - text.len())
}

/// Where the last value below a node ends.
fn last_byte(text: &str, node: &Node) -> usize {
    match &node.kind {
        Kind::List(items) if !is_flow(text, node) => items.last().map_or(node.span.start, |item| last_byte(text, item)),
        Kind::Map(entries) if !is_flow(text, node) => {
            entries.last().map_or(node.span.start, |entry| last_byte(text, &entry.value).max(entry.key_span.end))
        }
        _ => node.span.start + text[node.span.clone()].trim_end().len(),
    }
}

fn is_flow(text: &str, node: &Node) -> bool {
    matches!(text.as_bytes().get(node.span.start), Some(b'{' | b'['))
}

/// Whether both have the same values below the same keys, and the same comments.
fn says_the_same(before: &str, after: &str) -> bool {
    let (one, other) = (Document::read(before), Document::read(after));
    let lines = |text: &str| {
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        for line in text.lines() {
            *lines.entry(line.trim_start().trim_start_matches("- ").to_owned()).or_default() += 1;
        }
        lines
    };
    other.1.is_empty()
        && one.0.root.as_ref().map(meaning) == other.0.root.as_ref().map(meaning)
        && lines(before) == lines(after)
}

#[derive(PartialEq)]
enum Meaning {
    Null,
    Text(String, super::super::yaml::Style),
    List(Vec<Meaning>),
    Map(BTreeMap<String, Meaning>),
}

fn meaning(node: &Node) -> Meaning {
    match &node.kind {
        Kind::Null => Meaning::Null,
        Kind::Scalar { text, style } => Meaning::Text(text.clone(), *style),
        Kind::List(items) => Meaning::List(items.iter().map(meaning).collect()),
        Kind::Map(entries) => {
            Meaning::Map(entries.iter().map(|entry| (entry.key.clone(), meaning(&entry.value))).collect())
        }
    }
}
