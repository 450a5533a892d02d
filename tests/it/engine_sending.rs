//! Which message leaves, when, and how often: window, consent, holds, faults of the vendor, crashes.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, ms, seconds, words};
use relance::connector::sandbox::Fault;
use relance::delivery::VendorStatus;
use serde_json::{Value, json};
use sha2::Digest as _;

on_both_databases!(
    plain_until_two_minutes_before_the_window_closes_then_the_template,
    a_message_reported_late_opens_the_window_from_when_it_was_written,
    without_consent_the_template_is_skipped_and_the_run_goes_on,
    consent_by_the_event_itself_stays_on_record,
    a_plain_message_outside_the_window_fails_or_is_skipped_as_the_step_says,
    a_message_held_for_the_window_leaves_when_the_person_writes_or_expires,
    a_message_not_sent_in_time_expires_and_the_run_goes_on,
    a_paused_template_is_held_until_it_is_approved_again,
    a_colleague_gets_a_message_of_their_own_window,
    a_number_of_a_recipient_that_cannot_be_read_fails_the_step,
    a_line_by_qr_code_has_neither_window_nor_templates,
    marketing_needs_consent_in_both_forms_and_templates_do_not_go_to_america,
    messages_to_one_person_leave_one_at_a_time_in_order,
    a_held_message_steps_aside_and_one_in_backoff_does_not,
    a_slow_line_sends_at_its_pace,
    a_refusal_for_haste_is_tried_again_after_the_time_it_names,
    an_answer_in_doubt_is_never_sent_again_by_itself,
    what_the_vendor_tells_settles_what_was_in_doubt,
    evidence_may_come_before_the_answer,
    an_answer_settles_what_the_store_holds_and_not_what_was_in_hand,
    an_answer_that_names_a_person_we_know_otherwise_changes_nobody,
    a_late_refusal_for_the_window_sends_the_template_once,
    a_late_refusal_told_twice_and_out_of_order_sends_the_template_once,
    a_late_refusal_without_a_template_closes_the_window,
    a_failure_after_the_arrival_changes_nothing,
    a_passing_failure_is_tried_again_within_bounds,
    a_refused_token_suspends_the_account_until_a_new_start,
    a_refused_message_fails_its_step,
    the_status_shown_never_goes_back,
    a_status_before_the_answer_finds_its_message,
    a_kill_between_commit_and_answer_leaves_the_message_in_doubt,
    a_kill_with_calls_open_loses_and_doubles_nothing,
);

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - id: message
        send_message:
          text: 'Order {{event.order}}'
          template: order
          values: ['{{event.order}}']
";

fn shop(database: Database) -> Plan {
    World::on(database).template("order", "Your order {{1}}", &["order"])
}

fn workflow(rest: &str) -> String {
    let head = "
        name: Order
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}' }
    ";
    crate::harness::unindent(head).trim_end().to_owned() + "\n" + &crate::harness::unindent(rest)
}

fn order(phone: &str, number: i64) -> Value {
    json!({"phone": phone, "order": number})
}

// --- form, consent, holds --------------------------------------------------------------------------------------------

async fn plain_until_two_minutes_before_the_window_closes_then_the_template(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.event("order.paid", order(ANA, 0)).await;
    world.says(ANA, "hello").await;
    world.advance(hours(23) + minutes(57)).await;
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(seconds(59)).await;
    world.event("order.paid", order(ANA, 2)).await;
    world.advance(seconds(1)).await;
    world.event("order.paid", order(ANA, 3)).await;
    world.advance(minutes(1)).await;
    world.event("order.paid", order(ANA, 4)).await;
    world.event("order.paid", order(BOB, 5)).await;
    world.advance(seconds(5)).await;
    let sent = [
        "template: Your order 0",
        "text: Order 1",
        "text: Order 2",
        "template: Your order 3",
        "template: Your order 4",
        "template: Your order 5",
    ];
    assert_eq!(world.sent(), sent);
    assert!(world.messages().iter().all(|message| message.status() == "delivered"));
}

