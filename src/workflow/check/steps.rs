//! Steps: one action each, with their places in the tree, and what later steps can see of them.

use super::expression::{Expected, Holes};
use super::fields::{Fields, Shape};
use super::heard::Heard;
use super::lowering::Lowering;
use super::values::{check_name, choice, duration, integer, plain_text, scalar, waiting};
use super::words::listed;
use crate::condition::Condition;
use crate::trigger::schedule::Schedule;
use crate::workflow::yaml::{Entry, Kind, Node};
use crate::workflow::{Action, Case, IfPast, Shift, Step, Wait};

const STEP: Shape = Shape {
    what: "a step",
    keys: &[
        "send_message",
        "wait",
        "wait_for_reply",
        "branch",
        "http_request",
        "update_contact",
        "set",
        "stop",
        "id",
        "name",
        "if",
        "retry",
    ],
    later: &["use", "start_workflow", "on_error"],
    elsewhere: &[
        ("text", "write it under `send_message:`"),
        ("template", "write it under `send_message:`"),
        ("values", "write it under `send_message:`"),
        ("media", "write it under `send_message:`"),
        ("cases", "write it under `branch:`"),
        ("until", "write it under `wait:`"),
        ("expires", "write it under `send_message:` or `settings:`"),
        ("replies", "write it under `wait_for_reply:`"),
        ("no_reply", "write it under `wait_for_reply:`"),
        ("url", "write it under `http_request:`"),
        ("add_tags", "write it under `update_contact:`"),
        ("timezone", "write it under `settings:`"),
    ],
};
pub(super) const ACTIONS: [&str; 8] =
    ["send_message", "wait", "wait_for_reply", "branch", "http_request", "update_contact", "set", "stop"];
const LATER_ACTIONS: [&str; 2] = ["use", "start_workflow"];
const WAIT: Shape = Shape {
    what: "`wait`",
    keys: &["until", "before", "after", "if_past", "next"],
    later: &[],
    elsewhere: &[("for", "a plain pause is `wait: 2h`")],
};
const BRANCH: Shape = Shape {
    what: "`branch`",
    keys: &["cases", "otherwise"],
    later: &[],
    elsewhere: &[
        ("if", "write it in a case: `cases: [{ if: …, do: […] }]`"),
        ("do", "write it in a case: `cases: [{ if: …, do: […] }]`"),
    ],
};
const CASE: Shape = Shape { what: "a case", keys: &["if", "do"], later: &[], elsewhere: &[] };

/// What a step leaves for later ones (`language.md` §9.1).
pub(super) fn leaves(action: &str) -> &'static [&'static str] {
    match action {
        "send_message" => &["outcome", "reason", "form", "message_id", "status", "sent_at"],
        "wait_for_reply" => &["outcome", "text", "choice", "received_at"],
        "http_request" => &["outcome", "status", "headers", "body"],
        "branch" => &["outcome", "choice"],
        _ => &["outcome"],
    }
}

impl<'a> Lowering<'a> {
    /// The list of steps of a key that must be there; `list` is its address.
    pub(super) fn steps_of(&mut self, fields: &Fields<'a>, key: &'static str, list: &str) -> Vec<Step> {
        let hint = format!("write the steps below `{key}:`, each after `- `");
        let Some(entry) = fields.required(&mut self.report, key, &hint) else { return Vec::new() };
        self.step_list(entry, list)
    }

    pub(super) fn step_list(&mut self, entry: &'a Entry, list: &str) -> Vec<Step> {
        let hint = format!("write the steps below `{}:`, each after `- `", entry.key);
        match &entry.value.kind {
            Kind::List(items) if !items.is_empty() => {
                let prefix = if list.is_empty() { String::new() } else { format!("{list}.") };
                items.iter().enumerate().filter_map(|(at, item)| self.step(item, format!("{prefix}{at}"))).collect()
            }
            Kind::List(_) | Kind::Null => {
                self.report.error("R202", &entry.key_span, format!("`{}` has no steps", entry.key), hint);
                Vec::new()
            }
            _ => {
                let span = match &entry.value.kind {
                    Kind::Map(lines) => lines.first().map_or(&entry.value.span, |line| &line.key_span),
                    _ => &entry.value.span,
                };
                self.report.error("R205", span, format!("`{}` must be a list of steps", entry.key), hint);
                Vec::new()
            }
        }
    }

