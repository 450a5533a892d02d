//! Text: strict Handlebars without escaping, with the closed helper list of `language.md` §8.
//!
//! Parsed once: `notation` finds foreign notation tag by tag, `template` lowers what the handlebars crate read; `render` fills.

mod blocks;
mod fill;
mod helper_call;
mod helpers;
mod locale;
mod money;
mod notation;
mod pattern;
mod render;
mod secret;
mod tag;
mod template;

use crate::expr::{Mistake, PathUse, Scope};
use std::fmt;
use std::sync::Arc;
use template::{Lowered, Part};

pub use secret::{MARK_END, MARK_START, readable_marks};

/// A parsed text, ready to be filled. Cheap to clone.
#[derive(Clone)]
pub struct Text {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    parts: Vec<Part>,
    paths: Vec<PathUse>,
    doubts: Vec<Mistake>,
    /// The whole text, when it has no placeholder.
    literal: Option<String>,
}

/// Why a text could not be filled: `contact.first_name is missing`. Nothing is sent then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole(pub String);

impl Text {
    /// Parses and checks a text: unknown helpers and roots, partials, `{{1}}`, unclosed braces are refused.
    ///
    /// # Errors
    /// Every mistake found, at least one.
    pub fn parse(source: &str) -> Result<Self, Vec<Mistake>> {
        let checked = notation::check(source);
        let mut mistakes = checked.mistakes;
        let Lowered { parts, paths, mistakes: found, doubts } =
            checked.rest.as_deref().map(template::lower).unwrap_or_default();
        mistakes.extend(found);
        if !mistakes.is_empty() {
            mistakes.extend(doubts);
            mistakes.sort_by_key(|mistake| mistake.offset);
            return Err(mistakes);
        }
        let raw = |part: &Part| if let Part::Raw(text) = part { Some(text.to_string()) } else { None };
        let literal = parts.iter().map(raw).collect();
        Ok(Self { inner: Arc::new(Inner { source: source.to_owned(), parts, paths, doubts, literal }) })
    }

    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The text itself when it has no placeholder at all.
    pub fn literal(&self) -> Option<&str> {
        self.inner.literal.as_deref()
    }

    /// The fields it mentions, for the check against samples. The item of an `#each` is the list's first one: `event.items.0.name`.
    pub fn paths(&self) -> Vec<PathUse> {
        self.inner.paths.clone()
    }

    /// What can be filled, and is hardly what was meant: `{{date event.at 'dya'}}`.
    pub fn doubts(&self) -> &[Mistake] {
        &self.inner.doubts
    }

    /// The filled text. A secret is filled with a mark: [`MARK_START`], its name, [`MARK_END`].
    ///
    /// # Errors
    /// [`Hole`] naming the first field that is missing, blank, a list or an object.
    pub fn render(&self, scope: &Scope) -> Result<String, Hole> {
        match &self.inner.literal {
            Some(text) => Ok(text.clone()),
            None => render::render(&self.inner.parts, scope),
        }
    }

    /// As [`Text::render`], for fields where "unknown" is a fair value (`contact` map): a hole or a blank gives `None`.
    pub fn render_optional(&self, scope: &Scope) -> Option<String> {
        self.render(scope).ok().filter(|text| !text.trim().is_empty())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.inner.source).finish()
    }
}
