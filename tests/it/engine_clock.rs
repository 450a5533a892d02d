//! A machine whose clock is set back: what happened does not happen again, and what is due goes on.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, NOON, World, minutes};
use relance::clock::Clock;
use serde_json::json;

on_both_databases!(
    a_clock_that_is_set_back_fires_and_sends_nothing_twice,
    a_clock_that_was_a_day_ahead_holds_nothing_back_when_it_is_right_again,
);

async fn a_clock_that_is_set_back_fires_and_sends_nothing_twice(database: Database) {
    let mut world = World::on(database)
        .template("order", "Your {{1}}", &["order"])
        .workflow(
            "tick",
            &format!(
                "
                name: Tick
                purpose: utility
                when: {{ schedule: every 10 minutes }}
                contact: {{ phone: '{ANA}' }}
                do:
                  - send_message: {{ template: order, values: ['{{{{event.scheduled_at}}}}'] }}
                "
            ),
        )
        .workflow(
            "later",
            "
            name: Later
            purpose: utility
            when: { webhook: order.paid }
            contact: { phone: '{{event.phone}}' }
            do:
              - wait: 15m
              - send_message: { template: order, values: ['{{event.order}}'] }
            ",
        )
        .start()
        .await;
    world.event("order.paid", json!({"phone": ANA, "order": 1})).await;
    world.advance(minutes(31)).await;
    let firings = async |world: &World| {
        let all = world.store(|store| async move { store.firings(false, 100).await }).await;
        all.iter().map(|one| (one.scheduled_at_ms - NOON) / 60_000).rev().collect::<Vec<_>>()
    };
    assert_eq!((firings(&world).await, world.messages().len()), (vec![10, 20, 30], 4));
    world.crash().await;
    world.clock = Clock::still(NOON + 5 * 60_000 + 1);
    // Ids of a still clock are counted: these are others than at the same instants before.
    (0..10_000).for_each(|_| drop(world.clock.new_id()));
    world.start_again().await;
    world.post(world.new_event("order.paid", json!({"phone": ANA, "order": 2}))).await;
    // The vendor's clock was not set: only the engine is waited for.
    for _ in 0..37 {
        world.clock.move_to(world.clock.now_ms() + 60_000);
        let engine = world.engine().clone();
        world
            .within(async move {
                engine.look().await;
                engine.quiet().await
            })
            .await;
    }
    assert_eq!(firings(&world).await, [10, 20, 30, 40]);
    assert_eq!(world.messages().len(), 6, "one more instant, and the new order: {:?}", world.sent());
    assert_eq!(world.run_states().await, vec!["done"; 6]);
}

async fn a_clock_that_was_a_day_ahead_holds_nothing_back_when_it_is_right_again(database: Database) {
    let text = "
        name: Order
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}' }
        settings: { pace: 1 per minute }
        do:
          - send_message: { template: order, values: ['{{event.order}}'] }
    ";
    let plan = World::on(database).template("order", "Your {{1}}", &["order"]).workflow("order", text).spaced();
    let mut world = plan.start().await;
    world.event("order.paid", json!({"phone": ANA, "order": 1})).await;
    assert_eq!(world.sends(), 1);
    world.crash().await;
    world.clock = Clock::still(NOON - 24 * 3_600_000);
    (0..10_000).for_each(|_| drop(world.clock.new_id()));
    world.start_again().await;
    for order in [2, 3] {
        world.post(world.new_event("order.paid", json!({"phone": ANA, "order": order}))).await;
    }
    let settled = async |world: &World| {
        let engine = world.engine().clone();
        let quiet = async move {
            engine.look().await;
            engine.quiet().await
        };
        world.within(quiet).await;
        world.sends()
    };
    assert_eq!(settled(&world).await, 2, "{:?}", world.delivery_states().await);
    world.clock.move_to(world.clock.now_ms() + 30_000);
    assert_eq!(settled(&world).await, 2, "the pace holds by the new clock");
    world.clock.move_to(world.clock.now_ms() + 31_000);
    assert_eq!(settled(&world).await, 3);
}
