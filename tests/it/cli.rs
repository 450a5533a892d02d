//! The command line as people and scripts meet it: exit codes, what is said where, and what is never said.

use crate::process::{CALLBELL_TOKEN, RELANCE_TOKEN, Said, Site, TILL_TOKEN, WEBHOOK_SECRET, eventually, list};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

const ANA: &str = "+34600000001";

/// A workflow whose sixth and seventh lines are to be replaced.
fn workflow(text: &str, value: &str) -> String {
    format!(
        "name: Order paid\npurpose: utility\nwhen: {{ webhook: order.paid }}\n\
         contact: {{ phone: \"{{{{event.customer.phone}}}}\" }}\ndo:\n  - send_message:\n{text}\n      \
         template: order_paid\n      values:\n        {value}\n        order_number: \"1\"\n        total: \"2\"\n"
    )
}

/// The five mistakes that a beginner makes first: file, what was written, its place, and the remedy.
fn five_mistakes(site: &Site) -> Vec<(&'static str, &'static str)> {
    let fine = "first_name: \"{{event.customer.first_name}}\"";
    let said = "      text: Your order is paid";
    let files = [
        ("braces", workflow("      text: {{event.customer.first_name}}, thanks", fine)),
        ("hash", workflow("      text: Your order #1042 is paid", fine)),
        ("field", workflow("      text: Hi {{event.customer.firstname}}", fine)),
        ("value", workflow(said, "firstname: Ana")),
        ("tab", workflow("\t  text: Your order is paid", fine)),
    ];
    for (name, text) in files {
        site.write(&format!("workflows/{name}.yaml"), &text);
    }
    vec![
        ("workflows/braces.yaml:7:13: error[R101]", "\"{{event.customer.first_name}}, thanks\""),
        ("workflows/hash.yaml:7:24: error[R102]", "\"Your order #1042 is paid\""),
        ("workflows/field.yaml:7:18: error[R307]", "did you mean `event.customer.first_name`?"),
        ("workflows/value.yaml:10:9: error[R403]", "rename it to `first_name`"),
        ("workflows/tab.yaml:7:1: error[R105]", "indent with spaces"),
    ]
}

/// Each mistake stands at its place, with its remedy before the next one begins.
fn assert_told(told: &str, mistakes: &[(&str, &str)]) {
    for (place, remedy) in mistakes {
        let from = told.find(place).unwrap_or_else(|| panic!("{place} is missing:\n{told}"));
        let one = told[from..].split("\n\n").next().unwrap();
        assert!(one.contains("hint: ") && one.contains(remedy), "{remedy} is missing:\n{one}");
    }
}

#[tokio::test]
async fn the_five_mistakes_a_beginner_makes_first_are_told_with_place_and_remedy() {
    let site = Site::of("shop");
    let fine = site.run(&["check", "--offline"]).await;
    assert!(fine.code == 0 && fine.stdout.ends_with(" files, no mistakes\n"), "{fine:?}");
    assert_eq!(fine.stdout.lines().count(), 1, "{fine:?}");
    let mistakes = five_mistakes(&site);
    let said = site.run(&["check", "--offline"]).await;
    assert_eq!(said.code, 1);
    assert_told(&said.stdout, &mistakes);
}

#[tokio::test]
async fn mistakes_are_told_to_programs_as_json() {
    let site = Site::of("shop");
    let fine = site.run(&["check", "--json", "--offline"]).await;
    let shown: Value = serde_json::from_str(&fine.stdout).unwrap();
    assert_eq!((fine.code, &shown["version"], &shown["errors"]), (0, &json!(1), &json!(0)));
    let mistakes = five_mistakes(&site);
    let said = site.run(&["--json", "check", "--offline"]).await;
    let shown: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(said.code, 1);
    let rows = list(&shown["diagnostics"]);
    assert_eq!(shown["errors"], rows.len());
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            format!("{}:{}:{}: {}[{}]", text("file"), row["line"], row["column"], text("severity"), text("code"))
        })
        .collect();
    for (place, _) in mistakes {
        assert!(told.iter().any(|one| one == place), "{place} is missing: {told:?}");
    }
    assert!(rows.iter().all(|row| row["hint"].as_str().is_some_and(|hint| !hint.is_empty())), "{shown}");
}

fn assert_refused(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, code, "{said:?}");
    for word in words {
        assert!(said.stderr.contains(word), "{word} is missing: {}", said.stderr);
    }
    assert!(said.stderr.contains("hint: "), "{}", said.stderr);
    assert!(said.stdout.is_empty(), "talk goes to stderr: {}", said.stdout);
}