async fn a_message_reported_late_opens_the_window_from_when_it_was_written(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    let wrote = |uuid: &str, phone: &str, at: &str| {
        json!({"event": "message_created", "payload": {
            "uuid": uuid, "status": "received", "text": "hello", "createdAt": at,
            "contact": {"uuid": phone, "phoneNumber": phone.trim_start_matches('+')},
        }})
    };
    for phone in [ANA, BOB] {
        world.told(wrote(&format!("{phone} 1"), phone, "2026-03-01T11:30:00Z")).await;
        world.told(wrote(&format!("{phone} 0"), phone, "2026-03-01T10:00:00Z")).await;
    }
    world.advance(minutes(27)).await;
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.sent(), ["text: Order 1"]);
    world.advance(minutes(1)).await;
    world.event("order.paid", order(BOB, 2)).await;
    // The sandbox never heard of the first message: for it Ana's window was closed.
    assert_eq!(world.sent()[1..], ["template: Your order 1", "template: Your order 2"]);
}

async fn without_consent_the_template_is_skipped_and_the_run_goes_on(database: Database) {
    let text = workflow(
        "
        do:
          - id: first
            send_message: { template: order, values: ['{{event.order}}'] }
          - stop: 'then: {{steps.first.outcome}} {{steps.first.reason}}'
        ",
    );
    let world = shop(database).consent("{ tag: opted_in }").workflow("order", &text).start().await;
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.delivery_states().await, ["skipped: no_consent"]);
    assert_eq!(world.run_states().await, ["stopped: then: skipped no_consent"]);
    let tagged = |tags: Value| {
        json!({"event": "contact_updated", "payload": {
            "uuid": "ana", "phoneNumber": ANA.trim_start_matches('+'), "tags": tags,
        }})
    };
    world.told(tagged(json!(["Opted_In"]))).await;
    world.event("order.paid", order(ANA, 2)).await;
    world.told(tagged(json!([]))).await;
    world.event("order.paid", order(ANA, 3)).await;
    assert_eq!(world.delivery_states().await, ["skipped: no_consent", "accepted template", "skipped: no_consent"]);
}

async fn consent_by_the_event_itself_stays_on_record(database: Database) {
    let text = ORDER.replace("'{{event.phone}}' }", "'{{event.phone}}', consent: event.accepts == true }");
    let mut world = shop(database).consent("").workflow("order", &text).start().await;
    world.event("order.paid", json!({"phone": ANA, "order": 1, "accepts": false})).await;
    let agreed = world.event("order.paid", json!({"phone": ANA, "order": 2, "accepts": true})).await;
    world.restart().await;
    world.event("order.paid", order(ANA, 3)).await;
    assert_eq!(world.delivery_states().await, ["skipped: no_consent", "accepted template", "accepted template"]);
    let people = world.store(|store| async move { store.contacts(10).await }).await;
    assert_eq!(people[0].consent.as_ref().unwrap().proof, format!("event {}", agreed.event));
}

async fn a_plain_message_outside_the_window_fails_or_is_skipped_as_the_step_says(database: Database) {
    let text = |outside: &str| {
        workflow(&format!(
            "
        do:
          - send_message: {{ text: Hello{outside} }}
          - stop: went on
        "
        ))
    };
    let world =
        shop(database).workflow("fails", &text("")).workflow("skips", &text(", outside_window: skip")).start().await;
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.delivery_states().await, ["skipped: window_closed", "skipped: window_closed"]);
    assert_eq!(world.run_states().await, ["needs_attention: window_closed", "stopped: went on"]);
    assert!(world.sent().is_empty());
}

