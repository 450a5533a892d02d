//! Mutations: a workflow with one thing changed that a person could get wrong: a condition, the name or content of a value, a
//! duration, a time of day, a template. Pure; `blueprints` asks whether `check` or a test notices each.
//!
//! Works on lines, as files of this project are written: values of templates stand one on a line below `values:`.

use regex::Regex;
use std::ops::Range;

/// A workflow that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutation {
    /// From one.
    pub(crate) line: usize,
    /// The line, what stood there, and what stands there now.
    pub(crate) what: String,
    pub(crate) text: String,
}

/// What the catalogue has beside each template: another one of the same shape.
pub(crate) const OTHER: &str = "other_";

pub(crate) fn mutations(text: &str) -> Vec<Mutation> {
    let mut found = Vec::new();
    let (mut block, mut values) = (None, None);
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let inside = |of: &Option<usize>| of.is_some_and(|outer| indent > outer);
        // The lines of a block text are words for people.
        if line.trim().is_empty() || line.trim_start().starts_with('#') || inside(&block) {
            continue;
        }
        let code = without_comment(line);
        block = code.ends_with('|').then_some(indent);
        if !inside(&values) {
            values = code.ends_with("values:").then_some(indent);
        }
        let changes = if inside(&values) && values != Some(indent) { value(code) } else { changes(code) };
        found.extend(changes.into_iter().map(|(range, new)| {
            let changed = format!("{}{new}{}", &line[..range.start], &line[range.end..]);
            let lines: Vec<&str> =
                text.lines().enumerate().map(|(at, line)| if at == index { changed.as_str() } else { line }).collect();
            Mutation {
                line: index + 1,
                what: format!("{}: `{}` instead of `{}`", index + 1, changed.trim(), code.trim()),
                text: lines.join("\n") + "\n",
            }
        }));
    }
    found
}

type Change = (Range<usize>, String);

/// The line as far as YAML reads it.
fn without_comment(line: &str) -> &str {
    line.find(" #").map_or(line, |at| &line[..at]).trim_end()
}

/// A line `name: "content"` below `values:`.
fn value(code: &str) -> Vec<Change> {
    let colon = code.find(": ").expect("a value stands on a line of its own");
    vec![(colon..colon, "_renamed".into()), (colon + 2..code.len(), "\"changed\"".into())]
}

fn changes(code: &str) -> Vec<Change> {
    let condition = Regex::new(r"\b(if|consent|once_per|until): ").unwrap().captures(code).map(|found| {
        let start = found.get(0).unwrap().end();
        (found[1].to_owned(), start..end_of(code, start))
    });
    let mut changes = everywhere(code);
    match condition {
        Some((key, range)) => {
            let source = &code[range.clone()];
            changes.extend(in_question(&key, source).into_iter().map(|new| (range.clone(), new)));
            // Durations and times inside the question are changed there.
            changes.extend(apart(code).into_iter().filter(|(at, _)| !range.contains(&at.start)));
        }
        None => changes.extend(apart(code)),
    }
    changes
}

/// Where a value ends: at the end of the line, or of its entry in a map of one line.
fn end_of(code: &str, start: usize) -> usize {
    if code[..start].matches('{').count() == code[..start].matches('}').count() {
        return code.len();
    }
    let rest = &code[start..];
    start + [rest.find(", "), rest.find(" }")].into_iter().flatten().min().unwrap_or(rest.len())
}

