//! `when`: webhooks, schedules, messages.

use super::fields::{Fields, Shape};
use super::lowering::Lowering;
use super::report::Report;
use super::values::{choice, duration, scalar, word_list};
use super::words::{listed, suggestion};
use crate::condition::Condition;
use crate::trigger::message::{Content, Matcher, Pattern};
use crate::trigger::schedule::{Missed, Schedule};
use crate::trigger::{Trigger, TriggerKind};
use crate::workflow::Duration;
use crate::workflow::yaml::{Entry, Kind, Node};
use jiff::Timestamp;

/// Kinds of triggers that a workflow has.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    /// Names of the webhooks, in order.
    pub(super) webhooks: Vec<String>,
    pub(super) schedules: usize,
    pub(super) messages: usize,
    /// The one channel that messages come from, when the trigger names it.
    pub(super) channels: Vec<Option<String>>,
    /// A trigger that is refused: nothing is known of its events and contacts.
    pub(super) unknown: bool,
    /// Where the first webhook or schedule stands: there a contact is missed.
    pub(super) needs_contact: Option<std::ops::Range<usize>>,
    /// The first trigger that is no schedule.
    pub(super) no_schedule: bool,
}

const TRIGGER: Shape = Shape {
    what: "a trigger",
    keys: &["webhook", "schedule", "cron", "message", "if", "source", "missed", "catch_up", "channel"],
    later: &["message_status", "contact", "conversation", "of", "tag", "zone"],
    elsewhere: &[
        ("same", "`same` belongs in `stop_when`, where it compares two events"),
        ("once_per", "write it under `settings:`"),
        ("timezone", "write it under `settings:`"),
    ],
};
const KINDS: [&str; 4] = ["webhook", "schedule", "cron", "message"];
const LATER_KINDS: [&str; 3] = ["message_status", "contact", "conversation"];
const PATTERN: Shape = Shape {
    what: "`message`",
    keys: &["is", "starts_with", "contains", "matches", "has"],
    later: &[],
    elsewhere: &[],
};
/// An hour: instants older than this after downtime are skipped.
const CATCH_UP_MS: i64 = 3_600_000;

impl<'a> Lowering<'a> {
    pub(super) fn when(&mut self, fields: &Fields<'a>) -> Vec<Trigger> {
        let hint = "write what starts it, such as `when: { webhook: order.paid }`";
        let Some(entry) = fields.required(&mut self.report, "when", hint) else {
            self.triggers.unknown = true;
            return Vec::new();
        };
        let triggers: Vec<Trigger> = match &entry.value.kind {
            Kind::List(items) => items.iter().filter_map(|item| self.trigger(item, None)).collect(),
            _ => self.trigger(&entry.value, Some(entry)).into_iter().collect(),
        };
        if matches!(&entry.value.kind, Kind::List(items) if items.is_empty()) {
            self.report.error("R202", &entry.key_span, "`when` is empty", hint);
            self.triggers.unknown = true;
        }
        named_apart(triggers)
    }

