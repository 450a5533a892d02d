//! What questions and texts of a workflow can see at the place where they stand: fields of its events by their samples,
//! contact fields that something fills, variables, and steps before.

use crate::expr::{PathUse, plain_name};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The names in reach. What one case of a branch adds, another does not see: `heard` keeps the ways apart.
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

impl Events<'_> {
    /// Where the samples hold somebody's number: `customer.phone`.
    pub(super) fn phone(&self) -> Option<String> {
        let Self::Known(samples) = self else { return None };
        samples.iter().filter(|(name, _)| name.starts_with("the sample")).find_map(|(_, sample)| phone_of(sample))
    }
}

/// The first field that is called as numbers are and holds one.
pub(super) fn phone_of(value: &Value) -> Option<String> {
    let Value::Object(map) = value else { return None };
    let called = |key: &str| {
        let key = plain_name(key).to_lowercase();
        ["phone", "telef", "mobile", "movil", "whatsapp"].iter().any(|word| key.contains(word))
    };
    let holds = |value: &Value| match value {
        Value::String(text) => text.bytes().filter(u8::is_ascii_digit).count() >= 6,
        value => value.is_u64(),
    };
    let here = map.iter().find(|(key, value)| called(key) && holds(value)).map(|(key, _)| plain_name(key).into_owned());
    here.or_else(|| map.iter().find_map(|(key, value)| Some(format!("{}.{}", plain_name(key), phone_of(value)?))))
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
