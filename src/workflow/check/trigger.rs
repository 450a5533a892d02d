//! `when`: webhooks, schedules, messages; what the account tells of messages and people is in `told`.

use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::samples::did_you_mean;
use super::values::scalar;
use super::words::{listed, suggestion};
use crate::condition::Condition;
use crate::trigger::contact::Change;
use crate::trigger::message::Matcher;
use crate::trigger::webhook::is_event_name;
use crate::trigger::{Trigger, TriggerKind};
use crate::workflow::yaml::{Entry, Kind, Node};
use serde_json::Value;

/// Kinds of triggers that a workflow has.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    /// Names of the webhooks, in order.
    pub(super) webhooks: Vec<String>,
    pub(super) schedules: usize,
    pub(super) messages: usize,
    /// The one channel that messages come from, when the trigger names it.
    pub(super) channels: Vec<Option<String>>,
    /// Examples of what the account tells of messages and people, each with its name.
    pub(super) told: Vec<(String, Value)>,
    /// A trigger that is refused: nothing is known of its events and contacts.
    pub(super) unknown: bool,
    /// Where the first webhook or schedule stands: there a contact is missed.
    pub(super) needs_contact: Option<std::ops::Range<usize>>,
    /// The first trigger that is no schedule.
    pub(super) no_schedule: bool,
}

const TRIGGER: Shape = Shape {
    what: "a trigger",
    keys: &[
        "webhook",
        "schedule",
        "cron",
        "message",
        "message_status",
        "contact",
        "if",
        "source",
        "missed",
        "catch_up",
        "channel",
        "of",
        "tag",
    ],
    later: &["conversation", "zone"],
    elsewhere: &[
        ("same", "remove it: `same` belongs in `stop_when`, where it compares two events"),
        ("once_per", "write it under `settings:`"),
        ("timezone", "write it under `settings:`"),
    ],
};
const KINDS: [&str; 6] = ["webhook", "schedule", "cron", "message", "message_status", "contact"];
const LATER_KINDS: [&str; 1] = ["conversation"];

impl<'a> Lowering<'a> {
    pub(super) fn when(&mut self, fields: &Fields<'a>) -> Vec<Trigger> {
        let hint = "write what starts it, such as `when: { webhook: order.paid }`";
        let Some(entry) = fields.required(&mut self.report, "when", hint) else {
            self.triggers.unknown = true;
            return Vec::new();
        };
        let triggers: Vec<Trigger> = match &entry.value.kind {
            Kind::List(items) => items.iter().filter_map(|item| self.trigger(item, None, &TRIGGER)).collect(),
            _ => self.trigger(&entry.value, Some(entry), &TRIGGER).into_iter().collect(),
        };
        if matches!(&entry.value.kind, Kind::List(items) if items.is_empty()) {
            self.report.error("R202", &entry.key_span, "`when` is empty", hint);
            self.triggers.unknown = true;
        }
        named_apart(triggers)
    }

    /// One trigger of `when` or `stop_when`; the shape says which keys it may have there.
    pub(super) fn trigger(&mut self, node: &'a Node, holder: Option<&Entry>, shape: &Shape) -> Option<Trigger> {
        if let Kind::Scalar { text, .. } = &node.kind {
            let hint = format!("say what kind of trigger it is: `webhook: {text}`, `schedule: …` or `message: …`");
            self.report.error("R205", &node.span, "a trigger is a map", hint);
            self.triggers.unknown = true;
            return None;
        }
        let Some(fields) = Fields::open(&mut self.report, node, holder, shape) else {
            self.triggers.unknown = true;
            return None;
        };
        let Some(key) = self.trigger_key(&fields) else {
            self.triggers.unknown = true;
            return None;
        };
        self.extra_keys(&fields, &key.key, shape);
        let condition_entry = fields.get("if");
        let kind = match key.key.as_str() {
            "webhook" => self.webhook(key, &fields),
            "message" => self.message(key, &fields),
            "message_status" => self.message_status(key, &fields),
            "contact" => self.contact_change(key, &fields),
            kind if shape.keys.contains(&kind) => self.schedule(key, &fields),
            _ => None,
        };
        self.triggers.unknown |= kind.is_none();
        // A trigger's own question sees the events of all triggers: which fields these have is known only later.
        self.know_event_of(kind.as_ref());
        let condition = condition_entry.map_or(Condition::Always, |entry| self.condition(&entry.value));
        let kind = kind?;
        Some(Trigger { name: name_of(key, &kind), kind, condition })
    }

