//! What stands between a message and the vendor: rates, pauses, the breaker, look-ups, opt-outs, and a person's answers.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, NOON, Plan, World, hours, minutes, seconds};
use relance::connector::sandbox::Fault;
use relance::contact::{Contact, Phone, WithdrawalScope};
use relance::delivery::{DeliveryState, Scope};
use relance::engine::{Answer, NotSettled};
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    twenty_to_one_person_are_spaced_and_hold_nobody_else_back,
    three_thousand_leave_at_the_rate_of_the_account,
    a_template_is_paused_at_its_first_failure_and_what_is_queued_is_held,
    a_pause_that_ends_by_itself_lets_its_messages_go,
    a_line_is_paused_and_another_one_goes_on,
    haste_on_a_line_halves_its_pace_for_a_minute,
    a_refused_token_is_tried_again_when_a_person_resumes,
    calls_without_an_answer_stop_and_one_message_tries_again,
    no_line_takes_all_slots_while_another_has_something_due,
    what_waits_for_a_channel_that_is_gone_is_held_and_expires,
    a_tag_is_asked_for_before_a_message_is_refused_for_consent,
    the_window_is_asked_for_before_a_template_goes,
    an_account_that_knows_nobody_or_fails_is_asked_once,
    a_look_up_can_be_waited_for,
    an_uncertain_message_is_looked_for_and_found_probable,
    a_person_settles_an_uncertain_message,
    a_message_sent_again_that_had_arrived_is_flagged,
    evidence_after_the_deadline_still_settles,
    evidence_before_the_second_call_spares_it,
    an_opt_out_by_code_is_kept_and_rules,
);

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - send_message:
          text: 'Order {{event.order}}'
          template: order
          values: ['{{event.order}}']
";

/// Needs no window: nothing is asked of the account.
const TEMPLATE: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - send_message: { template: order, values: ['{{event.order}}'] }
";

fn shop(database: Database) -> Plan {
    World::on(database).template("order", "Your order {{1}}", &["order"])
}

fn order(phone: &str, number: i64) -> Value {
    json!({"phone": phone, "order": number})
}

fn phone(n: i64) -> String {
    format!("+336{:08}", 12_000_000 + n)
}

/// How many deliveries are in each state, by its words.
async fn count(world: &World, state: &str) -> usize {
    world.delivery_states().await.iter().filter(|known| *known == state).count()
}

// --- rates -----------------------------------------------------------------------------------------------------------

async fn twenty_to_one_person_are_spaced_and_hold_nobody_else_back(database: Database) {
    let mut world = shop(database).spaced().workflow("order", TEMPLATE).start().await;
    let to_ana = (1..=20).map(|n| order(ANA, n));
    world.events("order.paid", to_ana.chain((1..=40).map(|n| order(&phone(n), n)))).await;
    world.advance(seconds(1)).await;
    assert_eq!(world.messages().iter().filter(|message| message.phone != ANA).count(), 40, "nobody waits for Ana");
    assert_eq!(count(&world, "held: rate_person").await, 1);
    world.restart().await;
    world.advance(minutes(4)).await;
    let at: Vec<i64> =
        world.messages().iter().filter(|message| message.phone == ANA).map(|message| message.at_ms - NOON).collect();
    let texts: Vec<_> = world.messages().into_iter().filter(|one| one.phone == ANA).map(|one| one.text).collect();
    assert_eq!(texts, (1..=20).map(|n| format!("Your order {n}")).collect::<Vec<_>>());
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 1000), "{at:?}");
    assert!(at.windows(4).all(|four| four[3] - four[0] >= 6000), "{at:?}");
    assert!(at[19] <= 17 * 6000 + 1000, "{at:?}");
}

async fn three_thousand_leave_at_the_rate_of_the_account(database: Database) {
    let fast = "channels: { shop: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, pace: 1000 per second } }\n";
    let world = shop(database).project(fast).workflow("order", TEMPLATE).start().await;
    world.sandbox.set_webhook(None);
    for part in 0..6 {
        let events = (0..500).map(|n| world.new_event("order.paid", order(&phone(part * 500 + n), n)));
        let engine = world.engine().clone();
        let events: Vec<_> = events.collect();
        let offered = async move { futures_util::future::join_all(events.into_iter().map(|e| engine.accept(e))).await };
        assert!(world.within(offered).await.iter().all(Result::is_ok));
    }
    world.advance(seconds(13)).await;
    let at: Vec<i64> = world.sandbox.calls().iter().map(|(_, call)| call.at_ms - NOON).collect();
    assert_eq!(at.len(), 3000);
    for (n, from) in at.iter().enumerate() {
        let in_a_second = at[n..].iter().take_while(|then| **then < from + 1000).count();
        assert!(in_a_second <= 264, "{in_a_second} calls within a second of {from}");
    }
    assert!((12_300..=12_700).contains(&at[2999]), "as fast as it may be: {} ms", at[2999]);
    assert_eq!(count(&world, "accepted template").await, 3000);
}

