//! Questions and texts where they stand: parsed, placed in the file, and compared with what they can see.

use super::lowering::Lowering;
use super::seen::{Events, Reach, names, reach};
use super::words::{listed, nearest};
use crate::condition::Condition;
use crate::expr::{Comparison, Kind as Gives, Mistake, PathUse, Question, Text, Wants};
use crate::workflow::yaml::{Entry, Kind, Node, Style};
use serde_json::Value as Json;
use std::ops::Range;

/// What a question must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    YesNo,
    Time,
    /// Text, number or yes/no.
    Identity,
}

/// What becomes of a text's holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holes {
    /// The step fails.
    Fail,
    /// The field is unknown then, which is fair.
    Fair,
}

impl<'a> Lowering<'a> {
    /// A condition: one line, a list (= all), or a map with `all`, `any` or `none`.
    pub(super) fn condition(&mut self, node: &'a Node) -> Condition {
        match &node.kind {
            Kind::Scalar { .. } => {
                self.question(node, Expected::YesNo).map_or(Condition::Always, Condition::Question)
            }
            Kind::List(items) if !items.is_empty() => Condition::All(self.conditions(items)),
            Kind::Map(entries) => match &entries[..] {
                [entry] if matches!(entry.key.as_str(), "all" | "any" | "none") => {
                    let Kind::List(items) = &entry.value.kind else {
                        let hint = format!("write one question per line below `{}:`, each after `- `", entry.key);
                        self.report.error("R205", &entry.key_span, format!("`{}` takes a list", entry.key), hint);
                        return Condition::Always;
                    };
                    let conditions = self.conditions(items);
                    match entry.key.as_str() {
                        "all" => Condition::All(conditions),
                        "any" => Condition::Any(conditions),
                        _ => Condition::None(conditions),
                    }
                }
                entries => {
                    self.not_a_group(node, entries);
                    Condition::Always
                }
            },
            Kind::List(_) | Kind::Null => {
                let hint = "write a question such as `event.total > 0`, or remove the key";
                self.report.error("R202", &node.span, "the condition is empty", hint);
                Condition::Always
            }
        }
    }

    fn not_a_group(&mut self, node: &Node, entries: &[Entry]) {
        let unknown = entries.iter().find(|entry| !matches!(entry.key.as_str(), "all" | "any" | "none"));
        match (unknown, entries.get(1)) {
            (Some(entry), _) => {
                let hint = "write one line such as `event.total > 0`, a list of lines, or `all`, `any`, `none` with a list";
                let message = format!("unknown key in a condition: `{}`", entry.key);
                self.report.error("R201", &entry.key_span, message, hint);
            }
            (None, Some(second)) => {
                let hint = "put one into the list of the other: `all: [{ any: [ … ] }, { none: [ … ] }]`";
                let message = format!("a second group in the same condition: `{}`", second.key);
                self.report.error("R201", &second.key_span, message, hint);
            }
            (None, None) => {
                self.report.error("R202", &node.span, "the condition is empty", "write a question such as `event.total > 0`");
            }
        }
    }

    fn conditions(&mut self, items: &'a [Node]) -> Vec<Condition> {
        items.iter().map(|item| self.condition(item)).collect()
    }

    /// One CEL line.
    pub(super) fn question(&mut self, node: &Node, expected: Expected) -> Option<Question> {
        let Kind::Scalar { text, .. } = &node.kind else {
            let hint = "write one line such as `event.total > 0`, in quotes when it starts with a bracket";
            self.report.error("R205", &node.span, "a question is one line", hint);
            return None;
        };
        match Question::parse(text) {
            Err(mistakes) => {
                self.mistakes(node, mistakes);
                None
            }
            Ok(question) => {
                self.expect(node, &question, expected);
                for used in question.paths() {
                    self.check_path(node, &used, None);
                }
                for comparison in question.comparisons() {
                    self.check_comparison(node, &comparison);
                }
                Some(question)
            }
        }
    }

