//! Tokens of a question, for what the CEL parser does not tell: other languages' words, where brackets close, what stands beside what.
//!
//! Only mistakes and places depend on it, never a result. Invariant: tokens lie in order on character borders of the source.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Number,
    /// A text in quotes; `closed` is false when the end quote is missing.
    Text {
        closed: bool,
    },
    /// A text in typographic quotes, which CEL does not know.
    Curly,
    Symbol,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind,
    pub(super) offset: usize,
    pub(super) text: &'s str,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.offset + self.text.len()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        !matches!(self.kind, TokenKind::Text { .. } | TokenKind::Curly) && self.text == text
    }

    /// Whether it can be a value by itself, so that two of them beside each other lack an operator.
    pub(super) fn is_operand(&self) -> bool {
        self.kind != TokenKind::Symbol && self.text != "in"
    }
}

const SYMBOLS: [&str; 15] =
    ["===", "!==", "==", "!=", "<=", ">=", "=<", "=>", "<>", "&&", "||", "{{", "}}", "?.", "??"];

pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (kind, len) = token(rest, first);
        found.push(Token { kind, offset: at, text: &rest[..len] });
        at += len;
    }
    found
}

fn token(rest: &str, first: char) -> (TokenKind, usize) {
    if let Some((len, closed)) = quoted(rest) {
        return (TokenKind::Text { closed }, len);
    }
    if let Some(len) = curly(rest, first) {
        return (TokenKind::Curly, len);
    }
    let second_is_digit = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
    if first.is_ascii_digit() || (first == '.' && second_is_digit) {
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '.';
        return (TokenKind::Number, rest.find(|c| !inside(c)).unwrap_or(rest.len()));
    }
    if first.is_alphabetic() || first == '_' {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        return (TokenKind::Word, rest.find(|c| !inside(c)).unwrap_or(rest.len()));
    }
    let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
    (TokenKind::Symbol, symbol.map_or(first.len_utf8(), |symbol| symbol.len()))
}

/// Length of a text in straight quotes, prefix `r` included, and whether it is closed.
fn quoted(rest: &str) -> Option<(usize, bool)> {
    let raw = rest.starts_with(['r', 'R']);
    let start = usize::from(raw);
    let quote = rest[start..].chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let triple = [quote; 3].iter().collect::<String>();
    let mark = if rest[start..].starts_with(&triple) { triple } else { quote.to_string() };
    let mut at = start + mark.len();
    while at < rest.len() {
        if rest[at..].starts_with(&mark) {
            return Some((at + mark.len(), true));
        }
        let escaped = !raw && rest[at..].starts_with('\\');
        at += rest[at..].chars().take(if escaped { 2 } else { 1 }).map(char::len_utf8).sum::<usize>();
    }
    Some((rest.len(), false))
}

/// Length of a text in typographic quotes, when it is closed.
fn curly(rest: &str, first: char) -> Option<usize> {
    let ends: &[char] = match first {
        '“' | '”' | '„' => &['”', '“', '"'],
        '‘' | '’' | '‚' => &['’', '‘', '\''],
        '«' => &['»'],
        _ => return None,
    };
    let start = first.len_utf8();
    let end = rest[start..].find(ends)? + start;
    Some(end + rest[end..].chars().next().map_or(0, char::len_utf8))
}

/// The token that closes the bracket at `open`.
pub(super) fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}
