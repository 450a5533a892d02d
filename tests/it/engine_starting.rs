//! From an event to the runs it starts: duplicates, conditions, identities, definitions.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, World, hours, minutes, words};
use relance::connector::sandbox::Fault;
use relance::event::{Dedupe, Evaluation, NewEvent};
use serde_json::json;

on_both_databases!(
    a_second_delivery_of_an_event_starts_nothing,
    a_key_is_known_for_as_long_as_it_says,
    two_orders_of_a_new_person_in_one_group_make_one_contact,
    a_person_keeps_one_row_whatever_names_them_first,
    the_same_thing_never_starts_twice,
    of_two_events_on_one_identity_in_one_group_the_first_starts,
    a_newer_event_restarts_and_what_was_not_sent_is_cancelled,
    a_running_thing_is_skipped_and_may_start_again_later,
    two_triggers_on_one_event_start_one_run,
    a_message_not_taken_of_a_restarted_run_is_not_tried_again,
    only_a_run_that_starts_takes_the_identity,
    every_refusal_is_kept_with_its_reason,
    two_triggers_that_take_one_event_start_one_run,
    a_hundred_workflows_may_start_from_one_event_and_no_more,
    an_evaluation_that_fails_is_kept_and_costs_the_others_nothing,
    a_disabled_workflow_starts_nothing_and_its_live_runs_end,
    a_run_ends_on_the_definition_it_began_with,
    a_workflow_that_is_removed_ends_what_it_began,
);

const GREET: &str = "
    name: Greet
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - send_message: { template: hello, values: ['{{event.order}}'] }
";

fn greeting(database: Database) -> crate::harness::Plan {
    World::on(database).template("hello", "Hello {{1}}", &["order"])
}

/// As [`GREET`], about an order, with these settings.
fn about_an_order(again: &str, steps: &str) -> String {
    let mut text = crate::harness::unindent(
        "
        name: Order
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}' }
        if: event.total > 0
        ",
    );
    text.push_str(&format!("settings: {{ once_per: event.order, again: {again} }}\ndo:\n{steps}"));
    text
}

async fn a_second_delivery_of_an_event_starts_nothing(database: Database) {
    let mut world = greeting(database).workflow("greet", GREET).start().await;
    let first = world.event_with_id("1", "order.paid", json!({"phone": ANA, "order": "A"})).await;
    let again = world.event_with_id("1", "order.paid", json!({"phone": ANA, "order": "B"})).await;
    assert!(!first.duplicate && again.duplicate);
    assert_eq!(again.event, first.event);
    assert!(again.evaluations.is_empty());
    world.restart().await;
    assert!(world.event_with_id("1", "order.paid", json!({"phone": ANA, "order": "C"})).await.duplicate);
    let twice = world.new_event("order.paid", json!({"phone": ANA, "order": "D"}));
    let engine = world.engine().clone();
    let (one, two) = tokio::join!(engine.accept(twice.clone()), engine.accept(twice));
    assert_ne!(one.unwrap().duplicate, two.unwrap().duplicate);
    world.settle().await;
    assert_eq!(world.sent(), ["template: Hello A", "template: Hello D"]);
}

async fn a_key_is_known_for_as_long_as_it_says(database: Database) {
    let world = greeting(database).workflow("greet", GREET).start().await;
    let event = |order: &str| NewEvent {
        dedupe: Dedupe { key: "hash".into(), keep_ms: Dedupe::HASH_MS, body_hash: "hash".into() },
        ..world.new_event("order.paid", json!({"phone": ANA, "order": order}))
    };
    assert!(!world.post(event("A")).await.duplicate);
    world.advance(minutes(9)).await;
    assert!(world.post(event("B")).await.duplicate);
    world.advance(minutes(1)).await;
    assert!(!world.post(event("C")).await.duplicate);
    assert!(world.post(event("D")).await.duplicate);
    let other = NewEvent { source: "shop".into(), ..event("E") };
    assert!(!world.post(other).await.duplicate, "a key belongs to its source");
    world.settle().await;
    assert_eq!(world.sent(), ["template: Hello A", "template: Hello C", "template: Hello E"]);
}

