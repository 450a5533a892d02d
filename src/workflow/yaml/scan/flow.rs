//! Maps and lists in braces: `{ text: Hi, if: … }`. Walks them with the same eye as the lines outside.

use super::super::repair::{Change, Edit};
use super::signs::{closing_quote, comment_start, quoted_again, quoting_hint, text_end};
use super::values::is_question;
use super::{Scan, is_false_blank};
use std::ops::Range;

/// Characters between two brackets of one value at most.
const FARTHEST_PAIR: usize = 2_000;

/// One `{` or `[` that is not closed yet.
struct Level {
    map: bool,
    /// The key before the value that comes next, with its place.
    key: Option<Range<usize>>,
}

impl Scan<'_> {
    /// Walks from the opening bracket at `start` to the end of the collection, and says where that is. A bracket is
    /// missing when a line comes that is not deeper than `parent`, or the end.
    pub(super) fn flow(&mut self, start: usize, parent: usize) -> usize {
        let bytes = self.source.as_bytes();
        let mut levels: Vec<Level> = Vec::new();
        let (mut at, mut filled) = (start, start);
        while let Some(byte) = bytes.get(at) {
            let before = at;
            match byte {
                b'\n' if self.dedents(at + 1, parent) => break,
                b'#' if at == 0 || bytes[at - 1].is_ascii_whitespace() => at = self.line_end(at),
                b'{' if bytes.get(at + 1) == Some(&b'{') && !levels.is_empty() => at = self.flow_plain(at, &mut levels),
                b'{' | b'[' => {
                    levels.push(Level { map: *byte == b'{', key: None });
                    at += 1;
                }
                b'}' | b']' => {
                    levels.pop();
                    at += 1;
                    if levels.is_empty() {
                        return at;
                    }
                }
                b',' => {
                    forget_key(&mut levels);
                    at += 1;
                }
                b'"' | b'\'' => at = self.flow_quoted(at, &mut levels),
                b' ' | b'\r' | b'\n' | b':' => at += 1,
                _ if self.source[at..].starts_with(|c: char| c.is_whitespace() || is_false_blank(c)) => {
                    at += self.source[at..].chars().next().map_or(1, char::len_utf8);
                }
                _ => at = self.flow_plain(at, &mut levels),
            }
            if !byte.is_ascii_whitespace() && *byte != b'#' {
                filled = at;
            }
            debug_assert!(at > before, "every turn goes on");
        }
        self.unclosed(start, filled, &levels);
        at
    }

    fn unclosed(&mut self, start: usize, end: usize, levels: &[Level]) {
        let closing: String = levels.iter().rev().map(|level| if level.map { '}' } else { ']' }).collect();
        let hint = match closing.len() {
            1 => format!("add `{closing}` at its end"),
            _ => format!("add `{closing}` where each of them ends"),
        };
        let message = format!("`{}` is never closed", &self.source[start..start + 1]);
        self.complain("R104", start..start + 1, &message, &hint);
        // Where the inner ones of several end is a guess, and so is the end of one over several lines.
        if closing.len() == 1 && !self.source[start..end].contains('\n') {
            let blank = if closing == "}" { " " } else { "" };
            self.fix(end..end, format!("{blank}{closing}"));
        }
        self.edits.push(Edit { span: end..end, change: Change::Replace(closing) });
    }

    fn dedents(&self, line: usize, parent: usize) -> bool {
        let end = self.line_end(line);
        let content = self.source[line..end].trim_start();
        !content.is_empty() && end - line - content.len() <= parent && !content.starts_with(['}', ']'])
    }

    /// A quoted key or value; where it ends.
    fn flow_quoted(&mut self, at: usize, levels: &mut [Level]) -> usize {
        let quote = if self.source.as_bytes()[at] == b'"' { '"' } else { '\'' };
        let line_end = self.line_end(at);
        let Some(close) = closing_quote(&self.source[at..], quote) else {
            self.complain("R104", at..at + 1, "these quotes are never closed", "put a quote at the end of the text");
            return line_end;
        };
        let end = at + close + 1;
        note_key(levels, at..end, self.source[end..].trim_start().starts_with(':'));
        let after = self.source[end..self.line_end(end)].trim_start();
        if after.is_empty() || after.starts_with([',', ':', '}', ']', '#']) {
            return end;
        }
        let stop = self.flow_value_end(end);
        let (written, beside) = (&self.source[at..stop], &self.source[stop..self.line_end(stop)]);
        let inner = written.strip_suffix(quote).map(|inner| &inner[1..]);
        let text = quoted_again(inner.unwrap_or(written), quote);
        let hint = match text.contains('`') {
            true => format!("put it in quotes: {text}"),
            false => format!("put it in quotes: `{text}`"),
        };
        self.complain("R104", end - 1..end, "text goes on after the closing quote", &hint);
        // Where the quotes go on behind a comma, perhaps the text does.
        if inner.is_some() || !beside.contains(quote) {
            self.fix(at..stop, text);
        }
        self.quote(at..stop);
        stop
    }

    /// A plain key or value; where it ends.
    fn flow_plain(&mut self, at: usize, levels: &mut [Level]) -> usize {
        let (end, ends_in_colon) = self.plain_end(at);
        let in_value = levels.last().is_some_and(|level| !level.map || level.key.is_some());
        if ends_in_colon && !in_value {
            note_key(levels, at..end, true);
            return end + 1;
        }
        let key = levels
            .last()
            .and_then(|level| level.key.clone())
            .map(|key| self.source[key].trim_matches(['"', '\'']).to_owned());
        let label = key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default();
        let value = at..self.flow_value_end(at);
        let told = self.found.len();
        if self.flow_value_is_mistaken(value.clone(), end, key.as_deref(), &label) {
            match self.found.len() > told {
                true => self.quote_told(value.clone()),
                false => self.quote(value.clone()),
            }
            return value.end;
        }
        let written = &self.source[value.clone()];
        comment_start(written).map_or(value.end, |comment| at + written[..comment].trim_end().len())
    }

    /// Complains of what YAML reads otherwise in a value; `yaml_end` is where the value ends for YAML.
    fn flow_value_is_mistaken(&mut self, value: Range<usize>, yaml_end: usize, key: Option<&str>, label: &str) -> bool {
        let at = value.start;
        let written = &self.source[value.clone()];
        let first = written.chars().next().unwrap_or(' ');
        if written.contains("{{") {
            if !key.is_some_and(is_question) {
                self.unquoted_braces(value, key);
            }
            return true;
        }
        let (code, span, message) = match first {
            '*' | '&' | '@' | '%' | '|' | '>' if !is_word(&written[1..]) => {
                ("R104", at..at + 1, format!("a text cannot start with `{first}` unless it is in quotes"))
            }
            '`' => ("R104", at..at + 1, "a text cannot start with a backtick unless it is in quotes".to_owned()),
            '!' => ("R103", at..at + 1, "`!` at the start means something else to YAML: a tag".to_owned()),
            _ if yaml_end < value.end && !written.contains(": ") => {
                let sign = &self.source[yaml_end..yaml_end + 1];
                (
                    "R104",
                    yaml_end..yaml_end + 1,
                    format!("inside `{{ }}` and `[ ]`, `{sign}` ends a value that is not in quotes"),
                )
            }
            _ => return self.plain_part(value, label),
        };
        self.complain(code, span, &message, &quoting_hint(label, written));
        true
    }

    /// Where a plain scalar ends for YAML, and whether a colon ended it.
    fn plain_end(&self, at: usize) -> (usize, bool) {
        let end = self.line_end(at);
        let line = &self.source[at..end];
        for (offset, c) in line.char_indices() {
            let next = line[offset + c.len_utf8()..].chars().next();
            match c {
                ',' | ']' | '}' | '{' | '[' => return (at + offset, false),
                ':' if next.is_none_or(|c| " ,]}{[\t".contains(c)) => return (at + offset, true),
                _ => {}
            }
        }
        (end, false)
    }

    /// Where a value in braces was meant to end: at a comma or closing bracket outside of double braces, or the line's end.
    fn flow_value_end(&self, at: usize) -> usize {
        let line = &self.source[at..self.line_end(at)];
        let line = &line[..text_end(line)];
        let mut offset = 0;
        while let Some(c) = line[offset..].chars().next() {
            // Brackets that the value opens itself belong to it: `is_between(now, "09:00", "20:00")`, `items[0]`.
            match (pair_end(&line[offset..]), c) {
                (Some(len), _) => offset += len,
                (None, ',' | ']' | '}') => break,
                (None, c) => offset += c.len_utf8(),
            }
        }
        at + line[..offset].trim_end().len().max(1)
    }
}

