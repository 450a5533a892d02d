//! Gate: the last look before a call. Judges one delivery with the facts of this instant; pure.
//!
//! The rows of `semantics.md` §7.2 in their order: the first skip or hold wins, then the form is chosen.
//! Order in the person's line is kept by the claim (row 7), rates and the workflow's pace are granted after the gate (row 15).

use super::{quiet, window, zones};
use crate::config::{Channel, ChannelKind, LockedTemplate};
use crate::contact::{Contact, Line, WithdrawalScope};
use crate::delivery::{Delivery, OutsideWindow, Purpose};
use crate::message::{Category, Form, Template};

#[cfg(test)]
mod tests;

const HOUR_MS: i64 = 3_600_000;
/// How long the account has to tell what it knows of a person.
pub const ASK_MS: i64 = 10_000;
/// After a message of the person, what is useful may come at any hour: the two are talking.
pub const TALKING_MS: i64 = 10 * 60_000;
/// Messages of runs that one person gets in a moving day: who gets more is caught in a loop.
pub const PER_DAY: usize = 20;
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Characters of a filled template's body at most.
const BODY_CHARS: usize = 1024;

/// What is true at the instant of dispatch.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub now_ms: i64,
    pub contact: &'a Contact,
    /// Consent on record, or by the project's rule.
    pub opted_in: bool,
    /// Whether the account, asked for this person, might tell of consent: the rule asks it, and it has told nothing yet.
    pub may_consent: bool,
    /// Whether the account can be asked for this person, and was not yet.
    pub can_ask: bool,
    pub line: Line,
    pub channel: &'a Channel,
    /// What the account says of the message's template today; `None` = not listed.
    pub template: Option<&'a LockedTemplate>,
    /// The same template as it was when the workflow was checked; `None` = nothing to compare with.
    pub checked: Option<&'a LockedTemplate>,
    /// Why nothing of the account or of the line leaves now.
    pub stopped: Option<Stop>,
    /// Why nothing leaves by the message's template now.
    pub template_stopped: Option<Stop>,
    /// It is the first message of its run, and as many other runs reached the person as its workflow allows.
    pub limit_reached: bool,
    /// When the person may get a message of a run again: so many were handed over in the day before.
    pub capped_until_ms: Option<i64>,
}

/// Something that stands in the way of more than one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    pub reason: &'static str,
    /// When it ends by itself, if it does. Unix milliseconds.
    pub until_ms: Option<i64>,
}

/// What becomes of the delivery now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Send(Form),
    /// Looked at again at `until_ms`, or when what it waits for changes.
    Hold {
        reason: &'static str,
        until_ms: i64,
    },
    Skip {
        reason: &'static str,
    },
}

/// Judges a delivery.
pub fn gate(delivery: &Delivery, facts: &Facts) -> Decision {
    if facts.now_ms >= delivery.expires_at_ms {
        return skip("expired");
    }
    if facts.contact.gone {
        return skip("contact_gone");
    }
    if facts.contact.blocked {
        return skip("contact_blocked");
    }
    if opted_out(delivery, facts) {
        return skip("opted_out");
    }
    let unwanted = delivery.purpose == Purpose::Marketing && !facts.opted_in;
    if unwanted && !unknown_consent(facts) {
        return skip("no_consent");
    }
    let form = choose_form(delivery, facts);
    if delivery.purpose == Purpose::Marketing && form == Ok(Form::Template) && is_american(facts) {
        return skip("country");
    }
    if let Some(stop) = facts.stopped {
        return hold_for(delivery, facts, stop);
    }
    if unwanted {
        return ask(delivery, facts);
    }
    if let Some(until_ms) = quiet_until(delivery, facts) {
        return hold_until(delivery, "quiet_hours", until_ms);
    }
    match form {
        Ok(Form::Template) => {
            judge_template(delivery, facts).unwrap_or_else(|| judge_limits(delivery, facts, Form::Template))
        }
        Ok(Form::Text) => judge_limits(delivery, facts, Form::Text),
        Err(decision) => decision,
    }
}

