//! Promise: a program written against Callbell's API sends through relance, and its messages are durable, judged and
//! followed like any other.

use crate::database::{Database, on_both_databases};
use crate::gateway_stand::{ADMIN, Gateway, OPERATOR, READER, SENDER, send};
use crate::harness::{ANA, BOB, Plan, World, hours, seconds};
use relance::connector::account::AccountChannel;
use relance::connector::sandbox::Fault;
use relance::engine::account::AccountFacts;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;

on_both_databases!(
    every_variant_of_the_reference_reaches_the_account_as_it_was_written,
    a_message_is_followed_from_enqueued_to_delivered,
    plain_text_into_a_closed_window_is_refused_or_taken_and_failed,
    a_key_names_one_message_of_one_token_and_survives_a_restart,
    two_requests_with_one_key_at_the_same_time_send_one_message,
    the_callers_word_is_the_proof_of_consent,
    what_was_not_sent_is_taken_back,
);

const CHANNEL: &str = "3b1f0c9d7a5e4f2286c4d0e9b7a1c3f5";

fn plan(database: Database) -> Plan {
    World::on(database).consent("")
}

/// A project whose only line has the uuid of the reference's bodies.
fn listed(database: Database) -> Plan {
    plan(database).project(&format!("channels:\n  shop: {{ uuid: {CHANNEL}, default: true }}\n"))
}

fn text(to: &str, text: &str) -> Value {
    json!({ "to": to, "from": "whatsapp", "type": "text", "content": { "text": text } })
}

fn template(to: &str, uuid: &str, value: &str) -> Value {
    let mut body = text(to, value);
    body["template_uuid"] = uuid.into();
    body["optin_contact"] = true.into();
    body
}

/// Templates of the reference's bodies, as `templates.lock.json` holds them.
fn templates_of_the_reference(plan: Plan) -> Plan {
    let one = "Bonjour {{1}}";
    let three = "Bonjour {{1}}, {{2}} pour {{3}}";
    let rows = [
        ("10000000000000000000000000000000", "text", "Bonjour"),
        ("1a2b3c4d5e6f47a8b9c0d1e2f3a4b5c6", "text", one),
        ("9c0d5b7e2f1a4c63a8e4b2d1f0c97a55", "text", three),
        ("10000000000000000000000000000010", "image", one),
        ("10000000000000000000000000000011", "document", one),
        ("10000000000000000000000000000012", "video", one),
        ("10000000000000000000000000000015", "image", three),
    ];
    rows.into_iter().fold(plan, |plan, (uuid, kind, text)| plan.locked(uuid, kind, text))
}

/// The bodies of `tests/fixtures`, without what relance itself put into them.
fn variants() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/callbell/send");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let mut body: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        for ours in ["relance_id", "relance_run"] {
            body["metadata"].as_object_mut().unwrap().remove(ours);
        }
        (file.file_stem().unwrap().to_str().unwrap().to_owned(), body)
    };
    files.iter().map(read).collect()
}

/// What the account got, without our own mark.
fn received(world: &World) -> Vec<Value> {
    let bare = |body: &serde_json::value::RawValue| {
        let mut body: Value = serde_json::from_str(body.get()).unwrap();
        assert!(body["metadata"].as_object_mut().unwrap().remove("relance_id").is_some(), "{body}");
        body
    };
    world.messages().iter().map(|message| bare(message.body.as_ref().unwrap())).collect()
}

