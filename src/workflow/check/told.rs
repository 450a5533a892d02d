//! `message_status` and `contact`: triggers on what the account tells of our messages and of people.

use super::fields::Fields;
use super::lowering::Lowering;
use super::values::{choice, scalar, word_list};
use super::words::suggestion;
use crate::trigger::TriggerKind;
use crate::trigger::contact::Change;
use crate::trigger::message_status::Watched;
use crate::workflow::yaml::Entry;
use serde_json::{Value, json};

impl<'a> Lowering<'a> {
    pub(super) fn message_status(&mut self, key: &'a Entry, fields: &Fields) -> Option<TriggerKind> {
        self.triggers.no_schedule = true;
        let of = fields.get("of").and_then(|entry| self.workflow_id(entry));
        let words = Watched::ALL.map(|watched| (watched.as_str(), watched));
        let status = choice(&mut self.report, key, &words)?;
        self.triggers.told.push(("a message's status".into(), status_event(status)));
        Some(TriggerKind::MessageStatus { status, of })
    }

    pub(super) fn contact_change(&mut self, key: &'a Entry, fields: &Fields) -> Option<TriggerKind> {
        self.triggers.no_schedule = true;
        let changes = [("created", "created"), ("updated", "updated"), ("tagged", "tagged")];
        let change = choice(&mut self.report, key, &changes)?;
        let tag = fields.get("tag");
        let change = match change {
            "created" => Change::Created,
            "updated" => Change::Updated,
            _ => Change::Tagged(tag.map(|entry| word_list(&mut self.report, entry)).unwrap_or_default()),
        };
        if let Some(entry) = tag.filter(|_| !matches!(change, Change::Tagged(_))) {
            let hint = "write `contact: tagged`, or remove it";
            let message = format!("`tag` is not allowed with `contact: {}`", change.as_str());
            self.report.error("R204", &entry.key_span, message, hint);
        }
        self.triggers.told.push(("a contact's event".into(), contact_event(&change)));
        Some(TriggerKind::Contact { change })
    }

    /// The id of a workflow of the project. A stored definition holds its own file alone: there nothing can be said.
    fn workflow_id(&mut self, entry: &Entry) -> Option<String> {
        let id = scalar(&mut self.report, entry, "the id of a workflow: its file's name without `.yaml`")?;
        let known = &self.world.workflows;
        if !known.contains(&id) && (known.len() > 1 || self.world.asked.now_ms.is_some()) {
            let hint = suggestion(id, known);
            self.report.error("R201", &entry.value.span, format!("unknown workflow: `{id}`"), hint);
        }
        Some(id.to_owned())
    }
}

/// What `event` holds. Null = it may be missing.
fn status_event(status: Watched) -> Value {
    let failed = status == Watched::Failed;
    json!({
        "status": status.as_str(),
        "reason": failed.then_some("Message undeliverable"),
        "code": failed.then_some(131_026),
        "message_id": "0f7e6d5c4b3a29180f7e6d5c4b3a2918",
        "workflow": "order_paid",
        "step": "thanks",
        "metadata": null,
    })
}

fn contact_event(change: &Change) -> Value {
    let person = json!({
        "id": "01KJ0000000000000000000000",
        "uuid": "0f7e6d5c4b3a29180f7e6d5c4b3a2918",
        "phone": "+34600000001",
        "name": "Alexandra García",
        "first_name": "Alexandra",
        "email": null,
        "language": null,
        "timezone": null,
        "tags": ["vip"],
        "custom": null,
        "assigned_to": null,
        "team": null,
    });
    let before = if *change == Change::Created { Value::Null } else { person.clone() };
    json!({ "before": before, "after": person })
}
