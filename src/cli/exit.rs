//! Exit codes, and how an error ends the program.

use std::{fmt, io};

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

/// Says an error on stderr and gives its exit code: its own, else 1. Who reads no further (`| head`) has what they wanted.
pub fn report(error: &anyhow::Error) -> Exit {
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Exit::Fine;
    }
    let failure = error.downcast_ref::<Failure>();
    eprintln!("error: {error:#}");
    if let Some(hint) = failure.map(|failure| &failure.hint).filter(|hint| !hint.is_empty()) {
        eprintln!("hint: {hint}");
    }
    failure.map_or(Exit::Problems, |failure| failure.exit)
}
