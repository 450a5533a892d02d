//! The account from the command line, against a sandbox and a running server: exit codes, files, what is said.

use crate::process::{RELANCE_TOKEN, Said, Site, WEBHOOK_SECRET, eventually, list};
use crate::targets::HttpTarget;
use relance::config::Secret;
use relance::connector::Callbell;
use serde_json::{Value, json};
use std::fs;

const ANA: &str = "+34600000001";

fn shown(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("no JSON: {said:?}"))
}

/// A site whose server is reached at its own port.
fn site() -> Site {
    let mut site = Site::of("shop");
    let port = site.port;
    site.set("RELANCE_PUBLIC_URL", format!("http://127.0.0.1:{port}"));
    site
}

#[tokio::test]
async fn the_lock_file_is_compared_pulled_and_kept_from_garbage() {
    let site = site();
    let _sandbox = site.sandbox().await;
    let path = site.path().join("templates.lock.json");
    assert_eq!(site.run(&["templates", "pull"]).await.code, 0);
    let pulled = fs::read_to_string(&path).unwrap();
    let titles: Vec<String> =
        list(&serde_json::from_str(&pulled).unwrap()).iter().map(|row| row["title"].to_string()).collect();
    assert!(titles.is_sorted() && titles.len() >= 2, "{titles:?}");
    assert_eq!(site.run(&["templates", "pull", "--check"]).await.code, 0);
    fs::write(&path, pulled.replacen("\"utility\"", "\"marketing\"", 1)).unwrap();
    let differs = site.run(&["templates", "pull", "--check"]).await;
    assert_eq!(differs.code, 1, "{differs:?}");
    assert!(differs.stdout.contains("R407: its category is `utility`, not `marketing`"), "{differs:?}");
    let json = shown(&site.run(&["templates", "pull", "--check", "--json"]).await);
    assert_eq!((&json["version"], &json["changes"][0]["differences"][0]["code"]), (&json!(1), &json!("R407")));
    let lint = site.run(&["templates", "lint"]).await;
    assert!(lint.code == 1 && lint.stdout.contains("error[R407]"), "{lint:?}");
    assert_eq!(site.run(&["templates", "pull"]).await.code, 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), pulled, "the same bytes again");
    let all = shown(&site.run(&["templates", "list", "--json"]).await);
    let first = &all["templates"][0];
    for wanted in [first["uuid"].as_str().unwrap(), first["title"].as_str().unwrap(), "order_paid"] {
        let one = site.run(&["templates", "show", wanted]).await;
        assert!(one.code == 0 && one.stdout.contains("approved"), "{one:?}");
    }
    let nobody = site.run(&["templates", "show", "nobody"]).await;
    assert!(nobody.code == 4 && nobody.stderr.contains("hint: "), "{nobody:?}");
}

#[tokio::test]
async fn an_account_that_is_not_there_or_refuses_has_its_own_exit_code() {
    let mut site = site();
    let away = site.run(&["templates", "list"]).await;
    assert!(away.code == 3 && away.stderr.contains("hint: "), "{away:?}");
    let _sandbox = site.sandbox().await;
    let lines = site.run(&["channels", "list"]).await;
    assert!(lines.code == 0 && lines.stdout.contains("= `shop` of relance.yaml"), "{lines:?}");
    site.set("CALLBELL_TOKEN", "another");
    let refused = site.run(&["channels", "list"]).await;
    assert!(refused.code == 4 && refused.stderr.contains("CALLBELL_TOKEN"), "{refused:?}");
    site.env.remove("CALLBELL_TOKEN");
    assert_eq!(site.run(&["channels", "list"]).await.code, 2);
    site.set("CALLBELL_TOKEN", "token");
    site.set("CALLBELL_BASE_URL", "http://account.example");
    for command in [&["channels", "list"], &["templates", "list"], &["webhooks", "list"]] {
        let clear = site.run(command).await;
        assert!(clear.code == 2 && clear.stderr.contains("in the clear"), "{clear:?}");
    }
}