async fn two_orders_of_a_new_person_in_one_group_make_one_contact(database: Database) {
    let world = greeting(database).workflow("greet", GREET).start().await;
    let orders = (0..20).flat_map(|n| {
        let international = json!({"phone": format!("+336123400{n:02}"), "order": n * 2});
        let national = json!({"phone": format!("06 12 34 00 {n:02}"), "order": n * 2 + 1});
        [international, national]
    });
    world.events("order.paid", orders).await;
    world.advance(minutes(1)).await;
    let people = world.store(|store| async move { store.contacts(100).await }).await;
    assert_eq!(people.len(), 20, "{people:?}");
    for person in people {
        let phone = person.phone.unwrap().e164();
        let texts = world.messages().into_iter().filter(|one| one.phone == phone).map(|one| one.text);
        let orders: Vec<u32> = texts.map(|text| text.replace("Hello ", "").parse().unwrap()).collect();
        assert!(matches!(orders[..], [first, second] if second == first + 1 && first % 2 == 0), "{orders:?}");
    }
}

async fn a_person_keeps_one_row_whatever_names_them_first(database: Database) {
    let greet = "
        name: Greet
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}', uuid: '{{event.uuid}}', first_name: '{{event.name}}' }
        do:
          - wait: 1h
          - send_message: { template: hello, values: ['{{contact.first_name}}'] }
    ";
    let world = greeting(database).workflow("greet", greet).start().await;
    world.event("order.paid", json!({"phone": ANA, "name": "Ana"})).await;
    world.advance(hours(1)).await;
    let uuid = world.sandbox.people()[0].uuid.clone();
    let known = world.store(|store| async move { store.contacts(10).await }).await;
    assert_eq!(known[0].uuid.as_ref(), Some(&uuid), "the answer of the first send names the person");
    // By uuid alone, then by a number that another uuid is said to have: what identifies one is never taken away.
    world.event("order.paid", json!({"uuid": uuid, "name": "Anita"})).await;
    world.event("order.paid", json!({"uuid": "another", "phone": ANA})).await;
    world.event("order.paid", json!({"uuid": "another", "name": "X"})).await;
    let people = world.store(|store| async move { store.contacts(10).await }).await;
    let keys: Vec<_> = people.iter().map(|one| (one.phone.as_ref().map(|phone| phone.e164()), &one.uuid)).collect();
    let another = "another".to_owned();
    assert!(keys.contains(&(Some(ANA.into()), &Some(uuid))), "{keys:?}");
    assert!(!keys.contains(&(Some(ANA.into()), &Some(another))), "{keys:?}");
    world.may_leave_work();
}

async fn the_same_thing_never_starts_twice(database: Database) {
    let text =
        about_an_order("never", "  - send_message: { template: hello, values: ['{{event.order}}'] }\n  - wait: 1h\n");
    let mut world = greeting(database).workflow("order", &text).start().await;
    let paid = |order: serde_json::Value| json!({"phone": ANA, "order": order, "total": 1});
    assert_eq!(words(&world.event("order.paid", paid(json!("A"))).await.evaluations), ["order started"]);
    let second = world.event("order.paid", paid(json!("A"))).await;
    assert_eq!(words(&second.evaluations), ["order skipped: already_running"]);
    world.restart().await;
    world.advance(hours(2)).await;
    let third = world.event("order.paid", paid(json!("A"))).await;
    assert_eq!(words(&third.evaluations), ["order skipped: already_done"]);
    assert_eq!(words(&world.event("order.paid", paid(json!(7))).await.evaluations), ["order started"]);
    assert_eq!(words(&world.event("order.paid", paid(json!(7))).await.evaluations), ["order skipped: already_running"]);
    assert_eq!(world.sent(), ["template: Hello A", "template: Hello 7"]);
    world.advance(hours(1)).await;
}

