//! The relay and the files of customers in real processes: `relance serve` under `kill -9`, targets over real HTTP.

use crate::harness::{CRM_SECRET, TOOL_SECRET};
use crate::process::{RELANCE_TOKEN, Site, WEBHOOK_SECRET, eventually, list};
use crate::targets::{HttpTarget, has_callbell_signature, has_standard_signature};
use axum::Router;
use axum::routing::get;
use hmac::{Hmac, Mac as _};
use relance::clock::Clock;
use serde_json::{Value, json};
use sha2::Sha256;

const SIGNING_SECRET: &str = "whsec_canary_signing";

async fn site(targets: &[(&HttpTarget, &str, &str)]) -> Site {
    let mut site = Site::of("shop");
    let line = |(target, signature, secret): &(&HttpTarget, &str, &str)| {
        format!("  - {{ url: {}, signature: {signature}, secret: {secret} }}\n", target.url)
    };
    let file = std::fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    site.write("relance.yaml", &format!("{file}relay:\n{}", targets.iter().map(line).collect::<String>()));
    site.set("CRM_SECRET", CRM_SECRET);
    site.set("TOOL_SECRET", TOOL_SECRET);
    site.set("CALLBELL_SIGNING_SECRET", format!("{SIGNING_SECRET},whsec_old"));
    site
}

fn event(n: usize, files: &[String]) -> String {
    let payload = json!({
        "uuid": format!("m{n}"), "status": "received", "text": "né 👋", "createdAt": "2026-03-01 10:30:00 +0100",
        "attachments": files, "contact": {"uuid": "ana", "phoneNumber": "34600000001"},
    });
    // Spaces that nobody would write again the same way.
    format!("{{ \"payload\" :{payload},\n\"event\": \"message_created\" }}\n")
}

