//! Passage of time: what is due happens on both sides, engine and fake account, before the clock goes on.
//!
//! Invariant: between two steps of the clock neither side has anything left that is due.

use super::stepper::next_step;
use crate::connector::Callbell;
use crate::connector::sandbox::Sandbox;
use crate::engine::Engine;
use crate::engine::account::AccountFacts;
use std::time::Duration;

/// How often engine and sandbox wake each other at one instant before the clock goes on all the same.
const MOST_ROUNDS: usize = 1_000;
/// How long the engine may need for what is due at one instant, in real time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Steps of one move at most: two minutes of a campaign at full pace, or years of a schedule.
const MOST_STEPS: usize = 200_000;

/// The engine did not come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restless;

impl std::fmt::Display for Restless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("something is due again and again: the clock cannot go on")
    }
}

impl std::error::Error for Restless {}

/// Lets happen what is due now on both sides; when the engine has something due next.
///
/// # Errors
/// When the engine does not come to rest.
pub(super) async fn settle(engine: &Engine, sandbox: &Sandbox) -> Result<Option<i64>, Restless> {
    let mut due_ms = None;
    for _ in 0..MOST_ROUNDS {
        sandbox.settle().await;
        due_ms = tokio::time::timeout(PATIENCE, engine.quiet()).await.map_err(|_| Restless)?;
        let now_ms = engine.clock().now_ms();
        if sandbox.next_due_ms().is_none_or(|next_ms| next_ms > now_ms) {
            break;
        }
    }
    Ok(due_ms)
}

/// Moves the clock to `target_ms`, through every due instant, in order; instants nearer than `least_ms` are dealt with
/// together. `passed` is told of each step.
///
/// # Errors
/// When the engine does not come to rest.
pub async fn travel(
    engine: &Engine,
    sandbox: &Sandbox,
    target_ms: i64,
    least_ms: i64,
    mut passed: impl FnMut(),
) -> Result<(), Restless> {
    for _ in 0..MOST_STEPS {
        let due_ms = settle(engine, sandbox).await?;
        let both_ms = [due_ms, sandbox.next_due_ms()];
        let Some(next_ms) = next_step(engine.clock().now_ms(), both_ms, target_ms, least_ms) else { return Ok(()) };
        engine.clock().move_to(next_ms);
        if due_ms.is_some_and(|due_ms| due_ms <= next_ms) {
            engine.look().await;
        }
        passed();
    }
    Err(Restless)
}

/// The fake account names its lines' uuids, and its teams, as an account does. Its templates are the lock file's, whatever
/// is edited.
///
/// # Errors
/// When the account does not answer, or the engine takes nothing.
pub async fn learn_lines(engine: &Engine, callbell: &Callbell) -> anyhow::Result<()> {
    let (channels, teams) = (Some(callbell.channels().await?), Some(callbell.teams().await?));
    let facts = AccountFacts { templates: None, channels, teams, asked_at_ms: engine.clock().now_ms() };
    engine.learn_account(facts).await.map(drop).map_err(|_| anyhow::anyhow!("the engine does not take what it is told"))
}
