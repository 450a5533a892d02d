//! Two processes on one PostgreSQL database tell each other at once what there is to do, and need no telling.
//!
//! Time stands still in these tests: what happens although nobody looks around happens because it was called out. The
//! other tests of several processes run without a word between them.

use crate::database::Database;
use crate::harness::{ANA, Plan, World, seconds};
use crate::process::eventually;
use crate::targets::HttpTarget;
use relance::engine::Engine;
use serde_json::{Value, json};

const LISTENERS: &str = "from pg_stat_activity where datname = current_database() and query like 'LISTEN%'";

fn plan(crm: &HttpTarget) -> Plan {
    let relay = format!("relay:\n  - {{ url: {}, signature: callbell, secret: CRM_SECRET }}\n", crm.url);
    World::on(Database::postgres()).project(&relay)
}

async fn tell(world: &World, engine: &Engine, uuid: &str) {
    let told = json!({"event": "message_created", "payload": {
        "uuid": uuid, "status": "received", "text": "hello", "createdAt": "2026-03-02T11:00:00Z",
        "contact": {"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+')},
    }});
    let raw = told.to_string();
    let incoming = relance::connector::webhook::read(raw.as_bytes(), world.clock.now_ms()).unwrap();
    engine.told(incoming, raw.into()).await.unwrap();
}

fn uuids(crm: &HttpTarget) -> Vec<String> {
    let uuid = |body: &String| serde_json::from_str::<Value>(body).unwrap()["payload"]["uuid"].as_str().unwrap().into();
    crm.taken().iter().map(uuid).collect()
}

/// The first process posts to the target; the second one runs beside it.
async fn two(plan: Plan, crm: &HttpTarget) -> World {
    let mut world = plan.start().await;
    tell(&world, world.engine(), "first").await;
    world.settle().await;
    assert_eq!(uuids(crm), ["first"]);
    world.start_peer().await;
    world.settle().await;
    world
}

async fn listening(world: &World, count: u64) {
    let asked = format!("select pid {LISTENERS}");
    eventually("both listen", async || (world.execute(&asked).await == count).then_some(())).await;
}

async fn taken(crm: &HttpTarget, expected: &[&str]) {
    eventually("the other process has posted it", async || (uuids(crm) == expected).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_left_to_another_process_is_done_at_once_and_a_lost_connection_is_made_again() {
    let crm = HttpTarget::start().await;
    let mut world = two(plan(&crm).calling_out(), &crm).await;
    listening(&world, 2).await;
    tell(&world, world.peer(), "second").await;
    taken(&crm, &["first", "second"]).await;
    // Whatever is called out before they listen again is found as they begin to.
    assert_eq!(world.execute(&format!("select pg_terminate_backend(pid) {LISTENERS}")).await, 2);
    tell(&world, world.peer(), "third").await;
    taken(&crm, &["first", "second", "third"]).await;
    listening(&world, 2).await;
    world.settle().await;
    // A process that leaves is missed at once: what it was on duty for is taken over.
    tell(&world, world.peer(), "fourth").await;
    taken(&crm, &["first", "second", "third", "fourth"]).await;
    world.settle().await;
    world.drain_peer().await;
    world.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_word_between_them_it_is_found_at_the_next_look() {
    let crm = HttpTarget::start().await;
    let world = two(plan(&crm), &crm).await;
    listening(&world, 0).await;
    tell(&world, world.peer(), "second").await;
    world.advance(seconds(6)).await;
    assert_eq!(uuids(&crm), ["first", "second"]);
}
