//! Catalogue: without `templates.lock.json` nobody knows what the account approved; the fake account then has every template
//! that the project names by its uuid, with the text of `templates.yaml`, or one that shows the values. Pure.
//!
//! Invariant: a project with a lock file is played with what that file holds, and nothing else.

use crate::config::{CatalogueEntry, LockedTemplate, Project};
use crate::connector::wire::count_placeholders;
use crate::message::TemplateKind;
use crate::workflow::{Action, Step, TemplateChoice, TemplateVariant};

/// What stands before the values of a template whose text is not known.
const UNKNOWN: &str = "(its text is not known here)";

/// The project as the fake account knows it.
pub fn furnished(mut project: Project) -> Project {
    if project.catalogue.lock.is_empty() {
        let mut all: Vec<LockedTemplate> = project.catalogue.entries.iter().flat_map(of_entry).collect();
        for workflow in project.workflows.values() {
            in_place(&workflow.steps, &mut all);
        }
        // An entry of the catalogue knows more than who only names its uuid.
        for template in all.into_iter().rev() {
            project.catalogue.lock.insert(template.uuid.clone(), template);
        }
    }
    project
}

/// The variants of an entry that are named by uuid; each reads what is written of it, never what another language reads.
fn of_entry((name, entry): (&String, &CatalogueEntry)) -> Vec<LockedTemplate> {
    let languages = entry.languages.values().map(|spoken| (&spoken.uuid, &spoken.text));
    let variants = std::iter::once((&entry.uuid, &entry.text)).chain(languages);
    let made = |(uuid, text): (&Option<String>, &Option<String>)| {
        let unknown = || shown(entry.values.iter().map(|name| format!("{name}: ")));
        let text = text.clone().unwrap_or_else(unknown);
        Some(LockedTemplate {
            uuid: uuid.clone()?,
            title: name.clone(),
            kind: TemplateKind::of_header(entry.media),
            category: entry.category,
            status: "approved".into(),
            placeholders: count_placeholders(&text),
            text,
        })
    };
    variants.filter_map(made).collect()
}

/// Templates that steps name by uuid themselves.
fn in_place(steps: &[Step], found: &mut Vec<LockedTemplate>) {
    for step in steps {
        if let Action::SendMessage(message) = &step.action {
            found.extend(message.template.iter().flat_map(of_choice));
        }
        step.inner().into_iter().for_each(|list| in_place(list, found));
    }
}

fn of_choice(choice: &TemplateChoice) -> Vec<LockedTemplate> {
    let made = |(_, variant): &(String, TemplateVariant)| {
        let known = Some(variant.text.clone()).filter(|text| !text.is_empty());
        let text = known.unwrap_or_else(|| shown(choice.values.iter().map(|_| String::new())));
        LockedTemplate {
            uuid: variant.uuid.clone(),
            title: choice.called(variant).to_owned(),
            kind: variant.kind,
            category: variant.category,
            status: "approved".into(),
            placeholders: count_placeholders(&text),
            text,
        }
    };
    choice.variants.iter().map(made).collect()
}

/// A text that shows each value behind what stands before it.
fn shown(values: impl Iterator<Item = String>) -> String {
    let values = values.enumerate().map(|(at, before)| format!("{before}{{{{{}}}}}", at + 1));
    let values: Vec<String> = values.collect();
    format!("{UNKNOWN} {}", values.join(" · ")).trim_end().to_owned()
}
