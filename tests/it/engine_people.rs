//! Who is who: numbers in their old forms, numbers that the platform corrected, people without a number.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, seconds, unindent};
use relance::contact::Contact;
use serde_json::{Value, json};

on_both_databases!(
    a_corrected_number_is_another_name_of_the_person,
    a_correction_that_comes_before_the_answer_counts_as_well,
    a_correction_to_somebody_elses_number_joins_nobody,
    old_national_forms_are_one_person_whoever_tells_them,
    somebody_without_a_number_is_answered_and_later_known_by_it,
    who_is_known_by_uuid_alone_cannot_be_written_to,
);

/// A number to which the platform corrects Ana's.
const CORRECTED: &str = "33612349999";

fn desk(database: Database) -> Plan {
    let order = unindent(
        "
        name: Order
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}', uuid: '{{event.uuid}}', bsuid: '{{event.bsuid}}' }
        do:
          - send_message: { template: paid }
        ",
    );
    let answer = unindent(
        "
        name: Answer
        when: { message: any }
        do:
          - send_message: { text: 'Hello {{default contact.phone \"you\"}}' }
        ",
    );
    World::on(database).template("paid", "Thank you", &[]).workflow("order", &order).workflow("answer", &answer)
}

async fn people(world: &World) -> Vec<Contact> {
    let mut people = world.store(|store| async move { store.contacts(10).await }).await;
    people.sort_by(|a, b| a.id.cmp(&b.id));
    people
}

fn mismatch(uuid: &str) -> Value {
    json!({"event": "message_status_updated", "payload": {
        "uuid": uuid, "status": "mismatch",
        "messageStatusPayload": {"type": "mismatch", "payload": {"wa_id": CORRECTED, "phone": CORRECTED}},
        "contact": {"phoneNumber": CORRECTED},
    }})
}

fn received(uuid: &str, contact: Value) -> Value {
    json!({"event": "message_created", "payload": {
        "uuid": uuid, "status": "received", "text": "hi", "createdAt": "2026-03-02T11:00:00Z", "contact": contact,
    }})
}

async fn a_corrected_number_is_another_name_of_the_person(database: Database) {
    let mut world = desk(database).start().await;
    world.event("order.paid", json!({"phone": ANA})).await;
    let uuid = world.attempts().await[0].message_uuid.clone().unwrap();
    world.told(mismatch(&uuid)).await;
    world.restart().await;
    world.event("order.paid", json!({"phone": format!("+{CORRECTED}")})).await;
    world.told(received("1", json!({"uuid": "ana", "phoneNumber": CORRECTED}))).await;
    world.advance(seconds(10)).await;
    let people = people(&world).await;
    assert_eq!(people.len(), 1, "{people:?}");
    assert_eq!(people[0].phone.as_ref().unwrap().e164(), ANA, "messages go where they went");
    assert_eq!(world.sent().last().unwrap(), &format!("text: Hello {ANA}"));
}

async fn a_correction_that_comes_before_the_answer_counts_as_well(database: Database) {
    let mut world = desk(database).start().await;
    world.gate.close();
    world.post(world.new_event("order.paid", json!({"phone": ANA}))).await;
    world.gate.holds(1).await;
    let uuid = world.messages()[0].uuid.clone();
    let raw = mismatch(&uuid).to_string();
    let incoming = relance::connector::webhook::read(raw.as_bytes(), world.clock.now_ms()).unwrap();
    let engine = world.engine().clone();
    world.within(async move { engine.told(incoming, raw.into()).await }).await.unwrap();
    world.gate.open();
    world.settle().await;
    world.restart().await;
    world.event("order.paid", json!({"phone": format!("+{CORRECTED}")})).await;
    world.advance(seconds(10)).await;
    assert_eq!(people(&world).await.len(), 1);
}

async fn a_correction_to_somebody_elses_number_joins_nobody(database: Database) {
    let world = desk(database).start().await;
    world.event("order.paid", json!({"phone": format!("+{CORRECTED}")})).await;
    world.event("order.paid", json!({"phone": ANA})).await;
    let uuid = world.attempts().await[1].message_uuid.clone().unwrap();
    world.told(mismatch(&uuid)).await;
    world.event("order.paid", json!({"phone": format!("+{CORRECTED}")})).await;
    let runs = world.runs().await;
    assert_eq!((runs[0].contact == runs[2].contact, runs[0].contact == runs[1].contact), (true, false));
    assert_eq!(people(&world).await.len(), 2);
    world.advance(seconds(10)).await;
}

async fn old_national_forms_are_one_person_whoever_tells_them(database: Database) {
    let world = desk(database).start().await;
    let forms = [
        ["+5215512345678", "525512345678"],
        ["+55 11 8765-4321", "5511987654321"],
        ["+54 11 15 2345-6789", "5491123456789"],
        ["+54 343 412-3456", "5493434123456"],
    ];
    for [ordered, told] in forms {
        world.event("order.paid", json!({"phone": ordered})).await;
        world.told(received(told, json!({"uuid": told, "phoneNumber": told}))).await;
        world.event("order.paid", json!({"phone": ordered})).await;
        world.advance(seconds(10)).await;
    }
    let people = people(&world).await;
    let digits: Vec<_> = people.iter().map(|contact| contact.phone.as_ref().unwrap().digits()).collect();
    assert_eq!(digits, forms.map(|[_, told]| told), "the account's word is the last");
}

async fn somebody_without_a_number_is_answered_and_later_known_by_it(database: Database) {
    let mut world = desk(database).start().await;
    let hidden = json!({"uuid": "hidden", "bsuid": "FR.abc", "name": "Zoé"});
    world.told(received("1", hidden)).await;
    world.event("order.paid", json!({"bsuid": "FR.abc"})).await;
    world.advance(seconds(10)).await;
    assert_eq!(world.sent(), ["text: Hello you", "template: Thank you"]);
    let uuid = people(&world).await[0].uuid.clone();
    let payload = json!({"uuid": uuid, "phoneNumber": BOB.trim_start_matches('+')});
    world.told(json!({"event": "contact_updated", "payload": payload})).await;
    world.restart().await;
    world.event("order.paid", json!({"phone": BOB})).await;
    world.advance(seconds(10)).await;
    let people = people(&world).await;
    assert_eq!(people.len(), 1, "{people:?}");
    let known = (people[0].bsuid.as_deref(), people[0].phone.as_ref().map(|phone| phone.e164()));
    assert_eq!(known, (Some("FR.abc"), Some(BOB.to_owned())));
}

async fn who_is_known_by_uuid_alone_cannot_be_written_to(database: Database) {
    let world = desk(database).start().await;
    world.event("order.paid", json!({"uuid": "nobody"})).await;
    assert_eq!(world.run_states().await, ["needs_attention: bad_number"]);
    assert!(world.messages().is_empty());
}
