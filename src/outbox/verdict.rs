//! Verdict: what a code of the platform does to its delivery and beyond it, by the table of the connector. Pure.
//!
//! Invariant: one faulty template or line stops at the first failure; the messages behind it are held, not burnt.

use super::rates::LONGEST_SILENCE_MS;
use super::settle::{Consequences, backoff_ms, hold};
use crate::connector::verdicts::{self, Class, Effect, Retry, Verdict};
use crate::contact::WithdrawalScope;
use crate::delivery::{Delivery, Pause, Scope};
use crate::message::Form;

const DAY_MS: i64 = 24 * 3_600_000;
/// Attempts of one message that the platform keeps back for a day, at most.
const MOST_DAYS: u32 = 3;

/// Applies the verdict about a failed attempt: whether there is another one, and what else follows.
pub(super) fn apply(delivery: &mut Delivery, form: Form, code: i64, now_ms: i64) -> (bool, Consequences) {
    let verdict = verdicts::verdict(code);
    // A template needs no window: one that is refused for it is no good.
    let class = match (verdict.class, form) {
        (Class::Window, Form::Template) => Class::Template,
        (class, _) => class,
    };
    let mut consequences = effects(delivery, verdict, code, now_ms);
    match class {
        Class::Window => consequences.window_refused = true,
        Class::Template => consequences.pause = pause_template(delivery, form, verdict, code, now_ms),
        Class::Line if consequences.pause.is_none() => {
            consequences.pause = Some((Scope::Channel(delivery.channel.clone()), pause(verdict, code, now_ms)));
        }
        Class::Content => consequences.content_code = Some(code),
        Class::Line | Class::Person | Class::Transient => {}
    }
    let again = match verdict.retry {
        Retry::Template if class == Class::Window => fall_back(delivery, now_ms),
        Retry::Template | Retry::None => false,
        Retry::Backoff => {
            let wait_ms = i64::from(verdict.pause_s.unwrap_or(0)) * 1000;
            let wait_ms = wait_ms + backoff_ms(delivery.seed, delivery.retries + 1);
            delivery.retries < delivery.retry_limit && once_more(delivery, "backoff", now_ms + wait_ms)
        }
        Retry::Pair => {
            let wait_ms = LONGEST_SILENCE_MS.min(1000 << (2 * delivery.retries.min(12)));
            let until_ms = now_ms.saturating_add(wait_ms);
            consequences.person_until_ms = Some(until_ms);
            delivery.retries < delivery.retry_limit && once_more(delivery, "backoff", until_ms)
        }
        Retry::Once => {
            delivery.retries <= delivery.retry_limit && {
                // Beyond the limit: neither this nor a transient failure is tried once more.
                delivery.retries = delivery.retry_limit;
                once_more(delivery, "backoff", now_ms + backoff_ms(delivery.seed, 1))
            }
        }
        Retry::Day => {
            let lives = now_ms + DAY_MS < delivery.expires_at_ms;
            lives
                && delivery.retries < delivery.retry_limit.min(MOST_DAYS)
                && once_more(delivery, "cap", now_ms + DAY_MS)
        }
    };
    (again, consequences)
}

fn effects(delivery: &Delivery, verdict: &Verdict, code: i64, now_ms: i64) -> Consequences {
    let mut consequences = Consequences::default();
    match verdict.effect {
        Some(Effect::OptOut) => consequences.withdrawn = Some((WithdrawalScope::All, code)),
        Some(Effect::OptOutMarketing) => consequences.withdrawn = Some((WithdrawalScope::Marketing, code)),
        Some(Effect::Undeliverable) => consequences.undeliverable = true,
        Some(Effect::SlowLine) => consequences.slow_line = true,
        Some(Effect::PauseAccount) => consequences.pause = Some((Scope::Account, pause(verdict, code, now_ms))),
        Some(Effect::PauseLine) => {
            consequences.pause = Some((Scope::Channel(delivery.channel.clone()), pause(verdict, code, now_ms)));
        }
        // Until when is known with the attempts.
        Some(Effect::HoldPerson) | None => {}
    }
    consequences
}

fn pause(verdict: &Verdict, code: i64, now_ms: i64) -> Pause {
    let until_ms = verdict.pause_s.map(|seconds| now_ms + i64::from(seconds) * 1000);
    Pause { why: verdict.meaning.clone(), code: Some(code), since_ms: now_ms, until_ms }
}

fn pause_template(
    delivery: &Delivery,
    form: Form,
    verdict: &Verdict,
    code: i64,
    now_ms: i64,
) -> Option<(Scope, Pause)> {
    let template = delivery.message.template.as_ref().filter(|_| form == Form::Template)?;
    Some((Scope::Template(template.uuid.clone()), pause(verdict, code, now_ms)))
}

/// The template, once, at the head of the person's line. Without one the window still counts as refused.
fn fall_back(delivery: &mut Delivery, now_ms: i64) -> bool {
    if delivery.message.template.is_none() || delivery.fallback_used {
        return false;
    }
    delivery.fallback_used = true;
    delivery.line_at_ms = delivery.planned_at_ms;
    hold(delivery, "window_fallback", now_ms);
    true
}

