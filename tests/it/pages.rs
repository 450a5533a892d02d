//! The pages of `relance serve` in a real browser: a message in doubt is found, and a person says what became of it.

use crate::browser::Browser;
use crate::process::{RELANCE_TOKEN, Site, eventually};
use serde_json::{Value, json};

fn order(id: &str) -> Value {
    json!({ "order_id": id, "order_number": 1042, "total": 129.9, "currency": "EUR", "accepts_whatsapp": true,
        "customer": { "first_name": "Ana", "phone": "+34600000001" } })
}

/// A site whose next message is taken by the account while its answer, and every event about it, gets lost.
async fn site_with_a_message_in_doubt(site: &Site) {
    site.customer_writes("+34600000001", "Are my shoes ready?").await;
    site.turn("faults", &json!({ "dropped_answer": 1, "webhook_off": true })).await;
    assert_eq!(site.post_order(&order("A-1")).await.unwrap(), 200);
    eventually("a message in doubt", async || site.deliveries("state=uncertain").await.pop()).await;
}

async fn sign_in(browser: &Browser, address: &str, token: &str) {
    browser.client.goto(address).await.unwrap();
    browser.see("#token").await.send_keys(token).await.unwrap();
    browser.click("form button.strong").await;
}

#[tokio::test]
async fn a_person_finds_a_message_in_doubt_and_says_what_became_of_it() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    site_with_a_message_in_doubt(&site).await;
    let (browser, address) = (Browser::start().await, format!("http://127.0.0.1:{}", site.port));

    sign_in(&browser, &address, "not the token").await;
    browser.see_text("[role=alert]", "this token opens nothing here").await;
    sign_in(&browser, &address, RELANCE_TOKEN).await;
    browser.see_text("#deliveries h2", "Messages").await;
    browser.click(".filter a[href*='state=uncertain']").await;
    browser.see_text(".filter [aria-current]", "uncertain").await;
    browser.see_text("td .text", "Hi Ana, we received your payment").await;
    browser.see_text("td li", "nobody can tell").await;

    browser.click("button[value=was_sent]").await;
    browser.see_text("[role=status]", "The answer is on record").await;
    browser.see_text("#deliveries", "No message here").await;
    let settled = site.deliveries("state=accepted").await;
    assert_eq!(settled.len(), 1);
    assert_eq!(site.messages().await.len(), 1, "nothing was sent again");

    browser.client.goto(&format!("{address}/deliveries?lang=fr")).await.unwrap();
    browser.see("html[lang=fr]").await;
    browser.see_text(".filter a", "tous").await;
    assert_eq!(
        browser.complaints().await.iter().filter(|line| !line.contains("401")).count(),
        0,
        "the browser refused something of the page"
    );
    browser.click("header form button").await;
    browser.see("#token").await;
    browser.client.goto(&format!("{address}/deliveries")).await.unwrap();
    browser.see("#token").await;
    browser.client.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_shown_without_a_session_nor_changed_without_its_form() {
    let mut site = Site::of("shop");
    let project = std::fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    let project = format!("{project}\nallow_hosts: [\"http://desk.example.com\"]");
    site.write("relance.yaml", &format!("{project}\ntokens:\n  reader: {{ secret: READER_TOKEN, scopes: [read] }}\n"));
    site.set("READER_TOKEN", "canary-reader-token");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    site_with_a_message_in_doubt(&site).await;
    let id = site.deliveries("state=uncertain").await[0]["id"].as_str().unwrap().to_owned();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let address = |path: &str| format!("http://127.0.0.1:{}{path}", site.port);
    let form = "application/x-www-form-urlencoded";
    let sign_in = async |token: &str| {
        let request = http.post(address("/login")).header("content-type", form).body(format!("token={token}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    };
    let settle = async |cookie: &str, form_token: &str| {
        let request = http.post(address(&format!("/deliveries/{id}/settle"))).header("cookie", cookie);
        let body = format!("form_token={form_token}&answer=was_sent");
        request.header("content-type", form).body(body).send().await.unwrap().status().as_u16()
    };
    let form_token_of = async |cookie: &str| {
        let page = http.get(address("/deliveries?state=uncertain")).header("cookie", cookie).send().await.unwrap();
        let html = page.text().await.unwrap();
        html.split("name=\"form_token\" value=\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned())
    };

    assert_eq!(http.get(address("/deliveries")).send().await.unwrap().status(), 303);
    assert_eq!(settle("", "").await, 303, "without a session: to the sign-in");
    let (operator, reader) = (sign_in(RELANCE_TOKEN).await, sign_in("canary-reader-token").await);
    assert_eq!(settle(&operator, "").await, 403);
    let of_operator = form_token_of(&operator).await.unwrap();
    assert_eq!(settle(&reader, &of_operator).await, 403, "a form of another session");
    assert_eq!(form_token_of(&reader).await, None, "a reader is offered nothing to change");
    assert_eq!(site.deliveries("state=uncertain").await.len(), 1);
    let run = site.deliveries("state=uncertain").await[0]["run"].as_str().unwrap().to_owned();
    let act = async |act: &str| {
        let request = http.post(address(&format!("/runs/{run}/act"))).header("cookie", &operator);
        let body = format!("form_token={of_operator}&act={act}");
        request.header("content-type", form).body(body).send().await.unwrap().status().as_u16()
    };
    for unknown in ["", "stop", "Replay"] {
        assert_eq!(act(unknown).await, 400, "`{unknown}` is no order");
    }
    assert_eq!(act("replay").await, 303, "refused by the engine, not by the form");
    assert_eq!(settle(&operator, &of_operator).await, 303);
    assert!(site.deliveries("state=uncertain").await.is_empty());
    // An event that could not be judged has no page of its own.
    let order = json!({ "order_id": ["A-2"], "total": 12, "customer": { "phone": "+34600000002" } });
    assert_eq!(site.post_order(&order).await.unwrap(), 200);
    let attention = async || {
        let page = http.get(address("/attention")).header("cookie", &operator).send().await.unwrap();
        page.text().await.unwrap()
    };
    let html = eventually("a cause", async || Some(attention().await).filter(|html| html.contains("cause-"))).await;
    assert!(html.contains(" <code>") && !html.contains("/api/events/"), "{html}");
    for (lang, due, loosened) in [
        ("en", "Nothing is overdue.", "called without encryption"),
        ("fr", "Rien n’est en retard.", "sans chiffrement"),
    ] {
        let page =
            http.get(address(&format!("/deliveries?lang={lang}"))).header("cookie", &reader).send().await.unwrap();
        let html = page.text().await.unwrap();
        assert!(html.contains(due) && html.contains("http://desk.example.com") && html.contains(loosened), "{html}");
    }
}

#[tokio::test]
async fn the_page_of_a_person_tells_what_they_wanted_and_when() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    assert_eq!(site.post_order(&order("A-1")).await.unwrap(), 200);
    eventually("a message", async || site.deliveries("state=accepted").await.pop()).await;
    site.customer_writes("+34600000001", "Baja").await;
    eventually("the answer", async || (site.deliveries("state=accepted").await.len() == 2).then_some(())).await;
    let (browser, address) = (Browser::start().await, format!("http://127.0.0.1:{}", site.port));
    sign_in(&browser, &address, RELANCE_TOKEN).await;
    browser.see_text("#deliveries td", "answer to a stop word").await;
    browser.click("#deliveries td a[href^='/contacts/']").await;
    browser.see_text("#consent h2", "wants no messages, but for answers (purpose service)").await;
    browser.see_text("#consent tr.given", "agreed").await;
    browser.see_text("#consent tr.withdrawn", "baja, event").await;
    browser.see_text("#messages .text", "no recibirás más mensajes").await;
    browser.see_text("#person dd", "+346…01").await;
    browser.click("#person dd a").await;
    browser.see_text("#person dd", "+34600000001").await;
    browser.click(".language").await;
    browser.see_text("#consent h2", "ne veut plus de messages").await;
    browser.see_text("#person dd", "+346…01").await;
    assert_eq!(browser.complaints().await.len(), 0, "the browser refused something of the page");
    browser.client.close().await.unwrap();
}
