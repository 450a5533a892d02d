//! Reasons explained: why each of them comes, and what can be done. Pure.
//!
//! What a reason means in one line stands in the table of its language (`english`, `french`). Invariant: every reason of
//! the tables is here, in both languages.

use super::Words;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// What stands before the code of a message that the platform refused.
const REJECTED: &str = "rejected";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    why: String,
    #[serde(rename = "do")]
    what_to_do: String,
}

/// The words around the reasons, and those of each.
#[derive(Debug, Deserialize)]
struct Language {
    words: BTreeMap<String, String>,
    #[serde(flatten)]
    reasons: BTreeMap<String, Reason>,
}

static ENGLISH: LazyLock<Language> = LazyLock::new(|| read(include_str!("reasons.en.toml")));
static FRENCH: LazyLock<Language> = LazyLock::new(|| read(include_str!("reasons.fr.toml")));

fn read(text: &str) -> Language {
    toml::from_str(text).expect("the words are a part of the program")
}

impl Words {
    /// Every reason that is a word, in the order of the table.
    pub(in crate::http::dashboard) fn known_reasons(&self) -> impl Iterator<Item = &'static str> + use<> {
        let table: &'static [(&'static str, &'static str)] = self.reasons;
        table.iter().map(|(code, _)| *code).filter(|code| !code.contains(' '))
    }

    /// A reason explained, several lines, the last one ended; `None` for a reason that there is not.
    pub(in crate::http::dashboard) fn explained(&self, reason: &str) -> Option<String> {
        let number = reason.strip_prefix(REJECTED).and_then(|rest| rest.strip_prefix(':'));
        let code = match number.map(str::parse::<i64>) {
            None => reason,
            Some(Ok(_)) => REJECTED,
            Some(Err(_)) => return None,
        };
        let language = if self.is_french() { &*FRENCH } else { &*ENGLISH };
        let known = language.reasons.get(code)?;
        let said = |name: &str| language.words.get(name).map_or("", String::as_str);
        let colon = self.colon;
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{reason}{colon}{}\n({})\n", self.reason(reason), said("kind"));
        let _ = writeln!(out, "{}{colon}{}\n", said("why"), known.why);
        let _ = writeln!(out, "{}{colon}{}", said("do"), known.what_to_do);
        if reason == REJECTED {
            let _ = writeln!(out, "\n{}", said(REJECTED));
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::{ENGLISH, FRENCH};
    use crate::http::dashboard::words::Words;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_of_the_tables_is_explained_in_every_language() {
        for (lang, language) in [("en", &*ENGLISH), ("fr", &*FRENCH)] {
            let words = Words::of(lang);
            let told: BTreeSet<&str> = words.reasons.iter().map(|(code, _)| *code).collect();
            let explained: BTreeSet<&str> = language.reasons.keys().map(String::as_str).collect();
            assert_eq!(told, explained, "{lang}");
            for word in ["kind", "why", "do", "rejected"] {
                assert!(language.words.contains_key(word), "{lang}: {word}");
            }
        }
        for reason in Words::of("en").known_reasons() {
            let explained = ["en", "fr"].map(|lang| Words::of(lang).explained(reason).unwrap());
            assert_ne!(explained[0], explained[1], "{reason}");
        }
    }

    #[test]
    fn a_refusal_of_the_platform_is_explained_with_its_number() {
        let explained = |lang: &str, reason: &str| Words::of(lang).explained(reason);
        let begins = |lang, reason, start: &str| {
            let said = explained(lang, reason).unwrap();
            assert!(said.starts_with(start), "{said}");
        };
        begins("en", "rejected", "rejected: the platform refused it\n(");
        begins("en", "rejected:131026", "rejected:131026: cannot be delivered: no WhatsApp");
        begins("fr", "rejected:131026", "rejected:131026 : ne peut être remis : pas de WhatsApp");
        assert_eq!((explained("en", "rejected:soon"), explained("en", "event.total > 0 is no")), (None, None));
    }
}