async fn every_variant_of_the_reference_reaches_the_account_as_it_was_written(database: Database) {
    let gateway = Gateway::before(templates_of_the_reference(listed(database))).await;
    gateway.world.says("+33600000001", "Bonjour").await;
    let teams = gateway.get("/v1/teams").await.json();
    for (name, mut body) in variants() {
        if body.get("team_uuid").is_some() {
            body["team_uuid"] = teams["teams"][0]["uuid"].clone();
        }
        let known = gateway.world.messages().len();
        let answer = gateway.send(&body).await;
        let v14 = name.starts_with("v14");
        if v14 {
            // Nobody knows the window of a person who never wrote.
            assert_eq!(answer.status, 422, "{name}");
            continue;
        }
        let uuid = answer.uuid();
        gateway.world.advance(seconds(1)).await;
        let mut got = received(&gateway.world);
        assert_eq!(got.len(), known + 1, "{name}: {}", gateway.status(&uuid).await);
        // The answer's contact is asked for once, until relance knows the person there.
        for body in [&mut body, got.last_mut().unwrap()] {
            body.as_object_mut().unwrap().remove("fields");
        }
        assert_eq!(got.last().unwrap(), &body, "{name}");
    }
    gateway.world.advance(seconds(30)).await;
    let failed: Vec<_> = gateway.world.messages().into_iter().filter(|one| one.status() != "delivered").collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

async fn a_message_is_followed_from_enqueued_to_delivered(database: Database) {
    let gateway = Gateway::before(plan(database)).await;
    gateway.world.says(ANA, "hello").await;
    let mut body = text(ANA, "Bonjour");
    body["fields"] = "contact, conversation".into();
    body["metadata"] = json!({ "order": "118" });
    let answer = gateway.send(&body).await;
    let uuid = answer.uuid();
    assert!(uuid.len() == 32 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit()), "{uuid}");
    let contact = &answer.json()["message"]["contact"];
    assert_eq!(contact["phone"], ANA);
    assert!(contact["uuid"].is_string(), "the account told of her: {contact}");
    assert_eq!(gateway.status(&uuid).await["status"], "enqueued");
    gateway.world.advance(seconds(5)).await;
    let shown = gateway.status(&uuid).await;
    assert_eq!((&shown["status"], &shown["uuid"]), (&json!("delivered"), &json!(uuid)));
    assert_eq!(shown["metadata"], json!({ "order": "118" }));
    // What the gateway did not take, the account knows.
    let theirs = gateway.world.messages()[0].uuid.clone();
    assert_eq!(gateway.status(&theirs).await["status"], "delivered");
    let unknown = gateway.get("/v1/messages/status/00000000000000000000000000000000").await;
    assert_eq!(unknown.told(), (404, json!({ "error": "not found" })));
    // The platform's own no.
    gateway.world.sandbox.fail_with([131_026]);
    let uuid = gateway.send(&text(ANA, "again")).await.uuid();
    gateway.world.advance(seconds(5)).await;
    let shown = gateway.status(&uuid).await;
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["messageStatusPayload"]["payload"]["code"], 131_026);
    assert!(!shown["messageStatusPayload"]["payload"]["reason"].as_str().unwrap().is_empty());
}

async fn plain_text_into_a_closed_window_is_refused_or_taken_and_failed(database: Database) {
    let gateway = Gateway::before(plan(database)).await;
    let refused = gateway.send(&text(ANA, "Bonjour")).await;
    assert_eq!(refused.status, 422);
    let error = refused.json()["error"]["window"][0].as_str().unwrap().to_owned();
    assert!(error.contains("24 hours") && error.contains("template_uuid"), "{error}");
    assert!(gateway.world.deliveries().await.is_empty(), "nothing is kept");
    let late = gateway.ask(Method::POST, "/v1/messages/send?window=late", Some(&text(ANA, "Bonjour"))).await.uuid();
    gateway.world.settle().await;
    let shown = gateway.status(&late).await;
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["messageStatusPayload"]["payload"]["code"], 131_047);
    assert_eq!(gateway.world.delivery_states().await, ["skipped: window_closed"]);
    gateway.world.says(ANA, "hello").await;
    gateway.send(&text(ANA, "Bonjour")).await.uuid();
    gateway.world.advance(hours(24)).await;
    assert_eq!(gateway.send(&text(ANA, "Bonjour")).await.status, 422);
    let wrong = gateway.ask(Method::POST, "/v1/messages/send?window=open", Some(&text(ANA, "Bonjour"))).await;
    assert_eq!(wrong.told(), (400, json!({ "error": { "window": ["is not included in the list"] } })));
    assert_eq!(gateway.world.sent(), ["text: Bonjour"]);
}

