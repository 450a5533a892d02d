//! Settle: what the outcome of a call, or a later status, makes of its delivery. Pure.
//!
//! Invariant: a message is attempted again only when the attempt before is proven not to have arrived.

use super::verdict;
use crate::contact::WithdrawalScope;
use crate::delivery::{Delivery, DeliveryState, Outcome, OutsideWindow, Pause, Scope, Settlement};
use crate::message::Form;

const HOUR_MS: i64 = 3_600_000;
/// How long evidence is awaited before a person is asked.
pub const RECONCILE_MS: i64 = 10 * 60_000;
/// When the account is asked for its newest messages, counted from the doubt; the last time is the deadline.
const LOOKS_MS: [i64; 3] = [30_000, 2 * 60_000, RECONCILE_MS];
/// Longest pause between two attempts.
const BACKOFF_MS: i64 = 5 * 60_000;

/// What else follows from an outcome, beside the delivery's own change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consequences {
    /// For the run; `None` when the delivery goes on.
    pub settlement: Option<Settlement>,
    /// What nothing leaves by any more.
    pub pause: Option<(Scope, Pause)>,
    /// The vendor asked for silence: no call of the account before that instant.
    pub silent_until_ms: Option<i64>,
    /// The plain form was refused for the closed window.
    pub window_refused: bool,
    /// The line goes at half its pace for a while.
    pub slow_line: bool,
    /// Nothing to this person on this line before that instant.
    pub person_until_ms: Option<i64>,
    /// The person wants no more of this; with the code that said so.
    pub withdrawn: Option<(WithdrawalScope, i64)>,
    /// The person cannot be reached.
    pub undeliverable: bool,
    /// The workflow's own fault: to be told once per step.
    pub content_code: Option<i64>,
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
        Outcome::Refused { status: status @ (401 | 403), .. } => {
            hold(delivery, "channel_paused", now_ms + HOUR_MS);
            let pause = credentials_refused(*status, now_ms);
            Consequences { pause: Some((Scope::Account, pause)), ..Consequences::default() }
        }
        Outcome::Refused { status, code, .. } => {
            let reason = format!("rejected:{}", code.unwrap_or(i64::from(*status)));
            let (again, consequences) = match code {
                Some(code) => verdict::apply(delivery, form, *code, now_ms),
                None => (false, Consequences::default()),
            };
            match again {
                true => consequences,
                false => Consequences { settlement: reject(delivery, reason), ..consequences },
            }
        }
        Outcome::Uncertain { error, .. } => {
            doubt(delivery, error.clone(), now_ms);
            Consequences::default()
        }
    }
}

/// The account's token was refused with this status.
pub fn credentials_refused(status: u16, now_ms: i64) -> Pause {
    let why = format!("the account refused the token with status {status}");
    Pause { why, code: Some(i64::from(status)), since_ms: now_ms, until_ms: None }
}

/// Marks a delivery as taken by the API.
pub fn accept(delivery: &mut Delivery, form: Form, message_id: Option<String>) -> Consequences {
    delivery.state = DeliveryState::Accepted;
    delivery.reason.clear();
    delivery.form = Some(form);
    delivery.reconcile_until_ms = None;
    Consequences { settlement: Some(Settlement::Sent { form, message_id }), ..Consequences::default() }
}

/// Nobody can tell whether it was taken: its line waits for evidence until the deadline.
pub fn doubt(delivery: &mut Delivery, reason: String, now_ms: i64) {
    delivery.state = DeliveryState::Uncertain;
    delivery.reason = reason;
    delivery.reconcile_until_ms = Some(now_ms + RECONCILE_MS);
    delivery.looks = 0;
    delivery.probable = None;
    delivery.due_at_ms = now_ms + LOOKS_MS[0];
}

/// An uncertain delivery is due: the account is to be asked for what it holds. Whether the deadline has passed.
pub fn look_again(delivery: &mut Delivery, now_ms: i64) -> bool {
    let deadline_ms = delivery.reconcile_until_ms.unwrap_or(now_ms);
    delivery.looks += 1;
    if now_ms >= deadline_ms {
        // From now on a person is awaited, and evidence.
        delivery.due_at_ms = 0;
        return true;
    }
    let begun_ms = deadline_ms - RECONCILE_MS;
    let next = LOOKS_MS.into_iter().map(|after_ms| begun_ms + after_ms).find(|at_ms| *at_ms > now_ms);
    delivery.due_at_ms = next.unwrap_or(deadline_ms);
    false
}

/// Applies a later `failed` of an accepted attempt: the window's refusal sends the template once, a transient one tries
/// again within bounds; anything else leaves the delivery accepted, its status shows the failure.
pub fn settle_failure(delivery: &mut Delivery, form: Form, code: Option<i64>, now_ms: i64) -> Consequences {
    code.map(|code| verdict::apply(delivery, form, code, now_ms).1).unwrap_or_default()
}

/// Puts a delivery off.
pub(super) fn hold(delivery: &mut Delivery, reason: &str, until_ms: i64) {
    delivery.state = DeliveryState::Held;
    delivery.reason = reason.to_owned();
    delivery.due_at_ms = until_ms.min(delivery.expires_at_ms);
}

fn reject(delivery: &mut Delivery, reason: String) -> Option<Settlement> {
    delivery.state = DeliveryState::Rejected;
    delivery.reason = reason.clone();
    Some(Settlement::Failed { reason })
}

/// Between nothing and 1 s, 2 s, 4 s … at most 5 minutes, drawn from the delivery's seed.
pub(super) fn backoff_ms(seed: i64, attempt: u32) -> i64 {
    let most = BACKOFF_MS.min(1000_i64.saturating_mul(1 << attempt.saturating_sub(1).min(20)));
    let drawn = seed.wrapping_add(i64::from(attempt) << 40).wrapping_mul(6_364_136_223_846_793_005).rotate_left(21);
    drawn.wrapping_mul(2_862_933_555_777_941_757).rotate_left(17).rem_euclid(most + 1)
}

/// Whether a skip with this reason counts as a failure of its step.
pub fn skip_fails(delivery: &Delivery, reason: &str) -> bool {
    reason == "invalid_values" || (reason == "window_closed" && delivery.outside_window == OutsideWindow::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_is_spread_over_the_whole_of_a_doubling_pause() {
        for attempt in 1..14 {
            let most = BACKOFF_MS.min(1000 << (attempt - 1));
            let drawn: Vec<i64> = (0..200).map(|seed| backoff_ms(seed, attempt)).collect();
            assert!(drawn.iter().all(|ms| (0..=most).contains(ms)), "{attempt}: {drawn:?}");
            assert!(drawn.iter().any(|ms| *ms < most / 4) && drawn.iter().any(|ms| *ms > most * 3 / 4), "{attempt}");
            assert_eq!(drawn, (0..200).map(|seed| backoff_ms(seed, attempt)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_uncertain_delivery_is_looked_for_three_times_until_its_deadline() {
        let mut delivery = super::super::samples::delivery();
        doubt(&mut delivery, "reset".into(), 1_000_000);
        let mut looks = Vec::new();
        loop {
            let at_ms = delivery.due_at_ms;
            looks.push((at_ms - 1_000_000) / 1000);
            if look_again(&mut delivery, at_ms) {
                break;
            }
        }
        assert_eq!((looks, delivery.looks, delivery.due_at_ms), (vec![30, 120, 600], 3, 0));
    }
}
