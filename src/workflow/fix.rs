//! Fix: what `check --fix` writes. Every edit that the checks propose is applied, and the files are read again.
//!
//! Pure: texts in, texts out; who calls writes them. Invariants: comments and layout stay as they are outside of the
//! edits; a fix whose lines have an error afterwards that the file did not have before, and that nothing mends, is left
//! out. Whether the mended text says what was meant is for who proposes the edit.

use super::diagnostic::{Diagnostic, Edit, Severity};
use crate::config::Files;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Rounds at most: a fix may show what stood behind it, such as a placeholder with one brace in a text without quotes.
const ROUNDS: usize = 8;
/// Fixes of one file that are tried one by one when all together make it worse.
const ONE_BY_ONE: usize = 100;

/// What came of it.
#[derive(Debug)]
pub struct Fixed {
    /// All files, the mended ones as they are now.
    pub files: Files,
    /// Paths of the mended files.
    pub changed: BTreeSet<String>,
    /// What was mended, at its place before.
    pub mended: Vec<Diagnostic>,
    /// What could be mended, but would be worse then.
    pub left_out: Vec<Diagnostic>,
    /// What is told of the files as they are now.
    pub diagnostics: Vec<Diagnostic>,
}

/// Applies every fix. `check` finds the mistakes of a project's files.
pub fn fix(files: &Files, check: impl Fn(&Files) -> Vec<Diagnostic>) -> Fixed {
    let mut fixed = Fixed {
        files: files.clone(),
        changed: BTreeSet::new(),
        mended: Vec::new(),
        left_out: Vec::new(),
        diagnostics: check(files),
    };
    for _ in 0..ROUNDS {
        if !round(&mut fixed, &check) {
            break;
        }
    }
    fixed
}

/// One pass over all files; whether anything was mended.
fn round(fixed: &mut Fixed, check: &impl Fn(&Files) -> Vec<Diagnostic>) -> bool {
    let mut by_file: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
    for found in fixed.diagnostics.iter().filter(|found| !found.fix.is_empty()) {
        let refused = fixed.left_out.iter().any(|left| left.file == found.file && left.fix == found.fix);
        // What is not UTF-8 was read with another character in its place, which must not be written.
        let whole = fixed.files.get(&found.file).is_some_and(|text| !text.contains('\u{fffd}'));
        if whole && !refused {
            by_file.entry(&found.file).or_default().push(found);
        }
    }
    let chosen: Vec<(String, Vec<Diagnostic>)> = by_file
        .into_iter()
        .map(|(file, found)| (file.to_owned(), apart(&found)))
        .filter(|(_, found)| !found.is_empty())
        .collect();
    let mut any = false;
    for (file, found) in chosen {
        any |= mend(fixed, &file, found, check);
    }
    any
}

/// The fixes that go together: those of the notation first, as others may stand inside their texts; then no two of
/// them in one place. The others come in the next round.
fn apart(found: &[&Diagnostic]) -> Vec<Diagnostic> {
    let notation = |one: &Diagnostic| one.severity == Severity::Error && one.code.starts_with("R1");
    let first = found.iter().any(|one| notation(one));
    let mut taken: Vec<Range<usize>> = Vec::new();
    let mut chosen = Vec::new();
    for one in found.iter().filter(|one| !first || notation(one)) {
        let meets = |span: &Range<usize>| taken.iter().any(|other| span.start < other.end && other.start < span.end);
        if !one.fix.iter().any(|edit| meets(&edit.span)) {
            taken.extend(one.fix.iter().map(|edit| edit.span.clone()));
            chosen.push((*one).clone());
        }
    }
    chosen
}

/// Mends one file with all of the fixes, else with those that make it no worse; whether anything was mended.
fn mend(fixed: &mut Fixed, file: &str, found: Vec<Diagnostic>, check: &impl Fn(&Files) -> Vec<Diagnostic>) -> bool {
    if try_all(fixed, file, &found, check) {
        return true;
    }
    let mut any = false;
    // From the end on, so that the places of those before stay.
    for one in found.into_iter().rev().take(ONE_BY_ONE) {
        if try_all(fixed, file, std::slice::from_ref(&one), check) {
            any = true;
        } else {
            let same =
                |left: &Diagnostic| (&left.file, left.code, &left.message) == (&one.file, one.code, &one.message);
            fixed.left_out.retain(|left| !same(left));
            fixed.left_out.push(one);
        }
    }
    any
}