async fn haste_on_a_line_halves_its_pace_for_a_minute(database: Database) {
    let slow = "channels: { shop: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, pace: 60 per minute } }\n";
    let world = shop(database).project(slow).workflow("order", TEMPLATE).start().await;
    world.sandbox.fail_with([130_429]);
    world.events("order.paid", (0..100).map(|n| order(&phone(n), n))).await;
    world.advance(seconds(31)).await;
    let in_half_a_minute = world.messages().len();
    assert!((15..=18).contains(&in_half_a_minute), "{in_half_a_minute}");
    world.advance(seconds(40)).await;
    let before = world.messages().len();
    world.advance(seconds(20)).await;
    assert!((19..=21).contains(&(world.messages().len() - before)), "and then as before");
    world.advance(minutes(3)).await;
    assert_eq!(count(&world, "accepted template").await, 100);
}

async fn no_line_takes_all_slots_while_another_has_something_due(database: Database) {
    let lines = "
        callbell: { pace: 100000 per second }
        channels:
          one: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, pace: 100000 per second }
          two: { uuid: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, pace: 100000 per second }
    ";
    let second =
        TEMPLATE.replace("template: order,", "channel: two, template: order,").replace("order.paid", "two.paid");
    let world = shop(database).project(lines).workflow("order", TEMPLATE).workflow("second", &second).start().await;
    world.gate.close();
    let engine = world.engine().clone();
    let many = (0..200).map(|n| world.new_event("order.paid", order(&phone(n), n)));
    let few = (0..20).map(|n| world.new_event("two.paid", order(&phone(500 + n), n)));
    let all: Vec<_> = many.chain(few).collect();
    let offered =
        async move { futures_util::future::join_all(all.into_iter().map(|event| engine.accept(event))).await };
    assert_eq!(world.within(offered).await.len(), 220);
    world.gate.holds(64).await;
    let by_two = world.messages().iter().filter(|message| message.channel.starts_with('b')).count();
    assert_eq!((by_two, world.messages().len()), (20, 64));
    world.gate.open();
    world.advance(seconds(5)).await;
    assert_eq!(count(&world, "accepted template").await, 220);
}

// --- pauses ----------------------------------------------------------------------------------------------------------

async fn a_template_is_paused_at_its_first_failure_and_what_is_queued_is_held(database: Database) {
    let slow = "channels: { shop: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, pace: 1 per second } }\n";
    let mut world = shop(database).project(slow).workflow("order", TEMPLATE).start().await;
    world.sandbox.fail_with([132_001]);
    world.events("order.paid", (0..500).map(|n| order(&phone(n), n))).await;
    world.advance(seconds(2)).await;
    let burnt = world.messages().len();
    assert!(burnt <= 2, "{burnt} left before the first failure was told");
    assert_eq!(count(&world, "held: template_paused").await, 500 - burnt);
    world.restart().await;
    world.advance(hours(2)).await;
    assert_eq!(world.messages().len(), burnt, "a new start does not mend a template");
    let pauses = world.store(|store| async move { store.pauses().await }).await;
    let (scope, pause) = &pauses[0];
    assert_eq!((pauses.len(), pause.code, pause.until_ms), (1, Some(132_001), None));
    let (engine, scope) = (world.engine().clone(), scope.clone());
    assert_eq!(world.within(async move { engine.resume(vec![scope], "ops").await }).await, Ok(1));
    world.advance(minutes(9)).await;
    assert_eq!((world.messages().len(), count(&world, "accepted template").await), (500, 500));
    let audit = world.store(|store| async move { store.audit(10).await }).await;
    assert_eq!((audit[0].who.as_str(), audit[0].act.as_str()), ("ops", "resume"));
}

