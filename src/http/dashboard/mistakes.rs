//! Mistakes of the files, each with its place, the line it stands in and the way out. Pure.

use super::words::Words;
use crate::config::Files;
use crate::workflow::diagnostic::{Diagnostic, Severity};

/// Mistakes shown at most.
const SHOWN: usize = 50;
/// Characters of a line shown before and after the place.
const AROUND: usize = 60;

/// One mistake as the page shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MistakeView {
    pub(super) code: &'static str,
    pub(super) warning: bool,
    /// `workflows/order_paid.yaml:12:7`.
    pub(super) place: String,
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) excerpt: Option<Excerpt>,
}

/// The line at fault, cut around the place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// With a colon, as wide as the indent of the caret.
    pub(super) number: String,
    pub(super) before: String,
    pub(super) wrong: String,
    pub(super) after: String,
    pub(super) caret: String,
}

/// The worst first, in the order of the files.
pub(super) fn views(diagnostics: &[Diagnostic], files: &Files) -> Vec<MistakeView> {
    let of = |severity| diagnostics.iter().filter(move |diagnostic| diagnostic.severity == severity);
    of(Severity::Error).chain(of(Severity::Warning)).take(SHOWN).map(|diagnostic| view(diagnostic, files)).collect()
}

/// `3`, or `3 (50 shown)`.
pub(super) fn count(diagnostics: &[Diagnostic], words: &Words) -> String {
    match diagnostics.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{SHOWN}, {}", words.more.replace("{}", &more.to_string())),
        _ => diagnostics.len().to_string(),
    }
}

fn view(diagnostic: &Diagnostic, files: &Files) -> MistakeView {
    let Diagnostic { code, severity, file, line, column, width, message, hint, .. } = diagnostic;
    let source = files.get(file).and_then(|text| text.lines().nth(line.saturating_sub(1)));
    MistakeView {
        code,
        warning: *severity == Severity::Warning,
        place: format!("{file}:{line}:{column}"),
        message: message.clone(),
        hint: hint.clone(),
        excerpt: source
            .filter(|source| !source.trim().is_empty())
            .map(|source| excerpt(source, *line, *column, *width)),
    }
}

fn excerpt(source: &str, line: usize, column: usize, width: usize) -> Excerpt {
    let chars: Vec<char> = source.chars().map(visible).collect();
    let start = column.saturating_sub(1).min(chars.len());
    let end = start.saturating_add(width.max(1)).min(chars.len()).min(start + AROUND * 2);
    let (from, to) = (start.saturating_sub(AROUND), chars.len().min(end + AROUND));
    let cut = |from: usize, to: usize| chars[from..to].iter().collect::<String>();
    let before = format!("{}{}", if from > 0 { "…" } else { "" }, cut(from, start));
    let number = format!("{line} | ");
    let indent = number.chars().count() + before.chars().count();
    Excerpt {
        caret: format!("{}{}", " ".repeat(indent), "^".repeat((end - start).max(1))),
        number,
        before,
        wrong: cut(start, end),
        after: format!("{}{}", cut(end, to), if to < chars.len() { "…" } else { "" }),
    }
}

/// Tabs and characters that nobody sees are shown as signs: they may be the mistake.
fn visible(c: char) -> char {
    match c {
        '\t' => '→',
        '\u{a0}' | '\u{202f}' => '␣',
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => '·',
        c if c.is_control() => '·',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(line: usize, column: usize, width: usize) -> Diagnostic {
        Diagnostic {
            code: "R307",
            severity: Severity::Error,
            file: "workflows/a.yaml".into(),
            line,
            column,
            width,
            message: "no such field".into(),
            hint: String::new(),
            fix: Vec::new(),
        }
    }

    fn shown(text: &str, line: usize, column: usize, width: usize) -> Option<Excerpt> {
        let files = Files::from([("workflows/a.yaml".to_owned(), text.to_owned())]);
        views(&[diagnostic(line, column, width)], &files).remove(0).excerpt
    }

    #[test]
    fn the_caret_stands_below_the_place() {
        let excerpt = shown("name: a\nif: event.totl > 0\n", 2, 5, 10).unwrap();
        assert_eq!(
            (excerpt.before.as_str(), excerpt.wrong.as_str(), excerpt.after.as_str()),
            ("if: ", "event.totl", " > 0")
        );
        assert_eq!(excerpt.caret, "        ^^^^^^^^^^");
        assert_eq!(shown("a\tb", 1, 2, 1).unwrap().wrong, "→");
    }

    #[test]
    fn a_place_outside_the_text_is_shown_without_harm() {
        assert_eq!(shown("name: a\n", 9, 1, 1), None);
        assert_eq!(shown("\n", 1, 1, 1), None);
        assert_eq!(shown("é", 1, 40, usize::MAX).unwrap().caret, "     ^");
        assert_eq!(shown("a", 1, 0, 0).unwrap().wrong, "a");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let excerpt = shown(&"x".repeat(1000), 1, 500, 3).unwrap();
        assert_eq!(excerpt.before.chars().count(), AROUND + 1);
        assert!(excerpt.before.starts_with('…') && excerpt.after.ends_with('…'));
    }
}