/// Until when the recipient is not to be disturbed by a message of this purpose. A service is what the person waits for.
fn quiet_until(delivery: &Delivery, facts: &Facts) -> Option<i64> {
    let hours = delivery.rules.quiet?;
    let talking = facts.line.last_inbound_ms.is_some_and(|at_ms| facts.now_ms < at_ms + TALKING_MS);
    let held = match delivery.purpose {
        Purpose::Marketing => true,
        Purpose::Utility => !talking,
        Purpose::Service => false,
    };
    let zones = || zones::of_recipient(&delivery.rules, facts.contact, facts.now_ms);
    held.then(|| quiet::quiet_until(hours, &zones(), facts.now_ms)).flatten()
}

/// What one person gets of one workflow, and of all of them in a day.
fn judge_limits(delivery: &Delivery, facts: &Facts, form: Form) -> Decision {
    if facts.limit_reached {
        return skip("limit");
    }
    let counted = !delivery.run.is_empty() && !delivery.rules.colleague;
    match facts.capped_until_ms.filter(|until_ms| counted && facts.now_ms < *until_ms) {
        Some(until_ms) => hold_until(delivery, "cap", until_ms),
        None => Decision::Send(form),
    }
}

/// The platform delivers no marketing templates to these numbers.
fn is_american(facts: &Facts) -> bool {
    facts.contact.phone.as_ref().is_some_and(|phone| phone.digits().starts_with('1'))
}

/// Who wants nothing any more still gets answers, while the window is open.
fn opted_out(delivery: &Delivery, facts: &Facts) -> bool {
    let answers = delivery.message.plain.is_some() && window::open(facts.line, facts.now_ms);
    match delivery.purpose {
        Purpose::Marketing => facts.contact.opted_out(WithdrawalScope::Marketing),
        Purpose::Utility => facts.contact.opted_out(WithdrawalScope::All),
        Purpose::Service => {
            facts.contact.opted_out(WithdrawalScope::All) && !answers && !unknown_window(delivery, facts)
        }
    }
}

/// Nothing was told of the person's messages on this line, and nobody asked.
fn unknown_window(delivery: &Delivery, facts: &Facts) -> bool {
    let plain = delivery.message.plain.is_some() && !delivery.fallback_used;
    let told = facts.line.last_inbound_ms.is_some() || facts.line.refused_at_ms.is_some();
    plain && !told && facts.can_ask && facts.channel.kind == ChannelKind::Official
}

fn unknown_consent(facts: &Facts) -> bool {
    facts.may_consent && facts.can_ask
}

fn choose_form(delivery: &Delivery, facts: &Facts) -> Result<Form, Decision> {
    let plain = delivery.message.plain.is_some() && !delivery.fallback_used;
    if delivery.message.is_foreign() && plain {
        // The window is WhatsApp's: what another platform allows is the account's to judge.
        return Ok(Form::Text);
    }
    if facts.channel.kind == ChannelKind::Qr {
        return if plain { Ok(Form::Text) } else { Err(skip("no_plain_text")) };
    }
    if plain && window::open(facts.line, facts.now_ms) {
        return Ok(Form::Text);
    }
    if unknown_window(delivery, facts) {
        return Err(ask(delivery, facts));
    }
    match (&delivery.message.template, delivery.outside_window) {
        (Some(_), _) => Ok(Form::Template),
        (None, OutsideWindow::Hold) => Err(hold_until(delivery, "window_closed", delivery.expires_at_ms)),
        (None, OutsideWindow::Fail | OutsideWindow::Skip) => Err(skip("window_closed")),
    }
}

/// What stands against the template; `None` = nothing.
fn judge_template(delivery: &Delivery, facts: &Facts) -> Option<Decision> {
    let Some(template) = &delivery.message.template else { return Some(skip("template_unavailable")) };
    // The fallback of an answer that the platform refused.
    if facts.contact.opted_out(WithdrawalScope::All) {
        return Some(skip("opted_out"));
    }
    if !facts.opted_in {
        return Some(if unknown_consent(facts) { ask(delivery, facts) } else { skip("no_consent") });
    }
    if let Some(stop) = facts.template_stopped {
        return Some(hold_for(delivery, facts, stop));
    }
    let refused = facts.template.and_then(|locked| judge_approval(delivery, facts, locked));
    refused.or_else(|| (!values_fit(template, facts.template)).then(|| skip("invalid_values")))
}

