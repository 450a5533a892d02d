//! Query: what follows `?`, read strictly: a misspelt filter would show everything as if it had matched.

use crate::delivery::DeliveryState;
use crate::http::error::Refusal;
use crate::http::mask::asks_open;
use crate::relay::RelayState;
use crate::run::RunState;
use axum::extract::Query as Pairs;
use axum::http::Uri;

/// Rows of a list when nothing is said, and at most.
const LISTED: u32 = 100;
pub(super) const MOST_LISTED: u32 = 1000;

/// Keys with a value; an empty value says nothing.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the keys that this address knows.
    ///
    /// # Errors
    /// 400 for any other key, or one given twice.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Refusal> {
        let allowed = match known {
            [] => "nothing may follow `?` here".to_owned(),
            known => format!("known here: {}", quoted(known.iter())),
        };
        let refused = |error: String| Refusal::unreadable(error, allowed.clone());
        let Pairs(pairs): Pairs<Vec<(String, String)>> =
            Pairs::try_from_uri(uri).map_err(|_| refused("the part after `?` cannot be read".into()))?;
        for (at, (key, _)) in pairs.iter().enumerate() {
            if !known.contains(&key.as_str()) {
                return Err(refused(format!("unknown filter `{}`", shortened(key))));
            }
            if pairs[..at].iter().any(|(earlier, _)| earlier == key) {
                return Err(refused(format!("`{key}` is given twice")));
            }
        }
        Ok(Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    }

    /// Whether `show_pii` asks for whole numbers.
    pub(super) fn open(&self) -> Result<bool, Refusal> {
        let written = self.text("show_pii").unwrap_or_default();
        asks_open(&written).ok_or_else(|| {
            let error = format!("`show_pii` is neither yes nor no: `{}`", shortened(&written));
            Refusal::unreadable(error, "write `show_pii=1`, or leave it out")
        })
    }

    pub(super) fn run_state(&self) -> Result<Option<RunState>, Refusal> {
        self.word("state", &RunState::ALL.map(RunState::as_str), RunState::parse)
    }

    /// One, or several with commas between them.
    pub(super) fn delivery_states(&self) -> Result<Vec<DeliveryState>, Refusal> {
        let Some(text) = self.text("state") else { return Ok(Vec::new()) };
        let words = DeliveryState::ALL.map(DeliveryState::as_str);
        text.split(',').map(|one| read_word("state", one, &words, DeliveryState::parse)).collect()
    }

    pub(super) fn relay_state(&self) -> Result<Option<RelayState>, Refusal> {
        self.word("state", &RelayState::ALL.map(RelayState::as_str), RelayState::parse)
    }

    pub(super) fn limit(&self) -> Result<u32, Refusal> {
        let Some(text) = self.text("limit") else { return Ok(LISTED) };
        text.parse().ok().filter(|limit| (1..=MOST_LISTED).contains(limit)).ok_or_else(|| {
            let error = format!("`limit` is no number of rows: `{}`", shortened(&text));
            Refusal::unreadable(error, format!("write a number from 1 to {MOST_LISTED}"))
        })
    }

    fn word<T>(&self, key: &str, words: &[&str], parse: fn(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
        self.text(key).map(|text| read_word(key, &text, words, parse)).transpose()
    }
}

fn read_word<T>(key: &str, text: &str, words: &[&str], parse: fn(&str) -> Option<T>) -> Result<T, Refusal> {
    parse(text).ok_or_else(|| {
        let error = format!("no `{key}` is called `{}`", shortened(text));
        Refusal::unreadable(error, format!("one of {}", quoted(words.iter())))
    })
}

/// Whether a key stands behind `?`, however it is written there.
pub(super) fn names(uri: &Uri, key: &str) -> bool {
    Pairs::<Vec<(String, String)>>::try_from_uri(uri)
        .is_ok_and(|Pairs(pairs)| pairs.iter().any(|(name, _)| name == key))
}

fn quoted<'a>(words: impl Iterator<Item = &'a &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_however_it_is_escaped() {
        for (written, expected) in [
            ("show_pii=1", true),
            ("show%5Fpii=1", true),
            ("limit=1&%73how_pii", true),
            ("name=show_pii", false),
            ("show_pii2=1", false),
        ] {
            let uri: Uri = format!("/api/events?{written}").parse().unwrap();
            assert_eq!(names(&uri, "show_pii"), expected, "{written}");
        }
    }
}
