//! `relance check`: every mistake of all files in one pass.

use super::{Exit, Global, project};
use crate::workflow::{self, diagnostic};
use std::io::Write as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
}

pub fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let files = project::read_files(&global.project)?;
    let diagnostics = workflow::check(&files, crate::clock::Clock::machine(0).now_ms());
    let text = match global.json {
        true => diagnostic::render_json(&diagnostics),
        false => diagnostic::render_human(&diagnostics, &files),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    if !global.quiet && !global.json {
        eprintln!("{}", diagnostic::summary(&diagnostics, &files));
    }
    let serious = |one: &diagnostic::Diagnostic| one.severity == diagnostic::Severity::Error || args.strict;
    Ok(if diagnostics.iter().any(serious) { Exit::Problems } else { Exit::Fine })
}
