//! Promise: what people want no more ends however much there is of it, others are left alone, and everybody concerned
//! hears of it.

use crate::database::{Database, on_both_databases};
use crate::gateway_stand::Gateway;
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, seconds};
use relance::connector::sandbox::Fault;
use relance::contact::Phone;
use relance::store::contacts::ContactKey;
use relance::store::relays::RelayFilter;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

on_both_databases!(
    a_stop_word_ends_more_runs_than_one_group_takes_and_goes_on_after_a_kill,
    more_runs_than_one_group_takes_end_when_a_person_is_erased,
    an_erased_colleague_is_taken_out_of_the_orders_of_others_which_go_on,
    whom_the_project_vouches_for_is_entered_once,
    who_sent_through_the_gateway_hears_that_the_person_wants_no_more,
    a_stop_word_is_seen_by_who_observes_and_tells_the_person_nothing,
);

const CAL: &str = "+33612340003";

/// Runs about one person that go one after the other, and end by an event about the same order; each calls out at its end.
fn queue(database: Database) -> Plan {
    let line = "
        name: Line
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}' }
        stop_when: { webhook: order.closed, same: [order] }
        settings: { once_per: event.line, again: queue }
        do:
          - wait: 2h
          - send_message: { template: paid, values: ['{{event.order}}'] }
    ";
    World::on(database).template("paid", "Paid {{1}}", &["order"]).workflow("line", line)
}

fn order(phone: &str, line: &str, order: usize) -> Value {
    json!({ "phone": phone, "line": line, "order": order })
}

async fn fill(world: &World, runs: usize) {
    for part in (0..runs).collect::<Vec<_>>().chunks(400) {
        // Every third of them stands in one line; somebody else is at its end.
        let line = |n: usize| if n.is_multiple_of(3) { "one".to_owned() } else { n.to_string() };
        world.events("order.paid", part.iter().map(|n| order(ANA, &line(*n), *n))).await;
    }
    world.event("order.paid", order(BOB, "one", runs)).await;
}

async fn counted(world: &World) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for state in world.run_states().await {
        *counted.entry(state).or_default() += 1;
    }
    counted
}

/// How many rows speak of live runs, by what finds them.
async fn subjects(world: &World) -> u64 {
    world.execute("update subject set hash = hash").await
}

async fn id_of(world: &World, phone: &str) -> String {
    let key = ContactKey::Phone(Phone::parse(phone, None).unwrap().digits().to_owned());
    world.store(|store| async move { store.contact(&[key]).await }).await.unwrap().0.id
}

async fn a_stop_word_ends_more_runs_than_one_group_takes_and_goes_on_after_a_kill(database: Database) {
    let mut world = queue(database).start().await;
    fill(&world, 1_300).await;
    world.sandbox.reply(ANA, "stop", None).unwrap();
    world.sandbox.settle().await;
    world.restart().await;
    world.advance(seconds(10)).await;
    let states = counted(&world).await;
    assert_eq!(states, BTreeMap::from([("stopped: opted_out".into(), 1_300), ("waiting".into(), 1)]), "{states:?}");
    assert_eq!(subjects(&world).await, 1, "what found them is gone, and that of the other is there");
    assert_eq!(world.execute("update ending set after = after").await, 0);
    world.advance(hours(3)).await;
    let mut sent = world.sent();
    sent.retain(|sent| sent.starts_with("template"));
    assert_eq!(sent, ["template: Paid 1300"], "whoever was behind them in the line has the turn");
    assert!(!world.runs().await.iter().any(
        |run| run.progress.trace.iter().any(|told| told.what == "its turn came") && run.state.as_str() == "stopped"
    ));
}