    fn trigger(&mut self, node: &'a Node, holder: Option<&Entry>) -> Option<Trigger> {
        if let Kind::Scalar { text, .. } = &node.kind {
            let hint = format!("say what kind of trigger it is: `webhook: {text}`, `schedule: …` or `message: …`");
            self.report.error("R205", &node.span, "a trigger is a map", hint);
            self.triggers.unknown = true;
            return None;
        }
        let Some(fields) = Fields::open(&mut self.report, node, holder, &TRIGGER) else {
            self.triggers.unknown = true;
            return None;
        };
        let Some(key) = self.trigger_key(&fields) else {
            self.triggers.unknown = true;
            return None;
        };
        self.extra_keys(&fields, &key.key);
        let condition_entry = fields.get("if");
        let kind = match key.key.as_str() {
            "webhook" => self.webhook(key, &fields),
            "message" => self.message(key, &fields),
            _ => self.schedule(key, &fields),
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
        let mut keys = fields.entries.iter().filter(|entry| {
            KINDS.contains(&entry.key.as_str()) || LATER_KINDS.contains(&entry.key.as_str())
        });
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

    fn extra_keys(&mut self, fields: &Fields, key: &str) {
        let owners = [
            ("source", &["webhook"][..]),
            ("missed", &["schedule", "cron"]),
            ("catch_up", &["schedule", "cron"]),
            ("channel", &["message"]),
        ];
        for (extra, kinds) in owners {
            if let Some(entry) = fields.get(extra).filter(|_| !kinds.contains(&key)) {
                let message = format!("`{extra}` is not allowed beside `{key}`");
                self.report.error("R204", &entry.key_span, message, format!("it belongs to {}", listed(kinds)));
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
                false => format!("write `{meant}`: letters, digits and `_`, parts joined by full stops"),
            };
            self.report.error("R201", &key.value.span, format!("badly formed event name: `{event}`"), hint);
            return None;
        }
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

    fn schedule(&mut self, key: &Entry, fields: &Fields) -> Option<TriggerKind> {
        let missed = [("latest", Missed::Latest), ("all", Missed::All), ("skip", Missed::Skip)];
        let missed = fields.get("missed").and_then(|entry| choice(&mut self.report, entry, &missed));
        let catch_up = fields.get("catch_up").and_then(|entry| duration(&mut self.report, entry));
        self.triggers.schedules += 1;
        self.triggers.needs_contact.get_or_insert(key.key_span.clone());
        let text = scalar(&mut self.report, key, "a schedule such as `every monday at 10:00`")?;
        let parsed = match key.key.as_str() {
            "cron" => Schedule::parse_cron(text),
            _ => Schedule::parse_phrase(text),
        };
        match parsed {
            Err(sentence) => {
                self.unreadable_schedule(key, text, &sentence);
                None
            }
            Ok(schedule) => {
                self.check_schedule(key, &schedule);
                let catch_up_ms = catch_up.map_or(CATCH_UP_MS, elapsed_ms);
                Some(TriggerKind::Schedule { schedule, missed: missed.unwrap_or_default(), catch_up_ms })
            }
        }
    }

    pub(super) fn unreadable_schedule(&mut self, key: &Entry, text: &str, sentence: &str) {
        // What is wrong comes first, after a colon what may stand there; a colon in backticks is the author's own.
        let colon = sentence.match_indices(": ").find(|(at, _)| sentence[..*at].matches('`').count() % 2 == 0);
        let (message, hint) = match colon.map(|(at, _)| (&sentence[..at], &sentence[at + 2..])) {
            Some((message, hint)) if hint.starts_with('`') => (message.to_owned(), format!("write {hint}")),
            Some((message, hint)) => (message.to_owned(), hint.to_owned()),
            None => (format!("`{text}` cannot be read"), sentence.to_owned()),
        };
        self.report.error("R502", &key.value.span, message, hint);
    }

    /// Fires at all, and counts weekdays as everybody does.
    fn check_schedule(&mut self, key: &Entry, schedule: &Schedule) {
        let zone = &self.settings.timezone;
        let from = self.world.now_ms.and_then(|now| Timestamp::from_millisecond(now).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let next: Vec<Timestamp> = schedule.fires_after(from, zone).take(3).collect();
        if next.is_empty() {
            let message = format!("`{}` never fires", schedule.source());
            let hint = match from == Timestamp::UNIX_EPOCH {
                true => "no month has such a day: choose another one",
                false => "its day has passed, or does not exist: choose another one, or remove the workflow",
            };
            self.report.error("R502", &key.value.span, message, hint);
            return;
        }
        if schedule.has_weekday_numbers() {
            let span = weekday_field(&self.report, key);
            let names = weekday_names(self.report.document.written(&span));
            let mut hint = format!("write `{names}`");
            if self.world.now_ms.is_some() {
                let times = next.iter().map(|at| at.to_zoned(zone.clone()).strftime("%a %F %H:%M").to_string());
                hint = format!("{hint}; as it stands it fires next on {}", times.collect::<Vec<_>>().join(", "));
            }
            let message = "other tools number the weekdays otherwise: here 0 and 7 are Sunday, 1 is Monday";
            self.report.warn("R502", &span, message, hint);
        }
    }

    fn message(&mut self, key: &'a Entry, fields: &Fields) -> Option<TriggerKind> {
        self.triggers.no_schedule = true;
        self.triggers.messages += 1;
        let channel = fields.get("channel").and_then(|entry| self.channel_name(entry));
        self.triggers.channels.push(channel.clone());
        let matcher = match &key.value.kind {
            Kind::Scalar { text, .. } => match text.as_str() {
                "any" => Matcher::Any,
                "unmatched" => Matcher::Unmatched,
                _ => {
                    let hint = format!("write `message: {{ contains: [{text}] }}`, `message: any` or `message: unmatched`");
                    let message = format!("`message` cannot be `{text}`");
                    self.report.error("R205", &key.value.span, message, hint);
                    return None;
                }
            },
            _ => Matcher::Match(Box::new(self.pattern(key)?)),
        };
        Some(TriggerKind::Message { matcher, channel })
    }

    fn pattern(&mut self, key: &'a Entry) -> Option<Pattern> {
        let fields = Fields::open(&mut self.report, &key.value, Some(key), &PATTERN)?;
        if fields.entries.is_empty() {
            let hint = "write which messages: `message: { contains: [price] }`, or `message: any`";
            self.report.error("R202", &key.key_span, "`message` is empty", hint);
        }
        let mut words = |name: &str| fields.get(name).map(|entry| word_list(&mut self.report, entry)).unwrap_or_default();
        let (is, starts_with, contains) = (words("is"), words("starts_with"), words("contains"));
        let matches = fields.get("matches").and_then(|entry| self.regex(entry));
        let has = fields.get("has").map(|entry| self.contents(entry)).unwrap_or_default();
        Some(Pattern { is, starts_with, contains, matches, has })
    }

    fn regex(&mut self, entry: &Entry) -> Option<regex::Regex> {
        let text = scalar(&mut self.report, entry, "a regular expression")?;
        let built = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
        match built {
            Ok(regex) => Some(regex),
            Err(error) => {
                let told = error.to_string();
                let last = told.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let hint = format!("{last}; put a `\\` before a sign that is meant as itself");
                self.report.error("R205", &entry.value.span, "this regular expression cannot be read", hint);
                None
            }
        }
    }

    fn contents(&mut self, entry: &Entry) -> Vec<Content> {
        let known = [
            ("text", Content::Text),
            ("image", Content::Image),
            ("video", Content::Video),
            ("audio", Content::Audio),
            ("document", Content::Document),
            ("location", Content::Location),
            ("contact", Content::Contact),
        ];
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let words = word_list(&mut self.report, entry);
        let found = words.iter().filter_map(|word| {
            let content = known.iter().find(|(name, _)| name == word);
            if content.is_none() {
                let message = format!("`has` cannot be `{word}`");
                self.report.error("R205", &entry.value.span, message, suggestion(word, &names));
            }
            content.map(|(_, content)| *content)
        });
        found.collect()
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

    /// CSV of people: one run per row.
    pub(super) fn audience(&mut self, fields: &Fields<'a>) -> Option<String> {
        const AUDIENCE: Shape =
            Shape { what: "`audience`", keys: &["file"], later: &["tag", "all", "any"], elsewhere: &[] };
        let entry = fields.get("audience")?;
        if self.triggers.no_schedule {
            let hint = "remove it, or let `when` hold schedules only: only a schedule goes through a list of people";
            self.report.error("R204", &entry.key_span, "`audience` needs a schedule", hint);
        }
        let inner = Fields::open(&mut self.report, &entry.value, Some(entry), &AUDIENCE);
        let file = inner.as_ref().and_then(|inner| inner.get("file"));
        // Whoever is meant is unknown after a mistake here, and that was told.
        self.triggers.unknown |= file.is_none();
        let Some(file) = file else {
            if inner.is_some_and(|inner| !inner.refused) {
                let hint = "write `file: audiences/members.csv`";
                self.report.error("R202", &entry.key_span, "`audience` names no file", hint);
            }
            return None;
        };
        let path = scalar(&mut self.report, file, "a path such as `audiences/members.csv`")?;
        let inside = !path.starts_with('/') && !path.contains('\\') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !inside || !path.ends_with(".csv") {
            let hint = "write a CSV file below `workflows/`, such as `audiences/members.csv`";
            self.report.error("R205", &file.value.span, format!("`{path}` is not the path of an audience"), hint);
            self.triggers.unknown = true;
            return None;
        }
        Some(path.to_owned())
    }
}

pub(super) fn elapsed_ms(duration: Duration) -> i64 {
    i64::from(duration.days) * 86_400_000 + duration.ms
}

fn is_event_name(event: &str) -> bool {
    event.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
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
    };
    format!("{}:{value}", key.key)
}

/// Two equal triggers still have names of their own: `webhook:order.paid`, `webhook:order.paid#2`.
fn named_apart(mut triggers: Vec<Trigger>) -> Vec<Trigger> {
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

/// The fifth field of a cron line.
fn weekday_field(report: &Report, key: &Entry) -> std::ops::Range<usize> {
    let Kind::Scalar { text, .. } = &key.value.kind else { return key.value.span.clone() };
    let field = text.split_whitespace().nth(4).unwrap_or(text);
    let offset = text.rfind(field).unwrap_or(0);
    report.document.part_of(&key.value, offset, field.len())
}

/// `1-5` → `MON-FRI`; the digits of a step stay.
fn weekday_names(field: &str) -> String {
    const NAMES: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
    let mut names = String::new();
    let mut step = false;
    for c in field.chars() {
        step = (step || c == '/') && c != ',';
        match c.to_digit(10).filter(|_| !step).and_then(|digit| NAMES.get(digit as usize)) {
            Some(name) => names.push_str(name),
            None => names.push(c),
        }
    }
    names
}