#[tokio::test]
async fn the_webhook_is_connected_tested_and_never_taken_from_somebody_without_a_word() {
    let mut site = site();
    let _running = (site.sandbox().await, site.serve().await);
    site.customer_writes(ANA, "hello").await;
    let asked = site.run(&["webhooks", "connect"]).await;
    assert!(asked.code == 2 && asked.stderr.contains("--yes"), "{asked:?}");
    let connected = site.run(&["webhooks", "connect", "--yes", "--json"]).await;
    assert_eq!(connected.code, 0, "{connected:?}");
    let told = shown(&connected);
    assert_eq!((&told["remembered"], list(&told["events"]).len()), (&json!(true), 10));
    assert_eq!(site.run(&["webhooks", "connect"]).await.code, 0, "our own is connected again without asking");
    assert_eq!(site.run(&["webhooks", "test"]).await.code, 0);
    site.customer_writes(ANA, "hello again").await;
    let posts = shown(&site.run(&["webhooks", "list", "--json"]).await);
    assert!(list(&posts["events"]).iter().any(|post| post["event"] == "message_created" && post["code"] == 200));
    assert_eq!(shown(&site.run(&["webhooks", "list", "--failed", "--json"]).await)["events"], json!([]));
    for said in [&asked, &connected] {
        assert!(!format!("{said:?}").contains(WEBHOOK_SECRET), "{said:?}");
    }
    site.set("CALLBELL_WEBHOOK_SECRET", "not-the-servers");
    let refused = site.run(&["webhooks", "test"]).await;
    assert!(refused.code == 4 && refused.stdout.contains("refused  sample event"), "{refused:?}");
    site.env.remove("RELANCE_PUBLIC_URL");
    assert_eq!(site.run(&["webhooks", "connect", "--yes"]).await.code, 2);
}

#[tokio::test]
async fn a_webhook_that_was_ours_once_and_an_empty_log_are_asked_about() {
    let mut site = site();
    let (sandbox, _serve) = (site.sandbox().await, site.serve().await);
    let empty = site.run(&["webhooks", "connect"]).await;
    assert!(empty.code == 2 && empty.stderr.contains("--yes"), "{empty:?}");
    assert_eq!(site.run(&["webhooks", "connect", "--yes"]).await.code, 0);
    site.customer_writes(ANA, "hello").await;
    assert_eq!(site.run(&["webhooks", "connect"]).await.code, 0, "the newest post came here");
    // An hour later, somebody else takes what the account posts.
    drop(sandbox);
    site.set("RELANCE_CLOCK_OFFSET", "+1h");
    let _sandbox = site.sandbox().await;
    let somebody = HttpTarget::start().await;
    let account = Callbell::new(&site.env["CALLBELL_BASE_URL"], Some(Secret::new(&site.env["CALLBELL_TOKEN"])));
    account.unwrap().subscribe(&somebody.url).await.unwrap();
    site.customer_writes(ANA, "hello there").await;
    let moved = site.run(&["webhooks", "connect"]).await;
    assert!(moved.code == 2 && moved.stderr.contains("--yes"), "{moved:?}");
}

