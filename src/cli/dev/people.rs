//! People of the samples: whose phones the page shows from the start. Pure.

use crate::config::Project;
use crate::contact::Phone;
use crate::expr::{Scope, Text};
use crate::trigger::TriggerKind;
use crate::workflow::Workflow;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whom the samples are about, as the workflows' `contact` maps read them: phone and name, in the order of numbers.
pub(super) fn of_samples(project: &Project, now_ms: i64) -> BTreeMap<Phone, Option<String>> {
    let mut people = BTreeMap::new();
    for workflow in project.workflows.values() {
        let events = workflow.triggers.iter().filter_map(|trigger| match &trigger.kind {
            TriggerKind::Webhook { event, .. } => project.samples.get(event),
            _ => None,
        });
        for (phone, name) in events.filter_map(|event| person(workflow, project, event, now_ms)) {
            let known = people.entry(phone).or_insert(None);
            *known = known.take().or(name);
        }
    }
    people
}

fn person(workflow: &Workflow, project: &Project, event: &Value, now_ms: i64) -> Option<(Phone, Option<String>)> {
    let empty = json!({});
    let scope = Scope {
        event,
        contact: &empty,
        steps: &empty,
        vars: &empty,
        workflow: &empty,
        now_ms,
        zone: &workflow.settings.timezone,
        language: &project.settings.language,
    };
    let read = |text: &Option<Text>| text.as_ref().and_then(|text| text.render_optional(&scope));
    let contact = &workflow.contact;
    let phone = Phone::parse(&read(&contact.phone)?, project.settings.phone_region.as_deref()).ok()?;
    Some((phone, read(&contact.name).or_else(|| read(&contact.first_name))))
}
