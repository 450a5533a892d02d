//! Moment: instants as the page writes them, in the project's zone. Pure.

use super::words::Words;
use crate::run::sentence::fill;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Writes instants in one zone and one language.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    zone: TimeZone,
    words: &'static Words,
    now: Zoned,
}

impl Moments {
    pub(super) fn new(zone: TimeZone, words: &'static Words, now_ms: i64) -> Self {
        let now = zoned(now_ms, &zone);
        Self { zone, words, now }
    }

    /// The whole clock: `Mon 2 Mar 2026, 10:00:12`.
    pub(super) fn clock(&self) -> String {
        format!("{} {}, {}", self.date(&self.now), self.now.year(), self.now.strftime("%H:%M:%S"))
    }

    /// The zone's name: `Europe/Madrid`.
    pub(super) fn zone(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// `10:00` on the present day, else with the day before it.
    pub(super) fn short(&self, at_ms: i64) -> String {
        self.written(at_ms, "%H:%M", &self.words.beside)
    }

    /// As [`Moments::short`], with the seconds.
    pub(super) fn exact(&self, at_ms: i64) -> String {
        self.written(at_ms, "%H:%M:%S", &self.words.beside)
    }

    /// In a sentence: `at 10:00`, `on Tue 3 Mar at 10:00`.
    pub(super) fn at(&self, at_ms: i64) -> String {
        self.written(at_ms, "%H:%M", &self.words.at)
    }

    /// As [`Moments::at`], with the seconds.
    pub(super) fn at_exactly(&self, at_ms: i64) -> String {
        self.written(at_ms, "%H:%M:%S", &self.words.at)
    }

    /// In a sentence, behind `since` or `before`.
    pub(super) fn after(&self, at_ms: i64) -> String {
        self.written(at_ms, "%H:%M", &self.words.after)
    }

    /// In a sentence: `until 10:00`.
    pub(super) fn until(&self, at_ms: i64) -> String {
        self.written(at_ms, "%H:%M", &self.words.until)
    }

    /// As [`Moments::after`], with the seconds.
    pub(super) fn exactly_after(&self, at_ms: i64) -> String {
        self.written(at_ms, "%H:%M:%S", &self.words.after)
    }

    /// The clock time alone.
    pub(super) fn time(&self, at_ms: i64) -> String {
        zoned(at_ms, &self.zone).strftime("%H:%M").to_string()
    }

    /// The day alone: `Mon 2 Mar`.
    pub(super) fn day(&self, at_ms: i64) -> String {
        self.date(&zoned(at_ms, &self.zone))
    }

    fn written(&self, at_ms: i64, clock: &str, [today, another_day]: &[&str; 2]) -> String {
        let at = zoned(at_ms, &self.zone);
        let time = at.strftime(clock).to_string();
        match (at.date() == self.now.date(), at.year() == self.now.year()) {
            (true, _) => fill(today, &[&time]),
            (false, true) => fill(another_day, &[&self.date(&at), &time]),
            (false, false) => fill(another_day, &[&format!("{} {}", self.date(&at), at.year()), &time]),
        }
    }

    fn date(&self, at: &Zoned) -> String {
        let weekday = self.words.weekdays[usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0)];
        let month = self.words.months[usize::try_from(at.month() - 1).unwrap_or(0)];
        format!("{weekday} {} {month}", at.day())
    }
}

fn zoned(at_ms: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::{Moments, Words};
    use jiff::tz::TimeZone;

    #[test]
    fn instants_are_written_in_the_projects_zone_with_the_day_when_it_is_another() {
        let now_ms = 1_772_442_012_000; // 2026-03-02T09:00:12Z
        let moments = |lang| Moments::new(TimeZone::get("Europe/Madrid").unwrap(), Words::of(lang), now_ms);
        assert_eq!(moments("en").clock(), "Mon 2 Mar 2026, 10:00:12");
        assert_eq!(moments("fr").clock(), "lun. 2 mars 2026, 10:00:12");
        assert_eq!(moments("en").short(now_ms + 3_600_000), "11:00");
        assert_eq!(moments("en").exact(now_ms + 86_400_000), "Tue 3 Mar 10:00:12");
        assert_eq!(moments("en").short(now_ms + 366 * 86_400_000), "Wed 3 Mar 2027 10:00");
        assert_eq!(moments("en").zone(), "Europe/Madrid");
        assert_eq!(moments("fr").short(now_ms + 86_400_000), "mar. 3 mars à 10:00");
    }

    #[test]
    fn in_a_sentence_an_instant_has_the_words_that_belong_before_it() {
        let now_ms = 1_772_442_012_000; // 2026-03-02T09:00:12Z
        let moments = |lang| Moments::new(TimeZone::UTC, Words::of(lang), now_ms);
        for (lang, today, another_day, since) in [
            ("en", "at 09:00", "on Tue 3 Mar at 09:00", "Tue 3 Mar 09:00:12"),
            ("fr", "à 09:00", "le mar. 3 mars à 09:00", "le mar. 3 mars à 09:00:12"),
        ] {
            let (moments, tomorrow_ms) = (moments(lang), now_ms + 86_400_000);
            assert_eq!((moments.at(now_ms), moments.at(tomorrow_ms)), (today.to_owned(), another_day.to_owned()));
            assert_eq!(
                (moments.after(now_ms), moments.exactly_after(tomorrow_ms)),
                ("09:00".to_owned(), since.to_owned())
            );
        }
    }
}
