//! Node: this process among those that share a database. Nobody leads; each says that it lives, and each takes over from
//! those that do not.
//!
//! ```text
//! heartbeat ───── 5 s ─────┬──── 25 s ────┬─ 30 s ─► silent: the others take its work over
//!     calls may begin ─────┘              │
//!     they have ended or timed out ───────┘
//! ```
//! The others judge by the store's time what was written to the node's row; the node itself by a clock that only runs
//! forward, from before its heartbeat was sent. A group that claims renews the row in its own transaction, and whoever
//! takes over removes the row first: of the two, one finds what the other did. A kill between the removal and the
//! take-over leaves deliveries whose node is no more, which every node looks for when one is gone, and at its start.
//! On a database of one process there is nobody else: every other node is dead at once, and no heartbeat is needed.
//! Invariant: no call begins that could outlast the node's right to make it.

use super::group::{Call, CallResult};
use super::loops::Loop;
use crate::delivery::Outcome;
use crate::outbox::settle;
use std::collections::BTreeSet;
use std::time::Duration;

/// A node not heard of for this long is dead to the others.
pub(super) const SILENT_MS: i64 = 30_000;
const BEAT_MS: i64 = 10_000;
/// How long after sending a heartbeat a node is sure of itself.
const TRUST_MS: i64 = 25_000;
/// What has to be left of that for a call to begin: the longest call, and time to write its end down.
const CALL_MS: i64 = 20_000;
/// How often a node looks who lives.
const LOOK_MS: i64 = 5_000;
/// How often it looks for work that nobody told it of.
const SWEEP_MS: i64 = 30_000;
/// Deliveries taken over in one transaction.
const TAKE_OVER: usize = 500;

/// What this process knows of itself and the others. Instants are monotonic milliseconds.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: String,
    /// Whether there may be others.
    pub(super) shared: bool,
    beaten_ms: Option<i64>,
    looked_ms: Option<i64>,
    swept_ms: i64,
    /// Who lived at the last look.
    living: BTreeSet<String>,
    /// It said goodbye.
    left: bool,
}

impl Node {
    pub(super) fn new(id: String, shared: bool, now_ms: i64) -> Self {
        Self { id, shared, beaten_ms: None, looked_ms: None, swept_ms: now_ms, living: BTreeSet::new(), left: false }
    }

    /// A heartbeat that was sent at `sent_ms` is written.
    pub(super) fn beaten(&mut self, sent_ms: i64) {
        self.beaten_ms = Some(sent_ms);
    }

    /// Whether a call that begins now ends while nobody takes its delivery over.
    pub(super) fn may_call(&self, now_ms: i64) -> bool {
        !self.shared || self.beaten_ms.is_some_and(|sent_ms| now_ms + CALL_MS <= sent_ms + TRUST_MS)
    }

    fn beats(&self, now_ms: i64) -> bool {
        is_due(self.beaten_ms, BEAT_MS, now_ms)
    }

    fn looks(&self, now_ms: i64) -> bool {
        self.shared && !self.left && is_due(self.looked_ms, LOOK_MS, now_ms)
    }

    /// Whether rows are to be looked through that another node may have left without a word.
    pub(super) fn sweeps(&self, now_ms: i64) -> bool {
        self.shared && !self.left && is_due(Some(self.swept_ms), SWEEP_MS, now_ms)
    }

    pub(super) fn swept(&mut self, now_ms: i64) {
        self.swept_ms = now_ms;
    }

    /// Takes in who lives: whether somebody is gone since the last look.
    fn looked(&mut self, now_ms: i64, living: BTreeSet<String>) -> bool {
        let gone = !self.living.is_subset(&living);
        (self.looked_ms, self.living) = (Some(now_ms), living);
        gone
    }

    /// Whether another node lived at the last look.
    pub(super) fn has_others(&self) -> bool {
        self.living.iter().any(|id| *id != self.id)
    }

    /// Has it look around at the next turn.
    pub(super) fn look_soon(&mut self) {
        self.looked_ms = None;
    }

    /// How long the loop may sleep before this node has to be seen to.
    pub(super) fn rest(&self, now_ms: i64) -> Duration {
        let looked_ms = self.looked_ms.filter(|_| self.shared && !self.left);
        let left_ms = looked_ms.map_or(i64::MAX, |looked_ms| (looked_ms + LOOK_MS - now_ms).max(0));
        Duration::from_millis(left_ms.unsigned_abs())
    }
}

fn is_due(last_ms: Option<i64>, every_ms: i64, now_ms: i64) -> bool {
    last_ms.is_none_or(|last_ms| now_ms >= last_ms + every_ms)
}

impl Loop {
    fn monotonic_ms(&self) -> i64 {
        self.setup.clock.monotonic_ms()
    }

