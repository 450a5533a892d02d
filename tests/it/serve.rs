//! `relance serve` against `relance sandbox` in another process: what leaves, in which form, and what comes back.

use crate::process::{Process, Site, TILL_TOKEN, eventually, list};
use serde_json::{Value, json};
use std::fs;

const ANA: &str = "+34600000001";
const BEA: &str = "+34600000002";
const LINE: &str = "3f1c7a90b2d84e65a1f07c9d5e2b4860";

fn order(id: &str, name: &str, phone: &str) -> Value {
    json!({ "order_id": id, "order_number": 1042, "total": 129.9, "currency": "EUR", "accepts_whatsapp": true,
        "customer": { "first_name": name, "phone": phone } })
}

async fn running(site: &Site) -> (Process, Process) {
    (site.sandbox().await, site.serve().await)
}

/// The body of the order's message as it went over the wire, without what differs each time: our two marks.
async fn body_of(site: &Site, order: &str) -> Value {
    let sent = eventually(&format!("the message of order {order}"), async || {
        site.messages().await.into_iter().find(|message| message["metadata"]["order"] == order)
    })
    .await;
    let mut body = sent["body"].clone();
    let pairs = body["metadata"].as_object_mut().unwrap();
    let (id, run) = (pairs.remove("relance_id").unwrap(), pairs.remove("relance_run").unwrap());
    assert!(id.as_str().unwrap().len() == 26 + 1 + 16 && run.as_str().unwrap().len() == 26, "{id} {run}");
    body
}

pub(crate) async fn a_posted_order_sends_plain_text_or_the_template(site: &Site) {
    let _running = running(site).await;
    site.customer_writes(ANA, "Are my shoes ready?").await;
    assert_eq!(site.post_order(&order("A-1", "Ana", ANA)).await.unwrap(), 200);
    assert_eq!(site.post_order(&order("B-1", "Bea", "600 000 002")).await.unwrap(), 200);
    let text = "Hi Ana, we received your payment of €129.90 🎉\nOrder #1042: it leaves our shop tomorrow.";
    let plain = json!({ "to": ANA, "from": "whatsapp", "type": "text", "content": { "text": text },
        "channel_uuid": LINE, "metadata": { "order": "A-1" } });
    assert_eq!(body_of(site, "A-1").await, plain);
    let template = json!({ "to": BEA, "from": "whatsapp", "type": "text", "content": { "text": "Bea" },
        "channel_uuid": LINE, "template_uuid": "a2a6ff6c5339db133d0b0d7cdb0a2ad3", "optin_contact": true,
        "template_values": ["Bea", "1042", "€129.90"], "fields": "contact", "metadata": { "order": "B-1" } });
    assert_eq!(body_of(site, "B-1").await, template);
    eventually("both are shown as delivered", async || {
        let shown = site.deliveries("state=accepted").await;
        let delivered = shown.iter().filter(|one| one["status"] == "delivered").count();
        (shown.len() == 2 && delivered == 2).then_some(())
    })
    .await;
    assert_eq!(site.messages().await.len(), 2);
}

