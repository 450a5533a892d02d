//! Locale: names of days and months, separators and plural rules of a language, from the Unicode data compiled into the binary.
//!
//! Neighbours: `pattern` writes dates with it, `money` amounts. Loaded once per thread and language, as the formatters cannot be
//! shared. Invariant: every language tag gives a language; one without data is English.

use crate::expr::number::Number;
use fixed_decimal::{Decimal, Sign, SignedRoundingMode, UnsignedRoundingMode};
use icu_calendar::{Date, Gregorian};
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::enums::DateFieldSet;
use icu_datetime::fieldsets::{MDE, YMD, YMDE};
use icu_datetime::pattern::{DateTimePattern, FixedCalendarDateTimeNames};
use icu_decimal::DecimalFormatter;
use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules};
use jiff::civil::DateTime;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use writeable::TryWriteable as _;

pub(super) struct Language {
    /// `fr`, `pt`.
    pub(super) code: String,
    /// `BR` of `pt-BR`.
    pub(super) region: Option<String>,
    /// As in a date: `2 de març`, `2 марта`.
    pub(super) months: [String; 12],
    pub(super) short_months: [String; 12],
    /// By themselves: `març`, `март`.
    pub(super) lone_months: [String; 12],
    pub(super) short_lone_months: [String; 12],
    /// From Monday.
    pub(super) weekdays: [String; 7],
    pub(super) short_weekdays: [String; 7],
    numbers: DecimalFormatter,
    plurals: PluralRules,
    dates: Dates,
}

/// How the language itself writes a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `miércoles, 4 de marzo`.
    Day,
    /// `4 de marzo de 2026`.
    Long,
    /// `miércoles, 4 de marzo de 2026`.
    Full,
}

struct Dates {
    day: FixedCalendarDateTimeFormatter<Gregorian, MDE>,
    long: FixedCalendarDateTimeFormatter<Gregorian, YMD>,
    full: FixedCalendarDateTimeFormatter<Gregorian, YMDE>,
}

/// Languages of one thread; more tags than this and the cache starts anew.
const KEPT: usize = 64;

thread_local! {
    static LANGUAGES: RefCell<HashMap<String, Rc<Language>>> = RefCell::new(HashMap::new());
}

/// The language of a tag: `es-MX`, else its parts that are known, else English.
pub(super) fn language(tag: &str) -> Rc<Language> {
    LANGUAGES.with(|languages| {
        if let Some(known) = languages.borrow().get(tag) {
            return Rc::clone(known);
        }
        let made = Rc::new(Language::load(tag));
        let mut languages = languages.borrow_mut();
        if languages.len() >= KEPT {
            languages.clear();
        }
        // A tag is the contact's to choose: one that is no tag is not worth keeping.
        if tag.len() <= 35 {
            languages.insert(tag.to_owned(), Rc::clone(&made));
        }
        made
    })
}

impl Language {
    fn load(tag: &str) -> Self {
        let tag = tag.trim().replace('_', "-");
        let readable = Locale::try_from_str(&tag).ok().and_then(|locale| Self::of(&locale));
        readable.unwrap_or_else(|| Self::of(&icu_locale_core::locale!("en")).expect("English is compiled in"))
    }

    fn of(locale: &Locale) -> Option<Self> {
        let months = month_names(locale, "MMMM")?;
        // Without data of its own a language has no name for January but `M01`.
        if months[0].starts_with("M0") {
            return None;
        }
        Some(Self {
            code: locale.id.language.to_string(),
            region: locale.id.region.map(|region| region.to_string()),
            months,
            short_months: month_names(locale, "MMM")?,
            lone_months: month_names(locale, "LLLL")?,
            short_lone_months: month_names(locale, "LLL")?,
            weekdays: weekday_names(locale, "EEEE")?,
            short_weekdays: weekday_names(locale, "EEE")?,
            numbers: DecimalFormatter::try_new(locale.into(), icu_decimal::options::DecimalFormatterOptions::default())
                .ok()?,
            plurals: PluralRules::try_new_cardinal(locale.into()).ok()?,
            dates: Dates::of(locale)?,
        })
    }

