//! Webhooks from outside: who may call, what event the body holds, and how a second delivery is recognised.
//!
//! The order is that of `semantics.md` §4.1: [`check_limits`], [`authenticate`] on the raw bytes, then [`read_event`].
//! `http` receives and answers, `engine` stores. Pure. Invariant: nothing of a body is interpreted before it is
//! known who sent it, and a source without its secrets takes nothing.

mod body;
mod dedupe;
mod read;
mod signature;
#[cfg(test)]
mod tests;

pub use read::{is_event_name, read_event};
pub use signature::{sign_callbell, verify_callbell};

use crate::config::{Lookup, Secret, Signature, Source};
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes of a body that are read.
pub const MOST_BODY_BYTES: usize = 1024 * 1024;
/// Bytes of all headers together.
pub const MOST_HEADER_BYTES: usize = 16 * 1024;

/// Why a request is refused: nothing is stored. The text says what is wrong and what to do, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 400: not an event.
    Unreadable(String),
    /// 401: not known who sent it.
    Unauthenticated(String),
    /// 404: no such source.
    UnknownSource(String),
    /// 413: more than is read.
    TooLarge(String),
    /// 415: a form of body that is not understood.
    Unsupported(String),
}

impl Refusal {
    /// The refusal of a source that `relance.yaml` does not name.
    pub fn unknown_source(name: &str) -> Self {
        Self::UnknownSource(format!("no source is named `{name}`: add it under `sources` in relance.yaml"))
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unreadable(_) => 400,
            Self::Unauthenticated(_) => 401,
            Self::UnknownSource(_) => 404,
            Self::TooLarge(_) => 413,
            Self::Unsupported(_) => 415,
        }
    }

    /// One sentence for the sender.
    pub fn message(&self) -> &str {
        match self {
            Self::Unreadable(text)
            | Self::Unauthenticated(text)
            | Self::UnknownSource(text)
            | Self::TooLarge(text)
            | Self::Unsupported(text) => text,
        }
    }
}

/// A request to `/hooks/<source>/…`, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub headers: &'a HeaderMap,
    /// What follows `/hooks/<source>`, percent-decoded: `/order.paid`, `/<token>/order.paid`, or nothing.
    pub address: &'a str,
    pub body: &'a [u8],
}

/// The values behind the names of a [`Source`]; `None` = the variable is not set.
#[derive(Debug, Clone, Default)]
pub struct SourceSecrets {
    pub secret: Option<Secret>,
    pub path_token: Option<Secret>,
}

impl SourceSecrets {
    /// Looks the source's variables up.
    pub fn read(source: &Source, lookup: Lookup) -> Self {
        let value = |name: &Option<String>| {
            let value = name.as_deref().and_then(lookup)?;
            let trimmed = value.trim();
            (!trimmed.is_empty()).then(|| Secret::new(trimmed))
        };
        Self { secret: value(&source.secret), path_token: value(&source.path_token) }
    }

    /// Why this source rejects everything, one sentence each; empty when it is ready. `serve` says so at start.
    pub fn problems(&self, name: &str, source: &Source) -> Vec<String> {
        let unset = |variable: &Option<String>, value: &Option<Secret>| match (variable, value) {
            (Some(variable), None) => {
                Some(format!("source `{name}` rejects everything: the variable `{variable}` is not set"))
            }
            _ => None,
        };
        let key = match (&source.signature, &self.secret) {
            (Signature::StandardWebhooks, Some(secret)) if signature::standard_key(secret).is_none() => {
                let variable = source.secret.as_deref().unwrap_or_default();
                Some(format!("source `{name}` rejects everything: `{variable}` is not `whsec_` and base64"))
            }
            (Signature::None, _) => None,
            (_, None) if source.secret.is_none() => {
                Some(format!("source `{name}` rejects everything: it has no `secret`"))
            }
            _ => None,
        };
        let open = (source.signature == Signature::None && source.path_token.is_none())
            .then(|| format!("source `{name}` rejects everything: without signature it needs a `path_token`"));
        let all = [unset(&source.secret, &self.secret), unset(&source.path_token, &self.path_token), key, open];
        all.into_iter().flatten().collect()
    }
}

/// Refuses what is too large, or compressed, before anything else is looked at.
///
/// # Errors
/// [`Refusal::TooLarge`] or [`Refusal::Unsupported`].
pub fn check_limits(request: &Request) -> Result<(), Refusal> {
    let header_bytes: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if header_bytes > MOST_HEADER_BYTES {
        return Err(Refusal::TooLarge("the headers are larger than 16 KiB".into()));
    }
    if request.body.len() > MOST_BODY_BYTES {
        return Err(Refusal::TooLarge("the body is larger than 1 MiB: send the ids, and what a message needs".into()));
    }
    let plain = |value: &str| value.trim().is_empty() || value.trim().eq_ignore_ascii_case("identity");
    match request.headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?")) {
        Some(encoding) if !plain(encoding) => {
            Err(Refusal::Unsupported("the body is compressed: send it without `Content-Encoding`".into()))
        }
        _ => Ok(()),
    }
}

/// Decides whether the source sent this, on the raw bytes and in constant time, and gives the event named in the
/// address, if any. `wall_ms` is the machine's time even when time is virtual: a signature's age is real.
///
/// # Errors
/// [`Refusal::Unauthenticated`], saying what is missing or wrong.
pub fn authenticate<'a>(
    source: &Source,
    secrets: &SourceSecrets,
    request: &Request<'a>,
    wall_ms: i64,
) -> Result<Option<&'a str>, Refusal> {
    let event = event_of(source, secrets, request)?;
    signature::verify(source, secrets, request, wall_ms)?;
    Ok(event)
}

/// What the head tells already, before the body is there: the event named in the address, when the token of the source
/// is shown or it has none.
///
/// # Errors
/// As [`authenticate`].
pub fn event_of<'a>(source: &Source, secrets: &SourceSecrets, head: &Request<'a>) -> Result<Option<&'a str>, Refusal> {
    match &source.path_token {
        Some(_) => check_path_token(secrets, head),
        None if source.signature == Signature::None => {
            Err(unauthenticated("this source has neither a signature nor a `path_token`, and takes nothing"))
        }
        None => Ok(event_in_address(head.address)),
    }
}

/// The event named in an address without a token: `/order.paid` → `order.paid`.
pub fn event_in_address(address: &str) -> Option<&str> {
    Some(address.trim_matches('/')).filter(|event| !event.is_empty())
}

fn check_path_token<'a>(secrets: &SourceSecrets, request: &Request<'a>) -> Result<Option<&'a str>, Refusal> {
    let Some(expected) = &secrets.path_token else {
        return Err(unauthenticated("the server does not know this source's token: its variable is not set"));
    };
    let address = request.address.trim_matches('/');
    let (first, rest) = address.split_once('/').unwrap_or((address, ""));
    let in_address = same_secret(expected, first);
    let in_header = bearer(request.headers).is_some_and(|token| same_secret(expected, token));
    match (in_address, in_header) {
        (true, _) => Ok(event_in_address(rest)),
        (false, true) => Ok(event_in_address(address)),
        (false, false) => Err(unauthenticated(
            "the token is missing or wrong: send `Authorization: Bearer <token>`, or `/hooks/<source>/<token>/<event>`",
        )),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compared as hashes, so that neither the length nor the first differing byte shows in the time taken.
fn same_secret(expected: &Secret, given: &str) -> bool {
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    hash(expected.expose()).ct_eq(&hash(given)).into()
}

fn unauthenticated(text: &str) -> Refusal {
    Refusal::Unauthenticated(text.to_owned())
}
