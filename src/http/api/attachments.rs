//! Files of received messages, as they were kept.
//!
//! Invariant: what a stranger sent is only ever downloaded: no browser shows it, or runs it, at this address.

use super::{App, Refusal, not_found};
use crate::attachment::{Attachment, AttachmentState};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

/// `GET /api/attachments/<event>/<n>`.
pub(super) async fn file(State(app): State<App>, Path((event, n)): Path<(String, u32)>) -> Result<Response, Refusal> {
    let files = app.engine().store().attachments(&event).await.map_err(|error| Refusal::store(&error))?;
    let file = files.into_iter().find(|file| file.n == n).ok_or_else(|| not_found("file"))?;
    let (Some(hash), Some(folder)) = (&file.hash, app.engine().media()) else { return Err(not_kept(&file)) };
    let opened = File::open(folder.join(hash)).await.map_err(|error| {
        tracing::error!(%error, event, n, "a file that was kept cannot be read");
        let hint = "the server's log says why";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read", hint)
    })?;
    Ok((headers(&file), Body::from_stream(chunks(opened))).into_response())
}

fn not_kept(file: &Attachment) -> Refusal {
    let error = match file.state {
        AttachmentState::Queued => "the file is being fetched".to_owned(),
        _ => format!("the file was not kept: {}", file.reason),
    };
    Refusal::new(StatusCode::NOT_FOUND, error, "`GET /api/events/<id>` says where each file stands")
}

fn headers(file: &Attachment) -> [(HeaderName, HeaderValue); 4] {
    let text = |value: String| HeaderValue::try_from(value).ok();
    let named = format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(&file.name, NON_ALPHANUMERIC));
    let kind = file.content_type.clone().and_then(text);
    let length = HeaderValue::from(file.size.unwrap_or_default());
    [
        (header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream"))),
        (header::CONTENT_LENGTH, length),
        (header::CONTENT_DISPOSITION, text(named).unwrap_or(HeaderValue::from_static("attachment"))),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}

fn chunks(file: File) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    unfold(Some(file), async |file| {
        let mut file = file?;
        let mut chunk = vec![0; CHUNK];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(chunk.into()), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
}
