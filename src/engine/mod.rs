//! Engine: accepts events, moves runs, fires schedules, and hands deliveries to the outbox. One loop writes.
//!
//! ```text
//! http ──► accept ─┐                          ┌─► answers
//! outbox ◄─ calls ─┤ queue ─► loop: one group ┤
//! clock  ──► tick ─┘                          └─► calls, after the commit
//! ```
//! Everything that changes a row is an item of the queue; the loop takes what waits, decides it (`group`) and commits
//! it together. Invariant: nobody is answered and no byte is sent before the commit that holds the reason for it.

pub mod account;
pub mod advance;
pub mod asking;
pub mod audience;
mod beside;
mod board;
pub mod calendar;
mod calling;
mod calls;
mod campaign;
pub mod care;
mod change;
mod claim;
mod couriers;
mod deploy;
pub mod deployed;
pub mod drift;
mod duty;
mod early;
mod evaluate;
mod evidence;
mod fire;
mod full;
mod group;
mod hand_on;
mod health;
mod hints;
mod identities;
pub mod import;
mod in_flight;
mod in_hand;
mod inbound;
mod lanes;
pub mod learn;
mod limits;
mod load;
mod lookup;
mod loops;
mod node;
mod observe;
mod older;
mod operator;
mod outbound;
mod outside;
mod overdue;
mod person;
mod porter;
pub mod record;
mod redo;
pub mod repair;
pub mod replay;
pub mod retention;
mod rights;
mod routing;
mod scopes;
mod sent;
mod steps;
mod stops;
mod submit;
mod tagged;
mod take_back;
mod thread;
mod too_old;
mod turns;
mod unit;
pub mod why;

pub use deploy::{Manner, decisive};
pub use group::Accepted;
pub use in_flight::InFlight;
pub use operator::{Answer, NotSettled};
pub use outside::{Lists, Outside, SecretLookup};
pub(crate) use submit::{Submission, Submitted};
pub(crate) use take_back::TakenBack;

use crate::clock::{self, Clock};
use crate::config::Project;
use crate::connector::Callbell;
use crate::connector::webhook::Incoming;
use crate::event::NewEvent;
use crate::store::Store;
use anyhow::Context as _;
use bytes::Bytes;
use deployed::Deployed;
use group::{CallResult, NewArrival};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Events that may wait for a commit at most, in number and in bytes of their bodies. A body takes several times its size
/// while it is evaluated and written: as a value, as a text, as a parameter of a statement.
const QUEUE: usize = 1024;
const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// A handle on the running engine. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Item>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    store: Store,
    deployed: RwLock<Arc<Deployed>>,
    key: Vec<u8>,
    callbell: Option<Callbell>,
    waiting_bytes: AtomicUsize,
    draining: AtomicBool,
    /// Since when the store has no room, by the engine's clock; 0 = it has.
    full_ms: AtomicI64,
    /// Since when another server serves what this one cannot read; 0 = it does not.
    behind_ms: AtomicI64,
    /// Id of this process among those that share the database.
    node: String,
    load: Load,
    outside: Outside,
    /// Who works off rows beside the loop.
    board: Arc<board::Board>,
    /// When the account last checked the connection, by the engine's clock; 0 = it did not. A check leaves no row.
    checked_ms: AtomicI64,
    /// When the account itself last posted events here that were taken in; 0 = not in this life.
    posted_ms: AtomicI64,
}

/// What the loop did so far, for the load program.
#[derive(Debug, Default)]
struct Load {
    groups: AtomicU64,
    events: AtomicU64,
    statements: AtomicU64,
    rows: AtomicU64,
    calls: AtomicU64,
    settled: AtomicU64,
    /// Machine time of the first group with an event and of the last one that settled a call.
    first_event_ms: AtomicI64,
    last_settled_ms: AtomicI64,
}

/// Figures of [`Engine::load`].
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct LoadFigures {
    pub groups: u64,
    pub events: u64,
    pub statements: u64,
    pub rows: u64,
    /// Calls begun, and calls whose outcome is recorded.
    pub calls: u64,
    pub settled: u64,
    /// From the first event to the last recorded outcome, by the engine's clock.
    pub busy_ms: i64,
}

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    pub clock: Clock,
    pub store: Store,
    /// `None`: nothing is sent, deliveries wait (no token).
    pub callbell: Option<Callbell>,
    /// Where audience files lie: the project's root.
    pub root: PathBuf,
    pub outside: Outside,
    pub manner: Manner,
}

/// Why an event was not taken in. It may be posted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the store did not take it")
    }
}

impl std::error::Error for Busy {}

