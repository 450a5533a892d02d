//! Systems: the other systems that a project calls with `http_request`, as a test describes them. In this process.
//!
//! Invariant: a call that nothing describes is remembered as such, and answered 501, which no workflow takes for done.

use crate::connector::transport::Transport;
use crate::workflow::test_file::HttpReply;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A body beyond this is not looked at.
const MOST_OF_A_BODY: usize = 1024 * 1024;

/// One call that the project made.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    pub method: String,
    /// With its query.
    pub url: String,
    /// When it is JSON.
    pub json: Option<Value>,
    /// What it was answered; `None` = nothing describes it.
    pub answered: Option<u16>,
}

/// All of them. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Systems(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    replies: Vec<HttpReply>,
    /// How often each was used.
    used: Vec<usize>,
    calls: Vec<Called>,
}

impl Systems {
    /// From now on they answer so, and were never called.
    pub(super) fn set(&self, replies: Vec<HttpReply>) {
        let used = vec![0; replies.len()];
        *self.inner() = Inner { replies, used, calls: Vec::new() };
    }

    pub(super) fn transport(&self) -> Transport {
        Transport::here(Router::new().fallback(answer).with_state(self.clone()))
    }

    /// Every call so far, oldest first.
    pub(super) fn calls(&self) -> Vec<Called> {
        self.inner().calls.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn answer(&mut self, method: String, url: String, body: &[u8]) -> u16 {
        let fits = |reply: &HttpReply| reply.method == method && reply.address.is_match(&url);
        let found = self.replies.iter().position(fits);
        let answered = found.map(|index| {
            let statuses = &self.replies[index].statuses;
            let status = statuses[self.used[index].min(statuses.len() - 1)];
            self.used[index] += 1;
            status
        });
        let json = serde_json::from_slice(body).ok();
        self.calls.push(Called { method, url, json, answered });
        answered.unwrap_or(StatusCode::NOT_IMPLEMENTED.as_u16())
    }
}

async fn answer(State(systems): State<Systems>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_OF_A_BODY).await.unwrap_or_else(|_| Bytes::new());
    let status = systems.inner().answer(parts.method.to_string(), parts.uri.to_string(), &body);
    StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_IMPLEMENTED)
}
