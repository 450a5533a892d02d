//! Mask: phone numbers in what the API and the pages show. Pure.
//!
//! A number is known by its form (`+` and 7 to 15 digits, anywhere in a text) or by the name of its field. An order
//! number of ten digits is left alone: what has neither form nor name is no phone number to us.

use crate::contact::Phone;
use crate::personal::is_number;
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::LazyLock;

static INTERNATIONAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\+\d(?:[ \u{a0}().-]{0,2}\d){6,14}").expect("the form of a number is a valid pattern")
});

/// What a `show_pii` asks for: whole numbers or not; `None` for what is neither. Nothing written asks for nothing.
pub(super) fn asks_open(written: &str) -> Option<bool> {
    match written {
        "1" | "true" => Some(true),
        "" | "0" | "false" => Some(false),
        _ => None,
    }
}

/// The same JSON without its phone numbers.
pub(super) fn masked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(masked_text(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(fields) => Value::Object(fields.into_iter().map(masked_field).collect()),
        other => other,
    }
}

/// The same text without the numbers in it.
pub fn masked_text(text: &str) -> Cow<'_, str> {
    INTERNATIONAL.replace_all(text, |found: &regex::Captures| masked_number(&found[0]).unwrap_or_default())
}

fn masked_field((name, value): (String, Value)) -> (String, Value) {
    let is_phone = is_number(&name);
    let number = match &value {
        Value::String(text) if is_phone => masked_number(text),
        Value::Number(number) if is_phone => masked_number(&number.to_string()),
        _ => None,
    };
    (name, number.map_or_else(|| masked(value), Value::String))
}

fn masked_number(text: &str) -> Option<String> {
    Phone::from_vendor(text).ok().map(|phone| phone.masked())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_masked_by_form_and_by_the_name_of_their_field() {
        let shown = masked(json!({
            "customer": { "phone": "600 000 001", "Mobile_No": 34600000001u64, "name": "Ana" },
            "note": "call +34 600-000-001 or +34600000002, order 1234567890",
            "to": "34600000001", "order": "1234567890", "at": "2026-03-01T10:00:00+01:00", "list": ["+34600000001", 5],
            "phone_note": "after six", "recipient_id": "34600000001", "payload": { "destination": "34600000001" },
            "identifier": "34600000001",
        }));
        let text = shown.to_string();
        assert!(!text.contains("000001") && !text.contains("000 001") && !text.contains("000-001"), "{text}");
        assert_eq!(shown["note"], "call +346…01 or +346…02, order 1234567890");
        assert_eq!(shown["list"], json!(["+346…01", 5]));
        assert_eq!((&shown["order"], &shown["phone_note"]), (&json!("1234567890"), &json!("after six")));
        assert_eq!(shown["at"], "2026-03-01T10:00:00+01:00");
        assert_eq!(shown["customer"]["Mobile_No"], "+346…01");
    }
}
