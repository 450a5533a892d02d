//! Files of customers, served for ten minutes of the sandbox's clock at addresses that look signed (reference §13.3).
//!
//! Invariant: without the right signature, or too late, nobody learns more than that.

use super::Sandbox;
use super::account::{FilePace, MediaFile};
use crate::message::MediaKind;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use std::io;
use std::time::Duration;

/// How long an address lives.
const LIFE_MS: i64 = 600_000;
/// What is written at once of a file that never ends, and how often: more than any reader takes.
const CHUNK: usize = 64 * 1024;
const MOST_CHUNKS: u32 = 1 << 20;
/// A slow file comes in so many pieces, one each pause of real time.
const PIECES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// A file that a customer sent.
#[derive(Debug, Clone)]
pub(super) struct File {
    name: String,
    content_type: String,
    size: u64,
    pace: FilePace,
    signature: String,
    at_ms: i64,
    magic: &'static [u8],
}

impl File {
    pub(super) fn new(wanted: &MediaFile, signature: String, at_ms: i64) -> Self {
        let (name, content_type, magic): (_, _, &[u8]) = match wanted.kind {
            MediaKind::Image => ("photo.jpg", "image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
            MediaKind::Audio => ("voice.mp3", "audio/mpeg", b"ID3\x04\0\0\0\0\0\0"),
            MediaKind::Video => ("clip.mp4", "video/mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),
            MediaKind::Document => ("document.pdf", "application/pdf", b"%PDF-1.7\n"),
        };
        Self {
            name: wanted.name.clone().unwrap_or_else(|| name.into()),
            content_type: wanted.content_type.clone().unwrap_or_else(|| content_type.into()),
            // Enough for any test; larger ones are what `endless` is for.
            size: wanted.size.min(64 * 1024 * 1024),
            pace: wanted.pace,
            signature,
            at_ms,
            magic,
        }
    }

    pub(super) fn url(&self, base: &str, number: u64) -> String {
        let name = percent_encoding::utf8_percent_encode(&self.name, percent_encoding::NON_ALPHANUMERIC);
        let name = name.to_string().replace("%2E", ".").replace("%2D", "-").replace("%5F", "_");
        let (signature, seconds) = (&self.signature, LIFE_MS / 1000);
        format!("{base}/sandbox/files/{number}/{name}?X-Amz-Expires={seconds}&X-Amz-Signature={signature}")
    }

    /// The beginning says what kind of file it is; the rest is filling.
    fn bytes(&self) -> Vec<u8> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let filling = (0..=255u8).cycle();
        self.magic.iter().copied().chain(filling).take(size).collect()
    }
}

#[derive(Deserialize)]
pub(super) struct Signed {
    #[serde(rename = "X-Amz-Signature", default)]
    signature: String,
}

/// `GET /sandbox/files/{number}/{name}`.
pub(super) async fn serve(
    State(sandbox): State<Sandbox>,
    Path((number, _)): Path<(u64, String)>,
    Query(signed): Query<Signed>,
) -> Response {
    let (file, now_ms) = sandbox.with(|account, now_ms| (account.files.get(number).cloned(), now_ms));
    match file {
        Some(file) if file.signature == signed.signature && now_ms < file.at_ms + LIFE_MS => give(&file),
        Some(file) if file.signature == signed.signature => refuse("Request has expired"),
        _ => refuse("The request signature does not match"),
    }
}

/// In the words of the storage that the vendor uses.
fn refuse(message: &str) -> Response {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>{message}</Message></Error>");
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

fn give(file: &File) -> Response {
    let bytes = file.bytes();
    let body = match file.pace {
        FilePace::Whole => Body::from(bytes),
        FilePace::Slow => slow(bytes),
        FilePace::Endless => endless(),
        FilePace::Cut => cut(bytes),
    };
    ([(header::CONTENT_TYPE, file.content_type.as_str())], body).into_response()
}

fn slow(bytes: Vec<u8>) -> Body {
    let piece = bytes.len().div_ceil(PIECES as usize).max(1);
    let pieces: Vec<Bytes> = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::unfold(pieces.into_iter(), async |mut pieces| {
        let piece = pieces.next()?;
        tokio::time::sleep(PAUSE).await;
        Some((Ok::<_, io::Error>(piece), pieces))
    }))
}

fn endless() -> Body {
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    Body::from_stream(stream::iter((0..MOST_CHUNKS).map(move |_| Ok::<_, io::Error>(chunk.clone()))))
}

fn cut(bytes: Vec<u8>) -> Body {
    let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
    // The pause lets the first half leave before the connection breaks.
    Body::from_stream(stream::unfold(Some(half), async |half| match half {
        Some(half) => Some((Ok(half), None)),
        None => {
            tokio::time::sleep(PAUSE).await;
            Some((Err(io::Error::other("cut off")), None))
        }
    }))
}
