//! Cron: five fields, as in crontab. `croner` reads them; what it would also take (seconds, nicknames, `L`, `W`, `#`)
//! is refused first, with what to write instead.

use super::plan::{Days, Pass, Plan};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// One field: its name, its range in words, its highest number, the names it knows.
struct Field {
    name: &'static str,
    range: &'static str,
    most: u16,
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const FIELDS: [Field; 5] = [
    Field { name: "minute", range: "`0` to `59`", most: 59, names: &[] },
    Field { name: "hour", range: "`0` to `23`", most: 23, names: &[] },
    Field { name: "day", range: "`1` to `31`", most: 31, names: &[] },
    Field { name: "month", range: "`1` to `12` or `JAN` to `DEC`", most: 12, names: &MONTHS },
    Field { name: "weekday", range: "`SUN` to `SAT`", most: 7, names: &WEEKDAYS },
];

/// Reads five fields.
pub(super) fn parse(source: &str) -> Result<Plan, String> {
    let fields = split(source)?;
    for (index, text) in fields.iter().enumerate() {
        check_field(index, text)?;
    }
    let cron = parser().parse(source).map_err(|_| format!("`{source}` is no cron line: {SHAPE}"))?;
    Ok(Plan::new(days(&cron), times(&cron), pass(fields[1])))
}

/// Whether the weekday field names days by number; a step (`*/2`) is none.
pub(super) fn has_weekday_numbers(source: &str) -> bool {
    let weekday = source.split_whitespace().nth(4).unwrap_or_default();
    weekday
        .split(',')
        .any(|item| item.split('/').next().is_some_and(|base| base.contains(|c: char| c.is_ascii_digit())))
}

const SHAPE: &str = "five fields, minute hour day month weekday, like `0 9 * * MON-FRI`";

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

fn split(source: &str) -> Result<[&str; 5], String> {
    if let Some(nickname) = source.split_whitespace().find(|word| word.starts_with('@')) {
        return Err(format!("`{nickname}` is not understood: write {SHAPE}, or `schedule: every day at 09:00`"));
    }
    let words: Vec<&str> = source.split_whitespace().collect();
    let count = words.len();
    <[&str; 5]>::try_from(words.as_slice()).map_err(|_| match count {
        6 => format!(
            "`cron` takes five fields, and here are 6: \
                 leave out the seconds: `{}`, which is minute hour day month weekday",
            words[1..].join(" ")
        ),
        7 => format!(
            "`cron` takes five fields, and here are 7: \
                 leave out seconds and years: `{}`, which is minute hour day month weekday",
            words[1..6].join(" ")
        ),
        0 => format!("nothing is written: {SHAPE}"),
        _ => format!("`cron` takes five fields, and here are {count}: write {SHAPE}"),
    })
}

/// Refuses what is no cron of ours, field by field, so that the sentence can name the field.
fn check_field(index: usize, text: &str) -> Result<(), String> {
    let field = &FIELDS[index];
    let wrong = |what: &str| Err(format!("{} `{text}`: {what}", field.name));
    for item in text.split(',') {
        let (base, step) = item.split_once('/').map_or((item, None), |(base, step)| (base, Some(step)));
        if let Some(step) = step {
            if !step.parse::<u16>().is_ok_and(|step| step > 0 && step <= field.most) {
                return wrong(&format!("after `/` stands a number from `1` to `{}`", field.most));
            }
            if base != "*" && !base.contains('-') {
                return wrong("a step counts through `*` or a range, like `*/15` or `9-17/2`");
            }
        }
        let mut ends = base.splitn(2, '-');
        if base != "*" && !ends.all(|value| field.knows(value)) {
            return wrong(&field.complaint(base));
        }
    }
    match parser().parse(&alone(index, text)) {
        Ok(_) => Ok(()),
        Err(_) => wrong(&format!("{}, and a range goes upwards", field.range)),
    }
}

/// The field among four that say nothing.
fn alone(index: usize, text: &str) -> String {
    let mut fields = ["*"; 5];
    fields[index] = text;
    fields.join(" ")
}

impl Field {
    fn knows(&self, value: &str) -> bool {
        let number = !value.is_empty() && value.len() <= 2 && value.bytes().all(|b| b.is_ascii_digit());
        number || self.names.iter().any(|name| name.eq_ignore_ascii_case(value))
    }

    fn complaint(&self, value: &str) -> String {
        let upper = value.to_ascii_uppercase();
        let only = |sign: &str| upper.contains(sign) && upper.chars().all(|c| c.is_ascii_digit() || "LW".contains(c));
        let special = ["#", "?"].into_iter().find(|sign| upper.contains(sign));
        match special.or_else(|| ["L", "W"].into_iter().find(|sign| only(sign))) {
            Some("L") if self.most == 31 => {
                "`L` is not understood: write `schedule: every month on the last day at …`".into()
            }
            Some("?") => "`?` is not understood: write `*`".into(),
            Some("#" | "L") if self.most == 7 => {
                "the first or last such day of a month is a phrase: `schedule: every month on the first monday at …`"
                    .into()
            }
            Some(sign) => format!("`{sign}` is not understood: {}, `*`, `,` `-` `/`", self.range),
            None => format!("{}, `*`, `,` `-` `/`", self.range),
        }
    }
}

fn days(cron: &Cron) -> Days {
    let pattern = &cron.pattern;
    let bits = |values: Vec<u16>| values.iter().fold(0u32, |bits, value| bits | 1 << (*value).min(31));
    Days::Cron {
        months: u16::try_from(bits(pattern.months.values())).unwrap_or(0),
        monthdays: bits(pattern.days.values()),
        weekdays: u8::try_from(bits(pattern.days_of_week.values()) & 0x7f).unwrap_or(0),
        either: !pattern.is_dom_wildcard() && !pattern.is_dow_wildcard(),
    }
}

fn times(cron: &Cron) -> Vec<u16> {
    let minutes = cron.pattern.minutes.values();
    let hours = cron.pattern.hours.values();
    hours.iter().flat_map(|hour| minutes.iter().map(move |minute| hour * 60 + minute)).collect()
}

fn pass(hours: &str) -> Pass {
    if hours.contains(['*', '/']) { Pass::Elapsed } else { Pass::Fixed }
}
