//! The client against the fake vendor over loopback, and the fake vendor against the fixtures of the reference.

use super::*;
use crate::config::{Channel, Secret};
use crate::connector::webhook::{self, Direction, Incoming};
use crate::connector::wire::{Envelope, send_body, sign_id};
use crate::connector::{Callbell, install_crypto};
use crate::contact::Phone;
use crate::delivery::Outcome;
use crate::message::{Form, Message, Plain, Template, TemplateKind};
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::net::TcpListener;

const NOW: i64 = 1_772_357_400_000;
const PHONE: &str = "+33600000001";

/// A sandbox on a still clock, its address, and a webhook that remembers what it got.
struct Stand {
    sandbox: Sandbox,
    clock: Clock,
    base: String,
    inbox: Inbox,
}

#[derive(Clone, Default)]
struct Inbox {
    got: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    /// What it answers; 0 = 200.
    status: Arc<AtomicU16>,
    came: Arc<Notify>,
}

impl Inbox {
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.got.lock().unwrap()).into_iter().map(|(_, body)| body).collect()
    }

    fn router(self) -> Router {
        let receive = move |headers: HeaderMap, body: Bytes| async move {
            self.got.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
            self.came.notify_one();
            let status = self.status.load(Ordering::SeqCst);
            StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
        };
        Router::new().route("/hook", post(receive))
    }
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

fn template(uuid: &str, text: &str) -> LockedTemplate {
    LockedTemplate {
        uuid: uuid.into(),
        title: "Devis".into(),
        text: text.into(),
        kind: TemplateKind::Text,
        category: None,
        status: "approved".into(),
        placeholders: 1,
    }
}

async fn stand(change: impl FnOnce(&mut SandboxConfig)) -> Stand {
    install_crypto();
    let inbox = Inbox::default();
    let hook = serve(inbox.clone().router()).await;
    let clock = Clock::still(NOW);
    let mut config = SandboxConfig::new(clock.clone());
    config.token = Some(Secret::new("right"));
    config.webhook_url = Some(format!("{hook}/hook"));
    config.templates = vec![template("t1", "Bonjour {{1}}, votre devis est prêt")];
    config.posts_at_once = 1;
    change(&mut config);
    let sandbox = Sandbox::new(config).unwrap();
    let base = serve(sandbox.router()).await;
    Stand { sandbox, clock, base, inbox }
}

impl Stand {
    fn client(&self, token: &str) -> Callbell {
        Callbell::new(&format!("{}/v1", self.base), Some(Secret::new(token))).unwrap()
    }

    async fn send(&self, body: String) -> Outcome {
        self.client("right").send(body).await
    }

    async fn advance(&self, by_ms: i64) {
        self.clock.move_to(self.clock.now_ms() + by_ms);
        self.sandbox.settle().await;
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = reqwest::Client::new().get(format!("{}{path}", self.base)).bearer_auth("right");
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.base)).bearer_auth("right").json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// The statuses of the n-th message, in order.
    fn history(&self, n: usize) -> Vec<(&'static str, Option<i64>)> {
        self.sandbox.messages()[n].history.iter().map(|step| (step.status, step.code)).collect()
    }
}

fn plain(text: &str) -> String {
    body(&Message { plain: Some(Plain { text: Some(text.into()), media: None }), ..Message::default() }, Form::Text)
}

fn by_template(uuid: &str, values: &[&str]) -> String {
    let template = Template {
        name: "devis".into(),
        uuid: uuid.into(),
        kind: TemplateKind::Text,
        category: None,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        media_url: None,
    };
    body(&Message { template: Some(template), ..Message::default() }, Form::Template)
}

