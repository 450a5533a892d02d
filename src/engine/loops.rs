//! The loop: takes what waits, makes a group of it, answers, and sleeps until something is due.
//!
//! Where a kill may fall: before the commit nothing was answered and nothing was sent; between the commit and the call
//! the delivery stands as `sending` and becomes `uncertain` when its node is known to be dead (`node`), never sent twice.

use super::calls::Errands;
use super::campaign;
use super::change::Changed;
use super::couriers::Couriers;
use super::deploy::{Cause, Unreadable, Versions};
use super::deployed::Pinned;
use super::fire;
use super::full::Space;
use super::group::{self, CallResult, Context, Done, Work};
use super::hints::Hints;
use super::in_hand::InHand;
use super::inbound::Told;
use super::learn;
use super::lookup::Looking;
use super::node::Node;
use super::outbound::Alert;
use super::overdue::Overdue;
use super::porter::Porter;
use super::redo::{apart, is_conflict, is_refusal, without_chunk};
use super::scopes::Breakers;
use super::steps::Steps;
use super::tagged::Rest;
use super::{Accepted, Busy, Item, Setup, Shared};
use crate::config::Project;
use crate::connector::guard::Guard;
use crate::connector::{Callbell, webhook};
use crate::store::Writer;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Items of one group.
const GROUP: usize = 256;
/// Calls open at once.
const SLOTS: usize = 64;
/// How often a group is done again when another writer was faster.
pub(super) const TRIES: usize = 5;
/// Longest sleep while something is due later; suspends and steps of the clock are noticed after it.
pub(super) const NAP: Duration = Duration::from_secs(1);
/// Longest sleep while nothing is due at all.
const IDLE: Duration = Duration::from_secs(30);

pub(super) struct Loop {
    pub(super) setup: Setup,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    pub(super) queue: mpsc::WeakSender<Item>,
    /// Where calls and campaigns run: beside the loop, which may have a thread of its own.
    pub(super) beside: Handle,
    pub(super) node: Node,
    pub(super) steps: Steps,
    pub(super) versions: Versions,
    pub(super) pinned: Pinned,
    /// Attempts whose call is open, each with its delivery: an attempt that evidence settled may still wait for its
    /// answer while the next one of the same delivery is under way.
    pub(super) open: HashMap<String, String>,
    in_hand: InHand,
    /// Results that the store did not take yet.
    pub(super) carried: Vec<CallResult>,
    /// Steps that call out.
    pub(super) errands: Errands,
    pub(super) looking: Looking,
    pub(super) breakers: Breakers,
    pub(super) breaker_closed: bool,
    /// Counts groups: each begins with another channel.
    pub(super) turn: usize,
    /// Lanes that deliveries wait in, beside those of the project's channels.
    pub(super) others: BTreeSet<String>,
    pub(super) alerted: HashSet<Alert>,
    overdue: Overdue,
    /// Status events may wait for the answers that tell whose they are.
    early: bool,
    /// The end of what is under way for a person may go on.
    ending: bool,
    pub(super) due_ms: i64,
    pub(super) schedule_ms: i64,
    /// How far the store's time is ahead of the process's. What is due is due by the store's time: a sleep by another
    /// clock would end early and find nothing, again and again.
    ahead_ms: i64,
    /// Calls that nobody answers for may stand as `sending`: the store did not take their end yet.
    pub(super) unsettled: bool,
    /// A task feeds campaigns; another campaign was begun meanwhile.
    pub(super) feeding: bool,
    pub(super) feed_again: bool,
    /// When a campaign has to be looked at again.
    pub(super) feed_rest: Rest,
    pub(super) couriers: Couriers,
    pub(super) space: Space,
    hints: Hints,
    pub(super) quiet: Vec<oneshot::Sender<Option<i64>>>,
    pub(super) drains: Vec<oneshot::Sender<()>>,
    /// Answered when the loop has ended.
    ends: Vec<oneshot::Sender<()>>,
}

/// The answers that are owed for a group.
#[derive(Default)]
pub(super) struct Owed {
    pub(super) events: Vec<(oneshot::Sender<Result<Accepted, Busy>>, usize)>,
    pub(super) told: Vec<(oneshot::Sender<Result<(), Busy>>, usize)>,
    pub(super) changes: Vec<oneshot::Sender<Result<Changed, Busy>>>,
    pub(super) chunk: Option<(Box<campaign::Chunk>, oneshot::Sender<bool>)>,
}

