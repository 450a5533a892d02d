//! How French is written, held by a test: everything that the program says in it has one kind of apostrophe, and a space
//! before each `;`, `:`, `?` and `!`.
//!
//! It reads the files of the words themselves: a sentence added later is held to it as well. What stands between backticks
//! is not French.

use super::trace::{FOUND, french};
use crate::run::Sentence;

/// Everything in French that the program prints or serves. Of a file that holds both languages, the French part.
const FILES: [(&str, &str); 8] = [
    ("words/french.rs", include_str!("french.rs")),
    ("words/operator.rs", include_str!("operator.rs")),
    ("words/person.rs", include_str!("person.rs")),
    ("words/repair.rs", include_str!("repair.rs")),
    ("words/why.rs", include_str!("why.rs")),
    ("words/reasons.fr.toml", include_str!("reasons.fr.toml")),
    ("explain/french.rs", include_str!("../../../workflow/explain/french.rs")),
    ("codes/fr.toml", include_str!("../../../workflow/codes/fr.toml")),
];

/// What stands between quotation marks on the lines of the French part.
fn sentences(text: &str) -> Vec<String> {
    let text = text.replace("\\\"", "”");
    let french = text.find("static FRENCH").map_or(text.as_str(), |at| &text[at..]);
    let french = french.split("#[cfg(test)]").next().unwrap_or_default();
    let written = french.lines().filter(|line| !line.trim_start().starts_with(['#', '/']));
    written.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// A sentence without what is written in another language: between backticks, and holes.
fn prose(sentence: &str) -> String {
    let parts: Vec<&str> = sentence.split('`').step_by(2).collect();
    parts.join("`").replace("{}", "x")
}

/// What is wrong with a sentence.
fn fault(sentence: &str) -> Option<&'static str> {
    let prose = prose(sentence);
    let chars: Vec<char> = prose.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1);
        let in_word = before.is_some_and(char::is_alphabetic) && after.is_some_and(|c| c.is_alphabetic() || *c == '`');
        match c {
            '\'' if in_word => return Some("a straight apostrophe"),
            '\u{a0}' | '\u{202f}' if !before.is_some_and(char::is_numeric) => return Some("a space of another kind"),
            // A colon within a word is of a time, an address or a code.
            ':' | ';' | '?' | '!' if before.is_some_and(|c| c != ' ') && after.is_none_or(|c| *c == ' ') => {
                return Some("no space before a sign");
            }
            _ => {}
        }
    }
    None
}

#[test]
fn french_is_written_by_one_rule() {
    for (file, text) in FILES {
        let sentences = sentences(text);
        assert!(sentences.len() > 5, "{file}: nothing is read");
        for sentence in sentences {
            assert_eq!(fault(&sentence), None, "{file}: {sentence}");
        }
    }
    let told = Sentence::ALL.iter().map(|one| french(*one)).chain(FOUND.iter().map(|(_, french)| *french));
    let verdicts = crate::connector::verdicts::french_words();
    for sentence in told.chain(verdicts.iter().map(String::as_str)) {
        assert_eq!(fault(sentence), None, "{sentence}");
    }
}

#[test]
fn what_breaks_the_rule_is_found() {
    for wrong in ["l'heure", "dit l'`if`", "non: {}", "{}; puis", "Quoi?", "Non !\u{a0}", "fini\u{202f}: {}"] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
    for right in ["l’heure : {}", "`wait: {}` est là ; `a':b`", "Quoi ?", "9:30", "4\u{a0}096 caractères", ": ", " : "]
    {
        assert_eq!(fault(right), None, "{right}");
    }
}
