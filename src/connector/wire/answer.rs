//! What the answer to a send proves (`semantics.md` §7.4).
//!
//! Pure. Invariant: `NotSent` is said only when the vendor cannot have taken the message; in doubt, `Uncertain`.

use crate::delivery::Outcome;
use jiff::Timestamp;
use serde_json::Value;

/// How long the vendor may tell us to wait.
const LONGEST_WAIT_MS: i64 = 3_600_000;
/// How much of an answer is kept for people to read.
const KEPT_BYTES: usize = 500;

/// An answer as it arrived: a complete head, and as much of the body as came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    pub status: u16,
    /// Header `Retry-After`: seconds, or a date.
    pub retry_after: Option<&'a str>,
    /// Header `Date`: what a date in `Retry-After` is counted from.
    pub date: Option<&'a str>,
    pub body: &'a [u8],
    /// Whether the body came whole.
    pub complete: bool,
}

/// The outcome of a call that was answered.
pub fn classify(answer: &Answer) -> Outcome {
    let status = answer.status;
    match status {
        200..=299 => accepted(answer),
        408 | 500.. => Outcome::Uncertain { status: Some(status), error: error_text(answer) },
        _ if !answer.complete => Outcome::Uncertain { status: Some(status), error: "the answer was cut".into() },
        425 | 429 => Outcome::NotSent {
            error: error_text(answer),
            status: Some(status),
            retry_after_ms: wait_ms(answer.retry_after, answer.date),
        },
        300..=499 => {
            let code = json(answer.body).and_then(|body| find_code(&body).0);
            Outcome::Refused { status, code, error: error_text(answer) }
        }
        _ => Outcome::Uncertain { status: Some(status), error: "not the status of an answer".into() },
    }
}

/// A 2xx head is acceptance, whatever became of the body.
fn accepted(answer: &Answer) -> Outcome {
    let body = json(answer.body).unwrap_or(Value::Null);
    let message = &body["message"];
    let contact = match &message["contact"] {
        Value::Array(list) => list.first().unwrap_or(&Value::Null),
        other => other,
    };
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let (message_uuid, contact_uuid) = (text(&message["uuid"]), text(&contact["uuid"]));
    Outcome::Accepted { status: answer.status, message_uuid, contact_uuid }
}

/// A WhatsApp or provider code, and the words beside it, in any of the shapes the vendor relays (reference §1.3,
/// §9.3). Also reads the payload of a failed status.
pub fn find_code(value: &Value) -> (Option<i64>, Option<String>) {
    let places = [
        &value["payload"],
        &value["messaging"]["value"]["statuses"],
        &value["value"]["statuses"],
        &value["statuses"],
        &value["errors"],
        &value["error"],
        value,
    ];
    let objects: Vec<&Value> = places.into_iter().flat_map(candidates).collect();
    let found = objects.iter().find_map(|object| number(&object["code"]).map(|code| (code, words(object))));
    match found {
        Some((code, Some(text))) => (Some(code), Some(text)),
        other => (other.map(|(code, _)| code), objects.iter().find_map(|object| words(object))),
    }
}

/// The objects that may hold a code at one place: itself, its items, and the `errors` of each.
fn candidates(place: &Value) -> Vec<&Value> {
    let items: Vec<&Value> = match place {
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    };
    let nested = items.iter().filter_map(|item| item["errors"].as_array()).flatten();
    nested.chain(items.iter().copied()).collect()
}

fn words(place: &Value) -> Option<String> {
    let details = &place["error_data"]["details"];
    let plain = ["reason", "message", "error", "description", "title"].map(|key| &place[key]);
    std::iter::once(details)
        .chain(plain)
        .chain(std::iter::once(place).filter(|place| place.is_string()))
        .find_map(|value| value.as_str().filter(|text| !text.trim().is_empty()).map(|text| cut(text, 300)))
}

/// A code: a number, or a string of digits.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The vendor's words: `{"error": text}`, `{"error": {field: [text]}}`, or the beginning of whatever came.
fn error_text(answer: &Answer) -> String {
    let head = format!("status {}", answer.status);
    let Some(body) = json(answer.body) else {
        let text = String::from_utf8_lossy(answer.body);
        let text = cut(text.trim(), KEPT_BYTES);
        return if text.is_empty() { head } else { text };
    };
    let said = [&body["error"], &body["errors"], &body["message"]].into_iter().find(|value| !value.is_null());
    let text = said.map_or_else(|| body.to_string(), flatten);
    if text.is_empty() { head } else { cut(&text, KEPT_BYTES) }
}

/// `{"metadata":["must be string"]}` → `metadata: must be string`.
fn flatten(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flatten).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key}: {}", flatten(value))).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// At most `bytes` bytes, never in the middle of a character.
fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

