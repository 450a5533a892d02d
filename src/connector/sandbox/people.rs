//! People and lines of the account.
//!
//! Pure. Invariant: the same number has the same uuid in every sandbox, so a restarted one stays the same account.

use super::request::Recipient;
use crate::config::{Channel, ChannelKind};
use crate::message::Bot;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// How long a person may be answered freely after writing.
pub(super) const WINDOW_MS: i64 = 24 * 3_600_000;
/// Notes of one person that are remembered.
const MOST_NOTES: usize = 200;

/// A person the account knows.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) uuid: String,
    pub(super) source: LineKind,
    /// Digits.
    pub(super) phone: Option<String>,
    /// The id on another platform than WhatsApp, as written.
    pub(super) platform_id: Option<String>,
    pub(super) bsuid: Option<String>,
    pub(super) name: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) custom: Map<String, Value>,
    /// E-mail of a colleague.
    pub(super) assigned: Option<String>,
    /// Uuid.
    pub(super) team: Option<String>,
    /// Uuid.
    pub(super) funnel: Option<String>,
    pub(super) note: Option<String>,
    pub(super) created_ms: i64,
    /// The newest thing that happened with this person.
    pub(super) active_ms: i64,
    /// Counts everyone, in the order they were met.
    pub(super) met: u64,
    /// Messages before this number belong to an earlier contact with the same number, which was deleted.
    pub(super) since_n: u64,
    /// The newest message of the person, by line.
    pub(super) last_inbound_ms: BTreeMap<String, i64>,
    /// Lines on which the account has this contact, and the one used last.
    pub(super) lines: BTreeSet<String>,
    pub(super) line: String,
    /// When the present conversation was opened; `None` = there was none yet.
    pub(super) opened_ms: Option<i64>,
    pub(super) closed_ms: Option<i64>,
    pub(super) bot: BotState,
    pub(super) notes: Vec<Note>,
    pub(super) behaviour: Behaviour,
}

/// How a person meets messages on the platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Behaviour {
    /// Stopped marketing: marketing templates fail with 131050.
    pub opted_out: bool,
    /// Has no WhatsApp: everything fails with 131026.
    pub not_on_whatsapp: bool,
    /// Blocked the line: nothing is ever delivered, and nothing says why.
    pub blocked: bool,
    /// Digits to which the platform corrects the number, told by a status `mismatch`.
    pub corrected: Option<String>,
}

/// Where the bot stands with a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BotState {
    pub(super) status: &'static str,
    pub(super) started_ms: Option<i64>,
}

impl BotState {
    pub(super) fn asked(bot: Bot, now_ms: i64) -> Self {
        match bot {
            Bot::Start => Self { status: "started", started_ms: Some(now_ms) },
            Bot::Stop => Self { status: "ended", started_ms: None },
        }
    }
}

/// A note between colleagues in the conversation.
#[derive(Debug, Clone)]
pub(super) struct Note {
    /// A note that the account made by itself has none.
    pub(super) uuid: Option<String>,
    pub(super) text: String,
    pub(super) at_ms: i64,
    /// Number of the message it comes after.
    pub(super) after_n: u64,
}

impl Person {
    pub(super) fn add_note(&mut self, note: Note) {
        self.notes.push(note);
        if self.notes.len() > MOST_NOTES {
            self.notes.remove(0);
        }
    }

    /// With `+`; empty for a person who hides the number.
    pub(super) fn shown_phone(&self) -> String {
        self.phone.as_ref().map_or_else(String::new, |digits| format!("+{digits}"))
    }

    /// Who it is on the platform: digits or an id; empty for a person who hides the number.
    pub(super) fn address(&self) -> &str {
        self.phone.as_deref().or(self.platform_id.as_deref()).unwrap_or_default()
    }
}

/// What a line is of; the words are the API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    #[default]
    Whatsapp,
    Facebook,
    Instagram,
    Telegram,
}

