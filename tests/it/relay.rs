//! Promise: every event of the account reaches every target of the relay, in order and unchanged, whatever another
//! target does; in what concerns a message of the gateway its caller finds its own uuid.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, Plan, World, hours, minutes, seconds};
use crate::targets::{HttpTarget, has_callbell_signature, has_standard_signature};
use relance::relay::{Relay, RelayState};
use relance::store::relays::RelayFilter;
use serde_json::{Value, json};

on_both_databases!(
    every_target_gets_every_event_as_it_came_and_signed_its_way,
    a_target_that_is_away_delays_no_other_and_catches_up_in_order,
    a_target_may_ask_for_patience,
    what_a_target_does_not_take_for_three_days_is_given_up_and_can_be_repeated,
    a_kill_between_post_and_result_posts_again_and_loses_nothing,
    a_target_that_is_taken_out_of_the_file_gets_nothing_more,
    a_target_without_its_secret_gets_nothing_unsigned,
);

fn told(uuid: &str) -> Value {
    json!({"event": "message_created", "payload": {
        "uuid": uuid, "status": "received", "text": "né 👋", "createdAt": "2026-03-02T11:00:00Z",
        "contact": {"uuid": "ana", "phoneNumber": ANA.trim_start_matches('+')},
    }})
}

fn plan(database: Database, targets: &[(&HttpTarget, &str, &str)]) -> Plan {
    let line = |(target, signature, secret): &(&HttpTarget, &str, &str)| {
        format!("  - {{ url: {}, signature: {signature}, secret: {secret} }}\n", target.url)
    };
    World::on(database).project(&format!("relay:\n{}", targets.iter().map(line).collect::<String>()))
}

async fn two(database: Database) -> (World, HttpTarget, HttpTarget) {
    let (crm, tool) = (HttpTarget::start().await, HttpTarget::start().await);
    let targets = [(&crm, "callbell", "CRM_SECRET"), (&tool, "standard_webhooks", "TOOL_SECRET")];
    let world = plan(database, &targets).start().await;
    (world, crm, tool)
}

/// Uuids of what was taken, in order.
fn uuids(target: &HttpTarget) -> Vec<String> {
    let uuid = |body: &String| {
        let body: Value = serde_json::from_str(body).unwrap();
        body["payload"]["uuid"].as_str().unwrap_or_default().to_owned()
    };
    target.taken().iter().map(uuid).collect()
}

async fn relays(world: &World) -> Vec<Relay> {
    let filter = RelayFilter { limit: 100, ..RelayFilter::default() };
    let mut relays = world.store(|store| async move { store.list_relays(&filter).await }).await;
    relays.reverse();
    relays
}

async fn states(world: &World, target: &HttpTarget) -> Vec<&'static str> {
    let relays = relays(world).await;
    relays.iter().filter(|relay| relay.target == target.url).map(|relay| relay.state.as_str()).collect()
}

async fn every_target_gets_every_event_as_it_came_and_signed_its_way(database: Database) {
    let (world, crm, tool) = two(database).await;
    // Spaces, order of keys, escapes and the mark of UTF-8 are the sender's.
    let bodies = [
        "\u{feff}{ \"payload\" : {\"text\":\"caf\\u00e9 \\ud83d\\udc4b\",\"status\":\"received\", \"uuid\":\"1\",\n\"contact\":{\"uuid\":\"ana\"}}, \"event\":\"message_created\"}\n".to_owned(),
        "[{\"event\":\"new_in_2030\",\"payload\":{\"uuid\":\"2\"}}]".to_owned(),
        told("3").to_string(),
    ];
    for body in &bodies {
        world.told_raw(body).await;
    }
    world.told_raw(&bodies[2]).await;
    for check in ["[]", "", "ping"] {
        world.told_raw(check).await;
    }
    let now_ms = world.clock.now_ms();
    for target in [&crm, &tool] {
        assert_eq!(target.taken(), bodies, "as it came, and a second delivery is none");
    }
    assert!(crm.posts().iter().all(|post| has_callbell_signature(post, now_ms)));
    assert!(tool.posts().iter().all(|post| has_standard_signature(post, now_ms)));
    assert!(!crm.posts()[0].headers.contains_key("webhook-id"));
    let several = format!("[{} , {},{}]", told("4"), told("3"), told("5"));
    world.told_raw(&several).await;
    assert_eq!(crm.taken()[3..], [told("4").to_string(), told("5").to_string()], "each for itself, new ones only");
    assert_eq!(tool.taken(), crm.taken());
}

async fn a_target_that_is_away_delays_no_other_and_catches_up_in_order(database: Database) {
    let (mut world, crm, tool) = two(database).await;
    crm.refuse(Some(503), None);
    for n in 0..6 {
        world.told(told(&n.to_string())).await;
    }
    let all: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    assert_eq!(uuids(&tool), all, "the other one has everything already");
    assert_eq!(crm.posts().len(), 1, "the oldest is first, and the others wait behind it");
    world.advance(hours(2)).await;
    let alerts = world.store(|store| async move { store.alerts().await }).await;
    assert!(alerts.iter().any(|alert| alert.name == format!("relay:{}", crm.url)), "{alerts:?}");
    let tries = crm.posts().len();
    assert!((25..=60).contains(&tries), "{tries}: at most five minutes apart");
    assert!(crm.posts().iter().all(|post| post.body == crm.posts()[0].body));
    world.restart().await;
    crm.refuse(None, None);
    world.advance(minutes(5)).await;
    assert_eq!(uuids(&crm), all);
    assert!(world.store(|store| async move { store.alerts().await }).await.is_empty(), "it is over");
    let posts = crm.posts();
    let (first, last) = (&posts[0], &posts[tries]);
    assert_eq!(first.body, last.body);
    assert_ne!(first.header("x-callbell-signature"), last.header("x-callbell-signature"), "signed anew at each try");
    assert_eq!(tool.posts().len(), 6);
}

