//! Limits: how much of a request is read, and for how long (`semantics.md` §4.1, step 2).
//!
//! Invariant: no request holds more memory than [`webhook::MOST_BODY_BYTES`], nor a connection longer than it may.

use super::Inner;
use super::error::Refusal;
use super::room::{Place, Room, Sender};
use crate::trigger::webhook;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use std::time::Duration;

/// Of a body that is too large, so much is still read and thrown away, that the sender gets to read the answer.
const MOST_DISCARDED: usize = 8 * 1024 * 1024;
const MOST_DISCARDING: Duration = Duration::from_secs(2);

/// What the server bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until all headers are there; also how long a connection may idle between requests.
    pub header_read: Duration,
    /// Until the whole body is there.
    pub body_read: Duration,
    /// How long open requests may take when the server stops.
    pub drain: Duration,
    /// Connections at the same time; further ones wait to be accepted.
    pub connections: usize,
    /// Connections at the same time from one address, but for loopback and the load balancers.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(5),
            body_read: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            connections: 512,
            connections_per_address: 128,
        }
    }
}

/// Reads a body whole, when headers, size and room allow.
///
/// # Errors
/// 413, 415, 408, 503; 400 when the sender broke off.
pub(super) async fn read_body(parts: &Parts, body: Body, app: &Inner, sender: Sender) -> Result<Bytes, Refusal> {
    let limits = &app.limits;
    check_headers(&parts.headers)?;
    let mut stream = body.into_data_stream();
    let mut place = Room::place(app, parts, sender);
    let announced = announced(&parts.headers).unwrap_or(0);
    let has_room = match announced > webhook::MOST_BODY_BYTES {
        true => Err(too_large()),
        false => place.hold(announced),
    };
    if let Err(refusal) = has_room {
        // Who waits for `100 Continue` has sent nothing yet.
        if !parts.headers.contains_key(header::EXPECT) {
            discard(&mut stream).await;
        }
        return Err(refusal);
    }
    match tokio::time::timeout(limits.body_read, collect(&mut stream, announced, &mut place)).await {
        Ok(Err(refusal)) => {
            if refusal.status != StatusCode::BAD_REQUEST {
                discard(&mut stream).await;
            }
            Err(refusal)
        }
        Ok(read) => read,
        Err(_) => {
            let error = format!("the body did not arrive within {} seconds", limits.body_read.as_secs_f32());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error, "send headers and body without a pause"))
        }
    }
}

/// Refuses too many headers, and compressed bodies.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    Ok(webhook::check_limits(&webhook::Request { headers, address: "", body: &[] })?)
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Refusal {
    webhook::Refusal::TooLarge("the body is larger than 1 MiB".into()).into()
}

/// The whole body.
async fn collect(stream: &mut BodyDataStream, announced: usize, place: &mut Place<'_>) -> Result<Bytes, Refusal> {
    let broken = |_| Refusal::unreadable("the body broke off", "send as many bytes as `Content-Length` announces");
    let Some(first) = stream.next().await.transpose().map_err(broken)? else {
        return Ok(Bytes::new());
    };
    let Some(second) = stream.next().await.transpose().map_err(broken)? else {
        return fits(first.len(), place).map(|()| first);
    };
    // What was promised is there at once: a buffer that grows is copied, and for a moment there twice.
    let mut whole = Vec::with_capacity(announced.max(first.len() + second.len()));
    let mut next = Some(second);
    whole.extend_from_slice(&first);
    while let Some(chunk) = next {
        fits(whole.len() + chunk.len(), place)?;
        whole.extend_from_slice(&chunk);
        next = stream.next().await.transpose().map_err(broken)?;
    }
    Ok(whole.into())
}

/// Whether a body of so many bytes may be held; one whose length nobody announced takes room as it grows.
fn fits(bytes: usize, place: &mut Place) -> Result<(), Refusal> {
    match bytes > webhook::MOST_BODY_BYTES {
        true => Err(too_large()),
        false => place.hold(bytes),
    }
}

async fn discard(stream: &mut BodyDataStream) {
    let mut left = MOST_DISCARDED;
    let rest = async {
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(MOST_DISCARDING, rest).await;
}
