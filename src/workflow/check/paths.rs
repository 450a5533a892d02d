//! Paths of questions and texts, compared with what they can see: samples, steps before, variables, the contact.

use super::expression::Holes;
use super::lowering::Lowering;
use super::seen::{Events, Reach, names, reach};
use super::words::{listed, nearest};
use crate::expr::{Comparison, PathUse, Wants};
use crate::workflow::yaml::{Kind, Node};
use serde_json::Value as Json;
use std::ops::Range;

/// A field that samples lack.
pub(super) struct Lacking {
    pub(super) message: String,
    pub(super) hint: String,
    /// The hint names the field that was meant.
    pub(super) near: bool,
}

impl<'a> Lowering<'a> {
    /// Compares one path with what is known. `holes` is `None` in a question, where a missing field is null.
    pub(super) fn check_path(&mut self, node: &Node, used: &PathUse, holes: Option<Holes>) {
        let span = self.report.document.part_of(node, used.offset, used.len);
        let strict = holes == Some(Holes::Fail) && !used.optional;
        match used.root.as_str() {
            "event" => self.check_event(node, used, &span, strict),
            "steps" => self.check_step(used, &span),
            "vars" => self.check_variable(used, &span),
            "secret" => self.check_secret(used, &span),
            "contact" if strict && self.seen.contact_may_lack(used) => {
                let path = used.shown();
                let hint = format!("write `{{{{default {path} '…'}}}}`, or fill it in `contact:`");
                let told = (format!("`{path}` may be unknown, and the message would not be sent"), hint);
                self.report.warn_in("R309", node, &span, told);
            }
            _ => {}
        }
    }

    fn check_step(&mut self, used: &PathUse, span: &Range<usize>) {
        let Some(id) = used.fields.first() else { return };
        let Some(fields) = self.seen.steps.get(id) else {
            if let Some((message, hint)) = self.not_passed(id, span) {
                self.report.error("R307", span, message, hint);
                return;
            }
            let (before, above) = if self.seen.anywhere { ("", "") } else { (" before this one", " above") };
            let ids: Vec<&str> = self.seen.steps.keys().map(String::as_str).collect();
            let hint = match nearest(id, ids.iter().copied()) {
                Some(near) => format!("did you mean `steps.{near}`?"),
                None if ids.is_empty() => format!("give a step{above} an `id`, and use that name"),
                None => format!("the steps{above} with an `id` are {}", listed(&ids)),
            };
            self.report.error("R307", span, format!("no step{before} has the id `{id}`"), hint);
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
        let Some(Lacking { message, hint, near }) = self.lacking(used, reached) else { return };
        match used.optional {
            // Somebody expects it to be absent at times; only a slip of the hand is worth a word.
            true if near => self.report.warn_in("R307", node, span, (message, hint)),
            true => {}
            false => self.report.error("R307", span, message, hint),
        }
    }

    /// What is said of a field that these samples lack.
    pub(super) fn lacking(&self, used: &PathUse, reached: &[(&str, Reach)]) -> Option<Lacking> {
        // The sample that got furthest says it best.
        let furthest = reached.iter().filter_map(|(name, reach)| match reach {
            Reach::Missing(value, index) => Some((*index, *name, *value)),
            _ => None,
        });
        let (index, sample, value) = furthest.max_by_key(|(index, _, _)| *index)?;
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
            // What the account tells has no file that could be old.
            None if sample.starts_with("a ") => format!("it has {}", listed(&known)),
            None if known.len() > 12 => format!("look at {sample}, or bring it up to date"),
            None if sample.starts_with("the columns") => format!("it has {}; or add the column", listed(&known)),
            None => format!("it has {}; or bring the sample up to date", listed(&known)),
        };
        Some(Lacking { message, hint, near: near.is_some() })
    }

    fn possible_hole(&mut self, node: &Node, used: &PathUse, span: &Range<usize>, reached: &[(&str, Reach)]) {
        let path = used.shown();
        let default = format!("write `{{{{default {path} '…'}}}}`, with what the person reads then");
        let fault = reached.iter().find_map(|(sample, reach)| {
            let (what, hint) = match reach {
                Reach::Missing(..) | Reach::Unknown => ("is missing", default.clone()),
                Reach::Value(Json::Null) => ("is empty", default.clone()),
                Reach::Value(Json::String(text)) if text.trim().is_empty() => ("is empty", default.clone()),
                Reach::Value(Json::Array(items)) if used.wants == Wants::Scalar => {
                    ("is a list", of_items(&path, items))
                }
                Reach::Value(value @ Json::Object(_)) if used.wants != Wants::Any => {
                    let field = names(value).first().map_or("name".to_owned(), ToString::to_string);
                    ("holds several fields", format!("name one of its fields: `{path}.{field}`"))
                }
                Reach::Value(Json::String(_) | Json::Number(_) | Json::Bool(_)) if used.wants == Wants::List => {
                    ("is not a list", "name a list, or print the field itself".to_owned())
                }
                Reach::Value(_) => return None,
            };
            Some((format!("`{path}` {what} in {sample}, and the message would not be sent"), hint))
        });
        if let Some(told) = fault {
            self.report.warn_in("R309", node, span, told);
        }
    }

