//! What came of the tests, for people and for programs.

use super::{Played, Results};
use crate::cli::counted::counted;
use crate::rehearsal::Failure;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Each failure with the line at fault, why, and what to look at next; nothing about what passed.
pub(super) fn render(results: &Results) -> String {
    let mut out = String::new();
    for one in &results.played {
        for failure in &one.outcome.failures {
            if !out.is_empty() {
                out.push('\n');
            }
            render_failure(&mut out, one, failure, results);
        }
    }
    out
}

fn render_failure(out: &mut String, one: &Played, failure: &Failure, results: &Results) {
    let (file, place) = (&one.file.path, failure.place);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{file}:{}:{}: failed: {}", place.line, place.column, one.test.name);
    let text = results.files.get(file).map_or("", String::as_str);
    if let Some(line) = text.lines().nth(place.line.saturating_sub(1)).filter(|line| !line.trim().is_empty()) {
        let _ = writeln!(out, "  {} | {}", place.line, line.trim());
    }
    let _ = writeln!(out, "  {}", failure.message);
    for line in &failure.why {
        let _ = writeln!(out, "    {line}");
    }
    if !failure.hint.is_empty() {
        let _ = writeln!(out, "  hint: {}", failure.hint);
    }
}

/// `12 tests passed`, and which branches no test took.
pub(super) fn summary(results: &Results) -> String {
    let (all, failed) = (results.played.len(), results.failed());
    let mut out = match failed {
        0 => format!("{} passed\n", counted(all, "test")),
        failed => format!("{failed} of {} failed\n", counted(all, "test")),
    };
    if !results.untaken.is_empty() {
        let _ = writeln!(out, "no test took {} of {} branches:", results.untaken.len(), results.branches);
        for branch in &results.untaken {
            let _ = writeln!(out, "  {branch}");
        }
    }
    out
}

/// One object; its shape is versioned.
pub(super) fn render_json(results: &Results) -> Value {
    let failure = |failure: &Failure| {
        json!({
            "line": failure.place.line, "column": failure.place.column,
            "message": failure.message, "why": failure.why, "hint": failure.hint,
        })
    };
    let test = |one: &Played| {
        json!({
            "file": one.file.path, "line": one.test.place.line, "name": one.test.name,
            "passed": one.outcome.failures.is_empty(),
            "failures": one.outcome.failures.iter().map(failure).collect::<Vec<_>>(),
        })
    };
    json!({
        "version": 1,
        "tests": results.played.iter().map(test).collect::<Vec<_>>(),
        "failed": results.failed(),
        "branches": { "all": results.branches, "untaken": results.untaken },
    })
}
