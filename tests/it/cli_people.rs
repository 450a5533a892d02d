//! The rights of a person from the command line: withdraw, allow, export, forget; what is said, and who may.

use crate::process::{Said, Site, eventually};
use serde_json::{Value, json};

const ANA: &str = "+34600000001";

fn shown(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("no JSON: {said:?}"))
}

fn order() -> Value {
    json!({ "order_id": "A-1", "order_number": 1042, "total": 129.9, "currency": "EUR", "accepts_whatsapp": true,
        "customer": { "first_name": "Ana", "phone": ANA } })
}

#[tokio::test]
async fn what_is_held_of_a_person_is_handed_out_and_erased() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    assert_eq!(site.post_order(&order()).await.unwrap(), 200);
    eventually("a message", async || site.deliveries("state=accepted").await.pop()).await;
    site.customer_writes(ANA, "a question").await;

    let withdrawn = site.run(&["contacts", "withdraw", ANA]).await;
    assert!(withdrawn.code == 0 && withdrawn.stdout.contains("no more messages"), "{withdrawn:?}");
    // What is left of it is said wherever the withdrawal is.
    for told in [&withdrawn, &site.run(&["contacts", "show", ANA]).await, &site.run(&["why", ANA]).await] {
        assert!(told.stdout.contains("`purpose: service`"), "{told:?}");
    }
    let person = site.run(&["contacts", "show", ANA]).await;
    assert!(person.stdout.contains("withdrawn all: operator "), "{person:?}");
    assert!(person.stdout.contains("given all: event 01") && !person.stdout.contains("600000001"), "{person:?}");
    assert_eq!(site.run(&["contacts", "allow", ANA]).await.code, 0);
    assert_eq!(site.run(&["contacts", "withdraw", ANA, "--marketing"]).await.code, 0);
    let json = shown(&site.run(&["contacts", "show", ANA, "--json"]).await);
    let acts: Vec<_> = json["contact"]["consent_history"].as_array().unwrap().iter().map(|one| &one["act"]).collect();
    assert_eq!(acts, ["given", "withdrawn", "back", "withdrawn"]);
    assert_eq!(json["contact"]["withdrawal"]["scope"], "marketing");

    let held = shown(&site.run(&["contacts", "export", ANA]).await);
    assert_eq!((&held["version"], &held["contact"]["phone"]), (&json!(1), &json!(ANA)));
    let id = held["contact"]["id"].as_str().unwrap().to_owned();
    assert_eq!(held["runs"][0]["workflow"], "order_paid");
    assert!(held["messages"][0]["message"].to_string().contains("Ana"), "{held:#}");
    let texts = held["events"].to_string();
    assert!(texts.contains("a question") && texts.contains("order_number"), "{held:#}");
    assert_eq!(held["consents"].as_array().unwrap().len(), 4);

    let asked = site.run(&["contacts", "forget", ANA]).await;
    assert!(asked.code == 2 && asked.stderr.contains("--yes"), "nobody at the terminal to ask: {asked:?}");
    assert_eq!(site.run(&["contacts", "show", ANA]).await.code, 0);
    let forgotten = site.run(&["contacts", "forget", "--yes", ANA]).await;
    assert!(forgotten.code == 0 && forgotten.stdout == "+346…01: everything held is erased\n", "{forgotten:?}");
    let left = site.run(&["contacts", "show", ANA]).await;
    assert!(
        left.code == 0 && left.stdout.contains("no more marketing since ") && !left.stdout.contains("Ana"),
        "{left:?}"
    );
    let again = site.run(&["contacts", "forget", &id, "--json", "--yes"]).await;
    assert_eq!((again.code, &shown(&again)["contact"]), (0, &json!(id)));
    let left = shown(&site.run(&["contacts", "export", &id]).await).to_string();
    assert!(!left.contains("600000001") && !left.contains("a question") && left.contains("order_paid"), "{left}");
    for act in ["allow", "export", "forget", "show"] {
        let yes: &[&str] = if act == "forget" { &["--yes"] } else { &[] };
        let nobody = site.run(&[&["contacts", act, "+34600000009"], yes].concat()).await;
        assert!(nobody.code == 4 && nobody.stderr.contains("hint: "), "{act}: {nobody:?}");
    }
}

