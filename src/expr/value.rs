//! Values: what an expression handles. JSON of the scope is borrowed, never copied.
//!
//! Invariant: [`Value::Json`] holds a list or an object; everything smaller has its own variant.

use super::number::Number;
use jiff::Timestamp;
use serde_json::Value as Json;
use std::borrow::Cow;

#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Time(Timestamp),
    /// A list or an object of the scope.
    Json(&'a Json),
    /// A list made by the expression.
    List(Vec<Value<'a>>),
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(answer) => Self::Bool(*answer),
            Json::Number(number) => Number::from_json(number).map_or(Self::Null, Self::Number),
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(_) | Json::Object(_) => Self::Json(json),
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// What it is, for a sentence: `event.total is text, not a number`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "yes or no",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Time(_) => "a time",
            Self::Json(Json::Object(_)) => "an object",
            Self::Json(_) | Self::List(_) => "a list",
        }
    }

    /// Instants are ISO 8601 text in UTC, so that the same instant is the same identity in every zone.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(answer) => Json::Bool(*answer),
            Self::Number(number) => number.to_json(),
            Self::Text(text) => Json::String(text.to_string()),
            Self::Time(at) => Json::String(at.to_string()),
            Self::Json(json) => (*json).clone(),
            Self::List(items) => Json::Array(items.iter().map(Value::to_json).collect()),
        }
    }

    /// As a text prints it; `None` for nothing, lists and objects.
    pub(super) fn printed(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Bool(answer) => Some(Cow::Borrowed(if *answer { "true" } else { "false" })),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Text(text) => Some(text.clone()),
            Self::Time(at) => Some(Cow::Owned(at.to_string())),
            Self::Null | Self::Json(_) | Self::List(_) => None,
        }
    }

    pub(super) fn items(&self) -> Option<Items<'_, 'a>> {
        match self {
            Self::Json(Json::Array(items)) => Some(Items::Json(items.iter())),
            Self::List(items) => Some(Items::Made(items.iter())),
            _ => None,
        }
    }

    /// Equality of CEL: another kind is another value, numbers are one kind, lists and objects are compared by what they hold.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.compare(*b).is_eq(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Json(Json::Object(a)), Self::Json(Json::Object(b))) => {
                let same_field = |(key, value)| b.get(key).is_some_and(|other| Value::from(value).same(&other.into()));
                a.len() == b.len() && a.iter().all(same_field)
            }
            _ => match (self.items(), other.items()) {
                (Some(a), Some(b)) => a.len() == b.len() && a.zip(b).all(|(a, b)| a.same(&b)),
                _ => false,
            },
        }
    }
}

/// The items of a list, wherever it came from.
pub(super) enum Items<'v, 'a> {
    Json(std::slice::Iter<'a, Json>),
    Made(std::slice::Iter<'v, Value<'a>>),
}

impl<'a> Iterator for Items<'_, 'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match self {
            Self::Json(items) => items.next().map(Value::from),
            Self::Made(items) => items.next().cloned(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Json(items) => items.size_hint(),
            Self::Made(items) => items.size_hint(),
        }
    }
}

impl ExactSizeIterator for Items<'_, '_> {}
