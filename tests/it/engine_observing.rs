//! Workflows that start when the account tells what became of a message, or that a person changed.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, minutes, seconds, unindent};
use relance::connector::sandbox::Fault;
use serde_json::{Value, json};

on_both_databases!(
    a_status_starts_the_workflows_that_watch_for_it,
    a_status_that_comes_before_the_answer_starts_them_as_well,
    a_failure_counts_when_no_other_attempt_follows,
    what_a_status_started_starts_nothing_by_its_own_statuses,
    a_mark_on_another_persons_event_proves_nothing,
    a_verified_status_tells_the_uuid_of_a_lost_answer,
    a_new_or_changed_person_starts_the_workflows_that_watch_for_it,
    a_tag_starts_a_workflow_when_it_is_put_on,
    what_the_account_tells_is_kept_for_people_to_look_at,
);

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - id: thanks
        send_message: { template: paid, metadata: { order: '{{event.order}}' } }
";

fn shop(database: Database) -> Plan {
    World::on(database).template("paid", "Thank you", &[]).workflow("order", &unindent(ORDER))
}

/// Leaves what it saw of the event as the reason of its end.
fn watches(when: &str, says: &str) -> String {
    unindent(
        "
        name: Watch
        purpose: utility
        when: WHEN
        do:
          - stop: 'SAYS'
    ",
    )
    .replace("WHEN", when)
    .replace("SAYS", says)
}

const SAYS: &str = "{{event.status}} {{event.workflow}} {{event.step}} {{default event.metadata.order \"-\"}} {{default event.code \"-\"}}";

fn order(phone: &str) -> Value {
    json!({"phone": phone, "order": 7})
}

/// What the runs of a workflow came to, oldest first.
async fn ends(world: &World, workflow: &str) -> Vec<String> {
    let runs = world.runs().await;
    runs.iter().filter(|run| run.workflow == workflow).map(|run| run.reason.clone()).collect()
}

fn status(uuid: &str, status: &str, extra: Value) -> Value {
    let mut payload = json!({"uuid": uuid, "status": status});
    payload.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    json!({"event": "message_status_updated", "payload": payload})
}

async fn a_status_starts_the_workflows_that_watch_for_it(database: Database) {
    let mut world = shop(database)
        .workflow("seen", &watches("[{ message_status: delivered }, { message_status: read, of: order }]", SAYS))
        .workflow("other", &watches("{ message_status: sent, of: seen }", "x"))
        .workflow("picky", &watches("{ message_status: sent, if: event.metadata.order == '8' }", "x"))
        .start()
        .await;
    world.event("order.paid", order(ANA)).await;
    world.advance(minutes(1)).await;
    let uuid = world.attempts().await[0].message_uuid.clone().unwrap();
    world.told(status(&uuid, "read", json!({}))).await;
    world.told(status(&uuid, "read", json!({"again": 1}))).await;
    world.restart().await;
    world.told(status(&uuid, "read", json!({}))).await;
    let expected = ["delivered order thanks 7 -", "read order thanks 7 -"];
    assert_eq!(ends(&world, "seen").await, expected);
    assert!(ends(&world, "other").await.is_empty() && ends(&world, "picky").await.is_empty());
    let runs = world.runs().await;
    assert!(runs.iter().all(|run| run.contact == runs[0].contact), "it is about the recipient");
    let kept = world.store(|store| async move { store.latest_events(20).await }).await;
    let sent = kept.iter().find(|event| event.data.contains("\"sent\"")).unwrap();
    assert!(sent.evaluations.contains("picky") && sent.evaluations.contains("not_matched"), "{}", sent.evaluations);
    // Somebody else's message starts nothing.
    world.told(status("unheard-of", "delivered", json!({}))).await;
    assert_eq!(ends(&world, "seen").await.len(), 2);
}

async fn a_status_that_comes_before_the_answer_starts_them_as_well(database: Database) {
    let world = shop(database).workflow("seen", &watches("{ message_status: read }", SAYS)).start().await;
    world.gate.close();
    world.post(world.new_event("order.paid", order(ANA))).await;
    world.gate.holds(1).await;
    let raw = status(&world.messages()[0].uuid, "read", json!({})).to_string();
    let incoming = relance::connector::webhook::read(raw.as_bytes(), world.clock.now_ms()).unwrap();
    let engine = world.engine().clone();
    world.within(async move { engine.told(incoming, raw.into()).await }).await.unwrap();
    assert!(ends(&world, "seen").await.is_empty());
    world.gate.open();
    world.settle().await;
    assert_eq!(ends(&world, "seen").await, ["read order thanks 7 -"]);
    world.advance(minutes(1)).await;
    assert_eq!(ends(&world, "seen").await.len(), 1);
}

