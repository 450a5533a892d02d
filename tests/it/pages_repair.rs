//! The pages on which people repair, in a real browser: what needs them by cause, a run with its trace, a campaign that is
//! paused and resumed.

use crate::browser::Browser;
use crate::other_system::{OtherSystem, says};
use crate::process::{RELANCE_TOKEN, Site, eventually, list};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;
/// How long before its instant a site with a campaign is started.
const BEFORE_S: u64 = 12;
const MEMBERS: usize = 60;

fn nameless(n: u32) -> Value {
    json!({ "order_id": format!("A-{n}"), "order_number": n, "total": 12.5, "currency": "EUR", "accepts_whatsapp": true,
        "customer": { "phone": format!("+3460000{n:04}") } })
}

async fn sign_in(browser: &Browser, address: &str) {
    browser.client.goto(address).await.unwrap();
    browser.see("#token").await.send_keys(RELANCE_TOKEN).await.unwrap();
    browser.click("form button.strong").await;
    browser.see("#deliveries").await;
}

async fn nothing_was_refused(browser: &Browser) {
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "the browser refused something of the page");
}

#[tokio::test]
async fn what_needs_a_person_is_found_by_its_cause_tried_again_left_out_and_cancelled() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    for n in 1..=3 {
        assert_eq!(site.post_order(&nameless(n)).await.unwrap(), 200);
    }
    let (browser, address) = (Browser::start().await, format!("http://127.0.0.1:{}", site.port));
    sign_in(&browser, &address).await;

    browser.click(".places a[href^='/attention']").await;
    browser.see_text(".cause .count", "3").await;
    browser.see_text(".cause .reason", "contact.first_name is missing").await;
    browser.click(".cause button[value=retry]").await;
    browser.see_text("[role=status]", "3 done, 0 refused").await;

    // One of them, with its story.
    browser.click(".cause a[href^='/runs/']").await;
    browser.see_text("#trace li", "tried again by RELANCE_TOKEN").await;
    browser.see_text("#run .state", "needs attention").await;
    browser.see_text("#run a[href^='/contacts/']", "…").await;
    browser.click("#run button[value=skip]").await;
    browser.see_text("[role=status]", "Done, and on record").await;
    browser.see_text("#run .state", "done").await;
    browser.see_text("#trace li", "step left out by RELANCE_TOKEN").await;
    browser.see_text("#run button", "Begin anew").await;
    browser.click("a[hreflang=fr]").await;
    browser.see_text("#trace li", "étape sautée par RELANCE_TOKEN").await;
    browser.see_text("#trace li", "à traiter : contact.first_name manque").await;

    browser.client.goto(&format!("{address}/attention?lang=fr")).await.unwrap();
    browser.see("html[lang=fr]").await;
    browser.see_text(".cause button", "Tout annuler").await;
    browser.click(".cause button[value=cancel]").await;
    browser.see_text("[role=status]", "faits : 2, refusés : 0").await;
    browser.see_text("#attention", "Rien à traiter").await;
    browser.click(".places a[href^='/runs']").await;
    browser.click(".filter a[href*='state=stopped']").await;
    browser.see_text("td .state", "arrêtée").await;
    let numbers = "return !/\\d{8}/.test(document.querySelector('main').innerText)";
    browser.see_that(numbers, vec![], "a page with masked numbers").await;
    browser.client.set_window_size(500, 844).await.unwrap();
    let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
    browser.see_that(fits, vec![], "a page without a horizontal bar").await;
    nothing_was_refused(&browser).await;
    browser.client.close().await.unwrap();

    let stopped = list(&site.api("runs?state=stopped").await["runs"]);
    assert_eq!(stopped.len(), 2);
}

const BOOK: &str = "name: Booking\npurpose: utility\nwhen: { webhook: order.paid }\n\
    contact: { phone: '{{event.customer.phone}}' }\ndo:\n  - id: seats\n    http_request:\n      \
    url: http://127.0.0.1:PORT/people/{{event.customer.phone}}\n      method: POST\n      \
    headers: { Authorization: 'Bearer {{secret.BOOKING_TOKEN}}' }\n  \
    - stop: booked\n";

