//! Full: what goes on while the store has no room, and what waits. The same goes on in a server that cannot read what
//! another one deployed (`deploy`).
//!
//! ```text
//! a statement finds no room ─► ballast given up ─► results of open calls are written, everything else is refused
//!                     ◄─ ballast lies again, as much free beside it ─ looked for every second, and on by itself
//! ```
//! A server's disk has no ballast of ours: it is tried again every second. Neighbours: `store::disk` knows why a statement
//! failed, `redo` does what is left of the group. Invariant: without room nothing is claimed and no call begins; what
//! was begun is written as soon as there is any.

use super::Busy;
use super::group::Work;
use super::loops::{Loop, Owed};
use crate::store::disk::Ballast;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between two looks for room.
const LOOK_MS: i64 = 1_000;

/// Whether there is room. Instants are monotonic milliseconds.
#[derive(Debug)]
pub(super) struct Space {
    ballast: Option<Ballast>,
    /// When room is looked for; `None` = there is some, as far as anybody knows.
    look_ms: Option<i64>,
    /// It was said that there is none, and not yet that there is some again.
    told: bool,
}

impl Space {
    /// Lays the ballast, unless an earlier life left it.
    pub(super) fn new(ballast: Option<Ballast>) -> Self {
        let laid = ballast.as_ref().is_none_or(|ballast| ballast.is_laid() || ballast.lay().is_ok());
        Self { ballast, look_ms: (!laid).then_some(0), told: false }
    }

    pub(super) fn is_full(&self) -> bool {
        self.look_ms.is_some()
    }

    /// How long until room is looked for; `None` = there is some.
    pub(super) fn rest(&self, now_ms: i64) -> Option<Duration> {
        self.look_ms.map(|look_ms| Duration::from_millis((look_ms - now_ms).max(0).unsigned_abs()))
    }

    fn run_out(&mut self, now_ms: i64) {
        self.look_ms = Some(now_ms + LOOK_MS);
        if let Some(ballast) = &self.ballast {
            ballast.give_up();
        }
    }

    /// Whether there is room again, when it is time to look.
    fn finds_room(&mut self, now_ms: i64) -> bool {
        if self.look_ms.is_none_or(|look_ms| now_ms < look_ms) {
            return false;
        }
        let found = self.ballast.as_ref().is_none_or(|ballast| ballast.lay().is_ok());
        self.look_ms = (!found).then_some(now_ms + LOOK_MS);
        found
    }
}

impl Loop {
    /// Whether only what was begun goes on.
    pub(super) fn stands(&self) -> bool {
        self.space.is_full() || self.versions.is_behind()
    }

    /// Whether the last error was for want of room; then only what was begun goes on.
    pub(super) fn ran_out(&mut self) -> bool {
        let ran_out = self.setup.store.disk().ran_out();
        if ran_out {
            self.space.run_out(self.setup.clock.monotonic_ms());
            self.tell_full();
        }
        ran_out
    }

    fn tell_full(&mut self) {
        let (now_ms, full_ms) = (self.setup.clock.now_ms().max(1), &self.shared.full_ms);
        let _ = full_ms.compare_exchange(0, now_ms, Ordering::SeqCst, Ordering::SeqCst);
        if !self.space.told {
            self.space.told = true;
            tracing::error!(
                "the database has no room ({}): events are refused and nothing is sent. Make room there: \
                 what waits goes on by itself then",
                self.setup.store.disk().wants()
            );
        }
    }

    /// Looks for room when there is none: everything that waited is looked at again then.
    pub(super) fn look_for_room(&mut self) {
        if self.ran_out() || !self.space.is_full() {
            return;
        }
        if !self.space.finds_room(self.setup.clock.monotonic_ms()) {
            return self.tell_full();
        }
        self.shared.full_ms.store(0, Ordering::SeqCst);
        (self.due_ms, self.feed_again) = (0, true);
        self.shared.board.nudge();
    }

    /// A group got through. Only one that wrote something tells that there is room.
    pub(super) fn note_room(&mut self, rows: u64) {
        if self.space.told && !self.space.is_full() && rows > 0 {
            self.space.told = false;
            tracing::info!("the database has room again: what waited goes on");
        }
    }

    /// What is left of a group without room: results of what was begun. Everybody else is told to come again.
    pub(super) fn only_results(&self, work: Work, owed: Owed) -> (Work, Owed) {
        self.send_away(owed);
        let Work { calls, called, .. } = work;
        (Work { calls, called, ..Work::default() }, Owed::default())
    }

    /// Writes the results of a group that found no room into what the ballast has left.
    pub(super) async fn settle_only(&mut self, work: Work, owed: Owed, error: &anyhow::Error) {
        tracing::warn!(error = format!("{error:#}"), "a group found no room: only the results of calls are written");
        // Whatever the old connection held is undone with it.
        if let Err(error) = self.writer.reconnect(&self.setup.store).await {
            tracing::error!(error = format!("{error:#}"), "the store cannot be reached");
        }
        let (work, owed) = self.only_results(work, owed);
        self.unsettled = true;
        if work.is_empty() {
            return;
        }
        match self.try_group(&work, &owed, false).await {
            Ok(done) => self.finish(work, owed, done).await,
            Err(error) => self.refuse(work, owed, &error),
        }
    }

    /// Nothing of it was kept: it may be sent again.
    pub(super) fn send_away(&self, owed: Owed) {
        for (reply, bytes) in owed.events {
            self.release(bytes);
            let _ = reply.send(Err(Busy));
        }
        for (reply, bytes) in owed.told {
            self.release(bytes);
            let _ = reply.send(Err(Busy));
        }
        for reply in owed.changes {
            let _ = reply.send(Err(Busy));
        }
        if let Some((_, reply)) = owed.chunk {
            let _ = reply.send(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::Disk;

    #[test]
    fn room_is_looked_for_every_second_and_not_between() {
        let mut space = Space::new(None);
        assert!(!space.is_full() && !space.finds_room(0));
        space.run_out(5_000);
        assert!(space.is_full());
        assert_eq!(space.rest(5_400), Some(Duration::from_millis(600)));
        assert!(!space.finds_room(5_999));
        assert!(space.finds_room(6_000), "without a ballast it is tried");
        assert!(!space.is_full() && space.rest(6_000).is_none());
    }

    #[test]
    fn a_start_that_cannot_lay_its_ballast_begins_without_room() {
        let folder = tempfile::tempdir().unwrap();
        let gone = format!("sqlite:{}", folder.path().join("nowhere/r.db").display());
        let mut space = Space::new(Disk::at(&gone).unwrap().ballast());
        assert!(space.is_full());
        std::fs::create_dir(folder.path().join("nowhere")).unwrap();
        assert!(space.finds_room(0) && !space.is_full());
    }
}