impl Loop {
    /// `beside`: the runtime of calls and campaigns.
    pub(super) fn new(
        setup: Setup,
        shared: Arc<Shared>,
        writer: Writer,
        queue: mpsc::WeakSender<Item>,
        beside: Handle,
    ) -> anyhow::Result<Self> {
        let guard = Guard { loopback: setup.callbell.as_ref().is_some_and(Callbell::is_local) };
        let outside = setup.outside.clone();
        let couriers = Couriers::new(guard, outside, shared.clone(), queue.clone(), beside.clone())?;
        if let Some(porter) = Porter::new(guard, shared.clone(), queue.clone())? {
            beside.spawn(porter.work());
        }
        let ballast = setup.store.disk().ballast().filter(|_| setup.outside.ballast);
        Ok(Self {
            node: Node::new(shared.node.clone(), setup.store.dialect().is_shared(), setup.clock.monotonic_ms()),
            steps: Steps::default(),
            setup,
            shared,
            writer,
            queue,
            beside,
            versions: Versions::default(),
            pinned: Pinned::default(),
            open: HashMap::new(),
            carried: Vec::new(),
            errands: Errands::default(),
            looking: Looking::default(),
            in_hand: InHand::default(),
            breakers: Breakers::default(),
            breaker_closed: false,
            turn: 0,
            others: BTreeSet::new(),
            alerted: HashSet::new(),
            overdue: Overdue::UNKNOWN,
            early: false,
            ending: true,
            due_ms: 0,
            schedule_ms: 0,
            ahead_ms: 0,
            unsettled: false,
            feeding: false,
            feed_again: true,
            feed_rest: Rest::default(),
            couriers,
            space: Space::new(ballast),
            hints: Hints::default(),
            quiet: Vec::new(),
            drains: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Joins the nodes of this database, and takes up what those that are dead left: calls that were open become
    /// uncertain, campaigns go on, definitions of live runs are read again.
    pub(super) async fn take_up(&mut self, project: &Project) -> anyhow::Result<()> {
        self.look_around().await?;
        self.take_over().await?;
        let mut tx = self.writer.begin().await?;
        self.early = tx.has_early_statuses().await?;
        tx.rollback().await?;
        self.deploy(Some(project), Cause::Start).await?;
        self.couriers.see_to(self.setup.store.waiting_targets().await?);
        self.listen();
        Ok(())
    }

    pub(super) async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        let mut batch = Vec::with_capacity(GROUP);
        while self.ends.is_empty() {
            self.feed();
            let nap = self.nap();
            tokio::select! {
                biased;
                taken = items.recv_many(&mut batch, GROUP) => if taken == 0 { break },
                () = tokio::time::sleep(nap) => {}
            }
            self.tend().await;
            self.look_for_room();
            self.turn(&mut batch).await;
            if items.is_empty() {
                self.answer_quiet();
            }
            self.answer_drains().await;
        }
        self.writer.close().await;
        for reply in self.ends {
            let _ = reply.send(());
        }
    }

    /// The store's time, as far as the last transaction told.
    pub(super) fn now_ms(&self) -> i64 {
        self.setup.clock.now_ms() + self.ahead_ms
    }

    fn nap(&self) -> Duration {
        let now_ms = self.setup.clock.monotonic_ms();
        if let Some(rest) = self.space.rest(now_ms) {
            return rest.min(NAP).min(self.node.rest(now_ms));
        }
        if self.versions.is_behind() {
            return NAP.min(self.node.rest(now_ms));
        }
        let due_ms = self.due_ms.min(self.schedule_ms).min(self.feed_rest.at_ms.unwrap_or(i64::MAX));
        let rest = match due_ms {
            i64::MAX if self.carried.is_empty() && self.errands.carried.is_empty() => IDLE,
            _ => self.setup.clock.until(due_ms.saturating_sub(self.ahead_ms), NAP),
        };
        rest.min(self.node.rest(now_ms))
    }

    async fn turn(&mut self, batch: &mut Vec<Item>) {
        let (mut work, mut owed) = (Work::default(), Owed::default());
        work.calls = std::mem::take(&mut self.carried);
        work.called = std::mem::take(&mut self.errands.carried);
        for item in batch.drain(..) {
            match item {
                Item::Event { arrival, bytes, reply } => {
                    work.arrivals.push(arrival);
                    owed.events.push((reply, bytes));
                }
                Item::Told { incoming, raw, replayed, reply } => {
                    let id = || self.setup.clock.new_id();
                    let told = incoming.len();
                    let each = incoming.into_iter().zip(webhook::parts(&raw, told));
                    let told = |(one, raw)| Told { replayed, ..Told::new(id(), one, raw, &self.shared.key) };
                    work.told.extend(each.map(told));
                    owed.told.push((reply, raw.len()));
                }
                Item::Call(result) => {
                    self.heed(&result);
                    work.calls.push(result);
                }
                Item::Called(ended) => work.called.push(ended),
                Item::LookUp { look_up, reply } => {
                    self.looking.want(*look_up, Some(reply));
                    self.due_ms = 0;
                }
                Item::Looked(key) => {
                    self.looking.ended(&key);
                    if self.looking.wanted() > 0 {
                        self.due_ms = 0;
                    }
                }
                Item::Change { change, reply } => {
                    work.changes.push(*change);
                    owed.changes.push(reply);
                }
                Item::Chunk { chunk, reply } => owed.chunk = Some((chunk, reply)),
                Item::Fed { again, rest } => {
                    (self.feeding, self.feed_again) = (false, self.feed_again || again);
                    self.feed_rest = rest;
                }
                Item::Deploy { project, reply } => {
                    let deployed = self.deploy(Some(&project), Cause::Read).await;
                    let _ = reply.send(deployed);
                }
                Item::Quiet(reply) => self.quiet.push(reply),
                Item::Drain(reply) => self.drains.push(reply),
                Item::End(reply) => self.ends.push(reply),
                Item::Hint => self.take_hint(),
                Item::Look => {
                    self.due_ms = 0;
                    self.shared.board.nudge();
                }
                // Only so that `quiet` is looked at again.
                Item::Rested => {}
            }
        }
        // Behind the events, wherever it stood among them: answers are given by place.
        if let Some((chunk, _)) = &owed.chunk {
            work.arrivals.extend(chunk.arrivals.iter().cloned());
        }
        self.group(work, owed).await;
    }

    /// Does a group and answers everybody. One that the store refuses whole is done again item by item, so that one item
    /// that cannot be kept costs nobody else.
    async fn group(&mut self, work: Work, owed: Owed) {
        let stands = self.stands();
        let (work, owed) = if stands { self.only_results(work, owed) } else { (work, owed) };
        let tick = !stands && self.due_ms.min(self.schedule_ms) <= self.now_ms();
        if work.is_empty() && owed.chunk.is_none() && !tick {
            return;
        }
        match self.try_group(&work, &owed, tick).await {
            Ok(done) => self.finish(work, owed, done).await,
            Err(error) if self.ran_out() => self.settle_only(work, owed, &error).await,
            // Only what was begun goes on: the group is that now.
            Err(error) if error.is::<Unreadable>() => Box::pin(self.group(work, owed)).await,
            Err(error) if error.is::<campaign::Stands>() => {
                let (work, owed) = without_chunk(work, owed);
                Box::pin(self.group(work, owed)).await;
            }
            Err(error) if is_refusal(&error) && work.items() + usize::from(tick) > 1 && !work.is_empty() => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the store refused a group: its items are done one by one"
                );
                for (work, owed) in apart(work, owed) {
                    match self.try_group(&work, &owed, false).await {
                        Ok(done) => self.finish(work, owed, done).await,
                        Err(error) => self.refuse(work, owed, &error),
                    }
                }
            }
            Err(error) => self.once_more(work, owed, tick, &error).await,
        }
    }

