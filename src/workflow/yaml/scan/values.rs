//! Values outside of `{ }` and `[ ]`: quoted ones, block texts, and plain ones with what YAML cannot read in them.

use super::super::repair::{Change, Edit, in_quotes};
use super::signs::{
    as_text, closing_quote, colon_blank, comment_start, cuts, cuts_text, is_block_header, is_number, label,
    quoted_again, quoting_hint, text_end,
};
use super::{Scan, is_false_blank};
use std::ops::Range;

/// Keys whose value is a question: braces there are R301, told by who reads the key.
const QUESTIONS: [&str; 7] = ["if", "once_per", "until", "consent", "all", "any", "none"];

pub(super) fn is_question(key: &str) -> bool {
    QUESTIONS.contains(&key)
}

impl Scan<'_> {
    /// The value that starts at `at`; what is deeper than `parent` belongs to it. Moves on to the line after it.
    pub(super) fn value(&mut self, at: usize, parent: usize, key: Option<&str>) {
        let end = self.line_end(at);
        let rest = &self.source[at..end];
        let mut chars = rest.chars();
        match chars.next() {
            None => self.at = self.next_line(end),
            Some('#') => self.comment_only(at, end, parent),
            Some('|' | '>') if is_block_header(rest) => self.block_text(end, parent),
            Some(quote @ ('"' | '\'')) => self.quoted(at, parent, quote),
            Some('{') if rest.starts_with("{{") => self.braces(at, parent, key),
            Some('{' | '[') => self.flow_value(at, parent, key),
            Some('!') => self.tag(at, parent, key),
            Some('*') if rest[1..].trim_end().chars().all(|c| c.is_alphanumeric() || c == '_') => {
                self.at = self.next_line(end);
            }
            Some('&') if !matches!(chars.next(), None | Some(' ')) => self.at = self.next_line(end),
            Some(c @ ('*' | '&' | '@' | '`' | '%' | '|' | '>' | ',' | ']' | '}')) => {
                self.unreadable_start(at, parent, key, c)
            }
            Some(c @ ('-' | '?')) if matches!(chars.next(), None | Some(' ')) => {
                self.unreadable_start(at, parent, key, c)
            }
            Some(_) => self.plain(at, parent, key),
        }
    }

    /// `text: #5` is a comment to YAML; `do: # the steps` is one to everybody.
    fn comment_only(&mut self, at: usize, end: usize, parent: usize) {
        let comment = &self.source[at..end];
        let next = self.next_line(end);
        let says_nothing = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let deeper = self.source[next..].lines().find(|line| !says_nothing(line)).is_some_and(|line| {
            let content = line.trim_start();
            line.len() - content.len() > parent || content.starts_with("- ")
        });
        if cuts(comment) && (comment.contains("{{") || !deeper) {
            let meant = &comment[..text_end(comment)];
            let hint = format!("put it in quotes: `{}`", in_quotes(meant));
            self.complain("R102", at..end, "`#` starts a comment here, so there is no text", &hint);
            self.quote_told(at..at + meant.len());
        }
        self.at = next;
    }

    /// Skips a `|` or `>` text: all lines deeper than `parent`.
    fn block_text(&mut self, header_end: usize, parent: usize) {
        let mut at = self.next_line(header_end);
        let mut depth = None;
        while at < self.source.len() {
            let end = self.line_end(at);
            let line = &self.source[at..end];
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let blank = line.trim_matches(|c| c == ' ' || is_false_blank(c)).is_empty();
            if !blank {
                let false_blank = line[spaces..].starts_with(is_false_blank);
                // A tab or the like before the text's own depth is reached was meant as indentation.
                if false_blank && depth.is_none_or(|depth| spaces < depth) {
                    self.bad_indentation(at, end, depth.unwrap_or(parent + 2).max(parent + 1));
                    depth = depth.or(Some(parent + 2));
                } else if spaces <= parent {
                    break;
                }
                depth = depth.or(Some(spaces));
            }
            at = self.next_line(end);
        }
        self.at = at;
    }

    /// A quoted value; quotes inside quotes end it too early.
    fn quoted(&mut self, at: usize, parent: usize, quote: char) {
        let extent = self.quoted_extent(at, parent);
        let end = self.line_end(at);
        let Some(close) = closing_quote(&self.source[at..extent], quote) else {
            return self.unclosed_quote(at, end, quote);
        };
        let after = at + close + 1;
        let end = self.line_end(after);
        let trailing = self.source[after..end].trim_start_matches(|c| c == ' ' || is_false_blank(c));
        if trailing.is_empty() || (trailing.starts_with('#') && trailing.len() < end - after) {
            self.at = self.next_line(end);
            return;
        }
        let value = at..after + text_end(&self.source[after..end]);
        let (written, beside) = (&self.source[value.clone()], &self.source[value.end..end]);
        let inner = written.strip_suffix(quote).map(|inner| &inner[1..]);
        let (message, text) = match (quote, inner) {
            ('\'', Some(inner)) => ("the apostrophe ends the quoted text here", inner),
            (_, Some(inner)) => ("the quotes inside end the quoted text here", inner),
            (_, None) => ("text goes on after the closing quote", written),
        };
        let hint = format!("write `{}`", quoted_again(text, quote));
        self.complain("R104", after - 1..after, message, &hint);
        // A quote in what looks like a comment: perhaps the text ends there.
        if !beside.contains(quote) {
            self.fix(value.clone(), quoted_again(text, quote));
        }
        self.quote(value);
        self.at = self.next_line(end);
    }

    fn unclosed_quote(&mut self, at: usize, end: usize, quote: char) {
        let written = &self.source[at..at + text_end(&self.source[at..end])];
        let hint =
            format!("close them: `{written}{quote}`; an apostrophe at the start needs double quotes around the text");
        self.complain("R104", at..at + 1, "these quotes are never closed", &hint);
        // An apostrophe may be the text's own (`'t Hoekje`), or the quote that nobody closed.
        if quote == '"' {
            self.fix(at..at + written.len(), format!("{written}\""));
        }
        self.quote(at..at + written.len());
        self.at = self.next_line(end);
    }

    /// `{{name}} …` without quotes: YAML reads a map.
    fn braces(&mut self, at: usize, parent: usize, key: Option<&str>) {
        let value = at..self.extent(at, parent);
        match key.is_some_and(is_question) {
            true => self.quote(value.clone()),
            false => {
                self.unquoted_braces(value.clone(), key);
                self.quote_told(value.clone());
            }
        }
        self.at = self.next_line(self.line_end(value.end));
    }

    pub(super) fn unquoted_braces(&mut self, value: Range<usize>, key: Option<&str>) {
        let hint = quoting_hint(&label(key), &self.source[value.clone()]);
        let written = &self.source[value.clone()];
        let offset = written.find("{{").unwrap_or(0);
        let message = match offset {
            0 => "`{{` starts a value that is not in quotes",
            _ => "inside `{ }` and `[ ]` a value with `{{` needs quotes",
        };
        self.complain("R101", value.start + offset..value.end, message, &hint);
    }

    fn tag(&mut self, at: usize, parent: usize, key: Option<&str>) {
        let mut value = at..self.extent(at, parent);
        let written = &self.source[value.clone()];
        let tag = written.split_whitespace().next().unwrap_or(written);
        let question = key.is_none_or(is_question) && tag.contains(['.', '(']);
        let (hint, end) = match (question, tag.starts_with("!!")) {
            (true, _) => {
                (format!("{}, or ask for the opposite with `none:`", quoting_hint(&label(key), written)), at + 1)
            }
            (false, true) => (format!("remove `{tag}`"), at + tag.len()),
            (false, false) => (quoting_hint(&label(key), written), at + 1),
        };
        self.complain("R103", at..end, "`!` at the start means something else to YAML: a tag", &hint);
        if tag.starts_with("!!") {
            let blanks = written[tag.len()..].len() - written[tag.len()..].trim_start().len();
            self.fix(at..at + tag.len() + blanks, String::new());
            self.edits.push(Edit { span: at..at + tag.len(), change: Change::Replace(" ".repeat(tag.len())) });
            value = value.end..value.end;
        }
        if !value.is_empty() {
            self.quote_told(value.clone());
        }
        self.at = self.next_line(self.line_end(value.end));
    }

    fn unreadable_start(&mut self, at: usize, parent: usize, key: Option<&str>, c: char) {
        let value = at..self.extent(at, parent);
        let message = match c {
            '-' => "a list starts on a line of its own, below its key".to_owned(),
            '`' => "a text cannot start with a backtick unless it is in quotes".to_owned(),
            c => format!("a text cannot start with `{c}` unless it is in quotes"),
        };
        let hint = quoting_hint(&label(key), &self.source[value.clone()]);
        self.complain("R104", at..at + 1, &message, &hint);
        match c {
            // A list that begins beside its key is no text.
            '-' | '?' => self.quote(value.clone()),
            _ => self.quote_told(value.clone()),
        }
        self.at = self.next_line(self.line_end(value.end));
    }

    /// A value that starts with `{` or `[`: a map or list, unless text follows its end.
    fn flow_value(&mut self, at: usize, parent: usize, key: Option<&str>) {
        let (found, edits) = (self.found.len(), self.edits.len());
        let close = self.flow(at, parent);
        let end = self.line_end(close);
        let trailing = self.source[close..end].trim();
        self.at = self.next_line(end);
        if trailing.is_empty() || trailing.starts_with('#') {
            return;
        }
        self.found.truncate(found);
        self.edits.truncate(edits);
        let value = at..self.extent(at, parent).max(close);
        let written = &self.source[value.clone()];
        let opening = &self.source[at..close];
        if super::flow::is_single_brace(opening) {
            let text = written.replacen(opening, &format!("{{{opening}}}"), 1);
            let message = format!("`{opening}` is not how a text names a field: two braces are needed");
            self.complain("R305", at..close, &message, &quoting_hint(&label(key), &text));
            self.fix(value.clone(), as_text(&text));
            self.quote(value.clone());
        } else {
            let message = format!("a text cannot start with `{}` unless it is in quotes", &opening[..1]);
            self.complain("R104", at..at + 1, &message, &quoting_hint(&label(key), written));
            self.quote_told(value.clone());
        }
        self.at = self.next_line(self.line_end(value.end));
    }

    /// A plain value: cut by ` #`, or with a `: ` that makes it a key.
    fn plain(&mut self, at: usize, parent: usize, key: Option<&str>) {
        let value = at..self.extent(at, parent);
        if self.plain_part(value.clone(), &label(key)) {
            self.quote_told(value.clone());
        }
        self.at = self.next_line(self.line_end(value.end));
    }

    /// Complains of the first thing in a plain value that YAML reads otherwise; whether there was one.
    pub(super) fn plain_part(&mut self, value: Range<usize>, label: &str) -> bool {
        let written = &self.source[value.clone()];
        let mut offset = 0;
        for line in written.split_inclusive('\n') {
            let text = line.trim_end();
            let comment = comment_start(text);
            let visible = &text[..comment.unwrap_or(text.len())];
            if let Some(colon) = colon_blank(visible) {
                let at = value.start + offset + colon;
                self.complain(
                    "R104",
                    at..at + 1,
                    "`: ` inside a text makes YAML see a key",
                    &quoting_hint(label, written),
                );
                return true;
            }
            if let Some(hash) = comment.filter(|hash| cuts_text(text, *hash) && !is_number(visible.trim())) {
                let at = value.start + offset + hash;
                let message =
                    format!("the text is cut here: ` #` starts a comment, and only `{}` is left", visible.trim());
                self.complain("R102", at..value.start + offset + text.len(), &message, &quoting_hint(label, written));
                return true;
            }
            offset += line.len();
        }
        false
    }

    /// Where a plain or quoted value ends: at the last of the lines that are deeper than its parent and look like text,
    /// before the comment beside it.
    pub(super) fn extent(&self, at: usize, parent: usize) -> usize {
        let mut end = self.line_end(at);
        let mut last = at + text_end(&self.source[at..end]);
        loop {
            let start = self.next_line(end);
            if start >= self.source.len() || start <= end {
                return last;
            }
            end = self.line_end(start);
            let line = &self.source[start..end];
            let content = line.trim_start_matches(|c| c == ' ' || is_false_blank(c));
            if content.is_empty() {
                continue;
            }
            let depth = line.len() - content.len();
            if depth <= parent || content.starts_with('#') || self.looks_like_key(end - content.len(), end) {
                return last;
            }
            last = start + text_end(line);
        }
    }

    /// As [`Scan::extent`], for a value in quotes: whatever its lines look like, the deeper ones belong to it.
    fn quoted_extent(&self, at: usize, parent: usize) -> usize {
        let mut end = self.line_end(at);
        loop {
            let start = self.next_line(end);
            if start >= self.source.len() || start <= end {
                return end;
            }
            let next = self.line_end(start);
            let line = &self.source[start..next];
            let content = line.trim_start_matches(|c| c == ' ' || is_false_blank(c));
            if !content.is_empty() && line.len() - content.len() <= parent {
                return end;
            }
            end = next;
        }
    }

    fn looks_like_key(&self, at: usize, end: usize) -> bool {
        let at = self.dash(at, end).map_or(at, |blanks| blanks.end);
        self.key_end(at, end).is_some_and(|colon| {
            let key = &self.source[at..colon];
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    }
}
