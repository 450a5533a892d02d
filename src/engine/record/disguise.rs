//! Disguise: a recorded test, or a sample, without the people it was recorded of. Pure.
//!
//! Each number, name and address has a stand-in, the same wherever it stands, so that what was written with it still is what
//! is expected. Invariant: a number keeps its country and its beginning, as zones and quiet hours follow from these.

use super::Kept;
use crate::contact::{Contact, Phone};
use crate::engine::deployed::{Definition, Deployed};
use crate::personal::{MAIL, is_name, is_number, is_persons_name, is_place, is_text};
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// Names for words of names.
const NAMES: [&str; 8] = ["Alex", "Robin", "Sasha", "Kim", "Noa", "Charlie", "Camille", "Andrea"];
/// Digits of a number that a stand-in has of its own.
const OWN: usize = 6;
/// Digits at the end by which a number is known, however its beginning is written; fewer where a field says that it is one.
const TAIL: usize = 8;
const SHORT_TAIL: usize = 6;

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\+?\d(?:[ \u{a0}().-]{0,2}\d){6,14}").expect("the form of a number is a valid pattern")
});
static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\p{L}[\p{L}\p{M}'’]*").expect("a word is a valid pattern"));

#[derive(Default)]
struct StandIns {
    /// International digits → the number in their place.
    numbers: BTreeMap<String, String>,
    /// Words of names in lower case → the name in their place.
    words: BTreeMap<String, String>,
    mails: BTreeMap<String, String>,
    places: Vec<String>,
    /// Words that the workflow itself writes: in its messages, and in what it may ask about, they are nobody's.
    written: BTreeSet<String>,
    /// Country of national numbers.
    region: Option<String>,
}

/// Letters of a small word within a name, such as `de` and `van`.
const PARTICLE: usize = 3;

/// Whose words a part of the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// The file's own: how things of the project are called, and when.
    File,
    /// What came from outside.
    Told,
    /// What relance said, in which words of the workflow itself stay.
    Said,
}

/// What an event said, about nobody and without what people wrote in it: a blanked text is a text, so that a workflow
/// reads the sample as it reads the event.
pub(super) fn sample(data: Value, contact: Option<&Contact>, deployed: &Deployed) -> Value {
    let words = |definition: &Arc<Definition>| words_of(&definition.files, &definition.workflow.id);
    let written = deployed.definitions.values().flat_map(words).collect();
    let mut all = StandIns { written, region: deployed.settings.phone_region.clone(), ..StandIns::default() };
    contact.into_iter().for_each(|contact| all.person(contact));
    all.learn(&data, "");
    all.places.sort_by_key(|place| std::cmp::Reverse(place.len()));
    without_texts(all.value(data, "", Words::Told))
}

/// The words that a workflow writes itself.
fn words_of(files: &str, workflow: &str) -> BTreeSet<String> {
    let files: Value = serde_json::from_str(files).unwrap_or_default();
    let text = files[format!("workflows/{workflow}.yaml")].as_str().unwrap_or_default();
    WORD.find_iter(text).map(|word| word.as_str().to_owned()).collect()
}

fn without_texts(value: Value) -> Value {
    let field = |(name, value): (String, Value)| {
        let value = if is_text(&name) || is_place(&name) { blank(value) } else { without_texts(value) };
        (name, value)
    };
    match value {
        Value::Array(items) => items.into_iter().map(without_texts).collect(),
        Value::Object(fields) => fields.into_iter().map(field).collect(),
        other => other,
    }
}

/// Texts of such a field, in a list as well; what an object below holds has names of its own.
fn blank(value: Value) -> Value {
    match value {
        Value::String(text) if !text.is_empty() => "…".into(),
        Value::Array(items) => items.into_iter().map(blank).collect(),
        other => without_texts(other),
    }
}

impl Kept {
    /// The same file about nobody.
    pub(super) fn disguised(&self, told: Value) -> Value {
        let written = words_of(&self.definition.files, &self.run.workflow);
        let region = self.definition.settings.phone_region.clone();
        let mut all = StandIns { written, region, ..StandIns::default() };
        std::iter::once(&self.contact).chain(self.people.values()).for_each(|contact| all.person(contact));
        all.learn_of(&told);
        all.places.sort_by_key(|place| std::cmp::Reverse(place.len()));
        all.value(told, "", Words::File)
    }
}

impl StandIns {
    fn person(&mut self, contact: &Contact) {
        contact.phone.iter().for_each(|phone| self.number(phone.digits()));
        contact.name.iter().chain(&contact.first_name).for_each(|name| self.name(name));
        contact.email.iter().for_each(|mail| drop(self.mail(mail)));
    }

