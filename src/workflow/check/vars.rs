//! `vars` and `set`: names with texts or numbers.

use super::expression::Holes;
use super::fields::Fields;
use super::json::literal;
use super::lowering::Lowering;
use super::project::named;
use super::report::Report;
use super::values::{check_name, scalar};
use crate::workflow::Value;
use crate::workflow::yaml::{Entry, Kind, Style};
use serde_json::{Map, Number, Value as Json};

/// The project's: texts without placeholders, and numbers.
pub(super) fn read_literals(report: &mut Report, entry: &Entry) -> Map<String, Json> {
    let mut vars = Map::new();
    for line in named(report, entry, "shop_name: Zapatos") {
        check_name(report, &line.key_span, "variable name", &line.key);
        let Some(text) = scalar(report, line, "a text or a number") else { continue };
        if text.contains("{{") {
            let hint = "write it in the `vars` of the workflows that need it";
            report.error("R204", &line.value.span, "the project's `vars` hold fixed values only", hint);
        }
        let value = number(line).map_or_else(|| Json::String(text.to_owned()), Json::Number);
        vars.insert(line.key.clone(), value);
    }
    vars
}

/// A number as written, when it is one: `007` and `+34…` stay text.
fn number(line: &Entry) -> Option<Number> {
    match &line.value.kind {
        Kind::Scalar { text, style: Style::Plain } => match literal(text)? {
            Json::Number(number) => Some(number),
            _ => None,
        },
        _ => None,
    }
}

impl<'a> Lowering<'a> {
    /// The workflow's, in order: a later one sees the earlier ones.
    pub(super) fn vars(&mut self, fields: &Fields<'a>) -> Vec<(String, Value)> {
        self.seen.vars_later.clear();
        fields.get("vars").map(|entry| self.assignments(entry)).unwrap_or_default()
    }

    /// `name: value` lines; each name can be seen from then on.
    pub(super) fn assignments(&mut self, entry: &'a Entry) -> Vec<(String, Value)> {
        let mut values = Vec::new();
        for line in named(&mut self.report, entry, "total: \"{{money event.total 'EUR'}}\"") {
            check_name(&mut self.report, &line.key_span, "variable name", &line.key);
            let value = match number(line) {
                Some(number) => Some(Value::Number(number)),
                None if matches!(line.value.kind, Kind::Null) => {
                    let message = format!("`{}` has no value", line.key);
                    self.report.error("R202", &line.key_span, message, "write a text or a number after it");
                    None
                }
                None => self.text(&line.value, Holes::Fail).map(Value::Text),
            };
            self.seen.vars.insert(line.key.clone());
            values.extend(value.map(|value| (line.key.clone(), value)));
        }
        values
    }
}
