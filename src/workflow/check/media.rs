//! `media`: attachments, their addresses, and how long a text beside them may be.

use super::expression::is_bare_path;
use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::project::is_http;
use super::wording::with_article;
use crate::expr::Text;
use crate::message::MediaKind;
use crate::workflow::yaml::{Entry, Kind};
use std::ops::Range;

const MEDIA: Shape =
    Shape { what: "`media`", keys: &["image", "document", "audio", "video"], later: &[], elsewhere: &[] };
const LONGEST_TEXT: usize = 4_096;
const LONGEST_CAPTION: usize = 1_024;

/// What was written for `media`, with its place.
pub(super) struct Media {
    pub(super) kind: MediaKind,
    pub(super) key_span: Range<usize>,
    pub(super) address: Option<Text>,
}

impl<'a> Lowering<'a> {
    pub(super) fn media(&mut self, entry: &'a Entry) -> Option<Media> {
        let fields = Fields::open(&mut self.report, &entry.value, Some(entry), &MEDIA)?;
        let kinds = [
            ("image", MediaKind::Image),
            ("document", MediaKind::Document),
            ("audio", MediaKind::Audio),
            ("video", MediaKind::Video),
        ];
        let mut written = fields
            .entries
            .iter()
            .filter_map(|line| kinds.iter().find(|(name, _)| *name == line.key).map(|(_, kind)| (*kind, line)));
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

    pub(super) fn check_captions(&mut self, fields: &Fields, texts: &[(String, Text)], media: Option<&Media>) {
        let Some(entry) = fields.get("text") else { return };
        match media.map(|media| media.kind) {
            Some(MediaKind::Audio) => {
                let hint = "send the text with a message of its own";
                self.report.error("R409", &entry.key_span, "an audio carries no caption", hint);
            }
            Some(kind @ (MediaKind::Document | MediaKind::Video)) => {
                let message =
                    format!("a caption on {} may not be shown: it is documented for images only", with_article(kind));
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
                    Kind::Map(lines) => {
                        lines.iter().find(|line| &line.key == language).map_or(&entry.value, |line| &line.value)
                    }
                    _ => &entry.value,
                };
                let message = format!("the {what} has {length} characters, and WhatsApp takes {longest} at most");
                self.report.warn_in("R406", node, &node.span, (message, "shorten it, or send two messages".to_owned()));
            }
        }
    }
}
