//! Schema: what may stand in a project's files, as JSON Schema (draft-07), so that editors offer, explain and refuse.
//!
//! `keys.json` holds every key with its description; `names` adds what this project calls its templates, lines, events.
//! Pure. Invariant: it never refuses what `check` takes, and its keys are those of `check` (`tests/it/schema.rs`).

mod names;

pub use names::Names;

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

static KEYS: &str = include_str!("keys.json");
const REFERENCE: &str = "#/definitions/";

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `workflows/<id>.yaml`
    Workflow,
    /// `relance.yaml`
    Project,
    /// `templates.yaml`
    Catalogue,
    /// `workflows/<id>.test.yaml`
    Test,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Workflow, Self::Project, Self::Catalogue, Self::Test];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Project => "project",
            Self::Catalogue => "catalogue",
            Self::Test => "test",
        }
    }

    /// Which files are of this kind, as editors write it; a `!` takes out again.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Workflow => &["workflows/*.yaml", "!workflows/*.test.yaml"],
            Self::Project => &["relance.yaml"],
            Self::Catalogue => &["templates.yaml"],
            Self::Test => &["workflows/*.test.yaml"],
        }
    }
}

/// The schema of a kind of file, with the names of one project.
pub fn schema(kind: Kind, names: &Names) -> Value {
    let mut definitions = definitions();
    put_names(&mut definitions, names);
    let needed = reachable(&definitions, kind.as_str());
    let mut schema = json!({ "$schema": "http://json-schema.org/draft-07/schema#" });
    if let Some(Value::Object(root)) = definitions.get(kind.as_str()) {
        root.iter().for_each(|(key, value)| schema[key] = value.clone());
    }
    definitions.retain(|name, _| name != kind.as_str() && needed.contains(name));
    schema["definitions"] = Value::Object(definitions);
    schema
}

fn definitions() -> Map<String, Value> {
    serde_json::from_str(KEYS).expect("the file of keys is JSON, as every test of the schema shows")
}

/// Where the project lists its things, nothing else may stand; where the account may know more, they are proposals.
fn put_names(definitions: &mut Map<String, Value>, names: &Names) {
    let closed = [
        ("template_name", &names.templates),
        ("channel_name", &names.channels),
        ("source_name", &names.sources),
        ("workflow_id", &names.workflows),
    ];
    for (definition, names) in closed.into_iter().filter(|(_, names)| !names.is_empty()) {
        definitions.insert(definition.to_owned(), json!({ "type": "string", "enum": names }));
    }
    let open = [("event", &names.events), ("tag", &names.tags), ("addressee", &names.colleagues)];
    for (definition, names) in open.into_iter().filter(|(_, names)| !names.is_empty()) {
        let usual = definitions.remove(definition);
        definitions.insert(definition.to_owned(), json!({ "anyOf": [{ "enum": names }, usual] }));
    }
}

/// The definitions that a kind of file leads to.
fn reachable(definitions: &Map<String, Value>, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(name) = open.pop() {
        if let Some(definition) = definitions.get(&name).filter(|_| found.insert(name)) {
            references(definition, &mut open);
        }
    }
    found
}

fn references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            into.extend(
                fields
                    .get("$ref")
                    .and_then(Value::as_str)
                    .and_then(|text| text.strip_prefix(REFERENCE))
                    .map(str::to_owned),
            );
            fields.values().for_each(|field| references(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, into)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Files;

    fn named(files: &[(&str, &str)]) -> Names {
        let files: Files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Names::of(&files)
    }

    #[test]
    fn names_are_offered_whatever_mistakes_the_files_hold() {
        let names = named(&[
            ("relance.yaml", "versoin: 1\nchannels:\n  shop: {}\nconsent: { tag: opted_in }\ncolleagues: { ana: 1 }\n"),
            ("templates.yaml", "order_paid: { titel: X }\n"),
            ("workflows/samples/order.paid.json", "no JSON"),
            (
                "workflows/a.yaml",
                "when: [{ webhook: cart.updated }, { webhook: }]\ndo:\n  - update_contact: { add_tags: [vip, late] }\n",
            ),
            ("workflows/a.test.yaml", "workflow: a\ntests: [{ timeline: [{ webhook: not.this }] }]\n"),
        ]);
        let schema = schema(Kind::Workflow, &names);
        let offered = |name: &str| schema["definitions"][name].clone();
        assert_eq!(offered("template_name")["enum"], json!(["order_paid"]));
        assert_eq!(offered("channel_name")["enum"], json!(["shop"]));
        assert_eq!(offered("event")["anyOf"][0]["enum"], json!(["cart.updated", "order.paid"]));
        assert_eq!(offered("tag")["anyOf"][0]["enum"], json!(["late", "opted_in", "vip"]));
        assert_eq!(offered("addressee")["anyOf"][0]["enum"], json!(["ana"]));
        assert_eq!(offered("workflow_id")["enum"], json!(["a"]));
        assert_eq!(offered("source_name"), json!({ "type": "string" }), "without names nothing is refused");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_key_has_a_description() {
        let all = definitions();
        let mut led = BTreeSet::new();
        for kind in Kind::ALL {
            let schema = schema(kind, &Names::default());
            let mut open = Vec::new();
            references(&schema, &mut open);
            for name in open {
                assert!(schema["definitions"].get(&name).is_some() || name == kind.as_str(), "{name}");
            }
            led.extend(reachable(&all, kind.as_str()));
        }
        let unused: Vec<&String> = all.keys().filter(|name| !led.contains(*name)).collect();
        assert!(unused.is_empty(), "{unused:?}");
        for (name, definition) in &all {
            described(name, definition);
        }
    }

    fn described(place: &str, value: &Value) {
        if let Some(Value::Object(keys)) = value.get("properties") {
            for (key, schema) in keys {
                let words = schema["description"].as_str().unwrap_or_default();
                assert!(words.ends_with(['.', '`', '…']) && words.len() > 10, "{place}.{key} is not described");
            }
        }
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, field)| described(&format!("{place}.{key}"), field)),
            Value::Array(items) => items.iter().for_each(|item| described(place, item)),
            _ => {}
        }
    }
}
