//! `relance doctor`: what is wrong with this installation, and how to mend it.
//!
//! Each check looks at one thing and says one line; none changes anything, none needs another to pass. Invariant: no
//! line shows a secret or a number.

mod checks;

use super::progress::Progress;
use super::{Exit, Global};
use serde_json::{Value, json};
use std::io::Write as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    Warning,
    Error,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warn",
            Self::Error => "error",
        }
    }
}

/// One line.
#[derive(Debug, Clone)]
struct Line {
    /// What was looked at: `configuration`, `database` …
    check: &'static str,
    verdict: Verdict,
    what: String,
    /// The way out; empty when nothing is wrong.
    hint: String,
}

impl Line {
    fn fine(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fine, what: what.into(), hint: String::new() }
    }

    fn warning(check: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, what: what.into(), hint: hint.into() }
    }

    fn error(check: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Error, what: what.into(), hint: hint.into() }
    }
}

pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let progress = Progress::of(global, "looking");
    let lines = checks::all(global).await;
    drop(progress);
    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let (errors, warnings) = (count(Verdict::Error), count(Verdict::Warning));
    let mut out = global.out();
    if global.json {
        let row = |line: &Line| json!({ "check": line.check, "verdict": line.verdict.as_str(), "message": line.what, "hint": line.hint });
        let rows: Vec<Value> = lines.iter().map(row).collect();
        writeln!(out, "{}", json!({ "version": 1, "checks": rows, "errors": errors, "warnings": warnings }))?;
    } else {
        for line in &lines {
            writeln!(out, "{:<5}  {:<13}  {}", line.verdict.as_str(), line.check, line.what)?;
            if !line.hint.is_empty() {
                writeln!(out, "       {:<13}  hint: {}", "", line.hint)?;
            }
        }
    }
    Ok(if errors > 0 || (args.strict && warnings > 0) { Exit::Problems } else { Exit::Fine })
}
