//! Answers in the vendor's shape (reference §1.3): `error` is a sentence, or an object of fields with lists of sentences.
//!
//! Invariant: what the caller reads tells nothing of relance's own credentials, nor of the store.

use crate::connector::{self, request};
use crate::http::error::Refusal;
use crate::http::mask::masked;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An answer, of ours or of the account.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    retry_after: Option<String>,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, body: body.to_string().into_bytes(), retry_after: None }
    }

    /// 204, without a body.
    pub(super) fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Vec::new(), retry_after: None }
    }

    /// `{"error":"…"}`.
    pub(super) fn error(status: u16, text: &str) -> Self {
        request::Refusal::plain(status, text).into()
    }

    /// `{"error":{"<field>":["…"]}}`.
    pub(super) fn faulty(status: u16, field: &str, text: &str) -> Self {
        request::Refusal::field(status, field, text).into()
    }

    /// The same without people's numbers; what is no JSON is left out.
    pub(super) fn masked(self) -> Self {
        let body = serde_json::from_slice(&self.body).map(|body| masked(body).to_string().into_bytes());
        Self { body: body.unwrap_or_default(), ..self }
    }

    pub(super) fn not_found() -> Self {
        Self::error(404, "not found")
    }

    /// 429, to be asked again after so many seconds.
    pub(super) fn slow_down(after_s: u64) -> Self {
        Self { retry_after: Some(after_s.max(1).to_string()), ..Self::error(429, "too many requests") }
    }

    /// 503: nothing was kept, the same may be sent again.
    pub(super) fn busy(after_s: u32) -> Self {
        Self { retry_after: Some(after_s.to_string()), ..Self::error(503, "too much is waiting: send the same again") }
    }

    /// 500: what the store said goes to the log.
    pub(super) fn store(error: &anyhow::Error) -> Self {
        Refusal::store(error).into()
    }
}

impl From<request::Refusal> for Answer {
    fn from(refusal: request::Refusal) -> Self {
        Self::json(refusal.status, &refusal.body)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let text = match refusal.status {
            StatusCode::UNAUTHORIZED => "not authorized",
            StatusCode::NOT_FOUND => "not found",
            StatusCode::TOO_MANY_REQUESTS => "too many requests",
            StatusCode::INTERNAL_SERVER_ERROR => "internal error",
            _ => &refusal.error,
        };
        let body = json!({ "error": text });
        Self { retry_after: refusal.retry_after_s.map(|s| s.to_string()), ..Self::json(refusal.status.as_u16(), &body) }
    }
}

impl From<connector::Reply> for Answer {
    fn from(reply: connector::Reply) -> Self {
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
        Self { status, body: reply.body, retry_after: reply.retry_after }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        if let Some(after) = self.retry_after.and_then(|after| HeaderValue::try_from(after).ok()) {
            headers.insert(header::RETRY_AFTER, after);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_answer_keeps_its_status_and_holds_no_number() {
        let contact = json!({ "uuid": "c", "phoneNumber": "34600000001" });
        let payload = json!({ "destination": "34600000001", "reason": "no +34600000001" });
        let told =
            json!({ "message": { "uuid": "m", "contact": contact, "messageStatusPayload": { "payload": payload } } });
        let shown = Answer::json(404, &told).masked();
        let text = String::from_utf8(shown.body).unwrap();
        assert!(!text.contains("000001") && text.contains("\"uuid\":\"m\""), "{text}");
        assert_eq!(shown.status, 404);
        assert!(Answer { body: b"call 34600000001".to_vec(), ..Answer::not_found() }.masked().body.is_empty());
    }
}
