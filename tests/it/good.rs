//! Good files: every feature of the language as people write it, and nothing is told of any of them (`tests/good`).

use crate::bad::{NOW_MS, project, root};
use relance::cli::check::render_human;
use std::fmt::Write as _;
use std::fs;

/// Each file beside those of the example project, alone.
#[test]
fn nothing_is_told_of_a_good_file() {
    let mut names = 0;
    let mut wrong = String::new();
    for entry in fs::read_dir(root().join("tests/good")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let mut files = project();
        files.insert(format!("workflows/good_{stem}.yaml"), fs::read_to_string(&path).unwrap());
        let loaded = relance::workflow::check(&files, NOW_MS);
        if !loaded.diagnostics.is_empty() {
            let _ = writeln!(wrong, "{}", render_human(&loaded.diagnostics, &files));
        }
        let project = loaded.project.unwrap();
        assert!(project.workflows.contains_key(&format!("good_{stem}")) || !wrong.is_empty(), "{stem} is not read");
        names += 1;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(names >= 60, "{names} files");
}