#[tokio::test]
async fn a_received_event_becomes_a_sample_of_nobody_that_can_be_played() {
    const BEA: &str = "+34655123456";
    let site = site();
    let _serve = site.serve().await;
    let order = json!({ "order_id": "R-1", "order_number": 7, "total": 12, "currency": "EUR", "accepts_whatsapp": true,
        "customer": { "phone": BEA, "first_name": "Bea", "mail": "bea@shop.es", "address": "Calle Mayor 5" },
        "comment": "Bea here, ring twice", "by": "655 123 456" });
    assert_eq!(site.post_order(&order).await.unwrap(), 200);
    let sample = |name: &str| -> Value {
        let text = fs::read_to_string(site.path().join(format!("workflows/samples/{name}.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(site.run(&["webhooks", "record", "order.paid", "--as", "free.order"]).await.code, 0);
    let free = sample("free.order");
    let customer =
        json!({ "phone": "+34655000001", "first_name": "Alex", "mail": "person1@example.com", "address": "…" });
    assert_eq!((&free["order_id"], &free["customer"]), (&json!("R-1"), &customer));
    assert_eq!((&free["comment"], &free["by"]), (&json!("…"), &json!("+34655000001")));
    let played = site.run(&["preview", "order_paid", "--sample", "free.order"]).await;
    assert!(played.code == 0 && played.stdout.contains("Hi Alex, we received"), "{played:?}");
    let open = ["webhooks", "record", "order.paid", "--show-pii"];
    site.write("workflows/samples/order.paid.json", "{}");
    let there = site.run(&open).await;
    assert!(there.code == 2 && there.stderr.contains("--force") && sample("order.paid") == json!({}), "{there:?}");
    assert_eq!(site.run(&[&open[..], &["--force"]].concat()).await.code, 0);
    assert_eq!(sample("order.paid"), order);
    let turned = json!({ "order_id": "R-2", "direction": "north", "customer": { "phone": ANA } });
    assert_eq!(site.post_order(&turned).await.unwrap(), 200);
    assert_eq!(site.run(&["webhooks", "record", "order.paid", "--as", "turned"]).await.code, 0);
    assert_eq!(sample("turned")["order_id"], "R-2", "only our own messages are left out");
    assert_eq!(site.run(&["webhooks", "record", "nobody"]).await.code, 4);
    assert_eq!(site.run(&["webhooks", "record", "order.paid", "--as", "../x"]).await.code, 2);
}

#[tokio::test]
async fn people_of_a_file_are_taken_in_once_and_bad_rows_are_told_by_line() {
    let site = site();
    let _serve = site.serve().await;
    let file = b"Phone;first_name;language;consent;city\r\n600 000 001;Ana;es;yes;Madrid\r\n12;Bad;;;\r\n\
        +34600000002;Ren\xe9e;klingon;no;\r\n+34 600 000 001;Twice;;;\r\n;Nobody;;;\r\n";
    fs::write(site.path().join("people.csv"), file).unwrap();
    let path = site.path().join("people.csv");
    let path = path.to_str().unwrap();
    let said = site.run(&["contacts", "import", path, "--json"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let told = shown(&said);
    assert_eq!(told["counts"], json!({ "created": 2, "updated": 0, "unchanged": 0, "duplicate": 1, "bad": 2 }));
    let bad = json!([{ "line": 3, "reason": "bad_number" }, { "line": 6, "reason": "no_contact" }]);
    assert_eq!(told["bad_rows"], bad);
    assert!(said.stderr.contains("left out: city"), "{said:?}");
    let told = site.run(&["contacts", "import", path]).await.stdout;
    assert!(told.contains("line 3: the number cannot be read: write it with its country, `+34…`"), "{told}");
    let again = shown(&site.run(&["contacts", "import", path, "--json"]).await);
    assert_eq!(again["counts"]["unchanged"], 2);
    let ana = shown(&site.run(&["contacts", "show", ANA, "--json"]).await);
    assert_eq!((&ana["contact"]["first_name"], &ana["contact"]["phone"]), (&json!("Ana"), &json!("+346…01")));
    assert!(ana["contact"]["consent"]["proof"].as_str().unwrap().contains("people.csv, line 2"), "{ana}");
    let renee = shown(&site.run(&["contacts", "show", "600000002", "--json", "--show-pii"]).await);
    assert_eq!(
        (&renee["contact"]["first_name"], &renee["contact"]["phone"]),
        (&json!("Renée"), &json!("+34600000002"))
    );
    assert_eq!((&renee["contact"]["consent"], &renee["contact"]["language"]), (&Value::Null, &Value::Null));
    assert_eq!(site.run(&["contacts", "show", "+34600000009"]).await.code, 4);
    assert_eq!(site.run(&["contacts", "import", "/nowhere.csv"]).await.code, 2);
}

#[tokio::test]
async fn the_doctor_finds_nothing_where_nothing_is_wrong_and_says_what_is() {
    let mut site = site();
    let verdicts = |said: &Said| -> Vec<String> {
        let row = |row: &Value| format!("{} {}", row["check"].as_str().unwrap(), row["verdict"].as_str().unwrap());
        list(&shown(said)["checks"]).iter().map(row).collect()
    };
    let ill = site.run(&["doctor", "--json"]).await;
    assert_eq!(ill.code, 1);
    for wrong in ["token error", "address error", "server warn"] {
        assert!(verdicts(&ill).contains(&wrong.to_owned()), "{wrong}: {ill:?}");
    }
    assert!(!site.path().join(".relance/relance.db").exists(), "the doctor makes nothing");
    let _running = (site.sandbox().await, site.serve().await);
    site.customer_writes(ANA, "hello").await;
    let well = site.run(&["doctor", "--json"]).await;
    assert_eq!(well.code, 0, "{well:?}");
    for fine in ["configuration", "secrets", "database", "token", "clock", "webhook", "templates", "address", "server"]
    {
        assert!(verdicts(&well).contains(&format!("{fine} ok")), "{fine}: {well:?}");
    }
    let plain = site.run(&["doctor"]).await;
    for secret in [RELANCE_TOKEN, WEBHOOK_SECRET] {
        assert!(!plain.stdout.contains(secret));
    }
    site.write("workflows/broken.yaml", "name: [\n");
    site.set("CALLBELL_TOKEN", "another");
    let ill = site.run(&["doctor", "--json"]).await;
    assert!(ill.code == 1 && verdicts(&ill)[0] == "configuration error", "{ill:?}");
    assert!(verdicts(&ill).contains(&"token error".to_owned()));
}

#[tokio::test]
async fn one_message_is_sent_by_hand_and_its_status_awaited() {
    let site = site();
    let _running = (site.sandbox().await, site.serve().await);
    let closed = site.run(&["send", ANA, "--text", "Hi"]).await;
    assert!(closed.code == 4 && closed.stderr.contains("--template <name>"), "{closed:?}");
    site.customer_writes(ANA, "hello").await;
    let sent = site.run(&["send", "600000001", "--text", "Hi", "--channel", "shop", "--wait", "--json"]).await;
    assert_eq!(sent.code, 0, "{sent:?}");
    assert!(["sent", "delivered"].contains(&shown(&sent)["message"]["status"].as_str().unwrap()), "{sent:?}");
    let once = ["send", ANA, "--text", "Once", "--idempotency-key", "k-1"];
    let (first, again) = (site.run(&once).await, site.run(&once).await);
    assert!(first.code == 0 && first.stdout[..32] == again.stdout[..32], "{first:?} {again:?}");
    let values = ["--value", "first_name=Bea", "--value", "order_number=7", "--value", "total=5 €"];
    let template = [&["send", "+34600000002", "--template", "order_paid"][..], &values, &["--wait"]].concat();
    let unasked = site.run(&template).await;
    assert!(unasked.code == 2 && unasked.stderr.contains("--opted-in"), "{unasked:?}");
    let sent = site.run(&[&template[..], &["--opted-in"]].concat()).await;
    assert_eq!(sent.code, 0, "{sent:?}");
    let bodies: Vec<Value> = site.messages().await.iter().map(|message| message["body"].clone()).collect();
    assert!(
        bodies.iter().any(|body| body["content"]["text"] == "Hi" && body["channel_uuid"].is_string()),
        "{bodies:?}"
    );
    assert!(bodies.iter().any(|body| body["template_values"] == json!(["Bea", "7", "5 €"])), "{bodies:?}");
}

/// What the account holds is asked at the start: what differs is told by the API before any message meets it.
#[tokio::test]
async fn a_server_tells_what_differs_in_the_account() {
    let site = site();
    let _sandbox = site.sandbox().await;
    let lock = fs::read_to_string(site.path().join("templates.lock.json")).unwrap();
    let mut templates: Value = serde_json::from_str(&lock).unwrap();
    for template in templates.as_array_mut().unwrap() {
        template["text"] = format!("{} More", template["text"].as_str().unwrap()).into();
    }
    site.write("templates.lock.json", &templates.to_string());
    let _serve = site.serve().await;
    let alerts = eventually("the alert", async || {
        let alerts = list(&site.api("alerts").await["alerts"]);
        (!alerts.is_empty()).then_some(alerts)
    })
    .await;
    assert!(alerts[0]["what"].as_str().unwrap().contains("R404: the approved text is another one"), "{alerts:?}");
    let said = site.run(&["doctor", "--json"]).await;
    assert!(said.stdout.contains("R404"), "{said:?}");
    assert!(site.serve_log().contains("R404"));
}
