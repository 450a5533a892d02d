//! Limits: how much of a request is read, and for how long (`semantics.md` §4.1, step 2).
//!
//! Invariant: no request holds more memory than [`webhook::MOST_BODY_BYTES`], nor a connection longer than it may.

use super::error::Refusal;
use super::{Inner, hooks};
use crate::trigger::webhook;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Of a body that is too large, so much is still read and thrown away, that the sender gets to read the answer.
const MOST_DISCARDED: usize = 8 * 1024 * 1024;
const MOST_DISCARDING: Duration = Duration::from_secs(2);
/// Larger ones need room.
const SMALL_BODY: usize = 64 * 1024;

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

/// Room for the large bodies that are being read, in KiB. A thousand senders of a MiB each wait for no commit yet, and
/// would fill the memory before any of them is known.
#[derive(Debug)]
pub(super) struct Room(Semaphore);

impl Room {
    const KIB: usize = 4 * 1024;

    pub(super) fn new() -> Self {
        Self(Semaphore::new(Self::KIB))
    }

    /// Room for a body of that length, given back when dropped. Small ones need none: connections are bounded.
    fn take(&self, bytes: usize) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        let kib = bytes.min(webhook::MOST_BODY_BYTES).div_ceil(1024);
        if bytes <= SMALL_BODY {
            return Ok(None);
        }
        let room = self.0.try_acquire_many(u32::try_from(kib).unwrap_or(u32::MAX));
        room.map(Some).map_err(|_| Refusal::busy(hooks::some_seconds()))
    }
}

/// Reads a body whole, when headers, size and room allow.
///
/// # Errors
/// 413, 415, 408, 503; 400 when the sender broke off.
pub(super) async fn read_body(parts: &Parts, body: Body, app: &Inner) -> Result<Bytes, Refusal> {
    let limits = &app.limits;
    check_headers(&parts.headers)?;
    let mut stream = body.into_data_stream();
    if announced(&parts.headers).is_some_and(|length| length > webhook::MOST_BODY_BYTES) {
        // Who waits for `100 Continue` has sent nothing yet.
        if !parts.headers.contains_key(header::EXPECT) {
            discard(&mut stream).await;
        }
        return Err(too_large());
    }
    let _room = match app.room.take(announced(&parts.headers).unwrap_or(webhook::MOST_BODY_BYTES)) {
        Ok(room) => room,
        Err(refusal) => {
            discard(&mut stream).await;
            return Err(refusal);
        }
    };
    let announced = announced(&parts.headers).unwrap_or(0).min(webhook::MOST_BODY_BYTES);
    match tokio::time::timeout(limits.body_read, collect(&mut stream, announced)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => {
            discard(&mut stream).await;
            Err(too_large())
        }
        Ok(Err(refusal)) => Err(refusal),
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

/// The whole body; `None` when it is too large.
async fn collect(stream: &mut BodyDataStream, announced: usize) -> Result<Option<Bytes>, Refusal> {
    let broken = |_| Refusal::unreadable("the body broke off", "send as many bytes as `Content-Length` announces");
    let Some(first) = stream.next().await.transpose().map_err(broken)? else {
        return Ok(Some(Bytes::new()));
    };
    let Some(second) = stream.next().await.transpose().map_err(broken)? else {
        return Ok((first.len() <= webhook::MOST_BODY_BYTES).then_some(first));
    };
    // What was promised is there at once: a buffer that grows is copied, and for a moment there twice.
    let mut whole = Vec::with_capacity(announced.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while whole.len() <= webhook::MOST_BODY_BYTES {
        match stream.next().await.transpose().map_err(broken)? {
            Some(chunk) => whole.extend_from_slice(&chunk),
            None => return Ok(Some(whole.into())),
        }
    }
    Ok(None)
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
