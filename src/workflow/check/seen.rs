//! What questions and texts of a workflow can see at the place where they stand: fields of its events by their samples,
//! contact fields that something fills, variables, and steps before.

use crate::expr::{PathUse, plain_name};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The names in reach. Cloned at each branch: what one case adds, another does not see.
#[derive(Debug, Clone)]
pub(super) struct Seen<'a> {
    pub(super) events: Events<'a>,
    /// Fields of `contact` that the workflow or its audience fills; `None` = nobody can tell.
    pub(super) filled: Option<BTreeSet<String>>,
    /// Variables, the project's included.
    pub(super) vars: BTreeSet<String>,
    /// The workflow's own `vars` are computed after what is read now (`contact`, `if`, `once_per`).
    pub(super) vars_later: BTreeSet<String>,
    /// Fields by step id.
    pub(super) steps: BTreeMap<String, &'static [&'static str]>,
    /// All steps of the workflow are in reach, not those before alone.
    pub(super) anywhere: bool,
}

/// The shapes that `event` can have.
#[derive(Debug, Clone)]
pub(super) enum Events<'a> {
    /// Nothing can be said, and why was told elsewhere.
    Silent,
    /// There is no example of this.
    NoSample(String),
    /// Each with its name: `the sample `order.paid``.
    Known(Vec<(String, Cow<'a, Value>)>),
}

/// Where a path leads in one sample.
#[derive(Debug, PartialEq)]
pub(super) enum Reach<'v> {
    Value(&'v Value),
    /// Below something null or empty: it may be there.
    Unknown,
    /// The object (or whatever it is) that lacks the field with this index.
    Missing(&'v Value, usize),
}

/// Follows the fields of a path.
pub(super) fn reach<'v>(sample: &'v Value, fields: &[String]) -> Reach<'v> {
    let mut value = sample;
    for (index, field) in fields.iter().enumerate() {
        let next = match value {
            Value::Null => return Reach::Unknown,
            Value::Object(map) => {
                map.get(field).or_else(|| map.iter().find(|(key, _)| plain_name(key) == *field).map(|(_, value)| value))
            }
            Value::Array(items) => match field.parse::<usize>() {
                Ok(at) if at >= items.len() => return Reach::Unknown,
                Ok(at) => items.get(at),
                Err(_) => None,
            },
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Reach::Missing(value, index),
        }
    }
    Reach::Value(value)
}

impl Seen<'_> {
    /// Whether a field of `contact` is surely known when the workflow runs, as far as the files tell.
    pub(super) fn contact_may_lack(&self, used: &PathUse) -> bool {
        let Some(filled) = &self.filled else { return false };
        let always = ["id", "phone", "tags", "window_open", "opted_in", "opted_out"];
        let Some(field) = used.fields.first().map(String::as_str) else { return false };
        let first = field == "first_name" && filled.contains("name");
        !always.contains(&field) && !filled.contains(field) && !first
    }
}

/// The names of a sample's fields, as they are written in a path.
pub(super) fn names(value: &Value) -> Vec<Cow<'_, str>> {
    match value {
        Value::Object(map) => map.keys().map(|key| plain_name(key)).collect(),
        _ => Vec::new(),
    }
}
