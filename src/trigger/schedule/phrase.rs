//! Phrases: `every monday at 10:00`, `on 2026-12-01 at 10:00`, `every 15 minutes`.
//!
//! One way to write each thing; what is nearly right is refused with the right words.

use super::plan::{Days, Pass, Plan, monthday_bit, weekday_bit};
use jiff::civil::{Date, Weekday};

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

const NTH: [&str; 4] = ["first", "second", "third", "fourth"];

const FORMS: &str = "`every 15 minutes`, `every day at 09:30`, `every monday at 10:00`, \
    `every month on the 1st at 08:00` or `on 2026-12-01 at 10:00`";

/// Reads a schedule.
pub(super) fn parse(source: &str) -> Result<Plan, String> {
    let text = normal(source);
    match text.split_once(' ') {
        Some(("every", rest)) => every(rest),
        Some(("on", rest)) => once(rest),
        _ if text.split(' ').count() == 5 && text.contains(['*', '/']) => {
            Err(format!("`{source}` is a cron line: write it under `cron`, not `schedule`"))
        }
        _ => Err(format!("`{source}` is no schedule: {FORMS}")),
    }
}

/// Reads `monday at 09:00`: a phrase with a clock, without `every`.
pub(super) fn parse_next(source: &str) -> Result<Plan, String> {
    let text = normal(source);
    let forms = "`monday at 09:00`, `weekday at 09:00`, `day at 09:00` or `month on the 1st at 08:00`";
    match text.split_once(' ') {
        Some(("every", rest)) => Err(format!("`next` waits for one instant: write it without `every`, `{rest}`")),
        Some(("on", _)) => Err(format!("a fixed date is waited for with `until`; here stands {forms}")),
        _ => match text.split_once(" at ") {
            Some((days, times)) => daily(days, times),
            None => Err(format!("`{source}` has no time of day: {forms}")),
        },
    }
}

/// Lower case, one space between words, none before a comma and one after it.
fn normal(source: &str) -> String {
    let spaced = source.to_lowercase().replace(',', " , ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ").replace(" ,", ",")
}

fn every(rest: &str) -> Result<Plan, String> {
    match rest.split_once(" at ") {
        Some((days, times)) => daily(days, times),
        None => interval(rest),
    }
}

fn daily(days_text: &str, times: &str) -> Result<Plan, String> {
    if is_interval(days_text) {
        return Err(format!("`every {days_text}` counts from 00:00 and takes no `at`"));
    }
    Ok(Plan::new(days(days_text)?, clocks(times)?, Pass::Fixed))
}

fn once(rest: &str) -> Result<Plan, String> {
    let form = "a date and a time stand there, like `on 2026-12-01 at 10:00`";
    let (date, times) = rest.split_once(" at ").ok_or_else(|| format!("`on {rest}` has no time of day: {form}"))?;
    let written = date.len() == 10 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date: Date = match date.parse() {
        Ok(parsed) if written => parsed,
        _ => return Err(format!("`{date}` is no date: {form}")),
    };
    Ok(Plan::new(Days::On(date), clocks(times)?, Pass::Fixed))
}

fn is_interval(text: &str) -> bool {
    let unit = text.rsplit(' ').next().unwrap_or_default();
    ["minute", "minutes", "hour", "hours"].contains(&unit)
}

fn interval(text: &str) -> Result<Plan, String> {
    let (count, unit) = text.split_once(' ').unwrap_or(("1", text));
    let unit_minutes = match unit {
        "minute" | "minutes" => 1,
        "hour" | "hours" => 60,
        _ if days(text).is_ok() => return Err(format!("`every {text}` has no time of day: `every {text} at 09:00`")),
        _ => return Err(format!("`every {text}` is no schedule: {FORMS}")),
    };
    let whole: u16 = if unit_minutes == 1 { 60 } else { 24 };
    match count.parse::<u16>() {
        Ok(count) if count > 0 && whole.is_multiple_of(count) => {
            let times = (0..24 * 60).step_by(usize::from(count * unit_minutes)).collect();
            Ok(Plan::new(Days::Every, times, Pass::Elapsed))
        }
        Ok(_) => Err(format!(
            "`every {text}` does not fit into {}: {}",
            if whole == 60 { "an hour" } else { "a day" },
            divisors(whole)
        )),
        Err(_) => Err(format!("`{count}` is no number of {unit}: {}", divisors(whole))),
    }
}

