//! What was kept long enough goes: what was said after 30 days, what happened after 90; nothing that lives, ever.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes};
use relance::engine::retention::Retention;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    what_was_said_goes_after_30_days_and_what_happened_after_90,
    what_a_live_run_needs_stays,
    a_workflow_remembers_what_it_was_about_for_good,
    files_of_customers_go_with_their_rows,
    many_rows_go_some_at_a_time,
    a_run_that_does_not_end_in_400_days_is_stopped_wherever_it_stands,
    cancelled_campaigns_and_what_served_before_go_and_what_serves_stays,
);

fn shop(database: Database) -> Plan {
    let order = |name: &str, wait: &str, more: &str| {
        format!(
            "
            name: Order
            purpose: utility
            when: {{ webhook: {name} }}
            contact: {{ phone: '{{{{event.phone}}}}' }}
            {more}
            vars: {{ code: 'code {{{{event.order}}}}' }}
            do:
              - wait: {wait}
              - send_message: {{ template: order, values: ['{{{{vars.code}}}}'] }}
            "
        )
    };
    World::on(database)
        .template("order", "Your {{1}}", &["order"])
        .workflow("paid", &order("order.paid", "1m", "settings: { expires: 2h }"))
        .workflow("long", &order("order.booked", "150d", "settings: { expires: 2h }"))
        .workflow("endless", &order("order.endless", "399d\n              - wait: 399d", "settings: { expires: 2h }"))
        .workflow("once", &order("order.once", "1m", "settings: { once_per: event.order }"))
}

fn days(count: u64) -> Duration {
    hours(24 * count)
}

fn order(number: i64) -> Value {
    json!({"phone": ANA, "order": number})
}

/// One look, as `serve` does it once a day.
async fn look(world: &World) {
    let mut retention = Retention::new(world.engine().clone());
    world.advance(minutes(11)).await;
    world.within(async move { retention.turn().await }).await;
}

async fn count(world: &World, table: &str) -> u64 {
    world.execute(&format!("update {table} set {} = {}", first_column(table), first_column(table))).await
}

fn first_column(table: &str) -> &str {
    match table {
        "attempt" | "delivery" | "run" | "event" | "contact" | "firing" => "id",
        "definition" => "hash",
        "deploy" => "number",
        "identity" => "hash",
        "attachment" => "event",
        other => panic!("no such table here: {other}"),
    }
}

/// Events beside what the account told of our messages.
async fn own_events(world: &World) -> u64 {
    world.execute("update event set id = id where source = 'api'").await
}

async fn counts(world: &World) -> [u64; 4] {
    [own_events(world).await, count(world, "run").await, count(world, "delivery").await, count(world, "attempt").await]
}

async fn what_was_said_goes_after_30_days_and_what_happened_after_90(database: Database) {
    let world = shop(database).start().await;
    world.event("order.paid", order(1)).await;
    world.event("nobody.cares", json!({"secret": "words"})).await;
    world.advance(days(29)).await;
    look(&world).await;
    assert!(world.runs().await[0].progress.vars.contains_key("code"), "29 days are not 30");
    world.advance(days(2)).await;
    look(&world).await;
    let run = world.runs().await.remove(0);
    assert!(run.progress.vars.is_empty() && !run.progress.trace.is_empty(), "{run:?}");
    let message = world.deliveries().await.remove(0).delivery.message;
    assert_eq!(message, relance::message::Message::default());
    assert_eq!(world.execute("update event set data = data where data <> '{}'").await, 0);
    assert_eq!(counts(&world).await, [2, 1, 1, 1]);
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    world.execute("update run set reached_at_ms = started_at_ms").await;
    world.advance(days(60)).await;
    look(&world).await;
    let why = "`limit` counts runs that reached somebody, and a run stands on its event";
    assert_eq!(counts(&world).await, [1, 1, 0, 0], "{why}");
    world.execute("update run set reached_at_ms = null").await;
    look(&world).await;
    assert_eq!((counts(&world).await, count(&world, "contact").await), ([0; 4], 1));
}

async fn what_a_live_run_needs_stays(database: Database) {
    let world = shop(database).start().await;
    world.event("order.booked", order(7)).await;
    for _ in 0..14 {
        world.advance(days(10)).await;
        look(&world).await;
    }
    assert_eq!(counts(&world).await[..2], [1, 1]);
    assert_eq!(world.run_states().await, ["waiting"]);
    world.advance(days(11)).await;
    assert_eq!(world.sent(), ["template: Your code 7"]);
    world.advance(days(31)).await;
    look(&world).await;
    assert!(world.runs().await[0].progress.vars.is_empty(), "its time counts from its end");
    assert_eq!(counts(&world).await, [1, 1, 1, 1]);
}