/// What is kept of the message says more than the platform's codes, of which `opted_out` is one of marketing alone.
#[tokio::test]
async fn why_a_message_was_not_sent_is_printed_in_words() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    assert_eq!(site.run(&["contacts", "withdraw", ANA]).await.code, 0);
    let values = ["first_name=Ana", "order_number=1", "total=2"].map(|value| ["--value", value]).concat();
    let send = [&["send", ANA, "--template", "order_paid", "--opted-in", "--wait"][..], &values].concat();
    let said = site.run(&send).await;
    assert!(said.code == 1 && said.stdout.ends_with("  failed: the person opted out\n"), "{said:?}");
    let message = shown(&site.run(&[&send[..], &["--json"]].concat()).await)["message"].clone();
    assert_eq!((&message["status"], &message["reason"]), (&json!("failed"), &json!("opted_out")), "{message}");
    assert_eq!(message["because"], "the person opted out");
    // An answer still leaves, as what is said of the withdrawal says.
    site.customer_writes(ANA, "one question").await;
    let answer = site.run(&["send", ANA, "--text", "Yes", "--wait"]).await;
    assert!(answer.code == 0, "{answer:?}");
    let told = site.run(&["contacts", "withdraw", ANA]).await;
    assert!(told.stdout.contains("`relance send`"), "{told:?}");
}

/// An order of somebody whom nobody knew before.
fn order_of(phone: &str, id: &str) -> Value {
    let mut order = order();
    (order["order_id"], order["customer"]["phone"]) = (id.into(), phone.into());
    order
}

#[tokio::test]
async fn a_wish_of_somebody_nobody_knows_is_kept_for_when_they_come() {
    const BEA: &str = "+34600000002";
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    let said = site.run(&["contacts", "withdraw", BEA]).await;
    assert!(
        said.code == 0
            && said.stdout.starts_with("+346…02: no more messages, but ")
            && said.stdout.contains("(nobody is known"),
        "{said:?}"
    );
    let (shown_now, why) = (site.run(&["contacts", "show", BEA]).await, site.run(&["why", BEA]).await);
    for told in [&shown_now, &why] {
        let since = told.code == 0 && told.stdout.contains("no more messages since ");
        assert!(since && !told.stdout.contains("600000002"), "{told:?}");
    }
    let json = shown(&site.run(&["contacts", "show", BEA, "--json"]).await);
    assert_eq!((&json["contact"]["id"], &json["contact"]["withdrawal"]["scope"]), (&Value::Null, &json!("all")));
    assert_eq!(json["contact"]["consent_history"].as_array().unwrap().len(), 1, "{json}");

    // It counts for who comes, whatever they agree to later, and is told where it was said and nowhere else.
    assert_eq!(site.post_order(&order_of(BEA, "B-1")).await.unwrap(), 200);
    let skipped = eventually("the message is skipped", async || site.deliveries("state=skipped").await.pop()).await;
    assert_eq!(skipped["reason"], "opted_out");
    let why = site.run(&["why", BEA]).await;
    assert!(why.stdout.contains("agreed (all messages)"), "{why:?}");
    assert_eq!(why.stdout.matches("wants no more").count(), 1, "{why:?}");
    assert!(why.stdout.contains("no more messages since "), "{why:?}");
    assert!(why.stdout.find("wants no more").unwrap() < why.stdout.find("agreed").unwrap(), "{why:?}");
    let list = site.run(&["runs", "list"]).await;
    assert!(list.stdout.contains("  +346…02 ") && list.stdout.contains(":"), "{list:?}");

    // Erased, it is still kept, and lifted by who kept it.
    assert_eq!(site.run(&["contacts", "forget", "--yes", BEA]).await.code, 0);
    assert!(site.run(&["contacts", "show", BEA]).await.stdout.contains("no more messages since "));
    let back = site.run(&["contacts", "allow", BEA]).await;
    assert!(back.code == 0 && back.stdout.starts_with("+346…02: messages are allowed"), "{back:?}");
    assert_eq!(site.run(&["contacts", "show", BEA]).await.code, 4);
    assert_eq!(site.post_order(&order_of(BEA, "B-2")).await.unwrap(), 200);
    eventually("a message", async || site.deliveries("state=accepted").await.pop()).await;
    let acts: Vec<Value> = site.api("audit?limit=9").await["audit"].as_array().unwrap().clone();
    let acts: Vec<&str> =
        acts.iter().rev().filter_map(|row| row["act"].as_str()).filter(|act| *act != "deploy").collect();
    assert_eq!(acts, ["withdraw", "forget", "allow"]);
}

