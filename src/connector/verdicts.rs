//! Verdicts: what a code of the platform means for relance. The table is data (`verdicts.toml`), judged by number.
//!
//! Pure. Invariant: every number has a verdict; one in no row is our content's fault and is never retried.

use serde::Deserialize;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Whom a failure concerns beyond its own message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Class {
    /// Passing trouble: another attempt after a while.
    #[serde(rename = "T")]
    Transient,
    /// The window is closed: a template, or wait for the person.
    #[serde(rename = "W")]
    Window,
    /// This person: stop for this person.
    #[serde(rename = "P")]
    Person,
    /// This template: hold every message that uses it.
    #[serde(rename = "M")]
    Template,
    /// The line or the account: pause it.
    #[serde(rename = "L")]
    Line,
    /// Our content: the step fails, the workflow is to be mended.
    #[serde(rename = "C")]
    Content,
}

/// Whether this message may be attempted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    #[default]
    None,
    /// As the template, once.
    Template,
    Backoff,
    /// After 4^x seconds, x from 0.
    Pair,
    /// One more attempt.
    Once,
    /// Not before 24 hours, when the message lives that long.
    Day,
}

/// What else follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The person wants nothing any more.
    OptOut,
    /// The person wants no marketing any more.
    OptOutMarketing,
    /// The person cannot be reached.
    Undeliverable,
    /// Half the line's pace for 60 s.
    SlowLine,
    /// Nothing to this person meanwhile.
    HoldPerson,
    /// The credentials are no good: everything of the account waits for an operator.
    PauseAccount,
    /// Nothing by this line meanwhile.
    PauseLine,
}

/// The judgement about one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub class: Class,
    pub retry: Retry,
    pub effect: Option<Effect>,
    /// After how long a pause that it causes ends by itself; `None` = a person resumes.
    pub pause_s: Option<u32>,
    /// For people; empty for a code in no row.
    pub meaning: String,
    /// The same in French.
    pub french: String,
}

/// What relance does about `code`.
pub fn verdict(code: i64) -> &'static Verdict {
    static TABLE: OnceLock<HashMap<i64, Verdict>> = OnceLock::new();
    static UNKNOWN: Verdict = Verdict {
        class: Class::Content,
        retry: Retry::None,
        effect: None,
        pause_s: None,
        meaning: String::new(),
        french: String::new(),
    };
    TABLE.get_or_init(|| index(read_table())).get(&code).unwrap_or(&UNKNOWN)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    verdict: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Whose number it is; the numbers of the two never meet.
    #[serde(rename = "provider")]
    _provider: Provider,
    codes: Vec<i64>,
    /// Both ends included.
    #[serde(default)]
    ranges: Vec<(i64, i64)>,
    class: Class,
    #[serde(default)]
    retry: Retry,
    effect: Option<Effect>,
    pause_s: Option<u32>,
    meaning: String,
    french: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Provider {
    Meta,
    Gupshup,
}

fn read_table() -> Table {
    toml::from_str(include_str!("verdicts.toml")).expect("the table is checked by a test")
}

fn index(table: Table) -> HashMap<i64, Verdict> {
    let verdict = |row: &Row| Verdict {
        class: row.class,
        retry: row.retry,
        effect: row.effect,
        pause_s: row.pause_s,
        meaning: row.meaning.clone(),
        french: row.french.clone(),
    };
    let codes = |row: &Row| {
        let spans = row.ranges.clone().into_iter().flat_map(|(first, last)| first..=last);
        row.codes.clone().into_iter().chain(spans).collect::<Vec<_>>()
    };
    table.verdict.iter().flat_map(|row| codes(row).into_iter().map(|code| (code, verdict(row)))).collect()
}

/// Everything that the table says in French.
#[cfg(test)]
pub(crate) fn french_words() -> Vec<String> {
    read_table().verdict.into_iter().map(|row| row.french).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_reference_has_its_class() {
        let classes = [
            (Class::Window, vec![131_047, 470, 1004, 1005, 1006, 1007, 1008]),
            (Class::Person, vec![131_026, 1002, 131_050, 1012, 131_049, 130_472, 131_021, 130_497]),
            (Class::Transient, vec![131_056, 130_429, 4, 80_007, 131_057, 131_000, 131_016, 1, 2, 133_004]),
            (Class::Line, vec![131_030, 4001, 131_048, 131_031, 368, 131_042, 1003, 0, 3, 10, 190, 200, 250, 299]),
            (
                Class::Content,
                vec![131_008, 131_009, 100, 131_051, 131_052, 131_053, 1010, 1011, 132_000, 132_005, 132_012, 132_018],
            ),
            (Class::Template, vec![132_001, 4003, 132_007, 132_015, 4005, 132_016, 132_068, 132_069]),
        ];
        for (class, codes) in classes {
            for code in codes {
                assert_eq!(verdict(code).class, class, "{code}");
                assert!(!verdict(code).meaning.is_empty() && !verdict(code).french.is_empty(), "{code}");
            }
        }
    }

    #[test]
    fn only_what_may_succeed_is_attempted_again() {
        let retries = [
            (131_047, Retry::Template),
            (1006, Retry::Template),
            (131_056, Retry::Pair),
            (131_000, Retry::Backoff),
            (131_052, Retry::Once),
            (131_026, Retry::None),
            (131_049, Retry::Day),
            (132_015, Retry::None),
        ];
        for (code, retry) in retries {
            assert_eq!(verdict(code).retry, retry, "{code}");
        }
        assert_eq!(verdict(131_050).effect, Some(Effect::OptOutMarketing));
        assert_eq!(verdict(1012).effect, Some(Effect::OptOut));
        let pauses =
            [(131_057, Some(60)), (132_015, Some(3 * 3600)), (4005, Some(3 * 3600)), (132_001, None), (368, None)];
        for (code, pause_s) in pauses {
            assert_eq!(verdict(code).pause_s, pause_s, "{code}");
        }
    }

    #[test]
    fn an_unknown_code_is_our_content_and_final() {
        for code in [-1, 5, 199, 300, 999_999, i64::MAX] {
            let verdict = verdict(code);
            assert_eq!((verdict.class, verdict.retry), (Class::Content, Retry::None), "{code}");
            assert!(verdict.meaning.is_empty(), "{code}");
        }
    }

    #[test]
    fn no_code_stands_in_two_rows() {
        let table = read_table();
        let rows: usize = table
            .verdict
            .iter()
            .map(|row| row.codes.len() + row.ranges.iter().map(|(a, b)| (b - a + 1) as usize).sum::<usize>())
            .sum();
        assert_eq!(index(table).len(), rows);
    }
}