#[tokio::test]
async fn a_posted_order_sends_plain_text_inside_the_window_and_the_template_outside() {
    a_posted_order_sends_plain_text_or_the_template(&Site::of("shop")).await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_closes_its_database_before_it_ends() {
    let site = Site::of("shop");
    let (_sandbox, mut serve) = running(&site).await;
    assert_eq!(site.post_order(&order("A-1", "Ana", ANA)).await.unwrap(), 200);
    site.drained().await;
    let log = site.path().join(".relance/relance.db-wal");
    let left = || fs::metadata(&log).map_or(0, |log| log.len());
    assert!(left() > 0, "what is written lies in the log first");
    serve.signal("TERM");
    assert_eq!((serve.ended().await, left()), (0, 0), "{}", serve.log());
}

/// What a run waits for outlives the process, and what is known of a person's window does as well.
#[tokio::test]
async fn a_wait_survives_kill_9_and_a_day_later_the_template_is_sent() {
    let mut site = Site::of("shop");
    let order_paid = fs::read_to_string(site.path().join("workflows/order_paid.yaml")).unwrap();
    site.write("workflows/order_paid.yaml", &order_paid.replace("do:\n", "do:\n  - wait: 25h\n"));
    site.write("workflows/order_now.yaml", &order_paid.replace("Order paid", "Order now"));
    let (_sandbox, serve) = running(&site).await;
    site.customer_writes(ANA, "Are my shoes ready?").await;
    assert_eq!(site.post_order(&order("A-1", "Ana", ANA)).await.unwrap(), 200);
    assert_eq!(body_of(&site, "A-1").await["template_uuid"], Value::Null);
    site.drained().await;
    serve.kill();
    let serve = site.serve().await;
    site.drained().await;
    assert_eq!(site.messages().await.len(), 1, "25 hours have not passed");
    serve.kill();
    site.set("RELANCE_CLOCK_OFFSET", "+1501m");
    site.turn("clock", &json!({ "by_ms": 1501 * 60_000 })).await;
    let _serve = site.serve().await;
    let later = eventually("the second message", async || site.messages().await.get(1).cloned()).await;
    assert_eq!(later["body"]["template_uuid"], "a2a6ff6c5339db133d0b0d7cdb0a2ad3");
    site.drained().await;
    let runs = list(&site.api("runs").await["runs"]);
    assert!(runs.len() == 2 && runs.iter().all(|run| run["state"] == "done"), "{runs:?}");
}

#[tokio::test]
async fn an_order_posted_twice_or_refused_by_a_condition_sends_nothing_more() {
    let site = Site::of("shop");
    let _running = running(&site).await;
    let free = json!({ "order_id": "F-1", "total": 0, "customer": { "phone": ANA, "first_name": "Ana" } });
    let unasked = json!({ "order_id": "N-1", "order_number": 1, "total": 5, "currency": "EUR", "accepts_whatsapp": false,
        "customer": { "phone": BEA, "first_name": "Bea" } });
    for body in [&order("A-1", "Ana", ANA), &order("A-1", "Ana", ANA), &free, &unasked] {
        assert_eq!(site.post_order(body).await.unwrap(), 200);
    }
    body_of(&site, "A-1").await;
    site.drained().await;
    assert_eq!(site.messages().await.len(), 1);
    let skipped = site.deliveries("state=skipped").await;
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0]["reason"], "no_consent");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_answered_and_nothing_is_kept() {
    let site = Site::of("shop");
    let _serve = site.serve().await;
    let root = format!("http://127.0.0.1:{}", site.port);
    let till = format!("{root}/hooks/till/{TILL_TOKEN}/order.paid");
    let post = |url: &str, body: &str| site.http.post(url.to_owned()).body(body.to_owned()).send();
    for (url, body, status) in [
        (format!("{root}/hooks/nobody/order.paid"), "{}", 404),
        (format!("{root}/hooks/till/wrong/order.paid"), "{}", 401),
        (format!("{root}/hooks/till/order.paid"), "{}", 401),
        (till.clone(), "[1]", 400),
        (till.clone(), "{\"order_id\": ", 400),
        (format!("{root}/callbell/wrong"), "{\"event\":\"message_created\",\"payload\":{}}", 401),
        (format!("{root}/api/runs"), "", 405),
        (format!("{root}/nowhere"), "{}", 404),
    ] {
        let answer = post(&url, body).await.unwrap();
        assert_eq!(answer.status(), status, "{url} {body}");
        let said: Value = answer.json().await.unwrap();
        assert!(said["error"].is_string() && said["hint"].is_string(), "{said}");
    }
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(post(&till, &large).await.unwrap().status(), 413);
    let compressed = site.http.post(&till).header("content-encoding", "gzip").body("x").send().await.unwrap();
    assert_eq!(compressed.status(), 415);
    let check = post(&format!("{root}/callbell/wrong"), "").await.unwrap();
    assert_eq!((check.status().as_u16(), check.text().await.unwrap().as_str()), (200, "{\"status\":\"ok\"}"));
    assert_eq!(site.api("runs").await["runs"], json!([]));
    assert_eq!(site.api("load").await["load"]["events"], 0);
}

#[tokio::test]
async fn without_the_admin_token_the_api_tells_nothing() {
    let site = Site::of("shop");
    let _serve = site.serve().await;
    for path in ["runs", "runs/x", "deliveries", "campaigns", "load", "events/x"] {
        let url = format!("http://127.0.0.1:{}/api/{path}", site.port);
        assert_eq!(site.http.get(&url).send().await.unwrap().status(), 401, "{path}");
    }
    let url = format!("http://127.0.0.1:{}/api/runs", site.port);
    assert_eq!(site.http.get(&url).bearer_auth("wrong").send().await.unwrap().status(), 401);
    let posted = site.http.post(format!("http://127.0.0.1:{}/api/events/order.paid", site.port)).body("{}");
    assert_eq!(posted.send().await.unwrap().status(), 401);
    assert_eq!(site.api("runs").await["runs"], json!([]));
}

/// `language.md` §2: two files and a token.
#[tokio::test]
async fn the_smallest_project_sends_its_message() {
    let site = Site::of("smallest");
    let _running = running(&site).await;
    site.customer_writes(ANA, "hello?").await;
    let said = site.run(&["trigger", "hello.asked"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let sent = eventually("the message", async || site.messages().await.pop()).await;
    let mut body = sent["body"].clone();
    body.as_object_mut().unwrap().remove("metadata");
    assert_eq!(body, json!({ "to": ANA, "from": "whatsapp", "type": "text", "content": { "text": "Hello 👋" } }));
}
