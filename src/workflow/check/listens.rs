//! Listens: which events the project's workflows hear, and which one was meant by a name that none of them hears.
//!
//! Neighbours: `trigger` notes each event of `when` and `stop_when`, `test_file` asks. Invariant: a workflow that cannot run
//! listens as well, as far as its file tells: its own mistakes hide none of another file.

use super::samples::{Samples, slip};
use std::collections::BTreeSet;

/// What all workflow files listen to.
#[derive(Debug, Default)]
pub(super) struct Listens<'a> {
    pub(super) events: BTreeSet<String>,
    /// Texts of the files that cannot run: they may listen to whatever they name.
    pub(super) unread: Vec<&'a str>,
}

impl Listens<'_> {
    /// The event that was probably meant by one that no workflow hears and that has no sample.
    pub(super) fn meant<'l>(&'l self, event: &str, samples: &'l Samples) -> Option<&'l str> {
        if self.events.contains(event) || samples.has(event) || self.unread.iter().any(|text| names(text, event)) {
            return None;
        }
        slip(event, &self.events).or_else(|| samples.near(event))
    }
}

/// Whether the name stands in a text as a word of its own.
fn names(text: &str, event: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')));
    words.into_iter().any(|word| word.trim_matches('.') == event)
}
