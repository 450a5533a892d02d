//! Codes: what each code of the checks means, why it matters, and how it is done right, in the reader's language.
//!
//! The words stand in a file per language, the examples in one for all of them. Invariant: every code that the checks
//! tell is here, its wrong example gives exactly this code and its right one none (`tests/it/codes.rs`).

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

const LANGUAGES: [(&str, &str); 2] = [("en", include_str!("en.toml")), ("fr", include_str!("fr.toml"))];

/// What a code looks like in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// `error`, `warning` or `both`.
    pub severity: String,
    /// `check --fix` mends it.
    #[serde(default)]
    pub fixable: bool,
    /// The examples are whole files; else the keys that they leave out are the usual ones.
    #[serde(default)]
    pub whole: bool,
    /// It takes more than the project's files to see: the account, or a run of the tests.
    #[serde(default)]
    pub apart: bool,
    /// What is wrong is a test, and no workflow.
    #[serde(default)]
    pub of_a_test: bool,
    /// Text of the wrong example that stands for many such texts.
    pub repeat: Option<String>,
    pub wrong: String,
    pub right: String,
}

/// A code in words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    title: String,
    what: String,
    why: String,
}

/// A language: the words around the codes, and those of each code.
#[derive(Debug, Deserialize)]
struct Language {
    words: BTreeMap<String, String>,
    #[serde(flatten)]
    codes: BTreeMap<String, Words>,
}

static EXAMPLES: LazyLock<BTreeMap<String, Example>> =
    LazyLock::new(|| toml::from_str(include_str!("examples.toml")).expect("the examples are a part of the program"));

static WORDS: LazyLock<Vec<(&'static str, Language)>> = LazyLock::new(|| {
    let read =
        |(name, text): (&'static str, &str)| (name, toml::from_str(text).expect("the words are a part of the program"));
    LANGUAGES.into_iter().map(read).collect()
});

/// Every code, in order.
pub fn all() -> impl Iterator<Item = &'static str> {
    EXAMPLES.keys().map(String::as_str)
}

/// The examples of a code.
pub fn example(code: &str) -> Option<&'static Example> {
    EXAMPLES.get(code)
}

/// `error`, `warning`, or `both`; `None` for a code that there is not.
pub(crate) fn severity(code: &str) -> Option<&'static str> {
    example(code).map(|example| example.severity.as_str())
}

/// A code in one line; `language` as a person's (`fr`, `fr-CA`), English when it is not known.
pub fn title(code: &str, language: &str) -> Option<&'static str> {
    language_of(language).codes.get(code).map(|words| words.title.as_str())
}

/// A code explained: what is wrong, why it matters, a wrong and a right example. `None` for a code that there is not,
/// however it is written (`r102`).
pub fn explain(code: &str, language: &str) -> Option<String> {
    let code = code.trim().to_uppercase();
    let example = example(&code)?;
    let language = language_of(language);
    let words = language.codes.get(&code)?;
    let said = |name: &str| language.words.get(name).map_or("", String::as_str);
    let mut out = String::new();
    let severity = if example.of_a_test { "test" } else { &example.severity };
    // Writing to a String cannot fail.
    let colon = said("colon");
    let _ = writeln!(out, "{code}{colon}{}", words.title);
    let _ = writeln!(out, "({})", said(severity).replace("{}", &code));
    if example.fixable {
        let _ = writeln!(out, "({})", said("fixable"));
    }
    let _ = writeln!(out, "\n{}\n\n{}{colon}{}\n", in_a_line(&words.what), said("why"), in_a_line(&words.why));
    for (name, text) in [("wrong", &example.wrong), ("right", &example.right)] {
        let _ = writeln!(out, "{}", format!("{}{colon}", said(name)).trim_end());
        for line in text.trim_end().lines() {
            let _ = writeln!(out, "    {line}");
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    Some(out)
}

fn language_of(wanted: &str) -> &'static Language {
    let wanted = wanted.split(['-', '_']).next().unwrap_or_default();
    let found = WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    &found.unwrap_or(&WORDS[0]).1
}

/// A paragraph as one line: whoever prints it knows how wide it may be.
fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_in_every_language() {
        for (name, language) in WORDS.iter() {
            let explained: Vec<&str> = language.codes.keys().map(String::as_str).collect();
            assert_eq!(explained, all().collect::<Vec<_>>(), "{name}");
            for word in ["error", "warning", "both", "test", "fixable", "colon", "why", "wrong", "right"] {
                assert!(language.words.contains_key(word), "{name}: {word}");
            }
        }
        for code in all() {
            let (english, french) = (explain(code, "en"), explain(code, "fr"));
            assert!(english.is_some() && english != french, "{code}");
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_written_and_in_the_readers_language() {
        let explained = explain(" r102 ", "es").unwrap();
        assert!(explained.starts_with("R102: a text cut by ` #`\n(an error:"), "{explained}");
        assert!(explained.contains("\nWrong:\n    do:\n"));
        assert_eq!(title("R102", "fr-CA"), title("R102", "fr"));
        assert_eq!(explain("order_paid", "en"), None);
    }
}
