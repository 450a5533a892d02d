//! `send_message`: renders both forms of a message. Pure; nothing is sent from here.
//!
//! The person's language chooses text and template, each by itself, and what is filled in follows what was chosen: dates and
//! amounts never speak another language than the words around them. Somebody else than the run's contact (`to`) reads the
//! project's language. Invariant: what is planned is complete. A hole in any text stops the run before anything is stored.

use crate::config::ProjectSettings;
use crate::delivery::OutsideWindow;
use crate::expr::{Hole, Scope, Text};
use crate::language::{self, Choice, Why};
use crate::message::{Media, MediaKind, Message, Plain, Template, TemplateKind};
use crate::run::Sentence;
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
    /// Which of several languages was chosen and why, for the run's story: a sentence with its parts.
    pub chosen: Vec<(Sentence, Vec<String>)>,
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
    let reader = Reader::of(step, scope, project);
    let scope = &Scope { language: reader.language(), ..*scope };
    let media = step.media.as_ref().map(|(kind, url)| media(*kind, url, scope)).transpose()?;
    let text = language::choose(&step.text, reader.person, reader.usual);
    let variant = step.template.as_ref().map(|choice| reader.variant(choice)).transpose()?;
    let template = match (&step.template, &variant) {
        (Some(choice), Some(variant)) => {
            Some(template(choice, variant, media.as_ref(), &reader.scope(variant, scope))?)
        }
        _ => None,
    };
    let carried = template.as_ref().is_some_and(|template| template.media_url.is_some());
    let plain_scope = text.as_ref().map_or(*scope, |text| reader.scope(text, scope));
    let message = Message {
        plain: plain(text.as_ref().map(|text| text.entry), media.filter(|_| !carried || text.is_some()), &plain_scope)?,
        template,
        assign_to: optional(step.assign_to.as_ref(), scope)?,
        team: optional(step.team.as_ref(), scope)?,
        bot: step.bot,
        metadata: metadata(&step.metadata, scope)?,
        verbatim: None,
    };
    let to = recipient(step.to.as_ref(), scope, project)?;
    let chosen = text.and_then(|text| reader.told_of_text(&text)).into_iter();
    let of_template = step.template.as_ref().zip(variant);
    let chosen = chosen.chain(of_template.and_then(|(choice, variant)| reader.told_of_template(choice, &variant)));
    let chosen = chosen.collect();
    Ok(Planned { message, to, channel: step.channel.clone(), outside_window: step.outside_window, chosen })
}

/// Who reads a message.
struct Reader<'a> {
    /// Code of their language; `None` = not known.
    person: Option<&'a str>,
    /// The project's.
    usual: &'a str,
}

impl<'a> Reader<'a> {
    fn of(step: &SendMessage, scope: &Scope<'a>, project: &'a ProjectSettings) -> Self {
        let own = || scope.contact.get("language").and_then(serde_json::Value::as_str);
        Self { person: if step.to.is_none() { own() } else { None }, usual: &project.language }
    }

    fn language(&self) -> &'a str {
        self.person.unwrap_or(self.usual)
    }

    fn variant<'c>(&self, choice: &'c TemplateChoice) -> Result<Choice<'c, TemplateVariant>, Hole> {
        let chosen = language::choose(&choice.variants, self.person, self.usual);
        chosen.ok_or_else(|| Hole(format!("the template `{}` has no entry", choice.name)))
    }

    /// What was chosen for want of the person's language is filled in the language that it is written in.
    fn scope<'s, T>(&'s self, chosen: &Choice<'s, T>, scope: &Scope<'s>) -> Scope<'s> {
        let language = match (chosen.why, chosen.code) {
            (Why::Theirs | Why::Only, _) => self.language(),
            (Why::Unknown | Why::Instead, code) if language::same(code, self.usual) || code.is_empty() => self.usual,
            (Why::Unknown | Why::Instead, code) => code,
        };
        Scope { language, ..*scope }
    }

    fn told_of_text(&self, chosen: &Choice<'_, Text>) -> Option<(Sentence, Vec<String>)> {
        let code = chosen.code.to_owned();
        Some(match chosen.why {
            Why::Only => return None,
            Why::Theirs => (Sentence::TextInTheirs, vec![code]),
            Why::Unknown => (Sentence::TextInUsual, vec![code]),
            Why::Instead => (Sentence::TextInstead, vec![code, self.language().to_owned()]),
        })
    }

    fn told_of_template(
        &self,
        choice: &TemplateChoice,
        chosen: &Choice<'_, TemplateVariant>,
    ) -> Option<(Sentence, Vec<String>)> {
        let name = choice.called(chosen.entry).to_owned();
        let code = if chosen.code.is_empty() { self.usual } else { chosen.code };
        Some(match chosen.why {
            Why::Only => return None,
            Why::Theirs => (Sentence::TemplateInTheirs, vec![name, code.to_owned()]),
            Why::Unknown => (Sentence::TemplateInUsual, vec![name]),
            Why::Instead => (Sentence::TemplateInstead, vec![name, self.language().to_owned()]),
        })
    }
}

fn plain(text: Option<&Text>, media: Option<Media>, scope: &Scope) -> Result<Option<Plain>, Hole> {
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

fn template(
    choice: &TemplateChoice,
    variant: &Choice<'_, TemplateVariant>,
    media: Option<&Media>,
    scope: &Scope,
) -> Result<Template, Hole> {
    let TemplateVariant { uuid, kind, category, .. } = variant.entry;
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
