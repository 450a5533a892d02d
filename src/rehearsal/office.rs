//! Office: the fake account of a scene, of `dev` and of `sandbox` has whatever teams, colleagues, tags and fields the
//! project's workflows name, as the real one does. Pure.

use crate::config::Project;
use crate::connector::sandbox::{Office, Team, User};
use crate::expr::{Scope, Text};
use crate::workflow::{Action, Step, UpdateContact, Workflow};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The teams, colleagues, tags and fields that a project's workflows name in plain words, beside the usual ones.
pub fn office(project: &Project) -> Office {
    let mut office = Office::default();
    for workflow in project.workflows.values() {
        furnish(&mut office, project, workflow, &workflow.steps);
    }
    office
}

fn furnish(office: &mut Office, project: &Project, workflow: &Workflow, steps: &[Step]) {
    for step in steps {
        let (team, colleague) = match &step.action {
            Action::SendMessage(message) => (&message.team, &message.assign_to),
            Action::UpdateContact(change) => {
                tag(office, change);
                (&change.team, &change.assign_to)
            }
            _ => (&None, &None),
        };
        let read = |text: &Option<Text>| text.as_ref().and_then(|text| fixed(text, project, workflow));
        if let Some(name) = read(team).filter(|name| !office.teams.iter().any(|team| &team.name == name)) {
            let uuid = uuid(&format!("team|{name}"));
            office.teams.push(Team { uuid, name, default: false, members: Vec::new(), created_ms: 0 });
        }
        let known = |email: &String| office.users.iter().any(|user| &user.email == email);
        if let Some(email) = read(colleague).filter(|email| email.contains('@') && !known(email)) {
            let (uuid, name) = (uuid(&format!("user|{email}")), email.clone());
            office.users.push(User { uuid, email, name, available: true, custom_status: None, updated_ms: 0 });
        }
        for list in step.inner() {
            furnish(office, project, workflow, list);
        }
    }
}

fn tag(office: &mut Office, change: &UpdateContact) {
    let tags: Vec<String> = change.add_tags.iter().chain(&change.remove_tags).cloned().collect();
    let fields: Map<String, Value> = change.fields.iter().map(|(name, _)| (name.clone(), json!(""))).collect();
    office.learn(&tags, &fields);
}

/// A text that says the same whatever happens; a name that depends on the event cannot be prepared for.
fn fixed(text: &Text, project: &Project, workflow: &Workflow) -> Option<String> {
    let (zone, language) = (&workflow.settings.timezone, &project.settings.language);
    text.render_optional(&Scope::of_event(&Value::Null, 0, zone, language))
}

fn uuid(of: &str) -> String {
    hex::encode(&Sha256::digest(of.as_bytes())[..16])
}