/// One thing for the loop.
enum Item {
    Event {
        arrival: NewArrival,
        bytes: usize,
        reply: oneshot::Sender<Result<Accepted, Busy>>,
    },
    Told {
        incoming: Vec<Incoming>,
        /// The body they were read from.
        raw: Bytes,
        /// From the account's log: it may have come before, longer ago than the same event could honestly come again.
        replayed: bool,
        reply: oneshot::Sender<Result<(), Busy>>,
    },
    Call(CallResult),
    /// A step's call ended.
    Called(calls::Ended),
    Change {
        change: Box<change::Change>,
        reply: oneshot::Sender<Result<change::Changed, Busy>>,
    },
    Chunk {
        chunk: Box<campaign::Chunk>,
        reply: oneshot::Sender<bool>,
    },
    Deploy {
        project: Box<Project>,
        reply: oneshot::Sender<anyhow::Result<()>>,
    },
    /// No campaign has rows left, as far as its task saw; or the store did not take some, and it has to look `again`.
    Fed {
        again: bool,
        /// When it has to look again, and since when the account does not tell who its people are.
        rest: tagged::Rest,
    },
    /// The account is to be asked for a person; answered when that is over.
    LookUp {
        look_up: Box<lookup::LookUp>,
        reply: oneshot::Sender<()>,
    },
    /// A look-up is over.
    Looked(String),
    /// Answered when nothing is under way and nothing is due.
    Quiet(oneshot::Sender<Option<i64>>),
    /// The clock was moved.
    Look,
    /// Another node has left something to be done.
    Hint,
    /// A worker beside the loop has nothing to do.
    Rested,
    /// Answered when no call is open any more; nothing is claimed from then on.
    Drain(oneshot::Sender<()>),
    /// The loop ends; answered when the database is closed.
    End(oneshot::Sender<()>),
}

