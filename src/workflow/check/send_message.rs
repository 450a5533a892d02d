//! `send_message`: both forms of a message, judged as far as the files tell.

use super::catalogue::{media_name, with_article};
use super::expression::{Holes, is_bare_path};
use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::project::{check_phone, is_http, is_language, refuse_language};
use super::values::{choice, duration};
use super::words::{is_name, nearest};
use crate::config::ChannelKind;
use crate::delivery::OutsideWindow;
use crate::expr::Text;
use crate::message::{Bot, MediaKind};
use crate::workflow::yaml::{Entry, Kind};
use crate::workflow::SendMessage;
use std::ops::Range;

const MESSAGE: Shape = Shape {
    what: "`send_message`",
    keys: &[
        "text", "template", "values", "media", "to", "channel", "outside_window", "expires", "assign_to", "team",
        "bot", "metadata",
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
const MEDIA: Shape =
    Shape { what: "`media`", keys: &["image", "document", "audio", "video"], later: &[], elsewhere: &[] };
const LONGEST_TEXT: usize = 4_096;
const LONGEST_CAPTION: usize = 1_024;
const MOST_PAIRS: usize = 8;
const LONGEST_KEY: usize = 50;
const LONGEST_VALUE: usize = 500;

/// What was written for `media`, with its place.
pub(super) struct Media {
    pub(super) kind: MediaKind,
    pub(super) key_span: Range<usize>,
    address: Option<Text>,
}

impl<'a> Lowering<'a> {
    pub(super) fn send_message(&mut self, key: &'a Entry) -> Option<SendMessage> {
        if let Kind::Scalar { text, .. } = &key.value.kind {
            let hint = format!("write `send_message: {{ text: {} }}`", super::catalogue::shortened(text).replace('`', "\""));
            self.report.error("R205", &key.value.span, "`send_message` must be a map", hint);
            return None;
        }
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &MESSAGE)?;
        let text = fields.get("text").map(|entry| self.texts(entry)).unwrap_or_default();
        let media = fields.get("media").and_then(|entry| self.media(entry));
        let channel = fields.get("channel").and_then(|entry| self.channel_name(entry));
        let template = fields.get("template").and_then(|entry| self.template(entry, &fields, media.as_ref()));
        let to = fields.get("to").and_then(|entry| self.addressee(entry));
        let outside = [("fail", OutsideWindow::Fail), ("skip", OutsideWindow::Skip), ("hold", OutsideWindow::Hold)];
        let outside_window = fields.get("outside_window").and_then(|entry| choice(&mut self.report, entry, &outside));
        let expires = fields.get("expires").and_then(|entry| duration(&mut self.report, entry));
        let assign_to = fields.get("assign_to").and_then(|entry| self.required_text(entry));
        let team = fields.get("team").and_then(|entry| self.required_text(entry));
        let bots = [("start", Bot::Start), ("stop", Bot::Stop)];
        let bot = fields.get("bot").and_then(|entry| choice(&mut self.report, entry, &bots));
        let metadata = fields.get("metadata").map(|entry| self.metadata(entry)).unwrap_or_default();
        self.check_forms(key, &fields);
        self.check_line(&fields, channel.as_deref(), media.as_ref());
        self.check_captions(&fields, &text, media.as_ref());
        self.check_window(key, &fields, channel.as_deref());
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

    /// The plain text, or one per language; a single one has no language.
    fn texts(&mut self, entry: &'a Entry) -> Vec<(String, Text)> {
        let written = self.report.document.written(&entry.value.span);
        let languages = match &entry.value.kind {
            // `{contact.name}` is a map to YAML, and a forgotten brace to everybody else.
            Kind::Map(lines) if lines.iter().any(|line| !matches!(line.value.kind, Kind::Null)) && !written.starts_with("{{") => lines,
            _ => return self.required_text(entry).map(|text| (String::new(), text)).into_iter().collect(),
        };
        let usual = &self.world.settings.language;
        if self.world.usable && !languages.iter().any(|line| &line.key == usual) {
            let message = format!("`{}` lacks the project's language: `{usual}`", entry.key);
            let hint = format!("add `{usual}: …`, for people whose language is not known");
            self.report.error("R202", &entry.key_span, message, hint);
        }
        let mut texts = Vec::new();
        for line in languages {
            if !is_language(&line.key) {
                refuse_language(&mut self.report, &line.key_span, &line.key);
            }
            texts.extend(self.required_text(line).map(|text| (line.key.clone(), text)));
        }
        texts
    }

    fn media(&mut self, entry: &'a Entry) -> Option<Media> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &MEDIA)?;
        let kinds = [
            ("image", MediaKind::Image),
            ("document", MediaKind::Document),
            ("audio", MediaKind::Audio),
            ("video", MediaKind::Video),
        ];
        let mut written = fields.entries.iter().filter_map(|line| {
            kinds.iter().find(|(name, _)| *name == line.key).map(|(_, kind)| (*kind, line))
        });
        let first = written.next();
        if let Some((_, second)) = written.next() {
            let hint = "send the other one with a message of its own";
            self.report.error("R201", &second.key_span, format!("a second attachment: `{}`", second.key), hint);
        }
        let Some((kind, line)) = first else {
            if !fields.refused {
                let hint = "write its kind and address: `media: { image: https://… }`";
                self.report.error("R202", &entry.key_span, "`media` is empty", hint);
            }
            return None;
        };
        let address = self.required_text(line);
        if let Some(text) = &address {
            self.check_address(line, text);
        }
        Some(Media { kind, key_span: line.key_span.clone(), address })
    }

    fn check_address(&mut self, line: &Entry, text: &Text) {
        if text.literal().is_some_and(is_bare_path) {
            return;
        }
        let example = self.example.clone().unwrap_or_default();
        let url = text.literal().map(str::to_owned).or_else(|| self.fill(text, &example));
        let source = text.source();
        let formed = match url {
            Some(url) => is_http(&url),
            None => source.starts_with("{{") || source.starts_with("https://") || source.starts_with("http://"),
        };
        if !formed {
            let hint = "write the whole address, starting with `https://`: the file must be reachable by everybody";
            self.report.error("R409", &line.value.span, "this is not an http(s) address", hint);
        }
    }

    /// A colleague by name, or a phone as text.
    fn addressee(&mut self, entry: &'a Entry) -> Option<Text> {
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
        } else if !is_bare_path(&literal) {
            check_phone(&mut self.report, &entry.value.span, &literal, region);
        }
        Some(text)
    }

    fn metadata(&mut self, entry: &'a Entry) -> Vec<(String, Text)> {
        let lines = super::project::named(&mut self.report, entry, "order: \"{{event.order_id}}\"");
        if let Some(ninth) = lines.get(MOST_PAIRS) {
            let message = format!("`metadata` has {} pairs: {MOST_PAIRS} are the most", lines.len());
            self.report.error("R408", &ninth.key_span, message, "remove the others");
        }
        let mut pairs = Vec::new();
        for line in lines {
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
        let refused_media = fields.entries.iter().any(|entry| ["image", "document", "audio", "video"].contains(&entry.key.as_str()));
        if !has("text") && !has("template") && !has("media") && !refused_media {
            let hint = "write `text: …`, `template: …` or `media: { … }`";
            self.report.error("R202", &key.key_span, "the message is empty", hint);
        }
        if let Some(values) = fields.get("values").filter(|_| !has("template")) {
            let hint = "name the template they fill: `template: …`, or remove them";
            self.report.error("R204", &values.key_span, "`values` needs `template`", hint);
        }
        if let Some(entry) = fields.get("outside_window").filter(|_| has("template")) {
            let hint = "remove it: outside the window the template leaves";
            self.report.error("R204", &entry.key_span, "`outside_window` is not used with `template`", hint);
        }
    }

    /// What a line without templates can carry.
    fn check_line(&mut self, fields: &Fields, channel: Option<&str>, media: Option<&Media>) {
        if !self.by_qr(channel) {
            return;
        }
        let template = fields.get("template").filter(|_| fields.get("text").is_none());
        if let Some(entry) = template {
            let hint = "write a `text` as well, or send by an official line";
            self.report.error("R404", &entry.value.span, "a `qr` line cannot send templates", hint);
        }
        if let Some(media) = media.filter(|media| matches!(media.kind, MediaKind::Audio | MediaKind::Video)) {
            let message = format!("`{}` may not arrive: it needs an official line", media_name(media.kind));
            self.report.warn("R409", &media.key_span, message, "send a link in the text, or use an official line");
        }
    }

    /// Whether the message leaves by a QR line, as far as the file tells.
    fn by_qr(&self, channel: Option<&str>) -> bool {
        let settings = &self.world.settings;
        let line = channel.map_or(Some(settings.default_channel()), |name| settings.channel(name));
        let answers_elsewhere = channel.is_none() && self.triggers.messages > 0 && settings.channels.len() > 1;
        !answers_elsewhere && line.is_some_and(|line| line.kind == ChannelKind::Qr)
    }

    fn check_captions(&mut self, fields: &Fields, texts: &[(String, Text)], media: Option<&Media>) {
        let Some(entry) = fields.get("text") else { return };
        match media.map(|media| media.kind) {
            Some(MediaKind::Audio) => {
                let hint = "send the text with a message of its own";
                self.report.error("R409", &entry.key_span, "an audio carries no caption", hint);
            }
            Some(kind @ (MediaKind::Document | MediaKind::Video)) => {
                let message = format!("a caption on {} may not be shown: it is documented for images only", with_article(kind));
                self.report.warn("R409", &entry.key_span, message, "send the text with a message of its own");
            }
            _ => {}
        }
        let (longest, what) = match media {
            Some(_) => (LONGEST_CAPTION, "caption"),
            None => (LONGEST_TEXT, "text"),
        };
        for (language, text) in texts {
            let length = self.length(text);
            if length > longest {
                let node = match &entry.value.kind {
                    Kind::Map(lines) => lines.iter().find(|line| &line.key == language).map_or(&entry.value, |line| &line.value),
                    _ => &entry.value,
                };
                let message = format!("the {what} has {length} characters: {longest} are the most");
                self.report.warn_in("R406", node, &node.span, (message, "shorten it, or send two messages".to_owned()));
            }
        }
    }

    /// §10.1, §10.2: can it start a conversation, and what if the window is closed.
    fn check_window(&mut self, key: &Entry, fields: &Fields, channel: Option<&str>) {
        let template = fields.get("template").is_some() || fields.meant.contains(&"template");
        let open = self.provably_open(fields.get("to").is_some(), channel);
        if template || !open {
            let (line, _) = self.report.document.place(key.key_span.start);
            self.starts_conversation.get_or_insert(line);
        }
        let settled = fields.get("outside_window").is_some() || fields.meant.contains(&"outside_window");
        if !template && !open && !settled && !self.by_qr(channel) && !self.triggers.unknown && self.world.usable {
            let message = "this text leaves only while the person's 24-hour window is open, and it may be closed";
            let hint = "add a `template`, or say what happens then: `outside_window: skip`, `hold` or `fail`";
            self.report.warn("R401", &key.key_span, message, hint);
        }
    }

    /// Between the person's message and this step lies no wait, and both are on the same line.
    fn provably_open(&self, to_somebody_else: bool, channel: Option<&str>) -> bool {
        let only_messages = self.triggers.messages > 0 && self.triggers.needs_contact.is_none() && !self.triggers.unknown;
        let same_line = channel.is_none()
            || self.world.settings.channels.len() == 1
            || self.triggers.channels.iter().all(|line| line.as_deref() == channel);
        only_messages && !self.waited && !to_somebody_else && same_line
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