    fn number(&mut self, digits: &str) {
        let next = self.numbers.len() + 1;
        let kept = digits.len().saturating_sub(OWN).max(2).min(digits.len());
        self.numbers.entry(digits.to_owned()).or_insert_with(|| format!("+{}{next:0OWN$}", &digits[..kept]));
    }

    fn name(&mut self, name: &str) {
        let letters = |word: &str| word.chars().count();
        let words: Vec<&str> =
            WORD.find_iter(name).map(|word| word.as_str()).filter(|word| letters(word) > 1).collect();
        // `de` is one beside others; of `ana` it is all there is.
        let is_particle = |word: &str| letters(word) <= PARTICLE && word.starts_with(char::is_lowercase);
        let only_particles = words.iter().all(|word| is_particle(word));
        for word in words.into_iter().filter(|word| only_particles || !is_particle(word)) {
            let next = self.words.len();
            let stand_in = || match NAMES.get(next) {
                Some(name) => (*name).to_owned(),
                None => format!("{}{next}", NAMES[next % NAMES.len()]),
            };
            self.words.entry(word.to_lowercase()).or_insert_with(stand_in);
        }
    }

    /// What a field calls a name may be a product's: what the workflow itself writes may be asked about, and stays.
    fn guessed_name(&mut self, name: &str) {
        if !WORD.find_iter(name).all(|word| self.written.contains(word.as_str())) {
            self.name(name);
        }
    }

    fn mail(&mut self, mail: &str) -> String {
        let next = self.mails.len() + 1;
        self.mails.entry(mail.to_lowercase()).or_insert_with(|| format!("person{next}@example.com")).clone()
    }

    /// What came from outside.
    fn learn_of(&mut self, file: &Value) {
        let test = &file["tests"][0];
        self.learn(&test["given"]["audience"], "");
        let entries = test["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().for_each(|entry| self.learn(&entry["with"], ""));
        let contacts = file["contacts"].as_object();
        contacts.into_iter().flat_map(Map::values).for_each(|contact| self.learn(&contact["fields"], ""));
    }

    /// What fields say by their names.
    fn learn(&mut self, value: &Value, field: &str) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if is_persons_name(name, fields.keys()) => self.name(text),
                        value => self.learn(value, name),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item, field)),
            Value::String(text) if is_number(field) => self.told_number(text),
            Value::Number(number) if is_number(field) => self.told_number(&number.to_string()),
            Value::String(text) if is_name(field) => self.guessed_name(text),
            Value::String(text) if is_place(field) && text.chars().count() > 3 && !text.contains('@') => {
                self.places.push(text.clone());
            }
            _ => {}
        }
    }

    /// A number by the name of its field, however it is written.
    fn told_number(&mut self, written: &str) {
        let read = Phone::parse(written, self.region.as_deref()).or_else(|_| Phone::from_vendor(written));
        if let Some(phone) = read.ok().filter(|_| self.known(written, SHORT_TAIL).is_none()) {
            self.number(phone.digits());
        }
    }

    fn value(&mut self, value: Value, field: &str, words: Words) -> Value {
        let tail = if words == Words::Told && is_number(field) { SHORT_TAIL } else { TAIL };
        match value {
            // How the file itself is called and what it names is of nobody.
            Value::String(text) if words != Words::Told && OURS.contains(&field) => Value::String(text),
            Value::String(text) if tail == SHORT_TAIL => match self.known(&text, tail) {
                Some(stand_in) => Value::String(stand_in),
                None => Value::String(self.text(&text, words)),
            },
            Value::String(text) => Value::String(self.text(&text, words)),
            Value::Number(number) => match self.known(&number.to_string(), tail) {
                Some(stand_in) => Value::String(stand_in),
                None => Value::Number(number),
            },
            Value::Array(items) => items.into_iter().map(|item| self.value(item, field, words)).collect(),
            Value::Object(fields) => {
                let one = |(name, value): (String, Value)| {
                    let words = match name.as_str() {
                        _ if words == Words::Told => Words::Told,
                        "with" | "audience" | "fields" => Words::Told,
                        "expect" => Words::Said,
                        _ => words,
                    };
                    let value = self.value(value, &name, words);
                    (name, value)
                };
                Value::Object(fields.into_iter().map(one).collect::<Map<_, _>>())
            }
            other => other,
        }
    }

    fn text(&mut self, text: &str, words: Words) -> String {
        let mut out = text.to_owned();
        for place in &self.places {
            out = out.replace(place.as_str(), "…");
        }
        let out = MAIL.replace_all(&out, |found: &regex::Captures| self.mail(&found[0])).into_owned();
        let out = NUMBER.replace_all(&out, |found: &regex::Captures| self.any_number(&found[0])).into_owned();
        let left = |word: &str| words == Words::Said && self.written.contains(word);
        let stand_in = |word: &str| if left(word) { word.to_owned() } else { self.word(word) };
        WORD.replace_all(&out, |found: &regex::Captures| stand_in(&found[0])).into_owned()
    }

    /// The stand-in of a known number, however it is written; of another one when it is international.
    fn any_number(&mut self, written: &str) -> String {
        if let Some(stand_in) = self.known(written, TAIL) {
            return stand_in;
        }
        match Phone::parse(written, None).ok().filter(|_| written.starts_with('+')) {
            Some(phone) => {
                self.number(phone.digits());
                self.numbers.get(phone.digits()).cloned().unwrap_or_default()
            }
            None => written.to_owned(),
        }
    }

    /// The stand-in of a number that ends as this one, by so many digits at least.
    fn known(&self, written: &str, least: usize) -> Option<String> {
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        let tail = digits.get(digits.len().checked_sub(least)?.min(digits.len().saturating_sub(TAIL))..)?;
        self.numbers.iter().find(|(known, _)| known.ends_with(tail)).map(|(_, stand_in)| stand_in.clone())
    }

    /// In the case in which the word is written.
    fn word(&self, written: &str) -> String {
        let Some(stand_in) = self.words.get(&written.to_lowercase()) else { return written.to_owned() };
        let mut letters = written.chars();
        let first_is_large = letters.next().is_some_and(char::is_uppercase);
        let rest_is_large = letters.clone().next().is_some() && letters.all(|c| !c.is_lowercase());
        match (first_is_large, rest_is_large) {
            (true, true) => stand_in.to_uppercase(),
            (true, false) => stand_in.clone(),
            (false, _) => stand_in.to_lowercase(),
        }
    }
}