async fn a_pause_that_ends_by_itself_lets_its_messages_go(database: Database) {
    let world = shop(database).workflow("order", TEMPLATE).start().await;
    world.sandbox.fail_with([132_015]);
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(seconds(2)).await;
    world.event("order.paid", order(BOB, 2)).await;
    assert_eq!(world.delivery_states().await, ["accepted template", "held: template_paused"]);
    let standing = async || {
        let engine = world.engine().clone();
        world.within(async move { engine.pauses().await.unwrap().len() }).await
    };
    world.advance(hours(3) - seconds(10)).await;
    assert_eq!((world.messages().len(), standing().await), (1, 1));
    world.advance(seconds(10)).await;
    assert_eq!(standing().await, 0, "what is over is not shown as paused");
    assert_eq!(world.sent(), ["template: Your order 1", "template: Your order 2"]);
    // The pause that is over does not stand in the way of another one.
    world.sandbox.fail_with([132_016]);
    world.event("order.paid", order(&phone(3), 3)).await;
    world.advance(seconds(2)).await;
    world.event("order.paid", order(&phone(4), 4)).await;
    world.advance(hours(5)).await;
    assert_eq!(world.delivery_states().await[3], "held: template_paused");
    world.may_leave_work();
}

async fn a_line_is_paused_and_another_one_goes_on(database: Database) {
    let lines = "
        channels:
          one: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true }
          two: { uuid: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb }
    ";
    let second =
        TEMPLATE.replace("template: order,", "channel: two, template: order,").replace("order.paid", "two.paid");
    let world = shop(database).project(lines).workflow("order", TEMPLATE).workflow("second", &second).start().await;
    world.sandbox.fail_with([131_048]);
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(seconds(1)).await;
    world.event("order.paid", order(BOB, 2)).await;
    world.event("two.paid", order(BOB, 3)).await;
    assert_eq!(world.delivery_states().await, ["accepted template", "held: channel_paused", "accepted template"]);
    let engine = world.engine().clone();
    let scope = vec![Scope::Channel("one".into())];
    assert_eq!(world.within(async move { engine.resume(scope, "ops").await }).await, Ok(1));
    world.advance(seconds(5)).await;
    assert_eq!(count(&world, "accepted template").await, 3);
}

async fn a_refused_token_is_tried_again_when_a_person_resumes(database: Database) {
    let mut world = shop(database).workflow("order", TEMPLATE).start().await;
    world.crash().await;
    world.token = "old";
    world.start_again().await;
    world.events("order.paid", (0..3).map(|n| order(&phone(n), n))).await;
    world.advance(hours(3)).await;
    assert_eq!(count(&world, "held: channel_paused").await, 3);
    let calls = world.sends();
    assert!(calls <= 3, "{calls} calls were open when the first refusal came");
    let engine = world.engine().clone();
    assert_eq!(world.within(async move { engine.resume(vec![Scope::Account], "ops").await }).await, Ok(1));
    world.settle().await;
    assert!(world.sends() > calls && world.messages().is_empty(), "tried, and refused again");
    assert_eq!(count(&world, "held: channel_paused").await, 3);
    world.may_leave_work();
}

async fn what_waits_for_a_channel_that_is_gone_is_held_and_expires(database: Database) {
    let lines = "
        channels:
          shop: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true }
          spare: { uuid: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, pace: 1 per minute }
    ";
    let text = TEMPLATE.replace("template: order,", "channel: spare, template: order, expires: 5h,");
    let mut world = shop(database).project(lines).workflow("order", &text).start().await;
    world.events("order.paid", [order(ANA, 1), order(BOB, 2), order(&phone(3), 3)]).await;
    assert_eq!(world.messages().len(), 1);
    world.edit("relance.yaml", "  spare: { uuid: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, pace: 1 per minute }\n", "");
    world.edit("workflows/order.yaml", "channel: spare, ", "");
    world.deploy().await;
    world.settle().await;
    assert_eq!(count(&world, "held: channel_paused").await, 2);
    world.advance(hours(4)).await;
    world.event("order.paid", order(&phone(4), 4)).await;
    assert_eq!(world.messages().len(), 2, "the line that is left serves");
    world.advance(hours(1)).await;
    assert_eq!(count(&world, "skipped: expired").await, 2);
}

// --- breaker ---------------------------------------------------------------------------------------------------------

