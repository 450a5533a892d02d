//! Counted: how many of a thing, as people write it. Pure.

/// `1 file`, `2 files`; of nouns that take an `s`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
