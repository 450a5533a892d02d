//! Driver: lets the sandbox's time pass, moves the clock when somebody asks, and tells the page of changes.
//!
//! ```text
//! every 200 ms: sandbox settles ─► changed? ─► page
//! a wish: settle both ─► next due instant ─► clock there ─► settle both ─► … ─► target
//! ```
//! Invariant: one task moves the clock; between two steps engine and sandbox have nothing left that is due.

use crate::connector::sandbox::Sandbox;
use crate::engine::Engine;
use crate::http::dashboard::Move;
use crate::rehearsal::travel;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

const TICK: Duration = Duration::from_millis(200);
/// Instants nearer than this are dealt with together, as a loop that naps between two looks does.
const SMALLEST_STEP_MS: i64 = 50;

pub(super) struct Driver {
    engine: Engine,
    sandbox: Sandbox,
    changed: Arc<watch::Sender<u64>>,
    speed: u32,
    /// Groups of the engine and newest message of the sandbox, when the page was last told.
    told: (u64, u64),
    told_at: Instant,
}

impl Driver {
    pub(super) fn new(engine: Engine, sandbox: Sandbox, changed: Arc<watch::Sender<u64>>, speed: u32) -> Self {
        Self { engine, sandbox, changed, speed, told: (0, 0), told_at: Instant::now() }
    }

    /// Drives until nobody can ask any more.
    pub(super) async fn run(mut self, mut moves: mpsc::Receiver<Move>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut last = Instant::now();
        loop {
            let wish = tokio::select! {
                wish = moves.recv() => match wish {
                    Some(wish) => Some(wish),
                    None => return,
                },
                _ = ticks.tick() => None,
            };
            let real_ms = i64::try_from(last.elapsed().as_millis()).unwrap_or(0);
            last = Instant::now();
            let ahead_ms = real_ms.saturating_mul(i64::from(self.speed) - 1);
            let wished_ms = wish.as_ref().map_or(0, |wish| wish.by_ms.max(0));
            self.pass(ahead_ms.saturating_add(wished_ms), wish.is_some()).await;
            if let Some(wish) = wish {
                // The page that asked may be gone.
                let _ = wish.done.send(());
                last = Instant::now();
            }
        }
    }

    /// Lets so much time pass beside the real one. `rest`: comes back only when nothing is under way.
    async fn pass(&mut self, by_ms: i64, rest: bool) {
        if by_ms == 0 && !rest {
            self.sandbox.settle().await;
        } else {
            let (engine, sandbox) = (self.engine.clone(), self.sandbox.clone());
            let target_ms = engine.clock().now_ms().saturating_add(by_ms);
            let passed = || {
                if self.told_at.elapsed() >= TICK {
                    self.tell();
                }
            };
            if travel(&engine, &sandbox, target_ms, SMALLEST_STEP_MS, passed).await.is_err() {
                tracing::warn!("the engine is still busy: the clock stands before its target");
            }
        }
        self.tell();
    }

    /// Tells the page when something changed since it was last told.
    fn tell(&mut self) {
        let newest = self.sandbox.latest_messages(1).first().map_or(0, |message| message.n);
        let now = (self.engine.load().groups, newest);
        if now != self.told {
            self.told = now;
            self.told_at = Instant::now();
            self.changed.send_modify(|version| *version += 1);
        }
    }
}
