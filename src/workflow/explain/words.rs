//! Parts of sentences: durations, lists, questions, texts, matchers.

use super::Telling;
use crate::condition::Condition;
use crate::expr::Text;
use crate::trigger::message::{Content, Pattern};
use crate::workflow::{Duration, Value};
use jiff::tz::TimeZone;

impl Telling<'_> {
    /// `2 days, 3 hours`.
    pub(super) fn duration(&self, duration: Duration) -> String {
        let p = self.phrases;
        let parts = [
            (i64::from(duration.days), p.day, p.days),
            (duration.ms / 3_600_000, p.hour, p.hours),
            (duration.ms / 60_000 % 60, p.minute, p.minutes),
            (duration.ms / 1_000 % 60, p.second, p.seconds),
        ];
        let said = parts.iter().filter(|(count, ..)| *count != 0);
        let said: Vec<String> =
            said.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many })).collect();
        match (said.is_empty(), duration.ms) {
            (false, _) => said.join(", "),
            (true, 0) => p.no_time.to_owned(),
            (true, ms) => filled(p.millisecond, &[&ms.to_string()]),
        }
    }

    pub(super) fn milliseconds(&self, ms: i64) -> String {
        self.duration(Duration { days: 0, ms })
    }

    /// A question as it is written; a group with what it asks for.
    pub(super) fn condition(&self, condition: &Condition) -> String {
        let list = |sentence: &str, items: &[Condition]| {
            let items: Vec<String> = items.iter().map(|item| self.condition(item)).collect();
            filled(sentence, &[&items.join(self.phrases.semicolon)])
        };
        match condition {
            Condition::Always => "`true`".to_owned(),
            Condition::Question(question) => code(question.source()),
            Condition::All(items) => list(self.phrases.all, items),
            Condition::Any(items) => list(self.phrases.any, items),
            Condition::None(items) => list(self.phrases.none, items),
        }
    }

    /// A text between quotation marks, one line; one of several lines stands below.
    pub(super) fn text(&self, text: &Text) -> String {
        self.quoted(text.source())
    }

    pub(super) fn quoted(&self, text: &str) -> String {
        let text = text.trim_end();
        match text.contains('\n') {
            true => text.lines().fold(String::new(), |out, line| format!("{out}\n  | {line}")),
            false => format!("{}{text}{}", self.phrases.open_quote, self.phrases.close_quote),
        }
    }

    pub(super) fn value(&self, value: &Value) -> String {
        match value {
            Value::Text(text) => self.text(text),
            Value::Number(number) => number.to_string(),
        }
    }

    /// `name = “…”, other = 3`.
    pub(super) fn notes(&self, values: &[(String, Value)]) -> String {
        let note = |(name, value): &(String, Value)| filled(self.phrases.note, &[&code(name), &self.value(value)]);
        values.iter().map(note).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn pairs(&self, pairs: &[(String, Text)]) -> String {
        let pair = |(name, text): &(String, Text)| filled(self.phrases.note, &[&code(name), &self.text(text)]);
        pairs.iter().map(pair).collect::<Vec<_>>().join(", ")
    }

    /// `is “yes” or “ok” and holds image`.
    pub(super) fn pattern(&self, pattern: &Pattern) -> String {
        let p = self.phrases;
        let words =
            |sentence: &str, words: &[String]| (!words.is_empty()).then(|| filled(sentence, &[&self.list(words)]));
        let has: Vec<&str> = pattern.has.iter().map(|content| word_of(*content)).collect();
        let parts = [
            words(p.m_is, &pattern.is),
            words(p.m_starts, &pattern.starts_with),
            words(p.m_contains, &pattern.contains),
            pattern.matches.as_ref().map(|regex| filled(p.m_matches, &[regex.as_str()])),
            (!has.is_empty())
                .then(|| filled(p.m_has, &[&has.iter().map(|one| code(one)).collect::<Vec<_>>().join(p.or)])),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(p.and)
    }

    /// `“a”, “b” or “c”`.
    pub(super) fn list(&self, words: &[String]) -> String {
        let quoted: Vec<String> = words.iter().map(|word| self.quoted(word)).collect();
        match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{}{}{last}", others.join(", "), self.phrases.or),
            None => String::new(),
        }
    }

    /// The zone's name.
    pub(super) fn zone(&self) -> &str {
        name_of(&self.workflow.settings.timezone)
    }
}

fn name_of(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

fn word_of(content: Content) -> &'static str {
    match content {
        Content::Text => "text",
        Content::Image => "image",
        Content::Video => "video",
        Content::Audio => "audio",
        Content::Document => "document",
        Content::Location => "location",
        Content::Contact => "contact",
    }
}

/// What is written in the language of the files: between backticks, on one line.
pub(super) fn code(source: &str) -> String {
    format!("`{}`", source.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A sentence with its gaps filled in order.
pub(super) fn filled(sentence: &str, parts: &[&str]) -> String {
    let mut pieces = sentence.split("{}");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for (at, piece) in pieces.enumerate() {
        out.push_str(parts.get(at).copied().unwrap_or_default());
        out.push_str(piece);
    }
    out
}