async fn a_message_held_for_the_window_leaves_when_the_person_writes_or_expires(database: Database) {
    let text = workflow(
        "
        do:
          - send_message: { text: 'Order {{event.order}}', outside_window: hold, expires: 3h }
          - stop: went on
        ",
    );
    let mut world = shop(database).workflow("order", &text).start().await;
    world.event("order.paid", order(ANA, 1)).await;
    world.event("order.paid", order(BOB, 2)).await;
    world.advance(hours(2)).await;
    world.restart().await;
    assert_eq!(world.delivery_states().await, ["held: window_closed", "held: window_closed"]);
    world.says(ANA, "hello").await;
    assert_eq!(world.sent(), ["text: Order 1"]);
    world.advance(minutes(59)).await;
    assert_eq!(world.delivery_states().await, ["accepted text", "held: window_closed"]);
    world.advance(minutes(1)).await;
    assert_eq!(world.delivery_states().await, ["accepted text", "skipped: expired"]);
    assert_eq!(world.run_states().await, ["stopped: went on", "stopped: went on"]);
    world.says(BOB, "too late").await;
    assert_eq!(world.sent(), ["text: Order 1"]);
}

async fn a_message_not_sent_in_time_expires_and_the_run_goes_on(database: Database) {
    let text = workflow(
        "
        settings: { expires: 30m }
        do:
          - id: late
            send_message: { template: order, values: ['{{event.order}}'] }
          - stop: '{{steps.late.reason}}'
        ",
    );
    let world = shop(database).workflow("order", &text).start().await;
    world.sandbox.set_fault(Fault::TooMany, u64::MAX);
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(minutes(29)).await;
    assert_eq!(world.delivery_states().await, ["held: backoff"]);
    world.advance(minutes(1)).await;
    assert_eq!(world.delivery_states().await, ["skipped: expired"]);
    assert_eq!(world.run_states().await, ["stopped: expired"]);
    let calls = world.sends();
    assert!((5..40).contains(&calls), "{calls} calls in half an hour, two and a half minutes apart in the mean");
}

async fn a_paused_template_is_held_until_it_is_approved_again(database: Database) {
    let text = workflow("do:\n  - wait: 1h\n  - send_message: { template: order, values: ['{{event.order}}'] }\n");
    let mut world = shop(database).workflow("order", &text).start().await;
    for number in 1..=3 {
        world.event("order.paid", order(ANA, number)).await;
    }
    world.edit("templates.lock.json", "approved", "paused");
    world.deploy_unchecked().await;
    world.advance(hours(1)).await;
    assert_eq!(world.delivery_states().await, ["held: template_paused"; 3]);
    world.advance(hours(3)).await;
    assert_eq!(world.delivery_states().await, ["held: template_paused"; 3]);
    world.edit("templates.lock.json", "paused", "approved");
    world.deploy().await;
    world.settle().await;
    assert_eq!(world.sent(), ["template: Your order 1", "template: Your order 2", "template: Your order 3"]);
}

async fn a_colleague_gets_a_message_of_their_own_window(database: Database) {
    let text = workflow(
        "
        do:
          - send_message:
              to: front_desk
              text: 'Please look at {{event.order}}'
              template: order
              values: ['{{event.order}}']
        ",
    );
    let world = shop(database)
        .consent("")
        .project("colleagues: { front_desk: '06 12 34 00 02' }\n")
        .workflow("order", &text)
        .start()
        .await;
    world.says(ANA, "hello").await;
    world.event("order.paid", order(ANA, 1)).await;
    world.says(BOB, "I am here").await;
    world.event("order.paid", order(ANA, 2)).await;
    assert_eq!(world.sent(), ["template: Your order 1", "text: Please look at 2"]);
    assert!(world.messages().iter().all(|message| message.phone == BOB));
}

async fn a_number_of_a_recipient_that_cannot_be_read_fails_the_step(database: Database) {
    let text = workflow(
        "
        do:
          - send_message: { to: '{{event.other}}', template: order, values: ['{{event.order}}'] }
        ",
    );
    let world = shop(database).workflow("order", &text).start().await;
    world.event("order.paid", json!({"phone": ANA, "order": 1, "other": "nobody"})).await;
    assert_eq!(world.run_states().await, ["needs_attention: bad_number"]);
    world.event("order.paid", json!({"phone": ANA, "order": 2, "other": BOB})).await;
    assert_eq!(world.messages()[0].phone, BOB);
}

