//! `send_message`: renders both forms of a message. Pure; nothing is sent from here.
//!
//! Invariant: what is planned is complete. A hole in any text stops the run before anything is stored.

use crate::config::ProjectSettings;
use crate::delivery::OutsideWindow;
use crate::expr::{Hole, Scope, Text};
use crate::message::{Media, MediaKind, Message, Plain, Template, TemplateKind};
use crate::workflow::{SendMessage, TemplateChoice, TemplateVariant};
use std::collections::BTreeMap;

/// Characters of a value of `metadata` at most.
const METADATA_CHARS: usize = 500;

/// A message on its way to the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub message: Message,
    pub to: Recipient,
    /// Name of the channel; `None` = the run's own line, else the default one.
    pub channel: Option<String>,
    pub outside_window: OutsideWindow,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// The run's contact.
    Contact,
    /// Somebody else, by a phone as written; `colleague` when the project vouches for their consent.
    Phone { written: String, colleague: bool },
}

/// Renders a step's message for the person of `scope`.
///
/// # Errors
/// The first [`Hole`] found.
pub fn plan(step: &SendMessage, scope: &Scope, project: &ProjectSettings) -> Result<Planned, Hole> {
    let media = step.media.as_ref().map(|(kind, url)| media(*kind, url, scope)).transpose()?;
    let template = step.template.as_ref().map(|choice| template(choice, media.as_ref(), scope)).transpose()?;
    let carried = template.as_ref().is_some_and(|template| template.media_url.is_some());
    let message = Message {
        plain: plain(step, media.filter(|_| !carried || !step.text.is_empty()), scope, project)?,
        template,
        assign_to: optional(step.assign_to.as_ref(), scope)?,
        team: optional(step.team.as_ref(), scope)?,
        bot: step.bot,
        metadata: metadata(&step.metadata, scope)?,
        verbatim: None,
    };
    let to = recipient(step.to.as_ref(), scope, project)?;
    Ok(Planned { message, to, channel: step.channel.clone(), outside_window: step.outside_window })
}

fn plain(
    step: &SendMessage,
    media: Option<Media>,
    scope: &Scope,
    project: &ProjectSettings,
) -> Result<Option<Plain>, Hole> {
    let text = by_language(&step.text, scope.language, &project.language);
    let text = text.map(|text| text.render(scope).map(|text| text.trim_end().to_owned())).transpose()?;
    if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(Hole("the text is blank".into()));
    }
    match (&text, &media) {
        (None, None) => Ok(None),
        _ => Ok(Some(Plain { text, media })),
    }
}

fn media(kind: MediaKind, url: &Text, scope: &Scope) -> Result<Media, Hole> {
    let url = url.render(scope)?.trim().to_owned();
    match url.starts_with("https://") || url.starts_with("http://") {
        true => Ok(Media { kind, url }),
        false => Err(Hole("the address of the media does not start with `https://`".into())),
    }
}

fn template(choice: &TemplateChoice, media: Option<&Media>, scope: &Scope) -> Result<Template, Hole> {
    let none = || Hole(format!("the template `{}` has no entry", choice.name));
    let TemplateVariant { uuid, kind, category, .. } =
        by_language(&choice.variants, scope.language, "").ok_or_else(none)?;
    let fitting = media.filter(|media| header_kind(*kind) == Some(media.kind));
    Ok(Template {
        name: choice.name.clone(),
        uuid: uuid.clone(),
        kind: *kind,
        category: *category,
        values: choice.values.iter().map(|value| one_line_value(value, scope)).collect::<Result<_, _>>()?,
        media_url: fitting.map(|media| media.url.clone()),
    })
}

fn header_kind(kind: TemplateKind) -> Option<MediaKind> {
    match kind {
        TemplateKind::Text => None,
        TemplateKind::Image => Some(MediaKind::Image),
        TemplateKind::Video => Some(MediaKind::Video),
        TemplateKind::Document => Some(MediaKind::Document),
    }
}

/// The platform refuses breaks, tabs and runs of spaces in a value.
fn one_line_value(value: &Text, scope: &Scope) -> Result<String, Hole> {
    let line = value.render(scope)?.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.is_empty() {
        true => Err(Hole(format!("the value `{}` is blank", value.source().trim()))),
        false => Ok(line),
    }
}

/// `es-MX` takes `es-MX`, else `es`, else `fallback`, else the entry without a language.
fn by_language<'a, T>(entries: &'a [(String, T)], language: &str, fallback: &str) -> Option<&'a T> {
    let base = language.split('-').next().unwrap_or_default();
    let wanted = [language, base, fallback, ""];
    wanted.iter().find_map(|wanted| entries.iter().find(|(code, _)| code == wanted)).map(|(_, entry)| entry)
}

fn optional(text: Option<&Text>, scope: &Scope) -> Result<Option<String>, Hole> {
    text.map(|text| text.render(scope)).transpose()
}

fn metadata(pairs: &[(String, Text)], scope: &Scope) -> Result<BTreeMap<String, String>, Hole> {
    let pair = |(key, text): &(String, Text)| match text.render(scope)? {
        value if value.chars().count() > METADATA_CHARS => {
            Err(Hole(format!("metadata `{key}` is longer than {METADATA_CHARS} characters")))
        }
        value => Ok((key.clone(), value)),
    };
    pairs.iter().map(pair).collect()
}

fn recipient(to: Option<&Text>, scope: &Scope, project: &ProjectSettings) -> Result<Recipient, Hole> {
    let Some(to) = to else { return Ok(Recipient::Contact) };
    let written = to.render(scope)?.trim().to_owned();
    Ok(match project.colleagues.get(&written) {
        Some(phone) => Recipient::Phone { written: phone.clone(), colleague: true },
        None => Recipient::Phone { colleague: project.colleagues.values().any(|phone| *phone == written), written },
    })
}