async fn calls_without_an_answer_stop_and_one_message_tries_again(database: Database) {
    let world = shop(database).workflow("order", TEMPLATE).start().await;
    world.sandbox.set_fault(Fault::DroppedRequest, 6);
    for n in 0..5 {
        world.event("order.paid", order(&phone(n), n)).await;
    }
    world.events("order.paid", (5..10).map(|n| order(&phone(n), n))).await;
    assert_eq!(count(&world, "held: breaker_open").await, 5);
    assert_eq!(world.sends(), 5, "five calls were made, and no more");
    world.advance(seconds(29)).await;
    assert_eq!(world.sends(), 5);
    world.advance(seconds(1)).await;
    assert_eq!(world.sends(), 6, "one tries, and is not answered");
    assert_eq!(count(&world, "held: breaker_open").await, 4);
    world.advance(seconds(59)).await;
    assert_eq!(world.sends(), 6);
    world.advance(seconds(1)).await;
    assert_eq!((world.sends(), world.messages().len()), (10, 4), "one tries, is answered, and all go");
    world.may_leave_work();
}

// --- look-ups --------------------------------------------------------------------------------------------------------

async fn a_tag_is_asked_for_before_a_message_is_refused_for_consent(database: Database) {
    let text = TEMPLATE.replace("utility", "marketing");
    let world = shop(database).consent("{ tag: news }").workflow("order", &text).start().await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.turn("people", json!({"phone": ANA, "tags": ["News"]})).await;
    world.turn("people", json!({"phone": BOB, "tags": ["other"]})).await;
    world.event("order.paid", order(ANA, 1)).await;
    world.event("order.paid", order(BOB, 2)).await;
    assert_eq!(world.delivery_states().await, ["accepted template", "skipped: no_consent"]);
    let asked = world.sandbox.calls().len();
    world.event("order.paid", order(ANA, 3)).await;
    world.event("order.paid", order(BOB, 4)).await;
    assert_eq!(world.sandbox.calls().len(), asked + 1, "nobody is asked for again");
    world.advance(seconds(5)).await;
}

async fn the_window_is_asked_for_before_a_template_goes(database: Database) {
    let mut world = shop(database).workflow("order", ORDER).start().await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.sandbox.reply(ANA, "hello", None).unwrap();
    world.settle().await;
    world.advance(hours(20)).await;
    world.event("order.paid", order(ANA, 1)).await;
    world.event("order.paid", order(BOB, 2)).await;
    assert_eq!(world.sent(), ["text: Order 1", "template: Your order 2"]);
    world.restart().await;
    world.advance(hours(4)).await;
    world.event("order.paid", order(ANA, 3)).await;
    assert_eq!(world.sent()[2], "template: Your order 3", "the window counts from what the person wrote");
    world.advance(seconds(5)).await;
}

async fn an_account_that_knows_nobody_or_fails_is_asked_once(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.events("order.paid", (0..10).map(|n| order(&phone(n), n))).await;
    world.advance(seconds(2)).await;
    assert_eq!(count(&world, "accepted template").await, 10);
    let looks = world.sandbox.calls().len() - world.sends();
    assert_eq!(looks, 10, "one question each: nobody is known, so there is no list of messages");
    world.events("order.paid", (0..10).map(|n| order(&phone(n), 100 + n))).await;
    world.advance(seconds(5)).await;
    assert_eq!(world.sandbox.calls().len() - world.sends(), 10);
}

async fn a_look_up_can_be_waited_for(database: Database) {
    let world = shop(database).workflow("order", ORDER).start().await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.sandbox.reply(ANA, "hello", None).unwrap();
    for (number, open) in [(ANA, true), (BOB, false)] {
        let person = Contact { phone: Phone::from_vendor(number).ok(), ..Contact::default() };
        let engine = world.engine().clone();
        let both = async move { tokio::join!(engine.look_up(&person, "main"), engine.look_up(&person, "main")) };
        assert_eq!(world.within(both).await, (Ok(()), Ok(())));
        let before = world.sandbox.calls().len();
        world.event("order.paid", order(number, 1)).await;
        assert_eq!(world.sandbox.calls().len(), before + 1, "nothing is left to ask");
        let form = if open { "text: Order 1" } else { "template: Your order 1" };
        assert_eq!(world.sent().last().unwrap(), form);
    }
    world.advance(seconds(5)).await;
}

// --- doubt -----------------------------------------------------------------------------------------------------------

