//! Drift: where the account differs from what the project was checked with. Pure.
//!
//! In words for people, with the codes of the checks (`language.md` §13): R404 and R407 about templates, R405 about
//! lines and teams. Invariant: no text names a number, and only what the workflows use is an alert.

use super::deployed::Deployed;
use crate::config::LockedTemplate;
use crate::delivery::Purpose;
use crate::expr::Text;
use crate::message::Category;
use crate::outbox::gate::category_allowed;
use crate::workflow::{Action, SendMessage, Step};
use std::collections::BTreeMap;

/// Beginning of the names of alerts of this kind.
pub const PREFIX: &str = "drift:";

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// `drift:template:<uuid>`, `drift:channel:<name>`, `drift:team:<name>`.
    pub name: String,
    pub what: String,
}

/// A difference of one template: code and sentence.
pub type Difference = (&'static str, String);

/// Where a template differs from the lock file's. `now`: `None` = the account has it no more.
pub fn differences(locked: &LockedTemplate, now: Option<&LockedTemplate>) -> Vec<Difference> {
    let Some(now) = now.filter(|now| now.status != "deleted") else {
        return vec![("R404", "the account does not have it any more".into())];
    };
    let mut found = Vec::new();
    if now.status != "approved" {
        found.push(("R404", format!("its status is `{}`", now.status)));
    }
    if now.placeholders != locked.placeholders {
        found.push(("R404", format!("it has {} placeholders, not {}", now.placeholders, locked.placeholders)));
    } else if now.text.trim() != locked.text.trim() {
        found.push(("R404", "the approved text is another one".into()));
    }
    if now.kind != locked.kind {
        found.push(("R404", "its header is of another kind".into()));
    }
    if now.category != locked.category {
        found.push(("R407", format!("its category is `{}`, not `{}`", word(now.category), word(locked.category))));
    }
    found
}

/// A category as it is written in `templates.yaml`; `none` for an account that names none.
pub fn word(category: Option<Category>) -> &'static str {
    match category {
        None => "none",
        Some(Category::Marketing) => "marketing",
        Some(Category::Utility) => "utility",
        Some(Category::Authentication) => "authentication",
    }
}

/// Every difference that concerns a workflow that serves.
pub(super) fn drift(deployed: &Deployed) -> Vec<Drift> {
    let mut uses = Uses::default();
    for definition in deployed.definitions.values() {
        uses.collect(&definition.workflow.steps, &definition.workflow.id, definition.workflow.purpose);
    }
    let templates = uses.templates.iter().filter_map(|(uuid, of)| template_drift(deployed, uuid, of));
    let teams = uses.teams.iter().filter_map(|(team, workflow)| team_drift(deployed, team, workflow));
    templates.chain(channel_drift(deployed)).chain(teams).collect()
}

/// What the workflows use.
#[derive(Default)]
struct Uses<'a> {
    /// By uuid.
    templates: BTreeMap<&'a str, TemplateUse<'a>>,
    /// Name as written, and a workflow that writes it.
    teams: BTreeMap<&'a str, &'a str>,
}

struct TemplateUse<'a> {
    name: &'a str,
    by: Vec<(&'a str, Purpose)>,
}

impl<'a> Uses<'a> {
    fn collect(&mut self, steps: &'a [Step], workflow: &'a str, purpose: Purpose) {
        for step in steps {
            match &step.action {
                Action::SendMessage(message) => self.note(message, workflow, purpose),
                Action::UpdateContact(update) => self.note_team(update.team.as_ref(), workflow),
                _ => {}
            }
            step.inner().into_iter().for_each(|steps| self.collect(steps, workflow, purpose));
        }
    }

    fn note(&mut self, message: &'a SendMessage, workflow: &'a str, purpose: Purpose) {
        for (_, variant) in message.template.iter().flat_map(|choice| &choice.variants) {
            let name = message.template.as_ref().map_or("", |choice| choice.name.as_str());
            let of = self.templates.entry(&variant.uuid).or_insert(TemplateUse { name, by: Vec::new() });
            if !of.by.contains(&(workflow, purpose)) {
                of.by.push((workflow, purpose));
            }
        }
        self.note_team(message.team.as_ref(), workflow);
    }

    fn note_team(&mut self, team: Option<&'a Text>, workflow: &'a str) {
        if let Some(team) = team.and_then(Text::literal) {
            self.teams.entry(team).or_insert(workflow);
        }
    }
}

fn template_drift(deployed: &Deployed, uuid: &str, of: &TemplateUse) -> Option<Drift> {
    let now = deployed.account.template(uuid)?;
    let mut found = match deployed.catalogue.lock.get(uuid) {
        Some(locked) => differences(locked, Some(now)),
        None if now.status == "approved" => Vec::new(),
        None if now.status == "deleted" => vec![("R404", "the account does not have it".into())],
        None => vec![("R404", format!("its status is `{}`", now.status))],
    };
    for (workflow, purpose) in &of.by {
        if !category_allowed(*purpose, now.category) {
            let what = format!("`{}` may not be sent by `{workflow}`, by its purpose", word(now.category));
            found.push(("R407", what));
        }
    }
    let sentences: Vec<String> = found.iter().map(|(code, what)| format!("{code}: {what}")).collect();
    let what = format!("the template `{}`: {}", of.name, sentences.join("; "));
    (!found.is_empty()).then(|| Drift { name: format!("{PREFIX}template:{uuid}"), what })
}

/// A title may be a number: the line is told by its name.
fn channel_drift(deployed: &Deployed) -> impl Iterator<Item = Drift> + '_ {
    let asked = deployed.account.channels.is_some();
    let missing =
        deployed.settings.channels.iter().filter(move |channel| asked && channel.listed && channel.uuid.is_none());
    missing.map(|channel| Drift {
        name: format!("{PREFIX}channel:{}", channel.name),
        what: format!(
            "R405: the account has not exactly one live WhatsApp line for the channel `{}`: its messages are held",
            channel.name
        ),
    })
}

fn team_drift(deployed: &Deployed, team: &str, workflow: &str) -> Option<Drift> {
    let unknown = deployed.account.teams.is_some() && deployed.account.team(team).is_none();
    unknown.then(|| Drift {
        name: format!("{PREFIX}team:{team}"),
        what: format!(
            "R405: the account has no team `{team}`: messages of `{workflow}` leave without it, and a step that assigns \
             people to it fails"
        ),
    })
}