    fn expect(&mut self, node: &Node, question: &Question, expected: Expected) {
        let gives = question.result_kind();
        let (fits, wanted, hint) = match expected {
            Expected::YesNo => {
                (gives == Gives::Bool, "yes or no", "compare it with something: `event.total > 0`")
            }
            Expected::Time => {
                (matches!(gives, Gives::Time | Gives::Text), "a time", "name a field with a time: `event.starts_at`")
            }
            Expected::Identity => (
                matches!(gives, Gives::Text | Gives::Number | Gives::Bool),
                "a text or a number",
                "name a field that identifies what the run is about: `event.order_id`",
            ),
        };
        if !fits && gives != Gives::Unknown {
            let message = format!("this gives {}, and {wanted} is needed here", gives.shown());
            self.report.error("R310", &node.span, message, hint);
        }
    }

    /// A text to fill.
    pub(super) fn text(&mut self, node: &Node, holes: Holes) -> Option<Text> {
        let Kind::Scalar { text, style } = &node.kind else {
            self.not_a_text(node);
            return None;
        };
        // The last line break of a block is how YAML ends it, not a part of the message.
        let text = match style {
            Style::Literal | Style::Folded => text.trim_end_matches('\n'),
            _ => text.as_str(),
        };
        match Text::parse(text) {
            Err(mistakes) => {
                if let Some(rest) = without_mistakes(text, &mistakes) {
                    rest.paths().iter().for_each(|used| self.check_path(node, used, Some(holes)));
                }
                self.mistakes(node, mistakes);
                None
            }
            Ok(parsed) => {
                if is_bare_path(text) {
                    let hint = format!("write `\"{{{{{}}}}}\"` to fill it in", text.trim());
                    let told = (format!("this sends the words `{}` as they are", text.trim()), hint);
                    self.report.warn_in("R308", node, &node.span, told);
                }
                for used in parsed.paths() {
                    self.check_path(node, &used, Some(holes));
                }
                Some(parsed)
            }
        }
    }

    fn not_a_text(&mut self, node: &Node) {
        let written = self.report.document.written(&node.span).trim().to_owned();
        match &node.kind {
            Kind::Map(_) if written.starts_with('{') && !written.contains([':', '\n']) => {
                let inner: String = written.chars().filter(|c| !matches!(c, '{' | '}' | ' ')).collect();
                let hint = format!("write `\"{{{{{inner}}}}}\"`, with two braces and in quotes");
                self.report.error("R305", &node.span, "a field is named in two braces", hint);
            }
            Kind::Map(entries) => {
                let span = entries.first().map_or(&node.span, |entry| &entry.key_span);
                let hint = "put the text in quotes: `: ` inside makes YAML see a key";
                self.report.error("R104", span, "a text is needed here, and YAML sees a map", hint);
            }
            Kind::List(_) => {
                let hint = "write one text, in quotes when it starts with `[`";
                self.report.error("R205", &node.span, "a text is needed here, not a list", hint);
            }
            Kind::Null | Kind::Scalar { .. } => {
                self.report.error("R202", &node.span, "a text is missing here", "write it, or remove the key");
            }
        }
    }

    pub(super) fn mistakes(&mut self, node: &Node, mistakes: Vec<Mistake>) {
        for mistake in mistakes {
            let span = self.report.document.part_of(node, mistake.offset, mistake.len);
            self.report.error(mistake.code, &span, mistake.message, mistake.hint);
        }
    }

    /// Compares one path with what is known. `holes` is `None` in a question, where a missing field is null.
    fn check_path(&mut self, node: &Node, used: &PathUse, holes: Option<Holes>) {
        let span = self.report.document.part_of(node, used.offset, used.len);
        let strict = holes == Some(Holes::Fail) && !used.optional;
        match used.root.as_str() {
            "event" => self.check_event(node, used, &span, strict),
            "steps" => self.check_step(used, &span),
            "vars" => self.check_variable(used, &span),
            "contact" if strict && self.seen.contact_may_lack(used) => {
                let path = shown(used);
                let hint = format!("write `{{{{default {path} '…'}}}}`, or fill it in `contact:`");
                let told = (format!("`{path}` may be unknown, and nothing is sent then"), hint);
                self.report.warn_in("R309", node, &span, told);
            }
            _ => {}
        }
    }