/// One message in doubt; the account took it, and tells nothing.
async fn in_doubt(database: Database, took: bool) -> World {
    let world = shop(database).workflow("order", TEMPLATE).start().await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.sandbox.set_fault(if took { Fault::DroppedAnswer } else { Fault::DroppedRequest }, 1);
    world.event("order.paid", order(ANA, 1)).await;
    assert!(world.delivery_states().await[0].starts_with("uncertain"));
    world
}

async fn an_uncertain_message_is_looked_for_and_found_probable(database: Database) {
    let world = in_doubt(database, true).await;
    world.advance(seconds(29)).await;
    assert_eq!(world.deliveries().await[0].delivery.probable, None);
    world.advance(seconds(1)).await;
    let found = world.deliveries().await.remove(0).delivery;
    assert!(found.probable.is_some() && found.state == DeliveryState::Uncertain, "shown, never proof");
    world.advance(minutes(10)).await;
    assert_eq!(world.deliveries().await[0].delivery.looks, 3);
    assert_eq!(world.run_states().await, ["needs_attention: uncertain"]);
    assert_eq!(world.sends(), 1);
}

async fn settle(world: &World, n: usize, answer: Answer) -> Result<DeliveryState, NotSettled> {
    let id = world.deliveries().await[n].delivery.id.clone();
    let engine = world.engine().clone();
    let settled = world.within(async move { engine.settle(&id, answer, "ops").await }).await.unwrap();
    world.settle().await;
    settled
}

async fn a_person_settles_an_uncertain_message(database: Database) {
    let world = in_doubt(database, false).await;
    assert_eq!(settle(&world, 0, Answer::WasSent).await, Ok(DeliveryState::Accepted));
    assert_eq!(world.run_states().await, ["done"]);
    assert_eq!(settle(&world, 0, Answer::Resend).await, Err(NotSettled::State(DeliveryState::Accepted)));
    world.sandbox.set_fault(Fault::DroppedRequest, 2);
    world.event("order.paid", order(ANA, 2)).await;
    world.advance(minutes(11)).await;
    assert_eq!(world.run_states().await[1], "needs_attention: uncertain");
    assert_eq!(settle(&world, 1, Answer::GiveUp).await, Ok(DeliveryState::Cancelled));
    assert_eq!(world.run_states().await[1], "needs_attention: given_up");
    world.event("order.paid", order(ANA, 3)).await;
    world.advance(hours(30)).await;
    assert_eq!(settle(&world, 2, Answer::Resend).await, Ok(DeliveryState::Queued));
    assert_eq!(world.sent(), ["template: Your order 3"], "a person may send it again long after");
    assert_eq!(world.run_states().await[2], "done");
    let sent = world.deliveries().await.remove(2).delivery;
    assert!(sent.possible_duplicate && !sent.duplicate_confirmed && sent.state == DeliveryState::Accepted);
    assert_eq!(settle(&world, 2, Answer::GiveUp).await, Err(NotSettled::State(DeliveryState::Accepted)));
    let engine = world.engine().clone();
    let nobody = world.within(async move { engine.settle("nobody", Answer::Resend, "ops").await }).await;
    assert_eq!(nobody, Ok(Err(NotSettled::Unknown)));
    let audit = world.store(|store| async move { store.audit(10).await }).await;
    let by_hand = audit.iter().filter(|row| row.who == "ops");
    let acts: Vec<_> = by_hand.map(|row| (row.who.as_str(), row.act.as_str(), row.detail.as_str())).collect();
    assert_eq!(acts, [("ops", "settle", "resend"), ("ops", "settle", "give_up"), ("ops", "settle", "was_sent")]);
}

/// What the account tells of an attempt, with the mark of its body.
fn sent_event(body: &Value) -> Value {
    json!({"event": "message_created", "payload": {
        "uuid": "late", "status": "sent", "text": "x", "createdAt": "2026-03-02T11:00:00Z",
        "contact": {"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+')}, "metadata": body["metadata"],
    }})
}

async fn a_message_sent_again_that_had_arrived_is_flagged(database: Database) {
    let world = in_doubt(database, true).await;
    world.advance(minutes(11)).await;
    assert_eq!(settle(&world, 0, Answer::Resend).await, Ok(DeliveryState::Queued));
    let flags = |row: &relance::store::deliveries::DeliveryRow| {
        (row.delivery.possible_duplicate, row.delivery.duplicate_confirmed)
    };
    assert_eq!(world.deliveries().await.iter().map(flags).collect::<Vec<_>>(), [(true, false)]);
    let first: Value = serde_json::from_str(world.messages()[0].body.as_ref().unwrap().get()).unwrap();
    world.told(sent_event(&first)).await;
    assert_eq!(world.deliveries().await.iter().map(flags).collect::<Vec<_>>(), [(true, true)]);
    let outcomes: Vec<_> = world.attempts().await.into_iter().map(|row| row.outcome.unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "accepted"]);
    assert_eq!(world.messages().len(), 2);
}

