//! Beside the loop: the calls that a group begins, what their ends tell of a channel, what an operator is told, the task
//! that feeds campaigns, and who waits until nothing of it is under way.
//!
//! Invariant: nothing here begins before the commit that holds the reason for it, and no call is ever cancelled.

use super::Item;
use super::campaign;
use super::group::{Call, CallResult, Done};
use super::loops::Loop;
use super::outbound::Alert;
use super::tagged::Rest;
use crate::outbox::breaker::Turned;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Pause before a campaign that the store did not take is tried again.
const FEED_AGAIN: Duration = Duration::from_secs(2);
/// Alerts remembered, so that each is told once.
const ALERTS: usize = 1000;

impl Loop {
    /// What a group came to beside answers and calls.
    pub(super) fn take_note(&mut self, done: &mut Done) {
        self.turn = self.turn.wrapping_add(1);
        self.others.retain(|lane| !done.idle_lanes.contains(lane));
        self.others.append(&mut done.planned_by);
        let missing = std::mem::take(&mut done.missing_channels).into_iter();
        let missing = missing.map(|channel| Alert::MissingChannel { channel });
        for alert in std::mem::take(&mut done.alerts).into_iter().chain(missing) {
            if self.alerted.len() >= ALERTS {
                self.alerted.clear();
            }
            // A pause is a new one each time.
            if self.alerted.insert(alert.clone()) || matches!(alert, Alert::Paused { .. }) {
                alert.log();
            }
        }
        done.look_ups.drain(..).for_each(|look_up| self.looking.want(look_up, None));
        if done.account_paused || self.shared.draining.load(Ordering::SeqCst) {
            self.looking.forget_waiting();
        }
        self.begin_looks(done.looks_granted);
    }

    /// A call ended: its channel may have stopped to answer, or answer again.
    pub(super) fn heed(&mut self, result: &CallResult) {
        let now_ms = self.now_ms();
        let breaker = self.breakers.entry(result.channel.clone()).or_default();
        match breaker.ended(&result.attempt, &result.outcome, now_ms) {
            Some(Turned::Closed) => {
                tracing::info!(channel = result.channel, "calls are answered again");
                self.breaker_closed = true;
            }
            Some(Turned::Open) => {
                tracing::warn!(channel = result.channel, "calls are not answered: nothing leaves by it for a while");
            }
            None => {}
        }
    }

    /// The call runs beside the loop; its result is an item of a later group. It is never cancelled.
    pub(super) fn begin_call(&mut self, call: Call) {
        let (Some(callbell), Some(queue)) = (self.setup.callbell.clone(), self.queue.upgrade()) else { return };
        self.open.insert(call.attempt.clone(), call.delivery.clone());
        let now_ms = self.now_ms();
        self.breakers.entry(call.channel.clone()).or_default().begun(&call.attempt, now_ms);
        self.beside.spawn(async move {
            let Call { delivery, channel, attempt, n, form, started_at_ms, body } = call;
            let outcome = callbell.send(body).await;
            let result = CallResult { delivery, channel, attempt, n, form, started_at_ms, outcome };
            let _ = queue.send(Item::Call(result)).await;
        });
    }

    /// Sees to it that a campaign with rows left is fed, by one task at a time.
    pub(super) fn feed(&mut self) {
        if self.feed_rest.at_ms.is_some_and(|at_ms| at_ms <= self.now_ms()) {
            (self.feed_again, self.feed_rest.at_ms) = (true, None);
        }
        let waits = self.stands() || self.shared.draining.load(Ordering::SeqCst);
        if self.feeding || !self.feed_again || waits {
            return;
        }
        let Some(queue) = self.queue.upgrade() else { return };
        (self.feeding, self.feed_again) = (true, false);
        let shared = self.shared.clone();
        let (root, failing_ms) = (self.setup.root.clone(), self.feed_rest.failing_ms);
        self.beside.spawn(async move {
            let fed = campaign::feed(&shared, &root, &queue, failing_ms).await;
            let (again, rest) = (fed.is_err(), fed.as_ref().copied().unwrap_or(Rest { at_ms: None, failing_ms }));
            if let Err(error) = fed {
                tracing::warn!(error = format!("{error:#}"), "a campaign could not go on: it is tried again soon");
                tokio::time::sleep(FEED_AGAIN).await;
            }
            let _ = queue.send(Item::Fed { again, rest }).await;
        });
    }

    pub(super) fn answer_quiet(&mut self) {
        // Who works beside the loop keeps it awake, and is due by its own clock.
        let Some(beside_ms) = self.shared.board.rests_until_ms() else { return };
        let feed_ms = self.feed_rest.at_ms.unwrap_or(i64::MAX);
        let due_ms = match self.space.rest(self.setup.clock.monotonic_ms()) {
            Some(rest) => self.now_ms().saturating_add(i64::try_from(rest.as_millis()).unwrap_or(i64::MAX)),
            None if self.versions.is_behind() => beside_ms,
            None => self.due_ms.min(self.schedule_ms).min(feed_ms).min(beside_ms),
        };
        let calling = !self.open.is_empty() || !self.errands.is_idle() || !self.looking.is_idle();
        let waits = self.feed_again || !self.carried.is_empty();
        let busy = calling || self.feeding || (waits && !self.stands());
        if busy || due_ms <= self.now_ms() {
            return;
        }
        let next = Some(due_ms).filter(|due_ms| *due_ms < i64::MAX);
        for reply in self.quiet.drain(..) {
            let _ = reply.send(next);
        }
    }

    pub(super) async fn answer_drains(&mut self) {
        let calling = !self.open.is_empty() || !self.errands.is_idle() || !self.looking.is_idle();
        if !self.drains.is_empty() && !calling && self.carried.is_empty() {
            self.leave().await;
            for reply in self.drains.drain(..) {
                let _ = reply.send(());
            }
        }
    }
}
