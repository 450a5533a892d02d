//! Spoken: the words of the pages for whoever reads the API's answers at a terminal. Pure.
//!
//! Invariant: in English a state is the word that `--state` takes and the API uses; other languages translate it.

use super::words::{Words, word};
use crate::delivery::VendorStatus;

/// The words of one language.
#[derive(Debug, Clone, Copy)]
pub struct Spoken(&'static Words);

impl Spoken {
    /// `fr` and its regions, or English.
    pub fn of(lang: &str) -> Self {
        Self(Words::of(lang))
    }

    /// Code of the language.
    pub fn lang(&self) -> &'static str {
        self.0.lang
    }

    pub fn run_state<'a>(&self, code: &'a str) -> &'a str {
        self.translated(&self.0.run_states, code)
    }

    pub fn message_state<'a>(&self, code: &'a str) -> &'a str {
        self.translated(&self.0.delivery_states, code)
    }

    pub fn call_state<'a>(&self, code: &'a str) -> &'a str {
        self.translated(&self.0.operator.repair.call_states, code)
    }

    /// What the parts of a run are called: `run`, `call`, `attempts`.
    pub fn part<'a>(&self, code: &'a str) -> &'a str {
        self.translated(&[("run", "exécution"), ("call", "appel"), ("attempts", "tentatives")], code)
    }

    /// `text`, `template`.
    pub fn form<'a>(&self, code: &'a str) -> &'a str {
        self.translated(&[("text", self.0.text_form), ("template", self.0.template)], code)
    }

    /// The vendor's word for what became of a message.
    pub fn status<'a>(&self, code: &'a str) -> &'a str {
        let known: Option<VendorStatus> = serde_json::from_value(code.into()).ok();
        known.filter(|_| self.translates()).map_or(code, |status| self.0.status(status))
    }

    /// Between a thing and what is said of it.
    pub fn colon(&self) -> &'static str {
        self.0.colon
    }

    /// Between things of a list.
    pub fn semicolon(&self) -> &'static str {
        self.0.semicolon
    }

    /// A reason, as a sentence.
    pub fn reason(&self, code: &str) -> String {
        self.0.reason(code)
    }

    /// A reason explained: what it means, why it comes, what to do. `None` for one that there is not.
    pub fn explained(&self, reason: &str) -> Option<String> {
        self.0.explained(reason)
    }

    /// Every reason that is one word.
    pub fn reasons(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.0.known_reasons()
    }

    /// What a person wants no more of, since when, and who said so. `everything`: not of marketing only.
    pub fn refusal(&self, everything: bool, since: &str, source: &str) -> String {
        let (why, (source, proof)) = (self.0.why(), crate::consent::source_and_proof(source));
        let proof = if proof.is_empty() { String::new() } else { format!(" ({proof})") };
        let said = super::why::filled(why.said, &[word(&self.0.person_page().sources, source), &proof]);
        super::why::filled(if everything { why.refuses_all } else { why.refuses_marketing }, &[since, &said])
    }

    fn translates(&self) -> bool {
        self.0.lang != "en"
    }

    fn translated<'a>(&self, table: &[(&'static str, &'static str)], code: &'a str) -> &'a str {
        if self.translates() { word(table, code) } else { code }
    }
}
