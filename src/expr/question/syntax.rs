//! Syntax: why CEL cannot read a line, in words that name the place and the way out, never the parser's own.

use super::token::{Token, TokenKind, closing};
use crate::expr::path::plain_name;
use crate::expr::{Mistake, bound};

/// R310 at a place.
pub(super) fn unreadable(offset: usize, len: usize, message: impl Into<String>, hint: impl Into<String>) -> Mistake {
    Mistake { code: "R310", offset, len, message: message.into(), hint: hint.into(), fix: None }
}

const SHAPE: &str = "one comparison reads `event.total > 0`; two are joined by `&&` or `||`";

/// Over-long questions are not even looked at.
pub(super) fn too_long(source: &str) -> Option<Mistake> {
    let hint = "split it with `all:` or `any:`";
    (source.len() > bound::QUESTION).then(|| unreadable(0, source.len(), "the question is longer than 4 KiB", hint))
}

/// What must hold before the parser may see the line: its recursion follows nesting and operators.
pub(super) fn bounds(source: &str, tokens: &[Token]) -> Option<Mistake> {
    if source.len() > bound::QUESTION {
        return Some(unreadable(
            0,
            source.len(),
            "the question is longer than 4 KiB",
            "split it with `all:` or `any:`",
        ));
    }
    let too_deep = "the question has too many parts";
    let hint = "split it with `all:` or `any:`, one comparison per line";
    let parts = tokens.iter().filter(|token| token.kind == TokenKind::Symbol && token.text != "," || token.is("in"));
    if parts.count() > bound::PARTS {
        return Some(unreadable(0, source.len(), too_deep, hint));
    }
    let mut depth = 0_usize;
    for token in tokens {
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth = depth.saturating_sub(1);
        }
        if depth > bound::DEPTH {
            return Some(unreadable(token.offset, 1, too_deep, hint));
        }
    }
    None
}

/// The sentence for a line that CEL refused; `at` is where its parser stood.
pub(super) fn explain(source: &str, tokens: &[Token], at: usize) -> Mistake {
    let causes =
        [unclosed_text, bad_escape, foreign_word, foreign_symbol, brackets, list_index, missing_operand, two_operands];
    causes.iter().find_map(|cause| cause(tokens)).unwrap_or_else(|| {
        let token = tokens.iter().find(|token| token.end() > at).or(tokens.last());
        match token {
            Some(token) => {
                unreadable(token.offset, token.text.len(), format!("`{}` is not expected here", token.text), SHAPE)
            }
            None => unreadable(0, source.len(), "the question is empty", SHAPE),
        }
    })
}

/// A refusal says something: where no cause was found, that the whole cannot be read.
pub(super) fn never_silent(mut mistakes: Vec<Mistake>, source: &str) -> Vec<Mistake> {
    if mistakes.is_empty() {
        mistakes.push(unreadable(0, source.len(), "this is no question", SHAPE));
    }
    mistakes
}

fn unclosed_text(tokens: &[Token]) -> Option<Mistake> {
    let token = tokens.iter().find(|token| token.kind == TokenKind::Text { closed: false })?;
    let quote = token.text.chars().find(|c| matches!(c, '"' | '\'')).unwrap_or('"');
    let hint = format!("close it with `{quote}`");
    Some(unreadable(token.offset, token.text.len(), "the text that starts here is not closed", hint))
}

/// CEL reads `\\d` only as `\\\\d`, which regular expressions need.
fn bad_escape(tokens: &[Token]) -> Option<Mistake> {
    const KNOWN: &str = "abfnrtv\\'\"`?xXuU0123";
    let bad = |text: &str| {
        let mut letters = text.chars();
        while let Some(c) = letters.next() {
            if c == '\\' && !letters.next().is_some_and(|next| KNOWN.contains(next)) {
                return true;
            }
        }
        false
    };
    let is_text = |token: &&Token| matches!(token.kind, TokenKind::Text { .. }) && !token.text.starts_with(['r', 'R']);
    let token = tokens.iter().filter(is_text).find(|token| bad(token.text))?;
    let message = format!("a backslash in {} stands alone", token.text);
    Some(unreadable(
        token.offset,
        token.text.len(),
        message,
        format!("write `r{}`, which keeps backslashes as they are", token.text),
    ))
}

