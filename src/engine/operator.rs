//! Operator: what a person decides by hand: how an uncertain message is settled, what is resumed.
//!
//! Invariant: nothing that was delivered is ever sent again by an answer given here; each answer is on record with who
//! gave it.

use super::advance::Input;
use super::change::{Change, Changed};
use super::outbound::Alert;
use super::unit::Unit;
use super::{Busy, Engine};
use crate::delivery::{DeliveryState, Scope, Settlement};
use crate::message::Form;
use crate::outbox::settle;
use crate::run::{RunState, Sentence};
use crate::store::Tx;
use crate::store::audit::AuditRow;
use serde::{Deserialize, Serialize};

/// How long a message lives that a person sends again after it expired.
const LIFE_MS: i64 = 24 * 3_600_000;

/// Why a message is cancelled of which nobody can tell whether it arrived.
pub(super) const GIVEN_UP: &str = "given_up";

/// What became of an uncertain message, as far as a person can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    WasSent,
    Resend,
    GiveUp,
}

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSettled {
    /// There is no such delivery.
    Unknown,
    /// Its state does not allow it.
    State(DeliveryState),
}

/// An answer on its way to the loop.
#[derive(Debug, Clone)]
pub(super) struct Settle {
    pub(super) delivery: String,
    pub(super) answer: Answer,
    pub(super) who: String,
}

impl Engine {
    /// Settles an uncertain delivery by a person's word; its state after that.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it; within, why it cannot be settled.
    pub async fn settle(
        &self,
        delivery: &str,
        answer: Answer,
        who: &str,
    ) -> Result<Result<DeliveryState, NotSettled>, Busy> {
        let settle = Settle { delivery: delivery.to_owned(), answer, who: who.to_owned() };
        match self.change(Change::Settle(settle)).await? {
            Changed::Settled(settled) => Ok(settled),
            _ => Err(Busy),
        }
    }

    /// Ends pauses; what they held leaves by its rates. How many there were.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it.
    pub async fn resume(&self, scopes: Vec<Scope>, who: &str) -> Result<u64, Busy> {
        match self.change(Change::Resume { scopes, who: who.to_owned() }).await? {
            Changed::Resumed(ended) => Ok(ended),
            _ => Err(Busy),
        }
    }
}

pub(super) async fn resume(tx: &mut Tx<'_>, unit: &mut Unit<'_>, scopes: &[Scope], who: &str) -> anyhow::Result<u64> {
    let ended = tx.resume(scopes).await?;
    tx.release_holds(&["channel_paused", "template_paused"]).await?;
    for scope in scopes {
        unit.audit(who, "resume", &scope.to_string(), "");
    }
    Ok(ended)
}

pub(super) fn apply(settle: &Settle, unit: &mut Unit) -> Result<DeliveryState, NotSettled> {
    let Settle { delivery: id, answer, who } = settle;
    let row = unit.deliveries.get(id).ok_or(NotSettled::Unknown)?;
    if row.delivery.state != DeliveryState::Uncertain {
        return Err(NotSettled::State(row.delivery.state));
    }
    let (run, form) = (row.delivery.run.clone(), row.delivery.form.unwrap_or(Form::Text));
    let now_ms = unit.now_ms;
    let mut settlement = None;
    unit.change_delivery(id, |row| {
        let delivery = &mut row.delivery;
        delivery.reconcile_until_ms = None;
        match answer {
            Answer::WasSent => settlement = settle::accept(delivery, form, None).settlement,
            Answer::Resend => {
                delivery.state = DeliveryState::Queued;
                delivery.reason.clear();
                delivery.possible_duplicate = true;
                delivery.due_at_ms = now_ms;
                delivery.line_at_ms = delivery.planned_at_ms;
                delivery.expires_at_ms = delivery.expires_at_ms.max(now_ms + LIFE_MS);
            }
            Answer::GiveUp => {
                delivery.state = DeliveryState::Cancelled;
                delivery.reason = GIVEN_UP.into();
                settlement = Some(Settlement::Failed { reason: GIVEN_UP.into() });
            }
        }
    });
    match answer {
        Answer::Resend => unit.wait_again(&run, who),
        Answer::WasSent | Answer::GiveUp => unit.settle_run(id, settlement),
    }
    let word = serde_json::to_value(answer).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
    unit.audit(who, "settle", id, &word);
    unit.deliveries.get(id).map(|row| row.delivery.state).ok_or(NotSettled::Unknown)
}

impl Unit<'_> {
    /// Keeps who did what by hand.
    pub(super) fn audit(&mut self, who: &str, act: &str, subject: &str, detail: &str) {
        let [who, act, subject, detail] = [who, act, subject, detail].map(str::to_owned);
        let id = self.clock.new_id();
        self.outbound.audit.push(AuditRow { id, at_ms: self.now_ms, who, act, subject, detail });
    }

    /// A run that needed a person for its uncertain message waits for it again.
    fn wait_again(&mut self, run: &str, who: &str) {
        self.change_run(run, |run, now_ms| {
            if run.state == RunState::NeedsAttention {
                (run.state, run.reason) = (RunState::Waiting, String::new());
            }
            run.tell(now_ms, Sentence::SentAgainInDoubt, &[who]);
        });
    }

    /// The deadline of an uncertain message has passed without evidence.
    pub(super) fn ask_a_person(&mut self, delivery: &str) {
        let without_run = |row: &crate::store::deliveries::DeliveryRow| row.delivery.run.is_empty();
        if self.deliveries.get(delivery).is_some_and(without_run) {
            self.outbound.alerts.push(Alert::Uncertain { delivery: delivery.to_owned() });
        }
        self.settle_run(delivery, Some(Settlement::Uncertain));
    }

    /// Tells a delivery's run how it ended; a message of the gateway has none.
    pub(super) fn settle_run(&mut self, delivery: &str, settlement: Option<Settlement>) {
        let Some(row) = self.deliveries.get(delivery).filter(|row| !row.delivery.run.is_empty()) else { return };
        let (run, step) = (row.delivery.run.clone(), row.delivery.step.clone());
        if let Some(settlement) = settlement {
            self.move_run(&run, &Input::Settled { step, settlement });
        }
    }
}