async fn a_workflow_remembers_what_it_was_about_for_good(database: Database) {
    let world = shop(database).start().await;
    world.event("order.once", order(1)).await;
    world.advance(days(1)).await;
    for _ in 0..2 {
        world.advance(days(95)).await;
        world.execute("update run set reached_at_ms = null").await;
        look(&world).await;
    }
    assert_eq!((counts(&world).await, count(&world, "identity").await), ([0; 4], 1));
    world.event("order.once", order(1)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Your code 1"]);
    assert_eq!(world.run_states().await, Vec::<String>::new());
}

async fn files_of_customers_go_with_their_rows(database: Database) {
    let world = shop(database).start().await;
    let folder = world.media_folder();
    std::fs::create_dir_all(&folder).unwrap();
    let (kept, lost) = (folder.join("a".repeat(64)), folder.join("b".repeat(64)));
    for file in [&kept, &lost] {
        std::fs::write(file, "bytes").unwrap();
    }
    std::fs::write(folder.join("draft-1"), "half").unwrap();
    world.says(BOB, "here is my file").await;
    let row = format!(
        "insert into attachment (event, n, kind, name, url, state, reason, hash, at_ms)
         select min(id), 0, 'image', 'x', 'http://x', 'kept', '', '{}', 0 from event",
        "a".repeat(64)
    );
    world.execute(&row).await;
    look(&world).await;
    assert!(kept.exists() && !lost.exists() && folder.join("draft-1").exists());
    world.advance(days(31)).await;
    look(&world).await;
    assert_eq!(count(&world, "attachment").await, 0);
    assert!(!kept.exists());
}

async fn many_rows_go_some_at_a_time(database: Database) {
    let world = shop(database).start().await;
    for part in [0..600, 600..1_200] {
        world.events("nobody.cares", part.map(order)).await;
    }
    world.advance(days(91)).await;
    let before = world.engine().load().groups;
    look(&world).await;
    assert_eq!(counts(&world).await, [0; 4]);
    let groups = world.engine().load().groups - before;
    assert!(groups >= 6, "emptied and removed, 500 of 1200 at a time: {groups} commits");
}

async fn a_run_that_does_not_end_in_400_days_is_stopped_wherever_it_stands(database: Database) {
    let world = shop(database).start().await;
    world.event("order.endless", order(1)).await;
    world.advance(days(2)).await;
    world.event("order.endless", order(2)).await;
    world.advance(days(397)).await;
    look(&world).await;
    assert_eq!(world.run_states().await, ["waiting", "waiting"]);
    world.advance(days(2)).await;
    look(&world).await;
    let mut states = world.run_states().await;
    states.sort();
    assert_eq!(states, ["stopped: too_old", "waiting"], "401 and 399 days");
    world.advance(days(3)).await;
    look(&world).await;
    assert_eq!(world.run_states().await, ["stopped: too_old"; 2]);
    assert!(world.messages().is_empty());
}

async fn cancelled_campaigns_and_what_served_before_go_and_what_serves_stays(database: Database) {
    let mut world = shop(database).start().await;
    world.event("order.booked", order(7)).await;
    for id in ["long", "paid"] {
        world.edit(&format!("workflows/{id}.yaml"), "name: Order", "name: Other order");
    }
    world.deploy().await;
    let cancelled = "insert into firing (id, workflow, trigger_name, scheduled_at_ms, fired_at_ms, state, reason,
        definition, audience, cursor_row, total_rows, started, refused, duplicates, bad, bad_rows)
        select '00000000000000000000000000', 'paid', 't', 1, 1, 'cancelled', 'cancelled', hash, 'tag x', 0, 0, 0, 0, 0, 0, '[]'
        from definition where workflow = 'once'";
    world.execute(cancelled).await;
    world.advance(days(89)).await;
    look(&world).await;
    assert_eq!((count(&world, "definition").await, count(&world, "deploy").await), (6, 2));
    world.advance(days(2)).await;
    look(&world).await;
    let left = (count(&world, "definition").await, count(&world, "deploy").await, count(&world, "firing").await);
    assert_eq!(left, (5, 2, 0), "what a live run goes by stays, and what serves");
    world.event("order.paid", order(8)).await;
    world.advance(days(160)).await;
    assert_eq!(world.sends(), 2);
    world.advance(days(160)).await;
    world.execute("update run set reached_at_ms = null").await;
    look(&world).await;
    let left = (count(&world, "definition").await, count(&world, "deploy").await, count(&world, "run").await);
    assert_eq!(left, (4, 1, 0), "only what serves");
}
