//! `relance check`: mistakes as people read them, and as programs do (`formats`), mended where that is certain
//! (`mending`), and held against the account (`account`).
//!
//! Decides nothing: `workflow::check` found the mistakes. Invariant: the caret stands below the first character at
//! fault, whatever tabs, accents or emoji come before it.

mod account;
mod formats;
mod mending;

pub use formats::{github, sarif};

use super::counted::counted;
use super::exit::Failure;
use super::out::Out;
use super::{Exit, Global, paint, project};
use crate::clock::Clock;
use crate::config::Files;
use crate::workflow;
use crate::workflow::diagnostic::{Diagnostic, Severity};
use crate::workflow::fix::Fixed;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write;
use unicode_width::UnicodeWidthChar as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
    /// Mend what can be mended without a doubt; comments and layout stay as they are
    #[arg(long)]
    fix: bool,
    /// With `--fix`: show what would change, and write nothing
    #[arg(long, requires = "fix")]
    diff: bool,
    /// Leave out what only the account knows
    #[arg(long)]
    offline: bool,
    /// How mistakes are printed
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// What mistakes are printed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// People, with the line and a caret
    Human,
    /// Programs
    Json,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// Prints every mistake of all files, found in one pass.
pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<Exit> {
    let format = match (global.json, args.format) {
        (false, format) => format,
        (true, Format::Human | Format::Json) => Format::Json,
        (true, _) => return Err(Failure::error(Exit::Usage, "`--json` and `--format` ask for two forms", "keep one")),
    };
    let read = project::read_files(&global.project)?;
    let asked = account::ask(global, args.offline, &read).await;
    let now_ms = Clock::machine(0).now_ms();
    let check = |files: &Files| workflow::check_with(files, now_ms, &asked.names).diagnostics;
    let fixed = args.fix.then(|| workflow::fix::fix(&read, check));
    if let Some(fixed) = fixed.as_ref().filter(|_| !args.diff) {
        mending::write(&global.project, &read, fixed)?;
    }
    // What was only shown is not mended: what is judged is what lies there now.
    let (files, diagnostics) = match &fixed {
        Some(fixed) if !args.diff => (&fixed.files, fixed.diagnostics.clone()),
        _ => (&read, check(&read)),
    };
    // What is said at the end is a result like the mistakes, but where these are read by programs.
    let whole = matches!((format, args.diff), (Format::Human, false));
    let text = match (format, &fixed) {
        (Format::Json, fixed) => {
            let mut report = render_json(&diagnostics, fixed.as_ref());
            report["not_checked"] = json!(asked.left_out);
            format!("{report}\n")
        }
        (Format::Github, _) => github(&diagnostics, &global.project),
        (Format::Sarif, _) => format!("{:#}\n", sarif(&diagnostics, &global.project)),
        (Format::Human, Some(fixed)) if args.diff => mending::changes(&read, fixed),
        (Format::Human, _) => {
            show(global.out(), &diagnostics, files)?;
            String::new()
        }
    };
    global.out().whole().write_all(text.as_bytes())?;
    if !global.quiet && format != Format::Json {
        let mended = fixed.iter().flat_map(|fixed| mending::told(fixed, args.diff));
        let result: String = mended.chain([summary(&diagnostics, files)]).map(|line| line + "\n").collect();
        match whole {
            true => global.out().write_all(result.as_bytes())?,
            false => global.err().write_all(result.as_bytes())?,
        }
        asked.left_out.iter().try_for_each(|left_out| writeln!(global.err(), "{left_out}"))?;
    }
    let serious = |one: &Diagnostic| one.severity == Severity::Error || args.strict;
    let usual = asked.failed.unwrap_or(Exit::Fine);
    Ok(if diagnostics.iter().any(serious) { Exit::Problems } else { usual })
}

/// The mistakes that keep a command from its work, for programs: what `check` prints of them.
pub(super) fn print_json(global: &Global, diagnostics: &[Diagnostic]) -> anyhow::Result<()> {
    Ok(writeln!(global.out(), "{}", render_json(diagnostics, None))?)
}

/// The mistakes that keep a project from being played, as its result.
pub(super) fn nothing_played(global: &Global, mistakes: &[Diagnostic], files: &Files) -> anyhow::Result<()> {
    if global.json {
        return print_json(global, mistakes);
    }
    show(global.out(), mistakes, files)?;
    match global.quiet {
        true => Ok(()),
        false => Ok(writeln!(global.out(), "nothing was played: {}", summary(mistakes, files))?),
    }
}

/// The mistakes for people, as wide and as colourful as the stream is.
pub(super) fn show(mut out: Out<impl Write>, diagnostics: &[Diagnostic], files: &Files) -> anyhow::Result<()> {
    let shown = out.width().map_or(SHOWN, |width| SHOWN.min(width - GUTTER));
    let text = render_within(diagnostics, files, shown);
    Ok(out.write_all(paint::report(&text, out.paints).as_bytes())?)
}

/// Columns of a source line that are shown; longer ones are cut around the caret.
const SHOWN: usize = 100;
/// Columns before it, with a line number of four digits and the signs of a cut.
const GUTTER: usize = 13;

/// Each mistake with its source line, a caret and the way out, separated by empty lines.
pub fn render_human(diagnostics: &[Diagnostic], files: &Files) -> String {
    render_within(diagnostics, files, SHOWN)
}

