//! The customer's side: texts, files, places, cards, taps on buttons, answers to a message.
//!
//! Pure. Invariant: only what a person writes opens a window; a reaction does not.

use super::super::files::File;
use super::super::message::{SandboxMessage, Way, real_kind};
use super::super::payload;
use super::super::people::{Line, LineKind};
use super::super::request::{Recipient, digits};
use super::Account;
use crate::message::{Form, MediaKind};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a person sends to a line. One of `phone`, `bsuid` and `platform_id` says who.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbound {
    pub phone: Option<String>,
    /// Of a person who hides the number.
    pub bsuid: Option<String>,
    /// Of a person of another platform than WhatsApp: `channel_uuid` says of which.
    pub platform_id: Option<String>,
    pub text: String,
    pub media: Option<Media>,
    /// The line; without one, the main line.
    pub channel_uuid: Option<String>,
    /// Taps a button of the newest template: its label becomes the text.
    pub button: Option<String>,
    /// Uuid of the message that this one answers.
    pub reply_to: Option<String>,
    pub location: Option<Place>,
    pub contacts: Vec<Card>,
    /// An emoji on the message `reply_to`, or on the newest one of the account.
    pub reaction: Option<String>,
    pub forwarded: bool,
}

/// A file: at an address of its own, or one that the sandbox serves.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Media {
    Address(String),
    File(MediaFile),
}

/// A file that the sandbox makes up and serves for ten minutes of its clock.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaFile {
    pub kind: MediaKind,
    /// Without one, a usual name of that kind.
    pub name: Option<String>,
    /// Without one, the usual type of that kind.
    pub content_type: Option<String>,
    /// Bytes.
    #[serde(default = "usual_size")]
    pub size: u64,
    #[serde(default)]
    pub pace: FilePace,
}

/// How a file is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilePace {
    /// At once, with its length.
    #[default]
    Whole,
    /// A little every tenth of a second, for about five seconds.
    Slow,
    /// Without length and, as far as any reader can tell, without end.
    Endless,
    /// Cut off in the middle.
    Cut,
}

fn usual_size() -> u64 {
    2000
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
}

/// A card from the person's address book.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    pub name: String,
    #[serde(default)]
    pub phones: Vec<String>,
}

impl Account {
    /// The customer writes: opens the window of that line. The number of the message.
    ///
    /// # Errors
    /// When there is no such line or message, or the person is named wrongly.
    pub(in super::super) fn receive(&mut self, said: &Inbound, now_ms: i64) -> Result<u64, String> {
        let line = self.working_line(said.channel_uuid.as_deref()).ok_or("no such channel")?;
        let to = read_person([&said.phone, &said.bsuid, &said.platform_id], line)?;
        let line = line.uuid.clone();
        let person = self.meet(&to, &line, now_ms);
        let parts = self.parts(said, &person, now_ms)?;
        let media = match &said.media {
            None => None,
            Some(Media::Address(url)) => Some(url.clone()),
            Some(Media::File(file)) => Some(self.serve_file(file, now_ms)?),
        };
        self.converse(&person, &line, now_ms);
        if let Some(known) = self.people.get_mut(&person).filter(|_| said.reaction.is_none()) {
            known.last_inbound_ms.insert(line.clone(), now_ms);
        }
        let (number, uuid) = (self.messages.next_number(), self.new_uuid());
        let message = SandboxMessage {
            n: number,
            direction: Way::Received,
            uuid: uuid.clone(),
            event_uuid: uuid,
            phone: self.people[&person].shown_phone(),
            person,
            channel: line,
            at_ms: now_ms,
            form: Form::Text,
            kind: kind_of(said, media.as_deref()),
            text: said.button.clone().unwrap_or_else(|| said.text.clone()),
            media,
            template: None,
            metadata: BTreeMap::new(),
            body: None,
            history: Vec::new(),
            parts,
            deleted: false,
            corrected: None,
            asked: self.faults.asked.clone(),
            cloud: false,
        };
        self.keep_message(message, now_ms);
        Ok(number)
    }