fn judge_approval(delivery: &Delivery, facts: &Facts, locked: &LockedTemplate) -> Option<Decision> {
    match locked.status.as_str() {
        "approved" if !category_allowed(delivery.purpose, locked.category) => {
            Some(hold(delivery, facts, "template_category"))
        }
        "approved" if facts.checked.is_some_and(|checked| !reads_the_same(checked, locked)) => {
            Some(hold(delivery, facts, "template_changed"))
        }
        "approved" => None,
        "paused" | "pending" => Some(hold(delivery, facts, "template_paused")),
        _ => Some(skip("template_unavailable")),
    }
}

/// Values written for one text say something else in another.
fn reads_the_same(checked: &LockedTemplate, now: &LockedTemplate) -> bool {
    checked.placeholders == now.placeholders && checked.text.trim() == now.text.trim() && checked.kind == now.kind
}

/// Which categories a purpose may use (`language.md` §10.2). An account that names no category is not judged.
pub fn category_allowed(purpose: Purpose, category: Option<Category>) -> bool {
    match (purpose, category) {
        (_, None) | (_, Some(Category::Utility)) => true,
        (Purpose::Marketing, Some(category)) => category == Category::Marketing,
        (Purpose::Utility | Purpose::Service, Some(category)) => category == Category::Authentication,
    }
}

/// What the platform would refuse after acceptance: count, blank, breaks, runs of spaces, length of the filled body.
fn values_fit(template: &Template, locked: Option<&LockedTemplate>) -> bool {
    let clean =
        |value: &String| !value.trim().is_empty() && !value.contains(['\n', '\r', '\t']) && !value.contains("     ");
    let counted = locked.is_none_or(|locked| locked.placeholders == template.values.len());
    let filled = locked.map_or(0, |locked| fill(&locked.text, &template.values).chars().count());
    counted && filled <= BODY_CHARS && template.values.iter().all(clean)
}

/// A template's body with its values, in one pass: braces inside a value are never read again.
pub fn fill(body: &str, values: &[String]) -> String {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((number, after)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        match number.trim().parse::<usize>().ok().and_then(|n| values.get(n.checked_sub(1)?)) {
            Some(value) => out.push_str(value),
            None => out.push_str(&format!("{{{{{number}}}}}")),
        }
        rest = after;
    }
    out + rest
}

fn skip(reason: &'static str) -> Decision {
    Decision::Skip { reason }
}

/// Held while the account is asked.
fn ask(delivery: &Delivery, facts: &Facts) -> Decision {
    hold_until(delivery, "contact_unknown", facts.now_ms + ASK_MS)
}

fn hold_for(delivery: &Delivery, facts: &Facts, stop: Stop) -> Decision {
    let again_ms = facts.now_ms + HOUR_MS;
    // Later than now, or it would be looked at again and again in the same instant.
    let until_ms = stop.until_ms.map_or(again_ms, |until_ms| until_ms.clamp(facts.now_ms + 1, again_ms));
    hold_until(delivery, stop.reason, until_ms)
}

/// Held until something changes; looked at again after an hour, and when it expires.
fn hold(delivery: &Delivery, facts: &Facts, reason: &'static str) -> Decision {
    hold_until(delivery, reason, facts.now_ms + HOUR_MS)
}

fn hold_until(delivery: &Delivery, reason: &'static str, until_ms: i64) -> Decision {
    Decision::Hold { reason, until_ms: until_ms.min(delivery.expires_at_ms) }
}

/// Whether a delivery held for this reason leaves its place in the person's line: a reply is not stuck behind a campaign.
pub fn steps_aside(reason: &str) -> bool {
    matches!(
        reason,
        "window_closed"
            | "template_paused"
            | "template_category"
            | "template_changed"
            | "quiet_hours"
            | "cap"
            | "pace"
            | "run_paused"
            | "campaign_paused"
            | "unreadable"
    )
}