async fn a_key_names_one_message_of_one_token_and_survives_a_restart(database: Database) {
    let mut gateway = Gateway::before(plan(database)).await;
    gateway.world.says(ANA, "hello").await;
    let mut body = text(ANA, "Bonjour");
    body["fields"] = "contact".into();
    let first = gateway.send_as(SENDER, "k 1", &body).await;
    let uuid = first.uuid();
    gateway.world.settle().await;
    gateway.restart().await;
    let again = gateway.send_as(SENDER, "k 1", &body).await;
    assert_eq!((again.status, &again.text), (200, &first.text));
    let other = gateway.send_as(SENDER, "k 1", &text(ANA, "Bonsoir")).await;
    assert_eq!(other.status, 422);
    assert!(other.json()["error"]["Idempotency-Key"][0].is_string(), "{}", other.text);
    assert_ne!(gateway.send_as(OPERATOR, "k 1", &body).await.uuid(), uuid, "another token, another message");
    gateway.world.advance(hours(24 * 29)).await;
    assert_eq!(gateway.send_as(SENDER, "k 1", &body).await.text, first.text);
    gateway.world.advance(hours(24 * 2)).await;
    gateway.world.says(ANA, "hello").await;
    assert_ne!(gateway.send_as(SENDER, "k 1", &body).await.uuid(), uuid, "forgotten after 30 days");
    gateway.world.advance(seconds(30)).await;
    assert_eq!(gateway.world.sent(), ["text: Bonjour"; 3]);
    let faulty = gateway.send_as(SENDER, &"k".repeat(256), &body).await;
    assert_eq!(faulty.status, 400);
}

async fn two_requests_with_one_key_at_the_same_time_send_one_message(database: Database) {
    let gateway = Gateway::before(plan(database)).await;
    gateway.world.says(ANA, "hello").await;
    let body = text(ANA, "Bonjour");
    let all = (0..20).map(|_| gateway.send_as(SENDER, "same", &body));
    let answers = futures_util::future::join_all(all).await;
    let uuids: std::collections::BTreeSet<String> = answers.iter().map(|answer| answer.uuid()).collect();
    assert_eq!(uuids.len(), 1);
    gateway.world.advance(seconds(10)).await;
    assert_eq!(gateway.world.sent(), ["text: Bonjour"]);
}

async fn the_callers_word_is_the_proof_of_consent(database: Database) {
    let plan = plan(database).template("receipt", "Order {{1}}", &["number"]);
    let gateway = Gateway::before(plan).await;
    let uuid = format!("{:032x}", 1);
    let mut unproven = template(ANA, &uuid, "118");
    unproven.as_object_mut().unwrap().remove("optin_contact");
    let refused = gateway.send(&unproven).await;
    assert_eq!(refused.told(), (400, json!({ "error": { "optin_contact": ["can't be blank"] } })));
    let sent = gateway.send(&template(ANA, &uuid, "118")).await.uuid();
    gateway.world.advance(seconds(5)).await;
    assert_eq!(gateway.status(&sent).await["status"], "delivered");
    assert_eq!(gateway.world.sent(), ["template: Order 118"]);
    let people = gateway.world.store(|store| async move { store.contacts(10).await }).await;
    let proof = people[0].consent.as_ref().unwrap().proof.clone();
    assert!(proof.starts_with("gateway "), "{proof}");
    let unknown = gateway.send(&template(ANA, "ffffffffffffffffffffffffffffffff", "118")).await;
    assert_eq!(unknown.told(), (422, json!({ "error": { "template_uuid": ["not found"] } })));
    // Values that do not fit are refused at once, or taken and failed as at the vendor's.
    let mut body = template(ANA, &uuid, "");
    body["template_values"] = json!(["a", "b"]);
    let refused = gateway.send(&body).await;
    assert_eq!(
        refused.told(),
        (422, json!({ "error": { "template_values": ["must be of the number that the template has: 1, not 2"] } }))
    );
    let sent = gateway.ask(Method::POST, "/v1/messages/send?window=late", Some(&body)).await.uuid();
    gateway.world.settle().await;
    assert_eq!(gateway.status(&sent).await["messageStatusPayload"]["payload"]["code"], 132_000);
}