/// `Retry-After` in milliseconds, at most one hour. A date counts from the answer's own `Date`, so that two clocks never
/// matter; `None` when it cannot be read.
pub fn wait_ms(retry_after: Option<&str>, date: Option<&str>) -> Option<i64> {
    let text = retry_after?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let known = seconds.is_finite() && seconds >= 0.0;
        #[expect(clippy::cast_possible_truncation, reason = "a bounded number of milliseconds")]
        return known.then(|| (seconds * 1000.0).ceil().min(LONGEST_WAIT_MS as f64) as i64);
    }
    let wait = http_date(text)?.as_millisecond() - http_date(date?)?.as_millisecond();
    Some(wait.clamp(0, LONGEST_WAIT_MS))
}

/// Unix milliseconds of a header `Date`; `None` when it cannot be read.
pub fn read_http_date(text: &str) -> Option<i64> {
    http_date(text).map(Timestamp::as_millisecond)
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer<'_> {
        Answer { status, body: body.as_bytes(), complete: true, ..Answer::default() }
    }

    fn refused(status: u16, code: Option<i64>, error: &str) -> Outcome {
        Outcome::Refused { status, code, error: error.into() }
    }

    fn uncertain(status: u16, error: &str) -> Outcome {
        Outcome::Uncertain { status: Some(status), error: error.into() }
    }

    #[test]
    fn any_2xx_head_is_acceptance_even_when_the_body_cannot_be_read() {
        let whole = r#"{"message":{"uuid":"m1","status":"enqueued","contact":[{"uuid":"c1"}]}}"#;
        let uuids = |m: Option<&str>, c: Option<&str>, status| Outcome::Accepted {
            status,
            message_uuid: m.map(Into::into),
            contact_uuid: c.map(Into::into),
        };
        assert_eq!(classify(&answer(200, whole)), uuids(Some("m1"), Some("c1"), 200));
        assert_eq!(classify(&answer(201, r#"{"message":{"uuid":"m1"}}"#)), uuids(Some("m1"), None, 201));
        for body in ["", "{", "<html>", "[]", r#"{"message":"ok"}"#, r#"{"message":{"uuid":7}}"#] {
            assert_eq!(classify(&answer(204, body)), uuids(None, None, 204), "{body}");
        }
        let cut = Answer { complete: false, ..answer(200, r#"{"message":{"uu"#) };
        assert_eq!(classify(&cut), uuids(None, None, 200));
    }

    #[test]
    fn both_error_shapes_are_read_and_kept_short() {
        let cases = [
            (401, r#"{"error":"not authorized"}"#, None, "not authorized"),
            (400, r#"{"error":{"metadata":["must be string"]}}"#, None, "metadata: must be string"),
            (
                400,
                r#"{"error":{"to":["is invalid","is short"],"type":["is unknown"]}}"#,
                None,
                "to: is invalid, is short; type: is unknown",
            ),
            (422, r#"{"errors":["a","b"]}"#, None, "a, b"),
            (422, r#"{"error":{"code":131047,"message":"closed"}}"#, Some(131_047), "code: 131047; message: closed"),
            (422, r#"{"errors":[{"code":"470"}]}"#, Some(470), "code: 470"),
            (400, r#"{"code":1004,"reason":"no opt-in"}"#, Some(1004), r#"{"code":1004,"reason":"no opt-in"}"#),
            (404, "<h1>gone</h1>", None, "<h1>gone</h1>"),
            (302, "", None, "status 302"),
        ];
        for (status, body, code, error) in cases {
            assert_eq!(classify(&answer(status, body)), refused(status, code, error), "{body}");
        }
        let long = "é".repeat(400);
        let Outcome::Refused { error, .. } = classify(&answer(400, &long)) else { panic!("refused") };
        assert_eq!(error, "é".repeat(250));
    }

    #[test]
    fn a_timeout_or_trouble_at_the_server_proves_nothing() {
        for status in [408, 500, 502, 503, 599, 999, 100, 0] {
            assert!(matches!(classify(&answer(status, "")), Outcome::Uncertain { .. }), "{status}");
        }
        assert_eq!(classify(&answer(500, r#"{"error":"internal error"}"#)), uncertain(500, "internal error"));
        let cut = Answer { complete: false, ..answer(422, r#"{"err"#) };
        assert_eq!(classify(&cut), uncertain(422, "the answer was cut"));
    }

    #[test]
    fn slow_down_is_not_sent_and_names_the_wait() {
        let now = Some("Sun, 06 Nov 1994 08:49:00 GMT");
        let cases = [
            (None, None),
            (Some("3"), Some(3000)),
            (Some(" 0.5 "), Some(500)),
            (Some("86400"), Some(3_600_000)),
            (Some("-1"), None),
            (Some("soon"), None),
            (Some("NaN"), None),
            (Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37_000)),
            (Some("Sun, 06 Nov 1994 08:48:00 GMT"), Some(0)),
            (Some("Mon, 07 Nov 1994 08:48:00 GMT"), Some(3_600_000)),
        ];
        for (retry_after, wait) in cases {
            for status in [425, 429] {
                let given = Answer { retry_after, date: now, ..answer(status, r#"{"error":"too many requests"}"#) };
                let error = "too many requests".to_owned();
                let expected = Outcome::NotSent { error, status: Some(status), retry_after_ms: wait };
                assert_eq!(classify(&given), expected, "{retry_after:?}");
            }
        }
    }
}
