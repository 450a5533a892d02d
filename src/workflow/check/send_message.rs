//! `send_message`: both forms of a message, judged as far as the files tell.

use super::expression::Holes;
use super::fields::{Fields, Shape};
use super::languages::{Speaks, What, check_codes, has_words, is_language};
use super::lowering::Lowering;
use super::phone::check_phone;
use super::values::{choice, lasting};
use super::words::{is_name, nearest};
use crate::delivery::OutsideWindow;
use crate::expr::Text;
use crate::message::Bot;
use crate::workflow::SendMessage;
use crate::workflow::yaml::{Entry, Kind};

const MESSAGE: Shape = Shape {
    what: "`send_message`",
    keys: &[
        "text",
        "template",
        "values",
        "media",
        "to",
        "channel",
        "outside_window",
        "expires",
        "assign_to",
        "team",
        "bot",
        "metadata",
    ],
    later: &["prefer"],
    elsewhere: &[
        ("image", "write it under `media:`: `media: { image: https://… }`"),
        ("document", "write it under `media:`: `media: { document: https://… }`"),
        ("audio", "write it under `media:`: `media: { audio: https://… }`"),
        ("video", "write it under `media:`: `media: { video: https://… }`"),
        ("optin_contact", "remove it: a template only leaves with consent on record, and says so to the account"),
        ("type", "remove it: the type follows from `text`, `media` and `template`"),
        ("if", "write it beside `send_message:`, not below it"),
        ("id", "write it beside `send_message:`, not below it"),
        ("retry", "write it beside `send_message:`, not below it"),
        ("purpose", "write it at the top of the file"),
        ("limit", "write it under `settings:`"),
    ],
};
const MOST_PAIRS: usize = 8;
const LONGEST_KEY: usize = 50;
const LONGEST_VALUE: usize = 500;