async fn a_line_by_qr_code_has_neither_window_nor_templates(database: Database) {
    let only_template =
        workflow("do:\n  - send_message: { template: order, values: ['{{event.order}}'], channel: two }\n");
    let world = shop(database)
        .project(
            "
            channels:
              one: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, kind: qr }
              two: { uuid: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb }
            ",
        )
        .workflow("order", ORDER)
        .workflow("second", &only_template)
        .start()
        .await;
    world.event("order.paid", order(ANA, 1)).await;
    let mut sent: Vec<_> = world.messages().into_iter().map(|one| (one.channel, one.text)).collect();
    sent.sort();
    assert_eq!(sent, [("a".repeat(32), "Order 1".into()), ("b".repeat(32), "Your order 1".into())]);
}

async fn marketing_needs_consent_in_both_forms_and_templates_do_not_go_to_america(database: Database) {
    let text = ORDER.replace("purpose: utility", "purpose: marketing");
    let world = shop(database).consent("{ tag: news }").workflow("order", &text).start().await;
    world.says(ANA, "hello").await;
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.delivery_states().await, ["skipped: no_consent"]);
    let american = "+12025550173";
    world
        .told(json!({"event": "contact_created", "payload": {
            "uuid": "sam", "phoneNumber": american.trim_start_matches('+'), "tags": ["news"],
        }}))
        .await;
    world.event("order.paid", order(american, 2)).await;
    assert_eq!(world.delivery_states().await[1], "skipped: country");
    assert!(world.sent().is_empty());
}

// --- order and pace --------------------------------------------------------------------------------------------------

async fn messages_to_one_person_leave_one_at_a_time_in_order(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.gate.close();
    for number in 1..=3 {
        world.post(world.new_event("order.paid", order(ANA, number))).await;
    }
    world.post(world.new_event("order.paid", order(BOB, 4))).await;
    world.gate.holds(2).await;
    let sending = world.delivery_states().await;
    assert_eq!(sending, ["sending", "queued", "queued", "sending"]);
    world.gate.open();
    world.settle().await;
    let to_ana: Vec<_> = world.messages().into_iter().filter(|one| one.phone == ANA).map(|one| one.text).collect();
    assert_eq!(to_ana, ["Your order 1", "Your order 2", "Your order 3"]);
    assert_eq!(world.messages().len(), 4);
}

async fn a_held_message_steps_aside_and_one_in_backoff_does_not(database: Database) {
    let held = workflow("do:\n  - send_message: { text: 'Held {{event.order}}', outside_window: hold }\n");
    let world = shop(database).workflow("a_held", &held).workflow("order", ORDER).start().await;
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.sent(), ["template: Your order 1"]);
    world.sandbox.set_fault(Fault::TooMany, 1);
    world.event("order.paid", order(ANA, 2)).await;
    world.event("order.paid", order(ANA, 3)).await;
    let states = world.delivery_states().await;
    assert_eq!(states[3], "held: backoff");
    assert_eq!(states[5], "queued");
    world.advance(seconds(10)).await;
    assert_eq!(world.sent()[1..], ["template: Your order 2", "template: Your order 3"]);
    world.says(ANA, "hello").await;
    assert_eq!(world.sent()[3..], ["text: Held 1", "text: Held 2", "text: Held 3"]);
}

async fn a_slow_line_sends_at_its_pace(database: Database) {
    let mut world = shop(database)
        .project("channels: { shop: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, pace: 6 per minute } }\n")
        .workflow("order", ORDER)
        .start()
        .await;
    let start = world.clock.now_ms();
    world.events("order.paid", (1..=4).map(|n| order(&format!("+3361234000{n}"), n))).await;
    assert_eq!(world.messages().len(), 1);
    world.restart().await;
    assert_eq!(world.messages().len(), 1, "a new start brings no new tokens");
    world.advance(minutes(1)).await;
    let at: Vec<i64> = world.messages().iter().map(|message| (message.at_ms - start) / 1000).collect();
    assert_eq!(at, [0, 10, 20, 30]);
}

