//! Promise: whoever asks why a person got something, or nothing, is told: what came, what it led to, and what stood in the
//! way, for people nobody knows as well.

use crate::http_stand::{Answer, NOON, Stand, TOKEN, send};
use crate::process::{RELANCE_TOKEN, Said, Site, eventually, list};
use relance::http::Mode;
use reqwest::Method;
use serde_json::{Value, json};

const ANA: &str = "+33612340001";

async fn trigger(stand: &Stand, event: &str, data: Value) {
    let request = stand.request(Method::POST, &format!("/api/events/{event}")).bearer_auth(TOKEN);
    assert_eq!(send(request.body(data.to_string())).await.status, 200);
    stand.engine.look().await;
    stand.engine.quiet().await;
}

/// Asks about somebody by their number, which is posted.
async fn ask(stand: &Stand, phone: &str, query: &str) -> Answer {
    let request = stand.request(Method::POST, &format!("/api/why?{query}")).bearer_auth(TOKEN);
    send(request.json(&json!({ "phone": phone }))).await
}

async fn why(stand: &Stand, phone: &str, query: &str) -> Value {
    let answer = ask(stand, phone, query).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    answer.json()
}

/// `kind workflow: text`, and the facts in brackets.
fn lines(account: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |line: &Value| {
        let facts: Vec<String> = list(&line["facts"]).iter().map(word).collect();
        format!("{} {}: {} [{}]", word(&line["kind"]), word(&line["workflow"]), word(&line["text"]), facts.join("; "))
    };
    list(&account["lines"]).iter().map(line).collect()
}