fn body(message: &Message, form: Form) -> String {
    let phone = Phone::from_vendor(PHONE).unwrap();
    let relance_id = sign_id(b"key", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    let envelope = Envelope {
        form,
        phone: Some(&phone),
        bsuid: None,
        channel_uuid: None,
        relance_id: &relance_id,
        relance_run: "01ARZ3NDEKTSV4RRFFQ69G5FAW",
        ask_contact: true,
    };
    send_body(message, &envelope)
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/callbell/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn an_open_window_takes_plain_text_and_its_statuses_follow_the_clock() {
    let stand = stand(|_| {}).await;
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    let sent = plain("Votre devis est prêt");
    let Outcome::Accepted { status: 200, message_uuid: Some(uuid), contact_uuid: Some(contact) } =
        stand.send(sent.clone()).await
    else {
        panic!("not accepted")
    };
    assert_eq!(stand.sandbox.people()[0].uuid, contact);
    stand.sandbox.settle().await;
    assert_eq!(stand.history(1), [("enqueued", None)]);
    assert_eq!(stand.sandbox.next_due_ms(), Some(NOW + 1000));
    stand.advance(1000).await;
    stand.advance(1000).await;
    assert_eq!(stand.history(1), [("enqueued", None), ("sent", None), ("delivered", None)]);
    assert_eq!(stand.sandbox.next_due_ms(), None);
    let (_, shown) = stand.get(&format!("/v1/messages/status/{uuid}")).await;
    assert_eq!(shown["message"]["status"], "delivered");
    let message = &stand.sandbox.messages()[1];
    assert_eq!(
        (message.text.as_str(), message.phone.as_str(), message.form),
        ("Votre devis est prêt", PHONE, Form::Text)
    );
    assert_eq!(message.body.as_ref().map(|body| body.get()), Some(sent.as_str()));
    let (_, listed) = stand.get("/sandbox/messages").await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["uuid"]), (1, &json!(uuid)));
    assert_eq!(listed[0]["body"]["content"]["text"], "Votre devis est prêt");
}

#[tokio::test]
async fn a_closed_window_is_accepted_then_fails_and_the_template_arrives() {
    for cloud in [false, true] {
        let stand = stand(|_| {}).await;
        stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
        stand.sandbox.settle().await;
        stand.advance(24 * 3_600_000 - 1).await;
        stand.send(plain("just in time")).await;
        stand.advance(1).await;
        stand.sandbox.set_fault(Fault::CloudPayload, if cloud { u64::MAX } else { 0 });
        assert_eq!(stand.send(plain("too late")).await.as_str(), "accepted");
        stand.send(by_template("t1", &["Aïcha"])).await;
        stand.inbox.take();
        stand.advance(5000).await;
        assert_eq!(stand.history(1).last().unwrap(), &("delivered", None));
        assert_eq!(stand.history(2), [("enqueued", None), ("failed", Some(131_047))]);
        assert_eq!(stand.history(3).last().unwrap(), &("delivered", None));
        assert_eq!(stand.sandbox.messages()[3].text, "Bonjour Aïcha, votre devis est prêt");
        let failed = stand.inbox.take().into_iter().find(|event| event["payload"]["status"] == "failed").unwrap();
        let Incoming::Status(read) = webhook::read(failed.to_string().as_bytes(), NOW).unwrap().remove(0) else {
            panic!()
        };
        assert_eq!((read.code, read.reason.as_deref()), (Some(131_047), Some("Re-engagement message")));
        assert_eq!(read.uuid.as_deref(), Some(stand.sandbox.messages()[2].uuid.as_str()));
    }
}

#[tokio::test]
async fn refusals_say_what_the_vendor_says() {
    let stand = stand(|_| {}).await;
    let wrong = stand.client("Bearer right").send(plain("x")).await;
    assert_eq!(wrong, Outcome::Refused { status: 401, code: None, error: "not authorized".into() });
    let number = plain("x").replace("\"01ARZ3NDEKTSV4RRFFQ69G5FAW\"", "7");
    let refused = Outcome::Refused { status: 400, code: None, error: "metadata: must be string".into() };
    assert_eq!(stand.send(number).await, refused);
    let unknown = Outcome::Refused { status: 422, code: None, error: "template_uuid: not found".into() };
    assert_eq!(stand.send(by_template("nope", &[])).await, unknown);
    assert_eq!(stand.sandbox.messages().len(), 0);
    let statuses: Vec<u16> = stand.sandbox.calls().iter().map(|(_, call)| call.status).collect();
    assert_eq!(statuses, [401, 400, 422]);
    assert!(stand.sandbox.calls().iter().all(|(_, call)| call.body.is_some() && call.accepted.is_none()));
    let (_, calls) = stand.get("/sandbox/calls?after=2").await;
    assert_eq!((calls[0]["n"].as_u64(), calls[0]["path"].as_str()), (Some(3), Some("/v1/messages/send")));
}

