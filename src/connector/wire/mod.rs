//! The JSON of `POST /messages/send`, as the reference documents it (§3–§5): the body that asks, and in the files
//! beside it what the answer proves ([`classify`]) and the mark that ties a vendor's event to our attempt.
//!
//! Pure. Invariant: the same message and envelope give the same bytes, so a body is derived again, never stored.

mod answer;
mod relance_id;
mod template;
mod verbatim;

pub use answer::{Answer, classify, find_code, read_http_date, wait_ms};
pub use relance_id::{sign_id, verify_id};
pub use template::{count_placeholders, read_template};
pub(crate) use verbatim::message_of;

use crate::contact::Phone;
use crate::message::{Bot, Form, MediaKind, Message, Plain, Template, TemplateKind, Verbatim, WHATSAPP};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything the body needs beside the message.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    pub form: Form,
    pub phone: Option<&'a Phone>,
    /// Used only when there is no phone.
    pub bsuid: Option<&'a str>,
    /// `None`: the project lists no channels.
    pub channel_uuid: Option<&'a str>,
    /// `<ulid>.<16 hex>`: goes into `metadata`.
    pub relance_id: &'a str,
    pub relance_run: &'a str,
    /// Ask for the contact's uuid with the answer.
    pub ask_contact: bool,
}

/// The request body, keys in a fixed order. The message has the chosen form (the gate saw to it); one without it
/// goes out with an empty content, which the vendor refuses.
pub fn send_body(message: &Message, envelope: &Envelope) -> String {
    let verbatim = message.verbatim.as_ref();
    let said = match (verbatim, envelope.form) {
        (Some(verbatim), _) => Said::verbatim(verbatim, message.template.as_ref()),
        (None, Form::Text) => Said::plain(message.plain.as_ref()),
        (None, Form::Template) => Said::template(message.template.as_ref()),
    };
    let to = match verbatim.and_then(|verbatim| verbatim.to.clone()) {
        Some(to) => Some(to),
        None => envelope.phone.map(Phone::e164),
    };
    let body = Body {
        bsuid: envelope.bsuid.filter(|_| to.is_none()),
        to,
        from: verbatim.map_or(WHATSAPP, |verbatim| &verbatim.from),
        kind: said.kind,
        content: said.content,
        channel_uuid: channel_uuid(message, envelope),
        template_uuid: said.template_uuid,
        optin_contact: said.optin_contact,
        template_values: said.template_values,
        assigned_user: message.assign_to.as_deref(),
        team_uuid: message.team.as_deref(),
        bot_status: message.bot.map(bot_word),
        fields: fields(verbatim, envelope),
        metadata: metadata(&message.metadata, envelope),
    };
    serde_json::to_string(&body).expect("strings, lists and maps of strings are always JSON")
}

/// The line the caller named; else the project's, which is one of WhatsApp.
fn channel_uuid<'a>(message: &'a Message, envelope: &Envelope<'a>) -> Option<&'a str> {
    let named = message.verbatim.as_ref().and_then(|verbatim| verbatim.channel_uuid.as_deref());
    named.or(envelope.channel_uuid.filter(|_| !message.is_foreign()))
}

/// What the caller wants told, and the contact when we want to know it.
fn fields(verbatim: Option<&Verbatim>, envelope: &Envelope) -> Option<String> {
    let mut wanted: Vec<&str> =
        verbatim.map_or(&[][..], |verbatim| &verbatim.fields).iter().map(String::as_str).collect();
    if envelope.ask_contact && !wanted.contains(&"contact") {
        wanted.insert(0, "contact");
    }
    (!wanted.is_empty()).then(|| wanted.join(","))
}

/// The body in the order of its keys. Absent parts are left out, never `null`.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bsuid: Option<&'a str>,
    from: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    optin_contact: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template_values: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bot_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<String>,
    metadata: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// What the two forms differ in.
struct Said<'a> {
    kind: &'a str,
    content: Content<'a>,
    template_uuid: Option<&'a str>,
    optin_contact: Option<bool>,
    template_values: Option<&'a [String]>,
}

impl<'a> Said<'a> {
    /// V1–V7: a text, or a file with or without a caption.
    fn plain(plain: Option<&'a Plain>) -> Self {
        let text = plain.and_then(|plain| plain.text.as_deref());
        let media = plain.and_then(|plain| plain.media.as_ref());
        Self {
            kind: media.map_or("text", |media| media_word(media.kind)),
            content: Content { url: media.map(|media| media.url.as_str()), text },
            template_uuid: None,
            optin_contact: None,
            template_values: None,
        }
    }

    /// V8–V12 and V15. `content.text` is always there: a template call without it was seen to be accepted and lost.
    fn template(template: Option<&'a Template>) -> Self {
        let Some(template) = template else { return Self::plain(None) };
        let values = template.values.as_slice();
        Self {
            kind: template_word(template.kind),
            content: Content {
                url: template.media_url.as_deref().filter(|_| template.kind != TemplateKind::Text),
                text: Some(values.first().map_or("", String::as_str)),
            },
            template_uuid: Some(&template.uuid),
            optin_contact: Some(true),
            template_values: (values.len() > 1).then_some(values),
        }
    }

    /// As the caller of the gateway put it.
    fn verbatim(verbatim: &'a Verbatim, template: Option<&'a Template>) -> Self {
        Self {
            kind: &verbatim.kind,
            content: Content { url: verbatim.url.as_deref(), text: verbatim.text.as_deref() },
            template_uuid: template.map(|template| template.uuid.as_str()),
            optin_contact: verbatim.optin.then_some(true),
            template_values: Some(verbatim.values.as_slice()).filter(|values| !values.is_empty()),
        }
    }
}

/// Every example of the vendor sends a stand-alone sound or film as a `document`; the file's extension decides
/// what the person sees.
fn media_word(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Document | MediaKind::Audio | MediaKind::Video => "document",
    }
}

/// Headers are named as they are: here a film is a `video`.
fn template_word(kind: TemplateKind) -> &'static str {
    match kind {
        TemplateKind::Text => "text",
        TemplateKind::Image => "image",
        TemplateKind::Document => "document",
        TemplateKind::Video => "video",
    }
}

fn bot_word(bot: Bot) -> &'static str {
    match bot {
        Bot::Start => "bot_start",
        Bot::Stop => "bot_end",
    }
}

/// Pairs that the vendor takes at most.
const MOST_PAIRS: usize = 10;

/// The message's pairs and ours, which win: evidence must not be forged by a pair of the same name. A caller may fill all
/// ten places: then `relance_run` goes without one, then `relance_id`.
fn metadata<'a>(pairs: &'a BTreeMap<String, String>, envelope: &Envelope<'a>) -> BTreeMap<&'a str, &'a str> {
    let mut all: BTreeMap<&str, &str> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let ours = [("relance_id", envelope.relance_id), ("relance_run", envelope.relance_run)];
    for (key, value) in ours.into_iter().filter(|(_, value)| !value.is_empty()) {
        if all.len() < MOST_PAIRS || all.contains_key(key) {
            all.insert(key, value);
        }
    }
    all
}

#[cfg(test)]
mod tests;