fn signature(body: &str, seconds: i64, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// As the account posts it; the status of the answer, `None` when there was none.
async fn post(site: &Site, body: &str, signature: &str) -> Option<u16> {
    let url = format!("http://127.0.0.1:{}/callbell/{WEBHOOK_SECRET}", site.port);
    let request = site.http.post(url).header("x-callbell-signature", signature).body(body.to_owned());
    Some(request.send().await.ok()?.status().as_u16())
}

async fn tell(site: &Site, body: &str) {
    let seconds = Clock::machine(0).now_ms() / 1000;
    assert_eq!(post(site, body, &signature(body, seconds, SIGNING_SECRET)).await, Some(200));
}

/// What was taken, without repetitions: each is posted at least once.
fn taken(target: &HttpTarget) -> Vec<String> {
    let mut bodies = target.taken();
    bodies.dedup();
    bodies
}

#[tokio::test]
async fn every_webhook_reaches_every_target_in_order_whatever_is_killed_or_away() {
    let (crm, tool) = (HttpTarget::start().await, HttpTarget::start().await);
    let site = site(&[(&crm, "callbell", "CRM_SECRET"), (&tool, "standard_webhooks", "TOOL_SECRET")]).await;
    let bodies: Vec<String> = (0..24).map(|n| event(n, &[])).collect();
    tool.refuse(Some(503), None);
    for (life, bodies) in bodies.chunks(8).enumerate() {
        let process = site.serve().await;
        for body in bodies {
            tell(&site, body).await;
        }
        if life == 1 {
            eventually("the tool was asked again", async || (tool.posts().len() > 2).then_some(())).await;
            tool.refuse(None, None);
        }
        process.kill();
    }
    let _process = site.serve().await;
    for target in [&crm, &tool] {
        eventually("everything was handed on", async || (taken(target).len() >= bodies.len()).then_some(())).await;
        assert_eq!(taken(target), bodies, "in order, byte for byte");
    }
    let now_ms = Clock::machine(0).now_ms();
    assert!(crm.posts().iter().all(|post| has_callbell_signature(post, now_ms)));
    assert!(tool.posts().iter().all(|post| has_standard_signature(post, now_ms)));
    eventually("every result is written", async || {
        list(&site.api("relay?state=queued").await["relays"]).is_empty().then_some(())
    })
    .await;
    let relays = list(&site.api("relay?limit=100").await["relays"]);
    assert_eq!((relays.len(), relays[0]["state"].as_str()), (48, Some("delivered")));
    assert!(relays.iter().all(|relay| relay["body"].is_null()), "what people write is not listed");
    assert!(!site.serve_log().contains("34600000001") && !site.serve_log().contains("canary"));
}

#[tokio::test]
async fn forged_and_replayed_webhooks_leave_no_row_and_reach_nobody() {
    let crm = HttpTarget::start().await;
    let site = site(&[(&crm, "callbell", "CRM_SECRET")]).await;
    let _process = site.serve().await;
    let (body, seconds) = (event(1, &[]), Clock::machine(0).now_ms() / 1000);
    let forged = signature(&body, seconds, "whsec_other");
    let replayed = signature(&body, seconds - 400, SIGNING_SECRET);
    let of_another = signature(&event(2, &[]), seconds, SIGNING_SECRET);
    for signature in [forged, replayed, of_another, "t=1,v1=".into(), String::new()] {
        assert_eq!(post(&site, &body, &signature).await, Some(401), "{signature}");
    }
    assert_eq!(post(&site, &body, &signature(&body, seconds, "whsec_old")).await, Some(200), "while rotating");
    eventually("it is handed on", async || (crm.taken().len() == 1).then_some(())).await;
    assert_eq!(list(&site.api("relay").await["relays"]).len(), 1);
}

#[tokio::test]
async fn a_customers_file_is_kept_and_given_out_as_a_download_only() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let file = format!("http://{}/facture%20%C3%A9t%C3%A9.html?Signature=abc", listener.local_addr().unwrap());
    let page = || async { ([("content-type", "text/html")], "<script>alert(1)</script>") };
    tokio::spawn(axum::serve(listener, Router::new().route("/{name}", get(page))).into_future());
    let crm = HttpTarget::start().await;
    let site = site(&[(&crm, "callbell", "CRM_SECRET")]).await;
    let _process = site.serve().await;
    tell(&site, &event(1, &[file, "http://10.0.0.1/x.jpg".into()])).await;
    let id = list(&site.api("relay").await["relays"])[0]["event"].as_str().unwrap().to_owned();
    let files = eventually("both files have ended", async || {
        let files = list(&site.api(&format!("events/{id}")).await["attachments"]);
        files.iter().all(|file| file["state"] != "queued").then_some(files)
    })
    .await;
    let kept = (&files[0]["name"], &files[0]["state"], &files[1]["state"], &files[1]["href"]);
    assert_eq!(kept, (&json!("facture été.html"), &json!("kept"), &json!("failed"), &Value::Null));
    let url = format!("http://127.0.0.1:{}{}", site.port, files[0]["href"].as_str().unwrap());
    assert_eq!(site.http.get(&url).send().await.unwrap().status(), 401);
    let answer = site.http.get(&url).bearer_auth(RELANCE_TOKEN).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-disposition"), "attachment; filename*=UTF-8''facture%20%C3%A9t%C3%A9%2Ehtml");
    assert_eq!((header("x-content-type-options").as_str(), header("content-length").as_str()), ("nosniff", "25"));
    assert_eq!(answer.text().await.unwrap(), "<script>alert(1)</script>");
    let missing = url.replace("/0", "/1");
    assert_eq!(site.http.get(missing).bearer_auth(RELANCE_TOKEN).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_target_without_its_secret_is_told_of_at_start_and_a_redrive_is_read_strictly() {
    let crm = HttpTarget::start().await;
    let mut site = site(&[(&crm, "callbell", "CRM_SECRET")]).await;
    site.env.remove("CRM_SECRET");
    let _process = site.serve().await;
    assert!(site.serve_log().contains("CRM_SECRET"), "{}", site.serve_log());
    let url = format!("http://127.0.0.1:{}/api/relay/redrive", site.port);
    let ask = async |body: &'static str| {
        let request = site.http.post(&url).bearer_auth(RELANCE_TOKEN).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["redriven"].clone())
    };
    assert_eq!(ask(r#"{"ids":["01"]}"#).await, (200, json!(0)));
    assert_eq!(ask(r#"{"target":"https://nobody.example.com"}"#).await, (200, json!(0)));
    for wrong in ["", "{}", "[]", r#"{"id":"01"}"#, r#"{"ids":"01"}"#] {
        assert_eq!(ask(wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(site.http.post(&url).body("{}").send().await.unwrap().status(), 401);
    let form = site.http.post(&url).bearer_auth(RELANCE_TOKEN).body(r#"{"ids":["01"]}"#);
    assert_eq!(form.send().await.unwrap().status(), 415, "a form of a web page cannot ask for it");
}
