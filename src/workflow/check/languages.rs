//! Languages: codes as they are written, and what lacks a language that others of the project speak (R411).
//!
//! Each text and template says what it speaks while its file is read; they are compared when all are. What is written by
//! language is compared with the whole project. What has one language is compared with its own workflow: a project may well
//! answer in three languages at one place and in one elsewhere, but one person's messages should not change their language.

use super::report::Report;
use super::words::listed;
use crate::language;
use crate::workflow::TemplateVariant;
use crate::workflow::diagnostic::Diagnostic;
use crate::workflow::yaml::Entry;
use std::collections::BTreeMap;
use std::ops::Range;

/// `es`, `es-MX`.
pub(super) fn is_language(code: &str) -> bool {
    language::is_well_formed(code)
}

pub(super) fn refuse_language(report: &mut Report, span: &Range<usize>, code: &str) {
    let hint = match language::meant(code) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write a code such as `es`, or `es-MX` for one country".to_owned(),
    };
    report.error("R205", span, format!("`{code}` is not a language code"), hint);
}

/// The codes of a text that is written by language: each is one, and the project's (`usual`, when it is known) is there.
pub(super) fn check_codes(report: &mut Report, entry: &Entry, lines: &[Entry], usual: Option<&str>) {
    if let Some(usual) = usual.filter(|usual| !lines.iter().any(|line| language::same(&line.key, usual))) {
        let message = format!("`{}` lacks the project's language: `{usual}`", entry.key);
        let hint = format!("add `{usual}: …`, for people whose language is not known");
        report.error("R202", &entry.key_span, message, hint);
    }
    for line in lines.iter().filter(|line| !is_language(&line.key)) {
        refuse_language(report, &line.key_span, &line.key);
    }
}

/// The text or template that speaks.
#[derive(Debug)]
pub(super) enum What {
    Text,
    /// By its name in the catalogue; `by` is the key with which its entry names it, `uuid` or `title`.
    Template {
        name: String,
        by: &'static str,
    },
}

/// What one text or template speaks.
#[derive(Debug)]
pub(super) struct Speaks {
    pub(super) what: What,
    /// File in which it is used.
    pub(super) file: String,
    /// As they are written; empty = it has one language, which nobody wrote down.
    pub(super) codes: Vec<String>,
    /// To be told with words of its own; `None` = silenced, or told elsewhere.
    pub(super) told: Option<Diagnostic>,
}

/// Codes by which languages are spoken, one for each language, each with a file that does.
type Spoken<'s> = BTreeMap<&'s str, &'s str>;

/// What lacks a language. `usual`: the project's language.
pub(super) fn missing(all: &[Speaks], usual: &str) -> Vec<Diagnostic> {
    let mut project = Spoken::new();
    let mut files: BTreeMap<&str, Spoken> = BTreeMap::new();
    for one in all.iter().filter(|one| !one.codes.is_empty()) {
        one.add_to(&mut project);
        one.add_to(files.entry(&one.file).or_default());
    }
    let lacks = |one: &Speaks| {
        let others = if one.codes.is_empty() { files.get(one.file.as_str())? } else { &project };
        one.tell(&one.lacks(others, usual), usual)
    };
    all.iter().filter_map(lacks).collect()
}

impl Speaks {
    fn add_to<'s>(&'s self, spoken: &mut Spoken<'s>) {
        for code in &self.codes {
            if !spoken.keys().any(|known| language::same(known, code)) {
                spoken.insert(code, &self.file);
            }
        }
    }

    fn lacks<'s>(&self, others: &Spoken<'s>, usual: &str) -> Spoken<'s> {
        let own = |code: &str| language::same(code, usual) || self.codes.iter().any(|own| language::same(own, code));
        others.iter().filter(|(code, _)| !own(code)).map(|(code, file)| (*code, *file)).collect()
    }

    fn tell(&self, lacks: &Spoken, usual: &str) -> Option<Diagnostic> {
        let (first, file) = lacks.first_key_value()?;
        let codes = listed(&lacks.keys().copied().collect::<Vec<_>>());
        let others = if *file == self.file { "others of this file do".to_owned() } else { format!("`{file}` does") };
        let until = format!("until then people who speak it read `{usual}`");
        let (message, hint) = match (&self.what, self.codes.is_empty()) {
            (What::Text, true) => (
                format!("`text` has one language, and this workflow speaks {codes} as well"),
                format!("write `text: {{ {usual}: …, {first}: … }}`, each on a line of its own"),
            ),
            (What::Text, false) => {
                (format!("`text` does not speak {codes}, which {others}"), format!("add `{first}: …` to it; {until}"))
            }
            (What::Template { name, by }, true) => (
                format!("the template `{name}` has one language, and this workflow speaks {codes} as well"),
                format!("give its entry the approved one, `languages: {{ {first}: {{ {by}: … }} }}`; {until}"),
            ),
            (What::Template { name, by }, false) => (
                format!("the template `{name}` does not speak {codes}, which {others}"),
                format!("add the approved one to its `languages`, `{first}: {{ {by}: … }}`; {until}"),
            ),
        };
        self.told.clone().map(|diagnostic| Diagnostic { message, hint, ..diagnostic })
    }
}

/// A template beside whose languages nobody gets it: the project's language has another one.
pub(super) fn check_own(
    report: &mut Report,
    span: &Range<usize>,
    own: &TemplateVariant,
    languages: &[(String, TemplateVariant)],
    usual: &str,
) {
    let Some(choice) = language::choose(languages, None, usual) else { return };
    if languages.iter().any(|(_, variant)| variant.uuid == own.uuid) {
        return;
    }
    let message =
        format!("nobody gets this template: `languages` has another one for the project's language, `{usual}`");
    let hint = format!(
        "add it to `languages` with its own language, and name here the one of `{}`, for everybody else",
        choice.code
    );
    report.warn("R411", span, message, hint);
}

/// Whether a text says something itself, beside what is filled in.
pub(super) fn has_words(text: &str) -> bool {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        if before.chars().any(char::is_alphabetic) {
            return true;
        }
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    rest.chars().any(char::is_alphabetic)
}