#[tokio::test]
async fn every_fault_of_a_call_has_its_outcome_and_is_counted() {
    let stand = stand(|_| {}).await;
    let cases = [
        (Fault::TooMany, "not_sent", 0),
        (Fault::ErrorBefore, "uncertain", 0),
        (Fault::DroppedRequest, "uncertain", 0),
        (Fault::ErrorAfter, "uncertain", 1),
        (Fault::DroppedAnswer, "uncertain", 2),
        (Fault::ContactList, "accepted", 3),
    ];
    for (fault, outcome, taken) in cases {
        stand.sandbox.set_fault(fault, 1);
        let got = stand.send(plain("x")).await;
        assert_eq!((got.as_str(), stand.sandbox.messages().len()), (outcome, taken), "{fault:?}: {got:?}");
        match (fault, got) {
            (Fault::TooMany, Outcome::NotSent { retry_after_ms, status, .. }) => {
                assert_eq!((retry_after_ms, status), (Some(1000), Some(429)));
            }
            (Fault::ErrorAfter, Outcome::Uncertain { status, .. }) => assert_eq!(status, Some(500)),
            (Fault::DroppedAnswer, Outcome::Uncertain { status, .. }) => assert_eq!(status, None),
            (Fault::ContactList, Outcome::Accepted { contact_uuid, .. }) => assert!(contact_uuid.is_some()),
            _ => {}
        }
    }
    assert_eq!(stand.send(plain("x")).await.as_str(), "accepted");
    let calls = stand.sandbox.calls();
    let statuses: Vec<(u16, bool)> = calls.iter().map(|(_, call)| (call.status, call.accepted.is_some())).collect();
    let expected = [(429, false), (500, false), (0, false), (500, true), (0, true), (200, true), (200, true)];
    assert_eq!(statuses, expected);
}