async fn of_two_events_on_one_identity_in_one_group_the_first_starts(database: Database) {
    let text = about_an_order("never", "  - send_message: { template: hello, values: ['{{event.n}}'] }\n");
    let world = greeting(database).workflow("order", &text).start().await;
    let paid = (1..=3).map(|n| json!({"phone": ANA, "order": "A", "total": 1, "n": n}));
    let all = world.events("order.paid", paid).await;
    let said: Vec<_> = all.iter().flat_map(|one| words(&one.evaluations)).collect();
    assert_eq!(said, ["order started", "order skipped: already_running", "order skipped: already_running"]);
    assert_eq!(world.sent(), ["template: Hello 1"]);
}

async fn a_newer_event_restarts_and_what_was_not_sent_is_cancelled(database: Database) {
    let steps = "  - send_message: { text: 'Order {{event.n}}', outside_window: hold }\n";
    let text = about_an_order("restart", steps);
    let mut world = greeting(database).workflow("order", &text).start().await;
    let paid = |n: i32| json!({"phone": ANA, "order": "A", "total": 1, "n": n});
    world.event("order.paid", paid(1)).await;
    assert_eq!(world.delivery_states().await, ["held: window_closed"]);
    world.restart().await;
    let second = world.event("order.paid", paid(2)).await;
    assert_eq!(words(&second.evaluations), ["order started"]);
    assert_eq!(world.run_states().await, ["stopped: restarted", "waiting"]);
    assert_eq!(world.delivery_states().await, ["cancelled: restarted", "held: window_closed"]);
    world.says(ANA, "hello").await;
    assert_eq!(world.sent(), ["text: Order 2"]);
    let to_bob = |n: i32| json!({"phone": BOB, "order": "B", "total": 1, "n": n});
    let both = world.events("order.paid", [to_bob(3), to_bob(4)]).await;
    assert!(both.iter().all(|one| words(&one.evaluations) == ["order started"]));
    world.says(BOB, "hello").await;
    assert_eq!(world.sent(), ["text: Order 2", "text: Order 4"], "the first of two is restarted unsent");
}

async fn a_running_thing_is_skipped_and_may_start_again_later(database: Database) {
    let text = about_an_order("skip", "  - wait: 1h\n");
    let world = greeting(database).workflow("order", &text).start().await;
    let paid = || json!({"phone": ANA, "order": true, "total": 1});
    world.event("order.paid", paid()).await;
    assert_eq!(words(&world.event("order.paid", paid()).await.evaluations), ["order skipped: already_running"]);
    world.advance(hours(1)).await;
    assert_eq!(words(&world.event("order.paid", paid()).await.evaluations), ["order started"]);
    assert_eq!(world.run_states().await, ["done", "waiting"]);
}

async fn two_triggers_on_one_event_start_one_run(database: Database) {
    let text = "
        name: Order
        purpose: utility
        when:
          - { webhook: order.paid, if: event.total > 100 }
          - { webhook: order.paid, if: event.total > 10 }
          - { webhook: order.paid, if: event.vip == true }
        contact: { phone: '{{event.phone}}' }
        do:
          - send_message: { template: hello, values: ['{{event.total}}'] }
    ";
    let world = greeting(database).workflow("order", text).start().await;
    let paid = |total: i64| json!({"phone": ANA, "total": total, "vip": true});
    for total in [200, 20, 2] {
        let accepted = world.event("order.paid", paid(total)).await;
        let started = words(&accepted.evaluations).into_iter().filter(|said| said == "order started").count();
        assert_eq!(started, 1, "{total}");
    }
    assert_eq!(world.sent(), ["template: Hello 200", "template: Hello 20", "template: Hello 2"]);
}