async fn what_was_not_sent_is_taken_back(database: Database) {
    let gateway = Gateway::before(plan(database)).await;
    gateway.world.says(ANA, "hello").await;
    gateway.world.sandbox.set_fault(Fault::TooMany, u64::MAX);
    let waiting = gateway.send(&text(ANA, "Bonjour")).await.uuid();
    gateway.world.settle().await;
    assert_eq!(gateway.status(&waiting).await["status"], "enqueued");
    let deleted = gateway.ask(Method::DELETE, &format!("/v1/messages/{waiting}"), None).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(gateway.status(&waiting).await["status"], "failed");
    gateway.world.sandbox.set_fault(Fault::TooMany, 0);
    let by_body = json!({ "uuid": waiting });
    assert_eq!(gateway.ask(Method::DELETE, "/v1/messages", Some(&by_body)).await.status, 204, "twice is no fault");
    assert_eq!(
        gateway.ask(Method::DELETE, "/v1/messages", Some(&json!({}))).await.told(),
        (400, json!({ "error": { "uuid": ["can't be blank"] } }))
    );
    gateway.world.advance(hours(1)).await;
    assert!(gateway.world.sent().is_empty());
    // What was handed over is the account's to delete, by the uuid it knows.
    let sent = gateway.send(&text(ANA, "Bonjour")).await.uuid();
    gateway.world.advance(seconds(5)).await;
    gateway.ask(Method::DELETE, &format!("/v1/messages/{sent}"), None).await;
    let asked = gateway.world.sandbox.calls().into_iter().map(|(_, call)| call).rfind(|call| call.method == "DELETE");
    assert_eq!(asked.unwrap().path, format!("/v1/messages/{}", gateway.world.messages()[0].uuid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_account_does_not_have_is_refused_when_it_was_asked() {
    let gateway = Gateway::before(listed(Database::sqlite())).await;
    gateway.world.says(ANA, "hello").await;
    let mut body = template(ANA, "ffffffffffffffffffffffffffffffff", "118");
    body["channel_uuid"] = "c0ffee00c0ffee00c0ffee00c0ffee00".into();
    body["team_uuid"] = "5d2c6f0a9b8e4c7d8f1e2a3b4c5d6e7f".into();
    let ours = AccountChannel {
        uuid: CHANNEL.into(),
        title: "Shop".into(),
        kind: "whatsapp".into(),
        main: true,
        discarded: false,
    };
    let facts = AccountFacts {
        templates: Some(Vec::new()),
        channels: Some(vec![ours]),
        teams: Some(Vec::new()),
        asked_at_ms: gateway.world.clock.now_ms(),
    };
    let engine = gateway.world.engine().clone();
    gateway.world.within(async move { engine.learn_account(facts).await }).await.unwrap();
    let not_found = json!(["not found"]);
    let expected = json!({ "channel_uuid": not_found, "team_uuid": not_found, "template_uuid": not_found });
    assert_eq!(gateway.send(&body).await.told(), (422, json!({ "error": expected })));
    let mut body = text(ANA, "Bonjour");
    body["channel_uuid"] = CHANNEL.into();
    gateway.send(&body).await.uuid();
    gateway.world.advance(seconds(5)).await;
    assert_eq!(gateway.world.sent(), ["text: Bonjour"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_refusal_has_the_vendors_shape() {
    let gateway = Gateway::before(plan(Database::sqlite())).await;
    let not_authorized = (401, json!({ "error": "not authorized" }));
    for path in ["/v1/messages/send", "/v1/contacts", "/v1/nowhere", "/v1", "/openapi.json"] {
        let method = if path.ends_with("send") { Method::POST } else { Method::GET };
        assert_eq!(send(gateway.request(method.clone(), path)).await.told(), not_authorized, "{path}");
        assert_eq!(send(gateway.request(method, path).bearer_auth("wrong")).await.told(), not_authorized, "{path}");
    }
    let bare = send(gateway.request(Method::POST, "/v1/messages/send")).await;
    assert_eq!(bare.text, r#"{"error":"not authorized"}"#);
    assert_eq!(gateway.get("/v1/nowhere").await.told(), (404, json!({ "error": "not found" })));
    assert_eq!(gateway.get("/v1/contacts/").await.told(), (404, json!({ "error": "not found" })));
    assert_eq!(gateway.get("/v1/").await.told(), (404, json!({ "error": "not found" })));
    assert_eq!(gateway.get("/v1/messages/send").await.told(), (405, json!({ "error": "method not allowed" })));
    let post = |body: String| send(gateway.request(Method::POST, "/v1/messages/send").bearer_auth(SENDER).body(body));
    for body in ["", "{", "[]", "\"x\"", "\u{0}"] {
        assert_eq!(post(body.into()).await.told(), (400, json!({ "error": { "base": ["invalid JSON"] } })), "{body}");
    }
    let large = post(format!("{{\"x\":\"{}\"}}", "x".repeat(1 << 20))).await;
    assert_eq!(large.status, 413);
    assert!(large.json()["error"].is_string(), "{}", large.text);
    let faulty =
        post(json!({ "from": "+33900000000", "type": "template", "content": {}, "metadata": { "n": 7 } }).to_string());
    let error = faulty.await.json()["error"].clone();
    let fields: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["from", "metadata", "to", "type"]);
    let mut body = text(ANA, "x");
    body["metadata"] = json!({ "n": 7 });
    assert_eq!(post(body.to_string()).await.text, r#"{"error":{"metadata":["must be string"]}}"#);
    // Without a lock file nobody here knows which templates there are: the account decides.
    let unknown = gateway.send(&template(BOB, "ffffffffffffffffffffffffffffffff", "118")).await.uuid();
    gateway.world.advance(seconds(5)).await;
    let shown = gateway.status(&unknown).await;
    // What the account answers over HTTP is no code of the platform.
    let told = &shown["messageStatusPayload"]["payload"];
    assert_eq!((&shown["status"], &told["code"]), (&json!("failed"), &json!(null)));
    assert!(told["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{shown}");
    assert!(gateway.world.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_token_does_what_its_scopes_allow_and_no_more() {
    let gateway = Gateway::before(plan(Database::sqlite())).await;
    gateway.world.says(ANA, "hello").await;
    let status = async |token: &str, method: Method, path: &str, body: &Value| {
        let request = gateway.request(method, path).header("authorization", token).body(body.to_string());
        send(request).await.status
    };
    let bearer = |token: &str| format!("Bearer {token}");
    let nothing = json!({});
    assert_eq!(status(&bearer(READER), Method::GET, "/v1/templates", &nothing).await, 200);
    assert_eq!(status(&bearer(READER), Method::POST, "/v1/messages/send", &text(ANA, "x")).await, 403);
    assert_eq!(status(&bearer(READER), Method::GET, "/v1/contacts", &nothing).await, 403, "it holds numbers");
    assert_eq!(status(&bearer(READER), Method::GET, "/api/runs", &nothing).await, 200);
    assert_eq!(status(&bearer(READER), Method::POST, "/api/events/order.paid", &nothing).await, 403);
    assert_eq!(status(&bearer(SENDER), Method::POST, "/api/events/order.paid", &nothing).await, 200);
    assert_eq!(status(&bearer(SENDER), Method::DELETE, "/v1/webhooks/unsubscribe", &nothing).await, 403);
    assert_eq!(status(&bearer(OPERATOR), Method::DELETE, "/v1/webhooks/unsubscribe", &nothing).await, 404);
    assert_eq!(status(&bearer(ADMIN), Method::GET, "/v1/channels", &nothing).await, 200);
    assert_eq!(status(&bearer("NEVER_SET"), Method::GET, "/v1/channels", &nothing).await, 401);
    let twice = format!("Bearer Bearer {SENDER}");
    assert_eq!(status(&twice, Method::POST, "/v1/messages/send", &text(ANA, "twice")).await, 200);
    gateway.world.advance(seconds(5)).await;
    assert_eq!(gateway.world.sent(), ["text: twice"]);
    let mut noted = text(ANA, "noted");
    noted["metadata"] = json!({ "order": "118", "phone": ANA });
    let path = format!("/v1/messages/status/{}", gateway.send(&noted).await.uuid());
    let metadata = async |token: &str| {
        send(gateway.request(Method::GET, &path).bearer_auth(token)).await.json()["message"]["metadata"].clone()
    };
    assert_eq!(metadata(OPERATOR).await, json!({ "order": "118", "phone": ANA }));
    assert_eq!(metadata(READER).await["order"], "118");
    assert!(!metadata(READER).await.to_string().contains(ANA), "a number of another token's message");
    let lacking = send(gateway.request(Method::POST, "/v1/messages/send").bearer_auth(READER)).await;
    assert_eq!(lacking.told(), (403, json!({ "error": "the token `reader` lacks the scope `send`" })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_only_the_account_knows_is_passed_on_without_anybodys_credentials() {
    let gateway = Gateway::before(plan(Database::sqlite())).await;
    gateway.world.says(ANA, "hello").await;
    let found = gateway.get(&format!("/v1/contacts/phone/{}", ANA.trim_start_matches('+'))).await.json();
    let uuid = found["contact"]["uuid"].as_str().unwrap().to_owned();
    let messages = gateway.get(&format!("/v1/contacts/{uuid}/messages?page=1")).await.json();
    assert_eq!(messages["messages"][0]["text"], "hello");
    assert_eq!(gateway.get("/v1/contacts?page=501").await.told().0, 400);
    assert_eq!(gateway.get("/v1/templates").await.json()["meta"]["page"], 1);
    let me = gateway.get("/v1/auth/me").await.json();
    assert_eq!((&me["status"], &me["api_key"]), (&json!("ok"), &json!("operator")));
    assert_eq!(gateway.get("/v1/contacts/none").await.told(), (404, json!({ "error": "not found" })));
    let calls = gateway.world.sandbox.calls();
    assert!(calls.iter().all(|(_, call)| call.status != 401), "the account's token was shown, not the caller's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_contact_is_an_object_whatever_shape_the_account_gives_it() {
    let gateway = Gateway::before(plan(Database::sqlite())).await;
    gateway.world.says(ANA, "hello").await;
    let digits = ANA.trim_start_matches('+');
    let found = gateway.get(&format!("/v1/contacts/phone/{digits}")).await.json();
    let at = format!("/v1/contacts/{}", found["contact"]["uuid"].as_str().unwrap());
    gateway.world.sandbox.set_faults(&json!({ "scope": "/", "contact_list": true })).unwrap();
    assert_eq!(gateway.get(&format!("/v1/contacts/phone/{digits}")).await.json(), found);
    assert_eq!(gateway.get(&at).await.json(), found);
    let renamed = gateway.ask(Method::PATCH, &at, Some(&json!({ "name": "Ana" }))).await;
    assert_eq!((renamed.status, &renamed.json()["contact"]["name"]), (200, &json!("Ana")));
    let new = json!({ "identifier": BOB, "source": "whatsapp", "name": "Bob" });
    assert_eq!(gateway.ask(Method::POST, "/v1/contacts", Some(&new)).await.json()["contact"]["name"], "Bob");
    let counted = gateway.world.sandbox.calls().len();
    assert!(counted >= 5, "all of it was asked of the account: {counted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn agents_have_the_statuses_that_the_account_gives_them() {
    let gateway = Gateway::before(plan(Database::sqlite())).await;
    let ask = async |method: Method, path: &str, body: Value| gateway.ask(method, path, Some(&body)).await;
    let made = ask(Method::POST, "/v1/custom_statuses", json!({ "name": "Meeting" })).await.json();
    let id = made["customStatus"]["id"].as_str().unwrap();
    let path = format!("/v1/custom_statuses/{id}");
    assert_eq!(ask(Method::PUT, &path, json!({ "name": "Call" })).await.status, 200);
    assert_eq!(gateway.get(&path).await.json()["customStatus"]["name"], "Call");
    let office = relance::connector::sandbox::Office::default();
    let user = format!("/v1/users/{}/status", office.users[0].uuid);
    assert_eq!(ask(Method::PUT, &user, json!({ "custom_status_uuid": id })).await.status, 200);
    assert_eq!(gateway.get(&user).await.json()["user_status"]["custom_status"]["name"], "Call");
    assert_eq!(gateway.ask(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(gateway.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_accounts_rate_holds_for_what_is_passed_on() {
    let gateway = Gateway::before(plan(Database::sqlite()).project("callbell: { pace: 1 per minute }\n")).await;
    assert_eq!(gateway.get("/v1/plan").await.status, 200);
    let slow = gateway.get("/v1/plan").await;
    assert_eq!(slow.told(), (429, json!({ "error": "too many requests" })));
    let wait: u32 = slow.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((60..=61).contains(&wait), "{wait}");
    gateway.world.advance(seconds(61)).await;
    assert_eq!(gateway.get("/v1/plan").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn subscribing_leaves_the_accounts_only_webhook_alone() {
    let gateway = Gateway::before(plan(Database::sqlite())).await;
    let subscribe = async |body: &Value| gateway.ask(Method::POST, "/v1/webhooks/subscribe", Some(body)).await;
    let target = json!({ "url": "https://crm.example/hook", "subscriptions": "message_created, contact_created" });
    let answer = subscribe(&target).await.json();
    let webhook = &answer["webhook"];
    assert_eq!(webhook["url"], "https://crm.example/hook");
    assert_eq!(webhook["subscriptions"], json!(["message_created", "contact_created"]));
    assert_eq!((&webhook["createdAt"], &webhook["enabled"]), (&json!("2026-03-02 11:00:00 +0000"), &json!(true)));
    let listed = json!({ "url": "https://crm.example/hook", "subscriptions": ["message_status_updated"] });
    assert_eq!(subscribe(&listed).await.status, 200, "again replaces it");
    let faulty = json!({ "url": "ftp://x", "subscriptions": ["nonsense"] });
    let expected = json!({ "error": { "url": ["is invalid"], "subscriptions": ["is not included in the list"] } });
    assert_eq!(subscribe(&faulty).await.told(), (400, expected));
    let events = gateway.get("/v1/webhooks/events?status=failed&items=5").await.json();
    assert_eq!(events, json!({ "webhook_events": [], "meta": { "page": 1, "pages": 1 } }));
    // What can never be posted to, or would go out in the clear, is refused at once.
    for url in
        ["https://10.0.0.1/hook", "https://[fd00::1]/hook", "http://crm.example/hook", "https://169.254.169.254/"]
    {
        assert_eq!(subscribe(&json!({ "url": url })).await.status, 400, "{url}");
    }
    // Addresses of this machine may be subscribed on this machine; nothing is ever posted to them.
    assert_eq!(subscribe(&json!({ "url": "http://127.0.0.1:9/hook" })).await.status, 200);
    gateway.world.says(ANA, "hello").await;
    let events = gateway.get("/v1/webhooks/events?subscriptions=message_created").await.json();
    let event = &events["webhook_events"][0];
    assert_eq!((&event["event"], &event["payload"]["text"]), (&json!("message_created"), &json!("hello")));
    assert_eq!((&event["success"], &event["createdAt"]), (&json!(false), &json!("2026-03-02T11:00:00Z")));
    let gone = gateway.ask(Method::DELETE, "/v1/webhooks/unsubscribe", None).await;
    assert_eq!(gone.told(), (200, json!({ "status": "webhook was destroyed" })));
    assert_eq!(gateway.ask(Method::DELETE, "/v1/webhooks/unsubscribe", None).await.status, 404);
    let asked = gateway.world.sandbox.calls();
    assert!(asked.iter().all(|(_, call)| !call.path.contains("webhooks")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_documented_path_is_served_and_every_served_path_is_documented() {
    let gateway = Gateway::before(plan(Database::sqlite())).await;
    let document = gateway.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = std::collections::BTreeSet::new();
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap().iter().filter(|(verb, _)| verb.as_str() != "parameters") {
            count += 1;
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
            let method = Method::from_bytes(verb.to_uppercase().as_bytes()).unwrap();
            let at = path.replace("{uuid}", "none").replace("{number}", "33600000001").replace("{bsuid}", "none");
            let answer = send(gateway.request(method, &at)).await;
            assert_eq!(answer.status, 401, "{verb} {path}: only what is served asks for a token with its scope");
            let wrong = send(gateway.request(Method::from_bytes(b"TRACE").unwrap(), &at).bearer_auth(OPERATOR)).await;
            assert_eq!(wrong.status, 405, "{path}");
        }
    }
    assert_eq!(count, 42);
}
