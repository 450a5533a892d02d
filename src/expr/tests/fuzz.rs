//! Whatever is written, parsing ends in an answer or in mistakes with places, and evaluating in an answer or a reason.

use super::World;
use crate::expr::{Mistake, Question, Text};
use proptest::prelude::*;

const QUESTION: &[&str] = &[
    "event",
    ".",
    "items",
    "total",
    "[",
    "]",
    "(",
    ")",
    "0",
    "1.5",
    "'a'",
    "\"",
    "'",
    "==",
    "=",
    "!=",
    "<",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "?",
    ":",
    ",",
    "in",
    "has",
    "all",
    "exists",
    "map",
    "filter",
    "i",
    "size",
    "matches",
    "time",
    "now",
    "null",
    "true",
    "is_between",
    "'09:00'",
    "days_until",
    "number",
    "contact",
    "and",
    "not",
    "is",
    "“",
    "”",
    "é",
    "👍",
    "{{",
    "}}",
    "{",
    "}",
    "\\",
    "`",
    "//",
    "\n",
    "r'",
    "b'x'",
    "'''",
    "9999999999999999999",
    "1e400",
    "secret",
    "@",
    "#",
    "\u{0}",
];

const TEXT: &[&str] = &[
    "{{",
    "}}",
    "{{{",
    "}}}",
    "{",
    "}",
    "#if",
    "#each",
    "#unless",
    "/if",
    "/each",
    "/unless",
    "else",
    " ",
    "event",
    ".",
    "items",
    "total",
    "this",
    "@index",
    "../",
    "(",
    ")",
    "'",
    "\"",
    "'a'",
    "default",
    "money",
    "date",
    "join",
    "count",
    "=",
    "zone=",
    "|",
    "[0]",
    "1",
    "40",
    "~",
    "!",
    "!--",
    "--",
    ">",
    "&",
    "*",
    "^",
    "\\",
    "\n",
    "é",
    "👍",
    "\u{301}",
    "{%",
    "as |x|",
    "null",
    "true",
    "[1,2]",
    "contact.name",
    "EEEE d",
    "\u{0}",
    "{{contact.name}}",
    "{{#each event.items}}",
    "{{/each}}",
    "{{else}}",
];

fn soup(tokens: &'static [&'static str]) -> impl Strategy<Value = String> {
    let glue = prop::sample::select(vec!["", " "]);
    prop::collection::vec((prop::sample::select(tokens), glue), 0..24)
        .prop_map(|parts| parts.into_iter().flat_map(|(token, glue)| [token, glue]).collect())
}

/// Every mistake lies inside the source, on character borders, and says something.
fn check_places(source: &str, mistakes: &[Mistake]) {
    assert!(!mistakes.is_empty());
    for mistake in mistakes {
        let place = source.get(mistake.offset..mistake.offset + mistake.len);
        assert!(place.is_some(), "{source:?}: {mistake:?}");
        assert!(!mistake.message.is_empty() && !mistake.hint.is_empty());
    }
}

fn question(source: &str) {
    match Question::parse(source) {
        Ok(question) => {
            let _ = question.evaluate(&World::new().scope());
            for used in question.paths() {
                assert!(source.get(used.offset..used.offset + used.len).is_some(), "{source:?}: {used:?}");
            }
            let _ = question.comparisons();
        }
        Err(mistakes) => check_places(source, &mistakes),
    }
}

fn text(source: &str) {
    match Text::parse(source) {
        Ok(text) => {
            let _ = text.render(&World::new().scope());
            for used in text.paths() {
                assert!(source.get(used.offset..used.offset + used.len).is_some(), "{source:?}: {used:?}");
            }
        }
        Err(mistakes) => check_places(source, &mistakes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_question_panics(source in soup(QUESTION)) {
        question(&source);
    }

    #[test]
    fn no_text_panics(source in soup(TEXT)) {
        text(&source);
    }

    #[test]
    fn no_characters_panic(source in "\\PC{0,60}") {
        question(&source);
        text(&source);
        text(&format!("{{{{{source}}}}}"));
    }
}

/// The parsers recurse: what they are given is bounded, so that a small stack is enough.
#[test]
fn deep_and_long_sources_are_refused_on_a_small_stack() {
    let run = || {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("!", "true", ""),
            ("-", "1", ""),
            ("size(", "1", ")"),
            ("1+", "1", ""),
            ("true&&", "true", ""),
            ("true?1:", "1", ""),
            ("", "event", ".a"),
            ("", "event", "[0]"),
            ("{'a':", "1", "}"),
            ("1<", "1", ""),
        ] {
            for times in [10, 60, 100, 399, 1000, 3000] {
                question(&format!("{}{middle}{}", open.repeat(times), close.repeat(times)));
            }
        }
        for (open, close) in
            [("{{#if event.a}}", "{{/if}}"), ("{{#each event.items}}", "{{/each}}"), ("{{upper (", ")}}"), ("{{", "}}")]
        {
            for times in [5, 31, 32, 200, 3000] {
                text(&format!("{}{}", open.repeat(times), close.repeat(times)));
            }
        }
        for times in [3, 8, 9, 2000] {
            text(&format!("{{{{upper {}event.status{}}}}}", "(upper ".repeat(times), ")".repeat(times)));
            text(&format!("{{{{event{}}}}}", ".a".repeat(times)));
            text(&format!("{{{{upper {}}}}}", "[".repeat(times)));
            text(&format!("{{{{upper event.a x={}1{}}}}}", "[".repeat(times), "]".repeat(times)));
        }
        question(&"x".repeat(5000));
        text(&"x".repeat(300_000));
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap();
    thread.join().unwrap();
}