    fn check_step(&mut self, used: &PathUse, span: &Range<usize>) {
        let Some(id) = used.fields.first() else { return };
        let Some(fields) = self.seen.steps.get(id) else {
            let ids: Vec<&str> = self.seen.steps.keys().map(String::as_str).collect();
            let hint = match nearest(id, ids.iter().copied()) {
                Some(near) => format!("did you mean `steps.{near}`?"),
                None if ids.is_empty() => "give a step above an `id`, and use that name".to_owned(),
                None => format!("the steps above with an `id` are {}", listed(&ids)),
            };
            self.report.error("R307", span, format!("no step before this one has the id `{id}`"), hint);
            return;
        };
        if let Some(field) = used.fields.get(1).filter(|field| !fields.contains(&field.as_str())) {
            let hint = match nearest(field, fields.iter().copied()) {
                Some(near) => format!("did you mean `steps.{id}.{near}`?"),
                None => format!("it leaves {}", listed(fields)),
            };
            self.report.error("R307", span, format!("the step `{id}` leaves no `{field}`"), hint);
        }
    }

    fn check_variable(&mut self, used: &PathUse, span: &Range<usize>) {
        let Some(name) = used.fields.first().filter(|name| !self.seen.vars.contains(*name)) else { return };
        if self.seen.vars_later.contains(name) {
            let message = format!("`vars.{name}` is computed only when the run starts, after this");
            self.report.error("R307", span, message, "use the event's own field here");
            return;
        }
        let known: Vec<&str> = self.seen.vars.iter().map(String::as_str).collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `vars.{near}`?"),
            None if known.is_empty() => format!("write it first: `vars: {{ {name}: … }}`"),
            None => format!("there is {}", listed(&known)),
        };
        self.report.error("R307", span, format!("there is no variable `{name}` here"), hint);
    }

    fn check_event(&mut self, node: &Node, used: &PathUse, span: &Range<usize>, strict: bool) {
        let events = std::mem::replace(&mut self.seen.events, Events::Silent);
        match &events {
            Events::Silent => {}
            Events::NoSample(name) => {
                let hint = format!("put one real example into {name}");
                let told = ("without a sample nobody can tell whether this field exists".to_owned(), hint);
                self.report.warn_in("R307", node, span, told);
                // Once for the whole workflow: the remedy is one file.
                return;
            }
            Events::Known(samples) => {
                let reached: Vec<_> =
                    samples.iter().map(|(name, sample)| (name.as_str(), reach(sample, &used.fields))).collect();
                let missing = |reach: &Reach| matches!(reach, Reach::Missing(..));
                if reached.iter().all(|(_, reach)| missing(reach)) {
                    self.missing_field(node, used, span, &reached);
                } else if strict {
                    self.possible_hole(node, used, span, &reached);
                }
            }
        }
        self.seen.events = events;
    }

    fn missing_field(&mut self, node: &Node, used: &PathUse, span: &Range<usize>, reached: &[(&str, Reach)]) {
        // The sample that got furthest says it best.
        let furthest = reached.iter().filter_map(|(name, reach)| match reach {
            Reach::Missing(value, index) => Some((*index, *name, *value)),
            _ => None,
        });
        let Some((index, sample, value)) = furthest.max_by_key(|(index, _, _)| *index) else { return };
        let field = &used.fields[index];
        let above = std::iter::once("event").chain(used.fields[..index].iter().map(String::as_str));
        let above = above.collect::<Vec<_>>().join(".");
        let names = names(value);
        let known: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let near = nearest(field, known.iter().copied());
        let message = match value {
            Json::Object(_) => format!("`{above}` has no `{field}` in {sample}"),
            Json::Array(_) => format!("`{above}` is a list in {sample}, so it has no `{field}`"),
            _ => format!("`{above}` has no fields in {sample}"),
        };
        let hint = match near {
            Some(near) => format!("did you mean `{above}.{near}`?"),
            None if matches!(value, Json::Array(_)) => format!("name an item: `{above}.0.{field}`"),
            None if known.is_empty() => "look at the sample, or bring it up to date".to_owned(),
            None if known.len() > 12 => format!("look at {sample}, or bring it up to date"),
            None if sample.starts_with("the columns") => format!("it has {}; or add the column", listed(&known)),
            None => format!("it has {}; or bring the sample up to date", listed(&known)),
        };
        match used.optional {
            // Somebody expects it to be absent at times; only a slip of the hand is worth a word.
            true if near.is_some() => self.report.warn_in("R307", node, span, (message, hint)),
            true => {}
            false => self.report.error("R307", span, message, hint),
        }
    }

    fn possible_hole(&mut self, node: &Node, used: &PathUse, span: &Range<usize>, reached: &[(&str, Reach)]) {
        let path = shown(used);
        let default = format!("write `{{{{default {path} '…'}}}}`, with what to say then");
        let fault = reached.iter().find_map(|(sample, reach)| {
            let (what, hint) = match reach {
                Reach::Missing(..) | Reach::Unknown => ("is missing", default.clone()),
                Reach::Value(Json::Null) => ("is null", default.clone()),
                Reach::Value(Json::String(text)) if text.trim().is_empty() => ("is empty", default.clone()),
                Reach::Value(Json::Array(_)) if used.wants == Wants::Scalar => {
                    ("is a list", format!("write `{{{{join {path} ', '}}}}`, or `{{{{#each {path}}}}} … {{{{/each}}}}`"))
                }
                Reach::Value(value @ Json::Object(_)) if used.wants != Wants::Any => {
                    let field = names(value).first().map_or("name".to_owned(), ToString::to_string);
                    ("is an object", format!("name one of its fields: `{path}.{field}`"))
                }
                Reach::Value(Json::String(_) | Json::Number(_) | Json::Bool(_)) if used.wants == Wants::List => {
                    ("is not a list", "name a list, or print the field itself".to_owned())
                }
                Reach::Value(_) => return None,
            };
            Some((format!("`{path}` {what} in {sample}, and nothing is sent then"), hint))
        });
        if let Some(told) = fault {
            self.report.warn_in("R309", node, span, told);
        }
    }

    /// Text compared with a number, by what the samples hold.
    fn check_comparison(&mut self, node: &Node, comparison: &Comparison) {
        let Events::Known(samples) = &self.seen.events else { return };
        if comparison.path.root != "event" {
            return;
        }
        let found = samples.iter().find_map(|(name, sample)| match reach(sample, &comparison.path.fields) {
            Reach::Value(value @ (Json::String(_) | Json::Number(_))) => Some((name, value)),
            _ => None,
        });
        let path = shown(&comparison.path);
        let operator = comparison.operator;
        let (message, hint) = match (found, &comparison.literal) {
            (Some((name, Json::String(_))), Json::Number(number)) => (
                format!("`{path}` is a text in {name}, and a text never equals a number"),
                format!("write `number({path}) {operator} {number}`"),
            ),
            (Some((name, Json::Number(_))), Json::String(text)) => (
                format!("`{path}` is a number in {name}, and a number never equals a text"),
                match text.parse::<f64>() {
                    Ok(_) => format!("write `{path} {operator} {text}`, without quotes"),
                    Err(_) => "compare it with a number".to_owned(),
                },
            ),
            _ => return,
        };
        let span = self.report.document.part_of(node, comparison.path.offset, comparison.path.len);
        self.report.error("R303", &span, message, hint);
    }
}

