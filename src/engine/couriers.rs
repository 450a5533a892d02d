//! Couriers: one task per target of the relay posts what waits for it, the oldest first, one at a time. Where several
//! nodes have one for the same target, one of them is on duty.
//!
//! ```text
//! group ─► rows of `relay` ─► nudge ─► courier: oldest row ─► post ─► Change::Relayed ─► group
//! ```
//! Where a kill may fall: between a post and the commit of its result the row still waits, and is posted again. A target
//! gets each event at least once, in order, and knows a repetition by its id or body. Invariant: a target that is slow
//! or away delays neither another target nor what comes in.

use super::board::Place;
use super::change::{Change, Changed};
use super::{Busy, Engine, Item, Outside, Shared};
use crate::connector::guard::Guard;
use crate::connector::relay::{Destination, Poster};
use crate::relay::{Relay, RelayState, subscribed_name};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pause after the store did not answer.
const STORE_AGAIN_MS: i64 = 2_000;
/// Posts of one event that may fail before somebody is told.
const ALERT_AFTER: u32 = 5;
/// Copies made by one redrive.
const MOST_REDRIVEN: usize = 500;

/// The tasks that run, by target.
pub(super) struct Couriers {
    poster: Poster,
    outside: Outside,
    shared: Arc<Shared>,
    queue: mpsc::WeakSender<Item>,
    beside: Handle,
    running: HashMap<String, JoinHandle<()>>,
}

impl Couriers {
    pub(super) fn new(
        guard: Guard,
        outside: Outside,
        shared: Arc<Shared>,
        queue: mpsc::WeakSender<Item>,
        beside: Handle,
    ) -> anyhow::Result<Self> {
        Ok(Self { poster: Poster::new(guard)?, outside, shared, queue, beside, running: HashMap::new() })
    }

    /// Sees to it that each of these targets has its courier.
    pub(super) fn see_to(&mut self, targets: Vec<String>) {
        for target in targets {
            if self.running.get(&target).is_some_and(|task| !task.is_finished()) {
                continue;
            }
            let courier = Courier {
                place: self.shared.board.enlist(&format!("relay {target}"), self.queue.clone()),
                target: target.clone(),
                poster: self.poster.clone(),
                outside: self.outside.clone(),
                shared: self.shared.clone(),
                queue: self.queue.clone(),
            };
            self.running.insert(target, self.beside.spawn(courier.work()));
        }
    }
}

struct Courier {
    target: String,
    poster: Poster,
    outside: Outside,
    shared: Arc<Shared>,
    queue: mpsc::WeakSender<Item>,
    place: Place,
}

/// Where a target is.
enum Way {
    Open(Destination),
    /// Its secret is not set: it may be, after the next start.
    Closed(String),
    /// Nobody wants it any more.
    Gone,
}

