//! Settle: what the outcome of a call, or a later status, makes of its delivery. Pure.
//!
//! Invariant: a message is attempted again only when the attempt before is proven not to have arrived.

use crate::connector::verdicts::{self, Class};
use crate::delivery::{Delivery, DeliveryState, Outcome, Settlement};
use crate::message::Form;

const HOUR_MS: i64 = 3_600_000;
/// How long evidence is awaited before a person is asked.
pub const RECONCILE_MS: i64 = 10 * 60_000;
/// Longest pause between two attempts.
const BACKOFF_MS: i64 = 5 * 60_000;

/// What else follows from an outcome, beside the delivery's own change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consequences {
    /// For the run; `None` when the delivery goes on.
    pub settlement: Option<Settlement>,
    /// The account refused our credentials.
    pub suspend: bool,
    /// The vendor asked for silence: no call of the account before that instant.
    pub silent_until_ms: Option<i64>,
    /// The plain form was refused for the closed window.
    pub window_refused: bool,
}

/// Applies the outcome of a call that is under way.
pub fn settle_call(delivery: &mut Delivery, form: Form, outcome: &Outcome, now_ms: i64) -> Consequences {
    match outcome {
        Outcome::Accepted { message_uuid, .. } => accept(delivery, form, message_uuid.clone()),
        Outcome::NotSent { retry_after_ms, .. } => {
            let wait_ms = backoff_ms(delivery.seed, delivery.attempts).max(retry_after_ms.unwrap_or(0));
            hold(delivery, "backoff", now_ms + wait_ms);
            Consequences { silent_until_ms: retry_after_ms.map(|ms| now_ms + ms), ..Consequences::default() }
        }
        Outcome::Refused { status: 401 | 403, .. } => {
            hold(delivery, "channel_paused", now_ms + HOUR_MS);
            Consequences { suspend: true, ..Consequences::default() }
        }
        Outcome::Refused { status, code, .. } => {
            let reason = format!("rejected:{}", code.unwrap_or(i64::from(*status)));
            match code.and_then(|code| another_attempt(delivery, form, code, now_ms)) {
                Some(consequences) => consequences,
                None => reject(delivery, reason),
            }
        }
        Outcome::Uncertain { error, .. } => {
            delivery.state = DeliveryState::Uncertain;
            delivery.reason = error.clone();
            delivery.due_at_ms = now_ms + RECONCILE_MS;
            Consequences::default()
        }
    }
}

/// Marks a delivery as taken by the API.
pub fn accept(delivery: &mut Delivery, form: Form, message_id: Option<String>) -> Consequences {
    delivery.state = DeliveryState::Accepted;
    delivery.reason.clear();
    delivery.form = Some(form);
    Consequences { settlement: Some(Settlement::Sent { form, message_id }), ..Consequences::default() }
}

/// Applies a later `failed` of an accepted attempt: the window's refusal sends the template once, a transient one tries
/// again within bounds; anything else leaves the delivery accepted, its status shows the failure.
pub fn settle_failure(delivery: &mut Delivery, form: Form, code: Option<i64>, now_ms: i64) -> Consequences {
    code.and_then(|code| another_attempt(delivery, form, code, now_ms)).unwrap_or_default()
}

fn another_attempt(delivery: &mut Delivery, form: Form, code: i64, now_ms: i64) -> Option<Consequences> {
    match verdicts::verdict(code).class {
        Class::Window if form == Form::Text => fall_back(delivery, now_ms),
        Class::Transient if delivery.retries < delivery.retry_limit => {
            delivery.retries += 1;
            hold(delivery, "backoff", now_ms + backoff_ms(delivery.seed, delivery.retries));
            Some(Consequences::default())
        }
        _ => None,
    }
}

/// The template, once, at the head of the person's line. Without one the window still counts as refused.
fn fall_back(delivery: &mut Delivery, now_ms: i64) -> Option<Consequences> {
    let refused = Consequences { window_refused: true, ..Consequences::default() };
    if delivery.message.template.is_none() || delivery.fallback_used {
        let still_sending = delivery.state == DeliveryState::Sending;
        return Some(match still_sending {
            true => Consequences { window_refused: true, ..reject(delivery, "rejected:window_closed".into()) },
            false => refused,
        });
    }
    delivery.fallback_used = true;
    delivery.line_at_ms = delivery.planned_at_ms;
    hold(delivery, "window_fallback", now_ms);
    Some(refused)
}

fn hold(delivery: &mut Delivery, reason: &str, until_ms: i64) {
    delivery.state = DeliveryState::Held;
    delivery.reason = reason.to_owned();
    delivery.due_at_ms = until_ms.min(delivery.expires_at_ms);
}

fn reject(delivery: &mut Delivery, reason: String) -> Consequences {
    delivery.state = DeliveryState::Rejected;
    delivery.reason = reason.clone();
    Consequences { settlement: Some(Settlement::Failed { reason }), ..Consequences::default() }
}

/// Between half and all of 1 s, 2 s, 4 s … at most 5 minutes, drawn from the delivery's seed.
fn backoff_ms(seed: i64, attempt: u32) -> i64 {
    let most = BACKOFF_MS.min(1000_i64.saturating_mul(1 << attempt.min(20)));
    let drawn = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i64::from(attempt)).rotate_left(21);
    most / 2 + drawn.rem_euclid(most / 2 + 1)
}

/// Whether a skip with this reason counts as a failure of its step.
pub fn skip_fails(delivery: &Delivery, reason: &str) -> bool {
    use crate::delivery::OutsideWindow;
    reason == "invalid_values" || (reason == "window_closed" && delivery.outside_window == OutsideWindow::Fail)
}
