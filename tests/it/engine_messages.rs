//! What customers write: who takes a message, by which line the answer leaves, what the account tells of people.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, seconds, unindent};
use relance::event::Evaluation;
use serde_json::{Value, json};

on_both_databases!(
    one_matching_workflow_takes_a_message_and_observers_see_it_too,
    a_workflow_that_its_own_condition_refuses_takes_no_message,
    two_triggers_that_fit_one_message_start_one_run,
    only_what_customers_write_starts_anything,
    the_answer_leaves_by_the_line_of_the_question,
    a_message_told_twice_starts_one_run,
    a_reaction_opens_no_window,
    questions_see_the_window_and_what_the_account_tells_of_a_person,
    a_message_and_an_order_of_one_person_make_one_contact,
);

/// A workflow that answers messages of this kind with its own name.
fn answers(name: &str, when: &str) -> String {
    let text = "
        name: NAME
        when: { message: WHEN }
        do:
          - send_message: { text: 'NAME: {{event.text}}' }
    ";
    unindent(text).replace("NAME", name).replace("WHEN", when)
}

fn desk(database: Database) -> Plan {
    World::on(database)
        .workflow("all", &answers("all", "any"))
        .workflow("b_price", &answers("b_price", "{ contains: [precio, price] }"))
        .workflow("a_price", &answers("a_price", "{ contains: price }"))
        .workflow("exact", &answers("exact", "{ is: price list }"))
        .workflow("rest", &answers("rest", "unmatched"))
        .workflow("rest_too", &answers("rest_too", "unmatched"))
}

async fn taken(world: &World, text: &str) -> Vec<String> {
    let before = world.messages().len();
    world.says(ANA, text).await;
    // Eight messages may leave at once.
    world.advance(seconds(3)).await;
    let mut names: Vec<String> =
        world.messages()[before..].iter().map(|one| one.text.split(':').next().unwrap().to_owned()).collect();
    names.sort();
    names
}

async fn one_matching_workflow_takes_a_message_and_observers_see_it_too(database: Database) {
    let world = desk(database).start().await;
    assert_eq!(taken(&world, "¿Precio?").await, ["all", "b_price"]);
    assert_eq!(taken(&world, "the PRICE please").await, ["a_price", "all"]);
    assert_eq!(taken(&world, "Price list!").await, ["all", "exact"]);
    assert_eq!(taken(&world, "hello").await, ["all", "rest", "rest_too"]);
    let of_event = world.runs().await.last().unwrap().event.clone();
    let event = world.store(|store| async move { store.event(&of_event).await }).await.unwrap();
    let kept: Vec<Evaluation> = serde_json::from_str(&event.evaluations).unwrap();
    assert_eq!(kept.len(), 3, "{kept:?}");
    world.advance(seconds(5)).await;
}

async fn a_workflow_that_its_own_condition_refuses_takes_no_message(database: Database) {
    let picky = answers("a_price", "{ contains: price }").replace("do:", "if: event.text.contains('please')\ndo:");
    let once = answers("exact", "{ is: price list }").replace("do:", "settings: { once_per: contact.id }\ndo:");
    let world = desk(database).workflow("a_price", &picky).workflow("exact", &once).start().await;
    assert_eq!(taken(&world, "price").await, ["all", "b_price"]);
    assert_eq!(taken(&world, "price please").await, ["a_price", "all"]);
    assert_eq!(taken(&world, "price list").await, ["all", "exact"]);
    assert_eq!(taken(&world, "price list").await, ["all", "b_price"]);
}

async fn two_triggers_that_fit_one_message_start_one_run(database: Database) {
    let text = answers("both", "any").replace(
        "when: { message: any }",
        "when: [{ message: { contains: price }, if: size(event.text) > 10 }, { message: any, if: event.text != 'no' }]",
    );
    let world = World::on(database).workflow("both", &text).start().await;
    for said in ["price", "the price please", "no", "hello"] {
        world.says(ANA, said).await;
    }
    let answered: Vec<_> = world.messages().into_iter().map(|one| one.text).collect();
    assert_eq!(answered, ["both: price", "both: the price please", "both: hello"]);
    assert_eq!(world.runs().await.len(), 3);
    world.advance(seconds(5)).await;
}

