//! The guard: whether two files say the same, to the reader of the tree and to the reader of the comments.

use super::super::yaml::{Document, Kind, Node, Style};
use super::plan::{Plan, plan};

/// Whether the formatted text has the document's tree, its comments, and each of them beside the same value.
pub(super) fn says_the_same(document: &Document, before: &Plan, formatted: &str) -> bool {
    let (again, found) = Document::read(formatted);
    let Some(after) = plan(&again).filter(|_| found.is_empty()) else { return false };
    parts(document, before) == parts(&again, &after)
}

/// What a file is made of, in its order.
#[derive(Debug, PartialEq)]
enum Part {
    Open { map: bool, flow: bool },
    Close,
    Key(String),
    Text(String, Style),
    Null(String),
    Comment { text: String, alone: bool },
}

fn parts(document: &Document, plan: &Plan) -> Vec<Part> {
    let mut placed = Vec::new();
    if let Some(root) = &document.root {
        collect(document, root, &mut placed);
    }
    for (at, _) in &plan.comments {
        let text = document.source()[*at..].split('\n').next().unwrap_or_default().trim_end().to_owned();
        let alone = document.line_of(*at).trim_start().starts_with(&text);
        placed.push((*at, Part::Comment { text, alone }));
    }
    placed.sort_by_key(|(at, _)| *at);
    placed.into_iter().map(|(_, part)| part).collect()
}

/// Each part with where it stands; the sort is stable, so parts of one place stay in the order of the tree.
fn collect(document: &Document, node: &Node, placed: &mut Vec<(usize, Part)>) {
    let at = placed.last().map_or(0, |(at, _)| *at).max(node.span.start);
    let open = |map| {
        let sign = if map { b'{' } else { b'[' };
        Part::Open { map, flow: document.source().as_bytes().get(node.span.start) == Some(&sign) }
    };
    match &node.kind {
        Kind::Null => placed.push((at, Part::Null(document.written(&node.span).trim().to_owned()))),
        Kind::Scalar { text, style } => placed.push((at, Part::Text(text.clone(), *style))),
        Kind::List(items) => {
            placed.push((at, open(false)));
            items.iter().for_each(|item| collect(document, item, placed));
        }
        Kind::Map(entries) => {
            placed.push((at, open(true)));
            for entry in entries {
                placed.push((entry.key_span.start, Part::Key(entry.key.clone())));
                collect(document, &entry.value, placed);
            }
        }
    }
    if matches!(node.kind, Kind::List(_) | Kind::Map(_)) {
        let last = placed.last().map_or(at, |(at, _)| *at);
        placed.push((last, Part::Close));
    }
}
