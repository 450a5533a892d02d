//! `http_request`: fills what is asked of another system. Pure; nothing is called from here.
//!
//! Invariant: a secret is a mark in what is planned, never its value.

use crate::call::{Body, HttpCall};
use crate::expr::{Hole, Scope, Text};
use crate::workflow::{HttpBody, HttpRequest, JsonText};
use serde_json::Value;

/// Headers that the call itself decides.
const RESERVED: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "proxy-authorization", "upgrade"];

/// Fills a step's request for the person of `scope`.
///
/// # Errors
/// The first [`Hole`] found.
pub fn plan(step: &HttpRequest, scope: &Scope) -> Result<HttpCall, Hole> {
    let call = HttpCall {
        method: step.method.clone(),
        url: step.url.render(scope)?.trim().to_owned(),
        headers: step.headers.iter().map(|(name, text)| header(name, text, scope)).collect::<Result<_, _>>()?,
        query: pairs(&step.query, scope)?,
        body: match &step.body {
            HttpBody::None => Body::None,
            HttpBody::Json(tree) => Body::Json(json(tree, scope)?),
            HttpBody::Form(form) => Body::Form(pairs(form, scope)?),
            HttpBody::Raw(text) => Body::Raw(text.render(scope)?),
        },
        timeout_ms: step.timeout_ms,
        expect: step.expect.clone(),
    };
    match call.host() {
        "" => Err(Hole("the address does not start with `https://` and a host".into())),
        _ => Ok(call),
    }
}

fn pairs(pairs: &[(String, Text)], scope: &Scope) -> Result<Vec<(String, String)>, Hole> {
    pairs.iter().map(|(name, text)| Ok((name.clone(), text.render(scope)?))).collect()
}

/// What an event says must not add a header, or end one early.
fn header(name: &str, text: &Text, scope: &Scope) -> Result<(String, String), Hole> {
    let value = text.render(scope)?.trim().to_owned();
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(Hole(format!("the header `{name}` cannot be written")));
    }
    match value.chars().any(char::is_control) {
        true => Err(Hole(format!("the header `{name}` would hold a line break or another control character"))),
        false => Ok((name.to_owned(), value)),
    }
}

fn json(tree: &JsonText, scope: &Scope) -> Result<Value, Hole> {
    Ok(match tree {
        JsonText::Text(text) => Value::String(text.render(scope)?),
        JsonText::Literal(value) => value.clone(),
        JsonText::List(items) => Value::Array(items.iter().map(|item| json(item, scope)).collect::<Result<_, _>>()?),
        JsonText::Map(fields) => {
            let field = |(name, value): &(String, JsonText)| Ok((name.clone(), json(value, scope)?));
            Value::Object(fields.iter().map(field).collect::<Result<_, _>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(source: &str) -> Text {
        Text::parse(source).unwrap()
    }

    fn planned(change: impl FnOnce(&mut HttpRequest), event: &Value) -> Result<HttpCall, String> {
        let mut step = HttpRequest {
            url: text("https://api.example.com/{{event.id}}"),
            method: "POST".into(),
            headers: Vec::new(),
            query: Vec::new(),
            body: HttpBody::None,
            timeout_ms: 10_000,
            expect: Vec::new(),
        };
        change(&mut step);
        let empty = json!({});
        let scope = Scope {
            event,
            contact: &empty,
            steps: &empty,
            vars: &empty,
            workflow: &empty,
            now_ms: 0,
            zone: &jiff::tz::TimeZone::UTC,
            language: "en",
        };
        plan(&step, &scope).map_err(|hole| hole.0)
    }

    #[test]
    fn a_body_is_built_as_values_whatever_an_event_says() {
        let event = json!({"id": 7, "name": "\", \"admin\": true, \"x\": \"", "q": "a&b=c"});
        let tree = JsonText::Map(vec![
            ("name".into(), JsonText::Text(text("{{event.name}}"))),
            ("list".into(), JsonText::List(vec![JsonText::Literal(json!(3)), JsonText::Literal(Value::Null)])),
        ]);
        let call = planned(|step| step.body = HttpBody::Json(tree), &event).unwrap();
        assert_eq!(call.url, "https://api.example.com/7");
        assert_eq!(call.body, Body::Json(json!({"name": event["name"], "list": [3, null]})));
        let call = planned(|step| step.query = vec![("q".into(), text("{{event.q}}"))], &event).unwrap();
        assert_eq!(call.query, [("q".to_owned(), "a&b=c".to_owned())]);
    }

    #[test]
    fn nothing_is_planned_with_a_hole_a_split_header_or_no_host() {
        let event = json!({"id": 7, "evil": "x\r\nHost: other"});
        let with = |name: &str, source: &str| planned(|step| step.headers = vec![(name.into(), text(source))], &event);
        assert!(with("A", "{{event.evil}}").unwrap_err().contains("line break"));
        assert!(with("A", "{{event.none}}").unwrap_err().contains("missing"));
        assert!(with("Host", "x").unwrap_err().contains("cannot be written"));
        assert_eq!(with("A", " b ").unwrap().headers, [("A".to_owned(), "b".to_owned())]);
        assert!(planned(|step| step.url = text("{{event.evil}}"), &event).is_err());
    }
}
