//! `templates.yaml` and `templates.lock.json`: friendly names, and what the account approved.

use super::fields::{Fields, Shape};
use super::languages::{Speaks, What, check_own, is_language, refuse_language};
use super::lock::{Lock, Name, compare, find, same_shape, same_text};
use super::report::Report;
use super::values::{check_name, choice, plain_text, scalar};
use super::wording::media_of;
use crate::config::{Catalogue, CatalogueEntry, CatalogueLanguage};
use crate::message::{Category, MediaKind};
use crate::workflow::TemplateVariant;
use crate::workflow::yaml::{Entry, Kind, Node};
use std::collections::BTreeMap;

pub(super) const ENTRY: Shape = Shape {
    what: "a template",
    keys: &["uuid", "title", "values", "media", "category", "text", "languages"],
    later: &["buttons"],
    elsewhere: &[("status", "the account says it: `templates.lock.json` holds it")],
};
const LANGUAGE: Shape = Shape { what: "a language", keys: &["uuid", "title", "text"], later: &[], elsewhere: &[] };

const MEDIA: [(&str, MediaKind); 3] =
    [("image", MediaKind::Image), ("video", MediaKind::Video), ("document", MediaKind::Document)];
const CATEGORIES: [(&str, Category); 3] =
    [("marketing", Category::Marketing), ("utility", Category::Utility), ("authentication", Category::Authentication)];

/// Everything known of templates.
#[derive(Debug, Default)]
pub(super) struct Templates {
    pub(super) catalogue: Catalogue,
    /// By friendly name; `None` for an entry whose mistakes were told already.
    pub(super) ready: BTreeMap<String, Option<Ready>>,
    pub(super) lock: Lock,
    /// `templates.yaml` could not be read to its end: a name that is not there may be below.
    pub(super) incomplete: bool,
}

/// A template that a message can use.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// Names of the values, in order.
    pub(super) values: Vec<String>,
    pub(super) media: Option<MediaKind>,
    /// The entry's own, then those of its languages.
    pub(super) own: TemplateVariant,
    pub(super) languages: Vec<(String, TemplateVariant)>,
    /// The vendor's word for the first variant that is not approved, with its title.
    pub(super) unapproved: Option<(String, String)>,
}

/// Reads `templates.yaml` against the lock. `usual`: the project's language, when it is known.
pub(super) fn read(
    report: &mut Report,
    root: Option<&Node>,
    lock: Lock,
    usual: Option<&str>,
    speaks: &mut Vec<Speaks>,
) -> Templates {
    let mut templates = Templates { lock, incomplete: report.document.broken_at.is_some(), ..Templates::default() };
    match root.map(|root| &root.kind) {
        None | Some(Kind::Null) => {}
        Some(Kind::Map(entries)) => {
            for entry in entries {
                check_name(report, &entry.key_span, "template name", &entry.key);
                let (written, ready) = read_entry(report, &entry.value, Some(entry), &templates.lock, usual);
                speaks.extend(ready.as_ref().and_then(|ready| spoken(report, entry, written.named_by(), ready)));
                templates.ready.insert(entry.key.clone(), ready);
                templates.catalogue.entries.insert(entry.key.clone(), written);
            }
        }
        Some(_) => {
            let span = root.map_or(0..0, |root| root.span.clone());
            let by = templates.lock.names();
            let hint = format!("write one template per line: `order_paid: {{ {by}: …, values: [first_name] }}`");
            report.error("R205", &span, "templates.yaml must be a map of names", hint);
        }
    }
    templates.catalogue.lock = templates.lock.by_uuid.clone();
    templates
}

/// What an entry with languages speaks; one without is judged where it is used.
fn spoken(report: &Report, entry: &Entry, by: &'static str, ready: &Ready) -> Option<Speaks> {
    let codes: Vec<String> = ready.languages.iter().map(|(code, _)| code.clone()).collect();
    let told = || report.warning("R411", &entry.key_span, "", "");
    let what = What::Template { name: entry.key.clone(), by };
    (!codes.is_empty()).then(|| Speaks { what, file: report.file.to_owned(), codes, told: told() })
}

