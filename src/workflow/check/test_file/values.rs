//! Values of a test file: instants, plain data, texts that are compared, people.

use super::Reader;
use crate::contact::Phone;
use crate::workflow::check::duration;
use crate::workflow::check::json::literal;
use crate::workflow::check::words::suggestion;
use crate::workflow::test_file::Matcher;
use crate::workflow::yaml::{Entry, Kind, Node, Style};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;
use serde_json::{Map, Value};

const INSTANTS: &str = "write `2h30m` after the start, or a date and time such as `2026-03-02 10:00`";

/// A date and a time of day in that zone, Unix milliseconds.
pub(super) fn instant(written: &str, zone: &TimeZone) -> Option<i64> {
    let at: DateTime = written.trim().parse().ok()?;
    // A date alone is no instant.
    let has_time = written.contains(':');
    has_time.then(|| zone.to_timestamp(at).ok()).flatten().map(|at| at.as_millisecond())
}

/// The data as written: quoted texts stay texts, `true`, `12` and nothing are what they look like.
pub(super) fn plain_json(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::List(items) => items.iter().map(plain_json).collect(),
        Kind::Map(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.clone(), plain_json(&entry.value))).collect())
        }
        Kind::Scalar { text, style } => {
            let plain = literal(text).filter(|_| *style == Style::Plain);
            plain.unwrap_or_else(|| Value::String(text.clone()))
        }
    }
}

/// `more` over `into`: maps are merged, everything else is replaced.
pub(super) fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// Days, and milliseconds beyond them, after the start.
pub(super) fn shifted(start_ms: i64, by: crate::workflow::Duration, zone: &TimeZone) -> Option<i64> {
    let start = jiff::Timestamp::from_millisecond(start_ms).ok()?;
    let day = zone.to_datetime(start).checked_add(jiff::Span::new().try_days(by.days).ok()?).ok()?;
    Some(zone.to_timestamp(day).ok()?.as_millisecond().saturating_add(by.ms))
}

impl<'a> Reader<'a> {
    /// A text as written.
    pub(super) fn text(&mut self, entry: &'a Entry) -> Option<&'a str> {
        match &entry.value.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => {
                let hint = format!("write `{}: …` on one line", entry.key);
                self.wrong(&entry.value.span, format!("`{}` must be a text", entry.key), hint);
                None
            }
        }
    }

    /// `start`, in the zone of the workflow.
    pub(super) fn start(&mut self, entry: &'a Entry) -> Option<i64> {
        let written = self.text(entry)?;
        let found = instant(written, &self.zone);
        if found.is_none() {
            let hint = "write a date and a time in the workflow's zone, such as `2026-03-02 10:00`";
            self.wrong(&entry.value.span, format!("`{written}` is no date and time"), hint);
        }
        found
    }

    /// `at`: so long after the start, or a date and time.
    pub(super) fn at(&mut self, entry: &'a Entry, start_ms: i64) -> Option<i64> {
        let written = self.text(entry)?;
        let offset = || duration::sure(written).and_then(|by| shifted(start_ms, by, &self.zone));
        let found = instant(written, &self.zone).or_else(offset);
        if found.is_none() {
            self.wrong(&entry.value.span, format!("`{written}` is no time of a test"), INSTANTS);
        }
        found
    }

    /// A text that is compared: itself, `{contains: …}` or `{matches: …}`.
    pub(super) fn matcher(&mut self, node: &'a Node, what: &str) -> Option<Matcher> {
        let hint = format!("write `{what}: the text`, `{what}: {{ contains: … }}` or `{what}: {{ matches: … }}`");
        let entry = match &node.kind {
            Kind::Scalar { text, .. } => return Some(Matcher::Exact(text.clone())),
            Kind::Map(entries) if entries.len() == 1 => &entries[0],
            _ => {
                self.wrong(&node.span, format!("`{what}` cannot be compared with this"), hint);
                return None;
            }
        };
        let text = self.text(entry)?;
        match entry.key.as_str() {
            "contains" => Some(Matcher::Contains(text.to_owned())),
            "matches" => match Regex::new(text) {
                Ok(pattern) => Some(Matcher::Matches(pattern)),
                Err(_) => {
                    let hint = "write a regular expression, such as `\"order [0-9]+\"`";
                    self.wrong(&entry.value.span, format!("`{text}` is no regular expression"), hint);
                    None
                }
            },
            other => {
                let message = format!("`{what}` knows no comparison `{other}`");
                self.wrong(&entry.key_span, message, suggestion(other, &["contains", "matches"]));
                None
            }
        }
    }

    /// A person by the name in `contacts`, or by a number: the name to show, and the number.
    pub(super) fn person(&mut self, entry: &'a Entry) -> Option<(String, Phone)> {
        let written = self.text(entry)?;
        if let Some(phone) = self.phones.get(written) {
            return phone.clone().map(|phone| (written.to_owned(), phone));
        }
        if written.starts_with('+')
            && let Ok(phone) = Phone::parse(written, None)
        {
            return Some((written.to_owned(), phone));
        }
        let known: Vec<&str> = self.phones.keys().map(String::as_str).collect();
        let hint = match known.is_empty() {
            true => "name the people of the tests under `contacts:`".to_owned(),
            false => suggestion(written, &known),
        };
        self.wrong(&entry.value.span, format!("no contact `{written}`"), hint);
        None
    }

    /// Words: one, or a list of them.
    pub(super) fn words(&mut self, entry: &'a Entry) -> Vec<String> {
        let nodes = match &entry.value.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![&entry.value],
        };
        let mut words = Vec::new();
        for node in nodes {
            match &node.kind {
                Kind::Scalar { text, .. } => words.push(text.clone()),
                _ => {
                    let hint = format!("write `{}: [first, second]`", entry.key);
                    self.wrong(&node.span, format!("`{}` takes words", entry.key), hint);
                }
            }
        }
        words
    }

    /// A map of data.
    pub(super) fn data(&mut self, entry: &'a Entry) -> Map<String, Value> {
        match plain_json(&entry.value) {
            Value::Object(fields) => fields,
            _ => {
                let hint = format!("write `{}: {{ field: value }}`", entry.key);
                self.wrong(&entry.value.span, format!("`{}` must be a map of fields", entry.key), hint);
                Map::new()
            }
        }
    }

    /// A whole number of that range.
    pub(super) fn number(&mut self, entry: &'a Entry, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let written = self.text(entry)?;
        let found = written.parse().ok().filter(|number| range.contains(number));
        if found.is_none() {
            let hint = format!("write a whole number from {} to {}", range.start(), range.end());
            self.wrong(&entry.value.span, format!("`{}` cannot be `{written}`", entry.key), hint);
        }
        found
    }
}
