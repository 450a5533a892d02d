//! Gate: the last look before a call. Judges one delivery with the facts of this instant; pure.
//!
//! The rows of `semantics.md` §7.2 in their order: the first skip or hold wins, then the form is chosen.
//! Order in the person's line is kept by the claim (row 7), rates are granted after the gate (row 15).

use super::window;
use crate::config::{Channel, ChannelKind, LockedTemplate};
use crate::contact::{Contact, Line, WithdrawalScope};
use crate::delivery::{Delivery, OutsideWindow, Purpose};
use crate::message::{Category, Form, Template};

const HOUR_MS: i64 = 3_600_000;
/// How long the account has to tell what it knows of a person.
pub const ASK_MS: i64 = 10_000;
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
    if let Some(stop) = facts.stopped {
        return hold_for(delivery, facts, stop);
    }
    if unwanted {
        return ask(delivery, facts);
    }
    match choose_form(delivery, facts) {
        Ok(Form::Template) => judge_template(delivery, facts),
        Ok(Form::Text) => Decision::Send(Form::Text),
        Err(decision) => decision,
    }
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

fn judge_template(delivery: &Delivery, facts: &Facts) -> Decision {
    let Some(template) = &delivery.message.template else { return skip("template_unavailable") };
    // The fallback of an answer that the platform refused.
    if facts.contact.opted_out(WithdrawalScope::All) {
        return skip("opted_out");
    }
    if !facts.opted_in {
        return if unknown_consent(facts) { ask(delivery, facts) } else { skip("no_consent") };
    }
    let american = facts.contact.phone.as_ref().is_some_and(|phone| phone.digits().starts_with('1'));
    if delivery.purpose == Purpose::Marketing && american {
        return skip("country");
    }
    if let Some(stop) = facts.template_stopped {
        return hold_for(delivery, facts, stop);
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
        "window_closed" | "template_paused" | "template_category" | "template_changed" | "quiet_hours" | "cap"
    )
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOON, delivery};
    use super::*;
    use crate::config::{CallbellSettings, Pace};
    use crate::contact::{Phone, Withdrawal};

    fn person(withdrawn: Option<WithdrawalScope>) -> Contact {
        let withdrawal = withdrawn.map(|scope| Withdrawal { scope, source: "code".into(), at_ms: NOON });
        let phone = Phone::from_vendor("33600000001").ok();
        Contact { phone, withdrawal, ..Contact::default() }
    }

    fn channel() -> Channel {
        let pace: Pace = CallbellSettings::default().pace;
        Channel {
            name: "main".into(),
            uuid: None,
            title: None,
            default: true,
            kind: ChannelKind::Official,
            pace,
            listed: true,
        }
    }

    fn facts<'a>(contact: &'a Contact, channel: &'a Channel, open: bool) -> Facts<'a> {
        let told = Line { last_inbound_ms: open.then_some(NOON - 1), asked_at_ms: Some(NOON), ..Line::default() };
        Facts {
            now_ms: NOON,
            contact,
            opted_in: true,
            may_consent: false,
            can_ask: false,
            line: told,
            channel,
            template: None,
            checked: None,
            stopped: None,
            template_stopped: None,
        }
    }

    #[test]
    fn who_opted_out_gets_what_the_purpose_leaves() {
        use Purpose::{Marketing, Service, Utility};
        use WithdrawalScope::All;
        let (text, template) = (Decision::Send(Form::Text), Decision::Send(Form::Template));
        let no = skip("opted_out");
        let channel = channel();
        // Purpose, what was withdrawn, what goes in the open window and in the closed one.
        let table = [
            (Marketing, None, text, template),
            (Marketing, Some(WithdrawalScope::Marketing), no, no),
            (Marketing, Some(All), no, no),
            (Utility, Some(WithdrawalScope::Marketing), text, template),
            (Utility, Some(All), no, no),
            (Service, Some(WithdrawalScope::Marketing), text, template),
            (Service, Some(All), text, no),
        ];
        for (purpose, withdrawn, open, closed) in table {
            let (delivery, contact) = (Delivery { purpose, ..delivery() }, person(withdrawn));
            assert_eq!(gate(&delivery, &facts(&contact, &channel, true)), open, "{purpose:?} {withdrawn:?} open");
            assert_eq!(gate(&delivery, &facts(&contact, &channel, false)), closed, "{purpose:?} {withdrawn:?} closed");
        }
    }

    #[test]
    fn nobody_is_refused_for_what_the_account_may_still_tell() {
        let (contact, channel) = (person(None), channel());
        let unknown = Facts { line: Line::default(), can_ask: true, ..facts(&contact, &channel, false) };
        let ask = Decision::Hold { reason: "contact_unknown", until_ms: NOON + ASK_MS };
        assert_eq!(gate(&delivery(), &unknown), ask, "the window");
        let mut only_template = delivery();
        only_template.message.plain = None;
        assert_eq!(gate(&only_template, &unknown), Decision::Send(Form::Template), "no window is needed");
        let by_tag = Facts { opted_in: false, may_consent: true, ..unknown };
        assert_eq!(gate(&only_template, &by_tag), ask, "consent");
        let marketing = Delivery { purpose: Purpose::Marketing, ..only_template.clone() };
        assert_eq!(gate(&marketing, &by_tag), ask);
        let paused = Stop { reason: "channel_paused", until_ms: None };
        let stopped = Facts { stopped: Some(paused), ..by_tag };
        let held = Decision::Hold { reason: "channel_paused", until_ms: NOON + HOUR_MS };
        assert_eq!(gate(&marketing, &stopped), held, "an account that stands still is not asked");
        let asked = Facts { can_ask: false, ..by_tag };
        assert_eq!(gate(&marketing, &asked), skip("no_consent"));
        assert_eq!(gate(&only_template, &asked), skip("no_consent"));
        let told = Facts { line: Line { refused_at_ms: Some(1), ..Line::default() }, ..unknown };
        assert_eq!(gate(&delivery(), &told), Decision::Send(Form::Template), "the platform refused once: known");
    }

    #[test]
    fn a_pause_holds_until_it_ends_and_never_beyond_the_expiry() {
        let (contact, channel) = (person(None), channel());
        for (until_ms, held_until_ms) in [
            (None, NOON + HOUR_MS),
            (Some(NOON + 60_000), NOON + 60_000),
            (Some(NOON + 3 * HOUR_MS), NOON + HOUR_MS),
            (Some(NOON), NOON + 1),
        ] {
            let stop = Stop { reason: "template_paused", until_ms };
            let held = Facts { template_stopped: Some(stop), ..facts(&contact, &channel, false) };
            let expected = Decision::Hold { reason: "template_paused", until_ms: held_until_ms };
            assert_eq!(gate(&delivery(), &held), expected);
            let open = Facts { template_stopped: Some(stop), ..facts(&contact, &channel, true) };
            assert_eq!(gate(&delivery(), &open), Decision::Send(Form::Text), "plain text needs no template");
        }
        let short = Delivery { expires_at_ms: NOON + 5, ..delivery() };
        let stop = Some(Stop { reason: "channel_paused", until_ms: None });
        let held = Facts { stopped: stop, ..facts(&contact, &channel, false) };
        assert_eq!(gate(&short, &held), Decision::Hold { reason: "channel_paused", until_ms: NOON + 5 });
        assert_eq!(gate(&short, &Facts { now_ms: NOON + 5, ..held }), skip("expired"));
        let gone = Contact { gone: true, ..person(None) };
        assert_eq!(gate(&delivery(), &facts(&gone, &channel, true)), skip("contact_gone"));
    }
}
