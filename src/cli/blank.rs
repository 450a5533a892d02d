//! Blank: what a sample must not keep of a person beside the number, which the server masks. Pure.
//!
//! Names, addresses of e-mail and texts are known by the name of their field, e-mail also by its form. Invariant: the
//! shape stays: a blanked text is a text, so that a workflow reads the sample as it reads the event.

use crate::personal::{MAIL, is_name, is_place};
use serde_json::Value;

const BLANK: &str = "…";
/// Parts of the names of such fields beside those with names and places, lower case.
const TEXTS: [&str; 8] = ["mail", "correo", "text", "body", "message", "caption", "comment", "note"];

/// The same JSON without names, e-mail addresses and texts.
pub(super) fn blanked(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(MAIL.replace_all(&text, BLANK).into_owned()),
        Value::Array(items) => items.into_iter().map(blanked).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| field(name, value)).collect(),
        other => other,
    }
}

fn field(name: String, value: Value) -> (String, Value) {
    let lower = name.to_lowercase();
    let personal = is_name(&name) || is_place(&name) || TEXTS.iter().any(|part| lower.contains(part));
    let value = if personal { all_blank(value) } else { blanked(value) };
    (name, value)
}

/// Texts of such a field, in a list as well; what an object below holds has names of its own.
fn all_blank(value: Value) -> Value {
    match value {
        Value::String(text) if !text.is_empty() => BLANK.into(),
        Value::Array(items) => items.into_iter().map(all_blank).collect(),
        other => blanked(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_mails_and_texts_are_blank_and_the_shape_stays() {
        let event = json!({ "customer": { "firstName": "Ana", "contactEmail": "a@b.es", "phone": "+346…01" }, "order": "R-1",
            "text": "Hi", "texts": ["a"], "by": "Ana <ana@b.es>", "message": { "kind": "x", "body": "Hi" }, "name": null });
        let blank = json!({ "customer": { "firstName": "…", "contactEmail": "…", "phone": "+346…01" }, "order": "R-1",
            "text": "…", "texts": ["…"], "by": "Ana <…>", "message": { "kind": "x", "body": "…" }, "name": null });
        assert_eq!(blanked(event), blank);
    }
}
