//! `message`: which messages start a run.

use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::values::{scalar, word_list};
use super::words::suggestion;
use crate::trigger::TriggerKind;
use crate::trigger::message::{Content, Matcher, Pattern};
use crate::workflow::yaml::{Entry, Kind};

const PATTERN: Shape =
    Shape { what: "`message`", keys: &["is", "starts_with", "contains", "matches", "has"], later: &[], elsewhere: &[] };

impl<'a> Lowering<'a> {
    pub(super) fn message(&mut self, key: &'a Entry, fields: &Fields) -> Option<TriggerKind> {
        self.triggers.no_schedule = true;
        self.triggers.messages += 1;
        let channel = fields.get("channel").and_then(|entry| self.channel_name(entry));
        self.triggers.channels.push(channel.clone());
        let matcher = match &key.value.kind {
            Kind::Scalar { text, .. } => match text.as_str() {
                "any" => Matcher::Any,
                "unmatched" => Matcher::Unmatched,
                _ => {
                    let hint =
                        format!("write `message: {{ contains: [{text}] }}`, `message: any` or `message: unmatched`");
                    let message = format!("`message` cannot be `{text}`");
                    self.report.error("R205", &key.value.span, message, hint);
                    return None;
                }
            },
            _ => Matcher::Match(Box::new(self.pattern(key)?)),
        };
        Some(TriggerKind::Message { matcher, channel })
    }

    fn pattern(&mut self, key: &'a Entry) -> Option<Pattern> {
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &PATTERN)?;
        if fields.entries.is_empty() {
            let hint = "write which messages: `message: { contains: [price] }`, or `message: any`";
            self.report.error("R202", &key.key_span, "`message` is empty", hint);
        }
        Some(self.pattern_of(&fields))
    }

    /// The keys of a matcher, among those of a map.
    pub(super) fn pattern_of(&mut self, fields: &Fields<'a>) -> Pattern {
        let mut words =
            |name: &str| fields.get(name).map(|entry| word_list(&mut self.report, entry)).unwrap_or_default();
        let (is, starts_with, contains) = (words("is"), words("starts_with"), words("contains"));
        let matches = fields.get("matches").and_then(|entry| self.regex(entry));
        let has = fields.get("has").map(|entry| self.contents(entry)).unwrap_or_default();
        Pattern { is, starts_with, contains, matches, has }
    }

    fn regex(&mut self, entry: &Entry) -> Option<regex::Regex> {
        let text = scalar(&mut self.report, entry, "a pattern")?;
        let built = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
        match built {
            Ok(regex) => Some(regex),
            Err(error) => {
                let told = error.to_string();
                let last = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let cause = match last {
                    "unclosed group" => "a `(` is never closed",
                    "unopened group" => "a `)` has no `(` before it",
                    "unclosed character class" => "a `[` is never closed",
                    "repetition operator missing expression" => "nothing stands before a `*`, `+` or `?`",
                    other => other,
                };
                // As they would be written between single quotes.
                let (plain, escaped) = (text.replace('\'', "''"), regex::escape(text).replace('\'', "''"));
                let hint = format!(
                    "for words as they stand write `contains: ['{plain}']`; in a pattern they are `'{escaped}'`"
                );
                self.report.error("R205", &entry.value.span, format!("this pattern cannot be read: {cause}"), hint);
                None
            }
        }
    }

    fn contents(&mut self, entry: &Entry) -> Vec<Content> {
        let known = [
            ("text", Content::Text),
            ("image", Content::Image),
            ("video", Content::Video),
            ("audio", Content::Audio),
            ("document", Content::Document),
            ("location", Content::Location),
            ("contact", Content::Contact),
        ];
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let words = word_list(&mut self.report, entry);
        let found = words.iter().filter_map(|word| {
            let content = known.iter().find(|(name, _)| name == word);
            if content.is_none() {
                let message = format!("`has` cannot be `{word}`");
                self.report.error("R205", &entry.value.span, message, suggestion(word, &names));
            }
            content.map(|(_, content)| *content)
        });
        found.collect()
    }
}
