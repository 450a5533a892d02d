//! `templates.lock.json`: what the account approved, and whether the catalogue says the same.

use super::fields::Fields;
use super::report::Report;
use super::samples::without_place;
use super::wording::{category_name, count, kind_name, media_name, media_of, shortened};
use super::words::nearest;
use crate::config::{CatalogueEntry, LockedTemplate};
use crate::message::TemplateKind;
use crate::workflow::TemplateVariant;
use crate::workflow::yaml::{Entry, Kind};
use std::collections::{BTreeMap, HashMap};

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
pub(super) enum Name {
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

impl Lock {
    /// By what a template is named best: without the lock nobody can tell what has a title.
    pub(super) fn names(&self) -> &'static str {
        if self.state == LockState::Missing { "uuid" } else { "title" }
    }
}

/// The template of the account, when the lock has it. `text`: what the catalogue says that it reads.
pub(super) fn find(
    report: &mut Report,
    name: &Name,
    entry: &Entry,
    written: &CatalogueEntry,
    text: Option<&str>,
    lock: &Lock,
) -> Option<TemplateVariant> {
    let span = &entry.value.span;
    match (name, lock.state) {
        (_, LockState::Unreadable) => None,
        (Name::Uuid(uuid), LockState::Missing) => Some(TemplateVariant {
            uuid: uuid.clone(),
            title: String::new(),
            kind: TemplateKind::of_header(written.media),
            category: written.category,
            text: text.unwrap_or_default().to_owned(),
        }),
        (Name::Title(title), LockState::Missing) => {
            let hint = "`templates.lock.json` is not there: it lists the account's templates. Write `uuid` instead to do without";
            report.error("R404", span, format!("nobody can tell which template is `{title}`"), hint);
            None
        }
        (Name::Uuid(uuid), LockState::Read) => {
            if !lock.by_uuid.contains_key(uuid) {
                let hint =
                    "run `relance templates pull` for what the account has now; else copy the uuid from there again";
                report.error(
                    "R404",
                    span,
                    format!("`templates.lock.json` has no template with the uuid `{uuid}`"),
                    hint,
                );
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
                    None => {
                        "run `relance templates pull` for what the account has now; else copy the title from there again".into()
                    }
                };
                report.error(
                    "R404",
                    span,
                    format!("`templates.lock.json` has no template with the title `{title}`"),
                    hint,
                );
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
pub(super) fn compare(
    report: &mut Report,
    fields: &Fields,
    written: &CatalogueEntry,
    own: &TemplateVariant,
    lock: &Lock,
) {
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
        let needed = match holes {
            0 => "remove `values`".to_owned(),
            _ => format!("write {} in `values`, in the order of the text", count(holes, "name")),
        };
        report.error("R404", span, message, format!("{needed}; it reads: {}", shortened(&locked.text)));
    }
    same_text(report, fields, own, lock);
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

/// A text of the catalogue is the one that the account approved.
pub(super) fn same_text(report: &mut Report, fields: &Fields, variant: &TemplateVariant, lock: &Lock) {
    let Some(locked) = lock.by_uuid.get(&variant.uuid) else { return };
    if let Some(entry) = fields.get("text")
        && let Kind::Scalar { text, .. } = &entry.value.kind
        && text.trim() != locked.text.trim()
    {
        let hint = format!("remove `text`, or copy the approved one: {}", shortened(&locked.text));
        report.error("R404", &entry.value.span, "this is not the text that the account approved", hint);
    }
}

/// Every language has the same values and media.
pub(super) fn same_shape(
    report: &mut Report,
    entry: &Entry,
    written: &CatalogueEntry,
    own: &TemplateVariant,
    lock: &Lock,
) {
    let Some(locked) = lock.by_uuid.get(&own.uuid) else { return };
    if locked.placeholders != written.values.len() {
        let message = format!(
            "`{}` has {}, not {}",
            locked.title,
            count(locked.placeholders, "placeholder"),
            written.values.len()
        );
        let hint = format!("every language needs the same values; the approved text: {}", shortened(&locked.text));
        report.error("R404", &entry.value.span, message, hint);
    }
    if media_of(locked.kind) != written.media {
        let message = format!("`{}` is of the kind `{}`", locked.title, kind_name(locked.kind));
        report.error("R404", &entry.value.span, message, "every language needs the same kind of template");
    }
}
