//! The README's tutorial, done as it stands there: its files are written, its commands run in an empty folder, and what they
//! print is what it shows.
//!
//! A comment before a block says what it is: `<!-- tutorial: write <file> -->`, `<!-- tutorial: line <n> of <file> -->` (the
//! block is the line as it is now), `<!-- tutorial: run -->` (`$ <command>`, then what it prints; a line `…` stands for lines
//! that are left out).

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// One thing that the tutorial does.
struct Act {
    what: String,
    block: Vec<String>,
}

fn acts() -> Vec<Act> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (mut acts, mut lines) = (Vec::new(), readme.lines());
    while let Some(line) = lines.next() {
        let Some(what) = line.strip_prefix("<!-- tutorial: ").and_then(|what| what.strip_suffix(" -->")) else {
            continue;
        };
        assert!(lines.next().unwrap().starts_with("```"), "a block stands below `{line}`");
        let block = lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        acts.push(Act { what: what.to_owned(), block });
    }
    acts
}

fn write(folder: &Path, file: &str, lines: &[String]) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn mend(folder: &Path, place: &str, block: &[String]) {
    let (line, file) = place.split_once(" of ").unwrap();
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let [now] = block else { panic!("{place}: one line is mended") };
    lines[line.parse::<usize>().unwrap() - 1].clone_from(now);
    write(folder, file, &lines);
}

/// What a person sees of a command, whichever stream it comes by.
fn printed(folder: &Path, command: &str) -> Vec<String> {
    let words: Vec<&str> =
        command.strip_prefix("relance ").expect("the tutorial needs nothing else").split(' ').collect();
    let words: Vec<String> = joined(&words);
    let path = folder.join(".printed");
    let file = fs::File::create(&path).unwrap();
    let mut relance = Command::new(env!("CARGO_BIN_EXE_relance"));
    relance.current_dir(folder).args(words).env_clear().env("TZ", "Europe/Madrid").stdin(Stdio::null());
    relance.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// Words as a shell reads them: a quoted one is one.
fn joined(words: &[&str]) -> Vec<String> {
    let mut read: Vec<String> = Vec::new();
    let mut open = false;
    for word in words {
        let bare = word.replace('"', "");
        match (open, read.last_mut()) {
            (true, Some(last)) => *last = format!("{last} {bare}"),
            _ => read.push(bare),
        }
        open ^= word.matches('"').count() % 2 == 1;
    }
    read
}

/// Whether it is what was shown: `…` stands for any lines.
fn fits(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "…" => (0..=printed.len()).any(|from| fits(rest, &printed[from..])),
        Some((first, rest)) => printed.first() == Some(first) && fits(rest, &printed[1..]),
    }
}

#[test]
fn the_tutorial_of_the_readme_does_what_it_says() {
    let folder = TempDir::with_prefix("relance-tutorial-").unwrap();
    let (mut ran, mut wrote) = (0, 0);
    for Act { what, block } in acts() {
        match what.split_once(' ') {
            Some(("write", file)) => write(folder.path(), file, &block),
            Some(("line", place)) => mend(folder.path(), place, &block),
            _ => {
                assert_eq!(what, "run");
                let starts: Vec<usize> = (0..block.len()).filter(|at| block[*at].starts_with("$ ")).collect();
                for (nth, at) in starts.iter().enumerate() {
                    let shown = &block[at + 1..starts.get(nth + 1).copied().unwrap_or(block.len())];
                    let printed = printed(folder.path(), block[*at].trim_start_matches("$ "));
                    let (now, then) = (printed.join("\n"), shown.join("\n"));
                    assert!(fits(shown, &printed), "{} prints:\n{now}\n\nthe README shows:\n{then}", block[*at]);
                    ran += 1;
                }
                continue;
            }
        }
        wrote += 1;
    }
    assert!(ran >= 5 && wrote >= 4, "{ran} commands, {wrote} files");
}
