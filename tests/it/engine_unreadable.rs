//! Rows that this release cannot read, because a newer one wrote them or the file is damaged: everything else goes on, and
//! so do they when they can be read.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, World, hours, minutes};
use serde_json::json;

on_both_databases!(rows_that_cannot_be_read_hold_up_nothing_else);

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - send_message: { template: order, values: ['{{event.order}}'] }
      - wait: 2h
      - send_message: { template: order, values: ['{{event.order}} again'] }
";

async fn rows_that_cannot_be_read_hold_up_nothing_else(database: Database) {
    // One message a minute: of three at once two wait.
    let slow = "channels: { shop: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, pace: 1 per minute } }\n";
    let plan = World::on(database).template("order", "Your {{1}}", &["order"]).project(slow).workflow("order", ORDER);
    let mut world = plan.start().await;
    let cleo = "+33612340003";
    for (order, phone) in [(1, ANA), (2, BOB), (3, cleo), (4, BOB)] {
        world.event("order.paid", json!({"phone": phone, "order": order})).await;
    }
    assert_eq!(world.sent(), ["template: Your 1"]);
    // Of a newer release: a purpose that this one does not know; the person of another one is damaged.
    let second = "(select id from delivery where state = 'queued' order by id limit 1)";
    assert_eq!(world.execute(&format!("update delivery set purpose = 'alert' where id = {second}")).await, 1);
    let third = "(select contact from delivery where message like '%\"3\"%')";
    assert_eq!(world.execute(&format!("update contact set data = '?' || data where id = {third}")).await, 1);
    let first = "(select min(id) from run)";
    assert_eq!(world.execute(&format!("update run set progress = '?' || progress where id = {first}")).await, 1);
    world.restart().await;
    world.advance(minutes(5)).await;
    assert_eq!(world.sent(), ["template: Your 1", "template: Your 4"], "what can be read, of Bob too");
    world.advance(hours(2)).await;
    assert_eq!(world.sent()[2..], ["template: Your 4 again"], "timers of others go on");
    let alerts = world.store(|store| async move { store.alerts().await }).await;
    assert!(alerts.iter().any(|alert| alert.name == "unreadable"), "{alerts:?}");
    // A newer release could.
    world.execute("update delivery set purpose = 'utility' where purpose = 'alert'").await;
    world.execute("update contact set data = substr(data, 2) where data like '?%'").await;
    world.execute("update run set progress = substr(progress, 2) where progress like '?%'").await;
    world.advance(minutes(10)).await;
    let mut late = world.sent().split_off(3);
    late.sort();
    assert_eq!(late, ["template: Your 1 again", "template: Your 2", "template: Your 3"]);
    world.advance(hours(3)).await;
    assert!(world.run_states().await.iter().all(|state| state == "done"), "{:?}", world.run_states().await);
}
