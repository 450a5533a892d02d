//! Times: reading an instant from what events and files write, and the days between two of them.
//!
//! Everything that takes a time takes a text too, read by [`read`]. Invariant: a text that cannot be read gives `None`, never
//! a guess; without an offset it is a clock time of the workflow's zone.

use super::number::Number;
use super::value::Value;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// An instant, and the day that was written when no clock was: a day keeps its date in every zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) day: Option<Date>,
}

impl Moment {
    fn day(day: Date, zone: &TimeZone) -> Option<Self> {
        let at = zone.to_timestamp(day.to_datetime(Time::midnight())).ok()?;
        Some(Self { at, day: Some(day) })
    }

    pub(super) fn date(self, zone: &TimeZone) -> Date {
        self.day.unwrap_or_else(|| self.at.to_zoned(zone.clone()).date())
    }

    pub(super) fn civil(self, zone: &TimeZone) -> DateTime {
        match self.day {
            Some(day) => day.to_datetime(Time::midnight()),
            None => self.at.to_zoned(zone.clone()).datetime(),
        }
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { at, day: None }
    }
}

/// The time a value is, or says: an instant, ISO 8601 text, or Unix time.
pub(super) fn read(value: &Value, zone: &TimeZone) -> Option<Moment> {
    match value {
        Value::Time(at) => Some((*at).into()),
        Value::Text(text) => read_text(text, zone),
        Value::Number(number) => unix(*number).map(Moment::from),
        _ => None,
    }
}

fn read_text(text: &str, zone: &TimeZone) -> Option<Moment> {
    let pieces = Pieces::parse(text.trim()).ok()?;
    let Some(time) = pieces.time() else { return Moment::day(pieces.date(), zone) };
    let civil = pieces.date().to_datetime(time);
    let at = match (pieces.to_numeric_offset(), pieces.to_time_zone()) {
        (Some(offset), _) => offset.to_timestamp(civil).ok()?,
        (None, Ok(Some(named))) => named.to_timestamp(civil).ok()?,
        (None, Ok(None)) => zone.to_timestamp(civil).ok()?,
        (None, Err(_)) => return None,
    };
    Some(at.into())
}

/// Seconds, or from 10^12 on milliseconds.
#[allow(clippy::cast_possible_truncation)]
fn unix(number: Number) -> Option<Timestamp> {
    const MILLISECONDS_FROM: f64 = 1e12;
    let value = number.as_f64();
    let milliseconds = if value.abs() >= MILLISECONDS_FROM { value } else { value * 1000.0 };
    if milliseconds.abs() > 1e15 {
        return None;
    }
    Timestamp::from_millisecond(milliseconds.round() as i64).ok()
}

/// Elapsed hours from `from` to `to`, fractional.
#[allow(clippy::cast_precision_loss)]
pub(super) fn hours_between(from: Timestamp, to: Timestamp) -> Option<Number> {
    let milliseconds = to.as_millisecond().checked_sub(from.as_millisecond())?;
    Number::decimal(milliseconds as f64 / 3_600_000.0)
}

/// Calendar days from one date to another.
pub(super) fn days_between(from: Date, to: Date) -> Option<Number> {
    from.until(to).ok().map(|span| Number::Whole(span.get_days().into()))
}

/// Whether `today` is the birthday; 29 February counts on the 28th in common years.
pub(super) fn is_birthday(born: Date, today: Date) -> bool {
    let leapling = born.month() == 2 && born.day() == 29 && !today.in_leap_year();
    today.month() == born.month() && today.day() == if leapling { 28 } else { born.day() }
}

pub(super) fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Start included, end excluded; an end before the start is on the next day; equal ones hold nothing.
pub(super) fn is_between(at: &Zoned, start: Time, end: Time) -> bool {
    let clock = at.time();
    match start <= end {
        true => start <= clock && clock < end,
        false => start <= clock || clock < end,
    }
}

