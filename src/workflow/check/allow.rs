//! `# allow R409` at the end of a line: silences that warning there. One that silences nothing is told (R108), so that
//! none outlives what it was written for.

use super::report::Report;
use crate::workflow::codes;
use crate::workflow::yaml::{Document, Kind, Node, Style};
use std::collections::BTreeSet;
use std::ops::Range;

/// The codes that a line's comment allows, each with its offset in the line.
pub(super) fn codes(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let comment = line.rfind('#').filter(|at| line[..*at].trim().is_empty() || line[..*at].ends_with([' ', '\t']));
    let list = comment.and_then(|at| Some((at, line[at + 1..].trim().strip_prefix("allow ")?)));
    let (from, list) = list.unwrap_or((0, ""));
    let mut at = line[from..].find(list).map_or(0, |offset| from + offset);
    list.split([',', ' ']).filter_map(move |code| {
        let here = at;
        at += code.len() + 1;
        let formed = code
            .strip_prefix('R')
            .is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()));
        formed.then_some((here, code))
    })
}

/// Says of each allowance that kept nothing quiet.
pub(super) fn tell_idle(report: &mut Report, silenced: &BTreeSet<(usize, &str)>) {
    let document = report.document;
    // Without a tree nobody knows what is a comment and what is a text.
    let Some(root) = &document.root else { return };
    let mut texts = Vec::new();
    blocks(document, root, &mut texts);
    let in_text = |line: usize| {
        let next = texts.partition_point(|lines| lines.end <= line);
        texts.get(next).is_some_and(|lines| lines.contains(&line))
    };
    let written = (1..).zip(document.source().lines());
    for (line, written) in written.filter(|(line, written)| written.contains("allow R") && !in_text(*line)) {
        let start = document.byte_at(line, 1);
        for (offset, code) in codes(written) {
            if !silenced.contains(&(line, code)) {
                tell(report, start + offset, code);
            }
        }
    }
}

fn tell(report: &mut Report, at: usize, code: &str) {
    let span = at..at + code.len();
    let (message, hint) = match codes::severity(code) {
        None => (format!("there is no code `{code}`"), "`relance check` names the code of each warning in brackets"),
        Some("error") => (format!("`{code}` is an error, and an error cannot be silenced"), "remove the comment"),
        Some(_) => (
            format!("`allow {code}` silences nothing here"),
            "remove it, or move it to the end of the line that the warning names",
        ),
    };
    report.warn("R108", &span, message, hint);
}

/// The lines of block texts, in order: what looks like a comment there is text.
fn blocks(document: &Document, node: &Node, lines: &mut Vec<Range<usize>>) {
    match &node.kind {
        Kind::Scalar { style: Style::Literal | Style::Folded, .. } => {
            let end = node.span.start + document.written(&node.span).trim_end().len();
            lines.push(document.place(node.span.start).0..document.place(end).0 + 1);
        }
        Kind::List(items) => items.iter().for_each(|item| blocks(document, item, lines)),
        Kind::Map(entries) => entries.iter().for_each(|entry| blocks(document, &entry.value, lines)),
        _ => {}
    }
}
