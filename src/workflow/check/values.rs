//! Values of one scalar: plain text, yes/no, numbers, names, one of some words, lists of words.

use super::duration;
use super::report::Report;
use super::words::{as_name, is_name, listed, meant};
use crate::run::LONGEST_DAYS;
use crate::workflow::Duration;
use crate::workflow::diagnostic::Edit;
use crate::workflow::yaml::{Entry, Kind, Node, Style};
use std::ops::{Range, RangeInclusive};

const DAY_MS: i64 = 86_400_000;

/// The scalar of a key as written; says so when there is none.
pub(super) fn scalar<'a>(report: &mut Report, entry: &'a Entry, expected: &str) -> Option<&'a str> {
    match &entry.value.kind {
        Kind::Scalar { text, .. } => Some(text),
        Kind::Null => {
            let hint = format!("write {expected} after `{}:`", entry.key);
            report.error("R202", &entry.key_span, format!("`{}` has no value", entry.key), hint);
            None
        }
        _ => {
            let message = format!("`{}` must be {expected}", entry.key);
            report.error("R205", &entry.value.span, message, "write one value on the same line");
            None
        }
    }
}

/// Text for people, not empty, without placeholders.
pub(super) fn plain_text(report: &mut Report, entry: &Entry) -> Option<String> {
    let text = scalar(report, entry, "a text")?.trim();
    if text.is_empty() {
        let hint = format!("write a text after `{}:`", entry.key);
        report.error("R202", &entry.key_span, format!("`{}` is empty", entry.key), hint);
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn boolean(report: &mut Report, entry: &Entry) -> Option<bool> {
    let text = scalar(report, entry, "`true` or `false`")?;
    let plain = matches!(entry.value.kind, Kind::Scalar { style: Style::Plain, .. });
    match text {
        "true" if plain => Some(true),
        "false" if plain => Some(false),
        _ => {
            let yes = matches!(text.to_lowercase().as_str(), "yes" | "on" | "y" | "1" | "true");
            let hint = format!("write `{}: {yes}`", entry.key);
            report.error("R205", &entry.value.span, format!("`{}` must be `true` or `false`", entry.key), hint);
            None
        }
    }
}

pub(super) fn integer(report: &mut Report, entry: &Entry, range: RangeInclusive<u32>) -> Option<u32> {
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    let text = scalar(report, entry, &expected)?;
    let number = text.parse().ok().filter(|number| range.contains(number));
    if number.is_none() {
        let hint = format!("write {expected}");
        report.error("R205", &entry.value.span, format!("`{}` is out of range: `{text}`", entry.key), hint);
    }
    number
}

/// One of some words.
pub(super) fn choice<T: Copy>(report: &mut Report, entry: &Entry, words: &[(&str, T)]) -> Option<T> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let text = scalar(report, entry, &listed(&names))?;
    let found = words.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let hint = match meant(text, &names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("write one of {}", listed(&names)),
        };
        report.error("R205", &entry.value.span, format!("`{}` cannot be `{text}`", entry.key), hint);
    }
    found.map(|(_, value)| *value)
}

pub(super) fn duration(report: &mut Report, entry: &Entry) -> Option<Duration> {
    let text = scalar(report, entry, "a duration such as `2h`")?;
    let span = &entry.value.span;
    match duration::parse(text) {
        Ok(duration) => {
            let doubt = duration::doubt(text);
            let refused = doubt.is_some_and(|hint| report.stricter("R205", span, not_a_duration(text), hint));
            (!refused).then_some(duration)
        }
        Err(hint) => {
            report.error("R205", span, not_a_duration(text), hint);
            None
        }
    }
}

fn not_a_duration(text: &str) -> String {
    format!("`{text}` is not a duration")
}

/// A duration that is longer than nothing.
pub(super) fn lasting(report: &mut Report, entry: &Entry) -> Option<Duration> {
    let duration = duration(report, entry)?;
    if duration == Duration::default() {
        let hint = "write one longer than nothing, such as `2h`";
        let message = format!("`{}` lasts no time at all", entry.key);
        return (!report.stricter("R205", &entry.value.span, message, hint)).then_some(duration);
    }
    Some(duration)
}

