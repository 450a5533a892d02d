//! `templates.yaml` and `templates.lock.json`: friendly names, and what the account approved.

use super::fields::{Fields, Shape};
use super::project::{is_language, refuse_language};
use super::report::Report;
use super::samples::without_place;
use super::values::{check_name, choice, plain_text, scalar};
use super::words::nearest;
use crate::config::{Catalogue, CatalogueEntry, LockedTemplate};
use crate::message::{Category, MediaKind, TemplateKind};
use crate::workflow::TemplateVariant;
use crate::workflow::yaml::{Entry, Kind, Node};
use std::collections::{BTreeMap, HashMap};

pub(super) const ENTRY: Shape = Shape {
    what: "a template",
    keys: &["uuid", "title", "values", "media", "category", "text", "languages"],
    later: &["buttons"],
    elsewhere: &[("status", "the account says it: `templates.lock.json` holds it")],
};
const LANGUAGE: Shape = Shape { what: "a language", keys: &["uuid", "title"], later: &[], elsewhere: &[] };

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

/// What the account approved.
#[derive(Debug, Default)]
pub(super) struct Lock {
    pub(super) by_uuid: BTreeMap<String, LockedTemplate>,
    /// More than one uuid when titles are not unique.
    by_title: HashMap<String, Vec<String>>,
    state: LockState,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum LockState {
    #[default]
    Missing,
    /// Its own mistakes were told.
    Unreadable,
    Read,
}

/// How an entry names its template.
enum Name {
    Uuid(String),
    Title(String),
}

pub(super) fn read_lock(report: &mut Report, text: &str) -> Lock {
    let list: Vec<LockedTemplate> = match serde_json::from_str(text) {
        Ok(list) => list,
        Err(error) => {
            let at = report.document.byte_at(error.line(), error.column());
            let message = format!("the lock file cannot be read: {}", without_place(&error.to_string()));
            report.error("R404", &(at..at), message, "it is written by a program: take it from version control again");
            return Lock { state: LockState::Unreadable, ..Lock::default() };
        }
    };
    let mut lock = Lock { state: LockState::Read, ..Lock::default() };
    for template in list {
        lock.by_title.entry(template.title.clone()).or_default().push(template.uuid.clone());
        lock.by_uuid.insert(template.uuid.clone(), template);
    }
    lock
}

/// Reads `templates.yaml` against the lock.
pub(super) fn read(report: &mut Report, root: Option<&Node>, lock: Lock) -> Templates {
    let mut templates = Templates { lock, incomplete: report.document.broken_at.is_some(), ..Templates::default() };
    match root.map(|root| &root.kind) {
        None | Some(Kind::Null) => {}
        Some(Kind::Map(entries)) => {
            for entry in entries {
                check_name(report, &entry.key_span, "template name", &entry.key);
                let (written, ready) = read_entry(report, &entry.value, Some(entry), &templates.lock);
                templates.ready.insert(entry.key.clone(), ready);
                templates.catalogue.entries.insert(entry.key.clone(), written);
            }
        }
        Some(_) => {
            let span = root.map_or(0..0, |root| root.span.clone());
            let hint = "write one template per line: `order_paid: { title: …, values: [first_name] }`";
            report.error("R205", &span, "templates.yaml must be a map of names", hint);
        }
    }
    templates.catalogue.lock = templates.lock.by_uuid.clone();
    templates
}

/// One entry, in the catalogue or in place.
pub(super) fn read_entry(
    report: &mut Report,
    node: &Node,
    holder: Option<&Entry>,
    lock: &Lock,
) -> (CatalogueEntry, Option<Ready>) {
    let mut written = CatalogueEntry::default();
    let Some(fields) = Fields::open(report, node, holder, &ENTRY) else { return (written, None) };
    let name = template_name(report, &fields);
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
    let variant = name.and_then(|(name, entry)| find(report, &name, entry, &written, lock));
    if let Some(variant) = &variant {
        compare(report, &fields, &written, variant, lock);
    }
    let languages = read_languages(report, &fields, &mut written, lock);
    let ready = variant.zip(languages).map(|(own, languages)| {
        let all = std::iter::once(&own).chain(languages.iter().map(|(_, variant)| variant));
        let unapproved = all.filter_map(|variant| lock.by_uuid.get(&variant.uuid)).find(|locked| locked.status != "approved");
        let unapproved = unapproved.map(|locked| (locked.status.clone(), locked.title.clone()));
        Ready { values: written.values.clone(), media: media_of(own.kind), own, languages, unapproved }
    });
    (written, ready)
}

fn template_name<'a>(report: &mut Report, fields: &Fields<'a>) -> Option<(Name, &'a Entry)> {
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
                let hint = "write `title: …` as in the account, or `uuid: …`";
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

/// The template of the account, when the lock has it.
fn find(report: &mut Report, name: &Name, entry: &Entry, written: &CatalogueEntry, lock: &Lock) -> Option<TemplateVariant> {
    let span = &entry.value.span;
    match (name, lock.state) {
        (_, LockState::Unreadable) => None,
        (Name::Uuid(uuid), LockState::Missing) => Some(TemplateVariant {
            uuid: uuid.clone(),
            title: String::new(),
            kind: kind_of(written.media),
            category: written.category,
            text: written.text.clone().unwrap_or_default(),
        }),
        (Name::Title(title), LockState::Missing) => {
            let hint = "`templates.lock.json` is not there: it lists the account's templates. Write `uuid` instead to do without";
            report.error("R404", span, format!("nobody can tell which template is `{title}`"), hint);
            None
        }
        (Name::Uuid(uuid), LockState::Read) => {
            if !lock.by_uuid.contains_key(uuid) {
                let hint = "copy the uuid from the account again, or fetch `templates.lock.json` anew";
                report.error("R404", span, format!("the account has no template with the uuid `{uuid}`"), hint);
            }
            lock.by_uuid.get(uuid).map(variant)
        }
        (Name::Title(title), LockState::Read) => match lock.by_title.get(title).map(Vec::as_slice) {
            Some([uuid]) => lock.by_uuid.get(uuid).map(variant),
            Some(_) => {
                let hint = "name it by its `uuid`, or give it a title of its own in the account";
                report.error("R404", span, format!("several templates have the title `{title}`"), hint);
                None
            }
            None => {
                let hint = match nearest(title, lock.by_title.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "copy the title from the account, or fetch `templates.lock.json` anew".into(),
                };
                report.error("R404", span, format!("the account has no template with the title `{title}`"), hint);
                None
            }
        },
    }
}

fn variant(locked: &LockedTemplate) -> TemplateVariant {
    TemplateVariant {
        uuid: locked.uuid.clone(),
        title: locked.title.clone(),
        kind: locked.kind,
        category: locked.category,
        text: locked.text.clone(),
    }
}

/// The catalogue says what the account says.
fn compare(report: &mut Report, fields: &Fields, written: &CatalogueEntry, own: &TemplateVariant, lock: &Lock) {
    let Some(locked) = lock.by_uuid.get(&own.uuid) else { return };
    if let Some(entry) = fields.get("category")
        && let (Some(here), Some(there)) = (written.category, locked.category)
        && here != there
    {
        let hint = format!("write `category: {}`", category_name(there));
        report.error("R404", &entry.value.span, format!("the account's category is `{}`", category_name(there)), hint);
    }
    if written.values.len() != locked.placeholders {
        let (names, holes) = (written.values.len(), locked.placeholders);
        let span = fields.get("values").map_or(&fields.place, |entry| &entry.value.span);
        let message = format!("{} for {} in `{}`", count(names, "name"), count(holes, "placeholder"), locked.title);
        report.error("R404", span, message, format!("the approved text: {}", shortened(&locked.text)));
    }
    if let Some(entry) = fields.get("text")
        && written.text.as_ref().is_some_and(|text| text.trim() != locked.text.trim())
    {
        let hint = format!("the approved text: {}", shortened(&locked.text));
        report.error("R404", &entry.value.span, "the approved text is another one", hint);
    }
    let (here, there) = (written.media, media_of(locked.kind));
    if fields.get("media").is_none_or(|entry| !matches!(entry.value.kind, Kind::Null)) && here != there {
        let span = fields.get("media").map_or(&fields.place, |entry| &entry.value.span);
        let hint = match there {
            Some(kind) => format!("write `media: {}`", media_name(kind)),
            None => "remove `media`".to_owned(),
        };
        report.error("R404", span, format!("the approved template is of the kind `{}`", kind_name(locked.kind)), hint);
    }
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
    for line in super::project::named(report, entry, "es: { title: Order paid ES }") {
        if !is_language(&line.key) {
            refuse_language(report, &line.key_span, &line.key);
        }
        let Some(inner) = Fields::open(report, &line.value, Some(line), &LANGUAGE) else {
            usable = false;
            continue;
        };
        let name = template_name(report, &inner);
        let Some((name, named)) = name else {
            usable = false;
            continue;
        };
        let pair = match &name {
            Name::Uuid(uuid) => (Some(uuid.clone()), None),
            Name::Title(title) => (None, Some(title.clone())),
        };
        written.languages.insert(line.key.clone(), pair);
        match find(report, &name, named, written, lock) {
            None => usable = false,
            Some(variant) => {
                same_shape(report, named, written, &variant, lock);
                languages.push((line.key.clone(), variant));
            }
        }
    }
    usable.then_some(languages)
}

/// Every language has the same values and media.
fn same_shape(report: &mut Report, entry: &Entry, written: &CatalogueEntry, own: &TemplateVariant, lock: &Lock) {
    let Some(locked) = lock.by_uuid.get(&own.uuid) else { return };
    if locked.placeholders != written.values.len() {
        let message = format!("`{}` has {}, not {}", locked.title, count(locked.placeholders, "placeholder"), written.values.len());
        let hint = format!("every language needs the same values; the approved text: {}", shortened(&locked.text));
        report.error("R404", &entry.value.span, message, hint);
    }
    if media_of(locked.kind) != written.media {
        let message = format!("`{}` is of the kind `{}`", locked.title, kind_name(locked.kind));
        report.error("R404", &entry.value.span, message, "every language needs the same kind of template");
    }
}

/// A text short enough for a hint.
pub(super) fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(100) {
        Some((at, _)) => format!("`{} …`", &line[..at]),
        None => format!("`{line}`"),
    }
}

pub(super) fn media_of(kind: TemplateKind) -> Option<MediaKind> {
    match kind {
        TemplateKind::Text => None,
        TemplateKind::Image => Some(MediaKind::Image),
        TemplateKind::Video => Some(MediaKind::Video),
        TemplateKind::Document => Some(MediaKind::Document),
    }
}

fn kind_of(media: Option<MediaKind>) -> TemplateKind {
    match media {
        Some(MediaKind::Image) => TemplateKind::Image,
        Some(MediaKind::Video) => TemplateKind::Video,
        Some(MediaKind::Document) => TemplateKind::Document,
        Some(MediaKind::Audio) | None => TemplateKind::Text,
    }
}

pub(super) fn media_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Document => "document",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}

/// `an image`.
pub(super) fn with_article(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "an image",
        MediaKind::Document => "a document",
        MediaKind::Audio => "an audio",
        MediaKind::Video => "a video",
    }
}

/// `1 name`, `2 names`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn kind_name(kind: TemplateKind) -> &'static str {
    media_of(kind).map_or("text", media_name)
}

fn category_name(category: Category) -> &'static str {
    match category {
        Category::Marketing => "marketing",
        Category::Utility => "utility",
        Category::Authentication => "authentication",
    }
}
