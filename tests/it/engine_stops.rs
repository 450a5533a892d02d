//! What ends a live run from outside (`stop_when`), and runs that go one after the other (`again: queue`).

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, seconds, words};
use relance::run::Run;
use serde_json::{Value, json};

on_both_databases!(
    an_event_about_the_same_person_stops_what_is_live,
    an_event_stops_what_is_about_the_same_thing_whoever_it_is_about,
    a_value_that_is_missing_or_blank_is_like_no_other,
    the_condition_of_an_entry_sees_the_arriving_event_and_the_run,
    what_is_held_is_cancelled_and_what_is_being_sent_ends,
    a_message_stops_what_waits_and_not_the_run_whose_question_takes_it,
    a_message_that_somebody_takes_is_not_unmatched_for_a_stop,
    statuses_and_changes_of_a_person_stop,
    a_stop_comes_before_what_the_same_event_starts,
    an_event_that_finds_nothing_is_not_remembered,
    the_version_a_run_began_with_decides_what_stops_it,
    a_stop_of_more_runs_than_one_group_takes_goes_on_after_a_kill,
    an_appointment_that_is_moved_moves_its_reminder,
    runs_about_the_same_go_one_after_the_other,
    the_next_begins_whatever_ended_the_one_before,
    a_line_outlives_the_process_and_a_new_version,
    many_that_end_at_once_all_get_their_turn,
);

fn shop(database: Database) -> Plan {
    World::on(database).template("cart", "Your cart {{1}}", &["cart"])
}

/// Waits two hours, then reminds.
const CART: &str = "
    name: Cart
    purpose: utility
    when: { webhook: cart.updated }
    contact: { phone: '{{event.phone}}' }
    stop_when: STOPS
    do:
      - wait: 2h
      - send_message: { template: cart, values: ['{{event.cart}}'] }
";

fn cart(stops: &str) -> String {
    CART.replace("STOPS", stops)
}

fn updated(phone: &str, cart: &str) -> Value {
    json!({"phone": phone, "cart": cart, "items": 1})
}

fn trace(run: &Run) -> Vec<&str> {
    run.progress.trace.iter().map(|entry| entry.what.as_str()).collect()
}

async fn an_event_about_the_same_person_stops_what_is_live(database: Database) {
    let mut world = shop(database).workflow("cart", &cart("[{ message: any }, { webhook: order.paid }]")).start().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    world.event("cart.updated", updated(BOB, "B")).await;
    world.restart().await;
    let paid = world.event("order.paid", json!({"phone": "06 12 34 00 01"})).await;
    assert_eq!(words(&paid.evaluations), ["cart stopped"]);
    let runs = world.runs().await;
    assert_eq!(paid.evaluations[0].run.as_ref(), Some(&runs[0].id));
    assert_eq!(world.run_states().await, ["stopped: order.paid", "waiting"]);
    assert!(trace(&runs[0]).contains(&"`stop_when` entry 2 applies: webhook:order.paid"), "{runs:#?}");
    assert_eq!(runs[0].wake_at_ms, None);
    world.says(BOB, "hello").await;
    assert_eq!(world.run_states().await[1], "stopped: message:any");
    world.advance(hours(3)).await;
    assert!(world.messages().is_empty());
}

