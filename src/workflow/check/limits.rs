//! `limit`, `quiet_hours`: how often and when a workflow reaches a person.

use super::duration;
use super::report::Report;
use super::values::scalar;
use crate::workflow::yaml::{Entry, Kind, Node};
use crate::workflow::{Limit, QuietHours};
use jiff::civil::Time;

const LIMIT: &str = "write it like `1 per contact per 7d`";

/// One limit, or a list of them.
pub(super) fn read_limits(report: &mut Report, entry: &Entry) -> Vec<Limit> {
    match &entry.value.kind {
        Kind::List(items) if !items.is_empty() => items.iter().filter_map(|item| read_limit(report, item)).collect(),
        Kind::Scalar { .. } => read_limit(report, &entry.value).into_iter().collect(),
        Kind::List(_) | Kind::Null => {
            report.error("R202", &entry.key_span, "`limit` is empty", LIMIT);
            Vec::new()
        }
        Kind::Map(_) => {
            report.error("R205", &entry.value.span, "`limit` must be a limit or a list of them", LIMIT);
            Vec::new()
        }
    }
}

fn read_limit(report: &mut Report, node: &Node) -> Option<Limit> {
    let Kind::Scalar { text, .. } = &node.kind else {
        report.error("R205", &node.span, "a limit is one line", LIMIT);
        return None;
    };
    let doubt = text.split_once(" per contact per ").and_then(|(_, period)| duration::doubt(period));
    let not_a_limit = format!("`{text}` is not a limit");
    match parse_limit(text) {
        Ok(limit) => {
            let refused = doubt.is_some_and(|hint| report.stricter("R205", &node.span, not_a_limit, hint));
            (!refused).then_some(limit)
        }
        Err(hint) => {
            report.error("R205", &node.span, not_a_limit, hint);
            None
        }
    }
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    let (count, period) = text.split_once(" per contact per ").ok_or(LIMIT)?;
    let count = count.trim().parse().ok().filter(|count| (1..=10_000).contains(count));
    let count = count.ok_or("write how many runs, from 1 to 10000: `1 per contact per 7d`")?;
    let per = duration::parse(period).map_err(|_| match period {
        _ if period.contains("month") => {
            format!("months have no fixed length: write days, such as `{count} per contact per 30d`")
        }
        _ if period.contains("year") => {
            format!("years have no fixed length: write days, such as `{count} per contact per 365d`")
        }
        _ => format!("write the period after the second `per`, such as `{count} per contact per 7d`"),
    })?;
    match per.days > 0 || per.ms > 0 {
        true => Ok(Limit { count, per }),
        false => Err("write a period longer than nothing: `1 per contact per 7d`".to_owned()),
    }
}

/// `none` or `HH:MM-HH:MM`; the outer `None` = it cannot be read, and that was told.
pub(super) fn read_quiet_hours(report: &mut Report, entry: &Entry) -> Option<Option<QuietHours>> {
    let text = scalar(report, entry, "hours such as `21:00-09:00`, or `none`")?;
    if text == "none" {
        return Some(None);
    }
    match parse_quiet_hours(text) {
        Ok(hours) => Some(Some(hours)),
        Err(hint) => {
            report.error("R205", &entry.value.span, format!("`{text}` cannot be read as quiet hours"), hint);
            None
        }
    }
}

fn parse_quiet_hours(text: &str) -> Result<QuietHours, &'static str> {
    let hint = "write when they begin and end, by the 24-hour clock: `21:00-09:00`; or `none`";
    let (from, to) = text.split_once(['-', '–']).ok_or(hint)?;
    let hours = QuietHours { from: clock(from).ok_or(hint)?, to: clock(to).ok_or(hint)? };
    match hours.from == hours.to {
        true => Err("they begin and end at the same minute: write `none`, or hours such as `21:00-09:00`"),
        false => Ok(hours),
    }
}

/// `HH:MM`, 24 h.
fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |part: &str, lengths: &[usize]| {
        let formed = lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        formed.then(|| part.parse::<i8>().ok()).flatten()
    };
    Time::new(digits(hour, &[1, 2])?, digits(minute, &[2])?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::{parse_limit, parse_quiet_hours};
    use crate::workflow::{Duration, Limit};

    #[test]
    fn limits_are_read_and_refused_with_a_way_out() {
        let per = Duration { days: 7, ms: 0 };
        assert_eq!(parse_limit("1 per contact per 7d"), Ok(Limit { count: 1, per }));
        assert_eq!(
            parse_limit("3 per contact per 2 hours"),
            Ok(Limit { count: 3, per: Duration { days: 0, ms: 7_200_000 } })
        );
        for text in [
            "1 per 7d",
            "0 per contact per 7d",
            "-1 per contact per 7d",
            "1 per contact per 0s",
            "1 per contact per month",
            "",
        ] {
            assert!(parse_limit(text).unwrap_err().contains('`'), "{text}");
        }
    }

    #[test]
    fn quiet_hours_may_cross_midnight_and_are_never_empty() {
        let night = parse_quiet_hours("21:00-09:00").unwrap();
        assert_eq!((night.from.hour(), night.to.hour()), (21, 9));
        assert!(parse_quiet_hours("00:30 - 6:00").is_ok());
        for text in
            ["21-9", "21:00", "24:00-09:00", "21:00-09:60", "9pm-9am", "21:00-21:00", "21:0-09:00", "+1:00-09:00"]
        {
            assert!(parse_quiet_hours(text).is_err(), "{text}");
        }
    }
}
