//! Helpers of texts: the closed table of `language.md` §8, and the literals that are read once.
//!
//! Neighbours: `helper_call` checks names, values and options against it, `fill` answers.

use super::money::Currency;
use super::pattern::{LETTERS, Pattern, meant};
use crate::expr::time::Layout;
use jiff::tz::TimeZone;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Helper {
    Default,
    Capitalize,
    Upper,
    Lower,
    FirstWord,
    Truncate,
    Number,
    Money,
    Date,
    Time,
    Join,
    Count,
    Plural,
    Find,
    Url,
    OneLine,
}

/// A row of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) helper: Helper,
    /// Fewest and most values.
    pub(super) values: (usize, usize),
    pub(super) options: &'static [&'static str],
    pub(super) example: &'static str,
}

const fn row(
    name: &'static str,
    helper: Helper,
    values: (usize, usize),
    options: &'static [&'static str],
    example: &'static str,
) -> Row {
    Row { name, helper, values, options, example }
}

pub(super) const HELPERS: [Row; 16] = [
    row("default", Helper::Default, (2, 20), &[], "{{default contact.first_name 'friend'}}"),
    row("upper", Helper::Upper, (1, 1), &[], "{{upper contact.first_name}}"),
    row("lower", Helper::Lower, (1, 1), &[], "{{lower contact.email}}"),
    row("capitalize", Helper::Capitalize, (1, 1), &[], "{{capitalize contact.name}}"),
    row("first_word", Helper::FirstWord, (1, 1), &[], "{{first_word contact.name}}"),
    row("truncate", Helper::Truncate, (2, 2), &[], "{{truncate event.note 40}}"),
    row("number", Helper::Number, (1, 2), &[], "{{number event.total 2}}"),
    row("money", Helper::Money, (2, 2), &["cents"], "{{money event.total 'EUR'}}"),
    row("date", Helper::Date, (1, 2), &["zone", "from"], "{{date event.starts_at 'EEEE d MMMM'}}"),
    row("time", Helper::Time, (1, 2), &["zone", "from"], "{{time event.starts_at 'HH:mm'}}"),
    row("join", Helper::Join, (2, 2), &[], "{{join event.names ', '}}"),
    row("count", Helper::Count, (1, 1), &[], "{{count event.items}}"),
    row("plural", Helper::Plural, (3, 3), &[], "{{plural event.items_count 'item' 'items'}}"),
    row("find", Helper::Find, (4, 4), &[], "{{find event.answers 'field.ref' 'phone' 'phone_number'}}"),
    row("url", Helper::Url, (1, 1), &[], "{{url event.id}}"),
    row("one_line", Helper::OneLine, (1, 1), &[], "{{one_line event.note}}"),
];

impl Helper {
    /// The pattern when none is written.
    fn pattern(self) -> &'static str {
        if self == Self::Date { "long" } else { "HH:mm" }
    }
}

/// What literal values are turned into once, at parse.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) pattern: Option<Pattern>,
    pub(super) layout: Option<Layout>,
    pub(super) zone: Option<TimeZone>,
    pub(super) currency: Option<Currency>,
}

pub(super) fn not_a_date(written: &str) -> String {
    format!("`{written}` is not a way to write a date")
}

impl Prepared {
    /// Reads literals; the values by position, options by name. What is unreadable: the literal, its code, what is wrong, what to write.
    pub(super) fn read<'l>(
        helper: Helper,
        values: usize,
        literal: impl Fn(usize) -> Option<&'l str>,
        option: impl Fn(&str) -> Option<&'l str>,
    ) -> Result<Self, (&'l str, &'static str, String, String)> {
        let mut prepared = Self::default();
        if let (Helper::Money, Some(code)) = (helper, literal(1)) {
            let unreadable = || {
                (code, "R302", format!("`{code}` is not a currency"), "write three letters, such as `EUR`".to_owned())
            };
            prepared.currency = Some(Currency::parse(code).ok_or_else(unreadable)?);
        }
        if !matches!(helper, Helper::Date | Helper::Time) {
            return Ok(prepared);
        }
        let written = if values < 2 { Some(helper.pattern()) } else { literal(1) };
        if let Some(written) = written {
            let meant = meant(written);
            let unreadable = || {
                let hint = match meant {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("it is made of {LETTERS}"),
                };
                (written, "R302", not_a_date(written), hint)
            };
            prepared.pattern = Some(Pattern::parse(written).ok_or_else(unreadable)?);
        }
        if let Some(from) = option("from") {
            let hint = "it is made of `d dd M MM yy yyyy H HH mm ss`, day, month and year needed";
            let unreadable = || (from, "R302", format!("`{from}` is not a way to read a date"), hint.to_owned());
            prepared.layout = Some(Layout::parse(from).ok_or_else(unreadable)?);
        }
        if let Some(name) = option("zone") {
            let unreadable =
                || (name, "R205", format!("`{name}` is not a time zone"), "write it like `Europe/Madrid`".to_owned());
            prepared.zone = Some(TimeZone::get(name).map_err(|_| unreadable())?);
        }
        Ok(prepared)
    }
}