async fn an_event_stops_what_is_about_the_same_thing_whoever_it_is_about(database: Database) {
    let stops =
        "[{ webhook: order.paid, same: [order.id, shop] }, { webhook: pay.done, same: { for.order: order.id } }]";
    let mut world = shop(database).workflow("cart", &cart(stops)).start().await;
    let about =
        |phone: &str, id: Value, shop: &str| json!({"phone": phone, "cart": "x", "order": {"id": id}, "shop": shop});
    world.event("cart.updated", about(ANA, json!(7), "s1")).await;
    world.event("cart.updated", about(ANA, json!("8"), "s1")).await;
    world.event("cart.updated", about(BOB, json!("7"), "s2")).await;
    world.restart().await;
    let paid = |id: Value, shop: &str| json!({"order": {"id": id}, "shop": shop});
    assert_eq!(words(&world.event("order.paid", paid(json!("7"), "s1")).await.evaluations), ["cart stopped"]);
    assert_eq!(world.run_states().await, ["stopped: order.paid", "waiting", "waiting"]);
    assert!(world.event("order.paid", paid(json!(8), "s2")).await.evaluations.is_empty());
    world.event("pay.done", json!({"for": {"order": 7}})).await;
    assert_eq!(world.run_states().await, ["stopped: order.paid", "waiting", "stopped: pay.done"]);
    let both = world.events("pay.done", [json!({"for": {"order": 8}}), json!({"for": {"order": "8"}})]).await;
    assert_eq!(both.iter().map(|one| one.evaluations.len()).sum::<usize>(), 1, "the second finds nothing");
    world.advance(hours(3)).await;
    assert!(world.messages().is_empty());
    assert_eq!(world.execute("delete from subject").await, 0, "what ended is found by nothing");
}

async fn a_value_that_is_missing_or_blank_is_like_no_other(database: Database) {
    let world = shop(database).workflow("cart", &cart("{ webhook: order.paid, same: [id] }")).start().await;
    for id in [json!(null), json!(""), json!([1]), json!({"a": 1})] {
        world.event("cart.updated", json!({"phone": ANA, "cart": "x", "id": id})).await;
    }
    world.event("cart.updated", updated(ANA, "x")).await;
    for id in [json!(null), json!(""), json!([1]), json!({"a": 1})] {
        assert!(world.event("order.paid", json!({ "id": id })).await.evaluations.is_empty());
    }
    world.event("order.paid", json!({})).await;
    assert!(world.run_states().await.iter().all(|state| state == "waiting"));
    world.advance(hours(3)).await;
}

async fn the_condition_of_an_entry_sees_the_arriving_event_and_the_run(database: Database) {
    let stops =
        "[{ webhook: cart.emptied, if: event.items == 0 }, { webhook: cart.sold, if: event.cart == vars.cart }]";
    let text = cart(stops).replace("do:", "vars: { cart: '{{event.cart}}' }\n    do:");
    let world = shop(database).workflow("cart", &text).start().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    world.event("cart.updated", updated(ANA, "B")).await;
    assert!(world.event("cart.emptied", updated(ANA, "A")).await.evaluations.is_empty());
    let refused = world.event("cart.sold", updated(ANA, "C")).await;
    assert_eq!(words(&refused.evaluations), ["cart not_matched: event.cart == vars.cart is no"]);
    world.event("cart.sold", updated(ANA, "B")).await;
    assert_eq!(world.run_states().await, ["waiting", "stopped: cart.sold"]);
    world.event("cart.emptied", json!({"phone": ANA, "items": 0})).await;
    assert_eq!(world.run_states().await[0], "stopped: cart.emptied");
}

async fn what_is_held_is_cancelled_and_what_is_being_sent_ends(database: Database) {
    let held =
        cart("{ webhook: order.paid }").replace("- wait: 2h\n", "- send_message: { text: Hi, outside_window: hold }\n");
    let sent = held
        .replace("cart.updated", "cart.sent")
        .replace("{ text: Hi, outside_window: hold }", "{ template: cart, values: [x] }");
    let world = shop(database).workflow("held", &held).workflow("sent", &sent).start().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    assert_eq!(world.delivery_states().await, ["held: window_closed"]);
    world.gate.close();
    world.post(world.new_event("cart.sent", updated(BOB, "B"))).await;
    world.gate.holds(1).await;
    world.post(world.new_event("order.paid", json!({"phone": ANA}))).await;
    world.post(world.new_event("order.paid", json!({"phone": BOB}))).await;
    world.gate.open();
    world.settle().await;
    assert_eq!(world.delivery_states().await, ["cancelled: order.paid", "accepted template"]);
    assert_eq!(world.run_states().await, ["stopped: order.paid", "stopped: order.paid"]);
    assert_eq!(world.messages().len(), 1);
}

