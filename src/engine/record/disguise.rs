//! Disguise: a recorded test without the people it was recorded of. Pure.
//!
//! Each number, name and address has a stand-in, the same wherever it stands, so that what was written with it still is what
//! is expected. Invariant: a number keeps its country and its beginning, as zones and quiet hours follow from these.

use super::Kept;
use crate::contact::Phone;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Names for words of names.
const NAMES: [&str; 8] = ["Alex", "Robin", "Sasha", "Kim", "Noa", "Charlie", "Camille", "Andrea"];
/// Parts of the names of fields with people's names, lower case.
const OF_NAMES: [&str; 7] = ["name", "nombre", "apellido", "prenom", "prénom", "surname", "nachname"];
/// Parts of the names of fields with addresses.
const OF_PLACES: [&str; 6] = ["address", "adresse", "direccion", "dirección", "street", "indirizzo"];
/// Digits of a number that a stand-in has of its own.
const OWN: usize = 6;
/// Digits at the end by which a number is known, however its beginning is written.
const TAIL: usize = 8;

static MAIL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[^\s<>,;:]+@[^\s<>,;:]+").expect("the form of an e-mail address is a valid pattern"));
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
    /// Words that the workflow itself writes: in its messages they are nobody's.
    written: BTreeSet<String>,
}

/// Letters of a small word within a name, such as `de` and `van`.
const PARTICLE: usize = 3;

impl Kept {
    /// The same file about nobody.
    pub(super) fn disguised(&self, told: Value) -> Value {
        let files: Value = serde_json::from_str(&self.definition.files).unwrap_or_default();
        let text = files[format!("workflows/{}.yaml", self.run.workflow)].as_str().unwrap_or_default();
        let written = WORD.find_iter(text).map(|word| word.as_str().to_owned()).collect();
        let mut all = StandIns { written, ..StandIns::default() };
        let people = std::iter::once(&self.contact).chain(self.people.values());
        for contact in people {
            contact.phone.iter().for_each(|phone| all.number(phone.digits()));
            contact.name.iter().chain(&contact.first_name).for_each(|name| all.name(name));
            contact.email.iter().for_each(|mail| drop(all.mail(mail)));
        }
        all.learn_of(&told["tests"][0]);
        all.places.sort_by_key(|place| std::cmp::Reverse(place.len()));
        all.value(told, "", false)
    }
}

impl StandIns {
    fn number(&mut self, digits: &str) {
        let next = self.numbers.len() + 1;
        let kept = digits.len().saturating_sub(OWN).max(2).min(digits.len());
        self.numbers.entry(digits.to_owned()).or_insert_with(|| format!("+{}{next:0OWN$}", &digits[..kept]));
    }

    fn name(&mut self, name: &str) {
        for word in WORD.find_iter(name) {
            let is_particle =
                word.as_str().chars().count() <= PARTICLE && word.as_str().starts_with(char::is_lowercase);
            if is_particle || word.as_str().chars().count() < 2 {
                continue;
            }
            let next = self.words.len();
            let stand_in = || match NAMES.get(next) {
                Some(name) => (*name).to_owned(),
                None => format!("{}{next}", NAMES[next % NAMES.len()]),
            };
            self.words.entry(word.as_str().to_lowercase()).or_insert_with(stand_in);
        }
    }

    fn mail(&mut self, mail: &str) -> String {
        let next = self.mails.len() + 1;
        self.mails.entry(mail.to_lowercase()).or_insert_with(|| format!("person{next}@example.com")).clone()
    }

    /// What came from outside.
    fn learn_of(&mut self, test: &Value) {
        self.learn(&test["given"]["audience"], "");
        let entries = test["timeline"].as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().for_each(|entry| self.learn(&entry["with"], ""));
    }

    /// What fields say by their names.
    fn learn(&mut self, value: &Value, field: &str) {
        let lower = field.to_lowercase();
        let is_of = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| self.learn(value, name)),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item, field)),
            Value::String(text) if lower == "nom" || is_of(&OF_NAMES) => self.name(text),
            Value::String(text) if is_of(&OF_PLACES) && text.chars().count() > 3 && !text.contains('@') => {
                self.places.push(text.clone());
            }
            _ => {}
        }
    }

    /// `ours`: what relance said, in which words of the workflow itself stay.
    fn value(&mut self, value: Value, field: &str, ours: bool) -> Value {
        match value {
            // How the file itself is called and what it names is of nobody.
            Value::String(text) if OURS.contains(&field) => Value::String(text),
            Value::String(text) => Value::String(self.text(&text, ours)),
            Value::Number(number) => match self.known(&number.to_string()) {
                Some(stand_in) => Value::String(stand_in),
                None => Value::Number(number),
            },
            Value::Array(items) => items.into_iter().map(|item| self.value(item, field, ours)).collect(),
            Value::Object(fields) => {
                let one = |(name, value): (String, Value)| {
                    let value = self.value(value, &name, ours || name == "expect");
                    (name, value)
                };
                Value::Object(fields.into_iter().map(one).collect::<Map<_, _>>())
            }
            other => other,
        }
    }

    fn text(&mut self, text: &str, ours: bool) -> String {
        let mut out = text.to_owned();
        for place in &self.places {
            out = out.replace(place.as_str(), "…");
        }
        let out = MAIL.replace_all(&out, |found: &regex::Captures| self.mail(&found[0])).into_owned();
        let out = NUMBER.replace_all(&out, |found: &regex::Captures| self.any_number(&found[0])).into_owned();
        let left = |word: &str| ours && self.written.contains(word);
        let stand_in = |word: &str| if left(word) { word.to_owned() } else { self.word(word) };
        WORD.replace_all(&out, |found: &regex::Captures| stand_in(&found[0])).into_owned()
    }

    /// The stand-in of a known number, however it is written; of another one when it is international.
    fn any_number(&mut self, written: &str) -> String {
        if let Some(stand_in) = self.known(written) {
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

    fn known(&self, written: &str) -> Option<String> {
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        let tail = digits.get(digits.len().checked_sub(TAIL)?..)?;
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
const OURS: [&str; 14] = [
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
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_have_stand_ins_that_are_the_same_wherever_they_are_named() {
        let mut all = StandIns { written: ["Maria".to_owned()].into(), ..StandIns::default() };
        all.number("34655123456");
        all.name("Ana de la Vega");
        let test = json!({ "with": {
            "phone": "655 123 456", "digits": 34_655_123_456_u64, "customer_name": "Maria Ruiz", "street": "Calle Mayor 5",
            "note": "ask ANA or ana@shop.es or +33612345678, order 1234567890, at Calle Mayor 5, de nada",
        } });
        all.learn_of(&json!({ "timeline": [test] }));
        let disguised = json!({ "with": {
            "phone": "+34655000001", "digits": "+34655000001", "customer_name": "Sasha Kim", "street": "…",
            "note": "ask ALEX or person1@example.com or +33612000002, order 1234567890, at …, de nada",
        } });
        assert_eq!(all.value(test, "", false), disguised);
        let said = json!({ "expect": [{ "text": "Hi Ana, Maria is here, Ruiz", "to": "Ana" }] });
        let disguised = json!({ "expect": [{ "text": "Hi Alex, Maria is here, Kim", "to": "Ana" }] });
        assert_eq!(all.value(said, "", false), disguised, "words of the workflow and names of the file stay");
    }
}