    /// Tries a group until no other writer was faster.
    pub(super) async fn try_group(&mut self, work: &Work, owed: &Owed, tick: bool) -> anyhow::Result<Done> {
        let chunk = owed.chunk.as_ref().map(|(chunk, _)| chunk.as_ref());
        let mut tries = 1;
        loop {
            let error = match self.attempt(work, chunk, tick).await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            // The store may hold something newer: this commit, or one before, may have got through all the same.
            self.in_hand = InHand::default();
            match is_conflict(&error) && tries < TRIES {
                true => tries += 1,
                false => self.read_up(error).await?,
            }
        }
    }

    async fn attempt(&mut self, work: &Work, chunk: Option<&campaign::Chunk>, tick: bool) -> anyhow::Result<Done> {
        if self.unsettled {
            self.settle_unfinished().await?;
            self.unsettled = false;
        }
        let serving = self.shared.deployed();
        let deployed = learn::overlaid(serving.clone(), &work.changes);
        let begun_ms = self.setup.clock.monotonic_ms();
        let sweep = tick && self.node.sweeps(begun_ms);
        let context = Context {
            clock: &self.setup.clock,
            deployed: &deployed,
            pinned: &self.pinned,
            key: &self.shared.key,
            node: &self.node.id,
            in_hand: &self.in_hand,
            free: self.free_slots(work.calls.len()),
            outside: &self.setup.outside,
            room: self.errand_room(&work.called),
            turn: self.turn,
            others: &self.others,
            breakers: &self.breakers,
            breaker_closed: self.breaker_closed,
            looks_waiting: self.looking.wanted(),
            looks_room: self.looking.room(),
            tick,
            overdue: if tick { self.overdue.room(self.now_ms()) } else { 0 },
            early: self.early,
            ending: self.ending,
            calling: !self.open.is_empty(),
            shared: self.node.shared,
            sweep,
        };
        let (overdue, free) = (context.overdue, context.free);
        let fenced = self.node.shared && context.free + context.room.free > 0;
        let mut tx = self.writer.begin().await?;
        if fenced {
            // Whoever takes this node's work over removes its row first: what is claimed here is seen there, or not done.
            self.versions.keep_up(tx.beat_or_join(&self.node.id).await?)?;
        } else if self.node.shared {
            self.versions.keep_up(tx.deploy_number().await?)?;
        }
        self.ahead_ms = tx.now_ms - self.setup.clock.now_ms();
        let fires = tick && self.schedule_ms <= tx.now_ms;
        let fired = match fires {
            true => fire::fire(&mut tx, &deployed, &self.setup.clock, &self.node.id).await?,
            false => fire::Fired::default(),
        };
        let mut done = match fired.arrivals.is_empty() {
            true => group::decide(&mut tx, work, &context).await?,
            false => group::decide(&mut tx, &work.with(&fired.arrivals), &context).await?,
        };
        if let Some(chunk) = chunk {
            let rows = done.accepted.len() - chunk.arrivals.len() - fired.arrivals.len();
            let rows = &done.accepted[rows..rows + chunk.arrivals.len()];
            chunk.close(&mut tx, rows).await?;
        }
        let heard = self.setup.outside.hints && self.node.has_others();
        if heard && self.hints.are_worth(&done, free, begun_ms) {
            tx.hint(&self.node.id).await?;
        }
        done.counted = tx.counted;
        tx.commit().await?;
        if fenced {
            self.node.beaten(begun_ms);
        }
        if sweep {
            self.node.swept(begun_ms);
        }
        self.note_committed(&mut done);
        if !Arc::ptr_eq(&deployed, &serving) {
            self.shared.replace(deployed);
            // A campaign under way begins again with what serves now.
            self.feed_again = true;
        }
        if fires {
            self.schedule_ms = fired.next_ms.unwrap_or(i64::MAX);
            self.feed_again |= fired.campaigns;
        }
        self.note_due(&done, tick, overdue);
        Ok(done)
    }

