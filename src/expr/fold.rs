//! Folding: what is left of a text when case, accents, emoji and outer punctuation do not count.
//!
//! One rule for `is_like` and for the matchers of messages, so that both take the same answers.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Pictures, skin tones, flags, and the joiners and selectors that hold them together.
static EMOJI: LazyLock<Regex> = LazyLock::new(|| {
    let parts = r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\u{200D}\u{FE0E}\u{FE0F}\u{20E3}\u{E0020}-\u{E007F}]";
    Regex::new(parts).expect("the pattern is a constant")
});

/// Lower case, without accents, emoji and outer punctuation, single spaces between words: `¡Sí, gracias! 👍` → `si, gracias`.
/// A text of nothing else than emoji or punctuation stays as it is, trimmed.
pub fn fold(text: &str) -> String {
    let without_emoji = if text.is_ascii() { Cow::Borrowed(text) } else { EMOJI.replace_all(text, " ") };
    let plain: String = match without_emoji.is_ascii() {
        true => without_emoji.to_ascii_lowercase(),
        false => without_emoji.to_lowercase().nfkd().filter(|c| !is_combining_mark(*c)).collect(),
    };
    let inner = plain.trim_matches(|c: char| !c.is_alphanumeric());
    if inner.is_empty() {
        return text.trim().to_owned();
    }
    inner.split_whitespace().collect::<Vec<_>>().join(" ")
}
