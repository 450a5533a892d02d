//! People and lines of the account.
//!
//! Pure. Invariant: the same number has the same uuid in every sandbox, so a restarted one stays the same account.

use super::request::Recipient;
use crate::config::{Channel, ChannelKind};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// How long a person may be answered freely after writing.
pub(super) const WINDOW_MS: i64 = 24 * 3_600_000;

/// A person the account knows.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) uuid: String,
    /// Digits.
    pub(super) phone: Option<String>,
    pub(super) bsuid: Option<String>,
    pub(super) name: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) custom: Map<String, Value>,
    pub(super) created_ms: i64,
    /// The newest message of the person, by line.
    pub(super) last_inbound_ms: BTreeMap<String, i64>,
}

/// A line of the account.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) uuid: String,
    pub(super) title: String,
    pub(super) main: bool,
    /// Linked by QR code: no window, no templates, no sound or film.
    pub(super) qr: bool,
}

pub(super) fn key_of(to: &Recipient) -> String {
    match to {
        Recipient::Phone(digits) => digits.clone(),
        Recipient::Bsuid(bsuid) => format!("bsuid:{bsuid}"),
    }
}

/// The same person has the same uuid in every sandbox, as in one account.
pub(super) fn new_person(to: &Recipient, now_ms: i64) -> Person {
    let (phone, bsuid) = match to {
        Recipient::Phone(digits) => (Some(digits.clone()), None),
        Recipient::Bsuid(bsuid) => (None, Some(bsuid.clone())),
    };
    Person {
        uuid: hash_uuid(&format!("person|{}", key_of(to))),
        phone,
        bsuid,
        name: None,
        tags: Vec::new(),
        custom: Map::new(),
        created_ms: now_ms,
        last_inbound_ms: BTreeMap::new(),
    }
}

/// The project's channels; at least one line, and exactly one main line.
pub(super) fn lines(channels: &[Channel]) -> Vec<Line> {
    let mut lines: Vec<Line> = channels
        .iter()
        .map(|channel| Line {
            uuid: channel.uuid.clone().unwrap_or_else(|| hash_uuid(&format!("line|{}", channel.name))),
            title: channel.title.clone().unwrap_or_else(|| channel.name.clone()),
            main: channel.default,
            qr: channel.kind == ChannelKind::Qr,
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line { uuid: hash_uuid("line|main"), title: "main".into(), main: true, qr: false });
    }
    let main = lines.iter().position(|line| line.main).unwrap_or(0);
    for (index, line) in lines.iter_mut().enumerate() {
        line.main = index == main;
    }
    lines
}

/// 32 hex characters.
pub(super) fn hash_uuid(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}