// --- faults of the vendor --------------------------------------------------------------------------------------------

async fn a_refusal_for_haste_is_tried_again_after_the_time_it_names(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.sandbox.set_fault(Fault::TooMany, 1);
    let start = world.clock.now_ms();
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.delivery_states().await, ["held: backoff"]);
    world.event("order.paid", order(BOB, 2)).await;
    world.advance(seconds(1) - std::time::Duration::from_millis(1)).await;
    assert!(world.sent().is_empty(), "the account is silent for everybody");
    world.advance(seconds(10)).await;
    assert_eq!(world.messages().len(), 2);
    assert!(world.messages().iter().all(|message| message.at_ms >= start + 1000));
    let outcomes: Vec<_> = world.attempts().await.into_iter().map(|one| (one.n, one.outcome.unwrap())).collect();
    assert_eq!(outcomes.iter().filter(|(_, outcome)| outcome == "not_sent").count(), 1, "{outcomes:?}");
    assert_eq!(world.run_states().await, ["done", "done"]);
}

async fn an_answer_in_doubt_is_never_sent_again_by_itself(database: Database) {
    let mut world = shop(database).workflow("order", ORDER).start().await;
    for fault in [Fault::ErrorBefore, Fault::DroppedRequest] {
        world.sandbox.set_fault(fault, 1);
        world.event("order.paid", order(ANA, 1)).await;
        world.event("order.paid", order(ANA, 2)).await;
        let states = world.delivery_states().await;
        let [one, two] = &states[states.len() - 2..] else { panic!() };
        assert!(one.starts_with("uncertain: ") && two == "queued", "{states:?}");
        world.advance(minutes(9)).await;
        world.restart().await;
        assert_eq!(world.delivery_states().await, states, "the person's line waits for evidence");
        world.advance(minutes(1)).await;
        let runs = world.run_states().await;
        assert_eq!(runs[runs.len() - 2..], ["needs_attention: uncertain", "done"]);
        world.advance(hours(30)).await;
    }
    assert_eq!(world.sent(), ["template: Your order 2", "template: Your order 2"]);
    let sends = world.sends();
    assert_eq!(sends, 4, "each message was called for once");
}

async fn what_the_vendor_tells_settles_what_was_in_doubt(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    for (number, fault) in [(1, Fault::ErrorAfter), (2, Fault::DroppedAnswer)] {
        world.sandbox.set_fault(fault, 1);
        world.event("order.paid", order(ANA, number)).await;
    }
    assert_eq!(world.delivery_states().await, ["accepted template", "accepted template"]);
    // Nothing is told of the message itself; its status tells, a second later.
    world.sandbox.set_fault(Fault::WebhookOff, 1);
    world.sandbox.set_fault(Fault::DroppedAnswer, 1);
    world.event("order.paid", order(ANA, 3)).await;
    assert!(world.delivery_states().await[2].starts_with("uncertain"));
    world.advance(seconds(3)).await;
    assert_eq!(world.delivery_states().await[2], "accepted template");
    assert_eq!(world.run_states().await, ["done", "done", "done"]);
    assert_eq!(world.sent(), ["template: Your order 1", "template: Your order 2", "template: Your order 3"]);
    let shown: Vec<_> = world.deliveries().await.into_iter().map(|row| row.status).collect();
    assert_eq!(shown, [Some(VendorStatus::Delivered); 3]);
}

/// As when the commit of a group got through that seemed to fail.
async fn an_answer_settles_what_the_store_holds_and_not_what_was_in_hand(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.gate.close();
    world.post(world.new_event("order.paid", order(ANA, 1))).await;
    world.gate.holds(1).await;
    let doubted =
        "update delivery set state = 'uncertain', reason = 'of before', due_at_ms = 0 where state = 'sending'";
    assert_eq!(world.execute(doubted).await, 1);
    world.gate.open();
    world.settle().await;
    assert_eq!((world.delivery_states().await, world.sends()), (vec!["accepted template".to_owned()], 1));
}

