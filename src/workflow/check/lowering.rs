//! Lowering: one workflow file from tree to checked model. Here the file's own keys; triggers, contact, steps and
//! messages in the modules of their names.

use super::World;
use super::expression::Expected;
use super::fields::{Fields, Shape};
use super::heard::Heard;
use super::languages::Speaks;
use super::limits::read_limits;
use super::overlap::Spoken;
use super::project::common_settings;
use super::report::Report;
use super::seen::{Events, Seen};
use super::trigger::Triggers;
use super::values::{boolean, choice, plain_text};
use super::words::nearest;
use crate::condition::Condition;
use crate::delivery::Purpose;
use crate::workflow::yaml::{Entry, Kind, Node};
use crate::workflow::{Again, Settings, Workflow};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const WORKFLOW: Shape = Shape {
    what: "the workflow",
    keys: &[
        "name",
        "description",
        "enabled",
        "purpose",
        "when",
        "audience",
        "contact",
        "if",
        "vars",
        "stop_when",
        "settings",
        "do",
    ],
    later: &["on_error"],
    elsewhere: &[
        ("timezone", "write it under `settings:`"),
        ("once_per", "write it under `settings:`"),
        ("again", "write it under `settings:`"),
        ("retry", "write it under `settings:`"),
        ("expires", "write it under `settings:`"),
        ("quiet_hours", "write it under `settings:`"),
        ("limit", "write it under `settings:`"),
        ("pace", "write it under `settings:`"),
        ("webhook", "write it under `when:`"),
        ("schedule", "write it under `when:`"),
        ("cron", "write it under `when:`"),
        ("send_message", "write it in a step of `do:`, after `- `"),
        ("wait", "write it in a step of `do:`, after `- `"),
        ("branch", "write it in a step of `do:`, after `- `"),
        ("phone", "write it under `contact:`"),
        ("id", "the file's name is the workflow's id"),
        ("version", "the version of the language stands in `relance.yaml`"),
    ],
};
const SETTINGS: Shape = Shape {
    what: "`settings`",
    keys: &["timezone", "quiet_hours", "once_per", "again", "limit", "pace", "retry", "expires"],
    later: &["if_uncertain", "order_by"],
    elsewhere: &[],
};

