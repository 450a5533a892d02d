//! What stands before every endpoint: the list of calls, the token, the rate limit, and the faults of requests.
//!
//! Invariant: whether a request was taken never depends on whether its caller is told so, or is still there.

use super::super::faults::{Asked, Fault};
use super::super::{ASKED, Account, Call, Sandbox};
use super::{answer, error};
use crate::clock::Clock;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use serde_json::value::RawValue;
use std::time::Duration;

/// Longer bodies are refused unread.
const MOST_OF_A_BODY: usize = 2 * 1024 * 1024;

/// What an endpoint or a fault tells the list of calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Note {
    /// Id of the message that was taken.
    accepted: Option<String>,
    dropped: bool,
    rate_limited: bool,
}

impl Note {
    pub(super) fn accepted(uuid: String) -> Self {
        Self { accepted: Some(uuid), ..Self::default() }
    }
}

/// How a request fails on its way in.
enum Stop {
    Answer { status: u16, text: &'static str, retry_after: Option<String>, rate_limited: bool },
    HangUp,
}

/// A vendor goes on with what it has read when the caller is gone: the answer is lost, the message is not.
pub(super) async fn see_through(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    let answered = tokio::spawn(write_down(sandbox, request, next));
    answered.await.unwrap_or_else(|_| error(500, "internal error"))
}

async fn write_down(sandbox: Sandbox, request: Request, next: Next) -> Response {
    let at_ms = sandbox.0.clock.now_ms();
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let (parts, body) = request.into_parts();
    let raw = to_bytes(body, MOST_OF_A_BODY).await;
    let mut response = match (&raw, Asked::of(&parts.headers, &parts.uri)) {
        (Err(_), _) => error(413, "request entity too large"),
        (_, Err(words)) => answer(400, &json!({ "error": { "sandbox_fault": [words] } })),
        (Ok(raw), Ok(asked)) => {
            let request = Request::from_parts(parts, Body::from(raw.clone()));
            ASKED.scope(asked, pass(&sandbox, &path, request, next)).await
        }
    };
    let Note { accepted, dropped, rate_limited } = response.extensions_mut().remove::<Note>().unwrap_or_default();
    let status = if dropped { 0 } else { response.status().as_u16() };
    let body = raw.ok().filter(|_| accepted.is_none()).and_then(|raw| kept(&raw));
    let path = format!("/v1{path}");
    sandbox.calls_log().push(Call { at_ms, method, path, status, rate_limited, accepted, body });
    response
}

fn kept(raw: &Bytes) -> Option<Box<RawValue>> {
    serde_json::from_slice(raw).ok()
}

async fn pass(sandbox: &Sandbox, path: &str, request: Request, next: Next) -> Response {
    if !sandbox.is_authorised(request.headers()) {
        return error(401, "not authorized");
    }
    let (delay_ms, stop) = sandbox.with(|account, now_ms| (account.faults.delay_ms(path), account.stop(path, now_ms)));
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
    match stop {
        Some(Stop::HangUp) => hang_up(Note::default()),
        Some(Stop::Answer { status, text, retry_after, rate_limited }) => {
            let mut response = error(status, text);
            if let Some(value) = retry_after.and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response.extensions_mut().insert(Note { rate_limited, ..Note::default() });
            response
        }
        None => spoil(sandbox, path, next.run(request).await),
    }
}

/// The request is taken; whether the caller learns it is another matter.
fn spoil(sandbox: &Sandbox, path: &str, mut response: Response) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let (error_after, dropped) = sandbox.with(|account, _| {
        let error_after = account.faults.take_at(path, Fault::ErrorAfter);
        (error_after, !error_after && account.faults.take_at(path, Fault::DroppedAnswer))
    });
    let note = response.extensions_mut().remove::<Note>().unwrap_or_default();
    let mut response = match (error_after, dropped) {
        (true, _) => error(500, "internal error"),
        (_, true) => return hang_up(note),
        _ => response,
    };
    response.extensions_mut().insert(note);
    response
}

/// A response whose body fails at once: the server closes the connection before it flushed a single byte of it.
fn hang_up(note: Note) -> Response {
    let nothing = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("dropped"))]);
    let mut response = Response::new(Body::from_stream(nothing));
    response.extensions_mut().insert(Note { dropped: true, ..note });
    response
}

impl Sandbox {
    /// `Authorization: Bearer <token>`, the prefix once.
    fn is_authorised(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.0.config.token else { return true };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|given| given.strip_prefix("Bearer ")) == Some(token.expose())
    }
}

impl Account {
    /// Why the request under way gets no further, if it does not.
    fn stop(&mut self, path: &str, now_ms: i64) -> Option<Stop> {
        let refuse = |status, text| Some(Stop::Answer { status, text, retry_after: None, rate_limited: false });
        if !self.may_come(now_ms) {
            return Some(too_many(Some("1".into()), true));
        }
        let seconds = self.faults.settings.retry_after;
        let fault = Fault::ON_THE_WAY_IN.into_iter().find(|fault| self.faults.take_at(path, *fault))?;
        match fault {
            Fault::Unauthorised => refuse(401, "not authorized"),
            Fault::Forbidden => refuse(403, "forbidden"),
            Fault::TooMany => Some(too_many(Some(seconds.to_string()), false)),
            Fault::TooManyDate => Some(too_many(Some(http_date(seconds)), false)),
            Fault::TooManyBare => Some(too_many(None, false)),
            Fault::ErrorBefore => refuse(500, "internal error"),
            _ => Some(Stop::HangUp),
        }
    }
}

fn too_many(retry_after: Option<String>, rate_limited: bool) -> Stop {
    Stop::Answer { status: 429, text: "too many requests", retry_after, rate_limited }
}

/// So many seconds from now, by the machine's time: `Date` of the same answer is the machine's too.
fn http_date(seconds: u64) -> String {
    let at = Clock::machine(0).now_ms() / 1000 + i64::try_from(seconds).unwrap_or(0);
    let at = Timestamp::from_second(at).unwrap_or_default().to_zoned(TimeZone::UTC);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