async fn evidence_may_come_before_the_answer(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.gate.close();
    world.post(world.new_event("order.paid", order(ANA, 1))).await;
    world.gate.holds(1).await;
    world.sandbox.settle().await;
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    assert_eq!(world.run_states().await, ["done"]);
    world.gate.open();
    world.advance(seconds(3)).await;
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Delivered));
    assert_eq!(world.attempts().await[0].outcome.as_deref(), Some("accepted"));
    assert_eq!(world.messages().len(), 1);
}

async fn an_answer_that_names_a_person_we_know_otherwise_changes_nobody(database: Database) {
    let text = ORDER.replace("'{{event.phone}}' }", "'{{event.phone}}', uuid: '{{event.uuid}}' }");
    let later = text.replace("    do:\n", "    do:\n      - wait: 1h\n");
    let world = shop(database).workflow("order", &later).start().await;
    // The uuid that the sandbox gives to Bob's number, known here as somebody without a number.
    let digits = BOB.trim_start_matches('+');
    let uuid = hex::encode(&sha2::Sha256::digest(format!("person|{digits}"))[..16]);
    world.event("order.paid", json!({"uuid": uuid, "order": 0})).await;
    world.advance(minutes(30)).await;
    world.event("order.paid", order(BOB, 1)).await;
    world.advance(minutes(61)).await;
    assert_eq!(world.sent(), ["template: Your order 1"]);
    assert_eq!(world.run_states().await[1], "done");
    world.event("order.paid", order(ANA, 2)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent().len(), 2, "the engine goes on");
}

async fn a_late_refusal_for_the_window_sends_the_template_once(database: Database) {
    let mut world = shop(database).workflow("order", ORDER).start().await;
    world.says(ANA, "hello").await;
    world.sandbox.fail_with([131_047, 131_047]);
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.sent(), ["text: Order 1"]);
    assert_eq!(world.run_states().await, ["done"]);
    world.advance(seconds(1)).await;
    assert_eq!(world.sent(), ["text: Order 1", "template: Your order 1"]);
    world.restart().await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent().len(), 2, "the template fails for the same reason, and is not sent again");
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Failed));
    world.event("order.paid", order(ANA, 2)).await;
    assert_eq!(world.delivery_states().await[1], "held: template_paused", "a template needs no window: it is no good");
    world.says(ANA, "again").await;
    world.event("order.paid", order(ANA, 3)).await;
    assert_eq!(world.sent()[2..], ["text: Order 3"], "the window is known to be closed until the person writes");
    world.advance(seconds(5)).await;
}

async fn a_late_refusal_told_twice_and_out_of_order_sends_the_template_once(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.says(ANA, "hello").await;
    world.sandbox.fail_with([131_047]);
    world.sandbox.set_fault(Fault::Duplicate, u64::MAX);
    world.sandbox.set_fault(Fault::Reordered, u64::MAX);
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(minutes(5)).await;
    assert_eq!(world.sent(), ["text: Order 1", "template: Your order 1"]);
    // The same failure with another body, by another webhook: still the same fact.
    let uuid = world.messages()[0].uuid.clone();
    let failed = |reason: &str| {
        json!({"event": "message_status_updated", "payload": {
            "uuid": uuid, "status": "failed", "messageStatusPayload": {"payload": {"code": 131_047, "reason": reason}},
        }})
    };
    world.told(failed("Re-engagement message")).await;
    world.told(failed("again")).await;
    world.advance(minutes(5)).await;
    assert_eq!(world.sent().len(), 2);
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Delivered));
}

