//! Promise: who was erased stays erased, whatever was still under way for them, and however their number was written.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, seconds};
use crate::process::eventually;
use relance::contact::{Contact, Phone};
use relance::store::contacts::ContactKey;
use serde_json::{Value, json};
use sqlx::Executor as _;

on_both_databases!(
    what_comes_late_for_an_erased_person_does_not_fill_them_again,
    numbers_as_they_are_written_at_home_are_erased,
);

mod postgres_nodes {
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_run_that_begins_at_one_node_while_a_stop_word_reaches_another_is_stopped() {
        Box::pin(super::begun_beside_a_stop_word(super::Database::postgres())).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn an_order_taken_at_one_node_while_another_erases_its_person_is_somebody_elses() {
        Box::pin(super::begun_beside_an_erasure(super::Database::postgres())).await;
    }
}

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    settings: { once_per: event.order }
    do:
      - wait: 2h
      - send_message: { text: 'Order {{event.note}}', template: paid, values: ['{{event.note}}'] }
";

fn shop(database: Database) -> Plan {
    let at_once = ORDER.replace("order.paid", "order.sent").replace("      - wait: 2h\n", "");
    World::on(database)
        .template("paid", "Paid {{1}}", &["order"])
        .workflow("order", ORDER)
        .workflow("at_once", &at_once)
}

fn order(phone: &str, order: u32) -> Value {
    json!({ "phone": phone, "order": order, "note": order.to_string() })
}

async fn person(world: &World, phone: &str) -> Contact {
    let key = ContactKey::Phone(Phone::parse(phone, None).unwrap().digits().to_owned());
    world.store(|store| async move { store.contact(&[key]).await }).await.unwrap().0
}

async fn forget(world: &World, id: &str) {
    let (engine, id) = (world.engine().clone(), id.to_owned());
    assert!(world.within(async move { engine.forget(&id, "root").await }).await.unwrap().is_some());
}

async fn what_comes_late_for_an_erased_person_does_not_fill_them_again(database: Database) {
    let world = shop(database).start().await;
    world.gate.close();
    let (engine, event) = (world.engine().clone(), world.new_event("order.sent", order(ANA, 1)));
    world.within(async move { engine.accept(event).await }).await.unwrap();
    world.gate.holds(1).await;
    let ana = person(&world, ANA).await;
    assert_eq!(ana.uuid, None, "the answer would tell it");
    let message = world.messages()[0].uuid.clone();
    forget(&world, &ana.id).await;
    // The answer of the send, that of a look-up, and the number that the platform knows the person by.
    world.gate.open();
    world.settle().await;
    let (engine, late) = (world.engine().clone(), ana.clone());
    world.within(async move { engine.look_up(&late, "main").await }).await.unwrap();
    let corrected = ANA.trim_start_matches('+');
    world
        .told(json!({"event": "message_status_updated", "payload": {"uuid": message, "status": "mismatch",
            "messageStatusPayload": {"type": "mismatch", "payload": {"wa_id": corrected, "phone": corrected}}}}))
        .await;
    let rows = world.dump().await;
    let of_people = rows.lines().filter(|line| line.starts_with("contact: ") || line.starts_with("alias: "));
    assert_eq!(of_people.filter(|line| line.contains(corrected)).count(), 0);
    world.says(ANA, "hello").await;
    world.event("order.sent", order(ANA, 2)).await;
    world.advance(minutes(1)).await;
    assert_ne!(person(&world, ANA).await.id, ana.id);
    assert_eq!(world.sent(), ["template: Paid 1", "text: Order 2"], "who comes back is somebody else");
}

async fn numbers_as_they_are_written_at_home_are_erased(database: Database) {
    let world = shop(database).start().await;
    world.event("order.lost", json!({ "customer": "06 12 34 00 01", "name": "Anabelle" })).await;
    world.event("order.lost", json!({ "customer": 612_340_001, "name": "Anabelle" })).await;
    world.event("order.lost", json!({ "customer": "+34 612 34 00 01", "name": "Carmen" })).await;
    world.event("order.paid", order("06 12 34 00 01", 1)).await;
    let mut of_bob = order(BOB, 2);
    of_bob["note"] = json!("ask 06.12.34.00.01 or +33 (0)6 12 34 00 01, not +34612340001");
    world.event("order.paid", of_bob).await;
    forget(&world, &person(&world, ANA).await.id).await;
    let dump = world.dump().await;
    let bare = dump.replace([' ', '.', '(', ')'], "").replace("+34612340001", "");
    assert_eq!(bare.lines().find(|line| line.contains("612340001")), None);
    assert!(!dump.contains("Anabelle") && dump.contains("Carmen"));
    world.advance(hours(3)).await;
    assert_eq!(world.sent(), ["template: Paid ask [erased] or [erased], not +34612340001"]);
}

/// From now on whoever writes a new run waits for the lock 7.
const SLOW_RUNS: &str = "
    create function wait() returns trigger language plpgsql as $$ begin
        perform set_config('lock_timeout', '0', true); perform pg_advisory_xact_lock(7); return new;
    end $$;
    create trigger wait before insert on run for each row execute function wait()";
const WAITING: &str = "select 1 from pg_locks where not granted";

async fn begun_beside_a_stop_word(database: Database) {
    let mut world = shop(database).start().await;
    world.start_peer().await;
    world.event("order.paid", order(ANA, 1)).await;
    world.execute(SLOW_RUNS).await;
    let mut holder = world.stranger().await;
    holder.execute("select pg_advisory_lock(7)").await.unwrap();
    let (peer, event) = (world.peer().clone(), world.new_event("order.paid", order(ANA, 2)));
    let begins = tokio::spawn(async move { peer.accept(event).await });
    eventually("the run waits", async || (world.execute(WAITING).await == 1).then_some(())).await;
    let raw = json!({"event": "message_created", "payload": {"uuid": "1", "status": "received", "text": "stop",
        "contact": {"phoneNumber": ANA.trim_start_matches('+')}}})
    .to_string();
    let incoming = relance::connector::webhook::read(raw.as_bytes(), world.clock.now_ms()).unwrap();
    let engine = world.engine().clone();
    let stops = tokio::spawn(async move { engine.told(incoming, raw.into()).await });
    let waits_too = async || (stops.is_finished() || world.execute(WAITING).await == 2).then_some(());
    eventually("the stop word is heard, or waits", waits_too).await;
    holder.execute("select pg_advisory_unlock(7)").await.unwrap();
    begins.await.unwrap().unwrap();
    stops.await.unwrap().unwrap();
    world.advance(seconds(10)).await;
    assert_eq!(world.run_states().await, ["stopped: opted_out", "stopped: opted_out"]);
}

async fn begun_beside_an_erasure(database: Database) {
    let mut world = shop(database).start().await;
    world.start_peer().await;
    world.event("order.paid", order(ANA, 1)).await;
    let ana = person(&world, ANA).await.id;
    // Whoever starts a run has read the person, and waits before it looks for the order.
    let mut holder = world.stranger().await;
    holder.execute("begin; lock table identity in access exclusive mode").await.unwrap();
    let (peer, event) = (world.peer().clone(), world.new_event("order.paid", order(ANA, 2)));
    let begins = tokio::spawn(async move { peer.accept(event).await });
    eventually("the order waits", async || (world.execute(WAITING).await == 1).then_some(())).await;
    forget(&world, &ana).await;
    holder.execute("commit").await.unwrap();
    begins.await.unwrap().unwrap();
    world.settle().await;
    let runs = world.runs().await;
    assert_eq!(world.run_states().await, ["stopped: erased", "waiting"]);
    assert!(runs[0].contact == ana && runs[1].contact != ana, "{runs:?}");
    world.may_leave_work();
}