#[tokio::test]
async fn serve_refuses_to_start_with_every_mistake_listed() {
    let site = Site::of("shop");
    let mistakes = five_mistakes(&site);
    let said = site.run(&["serve"]).await;
    assert_refused(&said, 78, &["errors in"]);
    assert_told(&said.stderr, &mistakes);
    assert!(!site.path().join(".relance").exists(), "nothing was opened");
}

#[tokio::test]
async fn serve_refuses_an_environment_that_is_not_safe() {
    let mut site = Site::of("shop");
    let listen = site.env["RELANCE_LISTEN"].clone();
    site.env.remove("CALLBELL_TOKEN");
    assert_refused(&site.run(&["serve"]).await, 78, &["CALLBELL_TOKEN"]);
    site.set("CALLBELL_TOKEN", CALLBELL_TOKEN);
    site.env.remove("RELANCE_TOKEN");
    site.set("RELANCE_LISTEN", "0.0.0.0:4000");
    assert_refused(&site.run(&["serve"]).await, 78, &["RELANCE_TOKEN", "RELANCE_LISTEN"]);
    site.set("RELANCE_LISTEN", &listen);
    site.set("RELANCE_CLOCK_OFFSET", "+26h");
    site.set("CALLBELL_BASE_URL", "https://api.callbell.eu/v1");
    assert_refused(&site.run(&["serve"]).await, 78, &["RELANCE_CLOCK_OFFSET", "CALLBELL_BASE_URL"]);
    site.set("RELANCE_CLOCK_OFFSET", "soon");
    site.env.remove("CALLBELL_TOKEN");
    assert_refused(&site.run(&["serve"]).await, 78, &["RELANCE_CLOCK_OFFSET"]);
    site.env.remove("RELANCE_CLOCK_OFFSET");
    site.set("CALLBELL_TOKEN", CALLBELL_TOKEN);
    site.set("RELANCE_STATE", "/dev/null/state");
    assert_refused(&site.run(&["serve"]).await, 78, &["/dev/null/state", "RELANCE_STATE"]);
    site.env.remove("RELANCE_STATE");
    site.set("RELANCE_LISTEN", "somewhere");
    assert_refused(&site.run(&["serve"]).await, 78, &["RELANCE_LISTEN"]);
    fs::remove_file(site.path().join("relance.yaml")).unwrap();
    assert_refused(&site.run(&["serve"]).await, 78, &["relance.yaml"]);
}

#[tokio::test]
async fn what_cannot_be_reached_is_exit_3() {
    let mut site = Site::of("shop");
    for command in [&["trigger", "order.paid"][..], &["runs", "list"], &["runs", "show", "x"]] {
        assert_refused(&site.run(command).await, 3, &["no relance server answers", "relance serve"]);
    }
    site.set("RELANCE_DATABASE_URL", "postgres://relance:canary-password@127.0.0.1:1/relance");
    let said = site.run(&["serve"]).await;
    assert_refused(&said, 3, &["RELANCE_DATABASE_URL"]);
    assert!(!said.stderr.contains("canary-password"), "{}", said.stderr);
}