async fn a_late_refusal_without_a_template_closes_the_window(database: Database) {
    let plain = workflow("do:\n  - send_message: { text: 'Plain {{event.order}}', outside_window: skip }\n");
    let world = shop(database).workflow("order", &plain).start().await;
    world.says(ANA, "hello").await;
    world.sandbox.fail_with([131_047]);
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(seconds(2)).await;
    assert_eq!(world.delivery_states().await, ["accepted text"]);
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Failed));
    world.event("order.paid", order(ANA, 2)).await;
    assert_eq!(world.delivery_states().await[1], "skipped: window_closed");
    // What the person wrote after the refused attempt counts, although the refusal is told later.
    world.says(ANA, "hello").await;
    world.sandbox.fail_with([131_047]);
    world.event("order.paid", order(ANA, 3)).await;
    world.advance(std::time::Duration::from_millis(500)).await;
    world.says(ANA, "hello again").await;
    world.advance(seconds(2)).await;
    world.event("order.paid", order(ANA, 4)).await;
    world.advance(seconds(5)).await;
    assert_eq!(world.delivery_states().await[3], "accepted text");
}

async fn a_failure_after_the_arrival_changes_nothing(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.says(ANA, "hello").await;
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(seconds(3)).await;
    let uuid = world.messages()[0].uuid.clone();
    world
        .told(json!({"event": "message_status_updated", "payload": {
            "uuid": uuid, "status": "failed", "messageStatusPayload": {"payload": {"code": 131_047}},
        }}))
        .await;
    world.advance(minutes(1)).await;
    assert_eq!(world.sent(), ["text: Order 1"]);
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Delivered));
}

async fn a_passing_failure_is_tried_again_within_bounds(database: Database) {
    let text = ORDER.replace("    do:\n", "    settings: { retry: 2 }\n    do:\n");
    let world = shop(database).workflow("order", &text).start().await;
    world.sandbox.fail_with([131_000, 131_000, 131_000]);
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.messages().len(), 3);
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Failed));
    world.sandbox.fail_with([131_000]);
    world.event("order.paid", order(ANA, 2)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.deliveries().await[1].status, Some(VendorStatus::Delivered));
    assert_eq!(world.messages().len(), 5);
}

async fn a_refused_token_suspends_the_account_until_a_new_start(database: Database) {
    let mut world = shop(database).workflow("order", ORDER).start().await;
    world.crash().await;
    world.token = "old";
    world.start_again().await;
    world.event("order.paid", order(ANA, 1)).await;
    world.event("order.paid", order(BOB, 2)).await;
    assert_eq!(world.delivery_states().await, ["held: channel_paused", "held: channel_paused"]);
    world.advance(hours(5)).await;
    assert_eq!(world.sandbox.calls().len(), 1, "nobody is called with a token that was refused");
    world.crash().await;
    world.token = "token";
    world.start_again().await;
    world.settle().await;
    assert_eq!(world.messages().len(), 2);
    assert_eq!(world.run_states().await, ["done", "done"]);
}

async fn a_refused_message_fails_its_step(database: Database) {
    let line = |digit: &str| digit.repeat(32);
    let channels = format!("channels: {{ shop: {{ uuid: {}, default: true }} }}\n", line("a"));
    let mut world = shop(database).project(&channels).workflow("order", ORDER).start().await;
    world.edit("relance.yaml", &line("a"), &line("b"));
    world.deploy().await;
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.delivery_states().await, ["rejected: rejected:422"]);
    assert_eq!(world.run_states().await, ["needs_attention: rejected:422"]);
    world.advance(hours(2)).await;
    assert_eq!(world.sends(), 1);
}

// --- statuses --------------------------------------------------------------------------------------------------------

async fn the_status_shown_never_goes_back(database: Database) {
    let mut world = shop(database).workflow("order", ORDER).start().await;
    world.event("order.paid", order(ANA, 1)).await;
    let uuid = world.messages()[0].uuid.clone();
    let told = |status: &str| json!({"event": "message_status_updated", "payload": {"uuid": uuid, "status": status}});
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Enqueued));
    let story = [
        ("mismatch", VendorStatus::Enqueued),
        ("read", VendorStatus::Read),
        ("sent", VendorStatus::Read),
        ("failed", VendorStatus::Read),
        ("read", VendorStatus::Read),
        ("delivered", VendorStatus::Read),
    ];
    for (status, shown) in story {
        world.told(told(status)).await;
        world.restart().await;
        assert_eq!(world.deliveries().await[0].status, Some(shown), "after {status}");
    }
    let kept = world.attempts().await[0].statuses.clone();
    assert_eq!(kept, ["mismatch", "read", "sent", "failed", "delivered"]);
    assert_eq!(world.messages().len(), 1);
}

