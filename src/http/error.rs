//! Refusals: what is wrong with a request and the way out, mapped once to a status.
//!
//! Invariant: a refusal holds no secret, and nothing of a request but the names that its sender needs to mend it.

use crate::trigger::webhook;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::borrow::Cow;

/// A request that is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    /// What is wrong.
    pub error: Cow<'static, str>,
    /// What to do about it.
    pub hint: Cow<'static, str>,
    /// Seconds after which the same request may be served.
    pub retry_after_s: Option<u32>,
}

impl Refusal {
    pub fn new(status: StatusCode, error: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { status, error: error.into(), hint: hint.into(), retry_after_s: None }
    }

    /// 400.
    pub fn unreadable(error: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// 401.
    pub fn unauthenticated(error: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error, hint)
    }

    pub(super) fn not_found() -> Self {
        let hint = "webhooks are posted to `/hooks/<source>/<event>` and `/callbell/<secret>`, the API is below `/api`";
        Self::new(StatusCode::NOT_FOUND, "nothing is at this address", hint)
    }

    pub(super) fn method_not_allowed() -> Self {
        let hint = "events and orders are sent with POST, what there is is asked with GET";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method", hint)
    }

    /// 503: too much waits, or the store did not take it. Nothing was kept.
    pub(super) fn busy(retry_after_s: u32) -> Self {
        let hint = "nothing was kept: send the same again after the seconds of `Retry-After`";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too much is waiting, or there is no room", hint)
            .retry_after(retry_after_s)
    }

    /// 500: what the store said goes to the log, not to the caller.
    pub(super) fn store(error: &anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "the store could not be read");
        let hint = "the server's log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the database did not answer", hint)
    }

    /// The same, to be tried again after so many seconds.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.error, "hint": self.hint }))).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<webhook::Refusal> for Refusal {
    fn from(refusal: webhook::Refusal) -> Self {
        use webhook::Refusal as Said;
        let (status, hint) = match refusal {
            Said::Unreadable(_) => (StatusCode::BAD_REQUEST, "send one JSON object per event, at most 64 levels deep"),
            Said::Unauthenticated(_) => {
                (StatusCode::UNAUTHORIZED, "`sources` in relance.yaml says how this source proves who it is")
            }
            Said::UnknownSource(_) => (StatusCode::NOT_FOUND, "the name is compared exactly, capitals included"),
            Said::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "send what a message needs, and leave out the rest"),
            Said::Unsupported(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "send plain JSON, `Content-Type: application/json`")
            }
        };
        Self::new(status, refusal.message().to_owned(), hint)
    }
}
