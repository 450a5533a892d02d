//! Tables for `language.md` §7 and §8, one scope for all of them.

mod conditions;
mod fuzz;
mod mistakes;
mod questions;
mod texts;
mod times;

use super::{Question, Scope, Text};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// Everything a test's expressions see.
pub(super) struct World {
    pub(super) event: Value,
    contact: Value,
    steps: Value,
    vars: Value,
    workflow: Value,
    pub(super) now_ms: i64,
    zone: TimeZone,
    language: String,
}

impl World {
    /// Monday 2 March 2026, 10:00 in Madrid.
    pub(super) fn new() -> Self {
        Self {
            event: json!({
                "total": 129.90, "qty": 3, "zero": 0, "text_total": "120", "flag": true, "off": false,
                "coupon": null, "blank": "  ", "status": "active", "order_id": 9_007_199_254_740_993_i64,
                "items": [{ "name": "Boots", "qty": 1, "price": 80 }, { "name": "Socks", "qty": 4, "price": 5.5 }],
                "empty": [], "names": ["Ana", "Léa"], "numbers": [1, 2, 3], "long": vec![1; 1001],
                "customer": { "phone": "+34600000001", "first_name": "Ana" },
                "starts_at": "2026-03-04T09:30:00+01:00", "day": "2026-03-04", "paid_at": 1_772_442_000,
                "french_day": "04/03/2026", "text": "¡Sí, gracias! 👍", "multi": "a\n  b\tc",
                "Fin de contrat": "2026-12-31", "prénom": "Zoé", "first-name": "Bo",
                "answers": [
                    { "field": { "ref": "name" }, "text": "Ana" },
                    { "field": { "ref": "phone" }, "phone_number": "+34600000001" }
                ]
            }),
            contact: json!({
                "id": "c1", "name": "Ana Pérez", "first_name": "Ana", "email": null, "tags": ["VIP", "opted_in"],
                "custom": { "birthday": "1990-03-02", "Fecha de alta": "2025-01-01" }
            }),
            steps: json!({ "ask": { "outcome": "replied", "choice": 2 } }),
            vars: json!({ "discount": 10 }),
            workflow: json!({ "id": "w", "version": 3 }),
            now_ms: 1_772_442_000_000,
            zone: TimeZone::get("Europe/Madrid").unwrap(),
            language: "en".to_owned(),
        }
    }

    pub(super) fn at(mut self, instant: &str) -> Self {
        self.now_ms = instant.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        self
    }

    pub(super) fn zone(mut self, zone: &str) -> Self {
        self.zone = TimeZone::get(zone).unwrap();
        self
    }

    pub(super) fn language(mut self, language: &str) -> Self {
        self.language = language.to_owned();
        self
    }

    pub(super) fn event(mut self, event: Value) -> Self {
        self.event = event;
        self
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            event: &self.event,
            contact: &self.contact,
            steps: &self.steps,
            vars: &self.vars,
            workflow: &self.workflow,
            now_ms: self.now_ms,
            zone: &self.zone,
            language: &self.language,
        }
    }

    /// The answer as JSON, or `?` and the reason.
    pub(super) fn ask(&self, source: &str) -> String {
        let question = Question::parse(source).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:#?}"));
        match question.evaluate(&self.scope()) {
            Ok(value) => value.to_string(),
            Err(why) => format!("? {}", why.0),
        }
    }

    /// The text, or `?` and the hole.
    pub(super) fn fill(&self, source: &str) -> String {
        let text = Text::parse(source).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:#?}"));
        text.render(&self.scope()).unwrap_or_else(|hole| format!("? {}", hole.0))
    }

    /// All rows at once, so that one failing row hides no other.
    pub(super) fn table(&self, rows: &[(&str, &str)], answer: impl Fn(&Self, &str) -> String) {
        let wrong: Vec<String> = rows
            .iter()
            .filter_map(|(source, wanted)| {
                let got = answer(self, source);
                (got != *wanted).then(|| format!("{source}\n   wanted {wanted}\n   got    {got}"))
            })
            .collect();
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}
