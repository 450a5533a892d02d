//! Every mistake is told at its place, in words: one broken file per mistake in `tests/bad`.
//!
//! `<name>.expected` says which codes at which places, `<name>.txt` how it is told; after reading it with a critical eye,
//! `RELANCE_BLESS=1 cargo test --test it bad` writes the latter anew.

use relance::cli::check::{render_human, summary};
use relance::config::Files;
use relance::workflow::diagnostic::Diagnostic;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// 2026-03-02 10:00 in Madrid: hints about schedules say the same each time.
pub(crate) const NOW_MS: i64 = 1_772_442_000_000;

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn project() -> Files {
    relance::cli::project::read_files(&root()).unwrap()
}

/// The cases: the path without its ending, and whether it is a folder.
pub(crate) fn cases() -> Vec<(PathBuf, bool)> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(root().join("tests/bad")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cases.push((path, true));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            cases.push((path.with_extension(""), false));
        }
    }
    cases.sort();
    assert!(cases.len() > 100, "{} cases", cases.len());
    cases
}

/// A folder's files replace those of the root; a single file stands beside them as `workflows/bad.yaml`.
pub(crate) fn files_of(case: &Path, folder: bool) -> Files {
    let mut files = project();
    if !folder {
        files.insert("workflows/bad.yaml".into(), fs::read_to_string(case.with_extension("yaml")).unwrap());
        return files;
    }
    let replaced = relance::cli::project::read_files(case).unwrap();
    files.extend(replaced);
    files
}

fn places(diagnostics: &[Diagnostic], folder: bool) -> String {
    diagnostics.iter().fold(String::new(), |mut out, found| {
        if folder {
            let _ = write!(out, "{} ", found.file);
        }
        let _ = writeln!(out, "{} {}:{}", found.code, found.line, found.column);
        out
    })
}

#[test]
fn every_mistake_is_told_once_at_its_place() {
    let mut wrong = String::new();
    for (case, folder) in cases() {
        let files = files_of(&case, folder);
        let found = relance::workflow::check(&files, NOW_MS).diagnostics;
        let expected = if folder { case.join("expected") } else { case.with_extension("expected") };
        let expected = fs::read_to_string(expected).unwrap();
        let told = places(
            &found.iter().filter(|found| folder || found.file == "workflows/bad.yaml").cloned().collect::<Vec<_>>(),
            folder,
        );
        let elsewhere = found.iter().any(|found| !folder && found.file != "workflows/bad.yaml");
        if told.trim() != expected.trim() || elsewhere {
            let name = case.file_name().unwrap().to_string_lossy();
            let _ =
                writeln!(wrong, "== {name}\nexpected:\n{}\ntold:\n{}", expected.trim(), render_human(&found, &files));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_mistake_is_told_in_the_agreed_words() {
    let bless = std::env::var_os("RELANCE_BLESS").is_some();
    let mut wrong = String::new();
    for (case, folder) in cases() {
        let files = files_of(&case, folder);
        let found = relance::workflow::check(&files, NOW_MS).diagnostics;
        // How many files the example has does not matter here.
        let summary = summary(&found, &files);
        let counts = summary.split_once(" in ").map_or(summary.as_str(), |(counts, _)| counts);
        let told = format!("{}\n{counts}\n", render_human(&found, &files));
        let path = if folder { case.join("told.txt") } else { case.with_extension("txt") };
        if bless {
            fs::write(&path, &told).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != told {
            let _ = writeln!(wrong, "== {}\n{told}", path.display());
        }
    }
    assert!(wrong.is_empty(), "differs from what was agreed:\n{wrong}");
}

#[test]
fn the_example_project_has_no_mistakes() {
    let files = project();
    let loaded = relance::workflow::check(&files, NOW_MS);
    assert_eq!(render_human(&loaded.diagnostics, &files), "");
    let project = loaded.project.unwrap();
    let is_workflow = |path: &&String| path.ends_with(".yaml") && !path.ends_with(".test.yaml");
    let names = files.keys().filter(|path| path.starts_with("workflows/")).filter(is_workflow).count();
    assert_eq!(project.workflows.len(), names);
}
