//! `relance explain`: what a workflow does, in plain words, told from its checked model; what a code of the checks means,
//! and how it is done right; or what a reason means, why it comes, and what to do.
//!
//! Invariant: a workflow of the project comes before a reason of its name.

use super::exit::Failure;
use super::language::Language;
use super::{Exit, Global, check, completions, project};
use crate::config::Files;
use crate::expr::nearest;
use crate::http::dashboard::Spoken;
use crate::workflow::{self, Workflow, codes};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A workflow, by the name of its file without `.yaml`; a code such as `R102`; or a reason such as `opted_out`
    #[arg(value_name = "WORKFLOW|CODE|REASON", add = ArgValueCandidates::new(known))]
    what: String,
    /// It is a reason, although a workflow has its name
    #[arg(long)]
    reason: bool,
    /// Language of the explanation, by default that of this machine
    #[arg(long)]
    language: Option<Language>,
}

/// What can be explained, for shells.
fn known() -> Vec<CompletionCandidate> {
    let words = codes::all().chain(Spoken::of("en").reasons());
    completions::workflows().into_iter().chain(words.map(CompletionCandidate::new)).collect()
}

pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let (what, language) = (args.what.trim(), Language::or_of_machine(args.language).code());
    if is_code(what) && !args.reason {
        return tell(global, "code", what, language, &code(what, language)?);
    }
    match Spoken::of(language).explained(what) {
        Some(text) if args.reason || !is_workflow(global, what) => tell(global, "reason", what, language, &text),
        None if args.reason => Err(no_reason(what)),
        reason => {
            if reason.is_some() {
                eprintln!("hint: `{what}` is a reason as well: `relance explain --reason {what}`");
            }
            workflow(global, what, language)
        }
    }
}

/// Whether the project has a file for it, good or bad.
fn is_workflow(global: &Global, what: &str) -> bool {
    project::read_files(&global.project).is_ok_and(|files| files.contains_key(&format!("workflows/{what}.yaml")))
}

fn no_reason(what: &str) -> anyhow::Error {
    let reasons: Vec<&str> = Spoken::of("en").reasons().collect();
    let hint = match nearest(what, reasons.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there is {}", reasons.join(" ")),
    };
    Failure::error(Exit::Usage, format!("there is no reason `{what}`"), hint)
}

/// A letter and three digits.
fn is_code(what: &str) -> bool {
    matches!(what.as_bytes(), [b'R' | b'r', rest @ ..] if rest.len() == 3 && rest.iter().all(u8::is_ascii_digit))
}

fn code(what: &str, language: &str) -> anyhow::Result<String> {
    let unknown = || {
        let known: Vec<&str> = codes::all().collect();
        let message = format!("there is no code `{what}`");
        Failure::error(Exit::Usage, message, format!("there is {}", known.join(" ")))
    };
    codes::explain(what, language).ok_or_else(unknown)
}

fn workflow(global: &Global, name: &str, language: &str) -> anyhow::Result<Exit> {
    let files = project::read_files(&global.project)?;
    let loaded = workflow::load(&files);
    let file = format!("workflows/{name}.yaml");
    let known = loaded.project.as_ref().and_then(|project| project.workflows.get(name));
    let Some(known) = known else {
        let of_it = |file_: &str| file_ == file || file_ == "relance.yaml";
        let mistakes: Vec<_> = loaded.diagnostics.into_iter().filter(|one| of_it(&one.file)).collect();
        if mistakes.is_empty() || !files.contains_key(&file) {
            let workflows = loaded.project.map(|project| project.workflows).unwrap_or_default();
            return Err(unknown(name, &workflows, &files));
        }
        match global.json {
            true => check::print_json(global, &mistakes)?,
            false => check::show(global.err(), &mistakes, &files)?,
        }
        return Ok(Exit::Problems);
    };
    tell(global, "workflow", name, language, &workflow::explain(known, language))
}

fn tell(global: &Global, kind: &str, what: &str, language: &str, text: &str) -> anyhow::Result<Exit> {
    let mut out = global.out();
    match global.json {
        true => writeln!(out, "{}", json!({ "version": 1, kind: what, "language": language, "text": text }))?,
        false => out.write_all(text.as_bytes())?,
    }
    Ok(Exit::Fine)
}

fn unknown(name: &str, workflows: &BTreeMap<String, Arc<Workflow>>, files: &Files) -> anyhow::Error {
    let reasons: Vec<&str> = Spoken::of("en").reasons().collect();
    let hint = match nearest(name, workflows.keys().map(String::as_str).chain(reasons.iter().copied())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if workflows.is_empty() && !files.is_empty() => {
            "`relance check` shows what keeps it from being read".into()
        }
        None => format!("the project has: {}", workflows.keys().cloned().collect::<Vec<_>>().join(", ")),
    };
    Failure::error(Exit::Usage, format!("there is no workflow `{name}`"), hint)
}
