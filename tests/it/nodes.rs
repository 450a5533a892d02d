//! Several real servers on one PostgreSQL database: shared work, a rolling restart, and one that is killed.

use crate::crash::{Orders, counted, judge, uncertain};
use crate::database::Database;
use crate::process::{Process, Site, eventually};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two installations of one project on one database and one account. The vendor tells its events to the first.
fn two_sites(database: &Database) -> (Site, Site) {
    let (mut one, mut two) = (Site::of("shop"), Site::of("shop"));
    one.set("RELANCE_DATABASE_URL", &database.url);
    two.set("RELANCE_DATABASE_URL", &database.url);
    two.set("CALLBELL_BASE_URL", one.env["CALLBELL_BASE_URL"].clone());
    (one, two)
}

/// Asks a server to end while its clients post, and starts it again; they post the rest.
async fn restart_while_posting(site: &Arc<Site>, mut serve: Process, orders: &Arc<Orders>) -> Process {
    let posting = orders.post_meanwhile(site);
    let at = orders.acknowledged() + 40;
    eventually("the moment of the restart", async || (orders.acknowledged() >= at).then_some(())).await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    posting.await.unwrap();
    let serve = site.serve().await;
    orders.post(site).await;
    serve
}

#[tokio::test]
async fn two_servers_share_the_work_and_a_rolling_restart_leaves_nothing_in_doubt() {
    let database = Database::postgres();
    let (one, two) = two_sites(&database);
    let (one, two) = (Arc::new(one), Arc::new(two));
    let _sandbox = one.sandbox().await;
    // Slow enough that calls are open at any moment.
    one.turn("faults", &json!({ "delay": 60 })).await;
    let (first, second) = tokio::join!(one.serve(), two.serve());
    let (here, there) = (Orders::new(0..300), Orders::new(300..600));
    let elsewhere = here.post_meanwhile(&one);
    let second = restart_while_posting(&two, second, &there).await;
    elsewhere.await.unwrap();
    let (here_2, there_2) = (Orders::new(600..800), Orders::new(800..1000));
    let elsewhere = there_2.post_meanwhile(&two);
    let first = restart_while_posting(&one, first, &here_2).await;
    elsewhere.await.unwrap();
    one.drained().await;
    judge(0..1000, &BTreeSet::new(), counted(&one, "order").await);
    assert!(uncertain(&one, "order_id").await.is_empty());
    for site in [&one, &two] {
        let calls = site.api("load").await["load"]["calls"].as_u64().unwrap();
        assert!(calls > 0, "both send");
        let log = site.serve_log();
        assert!(!log.contains("ERROR"), "{log}");
    }
    drop((first, second));
}

/// As many messages as `RELANCE_TEST_QUEUED` says, half of them posted to each server at once; every person is new, so that
/// each costs a question as well. The vendor refuses what comes a quarter faster than the configured rate.
#[tokio::test]
async fn two_servers_keep_the_rate_of_the_account_together() {
    let queued: usize = std::env::var("RELANCE_TEST_QUEUED").ok().and_then(|n| n.parse().ok()).unwrap_or(800);
    let database = Database::postgres();
    let (one, two) = two_sites(&database);
    let project = fs::read_to_string(one.path().join("relance.yaml")).unwrap();
    let project = project.replace("callbell: { pace: 100000 per second }", "callbell: { pace: 200 per second }");
    assert!(project.contains("200 per second"));
    for site in [&one, &two] {
        site.write("relance.yaml", &project);
    }
    let (one, two) = (Arc::new(one), Arc::new(two));
    let _sandbox = one.sandbox().await;
    one.turn("faults", &json!({ "rate_limit": 250, "scope": "/" })).await;
    let _servers = tokio::join!(one.serve(), two.serve());
    let begun = Instant::now();
    let (here, there) = (Orders::new(0..queued / 2), Orders::new(queued / 2..queued));
    tokio::join!(here.post(&one), there.post(&two));
    one.drained().await;
    let took = begun.elapsed();
    judge(0..queued, &BTreeSet::new(), counted(&one, "order").await);
    let calls = one.vendor("/sandbox/calls/count").await;
    assert_eq!(calls["rate_limited"], 0, "{calls}");
    let all = calls["all"].as_u64().unwrap();
    eprintln!("{queued} messages, {all} calls in {took:?}");
    assert!(took.as_secs_f64() >= (all as f64 - 20.0) / 200.0, "{all} calls in {took:?}");
    for site in [&one, &two] {
        assert!(site.api("load").await["load"]["calls"].as_u64().unwrap() > 0, "both send");
    }
}

/// Takes 40 s of real time: how long a server has to be silent cannot be set.
#[tokio::test]
async fn what_a_killed_server_had_in_hand_is_taken_over_within_35_seconds() {
    let database = Database::postgres();
    let (one, two) = two_sites(&database);
    let now = fs::read_to_string(two.path().join("workflows/order_paid.yaml")).unwrap();
    let later = now.replace("do:\n", "do:\n  - wait: 15s\n").replace("total > 0", "order_number < 100");
    for site in [&one, &two] {
        site.write("workflows/order_later.yaml", &later);
        site.write("workflows/order_paid.yaml", &now.replace("total > 0", "order_number >= 100"));
    }
    let (one, two) = (Arc::new(one), Arc::new(two));
    let _sandbox = one.sandbox().await;
    // The vendor tells nothing: what was open can only be known by its silence.
    one.turn("faults", &json!({ "delay": 60, "webhook_off": 1_000_000 })).await;
    let _first = one.serve().await;
    let second = two.serve().await;
    let orders = Orders::new(0..200);
    let posting = orders.post_meanwhile(&two);
    eventually("the moment of the kill", async || (orders.acknowledged() >= 150).then_some(())).await;
    second.kill();
    let killed = Instant::now();
    posting.await.unwrap();
    let open = one.deliveries("state=sending&limit=1000").await.len();
    assert!(open > 0, "calls were open at the kill");
    orders.post(&one).await;
    assert_eq!(orders.acknowledged(), 200);
    eventually("nothing is under way at a dead server", async || {
        one.deliveries("state=sending&limit=1").await.is_empty().then_some(())
    })
    .await;
    let taken = killed.elapsed();
    assert!(taken < Duration::from_secs(40), "{taken:?}");
    let runs = async || {
        let waiting = one.api("runs?state=waiting&limit=1000").await;
        waiting["runs"].as_array().unwrap().iter().filter(|run| run["workflow"] == "order_later").count()
    };
    eventually("every run went on", async || (runs().await == 0).then_some(())).await;
    one.drained().await;
    let doubt = uncertain(&one, "order_id").await;
    assert!(doubt.iter().all(|order| *order >= 100), "those that waited were in nobody's hands: {doubt:?}");
    judge(0..200, &doubt, counted(&one, "order").await);
    let log = one.serve_log();
    assert!(log.contains("servers are silent") && log.contains("calls were open when the process ended"), "{log}");
}
