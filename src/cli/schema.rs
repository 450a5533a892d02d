//! `relance schema`: what editors know of a project's files, and what programs read from `--json`. Decides nothing:
//! `workflow::schema` knows the keys, `shapes` what is printed.
//!
//! Invariant: what it writes depends on nothing but the project's files, so that it can be kept in version control.

use super::exit::Failure;
use super::replace::replace_file;
use super::{Exit, Global, project, shapes};
use crate::config::Files;
use crate::workflow::schema::{Kind, Names, schema};
use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Where the schemas of a project lie, for editors to find.
pub(super) const FOLDER: &str = ".schema";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file: a workflow, relance.yaml, templates.yaml, or a test
    #[arg(value_enum, default_value = "workflow")]
    of: Of,
    /// Write all of them into the project's folder `.schema`, where its editors look
    #[arg(long)]
    write: bool,
    /// What a command prints with `--json`: `--output runs list`; without a command, list them
    #[arg(long, value_name = "COMMAND", num_args = 0..=2, conflicts_with_all = ["of", "write"])]
    output: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Of {
    Workflow,
    Project,
    Catalogue,
    Test,
}

impl Of {
    fn kind(self) -> Kind {
        match self {
            Self::Workflow => Kind::Workflow,
            Self::Project => Kind::Project,
            Self::Catalogue => Kind::Catalogue,
            Self::Test => Kind::Test,
        }
    }
}

pub(super) fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    if let Some(words) = &args.output {
        return output(global, &words.join(" "));
    }
    let files = project::read_files(&global.project).map_err(|error| {
        Failure::error(
            Exit::Usage,
            format!("{error:#}"),
            "name a project's folder: `relance -C path/to/project schema`",
        )
    })?;
    if args.write {
        let written = write(&global.project, &files)?;
        match global.json {
            true => writeln!(global.out(), "{}", json!({ "version": 1, "written": written }))?,
            false => written.iter().for_each(|path| eprintln!("written: {path}")),
        }
        return Ok(Exit::Fine);
    }
    global.out().whole().write_all(rendered(args.of.kind(), &Names::of(&files)).as_bytes())?;
    Ok(Exit::Fine)
}

/// The schema of what a command prints; without one, the commands.
fn output(global: &Global, command: &str) -> anyhow::Result<Exit> {
    let mut out = global.out();
    if !command.is_empty() {
        let mut out = out.whole();
        let printed = shapes::of(command).ok_or_else(|| {
            let hint = "`relance schema --output` lists the commands that do";
            Failure::error(Exit::Usage, format!("`relance {command}` prints no JSON"), hint)
        })?;
        writeln!(out, "{:#}", printed.schema())?;
        return Ok(Exit::Fine);
    }
    if global.json {
        let row = |one: &shapes::Printed| json!({ "command": one.command, "about": one.about });
        let rows: Vec<_> = shapes::all().map(row).collect();
        writeln!(out, "{}", json!({ "version": 1, "outputs": rows }))?;
        return Ok(Exit::Fine);
    }
    shapes::all().try_for_each(|one| writeln!(out, "{:<18}  {}", one.command, one.about))?;
    Ok(Exit::Fine)
}

/// Writes the schemas of all kinds of files, over those that are there; their paths in the project.
pub(super) fn write(root: &Path, files: &Files) -> anyhow::Result<Vec<String>> {
    let names = Names::of(files);
    fs::create_dir_all(root.join(FOLDER)).with_context(|| format!("cannot make the folder `{FOLDER}`"))?;
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let path = path_of(kind);
            replace_file(&root.join(&path), &rendered(kind, &names))
                .with_context(|| format!("cannot write `{path}`"))?;
            Ok(path)
        })
        .collect()
}

/// `.schema/workflow.json`
pub(super) fn path_of(kind: Kind) -> String {
    format!("{FOLDER}/{}.json", kind.as_str())
}

fn rendered(kind: Kind, names: &Names) -> String {
    format!("{:#}\n", schema(kind, names))
}
