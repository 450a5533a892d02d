//! Words: everything the page says in its own name, in two languages. Pure.
//!
//! The lines of a trace are read back into what they tell (`trace`). Invariant: a label missing in one language does not
//! compile.

mod english;
mod french;
mod operator;
mod person;
mod reasons;
mod repair;
mod trace;
#[cfg(test)]
mod typography;
mod why;

use crate::delivery::VendorStatus;
use crate::run::sentence::{Sentence, fill};
use english::ENGLISH;
use french::FRENCH;
pub(super) use operator::OperatorWords;
pub(super) use person::PersonWords;
pub(super) use why::WhyWords;

/// The labels of one language. `{}` is filled in by who uses it.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) lang: &'static str,
    pub(super) other_lang: &'static str,
    pub(super) other_lang_name: &'static str,
    pub(super) sandbox_note: &'static str,
    pub(super) skip_to_phones: &'static str,
    pub(super) needs_script: &'static str,
    pub(super) offline: &'static str,
    pub(super) clock: &'static str,
    pub(super) clock_ahead: &'static str,
    pub(super) plus_10_minutes: &'static str,
    pub(super) plus_1_hour: &'static str,
    pub(super) plus_25_hours: &'static str,
    pub(super) moving: &'static str,
    pub(super) trigger: &'static str,
    pub(super) trigger_hint: &'static str,
    pub(super) event: &'static str,
    pub(super) data: &'static str,
    pub(super) send_event: &'static str,
    pub(super) no_events: &'static str,
    pub(super) not_json: &'static str,
    pub(super) not_taken: &'static str,
    pub(super) nobody_listens: &'static str,
    pub(super) started: &'static str,
    pub(super) stopped_runs: &'static str,
    pub(super) answered: &'static str,
    pub(super) stops_nothing: &'static str,
    pub(super) schedules: &'static str,
    pub(super) phones: &'static str,
    pub(super) no_phones: &'static str,
    pub(super) more_phones: &'static str,
    pub(super) conversation: &'static str,
    pub(super) window_open: &'static str,
    pub(super) window_closed: &'static str,
    pub(super) no_messages: &'static str,
    /// Of one, and of several.
    pub(super) older_messages: [&'static str; 2],
    pub(super) reply_as: &'static str,
    pub(super) send: &'static str,
    pub(super) template: &'static str,
    pub(super) image: &'static str,
    pub(super) video: &'static str,
    pub(super) audio: &'static str,
    pub(super) document: &'static str,
    pub(super) on_its_way: &'static str,
    pub(super) sent: &'static str,
    pub(super) delivered: &'static str,
    pub(super) read: &'static str,
    pub(super) failed: &'static str,
    pub(super) code: &'static str,
    pub(super) runs: &'static str,
    pub(super) no_runs: &'static str,
    pub(super) goes_on: &'static str,
    pub(super) run_states: [(&'static str, &'static str); 8],
    pub(super) delivery_states: [(&'static str, &'static str); 8],
    pub(super) text_form: &'static str,
    pub(super) answered_here: &'static str,
    pub(super) nothing_sent: &'static str,
    pub(super) nothing_refused: &'static str,
    pub(super) campaigns: &'static str,
    pub(super) campaign_states: [(&'static str, &'static str); 9],
    pub(super) rows_done: &'static str,
    pub(super) counts: [&'static str; 4],
    pub(super) bad_rows: &'static str,
    pub(super) line: &'static str,
    pub(super) more: &'static str,
    pub(super) mistakes: &'static str,
    pub(super) mistakes_hint: &'static str,
    pub(super) former_project: &'static str,
    /// Between a thing and what is said of it.
    pub(super) colon: &'static str,
    /// Between things of a list.
    pub(super) semicolon: &'static str,
    pub(super) hint: &'static str,
    pub(super) warning: &'static str,
    /// When something is, of the present day, and of another one: the time, after its day.
    pub(super) at: [&'static str; 2],
    /// The same behind a word such as `since`.
    pub(super) after: [&'static str; 2],
    pub(super) until: [&'static str; 2],
    /// The same by itself.
    pub(super) beside: [&'static str; 2],
    pub(super) weekdays: [&'static str; 7],
    pub(super) months: [&'static str; 12],
    /// The pages of `serve`.
    pub(super) operator: &'static OperatorWords,
    reasons: &'static [(&'static str, &'static str)],
}

impl Words {
    /// `fr` and its regions, or English.
    pub(super) fn of(lang: &str) -> &'static Self {
        let base = lang.trim().split(['-', '_']).next().unwrap_or_default();
        if base.eq_ignore_ascii_case("fr") { &FRENCH } else { &ENGLISH }
    }

    /// What the page of a person says.
    pub(super) fn person_page(&self) -> &'static PersonWords {
        if self.is_french() { &person::FRENCH } else { &person::ENGLISH }
    }

    /// What `why` says.
    pub(super) fn why(&self) -> &'static WhyWords {
        if self.lang == FRENCH.lang { &why::FRENCH } else { &why::ENGLISH }
    }

    /// What the address asks for, else the first language of the browser's list that we have.
    pub(super) fn choose(asked: Option<&str>, accepted: Option<&str>) -> &'static Self {
        asked.map_or_else(|| Self::of(preferred(accepted.unwrap_or_default())), Self::of)
    }

    fn is_french(&self) -> bool {
        self.lang == FRENCH.lang
    }

    /// A line of a run's story, its reasons as sentences; one that another release wrote stays as it is.
    pub(super) fn told(&self, what: &str) -> String {
        self.told_with(what, |part| self.reason(part))
    }

    /// The same, its parts in words of who knows more of them.
    pub(super) fn told_with(&self, what: &str, say: impl Fn(&str) -> String) -> String {
        let Some((known, parts)) = Sentence::read(what) else { return what.to_owned() };
        let sentence = if self.is_french() { trace::french(known) } else { known.english() };
        let parts: Vec<String> =
            parts.into_iter().map(|part| self.instant(part).unwrap_or_else(|| say(part))).collect();
        fill(sentence, &parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// `2026-03-02 12:00`, as a story keeps it, with the words of the language around it; `None` = it is something else.
    fn instant(&self, part: &str) -> Option<String> {
        let (day, time) = part.split_once(' ')?;
        day.parse::<jiff::civil::Date>().ok()?;
        Some(fill(self.beside[1], &[day, time]))
    }

    /// A reason as a sentence; one that is a sentence already stays.
    pub(super) fn reason(&self, reason: &str) -> String {
        if let Some(code) = reason.strip_prefix("rejected:").and_then(|code| code.parse().ok()) {
            return self.failure(Some(code), "");
        }
        let known = self.reasons.iter().find(|(code, _)| *code == reason);
        let found = || self.is_french().then(|| trace::found(reason)).flatten();
        known.map(|(_, words)| (*words).to_owned()).or_else(found).unwrap_or_else(|| reason.to_owned())
    }

    /// The vendor's status of a message.
    pub(super) fn status(&self, status: VendorStatus) -> &'static str {
        match status {
            VendorStatus::Enqueued => self.on_its_way,
            VendorStatus::Sent => self.sent,
            VendorStatus::Failed => self.failed,
            VendorStatus::Delivered => self.delivered,
            VendorStatus::Read => self.read,
        }
    }

    /// Why the platform did not deliver, with its code.
    pub(super) fn failure(&self, code: Option<i64>, told: &str) -> String {
        let Some(code) = code else { return told.to_owned() };
        let own = match code {
            131_047 | 470 => {
                self.reasons.iter().find(|(reason, _)| *reason == "window_closed").map(|(_, words)| *words)
            }
            _ => {
                let verdict = crate::connector::verdicts::verdict(code);
                let meaning = if self.is_french() { &verdict.french } else { &verdict.meaning };
                Some(meaning.as_str()).filter(|meaning| !meaning.is_empty())
            }
        };
        let meaning = own.unwrap_or(told);
        let number = self.code.replace("{}", &code.to_string());
        if meaning.is_empty() { number } else { format!("{meaning} ({number})") }
    }
}

/// The word for a code in a table of pairs; the code itself when there is none.
pub(super) fn word<'a>(table: &[(&'static str, &'static str)], code: &'a str) -> &'a str {
    table.iter().find(|(known, _)| *known == code).map_or(code, |(_, word)| word)
}

/// The code of `Accept-Language` with the highest weight among ours.
fn preferred(accepted: &str) -> &str {
    let weighed = accepted.split(',').map(|part| {
        let (code, weight) = part.split_once(";q=").unwrap_or((part, "1"));
        (code.trim(), weight.trim().parse::<f32>().unwrap_or(0.0))
    });
    let ours = weighed.filter(|(code, _)| code.starts_with("fr") || code.starts_with("en"));
    ours.reduce(|best, next| if next.1 > best.1 { next } else { best }).map_or("en", |(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::{ENGLISH, FRENCH, Words};

    #[test]
    fn the_language_is_the_one_asked_for_else_the_one_preferred() {
        let chosen = |asked, accepted| Words::choose(asked, accepted).lang;
        assert_eq!(chosen(Some("fr"), Some("en")), "fr");
        assert_eq!(chosen(Some("de"), Some("fr")), "en");
        assert_eq!(chosen(None, Some("fr-FR,fr;q=0.9,en;q=0.8")), "fr");
        assert_eq!(chosen(None, Some("de, en;q=0.3, fr-CA;q=0.7")), "fr");
        assert_eq!(chosen(None, Some("de;q=x,,;q=")), "en");
        assert_eq!(chosen(None, None), "en");
    }

    #[test]
    fn both_languages_know_the_same_reasons() {
        let codes = |words: &Words| words.reasons.iter().map(|(code, _)| *code).collect::<Vec<_>>();
        assert_eq!(codes(&ENGLISH), codes(&FRENCH));
    }

    #[test]
    fn a_failure_says_what_happened_and_keeps_the_code() {
        assert_eq!(
            ENGLISH.failure(Some(131_047), "Re-engagement message"),
            "the 24-hour window is closed (code 131047)"
        );
        assert_eq!(ENGLISH.failure(Some(987_654), "odd"), "odd (code 987654)");
        assert_eq!(ENGLISH.failure(None, "odd"), "odd");
        assert_eq!(FRENCH.reason("rejected:131047"), "la fenêtre de 24 heures est fermée (code 131047)");
        assert_eq!(ENGLISH.reason("event.total > 0 is no"), "event.total > 0 is no");
        assert_eq!(FRENCH.reason("event.total > 0 is no"), "event.total > 0 : non");
    }

    #[test]
    fn a_line_of_a_story_is_told_in_the_language_of_the_reader() {
        for (what, english, french) in [
            ("waits until 2026-03-02 12:00", "waits until 2026-03-02 12:00", "attend jusqu’au 2026-03-02 à 12:00"),
            ("not sent: limit", "not sent: the person was reached as often as the workflow may", ""),
            ("needs attention: contact.first_name is missing", "", "à traiter : contact.first_name manque"),
            ("tried again by ops", "", "réessayé par ops"),
            ("stopped: too_old", "stopped: not at its end after 400 days", "arrêtée : non terminée après 400 jours"),
            ("stopped: the offer has already passed", "", "arrêtée : the offer has already passed"),
            ("an older line: no_consent", "an older line: no_consent", "an older line: no_consent"),
        ] {
            if !english.is_empty() {
                assert_eq!(ENGLISH.told(what), english);
            }
            if !french.is_empty() {
                assert_eq!(FRENCH.told(what), french);
            }
        }
    }
}
