//! Samples: one real example per event, and the header line of each audience file.

use super::report::Report;
use crate::config::Files;
use crate::workflow::diagnostic::Diagnostic;
use crate::workflow::yaml::{Document, MAX_BYTES};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is known of the shape of events.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// By event name.
    pub(super) events: BTreeMap<String, Value>,
    /// Events whose sample cannot be read: nothing more is said of their fields.
    pub(super) unreadable: Vec<String>,
    /// By path relative to `workflows/`: the column names as written.
    pub(super) audiences: BTreeMap<String, Vec<String>>,
    /// What a `message` trigger gives.
    pub(super) message: Value,
}

/// Reads every sample and header of the project.
pub(super) fn read(files: &Files, diagnostics: &mut Vec<Diagnostic>) -> Samples {
    let mut samples = Samples { message: message_event(), ..Samples::default() };
    for (path, text) in files {
        if let Some(event) = path.strip_prefix("workflows/samples/").and_then(|name| name.strip_suffix(".json")) {
            match read_json(path, text, diagnostics) {
                Some(value) => drop(samples.events.insert(event.to_owned(), value)),
                None => samples.unreadable.push(event.to_owned()),
            }
        } else if let Some(file) = path.strip_prefix("workflows/").filter(|name| name.ends_with(".csv")) {
            samples.audiences.insert(file.to_owned(), columns(text));
        }
    }
    samples
}

fn read_json(path: &str, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Value> {
    let document = Document::without_tree(text);
    let mut report = Report::new(path, &document, Vec::new());
    let value = if text.len() > MAX_BYTES {
        report.error("R205", &(0..1), "the sample is too large", "a sample may hold 256 KiB at most");
        None
    } else {
        match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
            Ok(value) => Some(value),
            Err(error) => {
                let at = document.byte_at(error.line(), error.column());
                let message = format!("the sample is not JSON: {}", without_place(&error.to_string()));
                report.error("R205", &(at..at), message, "mend it here, or copy the event's body again");
                None
            }
        }
    };
    diagnostics.extend(report.finish());
    value
}

/// What `serde_json` says, without its own line and column.
pub(super) fn without_place(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message)
}

/// Names of the header line. The separator is the one that occurs in it: `,` or `;`.
fn columns(text: &str) -> Vec<String> {
    let line = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    let separator = if line.matches(';').count() > line.matches(',').count() { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(line.as_bytes());
    let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

impl Samples {
    /// Whether there is an example of the event, be it one that cannot be read.
    pub(super) fn has(&self, event: &str) -> bool {
        self.events.contains_key(event) || self.unreadable.iter().any(|unreadable| unreadable == event)
    }

    /// The event that was probably meant by one without a sample: one with a sample whose name is a slip of the hand away.
    pub(super) fn near(&self, event: &str) -> Option<&str> {
        if self.has(event) { None } else { slip(event, self.events.keys()) }
    }

    /// What `event` holds in a run of a schedule, with the columns of its audience; `None` when they are not known.
    pub(super) fn schedule_event(&self, audience: Option<&str>) -> Option<Value> {
        let mut event = Map::new();
        event.insert("scheduled_at".into(), Value::String("2026-03-02T09:00:00Z".into()));
        if let Some(file) = audience {
            for name in self.audiences.get(file)? {
                event.insert(name.clone(), Value::String("text".into()));
            }
        }
        Some(Value::Object(event))
    }
}

/// The first of the names that is one slip of the hand away from what was written.
pub(super) fn slip<'n>(written: &str, names: impl IntoIterator<Item = &'n String>) -> Option<&'n str> {
    let written = written.to_lowercase();
    let near = |name: &str| strsim::damerau_levenshtein(&written, name) <= 1 && !are_of_a_row(&written, name);
    names.into_iter().find(|name| near(&name.to_lowercase())).map(String::as_str)
}

/// Names that are told apart by a number or a letter on purpose: `form.1` and `form.2`, `step_a` and `step_b`.
fn are_of_a_row(one: &str, other: &str) -> bool {
    let without_digits = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "");
    let parts = |name: &str| name.split(['.', '_', '-']).map(str::to_owned).collect::<Vec<_>>();
    let (ones, others) = (parts(one), parts(other));
    let letters = || ones.iter().zip(&others).all(|(one, other)| one == other || one.len() == 1 && other.len() == 1);
    one != other && (without_digits(one) == without_digits(other) || ones.len() == others.len() && letters())
}

/// What is to be done about an event that was probably not meant.
pub(super) fn did_you_mean(near: &str, event: &str) -> String {
    format!("did you mean `{near}`? If not, put one real example into `workflows/samples/{event}.json`")
}

fn message_event() -> Value {
    json!({
        "text": "Hello",
        "kind": "text",
        "attachments": [{ "kind": "image", "name": "photo.jpg", "url": "https://example.com/photo.jpg" }],
        "channel": "main",
        "received_at": "2026-03-02T09:00:00Z",
        "reply_to": null
    })
}

#[cfg(test)]
mod tests {
    use super::slip;

    #[test]
    fn a_slip_of_the_hand_is_told_from_names_of_a_row() {
        for (written, known, meant) in [
            ("order.payd", "order.paid", true),
            ("order.piad", "order.paid", true),
            ("Order.paid", "order.paid", true),
            ("form.1", "form.2", false),
            ("form1", "form", false),
            ("step_a", "step_b", false),
            ("step_ab", "step_a", true),
        ] {
            assert_eq!(slip(written, [&known.to_owned()]).is_some(), meant, "{written} {known}");
        }
    }
}