async fn a_message_stops_what_waits_and_not_the_run_whose_question_takes_it(database: Database) {
    let asks = "
        name: Asks
        purpose: utility
        when: { webhook: cart.asked }
        contact: { phone: '{{event.phone}}' }
        stop_when: { message: any }
        do:
          - send_message: { template: cart, values: [x] }
          - wait_for_reply:
              for: 1h
              replies: [{ is: 'yes', do: [{ wait: 1h }] }]
              otherwise: [{ send_message: { text: Never } }]
    ";
    let world =
        shop(database).workflow("asks", asks).workflow("cart", &cart("{ message: { contains: 'yes' } }")).start().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    world.event("cart.asked", updated(ANA, "A")).await;
    world.says(ANA, "yes").await;
    assert_eq!(world.run_states().await, ["stopped: message:contains=yes", "waiting"]);
    assert_eq!(world.runs().await[1].asks, None, "it was answered");
    world.says(ANA, "yes").await;
    assert_eq!(world.run_states().await[1], "stopped: message:any", "no question takes this one");
    world.event("cart.asked", updated(ANA, "A")).await;
    world.says(ANA, "perhaps").await;
    assert_eq!(world.run_states().await[2], "stopped: message:any", "a stop comes before `otherwise`");
    assert_eq!(world.messages().len(), 2);
}

async fn a_message_that_somebody_takes_is_not_unmatched_for_a_stop(database: Database) {
    let hello = "name: H\nwhen: { message: { is: hello } }\ndo:\n  - stop: fine\n";
    let world = shop(database).workflow("cart", &cart("{ message: unmatched }")).workflow("hello", hello).start().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    world.says(ANA, "hello").await;
    assert_eq!(world.run_states().await[0], "waiting");
    world.says(ANA, "what").await;
    assert_eq!(world.run_states().await[0], "stopped: message:unmatched");
}

async fn statuses_and_changes_of_a_person_stop(database: Database) {
    let after = cart("[{ message_status: read, of: cart }, { contact: tagged, tag: vip }]")
        .replace("- wait: 2h\n", "- send_message: { template: cart, values: [x] }\n      - wait: 2h\n");
    let world = shop(database).workflow("cart", &after).start().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    world.event("cart.updated", updated(BOB, "B")).await;
    let message = world.messages()[0].uuid.clone();
    world.told(json!({"event": "message_status_updated", "payload": {"uuid": message, "status": "read"}})).await;
    assert_eq!(world.run_states().await, ["stopped: message_status:read of cart", "waiting"]);
    let tagged = |tags: Value| json!({"event": "contact_updated", "payload": {"phoneNumber": BOB.trim_start_matches('+'), "tags": tags}});
    world.told(tagged(json!(["old"]))).await;
    world.told(tagged(json!(["old", "VIP"]))).await;
    assert!(world.run_states().await[1].starts_with("stopped: contact:tagged"), "{:?}", world.run_states().await);
}

async fn a_stop_comes_before_what_the_same_event_starts(database: Database) {
    let text = cart("{ webhook: cart.updated }");
    let mut world = shop(database).workflow("cart", &text).start().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    let second = world.event("cart.updated", updated(ANA, "B")).await;
    assert_eq!(words(&second.evaluations), ["cart stopped", "cart started"]);
    world.restart().await;
    world.events("cart.updated", [updated(BOB, "C"), updated(BOB, "D")]).await;
    let states = ["stopped: cart.updated", "waiting", "stopped: cart.updated", "waiting"];
    assert_eq!(world.run_states().await, states, "in one group too");
    world.advance(hours(3)).await;
    let mut sent = world.sent();
    sent.sort();
    assert_eq!(sent, ["template: Your cart B", "template: Your cart D"]);
}