impl Engine {
    /// Starts the engine on a project: brings schedules in line, takes up what an earlier life left, and begins.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn start(setup: Setup, project: &Project) -> anyhow::Result<Self> {
        let (queue, items) = mpsc::channel(QUEUE);
        let (ready, started) = oneshot::channel();
        let (project, queued, beside) = (project.clone(), queue.downgrade(), Handle::current());
        thread::run(setup.outside.own_thread, async move || match begin(setup, &project, queued, beside).await {
            Ok((shared, running)) => {
                let _ = ready.send(Ok(shared));
                running.run(items).await;
            }
            Err(error) => drop(ready.send(Err(error))),
        })?;
        let shared = started.await.context("the engine's loop ended")??;
        Ok(Self { shared, queue })
    }

    /// Takes an event in: answered after the commit that holds it and everything it caused.
    ///
    /// # Errors
    /// [`Busy`] when too much waits, or the store does not take it; nothing was kept then.
    pub async fn accept(&self, mut event: NewEvent) -> Result<Accepted, Busy> {
        let data = Arc::new(std::mem::take(&mut event.data));
        let text: Arc<str> = data.to_string().into();
        let bytes = text.len();
        let arrival = NewArrival { id: self.shared.clock.new_id(), event: Arc::new(event), data, text, target: None };
        let (reply, answer) = oneshot::channel();
        self.offer(Item::Event { arrival, bytes, reply }, bytes)?;
        answer.await.unwrap_or(Err(Busy))
    }

    /// Takes in what the account told by webhook. `raw`: the body it was read from, which the relay hands on.
    ///
    /// # Errors
    /// As [`Engine::accept`].
    pub async fn told(&self, incoming: Vec<Incoming>, raw: Bytes) -> Result<(), Busy> {
        self.take_told(incoming, raw, false).await?;
        self.shared.posted_ms.store(self.shared.clock.now_ms(), Ordering::Relaxed);
        Ok(())
    }

    /// Takes in again what the account's log says that it told.
    ///
    /// # Errors
    /// As [`Engine::accept`].
    pub async fn told_again(&self, incoming: Vec<Incoming>, raw: Bytes) -> Result<(), Busy> {
        self.take_told(incoming, raw, true).await
    }

    async fn take_told(&self, incoming: Vec<Incoming>, raw: Bytes, replayed: bool) -> Result<(), Busy> {
        let (reply, answer) = oneshot::channel();
        let bytes = raw.len();
        self.offer(Item::Told { incoming, raw, replayed, reply }, bytes)?;
        answer.await.unwrap_or(Err(Busy))
    }

    /// Whether the store has no room: events are refused, nothing is sent.
    pub fn is_full(&self) -> bool {
        self.shared.is_full()
    }

    /// Whether another server deployed what this one cannot read: events are refused, nothing is sent.
    pub fn is_behind(&self) -> bool {
        self.shared.behind_ms.load(Ordering::SeqCst) != 0
    }

    /// The account checked the connection: a sign of life.
    pub fn note_check(&self) {
        self.shared.checked_ms.store(self.shared.clock.now_ms(), Ordering::Relaxed);
    }

    fn offer(&self, item: Item, bytes: usize) -> Result<(), Busy> {
        if self.shared.stands() {
            return Err(Busy);
        }
        let waiting = &self.shared.waiting_bytes;
        if waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Busy);
        }
        self.queue.try_send(item).map_err(|_| {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            Busy
        })
    }

    /// Replaces what serves. Live runs end on the definition they began with.
    ///
    /// # Errors
    /// What the store said; the former project serves on.
    pub async fn deploy(&self, project: Project) -> anyhow::Result<()> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Item::Deploy { project: Box::new(project), reply }).await?;
        answer.await?
    }

    /// Waits until nothing is under way and nothing is due: when something is due next, if anything.
    pub async fn quiet(&self) -> Option<i64> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Item::Quiet(reply)).await.ok()?;
        answer.await.ok().flatten()
    }

    /// Tells the engine that the clock was moved.
    pub async fn look(&self) {
        let _ = self.queue.send(Item::Look).await;
    }

    /// Stops claiming, waits until no call is open (`semantics.md` §6.2), and leaves the rest to the other nodes.
    pub async fn drain(&self) {
        self.shared.draining.store(true, Ordering::SeqCst);
        self.shared.board.nudge();
        let (reply, answer) = oneshot::channel();
        if self.queue.send(Item::Drain(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// Ends the loop, whoever still holds the engine, and waits until the database is closed. Nothing is taken from then
    /// on: [`Engine::drain`] comes before.
    pub async fn end(&self) {
        let (reply, answer) = oneshot::channel();
        if self.queue.send(Item::End(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// What serves now.
    pub fn deployed(&self) -> Arc<Deployed> {
        self.shared.deployed()
    }

    /// A key for one use, derived from the installation's: the same on every node and after every start.
    pub fn derived_key(&self, use_of_it: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.shared.key).expect("HMAC takes a key of any length");
        mac.update(use_of_it.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// The account; `None` without a token of it.
    pub(crate) fn callbell(&self) -> Option<&Callbell> {
        self.shared.callbell.as_ref()
    }

    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Where files of customers are kept.
    pub fn media(&self) -> Option<&Path> {
        self.shared.outside.media.as_deref()
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The id of this process among those that share the database.
    pub fn node(&self) -> &str {
        &self.shared.node
    }

    /// What the loop did so far.
    pub fn load(&self) -> LoadFigures {
        let load = &self.shared.load;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LoadFigures {
            groups: read(&load.groups),
            events: read(&load.events),
            statements: read(&load.statements),
            rows: read(&load.rows),
            calls: read(&load.calls),
            settled: read(&load.settled),
            busy_ms: load.last_settled_ms.load(Ordering::Relaxed) - load.first_event_ms.load(Ordering::Relaxed),
        }
    }
}

/// Opens the writer, on the runtime that will use it, and takes up what an earlier life left.
async fn begin(
    setup: Setup,
    project: &Project,
    queue: mpsc::WeakSender<Item>,
    beside: Handle,
) -> anyhow::Result<(Arc<Shared>, loops::Loop)> {
    let mut writer = setup.store.writer(setup.clock.clone()).await?;
    let fresh = hex::encode(clock::new_secret());
    let mut tx = writer.begin().await?;
    let key = tx.installed("relance_id key", &fresh).await?;
    tx.commit().await?;
    let shared = Arc::new(Shared {
        clock: setup.clock.clone(),
        store: setup.store.clone(),
        deployed: RwLock::new(Arc::new(Deployed::new(project))),
        key: hex::decode(key)?,
        callbell: setup.callbell.clone(),
        waiting_bytes: AtomicUsize::new(0),
        draining: AtomicBool::new(false),
        full_ms: AtomicI64::new(0),
        behind_ms: AtomicI64::new(0),
        node: setup.clock.new_id(),
        load: Load::default(),
        outside: setup.outside.clone(),
        board: Arc::default(),
        checked_ms: AtomicI64::new(0),
        posted_ms: AtomicI64::new(0),
    });
    let mut running = loops::Loop::new(setup, shared.clone(), writer, queue, beside)?;
    running.take_up(project).await?;
    Ok((shared, running))
}

impl Shared {
    fn deployed(&self) -> Arc<Deployed> {
        self.deployed.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn is_full(&self) -> bool {
        self.full_ms.load(Ordering::SeqCst) != 0
    }

    /// Whether only what was begun goes on.
    fn stands(&self) -> bool {
        self.is_full() || self.behind_ms.load(Ordering::SeqCst) != 0
    }

    fn replace(&self, deployed: Arc<Deployed>) {
        *self.deployed.write().unwrap_or_else(std::sync::PoisonError::into_inner) = deployed;
    }
}

impl Load {
    fn add(&self, events: usize, settled: usize, done: &group::Done) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        self.calls.fetch_add(done.calls.len() as u64, Ordering::Relaxed);
        self.settled.fetch_add(settled as u64, Ordering::Relaxed);
        self.statements.fetch_add(done.counted.statements, Ordering::Relaxed);
        self.rows.fetch_add(done.counted.rows, Ordering::Relaxed);
        if events > 0 {
            let _ = self.first_event_ms.compare_exchange(0, done.now_ms, Ordering::Relaxed, Ordering::Relaxed);
        }
        if events + settled > 0 {
            self.last_settled_ms.store(done.now_ms, Ordering::Relaxed);
        }
    }
}
