//! Patterns: how a text writes a date, `EEEE d MMMM` in the words of a language, or `long` as the language itself orders them.
//!
//! Invariant: a pattern that was read can be written for every time and language.

use super::locale::{Language, Style};
use crate::expr::suggest::nearest;
use jiff::civil::DateTime;
use std::fmt::Write as _;

#[derive(Debug, Clone)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Weekday {
        long: bool,
    },
    Day {
        two: bool,
    },
    Month(Month),
    Year {
        two: bool,
    },
    /// Of 24, or of 12 with `h`.
    Hour {
        two: bool,
        of_12: bool,
    },
    Minute {
        two: bool,
    },
    Second {
        two: bool,
    },
    HalfOfDay,
    /// In the order of the language.
    Own(Style),
}

#[derive(Debug, Clone, Copy)]
enum Month {
    Number { two: bool },
    Short,
    Long,
    ShortLone,
    LongLone,
}

/// What a pattern may hold, for a hint.
pub(super) const LETTERS: &str = "EEEE EEE d dd M MM MMM MMMM y yy yyyy H HH h mm ss a, other words between apostrophes; or it is `day`, `long` or `full`";
/// Words that stand for a whole pattern: the language has its own order and joining words.
const STYLES: [(&str, Style); 3] = [("day", Style::Day), ("long", Style::Long), ("full", Style::Full)];

/// The word that was probably meant: letters without anything between them are hardly a pattern when a word is one slip
/// away, and `dya` would write the day, the year and the half of the day.
pub(super) fn meant(written: &str) -> Option<&'static str> {
    let word = written.trim();
    let is_style = STYLES.iter().any(|(style, _)| *style == written);
    let is_one = !is_style && word.chars().all(|c| c.is_ascii_alphabetic());
    // Months are capitals: what mixes them with small letters may be a pattern.
    let may_be = word.contains(char::is_uppercase) && Pattern::parse(written).is_some();
    nearest(word, STYLES.iter().map(|(style, _)| *style)).filter(|_| is_one && !may_be)
}

impl Pattern {
    /// Letters of Unicode's date patterns (CLDR), as far as the language knows them; `'…'` and `''` stand for themselves.
    pub(super) fn parse(written: &str) -> Option<Self> {
        if let Some((_, style)) = STYLES.iter().find(|(word, _)| *word == written) {
            return Some(Self(vec![Part::Own(*style)]));
        }
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                let (literal, left) = quoted(&rest[1..])?;
                parts.push(Part::Literal(literal));
                rest = left;
                continue;
            }
            let run = rest.chars().take_while(|c| *c == first).count();
            if first.is_ascii_alphabetic() {
                parts.push(field(first, run)?);
                rest = &rest[run..];
            } else {
                parts.push(Part::Literal(first.to_string()));
                rest = &rest[first.len_utf8()..];
            }
        }
        Some(Self(parts))
    }

    pub(super) fn write(&self, at: DateTime, language: &Language) -> String {
        let mut out = String::new();
        for part in &self.0 {
            // Writing into a `String` never fails.
            let _ = part.write(at, language, &mut out);
        }
        out
    }
}

/// The text up to the closing apostrophe, and what follows it; two in a row are one.
fn quoted(rest: &str) -> Option<(String, &str)> {
    if let Some(left) = rest.strip_prefix('\'') {
        return Some(("'".to_owned(), left));
    }
    let mut literal = String::new();
    let mut left = rest;
    loop {
        let end = left.find('\'')?;
        literal.push_str(&left[..end]);
        left = &left[end + 1..];
        match left.strip_prefix('\'') {
            Some(more) => {
                literal.push('\'');
                left = more;
            }
            None => return Some((literal, left)),
        }
    }
}

fn field(letter: char, run: usize) -> Option<Part> {
    let two = run == 2;
    Some(match (letter, run) {
        ('E', 1..=4) => Part::Weekday { long: run == 4 },
        ('d', 1 | 2) => Part::Day { two },
        ('M' | 'L', 1 | 2) => Part::Month(Month::Number { two }),
        ('M', 3) => Part::Month(Month::Short),
        ('M', 4) => Part::Month(Month::Long),
        ('L', 3) => Part::Month(Month::ShortLone),
        ('L', 4) => Part::Month(Month::LongLone),
        ('y', 1 | 2 | 4) => Part::Year { two },
        ('H', 1 | 2) => Part::Hour { two, of_12: false },
        ('h', 1 | 2) => Part::Hour { two, of_12: true },
        ('m', 1 | 2) => Part::Minute { two },
        ('s', 1 | 2) => Part::Second { two },
        ('a', 1) => Part::HalfOfDay,
        _ => return None,
    })
}

impl Part {
    fn write(&self, at: DateTime, language: &Language, out: &mut String) -> std::fmt::Result {
        let month = usize::from(at.month().unsigned_abs()) - 1;
        let weekday = usize::from(at.weekday().to_monday_zero_offset().unsigned_abs());
        let number = |out: &mut String, number: i16, two: bool| match two {
            true => write!(out, "{number:02}"),
            false => write!(out, "{number}"),
        };
        match self {
            Self::Literal(text) => out.write_str(text),
            Self::Weekday { long: true } => out.write_str(&language.weekdays[weekday]),
            Self::Weekday { long: false } => out.write_str(&language.short_weekdays[weekday]),
            Self::Day { two } => number(out, at.day().into(), *two),
            Self::Month(Month::Number { two }) => number(out, at.month().into(), *two),
            Self::Month(Month::Short) => out.write_str(&language.short_months[month]),
            Self::Month(Month::Long) => out.write_str(&language.months[month]),
            Self::Month(Month::ShortLone) => out.write_str(&language.short_lone_months[month]),
            Self::Month(Month::LongLone) => out.write_str(&language.lone_months[month]),
            Self::Year { two: true } => number(out, at.year().rem_euclid(100), true),
            Self::Year { two: false } => number(out, at.year(), false),
            Self::Hour { two, of_12: false } => number(out, at.hour().into(), *two),
            Self::Hour { two, of_12: true } => number(out, i16::from(at.hour() + 11) % 12 + 1, *two),
            Self::Minute { two } => number(out, at.minute().into(), *two),
            Self::Second { two } => number(out, at.second().into(), *two),
            Self::Own(style) => out.write_str(&language.date(*style, at)),
            Self::HalfOfDay => out.write_str(if at.hour() < 12 { "AM" } else { "PM" }),
        }
    }
}
