//! `template` and `values`: the approved template, and what fills its placeholders.

use super::catalogue::{self, Ready};
use super::fields::Fields;
use super::languages::{Speaks, What};
use super::lowering::Lowering;
use super::media::Media;
use super::values::scalar;
use super::wording::{media_name, with_article};
use super::words::{listed, nearest};
use crate::config::CatalogueEntry;
use crate::expr::Text;
use crate::language;
use crate::workflow::yaml::{Entry, Kind, Node, Style};
use crate::workflow::{TemplateChoice, TemplateVariant};
use std::ops::Range;

/// How `values` are written.
enum Written {
    Nowhere,
    Map,
    List,
}

/// A filled template body.
const LONGEST_BODY: usize = 1_024;

impl<'a> Lowering<'a> {
    pub(super) fn template(
        &mut self,
        entry: &'a Entry,
        fields: &Fields<'a>,
        media: Option<&Media>,
    ) -> Option<TemplateChoice> {
        let (name, ready) = self.ready_template(entry)?;
        let Some(ready) = ready else {
            // Its mistake is told where it stands, in the catalogue or just above.
            self.unusable = true;
            let entry = fields.get("values")?;
            self.loose_values(entry);
            return None;
        };
        if let Some((status, title)) = &ready.unapproved {
            let message = format!("the template `{title}` cannot be sent: the account says `{status}`");
            let hint = "use an approved one; when it is approved again, run `relance templates pull`";
            self.report.error("R404", &entry.value.span, message, hint);
        }
        self.check_media(entry, fields, &ready, media);
        self.check_category(entry, &ready);
        self.note_languages(entry, fields, &name, &ready);
        let values = match fields.get("values") {
            Some(values) => self.values(values, &name, &ready),
            None if ready.values.is_empty() || fields.meant.contains(&"values") => Some(Vec::new()),
            None => {
                let missing: Vec<&str> = ready.values.iter().map(String::as_str).collect();
                self.missing_values(&entry.key_span, &name, &missing, Written::Nowhere);
                None
            }
        };
        if let Some(values) = &values {
            self.check_body(entry, &ready, values);
        }
        Some(TemplateChoice { name, variants: variants(&ready, &self.world.settings.language), values: values? })
    }

    /// What it speaks, for the project to be compared. Of the catalogue's entries with languages that is told there.
    fn note_languages(&mut self, entry: &Entry, fields: &Fields<'a>, name: &str, ready: &Ready) {
        if fields.get("to").is_some() {
            return;
        }
        let codes: Vec<String> = ready.languages.iter().map(|(code, _)| code.clone()).collect();
        let here = codes.is_empty() || matches!(entry.value.kind, Kind::Map(_));
        let span = if codes.is_empty() { &entry.value.span } else { &entry.key_span };
        let told = if here { self.report.warning("R411", span, "", "") } else { None };
        let by = match &entry.value.kind {
            Kind::Map(lines) if lines.iter().any(|line| line.key == "title") => "title",
            Kind::Map(_) => "uuid",
            _ => self.world.templates.catalogue.entries.get(name).map_or("title", CatalogueEntry::named_by),
        };
        let what = What::Template { name: name.to_owned(), by };
        self.speaks.push(Speaks { what, file: self.report.file.to_owned(), codes, told });
    }