    fn note_committed(&mut self, done: &mut Done) {
        self.breaker_closed = false;
        self.feed_again |= done.campaigns;
        if !self.node.shared {
            self.in_hand.note(done);
        }
    }

    /// Send slots that are free once this many calls are settled.
    fn free_slots(&self, closing: usize) -> usize {
        let claims = self.setup.callbell.is_some() && !self.stands() && !self.shared.draining.load(Ordering::SeqCst);
        if claims { (SLOTS + closing).saturating_sub(self.open.len()) } else { 0 }
    }

    /// A look at everything tells when the next is due; a group between two looks may only bring it forward.
    fn note_due(&mut self, done: &Done, tick: bool, overdue: usize) {
        self.due_ms = match (tick, done.next_due_ms) {
            (true, next) => {
                let overdue_ms = self.overdue.seen(overdue, done.overdue, done.now_ms);
                next.into_iter().chain(overdue_ms).min().unwrap_or(i64::MAX)
            }
            (false, next) => self.due_ms.min(next.unwrap_or(i64::MAX)),
        };
    }

    pub(super) async fn finish(&mut self, work: Work, owed: Owed, mut done: Done) {
        self.shared.load.add(work.arrivals.len(), work.calls.len(), &done);
        self.note_room(done.counted.rows);
        for call in &work.calls {
            self.open.remove(&call.attempt);
        }
        self.errands.forget(&work.called);
        (self.early, self.ending) = (done.early, done.ending);
        if !done.relayed.is_empty() {
            self.couriers.see_to(std::mem::take(&mut done.relayed));
            self.shared.board.nudge();
        } else if done.files {
            self.shared.board.nudge();
        }
        self.take_note(&mut done);
        let mut accepted = done.accepted.into_iter();
        for (reply, bytes) in owed.events {
            self.release(bytes);
            let _ = reply.send(accepted.next().ok_or(Busy));
        }
        for (reply, bytes) in owed.told {
            self.release(bytes);
            let _ = reply.send(Ok(()));
        }
        for (reply, changed) in owed.changes.into_iter().zip(done.changed) {
            let _ = reply.send(Ok(changed));
        }
        if let Some((_, reply)) = owed.chunk {
            let _ = reply.send(true);
        }
        self.begin_calls(done.calls).await;
        self.begin_errands(done.errands).await;
    }

    pub(super) fn release(&self, bytes: usize) {
        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
