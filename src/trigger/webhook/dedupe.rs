//! Dedupe: the key by which a second delivery of an event is recognised (`semantics.md` §4.3).
//!
//! Invariant: a key depends on nothing but the request, is never empty, and fits into one indexed column.

use super::body::Told;
use crate::config::Source;
use crate::event::Dedupe;
use axum::http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Headers that carry the sender's own id of an event, in order of preference.
const ID_HEADERS: [&str; 5] = ["webhook-id", "svix-id", "idempotency-key", "x-github-delivery", "x-shopify-webhook-id"];

/// A longer id is replaced by its hash.
const MOST_ID_CHARACTERS: usize = 200;

/// The first that applies: a header, a CloudEvent's source and id, the source's path in the body; else a hash of the
/// body *and the event's name*: two events may honestly carry the same few fields.
pub(super) fn dedupe(source: &Source, headers: &HeaderMap, body: &Value, told: &Told, name: &str) -> Dedupe {
    let body_hash = hash(&canonical(body));
    let id = id_in_headers(headers)
        .or_else(|| told.cloud_id.as_ref().map(|(source, id)| format!("{source} {id}")))
        .or_else(|| id_in_body(source.id.as_deref()?, body))
        .map(fitting);
    match id.filter(|id| !id.is_empty()) {
        Some(key) => Dedupe { key, keep_ms: Dedupe::ID_MS, body_hash },
        None => Dedupe { key: hash(format!("{name}\n{body_hash}").as_bytes()), keep_ms: Dedupe::HASH_MS, body_hash },
    }
}

fn id_in_headers(headers: &HeaderMap) -> Option<String> {
    let id = |name: &&str| Some(headers.get(*name)?.to_str().ok()?.trim().to_owned()).filter(|id| !id.is_empty());
    ID_HEADERS.iter().find_map(id)
}

fn id_in_body(path: &str, body: &Value) -> Option<String> {
    let found = path.split('.').try_fold(body, |value, field| match value {
        Value::Array(items) => items.get(field.parse::<usize>().ok()?),
        _ => value.get(field),
    });
    match found? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn fitting(id: String) -> String {
    match id.chars().count() > MOST_ID_CHARACTERS || id.contains(char::is_control) {
        true => hash(id.as_bytes()),
        false => id,
    }
}

/// The same JSON in another order or with other spaces is the same body: `serde_json` keeps keys sorted, which a test
/// holds it to (its feature `preserve_order` would not).
fn canonical(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
