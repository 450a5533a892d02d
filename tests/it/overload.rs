//! Promise: more events than the server can take are answered 503 with `Retry-After`; what it did acknowledge is there,
//! its memory stays bounded, and soon afterwards it is as quick as before.
//!
//! `RELANCE_TEST_OVERLOAD=600` lets the flood last so many seconds; `-- --nocapture` shows the figures.

use crate::database::{Database, on_both_databases};
use crate::process::{PATIENCE, Process, Site, TILL_TOKEN, is_optimized};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

on_both_databases!(
    a_flood_is_refused_with_retry_after_and_loses_nothing_that_was_acknowledged,
    large_bodies_at_once_are_refused_before_they_fill_the_memory,
);

/// Every one of them has its next event ready as soon as the last one is answered, and does not heed `Retry-After`.
const CLIENTS: usize = 450;
const SECONDS: u64 = 3;
/// After the flood (semantics §10.3).
const NORMAL_WITHIN: Duration = Duration::from_secs(30);
const QUICK: Duration = Duration::from_millis(250);

/// Of the process under test; unoptimized, what a request holds while it is served is a multiple of the released binary's.
fn most_mib() -> u64 {
    if is_optimized() { 150 } else { 256 }
}

/// One answer.
struct Answered {
    key: String,
    status: u16,
    retry_after: Option<u64>,
    took: Duration,
}

/// A number of bytes in an order that no condition lets through: the event is kept and sends nothing.
fn order(bytes: usize) -> String {
    json!({ "total": 0, "customer": { "phone": "+34600000001" }, "note": "x".repeat(bytes) }).to_string()
}

async fn post(http: &reqwest::Client, port: u16, key: String, body: String) -> reqwest::Result<(Answered, Value)> {
    let url = format!("http://127.0.0.1:{port}/hooks/till/{TILL_TOKEN}/order.paid");
    let begun = Instant::now();
    let request = http.post(url).header("idempotency-key", &key).header("content-type", "application/json");
    let answer = request.body(body).send().await?;
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let said = answer.json().await?;
    Ok((Answered { key, status, retry_after, took: begun.elapsed() }, said))
}

/// What came back while everybody posted.
async fn flood(site: &Site, bytes: usize) -> Vec<Answered> {
    let seconds = std::env::var("RELANCE_TEST_OVERLOAD").map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let body = order(bytes);
    let client = |n: usize| {
        let (http, port, over, body) = (site.http.clone(), site.port, over.clone(), body.clone());
        tokio::spawn(async move {
            let (mut answers, mut next) = (Vec::new(), 0);
            while !over.load(Ordering::Relaxed) {
                next += 1;
                // A connection that breaks is no answer: nothing is known of that event.
                if let Ok((answered, _)) = post(&http, port, format!("{n}-{next}"), body.clone()).await {
                    answers.push(answered);
                }
            }
            answers
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all
}

/// How long until twenty events in a row are taken quickly.
async fn normal_again(site: &Site) -> Duration {
    let (begun, mut quick, mut n) = (Instant::now(), 0, 0);
    while quick < 20 {
        assert!(begun.elapsed() < NORMAL_WITHIN, "not normal again");
        n += 1;
        let (answered, _) = post(&site.http, site.port, format!("after-{n}"), order(100)).await.unwrap();
        quick = if answered.status == 200 && answered.took < QUICK { quick + 1 } else { 0 };
    }
    begun.elapsed()
}

/// Posting an event again tells whether it is there.
async fn all_are_there(site: &Site, taken: &[&Answered]) {
    for some in taken.chunks(64) {
        let again = some.iter().map(|one| post(&site.http, site.port, one.key.clone(), order(10)));
        for answer in futures_util::future::join_all(again).await {
            let (answered, said) = answer.unwrap();
            assert_eq!((answered.status, &said["duplicate"]), (200, &json!(true)), "lost: {}", answered.key);
        }
    }
}

async fn begin(database: &Database) -> (Site, Process) {
    let mut site = Site::of("shop");
    site.set("RELANCE_DATABASE_URL", database.url.clone());
    site.set("RELANCE_LOG", "error");
    site.http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let serve = site.serve().await;
    (site, serve)
}

/// The flood, and everything that must be true of it and after it. Comes back: (taken, refused).
async fn stand(database: Database, bytes: usize) -> (usize, usize) {
    let (site, serve) = begin(&database).await;
    let answers = flood(&site, bytes).await;
    let back = normal_again(&site).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one.status == 200);
    for one in &refused {
        assert_eq!(one.status, 503);
        assert!(one.retry_after.is_some_and(|seconds| (1..=5).contains(&seconds)), "{:?}", one.retry_after);
    }
    all_are_there(&site, &taken).await;
    let mut times: Vec<_> = taken.iter().map(|one| one.took).collect();
    times.sort();
    let memory = serve.peak_memory_mib();
    eprintln!(
        "{bytes} bytes: {} taken, {} refused, p99 {:?}, normal after {back:?}, {memory} MiB",
        taken.len(),
        refused.len(),
        times.get(times.len() * 99 / 100).copied().unwrap_or_default(),
    );
    assert!(memory <= most_mib(), "{memory} MiB");
    (taken.len(), refused.len())
}

async fn a_flood_is_refused_with_retry_after_and_loses_nothing_that_was_acknowledged(database: Database) {
    let (taken, refused) = stand(database, 128 * 1024).await;
    assert!(taken > 0 && refused > 0, "{taken} {refused}");
}

async fn large_bodies_at_once_are_refused_before_they_fill_the_memory(database: Database) {
    let (taken, refused) = stand(database, 1000 * 1024).await;
    assert!(taken > 0 && refused > 0, "{taken} {refused}");
}