impl Courier {
    async fn work(mut self) {
        while !self.shared.draining.load(Ordering::SeqCst) && !self.place.has_ended() {
            self.place.look();
            let rest_until_ms = match self.step().await {
                Ok(rest_until_ms) => rest_until_ms,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the relay could not go on: it is tried again soon");
                    Some(self.shared.clock.now_ms() + STORE_AGAIN_MS)
                }
            };
            if let Some(due_ms) = rest_until_ms {
                self.place.rest(&self.shared.clock, due_ms).await;
            }
        }
    }

    /// Posts the oldest, if it is due: until when there is nothing to do, else at once again.
    async fn step(&self) -> anyhow::Result<Option<i64>> {
        if self.shared.stands() {
            // What became of a post could not be noted.
            return Ok(Some(self.shared.clock.now_ms() + STORE_AGAIN_MS));
        }
        if self.shared.store.next_relay(&self.target).await?.is_none() {
            return Ok(Some(i64::MAX));
        }
        if !self.engine()?.on_duty(&format!("relay {}", self.target)).await? {
            // Whoever is on duty is told of new rows by looking around, and so is this node of the other's end.
            return Ok(Some(i64::MAX));
        }
        // Read under the duty: what waited a moment ago may have been posted by whoever had it before.
        let Some(relay) = self.shared.store.next_relay(&self.target).await? else { return Ok(Some(i64::MAX)) };
        let now_ms = self.shared.clock.now_ms();
        if relay.due_at_ms > now_ms {
            return Ok(Some(relay.due_at_ms));
        }
        if relay.attempts > 0 && relay.expires_at_ms <= now_ms {
            return self.note(relay.dead("expired", now_ms)).await;
        }
        let noted = match self.way().await? {
            Way::Gone => {
                let clear = vec![format!("relay:{}", self.target)];
                self.write(Change::Alert { raise: Vec::new(), clear }).await?;
                return self.write(Change::GiveUpRelays(self.target.clone())).await.map(|()| None);
            }
            Way::Closed(why) => relay.after(None, Err(why), None, now_ms),
            Way::Open(to) => {
                let posted = self.poster.post(&relay, &to, now_ms).await;
                relay.after(posted.http_status, posted.told, posted.wait_ms, self.shared.clock.now_ms())
            }
        };
        self.note(noted).await
    }

    async fn note(&self, relay: Relay) -> anyhow::Result<Option<i64>> {
        if relay.state == RelayState::Dead {
            tracing::error!(
                relay = relay.id,
                "a target of the relay did not take an event: it is given up, `POST /api/relay/redrive` repeats it"
            );
        }
        self.tell(&relay).await?;
        self.write(Change::Relayed(Box::new(relay))).await.map(|()| None)
    }

    /// A target that takes nothing is told of while it lasts.
    async fn tell(&self, relay: &Relay) -> anyhow::Result<()> {
        let name = format!("relay:{}", self.target);
        if relay.state == RelayState::Delivered && relay.attempts > ALERT_AFTER {
            return self.write(Change::Alert { raise: Vec::new(), clear: vec![name] }).await;
        }
        if relay.state != RelayState::Queued || relay.attempts != ALERT_AFTER {
            return Ok(());
        }
        let why = relay.error.as_deref().unwrap_or("no reason given");
        let what = format!("the relay's target {} takes nothing, and is tried again and again: {why}", self.target);
        tracing::warn!(target = self.target, why, "a target of the relay takes nothing: it is tried again and again");
        self.write(Change::Alert { raise: vec![(name, what)], clear: Vec::new() }).await
    }

    async fn write(&self, change: Change) -> anyhow::Result<()> {
        let written = self.engine()?.change(change).await;
        written.map(drop).map_err(|Busy| anyhow::anyhow!("the store did not take a result"))
    }

    fn engine(&self) -> anyhow::Result<Engine> {
        let queue = self.queue.upgrade().ok_or_else(|| anyhow::anyhow!("the engine has ended"))?;
        Ok(Engine { shared: self.shared.clone(), queue })
    }

    async fn way(&self) -> anyhow::Result<Way> {
        if let Some(name) = subscribed_name(&self.target) {
            let found = self.shared.store.subscribed_targets().await?.into_iter().find(|row| row.name == name);
            let open = |url| Way::Open(Destination { url, signing: None, trusted: false });
            return Ok(found.map_or(Way::Gone, |row| open(row.url)));
        }
        let deployed = self.shared.deployed();
        let Some(target) = deployed.settings.relay.iter().find(|target| target.key() == self.target) else {
            // Where several nodes serve, another one's relance.yaml may be the newer.
            return Ok(match self.shared.store.has_other_nodes(&self.shared.node).await? {
                true => Way::Closed("the relance.yaml of this server does not name it".to_owned()),
                false => Way::Gone,
            });
        };
        Ok(match self.outside.secret(&target.secret) {
            Some(secret) => {
                let signing = Some((target.signature, secret));
                Way::Open(Destination { url: target.url.clone(), signing, trusted: true })
            }
            None => Way::Closed(format!("its secret `{}` is not set", target.secret)),
        })
    }
}

impl Engine {
    /// Has dead relays posted again, behind everything that waits for their targets: how many there were. Each is
    /// repeated once.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it.
    pub async fn redrive_relays(&self, mut ids: Vec<String>, who: &str) -> Result<u64, Busy> {
        ids.truncate(MOST_REDRIVEN);
        match self.change(Change::RedriveRelays { ids, who: who.to_owned() }).await? {
            Changed::Redriven(copies) => Ok(copies),
            _ => Err(Busy),
        }
    }
}

/// Copies of dead relays, due now.
pub(super) fn copies(ids: &[String], clock: &crate::clock::Clock) -> Vec<(Relay, String)> {
    let now_ms = clock.now_ms();
    let copy = |of: &String| (Relay::new(clock.new_id(), "", "", "", String::new(), now_ms), of.clone());
    ids.iter().map(copy).collect()
}
