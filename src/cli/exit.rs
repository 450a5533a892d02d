//! Exit codes, and how an error ends the program.

use super::{Global, paint};
use serde_json::json;
use std::fmt;
use std::io::Write as _;

/// How a command ended (`language.md` §15). Where nothing can be put in order any more `serve` ends in the middle, with
/// codes of its own: 74 when its disk failed (`store::disk`), 70 when its loop did (`engine::thread`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Fine,
    /// Problems found: mistakes, a failed wait.
    Problems,
    /// Wrong usage.
    Usage,
    /// Database, API or server cannot be reached.
    NoConnection,
    /// The other side refused: credentials, not found.
    Refused,
    /// `serve` cannot start because of its configuration.
    Configuration,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Problems => 1,
            Self::Usage => 2,
            Self::NoConnection => 3,
            Self::Refused => 4,
            Self::Configuration => 78,
        }
    }
}

/// An error that knows its exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    /// The way out; may be empty.
    pub hint: String,
}

impl Failure {
    /// The error that ends a command so.
    pub fn error(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self { exit, message: message.into(), hint: hint.into() })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Says an error on stderr and gives its exit code: its own, else 1.
pub fn report(error: &anyhow::Error, global: &Global) -> Exit {
    let failure = error.downcast_ref::<Failure>();
    let exit = failure.map_or(Exit::Problems, |failure| failure.exit);
    let (message, hint) = (format!("{error:#}"), failure.map_or("", |failure| &failure.hint));
    if global.json {
        say_json(&message, hint, exit);
        return exit;
    }
    let hint = if hint.is_empty() { String::new() } else { format!("hint: {hint}\n") };
    let mut err = global.err();
    // An error that nobody can read is one all the same.
    let _ = err.write_all(paint::report(&format!("error: {message}\n{hint}"), err.paints).as_bytes());
    exit
}

/// As [`report`], of words on the command line that mean nothing; or what was asked for with `--help`.
pub fn misread(error: &clap::Error) -> Exit {
    // What could not be read does not say whether JSON is wanted.
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    match (error.use_stderr(), json) {
        (true, true) => {
            let (message, hint) = in_our_words(&error.to_string());
            say_json(&message, &hint, Exit::Usage);
        }
        _ => drop(error.print()),
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Fine }
}

/// For programs: the last line of stderr.
fn say_json(message: &str, hint: &str, exit: Exit) {
    eprintln!("{}", json!({ "version": 1, "error": message, "hint": hint, "exit": exit.code() }));
}

/// The message and the tip of what the reader of the command line says in paragraphs.
fn in_our_words(said: &str) -> (String, String) {
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = said.split("\n\n").map(joined);
    let message = paragraphs.next().unwrap_or_default();
    let hint = paragraphs.find_map(|text| text.strip_prefix("tip: ").map(str::to_owned));
    let hint = hint.unwrap_or_else(|| "`--help` tells how it is used".to_owned());
    (message.trim_start_matches("error: ").to_owned(), hint)
}
