//! `check --fix` on disk: the mended files take the place of the old ones, and what is said of it.

use crate::cli::counted::counted;
use crate::cli::diff::lines;
use crate::cli::replace::replace_read;
use crate::config::Files;
use crate::workflow::diagnostic::Diagnostic;
use crate::workflow::fix::Fixed;
use anyhow::Context as _;
use std::fmt::Write as _;
use std::path::Path;

/// Writes what was mended.
///
/// # Errors
/// When a file cannot be written, or is another one now than the one that was read.
pub(super) fn write(root: &Path, read: &Files, fixed: &Fixed) -> anyhow::Result<()> {
    for path in &fixed.changed {
        if let (Some(before), Some(after)) = (read.get(path), fixed.files.get(path)) {
            replace_read(&root.join(path), before, after).with_context(|| path.clone())?;
        }
    }
    Ok(())
}

/// What would change, file by file.
pub(super) fn changes(read: &Files, fixed: &Fixed) -> String {
    let mut out = String::new();
    for path in &fixed.changed {
        let (before, after) = (read.get(path).map_or("", String::as_str), &fixed.files[path]);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{path}\n{}", lines::diff(before, after).trim_end());
    }
    out
}

/// What was mended, and what was left to a person, line by line.
pub(super) fn told(fixed: &Fixed, only_shown: bool) -> Vec<String> {
    let left_out = |one: &Diagnostic| {
        let place = format!("{}:{}:{}", one.file, one.line, one.column);
        format!("{place}: {} is left as it is: mended, the line would have another mistake", one.code)
    };
    let (mistakes, files) = (counted(fixed.mended.len(), "mistake"), counted(fixed.changed.len(), "file"));
    let left = match super::counts(&fixed.diagnostics).0 {
        0 => String::new(),
        1 => "1 mistake needs you".to_owned(),
        left => format!("{left} mistakes need you"),
    };
    let mended = match (fixed.mended.is_empty(), only_shown) {
        (true, _) if left.is_empty() => "nothing to mend".to_owned(),
        (true, _) => "nothing was mended".to_owned(),
        (false, true) => format!("{mistakes} in {files} would be mended; nothing was written"),
        (false, false) => format!("{mistakes} mended in {files}"),
    };
    let sum = format!("{mended}{}{left}", if left.is_empty() { "" } else { "; " });
    fixed.left_out.iter().map(left_out).chain([sum]).collect()
}