    /// The template's name and what is known of it; nothing inside when its mistake is told elsewhere.
    fn ready_template(&mut self, entry: &'a Entry) -> Option<(String, Option<Ready>)> {
        let templates = self.world.templates;
        if matches!(entry.value.kind, Kind::Map(_)) {
            let before = self.report.errors();
            let usual = self.world.usable.then_some(self.world.settings.language.as_str());
            let (written, ready) =
                catalogue::read_entry(&mut self.report, &entry.value, Some(entry), &templates.lock, usual);
            let told = self.report.errors() > before;
            let name = ready.as_ref().map(|ready| ready.own.uuid.clone()).or(written.uuid).unwrap_or_default();
            return Some((name, ready.filter(|_| !told)));
        }
        let name = scalar(&mut self.report, entry, "a name of `templates.yaml`")?;
        match templates.ready.get(name) {
            Some(ready) => Some((name.to_owned(), ready.clone())),
            None if templates.incomplete => Some((name.to_owned(), None)),
            None => {
                let hint = match nearest(name, templates.ready.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        let by = templates.lock.names();
                        format!("add it to `templates.yaml`: `{name}: {{ {by}: …, values: […] }}`")
                    }
                };
                self.report.error("R404", &entry.value.span, format!("unknown template: `{name}`"), hint);
                Some((name.to_owned(), None))
            }
        }
    }

    fn check_media(&mut self, entry: &Entry, fields: &Fields, ready: &Ready, media: Option<&Media>) {
        let (Some(needed), written) = (ready.media, media) else { return };
        match written {
            None if fields.get("media").is_some() => {}
            None => {
                let hint = format!("write `media: {{ {}: https://… }}`", media_name(needed));
                self.report.error(
                    "R404",
                    &entry.value.span,
                    format!("this template needs {} for its header", with_article(needed)),
                    hint,
                );
            }
            Some(media) if media.kind != needed => {
                let message = format!("this template's header is of the kind `{}`", media_name(needed));
                let hint = format!("write `{}: https://…`", media_name(needed));
                self.report.error("R404", &media.key_span, message, hint);
            }
            Some(_) => {}
        }
    }

    /// The values in the order of the placeholders; `None` when they do not fit.
    fn values(&mut self, entry: &'a Entry, name: &str, ready: &Ready) -> Option<Vec<Text>> {
        match &entry.value.kind {
            Kind::Map(lines) => self.named_values(entry, lines, name, ready),
            Kind::List(items) => self.listed_values(entry, items, name, ready),
            Kind::Null if ready.values.is_empty() => Some(Vec::new()),
            _ => {
                let names: Vec<String> = ready.values.iter().map(|name| format!("{name}: …")).collect();
                let hint = format!("write `values: {{ {} }}`", names.join(", "));
                self.report.error("R205", &entry.value.span, "`values` must be a map of names, or a list", hint);
                None
            }
        }
    }

    fn named_values(&mut self, entry: &Entry, lines: &'a [Entry], name: &str, ready: &Ready) -> Option<Vec<Text>> {
        let known: Vec<&str> = ready.values.iter().map(String::as_str).collect();
        let mut missing: Vec<&str> =
            known.iter().copied().filter(|value| !lines.iter().any(|line| line.key == *value)).collect();
        let mut texts: Vec<(&str, Option<Text>)> = Vec::new();
        for line in lines {
            if !known.contains(&line.key.as_str()) {
                let near = nearest(&line.key, missing.iter().copied());
                // One slip is told once: the value that was meant is not missing as well.
                missing.retain(|value| Some(*value) != near);
                let hint = match near {
                    Some(near) => format!("rename it to `{near}`"),
                    None if known.is_empty() => "remove it: this template has no values".to_owned(),
                    None => format!("remove it: the template takes {}", listed(&known)),
                };
                self.report.error(
                    "R403",
                    &line.key_span,
                    format!("template `{name}` has no value `{}`", line.key),
                    hint,
                );
            }
            texts.push((&line.key, self.value_line(line)));
        }
        if !missing.is_empty() {
            self.missing_values(&entry.key_span, name, &missing, Written::Map);
        }
        let mut ordered = Vec::new();
        for value in &known {
            let at = texts.iter().position(|(key, _)| key == value)?;
            ordered.push(texts.swap_remove(at).1?);
        }
        Some(ordered)
    }

    fn value_line(&mut self, line: &'a Entry) -> Option<Text> {
        if matches!(line.value.kind, Kind::Null) {
            let message = format!("the value `{}` is empty", line.key);
            self.report.error("R202", &line.key_span, message, "write a text after it: an empty value cannot be sent");
            return None;
        }
        self.template_value(&line.value)
    }

    fn listed_values(&mut self, entry: &Entry, items: &'a [Node], name: &str, ready: &Ready) -> Option<Vec<Text>> {
        let needed = ready.values.len();
        if let Some(missing) = ready.values.get(items.len()..).filter(|missing| !missing.is_empty()) {
            let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
            self.missing_values(&entry.key_span, name, &missing, Written::List);
        }
        if let Some(extra) = items.get(needed) {
            let message = format!("template `{name}` takes {needed} values, and here are {}", items.len());
            let names: Vec<&str> = ready.values.iter().map(String::as_str).collect();
            let hint = match names.is_empty() {
                true => "remove `values`".to_owned(),
                false => format!("remove what is too many: the template takes, in this order, {}", listed(&names)),
            };
            self.report.error("R403", &extra.span, message, hint);
        }
        let texts: Vec<Option<Text>> = items.iter().map(|item| self.template_value(item)).collect();
        texts.into_iter().collect::<Option<Vec<Text>>>().filter(|texts| texts.len() == needed)
    }

    fn missing_values(&mut self, span: &Range<usize>, name: &str, missing: &[&str], written: Written) {
        let what = if missing.len() == 1 { "the value" } else { "the values" };
        let lines = |quote: &str| {
            let lines: Vec<String> = missing.iter().map(|value| format!("{quote}{value}: …{quote}")).collect();
            lines.join(", ")
        };
        let hint = match (written, missing.len()) {
            (Written::Nowhere, _) => format!("write `values: {{ {} }}` below it", lines("")),
            (Written::Map, _) => format!("add {} to `values`", lines("`")),
            (Written::List, 1) => format!("add one more entry at the end of the list, for {}", listed(missing)),
            (Written::List, _) => format!("add more entries at the end of the list, for {}", listed(missing)),
        };
        self.report.error("R402", span, format!("template `{name}` lacks {what} {}", listed(missing)), hint);
    }

    /// Values of a template that nobody knows: their own mistakes are told all the same.
    fn loose_values(&mut self, entry: &'a Entry) {
        match &entry.value.kind {
            Kind::Map(lines) => lines.iter().for_each(|line| drop(self.value_line(line))),
            Kind::List(items) => items.iter().for_each(|item| drop(self.template_value(item))),
            _ => {}
        }
    }

    /// One value: a text of one line.
    fn template_value(&mut self, node: &'a Node) -> Option<Text> {
        self.in_value = true;
        let text = self.text(node, super::expression::Holes::Fail);
        self.in_value = false;
        if let Kind::Scalar { text, style } = &node.kind
            && let Some((offset, len, what)) = broken(text)
        {
            let span = self.report.document.part_of(node, offset, len);
            let hint = match what {
                "a tab" => "put a space in its place: WhatsApp refuses tabs in a template's value",
                "a line break"
                    if *style == Style::Double && self.report.document.written(&node.span).contains("\\n") =>
                {
                    "take out the `\\n`: WhatsApp refuses line breaks in a template's value"
                }
                "a line break" => "write the value on one line: WhatsApp refuses line breaks in it",
                _ => "leave at most four spaces in a row: WhatsApp refuses more",
            };
            self.report.error("R410", &span, format!("{what} in a template's value"), hint);
            self.report.fix(self.report.document.rewrite(node, &on_one_line(text)));
        }
        text
    }

    /// The template as it arrives, with the samples.
    fn check_body(&mut self, entry: &Entry, ready: &Ready, values: &[Text]) {
        let bodies =
            ready.languages.iter().map(|(_, variant)| variant).chain([&ready.own]).map(|one| one.text.as_str());
        let lengths: Vec<usize> = values.iter().map(|value| self.length(value)).collect();
        let filled = |body: &str| {
            let holes = (1..).zip(&lengths);
            let values = holes.map(|(at, length)| length * body.matches(&format!("{{{{{at}}}}}")).count());
            written(body) + values.sum::<usize>()
        };
        let length = bodies.map(filled).max().unwrap_or_default();
        if length > LONGEST_BODY {
            let message =
                format!("the filled template has {length} characters, and WhatsApp takes {LONGEST_BODY} at most");
            self.report.warn("R406", &entry.value.span, message, "shorten its values");
        }
    }
}

