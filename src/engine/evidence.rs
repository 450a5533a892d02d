//! Evidence: what the account tells of an attempt, by our mark or by the message's uuid. Pure over the unit.
//!
//! It settles what was in doubt, and moves the status shown forward. Invariant: evidence is kept with its attempt whatever
//! the delivery's state; two attempts of one delivery that were taken, neither proven to have failed, are flagged.

use super::group::CallResult;
use super::outbound::Alert;
use super::sent::message_uuid;
use super::unit::Unit;
use crate::delivery::{DeliveryState, Outcome, VendorStatus};
use crate::outbox::settle;
use crate::store::attempts::{AttemptEnd, AttemptRow};

const TAKEN: &str = "accepted";

/// The API took this attempt.
pub(super) fn prove(attempt: &str, message_uuid: Option<&str>, unit: &mut Unit) {
    let Some(row) = unit.attempts.get_mut(attempt) else { return };
    let (delivery_id, form, n) = (row.delivery.clone(), row.form, row.n);
    let (started_at_ms, uuid) = (row.started_at_ms, message_uuid.map(str::to_owned));
    if row.outcome.as_deref() != Some(TAKEN) {
        row.outcome = Some(TAKEN.into());
        row.message_uuid = row.message_uuid.take().or(uuid.clone());
        unit.outbound.proven.push((attempt.to_owned(), uuid.clone()));
    }
    let arrives = was_taken(row);
    flag_duplicate(&delivery_id, unit);
    let Some(delivery) = unit.deliveries.get(&delivery_id) else { return };
    // One that a person sends again, and whose next attempt has not begun, is not needed any more.
    let again = delivery.delivery.possible_duplicate && arrives && waits(delivery.delivery.state);
    let open = again || matches!(delivery.delivery.state, DeliveryState::Sending | DeliveryState::Uncertain);
    // What is told of an attempt proven failed proves nothing of the one that followed it.
    if !open || i64::from(delivery.delivery.attempts) != n {
        return;
    }
    let mut consequences = settle::Consequences::default();
    unit.change_delivery(&delivery_id, |row| consequences = settle::accept(&mut row.delivery, form, uuid));
    unit.follow(&delivery_id, started_at_ms, consequences);
}

/// No attempt is under way, and one is to come.
fn waits(state: DeliveryState) -> bool {
    matches!(state, DeliveryState::Queued | DeliveryState::Held)
}

/// Flags a delivery of which two attempts were taken. Attempts of a delivery with more than one are loaded together.
pub(super) fn flag_duplicate(delivery: &str, unit: &mut Unit) {
    let taken = unit.attempts.values().filter(|row| row.delivery == delivery && was_taken(row));
    let known = |row: &crate::store::deliveries::DeliveryRow| row.delivery.duplicate_confirmed;
    if taken.count() < 2 || unit.deliveries.get(delivery).is_none_or(known) {
        return;
    }
    unit.change_delivery(delivery, |row| row.delivery.duplicate_confirmed = true);
    unit.outbound.alerts.push(Alert::Duplicate { delivery: delivery.to_owned() });
}

/// Taken, and not proven to have failed since.
fn was_taken(row: &AttemptRow) -> bool {
    let told = |status: &str| row.statuses.iter().any(|known| known == status);
    let failed = told("failed") && !told("delivered") && !told("read");
    row.outcome.as_deref() == Some(TAKEN) && !failed
}

/// Adds a status to an attempt's set; a late failure of the window sends the template once.
pub(super) fn apply_status(attempt_id: &str, status: &str, code: Option<i64>, unit: &mut Unit) {
    let Some(attempt) = unit.attempts.get_mut(attempt_id) else { return };
    if attempt.statuses.iter().any(|known| known == status) {
        return;
    }
    attempt.statuses.push(status.to_owned());
    if status == "failed" && attempt.code.is_none() {
        attempt.code = code;
    }
    unit.told.insert(attempt_id.to_owned());
    let arrived = attempt.statuses.iter().any(|known| known == "delivered" || known == "read");
    // What has a status was taken, whatever the status is.
    let told = attempt.statuses.iter().filter_map(|word| VendorStatus::parse(word));
    let shown = VendorStatus::displayed(told.chain([VendorStatus::Enqueued]));
    let (delivery, n, form, started_ms) = (attempt.delivery.clone(), attempt.n, attempt.form, attempt.started_at_ms);
    flag_duplicate(&delivery, unit);
    let Some(row) = unit.deliveries.get(&delivery) else { return };
    if i64::from(row.delivery.attempts) != n {
        if arrived && !row.delivery.possible_duplicate {
            // It was taken for failed, and another attempt was made.
            unit.change_delivery(&delivery, |row| row.delivery.possible_duplicate = true);
        }
        return;
    }
    let accepted = row.delivery.state == DeliveryState::Accepted;
    let waits_again = waits(row.delivery.state) && row.status == Some(VendorStatus::Failed);
    let failed = [row.status, shown].map(|status| status == Some(VendorStatus::Failed));
    let run = row.delivery.run.clone();
    if failed[0] != failed[1] && !run.is_empty() {
        unit.counted_again.insert(run);
    }
    let now_ms = unit.now_ms;
    let mut consequences = settle::Consequences::default();
    unit.change_delivery(&delivery, |row| {
        row.status = shown;
        if status == "failed" && accepted && !arrived {
            consequences = settle::settle_failure(&mut row.delivery, form, code, now_ms);
        } else if arrived && waits_again {
            // It arrived after all, before the next attempt began.
            row.delivery.state = DeliveryState::Accepted;
            row.delivery.reason.clear();
        }
    });
    unit.follow(&delivery, started_ms, consequences);
}

/// How a call ended, for its attempt.
pub(super) fn attempt_end(call: &CallResult, now_ms: i64) -> AttemptEnd {
    let (http_status, code, error) = match &call.outcome {
        Outcome::NotSent { error, status, .. } | Outcome::Uncertain { error, status } => {
            (status.map(i64::from), None, Some(error.clone()))
        }
        Outcome::Refused { status, code, error } => (Some(i64::from(*status)), *code, Some(error.clone())),
        Outcome::Accepted { status, .. } => (Some(i64::from(*status)), None, None),
    };
    AttemptEnd {
        id: call.attempt.clone(),
        ended_at_ms: now_ms,
        outcome: call.outcome.as_str(),
        http_status,
        code,
        error,
        message_uuid: message_uuid(&call.outcome).map(str::to_owned),
    }
}