/// One entry, in the catalogue or in place.
pub(super) fn read_entry(
    report: &mut Report,
    node: &Node,
    holder: Option<&Entry>,
    lock: &Lock,
    usual: Option<&str>,
) -> (CatalogueEntry, Option<Ready>) {
    let mut written = CatalogueEntry::default();
    let Some(fields) = Fields::open(report, node, holder, &ENTRY) else { return (written, None) };
    let name = template_name(report, &fields, lock);
    match &name {
        Some((Name::Uuid(uuid), _)) => written.uuid = Some(uuid.clone()),
        Some((Name::Title(title), _)) => written.title = Some(title.clone()),
        None => {}
    }
    if let Some(entry) = fields.get("values") {
        written.values = value_names(report, entry);
    }
    written.media = fields.get("media").and_then(|entry| choice(report, entry, &MEDIA));
    written.category = fields.get("category").and_then(|entry| choice(report, entry, &CATEGORIES));
    written.text = fields.get("text").and_then(|entry| scalar(report, entry, "a text")).map(str::to_owned);
    let variant = name.and_then(|(name, entry)| find(report, &name, entry, &written, written.text.as_deref(), lock));
    if let Some(variant) = &variant {
        compare(report, &fields, &written, variant, lock);
    }
    let languages = read_languages(report, &fields, &mut written, lock);
    let ready = variant.zip(languages).map(|(own, languages)| {
        if let (Some(usual), Some(named)) = (usual, fields.get("title").or_else(|| fields.get("uuid"))) {
            check_own(report, &named.value.span, &own, &languages, usual);
        }
        let all = std::iter::once(&own).chain(languages.iter().map(|(_, variant)| variant));
        let unapproved =
            all.filter_map(|variant| lock.by_uuid.get(&variant.uuid)).find(|locked| locked.status != "approved");
        let unapproved = unapproved.map(|locked| (locked.status.clone(), locked.title.clone()));
        Ready { values: written.values.clone(), media: media_of(own.kind), own, languages, unapproved }
    });
    (written, ready)
}

fn template_name<'a>(report: &mut Report, fields: &Fields<'a>, lock: &Lock) -> Option<(Name, &'a Entry)> {
    match (fields.get("uuid"), fields.get("title")) {
        (Some(entry), None) => plain_text(report, entry).map(|uuid| (Name::Uuid(uuid), entry)),
        (None, Some(entry)) => plain_text(report, entry).map(|title| (Name::Title(title), entry)),
        (Some(_), Some(title)) => {
            let hint = "remove one of them: both name the template of the account";
            report.error("R204", &title.key_span, "a template takes `uuid` or `title`, not both", hint);
            None
        }
        (None, None) => {
            if !fields.meant.iter().any(|meant| matches!(*meant, "uuid" | "title")) {
                let hint = match lock.names() {
                    "uuid" => "write `uuid: …` as in the account; `title: …` is known after `relance templates pull`",
                    _ => "write `title: …` as in the account, or `uuid: …`",
                };
                report.error("R202", &fields.place, "the template says neither `uuid` nor `title`", hint);
            }
            None
        }
    }
}

fn value_names(report: &mut Report, entry: &Entry) -> Vec<String> {
    let Kind::List(items) = &entry.value.kind else {
        let hint = "write the names in the order of {{1}}, {{2}}: `values: [first_name, total]`";
        report.error("R205", &entry.value.span, "`values` of a template must be a list of names", hint);
        return Vec::new();
    };
    let mut names: Vec<String> = Vec::new();
    for item in items {
        match &item.kind {
            Kind::Scalar { text, .. } => {
                if check_name(report, &item.span, "value name", text) && names.contains(text) {
                    let hint = "each placeholder needs a name of its own";
                    report.error("R201", &item.span, format!("the value `{text}` is named twice"), hint);
                }
                names.push(text.clone());
            }
            _ => report.error("R205", &item.span, "`values` takes names", "write `values: [first_name, total]`"),
        }
    }
    names
}

/// The variants by language; `None` when one of them cannot be used.
fn read_languages(
    report: &mut Report,
    fields: &Fields,
    written: &mut CatalogueEntry,
    lock: &Lock,
) -> Option<Vec<(String, TemplateVariant)>> {
    let mut languages = Vec::new();
    let Some(entry) = fields.get("languages") else { return Some(languages) };
    let mut usable = true;
    for line in super::project::named(report, entry, &format!("es: {{ {}: … }}", written.named_by())) {
        if !is_language(&line.key) {
            refuse_language(report, &line.key_span, &line.key);
        }
        let Some(inner) = Fields::open(report, &line.value, Some(line), &LANGUAGE) else {
            usable = false;
            continue;
        };
        let name = template_name(report, &inner, lock);
        let Some((name, named)) = name else {
            usable = false;
            continue;
        };
        let text = inner.get("text").and_then(|entry| scalar(report, entry, "a text")).map(str::to_owned);
        let (uuid, title) = match &name {
            Name::Uuid(uuid) => (Some(uuid.clone()), None),
            Name::Title(title) => (None, Some(title.clone())),
        };
        let variant = find(report, &name, named, written, text.as_deref(), lock);
        written.languages.insert(line.key.clone(), CatalogueLanguage { uuid, title, text });
        match variant {
            None => usable = false,
            Some(variant) => {
                same_text(report, &inner, &variant, lock);
                same_shape(report, named, written, &variant, lock);
                languages.push((line.key.clone(), variant));
            }
        }
    }
    usable.then_some(languages)
}