    /// What its event says besides text and files (reference §13.3).
    fn parts(&self, said: &Inbound, person: &str, now_ms: i64) -> Result<Map<String, Value>, String> {
        let mut parts = Map::new();
        let target = self.target(said, person)?;
        if let Some(emoji) = &said.reaction {
            let target = target.as_ref().ok_or("there is no message to react to")?;
            let reaction = json!({ "emoji": emoji, "createdAt": payload::iso(now_ms), "target": target });
            parts.insert("messageReaction".into(), reaction);
        } else if let Some(target) = target {
            // The spelling of the documented payload.
            parts.insert("mesageContext".into(), json!({ "target": target }));
        }
        if let Some(Place { latitude, longitude }) = &said.location {
            let url = format!("https://maps.example.org/?q={latitude},{longitude}");
            let place = json!({ "coordinates": { "x": latitude, "y": longitude }, "googleMapsLocation": url });
            parts.insert("messageLocation".into(), place);
        }
        if !said.contacts.is_empty() {
            let cards: Vec<Value> = said.contacts.iter().map(shown_card).collect();
            parts.insert("messageContactCard".into(), json!({ "contactsInfo": cards }));
        }
        if said.forwarded {
            parts.insert("messageForward".into(), json!({ "forwarded": true }));
        }
        Ok(parts)
    }

    /// The message that is answered: the one named, the newest template for a tap, the newest of ours for a reaction.
    fn target(&self, said: &Inbound, person: &str) -> Result<Option<Value>, String> {
        let named = |message: &SandboxMessage, uuid: &String| message.uuid == *uuid || message.event_uuid == *uuid;
        let fits = |message: &&SandboxMessage| {
            message.person == person
                && match &said.reply_to {
                    Some(uuid) => named(message, uuid),
                    None => message.direction == Way::Sent && (said.button.is_none() || message.template.is_some()),
                }
        };
        if said.reply_to.is_none() && said.button.is_none() && said.reaction.is_none() {
            return Ok(None);
        }
        let found = self.messages.iter().rev().map(|(_, message)| message).find(fits);
        let target = found.ok_or("this person has no such message to answer")?;
        let at = payload::iso(target.at_ms);
        Ok(Some(json!({ "text": target.text, "createdAt": at, "status": target.direction })))
    }

    fn serve_file(&mut self, wanted: &MediaFile, now_ms: i64) -> Result<String, String> {
        let base = self.base.clone().ok_or("the sandbox does not know its own address")?;
        let (number, signature) = (self.files.next_number(), self.new_uuid());
        let file = File::new(wanted, signature, now_ms);
        let url = file.url(&base, number);
        self.files.push(file);
        Ok(url)
    }
}

/// Whom a control call means on that line, by `phone`, `bsuid` or `platform_id`.
pub(in super::super) fn read_person(named: [&Option<String>; 3], line: &Line) -> Result<Recipient, String> {
    match (line.kind, named) {
        (LineKind::Whatsapp, [Some(phone), ..]) => {
            digits(phone).map(Recipient::Phone).ok_or_else(|| "not an international phone number".to_owned())
        }
        (LineKind::Whatsapp, [None, Some(bsuid), _]) => Ok(Recipient::Bsuid(bsuid.clone())),
        (LineKind::Whatsapp, _) => Err("say `phone` or `bsuid`".to_owned()),
        (_, [None, None, Some(id)]) => Ok(Recipient::Phone(id.clone())),
        (kind, _) => Err(format!("a person of {} has a `platform_id` only", kind.word())),
    }
}

fn kind_of(said: &Inbound, media: Option<&str>) -> String {
    match (&said.media, media) {
        (Some(Media::File(file)), _) => match file.kind {
            MediaKind::Image => "image".into(),
            MediaKind::Document => "document".into(),
            MediaKind::Audio => "audio".into(),
            MediaKind::Video => "video".into(),
        },
        (_, Some(url)) => real_kind("document", Some(url)),
        _ if said.location.is_some() => "location".into(),
        _ if !said.contacts.is_empty() => "contact".into(),
        _ if said.reaction.is_some() => "reaction".into(),
        _ => "text".into(),
    }
}

fn shown_card(card: &Card) -> Value {
    let phone = |phone: &String| json!({ "phone": phone, "wa_id": digits(phone), "type": "CELL" });
    json!({ "name": card.name, "phones": card.phones.iter().map(phone).collect::<Vec<_>>() })
}
