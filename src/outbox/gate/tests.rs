//! The gate's rows, as tables.

use super::*;
use crate::config::{CallbellSettings, Pace};
use crate::contact::{Phone, Withdrawal};
use crate::outbox::samples::{NOON, delivery};
use crate::rules::{Quiet, Rules};

fn person(withdrawn: Option<WithdrawalScope>) -> Contact {
    let withdrawal = withdrawn.map(|scope| Withdrawal::new(scope, "code".into(), NOON));
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
        limit_reached: false,
        capped_until_ms: None,
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

fn in_spain() -> Contact {
    Contact {
        phone: Phone::from_vendor("34600000001").ok(),
        timezone: Some("Europe/Madrid".into()),
        ..Contact::default()
    }
}

/// Quiet from ten to one, by the clock of Madrid; it is noon there.
fn quiet(purpose: Purpose) -> Delivery {
    let hours = Quiet { from: jiff::civil::time(10, 0, 0, 0), to: jiff::civil::time(13, 0, 0, 0) };
    let rules = Rules { quiet: Some(hours), zone: "Europe/Madrid".into(), ..Rules::default() };
    Delivery { purpose, rules, ..delivery() }
}

#[test]
fn in_quiet_hours_the_purpose_and_what_the_person_wrote_decide() {
    let (contact, channel) = (in_spain(), channel());
    let held = Decision::Hold { reason: "quiet_hours", until_ms: NOON + HOUR_MS };
    let sent = Decision::Send(Form::Text);
    // Purpose, when the person wrote last, what becomes of it.
    let table = [
        (Purpose::Marketing, TALKING_MS, held),
        (Purpose::Marketing, 1, held),
        (Purpose::Utility, TALKING_MS, held),
        (Purpose::Utility, TALKING_MS - 1, sent),
        (Purpose::Service, TALKING_MS, sent),
    ];
    for (purpose, ago_ms, expected) in table {
        let line = Line { last_inbound_ms: Some(NOON - ago_ms), ..Line::default() };
        let seen = Facts { line, ..facts(&contact, &channel, true) };
        assert_eq!(gate(&quiet(purpose), &seen), expected, "{purpose:?} {ago_ms}");
    }
    let seen = facts(&contact, &channel, false);
    assert_eq!(
        gate(&quiet(Purpose::Marketing), &Facts { now_ms: NOON + HOUR_MS, ..seen }),
        Decision::Send(Form::Template)
    );
    let short = Delivery { expires_at_ms: NOON + 5, ..quiet(Purpose::Utility) };
    assert_eq!(gate(&short, &seen), Decision::Hold { reason: "quiet_hours", until_ms: NOON + 5 });
    let paused = Stop { reason: "channel_paused", until_ms: None };
    let stopped = Facts { stopped: Some(paused), ..seen };
    let held = Decision::Hold { reason: "channel_paused", until_ms: NOON + HOUR_MS };
    assert_eq!(gate(&quiet(Purpose::Utility), &stopped), held, "what lasts longer is told first");
    let unwanted = Facts { opted_in: false, ..seen };
    assert_eq!(gate(&quiet(Purpose::Marketing), &unwanted), skip("no_consent"), "nobody waits for nothing");
}

#[test]
fn limits_come_after_everything_else_and_the_day_after_the_limit() {
    let (contact, channel) = (in_spain(), channel());
    let seen = facts(&contact, &channel, true);
    let full = Facts { limit_reached: true, capped_until_ms: Some(NOON + 7), ..seen };
    assert_eq!(gate(&delivery(), &full), skip("limit"));
    assert_eq!(gate(&Delivery { expires_at_ms: NOON, ..delivery() }, &full), skip("expired"));
    let capped = Facts { capped_until_ms: Some(NOON + 7), ..seen };
    assert_eq!(gate(&delivery(), &capped), Decision::Hold { reason: "cap", until_ms: NOON + 7 });
    assert_eq!(gate(&delivery(), &Facts { now_ms: NOON + 7, ..capped }), Decision::Send(Form::Text));
    let colleague = Delivery { rules: Rules { colleague: true, ..Rules::default() }, ..delivery() };
    let gateway = Delivery { run: String::new(), ..delivery() };
    for free in [colleague, gateway] {
        assert_eq!(gate(&free, &capped), Decision::Send(Form::Text));
    }
    let invalid = Facts { capped_until_ms: Some(NOON + 7), template_stopped: None, ..facts(&contact, &channel, false) };
    let mut broken = delivery();
    broken.message.template.as_mut().unwrap().values = vec!["a\nb".into()];
    assert_eq!(gate(&broken, &invalid), skip("invalid_values"));
}

#[test]
fn no_marketing_template_goes_to_america_and_nothing_waits_to_learn_it() {
    let (contact, channel) =
        (Contact { phone: Phone::from_vendor("12025550173").ok(), ..Contact::default() }, channel());
    let marketing = Delivery { purpose: Purpose::Marketing, ..quiet(Purpose::Marketing) };
    let paused = Some(Stop { reason: "channel_paused", until_ms: None });
    let closed = Facts { stopped: paused, ..facts(&contact, &channel, false) };
    assert_eq!(gate(&marketing, &closed), skip("country"));
    let plain = Delivery { purpose: Purpose::Marketing, ..delivery() };
    assert_eq!(gate(&plain, &facts(&contact, &channel, true)), Decision::Send(Form::Text), "text is no template");
    let useful = Delivery { purpose: Purpose::Utility, ..delivery() };
    assert_eq!(gate(&useful, &facts(&contact, &channel, false)), Decision::Send(Form::Template));
}

#[test]
fn each_purpose_has_its_categories_and_its_need_of_consent() {
    use Category::{Authentication, Marketing, Utility};
    for (purpose, allowed) in [
        (Purpose::Marketing, [true, true, false]),
        (Purpose::Utility, [false, true, true]),
        (Purpose::Service, [false, true, true]),
    ] {
        let found = [Marketing, Utility, Authentication].map(|category| category_allowed(purpose, Some(category)));
        assert_eq!(found, allowed, "{purpose:?}");
    }
    let (contact, channel) = (in_spain(), channel());
    let (text, no) = (Decision::Send(Form::Text), skip("no_consent"));
    for (purpose, open, closed) in
        [(Purpose::Marketing, no, no), (Purpose::Utility, text, no), (Purpose::Service, text, no)]
    {
        let delivery = Delivery { purpose, ..delivery() };
        let judge = |open| gate(&delivery, &Facts { opted_in: false, ..facts(&contact, &channel, open) });
        assert_eq!((judge(true), judge(false)), (open, closed), "{purpose:?}");
    }
}