async fn a_target_may_ask_for_patience(database: Database) {
    let (world, crm, tool) = two(database).await;
    tool.refuse(Some(429), Some(600));
    world.told(told("1")).await;
    world.advance(seconds(599)).await;
    assert_eq!(tool.posts().len(), 1);
    tool.refuse(None, None);
    world.advance(seconds(1)).await;
    assert_eq!((uuids(&tool), uuids(&crm)), (vec!["1".to_owned()], vec!["1".to_owned()]));
    let posts = tool.posts();
    assert_eq!(posts[0].header("webhook-id"), posts[1].header("webhook-id"), "one id for all tries");
    assert_ne!(posts[0].header("webhook-timestamp"), posts[1].header("webhook-timestamp"));
}

async fn what_a_target_does_not_take_for_three_days_is_given_up_and_can_be_repeated(database: Database) {
    let (world, crm, tool) = two(database).await;
    crm.refuse(Some(500), None);
    world.told(told("1")).await;
    world.advance(hours(24)).await;
    world.told(told("2")).await;
    world.advance(hours(48)).await;
    assert_eq!(states(&world, &crm).await, ["dead", "queued"]);
    let dead = relays(&world).await.into_iter().find(|relay| relay.state == RelayState::Dead).unwrap();
    assert_eq!((dead.http_status, dead.error.as_deref()), (Some(500), Some("the target answered 500")));
    crm.refuse(None, None);
    world.advance(minutes(5)).await;
    assert_eq!(uuids(&crm), ["2"], "the next went on");
    for expected in [1, 0] {
        let (engine, id) = (world.engine().clone(), dead.id.clone());
        let copies = world.within(async move { engine.redrive_relays(vec![id], "ops").await }).await.unwrap();
        assert_eq!(copies, expected);
        world.settle().await;
    }
    assert_eq!(uuids(&crm), ["2", "1"]);
    assert_eq!(states(&world, &crm).await, ["dead", "delivered", "delivered"]);
    assert_eq!(uuids(&tool), ["1", "2"]);
}

async fn a_kill_between_post_and_result_posts_again_and_loses_nothing(database: Database) {
    let (mut world, crm, tool) = two(database).await;
    tool.refuse(Some(500), None);
    for n in 0..3 {
        world.told(told(&n.to_string())).await;
    }
    world.crash().await;
    tool.refuse(None, None);
    world.start_again().await;
    world.advance(minutes(5)).await;
    assert_eq!((uuids(&tool), uuids(&crm).len()), (["0", "1", "2"].map(str::to_owned).to_vec(), 3));
    assert!(relays(&world).await.iter().all(|relay| relay.state == RelayState::Delivered));
}

async fn a_target_that_is_taken_out_of_the_file_gets_nothing_more(database: Database) {
    let (mut world, crm, tool) = two(database).await;
    crm.refuse(Some(500), None);
    world.told(told("1")).await;
    let line = format!("  - {{ url: {}, signature: callbell, secret: CRM_SECRET }}\n", crm.url);
    world.edit("relance.yaml", &line, "");
    world.deploy().await;
    world.advance(minutes(1)).await;
    assert_eq!(states(&world, &crm).await, ["dead"]);
    crm.refuse(None, None);
    world.told(told("2")).await;
    assert_eq!((uuids(&crm).len(), uuids(&tool).len()), (0, 2));
}

async fn a_target_without_its_secret_gets_nothing_unsigned(database: Database) {
    let crm = HttpTarget::start().await;
    let world = plan(database, &[(&crm, "callbell", "UNSET_SECRET")]).start().await;
    world.told(told("1")).await;
    world.advance(minutes(1)).await;
    assert!(crm.posts().is_empty());
    assert_eq!(relays(&world).await[0].error.as_deref(), Some("its secret `UNSET_SECRET` is not set"));
}

/// A file has one process; this is about servers on PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_several_servers_one_posts_and_another_takes_over_when_it_dies() {
    let (mut world, crm, tool) = two(Database::postgres()).await;
    world.start_peer().await;
    let tell = async |world: &World, engine: &relance::engine::Engine, n: usize| {
        let raw = told(&n.to_string()).to_string();
        let incoming = relance::connector::webhook::read(raw.as_bytes(), world.clock.now_ms()).unwrap();
        engine.told(incoming, raw.into()).await.unwrap();
    };
    for n in 0..10 {
        let engine = if n % 2 == 0 { world.engine().clone() } else { world.peer().clone() };
        tell(&world, &engine, n).await;
    }
    world.advance(minutes(2)).await;
    let expected = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!((uuids(&crm), uuids(&tool)), (expected(10), expected(10)), "each once, in order");
    crm.refuse(Some(503), None);
    let peer = world.peer().clone();
    for n in 10..13 {
        tell(&world, &peer, n).await;
    }
    drop(peer);
    world.advance(seconds(10)).await;
    world.crash_peer().await;
    crm.refuse(None, None);
    world.advance(minutes(2)).await;
    assert_eq!((uuids(&crm), uuids(&tool)), (expected(13), expected(13)));
}
