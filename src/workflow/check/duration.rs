//! Durations (`1h30m`, `2 hours`, `PT2H`), paces (`80 per second`) and zones, as authors write them.

use crate::config::Pace;
use crate::workflow::Duration;
use jiff::tz::TimeZone;

const EXAMPLES: &str = "write `45s`, `30m`, `2h`, `1h30m`, `3d` or `2w`";
/// Ten years: longer waits are mistakes, and nothing overflows below.
const MAX_DAYS: i64 = 3_660;
const DAY_MS: i64 = 86_400_000;

/// Reads a duration.
///
/// # Errors
/// What to write instead.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let parts = match text.strip_prefix(['P', 'p']) {
        Some(iso) => iso_parts(iso),
        None => plain_parts(text),
    };
    let mut duration = Duration::default();
    for (number, unit) in parts.ok_or(EXAMPLES)? {
        add(&mut duration, number, &unit.to_lowercase(), text)?;
    }
    let total = i64::from(duration.days) * DAY_MS + duration.ms;
    match total <= MAX_DAYS * DAY_MS {
        true => Ok(duration),
        false => Err("ten years are the most: write fewer days".into()),
    }
}

/// What speaks against a duration that can be read: `3M` is three minutes, and may be meant as months. Behind hours it is clear.
pub(super) fn doubt(text: &str) -> Option<String> {
    let parts = plain_parts(text.trim())?;
    let is_hours = |unit: &str| matches!(unit.to_lowercase().as_str(), "h" | "hr" | "hrs" | "hour" | "hours");
    let after_hours = |at: usize| at.checked_sub(1).is_some_and(|before| is_hours(&parts[before].1));
    let (_, (number, _)) = parts.iter().enumerate().find(|(at, (_, unit))| unit == "M" && !after_hours(*at))?;
    Some(format!(
        "it may be months or minutes: write `{number}m` for minutes; months have no fixed length, write days, such as `30d`"
    ))
}

/// A duration that nothing speaks against.
pub(super) fn sure(text: &str) -> Option<Duration> {
    parse(text).ok().filter(|_| doubt(text).is_none())
}

fn add(duration: &mut Duration, number: i64, unit: &str, text: &str) -> Result<(), String> {
    let number = number.min(MAX_DAYS * DAY_MS);
    let days = |count: i64| i32::try_from(count.min(MAX_DAYS + 1)).unwrap_or(i32::MAX);
    let ms = |unit_ms: i64| number.saturating_mul(unit_ms).min(2 * MAX_DAYS * DAY_MS);
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => duration.ms += ms(1_000),
        "m" | "min" | "mins" | "minute" | "minutes" => duration.ms += ms(60_000),
        "h" | "hr" | "hrs" | "hour" | "hours" => duration.ms += ms(3_600_000),
        "d" | "day" | "days" => duration.days = duration.days.saturating_add(days(number)),
        "w" | "week" | "weeks" => duration.days = duration.days.saturating_add(days(number.saturating_mul(7))),
        "mo" | "month" | "months" | "y" | "yr" | "year" | "years" => {
            return Err(format!(
                "months and years have no fixed length: write days instead of `{text}`, such as `30d`"
            ));
        }
        _ => return Err(EXAMPLES.into()),
    }
    duration.ms = duration.ms.min(2 * MAX_DAYS * DAY_MS);
    Ok(())
}

/// `1h30m`, `2 hours`, `1 hour 30 minutes`: units as written.
fn plain_parts(text: &str) -> Option<Vec<(i64, String)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && parts.len() < 8 {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        parts.push((number, rest[..letters].to_owned()));
        rest = rest[letters..].trim_start();
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    (!parts.is_empty() && rest.is_empty()).then_some(parts)
}