fn once_more(delivery: &mut Delivery, reason: &str, at_ms: i64) -> bool {
    delivery.retries += 1;
    hold(delivery, reason, at_ms);
    true
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOON, delivery};
    use super::super::settle::{settle_call, settle_failure};
    use super::*;
    use crate::delivery::{DeliveryState, Outcome, Settlement};

    fn refused(code: i64) -> Outcome {
        Outcome::Refused { status: 422, code: Some(code), error: "no".into() }
    }

    /// At once and later the same follows, but for the delivery itself.
    fn both_ways(form: Form, code: i64) -> (Delivery, Consequences) {
        let (mut at_once, mut later) = (delivery(), Delivery { state: DeliveryState::Accepted, ..delivery() });
        let now = settle_call(&mut at_once, form, &refused(code), NOON);
        let late = settle_failure(&mut later, form, Some(code), NOON);
        let beside = |consequences: &Consequences| Consequences { settlement: None, ..consequences.clone() };
        assert_eq!(beside(&now), beside(&late), "{code}");
        match at_once.state {
            DeliveryState::Held => assert_eq!(later.due_at_ms, at_once.due_at_ms, "{code}"),
            _ => assert_eq!((at_once.state, later.state), (DeliveryState::Rejected, DeliveryState::Accepted), "{code}"),
        }
        (at_once, now)
    }

    #[test]
    fn a_template_is_paused_at_its_first_failure() {
        for (code, until_ms) in [(132_001, None), (132_015, Some(NOON + 3 * 3_600_000)), (132_016, None)] {
            let (failed, consequences) = both_ways(Form::Template, code);
            assert_eq!(failed.state, DeliveryState::Rejected, "{code}");
            let (scope, pause) = consequences.pause.unwrap();
            assert_eq!((scope, pause.until_ms, pause.code), (Scope::Template("uuid".into()), until_ms, Some(code)));
        }
        assert_eq!(both_ways(Form::Text, 132_001).1.pause, None, "a plain message says nothing of its template");
    }

    #[test]
    fn a_window_refusal_sends_the_template_once_and_of_a_template_pauses_it() {
        let (failed, consequences) = both_ways(Form::Text, 131_047);
        assert!(failed.state == DeliveryState::Held && failed.fallback_used && consequences.window_refused);
        assert_eq!((consequences.pause, failed.due_at_ms), (None, NOON));
        let (failed, consequences) = both_ways(Form::Template, 131_047);
        assert!(failed.state == DeliveryState::Rejected && !consequences.window_refused);
        assert_eq!(consequences.pause.unwrap().0, Scope::Template("uuid".into()));
    }

    #[test]
    fn a_line_or_the_account_is_paused() {
        assert_eq!(both_ways(Form::Text, 131_048).1.pause.unwrap().0, Scope::Channel("main".into()));
        for code in [0, 190, 250] {
            assert_eq!(both_ways(Form::Text, code).1.pause.unwrap().0, Scope::Account, "{code}");
        }
        let (failed, consequences) = both_ways(Form::Text, 131_057);
        let (scope, pause) = consequences.pause.unwrap();
        assert_eq!((scope, pause.until_ms), (Scope::Channel("main".into()), Some(NOON + 60_000)));
        assert!(failed.state == DeliveryState::Held && failed.due_at_ms >= NOON + 60_000);
        let mut delivery = delivery();
        let no = Outcome::Refused { status: 401, code: None, error: "not authorized".into() };
        let consequences = settle_call(&mut delivery, Form::Text, &no, NOON);
        assert_eq!(consequences.pause.unwrap().0, Scope::Account);
        assert_eq!((delivery.state, delivery.reason.as_str()), (DeliveryState::Held, "channel_paused"));
    }

    #[test]
    fn what_concerns_the_person_is_noted_and_not_tried_again() {
        assert_eq!(both_ways(Form::Template, 131_050).1.withdrawn, Some((WithdrawalScope::Marketing, 131_050)));
        assert_eq!(both_ways(Form::Template, 1012).1.withdrawn, Some((WithdrawalScope::All, 1012)));
        assert!(both_ways(Form::Text, 131_026).1.undeliverable);
        assert_eq!(both_ways(Form::Text, 131_049).0.state, DeliveryState::Rejected, "none with the usual expiry");
        let mut patient = Delivery { expires_at_ms: NOON + 3 * DAY_MS, ..delivery() };
        let consequences = settle_call(&mut patient, Form::Text, &refused(131_049), NOON);
        assert_eq!((patient.reason.as_str(), patient.due_at_ms), ("cap", NOON + DAY_MS));
        assert_eq!(consequences, Consequences::default());
    }

    #[test]
    fn a_pair_limit_holds_the_person_for_four_to_the_power_of_its_failures() {
        let (mut delivery, mut waits) = (Delivery { retry_limit: 7, ..delivery() }, Vec::new());
        loop {
            let consequences = settle_call(&mut delivery, Form::Text, &refused(131_056), NOON);
            waits.push((consequences.person_until_ms.unwrap() - NOON) / 1000);
            if consequences.settlement.is_some() {
                break;
            }
        }
        assert_eq!(waits, [1, 4, 16, 64, 256, 1024, 3600, 3600], "an hour at most");
    }

    #[test]
    fn a_file_is_tried_once_more_and_then_nothing_is() {
        let mut one = delivery();
        assert_eq!(settle_call(&mut one, Form::Text, &refused(131_052), NOON).settlement, None);
        assert_eq!(one.state, DeliveryState::Held);
        for code in [131_053, 131_000] {
            let mut one = one.clone();
            let end = settle_call(&mut one, Form::Text, &refused(code), NOON).settlement;
            assert_eq!(end, Some(Settlement::Failed { reason: format!("rejected:{code}") }));
        }
        let mut unwilling = Delivery { retry_limit: 0, ..delivery() };
        assert_eq!(settle_call(&mut unwilling, Form::Text, &refused(1010), NOON).settlement, None);
        assert!(settle_call(&mut unwilling, Form::Text, &refused(1010), NOON).settlement.is_some());
    }

    #[test]
    fn haste_on_a_line_halves_its_pace_and_an_unknown_code_is_told_once() {
        assert!(both_ways(Form::Text, 130_429).1.slow_line);
        assert_eq!(both_ways(Form::Text, 999_999).1.content_code, Some(999_999));
    }
}