async fn a_status_before_the_answer_finds_its_message(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.says(ANA, "hello").await;
    world.gate.close();
    world.post(world.new_event("order.paid", order(ANA, 1))).await;
    world.gate.holds(1).await;
    let uuid = world.messages()[0].uuid.clone();
    let body = json!({"event": "message_status_updated", "payload": {
        "uuid": uuid, "status": "failed", "messageStatusPayload": {"payload": {"code": 470}},
    }});
    let raw = body.to_string();
    let incoming = relance::connector::webhook::read(raw.as_bytes(), world.clock.now_ms()).unwrap();
    world.engine().told(incoming, raw.into()).await.unwrap();
    assert_eq!(world.delivery_states().await, ["sending"]);
    world.gate.open();
    world.settle().await;
    assert_eq!(world.sent(), ["text: Order 1", "template: Your order 1"]);
    world.advance(seconds(5)).await;
    assert_eq!(world.sent().len(), 2);
}

// --- kills -----------------------------------------------------------------------------------------------------------

async fn a_kill_between_commit_and_answer_leaves_the_message_in_doubt(database: Database) {
    let mut world = shop(database).workflow("order", ORDER).start().await;
    for (number, told) in [(1, true), (2, false)] {
        if !told {
            world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
        }
        world.gate.close();
        let accepted = world.post(world.new_event("order.paid", order(ANA, number))).await;
        assert_eq!(words(&accepted.evaluations), ["order started"]);
        world.gate.holds(1).await;
        world.crash().await;
        world.gate.open();
        world.start_again().await;
        let last = world.delivery_states().await.pop().unwrap();
        assert_eq!(last, "uncertain: the process ended while the call was open");
        world.advance(minutes(11)).await;
    }
    let states = world.delivery_states().await;
    assert_eq!(states[0], "accepted template", "the vendor told of it");
    assert!(states[1].starts_with("uncertain"), "{states:?}");
    assert_eq!(world.run_states().await, ["done", "needs_attention: uncertain"]);
    assert_eq!(world.sent(), ["template: Your order 1", "template: Your order 2"]);
}

async fn a_kill_with_calls_open_loses_and_doubles_nothing(database: Database) {
    // Time stands still while the calls are open: look-ups must not wait for tokens.
    let project = "callbell: { pace: 100000 per second }\n";
    let mut world = shop(database).project(project).workflow("order", ORDER).start().await;
    world.gate.close();
    let phone = |n: i64| format!("+33612341{n:03}");
    let engine = world.engine().clone();
    let offers = (0..200).map(|n| engine.accept(world.new_event("order.paid", order(&phone(n), n))));
    let accepted = futures_util::future::join_all(offers).await;
    assert!(accepted.iter().all(|one| one.as_ref().is_ok_and(|one| !one.duplicate)));
    drop(engine);
    world.gate.holds(8).await;
    world.crash().await;
    let taken = world.messages().len();
    world.gate.open();
    world.start_again().await;
    world.advance(hours(1)).await;
    let mut people: Vec<String> = world.messages().into_iter().map(|message| message.phone).collect();
    assert_eq!(people.len(), 200, "{taken} had been taken before the kill");
    people.sort();
    people.dedup();
    assert_eq!(people.len(), 200, "nobody got it twice");
    assert!(world.delivery_states().await.iter().all(|state| state == "accepted template"));
    assert!(world.run_states().await.iter().all(|state| state == "done"));
    assert_eq!(ms("2026-03-02T12:00:00Z"), world.clock.now_ms());
}
