//! Servers under load that are killed and replaced, or stopped and continued, at random moments, again and again.
//!
//! Nothing is judged before the end: while one server is dead or still, the next one is on its way to be. In the end, what
//! was acknowledged is one message at the vendor, or is shown as uncertain by relance itself (`wire`).
//! `RELANCE_TEST_CYCLES` says how often; `RELANCE_TEST_SEED` repeats the moments.

use crate::crash::{moments, times};
use crate::database::{Database, on_both_databases};
use crate::fleet::{Fleet, some_time};
use crate::process::eventually;
use crate::wire::{HELD, Load, judge_orders, prepare, some_withdraw};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::time::Instant;

on_both_databases!(
    servers_that_are_killed_and_replaced_lose_and_double_nothing,
    servers_that_stand_still_and_go_on_lose_and_double_nothing,
);

/// What the vendor takes for a call.
const DELAY_MS: u64 = 100;
/// Of so many stops one outlasts what the server had a right to.
const LONG_EVERY: usize = 5;

async fn under_load(database: Database) -> (Fleet, Load) {
    let servers = if database.url.starts_with("postgres") { 3 } else { 1 };
    let mut fleet = Fleet::of(database, servers, prepare).await;
    fleet.serve().await;
    some_withdraw(fleet.site(0)).await;
    // Slow enough that calls are open at any moment.
    fleet.site(0).turn("faults", &json!({ "delay": DELAY_MS })).await;
    let load = Load::begin(&fleet);
    eventually("orders come in", async || (load.begun() > 100).then_some(())).await;
    (fleet, load)
}

async fn settle(mut fleet: Fleet, load: Load, what: &str, begun: Instant) -> usize {
    fleet.serve().await;
    let orders = load.end().await;
    let disturbed = begun.elapsed();
    let site = fleet.settle(HELD).await;
    eprintln!("{what}, {disturbed:?}:");
    judge_orders(site, orders).await
}

async fn servers_that_are_killed_and_replaced_lose_and_double_nothing(database: Database) {
    let (mut moments, cycles, begun) = (moments(), times(4), Instant::now());
    let (mut fleet, load) = under_load(database).await;
    for _ in 0..cycles {
        some_time(&mut moments, 20..1500).await;
        fleet.replace_one(&mut moments).await;
    }
    let cut = settle(fleet, load, &format!("{cycles} kills"), begun).await;
    assert!(cut > 0, "no call was open at any kill");
}

async fn servers_that_stand_still_and_go_on_lose_and_double_nothing(database: Database) {
    let (mut moments, cycles, begun) = (moments(), times(4), Instant::now());
    let (fleet, load) = under_load(database).await;
    let mut long = 0;
    for cycle in 0..cycles {
        some_time(&mut moments, 20..1000).await;
        let node = moments.random_range(0..fleet.servers());
        let outlasts = cycle % LONG_EVERY == 1;
        long += usize::from(outlasts);
        stand_still(&fleet, node, outlasts, &mut moments).await;
    }
    let alone = fleet.servers() == 1;
    let cut = settle(fleet, load, &format!("{cycles} stops, {long} of them long"), begun).await;
    assert!(cut > 0 || !alone || long == 0, "calls were open for longer than they may take");
}

/// For a moment; or longer than its work is its own: until others have taken that over, or, on a database that it has for
/// itself, until calls that were open have timed out.
async fn stand_still(fleet: &Fleet, node: usize, outlasts: bool, moments: &mut StdRng) {
    const TAKEN_OVER: &str = "servers are silent: their work is taken over";
    let (before, site) = (fleet.logged_by_others(node, TAKEN_OVER), fleet.site(node));
    let outlasts_calls = outlasts && fleet.servers() == 1;
    if outlasts_calls {
        site.turn("faults", &json!({ "delay": 20_000 })).await;
        let open = async || site.deliveries("state=sending&limit=1000").await.into_iter().map(|one| one["id"].clone());
        let before: Vec<Value> = open().await.collect();
        eventually("a call is open that began since", async || open().await.find(|id| !before.contains(id))).await;
    }
    fleet.stop(node);
    match (outlasts, fleet.servers() > 1) {
        (false, _) => some_time(moments, 20..3000).await,
        (true, true) => {
            eventually("its work is taken over", async || {
                (fleet.logged_by_others(node, TAKEN_OVER) > before).then_some(())
            })
            .await;
            some_time(moments, 0..3000).await;
        }
        (true, false) => some_time(moments, 15_000..20_000).await,
    }
    fleet.go_on(node);
    if outlasts_calls {
        site.turn("faults", &json!({ "delay": DELAY_MS })).await;
    }
}
