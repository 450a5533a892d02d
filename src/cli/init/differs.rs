//! Differs: what of a blueprint was there already and is not the same: what is the user's is kept, and the blueprint's
//! workflow and tests may not fit it.
//!
//! Neighbours: `blueprints` has what was meant to be written. Invariant: nothing is written here.

use super::blueprints::Blueprint;
use crate::config::{CatalogueEntry, Files};
use crate::workflow;
use serde_json::Value;
use std::path::Path;

/// Names that are listed; more are counted.
const LISTED: usize = 6;

/// Something that was kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differs {
    pub(super) path: String,
    /// In which way, after the path: ``lacks `total` ``.
    pub(super) what: String,
    pub(super) hint: String,
}

/// Everything that was kept and is not the blueprint's. `files`: the project as it is now.
pub(super) fn found(blueprint: &Blueprint, kept: &[String], root: &Path, files: &Files) -> Vec<Differs> {
    let ours = blueprint.files().into_iter().filter(|(path, _)| kept.contains(path));
    let differs = ours.filter_map(|(path, text)| {
        let there = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        let what = (there != text).then(|| file_differs(&text, &there)).flatten()?;
        let hint = format!(
            "let `{}` and its tests use what yours has, or bring yours in line with what your system posts",
            blueprint.workflow()
        );
        Some(Differs { path, what, hint })
    });
    differs.chain(templates(blueprint, files)).collect()
}

/// `None` when the same stands there, written in another way.
fn file_differs(ours: &str, there: &str) -> Option<String> {
    let (Ok(ours), Ok(there)) = (serde_json::from_str(ours), serde_json::from_str(there)) else {
        return Some("is not the blueprint's".to_owned());
    };
    let (mut missing, mut others) = (Vec::new(), Vec::new());
    compare(&ours, &there, "", &mut missing, &mut others);
    let lacks = (!missing.is_empty()).then(|| format!("lacks {}", listed(&missing)));
    let has = (!others.is_empty()).then(|| format!("has another value for {}", listed(&others)));
    let parts: Vec<String> = [lacks, has].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", and "))
}

/// Fields of the blueprint's sample that the one that is there lacks, or has with other values.
fn compare(ours: &Value, there: &Value, path: &str, missing: &mut Vec<String>, others: &mut Vec<String>) {
    match (ours, there) {
        (Value::Object(fields), Value::Object(known)) => {
            for (name, value) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match known.get(name) {
                    Some(other) => compare(value, other, &below, missing, others),
                    None => missing.push(below),
                }
            }
        }
        _ if ours == there => {}
        _ => others.push(if path.is_empty() { "the whole".to_owned() } else { path.to_owned() }),
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Entries of the catalogue that have the name of the blueprint's, and take something else.
fn templates(blueprint: &Blueprint, files: &Files) -> Vec<Differs> {
    let entries =
        |files: &Files| workflow::load(files).project.map(|project| project.catalogue.entries).unwrap_or_default();
    let there = entries(files);
    let differs = entries(&blueprint.alone()).into_iter().filter_map(|(name, ours)| {
        let what = entry_differs(&ours, there.get(&name)?)?;
        let hint = format!(
            "fill what it takes in `{}` and its tests, or put the blueprint's template there under another name",
            blueprint.workflow()
        );
        Some(Differs { path: "templates.yaml".to_owned(), what: format!("has another `{name}`: {what}"), hint })
    });
    differs.collect()
}

/// Which template of the account it is, is the user's choice: only what the workflow has to fill matters.
fn entry_differs(ours: &CatalogueEntry, there: &CatalogueEntry) -> Option<String> {
    if ours.values != there.values {
        let names = |names: &[String]| if names.is_empty() { "none".to_owned() } else { listed(names) };
        return Some(format!("its values are {}, the blueprint's {}", names(&there.values), names(&ours.values)));
    }
    (ours.media != there.media).then(|| "its `media` is not the blueprint's".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sample_lacks_or_has_otherwise_is_named_and_what_it_has_more_is_not() {
        let ours = r#"{ "id": 1, "customer": { "phone": "+1", "name": "Ana" }, "items": [1] }"#;
        let told = |there: &str| file_differs(ours, there);
        assert_eq!(told(r#"{ "items": [1], "more": 2, "id": 1, "customer": { "name": "Ana", "phone": "+1" } }"#), None);
        assert_eq!(
            told(r#"{ "id": 2, "customer": { "name": "Ana" } }"#).as_deref(),
            Some("lacks `customer.phone`, `items`, and has another value for `id`")
        );
        assert_eq!(told("[]").as_deref(), Some("has another value for `the whole`"));
        assert_eq!(told("{").as_deref(), Some("is not the blueprint's"));
    }
}
