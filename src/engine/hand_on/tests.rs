//! The gateway's side of the relay, at the level of groups: its messages stand in the store as the gateway would put them.

use super::*;
use crate::clock::Clock;
use crate::connector::wire::sign_id;
use crate::connector::{Callbell, webhook};
use crate::contact::Phone;
use crate::delivery::{Attempt, DeliveryState};
use crate::engine::{Engine, Outside, Setup};
use crate::message::{Form, Message};
use crate::store::Store;
use crate::store::contacts::ContactRow;
use crate::store::deliveries::DeliveryRow;
use crate::store::relays::RelayFilter;

const NOW: i64 = 1_772_449_200_000;
const ID: &str = "01KJQ38XW00000000000000004";
const OTHER: &str = "01KJQ38XW00000000000000007";
const ATTEMPT: &str = "01KJQ38XW00000000000000005";
const PROJECT: &str = "version: 1
name: Shop
settings: { timezone: Europe/Paris }
relay:
  - { url: 'http://127.0.0.1:1/hook', signature: callbell, secret: CRM_SECRET }
";

#[test]
fn a_caller_finds_its_own_uuid_and_metadata_in_every_form_of_a_body() {
    let pairs = json!({"relance_id": "x", "relance_run": "y", "own": "1"});
    let payload = json!({"uuid": "vendor", "status": "sent", "metadata": pairs});
    let expected = json!({"uuid": outside_id(ID), "status": "sent", "metadata": {"own": "1"}});
    let forms = [
        (payload.clone(), expected.clone()),
        (json!([payload]), json!([expected])),
        (json!({"event": STATUS, "payload": payload}), json!({"event": STATUS, "payload": expected})),
        (json!({"event": STATUS, "payload": [payload]}), json!({"event": STATUS, "payload": [expected]})),
    ];
    for (body, wanted) in forms {
        let body = format!("\u{feff}{body}");
        let read: Value = serde_json::from_str(&rewritten(&body, ID).unwrap()).unwrap();
        assert_eq!(read, wanted);
    }
    let spelt = json!({"status": "sent", "metadata": pairs.to_string()}).to_string();
    let read: Value = serde_json::from_str(&rewritten(&spelt, ID).unwrap()).unwrap();
    assert_eq!(read["metadata"], "{\"own\":\"1\"}");
    assert_eq!((rewritten("[1,2]", ID), rewritten("7", ID)), (None, None));
}

fn delivery(id: &str, own: &str) -> Delivery {
    let message = Message { metadata: [("own".into(), own.into())].into(), ..Message::default() };
    Delivery {
        caller: Some("crm".into()),
        form: Some(Form::Text),
        attempts: 1,
        retry_limit: 5,
        ..Delivery::queued(id.into(), "c1".into(), "main".into(), message, NOW, 1)
    }
}

/// Two messages of a caller: one whose call was open at the end of the former life, one that has expired.
async fn with_callers_messages(url: &str, clock: &Clock) {
    let store = Store::open(url).await.unwrap();
    let mut writer = store.writer(clock.clone()).await.unwrap();
    let mut tx = writer.begin().await.unwrap();
    let contact = Contact { id: "c1".into(), phone: Phone::from_vendor("33612340001").ok(), ..Contact::default() };
    tx.upsert_contacts(&[ContactRow { contact, version: 1, found_as: None }]).await.unwrap();
    tx.insert_deliveries(&[delivery(ID, "1"), delivery(OTHER, "2")]).await.unwrap();
    let sending = Delivery { state: DeliveryState::Sending, ..delivery(ID, "1") };
    let row = DeliveryRow { delivery: sending, was: DeliveryState::Queued, status: None };
    tx.update_deliveries(&[&row]).await.unwrap();
    let attempt = Attempt { id: ATTEMPT.into(), delivery: ID.into(), n: 1, form: Form::Text, started_at_ms: NOW };
    tx.insert_attempts(&[attempt], "node").await.unwrap();
    tx.commit().await.unwrap();
}

async fn start(url: &str, clock: &Clock) -> Engine {
    let files = [("relance.yaml".to_owned(), PROJECT.to_owned())].into();
    let setup = Setup {
        clock: clock.clone(),
        store: Store::open(url).await.unwrap(),
        callbell: Some(Callbell::new("http://127.0.0.1:1/v1", None).unwrap()),
        root: ".".into(),
        outside: Outside { relays: true, ..Outside::default() },
        manner: crate::engine::Manner::default(),
    };
    Engine::start(setup, &crate::workflow::load(&files).project.unwrap()).await.unwrap()
}

async fn tell_status(engine: &Engine, status: &str, mark: &str) {
    let metadata = json!({"relance_id": mark, "relance_run": "", "own": "1"});
    let raw =
        json!({"event": STATUS, "payload": {"uuid": "vendor", "status": status, "metadata": metadata}}).to_string();
    let incoming = webhook::read(raw.as_bytes(), NOW).unwrap();
    engine.told(incoming, raw.into()).await.unwrap();
}

#[tokio::test]
async fn a_caller_hears_of_its_message_by_its_own_uuid_also_when_it_was_not_sent() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::still(NOW));
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("test.db").display());
    with_callers_messages(&url, &clock).await;
    let engine = start(&url, &clock).await;
    let mark = sign_id(&engine.shared.key, ATTEMPT);
    tell_status(&engine, "sent", &mark).await;
    // By the vendor's uuid alone it is the same message; a mark that proves nothing is cut out like a valid one.
    tell_status(&engine, "read", "forged.0123456789abcdef").await;
    let filter = RelayFilter { limit: 10, ..RelayFilter::default() };
    let relays = engine.store().list_relays(&filter).await.unwrap();
    let bodies: Vec<Value> = relays.iter().map(|relay| serde_json::from_str(&relay.body).unwrap()).collect();
    let with = |status: &str| &bodies.iter().find(|body| body["payload"]["status"] == status).unwrap()["payload"];
    assert_eq!(bodies.len(), 3, "{bodies:#?}");
    for status in ["sent", "read"] {
        assert_eq!((&with(status)["uuid"], &with(status)["metadata"]), (&json!(outside_id(ID)), &json!({"own": "1"})));
    }
    let unsent = with("failed");
    assert_eq!((&unsent["uuid"], &unsent["metadata"]), (&json!(outside_id(OTHER)), &json!({"own": "2"})));
    assert_eq!(unsent["messageStatusPayload"]["payload"]["reason"], "skipped: expired");
    assert_eq!(unsent["contact"]["phoneNumber"], "33612340001");
}