    /// Says that this node lives, looks who else does, and now and then for what nobody told it of.
    pub(super) async fn tend(&mut self) {
        let now_ms = self.monotonic_ms();
        if !self.setup.clock.is_virtual() {
            self.steps.note(self.setup.clock.now_ms(), now_ms);
        }
        if self.node.looks(now_ms)
            && let Err(error) = self.look_around().await
        {
            tracing::error!(error = format!("{error:#}"), "the heartbeat could not be written");
            self.mend().await;
        }
        // Without room, what waits for the sweep waits for that too.
        if self.node.sweeps(now_ms) && !self.space.is_full() {
            if let Err(error) = self.adopt_older().await
                && !self.ran_out()
            {
                tracing::error!(error = format!("{error:#}"), "what an older release wrote could not be looked for");
                self.mend().await;
            }
            // A call of a dead node whose row was locked while its work was taken over is found now.
            (self.due_ms, self.feed_again, self.unsettled) = (0, true, true);
        }
    }

    /// Writes the heartbeat when it is due, removes the nodes that are silent, and takes over from those that are gone.
    pub(super) async fn look_around(&mut self) -> anyhow::Result<()> {
        let sent_ms = self.monotonic_ms();
        let beats = self.node.beats(sent_ms);
        let mut tx = self.writer.begin().await?;
        let number = match beats {
            true => tx.beat_or_join(&self.node.id).await?,
            false => tx.deploy_number().await?,
        };
        let before_ms = if self.node.shared { tx.now_ms - SILENT_MS } else { i64::MAX };
        let nodes = tx.nodes().await?;
        let mut silent = 0;
        if nodes.iter().any(|(id, heartbeat_ms)| *id != self.node.id && *heartbeat_ms <= before_ms) {
            silent = tx.remove_silent_nodes(&self.node.id, before_ms).await?;
        }
        // What stops a run is said by the definition it began with, whichever node deployed that.
        let definitions = if self.node.shared { tx.definitions_in_use().await? } else { Vec::new() };
        tx.commit().await?;
        self.know_definitions(definitions).await?;
        if beats {
            self.node.beaten(sent_ms);
        }
        if silent > 0 && self.node.shared {
            tracing::warn!(nodes = silent, "servers are silent: their work is taken over");
        }
        // Other nodes may have written rows that workers beside this loop are on duty for.
        self.shared.board.nudge();
        let gone = self.node.looked(sent_ms, nodes.into_iter().map(|(id, _)| id).collect());
        if silent > 0 || gone {
            self.take_over().await?;
        }
        // At its start a node deploys by itself.
        if self.versions.number > 0 && self.node.shared {
            self.follow(number).await?;
        }
        Ok(())
    }

    /// Takes over what no living node has in hand.
    pub(super) async fn take_over(&mut self) -> anyhow::Result<()> {
        self.adopt_older().await?;
        self.settle_unfinished().await?;
        let mut tx = self.writer.begin().await?;
        tx.adopt_firings(&self.node.id).await?;
        // Look-ups died with who had them in memory.
        tx.release_holds(&["contact_unknown"]).await?;
        tx.commit().await?;
        self.couriers.see_to(self.setup.store.waiting_targets().await?);
        if let Some(deploy) = self.setup.store.current_deploy().await?.filter(|row| row.number == self.versions.number)
        {
            self.see_to_in_flight(&deploy);
        }
        // Its runs and deliveries wait for anybody.
        (self.due_ms, self.feed_again) = (0, true);
        Ok(())
    }

    /// Calls for which nobody answers any more become uncertain: those of the dead, and those of this node that it does
    /// not know of.
    pub(super) async fn settle_unfinished(&mut self) -> anyhow::Result<()> {
        loop {
            let mut tx = self.writer.begin().await?;
            let mut left = tx.unfinished_calls(&self.node.id, TAKE_OVER + self.open.len()).await?;
            left.retain(|row| !self.open.values().any(|open| *open == row.delivery.id));
            for row in &mut left {
                settle::doubt(&mut row.delivery, "the process ended while the call was open".into(), tx.now_ms);
                row.delivery.hand_over(tx.now_ms);
            }
            tx.update_deliveries(&left.iter().collect::<Vec<_>>()).await?;
            let runs = left.iter().map(|row| (row.delivery.run.clone(), tx.now_ms)).filter(|(run, _)| !run.is_empty());
            tx.reach_runs(&runs.collect::<Vec<_>>()).await?;
            tx.commit().await?;
            if left.is_empty() {
                return self.find_abandoned().await;
            }
            tracing::warn!(deliveries = left.len(), "calls were open when the process ended: uncertain");
        }
    }