fn in_question(key: &str, source: &str) -> Vec<String> {
    match key {
        // One for all, and one for each event.
        "once_per" => return vec!["'\"one\"'".into(), "string(now)".into()],
        "until" => return vec!["now".into(), "'time(\"2030-01-01\")'".into()],
        _ => {}
    }
    let mut new = vec![format!("({source}) == false"), "1 == 1".into(), "1 == 2".into()];
    // The group of the pattern is replaced, or all of it.
    let mut replace = |pattern: &str, with: &dyn Fn(&str) -> Vec<String>| {
        for found in Regex::new(pattern).unwrap().captures_iter(source) {
            let part = found.get(1).or(found.get(0)).unwrap();
            let (before, after) = (&source[..part.start()], &source[part.end()..]);
            new.extend(with(part.as_str()).into_iter().map(|with| format!("{before}{with}{after}")));
        }
    };
    replace("==|!=|>=|<=|>|<|&&", &|found| {
        let others: &[&str] = match found {
            "==" => &["!="],
            "!=" => &["=="],
            ">=" => &[">", "<"],
            "<=" => &["<", ">"],
            ">" => &[">=", "<"],
            "<" => &["<=", ">"],
            _ => &["||"],
        };
        others.iter().map(|other| (*other).to_owned()).collect()
    });
    replace(r"[=<>] (\d+)\b", &|number| beside(number.parse().unwrap()));
    replace(r#""(\d\d:\d\d)""#, &clocks);
    replace(r#""([a-z]+)""#, &|word| vec![format!("{word}x")]);
    new
}

fn beside(number: i64) -> Vec<String> {
    vec![(number + 1).to_string(), (number - 1).to_string()]
}

/// Half an hour later and earlier.
fn clocks(clock: &str) -> Vec<String> {
    let minutes: i32 = clock[..2].parse::<i32>().unwrap() * 60 + clock[3..].parse::<i32>().unwrap();
    let shown = |minutes: i32| format!("{:02}:{:02}", minutes.rem_euclid(1440) / 60, minutes.rem_euclid(60));
    vec![shown(minutes + 30), shown(minutes - 30)]
}

/// Templates and days.
fn everywhere(code: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(found) = Regex::new(r"\btemplate: ([a-z_]+)").unwrap().captures(code) {
        let name = found.get(1).unwrap();
        changes.push((name.range(), format!("{OTHER}{}", name.as_str())));
    }
    for (day, other) in [("every day at", "every monday at"), ("weekday at", "monday at")] {
        changes.extend(code.find(day).map(|at| (at..at + day.len(), other.to_owned())));
    }
    changes
}

/// Durations, times of day and numbers of messages.
fn apart(code: &str) -> Vec<Change> {
    if code.contains("text: ") || code.contains("name: ") {
        return Vec::new();
    }
    let mut changes = Vec::new();
    for found in Regex::new(r"\b(\d+)[smhdw]\b").unwrap().captures_iter(code) {
        let number = found.get(1).unwrap();
        let others = beside(number.as_str().parse().unwrap()).into_iter().filter(|other| other != "0");
        changes.extend(others.map(|other| (number.range(), other)));
    }
    for found in Regex::new(r"\b\d\d:\d\d\b").unwrap().find_iter(code) {
        changes.extend(clocks(found.as_str()).into_iter().map(|clock| (found.range(), clock)));
    }
    changes.extend(code.find("limit: 1 per").map(|at| (at + 7..at + 8, "2".to_owned())));
    changes
}

#[test]
fn everything_that_could_be_wrong_is_changed_once_in_each_way() {
    let text = "# 3d\nname: A 2h\nif: event.total > 0   # 5d\nsettings: { once_per: event.id, quiet_hours: 21:00-09:00 }\n\
                do:\n  - wait: 1d\n  - send_message:\n      text: |\n        in 2h\n      template: paid\n      values:\n        \
                name: \"{{a}}\"\n  - stop: no\n";
    let told: Vec<String> = mutations(text).into_iter().map(|one| one.what).collect();
    let lines = |line: usize| told.iter().filter(|what| what.starts_with(&format!("{line}: "))).count();
    let counted: Vec<usize> = (1..=13).map(lines).collect();
    assert_eq!(counted, [0, 0, 7, 6, 0, 1, 0, 0, 0, 1, 0, 2, 0], "{told:#?}");
    assert!(
        told.contains(&"3: `if: event.total >= 0   # 5d` instead of `if: event.total > 0`".to_owned()),
        "{told:#?}"
    );
    assert!(told.iter().any(|what| what.starts_with("10: `template: other_paid`")), "{told:#?}");
}