async fn an_event_that_finds_nothing_is_not_remembered(database: Database) {
    let world = shop(database).workflow("cart", &cart("{ webhook: order.paid }")).start().await;
    assert!(world.event("order.paid", json!({"phone": ANA})).await.evaluations.is_empty());
    assert!(world.event("order.paid", json!({"phone": "no number"})).await.evaluations.is_empty());
    world.event("cart.updated", updated(ANA, "A")).await;
    world.advance(hours(2)).await;
    assert_eq!(world.sent().len(), 1);
    assert!(world.event("order.paid", json!({"phone": ANA})).await.evaluations.is_empty(), "it has ended");
}

async fn the_version_a_run_began_with_decides_what_stops_it(database: Database) {
    let mut world = shop(database).workflow("cart", &cart("{ webhook: order.paid, same: [cart] }")).start().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    world.change("cart", &cart("{ webhook: order.shipped, same: [cart] }"));
    world.deploy().await;
    world.event("cart.updated", updated(ANA, "A")).await;
    world.restart().await;
    world.event("order.paid", json!({"cart": "A"})).await;
    assert_eq!(world.run_states().await, ["stopped: order.paid", "waiting"]);
    world.event("order.shipped", json!({"cart": "A"})).await;
    assert_eq!(world.run_states().await, ["stopped: order.paid", "stopped: order.shipped"]);
}

async fn a_stop_of_more_runs_than_one_group_takes_goes_on_after_a_kill(database: Database) {
    let world = shop(database).workflow("cart", &cart("{ webhook: sale.ended, same: [cart] }")).start().await;
    let phone = |n: usize| format!("+3361235{n:04}");
    for part in (0..1_300).collect::<Vec<_>>().chunks(200) {
        world.events("cart.updated", part.iter().map(|n| updated(&phone(*n), "sale"))).await;
    }
    let mut world = world;
    world.event("cart.updated", updated(ANA, "other")).await;
    world.advance(minutes(119)).await;
    let ended = world.post(world.new_event("sale.ended", json!({"cart": "sale"}))).await;
    assert_eq!(words(&ended.evaluations), ["cart stopped: 500 runs, others follow"]);
    world.crash().await;
    // What begins after the event is not concerned, and nobody is reminded meanwhile.
    world.start_again().await;
    world.event("cart.updated", updated(BOB, "sale")).await;
    world.advance(minutes(1)).await;
    let states = world.run_states().await;
    assert_eq!(states.iter().filter(|state| *state == "stopped: sale.ended").count(), 1_300);
    assert_eq!(states[1_300..], ["done", "waiting"]);
    assert_eq!(world.sent(), ["template: Your cart other"]);
    assert_eq!(world.execute("delete from stopping").await, 0);
    world.advance(hours(3)).await;
}

async fn an_appointment_that_is_moved_moves_its_reminder(database: Database) {
    let text = "
        name: Appointment
        purpose: utility
        when: [{ webhook: appointment.booked }, { webhook: appointment.moved }]
        contact: { phone: '{{event.phone}}' }
        stop_when: { webhook: appointment.cancelled, same: [id] }
        settings: { once_per: event.id, again: restart }
        do:
          - wait: { until: event.starts_at, before: 24h, if_past: stop }
          - send_message: { template: cart, values: ['{{event.starts_at}}'] }
    ";
    let world = shop(database).workflow("appointment", text).start().await;
    let at = |id: i32, at: &str| json!({"phone": ANA, "id": id, "starts_at": at});
    world.event("appointment.booked", at(1, "2026-03-04T10:00:00+01:00")).await;
    world.event("appointment.booked", at(2, "2026-03-05T10:00:00+01:00")).await;
    world.event("appointment.moved", at(1, "2026-03-06T10:00:00+01:00")).await;
    world.event("appointment.cancelled", json!({"id": "2"})).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "stopped: appointment.cancelled", "waiting"]);
    world.advance(hours(69)).await;
    assert!(world.messages().is_empty());
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Your cart 2026-03-06T10:00:00+01:00"]);
}

// --- one after the other -----------------------------------------------------------------------------------------------

fn in_line(steps: &str) -> String {
    crate::harness::unindent(
        "
        name: Line
        purpose: utility
        when: { webhook: cart.updated }
        contact: { phone: '{{event.phone}}' }
        stop_when: { webhook: cart.sold, same: [n] }
        settings: { once_per: event.cart, again: queue }
        do:
        ",
    ) + steps
}