    /// Makes the calls of a group that is committed. When the commit took long, the heartbeat is renewed first; a call
    /// for which that fails is given up before its first byte.
    pub(super) async fn begin_calls(&mut self, calls: Vec<Call>) {
        if calls.is_empty() {
            return;
        }
        self.may_call().await;
        for call in calls {
            match self.node.may_call(self.monotonic_ms()) {
                true => self.begin_call(call),
                false => self.give_up(call),
            }
        }
    }

    /// Whether calls may begin; the heartbeat is renewed when the last one is too long ago.
    pub(super) async fn may_call(&mut self) -> bool {
        if !self.node.may_call(self.monotonic_ms())
            && let Err(error) = self.renew().await
        {
            tracing::error!(error = format!("{error:#}"), "the heartbeat could not be written");
        }
        self.node.may_call(self.monotonic_ms())
    }

    /// Renews the heartbeat of a node that the others still count in. One that they have taken over from does not come
    /// back here: its calls are not its own any more.
    async fn renew(&mut self) -> anyhow::Result<()> {
        let sent_ms = self.monotonic_ms();
        let mut tx = self.writer.begin().await?;
        let counted_in = tx.beat(&self.node.id).await?.is_some();
        tx.commit().await?;
        anyhow::ensure!(counted_in, "another node took over");
        self.node.beaten(sent_ms);
        Ok(())
    }

    fn give_up(&mut self, call: Call) {
        let Call { delivery, channel, attempt, n, form, started_at_ms, .. } = call;
        self.open.insert(attempt.clone(), delivery.clone());
        let error = "not called: this server was not sure of its right to".to_owned();
        let outcome = Outcome::NotSent { error, retry_after_ms: None, status: None };
        self.carried.push(CallResult { delivery, channel, attempt, n, form, started_at_ms, outcome });
    }

    /// Says goodbye: the others need not wait until this node falls silent.
    pub(super) async fn leave(&mut self) {
        let left = async {
            let mut tx = self.writer.begin().await?;
            tx.remove_node(&self.node.id).await?;
            if self.setup.outside.hints {
                tx.hint(&self.node.id).await?;
            }
            tx.commit().await
        };
        if let Err(error) = left.await {
            tracing::warn!(error = format!("{error:#}"), "could not say goodbye: the other servers notice in 30 s");
        }
        self.node.left = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(shared: bool) -> Node {
        Node::new("n1".into(), shared, 0)
    }

    #[test]
    fn a_call_begins_only_while_it_can_end_before_the_trust_does() {
        let mut node = node(true);
        assert!(!node.may_call(0), "no heartbeat is written yet");
        node.beaten(1_000);
        for (now_ms, may) in [(1_000, true), (6_000, true), (6_001, false), (26_000, false), (40_000, false)] {
            assert_eq!(node.may_call(now_ms), may, "{now_ms}");
        }
        node.beaten(40_000);
        assert!(node.may_call(45_000));
        // A call that begins at the last moment has ended, by its own bound and with time to spare, before others come.
        const { assert!(CALL_MS >= 15_000 + 5_000 && TRUST_MS < SILENT_MS) };
    }

    #[test]
    fn a_node_that_is_alone_needs_no_heartbeat() {
        let node = node(false);
        assert!(node.may_call(i64::MAX / 2));
        assert!(!node.looks(i64::MAX / 2) && !node.sweeps(i64::MAX / 2));
        assert_eq!(node.rest(0), Duration::from_millis(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn it_beats_every_ten_seconds_and_looks_every_five() {
        let mut node = node(true);
        let (mut beats, mut looks, mut sweeps) = (Vec::new(), Vec::new(), Vec::new());
        for now_ms in (0..=60_000).step_by(1_000) {
            if node.looks(now_ms) {
                looks.push(now_ms);
                if node.beats(now_ms) {
                    beats.push(now_ms);
                    node.beaten(now_ms);
                }
                node.looked(now_ms, BTreeSet::new());
                assert_eq!(node.rest(now_ms + 1_000), Duration::from_secs(4));
            }
            if node.sweeps(now_ms) {
                sweeps.push(now_ms);
                node.swept(now_ms);
            }
        }
        assert_eq!(beats, [0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
        assert_eq!(looks, (0..=12).map(|n| n * 5_000).collect::<Vec<_>>());
        assert_eq!(sweeps, [30_000, 60_000]);
    }

    #[test]
    fn it_notices_who_is_gone_and_not_who_is_new() {
        let mut node = node(true);
        let who = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        assert!(!node.looked(0, who(&["n1", "n2"])));
        assert!(!node.looked(1, who(&["n1", "n2", "n3"])));
        assert!(node.looked(2, who(&["n1", "n3"])));
        assert!(!node.looked(3, who(&["n1", "n3"])));
        assert!(node.looked(4, who(&["n1", "n4"])), "gone and replaced");
    }
}