#[tokio::test]
async fn what_the_server_refuses_is_exit_4_and_what_is_not_understood_exit_2() {
    let mut site = Site::of("shop");
    let _serve = site.serve().await;
    assert_refused(&site.run(&["runs", "show", "nobody"]).await, 4, &["404"]);
    assert_refused(&site.run(&["trigger", "no event"]).await, 4, &["400"]);
    site.set("RELANCE_TOKEN", "wrong");
    assert_refused(&site.run(&["runs", "list"]).await, 4, &["401"]);
    assert_refused(&site.run(&["trigger", "order.paid"]).await, 4, &["401"]);
    for wrong in [&["bake"][..], &["trigger"], &["serve", "--fast"], &["trigger", "order.paid", "--with", "x"]] {
        let said = site.run(wrong).await;
        assert!(said.code == 2 && said.stdout.is_empty() && !said.stderr.is_empty(), "{said:?}");
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused() {
    let mut site = Site::of("shop");
    let _serve = site.serve().await;
    let other = Site::of("smallest");
    site.set("RELANCE_LISTEN", &other.env["RELANCE_LISTEN"]);
    assert_refused(&site.run(&["serve"]).await, 3, &["another relance process"]);
    assert_eq!(site.api("runs").await["runs"], json!([]), "the first one serves on");
}

/// What waits to be sent is not begun by a start that fails, or its calls would be cut off.
#[tokio::test]
async fn a_start_on_a_port_that_is_taken_sends_nothing() {
    let mut site = Site::of("shop");
    let _sandbox = site.sandbox().await;
    // While the account cannot be reached, what is accepted waits.
    let base_url = site.env["CALLBELL_BASE_URL"].clone();
    site.set("CALLBELL_BASE_URL", "http://127.0.0.1:1/v1");
    let mut serve = site.serve().await;
    for number in 0..20 {
        assert_eq!(site.post_order(&order(number)).await.unwrap(), 200);
    }
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    site.set("CALLBELL_BASE_URL", base_url);
    let taken = std::net::TcpListener::bind(("127.0.0.1", site.port)).unwrap();
    assert_refused(&site.run(&["serve"]).await, 78, &["RELANCE_LISTEN"]);
    assert_eq!(site.messages().await, [] as [Value; 0]);
    drop(taken);
    let _serve = site.serve().await;
    site.drained().await;
    assert_eq!(site.messages().await.len(), 20);
    assert_eq!(site.deliveries("state=uncertain").await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_triggered_run_is_listed_and_shown_with_its_trace() {
    let site = Site::of("shop");
    let _running = (site.sandbox().await, site.serve().await);
    let said = site.run(&["trigger", "order.paid", "--sample", "--with", "order_id=T-1", "--wait"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("order_paid") && said.stdout.contains("accepted"), "{}", said.stdout);
    let listed = site.run(&["runs", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let run = listed["runs"][0]["id"].as_str().unwrap();
    assert_eq!(listed["runs"][0]["state"], "done");
    assert!(site.run(&["runs", "list"]).await.stdout.contains(run));
    let shown = site.run(&["runs", "show", run]).await;
    assert_eq!(shown.code, 0);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].contains(run) && lines[0].contains("order_paid") && lines[0].contains("done"), "{lines:?}");
    assert!(lines.len() >= 3 && lines.iter().any(|line| line.contains("template")), "{lines:?}");
    assert!(!shown.stdout.contains(&ANA[1..]), "the number is masked: {}", shown.stdout);
    let none = site.run(&["trigger", "nothing.listens"]).await;
    assert!(none.code == 0 && none.stdout.contains("no workflow") && none.stderr.is_empty(), "{none:?}");
    let slip = site.run(&["trigger", "order.payd"]).await;
    assert!(slip.stdout.contains("no workflow") && slip.stderr.contains("did you mean `order.paid`?"), "{slip:?}");
    let workflow = std::fs::read_to_string(site.path().join("workflows/order_paid.yaml")).unwrap();
    site.write("workflows/order_paid.yaml", &format!("{workflow}stop_when: {{ webhook: order.payd }}\n"));
    let stops = site.run(&["trigger", "order.payd"]).await;
    assert!(
        stops.stdout.contains("no workflow") && stops.stderr.is_empty(),
        "what it would stop is not there: {stops:?}"
    );
    let waited = site.run(&["trigger", "order.paid", "--sample", "--with", "total=0", "--wait"]).await;
    assert_eq!(waited.code, 0, "that nothing starts is an answer: {waited:?}");
    assert!(waited.stdout.contains("event.total > 0"), "and says why: {waited:?}");
}

#[tokio::test]
async fn the_next_firings_of_schedules_are_printed() {
    let site = Site::of("shop");
    let said = site.run(&["schedule"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("weekly_class") && said.stdout.contains("10:00"), "{}", said.stdout);
    let shown = site.run(&["schedule", "--json", "--count", "2"]).await;
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert!(shown.to_string().matches("T10:00:00").count() == 2, "{shown}");
}

/// SIGTERM while calls are open: they end, nothing new begins, and nothing is left uncertain.
#[tokio::test]
async fn sigterm_drains_with_nothing_uncertain_and_the_rest_is_sent_after_the_next_start() {
    let site = Site::of("shop");
    let _sandbox = site.sandbox().await;
    site.turn("faults", &json!({ "delay": 3000 })).await;
    let mut serve = site.serve().await;
    for number in 0..100 {
        assert_eq!(site.post_order(&order(number)).await.unwrap(), 200);
    }
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    let before = site.messages().await.len();
    assert!((1..100).contains(&before), "{before} messages left before the end");
    let _serve = site.serve().await;
    assert_eq!(site.deliveries("state=uncertain").await, [] as [Value; 0]);
    site.turn("faults", &json!({ "delay": 0 })).await;
    site.drained().await;
    assert_eq!(site.messages().await.len(), 100);
    assert_eq!(site.deliveries("state=accepted&limit=1000").await.len(), 100);
    assert!(!site.serve_log().contains("uncertain"), "{}", site.serve_log());
}

fn order(number: usize) -> Value {
    json!({ "order_id": number.to_string(), "order_number": number, "total": 5, "currency": "EUR",
        "accepts_whatsapp": true, "customer": { "first_name": "Ana", "phone": format!("+346{number:08}") } })
}

#[tokio::test]
async fn after_sigterm_a_load_balancer_has_three_seconds_to_notice() {
    let site = Site::of("shop");
    let _sandbox = site.sandbox().await;
    let mut serve = site.serve_with(&[]).await;
    serve.signal("TERM");
    eventually("/readyz says no", async || {
        let answer = site.http.get(format!("http://127.0.0.1:{}/readyz", site.port)).send().await.unwrap();
        (answer.status() == 503).then_some(())
    })
    .await;
    assert_eq!(site.post_order(&order(1)).await.unwrap(), 200, "events are still taken in");
    assert_eq!(serve.ended().await, 0);
    let mut serve = site.serve_with(&[]).await;
    site.drained().await;
    assert_eq!(site.messages().await.len(), 1);
    serve.signal("TERM");
    serve.signal("INT");
    assert_eq!(
        tokio::time::timeout(Duration::from_millis(2500), serve.ended()).await,
        Ok(0),
        "a second signal ends it"
    );
}

#[tokio::test]
async fn sighup_reads_the_folder_again_and_a_mistake_changes_nothing() {
    let site = Site::of("shop");
    let _sandbox = site.sandbox().await;
    let serve = site.serve().await;
    site.customer_writes(ANA, "hello").await;
    let write = |text: &str| {
        let workflow =
            format!("name: Hi\nwhen: {{ webhook: hi.asked }}\ncontact: {{ phone: \"{ANA}\" }}\npurpose: utility\n");
        site.write(
            "workflows/hi.yaml",
            &format!("{workflow}do:\n  - send_message: {{ text: {text}, outside_window: skip }}\n"),
        );
    };
    let reread = async |words: &str, times: usize| {
        serve.signal("HUP");
        eventually(words, async || (serve.log().matches(words).count() == times).then_some(())).await;
    };
    let said = async || {
        let said = site.run(&["trigger", "hi.asked", "--wait"]).await;
        assert_eq!(said.code, 0, "{said:?}");
        site.messages().await.pop().unwrap()["text"].clone()
    };
    write("one");
    reread("the project was read again", 1).await;
    assert_eq!(said().await, "one");
    write("two");
    reread("the project was read again", 2).await;
    assert_eq!(said().await, "two");
    write("{{three}}");
    reread("the project was not read again", 1).await;
    assert!(serve.log().contains("workflows/hi.yaml:6:"), "{}", serve.log());
    assert_eq!(said().await, "two");
}

/// Whether a file below a folder holds one of these texts.
fn files_with(folder: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let holds = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        found.extend(texts.iter().find(holds).map(|text| format!("{}: {text}", path.display())));
    }
    found
}

/// Secrets are stored nowhere; numbers and texts are in the database, and in no log, however much is logged.
#[tokio::test]
async fn no_secret_number_or_text_is_ever_logged() {
    let mut site = Site::of("shop");
    site.set("RUST_LOG", "trace");
    site.set("RELANCE_LOG", "trace");
    let _sandbox = site.sandbox().await;
    let mut serve = site.serve_with(&["-vv", "--no-goodbye"]).await;
    site.customer_writes(ANA, "canary-words-of-a-customer").await;
    let mut ana = order(1);
    ana["customer"] = json!({ "first_name": "canary-name", "phone": ANA });
    assert_eq!(site.post_order(&ana).await.unwrap(), 200);
    let mut bad = order(2);
    (bad["customer"], bad["order_number"]) = (json!({ "phone": "+34600000777" }), json!({}));
    assert_eq!(site.post_order(&bad).await.unwrap(), 200);
    site.turn("faults", &json!({ "500_before": 1 })).await;
    assert_eq!(site.post_order(&order(600_000_888)).await.unwrap(), 200);
    let wrong = format!("http://127.0.0.1:{}/callbell/canary-wrong-secret", site.port);
    assert_eq!(site.http.post(&wrong).body("{\"event\":\"x\"}").send().await.unwrap().status(), 401);
    eventually("a message is delivered", async || {
        let shown = site.deliveries("state=accepted").await;
        shown.iter().any(|one| one["status"] == "delivered").then_some(())
    })
    .await;
    serve.signal("HUP");
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    let log = site.serve_log();
    assert!(log.lines().count() > 3, "something is logged at all: {log}");
    let secrets = [CALLBELL_TOKEN, RELANCE_TOKEN, WEBHOOK_SECRET, TILL_TOKEN, "canary-wrong-secret"];
    let personal = ["600000001", "600000777", "600000888", "canary-words", "canary-name", "received your payment"];
    for line in log.lines() {
        let told = secrets.iter().chain(&personal).find(|text| line.contains(**text));
        assert_eq!(told, None, "in the log: {line}");
    }
    assert_eq!(files_with(&site.path().join(".relance"), &secrets), [] as [String; 0]);
}