    /// Empty for a date outside of the calendar's range.
    pub(super) fn date(&self, style: Style, at: DateTime) -> String {
        let (month, day) = (at.month().unsigned_abs(), at.day().unsigned_abs());
        let Ok(date) = Date::try_new_gregorian(at.year().into(), month, day) else { return String::new() };
        match style {
            Style::Day => self.dates.day.format(&date).to_string(),
            Style::Long => self.dates.long.format(&date).to_string(),
            Style::Full => self.dates.full.format(&date).to_string(),
        }
    }

    /// Digits and separators of the language; `decimals` fixes their number, half a unit is rounded away from zero.
    pub(super) fn number(&self, number: Number, decimals: Option<u8>) -> Option<String> {
        Some(self.digits(&decimal(number, decimals)?))
    }

    /// The number without its sign, and whether it is below zero.
    pub(super) fn unsigned(&self, number: Number, decimals: u8, shift: i16) -> Option<(String, bool)> {
        let mut amount = Decimal::try_from_str(&number.to_string()).ok()?;
        amount.multiply_pow10(shift);
        let mut amount = rounded(amount, decimals);
        let negative = amount.sign == Sign::Negative && !amount.absolute.is_zero();
        amount.sign = Sign::None;
        Some((self.digits(&amount), negative))
    }

    fn digits(&self, number: &Decimal) -> String {
        self.numbers.format(number).to_string()
    }

    /// Whether the word for one is used with this number: 1 in English, 0 and 1.5 too in French.
    pub(super) fn is_singular(&self, number: Number) -> bool {
        decimal(number, None).is_some_and(|number| self.plurals.category_for(&number) == PluralCategory::One)
    }
}

impl Dates {
    /// English of no country puts the day first, as most of its readers do: `4 March 2026` is read alike everywhere. Portugal
    /// writes the month of a long date as a number to Unicode's data, and in words as Brazil does to its readers.
    fn of(locale: &Locale) -> Option<Self> {
        let general = match (locale.id.language.as_str(), locale.id.region) {
            ("en", None) => Some(icu_locale_core::locale!("en-GB")),
            ("pt", Some(_)) => Some(icu_locale_core::locale!("pt")),
            _ => None,
        };
        let locale = general.as_ref().unwrap_or(locale);
        Some(Self {
            day: FixedCalendarDateTimeFormatter::try_new(locale.into(), MDE::long()).ok()?,
            long: FixedCalendarDateTimeFormatter::try_new(locale.into(), YMD::long()).ok()?,
            full: FixedCalendarDateTimeFormatter::try_new(locale.into(), YMDE::long()).ok()?,
        })
    }
}

fn decimal(number: Number, decimals: Option<u8>) -> Option<Decimal> {
    let mut number = Decimal::try_from_str(&number.to_string()).ok()?;
    match decimals {
        Some(decimals) => return Some(rounded(number, decimals)),
        None => number.absolute.trim_end(),
    }
    Some(number)
}

fn rounded(mut number: Decimal, decimals: u8) -> Decimal {
    let position = -i16::from(decimals);
    number.round_with_mode(position, SignedRoundingMode::Unsigned(UnsignedRoundingMode::HalfExpand));
    number.absolute.pad_end(position);
    number
}

fn month_names(locale: &Locale, pattern: &str) -> Option<[String; 12]> {
    names(locale, pattern, |month| Date::try_new_gregorian(2024, month, 1).ok())
}

/// 1 January 2024 was a Monday.
fn weekday_names(locale: &Locale, pattern: &str) -> Option<[String; 7]> {
    names(locale, pattern, |day| Date::try_new_gregorian(2024, 1, day).ok())
}

fn names<const N: usize>(
    locale: &Locale,
    pattern: &str,
    date: impl Fn(u8) -> Option<Date<Gregorian>>,
) -> Option<[String; N]> {
    let pattern: DateTimePattern = pattern.parse().ok()?;
    let mut names = FixedCalendarDateTimeNames::<Gregorian, DateFieldSet>::try_new(locale.into()).ok()?;
    let formatter = names.include_for_pattern(&pattern).ok()?;
    let written = |at: usize| {
        let date = date(u8::try_from(at + 1).ok()?)?;
        formatter.format(&date).try_write_to_string().ok().map(std::borrow::Cow::into_owned)
    };
    let written: Vec<String> = (0..N).map(written).collect::<Option<_>>()?;
    written.try_into().ok()
}
