//! Mask: takes what identifies an erased person out of texts that are about others. Pure.
//!
//! Numbers are found however they are written, with separators or without; other identifiers where they are the whole of a
//! value. A name alone identifies nobody: another may bear it. Invariant: a JSON text stays one, of the same shape.

use crate::contact::{Contact, ERASED};
use serde_json::{Map, Value};

/// What may stand between the digits of a number.
const SEPARATORS: &str = " +-.()/\u{a0}\u{202f}";
/// Between parts that are not of one number.
const BREAK: char = '|';

/// What is taken out.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Mask {
    /// Digits of numbers, and of those that stand for nobody else only where nothing belongs to them on either side.
    numbers: Vec<String>,
    at_home: Vec<String>,
    /// In small letters.
    identifiers: Vec<String>,
    /// As well, where the person is one of those whom a text is about.
    names: Vec<String>,
}

impl Mask {
    /// `at_home`: numbers as they are written in their own country.
    pub(super) fn new(numbers: Vec<String>, at_home: Vec<String>, person: &Contact) -> Self {
        let small = |known: [&Option<String>; 3]| known.into_iter().flatten().map(|text| text.to_lowercase()).collect();
        let identifiers = small([&person.uuid, &person.bsuid, &person.email]);
        Self { numbers, at_home, identifiers, names: small([&person.name, &person.first_name, &None]) }
    }

    /// For texts that are about the person too: their names go as well.
    pub(super) fn with_names(&self) -> Self {
        let identifiers = self.identifiers.iter().chain(&self.names).cloned().collect();
        Self { identifiers, ..self.clone() }
    }

    /// A JSON text, or any other, without the person; `None` = they are not in it.
    pub(super) fn stored(&self, text: &str) -> Option<String> {
        let Ok(mut value) = serde_json::from_str::<Value>(text) else { return self.text(text) };
        self.value(&mut value).then(|| value.to_string())
    }

    /// Whether anything was taken out.
    fn value(&self, value: &mut Value) -> bool {
        let masked = match value {
            Value::Array(items) => return self.array(items),
            Value::Object(fields) => return self.object(fields),
            Value::String(text) => self.text(text),
            Value::Number(number) => self.text(&number.to_string()).map(|_| ERASED.to_owned()),
            Value::Null | Value::Bool(_) => None,
        };
        let found = masked.is_some();
        masked.into_iter().for_each(|masked| *value = masked.into());
        found
    }

    fn array(&self, items: &mut [Value]) -> bool {
        let mut found = false;
        for item in items {
            found |= self.value(item);
        }
        found
    }

    fn object(&self, fields: &mut Map<String, Value>) -> bool {
        let mut found = false;
        for (name, mut value) in std::mem::take(fields) {
            found |= self.value(&mut value);
            let masked = self.text(&name);
            found |= masked.is_some();
            fields.insert(masked.unwrap_or(name), value);
        }
        found
    }

    fn text(&self, text: &str) -> Option<String> {
        if self.identifiers.contains(&text.trim().to_lowercase()) {
            return Some(ERASED.to_owned());
        }
        let mut masked = text.to_owned();
        while let Some((from, to)) = self.place_in(&masked) {
            masked.replace_range(from..to, ERASED);
        }
        (masked != text).then_some(masked)
    }
}

impl Mask {
    /// Where the first of the numbers stands in a text: its bytes, with the `+` before it.
    fn place_in(&self, text: &str) -> Option<(usize, usize)> {
        let written = Written::of(text);
        let anywhere = |number: &String| written.places_of(number).next();
        let alone = |number: &String| written.places_of(number).find(|place| written.is_alone(number, *place));
        self.numbers.iter().find_map(anywhere).or_else(|| self.at_home.iter().find_map(alone))
    }
}

/// The digits of a text, and where each stands.
struct Written<'t> {
    text: &'t str,
    digits: String,
    places: Vec<usize>,
}

impl<'t> Written<'t> {
    fn of(text: &'t str) -> Self {
        let (mut digits, mut places) = (String::new(), Vec::new());
        for (at, c) in text.char_indices() {
            let taken = match c {
                c if c.is_ascii_digit() => c,
                c if SEPARATORS.contains(c) || digits.ends_with(BREAK) => continue,
                _ => BREAK,
            };
            digits.push(taken);
            places.push(at);
        }
        Self { text, digits, places }
    }

    fn places_of(&self, number: &str) -> impl Iterator<Item = (usize, usize)> {
        let found = self.digits.match_indices(number).filter(|(_, found)| !found.is_empty());
        found.map(|(first, found)| {
            let (from, last) = (self.places[first], self.places[first + found.len() - 1]);
            let plus = self.text[..from].ends_with('+');
            (from - usize::from(plus), last + 1)
        })
    }

    /// Whether no other digits belong to what stands there. What begins with `0` is no later part of a number, unless that
    /// begins with `+`.
    fn is_alone(&self, number: &str, (from, to): (usize, usize)) -> bool {
        let (before, after) = (&self.text[..from], &self.text[to..]);
        let part = |c: char| c.is_ascii_digit() || SEPARATORS.contains(c);
        let same = &before[before.trim_end_matches(part).len()..];
        let first = !same.contains(|c: char| c.is_ascii_digit())
            || (number.starts_with('0') && !same.contains('+') && !same.ends_with(|c: char| c.is_ascii_digit()));
        first && !after.starts_with(|c: char| c.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> Mask {
        let person = Contact { email: Some("Bob@Example.com".into()), name: Some("Bob".into()), ..Contact::default() };
        Mask::new(vec!["33612340002".into()], vec!["0612340002".into(), "612340002".into()], &person)
    }

    #[test]
    fn a_number_is_found_however_it_is_written_and_nothing_else_is_touched() {
        for (text, masked) in [
            ("+33612340002", Some("[erased]")),
            ("call +33 6 12-34.00 02 now", Some("call [erased] now")),
            ("0033612340002 or (33) 612340002", Some("00[erased] or ([erased]")),
            ("33612340001", None),
            ("336123, 40002", None),
            ("bob@example.com", Some("[erased]")),
            ("to bob@example.com", None),
            ("06 12-34.00 02", Some("[erased]")),
            ("on 2026-03-02 at 0612340002, please", Some("on 2026-03-02 at [erased], please")),
            ("0712340002/0612340002", Some("0712340002/[erased]")),
            ("612340002", Some("[erased]")),
            ("+34 612 34 00 02", None),
            ("+39 06 1234 0002", None),
            ("10612340002", None),
            ("06123400021", None),
            ("Bob", None),
            ("", None),
        ] {
            assert_eq!(mask().text(text).as_deref(), masked, "{text}");
        }
        assert_eq!(mask().with_names().text("BOB").as_deref(), Some("[erased]"));
        assert_eq!(mask().with_names().text("Bobby"), None);
    }

    #[test]
    fn a_json_text_keeps_its_shape() {
        let before = r#"{"to":"+33612340002","n":33612340002,"33612340002":[true,null,"+33612340001"],"name":"Bob"}"#;
        let after = r#"{"to":"[erased]","n":"[erased]","[erased]":[true,null,"+33612340001"],"name":"Bob"}"#;
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(&mask().stored(before).unwrap()), read(after));
        assert_eq!(mask().stored(r#"{"total":12.50,"name":"Bob"}"#), None, "what is not concerned stays as it is");
        assert_eq!(mask().stored("rejected +33612340002 {").as_deref(), Some("rejected [erased] {"));
    }
}
