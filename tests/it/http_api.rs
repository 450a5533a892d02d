//! Promise: the API opens to the admin token alone, shows what happened in stable shapes, and no phone number.

use crate::http_stand::{Answer, Stand, TOKEN, send};
use relance::http::Mode;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Every route of the API with its methods, as the source of `http/api` names them: a new one is asked here by itself.
fn routes() -> Vec<(Method, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/api");
    let mut routes = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        for written in source.split(".route(\"").skip(1) {
            let (address, rest) = written.split_once('"').unwrap();
            let served = rest.lines().next().unwrap();
            let methods = [(Method::GET, "get("), (Method::POST, "post(")];
            let methods = methods.into_iter().filter(|(_, call)| served.contains(call)).map(|(method, _)| method);
            let before = routes.len();
            routes.extend(methods.map(|method| (method, filled_in(address))));
            assert!(routes.len() > before, "no method is known of `{address}`: {served}");
        }
    }
    routes
}

/// `{id}` and the like stand for an id.
fn filled_in(address: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "01ARZ3NDEKTSV4RRFFQ69G5FAV".into() } else { part.to_owned() };
    address.split('/').map(part).collect::<Vec<_>>().join("/")
}

async fn trigger(stand: &Stand, event: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let request = stand.request(Method::POST, &format!("/api/events/{event}")).bearer_auth(TOKEN);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request.body(body.to_string())).await
}

fn order(total: u32) -> Value {
    json!({ "phone": "+33612340001", "name": "Ana", "total": total })
}

#[tokio::test]
async fn every_address_asks_for_the_token_first() {
    let stand = Stand::new(Mode::Serve).await;
    let routes = routes();
    for route in [(Method::POST, "/api/contacts/forget"), (Method::GET, "/api/audit"), (Method::GET, "/api/load")] {
        assert!(routes.contains(&(route.0, route.1.to_owned())), "{} is not among {routes:?}", route.1);
    }
    for (method, address) in &routes {
        for body in ["{", "{}"] {
            let request = stand.request(method.clone(), address).header("content-type", "application/json");
            assert_eq!(send(request.body(body)).await.refused(), 401, "{method} {address}");
        }
    }
    assert_eq!(stand.get("/api/runs?nonsense=1").await.refused(), 401);
    for wrong in ["Bearer wrong", "Bearer", "Bearer ", "Basic Y2FuYXJ5", TOKEN] {
        assert_eq!(stand.post("/api/events/a", &[("authorization", wrong)], "{").await.refused(), 401, "{wrong}");
    }
    assert_eq!(stand.rows().await, (0, 0));
    let accepted =
        send(stand.request(Method::GET, "/api/runs").header("authorization", format!("bearer {TOKEN}"))).await;
    assert_eq!(accepted.status, 200);
}

#[tokio::test]
async fn who_guesses_is_locked_out_and_who_shares_a_proxy_with_them_is_not() {
    let stand = Stand::new(Mode::Serve).await;
    for _ in 0..10 {
        assert_eq!(send(stand.request(Method::GET, "/api/runs").bearer_auth("guess")).await.refused(), 401);
    }
    let locked = send(stand.request(Method::GET, "/api/runs").bearer_auth("guess")).await;
    assert_eq!(locked.refused(), 429);
    assert_eq!(
        stand.api("/api/runs").await.status,
        200,
        "on loopback a proxy may stand between: the right token passes"
    );
    let wait: u32 = locked.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(stand.get("/healthz").await.status, 200, "the rest goes on");
}

#[tokio::test]
async fn dev_on_loopback_needs_no_token_but_our_own_page() {
    let stand = Stand::new(Mode::Dev).await;
    assert_eq!(stand.get("/api/runs").await.status, 200);
    assert_eq!(stand.post("/api/events/order.paid", &[], order(12).to_string()).await.status, 200);
    let foreign = [("origin", "http://evil.example")];
    assert_eq!(stand.post("/api/events/order.paid", &foreign, order(12).to_string()).await.refused(), 403);
    let own = [("origin", format!("http://localhost:{}", stand.address.port()))];
    let own = [(own[0].0, own[0].1.as_str())];
    assert_eq!(stand.post("/api/events/order.paid", &own, order(13).to_string()).await.status, 200);
}