fn conclusion(account: &Value) -> String {
    list(&account["conclusion"]).iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn somebody_nobody_knows_is_told_what_named_them_and_why_nothing_came_of_it() {
    let stand = Stand::new(Mode::Serve).await;
    let nothing = why(&stand, ANA, "").await;
    assert_eq!((&nothing["contact"], list(&nothing["lines"]).len()), (&Value::Null, 0));
    let said = conclusion(&nothing);
    assert!(said.contains("nobody of this name is known") && said.contains("nothing named this person"), "{said}");
    let asked = conclusion(&why(&stand, ANA, "workflow=paid").await);
    assert!(
        asked.contains("nothing that Paid listens to") && asked.contains("`order.paid`, which starts it, never came"),
        "{asked}"
    );

    // Refused by the condition, so that nobody was made known; and an event that nobody listens to.
    trigger(&stand, "order.paid", json!({ "phone": "06 12 34 00 01", "name": "Ana", "total": 5 })).await;
    trigger(&stand, "order.packed", json!({ "customer": { "phone": "+33612340001" } })).await;
    // Another person, whose number is near; an order whose number looks like the person's.
    trigger(&stand, "order.paid", json!({ "phone": "0612340002", "name": "Bob", "total": 50 })).await;
    trigger(&stand, "order.packed", json!({ "order": 12_340_001, "phone": "+33612349999" })).await;
    let account = why(&stand, ANA, "").await;
    assert_eq!(
        lines(&account),
        [
            "event paid: `order.paid` did not start it: event.total > 10 is no [event.total = 5]",
            "event : `order.packed` came, and no workflow listens to this event []",
        ]
    );
    assert_eq!(
        (&account["lines"][0]["reason"], &account["lines"][0]["name"]),
        (&json!("event.total > 10 is no"), &json!("Paid"))
    );
    assert_eq!(account["near"], json!(["+336…02"]));
    assert!(conclusion(&account).contains("known numbers that look like it: +336…02"), "{account:#}");
    let french = why(&stand, ANA, "workflow=paid&lang=fr").await;
    assert_eq!(
        lines(&french),
        ["event paid: `order.paid` ne l’a pas lancé : event.total > 10 : non [event.total = 5]"]
    );

    // The day before, nothing; a day that is none, a workflow that is none.
    assert_eq!(lines(&why(&stand, ANA, "date=2026-03-01").await).len(), 0);
    assert_eq!(lines(&why(&stand, ANA, "date=2026-03-02").await).len(), 2);
    assert_eq!(lines(&why(&stand, ANA, "since=1h").await).len(), 2);
    for wrong in ["date=soon", "since=7d&date=2026-03-02", "when=now", "show_pii=yes", "phone=1"] {
        assert_eq!(ask(&stand, ANA, wrong).await.refused(), 400, "{wrong}");
    }
    let unknown = ask(&stand, ANA, "workflow=payd").await;
    assert_eq!((unknown.refused(), unknown.json()["hint"].as_str()), (404, Some("did you mean `paid`?")));
    let numberless = stand.api("/api/why?phone=%2B33612340001").await;
    assert_eq!(numberless.refused(), 400, "an address ends in logs");
    assert_eq!(stand.post("/api/why", &[], json!({ "phone": ANA }).to_string()).await.refused(), 401);
}

#[tokio::test]
async fn a_run_and_its_message_are_told_with_what_stood_in_the_way() {
    let stand = Stand::new(Mode::Serve).await;
    trigger(&stand, "order.paid", json!({ "phone": "0612340001", "name": "Ana", "total": 50 })).await;
    let account = why(&stand, ANA, "").await;
    let told = lines(&account);
    assert_eq!(told[0], "event paid: `order.paid` started it []");
    let stands = "run paid: its run, started at 12:00:00: needs attention, because the 24-hour window is closed";
    assert!(told[2].starts_with(stands), "{told:?}");
    assert!(told[2].contains("12:00:00 not sent: the 24-hour window is closed"), "{told:?}");
    assert_eq!(
        told[1],
        "message paid: message not sent: the 24-hour window is closed [no message of the person is known on main]"
    );
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(account["number"], "+336…01");
    assert!(conclusion(&account).contains("no message was sent to this person"), "{account:#}");
    // The same by our id, open to who may see numbers, in French.
    let id = account["contact"].as_str().unwrap();
    let open = stand.api(&format!("/api/why?id={id}&show_pii=1&lang=fr")).await.json();
    assert_eq!(open["number"], "+33612340001");
    for (asked, number) in [("1", "+33612340001"), ("true", "+33612340001"), ("0", "+336…01"), ("false", "+336…01")]
    {
        assert_eq!(why(&stand, ANA, &format!("show_pii={asked}")).await["number"], number, "show_pii={asked}");
        let person = stand.request(Method::POST, &format!("/api/contacts/show?show_pii={asked}")).bearer_auth(TOKEN);
        let shown = send(person.json(&json!({ "phone": ANA }))).await.json();
        assert_eq!(shown["contact"]["phone"], number, "show_pii={asked}");
        let told = stand.api(&format!("/api/events?show_pii={asked}")).await.text;
        assert_eq!(told.contains("0612340001"), number == "+33612340001", "show_pii={asked}");
    }
    assert_eq!(stand.api("/api/contacts?phone=%2B33612340001").await.refused(), 400);
    assert_eq!(stand.api(&format!("/api/contacts?id={id}")).await.status, 200);
    assert!(lines(&open)[1].contains("message non envoyé : la fenêtre de 24 heures est fermée"), "{open:#}");
    // Somebody else's event that mentions the person is not theirs.
    trigger(
        &stand,
        "order.paid",
        json!({ "phone": "0612340002", "name": "Bob", "total": 50, "friend": "+33612340001" }),
    )
    .await;
    assert_eq!(lines(&why(&stand, ANA, "").await).len(), 3);
    // The run says the same in plain words.
    let run = account["lines"][2]["id"].as_str().unwrap();
    let shown = stand.api(&format!("/api/runs/{run}?lang=fr")).await.json();
    assert_eq!(shown["because"], "la fenêtre de 24 heures est fermée");
    let trace = list(&shown["trace"]);
    assert!(trace.iter().any(|entry| entry["what"] == "not sent: window_closed"), "{trace:?}");
    assert!(trace.iter().any(|entry| entry["text"] == "non envoyé : la fenêtre de 24 heures est fermée"), "{trace:?}");
    assert_eq!(stand.engine.clock().now_ms(), NOON);
}

fn ends(said: &Said, parts: &[&str]) {
    assert_eq!(said.code, 0, "{said:?}");
    for part in parts {
        assert!(said.stdout.contains(part), "`{part}` is missing: {said:?}");
    }
    assert!(!said.stdout.contains("600000001"), "a number is shown: {said:?}");
}

#[tokio::test]
async fn at_the_terminal_and_on_the_page_everything_that_concerned_a_person_stands_in_order() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    let order = json!({ "order_id": "A-1", "order_number": 1042, "total": 129.9, "currency": "EUR",
        "accepts_whatsapp": true, "customer": { "first_name": "Ana", "phone": "+34600000001" } });
    assert_eq!(site.post_order(&order).await.unwrap(), 200);
    eventually("a message", async || site.deliveries("state=accepted").await.pop()).await;
    // The same order once more, as a new event; a question that nobody takes; the word that stops everything.
    let again = json!({ "order_id": "A-1", "total": 129.9, "customer": { "phone": "+34600000001" } });
    assert_eq!(site.run(&["trigger", "order.paid", "--data", &again.to_string()]).await.code, 0);
    site.customer_writes("+34600000001", "Where is it?").await;
    site.customer_writes("+34600000001", "STOP").await;

    let told = site.run(&["why", "+34600000001", "--language", "en"]).await;
    ends(
        &told,
        &[
            "Order paid [",
            "]: `order.paid` started it",
            "]: its run, started at ",
            ", ended: done\n",
            "Consent: agreed (all messages)  (said by an event",
            "message sent as template",
            "Order paid: `order.paid` did not start it: this was already done once",
            "a message of the person came, and no workflow took it  (“Where is it?”)",
            "Consent: wants no more (all messages)  (said by the person, by a word",
        ],
    );
    let at = |part: &str| told.stdout.find(part).unwrap();
    assert!(at("started it") < at("already done once") && at("already done once") < at("Where is it?"), "{told:?}");
    ends(&site.run(&["why", "+34600000001", "--language", "fr", "--workflow", "order_paid"]).await, &["l’a lancé"]);
    ends(&site.run(&["why", "+34600000001", "--language", "fr"]).await, &["(« Where is it? »)"]);
    let json: Value = serde_json::from_str(&site.run(&["--json", "why", "+34600000001"]).await.stdout).unwrap();
    assert_eq!(json["version"], 1);
    ends(&site.run(&["why", "+34600000009"]).await, &["nobody of this name is known here"]);
    assert_eq!(site.run(&["why", "+12"]).await.code, 4, "a number that is none");

    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let base = format!("http://127.0.0.1:{}", site.port);
    let login = http.post(format!("{base}/login")).header("content-type", "application/x-www-form-urlencoded");
    let answer = login.body(format!("token={RELANCE_TOKEN}")).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = async |path: &str| {
        let answer = http.get(format!("{base}{path}")).header("cookie", &cookie).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let id = json["contact"].as_str().unwrap();
    let (status, shown) = page(&format!("/contacts/{id}/why?lang=fr")).await;
    assert_eq!(status, 200, "{shown}");
    for part in ["Pourquoi", "ne l’a pas lancé", "message envoyé comme modèle", "href=\"/runs/"] {
        assert!(shown.contains(part), "`{part}` is missing: {shown}");
    }
    assert!(!shown.contains("600000001"), "a number is shown: {shown}");
    assert_eq!(page("/contacts/01ARZ3NDEKTSV4RRFFQ69G5FAV/why").await.0, 404);
    assert!(page(&format!("/contacts/{id}")).await.1.contains(&format!("/contacts/{id}/why")));
}

/// Every line names its run, and stands where it happened: a run that has ended, at its end.
#[tokio::test]
async fn lines_of_several_runs_stand_in_order_of_time_and_each_names_its_run() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    for order in ["A-1", "A-2"] {
        let data = json!({ "order_id": order, "order_number": 1042, "total": 129.9, "currency": "EUR",
            "accepts_whatsapp": true, "customer": { "first_name": "Ana", "phone": "+34600000001" } });
        assert_eq!(site.run(&["trigger", "order.paid", "--data", &data.to_string()]).await.code, 0);
    }
    let done = async || Some(list(&site.api("runs?state=done").await["runs"])).filter(|runs| runs.len() == 2);
    let runs = eventually("both runs are done", done).await;
    let said = site.run(&["--json", "why", "+34600000001"]).await;
    let lines = list(&serde_json::from_str::<Value>(&said.stdout).unwrap()["lines"]);
    let at: Vec<&str> = lines.iter().map(|line| line["at"].as_str().unwrap()).collect();
    assert!(at.is_sorted(), "{at:?}");
    for run in &runs {
        let of_it = |line: &&Value| line["run"] == run["id"];
        let kinds: Vec<&str> = lines.iter().filter(of_it).map(|line| line["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["event", "message", "run"], "{lines:?}");
        let last = lines.iter().rfind(of_it).unwrap();
        assert_eq!(last["at"], run["ended_at"], "{last}");
        assert!(last["text"].as_str().unwrap().contains("ended: done"), "{last}");
    }
    let told = site.run(&["why", "+34600000001", "--language", "fr"]).await;
    let named = format!("Order paid [{}] : `order.paid` l’a lancé", runs[0]["id"].as_str().unwrap());
    ends(&told, &[&named, "est terminée"]);
}

const OFFER: &str = "\
name: Offer
purpose: marketing
when: { webhook: offer.made }
contact: { phone: \"{{event.phone}}\", consent: event.agreed == true }
do:
  - send_message: { text: Half the price, outside_window: skip }
";

#[tokio::test]
async fn who_wants_no_marketing_is_told_to_get_everything_else() {
    let site = Site::of("shop");
    site.write("workflows/offer.yaml", OFFER);
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    site.customer_writes("+34600000001", "Hello").await;
    assert_eq!(site.run(&["contacts", "withdraw", "+34600000001", "--marketing"]).await.code, 0);
    let offer = json!({ "phone": "+34600000001", "agreed": true }).to_string();
    assert_eq!(site.run(&["trigger", "offer.made", "--data", &offer]).await.code, 0);
    eventually("it is skipped", async || site.deliveries("state=skipped").await.pop()).await;
    let told = site.run(&["why", "+34600000001", "--language", "en"]).await;
    let reason = "message not sent: the person opted out of marketing messages (other messages still leave)";
    ends(&told, &[reason, "(marketing withdrawn at ", "no more marketing since ", "wants no more (marketing only)"]);
    // Whoever refuses everything later had refused marketing alone by then.
    assert_eq!(site.run(&["contacts", "withdraw", "+34600000001"]).await.code, 0);
    ends(&site.run(&["why", "+34600000001", "--language", "en"]).await, &[reason, "no more messages since "]);
    let french =
        "message non envoyé : la personne s’est désinscrite des messages publicitaires (les autres partent encore)";
    ends(&site.run(&["why", "+34600000001", "--language", "fr"]).await, &[french]);
}

/// What is told of the events that `once_per` refused.
async fn refusals(site: &Site, phone: &str) -> Vec<String> {
    let told: Value = serde_json::from_str(&site.run(&["--json", "why", phone]).await.stdout).unwrap();
    let refused = |line: &&Value| line["kind"] == "event" && line["reason"] == "already_done";
    list(&told["lines"]).iter().filter(refused).map(|line| line["facts"].to_string()).collect()
}

#[tokio::test]
async fn a_refusal_names_the_run_that_was_there_first_and_no_other_of_the_person() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    let order = async |id: &str, phone: &str| {
        let data = json!({ "order_id": id, "order_number": 1042, "total": 129.9, "currency": "EUR",
            "accepts_whatsapp": true, "customer": { "first_name": "Ana", "phone": phone } });
        let said = site.run(&["--json", "trigger", "order.paid", "--data", &data.to_string()]).await;
        let answer: Value = serde_json::from_str(&said.stdout).unwrap();
        let run = answer["evaluations"][0]["run"].as_str().map(str::to_owned);
        site.drained().await;
        run
    };
    let first = order("B-1", "+34600000001").await.unwrap();
    let second = order("B-2", "+34600000001").await.unwrap();
    let done = async || (list(&site.api("runs?state=done").await["runs"]).len() == 2).then_some(());
    eventually("both runs are done", done).await;
    assert_eq!(order("B-1", "+34600000001").await, None);
    let said = refusals(&site, "+34600000001").await;
    assert!(said.len() == 1 && said[0].contains(&first) && !said[0].contains(&second), "{first}: {said:?}");

    // The same order under another number: the run is there, and is about somebody else.
    assert_eq!(order("B-2", "+34600000002").await, None);
    let said = refusals(&site, "+34600000002").await;
    assert!(said.len() == 1 && said[0].contains("about another person"), "{said:?}");
    assert!(said[0].contains(&second), "{second}: {said:?}");
}

#[tokio::test]
async fn an_old_run_computed_once_more_does_the_same_unless_what_it_rests_on_changed() {
    let stand = Stand::new(Mode::Serve).await;
    trigger(&stand, "order.paid", json!({ "phone": "0612340001", "name": "Ana", "total": 50 })).await;
    let run = stand.api("/api/runs").await.json()["runs"][0]["id"].as_str().unwrap().to_owned();
    let replayed = stand.api(&format!("/api/runs/{run}/replay")).await.json();
    let lines = list(&stand.api(&format!("/api/runs/{run}")).await.json()["trace"]).len();
    assert_eq!((&replayed["identical"], &replayed["difference"]), (&json!(true), &Value::Null), "{replayed}");
    assert_eq!((&replayed["lines"], &replayed["messages"]), (&json!(lines), &json!(1)), "{replayed}");
    assert_eq!(stand.api("/api/runs/nothing/replay").await.refused(), 404);
}
