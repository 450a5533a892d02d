//! Board: who works off rows beside the loop, and whether each of them rests.
//!
//! ```text
//! loop ── nudge ──► workers: look at the rows, work, rest until nudged or due
//!      ◄─ Rested ──
//! ```
//! Without it nobody could tell that everything is done: a test, and `quiet`, would have to guess.
//! Invariant: a worker that rests has looked at the rows since the last nudge.

use super::Item;
use crate::clock::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Longest sleep at a time: steps of the machine's clock are noticed after it.
const NAP: Duration = Duration::from_secs(1);

/// Shared between the loop and its workers.
#[derive(Debug)]
pub(super) struct Board {
    nudges: watch::Sender<u64>,
    /// By name; `None` = at work.
    workers: Mutex<HashMap<String, Option<Rest>>>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    /// The last nudge it has seen.
    seen: u64,
    /// When it looks again by itself; `i64::MAX` = it waits for a nudge.
    due_ms: i64,
}

/// One worker's place on the board. Dropped, it is gone from there.
pub(super) struct Place {
    board: Arc<Board>,
    name: String,
    nudges: watch::Receiver<u64>,
    seen: u64,
    queue: mpsc::WeakSender<Item>,
}

impl Default for Board {
    fn default() -> Self {
        Self { nudges: watch::Sender::new(0), workers: Mutex::default() }
    }
}

impl Board {
    /// There are new rows, or the clock was moved: everybody looks.
    pub(super) fn nudge(&self) {
        self.nudges.send_modify(|count| *count += 1);
    }

    /// A worker of this name begins, at work.
    pub(super) fn enlist(self: &Arc<Self>, name: &str, queue: mpsc::WeakSender<Item>) -> Place {
        self.workers().insert(name.to_owned(), None);
        Place { board: self.clone(), name: name.to_owned(), nudges: self.nudges.subscribe(), seen: 0, queue }
    }

    /// When the first of all is due again, once all rest; `None` = somebody is at work.
    pub(super) fn rests_until_ms(&self) -> Option<i64> {
        let nudges = *self.nudges.borrow();
        let due_ms = |rest: &Option<Rest>| rest.filter(|rest| rest.seen == nudges).map(|rest| rest.due_ms);
        self.workers().values().map(due_ms).try_fold(i64::MAX, |first, due_ms| Some(first.min(due_ms?)))
    }

    fn workers(&self) -> MutexGuard<'_, HashMap<String, Option<Rest>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Says that the rows are looked at now: a nudge from here on is a new one.
    pub(super) fn look(&mut self) {
        self.seen = *self.nudges.borrow_and_update();
    }

    /// Waits for the next nudge, at work.
    pub(super) async fn nudged(&mut self) {
        let _ = self.nudges.changed().await;
    }

    /// Rests until `due_ms`, or the next nudge.
    pub(super) async fn rest(&mut self, clock: &Clock, due_ms: i64) {
        self.board.workers().insert(self.name.clone(), Some(Rest { seen: self.seen, due_ms }));
        if let Some(queue) = self.queue.upgrade() {
            let _ = queue.send(Item::Rested).await;
        }
        loop {
            tokio::select! {
                biased;
                _ = self.nudges.changed() => break,
                () = tokio::time::sleep(clock.until(due_ms, NAP)) => {
                    if clock.now_ms() >= due_ms || self.has_ended() {
                        break;
                    }
                }
            }
        }
        self.board.workers().insert(self.name.clone(), None);
    }
}

impl Place {
    /// The engine is gone: nobody would write a result.
    pub(super) fn has_ended(&self) -> bool {
        self.queue.strong_count() == 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.board.workers().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_rest_only_when_each_has_seen_the_last_nudge() {
        let (queue, mut items) = mpsc::channel(8);
        let (board, clock) = (Arc::new(Board::default()), Clock::still(0));
        assert_eq!(board.rests_until_ms(), Some(i64::MAX), "nobody works");
        let mut places = ["a", "b"].map(|name| board.enlist(name, queue.downgrade()));
        assert_eq!(board.rests_until_ms(), None);
        let [a, b] = &mut places;
        let resting = async {
            a.look();
            b.look();
            tokio::join!(a.rest(&clock, 70), b.rest(&clock, 50));
        };
        let watching = async {
            let _ = (items.recv().await, items.recv().await);
            assert_eq!(board.rests_until_ms(), Some(50));
            board.nudge();
            assert_eq!(board.rests_until_ms(), None);
        };
        tokio::join!(resting, watching);
        assert_eq!(board.rests_until_ms(), None, "they are at work again");
        drop(places);
        assert_eq!(board.rests_until_ms(), Some(i64::MAX));
    }
}
