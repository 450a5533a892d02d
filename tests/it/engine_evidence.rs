//! What is told late: a message that was taken for lost has arrived all the same, and what is sent in the place of one that
//! may have says so.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, Plan, World, hours, minutes};
use relance::connector::sandbox::Fault;
use relance::delivery::{DeliveryState, VendorStatus};
use relance::engine::Answer;
use relance::engine::repair::{Act, Refused};
use relance::run::RunState;
use serde_json::json;

on_both_databases!(
    what_arrived_while_its_template_waits_for_the_morning_is_not_sent_again,
    what_arrived_after_its_template_expired_is_not_sent_again,
    a_step_taken_again_after_its_message_was_given_up_says_it_may_be_a_duplicate,
    a_run_begun_anew_after_its_message_was_given_up_says_it_may_be_a_duplicate,
);

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    settings: { expires: 20h }
    do:
      - send_message:
          text: 'Order {{event.order}}'
          template: order
          values: ['{{event.order}}']
";

fn shop(database: Database) -> Plan {
    World::on(database).template("order", "Your order {{1}}", &["order"])
}

async fn told(world: &World, status: &str, code: Option<i64>) {
    let uuid = world.messages()[0].uuid.clone();
    let mut payload = json!({"uuid": uuid, "status": status});
    if let Some(code) = code {
        payload["messageStatusPayload"] = json!({"payload": {"code": code}});
    }
    world.told(json!({"event": "message_status_updated", "payload": payload})).await;
}

/// A plain message was refused for the window, late in the evening: its template waits for the morning.
async fn refused_in_the_evening(database: Database, text: &str) -> World {
    let text = text.replace("expires", "quiet_hours: 21:00-09:00, expires");
    let world = shop(database).at("2026-03-02T19:40:00Z").workflow("order", &text).start().await;
    world.says(ANA, "hello").await;
    world.advance(minutes(19)).await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.event("order.paid", json!({"phone": ANA, "order": 1})).await;
    world.advance(minutes(2)).await;
    told(&world, "failed", Some(131_047)).await;
    assert_eq!(world.delivery_states().await, ["held: quiet_hours"]);
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Failed), "what is shown never goes back");
    world
}

async fn what_arrived_while_its_template_waits_for_the_morning_is_not_sent_again(database: Database) {
    let world = refused_in_the_evening(database, ORDER).await;
    told(&world, "delivered", None).await;
    assert_eq!(world.delivery_states().await, ["accepted text"]);
    world.advance(hours(14)).await;
    assert_eq!(world.sent(), ["text: Order 1"]);
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Delivered));
}

async fn what_arrived_after_its_template_expired_is_not_sent_again(database: Database) {
    let world = refused_in_the_evening(database, &ORDER.replace("20h", "2h")).await;
    world.advance(hours(3)).await;
    assert_eq!(world.delivery_states().await, ["skipped: expired"]);
    told(&world, "delivered", None).await;
    let delivery = world.deliveries().await.remove(0).delivery.id;
    let (engine, id) = (world.engine().clone(), delivery.clone());
    let again = world.within(async move { engine.redrive_delivery(&id, "ops").await }).await.unwrap();
    assert_eq!(again, Err(Refused::Arrived(delivery)));
}

// --- given up ---------------------------------------------------------------------------------------------------------

/// Of the only message of a run nobody could tell whether it arrived, and a person gave it up.
async fn given_up(database: Database) -> World {
    let text = ORDER.replace("    do:\n", "    do:\n      - if: event.late\n        wait: 1h\n");
    let world = shop(database).workflow("order", &text).start().await;
    world.sandbox.set_fault(Fault::ErrorBefore, 1);
    world.event("order.paid", json!({"phone": ANA, "order": 1, "late": true})).await;
    world.advance(minutes(71)).await;
    let (engine, id) = (world.engine().clone(), world.deliveries().await.remove(0).delivery.id);
    let settled = world.within(async move { engine.settle(&id, Answer::GiveUp, "ops").await }).await.unwrap();
    assert_eq!(settled, Ok(DeliveryState::Cancelled));
    assert_eq!(world.run_states().await, ["needs_attention: given_up"]);
    world
}

async fn order(world: &World, act: Act) -> RunState {
    let (engine, run) = (world.engine().clone(), world.runs().await[0].id.clone());
    let obeyed = world.within(async move { engine.order(&run, act, "ops").await }).await.unwrap().unwrap();
    world.settle().await;
    obeyed
}

async fn flags(world: &World) -> Vec<(DeliveryState, bool)> {
    world.deliveries().await.iter().map(|row| (row.delivery.state, row.delivery.possible_duplicate)).collect()
}

async fn a_step_taken_again_after_its_message_was_given_up_says_it_may_be_a_duplicate(database: Database) {
    let world = given_up(database).await;
    order(&world, Act::Retry).await;
    assert_eq!(world.sent(), ["template: Your order 1"]);
    assert_eq!(flags(&world).await, [(DeliveryState::Cancelled, false), (DeliveryState::Accepted, true)]);
}

async fn a_run_begun_anew_after_its_message_was_given_up_says_it_may_be_a_duplicate(database: Database) {
    let mut world = given_up(database).await;
    order(&world, Act::Cancel).await;
    let (engine, run) = (world.engine().clone(), world.runs().await[0].id.clone());
    world.within(async move { engine.redrive_run(&run, "ops").await }).await.unwrap().unwrap();
    // Its message is planned much later, by another process.
    world.restart().await;
    world.advance(hours(2)).await;
    assert_eq!(world.sent(), ["template: Your order 1"]);
    assert_eq!(flags(&world).await, [(DeliveryState::Cancelled, false), (DeliveryState::Accepted, true)]);
}
