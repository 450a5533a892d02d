//! How a second delivery of the vendor's event is recognised: its bodies carry no delivery id (`semantics.md` §4.3).
//!
//! Pure. Invariant: two statuses of one message never share a key.

use crate::event::Dedupe;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// By an id found in the payload; kept for 30 days.
pub(super) fn by_id(key: String, payload: &Value) -> Dedupe {
    Dedupe { key, keep_ms: Dedupe::ID_MS, body_hash: hash(&canonical(payload)) }
}

/// By the whole payload; kept for 10 minutes, because the same body may honestly come back.
pub(super) fn by_body(name: &str, payload: &Value) -> Dedupe {
    let body_hash = hash(&canonical(payload));
    Dedupe { key: format!("{name} #{body_hash}"), keep_ms: Dedupe::HASH_MS, body_hash }
}

/// SHA-256 in hex.
pub(super) fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// JSON without spaces, keys sorted as serde_json's maps are: the same for bodies that differ in spelling only.
fn canonical(value: &Value) -> String {
    value.to_string()
}
