//! A caller's request as a message: what the gate has to know of it, and the caller's own words for the wire
//! (reference §4, §6.3).
//!
//! Pure. Invariant: [`super::send_body`] of the message is the body that the caller meant.

use crate::config::LockedTemplate;
use crate::connector::request::{Recipient, SendRequest};
use crate::message::{Media, MediaKind, Message, Plain, Template, TemplateKind, Verbatim, WHATSAPP};

/// The message that a request asks for. `locked`: what the account says of its template, when that is known.
pub(crate) fn message_of(request: &SendRequest, locked: Option<&LockedTemplate>) -> Message {
    let template = request.template_uuid.as_ref().map(|uuid| template(request, uuid, locked));
    Message {
        plain: if template.is_none() { Some(plain(request)) } else { None },
        template,
        assign_to: request.assigned_user.clone(),
        team: request.team_uuid.clone(),
        bot: request.bot,
        metadata: request.metadata.clone(),
        verbatim: Some(verbatim(request)),
    }
}

fn plain(request: &SendRequest) -> Plain {
    let media = request.url.as_ref().map(|url| Media { kind: media_kind(&request.kind), url: url.clone() });
    Plain { text: Some(request.text.clone()).filter(|text| !text.is_empty()), media }
}

fn template(request: &SendRequest, uuid: &str, locked: Option<&LockedTemplate>) -> Template {
    Template {
        name: locked.map_or(uuid, |locked| &locked.title).to_owned(),
        uuid: uuid.to_owned(),
        kind: locked.map_or_else(|| template_kind(&request.kind), |locked| locked.kind),
        category: locked.and_then(|locked| locked.category),
        values: values(request, locked.map(|locked| locked.placeholders)),
        media_url: request.url.clone(),
    }
}

/// What fills the template: valid `template_values`, else `content.text` for the only placeholder, else what was given,
/// which does not fit. Without knowing how many it takes, nothing is wrong with them.
fn values(request: &SendRequest, placeholders: Option<usize>) -> Vec<String> {
    let given = &request.template_values;
    let text = Some(&request.text).filter(|text| !text.trim().is_empty());
    let valid = given.iter().all(|value| !value.is_empty());
    match (placeholders, text) {
        (Some(wanted), _) if valid && given.len() == wanted => given.clone(),
        (Some(1), Some(text)) => vec![text.clone()],
        (None, Some(text)) if given.is_empty() => vec![text.clone()],
        _ => given.clone(),
    }
}

fn verbatim(request: &SendRequest) -> Verbatim {
    let to = match &request.to {
        Recipient::Phone(id) if request.from != WHATSAPP => Some(id.clone()),
        Recipient::Phone(_) | Recipient::Bsuid(_) => None,
    };
    let wanted = [("contact", request.wants_contact), ("conversation", request.wants_conversation)];
    Verbatim {
        from: request.from.clone(),
        to,
        kind: request.kind.clone(),
        text: request.has_text.then(|| request.text.clone()),
        url: request.url.clone(),
        values: request.template_values.clone(),
        optin: request.optin,
        channel_uuid: request.channel_uuid.clone(),
        fields: wanted.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| (*name).to_owned()).collect(),
    }
}

fn media_kind(word: &str) -> MediaKind {
    match word {
        "image" => MediaKind::Image,
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => MediaKind::Document,
    }
}

fn template_kind(word: &str) -> TemplateKind {
    match word {
        "image" => TemplateKind::Image,
        "video" => TemplateKind::Video,
        "document" => TemplateKind::Document,
        _ => TemplateKind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::request::read;
    use crate::connector::wire::{Envelope, send_body};
    use crate::contact::Phone;
    use crate::message::{Category, Form};
    use serde_json::{Value, json};

    /// What the account gets of a caller's body.
    fn passed_on(body: &Value) -> Value {
        let message = message_of(&read(body.to_string().as_bytes(), "").unwrap(), None);
        let phone = body["to"].as_str().and_then(|to| Phone::from_vendor(to).ok());
        let envelope = Envelope {
            form: if message.template.is_some() { Form::Template } else { Form::Text },
            phone: phone.as_ref(),
            bsuid: body["bsuid"].as_str(),
            channel_uuid: None,
            relance_id: "ours",
            relance_run: "",
            ask_contact: false,
        };
        serde_json::from_str(&send_body(&message, &envelope)).unwrap()
    }

    #[test]
    fn every_body_of_the_reference_reaches_the_account_as_it_was_meant() {
        let folder = format!("{}/tests/fixtures/callbell/send", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).unwrap() {
            let mut body: Value = serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
            body["metadata"]["relance_id"] = "forged".into();
            let mut expected = body.clone();
            expected["metadata"]["relance_id"] = "ours".into();
            assert_eq!(passed_on(&body), expected);
        }
    }

    #[test]
    fn what_only_callers_say_is_not_made_over() {
        let bodies = [
            json!({"to": "17841400000000000", "from": "instagram", "type": "text", "content": {"text": "Bonjour"},
                "channel_uuid": "line", "fields": "contact,conversation", "metadata": {"relance_id": "ours"}}),
            json!({"to": "+33600000001", "from": "whatsapp", "type": "audio",
                "content": {"url": "https://files.example.org/a.mp3"}, "optin_contact": true, "metadata": {"relance_id": "ours"}}),
            json!({"to": "+33600000001", "from": "whatsapp", "type": "video", "content": {"url": "https://files.example.org/a.mp4",
                "text": ""}, "metadata": {"relance_id": "ours"}}),
        ];
        for body in bodies {
            assert_eq!(passed_on(&body), body);
        }
    }

    #[test]
    fn ten_pairs_of_the_caller_leave_no_place_for_ours() {
        let body = |pairs: usize| {
            let pairs: Value =
                (0..pairs).map(|n| (n.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
            json!({"to": "+33600000001", "from": "whatsapp", "type": "text", "content": {"text": "a"}, "metadata": pairs})
        };
        assert_eq!(passed_on(&body(9))["metadata"]["relance_id"], "ours");
        assert_eq!(passed_on(&body(10)), body(10));
    }

    #[test]
    fn values_fill_the_template_as_the_reference_says() {
        let table = [
            (json!([]), "Aïcha", Some(1), vec!["Aïcha"]),
            (json!(["a", "b"]), "ignored", Some(2), vec!["a", "b"]),
            (json!(["a", "b"]), "Aïcha", Some(1), vec!["Aïcha"]),
            (json!(["", "b"]), "Aïcha", Some(2), vec!["", "b"]),
            (json!([]), "ignored", Some(0), vec![]),
            (json!([]), "Aïcha", None, vec!["Aïcha"]),
            (json!(["a", ""]), "Aïcha", None, vec!["a", ""]),
        ];
        for (given, text, placeholders, expected) in table {
            let body = json!({"to": "+33600000001", "from": "whatsapp", "type": "text", "content": {"text": text},
                "template_uuid": "t", "optin_contact": true, "template_values": given});
            let locked = placeholders.map(|placeholders| LockedTemplate {
                uuid: "t".into(),
                title: "T".into(),
                text: String::new(),
                kind: TemplateKind::Text,
                category: Some(Category::Utility),
                status: "approved".into(),
                placeholders,
            });
            let message = message_of(&read(body.to_string().as_bytes(), "").unwrap(), locked.as_ref());
            assert_eq!(message.template.unwrap().values, expected, "{body} {placeholders:?}");
        }
    }
}