    fn step(&mut self, node: &'a Node, path: String) -> Option<Step> {
        if let Kind::Scalar { text, .. } = &node.kind {
            let hint = format!("write an action with its value, such as `{}: …`", text.trim_end_matches(':'));
            self.report.error("R205", &node.span, "a step is a map with one action", hint);
            return None;
        }
        self.after_the_end(node);
        let fields = Fields::open(&mut self.report, node, None, &STEP)?;
        let condition = fields.get("if").map_or(Condition::Always, |entry| self.condition(&entry.value));
        let name = fields.get("name").and_then(|entry| plain_text(&mut self.report, entry));
        let retry = fields.get("retry").and_then(|entry| integer(&mut self.report, entry, 0..=20));
        let id = fields.get("id").and_then(|entry| self.step_id(entry));
        let key = self.action_key(&fields)?;
        if let Some(id) = id.as_ref().filter(|_| key.key == "wait_for_reply") {
            // What was answered is known to the steps inside.
            self.seen.steps.insert(id.clone(), leaves(&key.key));
        }
        let before = self.heard.clone();
        let action = self.action(key, &path);
        if let Some(id) = &id {
            self.seen.steps.insert(id.clone(), leaves(&key.key));
        }
        if !matches!(condition, Condition::Always) {
            self.heard = before.or(std::mem::take(&mut self.heard));
        }
        Some(Step { path, id, name, condition, retry, action: action? })
    }

    fn step_id(&mut self, entry: &Entry) -> Option<String> {
        let id = scalar(&mut self.report, entry, "a name such as `receipt`")?;
        check_name(&mut self.report, &entry.value.span, "step id", id);
        let (line, _) = self.report.document.place(entry.value.span.start);
        if let Some(first) = self.ids.get(id) {
            let message = format!("two steps have the id `{id}`: the other one is at line {first}");
            self.report.error("R202", &entry.value.span, message, "give this one a name of its own");
        }
        self.ids.entry(id.to_owned()).or_insert(line);
        Some(id.to_owned())
    }

    /// The one key that says what the step does.
    fn action_key(&mut self, fields: &Fields<'a>) -> Option<&'a Entry> {
        let is_action = |entry: &&Entry| {
            let key = entry.key.as_str();
            ACTIONS.contains(&key) || LATER_ACTIONS.contains(&key)
        };
        let mut keys = fields.entries.iter().filter(is_action);
        let first = keys.next();
        if let Some(second) = keys.next() {
            let message = format!("a second action in the same step: `{}`", second.key);
            let hint = "start a step of its own with `- `; steps run one after the other";
            self.report.error("R201", &second.key_span, message, hint);
        }
        if first.is_none() && !fields.refused {
            let hint = format!("write one of {}", listed(&ACTIONS));
            self.report.error("R202", &fields.place, "the step has no action", hint);
        }
        first.filter(|entry| ACTIONS.contains(&entry.key.as_str()))
    }

    fn action(&mut self, key: &'a Entry, path: &str) -> Option<Action> {
        match key.key.as_str() {
            "send_message" => self.send_message(key).map(|message| Action::SendMessage(Box::new(message))),
            "wait" => {
                let wait = self.wait(key);
                self.heard.silence();
                if let Some(wait) = &wait {
                    self.long_wait(key, wait);
                }
                wait.map(Action::Wait)
            }
            "wait_for_reply" => self.wait_for_reply(key, path).map(|question| Action::WaitForReply(Box::new(question))),
            "http_request" => self.http_request(key).map(|request| Action::HttpRequest(Box::new(request))),
            "update_contact" => self.update_contact(key).map(|update| Action::UpdateContact(Box::new(update))),
            "branch" => self.branch(key, path),
            "set" => Some(Action::Set(self.assignments(key))),
            _ => self.stop(key),
        }
    }

    fn stop(&mut self, key: &'a Entry) -> Option<Action> {
        self.heard = Heard::Ended;
        if matches!(key.value.kind, Kind::Null) {
            self.report.error(
                "R202",
                &key.key_span,
                "`stop` has no value",
                "write why the run ends: `stop: too small an order`",
            );
            return None;
        }
        self.text(&key.value, Holes::Fail).map(Action::Stop)
    }

    fn wait(&mut self, key: &'a Entry) -> Option<Wait> {
        if let Kind::Scalar { text, .. } = &key.value.kind {
            if Schedule::parse_next(text).is_ok() {
                let hint = format!("write `wait: {{ next: {text} }}`");
                self.report.error("R205", &key.value.span, format!("`{text}` is not a duration"), hint);
                return None;
            }
            return waiting(&mut self.report, key).map(Wait::For);
        }
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &WAIT)?;
        match (fields.get("until"), fields.get("next")) {
            (Some(until), None) => self.wait_until(until, &fields),
            (None, Some(next)) => self.wait_next(next, &fields),
            (Some(_), Some(next)) => {
                let hint = "keep the one that is meant";
                self.report.error("R204", &next.key_span, "`next` is not allowed beside `until`", hint);
                None
            }
            (None, None) => {
                if !fields.refused {
                    let hint =
                        "write `wait: 2h`, `wait: { until: event.starts_at }` or `wait: { next: monday at 09:00 }`";
                    self.report.error("R202", &key.key_span, "`wait` does not say how long", hint);
                }
                None
            }
        }
    }