#[tokio::test]
async fn each_trigger_is_a_new_event_unless_it_has_an_id() {
    let stand = Stand::new(Mode::Serve).await;
    let first = trigger(&stand, "order.paid", &[], &order(12)).await.json();
    let second = trigger(&stand, "order.paid", &[], &order(12)).await.json();
    assert_ne!(first["event_id"], second["event_id"]);
    assert_eq!((first["version"].as_i64(), first["duplicate"].as_bool()), (Some(1), Some(false)));
    let evaluation = &first["evaluations"][0];
    assert_eq!((&evaluation["workflow"], &evaluation["result"]), (&json!("paid"), &json!("started")));
    let refused = trigger(&stand, "order.paid", &[], &order(9)).await.json();
    assert_eq!(refused["evaluations"][0]["result"], "skipped", "{refused}");
    let with_id = [("idempotency-key", "k1")];
    let third = trigger(&stand, "order.paid", &with_id, &order(12)).await.json();
    let again = trigger(&stand, "order.paid", &with_id, &order(12)).await.json();
    assert_eq!((&again["event_id"], again["duplicate"].as_bool()), (&third["event_id"], Some(true)));

    for (event, body) in [("order-paid", "{}"), ("order.paid", "[]"), ("order.paid", ""), ("order.paid", "{")] {
        let request = stand.request(Method::POST, &format!("/api/events/{event}")).bearer_auth(TOKEN).body(body);
        assert_eq!(send(request).await.refused(), 400, "{event} {body:?}");
    }
}

#[tokio::test]
async fn a_run_is_shown_with_its_event_its_story_and_its_messages() {
    let stand = Stand::new(Mode::Serve).await;
    let taken = trigger(&stand, "order.paid", &[], &order(12)).await.json();
    stand.engine.quiet().await;
    let id = taken["evaluations"][0]["run"].as_str().unwrap();
    let shown = stand.api(&format!("/api/runs/{id}")).await;
    assert_eq!(shown.status, 200);
    assert!(!shown.text.contains("12340001"), "{}", shown.text);
    let shown = shown.json();
    assert_eq!(shown["version"], 1);
    assert_eq!((&shown["run"]["id"], &shown["run"]["workflow"]), (&json!(id), &json!("paid")));
    assert_eq!(shown["run"]["event"], taken["event_id"]);
    assert_eq!((&shown["event"]["data"]["total"], &shown["event"]["data"]["phone"]), (&json!(12), &json!("+336…01")));
    assert_eq!(shown["evaluations"][0]["result"], "started");
    assert!(
        shown["trace"].as_array().unwrap().iter().all(|entry| entry["at"] == "2026-03-02T11:00:00Z"),
        "{}",
        shown["trace"]
    );
    assert!(!shown["trace"].as_array().unwrap().is_empty());
    let listed = stand.api(&format!("/api/deliveries?run={id}")).await.json();
    assert_eq!(listed["deliveries"], shown["deliveries"]);
    let delivery = &shown["deliveries"][0];
    for key in ["id", "run", "workflow", "step", "contact", "state", "reason", "form", "status", "attempts"] {
        assert!(delivery.get(key).is_some(), "{key}: {delivery}");
    }
    assert_eq!((&delivery["run"], &delivery["step"]), (&json!(id), &json!("0")));
    assert!(delivery["attempts"].is_array());

    let event = stand.api(&format!("/api/events/{}", taken["event_id"].as_str().unwrap())).await.json();
    assert_eq!(event["event"], shown["event"]);
    for missing in ["/api/runs/none", "/api/events/none"] {
        assert_eq!(stand.api(missing).await.refused(), 404);
    }
}