/// One file under way.
pub(super) struct Lowering<'a> {
    pub(super) report: Report<'a>,
    pub(super) world: &'a World<'a>,
    pub(super) seen: Seen<'a>,
    pub(super) settings: Settings,
    /// Step ids so far, with the line of each.
    pub(super) ids: HashMap<String, usize>,
    /// What started it, for the window and the texts.
    pub(super) triggers: Triggers,
    /// Names of the events that start or stop its runs.
    pub(super) listens: BTreeSet<String>,
    /// How the person was heard of last.
    pub(super) heard: Heard,
    /// The channel that the last message before here names.
    pub(super) asked_on: Option<String>,
    /// What is read belongs to an `http_request`: secrets may stand there.
    pub(super) in_request: bool,
    /// What is read is a value of a template.
    pub(super) in_value: bool,
    /// `once_per` says what a run is about.
    pub(super) named_once: bool,
    /// Each is told once for a file: the first long wait without `once_per`, the first step that no run gets to.
    pub(super) told_waiting: bool,
    pub(super) told_unreachable: bool,
    /// The words it waits for, against those of other workflows.
    pub(super) spoken: Vec<Spoken>,
    /// What its texts and templates speak.
    pub(super) speaks: Vec<Speaks>,
    /// Line of the first message that can start a conversation.
    pub(super) starts_conversation: Option<usize>,
    /// As written; `None` when it is not, or cannot be.
    pub(super) purpose: Option<Purpose>,
    /// Some part could not be used although its mistake is told elsewhere: the workflow cannot run.
    pub(super) unusable: bool,
    /// An example person, as this workflow's events describe one.
    pub(super) example: Option<serde_json::Value>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(report: Report<'a>, world: &'a World<'a>) -> Self {
        let vars = world.settings.vars.keys().cloned().collect();
        Self {
            report,
            world,
            seen: Seen {
                events: Events::Silent,
                filled: None,
                vars,
                vars_later: BTreeSet::new(),
                steps: BTreeMap::new(),
                anywhere: false,
            },
            settings: world.settings.defaults.clone(),
            ids: HashMap::new(),
            triggers: Triggers::default(),
            listens: BTreeSet::new(),
            heard: Heard::Start,
            asked_on: None,
            in_request: false,
            in_value: false,
            named_once: false,
            told_waiting: false,
            told_unreachable: false,
            spoken: Vec::new(),
            speaks: Vec::new(),
            starts_conversation: None,
            purpose: None,
            unusable: false,
            example: None,
        }
    }

    /// The whole file; `None` when it cannot run.
    pub(super) fn workflow(&mut self, id: &str, root: &'a Node) -> Option<Workflow> {
        let fields = Fields::open(&mut self.report, root, None, &WORKFLOW)?;
        let hint = "write `name: …`, what people call this workflow";
        let name =
            fields.required(&mut self.report, "name", hint).and_then(|entry| plain_text(&mut self.report, entry));
        let description = fields.get("description").and_then(|entry| plain_text(&mut self.report, entry));
        let enabled = fields.get("enabled").and_then(|entry| boolean(&mut self.report, entry)).unwrap_or(true);
        let purpose = fields.get("purpose").and_then(|entry| self.purpose_word(entry));
        self.purpose = purpose;
        if let Some(Entry { value: Node { kind: Kind::Map(lines), .. }, .. }) = fields.get("vars") {
            self.seen.vars_later = lines.iter().map(|line| line.key.clone()).collect();
        }
        // The zone is needed to judge schedules, so it is read before them; the rest of the settings speaks of events.
        let settings = self.plain_settings(&fields);
        let triggers = self.when(&fields);
        let audience = self.audience(&fields);
        self.know_events(audience.as_ref());
        let contact = self.contact(&fields, audience.as_ref());
        let condition = fields.get("if").map_or(Condition::Always, |entry| self.condition(&entry.value));
        self.identity(settings.as_ref());
        self.note_identity(settings.as_ref());
        let vars = self.vars(&fields);
        let stop_when = self.stop_when(&fields, &contact);
        let steps = self.steps_of(&fields, "do", "");
        self.need_purpose(&fields);
        let can_run = self.report.errors() == 0 && !self.unusable && self.report.document.broken_at.is_none();
        let workflow = can_run.then(|| Workflow {
            id: id.to_owned(),
            name: name.unwrap_or_default(),
            description: description.unwrap_or_default(),
            enabled,
            purpose: purpose.unwrap_or(Purpose::Service),
            triggers,
            audience,
            contact,
            condition,
            vars,
            stop_when,
            settings: self.settings.clone(),
            steps,
        })?;
        self.spoken = self.spoken(&workflow, fields.get("when"));
        Some(workflow)
    }

    fn purpose_word(&mut self, entry: &Entry) -> Option<Purpose> {
        let purposes =
            [("marketing", Purpose::Marketing), ("utility", Purpose::Utility), ("service", Purpose::Service)];
        if let Kind::Scalar { text, .. } = &entry.value.kind
            && !purposes.iter().any(|(word, _)| word == text)
        {
            let names = purposes.map(|(word, _)| word);
            let meant = match text.to_lowercase().as_str() {
                "transactional" | "transaction" | "receipt" | "notification" => Some("utility"),
                "promotion" | "promotional" | "campaign" | "newsletter" => Some("marketing"),
                "support" => Some("service"),
                other => nearest(other, names.into_iter()),
            };
            let hint = match meant {
                Some(word) => format!("did you mean `{word}`?"),
                None => "write `utility` for a message about something the person did, \
                 `marketing` for an offer, `service` for an answer to what they wrote"
                    .to_owned(),
            };
            self.report.error("R205", &entry.value.span, format!("`purpose` cannot be `{text}`"), hint);
            return None;
        }
        choice(&mut self.report, entry, &purposes)
    }

    fn plain_settings(&mut self, fields: &Fields<'a>) -> Option<Fields<'a>> {
        let entry = fields.get("settings")?;
        let inner = Fields::open(&mut self.report, &entry.value, Some(entry), &SETTINGS)?;
        common_settings(&mut self.report, &inner, &mut self.settings);
        if let Some(entry) = inner.get("limit") {
            self.settings.limit = read_limits(&mut self.report, entry);
        }
        Some(inner)
    }

    /// `once_per` and `again`.
    fn identity(&mut self, settings: Option<&Fields<'a>>) {
        let Some(settings) = settings else { return };
        let once_per = settings.get("once_per");
        self.settings.once_per = once_per.and_then(|entry| self.question(&entry.value, Expected::Identity));
        let Some(entry) = settings.get("again") else { return };
        if once_per.is_none() && !settings.meant.contains(&"once_per") {
            let hint = "write `once_per:` with what identifies a run, such as `event.order_id`, or remove `again`";
            self.report.error("R204", &entry.key_span, "`again` needs `once_per`", hint);
        }
        let words =
            [("never", Again::Never), ("restart", Again::Restart), ("skip", Again::Skip), ("queue", Again::Queue)];
        self.settings.again = choice(&mut self.report, entry, &words).unwrap_or_default();
    }

    fn need_purpose(&mut self, fields: &Fields) {
        let Some(line) = self.starts_conversation else { return };
        if fields.get("purpose").is_none() && !fields.meant.contains(&"purpose") {
            let message = format!("`purpose` is missing: the message of line {line} can start a conversation");
            let hint = "write `purpose: marketing`, or `purpose: utility` for a message about something the person did";
            self.report.error("R203", &fields.place, message, hint);
        }
    }
}
