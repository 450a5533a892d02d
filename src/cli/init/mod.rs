//! `relance init`: a project that can be tried at once, and what its editors need.
//!
//! `answers` asks a person, or guesses. Invariant: a file that is there is never written over, but for the schemas, which
//! follow from the others.

mod answers;

use super::exit::Failure;
use super::{Exit, Global, check, paint, project, schema};
use crate::clock::Clock;
use crate::config::Files;
use crate::workflow::{self, schema::Kind};
use answers::Answers;
use anyhow::Context as _;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; made when it is not there
    #[arg(value_hint = clap::ValueHint::DirPath)]
    folder: Option<PathBuf>,
    /// Ask nothing
    #[arg(short, long)]
    yes: bool,
}

/// A file that may be written: its path in the project, and its text.
type Planned = (String, String);

/// What became of the plan.
#[derive(Debug, Default)]
struct Outcome {
    written: Vec<String>,
    /// Was there already.
    kept: Vec<String>,
}

pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let root = args.folder.clone().unwrap_or_else(|| global.project.clone());
    let fresh = !root.join("relance.yaml").exists();
    let mut plan = Vec::new();
    if fresh {
        plan.extend(new_project(&answers::of(&root, args.yes)?));
    }
    plan.extend(around());
    if fresh {
        plan.extend(first_workflow());
    }
    let mut outcome = write(&root, &plan)?;
    let files = project::read_files(&root)?;
    outcome.written.extend(schema::write(&root, &files)?);
    tell(global, &root, &outcome, fresh)?;
    Ok(told_mistakes(&files, global))
}

fn new_project(answers: &Answers) -> Vec<Planned> {
    let region = match &answers.region {
        Some(region) => {
            format!("phone_region: {region}                    # the country of numbers without a country code\n")
        }
        None => "# phone_region: ES                  # the country of numbers without a country code\n".to_owned(),
    };
    let text = format!(
        "# yaml-language-server: $schema=.schema/project.json\n\
         # No `channels`: the account's main WhatsApp line sends.\n\
         version: 1\n\
         name: {}\n\
         settings:\n  timezone: {}\n\
         {region}\
         language: en                        # dates and amounts, when the person's language is not known\n\n\
         # What proves that a person agreed to receive messages, beside `contact.consent` in the workflows:\n\
         # consent: {{ tag: opted_in }}\n\n\
         # Who may post events to a running `relance serve`; the secret is named, never written here:\n\
         # sources:\n\
         #   shop: {{ signature: standard_webhooks, secret: SHOP_WEBHOOK_SECRET }}\n",
        answers::scalar(&answers.name),
        answers.zone,
    );
    vec![("relance.yaml".to_owned(), text)]
}

/// What belongs to every project: what is never committed, the secrets it needs, and what editors read.
fn around() -> Vec<Planned> {
    let files = [
        ("templates.yaml", include_str!("start/templates.yaml").to_owned()),
        (".env.example", include_str!("start/env.example").to_owned()),
        (".gitignore", include_str!("start/gitignore").to_owned()),
        (".vscode/settings.json", editor_settings()),
        (".vscode/extensions.json", include_str!("start/extensions.json").to_owned()),
    ];
    files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect()
}

fn first_workflow() -> Vec<Planned> {
    vec![
        ("workflows/order_paid.yaml".to_owned(), include_str!("start/order_paid.yaml").to_owned()),
        ("workflows/samples/order.paid.json".to_owned(), include_str!("start/order.paid.json").to_owned()),
    ]
}

/// Which schema is for which files.
fn editor_settings() -> String {
    let schemas = Kind::ALL.map(|kind| (format!("./{}", schema::path_of(kind)), json!(kind.files())));
    let settings = json!({
        "yaml.schemas": serde_json::Map::from_iter(schemas),
        "[yaml]": { "editor.insertSpaces": true, "editor.tabSize": 2 },
    });
    format!("{settings:#}\n")
}

fn write(root: &Path, plan: &[Planned]) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    for (path, text) in plan {
        let place = root.join(path);
        let folder = place.parent().unwrap_or(root);
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        match OpenOptions::new().write(true).create_new(true).open(&place) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", place.display()))?;
                outcome.written.push(path.clone());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => outcome.kept.push(path.clone()),
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", place.display())),
        }
    }
    Ok(outcome)
}

fn tell(global: &Global, root: &Path, outcome: &Outcome, fresh: bool) -> anyhow::Result<()> {
    if global.json {
        let said = json!({ "version": 1, "written": outcome.written, "kept": outcome.kept });
        writeln!(std::io::stdout(), "{said}")?;
        return Ok(());
    }
    if global.quiet {
        return Ok(());
    }
    for path in &outcome.written {
        eprintln!("written: {path}");
    }
    for path in &outcome.kept {
        eprintln!("left as it is: {path}");
    }
    if outcome.kept.iter().any(|path| path == ".gitignore") {
        eprintln!("hint: `.gitignore` should hold `.relance/` and `.env`");
    }
    if fresh {
        let folder = root.display().to_string();
        let there = if folder == "." { String::new() } else { format!(" -C {folder}") };
        eprintln!("next: `relance{there} dev` shows it in a page with sandbox phones; nothing leaves this machine");
    }
    Ok(())
}

/// What `check` says of the project now: what was there already may have mistakes.
fn told_mistakes(files: &Files, global: &Global) -> Exit {
    let diagnostics = workflow::check(files, Clock::machine(0).now_ms()).diagnostics;
    if !diagnostics.is_empty() && !global.json {
        let told = check::render_human(&diagnostics, files);
        eprint!("\n{}", paint::report(&told, global.paints(&std::io::stderr())));
    }
    match check::counts(&diagnostics) {
        (0, _) => Exit::Fine,
        _ => Exit::Problems,
    }
}

/// Wrong usage, with the way out.
fn usage(message: String, hint: impl Into<String>) -> anyhow::Error {
    Failure::error(Exit::Usage, message, hint)
}
