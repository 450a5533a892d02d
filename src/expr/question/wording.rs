//! Wording: what people write in a question from habit, and the line they meant: braces (R301), `=`, `and`, typographic quotes (R304).
//!
//! Found before CEL parses, because its complaint would name the wrong place. Invariant: the corrected line differs only where a
//! mistake is reported.

use super::token::{Token, TokenKind, tokens};
use crate::expr::{Instead, Mistake};

/// One replacement in the source.
struct Fix {
    offset: usize,
    len: usize,
    with: String,
}

/// The mistakes of a line, and the line as it was meant.
pub(super) struct Reworded {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) corrected: String,
    /// The line is not known, so that reading on would only find what follows from it.
    pub(super) stuck: bool,
    fixes: Vec<Fix>,
}

impl Reworded {
    /// Where a place of the corrected line lies in the source.
    pub(super) fn source_offset(&self, corrected: usize) -> usize {
        let mut shift = 0_isize;
        for fix in &self.fixes {
            let start = fix.offset.saturating_add_signed(shift);
            if corrected < start {
                break;
            }
            if corrected < start + fix.with.len() {
                return fix.offset;
            }
            shift += fix.with.len().cast_signed() - fix.len.cast_signed();
        }
        corrected.saturating_add_signed(-shift)
    }
}

/// Looks for other notations; without any, the corrected line is the source.
pub(super) fn reword(source: &str) -> Reworded {
    let mut found: Vec<(&'static str, String, Fix)> = braces(source);
    let tokens = tokens(source);
    let mut stuck = false;
    for (at, token) in tokens.iter().enumerate() {
        if found.iter().any(|(_, _, fix)| fix.offset < token.end() && token.offset < fix.offset + fix.len) {
            continue;
        }
        stuck |= token.is("not") && tokens.get(at + 1).is_some_and(|next| next.is("in"));
        if let Some((message, len, with)) = habit(&tokens, at) {
            found.push(("R304", message, Fix { offset: token.offset, len, with }));
        }
    }
    found.sort_by_key(|(_, _, fix)| fix.offset);
    let corrected = apply(source, &found);
    let hint = format!("write `{}`", corrected.trim());
    let negated = corrected.trim();
    let hint = match negated.starts_with('!') {
        _ if stuck => "write `'!(event.status in [\"a\", \"b\"])'`, with the single quotes".to_owned(),
        true if negated.contains('"') => format!("write `'{}'`, with the single quotes", negated.replace('\'', "''")),
        true => format!("write `\"{}\"`, in quotes", negated.replace('\\', "\\\\")),
        false => hint,
    };
    let mistake = |(code, message, fix): &(&'static str, String, Fix)| Mistake {
        code,
        offset: fix.offset,
        len: fix.len,
        message: message.clone(),
        hint: hint.clone(),
        fix: (!stuck).then(|| Instead { offset: fix.offset, len: fix.len, with: fix.with.clone() }),
    };
    let mistakes = found.iter().map(mistake).collect();
    Reworded { mistakes, corrected, stuck, fixes: found.into_iter().map(|(_, _, fix)| fix).collect() }
}

fn apply(source: &str, found: &[(&'static str, String, Fix)]) -> String {
    let mut line = String::with_capacity(source.len());
    let mut from = 0;
    for (_, _, fix) in found {
        // Two fixes never overlap; should they, the first wins.
        if let Some(kept) = source.get(from..fix.offset) {
            line.push_str(kept);
            line.push_str(&fix.with);
            from = fix.offset + fix.len;
        }
    }
    line.push_str(source.get(from..).unwrap_or_default());
    line
}

/// `{{ path }}`, with quotes around it or without.
fn braces(source: &str) -> Vec<(&'static str, String, Fix)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = source[from..].find("{{").map(|at| at + from) {
        let close = source[open..].find("}}").map_or(source.len(), |at| at + open + 2);
        let inner = source[open..close].trim_start_matches('{').trim_end_matches('}');
        let (mut start, mut end) = (open, close);
        for quote in ['"', '\''] {
            if source[..start].ends_with(quote) && source[end..].starts_with(quote) {
                (start, end) = (start - 1, end + 1);
                break;
            }
        }
        let message = "`{{ }}` is for texts: here a field is named without braces".to_owned();
        found.push(("R301", message, Fix { offset: start, len: end - start, with: inner.trim().to_owned() }));
        from = end;
    }
    found
}

/// What a token of another language should be: the sentence, how much of the source it takes, and its replacement.
fn habit(tokens: &[Token], at: usize) -> Option<(String, usize, String)> {
    let token = tokens[at];
    let after = tokens.get(at + 1);
    let plain = |message: String, with: &str| Some((message, token.text.len(), with.to_owned()));
    if token.kind == TokenKind::Curly {
        return plain("typographic quotes: a question takes straight ones".into(), &straight(token.text));
    }
    if token.kind == TokenKind::Symbol {
        let with = match token.text {
            "=" | "===" => "==",
            "!==" | "<>" => "!=",
            "=<" => "<=",
            "=>" => ">=",
            "&" => "&&",
            "|" => "||",
            "“" | "”" | "„" | "«" | "»" => "\"",
            "‘" | "’" | "‚" => "'",
            _ => return None,
        };
        return plain(format!("`{}` is not an operator of questions: it is `{with}`", token.text), with);
    }
    let field = at > 0 && tokens[at - 1].is(".");
    let called_or_selected = after.is_some_and(|next| next.is(".") || next.is(","));
    if token.kind != TokenKind::Word || field || called_or_selected {
        return None;
    }
    word(token, at > 0, after)
}

fn word(token: Token, has_before: bool, after: Option<&Token>) -> Option<(String, usize, String)> {
    let to_next = after.map_or(token.text.len(), |next| next.offset - token.offset);
    let said = |with: &str| format!("`{}` is not an operator of questions: it is `{with}`", token.text);
    match token.text.to_lowercase().as_str() {
        "and" if has_before => Some((said("&&"), token.text.len(), "&&".into())),
        "or" if has_before => Some((said("||"), token.text.len(), "||".into())),
        "not" => Some((said("!"), to_next, "!".into())),
        "is" if has_before => match after.filter(|next| next.text.eq_ignore_ascii_case("not")) {
            Some(not) => Some((
                "`is not` is not an operator of questions: it is `!=`".into(),
                not.end() - token.offset,
                "!=".into(),
            )),
            None => Some((said("=="), token.text.len(), "==".into())),
        },
        _ => None,
    }
}

fn straight(text: &str) -> String {
    let inner: String = text.trim_matches(|c: char| "“”„‘’‚«»\"'".contains(c)).trim().into();
    format!("\"{}\"", inner.replace('"', "\\\""))
}
