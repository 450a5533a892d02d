//! Fold: a text as people compare it, without case, accents, emoji and the punctuation around words.
//!
//! One rule for `is_like`, for the matchers of messages and for the words of `opt_out`, so that all take the same answers.
//! Invariant: folding twice changes nothing more, and what is folded has no space at its ends and single spaces between
//! words.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The words of `text`, folded, one space between them. Empty when there is nothing but emoji and punctuation.
pub fn fold(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_accent(*c) && !is_invisible(*c)) {
        match c {
            _ if is_emoji(c) => plain.push(' '),
            '’' | '‘' | 'ʼ' | '`' | '´' => plain.push('\''),
            _ => c.to_lowercase().for_each(|lower| push_plain(&mut plain, lower)),
        }
    }
    let words: Vec<&str> = plain.split_whitespace().map(trim_word).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// As [`fold`]; a text of nothing but emoji and punctuation stays as it is, trimmed: `👍` is like `👍` only.
pub fn fold_or_keep(text: &str) -> String {
    match fold(text) {
        folded if folded.is_empty() => text.trim().to_owned(),
        folded => folded,
    }
}

fn trim_word(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric() && !is_combining_mark(c))
}

/// Letters that no decomposition takes apart, as they are written without their keyboard.
fn push_plain(plain: &mut String, c: char) {
    match c {
        'ß' => plain.push_str("ss"),
        'œ' => plain.push_str("oe"),
        'æ' => plain.push_str("ae"),
        'ø' => plain.push('o'),
        'ł' => plain.push('l'),
        'đ' => plain.push('d'),
        'ı' => plain.push('i'),
        'ς' => plain.push('σ'),
        // The dot that a lower-cased `İ` leaves behind.
        _ if is_accent(c) => {}
        _ => plain.push(c),
    }
}

/// Accents, and the vowel points of Arabic and Hebrew. The marks of other scripts (`が`, `नहीं`) are letters to readers.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Joiners, direction marks, the Arabic stretch: seen by nobody, typed by some keyboards.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{640}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}' | '\u{e0000}'..='\u{e007f}')
}

/// Pictures and dingbats; signs such as `€` and `+` are none.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}'
        | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{1f000}'..='\u{1faff}' | '©' | '®')
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn case_accents_emoji_and_outer_punctuation_do_not_count() {
        let table = [
            ("¿Precio?", "precio"),
            ("  SÍ!!! 👍🏽", "si"),
            ("Ça va , Léa…", "ca va lea"),
            ("l’hôtel", "l'hotel"),
            ("«Rendez-vous», 12:30.", "rendez-vous 12:30"),
            ("STRASSE straße", "strasse strasse"),
            ("ΝΑΙ ναι ΟΔΟΣ", "ναι ναι οδοσ"),
            ("İstanbul", "istanbul"),
            ("نَعَم", "نعم"),
            ("ok👍no", "ok no"),
            ("1️⃣", "1"),
            ("❤️", ""),
            ("***", ""),
            ("👨‍👩‍👧 familia", "familia"),
            ("が", "か\u{3099}"),
            ("", ""),
        ];
        for (text, folded) in table {
            assert_eq!(fold(text), folded, "{text}");
            assert_eq!(fold(folded), folded, "{text}");
        }
    }
}
