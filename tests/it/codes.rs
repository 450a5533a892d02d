//! Every code that is told is explained, and its examples are true: the wrong one gives this code and no other, the
//! right one none.

use crate::bad::{NOW_MS, project, root};
use relance::cli::check::render_human;
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