#[tokio::test]
async fn who_may_only_read_or_send_decides_nothing_about_people() {
    let mut site = Site::of("shop");
    let project = std::fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    let tokens = "tokens:\n  reader: { secret: READER_TOKEN, scopes: [read, send] }\n";
    site.write("relance.yaml", &format!("{project}\n{tokens}"));
    site.set("READER_TOKEN", "canary-reader-token");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    site.customer_writes(ANA, "hello").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for act in ["withdraw", "allow", "export", "forget"] {
        let url = format!("http://127.0.0.1:{}/api/contacts/{act}", site.port);
        let ask = async |token: Option<&str>, body: Value| {
            let request = http.post(&url).json(&body);
            let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask(None, json!({ "phone": ANA })).await, 401, "{act}");
        assert_eq!(ask(Some("canary-reader-token"), json!({ "phone": ANA })).await, 403, "{act}");
        let owner = Some(crate::process::RELANCE_TOKEN);
        assert_eq!(ask(owner, json!({})).await, 400, "{act}");
        assert_eq!(ask(owner, json!({ "phone": ANA, "id": "x" })).await, 400, "{act}");
        assert_eq!(ask(owner, json!({ "phone": "nobody" })).await, 400, "{act}");
        // What only a withdrawal means is not taken for more by the others.
        let narrower = ask(owner, json!({ "phone": ANA, "scope": "marketing" })).await;
        assert_eq!(narrower, if act == "withdraw" { 200 } else { 400 }, "{act}");
    }
    assert_eq!(site.run(&["contacts", "show", ANA]).await.code, 0);
}

const CALLS: &str = "
name: Booked
purpose: utility
when: { webhook: booked }
contact: { phone: '{{event.phone}}' }
do:
  - http_request: { method: POST, url: 'http://127.0.0.1:9/bookings/{{event.phone}}', json: { who: '{{event.name}}' } }
";

#[tokio::test]
async fn an_export_of_any_length_holds_what_was_asked_of_other_systems() {
    let site = Site::of("shop");
    let project = std::fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    site.write("relance.yaml", &format!("{project}\nallow_hosts: ['http://127.0.0.1']\n"));
    site.write("workflows/booked.yaml", CALLS);
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    // More than one page of each list.
    for n in 0..120 {
        let data = json!({ "phone": ANA, "name": "Anabelle", "n": n });
        let url = format!("http://127.0.0.1:{}/api/events/booked", site.port);
        let post = site.http.post(url).bearer_auth(crate::process::RELANCE_TOKEN).json(&data);
        assert_eq!(post.send().await.unwrap().status(), 200);
    }
    let held = shown(&site.run(&["contacts", "export", ANA]).await);
    let runs = held["runs"].as_array().unwrap();
    assert_eq!((runs.len(), held["events"].as_array().unwrap().len()), (120, 120));
    let called = |run: &Value| run["calls"][0]["ask"]["url"].as_str().is_some_and(|url| url.contains("600000001"));
    assert!(runs.iter().all(called), "{:#}", runs[0]);
    assert!(runs[0]["calls"][0]["ask"].to_string().contains("Anabelle"));
}
