//! Repair: events that the account could not hand over are read from its log, and taken in again, oldest first.
//!
//! Through the same ingest as any event: what came after all is a duplicate. How far it got is remembered in the
//! installation. Invariant: an event of before the first start is never replayed, it may have been somebody else's.

use super::watch::DAY_MS;
use crate::connector::Callbell;
use crate::connector::account::{Posted, Posts};
use crate::connector::webhook;
use crate::engine::Engine;
use anyhow::Context as _;
use serde_json::json;

/// Under which the installation remembers how far it got: Unix milliseconds.
const MARK: &str = "webhook events repaired until";
/// Pages of the log that one walk reads: 20,000 events.
const MOST_PAGES: u64 = 200;
/// Younger than what duplicates are recognised by.
const OLDEST_MS: i64 = 29 * DAY_MS;

/// Takes in what failed since the last walk; how many events that were.
///
/// # Errors
/// When the log cannot be read, or the store does not take an event: the next walk goes on there.
pub(super) async fn repair(engine: &Engine, callbell: &Callbell) -> anyhow::Result<usize> {
    let now_ms = engine.clock().now_ms();
    let mark = engine.store().remembered(MARK).await?;
    let Some(mark_ms) = mark.and_then(|mark| mark.parse::<i64>().ok()) else {
        remember(engine, now_ms).await?;
        return Ok(0);
    };
    let failed = failed_since(callbell, mark_ms.max(now_ms - OLDEST_MS)).await?;
    let mut newest_ms = mark_ms;
    for (at, post) in failed.iter().enumerate() {
        if let Err(error) = take_in(engine, post, now_ms).await {
            remember(engine, newest_ms).await?;
            return Err(error.context(format!("{at} of {} events were taken in again", failed.len())));
        }
        newest_ms = newest_ms.max(post.at_ms.unwrap_or(newest_ms));
    }
    if newest_ms > mark_ms {
        remember(engine, newest_ms).await?;
    }
    Ok(failed.len())
}

/// Oldest first.
async fn failed_since(callbell: &Callbell, since_ms: i64) -> anyhow::Result<Vec<Posted>> {
    let mut failed = Vec::new();
    for number in 1..=MOST_PAGES {
        let page =
            callbell.posted(Posts::Failed, number).await.with_context(|| format!("webhook events, page {number}"))?;
        let older = |post: &Posted| post.at_ms.is_some_and(|at_ms| at_ms < since_ms);
        let done = page.rows.last().is_none_or(older) || number >= page.pages;
        failed.extend(page.rows.into_iter().filter(|post| !post.success && !older(post)));
        if done {
            break;
        }
    }
    failed.reverse();
    Ok(failed)
}

async fn take_in(engine: &Engine, post: &Posted, now_ms: i64) -> anyhow::Result<()> {
    let body = match post.event.as_str() {
        "" => post.payload.to_string(),
        event => json!({ "event": event, "payload": post.payload }).to_string(),
    };
    let incoming = match webhook::read(body.as_bytes(), post.at_ms.unwrap_or(now_ms)) {
        Ok(incoming) => incoming,
        Err(error) => {
            tracing::warn!(%error, "an event of the account's log cannot be read: left out");
            return Ok(());
        }
    };
    engine.told_again(incoming, body.into()).await.map_err(|_| anyhow::anyhow!("the store does not take events now"))
}

async fn remember(engine: &Engine, until_ms: i64) -> anyhow::Result<()> {
    let kept = engine.remember(vec![(MARK.to_owned(), until_ms.to_string())]).await;
    kept.map_err(|_| anyhow::anyhow!("the store does not take what is to be remembered"))
}
