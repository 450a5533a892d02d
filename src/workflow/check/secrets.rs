//! Secrets: named in `http_request` only, never written out (R601).

use super::lowering::Lowering;
use crate::expr::{PathUse, Text};
use crate::workflow::yaml::Node;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// How the tokens of well-known services begin, and the signed ones (`eyJ…`).
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    let known = r"\b((sk|rk)_(live|test)_|sk-[A-Za-z]*-?|ghp_|gho_|github_pat_|glpat-|xox[abpr]-|whsec_|SG\.|AKIA|eyJ[A-Za-z0-9_-]{8,}\.)";
    Regex::new(&format!("{known}[A-Za-z0-9_./+=-]{{16,}}")).expect("a constant pattern")
});
const KEPT: &str = "in quotes; the token itself is kept on the server as the variable `NAME`: ask who runs it";

impl<'a> Lowering<'a> {
    pub(super) fn check_secret(&mut self, used: &PathUse, span: &Range<usize>) {
        if !self.in_request {
            let name = used.fields.first().map_or("NAME", String::as_str);
            let message = format!("`secret.{name}` belongs in `http_request` only: here it would be seen and kept");
            self.report.error("R601", span, message, "use it in the request that needs it");
        }
    }

    /// What a text says of itself, whatever it is for.
    pub(super) fn check_tokens(&mut self, node: &Node, source: &str) {
        if let Some(found) = TOKENS.find(source) {
            let span = self.report.document.part_of(node, found.start(), found.len());
            let hint = match self.in_request {
                true => format!("write `{{{{secret.NAME}}}}` in its place, {KEPT}"),
                false => "remove it: everybody who sees this text could use the token".to_owned(),
            };
            self.report.error("R601", &span, "this looks like a token", hint);
        }
    }

    /// The value of a header or field that is made for secrets.
    pub(super) fn no_credential(&mut self, node: &Node, text: &Text) {
        let filled = text.paths().iter().any(|used| used.root == "secret");
        let (before, value) = text.source().rsplit_once(' ').unwrap_or(("", text.source()));
        if !filled && text.literal().is_some() && value.len() >= 8 && !TOKENS.is_match(text.source()) {
            let before = if before.is_empty() { String::new() } else { format!("{before} ") };
            let hint = format!("write `\"{before}{{{{secret.NAME}}}}\"`, {KEPT}");
            self.report.error("R601", &node.span, "this looks like a token", hint);
        }
    }
}

/// `Authorization`, `X-Api-Key`, `access_token`, `password`.
pub(super) fn names_a_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', '_'], "");
    ["authorization", "apikey", "token", "secret", "password"].iter().any(|word| name.ends_with(word))
}
