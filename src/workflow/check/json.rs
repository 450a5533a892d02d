//! `json`: a tree whose texts are filled. Numbers, yes/no and null stay what they are.

use super::expression::Holes;
use super::lowering::Lowering;
use crate::workflow::JsonText;
use crate::workflow::yaml::{Entry, Kind, Node, Style};
use serde_json::Value;

impl<'a> Lowering<'a> {
    pub(super) fn json(&mut self, node: &'a Node) -> Option<JsonText> {
        match &node.kind {
            Kind::Null => Some(JsonText::Literal(Value::Null)),
            Kind::Scalar { text, style: Style::Plain } => match literal(text) {
                Some(value) => Some(JsonText::Literal(value)),
                None => self.text(node, Holes::Fail).map(JsonText::Text),
            },
            Kind::Scalar { .. } => self.text(node, Holes::Fail).map(JsonText::Text),
            Kind::List(items) => {
                let items: Vec<Option<JsonText>> = items.iter().map(|item| self.json(item)).collect();
                items.into_iter().collect::<Option<_>>().map(JsonText::List)
            }
            Kind::Map(lines) => {
                let mut fields = Vec::new();
                for line in lines {
                    self.name_of("json", line);
                    fields.push(self.json(&line.value).map(|value| (line.key.clone(), value)));
                }
                fields.into_iter().collect::<Option<_>>().map(JsonText::Map)
            }
        }
    }

    /// A name is sent as it is written, whatever stands in it.
    pub(super) fn name_of(&mut self, holder: &str, line: &Entry) {
        if line.key.contains("{{") {
            let hint = "write the name out; what is filled in stands after it";
            self.report.error("R205", &line.key_span, format!("a name of `{holder}` is not filled in"), hint);
        }
    }
}

/// A number, `true`, `false` or `null` without quotes; `007` and `+34…` stay text.
pub(super) fn literal(text: &str) -> Option<Value> {
    serde_json::from_str(text)
        .ok()
        .filter(|value: &Value| !value.is_array() && !value.is_object() && !value.is_string())
}