fn foreign_word(tokens: &[Token]) -> Option<Mistake> {
    let token = tokens.iter().find(|token| token.kind == TokenKind::Word && !token.text.is_ascii())?;
    let plain = plain_name(token.text);
    let message = format!("`{}` has a letter that a field name cannot have", token.text);
    Some(unreadable(
        token.offset,
        token.text.len(),
        message,
        format!("write it without accents: `{plain}`; texts go in quotes"),
    ))
}

fn foreign_symbol(tokens: &[Token]) -> Option<Mistake> {
    let known = "()[]{}.,:?!<>=+-*/%";
    let token = tokens.iter().find(|token| {
        token.kind == TokenKind::Symbol
            && (matches!(token.text, "?." | "??") || !token.text.chars().all(|c| known.contains(c) || "&|".contains(c)))
    })?;
    let hint = match token.text {
        "?." => "write `.`: a missing field is null, not an error",
        "??" => "write `has(event.x) ? event.x : \"other\"`",
        "`" => "texts take `\"` or `'`",
        _ => SHAPE,
    };
    Some(unreadable(token.offset, token.text.len(), format!("`{}` means nothing in a question", token.text), hint))
}

fn brackets(tokens: &[Token]) -> Option<Mistake> {
    let mut open: Vec<&Token> = Vec::new();
    for token in tokens.iter().filter(|token| token.kind == TokenKind::Symbol) {
        match token.text {
            "(" | "[" | "{" => open.push(token),
            ")" | "]" | "}" => {
                let wanted = partner(token.text);
                match open.pop() {
                    Some(opening) if opening.text == wanted => {}
                    Some(opening) => return Some(not_closed(opening)),
                    None => {
                        let message = format!("`{}` closes nothing", token.text);
                        return Some(unreadable(
                            token.offset,
                            1,
                            message,
                            format!("remove it, or open it with `{wanted}`"),
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    open.first().map(|token| not_closed(token))
}

fn not_closed(token: &Token) -> Mistake {
    let hint = format!("close it with `{}`", partner(token.text));
    unreadable(token.offset, 1, format!("`{}` is not closed", token.text), hint)
}

fn partner(bracket: &str) -> &'static str {
    match bracket {
        "(" => ")",
        "[" => "]",
        "{" => "}",
        ")" => "(",
        "]" => "[",
        _ => "{",
    }
}

/// `event.items.0` is how texts write it.
fn list_index(tokens: &[Token]) -> Option<Mistake> {
    let pair = tokens.windows(2).find(|pair| {
        let number = pair[1].kind == TokenKind::Number && pair[1].text.starts_with('.');
        pair[0].kind == TokenKind::Word && number && pair[0].end() == pair[1].offset
    })?;
    let index: String = pair[1].text[1..].chars().take_while(char::is_ascii_digit).collect();
    let message = format!("`{}` is how a text reaches an item of a list", pair[1].text);
    Some(unreadable(
        pair[1].offset,
        pair[1].text.len(),
        message,
        format!("in a question write `{}[{index}]`", pair[0].text),
    ))
}

fn missing_operand(tokens: &[Token]) -> Option<Mistake> {
    let last = tokens.last()?;
    let operator = last.kind == TokenKind::Symbol && !matches!(last.text, ")" | "]" | "}") || last.is("in");
    let message = format!("something is missing after `{}`", last.text);
    operator.then(|| unreadable(last.offset, last.text.len(), message, SHAPE))
}

fn two_operands(tokens: &[Token]) -> Option<Mistake> {
    let pair = tokens.windows(2).find(|pair| {
        let before = pair[0].is_operand() || pair[0].is(")") || pair[0].is("]");
        before && pair[1].is_operand()
    })?;
    let message = format!("`{}` is not expected after `{}`", pair[1].text, pair[0].text);
    Some(unreadable(pair[1].offset, pair[1].text.len(), message, "put `==`, `>` or `&&` between them"))
}

/// The source between a bracket and its end, both included.
pub(super) fn bracket_end(tokens: &[Token], offset: usize) -> Option<usize> {
    let open = tokens.iter().position(|token| token.offset == offset)?;
    closing(tokens, open).map(|at| tokens[at].end())
}
