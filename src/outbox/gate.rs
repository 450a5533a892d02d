//! Gate: the last look before a call. Judges one delivery with the facts of this instant; pure.
//!
//! The rows of `semantics.md` §7.2 in their order: the first skip or hold wins, then the form is chosen.
//! Order in the person's line is kept by the claim (row 7), rates are granted after the gate (row 15).

use super::window;
use crate::config::{Channel, ChannelKind, LockedTemplate};
use crate::contact::Contact;
use crate::contact::Line;
use crate::delivery::{Delivery, OutsideWindow, Purpose};
use crate::message::{Category, Form, Template};

const HOUR_MS: i64 = 3_600_000;
/// Characters of a filled template's body at most.
const BODY_CHARS: usize = 1024;

/// What is true at the instant of dispatch.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub now_ms: i64,
    pub contact: &'a Contact,
    /// Consent on record, or by the project's rule.
    pub opted_in: bool,
    pub line: Line,
    pub channel: &'a Channel,
    /// What the account says of the message's template today; `None` = not listed.
    pub template: Option<&'a LockedTemplate>,
    /// The same template as it was when the workflow was checked; `None` = nothing to compare with.
    pub checked: Option<&'a LockedTemplate>,
    /// The account refused our credentials, or does not have the line.
    pub suspended: bool,
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
    if facts.contact.blocked {
        return skip("contact_blocked");
    }
    if delivery.purpose == Purpose::Marketing && !facts.opted_in {
        return skip("no_consent");
    }
    if facts.suspended {
        return hold(delivery, facts, "channel_paused");
    }
    match choose_form(delivery, facts) {
        Ok(Form::Template) => judge_template(delivery, facts),
        Ok(Form::Text) => Decision::Send(Form::Text),
        Err(decision) => decision,
    }
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
    match (&delivery.message.template, delivery.outside_window) {
        (Some(_), _) => Ok(Form::Template),
        (None, OutsideWindow::Hold) => Err(hold_until(delivery, "window_closed", delivery.expires_at_ms)),
        (None, OutsideWindow::Fail | OutsideWindow::Skip) => Err(skip("window_closed")),
    }
}

fn judge_template(delivery: &Delivery, facts: &Facts) -> Decision {
    let Some(template) = &delivery.message.template else { return skip("template_unavailable") };
    if !facts.opted_in {
        return skip("no_consent");
    }
    let american = facts.contact.phone.as_ref().is_some_and(|phone| phone.digits().starts_with('1'));
    if delivery.purpose == Purpose::Marketing && american {
        return skip("country");
    }
    if let Some(refused) = facts.template.and_then(|locked| judge_approval(delivery, facts, locked)) {
        return refused;
    }
    match values_fit(template, facts.template) {
        true => Decision::Send(Form::Template),
        false => skip("invalid_values"),
    }
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

/// Held until something changes; looked at again after an hour, and when it expires.
fn hold(delivery: &Delivery, facts: &Facts, reason: &'static str) -> Decision {
    hold_until(delivery, reason, facts.now_ms + HOUR_MS)
}

fn hold_until(delivery: &Delivery, reason: &'static str, until_ms: i64) -> Decision {
    Decision::Hold { reason, until_ms: until_ms.min(delivery.expires_at_ms) }
}
