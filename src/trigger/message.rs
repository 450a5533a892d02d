//! Matching what a person wrote (`language.md` §9.2).
//!
//! Pure. Who of several matching workflows gets the message is decided with [`Pattern::rank`] (§9.3).

use crate::expr::fold;

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

/// Characters of a message that are read.
const MOST_CHARACTERS: usize = 4_096;

impl Pattern {
    /// Whether a message with this text and these kinds of content matches. A pattern without any key matches nothing.
    pub fn matches(&self, text: &str, contents: &[Content]) -> bool {
        let raw = first_characters(text);
        let said = Said { raw, folded: fold(raw) };
        let is = self.is.is_empty() || self.is.iter().any(|words| said.is(words));
        let starts = self.starts_with.is_empty() || self.starts_with.iter().any(|words| said.starts_with(words));
        let contains = self.contains.is_empty() || self.contains.iter().any(|words| said.contains(words));
        let regex = self.matches.as_ref().is_none_or(|regex| regex.is_match(raw));
        let has = self.has.is_empty() || self.has.iter().any(|kind| contents.contains(kind));
        !self.is_empty() && is && starts && contains && regex && has
    }

    /// Place in the order of §9.3 row 5, by the most exact key: `is` 0, `starts_with` 1, `contains` 2, `matches` 3,
    /// `has` 4. The lowest takes the message.
    pub fn rank(&self) -> u8 {
        match self {
            _ if !self.is.is_empty() => 0,
            _ if !self.starts_with.is_empty() => 1,
            _ if !self.contains.is_empty() => 2,
            _ if self.matches.is_some() => 3,
            _ => 4,
        }
    }

    fn is_empty(&self) -> bool {
        let words = self.is.is_empty() && self.starts_with.is_empty() && self.contains.is_empty();
        words && self.matches.is_none() && self.has.is_empty()
    }
}

impl Content {
    /// The word of `has:`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "text" => Some(Self::Text),
            "image" => Some(Self::Image),
            "video" => Some(Self::Video),
            "audio" => Some(Self::Audio),
            "document" => Some(Self::Document),
            "location" => Some(Self::Location),
            "contact" => Some(Self::Contact),
            _ => None,
        }
    }
}

/// A message as written and as compared.
struct Said<'a> {
    raw: &'a str,
    folded: String,
}

/// Words that fold to nothing (`👍`, `?`) are compared as written: they would fit every message otherwise.
impl Said<'_> {
    fn is(&self, words: &str) -> bool {
        match fold(words) {
            wanted if wanted.is_empty() => !words.trim().is_empty() && self.raw.trim() == words.trim(),
            wanted => self.folded == wanted,
        }
    }

    fn starts_with(&self, words: &str) -> bool {
        match fold(words) {
            wanted if wanted.is_empty() => !words.trim().is_empty() && self.raw.trim().starts_with(words.trim()),
            wanted => format!("{} ", self.folded).starts_with(&format!("{wanted} ")),
        }
    }

    fn contains(&self, words: &str) -> bool {
        match fold(words) {
            wanted if wanted.is_empty() => !words.trim().is_empty() && self.raw.contains(words.trim()),
            wanted => format!(" {} ", self.folded).contains(&format!(" {wanted} ")),
        }
    }
}

fn first_characters(text: &str) -> &str {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Pattern};

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn is_takes_the_whole_message_only() {
        let yes = Pattern { is: words(&["sí", "ok"]), ..Pattern::default() };
        for text in ["SI", "sí!", " Ok 👍", "¡Sí!"] {
            assert!(yes.matches(text, &[]), "{text}");
        }
        for text in ["sí claro", "okay", "", "👍"] {
            assert!(!yes.matches(text, &[]), "{text}");
        }
    }

    #[test]
    fn starts_with_and_contains_take_whole_words_in_order() {
        let price = Pattern { contains: words(&["precio", "price list"]), ..Pattern::default() };
        for text in ["¿Precio?", "El precio, por favor", "the PRICE   list please"] {
            assert!(price.matches(text, &[]), "{text}");
        }
        for text in ["precios", "list price", "price and list", "desprecio"] {
            assert!(!price.matches(text, &[]), "{text}");
        }
        let start = Pattern { starts_with: words(&["quiero cita"]), ..Pattern::default() };
        assert!(start.matches("¡Quiero cita, mañana!", &[]));
        assert!(!start.matches("quiero citas", &[]) && !start.matches("hola quiero cita", &[]));
    }

    #[test]
    fn all_keys_must_match_and_a_pattern_without_keys_never_does() {
        let regex = regex::Regex::new(r"\b[A-Z]{2}\d{4}\b").unwrap();
        let both = Pattern { matches: Some(regex), has: vec![Content::Image], ..Pattern::default() };
        assert!(both.matches("order AB1234", &[Content::Text, Content::Image]));
        assert!(!both.matches("order AB1234", &[Content::Text]));
        assert!(!both.matches("order ab1234", &[Content::Image]));
        assert!(!Pattern::default().matches("anything", &[Content::Text]));
    }

    #[test]
    fn words_of_emoji_alone_are_compared_as_written() {
        let thumb = Pattern { is: words(&["👍"]), ..Pattern::default() };
        assert!(thumb.matches(" 👍 ", &[]));
        assert!(!thumb.matches("👎", &[]) && !thumb.matches("", &[]));
        let blank = Pattern { contains: words(&[""]), ..Pattern::default() };
        assert!(!blank.matches("hello", &[]) && !blank.matches("", &[]));
    }

    #[test]
    fn only_the_first_characters_are_read() {
        let stop = Pattern { contains: words(&["stop"]), ..Pattern::default() };
        assert!(stop.matches(&format!("{} stop", "é".repeat(4_091)), &[]));
        assert!(!stop.matches(&format!("{} stop", "é".repeat(4_096)), &[]));
    }

    #[test]
    fn the_most_exact_key_gives_the_rank() {
        let is = Pattern { is: words(&["a"]), has: vec![Content::Text], ..Pattern::default() };
        let contains = Pattern { contains: words(&["a"]), ..Pattern::default() };
        let has = Pattern { has: vec![Content::Text], ..Pattern::default() };
        assert!(is.rank() < contains.rank() && contains.rank() < has.rank());
    }
}