/// Fields of a test file whose texts are names of the project's own, or times.
const OURS: [&str; 17] = [
    "workflow",
    "webhook",
    "at",
    "start",
    "template",
    "to",
    "from",
    "of",
    "run",
    "because",
    "is",
    "last_message",
    "match",
    "method",
    "timezone",
    "language",
    "tags",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_have_stand_ins_that_are_the_same_wherever_they_are_named() {
        let mut all = StandIns {
            written: ["Lemon".to_owned(), "Vega".to_owned()].into(),
            region: Some("ES".into()),
            ..StandIns::default()
        };
        all.number("34655123456");
        all.name("Ana de la Vega");
        let test = json!({ "from": "+34655123456", "with": {
            "phone": "655 123 456", "digits": 34_655_123_456_u64, "customer_name": "Maria Ruiz", "street": "Calle Mayor 5",
            "from": "612 345 678", "to": "Maria", "wa_id": "34655999888", "first_name": "eva", "product_name": "Lemon",
            "note": "ask ANA or ana@shop.es or +33698765432, order 1234567890, at Calle Mayor 5, de nada, Eva",
        } });
        let contact = json!({ "timezone": "Europe/Vega", "fields": { "apellidos": "Soler" } });
        all.learn_of(&json!({ "tests": [{ "timeline": [test] }], "contacts": { "person": contact } }));
        let disguised = json!({ "from": "+34655123456", "with": {
            "phone": "+34655000001", "digits": "+34655000001", "customer_name": "Sasha Kim", "street": "…",
            "from": "+34612000002", "to": "Sasha", "wa_id": "+34655000003", "first_name": "noa", "product_name": "Lemon",
            "note": "ask ALEX or person1@example.com or +33698000004, order 1234567890, at …, de nada, Noa",
        } });
        assert_eq!(all.value(test, "", Words::File), disguised);
        let disguised = json!({ "timezone": "Europe/Vega", "fields": { "apellidos": "Charlie" } });
        assert_eq!(all.value(contact, "", Words::File), disguised);
        let said = json!({ "expect": [{ "text": "Hi Ana Vega, Lemon for Ruiz", "to": "Ana" }] });
        let disguised = json!({ "expect": [{ "text": "Hi Alex Vega, Lemon for Kim", "to": "Ana" }] });
        assert_eq!(all.value(said, "", Words::File), disguised, "words of the workflow and names of the file stay");
    }
}