    /// Text compared with a number, by what the samples hold.
    pub(super) fn check_comparison(&mut self, node: &Node, comparison: &Comparison) {
        let Events::Known(samples) = &self.seen.events else { return };
        if comparison.path.root != "event" {
            return;
        }
        let found = samples.iter().find_map(|(name, sample)| match reach(sample, &comparison.path.fields) {
            Reach::Value(value @ (Json::String(_) | Json::Number(_))) => Some((name, value)),
            _ => None,
        });
        let path = comparison.path.shown();
        let operator = comparison.operator;
        let asked = |subject: &str, literal: &str| match operator {
            "in" => format!("{subject} in [{literal}, …]"),
            _ => format!("{subject} {operator} {literal}"),
        };
        let (message, hint, instead) = match (found, &comparison.literal) {
            (Some((name, Json::String(held))), Json::Number(number)) => {
                let message = format!("`{path}` is a text in {name}, and a text never equals a number");
                if held.trim().parse::<f64>().is_ok() {
                    let subject = format!("number({path})");
                    let hint = format!("write `{}`", asked(&subject, &number.to_string()));
                    (message, hint, Some((comparison.path.offset, comparison.path.len, subject)))
                } else if matches!(operator, "==" | "!=" | "in") {
                    let hint = format!("write `{}`, in quotes", asked(&path, &format!("\"{number}\"")));
                    (message, hint, in_quotes(node, comparison, &number.to_string()))
                } else {
                    (message, "compare a field that holds a number".to_owned(), None)
                }
            }
            (Some((name, Json::Number(_))), Json::String(text)) => (
                format!("`{path}` is a number in {name}, and a number never equals a text"),
                match text.parse::<f64>() {
                    Ok(_) => format!("write `{}`, without quotes", asked(&path, text)),
                    Err(_) => "compare it with a number".to_owned(),
                },
                without_quotes(node, comparison, text),
            ),
            _ => return,
        };
        let span = self.report.document.part_of(node, comparison.path.offset, comparison.path.len);
        self.report.error("R303", &span, message, hint);
        let fix = instead.and_then(|(offset, len, with)| self.report.document.replace(node, offset, len, &with));
        self.report.fix(fix);
    }
}

/// How a list is told in a text, by what its items are.
fn of_items(path: &str, items: &[Json]) -> String {
    match items.first() {
        Some(item @ Json::Object(_)) => {
            let field = names(item).first().map_or("name".to_owned(), ToString::to_string);
            format!("write what stands for each item: `{{{{#each {path}}}}}{{{{this.{field}}}}} {{{{/each}}}}`")
        }
        _ => format!("write `{{{{join {path} ', '}}}}`, or `{{{{#each {path}}}}}{{{{this}}}} {{{{/each}}}}`"),
    }
}

/// The number that a text is compared with, where it follows the path, and the text it should be.
fn in_quotes(node: &Node, comparison: &Comparison, number: &str) -> Option<(usize, usize, String)> {
    let Kind::Scalar { text: source, .. } = &node.kind else { return None };
    let after = comparison.path.offset + comparison.path.len;
    let rest = source.get(after..)?;
    let at = rest.find(number).filter(|at| rest[..*at].trim() == comparison.operator)?;
    let ends = !rest[at + number.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
    ends.then(|| (after + at, number.len(), format!("\"{number}\"")))
}

/// The text that a number is compared with, where it follows the path, and the number it holds.
fn without_quotes(node: &Node, comparison: &Comparison, text: &str) -> Option<(usize, usize, String)> {
    let Kind::Scalar { text: source, .. } = &node.kind else { return None };
    text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    let after = comparison.path.offset + comparison.path.len;
    let rest = source.get(after..)?;
    let literal = ['"', '\''].into_iter().find_map(|quote| {
        let written = format!("{quote}{text}{quote}");
        let between = rest.find(&written).filter(|at| rest[..*at].trim() == comparison.operator)?;
        Some((after + between, written.len()))
    });
    literal.map(|(offset, len)| (offset, len, text.to_owned()))
}