impl LineKind {
    const ALL: [Self; 4] = [Self::Whatsapp, Self::Facebook, Self::Instagram, Self::Telegram];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Facebook => "facebook",
            Self::Instagram => "instagram",
            Self::Telegram => "telegram",
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A line of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub uuid: String,
    pub title: String,
    #[serde(default, rename = "type")]
    pub kind: LineKind,
    /// The line of sends that name none; there is one of each kind.
    #[serde(default)]
    pub main: bool,
    /// Linked by QR code: no window, no templates, no sound or film.
    #[serde(default)]
    pub qr: bool,
    /// Taken out of service: known, and good for nothing.
    #[serde(default)]
    pub discarded_ms: Option<i64>,
}

impl Line {
    /// WhatsApp's official API: with a window and templates.
    pub(super) fn is_official(&self) -> bool {
        self.kind == LineKind::Whatsapp && !self.qr
    }
}

pub(super) fn key_of(to: &Recipient, kind: LineKind) -> String {
    match (kind, to) {
        (LineKind::Whatsapp, Recipient::Phone(digits)) => digits.clone(),
        (LineKind::Whatsapp, Recipient::Bsuid(bsuid)) => format!("bsuid:{bsuid}"),
        (kind, Recipient::Phone(id) | Recipient::Bsuid(id)) => format!("{}:{id}", kind.word()),
    }
}

/// The same person has the same uuid in every sandbox, as in one account.
pub(super) fn new_person(to: &Recipient, kind: LineKind, line: &str, now_ms: i64) -> Person {
    let (phone, bsuid, platform_id) = match (kind, to) {
        (LineKind::Whatsapp, Recipient::Phone(digits)) => (Some(digits.clone()), None, None),
        (LineKind::Whatsapp, Recipient::Bsuid(bsuid)) => (None, Some(bsuid.clone()), None),
        (_, Recipient::Phone(id) | Recipient::Bsuid(id)) => (None, None, Some(id.clone())),
    };
    Person {
        uuid: hash_uuid(&format!("person|{}", key_of(to, kind))),
        source: kind,
        phone,
        platform_id,
        bsuid,
        name: None,
        tags: Vec::new(),
        custom: Map::new(),
        assigned: None,
        team: None,
        funnel: None,
        note: None,
        created_ms: now_ms,
        active_ms: now_ms,
        met: 0,
        since_n: 0,
        last_inbound_ms: BTreeMap::new(),
        lines: BTreeSet::from([line.to_owned()]),
        line: line.to_owned(),
        opened_ms: None,
        closed_ms: None,
        bot: BotState { status: "ended", started_ms: None },
        notes: Vec::new(),
        behaviour: Behaviour::default(),
    }
}

/// The project's channels and a line of each further kind; at least one line.
pub(super) fn lines(channels: &[Channel], further: &[LineKind]) -> Vec<Line> {
    let lines = channels.iter().map(|channel| Line {
        uuid: channel.uuid.clone().unwrap_or_else(|| hash_uuid(&format!("line|{}", channel.name))),
        title: channel.title.clone().unwrap_or_else(|| channel.name.clone()),
        kind: LineKind::Whatsapp,
        main: channel.default,
        qr: channel.kind == ChannelKind::Qr,
        discarded_ms: None,
    });
    let mut lines = with_main(lines.collect());
    lines.extend(further.iter().map(|kind| made_up(kind.word(), *kind)));
    with_main(lines)
}

fn made_up(title: &str, kind: LineKind) -> Line {
    let uuid = hash_uuid(&format!("line|{title}"));
    Line { uuid, title: title.into(), kind, main: true, qr: false, discarded_ms: None }
}

/// At least one line, and exactly one main line of each kind that there is.
pub(super) fn with_main(mut lines: Vec<Line>) -> Vec<Line> {
    if lines.is_empty() {
        lines.push(made_up("main", LineKind::Whatsapp));
    }
    for kind in LineKind::ALL {
        let mut of_kind: Vec<&mut Line> = lines.iter_mut().filter(|line| line.kind == kind).collect();
        let main = of_kind.iter().position(|line| line.main).unwrap_or(0);
        for (index, line) in of_kind.iter_mut().enumerate() {
            line.main = index == main;
        }
    }
    lines
}

/// 32 hex characters.
pub(super) fn hash_uuid(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}
