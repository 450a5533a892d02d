//! `relance diff`: the folder against what serves, file by file.
//!
//! Only texts that decide what a project does are compared: samples and lists of people are no part of a deploy.

pub(super) mod lines;

use super::ask::Server;
use super::exit::{Exit, Failure};
use super::{Global, project};
use crate::config::Files;
use crate::engine::decisive;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Removed,
    Changed,
}

/// One file that is not the same.
#[derive(Debug, PartialEq, Eq)]
struct Differs {
    path: String,
    change: Change,
    /// Line by line, from what serves to the folder.
    text: String,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

pub(super) async fn run(global: &Global) -> anyhow::Result<Exit> {
    let files = project::read_files(&global.project)
        .map_err(|error| Failure::error(Exit::Usage, format!("{error:#}"), "name the folder with `-C`"))?;
    let answer = Server::of(global)?.get("/api/deploy?show_pii=1").await?;
    let serves: Files = serde_json::from_value(answer["files"].clone()).unwrap_or_default();
    let differs = compare(&decisive(&serves), &decisive(&files));
    let text = match (global.json, differs.is_empty()) {
        (true, _) => as_json(&answer, &differs).to_string() + "\n",
        (false, true) if global.quiet => String::new(),
        (false, true) => format!("the folder is what serves: deploy {}\n", answer["deploy"]["number"]),
        (false, false) => differs.iter().map(said).collect(),
    };
    global.out().whole().write_all(text.as_bytes())?;
    Ok(if differs.is_empty() { Exit::Fine } else { Exit::Problems })
}

/// From what serves to the folder.
fn compare(serves: &Files, folder: &Files) -> Vec<Differs> {
    let paths: BTreeSet<&String> = serves.keys().chain(folder.keys()).collect();
    let differs = |path: &String| {
        let (old, new) = (serves.get(path), folder.get(path));
        let change = match (old, new) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (Some(old), Some(new)) if old != new => Change::Changed,
            _ => return None,
        };
        let text = lines::diff(old.map_or("", String::as_str), new.map_or("", String::as_str));
        Some(Differs { path: path.clone(), change, text })
    };
    paths.into_iter().filter_map(differs).collect()
}

fn said(one: &Differs) -> String {
    let head = match workflow(&one.path) {
        Some(id) => format!("workflow `{id}` {}: {}\n", one.change.as_str(), one.path),
        None => format!("{} {}\n", one.path, one.change.as_str()),
    };
    // A whole file that came or went is told by its name.
    match one.change {
        Change::Changed => head + &one.text + "\n",
        Change::Added | Change::Removed => head,
    }
}

fn workflow(path: &str) -> Option<&str> {
    path.strip_prefix("workflows/")?.strip_suffix(".yaml")
}

fn as_json(answer: &Value, differs: &[Differs]) -> Value {
    let file = |one: &Differs| {
        let (change, workflow) = (one.change.as_str(), workflow(&one.path));
        json!({ "path": one.path, "workflow": workflow, "change": change, "diff": one.text })
    };
    json!({
        "version": 1,
        "same": differs.is_empty(),
        "deploy": answer["deploy"],
        "files": differs.iter().map(file).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_or_changed_is_told_by_its_kind() {
        let files = |list: &[(&str, &str)]| -> Files {
            list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
        };
        let serves = files(&[("relance.yaml", "a\n"), ("workflows/gone.yaml", "x\n"), ("workflows/kept.yaml", "k\n")]);
        let folder = files(&[("relance.yaml", "b\n"), ("workflows/kept.yaml", "k\n"), ("workflows/new.yaml", "n\n")]);
        let told: String = compare(&serves, &folder).iter().map(said).collect();
        let expected = "relance.yaml changed\n- a\n+ b\n\nworkflow `gone` removed: workflows/gone.yaml\n\
                        workflow `new` added: workflows/new.yaml\n";
        assert_eq!(told, expected);
        assert_eq!(compare(&serves, &serves), []);
    }
}