/// Reads `HH:MM`.
pub(super) fn clock(text: &str) -> Option<Time> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let two = |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?;
    Time::new(two(hours)?, two(minutes)?, 0, 0).ok()
}

/// How a time is written: `dd/MM/yyyy HH:mm`.
#[derive(Debug, Clone)]
pub(super) struct Layout(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Day(usize),
    Month(usize),
    Year(usize),
    Hour(usize),
    Minute,
    Second,
    Literal(char),
}

impl Layout {
    /// `None` unless the tokens are ours (`d dd M MM yy yyyy H HH mm ss`), each at most once, with a day, a month and a year.
    pub(super) fn parse(written: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some(first) = rest.chars().next() {
            let run = rest.chars().take_while(|c| *c == first).count();
            let (part, taken) = match (first, run) {
                ('d', 1 | 2) => (Part::Day(run), run),
                ('M', 1 | 2) => (Part::Month(run), run),
                ('y', 2 | 4) => (Part::Year(run), run),
                ('H', 1 | 2) => (Part::Hour(run), run),
                ('m', 2) => (Part::Minute, run),
                ('s', 2) => (Part::Second, run),
                // ISO's own separators need no quotes.
                ('T' | 'h' | 'Z', 1) => (Part::Literal(first), 1),
                (letter, _) if letter.is_alphabetic() => return None,
                (other, _) => (Part::Literal(other), other.len_utf8()),
            };
            parts.push(part);
            rest = &rest[taken..];
        }
        Self(parts).checked()
    }

    fn checked(self) -> Option<Self> {
        let kinds = self.0.iter().filter(|part| !matches!(part, Part::Literal(_))).map(std::mem::discriminant);
        let kinds: Vec<_> = kinds.collect();
        let once = kinds.iter().enumerate().all(|(at, kind)| !kinds[..at].contains(kind));
        let needed = [Part::Day(1), Part::Month(1), Part::Year(4)];
        (once && needed.iter().all(|part| kinds.contains(&std::mem::discriminant(part)))).then_some(self)
    }

    /// The time in a text so written; a day alone when the layout has no clock.
    pub(super) fn read(&self, text: &str, zone: &TimeZone) -> Option<Moment> {
        let mut rest = text.trim();
        let (mut day, mut month, mut year, mut hour, mut minute, mut second) = (0, 0, 0, None, 0, 0);
        for part in &self.0 {
            match *part {
                Part::Day(width) => day = digits(&mut rest, width)?,
                Part::Month(width) => month = digits(&mut rest, width)?,
                Part::Year(2) => year = century(digits(&mut rest, 2)?),
                Part::Year(width) => year = digits(&mut rest, width)?,
                Part::Hour(width) => hour = Some(digits(&mut rest, width)?),
                Part::Minute => minute = digits(&mut rest, 2)?,
                Part::Second => second = digits(&mut rest, 2)?,
                Part::Literal(c) => rest = rest.strip_prefix(c)?,
            }
        }
        let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        let small = |number: i16| i8::try_from(number).ok();
        match (rest.is_empty(), hour) {
            (false, _) => None,
            (true, None) => Moment::day(date, zone),
            (true, Some(hour)) => {
                let time = Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
                zone.to_timestamp(date.to_datetime(time)).ok().map(Moment::from)
            }
        }
    }
}

/// Exactly `width` digits, or one or two where one letter was written.
fn digits(rest: &mut &str, width: usize) -> Option<i16> {
    let found = rest.bytes().take_while(u8::is_ascii_digit).count();
    let taken = if width == 1 { found.min(2) } else { width };
    if taken == 0 || found < taken {
        return None;
    }
    let (number, left) = rest.split_at(taken);
    *rest = left;
    number.parse().ok()
}

/// `85` is 1985, `26` is 2026: years to come up to 2068 as POSIX reads them.
fn century(year: i16) -> i16 {
    year + if year >= 69 { 1900 } else { 2000 }
}