#[tokio::test]
async fn what_a_run_asked_of_others_is_shown_without_what_was_said() {
    let (mut site, system) = (Site::of("shop"), OtherSystem::start().await);
    let project = std::fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    site.write("relance.yaml", &format!("{project}\nallow_hosts: [127.0.0.1]\n"));
    site.write("workflows/order_paid.yaml", &BOOK.replace("PORT", &system.port.to_string()));
    site.set("BOOKING_TOKEN", "canary-booking-token");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    system.will([says(422, "no seat for +34600000001"), says(201, "{}")]);
    assert_eq!(site.post_order(&nameless(1)).await.unwrap(), 200);
    let run = eventually("the call failed", async || list(&site.api("runs?state=needs_attention").await["runs"]).pop());
    let id = run.await["id"].as_str().unwrap().to_owned();
    let call = site.api(&format!("runs/{id}")).await["calls"][0].clone();
    assert_eq!((&call["method"], &call["host"], &call["step"]), (&json!("POST"), &json!("127.0.0.1"), &json!("0")));
    assert_eq!((&call["state"], &call["http_status"]), (&json!("failed"), &json!(422)));
    assert_eq!((&call["attempts"], &call["reason"]), (&json!(1), &json!("answered 422")));
    let shown = site.run(&["runs", "show", &id]).await;
    assert!(shown.stdout.contains("call POST 127.0.0.1  failed  "), "{shown:?}");
    assert!(shown.stdout.contains("HTTP 422, answered 422, attempts: 1  [step 1]"), "{shown:?}");

    let (browser, address) = (Browser::start().await, format!("http://127.0.0.1:{}", site.port));
    sign_in(&browser, &address).await;
    browser.client.goto(&format!("{address}/runs/{id}?lang=fr")).await.unwrap();
    browser.see_text("#calls .state", "échec").await;
    browser.see_text("#calls", "POST 127.0.0.1").await;
    browser.see_text("#calls", "HTTP 422 · Tentatives : 1").await;
    browser.see_text("#calls .reason", "réponse 422").await;
    browser.see_text("#trace li", "l’appel a échoué : réponse 422").await;
    browser.click("#run button[value=retry]").await;
    eventually("it went on", async || list(&site.api("runs?state=stopped").await["runs"]).pop()).await;
    browser.client.goto(&format!("{address}/runs/{id}?lang=en")).await.unwrap();
    browser.see_text("#calls .state", "done").await;
    let silent = "return !/canary|people|34600000001/.test(document.querySelector('main').innerText)";
    browser.see_that(silent, vec![], "a page without an address, a secret or a number").await;
    nothing_was_refused(&browser).await;
    browser.client.close().await.unwrap();
}

/// A site whose clock stands just before the instant of its campaign, and whose line is slow.
fn gym() -> Site {
    let mut site = Site::of("shop");
    let project = std::fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    let project = project.replace("timezone: Europe/Madrid", "timezone: UTC");
    let project = project.replace("default: true, pace: 100000 per second", "default: true, pace: 3 per second");
    site.write("relance.yaml", &format!("{project}\nconsent: everyone\n"));
    let workflow = "name: Invitation\npurpose: utility\nwhen: { schedule: every day at 10:00 }\n\
        audience: { file: audiences/members.csv }\ndo:\n  - send_message:\n      template: weekly_class\n      \
        values: { first_name: \"{{contact.first_name}}\", class: Yoga }\n";
    site.write("workflows/weekly_class.yaml", workflow);
    let rows: String = (0..MEMBERS).map(|n| format!("+346000{n:05},Name{n}\n")).collect();
    site.write("workflows/audiences/members.csv", &format!("phone,first_name\n{rows}"));
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let until = (10 * 3600 + DAY_S - BEFORE_S - now_s % DAY_S) % DAY_S;
    site.set("RELANCE_CLOCK_OFFSET", format!("+{until}s"));
    site
}

#[tokio::test]
async fn a_campaign_is_paused_and_resumed_where_its_progress_is_shown() {
    let site = gym();
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    let (browser, address) = (Browser::start().await, format!("http://127.0.0.1:{}", site.port));
    sign_in(&browser, &address).await;
    eventually("some messages left", async || (site.messages().await.len() >= 5).then_some(())).await;
    browser.click(".places a[href^='/campaigns']").await;
    browser.see_text(".campaign", "Invitation").await;
    browser.see_text(".campaign", "60 of 60 rows").await;
    browser.click(".campaign button[value=pause]").await;
    browser.see_text("[role=status]", "Done, and on record").await;
    browser.see_text(".campaign .state", "paused").await;
    browser.see_text(".campaign", "held").await;

    let listed = site.run(&["campaigns", "list"]).await;
    assert!(listed.code == 0 && listed.stdout.contains("paused"), "{listed:?}");
    let id = listed.stdout.split(' ').next().unwrap().to_owned();
    let again = site.run(&["campaigns", "pause", &id]).await;
    assert!(again.code == 4 && again.stderr.contains("the campaign is `paused`"), "{again:?}");
    let counted = async || {
        let said = site.run(&["--json", "campaigns", "show", &id]).await;
        let shown: Value = serde_json::from_str(&said.stdout).unwrap();
        (shown["deliveries"]["accepted"].as_u64().unwrap(), shown["deliveries"]["held"].as_u64().unwrap_or_default())
    };
    eventually("no call is open", async || (counted().await.0 + counted().await.1 == MEMBERS as u64).then_some(()))
        .await;
    let (sent, held) = counted().await;
    assert!(held > 0 && sent == site.messages().await.len() as u64, "{sent} sent, {held} held");

    browser.click(".campaign button[value=resume]").await;
    browser.see_text("[role=status]", "Done, and on record").await;
    site.drained().await;
    assert_eq!(site.messages().await.len(), MEMBERS);
    browser.client.refresh().await.unwrap();
    browser.see_text(".campaign .state", "done").await;
    nothing_was_refused(&browser).await;
    browser.client.close().await.unwrap();
    let cancelled = site.run(&["campaigns", "cancel", &id]).await;
    assert_eq!(cancelled.code, 4, "nothing of it is left: {cancelled:?}");
}
