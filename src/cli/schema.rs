//! `relance schema`: what editors know of a project's files. Decides nothing: `workflow::schema` knows the keys.
//!
//! Invariant: what it writes depends on nothing but the project's files, so that it can be kept in version control.

use super::exit::Failure;
use super::replace::replace_file;
use super::{Exit, Global, project};
use crate::config::Files;
use crate::workflow::schema::{Kind, Names, schema};
use anyhow::Context as _;
use clap::ValueEnum;
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
    let files = project::read_files(&global.project).map_err(|error| {
        Failure::error(
            Exit::Usage,
            format!("{error:#}"),
            "name a project's folder: `relance -C path/to/project schema`",
        )
    })?;
    if args.write {
        for path in write(&global.project, &files)? {
            eprintln!("written: {path}");
        }
        return Ok(Exit::Fine);
    }
    std::io::stdout().write_all(rendered(args.of.kind(), &Names::of(&files)).as_bytes())?;
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
