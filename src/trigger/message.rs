//! Matching what a person wrote (`language.md` §9.2).

/// `message:` of a trigger.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// Observes every message, takes none.
    Any,
    /// Starts when nothing else took the message.
    Unmatched,
    /// All keys that are there must match; a list in one key = any of its entries.
    Match(Box<Pattern>),
}

#[derive(Debug, Clone, Default)]
pub struct Pattern {
    pub is: Vec<String>,
    pub starts_with: Vec<String>,
    pub contains: Vec<String>,
    pub matches: Option<regex::Regex>,
    pub has: Vec<Content>,
}

/// Kind of content of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Text,
    Image,
    Video,
    Audio,
    Document,
    Location,
    Contact,
}