/// `T2H`, `3D`, `1DT12H`, `2W`: what follows the `P`.
fn iso_parts(text: &str) -> Option<Vec<(i64, String)>> {
    let upper = text.to_uppercase();
    let (date, time) = upper.split_once('T').unwrap_or((&upper, ""));
    if time.is_empty() && (upper.contains('T') || date.is_empty()) {
        return None;
    }
    let mut parts = Vec::new();
    for (text, months) in [(date, true), (time, false)] {
        let mut rest = text;
        while !rest.is_empty() && parts.len() < 8 {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number = rest[..digits].parse().ok()?;
            let unit = rest[digits..].chars().next().filter(char::is_ascii_alphabetic)?;
            let allowed = if months { "YMWD" } else { "HMS" };
            let unit = match unit {
                unit if !allowed.contains(unit) => return None,
                'M' if months => "mo".to_owned(),
                unit => unit.to_lowercase().to_string(),
            };
            parts.push((number, unit));
            rest = &rest[digits + 1..];
        }
    }
    Some(parts)
}

/// Reads `80 per second`.
pub(super) fn parse_pace(text: &str) -> Option<Pace> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [count, "per", unit] = words[..] else { return None };
    let per_ms = match unit {
        "second" => 1_000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        _ => return None,
    };
    let count = count.parse().ok().filter(|count| (1..=1_000_000).contains(count))?;
    Some(Pace { count, per_ms })
}

/// The zone of an IANA name.
///
/// # Errors
/// What to write instead.
pub(super) fn parse_zone(name: &str) -> Result<TimeZone, String> {
    let known = jiff::tz::db().get(name);
    known.map_err(|_| {
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let city = |full: &str| full.rsplit('/').next().unwrap_or(full).to_owned();
        let exact = names.iter().find(|full| full.contains('/') && city(full).eq_ignore_ascii_case(name));
        let near = exact.map(String::as_str).or_else(|| super::words::nearest(name, names.iter().map(String::as_str)));
        match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a continent and a city, such as `Europe/Madrid`".into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_notation() {
        for (text, days, ms) in [
            ("45s", 0, 45_000),
            ("30m", 0, 1_800_000),
            ("1h30m", 0, 5_400_000),
            ("1H30M", 0, 5_400_000),
            ("PT30M", 0, 1_800_000),
            ("2 hours", 0, 7_200_000),
            ("1 hour and 30 minutes", 0, 5_400_000),
            ("PT2H", 0, 7_200_000),
            ("P3D", 3, 0),
            ("P1DT12H", 1, 43_200_000),
            ("1d", 1, 0),
            ("24h", 0, DAY_MS),
            ("2w", 14, 0),
            ("1 Day", 1, 0),
        ] {
            assert_eq!(parse(text), Ok(Duration { days, ms }), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_way_out() {
        for text in [
            "",
            "soon",
            "2",
            "h",
            "1.5h",
            "P",
            "PT",
            "P1",
            "2 months",
            "P1M",
            "1y",
            "-2h",
            "2hh",
            "99999d",
            "5000w",
            "99999999999999999999s",
            "9223372036854775807w",
        ] {
            let hint = parse(text).unwrap_err();
            assert!(hint.contains('`') || hint.contains("most"), "{text}: {hint}");
        }
        assert!(parse("2 months").unwrap_err().contains("30d"));
    }

    #[test]
    fn capital_m_behind_anything_but_hours_may_be_months() {
        for (text, ms, doubted) in [
            ("3M", 180_000, true),
            ("1s 3M", 181_000, true),
            ("3m", 180_000, false),
            ("1H30M", 5_400_000, false),
            ("1 hour 30M", 5_400_000, false),
            ("PT30M", 1_800_000, false),
        ] {
            assert_eq!(parse(text), Ok(Duration { days: 0, ms }), "{text}");
            assert_eq!(doubt(text).is_some_and(|hint| hint.contains("`30d`")), doubted, "{text}");
        }
    }

    #[test]
    fn zones_are_guessed() {
        assert_eq!(parse_zone("Madrid").unwrap_err(), "did you mean `Europe/Madrid`?");
        assert_eq!(parse_zone("Europe/Madird").unwrap_err(), "did you mean `Europe/Madrid`?");
        assert!(parse_zone("Europe/Madrid").is_ok());
    }
}