fn render_within(diagnostics: &[Diagnostic], files: &Files, shown: usize) -> String {
    let mut lines: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut out = String::new();
    for (at, diagnostic) in diagnostics.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let text = files.get(&diagnostic.file).map_or("", String::as_str);
        let lines = lines.entry(&diagnostic.file).or_insert_with(|| text.lines().collect());
        let source = lines.get(diagnostic.line.saturating_sub(1)).copied();
        render_one(&mut out, diagnostic, source.filter(|line| !line.trim().is_empty()), shown);
    }
    out
}

fn render_one(out: &mut String, diagnostic: &Diagnostic, source: Option<&str>, room: usize) {
    let Diagnostic { code, file, line, column, message, hint, .. } = diagnostic;
    let severity = severity_word(diagnostic.severity);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{file}:{line}:{column}: {severity}[{code}]: {message}");
    if let Some(source) = source {
        let (shown, caret) = excerpt(source, *column, diagnostic.width, room);
        let number = line.to_string();
        let _ = writeln!(out, "  {number} | {shown}");
        let _ = writeln!(out, "  {} | {caret}", " ".repeat(number.len()));
    }
    if !hint.is_empty() {
        let _ = writeln!(out, "  hint: {hint}");
    }
}

/// The line as shown and the carets below it. `column` counts characters from 1.
fn excerpt(line: &str, column: usize, width: usize, mut room: usize) -> (String, String) {
    let chars: Vec<char> = line.chars().filter(|c| *c != '\u{feff}').collect();
    let start = (column - 1).min(chars.len());
    let end = (start + width).min(chars.len()).max(start);
    let cells = |range: &[char]| range.iter().map(|c| cell_width(*c)).sum::<usize>();
    // A long line is cut so that the caret stands in its first third.
    let from = if cells(&chars) > room { start.saturating_sub(room / 3) } else { 0 };
    let mut to = from;
    while to < chars.len() && room >= cell_width(chars[to]) {
        room -= cell_width(chars[to]);
        to += 1;
    }
    let before = if from > 0 { "… " } else { "" };
    let after = if to < chars.len() { " …" } else { "" };
    let shown: String = chars[from..to].iter().map(|c| visible(*c)).collect();
    let indent = cells(&chars[from..start]) + before.chars().count();
    let carets = cells(&chars[start..end.min(to).max(start)]).max(1);
    let line = format!("{before}{shown}{after}");
    (line.trim_end().to_owned(), format!("{}{}", " ".repeat(indent), "^".repeat(carets)))
}

/// Columns of a terminal that a character takes as it is shown.
fn cell_width(c: char) -> usize {
    match c {
        '\t' => 1,
        c => visible(c).width().unwrap_or(0),
    }
}

/// Tabs and characters without a width are shown as a sign of their own: they are what the mistake is about.
fn visible(c: char) -> char {
    match c {
        '\t' => '→',
        '\u{200b}'..='\u{200f}' | '\u{2060}' => '·',
        '\u{a0}' | '\u{202f}' => '␣',
        c if c.is_control() => '·',
        c => c,
    }
}

/// `2 errors, 1 warning in 9 files`, or `9 files, no mistakes`.
pub fn summary(diagnostics: &[Diagnostic], files: &Files) -> String {
    let (errors, warnings) = counts(diagnostics);
    let read = files.keys().filter(|path| path.ends_with(".yaml") || path.ends_with(".json")).count();
    let files = counted(read, "file");
    match (errors, warnings) {
        (0, 0) => format!("{files}, no mistakes"),
        (errors, 0) => format!("{} in {files}", counted(errors, "error")),
        (0, warnings) => format!("{} in {files}", counted(warnings, "warning")),
        (errors, warnings) => format!("{}, {} in {files}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

/// The machine-readable form, one object; its shape is versioned. After `--fix`, what was mended and what was not.
pub fn render_json(diagnostics: &[Diagnostic], fixed: Option<&Fixed>) -> Value {
    let (errors, warnings) = counts(diagnostics);
    let list = |diagnostics: &[Diagnostic]| diagnostics.iter().map(json_row).collect::<Vec<Value>>();
    let mut report = json!({ "version": 1, "diagnostics": list(diagnostics), "errors": errors, "warnings": warnings });
    if let Some(fixed) = fixed {
        report["mended"] = list(&fixed.mended).into();
        report["left_out"] = list(&fixed.left_out).into();
    }
    report
}

fn json_row(diagnostic: &Diagnostic) -> Value {
    json!({
        "code": diagnostic.code,
        "severity": severity_word(diagnostic.severity),
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "width": diagnostic.width,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "fixable": !diagnostic.fix.is_empty(),
    })
}

/// Errors and warnings.
pub fn counts(diagnostics: &[Diagnostic]) -> (usize, usize) {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    (errors, diagnostics.len() - errors)
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_its_character() {
        assert_eq!(excerpt("ab: cd", 5, 2, SHOWN), ("ab: cd".into(), "    ^^".into()));
        assert_eq!(excerpt("\tb", 1, 1, SHOWN), ("→b".into(), "^".into()));
        assert_eq!(excerpt("é 🎉 x", 5, 1, SHOWN), ("é 🎉 x".into(), "     ^".into()));
        assert_eq!(excerpt("ab", 9, 3, SHOWN), ("ab".into(), "  ^".into()));
        let long = "x".repeat(300);
        let (shown, caret) = excerpt(&long, 200, 1, SHOWN);
        assert!(shown.starts_with("… x") && shown.ends_with("x …"));
        assert_eq!(caret.chars().count(), 36);
    }
}