fn nth(n: i32) -> Value {
    json!({"phone": ANA, "cart": "A", "n": n})
}

const STEPS: &str = "  - wait: 1h\n  - send_message: { template: cart, values: ['{{event.n}}'] }\n";

async fn runs_about_the_same_go_one_after_the_other(database: Database) {
    let world = shop(database).workflow("line", &in_line(STEPS)).start().await;
    let first = world.events("cart.updated", (1..=3).map(nth)).await;
    let said: Vec<_> = first.iter().flat_map(|one| words(&one.evaluations)).collect();
    assert_eq!(said, ["line started", "line started: waits for its turn", "line started: waits for its turn"]);
    world.event("cart.updated", json!({"phone": ANA, "cart": "B", "n": 9})).await;
    assert_eq!(world.run_states().await, ["waiting", "queued", "queued", "waiting"]);
    world.advance(hours(1)).await;
    world.advance(minutes(59)).await;
    assert_eq!(world.run_states().await, ["done", "waiting", "queued", "done"]);
    world.event("cart.updated", nth(4)).await;
    world.advance(hours(3)).await;
    let sent: Vec<_> = world.messages().into_iter().map(|message| message.text).collect();
    assert_eq!(sent[2..], ["Your cart 2", "Your cart 3", "Your cart 4"]);
    assert!(trace(&world.runs().await[1]).contains(&"its turn came"));
    assert_eq!(words(&world.event("cart.updated", nth(5)).await.evaluations), ["line started"]);
    world.advance(hours(2)).await;
}

async fn the_next_begins_whatever_ended_the_one_before(database: Database) {
    let steps = "  - if: event.n != 2\n    wait: 1h\n  - stop: enough\n";
    let world = shop(database).workflow("line", &in_line(steps)).start().await;
    world.events("cart.updated", (1..=5).map(nth)).await;
    world.event("cart.sold", json!({"n": 3})).await;
    assert_eq!(world.run_states().await, ["waiting", "queued", "stopped: cart.sold", "queued", "queued"]);
    world.event("cart.sold", json!({"n": 1})).await;
    // The second ends as soon as it begins.
    assert_eq!(world.run_states().await[1..], ["stopped: enough", "stopped: cart.sold", "waiting", "queued"]);
    world.advance(hours(1)).await;
    assert_eq!(world.run_states().await[3..], ["stopped: enough", "waiting"]);
    world.advance(hours(2)).await;
}

async fn a_line_outlives_the_process_and_a_new_version(database: Database) {
    let skips = in_line(STEPS).replace("again: queue", "again: skip");
    let mut world = shop(database).workflow("line", &skips).start().await;
    world.event("cart.updated", nth(1)).await;
    world.change("line", &in_line(STEPS));
    world.deploy().await;
    world.event("cart.updated", nth(2)).await;
    world.change("line", &in_line(STEPS).replace("again: queue", "again: restart"));
    world.deploy().await;
    world.restart().await;
    assert_eq!(world.run_states().await, ["waiting", "queued"]);
    world.event("cart.updated", nth(3)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "queued", "waiting"]);
    world.restart().await;
    world.advance(hours(1)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "waiting", "done"]);
    world.advance(hours(2)).await;
    assert_eq!(world.sent(), ["template: Your cart 3", "template: Your cart 2"]);
}

async fn many_that_end_at_once_all_get_their_turn(database: Database) {
    let mut world =
        shop(database).workflow("line", &in_line("  - if: event.n == 0\n    wait: 1h\n  - stop: end\n")).start().await;
    world.events("cart.updated", (0..100).map(nth)).await;
    world.advance(minutes(59)).await;
    world.restart().await;
    world.advance(minutes(1)).await;
    let states = world.run_states().await;
    assert!(states.iter().all(|state| state == "stopped: end"), "{states:?}");
    world.advance(seconds(1)).await;
}