async fn more_runs_than_one_group_takes_end_when_a_person_is_erased(database: Database) {
    let world = queue(database).start().await;
    fill(&world, 700).await;
    let (engine, id) = (world.engine().clone(), id_of(&world, ANA).await);
    world.within(async move { engine.forget(&id, "root").await }).await.unwrap().unwrap();
    world.settle().await;
    let states = counted(&world).await;
    assert_eq!(states, BTreeMap::from([("stopped: erased".into(), 700), ("waiting".into(), 1)]), "{states:?}");
    assert_eq!(subjects(&world).await, 1);
    world.advance(hours(3)).await;
    assert_eq!(world.sent(), ["template: Paid 700"]);
    assert!(!world.dump().await.contains("33612340001"));
}

async fn an_erased_colleague_is_taken_out_of_the_orders_of_others_which_go_on(database: Database) {
    let both = "
        name: Both
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}' }
        vars: { agent: 'your agent: {{event.agent}}' }
        do:
          - wait: 2h
          - id: agent
            send_message: { to: '{{event.agent}}', template: paid, values: ['{{event.order}}'] }
          - send_message: { template: paid, values: ['{{event.name}}, {{vars.agent}}'] }
          - stop: 'it was {{steps.agent.reason}}'
    ";
    let world = World::on(database)
        .template("paid", "Paid {{1}}", &["order"])
        .workflow("both", both)
        .project(crate::engine_rights::RELAYED)
        .start()
        .await;
    let event =
        |phone: &str, name: &str, agent: &str| json!({ "phone": phone, "name": name, "order": 7, "agent": agent });
    world.event("order.paid", event(ANA, "Anabelle", "+33 6 12 34 00 02")).await;
    world.event("order.paid", event(BOB, "Bobby", CAL)).await;
    world.says(ANA, "is +33612340002 really my agent?").await;
    let (engine, id) = (world.engine().clone(), id_of(&world, BOB).await);
    world.within(async move { engine.forget(&id, "root").await }).await.unwrap().unwrap();
    world.settle().await;
    let dump = world.dump().await;
    let left = dump.lines().find(|line| line.contains("33612340002") || line.contains("6 12 34 00 02"));
    assert_eq!(left, None);
    assert!(!dump.contains("Bobby") && dump.contains("Anabelle") && dump.contains("really my agent"), "{dump}");
    assert_eq!(world.run_states().await, ["waiting", "stopped: erased"]);
    world.advance(hours(3)).await;
    assert_eq!(world.sent(), ["template: Paid Anabelle, your agent: [erased]"], "the run of the other goes on");
    assert_eq!(world.run_states().await, ["stopped: it was contact_gone", "stopped: erased"]);
    world.may_leave_work();
}

async fn whom_the_project_vouches_for_is_entered_once(database: Database) {
    let news = "
        name: News
        purpose: utility
        when: { webhook: asked }
        contact: { phone: '{{event.phone}}', consent: event.agreed == true }
        do:
          - send_message: { template: paid, values: ['x'] }
    ";
    let echo = "
        name: Echo
        when: { message: any }
        do:
          - send_message: { text: 'You wrote {{event.text}}' }
    ";
    let world = World::on(database)
        .template("paid", "Paid {{1}}", &["order"])
        .workflow("news", news)
        .workflow("echo", echo)
        .start()
        .await;
    world.says(CAL, "hello").await;
    for _ in 0..2 {
        world.event("asked", json!({ "phone": ANA })).await;
        world.event("asked", json!({ "phone": BOB, "agreed": true })).await;
        world.advance(minutes(1)).await;
    }
    for (phone, expected) in [(ANA, vec!["everyone relance.yaml"]), (BOB, vec!["event"]), (CAL, vec![])] {
        let key = ContactKey::Phone(Phone::parse(phone, None).unwrap().digits().to_owned());
        let contact = world.store(|store| async move { store.contact(&[key]).await }).await.unwrap().0;
        let engine = world.engine().clone();
        let entries = world.within(async move { engine.consent_history(&contact).await }).await.unwrap();
        let said: Vec<String> = entries.iter().map(|entry| format!("{} {}", entry.source, entry.proof)).collect();
        assert_eq!(said.len(), expected.len(), "{phone}: {said:?}");
        assert!(said.iter().zip(expected).all(|(said, start)| said.starts_with(start)), "{phone}: {said:?}");
    }
}