    fn wait_until(&mut self, until: &'a Entry, fields: &Fields<'a>) -> Option<Wait> {
        let time = self.question(&until.value, Expected::Time);
        let shift = match (fields.get("before"), fields.get("after")) {
            (Some(_), Some(after)) => {
                let hint = "keep the one that is meant";
                self.report.error("R204", &after.key_span, "`after` is not allowed beside `before`", hint);
                None
            }
            (Some(entry), None) => duration(&mut self.report, entry).map(Shift::Before),
            (None, Some(entry)) => duration(&mut self.report, entry).map(Shift::After),
            (None, None) => Some(Shift::None),
        };
        let words = [("stop", IfPast::Stop), ("continue", IfPast::Continue)];
        let if_past = match fields.get("if_past") {
            Some(entry) => choice(&mut self.report, entry, &words),
            None => Some(IfPast::default()),
        };
        Some(Wait::Until { time: time?, shift: shift?, if_past: if_past? })
    }

    fn wait_next(&mut self, next: &'a Entry, fields: &Fields<'a>) -> Option<Wait> {
        for entry in ["before", "after", "if_past"].iter().filter_map(|key| fields.get(key)) {
            let message = format!("`{}` is not allowed beside `next`", entry.key);
            self.report.error("R204", &entry.key_span, message, "remove it: it belongs to `until`");
        }
        let text = scalar(&mut self.report, next, "a day with a time, such as `monday at 09:00`")?;
        match Schedule::parse_next(text) {
            Ok(schedule) => Some(Wait::Next(schedule)),
            Err(sentence) => {
                self.unreadable_schedule(next, text, &sentence);
                None
            }
        }
    }

    fn branch(&mut self, key: &'a Entry, path: &str) -> Option<Action> {
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &BRANCH)?;
        let hint = "write `cases:` with a list of `{ if: …, do: […] }`";
        let cases = fields.required(&mut self.report, "cases", hint);
        let mut ways = self.ways();
        let mut lowered = Vec::new();
        let items: &[Node] = match cases.map(|entry| (entry, &entry.value.kind)) {
            Some((_, Kind::List(items))) if !items.is_empty() => items,
            Some((entry, _)) => {
                self.report.error("R202", &entry.key_span, "`cases` must be a list that is not empty", hint);
                &[]
            }
            None => &[],
        };
        for (at, item) in items.iter().enumerate() {
            self.after_always(&lowered, items, item);
            lowered.extend(self.case(item, &format!("{path}.cases.{at}.do")));
            ways.end(self);
        }
        let otherwise = fields.get("otherwise").map(|entry| self.step_list(entry, &format!("{path}.otherwise")));
        ways.end(self);
        ways.meet(self);
        Some(Action::Branch { cases: lowered, otherwise: otherwise.unwrap_or_default() })
    }

    fn case(&mut self, item: &'a Node, list: &str) -> Option<Case> {
        let fields = Fields::open(&mut self.report, item, None, &CASE)?;
        let hint = "write `if:` with a question; what happens when none says yes stands under `otherwise:`";
        let condition = fields.required(&mut self.report, "if", hint);
        let condition = condition.map(|entry| self.condition(&entry.value));
        let steps = self.steps_of(&fields, "do", list);
        Some(Case { condition: condition?, steps })
    }
}
