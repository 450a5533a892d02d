//! Fields: a map with known keys. Every other key is named, with what to write instead.

use super::report::Report;
use super::words;
use crate::workflow::yaml::{Entry, Kind, Node};
use std::ops::Range;

/// Which keys a map may have.
pub(super) struct Shape {
    /// What the map is, for messages: `send_message`, `the workflow`.
    pub(super) what: &'static str,
    pub(super) keys: &'static [&'static str],
    /// Keys of the language that a later release builds.
    pub(super) later: &'static [&'static str],
    /// Keys that have their place elsewhere, with where.
    pub(super) elsewhere: &'static [(&'static str, &'static str)],
}

/// A map whose keys were looked through.
pub(super) struct Fields<'a> {
    pub(super) entries: &'a [Entry],
    /// Where to say that a key is missing.
    pub(super) place: Range<usize>,
    /// Keys that unknown ones were probably meant to be: not missing as well.
    pub(super) meant: Vec<&'static str>,
    /// Some key was refused.
    pub(super) refused: bool,
}

impl<'a> Fields<'a> {
    /// Looks through a map. `holder` is the key whose value it is; `None` at the top of a file and in a list.
    pub(super) fn open(report: &mut Report, node: &'a Node, holder: Option<&Entry>, shape: &Shape) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            not_a_map(report, node, holder, shape);
            return None;
        };
        let first = entries.first().map_or(&node.span, |entry| &entry.key_span);
        let place = holder.map_or(first, |holder| &holder.key_span).clone();
        let mut fields = Fields { entries, place, meant: Vec::new(), refused: false };
        for entry in entries.iter().filter(|entry| !shape.keys.contains(&entry.key.as_str())) {
            fields.refused = true;
            fields.meant.extend(refuse_key(report, entry, shape));
        }
        Some(fields)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The entry of a key that must be there.
    pub(super) fn required(&self, report: &mut Report, key: &'static str, hint: &str) -> Option<&'a Entry> {
        let entry = self.get(key);
        if entry.is_none() && !self.meant.contains(&key) {
            report.error("R202", &self.place, format!("`{key}` is missing"), hint);
        }
        entry
    }
}

/// Says why a key cannot stand here; the key of ours it was probably meant to be.
fn refuse_key(report: &mut Report, entry: &Entry, shape: &Shape) -> Option<&'static str> {
    let key = entry.key.as_str();
    if shape.later.contains(&key) {
        later(report, &entry.key_span, key, shape);
        return None;
    }
    if let Some((_, place)) = shape.elsewhere.iter().find(|(name, _)| *name == key) {
        report.error("R204", &entry.key_span, format!("`{key}` is not allowed in {}", shape.what), *place);
        return None;
    }
    if key.is_empty() || key.contains(['{', '}']) {
        let hint = "a text with braces needs quotes: `\"{{contact.first_name}}\"`";
        report.error("R104", &entry.key_span, "YAML reads braces as a map here", hint);
        return None;
    }
    if matches!(entry.value.kind, Kind::Null) && key.contains(' ') {
        let hint = "put the whole text in quotes: inside `{ }` and `[ ]` a comma ends it";
        report.error("R104", &entry.key_span, format!("a comma cuts the text before `{key}`"), hint);
        return None;
    }
    let known: Vec<&'static str> = shape.keys.iter().chain(shape.later).copied().collect();
    let meant = words::meant(key, &known);
    let hint = match meant {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{} may hold {}", shape.what, words::listed(shape.keys)),
    };
    report.error("R201", &entry.key_span, format!("unknown key in {}: `{key}`", shape.what), hint);
    meant
}

/// A key of the language that this release does not build yet.
fn later(report: &mut Report, span: &Range<usize>, key: &str, shape: &Shape) {
    let starts = shape.what == "a trigger" && key == "conversation";
    let hint = match starts {
        true => "start the workflow by something else, such as `message:` or `webhook:`",
        false => "remove it: relance never leaves out a key silently",
    };
    report.error("R206", span, format!("this version cannot do `{key}` yet"), hint);
}

fn not_a_map(report: &mut Report, node: &Node, holder: Option<&Entry>, shape: &Shape) {
    let mut keys = shape.keys.iter().take(3).map(|key| format!("`{key}: …`"));
    let example = keys.by_ref().collect::<Vec<_>>().join(", ");
    let hint = format!("write keys below it, such as {example}");
    match (&node.kind, holder) {
        (Kind::Null, Some(holder)) => {
            report.error("R202", &holder.key_span, format!("`{}` is empty", holder.key), hint);
        }
        _ => report.error("R205", &node.span, format!("{} must be a map of keys and values", shape.what), hint),
    }
}
