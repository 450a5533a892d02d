//! People of the project: whose phones the page shows from the start. Pure.

use crate::config::Project;
use crate::contact::Phone;
use crate::expr::{Scope, Text};
use crate::trigger::TriggerKind;
use crate::workflow::Workflow;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whom the workflows' `contact` maps name, read from the samples or written in place: phone and name, in the order of
/// numbers.
pub(super) fn of_project(project: &Project, now_ms: i64) -> BTreeMap<Phone, Option<String>> {
    let (mut people, no_sample) = (BTreeMap::new(), json!({}));
    for workflow in project.workflows.values() {
        let events = workflow.triggers.iter().map(|trigger| match &trigger.kind {
            TriggerKind::Webhook { event, .. } => project.samples.get(event).unwrap_or(&no_sample),
            _ => &no_sample,
        });
        for (phone, name) in events.filter_map(|event| person(workflow, project, event, now_ms)) {
            let known = people.entry(phone).or_insert(None);
            *known = known.take().or(name);
        }
    }
    people
}

fn person(workflow: &Workflow, project: &Project, event: &Value, now_ms: i64) -> Option<(Phone, Option<String>)> {
    let scope = Scope::of_event(event, now_ms, &workflow.settings.timezone, &project.settings.language);
    let read = |text: &Option<Text>| text.as_ref().and_then(|text| text.render_optional(&scope));
    let contact = &workflow.contact;
    let phone = Phone::parse(&read(&contact.phone)?, project.settings.phone_region.as_deref()).ok()?;
    Some((phone, read(&contact.name).or_else(|| read(&contact.first_name))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Files;

    #[test]
    fn a_number_written_in_place_needs_no_sample() {
        let workflow = "name: Hello\npurpose: utility\nwhen: { webhook: hello.asked }\ncontact: { phone: \"+34600000001\" }\n\
            do:\n  - send_message: { text: Hello, outside_window: skip }\n";
        let project = "version: 1\nname: My shop\nsettings: { timezone: Europe/Madrid }\n";
        let files = [("relance.yaml", project), ("workflows/hello.yaml", workflow)];
        let files: Files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let project = crate::workflow::load(&files).project.unwrap();
        let people = of_project(&project, 0);
        assert_eq!(people.keys().map(Phone::e164).collect::<Vec<_>>(), ["+34600000001"]);
    }
}