    /// The one key that says what kind of trigger it is.
    fn trigger_key(&mut self, fields: &Fields<'a>) -> Option<&'a Entry> {
        let mut keys = fields
            .entries
            .iter()
            .filter(|entry| KINDS.contains(&entry.key.as_str()) || LATER_KINDS.contains(&entry.key.as_str()));
        let first = keys.next();
        if let Some(second) = keys.next() {
            let message = format!("a second trigger in the same map: `{}`", second.key);
            let hint = "write each trigger as an item of a list: `when: [{ webhook: … }, { message: … }]`";
            self.report.error("R201", &second.key_span, message, hint);
        }
        if first.is_none() && !fields.refused {
            let hint = format!("write one of {}", listed(&KINDS));
            self.report.error("R202", &fields.place, "the trigger says not what starts the workflow", hint);
        }
        first.filter(|entry| KINDS.contains(&entry.key.as_str()))
    }

    fn extra_keys(&mut self, fields: &Fields, key: &str, shape: &Shape) {
        let owners = [
            ("source", &["webhook"][..]),
            ("missed", &["schedule", "cron"]),
            ("catch_up", &["schedule", "cron"]),
            ("channel", &["message"]),
            ("of", &["message_status"]),
            ("tag", &["contact"]),
        ];
        for (extra, kinds) in owners {
            if let Some(entry) = fields.get(extra).filter(|_| shape.keys.contains(&extra) && !kinds.contains(&key)) {
                let message = format!("`{extra}` is not allowed beside `{key}`");
                self.report.error(
                    "R204",
                    &entry.key_span,
                    message,
                    format!("remove it: it is only for {}", listed(kinds)),
                );
            }
        }
    }

    fn webhook(&mut self, key: &Entry, fields: &Fields) -> Option<TriggerKind> {
        let event = scalar(&mut self.report, key, "an event name such as `order.paid`")?;
        self.triggers.no_schedule = true;
        self.triggers.needs_contact.get_or_insert(key.key_span.clone());
        let source = fields.get("source").and_then(|entry| self.source(entry));
        if !is_event_name(event) {
            let parts = event.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|part| !part.is_empty());
            let meant = parts.collect::<Vec<_>>().join(".");
            let hint = match meant.is_empty() {
                true => "write letters, digits and `_`, parts joined by full stops: `order.paid`".to_owned(),
                false if meant == event => "write a shorter one: a name has 200 characters at most".to_owned(),
                false => format!("write `{meant}`: letters, digits and `_`, parts joined by full stops"),
            };
            self.report.error("R201", &key.value.span, format!("badly formed event name: `{event}`"), hint);
            return None;
        }
        if let Some(near) = self.world.samples.near(event) {
            let message = format!("there is no sample of `{event}`");
            self.report.warn("R307", &key.value.span, message, did_you_mean(near, event));
        }
        self.listens.insert(event.to_owned());
        self.triggers.webhooks.push(event.to_owned());
        Some(TriggerKind::Webhook { event: event.to_owned(), source })
    }

    fn source(&mut self, entry: &Entry) -> Option<String> {
        let name = scalar(&mut self.report, entry, "a name of `sources`")?;
        let sources = &self.world.settings.sources;
        if self.world.usable && !sources.contains_key(name) {
            let known: Vec<&str> = sources.keys().map(String::as_str).collect();
            let hint = format!("{} in `sources` of `relance.yaml`", suggestion(name, &known));
            self.report.error("R201", &entry.value.span, format!("unknown source: `{name}`"), hint);
        }
        Some(name.to_owned())
    }

    /// The name of a channel of the project.
    pub(super) fn channel_name(&mut self, entry: &Entry) -> Option<String> {
        let name = scalar(&mut self.report, entry, "a name of `channels`")?;
        if self.world.usable && self.world.settings.channel(name).is_none() {
            let channels = self.world.settings.channels.iter().filter(|channel| channel.listed);
            let known: Vec<&str> = channels.map(|channel| channel.name.as_str()).collect();
            let hint = match known.is_empty() {
                true => "`relance.yaml` lists no `channels`: remove it, and the account's main line sends".to_owned(),
                false => format!("{} in `channels` of `relance.yaml`", suggestion(name, &known)),
            };
            self.report.error("R201", &entry.value.span, format!("unknown channel: `{name}`"), hint);
        }
        Some(name.to_owned())
    }
}

/// The trigger's stable name: its key and value.
fn name_of(key: &Entry, kind: &TriggerKind) -> String {
    let value = match kind {
        TriggerKind::Webhook { event, .. } => event.clone(),
        TriggerKind::Schedule { schedule, .. } => schedule.source().trim().to_owned(),
        TriggerKind::Message { matcher: Matcher::Any, .. } => "any".to_owned(),
        TriggerKind::Message { matcher: Matcher::Unmatched, .. } => "unmatched".to_owned(),
        TriggerKind::Message { matcher: Matcher::Match(pattern), .. } => {
            let lists = [("is", &pattern.is), ("starts_with", &pattern.starts_with), ("contains", &pattern.contains)];
            let mut parts: Vec<String> = lists
                .into_iter()
                .filter(|(_, words)| !words.is_empty())
                .map(|(name, words)| format!("{name}={}", words.join("|")))
                .collect();
            parts.extend(pattern.matches.as_ref().map(|regex| format!("matches={regex}")));
            parts.extend(pattern.has.iter().map(|content| format!("has={content:?}").to_lowercase()));
            parts.join(",")
        }
        TriggerKind::MessageStatus { status, of: None } => status.as_str().to_owned(),
        TriggerKind::MessageStatus { status, of: Some(of) } => format!("{} of {of}", status.as_str()),
        TriggerKind::Contact { change: Change::Tagged(tags) } if !tags.is_empty() => {
            format!("tagged={}", tags.join("|"))
        }
        TriggerKind::Contact { change } => change.as_str().to_owned(),
    };
    format!("{}:{value}", key.key)
}

/// Two equal triggers still have names of their own: `webhook:order.paid`, `webhook:order.paid#2`.
pub(super) fn named_apart(mut triggers: Vec<Trigger>) -> Vec<Trigger> {
    let mut counts: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for trigger in &mut triggers {
        let count = counts.entry(trigger.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            trigger.name = format!("{}#{count}", trigger.name);
        }
    }
    triggers
}
