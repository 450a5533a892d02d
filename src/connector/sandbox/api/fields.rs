//! Reading of JSON bodies other than a send's: every faulty field at once, in the vendor's envelope (reference §1.3).
//!
//! Pure. Invariant: `null` counts as absent; a value of a wrong type is reported, never guessed.

use super::super::request::Refusal;
use serde_json::{Map, Value, json};

pub(super) struct Fields {
    body: Map<String, Value>,
    /// Field → list of what is wrong with it.
    wrong: Map<String, Value>,
    /// Field → list of what is not known.
    missing: Map<String, Value>,
}

impl Fields {
    /// An empty body holds no fields.
    pub(super) fn read(raw: &[u8]) -> Result<Self, Refusal> {
        let body = match raw.iter().all(u8::is_ascii_whitespace) {
            true => Map::new(),
            false => match serde_json::from_slice(raw) {
                Ok(Value::Object(body)) => body,
                _ => return Err(Refusal::field(400, "base", "invalid JSON")),
            },
        };
        Ok(Self { body, wrong: Map::new(), missing: Map::new() })
    }

    /// The value is of a wrong type or form.
    pub(super) fn wrong(&mut self, field: &str, what: &str) {
        add(&mut self.wrong, field, what);
    }

    /// The value names something that the account does not have.
    pub(super) fn unknown(&mut self, field: &str) {
        add(&mut self.missing, field, "not found");
    }

    /// What is wrong so far: 400 with the faulty fields, else 422 with those that name nothing.
    pub(super) fn check(&mut self) -> Result<(), Refusal> {
        let (wrong, missing) = (std::mem::take(&mut self.wrong), std::mem::take(&mut self.missing));
        match (wrong.is_empty(), missing.is_empty()) {
            (false, _) => Err(Refusal { status: 400, body: json!({ "error": wrong }) }),
            (true, false) => Err(Refusal { status: 422, body: json!({ "error": missing }) }),
            (true, true) => Ok(()),
        }
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.body.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.body.contains_key(field)
    }

    /// A text, which may be empty.
    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        let text = self.value(field)?.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(field, "must be string");
        }
        text
    }

    /// A text that says something.
    pub(super) fn needed(&mut self, field: &str) -> String {
        let present = self.value(field).is_some();
        let text = self.text(field).unwrap_or_default().trim().to_owned();
        if text.is_empty() && (!present || self.value(field).is_some_and(Value::is_string)) {
            self.wrong(field, "can't be blank");
        }
        text
    }

    pub(super) fn flag(&mut self, field: &str) -> Option<bool> {
        let flag = self.value(field)?.as_bool();
        if flag.is_none() {
            self.wrong(field, "must be boolean");
        }
        flag
    }

    /// A list of texts, or a text with commas.
    pub(super) fn list(&mut self, field: &str) -> Option<Vec<String>> {
        let value = self.value(field)?.clone();
        let list = match &value {
            Value::String(text) => Some(super::list_of(text)),
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        if list.is_none() {
            self.wrong(field, "must be a list of strings");
        }
        list
    }

    pub(super) fn map(&mut self, field: &str) -> Option<Map<String, Value>> {
        let map = self.value(field)?.as_object().cloned();
        if map.is_none() {
            self.wrong(field, "must be object");
        }
        map
    }

    /// One of the words, when there is any.
    pub(super) fn word(&mut self, field: &str, words: &[&str]) -> Option<String> {
        let word = self.text(field).filter(|word| !word.is_empty())?;
        let fits = words.contains(&word.as_str());
        if !fits {
            self.wrong(field, "is not included in the list");
        }
        fits.then_some(word)
    }
}

fn add(errors: &mut Map<String, Value>, field: &str, what: &str) {
    let list = errors.entry(field).or_insert_with(|| json!([])).as_array_mut();
    if let Some(list) = list.filter(|list| !list.iter().any(|known| known == what)) {
        list.push(what.into());
    }
}
