//! Test file: the checked model of a `workflows/*.test.yaml`: who there is, what happens when, and what is expected.
//!
//! `check` lowers the file to this, `rehearsal` plays it. Pure. Invariant: every name in it was found, and the entries of
//! a timeline stand in the order of time.

use crate::contact::Phone;
use crate::run::RunState;
use crate::workflow::Duration;
use jiff::tz::TimeZone;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// One file.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// Relative to the project.
    pub path: String,
    /// What it is about: the first one's zone is that of all times.
    pub workflows: Vec<String>,
    pub zone: TimeZone,
    /// `contacts`, by the name they have in the file.
    pub people: BTreeMap<String, Person>,
    pub tests: Vec<Test>,
}

/// A place in a file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone)]
pub struct Test {
    pub name: String,
    pub place: Place,
    /// Unix milliseconds.
    pub start_ms: i64,
    /// By the name they have in the file.
    pub people: BTreeMap<String, Person>,
    /// Read in the place of a file.
    pub audience: Option<Rows>,
    pub replies: Vec<HttpReply>,
    pub timeline: Vec<Entry>,
}

/// A person of the account as a test begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub phone: Phone,
    /// As the account has it.
    pub name: Option<String>,
    /// `first_name`, `email`, `language`, `timezone`, as an import gives them.
    pub details: BTreeMap<&'static str, String>,
    pub tags: Vec<String>,
    pub custom: Map<String, Value>,
    /// How long before the start the person last wrote; `None` = never.
    pub last_message: Option<Duration>,
}

impl Person {
    /// Somebody of whom only the number is known.
    pub fn of(phone: Phone) -> Self {
        let details = BTreeMap::new();
        Self { phone, name: None, details, tags: Vec::new(), custom: Map::new(), last_message: None }
    }
}

/// A list of people that a test gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The file whose rows these replace, below `workflows/`.
    pub file: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// As many fields each as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// What another system answers to the calls of `http_request`.
#[derive(Debug, Clone)]
pub struct HttpReply {
    pub method: String,
    /// With `*` for anything.
    pub address: Regex,
    /// Status codes, one a call; the last one stays. Not empty.
    pub statuses: Vec<u16>,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub place: Place,
    /// `at` as written.
    pub written: String,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Happens(Happening),
    /// What was sent and called since the last look; empty = `nothing`.
    Expect(Vec<Expected>),
}

#[derive(Debug, Clone)]
pub enum Happening {
    Webhook {
        event: String,
        data: Value,
        unheard: Option<Unheard>,
    },
    /// The person of that number writes.
    Message {
        from: Phone,
        text: String,
        /// Address of a file.
        media: Option<String>,
    },
    Button {
        from: Phone,
        press: String,
    },
    /// The newest message of ours gets a status.
    Status {
        is: StatusWord,
        code: Option<i64>,
    },
    /// Somebody in the account gives the person tags.
    Tagged {
        of: Phone,
        tags: Vec<String>,
    },
    Restart,
}

/// An event that no workflow of the project hears, though one was meant: a test that sends it could not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheard {
    pub message: String,
    /// Which one was meant.
    pub hint: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusWord {
    Delivered,
    Read,
    Failed,
}

impl StatusWord {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Expected {
    pub place: Place,
    pub wanted: Wanted,
}

#[derive(Debug, Clone)]
pub enum Wanted {
    Message(Box<WantedMessage>),
    /// So many messages since the last look.
    Messages(usize),
    /// The newest run of the file's workflows.
    Run {
        state: RunState,
        because: Option<Matcher>,
    },
    Http {
        method: Option<String>,
        url: Option<Matcher>,
        /// Fields of it are in the body.
        json: Option<Value>,
    },
    Contact {
        of: Phone,
        name: String,
        /// Each of them is on the person.
        tags: Vec<String>,
        team: Option<String>,
    },
}

/// What is said of a message; what is not said may be anything.
#[derive(Debug, Clone, Default)]
pub struct WantedMessage {
    /// The name in the file, and the number.
    pub to: Option<(String, Phone)>,
    /// Plain text or caption.
    pub text: Option<Matcher>,
    /// Name in the catalogue, with the uuids that it stands for.
    pub template: Option<(String, Vec<String>)>,
    pub values: Option<Vec<Matcher>>,
    pub media: Option<Matcher>,
    /// As the person reads it, whatever the form.
    pub reads: Option<Matcher>,
}

/// How a text is compared.
#[derive(Debug, Clone)]
pub enum Matcher {
    Exact(String),
    Contains(String),
    Matches(Regex),
}

impl Matcher {
    /// Blanks at both ends never count: a block text ends with a line break.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted.trim() == text.trim(),
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(wanted) => write!(f, "`{}`", wanted.trim()),
            Self::Contains(part) => write!(f, "a text with `{part}`"),
            Self::Matches(pattern) => write!(f, "a text like `{pattern}`"),
        }
    }
}