async fn a_message_not_taken_of_a_restarted_run_is_not_tried_again(database: Database) {
    let steps = "  - send_message: { template: hello, values: ['{{event.n}}'] }\n";
    let world = greeting(database).workflow("order", &about_an_order("restart", steps)).start().await;
    let paid = |n: i32| json!({"phone": ANA, "order": "A", "total": 1, "n": n});
    world.sandbox.set_fault(Fault::TooMany, 1);
    world.gate.close();
    world.post(world.new_event("order.paid", paid(1))).await;
    world.gate.holds(1).await;
    world.post(world.new_event("order.paid", paid(2))).await;
    world.gate.open();
    world.advance(minutes(10)).await;
    assert_eq!(world.delivery_states().await, ["cancelled: restarted", "accepted template"]);
    assert_eq!(world.sent(), ["template: Hello 2"]);
}

async fn only_a_run_that_starts_takes_the_identity(database: Database) {
    let text = about_an_order("never", "  - send_message: { template: hello, values: ['{{event.order}}'] }\n");
    let world = greeting(database).workflow("order", &text).start().await;
    let refused = world.event("order.paid", json!({"phone": ANA, "order": "A", "total": 0})).await;
    assert_eq!(words(&refused.evaluations), ["order skipped: event.total > 0 is no"]);
    let unreadable = world.event("order.paid", json!({"phone": "12", "order": "A", "total": 5})).await;
    assert_eq!(words(&unreadable.evaluations), ["order skipped: bad_number"]);
    let started = world.event("order.paid", json!({"phone": ANA, "order": "A", "total": 5})).await;
    assert_eq!(words(&started.evaluations), ["order started"]);
}

async fn every_refusal_is_kept_with_its_reason(database: Database) {
    let text = "
        name: Order
        purpose: utility
        when: { webhook: order.paid, if: event.country == 'FR' }
        contact: { phone: '{{event.phone}}' }
        if:
          - event.total > 10
          - none: [event.test]
        do:
          - send_message: { template: hello, values: ['{{event.order}}'] }
    ";
    let world = greeting(database).workflow("order", text).start().await;
    let cases = [
        (json!({"country": "ES", "phone": ANA}), "order not_matched: event.country == 'FR' is no"),
        (json!({"country": "FR"}), "order skipped: no_contact"),
        (json!({"country": "FR", "phone": " "}), "order skipped: no_contact"),
        (json!({"country": "FR", "phone": "hello"}), "order skipped: bad_number"),
        (json!({"country": "FR", "phone": ANA, "total": 10}), "order skipped: event.total > 10 is no"),
        (json!({"country": "FR", "phone": ANA, "total": 11, "test": true}), "order skipped: "),
        (json!({"country": "FR", "phone": ANA}), "order skipped: couldn't tell: event.total is missing"),
        (json!({"country": "FR", "phone": ANA, "total": 11, "test": false, "order": 1}), "order started"),
    ];
    for (data, expected) in cases {
        let accepted = world.event("order.paid", data.clone()).await;
        let said = words(&accepted.evaluations).join(", ");
        assert!(said.starts_with(expected), "{data}: {said}");
        let id = accepted.event;
        let kept = world.store(|store| async move { store.event(&id).await }).await.unwrap();
        let kept: Vec<Evaluation> = serde_json::from_str(&kept.evaluations).unwrap();
        assert_eq!(kept, accepted.evaluations);
    }
    let nobody = world.event("order.lost", json!({})).await;
    assert!(nobody.evaluations.is_empty());
    assert_eq!(world.runs().await.len(), 1);
}

async fn two_triggers_that_take_one_event_start_one_run(database: Database) {
    let when = "when: [{ webhook: order.paid, if: event.total > 10 }, { webhook: order.paid, if: event.total > 20 }]";
    let world =
        greeting(database).workflow("greet", &GREET.replace("when: { webhook: order.paid }", when)).start().await;
    let cases = [(5, vec![]), (15, vec!["started"]), (25, vec!["started"])];
    for (total, expected) in cases {
        let accepted = world.event("order.paid", json!({"phone": ANA, "order": total, "total": total})).await;
        let said = words(&accepted.evaluations);
        let started: Vec<_> = said.iter().filter_map(|one| one.strip_prefix("greet started")).collect();
        assert_eq!(started.len(), expected.len(), "{said:?}");
    }
    let second = world.event("order.paid", json!({"phone": ANA, "order": 1, "total": 21})).await;
    assert!(second.evaluations.len() <= 2);
    world.advance(minutes(1)).await;
    assert_eq!(world.sent(), ["template: Hello 15", "template: Hello 25", "template: Hello 1"]);
}

