//! Redo: what is done with a group that the store refused: again on another connection or on fresh facts, or item by
//! item.
//!
//! Invariant: one item that cannot be kept costs nobody else.

use super::group::Work;
use super::loops::{Loop, NAP, Owed};
use crate::store::Moved;
use crate::store::complaint::Complaint;

impl Loop {
    /// The connection may have broken while the commit got through: the group is done once more on another one, where it
    /// finds itself by its own ids. Only then nothing of it was kept: senders may post again, results of calls are tried
    /// again with the next group.
    pub(super) async fn once_more(&mut self, work: Work, owed: Owed, tick: bool, error: &anyhow::Error) {
        tracing::warn!(error = format!("{error:#}"), "the store did not take a group: it is done once more");
        self.mend().await;
        match self.try_group(&work, &owed, tick).await {
            Ok(done) => self.finish(work, owed, done).await,
            Err(error) => {
                self.refuse(work, owed, &error);
                (self.unsettled, self.due_ms) = (true, 0);
            }
        }
    }

    /// After an error of the store: a new connection, and everything is looked at again.
    pub(super) async fn mend(&mut self) {
        // The connection may be broken, and the commit may have got through all the same.
        self.unsettled = true;
        tokio::time::sleep(NAP).await;
        if let Err(error) = self.writer.reconnect(&self.setup.store).await {
            tracing::error!(error = format!("{error:#}"), "the store cannot be reached");
        }
        self.due_ms = 0;
        // Rows for those who work beside the loop may have been committed without their being told.
        if let Ok(targets) = self.setup.store.waiting_targets().await {
            self.couriers.see_to(targets);
        }
        self.shared.board.nudge();
    }

    pub(super) fn refuse(&mut self, work: Work, owed: Owed, error: &anyhow::Error) {
        tracing::error!(error = format!("{error:#}"), "the store did not take a group");
        self.carried.extend(work.calls);
        self.errands.carried.extend(work.called);
        self.send_away(owed);
    }
}

/// The items of a group, each with the answer it is owed; what the account told and a chunk stay together.
pub(super) fn apart(work: Work, owed: Owed) -> Vec<(Work, Owed)> {
    let own = owed.events.len();
    let mut parts: Vec<(Work, Owed)> = Vec::with_capacity(work.items());
    for (arrival, answer) in work.arrivals.into_iter().take(own).zip(owed.events) {
        let work = Work { arrivals: vec![arrival], ..Work::default() };
        parts.push((work, Owed { events: vec![answer], ..Owed::default() }));
    }
    if !work.told.is_empty() || !owed.told.is_empty() {
        let work = Work { told: work.told, ..Work::default() };
        parts.push((work, Owed { told: owed.told, ..Owed::default() }));
    }
    if let Some((chunk, reply)) = owed.chunk {
        let work = Work { arrivals: chunk.arrivals.clone(), ..Work::default() };
        parts.push((work, Owed { chunk: Some((chunk, reply)), ..Owed::default() }));
    }
    for (change, reply) in work.changes.into_iter().zip(owed.changes) {
        let work = Work { changes: vec![change], ..Work::default() };
        parts.push((work, Owed { changes: vec![reply], ..Owed::default() }));
    }
    for ended in work.called {
        parts.push((Work { called: vec![ended], ..Work::default() }, Owed::default()));
    }
    for call in work.calls {
        parts.push((Work { calls: vec![call], ..Work::default() }, Owed::default()));
    }
    parts
}

/// The same without the part of a campaign, which somebody paused or ended, or another node reads, meanwhile.
pub(super) fn without_chunk(mut work: Work, mut owed: Owed) -> (Work, Owed) {
    work.arrivals.truncate(owed.events.len());
    if let Some((_, reply)) = owed.chunk.take() {
        let _ = reply.send(true);
    }
    (work, owed)
}

/// The database works and refuses what it was given: doing the items apart may save the others.
pub(super) fn is_refusal(error: &anyhow::Error) -> bool {
    let item = |cause: &(dyn std::error::Error + 'static)| cause.is::<Moved>() || cause.is::<serde_json::Error>();
    error.chain().any(item) || Complaint::within(error).is_some()
}

/// Another writer was faster: the same work may succeed on fresh facts.
pub(super) fn is_conflict(error: &anyhow::Error) -> bool {
    let refused = |complaint: Complaint| complaint.unique || matches!(complaint.code.as_str(), "40001" | "40P01" | "5");
    error.chain().any(|cause| cause.is::<Moved>()) || Complaint::within(error).is_some_and(refused)
}
