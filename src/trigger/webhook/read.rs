//! Read: an authenticated request becomes a [`NewEvent`] with a name, data, a time and a dedupe key.

use super::body::{self, Told};
use super::{Refusal, dedupe};
use crate::config::{Signature, Source};
use crate::event::NewEvent;
use axum::http::HeaderMap;
use jiff::Timestamp;

/// The sender's time is believed up to this far in the future; beyond, its clock is wrong.
const MOST_AHEAD_MS: i64 = 5 * 60_000;

const MOST_NAME_BYTES: usize = 200;

/// Reads the event out of a request that `authenticate` let through. `event_in_address` is what that gave.
///
/// # Errors
/// [`Refusal::Unreadable`] or [`Refusal::Unsupported`], with what is wrong and the way out.
pub fn read_event(
    source_name: &str,
    source: &Source,
    headers: &HeaderMap,
    event_in_address: Option<&str>,
    body: &[u8],
    received_ms: i64,
) -> Result<NewEvent, Refusal> {
    let body = body::parse(headers, body)?;
    let told = body::unwrap(source, headers, &body)?;
    let name = event_name(source_name, source, headers, event_in_address, &told)?;
    let dedupe = dedupe::dedupe(source, headers, &body, &told, &name);
    let at_ms = happened_at(told.time.as_deref(), received_ms);
    Ok(NewEvent { source: source_name.to_owned(), name, data: told.data.unwrap_or(body), at_ms, dedupe })
}

/// Whether `name` may name an event: `[a-zA-Z0-9_]` parts joined by full stops.
pub fn is_event_name(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    name.len() <= MOST_NAME_BYTES && name.split('.').all(part)
}

fn event_name(
    source_name: &str,
    source: &Source,
    headers: &HeaderMap,
    event_in_address: Option<&str>,
    told: &Told,
) -> Result<String, Refusal> {
    let topic = || {
        let topics = ["x-shopify-topic", "x-github-event"];
        topics.iter().find_map(|name| headers.get(*name)?.to_str().ok()).map(str::to_owned)
    };
    // A Shopify or GitHub body may hold a `type` of its own, which says nothing about the event.
    let by_topic = matches!(source.signature, Signature::Shopify | Signature::Github);
    let told = if by_topic { topic().or(told.name.clone()) } else { told.name.clone().or_else(topic) };
    let way_out = format!("name it in the address, `/hooks/{source_name}/order.paid`");
    let Some(name) = event_in_address.map(str::to_owned).or(told) else {
        return Err(Refusal::Unreadable(format!("the event has no name: {way_out}")));
    };
    let name = name.trim().replace('/', ".");
    match is_event_name(&name) {
        true => Ok(name),
        false => Err(Refusal::Unreadable(format!(
            "`{}` is no event name: letters, digits and `_`, joined by full stops; {way_out}",
            name.chars().take(60).filter(|c| !c.is_control()).collect::<String>()
        ))),
    }
}

fn happened_at(time: Option<&str>, received_ms: i64) -> i64 {
    let told = time.and_then(|time| time.parse::<Timestamp>().ok()).map(Timestamp::as_millisecond);
    told.filter(|at_ms| *at_ms <= received_ms.saturating_add(MOST_AHEAD_MS)).unwrap_or(received_ms)
}
