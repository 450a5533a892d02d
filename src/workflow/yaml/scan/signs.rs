//! Small signs of the notation: where quotes close, comments start, a colon makes a key; and the hint to use quotes.

use super::super::repair::in_quotes;

/// The key as a hint shows it before the value.
pub(super) fn label(key: Option<&str>) -> String {
    key.map(|key| format!("{key}: ")).unwrap_or_default()
}

/// `put it in quotes: key: "…"`; long values are not repeated.
pub(super) fn quoting_hint(label: &str, value: &str) -> String {
    let value = value.trim_end();
    if value.contains('\n') {
        return format!("write it as a block: `{label}|`, and the text on the lines below, indented");
    }
    if value.chars().count() > 120 {
        return format!("put it in quotes: `{label}\"…\"`");
    }
    let quoted = in_quotes(value);
    match value.contains('`') {
        true => format!("put it in quotes: {label}{quoted}"),
        false => format!("put it in quotes: `{label}{quoted}`"),
    }
}

/// A value as it is written when it is a text, whatever stands in it: in quotes, or below a `|`.
pub(super) fn as_text(value: &str) -> String {
    let value = value.trim_end();
    let Some((first, rest)) = value.split_once('\n') else { return in_quotes(value) };
    // The lines below know how deep the text is.
    let depths = rest.lines().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
    let depth = depths.min().unwrap_or(2);
    let (first, newline) = first.strip_suffix('\r').map_or((first, "\n"), |first| (first, "\r\n"));
    format!("|{newline}{}{}{newline}{rest}", " ".repeat(depth), first.trim_end())
}

/// Offset of the quote that closes a text starting with one.
pub(super) fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == '"' => at += 1,
            b'\'' if quote == '\'' && bytes.get(at + 1) == Some(&b'\'') => at += 1,
            byte if byte == quote as u8 => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

pub(super) fn is_block_header(rest: &str) -> bool {
    let after = rest[1..].trim_start_matches(['+', '-', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    after.trim().is_empty() || (after.starts_with(' ') && after.trim_start().starts_with('#'))
}

/// A comment is meant as text when nothing separates it from its `#`, or when it has braces.
pub(super) fn cuts(comment: &str) -> bool {
    comment.contains("{{") || comment[1..].chars().next().is_some_and(|c| !c.is_whitespace() && c != '#')
}

/// Offset of the `#` that starts a comment.
pub(super) fn comment_start(line: &str) -> Option<usize> {
    line.match_indices('#').map(|(at, _)| at).find(|at| line[..*at].ends_with([' ', '\t']))
}

/// Offset of a colon followed by a blank or the end, wherever it stands: YAML knows no double braces.
pub(super) fn colon_blank(text: &str) -> Option<usize> {
    let found = text.match_indices(':').map(|(at, _)| at);
    found.into_iter().find(|at| text[at + 1..].chars().next().is_none_or(|c| c == ' ' || c == '\t'))
}

/// Where the text of a line ends: before its comment, unless that is meant as text, and before the blanks at its end.
pub(super) fn text_end(line: &str) -> usize {
    let starts_comment = |at: &usize| line[..*at].ends_with([' ', '\t']) && !cuts_text(line, *at);
    let end = line.match_indices('#').map(|(at, _)| at).find(starts_comment).unwrap_or(line.len());
    line[..end].trim_end().len()
}

/// Whether what YAML takes for a comment is meant as text: by itself, or because it stands within double braces.
pub(super) fn cuts_text(line: &str, at: usize) -> bool {
    let open = line[..at].rfind("{{").is_some_and(|open| !line[open..at].contains("}}"));
    cuts(&line[at..]) || (open && line[at..].contains("}}"))
}

/// A text that its own quotes ended too early, in quotes that hold it: an escape in double quotes stays what it is.
pub(super) fn quoted_again(text: &str, quote: char) -> String {
    match quote {
        '"' if text.contains('\\') => format!("\"{}\"", bare_quotes_escaped(text)),
        '"' => in_quotes(text),
        _ => in_quotes(&text.replace("''", "'")),
    }
}

fn bare_quotes_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut escaped = false;
    for c in text.chars() {
        if c == '"' && !escaped {
            out.push('\\');
        }
        out.push(c);
        escaped = c == '\\' && !escaped;
    }
    out
}

pub(super) fn is_number(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_digit()) && !value.contains(' ') || matches!(value, "true" | "false")
}
