//! `schedule` and `cron`: read by `trigger::schedule`, judged here: does it fire at all, and when next.

use super::fields::Fields;
use super::lowering::Lowering;
use super::report::Report;
use super::values::{choice, duration, scalar};
use crate::trigger::TriggerKind;
use crate::trigger::schedule::{Missed, Schedule};
use crate::workflow::Duration;
use crate::workflow::yaml::{Entry, Kind};
use jiff::Timestamp;

/// An hour: instants older than this after downtime are skipped.
const CATCH_UP_MS: i64 = 3_600_000;

impl<'a> Lowering<'a> {
    pub(super) fn schedule(&mut self, key: &Entry, fields: &Fields) -> Option<TriggerKind> {
        let missed = [("latest", Missed::Latest), ("all", Missed::All), ("skip", Missed::Skip)];
        let missed = fields.get("missed").and_then(|entry| choice(&mut self.report, entry, &missed));
        let catch_up = fields.get("catch_up").and_then(|entry| duration(&mut self.report, entry));
        self.triggers.schedules += 1;
        self.triggers.needs_contact.get_or_insert(key.key_span.clone());
        let text = scalar(&mut self.report, key, "a schedule such as `every monday at 10:00`")?;
        let parsed = match key.key.as_str() {
            "cron" => Schedule::parse_cron(text),
            _ => Schedule::parse_phrase(text),
        };
        match parsed {
            Err(sentence) => {
                self.unreadable_schedule(key, text, &sentence);
                None
            }
            Ok(schedule) => {
                self.check_schedule(key, &schedule);
                let catch_up_ms = catch_up.map_or(CATCH_UP_MS, elapsed_ms);
                Some(TriggerKind::Schedule { schedule, missed: missed.unwrap_or_default(), catch_up_ms })
            }
        }
    }

    pub(super) fn unreadable_schedule(&mut self, key: &Entry, text: &str, sentence: &str) {
        // What is wrong comes first, after a colon what may stand there; a colon in backticks is the author's own.
        let colon = sentence.match_indices(": ").find(|(at, _)| sentence[..*at].matches('`').count().is_multiple_of(2));
        let (message, hint) = match colon.map(|(at, _)| (&sentence[..at], &sentence[at + 2..])) {
            Some((message, hint)) if hint.starts_with('`') => (message.to_owned(), format!("write {hint}")),
            Some((message, hint)) => (message.to_owned(), hint.to_owned()),
            None => (format!("`{text}` cannot be read"), sentence.to_owned()),
        };
        self.report.error("R502", &key.value.span, message, hint);
    }

    /// Fires at all, and counts weekdays as everybody does.
    fn check_schedule(&mut self, key: &Entry, schedule: &Schedule) {
        let zone = &self.settings.timezone;
        let from = self
            .world
            .asked
            .now_ms
            .and_then(|now| Timestamp::from_millisecond(now).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let next: Vec<Timestamp> = schedule.fires_after(from, zone).take(3).collect();
        if next.is_empty() {
            let message = format!("`{}` never fires", schedule.source());
            let hint = match from == Timestamp::UNIX_EPOCH {
                true => "no month has such a day: choose another one",
                false => "its day has passed, or does not exist: choose another one, or remove the workflow",
            };
            self.report.error("R502", &key.value.span, message, hint);
            return;
        }
        if schedule.has_weekday_numbers() {
            let span = weekday_field(&self.report, key);
            let names = weekday_names(self.report.document.written(&span));
            let mut hint = format!("write `{names}`");
            if self.world.asked.now_ms.is_some() {
                let times = next.iter().map(|at| at.to_zoned(zone.clone()).strftime("%a %F %H:%M").to_string());
                hint = format!("{hint}; as it stands it fires next on {}", times.collect::<Vec<_>>().join(", "));
            }
            let message = "other tools number the weekdays otherwise: here 0 and 7 are Sunday, 1 is Monday";
            self.report.warn("R502", &span, message, hint);
        }
    }
}

/// How long it lasts, a calendar day taken as 24 hours.
pub(super) fn elapsed_ms(duration: Duration) -> i64 {
    i64::from(duration.days) * 86_400_000 + duration.ms
}

/// The fifth field of a cron line.
fn weekday_field(report: &Report, key: &Entry) -> std::ops::Range<usize> {
    let Kind::Scalar { text, .. } = &key.value.kind else { return key.value.span.clone() };
    let field = text.split_whitespace().nth(4).unwrap_or(text);
    let offset = text.rfind(field).unwrap_or(0);
    report.document.part_of(&key.value, offset, field.len())
}

/// `1-5` → `MON-FRI`; the digits of a step stay.
fn weekday_names(field: &str) -> String {
    const NAMES: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
    let mut names = String::new();
    let mut step = false;
    for c in field.chars() {
        step = (step || c == '/') && c != ',';
        match c.to_digit(10).filter(|_| !step).and_then(|digit| NAMES.get(digit as usize)) {
            Some(name) => names.push_str(name),
            None => names.push(c),
        }
    }
    names
}
