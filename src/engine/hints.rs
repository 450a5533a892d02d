//! Hints: nodes tell each other that there is something to do now, so that nobody waits for the next look.
//!
//! ```text
//! group ─ commit ─ notify ─► the others: look at once          (heard)
//!                        └─► found at the next look, 5 to 30 s  (lost)
//! ```
//! Told is only what another node may have to do: relays and files that it is on duty for, campaigns that it feeds, a
//! deploy, what a node that leaves has left, and more work than one node has slots for. Invariant: losing every hint
//! changes nothing but when.

use super::group::Done;
use super::loops::Loop;
use super::{Item, Shared};
use crate::store::hints::Listener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Between two hints that there is more than one node can do: it goes on for as long as that lasts.
const MORE_MS: i64 = 250;
/// Hints that come together are one.
const TOGETHER: Duration = Duration::from_millis(50);
/// Pauses before a lost connection is made again: doubled each time.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Whether the others are told.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// When they were told last that there is more than this node can do, monotonic milliseconds.
    told_ms: Option<i64>,
}

impl Hints {
    /// Whether other nodes may have to do something of what this group leaves. `free`: the slots that it had.
    pub(super) fn are_worth(&mut self, done: &Done, free: usize, now_ms: i64) -> bool {
        if !done.relayed.is_empty() || done.files || done.campaigns {
            return true;
        }
        let too_much = done.calls.len() >= free && done.next_due_ms.is_some_and(|at_ms| at_ms <= done.now_ms);
        let tells = too_much && self.told_ms.is_none_or(|told_ms| now_ms >= told_ms + MORE_MS);
        if tells {
            self.told_ms = Some(now_ms);
        }
        tells
    }
}

impl Loop {
    /// Hears the other nodes, beside the loop.
    pub(super) fn listen(&self) {
        if self.node.shared && self.setup.outside.hints {
            self.beside.spawn(listen(self.shared.clone(), self.queue.clone()));
        }
    }

    /// Another node has left something to be done: everything is looked at.
    pub(super) fn take_hint(&mut self) {
        self.node.look_soon();
        (self.due_ms, self.feed_again) = (0, true);
        self.shared.board.nudge();
    }
}

/// Listens for as long as the engine runs; a lost connection is made again, later and later.
async fn listen(shared: Arc<Shared>, queue: mpsc::WeakSender<Item>) {
    let mut pause = FIRST;
    while queue.strong_count() > 0 {
        match shared.store.listen().await {
            Ok(Some(listener)) => {
                pause = FIRST;
                let lost = hear(listener, &shared, &queue).await;
                tracing::debug!(error = format!("{lost:#}"), "the other servers are not heard");
            }
            Ok(None) => return,
            Err(error) => tracing::debug!(error = format!("{error:#}"), "the other servers are not heard"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Passes hints on until the connection is lost. What was called out while nobody listened is looked for first.
async fn hear(mut listener: Listener, shared: &Shared, queue: &mpsc::WeakSender<Item>) -> anyhow::Error {
    loop {
        let Some(loop_of_it) = queue.upgrade() else { return anyhow::anyhow!("the engine has ended") };
        if loop_of_it.send(Item::Hint).await.is_err() {
            return anyhow::anyhow!("the engine has ended");
        }
        drop(loop_of_it);
        tokio::time::sleep(TOGETHER).await;
        listener.drop_more();
        loop {
            match listener.hint().await {
                Ok(node) if node == shared.node => {}
                Ok(_) => break,
                Err(lost) => return lost,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_node_does_by_itself_is_no_news_and_too_much_is_told_now_and_then() {
        let mut hints = Hints::default();
        let done = |calls: usize, next_due_ms| {
            let call = |n: usize| crate::engine::group::Call {
                delivery: n.to_string(),
                channel: String::new(),
                attempt: n.to_string(),
                n: 1,
                form: crate::message::Form::Text,
                started_at_ms: 0,
                body: String::new(),
            };
            Done { calls: (0..calls).map(call).collect(), next_due_ms, now_ms: 7, ..Done::default() }
        };
        assert!(!hints.are_worth(&done(2, Some(7)), 3, 0), "a slot is free: it looks again itself");
        assert!(!hints.are_worth(&done(3, Some(8)), 3, 0), "nothing more is due");
        assert!(hints.are_worth(&done(3, Some(7)), 3, 0));
        assert!(!hints.are_worth(&done(3, Some(7)), 3, 249));
        assert!(hints.are_worth(&done(0, Some(7)), 0, 250), "a node that drains has no slots");
        assert!(hints.are_worth(&Done { relayed: vec!["x".into()], ..done(0, None) }, 3, 251));
    }
}