async fn a_failure_counts_when_no_other_attempt_follows(database: Database) {
    let hello = unindent(
        "
        name: Hello
        purpose: utility
        when: { message: any }
        do:
          - send_message: { text: hello, template: paid }
        ",
    );
    let world = shop(database)
        .workflow("hello", &hello)
        .workflow("failed", &watches("{ message_status: failed }", "{{event.code}} {{event.reason}}"))
        .start()
        .await;
    let failure = |code: i64| json!({"messageStatusPayload": {"payload": {"code": code, "reason": "no"}}});
    world.says(ANA, "hi").await;
    let uuid = world.attempts().await[0].message_uuid.clone().unwrap();
    world.told(status(&uuid, "failed", failure(131_047))).await;
    assert!(ends(&world, "failed").await.is_empty(), "the template goes out instead");
    world.advance(seconds(5)).await;
    world.event("order.paid", order(BOB)).await;
    let uuid = world.attempts().await.last().unwrap().message_uuid.clone().unwrap();
    world.told(status(&uuid, "failed", failure(131_026))).await;
    assert_eq!(ends(&world, "failed").await, ["131026 no"]);
    world.advance(minutes(1)).await;
}

async fn what_a_status_started_starts_nothing_by_its_own_statuses(database: Database) {
    let again = unindent(
        "
        name: Again
        purpose: utility
        when: { message_status: delivered }
        do:
          - wait: 1m
          - send_message: { template: paid }
        ",
    );
    let mut world = shop(database).workflow("again", &again).start().await;
    world.event("order.paid", order(ANA)).await;
    world.advance(seconds(30)).await;
    world.restart().await;
    world.advance(minutes(10)).await;
    assert_eq!((world.runs().await.len(), world.messages().len()), (2, 2));
}

