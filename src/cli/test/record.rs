//! `relance test --record`: a run of a running server as a test file of the project.
//!
//! The server makes it (`GET /api/runs/<id>/record`), without anybody's data unless that is asked for; here it is written
//! as YAML. Invariant: a file that is there is written over only by who said so.

use crate::cli::Global;
use crate::cli::ask::Server;
use crate::cli::exit::{Exit, Failure};
use crate::cli::replace::write_new;
use crate::cli::runs::escaped;
use crate::workflow::format::format;
use anyhow::Context as _;
use regex::Regex;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::sync::LazyLock;

/// Parts of a test in the order in which they are written.
const PARTS: [&str; 4] = ["name", "start", "given", "http"];
/// What a reader looks for first, in this order; the others follow.
const FIRST: [&str; 6] = ["at", "webhook", "run", "to", "from", "phone"];
/// Letters at the end of a run's id that tell it from others.
const MARK: usize = 6;

/// Texts that mean the same without quotes.
static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:[A-Za-z][A-Za-z0-9_.]*|[0-9hms]*[hms])$").expect("a plain word is a valid pattern")
});
/// Words that YAML may take for something else.
const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nothing"];

/// Writes the test; its path in the project.
///
/// # Errors
/// When the server does not answer or refuses, or the file is there already or cannot be written.
pub(super) async fn record(global: &Global, run: &str, show_pii: bool, force: bool) -> anyhow::Result<String> {
    let open = if show_pii { "?show_pii=1" } else { "" };
    let answer = Server::of(global)?.get(&format!("/api/runs/{}/record{open}", escaped(run))).await?;
    let file = &answer["file"];
    let workflow = file["workflow"].as_str().context("the server's answer holds no test: is it of another release?")?;
    let mark: String = run.chars().rev().take(MARK).collect::<Vec<_>>().into_iter().rev().collect();
    let path = format!("workflows/{workflow}_{}.test.yaml", mark.to_lowercase());
    let text = yaml(run, file);
    let text = format(&path, &text).map_err(|left| anyhow::anyhow!("the recorded test cannot be written: {left:?}"))?;
    write_new(&global.project.join(&path), &text, force).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let hint = "add `--force` to write over it";
            Failure::error(Exit::Usage, format!("the test is there already: {path}"), hint)
        }
        _ => anyhow::Error::new(error).context(format!("cannot write {path}")),
    })?;
    if !global.quiet {
        eprintln!("written: {path}");
    }
    Ok(path)
}

fn yaml(run: &str, file: &Value) -> String {
    let mut out =
        format!("# Recorded from run {run}. What was known of the person is as it is now, not as it was then.\n");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "workflow: {}\ncontacts:", scalar(file["workflow"].as_str().unwrap_or_default()));
    for (name, person) in file["contacts"].as_object().into_iter().flatten() {
        let _ = writeln!(out, "  {}: {}", scalar(name), flow(person));
    }
    out.push_str("tests:\n");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for test in list(&file["tests"]) {
        let parts = PARTS.iter().filter(|part| !test[**part].is_null());
        for (at, part) in parts.enumerate() {
            let before = if at == 0 { "  - " } else { "    " };
            let _ = writeln!(out, "{before}{part}: {}", flow(&test[*part]));
        }
        out.push_str("    timeline:\n");
        for entry in list(&test["timeline"]) {
            let _ = writeln!(out, "      - {}", flow(&entry));
        }
    }
    out
}

/// On one line; what JSON writes in quotes means the same in YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".into(),
        Value::Object(fields) => {
            let place = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
            let mut all: Vec<(&String, &Value)> = fields.iter().collect();
            all.sort_by_key(|(key, _)| place(key));
            let all = all.into_iter();
            let all = all.map(|(key, value)| match (key.as_str(), value) {
                ("expect", Value::String(text)) => format!("expect: {text}"),
                _ => format!("{}: {}", scalar(key), flow(value)),
            });
            format!("{{ {} }}", all.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn scalar(text: &str) -> String {
    let plain = PLAIN.is_match(text) && !WORDS.contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back_with_the_same_kinds() {
        let value = json!({ "with": { "a": "no", "b": 1.5, "c": null, "d": ["x y", true], "é": "007", "e": "", "f": {} }, "at": "1h" });
        let expected = r#"{ at: 1h, with: { a: "no", b: 1.5, c: null, d: ["x y", true], e: "", f: {}, "é": "007" } }"#;
        assert_eq!(flow(&value), expected);
        assert_eq!(format("a.yaml", &format!("a: {expected}\n")).unwrap(), format!("a: {expected}\n"));
    }
}