/// Characters of a body without its placeholders.
fn written(body: &str) -> usize {
    let holes: usize = body
        .match_indices("{{")
        .filter_map(|(at, _)| body[at..].find("}}").map(|end| body[at..at + end + 2].chars().count()))
        .sum();
    body.chars().count().saturating_sub(holes)
}

/// The first break, tab or run of more than four spaces outside of braces: offset, length, what it is.
fn broken(text: &str) -> Option<(usize, usize, &'static str)> {
    let text = text.trim_end_matches('\n');
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with("{{") {
            at += text[at..].find("}}").map_or(text.len() - at, |end| end + 2);
            continue;
        }
        let spaces = text[at..].len() - text[at..].trim_start_matches(' ').len();
        match c {
            '\n' | '\r' => return Some((at, 1, "a line break")),
            '\t' => return Some((at, 1, "a tab")),
            ' ' if spaces > 4 => return Some((at, spaces, "more than four spaces")),
            _ => at += spaces.max(c.len_utf8()),
        }
    }
    None
}

/// The value without what [`broken`] finds: outside of braces each run of blanks with a break, a tab or too many spaces
/// is one space.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut rest = text.trim_end_matches('\n');
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '{' if rest.starts_with("{{") => rest.find("}}").map_or(rest.len(), |end| end + 2),
            c if c.is_ascii_whitespace() => {
                rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_whitespace()).len()
            }
            c => c.len_utf8(),
        };
        let (part, after) = rest.split_at(len);
        let refused = len > 4 || part.contains(['\n', '\r', '\t']);
        line.push_str(if refused && c.is_ascii_whitespace() { " " } else { part });
        rest = after;
    }
    line
}

/// By language, the default last: the project's language, else the entry's own.
fn variants(ready: &Ready, usual: &str) -> Vec<(String, TemplateVariant)> {
    let mut variants = ready.languages.clone();
    let default = language::choose(&variants, None, usual).map_or(&ready.own, |choice| choice.entry).clone();
    variants.push((String::new(), default));
    variants
}