fn divisors(whole: u16) -> String {
    let mut fitting: Vec<String> = (1..=whole).filter(|n| whole.is_multiple_of(*n)).map(|n| n.to_string()).collect();
    let last = fitting.pop().unwrap_or_default();
    let example =
        if whole == 60 { "`every 5 minutes` or `every 10 minutes`" } else { "`every 4 hours` or `every 6 hours`" };
    format!("{example}: the number must be {} or {last}", fitting.join(", "))
}

fn days(text: &str) -> Result<Days, String> {
    match text {
        "day" => Ok(Days::Every),
        "weekday" => Ok(Days::Weekdays(0b0011_1110)),
        "weekend" => Ok(Days::Weekdays(0b0100_0001)),
        _ => match text.strip_prefix("month on the ") {
            Some(rest) => month_days(rest),
            None if text.starts_with("month") => {
                Err("which day of the month is missing: `every month on the 1st at 08:00`".into())
            }
            None => weekdays(text).map(Days::Weekdays),
        },
    }
}

fn weekdays(text: &str) -> Result<u8, String> {
    let mut bits = 0;
    for name in text.split(", ") {
        bits |= weekday_bit(weekday(name)?);
    }
    Ok(bits)
}

fn weekday(name: &str) -> Result<Weekday, String> {
    let start: String = name.chars().take(3).collect();
    let near = WEEKDAYS.iter().find(|(full, _)| full.starts_with(&start) && start.len() == 3);
    match WEEKDAYS.iter().find(|(full, _)| *full == name) {
        Some((_, weekday)) => Ok(*weekday),
        None if name.contains(" and ") => {
            Err(format!("`{name}`: several days are divided by commas, `{}`", name.replace(" and ", ", ")))
        }
        None => match near {
            Some((full, _)) => Err(format!("`{name}` is no day: did you mean `{full}`?")),
            None => Err(format!(
                "`{name}` is no day: `day`, `weekday`, `weekend`, `month on the …`, or `monday` to `sunday`"
            )),
        },
    }
}

fn month_days(text: &str) -> Result<Days, String> {
    if text == "last day" {
        return Ok(Days::LastDay);
    }
    if let Some((which, name)) = text.split_once(' ').filter(|(which, _)| !which.ends_with(',')) {
        let nth = NTH.iter().zip(1i8..).find(|(word, _)| **word == which).map(|(_, nth)| nth);
        return match nth {
            Some(nth) => Ok(Days::Nth(nth, weekday(name)?)),
            None if which == "last" => Ok(Days::LastWeekday(weekday(name)?)),
            None => Err(format!("`{text}`: `first`, `second`, `third`, `fourth` or `last` and a day, or `1st, 15th`")),
        };
    }
    let mut bits = 0;
    for written in text.split(", ") {
        bits |= monthday_bit(ordinal(written)?);
    }
    Ok(Days::Monthly(bits))
}

/// `1st`, `2nd`, `3rd`, `4th` … `31st`.
fn ordinal(written: &str) -> Result<i8, String> {
    let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let wrong = || format!("`{written}` is no day of the month: `1st` to `31st`, `last day`, or `first monday`");
    let day = digits.parse::<i8>().ok().filter(|day| (1..=31).contains(day)).ok_or_else(wrong)?;
    let ending = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    if written == format!("{day}{ending}") { Ok(day) } else { Err(format!("`{written}`: write `{day}{ending}`")) }
}

fn clocks(text: &str) -> Result<Vec<u16>, String> {
    text.split(", ").map(clock).collect()
}

/// `HH:MM` as minutes since 00:00.
fn clock(written: &str) -> Result<u16, String> {
    let wrong = || format!("`{written}` is no time of day: `HH:MM`, 24 hours, like `09:30` or `17:00`");
    let (hour, minute) = written.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (h, m) = number(hour).zip(number(minute)).filter(|(h, m)| *h < 24 && *m < 60).ok_or_else(wrong)?;
    let padded = format!("{h:02}:{m:02}");
    if written == padded { Ok(h * 60 + m) } else { Err(format!("`{written}`: write `{padded}`")) }
}