/// How long a run waits: it ends before it is too old.
pub(super) fn waiting(report: &mut Report, entry: &Entry) -> Option<Duration> {
    let duration = lasting(report, entry)?;
    if i64::from(duration.days) * DAY_MS + duration.ms >= LONGEST_DAYS * DAY_MS {
        let message = format!("`{}` would never be over: a run is ended after {LONGEST_DAYS} days", entry.key);
        let hint = "write fewer days; what comes later is a workflow of its own";
        return (!report.stricter("R205", &entry.value.span, message, hint)).then_some(duration);
    }
    Some(duration)
}

/// Says so when a name of the author's is badly formed.
pub(super) fn check_name(report: &mut Report, span: &std::ops::Range<usize>, what: &str, name: &str) -> bool {
    if is_name(name) {
        return true;
    }
    let hint = format!("use small letters, digits and `_`, a letter first: `{}`", as_name(name));
    report.error("R201", span, format!("badly formed {what}: `{name}`"), hint);
    false
}

/// A word or phrase, or a list of them.
pub(super) fn word_list(report: &mut Report, entry: &Entry) -> Vec<String> {
    match &entry.value.kind {
        Kind::List(items) if !items.is_empty() => {
            items.iter().filter_map(|item| word(report, item, &entry.key)).collect()
        }
        Kind::Scalar { .. } => word(report, &entry.value, &entry.key).into_iter().collect(),
        Kind::Map(_) => {
            let message = format!("`{}` must be a word or a list of words", entry.key);
            report.error("R205", &entry.value.span, message, format!("write `{}: [first, second]`", entry.key));
            Vec::new()
        }
        Kind::List(_) | Kind::Null => {
            let hint = format!("write at least one word: `{}: [first, second]`", entry.key);
            report.error("R202", &entry.key_span, format!("`{}` is empty", entry.key), hint);
            Vec::new()
        }
    }
}

/// Where a word of a list stands.
pub(super) fn word_place<'e>(entry: &'e Entry, word: &str) -> &'e Range<usize> {
    let Kind::List(items) = &entry.value.kind else { return &entry.value.span };
    let is_word = |item: &&Node| matches!(&item.kind, Kind::Scalar { text, .. } if text == word);
    items.iter().find(is_word).map_or(&entry.value.span, |item| &item.span)
}

/// One word; YAML of other tools reads a bare `yes` or `no` as true and false, so it is better quoted.
fn word(report: &mut Report, node: &Node, key: &str) -> Option<String> {
    match &node.kind {
        Kind::Scalar { text, style } => {
            let lower = text.to_lowercase();
            if *style == Style::Plain && matches!(lower.as_str(), "yes" | "no" | "on" | "off" | "true" | "false") {
                told_bare(report, node, text);
            }
            if text.trim().is_empty() {
                report.error("R205", &node.span, format!("a word of `{key}` is empty"), "write the word, or remove it");
                return None;
            }
            Some(text.clone())
        }
        Kind::Null => {
            let written = report.document.written(&node.span).to_owned();
            if written.is_empty() {
                report.error("R205", &node.span, format!("a word of `{key}` is empty"), "write the word, or remove it");
                return None;
            }
            told_bare(report, node, &written);
            Some(written)
        }
        _ => {
            let hint = "put it in quotes when it is one text with `: ` or brackets inside";
            report.error("R205", &node.span, format!("`{key}` takes words"), hint);
            None
        }
    }
}

fn told_bare(report: &mut Report, node: &Node, text: &str) {
    let meaning = if text.eq_ignore_ascii_case("null") || text == "~" { "nothing" } else { "a yes/no value" };
    let message = format!("`{text}` without quotes is not a word for many programs, but {meaning}");
    report.warn("R106", &node.span, message, format!("put it in quotes: `\"{text}\"`"));
    report.fix([Edit { span: node.span.clone(), with: format!("\"{text}\"") }]);
}