async fn a_mark_on_another_persons_event_proves_nothing(database: Database) {
    let mut world = shop(database).start().await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.gate.close();
    world.post(world.new_event("order.paid", order(ANA))).await;
    world.gate.holds(1).await;
    let mark = world.messages()[0].metadata["relance_id"].clone();
    world.crash().await;
    world.gate.open();
    world.start_again().await;
    assert_eq!(world.delivery_states().await, ["uncertain: the process ended while the call was open"]);
    let echo = |uuid: &str, contact: Value| {
        json!({"event": "message_created", "payload": {
            "uuid": uuid, "status": "sent", "createdAt": "2026-03-02T11:00:00Z",
            "metadata": {"relance_id": mark}, "contact": contact,
        }})
    };
    world.told(echo("1", json!({"uuid": "bob", "phoneNumber": BOB.trim_start_matches('+')}))).await;
    let copied = json!({"metadata": {"relance_id": mark}, "contact": {"phoneNumber": BOB.trim_start_matches('+')}});
    world.told(status("x", "delivered", copied)).await;
    assert_eq!(world.delivery_states().await, ["uncertain: the process ended while the call was open"]);
    assert!(world.attempts().await[0].statuses.is_empty());
    world.told(echo("2", json!({"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+')}))).await;
    assert_eq!(world.delivery_states().await, ["accepted template"]);
}

async fn a_verified_status_tells_the_uuid_of_a_lost_answer(database: Database) {
    let mut world = shop(database).start().await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.gate.close();
    world.post(world.new_event("order.paid", order(ANA))).await;
    world.gate.holds(1).await;
    let (mark, uuid) = (world.messages()[0].metadata["relance_id"].clone(), world.messages()[0].uuid.clone());
    world.crash().await;
    world.gate.open();
    world.start_again().await;
    assert_eq!(world.attempts().await[0].message_uuid, None);
    world.told(status(&uuid, "sent", json!({"metadata": {"relance_id": mark}}))).await;
    world.restart().await;
    assert_eq!(world.attempts().await[0].message_uuid.as_ref(), Some(&uuid));
    world.told(status(&uuid, "read", json!({}))).await;
    assert_eq!(world.attempts().await[0].statuses, ["sent", "read"], "by the uuid alone");
    world.advance(minutes(1)).await;
}

fn person(event: &str, extra: Value) -> Value {
    let mut payload = json!({"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+'), "name": "Ana", "tags": []});
    payload.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    json!({"event": event, "payload": payload})
}

async fn a_new_or_changed_person_starts_the_workflows_that_watch_for_it(database: Database) {
    let says = "{{default event.before.name \"nobody\"}} {{event.after.name}}";
    let world = shop(database)
        .workflow("new", &watches("{ contact: created }", says))
        .workflow("changed", &watches("{ contact: updated }", says))
        .start()
        .await;
    world.told(person("contact_created", json!({}))).await;
    world.told(person("contact_created", json!({}))).await;
    world.told(person("contact_updated", json!({"name": "Anna"}))).await;
    world.told(person("contact_updated", json!({"name": "Anna", "unknown": 1}))).await;
    assert_eq!(ends(&world, "new").await, ["nobody Ana"]);
    assert_eq!(ends(&world, "changed").await, ["Ana Anna"], "an update that changes nothing is none");
    // What a message shows of a person is learnt, and is no event of the person.
    world.says(BOB, "hi").await;
    assert_eq!(world.runs().await.len(), 2);
}

async fn a_tag_starts_a_workflow_when_it_is_put_on(database: Database) {
    let tagged = watches("{ contact: tagged, tag: [vip, gold] }", "{{join event.after.tags \" \"}}");
    let any = watches("{ contact: tagged }", "{{join event.after.tags \" \"}}");
    let mut world = shop(database).workflow("vip", &tagged).workflow("any", &any).start().await;
    // Known by an order only: nobody can say that the tag is new.
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.event("order.paid", order(ANA)).await;
    world.told(person("contact_updated", json!({"tags": ["vip"]}))).await;
    assert!(ends(&world, "vip").await.is_empty());
    world.told(person("contact_updated", json!({"tags": ["vip", "x"]}))).await;
    world.restart().await;
    world.told(person("contact_updated", json!({"tags": ["x"]}))).await;
    world.told(person("contact_updated", json!({"tags": ["x", "VIP"]}))).await;
    assert_eq!(ends(&world, "vip").await, ["x VIP"]);
    assert_eq!(ends(&world, "any").await, ["vip x", "x VIP"]);
    world.advance(minutes(1)).await;
}

async fn what_the_account_tells_is_kept_for_people_to_look_at(database: Database) {
    let world = shop(database).start().await;
    let told = [
        json!({"event": "conversation_closed", "payload": {"source": "inbox", "closingReason": "done",
            "contact": {"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+')}}}),
        json!({"event": "contact_deleted", "payload": {"uuid": "ana", "deleted": "2026-03-02T11:00:00.123Z"}}),
        json!({"event": "contact_deleted", "payload": {"uuid": "nobody", "deleted": "2026-03-02T11:00:00.123Z"}}),
        json!({"event": "agent_status_updated", "payload": {"email": "a@example.com", "available": true}}),
        json!({"event": "agent_session_updated", "payload": {"action": "user_logged_in"}}),
        json!({"event": "team_membership_updated", "payload": {"reason": "agent_added"}}),
        json!({"whatever": [1, 2]}),
        json!({"event": "long", "payload": {"text": "é".repeat(100_000)}}),
    ];
    for event in &told {
        world.told(event.clone()).await;
    }
    let mut kept = world.store(|store| async move { store.latest_events(20).await }).await;
    kept.reverse();
    let data: Vec<Value> = kept.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect();
    for (event, data) in told.iter().zip(&data).take(6) {
        assert_eq!(data, &event["payload"]);
    }
    assert_eq!(data[6], told[6], "an unknown shape is kept raw");
    assert!(kept[7].data.len() < 70_000 && data[7]["cut"].as_str().unwrap().contains("ééé"));
    assert_eq!(kept[6].name, "unknown");
    assert!(kept[0].contact.is_some() && kept[0].contact == kept[1].contact);
    assert_eq!(kept[2].contact, None, "who was deleted is not made again");
    let people = world.store(|store| async move { store.contacts(10).await }).await;
    assert_eq!(people.len(), 1);
}
