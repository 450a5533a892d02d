//! Live: tells open pages that something changed, and what the clock shows.
//!
//! A page that is slow misses versions, never the newest one: a version is a number, not a queue.
//! Invariant: the stream ends when `dev` ends, so that no open page keeps it from ending.

use super::moment::Moments;
use super::{Asked, Dev};
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

struct Watching {
    dev: Dev,
    asked: Asked,
    changes: watch::Receiver<u64>,
    seconds: Interval,
}

/// `changed` after each change, `clock` each second.
pub(super) async fn changes(
    State(dev): State<Dev>,
    asked: Asked,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut changes = dev.changes.clone();
    // Whatever changed between the page and this stream is told first.
    changes.mark_changed();
    let watching = Watching { changes, seconds, asked, dev };
    Sse::new(unfold(watching, next)).keep_alive(KeepAlive::default())
}

async fn next(mut watching: Watching) -> Option<(Result<Event, Infallible>, Watching)> {
    let event = tokio::select! {
        changed = watching.changes.changed() => {
            changed.ok()?;
            Event::default().event("changed").data(watching.changes.borrow_and_update().to_string())
        }
        _ = watching.seconds.tick() => {
            let clock = &watching.dev.engine.clock();
            let zone = watching.dev.engine.deployed().settings.zone().clone();
            let moments = Moments::new(zone, watching.asked.words, clock.now_ms());
            Event::default().event("clock").data(moments.clock())
        }
    };
    Some((Ok(event), watching))
}
