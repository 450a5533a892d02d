//! Every code that is told is explained, and its examples are true: the wrong one gives this code and no other, the
//! right one none.

use crate::bad::{NOW_MS, project, root};
use relance::cli::check::render_human;
use relance::http::dashboard::Spoken;
use relance::workflow::codes;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The keys of a workflow that an example leaves out.
const USUAL: [(&str, &str); 5] = [
    ("name", "name: Example\n"),
    ("purpose", "purpose: utility\n"),
    ("when", "when: { webhook: order.paid }\n"),
    ("contact", "contact: { phone: \"{{event.customer.phone}}\" }\n"),
    ("do", "do:\n  - send_message: { text: Your order is paid, outside_window: skip }\n"),
];

fn file_of(example: &codes::Example, text: &str) -> String {
    let text = match &example.repeat {
        Some(part) => text.replace(part, &part.repeat(60)),
        None => text.to_owned(),
    };
    let lacks = |key: &str| !text.lines().any(|line| line.starts_with(&format!("{key}:")));
    let usual: String = USUAL.iter().filter(|(key, _)| !example.whole && lacks(key)).map(|(_, line)| *line).collect();
    // A person who wrote first is known: such an example says `contact: {}`.
    format!("{text}{usual}").replace("contact: {}\n", "")
}

#[test]
fn each_example_is_wrong_or_right_as_it_says() {
    for code in codes::all() {
        let example = codes::example(code).unwrap();
        for (text, wanted) in [(&example.wrong, true), (&example.right, false)] {
            if example.apart {
                continue;
            }
            let mut files = project();
            files.insert("workflows/example.yaml".into(), file_of(example, text));
            let told = relance::workflow::check(&files, NOW_MS).diagnostics;
            let codes: BTreeSet<&str> = told.iter().map(|one| one.code).collect();
            let wanted: BTreeSet<&str> = wanted.then_some(code).into_iter().collect();
            assert_eq!(codes, wanted, "{code}\n{}", render_human(&told, &files));
            let fixable = told.iter().any(|one| !one.fix.is_empty());
            assert_eq!(fixable, example.fixable && !told.is_empty(), "{code}: what `--fix` does");
        }
    }
}

/// Every `"R123"` of the sources.
fn told_codes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            told_codes(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let codes = text.match_indices("\"R").filter_map(|(at, _)| text.get(at + 1..at + 6)?.strip_suffix('"'));
            found.extend(codes.filter(|code| code[1..].parse::<u16>().is_ok()).map(str::to_owned));
        }
    }
}

#[test]
fn no_code_is_told_that_is_not_explained() {
    let mut told = BTreeSet::new();
    told_codes(&root().join("src"), &mut told);
    let explained: BTreeSet<String> = codes::all().map(str::to_owned).collect();
    let unexplained: Vec<&String> = told.difference(&explained).collect();
    assert!(told.len() > 35 && unexplained.is_empty(), "{unexplained:?}");
}

/// Words that the engine and the outbox give as a reason, by the ways in which they write one down.
fn told_reasons(folder: &Path, found: &mut BTreeSet<String>) {
    let ways = [
        r#"\b(?:skip|refused|failed|dead)\("([a-z_]+)""#,
        r#"\b(?:hold|hold_until|hold_for|once_more|stop_run|stop)\([^"\n]*"([a-z_]+)""#,
        r#"\breason"?(?: ==?|:) "([a-z_]+)""#,
        r#"\bErr\("([a-z_]+)"\)"#,
        r#"RunState::\w+, "([a-z_]+)"\.into"#,
        r#"\("needs_attention", "([a-z_]+)""#,
        r#"\.then_some\("([a-z_]+)"\)"#,
        r#"const (?:REASON|ERASED|OPTED_OUT|TAKEN_BACK|GIVEN_UP|LIST_READ|RUN_PAUSED|CAMPAIGN_PAUSED|UNREADABLE): &str = "([a-z_]+)""#,
        r#"None => "([a-z_]+)"\.to_owned\(\)"#,
    ];
    let ways: Vec<regex::Regex> = ways.iter().map(|way| regex::Regex::new(way).unwrap()).collect();
    for entry in walk(folder) {
        let text = fs::read_to_string(&entry).unwrap();
        let written = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for way in &ways {
            found.extend(way.captures_iter(written).map(|captures| captures[1].to_owned()));
        }
    }
}

fn walk(path: &Path) -> Vec<std::path::PathBuf> {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().flat_map(|entry| walk(&entry.unwrap().path())).collect();
    }
    let is_source = path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs");
    Vec::from_iter(is_source.then(|| path.to_owned()))
}

#[test]
fn every_reason_that_can_be_given_is_explained() {
    let mut told = BTreeSet::new();
    for place in ["src/engine", "src/outbox", "src/delivery.rs"] {
        told_reasons(&root().join(place), &mut told);
    }
    let explained: BTreeSet<String> = Spoken::of("en").reasons().map(str::to_owned).collect();
    let unexplained: Vec<&String> = told.difference(&explained).collect();
    assert!(told.len() > 35 && unexplained.is_empty(), "{unexplained:?}");
    // Nor is one explained that nothing gives: of these, the code is written together with a number.
    let never: Vec<&String> = explained.difference(&told).collect();
    assert_eq!(never, ["rejected"]);
}