async fn evidence_after_the_deadline_still_settles(database: Database) {
    let world = in_doubt(database, true).await;
    world.advance(hours(2)).await;
    let body: Value = serde_json::from_str(world.messages()[0].body.as_ref().unwrap().get()).unwrap();
    let mut forged = body.clone();
    let mark = forged["metadata"]["relance_id"].as_str().unwrap().replace('.', ".0");
    forged["metadata"]["relance_id"] = mark.into();
    world.told(sent_event(&forged)).await;
    assert_eq!(world.run_states().await, ["needs_attention: uncertain"]);
    let mut genuine = sent_event(&body);
    genuine["payload"]["uuid"] = "later".into();
    world.told(genuine).await;
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    assert_eq!(world.run_states().await, ["done"]);
}

async fn evidence_before_the_second_call_spares_it(database: Database) {
    let slow = "channels: { shop: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, pace: 1 per minute } }\n";
    let world = shop(database).project(slow).workflow("order", TEMPLATE).start().await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.sandbox.set_fault(Fault::DroppedAnswer, 1);
    world.event("order.paid", order(ANA, 1)).await;
    world.advance(minutes(11)).await;
    // The line's token is taken by somebody else: what is sent again has to wait for the next one.
    world.event("order.paid", order(BOB, 2)).await;
    assert_eq!(settle(&world, 0, Answer::Resend).await, Ok(DeliveryState::Queued));
    assert_eq!(world.sends(), 2);
    let body: Value = serde_json::from_str(world.messages()[0].body.as_ref().unwrap().get()).unwrap();
    world.told(sent_event(&body)).await;
    world.advance(minutes(5)).await;
    assert_eq!((world.sends(), count(&world, "accepted template").await), (2, 2));
    assert_eq!(world.run_states().await, ["done", "done"]);
}

// --- opt-out ---------------------------------------------------------------------------------------------------------

async fn an_opt_out_by_code_is_kept_and_rules(database: Database) {
    let marketing = ORDER.replace("utility", "marketing").replace("order.paid", "news");
    let question = "
        name: Question
        purpose: utility
        when: { webhook: asked }
        contact: { phone: '{{event.phone}}' }
        do:
          - stop: '{{contact.opted_in}} {{contact.opted_out}}'
    ";
    let mut world = shop(database)
        .workflow("order", ORDER)
        .workflow("news", &marketing)
        .workflow("question", question)
        .start()
        .await;
    let asked = async |world: &World| {
        world.event("asked", order(ANA, 0)).await;
        world.run_states().await.pop().unwrap()
    };
    assert_eq!(asked(&world).await, "stopped: true false");
    world.sandbox.fail_with([131_050]);
    world.event("news", order(ANA, 1)).await;
    world.advance(seconds(2)).await;
    world.restart().await;
    world.event("news", order(ANA, 2)).await;
    world.event("order.paid", order(ANA, 3)).await;
    assert_eq!(world.delivery_states().await[1..], ["skipped: opted_out", "accepted template"]);
    assert_eq!(asked(&world).await, "stopped: true false", "of what is no marketing");
    world.sandbox.fail_with([1012]);
    world.event("order.paid", order(ANA, 4)).await;
    world.advance(seconds(2)).await;
    world.says(ANA, "hello").await;
    world.event("order.paid", order(ANA, 5)).await;
    assert_eq!(world.delivery_states().await[4], "skipped: opted_out");
    assert_eq!(asked(&world).await, "stopped: false true");
    let person = world.store(|store| async move { store.contacts(1).await }).await.remove(0);
    let withdrawal = person.withdrawal.unwrap();
    assert_eq!(withdrawal.scope, WithdrawalScope::All);
    assert!(withdrawal.source.starts_with("code 1012, message "), "{}", withdrawal.source);
    let told: Vec<String> = crate::engine_rights::history(&world, ANA).await;
    assert_eq!(told, ["given all: everyone", "withdrawn marketing: code", "withdrawn all: code"]);
    world.advance(Duration::from_secs(5)).await;
}