fn created(uuid: &str, status: &str, extra: Value) -> Value {
    let mut payload = json!({
        "uuid": uuid, "status": status, "text": "price", "createdAt": "2026-03-02T11:00:00Z",
        "contact": {"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+')},
    });
    payload.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    json!({"event": "message_created", "payload": payload})
}

async fn only_what_customers_write_starts_anything(database: Database) {
    let world = desk(database).start().await;
    for (uuid, status) in [("1", "sent"), ("2", "note"), ("3", "unheard of")] {
        world.told(created(uuid, status, json!({}))).await;
    }
    world.told(json!({"event": "conversation_opened", "payload": {"contact": {"phoneNumber": "33612340001"}}})).await;
    world.told(json!("check")).await;
    world.told(json!([])).await;
    assert!(world.runs().await.is_empty());
    world.says(ANA, "hello").await;
    // Our answers come back as events of the account; they start nothing again.
    world.advance(seconds(10)).await;
    assert_eq!(world.runs().await.len(), 3);
    let events = world.store(|store| async move { store.latest_events(100).await }).await;
    assert_eq!(events.iter().filter(|event| event.name == "message_created").count(), 7);
}

async fn the_answer_leaves_by_the_line_of_the_question(database: Database) {
    let (one, two) = ("a".repeat(32), "b".repeat(32));
    let here = answers("here", "any");
    let only_two = here.replace("message: any", "message: any, channel: two").replace("here", "two_only");
    let fixed = here
        .replace("here", "fixed")
        .replace("when:", "purpose: utility\nwhen:")
        .replace("'fixed: {{event.text}}'", "fixed, channel: one, outside_window: skip");
    let world = World::on(database)
        .project(&format!("channels: {{ one: {{ uuid: {one}, default: true }}, two: {{ uuid: {two} }} }}\n"))
        .workflow("here", &here)
        .workflow("two_only", &only_two)
        .workflow("fixed", &fixed)
        .start()
        .await;
    world.sandbox.reply_on(Some(&two), ANA, "hi", None).unwrap();
    world.settle().await;
    let mut sent: Vec<_> = world.messages().into_iter().map(|message| (message.text, message.channel)).collect();
    sent.sort();
    assert_eq!(sent, [("here: hi".into(), two.clone()), ("two_only: hi".into(), two)]);
    let skipped = world.delivery_states().await.into_iter().filter(|state| state == "skipped: window_closed").count();
    assert_eq!(skipped, 1, "the other line has a window of its own");
    world.says(BOB, "hey").await;
    assert!(world.messages()[2..].iter().all(|message| message.channel == one));
    assert_eq!(world.messages().len(), 4);
}

async fn a_message_told_twice_starts_one_run(database: Database) {
    let mut world = World::on(database).workflow("all", &answers("all", "any")).start().await;
    world.told(json!([created("1", "received", json!({})), created("1", "received", json!({}))])).await;
    world.told(created("1", "received", json!({"text": "changed"}))).await;
    world.restart().await;
    world.told(created("1", "received", json!({}))).await;
    assert_eq!(world.runs().await.len(), 1);
    world.told(created("2", "received", json!({}))).await;
    assert_eq!(world.runs().await.len(), 2);
    world.advance(seconds(5)).await;
}

async fn a_reaction_opens_no_window(database: Database) {
    let text = answers("all", "any").replace("{{event.text}}' }", "{{event.kind}}', outside_window: skip }");
    let world = World::on(database).workflow("all", &text).start().await;
    let reaction = created("1", "received", json!({"text": null, "messageReaction": {"emoji": "👍"}}));
    world.told(reaction).await;
    assert_eq!(world.delivery_states().await, ["skipped: window_closed"]);
    world.told(created("2", "received", json!({}))).await;
    assert_eq!(world.delivery_states().await[1], "accepted text");
    world.advance(seconds(5)).await;
}

async fn questions_see_the_window_and_what_the_account_tells_of_a_person(database: Database) {
    let text = unindent(
        "
        name: Order
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}', first_name: '{{event.name}}' }
        do:
          - branch:
              cases:
                - if: [contact.window_open, contact.has_tag('VIP')]
                  do:
                    - stop: 'vip {{contact.first_name}} {{contact.custom.Ciudad}} {{default contact.team \"-\"}}'
              otherwise:
                - stop: '{{contact.first_name}} {{default contact.last_message_at \"never\"}}'
        ",
    );
    let mut world = World::on(database).workflow("order", &text).start().await;
    world.event("order.paid", json!({"phone": ANA, "name": "Ana"})).await;
    world.says(ANA, "hi").await;
    world
        .told(json!({"event": "contact_updated", "payload": {
            "uuid": world.sandbox.people()[0].uuid, "phoneNumber": ANA.trim_start_matches('+'), "name": "Ana María Gil",
            "tags": ["vip"], "customFields": {"Ciudad": "Lyon"},
        }}))
        .await;
    world.restart().await;
    world.event("order.paid", json!({"phone": ANA, "name": "Anita"})).await;
    world.event("order.paid", json!({"phone": ANA})).await;
    world.advance(hours(24)).await;
    world.event("order.paid", json!({"phone": ANA})).await;
    let states = world.run_states().await;
    let expected = [
        "stopped: Ana never",
        "stopped: vip Anita Lyon -",
        "stopped: vip Ana Lyon -",
        "stopped: Ana 2026-03-02T11:00:00Z",
    ];
    assert_eq!(states, expected);
}

async fn a_message_and_an_order_of_one_person_make_one_contact(database: Database) {
    let text = unindent(
        "
        name: Order
        purpose: utility
        when: [{ webhook: order.paid }, { message: any }]
        contact: { phone: '{{event.phone}}' }
        do:
          - stop: done
        ",
    );
    let world = World::on(database).workflow("order", &text).start().await;
    let engine = world.engine().clone();
    let raw = created("1", "received", json!({})).to_string();
    let incoming = relance::connector::webhook::read(raw.as_bytes(), world.clock.now_ms()).unwrap();
    let order = world.new_event("order.paid", json!({"phone": ANA}));
    let both = async move { tokio::join!(engine.accept(order), engine.told(incoming, raw.into())) };
    let (accepted, told) = world.within(both).await;
    assert!(accepted.is_ok() && told.is_ok());
    world.settle().await;
    let people = world.store(|store| async move { store.contacts(10).await }).await;
    assert_eq!(people.len(), 1, "{people:?}");
    assert_eq!(people[0].uuid.as_deref(), Some("ana"));
    assert_eq!(world.runs().await.len(), 2);
}