async fn who_sent_through_the_gateway_hears_that_the_person_wants_no_more(database: Database) {
    let gateway = Gateway::before(World::on(database).project(crate::engine_rights::RELAYED)).await;
    let world = &gateway.world;
    for phone in [ANA, BOB, CAL] {
        world.says(phone, "hello").await;
    }
    world.sandbox.set_fault(Fault::TooMany, u64::MAX);
    let mut sent = Vec::new();
    for phone in [ANA, BOB, CAL] {
        let body = json!({ "to": phone, "from": "whatsapp", "type": "text", "content": { "text": "Hi" } });
        sent.push(gateway.send(&body).await.uuid());
        world.settle().await;
    }
    world.says(ANA, "stop").await;
    let (engine, id) = (world.engine().clone(), id_of(world, BOB).await);
    world.within(async move { engine.forget(&id, "root").await }).await.unwrap().unwrap();
    let taken_back = gateway.ask(Method::DELETE, &format!("/v1/messages/{}", sent[2]), None).await;
    assert_eq!(taken_back.status, 204);
    world.settle().await;
    let filter = RelayFilter { limit: 1_000, ..RelayFilter::default() };
    let relays = world.store(|store| async move { store.list_relays(&filter).await }).await;
    let told: Vec<Value> = relays.iter().rev().map(|relay| serde_json::from_str(&relay.body).unwrap()).collect();
    let failed = |body: &&Value| body["payload"]["status"] == "failed";
    let words = |body: &Value| {
        let payload = &body["payload"];
        (payload["uuid"].as_str().unwrap().to_owned(), payload["messageStatusPayload"]["payload"]["reason"].clone())
    };
    let failed: Vec<_> = told.iter().filter(failed).map(words).collect();
    let expected = [(sent[0].clone(), json!("cancelled: opted_out")), (sent[1].clone(), json!("cancelled: erased"))];
    assert_eq!(failed, expected, "who takes a message back knows");
    assert!(!world.dump().await.contains("33612340002"));
    world.may_leave_work();
}

async fn a_stop_word_is_seen_by_who_observes_and_tells_the_person_nothing(database: Database) {
    let log = format!(
        "
        name: Log
        purpose: utility
        when: {{ message: any }}
        do:
          - id: answer
            send_message: {{ text: 'You wrote {{{{event.text}}}}' }}
          - send_message: {{ to: '{BOB}', text: 'Ana wrote {{{{event.text}}}}', outside_window: skip }}
          - stop: 'answered: {{{{steps.answer.outcome}}}}'
        "
    );
    let other = "
        name: Other
        when: { message: { contains: [stop] } }
        do: [{ send_message: { text: taken } }]
    ";
    let waits = "
        name: Waits
        when: { webhook: asked }
        contact: { phone: '{{event.phone}}' }
        stop_when: { message: any }
        do: [{ wait: 2h }]
    ";
    let plan = World::on(database).workflow("log", &log).workflow("other", other).workflow("waits", waits);
    let world = plan.start().await;
    world.says(BOB, "hello").await;
    world.says(ANA, "STOP").await;
    world.advance(seconds(30)).await;
    let confirmed = "text: You will get no more messages from us. To get them again, write: START";
    let mut sent = world.sent();
    sent.sort();
    assert_eq!(sent, ["text: Ana wrote STOP", "text: Ana wrote hello", confirmed, "text: You wrote hello"]);
    world.event("asked", json!({ "phone": ANA })).await;
    world.says(ANA, "start").await;
    world.advance(seconds(30)).await;
    let mut states = world.run_states().await;
    states.sort();
    assert_eq!(
        states,
        ["stopped: answered: sent", "stopped: answered: sent", "stopped: answered: skipped", "stopped: message:any"]
    );
    assert!(world.sent().contains(&"text: You wrote start".to_owned()), "who is back is answered again");
}