#[tokio::test]
async fn a_call_that_finds_nobody_is_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    for base in [base.as_str(), "https://no-such-host.invalid/v1"] {
        let outcome = Callbell::new(base, None).unwrap().send("{}").await;
        assert!(matches!(outcome, Outcome::NotSent { status: None, .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn events_of_both_directions_reach_the_webhook_signed_and_in_order() {
    let secret = "whsec_test";
    let stand = stand(|config| config.signing_secret = Some(Secret::new(secret))).await;
    stand.sandbox.reply(PHONE, "Bonjour", Some("https://files.example.org/a.ogg")).unwrap();
    stand.sandbox.settle().await;
    stand.send(plain("x")).await;
    stand.sandbox.settle().await;
    stand.advance(2000).await;
    assert!(stand.inbox.got.lock().unwrap().iter().all(|(headers, _)| {
        headers["x-callbell-signature"].to_str().is_ok_and(|value| value.starts_with("t=") && value.contains(",v1="))
    }));
    let events = stand.inbox.take();
    let words: Vec<&str> = events.iter().map(|event| event["payload"]["status"].as_str().unwrap()).collect();
    assert_eq!(words, ["received", "sent", "sent", "delivered"]);
    let read = |event: &Value| webhook::read(event.to_string().as_bytes(), NOW + 2000).unwrap().remove(0);
    let Incoming::Message(first) = read(&events[0]) else { panic!() };
    assert_eq!((first.direction, first.at_ms, first.at_flagged), (Direction::Received, NOW, false));
    assert_eq!(first.contact.phone, Phone::from_vendor(PHONE).ok());
    let Incoming::Message(echo) = read(&events[1]) else { panic!() };
    let Incoming::Status(status) = read(&events[2]) else { panic!() };
    let mark = Some(sign_id(b"key", "01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    assert_eq!((echo.direction, &echo.relance_id, &status.relance_id), (Direction::Sent, &mark, &mark));
    assert_ne!(echo.uuid, status.uuid);
    assert_eq!((status.at_ms, status.at_flagged), (NOW + 1000, false));
}

#[tokio::test]
async fn emitted_events_have_the_keys_of_the_fixtures() {
    let stand = stand(|_| {}).await;
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    stand.send(plain("x")).await;
    stand.sandbox.fail_with([131_047]);
    stand.send(plain("y")).await;
    stand
        .post("/sandbox/people", json!({"phone": PHONE, "name": "Aïcha", "tags": ["vip"], "custom": {"Ville": "Lyon"}}))
        .await;
    stand.sandbox.settle().await;
    stand.advance(2000).await;
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let events = stand.inbox.take();
    let find = |name: &str, status: &str| {
        let fits =
            |event: &&Value| event["event"] == name && (status.is_empty() || event["payload"]["status"] == status);
        events.iter().find(fits).unwrap_or_else(|| panic!("no {name} {status}"))
    };
    let cases = [
        ("message_received", "message_created", "received"),
        ("message_sent", "message_created", "sent"),
        ("status_sent", "message_status_updated", "sent"),
        ("status_delivered", "message_status_updated", "delivered"),
        ("status_failed_gupshup", "message_status_updated", "failed"),
        ("contact_updated", "contact_updated", ""),
    ];
    for (file, name, status) in cases {
        let (ours, theirs) = (find(name, status), fixture(file));
        assert_eq!(keys(ours), keys(&theirs), "{file}");
        assert_eq!(keys(&ours["payload"]), keys(&theirs["payload"]), "{file}");
        for part in ["contact", "messageStatusPayload"] {
            if theirs["payload"][part].is_object() {
                assert_eq!(keys(&ours["payload"][part]), keys(&theirs["payload"][part]), "{file} {part}");
            }
        }
    }
}

#[tokio::test]
async fn a_deaf_webhook_gets_its_events_later_and_once() {
    let stand = stand(|_| {}).await;
    stand.inbox.status.store(503, Ordering::SeqCst);
    stand.sandbox.reply(PHONE, "1", None).unwrap();
    stand.sandbox.reply(PHONE, "2", None).unwrap();
    stand.sandbox.settle().await;
    assert_eq!((stand.inbox.take().len(), stand.sandbox.next_due_ms()), (1, Some(NOW + 1000)));
    stand.advance(1000).await;
    assert_eq!((stand.inbox.take().len(), stand.sandbox.next_due_ms()), (1, Some(NOW + 3000)));
    stand.inbox.status.store(0, Ordering::SeqCst);
    stand.advance(2000).await;
    let texts: Vec<Value> = stand.inbox.take().iter().map(|event| event["payload"]["text"].clone()).collect();
    assert_eq!((texts, stand.sandbox.next_due_ms()), (vec![json!("1"), json!("2")], None));
}

#[tokio::test]
async fn faults_of_events_are_all_understood_by_the_reader() {
    let stand = stand(|_| {}).await;
    let (status, _) = stand
        .post("/sandbox/faults", json!({"bare": true, "metadata_string": true, "duplicate": 2, "no_uuid": 1}))
        .await;
    assert_eq!(status, 200);
    stand.sandbox.fail_with([131_026]);
    stand.send(plain("x")).await;
    stand.sandbox.settle().await;
    stand.advance(1000).await;
    let events = stand.inbox.take();
    let read: Vec<Incoming> =
        events.iter().map(|event| webhook::read(event.to_string().as_bytes(), NOW).unwrap().remove(0)).collect();
    let [Incoming::Message(first), Incoming::Message(second), Incoming::Status(third), Incoming::Status(fourth)] =
        &read[..]
    else {
        panic!("{read:?}")
    };
    assert_eq!((first.uuid.as_ref(), &first.dedupe, &third.dedupe), (None, &second.dedupe, &fourth.dedupe));
    assert!(first.relance_id.is_some() && first.relance_id == third.relance_id);
    assert_eq!(third.code, Some(131_026));
    assert_eq!(stand.post("/sandbox/faults", json!({"nonsense": 1})).await.0, 400);
}

#[tokio::test]
async fn the_account_s_lists_are_read_page_by_page() {
    let many: Vec<LockedTemplate> = (0..45).map(|n| template(&format!("t{n}"), "{{1}} {{2}}")).collect();
    let stand = stand(|config| config.templates = many).await;
    let read = stand.client("right").templates().await.unwrap();
    assert_eq!((read.len(), read[44].uuid.as_str(), read[0].placeholders), (45, "t44", 2));
    let error = stand.client("wrong").templates().await.unwrap_err();
    assert!(format!("{error:#}").contains("401: not authorized"), "{error:#}");
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    let (_, found) = stand.get("/v1/contacts/phone/+33%206%2000%2000%2000%2001").await;
    let uuid = found["contact"]["uuid"].as_str().unwrap();
    assert_eq!(stand.get(&format!("/v1/contacts/{uuid}")).await.1, found);
    let (_, rows) = stand.get(&format!("/v1/contacts/{uuid}/messages")).await;
    assert_eq!((&rows["messages"][0]["status"], &rows["meta"]["pages"]), (&json!("received"), &json!(1)));
    for unknown in ["/v1/contacts/x", "/v1/messages/status/x", "/v1/templates/x", "/v1/nothing"] {
        assert_eq!(stand.get(unknown).await, (404, json!({"error": "not found"})), "{unknown}");
    }
    let (_, channels) = stand.get("/v1/channels").await;
    assert_eq!((&channels["channels"][0]["title"], &channels["channels"][0]["main"]), (&json!("main"), &json!(true)));
    assert_eq!(stand.get("/v1/contacts?page=501").await.1, json!({"error": "Pagination limit exceeded"}));
}

#[tokio::test]
async fn the_webhook_is_replaced_by_a_subscription_and_failures_stay_in_the_log() {
    let stand = stand(|_| {}).await;
    let hook = stand.sandbox.with(|account, _| account.mailbox.url.take()).unwrap();
    stand.sandbox.reply(PHONE, "lost", None).unwrap();
    let (status, body) = stand
        .post("/v1/webhooks/subscribe", json!({"url": hook, "subscriptions": "message_created, contact_updated"}))
        .await;
    assert_eq!((status, &body["webhook"]["subscriptions"][0]), (200, &json!("message_created")));
    stand.sandbox.set_fault(Fault::WebhookOff, 1);
    stand.sandbox.reply(PHONE, "off", None).unwrap();
    stand.send(plain("x")).await;
    stand.sandbox.settle().await;
    stand.advance(5000).await;
    assert_eq!(stand.inbox.take().len(), 1);
    let (_, log) = stand.get("/v1/webhooks/events?status=failed&items=5").await;
    assert_eq!(log["webhook_events"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&log["webhook_events"][0]["payload"]["text"], &log["webhook_events"][0]["success"]),
        (&json!("off"), &json!(false))
    );
}

#[tokio::test]
async fn only_the_owner_of_the_clock_moves_it_and_only_this_machine_calls() {
    let stand = stand(|_| {}).await;
    assert_eq!(stand.post("/sandbox/clock", json!({"by_ms": 1000})).await.0, 409);
    let owner = self::stand(|config| config.own_clock = true).await;
    owner.send(plain("x")).await;
    assert_eq!(owner.post("/sandbox/clock", json!({"by_ms": 1000})).await, (200, json!({"now_ms": NOW + 1000})));
    assert_eq!(owner.history(0).len(), 2);
    let foreign = reqwest::Client::new().get(format!("{}/sandbox/messages", owner.base)).header("host", "evil.example");
    assert_eq!(foreign.send().await.unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn a_line_linked_by_qr_code_knows_neither_window_nor_templates() {
    let line = Channel {
        name: "qr".into(),
        uuid: Some("q".into()),
        title: None,
        default: true,
        kind: crate::config::ChannelKind::Qr,
        pace: crate::config::Pace { count: 80, per_ms: 1000 },
        listed: true,
    };
    let stand = stand(|config| config.channels = vec![line]).await;
    stand.send(plain("x")).await;
    stand.send(by_template("t1", &["Aïcha"])).await;
    stand.advance(2000).await;
    assert_eq!(stand.history(0).last().unwrap(), &("delivered", None));
    assert_eq!(stand.history(1).last().unwrap(), &("failed", None));
    let unknown = plain("x").replace(r#""from""#, r#""channel_uuid":"z","from""#);
    assert_eq!(stand.send(unknown).await.as_str(), "refused");
}

#[tokio::test]
async fn of_ten_thousand_messages_from_many_senders_the_newest_are_kept() {
    let stand = stand(|config| {
        config.keep = 3000;
        config.posts_at_once = 32;
        config.webhook_url = None;
    })
    .await;
    let client = stand.client("right");
    let mut senders = tokio::task::JoinSet::new();
    for worker in 0..32 {
        let client = client.clone();
        senders.spawn(async move {
            for n in 0..312 {
                let phone = format!("+3360{:07}", worker * 1000 + n);
                let sent = client.send(plain("Bonjour").replace(PHONE, &phone)).await;
                assert_eq!(sent.as_str(), "accepted");
            }
        });
    }
    senders.join_all().await;
    stand.advance(10_000).await;
    let messages = stand.sandbox.messages();
    assert_eq!((messages.len(), messages[0].n, messages[2999].n), (3000, 6985, 9984));
    assert_eq!((stand.sandbox.people().len(), stand.sandbox.next_due_ms()), (3000, None));
}

#[tokio::test]
async fn the_loop_settles_by_itself_when_something_happens_or_the_clock_is_moved() {
    let stand = stand(|config| config.clock = Clock::movable(Some(NOW))).await;
    let looping = tokio::spawn({
        let sandbox = stand.sandbox.clone();
        async move { sandbox.run().await }
    });
    let event =
        async || tokio::time::timeout(std::time::Duration::from_secs(10), stand.inbox.came.notified()).await.unwrap();
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    event().await;
    stand.send(plain("x")).await;
    event().await;
    stand.sandbox.0.clock.move_to(NOW + 3_600_000);
    stand.sandbox.wake();
    event().await;
    looping.abort();
    assert_eq!(stand.history(1)[1], ("sent", None));
}