/// The text with its faulty braces blanked out, so that the fields of the others are checked as well.
fn without_mistakes(text: &str, mistakes: &[Mistake]) -> Option<Text> {
    let mut rest = text.to_owned();
    for mistake in mistakes {
        let end = (mistake.offset + mistake.len).min(text.len());
        let open = text.get(..end)?.rfind("{{")?.min(mistake.offset);
        let close = end.max(open + 2);
        let close = text.get(close..)?.find("}}").map_or(close, |at| close + at + 2);
        let close = if text.get(..close)?.get(open..)?.ends_with("}}") { close } else { end };
        rest.replace_range(open..close, &" ".repeat(close - open));
    }
    Text::parse(&rest).ok()
}

fn shown(used: &PathUse) -> String {
    std::iter::once(used.root.as_str()).chain(used.fields.iter().map(String::as_str)).collect::<Vec<_>>().join(".")
}

/// The whole text is `event.total`: braces were forgotten.
pub(super) fn is_bare_path(text: &str) -> bool {
    let mut parts = text.trim().split('.');
    let root = parts.next().is_some_and(|root| matches!(root, "event" | "contact" | "steps" | "vars" | "workflow"));
    let mut fields = 0;
    let formed = parts.all(|part| {
        fields += 1;
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    });
    root && formed && fields > 0
}
