//! Body: JSON of bounded depth, and the CloudEvent or Standard Webhook it may be wrapped in.
//!
//! Invariant: what comes out as data is a JSON object.

use super::Refusal;
use crate::config::{Signature, Source};
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// Lists and objects within each other.
const MOST_DEPTH: usize = 64;

/// What a body tells.
pub(super) struct Told {
    /// What `event` will be; `None` = the whole body.
    pub(super) data: Option<Value>,
    /// The body's own `type`.
    pub(super) name: Option<String>,
    /// When it happened, as written.
    pub(super) time: Option<String>,
    /// `source` and `id` of a CloudEvent: together they name an event once and for all.
    pub(super) cloud_id: Option<(String, String)>,
}

/// Reads the bytes as one JSON object.
pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let foreign = media_type.starts_with("multipart/") || media_type.ends_with("xml");
    if foreign || media_type == "application/x-www-form-urlencoded" {
        return Err(Refusal::Unsupported(format!("the body is `{media_type}`: send JSON")));
    }
    if media_type == "application/cloudevents-batch+json" {
        return Err(Refusal::Unsupported("several CloudEvents in one request: send one request per event".into()));
    }
    object(json(body)?, "the body")
}

/// Takes the wrapping off: a CloudEvent (in the body or in `ce-` headers), or `{type, data}` of a Standard Webhook.
pub(super) fn unwrap(source: &Source, headers: &HeaderMap, body: &Value) -> Result<Told, Refusal> {
    if let Some(told) = cloud_event_in_headers(headers) {
        return Ok(told);
    }
    if let Some(told) = cloud_event_in_body(body) {
        return told;
    }
    let name = text(body, "type");
    let wrapped = source.signature == Signature::StandardWebhooks && name.is_some();
    Ok(match body.get("data") {
        Some(data @ Value::Object(_)) if wrapped => {
            Told { data: Some(data.clone()), name, time: text(body, "timestamp"), cloud_id: None }
        }
        _ => Told { data: None, name, time: None, cloud_id: None },
    })
}

fn cloud_event_in_headers(headers: &HeaderMap) -> Option<Told> {
    let attribute = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    attribute("ce-specversion")?;
    let (id, source, name) = (attribute("ce-id")?, attribute("ce-source")?, attribute("ce-type")?);
    Some(Told { data: None, name: Some(name), time: attribute("ce-time"), cloud_id: Some((source, id)) })
}

fn cloud_event_in_body(body: &Value) -> Option<Result<Told, Refusal>> {
    text(body, "specversion")?;
    let (id, source, name) = (text(body, "id")?, text(body, "source")?, text(body, "type")?);
    let told =
        |data| Told { data: Some(data), name: Some(name), time: text(body, "time"), cloud_id: Some((source, id)) };
    Some(cloud_data(body).and_then(|data| object(data, "`data`")).map(told))
}

fn cloud_data(body: &Value) -> Result<Value, Refusal> {
    match (body.get("data"), text(body, "data_base64")) {
        (None | Some(Value::Null), Some(encoded)) => match BASE64_STANDARD.decode(encoded) {
            Ok(bytes) => json(&bytes),
            Err(_) => Err(Refusal::Unreadable("`data_base64` is no base64".into())),
        },
        (None | Some(Value::Null), None) => Ok(Value::Object(Map::new())),
        (Some(data), _) => Ok(data.clone()),
    }
}

fn json(bytes: &[u8]) -> Result<Value, Refusal> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::Unreadable("the body is empty: send a JSON object".into()));
    }
    if is_too_deep(bytes) {
        return Err(Refusal::Unreadable(format!("lists and objects are nested more than {MOST_DEPTH} deep")));
    }
    serde_json::from_slice(bytes).map_err(|error| Refusal::Unreadable(format!("the body is no JSON: {error}")))
}

/// Counted on the bytes, before the parser follows them down.
fn is_too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_DEPTH {
            return true;
        }
    }
    false
}

fn object(value: Value, what: &str) -> Result<Value, Refusal> {
    let kind = match &value {
        Value::Object(_) => return Ok(value),
        Value::Array(_) => "a list: send one request per event",
        Value::String(_) => "a text: send a JSON object",
        Value::Number(_) => "a number: send a JSON object",
        Value::Bool(_) | Value::Null => "no object: send a JSON object",
    };
    Err(Refusal::Unreadable(format!("{what} is {kind}")))
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}
