//! One event that stops very many runs: all of them, none of them sends, and meanwhile others are served.
//!
//! `RELANCE_TEST_STOPPED=100000` lets it be that many; `-- --nocapture` shows the figures.

use crate::crash::number;
use crate::database::{Database, on_both_databases};
use crate::process::{PATIENCE, Process, Site, eventually, list, post_event};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

on_both_databases!(an_event_stops_very_many_runs_and_others_are_served_meanwhile);

const RUNS: u64 = 3000;
const CLIENTS: usize = 16;
const BYSTANDERS: usize = 2;

/// A reminder of what was left in a cart during a sale, unless the sale ends first.
const CART: &str = "when: { webhook: cart.left }
stop_when: { webhook: sale.ended, same: [sale] }
";

fn prepare(site: &Site) {
    let order = fs::read_to_string(site.path().join("workflows/order_paid.yaml")).unwrap();
    let cart = order.replace("when: { webhook: order.paid }\n", CART).replace("do:\n", "do:\n  - wait: 2h\n");
    site.write("workflows/cart_left.yaml", &cart.replace("{ order: ", "{ cart: "));
    let sample = fs::read_to_string(site.path().join("workflows/samples/order.paid.json")).unwrap();
    for event in ["cart.left", "sale.ended"] {
        let sample = sample.replacen('{', "{ \"sale\": \"summer\",", 1);
        site.write(&format!("workflows/samples/{event}.json"), &sample);
    }
}

fn event(id: &str, number: usize, sale: &str) -> Value {
    json!({ "order_id": id, "order_number": number, "total": 5, "currency": "EUR", "accepts_whatsapp": true, "sale": sale,
        "customer": { "first_name": "Ana", "phone": format!("+346{number:08}") } })
}

/// The id that an acknowledged event has got.
async fn post(site: &Site, name: &str, event: &Value) -> String {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "`{name}` is taken by nobody");
        let (status, body) = post_event(&site.http, site.port, name, event).await.unwrap();
        match status {
            200 => {
                let said: Value = serde_json::from_slice(&body).unwrap();
                return said["event_id"].as_str().unwrap().to_owned();
            }
            status => assert_eq!(status, 503),
        }
    }
}

/// Carts of the sale, each of a person of its own.
async fn leave_carts(site: &Arc<Site>, carts: usize) {
    let (next, mut clients) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for _ in 0..CLIENTS {
        let (site, next) = (site.clone(), next.clone());
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= carts {
                    return;
                }
                post(&site, "cart.left", &event(&format!("c{number}"), number, "summer")).await;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

/// Orders that have nothing to do with it, without a pause; their ids.
fn bystanders(site: &Arc<Site>, over: &Arc<AtomicBool>) -> JoinSet<Vec<String>> {
    let mut clients = JoinSet::new();
    for client in 0..BYSTANDERS {
        let (site, over) = (site.clone(), over.clone());
        clients.spawn(async move {
            let mut ids = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let number = 90_000_000 + ids.len() * BYSTANDERS + client;
                ids.push(post(&site, "order.paid", &event(&number.to_string(), number, "")).await);
            }
            ids
        });
    }
    clients
}

fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// When each run of the sale was stopped.
async fn stopped(site: &Site) -> Vec<Timestamp> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let runs = list(&site.api(&format!("runs?workflow=cart_left&state=stopped&limit=1000{before}")).await["runs"]);
        let Some(last) = runs.last() else { return all };
        before = format!("&before={}", last["id"].as_str().unwrap());
        assert!(runs.iter().all(|run| run["reason"] == "sale.ended"));
        all.extend(runs.iter().map(|run| instant(&run["ended_at"])));
    }
}

/// How many of those events were taken in while the stop was under way.
async fn between(site: &Site, events: &[String], first: Timestamp, last: Timestamp) -> usize {
    let mut count = 0;
    for id in events {
        let event = site.api(&format!("events/{id}")).await;
        let at = instant(&event["event"]["received_at"]);
        count += usize::from(first < at && at < last);
    }
    count
}

/// The waits of those that were not stopped are over; the messages of carts.
async fn two_hours_later(site: &mut Site, mut serve: Process) -> Vec<String> {
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    site.set("RELANCE_CLOCK_OFFSET", "+3h");
    let _serve = site.serve().await;
    eventually("nothing waits", async || {
        list(&site.api("runs?state=waiting&limit=1").await["runs"]).is_empty().then_some(())
    })
    .await;
    site.drained().await;
    let carts = |message: &Value| message["metadata"]["cart"].as_str().map(str::to_owned);
    site.messages().await.iter().filter_map(carts).collect()
}

async fn an_event_stops_very_many_runs_and_others_are_served_meanwhile(database: Database) {
    let carts = usize::try_from(number("RELANCE_TEST_STOPPED").unwrap_or(RUNS)).unwrap();
    let mut site = Site::of("shop");
    prepare(&site);
    site.set("RELANCE_DATABASE_URL", &database.url);
    let site = Arc::new(site);
    let (_sandbox, serve) = (site.sandbox().await, site.serve().await);
    leave_carts(&site, carts).await;
    // Another sale, which goes on: its reminder is sent.
    post(&site, "cart.left", &event("other", 80_000_000, "winter")).await;
    let over = Arc::new(AtomicBool::new(false));
    let orders = bystanders(&site, &over);
    let stop = post(&site, "sale.ended", &event("end", 80_000_001, "summer")).await;
    let said = site.api(&format!("events/{stop}")).await["event"]["evaluations"].clone();
    assert!(said[0]["reason"].as_str().unwrap().ends_with("others follow"), "{said}");
    eventually("one run is left", async || {
        let left = list(&site.api("runs?workflow=cart_left&state=waiting&limit=2").await["runs"]);
        (left.len() == 1).then_some(())
    })
    .await;
    over.store(true, Ordering::Relaxed);
    let events = orders.join_all().await.concat();
    let stopped = stopped(&site).await;
    assert_eq!(stopped.len(), carts);
    let (first, last) = (*stopped.iter().min().unwrap(), *stopped.iter().max().unwrap());
    let served = between(&site, &events, first, last).await;
    eprintln!("{carts} runs stopped in {:?}; {served} orders taken meanwhile", last.duration_since(first));
    assert!(served > 0, "an order had to wait for the stop: {} orders", events.len());
    site.drained().await;
    let mut site = Arc::into_inner(site).expect("nobody posts any more");
    assert_eq!(two_hours_later(&mut site, serve).await, ["other"], "what was stopped sends nothing");
}
