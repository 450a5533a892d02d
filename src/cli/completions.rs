//! `relance completions` and `relance man`: what shells and manuals know of the commands.
//!
//! The shell asks this binary while somebody types, so that the names of the project are offered as well: events,
//! workflows, templates, contacts of the tests. Invariant: whatever is wrong with the project's files, nothing is said
//! and nothing fails.

use super::exit::Failure;
use super::{Exit, Global, project};
use crate::workflow::schema::Names;
use anyhow::Context as _;
use clap::ValueEnum;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

/// The variable by which a shell's script asks.
const ASKED: &str = "COMPLETE";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The folder they are written into; made when it is not there
    #[arg(value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

/// Answers a shell that asks, and ends; returns when none does.
pub(super) fn answer(command: fn() -> clap::Command) {
    CompleteEnv::with_factory(command).var(ASKED).complete();
}

/// Prints what a shell reads at its start.
pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let shell = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let completer = shells.completer(shell).context("this shell is not known to the library of completions")?;
    let binary = std::env::current_exe().context("where this program lies is not known")?;
    let mut script = Vec::new();
    completer.write_registration(ASKED, "relance", "relance", &binary.to_string_lossy(), &mut script)?;
    global.out().whole().write_all(&script)?;
    Ok(Exit::Fine)
}

/// Writes a manual page for each command.
pub(super) fn man(command: clap::Command, args: &ManArgs) -> anyhow::Result<Exit> {
    let refused = |error: std::io::Error| {
        let message = format!("cannot write the manual pages: {error}");
        Failure::error(Exit::Usage, message, "name a folder that can be written, such as `man/`")
    };
    std::fs::create_dir_all(&args.folder).map_err(refused)?;
    clap_mangen::generate_to(command, &args.folder).map_err(refused)?;
    Ok(Exit::Fine)
}

pub(super) fn events() -> Vec<CompletionCandidate> {
    candidates(|names| names.events)
}

pub(super) fn workflows() -> Vec<CompletionCandidate> {
    candidates(|names| names.workflows)
}

pub(super) fn templates() -> Vec<CompletionCandidate> {
    candidates(|names| names.templates)
}

pub(super) fn contacts() -> Vec<CompletionCandidate> {
    let Ok(files) = project::read_files(&project_of(std::env::args_os().collect())) else { return Vec::new() };
    super::preview::contact_names(&files).into_iter().map(CompletionCandidate::new).collect()
}

fn candidates(which: impl Fn(Names) -> BTreeSet<String>) -> Vec<CompletionCandidate> {
    let Ok(files) = project::read_files(&project_of(std::env::args_os().collect())) else { return Vec::new() };
    which(Names::of(&files)).into_iter().map(CompletionCandidate::new).collect()
}

/// The project that the line being typed names, else this folder.
fn project_of(words: Vec<OsString>) -> PathBuf {
    let mut words = words.into_iter().skip_while(|word| word != "--");
    while let Some(word) = words.next() {
        if word == "-C" || word == "--project" {
            return words.next().map_or_else(|| ".".into(), PathBuf::from);
        }
        let joined = word.to_str().and_then(|word| word.strip_prefix("--project=").or_else(|| word.strip_prefix("-C")));
        if let Some(folder) = joined {
            return folder.into();
        }
    }
    ".".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_the_one_of_the_line_that_is_typed() {
        let of = |line: &str| project_of(line.split(' ').map(OsString::from).collect());
        assert_eq!(of("relance -- relance trigger "), PathBuf::from("."));
        assert_eq!(of("relance -C other -- relance -C shop trigger "), PathBuf::from("shop"));
        assert_eq!(of("relance -- relance --project=shop trigger "), PathBuf::from("shop"));
        assert_eq!(of("relance -- relance -C"), PathBuf::from("."));
    }
}