async fn a_hundred_workflows_may_start_from_one_event_and_no_more(database: Database) {
    let stops = GREET.split("do:").next().unwrap().to_owned() + "do:\n      - stop: done\n";
    let plan = (0..101).fold(greeting(database), |plan, n| plan.workflow(&format!("w{n:03}"), &stops));
    let world = plan.start().await;
    let accepted = world.event("order.paid", json!({"phone": ANA, "order": 1})).await;
    let said = words(&accepted.evaluations);
    assert_eq!(said.iter().filter(|one| one.ends_with(" started")).count(), 100);
    assert_eq!(said[100], "w100 failed: more than 100 runs from one event");
}

async fn an_evaluation_that_fails_is_kept_and_costs_the_others_nothing(database: Database) {
    let broken = about_an_order("never", "  - wait: 1h\n").replace("event.order", "event.reference");
    let world = greeting(database).workflow("broken", &broken).workflow("greet", GREET).start().await;
    let accepted = world.event("order.paid", json!({"phone": ANA, "order": "A", "total": 1})).await;
    let said = words(&accepted.evaluations);
    assert!(said[0].starts_with("broken failed: `once_per` "), "{said:?}");
    assert_eq!(said[1], "greet started");
    let id = accepted.event;
    let kept = world.store(|store| async move { store.event(&id).await }).await.unwrap();
    assert!(kept.evaluations.contains("once_per"), "{}", kept.evaluations);
    assert_eq!(world.sent(), ["template: Hello A"]);
}

const WAITS: &str = "
    name: Waits
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - wait: 1h
      - send_message: { template: hello, values: ['WORD'] }
";

async fn a_disabled_workflow_starts_nothing_and_its_live_runs_end(database: Database) {
    let mut world = greeting(database).workflow("waits", WAITS).start().await;
    world.event("order.paid", json!({"phone": ANA})).await;
    world.change("waits", &WAITS.replacen("    name: Waits\n", "    name: Waits\n    enabled: false\n", 1));
    world.deploy().await;
    assert!(world.event("order.paid", json!({"phone": ANA})).await.evaluations.is_empty());
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Hello WORD"]);
    assert_eq!(world.run_states().await, ["done"]);
}

async fn a_run_ends_on_the_definition_it_began_with(database: Database) {
    let mut world = greeting(database).workflow("waits", &WAITS.replace("WORD", "old")).start().await;
    world.event("order.paid", json!({"phone": ANA})).await;
    world.change("waits", &WAITS.replace("WORD", "new"));
    world.deploy().await;
    world.advance(minutes(30)).await;
    world.event("order.paid", json!({"phone": ANA})).await;
    world.advance(minutes(30)).await;
    assert_eq!(world.sent(), ["template: Hello old"]);
    world.change("waits", &WAITS.replace("WORD", "newest"));
    world.restart().await;
    world.advance(minutes(30)).await;
    assert_eq!(world.sent(), ["template: Hello old", "template: Hello new"]);
    let runs = world.runs().await;
    assert_ne!(runs[0].definition, runs[1].definition);
    assert_eq!(world.run_states().await, ["done", "done"]);
}

async fn a_workflow_that_is_removed_ends_what_it_began(database: Database) {
    let mut world = greeting(database).workflow("waits", WAITS).workflow("greet", GREET).start().await;
    world.event("order.paid", json!({"phone": ANA, "order": "A"})).await;
    world.remove("waits");
    world.restart().await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Hello A", "template: Hello WORD"], "a removed workflow ends what it began");
}