impl<'a> Lowering<'a> {
    pub(super) fn send_message(&mut self, key: &'a Entry) -> Option<SendMessage> {
        if let Kind::Scalar { text, .. } = &key.value.kind {
            let hint =
                format!("write `send_message: {{ text: {} }}`", super::wording::shortened(text).replace('`', "\""));
            self.report.error("R205", &key.value.span, "`send_message` must be a map", hint);
            return None;
        }
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &MESSAGE)?;
        let text = fields.get("text").map(|entry| self.texts(entry, &fields)).unwrap_or_default();
        let media = fields.get("media").and_then(|entry| self.media(entry));
        let channel = fields.get("channel").and_then(|entry| self.channel_name(entry));
        let template = fields.get("template").and_then(|entry| self.template(entry, &fields, media.as_ref()));
        let to = fields.get("to").and_then(|entry| self.addressee(entry));
        let outside = [("fail", OutsideWindow::Fail), ("skip", OutsideWindow::Skip), ("hold", OutsideWindow::Hold)];
        let outside_window = fields.get("outside_window").and_then(|entry| choice(&mut self.report, entry, &outside));
        let expires = fields.get("expires").and_then(|entry| lasting(&mut self.report, entry));
        let assign_to = fields.get("assign_to").and_then(|entry| {
            let text = self.required_text(entry)?;
            self.report.check_collaborator(entry, &text);
            Some(text)
        });
        let team = fields.get("team").and_then(|entry| self.team(entry));
        let bots = [("start", Bot::Start), ("stop", Bot::Stop)];
        let bot = fields.get("bot").and_then(|entry| choice(&mut self.report, entry, &bots));
        let metadata = fields.get("metadata").map(|entry| self.metadata(entry)).unwrap_or_default();
        self.check_forms(key, &fields);
        self.check_line(&fields, channel.as_deref(), media.as_ref(), template.as_ref());
        self.check_captions(&fields, &text, media.as_ref());
        self.check_window(key, &fields, channel.as_deref());
        if to.is_none() {
            self.asked_on.clone_from(&channel);
        }
        Some(SendMessage {
            text,
            template,
            media: media.and_then(|media| media.address.map(|address| (media.kind, address))),
            to,
            channel,
            outside_window: outside_window.unwrap_or_default(),
            expires,
            assign_to,
            team,
            bot,
            metadata,
        })
    }

    /// A text that must not be empty when its key is there.
    pub(super) fn required_text(&mut self, entry: &'a Entry) -> Option<Text> {
        let blank = match &entry.value.kind {
            Kind::Null => true,
            Kind::Scalar { text, .. } => text.trim().is_empty(),
            _ => false,
        };
        if blank {
            let message = format!("`{}` is empty", entry.key);
            self.report.error("R202", &entry.key_span, message, "write a text after it, or remove the key");
            return None;
        }
        self.text(&entry.value, Holes::Fail)
    }

    /// A team's name.
    pub(super) fn team(&mut self, entry: &'a Entry) -> Option<Text> {
        let text = self.required_text(entry)?;
        self.report.check_team(entry, &text);
        Some(text)
    }

    /// The plain text, or one per language; a single one has no language.
    fn texts(&mut self, entry: &'a Entry, fields: &Fields<'a>) -> Vec<(String, Text)> {
        let written = self.report.document.written(&entry.value.span);
        let by_language = match &entry.value.kind {
            // `{contact.name}` is a map to YAML, and a forgotten brace to everybody else.
            Kind::Map(lines) if lines.iter().any(|line| !matches!(line.value.kind, Kind::Null)) => {
                Some(lines).filter(|_| !written.starts_with("{{"))
            }
            _ => None,
        };
        let texts: Vec<(String, Text)> = match by_language {
            None => self.required_text(entry).map(|text| (String::new(), text)).into_iter().collect(),
            Some(lines) => {
                let usual = self.world.usable.then_some(self.world.settings.language.as_str());
                check_codes(&mut self.report, entry, lines, usual);
                lines.iter().filter_map(|line| Some((line.key.clone(), self.required_text(line)?))).collect()
            }
        };
        let speaks = by_language.is_some() || texts.iter().any(|(_, text)| has_words(text.source()));
        if speaks && fields.get("to").is_none() {
            let told = self.report.warning("R411", &entry.key_span, "", "");
            let codes = by_language.into_iter().flatten().map(|line| line.key.clone());
            let codes = codes.filter(|code| is_language(code)).collect();
            self.speaks.push(Speaks { what: What::Text, file: self.report.file.to_owned(), codes, told });
        }
        texts
    }

    /// A colleague by name, or a phone as text.
    fn addressee(&mut self, entry: &'a Entry) -> Option<Text> {
        if self.names_nobody(&entry.value, "phone number") {
            return None;
        }
        let text = self.required_text(entry)?;
        let Some(literal) = text.literal().map(str::to_owned) else { return Some(text) };
        if let Some(phone) = self.world.settings.colleagues.get(&literal) {
            return Text::parse(phone).ok();
        }
        let region = self.world.settings.phone_region.as_deref();
        if is_name(&literal) {
            if self.world.usable {
                let known = self.world.settings.colleagues.keys().map(String::as_str);
                let hint = match nearest(&literal, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add it to `relance.yaml`: `colleagues: {{ {literal}: \"+34600000001\" }}`"),
                };
                self.report.error("R201", &entry.value.span, format!("unknown colleague: `{literal}`"), hint);
            }
        } else {
            check_phone(&mut self.report, &entry.value.span, &literal, region);
        }
        Some(text)
    }

    fn metadata(&mut self, entry: &'a Entry) -> Vec<(String, Text)> {
        let lines = super::project::named(&mut self.report, entry, "order: \"{{event.order_id}}\"");
        if let Some(ninth) = lines.get(MOST_PAIRS) {
            let message = format!("`metadata` has {} pairs, and {MOST_PAIRS} are allowed", lines.len());
            self.report.error("R408", &ninth.key_span, message, "remove this one, or another");
        }
        let mut pairs = Vec::new();
        for line in lines {
            self.name_of("metadata", line);
            if matches!(line.key.as_str(), "relance_id" | "relance_run") {
                let hint = "choose another name: relance adds this pair itself";
                self.report.error("R408", &line.key_span, format!("`{}` is reserved", line.key), hint);
            }
            if line.key.chars().count() > LONGEST_KEY {
                let message = format!("a key of `metadata` has {LONGEST_KEY} characters at most");
                self.report.error("R408", &line.key_span, message, "write a shorter one");
            }
            let Some(text) = self.required_text(line) else { continue };
            if self.length(&text) > LONGEST_VALUE {
                let message = format!("a value of `metadata` has {LONGEST_VALUE} characters at most");
                self.report.error("R408", &line.value.span, message, "write a shorter one");
            }
            pairs.push((line.key.clone(), text));
        }
        pairs
    }

    /// Characters of a text, filled with the samples; of what is written when it cannot be filled here.
    pub(super) fn length(&self, text: &Text) -> usize {
        if let Some(literal) = text.literal() {
            return literal.chars().count();
        }
        let example = self.example.clone().unwrap_or_default();
        self.fill(text, &example).map_or_else(|| written_length(text.source()), |filled| filled.chars().count())
    }

    fn check_forms(&mut self, key: &Entry, fields: &Fields) {
        let has = |name: &'static str| fields.get(name).is_some() || fields.meant.contains(&name);
        let refused_media =
            fields.entries.iter().any(|entry| ["image", "document", "audio", "video"].contains(&entry.key.as_str()));
        if !has("text") && !has("template") && !has("media") && !refused_media {
            let hint = "write `text: …`, `template: …` or `media: { … }`";
            self.report.error("R202", &key.key_span, "the message is empty", hint);
        }
        if let Some(values) = fields.get("values").filter(|_| !has("template")) {
            let hint = "name the template they fill: `template: …`, or remove them";
            self.report.error("R204", &values.key_span, "`values` needs `template`", hint);
        }
        if let Some(entry) = fields.get("outside_window").filter(|_| has("template")) {
            let hint = "remove it: when the window is closed, the template is sent";
            self.report.error("R204", &entry.key_span, "`outside_window` is not used with `template`", hint);
        }
    }
}

/// Characters outside of braces.
fn written_length(source: &str) -> usize {
    let mut rest = source;
    let mut count = 0;
    while let Some((before, after)) = rest.split_once("{{") {
        count += before.chars().count();
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    count + rest.chars().count()
}
