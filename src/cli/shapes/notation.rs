//! How a shape is written down: small words that make JSON Schema, draft-07. Pure.
//!
//! Invariant: an object takes keys it does not name, because fields are added without a new version.

use serde_json::{Map, Value, json};

/// The schema of a value.
#[derive(Debug, Clone)]
pub(super) struct Shape(Value);

pub(super) fn text() -> Shape {
    Shape(json!({ "type": "string" }))
}

/// An instant, `2026-03-02T11:00:00Z`.
pub(super) fn instant() -> Shape {
    text().about("ISO 8601")
}

pub(super) fn whole() -> Shape {
    Shape(json!({ "type": "integer" }))
}

pub(super) fn flag() -> Shape {
    Shape(json!({ "type": "boolean" }))
}

pub(super) fn anything() -> Shape {
    Shape(json!({}))
}

pub(super) fn list(of: Shape) -> Shape {
    Shape(json!({ "type": "array", "items": of.0 }))
}

/// An object whose keys are data.
pub(super) fn map(of: Shape) -> Shape {
    Shape(json!({ "type": "object", "additionalProperties": of.0 }))
}

/// An object. A name with a `?` at its end may be missing; every other one is always there.
pub(super) fn object(fields: impl IntoIterator<Item = (&'static str, Shape)>) -> Shape {
    Shape(json!({ "type": "object", "properties": {}, "required": [] })).and(fields)
}

/// What a command prints: an object that carries the version of its shape.
pub(super) fn document(version: u32, fields: impl IntoIterator<Item = (&'static str, Shape)>) -> Shape {
    object([("version", Shape(json!({ "const": version })))]).and(fields)
}

/// One or the other.
pub(super) fn either(shapes: impl IntoIterator<Item = Shape>) -> Shape {
    let shapes: Vec<Value> = shapes.into_iter().map(|one| one.0).collect();
    Shape(json!({ "anyOf": shapes }))
}

impl Shape {
    pub(super) fn about(mut self, words: &str) -> Self {
        self.0["description"] = words.into();
        self
    }

    pub(super) fn or_null(self) -> Self {
        either([self, Self(json!({ "type": "null" }))])
    }

    /// An object of which only these keys are told.
    pub(super) fn open(mut self) -> Self {
        self.0["additionalProperties"] = true.into();
        self
    }

    /// An object with more fields.
    pub(super) fn and(mut self, fields: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        for (name, shape) in fields {
            let bare = name.trim_end_matches('?');
            self.0["properties"][bare] = shape.0;
            if let Some(required) = self.0["required"].as_array_mut().filter(|_| bare == name) {
                required.push(bare.into());
            }
        }
        self
    }

    /// The whole schema.
    pub(super) fn schema(self, title: &str, about: &str) -> Value {
        let mut schema = Map::new();
        schema.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        schema.insert("title".into(), title.into());
        schema.insert("description".into(), about.into());
        if let Value::Object(shape) = self.0 {
            schema.extend(shape);
        }
        Value::Object(schema)
    }
}