/// Length of the pair of brackets that `text` starts with. A `(` that nothing closes is a sign like another: `:(`.
fn pair_end(text: &str) -> Option<usize> {
    if text.starts_with("{{") {
        return Some(text.find("}}").map_or(text.len(), |close| close + 2));
    }
    let mut open = Vec::new();
    for (offset, c) in text.char_indices().take(FARTHEST_PAIR) {
        match c {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            // The map goes on with its next key.
            ',' if open.last() == Some(&')') && starts_with_key(&text[offset + 1..]) => return None,
            ')' | ']' | '}' => match open.iter().rposition(|close| *close == c) {
                Some(at) => open.truncate(at),
                None if c == ')' => {}
                None => return None,
            },
            _ => {}
        }
        if open.is_empty() {
            return (offset > 0).then_some(offset + c.len_utf8());
        }
    }
    None
}

fn starts_with_key(text: &str) -> bool {
    let text = text.trim_start();
    let key = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    key > 0 && text[key..].starts_with(": ")
}

fn note_key(levels: &mut [Level], span: Range<usize>, is_key: bool) {
    if let Some(level) = levels.last_mut().filter(|level| level.map && is_key) {
        level.key = Some(span);
    }
}

fn forget_key(levels: &mut [Level]) {
    if let Some(level) = levels.last_mut() {
        level.key = None;
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// `{contact.name}`: one pair of braces around a path.
pub(super) fn is_single_brace(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).map(str::trim);
    inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.'))
}
