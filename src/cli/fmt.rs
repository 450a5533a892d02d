//! `relance fmt`: one layout for the YAML files of a project. `workflow::format` decides; here they are read and written.
//!
//! Invariant: a file whose result would not say the same is left as it is, and so is one with mistakes of the notation.

use super::counted::counted;
use super::diff::lines;
use super::exit::Failure;
use super::replace::replace_read;
use super::{Exit, Global, check, project};
use crate::config::Files;
use crate::workflow::diagnostic::Diagnostic;
use crate::workflow::format::{Left, format};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// More than a file of a project may have; another one is noticed before it is read whole.
const MOST_BYTES: u64 = 256 * 1024 + 1;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The files, else those of the project; `-` reads one from stdin and prints it
    #[arg(value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Write nothing: name the files that are laid out otherwise, and exit with 1 when there are any
    #[arg(long)]
    check: bool,
    /// Write nothing: show what would change
    #[arg(long)]
    diff: bool,
}

/// What came of the files.
#[derive(Default)]
struct Report {
    /// Name, text before, text after.
    changed: Vec<(String, String, String)>,
    mistakes: Vec<Diagnostic>,
    unusual: Vec<String>,
    files: Files,
}

/// Formats them.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    if args.files.iter().any(|path| path == Path::new("-")) {
        return stdin(global, args);
    }
    let (root, files) = match args.files.is_empty() {
        true => (global.project.clone(), of_project(&global.project)?),
        false => (PathBuf::new(), named(&args.files)?),
    };
    let report = Report::of(files);
    if !args.check && !args.diff {
        for (path, before, after) in &report.changed {
            replace_read(&root.join(path), before, after).with_context(|| path.clone())?;
        }
    }
    let text = if global.json { format!("{}\n", report.json()) } else { report.text(args) };
    let out = global.out();
    let mut out = if global.json || args.diff { out.whole() } else { out };
    out.write_all(text.as_bytes())?;
    report.tell_unusual();
    match (global.quiet || global.json, args.diff) {
        (true, _) => {}
        // What is copied from there as a patch is that and no more.
        (false, true) => eprint!("{}", report.summary(args)),
        (false, false) => out.write_all(report.summary(args).as_bytes())?,
    }
    Ok(report.exit(args))
}

/// The project's YAML files.
fn of_project(root: &Path) -> anyhow::Result<Files> {
    let mut files = project::read_files(root)?;
    files.retain(|path, _| path.ends_with(".yaml") || path.ends_with(".yml"));
    Ok(files)
}

fn named(paths: &[PathBuf]) -> anyhow::Result<Files> {
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let file = std::fs::File::open(path).with_context(|| name.clone())?;
        Ok((name.clone(), text_of(file).with_context(|| name)?))
    };
    paths.iter().map(read).collect()
}

/// What is no UTF-8 comes with a sign in its place, which is told as a mistake.
fn text_of(input: impl std::io::Read) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    input.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// One text, through: what cannot be formatted is told beside it, and comes out as it is.
fn stdin(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    if args.files.len() > 1 {
        return Err(Failure::error(Exit::Usage, "`-` stands for one file", "leave the others out"));
    }
    let text = text_of(std::io::stdin().lock()).context("stdin")?;
    let report = Report::of(Files::from([("stdin".to_owned(), text.clone())]));
    let formatted = report.changed.first().map_or(&text, |(_, _, after)| after);
    let out = match (global.json, report.is_whole()) {
        (true, _) => format!("{}\n", report.json()),
        (false, _) if !args.check && !args.diff => formatted.clone(),
        (false, _) => report.text(args),
    };
    if !global.json && !args.check && !args.diff {
        eprint!("{}", check::render_human(&report.mistakes, &report.files));
    }
    report.tell_unusual();
    // A file is no talk: not a line of it is folded.
    global.out().whole().write_all(out.as_bytes())?;
    Ok(report.exit(args))
}

impl Report {
    fn of(files: Files) -> Self {
        let mut report = Self::default();
        for (path, text) in &files {
            match format(path, text) {
                Ok(formatted) if formatted == *text => {}
                Ok(formatted) => report.changed.push((path.clone(), text.clone(), formatted)),
                Err(Left::Mistakes(found)) => report.mistakes.extend(found),
                Err(Left::Unusual) => report.unusual.push(path.clone()),
            }
        }
        Self { files, ..report }
    }

    fn is_whole(&self) -> bool {
        self.mistakes.is_empty() && self.unusual.is_empty()
    }

    fn exit(&self, args: &Args) -> Exit {
        let asked = (args.check || args.diff) && !self.changed.is_empty();
        if asked || !self.is_whole() { Exit::Problems } else { Exit::Fine }
    }

    /// The changed files by name, or what changes in them; then what is wrong with the others.
    fn text(&self, args: &Args) -> String {
        let mut out = String::new();
        for (path, before, after) in &self.changed {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{path}");
            if args.diff {
                out.push_str(&lines::diff(before, after));
            }
        }
        out + &check::render_human(&self.mistakes, &self.files)
    }

    fn json(&self) -> Value {
        let mut told = check::render_json(&self.mistakes, None);
        told["changed"] = self.changed.iter().map(|(path, ..)| path.as_str()).collect();
        told["left_alone"] = json!(self.unusual);
        told
    }

    fn tell_unusual(&self) {
        for path in &self.unusual {
            eprintln!("{path}: left as it is: it is written in a way that has no layout here");
            eprintln!("hint: write it as `key: value` and lists with `- `, without `...` at the end");
        }
    }

    /// How many files there were, and how many change.
    fn summary(&self, args: &Args) -> String {
        let changed = counted(self.changed.len(), "file");
        match (self.changed.is_empty(), args.check || args.diff) {
            (true, _) => format!("{} looked at, nothing to change\n", counted(self.files.len(), "file")),
            (false, true) => format!("{changed} would change; nothing was written\n"),
            (false, false) => format!("{changed} changed\n"),
        }
    }
}