#[tokio::test]
async fn what_is_settled_and_resumed_by_hand_says_what_stands_in_its_way() {
    let stand = Stand::new(Mode::Serve).await;
    trigger(&stand, "order.paid", &[], &order(12)).await;
    stand.engine.quiet().await;
    let id = stand.api("/api/deliveries").await.json()["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let post = async |path: &str, body: &str| {
        let request = stand.request(Method::POST, path).bearer_auth(TOKEN).header("content-type", "application/json");
        send(request.body(body.to_owned())).await
    };
    let refused = post(&format!("/api/deliveries/{id}/settle"), r#"{"answer": "resend"}"#).await;
    assert_eq!(refused.refused(), 409);
    assert!(refused.text.contains("uncertain"), "{}", refused.text);
    assert_eq!(post("/api/deliveries/none/settle", r#"{"answer": "give_up"}"#).await.refused(), 404);
    for body in ["", "{}", r#"{"answer": "sent"}"#, r#"{"answer": "resend", "x": 1}"#] {
        assert_eq!(post(&format!("/api/deliveries/{id}/settle"), body).await.refused(), 400, "{body}");
    }
    assert_eq!(stand.api("/api/pauses").await.json(), json!({ "version": 1, "pauses": [] }));
    for scope in ["account", "channel:main", "template:0123"] {
        let resumed = post("/api/resume", &json!({ "scope": scope }).to_string()).await;
        assert_eq!(resumed.json(), json!({ "version": 1, "resumed": 0 }), "{scope}");
    }
    assert_eq!(post("/api/resume", r#"{"scope": "everything"}"#).await.refused(), 400);
    let unnamed = stand.request(Method::POST, "/api/resume").bearer_auth(TOKEN).body(r#"{"scope": "account"}"#);
    assert_eq!(send(unnamed).await.refused(), 415);
    let nobody = stand.request(Method::POST, "/api/resume").header("content-type", "application/json");
    assert_eq!(send(nobody.body(r#"{"scope": "account"}"#)).await.refused(), 401);
    let audit = stand.engine.store().audit(10).await.unwrap();
    let who = "RELANCE_TOKEN";
    let by_hand = audit.iter().filter(|row| row.who == who);
    let acts: Vec<_> = by_hand.map(|row| (row.who.as_str(), row.subject.as_str())).collect();
    assert_eq!(acts, [(who, "template:0123"), (who, "channel:main"), (who, "account")]);
}

#[tokio::test]
async fn lists_are_filtered_and_say_what_they_know() {
    let stand = Stand::new(Mode::Serve).await;
    for total in 11..14 {
        trigger(&stand, "order.paid", &[], &order(total)).await;
    }
    stand.engine.quiet().await;
    let ids = async |query: &str| {
        let answer = stand.api(&format!("/api/runs{query}")).await.json();
        assert_eq!(answer["version"], 1);
        answer["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ids("").await;
    assert!(all.len() == 3 && all.is_sorted_by(|one, next| one > next), "newest first: {all:?}");
    assert_eq!(ids("?workflow=paid&state=&contact=").await, all, "an empty filter says nothing");
    assert_eq!(ids(&format!("?before={}&limit=1", all[0])).await, all[1..2]);
    assert_eq!(ids("?workflow=other").await, Vec::<String>::new());
    let contact = stand.api("/api/runs").await.json()["runs"][0]["contact"].as_str().unwrap().to_owned();
    assert_eq!(ids(&format!("?contact={contact}")).await, all);

    let refused = async |query: &str, part: &str| {
        let answer = stand.api(&format!("/api/{query}")).await;
        assert_eq!(answer.refused(), 400, "{query}");
        assert!(answer.text.contains(part), "{query}: {}", answer.text);
    };
    refused("runs?state=finished", "`needs_attention`").await;
    refused("runs?status=done", "`state`").await;
    refused("runs?state=done&state=waiting", "twice").await;
    refused("deliveries?state=sent", "`uncertain`").await;
    refused("deliveries?workflow=paid", "`contact`").await;
    refused("runs/none?x=1", "`lang`").await;
    refused("events/none?x=1", "nothing may follow").await;
    for limit in ["0", "1001", "-1", "many", "1e2", "99999999999999999999"] {
        refused(&format!("deliveries?limit={limit}"), "from 1 to 1000").await;
    }
    assert_eq!(stand.api("/api/campaigns?limit=5").await.json(), json!({ "version": 1, "campaigns": [] }));
    let load = stand.api("/api/load").await.json();
    assert_eq!((&load["load"]["events"], &load["oldest_due_ms"]["run"]), (&json!(3), &Value::Null), "{load}");
}