/// Applies fixes and looks again; keeps the result only when it is no worse.
fn try_all(fixed: &mut Fixed, file: &str, found: &[Diagnostic], check: &impl Fn(&Files) -> Vec<Diagnostic>) -> bool {
    let Some(text) = fixed.files.get(file) else { return false };
    let edits: Vec<&Edit> = found.iter().flat_map(|one| &one.fix).collect();
    let Some((mended, touched)) = apply(text, edits) else { return false };
    let mut files = fixed.files.clone();
    files.insert(file.to_owned(), mended);
    let diagnostics = check(&files);
    if is_worse(file, &fixed.diagnostics, &diagnostics, &touched) {
        return false;
    }
    (fixed.files, fixed.diagnostics) = (files, diagnostics);
    fixed.changed.insert(file.to_owned());
    fixed.mended.extend(found.iter().cloned());
    true
}

/// The text with the edits, and the lines (from 1) that hold what was written; `None` when two edits meet.
fn apply(text: &str, mut edits: Vec<&Edit>) -> Option<(String, Vec<Range<usize>>)> {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    edits.dedup();
    let mut out = String::with_capacity(text.len());
    let mut lines = Vec::new();
    let (mut at, mut line) = (0, 1);
    for edit in edits {
        let kept = text.get(at..edit.span.start)?;
        text.get(edit.span.clone())?;
        line += kept.matches('\n').count();
        let first = line;
        line += edit.with.matches('\n').count();
        lines.push(first..line + 1);
        out.push_str(kept);
        out.push_str(&edit.with);
        at = edit.span.end;
    }
    out.push_str(text.get(at..)?);
    Some((out, lines))
}

/// Whether a touched line has an error that was not there, and that no further fix mends.
fn is_worse(file: &str, before: &[Diagnostic], after: &[Diagnostic], touched: &[Range<usize>]) -> bool {
    let is_error = |one: &&Diagnostic| one.file == file && one.severity == Severity::Error;
    let known: BTreeSet<(&str, &str)> =
        before.iter().filter(is_error).map(|one| (one.code, one.message.as_str())).collect();
    let mut errors = after.iter().filter(is_error).filter(|one| one.fix.is_empty());
    let on_touched = |line: usize| touched.iter().any(|lines| lines.contains(&line));
    errors.any(|one| on_touched(one.line) && !known.contains(&(one.code, one.message.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &'static str, line: usize, fix: &[(Range<usize>, &str)]) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            file: "a".into(),
            line,
            column: 1,
            width: 1,
            message: String::new(),
            hint: String::new(),
            fix: fix.iter().map(|(span, with)| Edit { span: span.clone(), with: (*with).into() }).collect(),
        }
    }

    #[test]
    fn a_fix_that_brings_another_mistake_is_left_out_and_the_others_are_written() {
        let files = Files::from([("a".to_owned(), "one\ntwo\n".to_owned())]);
        let fixed = fix(&files, |files| match files["a"].as_str() {
            "one\ntwo\n" => vec![found("R101", 1, &[(0..3, "1")]), found("R101", 2, &[(4..7, "2")])],
            "one\n2\n" => vec![found("R101", 1, &[(0..3, "1")])],
            // Whatever replaces the first line is worse than it was.
            _ => vec![found("R104", 1, &[])],
        });
        assert_eq!(fixed.files["a"], "one\n2\n");
        assert_eq!((fixed.mended.len(), fixed.left_out.len(), fixed.diagnostics.len()), (1, 1, 1));
        assert_eq!(fixed.left_out[0].line, 1);
    }

    #[test]
    fn of_two_fixes_in_one_place_the_second_is_looked_at_again() {
        let files = Files::from([("a".to_owned(), "abc".to_owned())]);
        let fixed = fix(&files, |files| match files["a"].as_str() {
            "abc" => vec![found("R301", 1, &[(0..3, "[abc]")]), found("R304", 1, &[(1..2, "B")])],
            "[abc]" => vec![found("R304", 1, &[(2..3, "B")])],
            _ => Vec::new(),
        });
        assert_eq!(fixed.files["a"], "[aBc]");
        assert_eq!(fixed.mended.len(), 2);
    }
}
