//! Ended: what the end of a call makes of its delivery, in the rows of a group. Pure over the unit.
//!
//! Invariant: an answer that comes after its delivery has moved on is kept with its own attempt, and moves nothing.

use super::evidence;
use super::group::CallResult;
use super::unit::Unit;
use crate::delivery::{DeliveryState, Outcome};
use crate::outbox::settle;
use crate::store::attempts::AttemptEnd;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;

pub(super) fn settle_call(unit: &mut Unit<'_>, call: &CallResult) {
    unit.ends.push(attempt_end(call, unit.now_ms));
    let now_ms = unit.now_ms;
    let mut consequences = settle::Consequences::default();
    if let Some(attempt) = unit.attempts.get_mut(&call.attempt) {
        if let Some(uuid) = message_uuid(&call.outcome) {
            attempt.message_uuid = Some(uuid.to_owned());
        }
        if attempt.outcome.as_deref() != Some("accepted") {
            attempt.outcome = Some(call.outcome.as_str().to_owned());
        }
        evidence::flag_duplicate(&call.delivery, unit);
    }
    // Another node took the delivery over while the call was open: the answer is evidence that it arrived, or nothing.
    let proven = matches!(call.outcome, Outcome::Accepted { .. });
    let waits = |row: &DeliveryRow| match row.delivery.state {
        DeliveryState::Sending => row.delivery.attempts == call.n,
        DeliveryState::Uncertain => row.delivery.attempts == call.n && proven,
        // A person sends it again, and that has not begun.
        DeliveryState::Queued | DeliveryState::Held => {
            row.delivery.attempts == call.n && proven && row.delivery.possible_duplicate
        }
        _ => false,
    };
    if !unit.deliveries.get(&call.delivery).is_some_and(waits) {
        // Evidence came first, and perhaps another attempt since: the answer is kept with its own and moves nothing.
        return;
    }
    let stopped = unit.stopped_reason(&call.delivery);
    unit.change_delivery(&call.delivery, |row| {
        consequences = settle::settle_call(&mut row.delivery, call.form, &call.outcome, now_ms);
        if row.delivery.state == DeliveryState::Accepted {
            row.status = Some(crate::delivery::VendorStatus::Enqueued);
        }
        if let (DeliveryState::Held, Some(reason)) = (row.delivery.state, stopped) {
            // Its run was stopped while the call was open: what was not taken is not called for again.
            (row.delivery.state, row.delivery.reason) = (DeliveryState::Cancelled, reason);
        }
    });
    learn_uuid(unit, call);
    unit.follow(&call.delivery, call.started_at_ms, consequences);
}

/// The answer of a send names the person at Callbell, when it was asked.
fn learn_uuid(unit: &mut Unit<'_>, call: &CallResult) {
    let Some(uuid) = contact_uuid(&call.outcome) else { return };
    let person = unit.deliveries.get(&call.delivery).and_then(|row| unit.contact(&row.delivery.contact)).cloned();
    let free = unit.contact_by(&[ContactKey::Uuid(uuid.to_owned())]).is_none();
    if let Some(mut contact) = person.filter(|contact| contact.uuid.is_none() && free) {
        contact.uuid = Some(uuid.to_owned());
        unit.put_contact(contact);
    }
}

pub(super) fn contact_uuid(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Accepted { contact_uuid, .. } => contact_uuid.as_deref(),
        _ => None,
    }
}

pub(super) fn message_uuid(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Accepted { message_uuid, .. } => message_uuid.as_deref(),
        _ => None,
    }
}

fn attempt_end(call: &CallResult, now_ms: i64) -> AttemptEnd {
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
