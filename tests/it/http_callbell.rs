//! Promise: the account's webhooks are known by every secret that is set, and answered exactly as Callbell counts.

use crate::http_stand::{SIGNING_SECRET, Stand, URL_SECRET, Wanted, callbell_signature};
use relance::http::Mode;
use reqwest::Method;
use serde_json::Value;

const RECEIVED: &str = include_str!("../fixtures/callbell/events/message_received.json");
const OK: &str = "{\"status\":\"ok\"}";

fn path() -> String {
    format!("/callbell/{URL_SECRET}")
}

#[tokio::test]
async fn checks_are_answered_before_anything_else_and_leave_no_row() {
    let stand = Stand::new(Mode::Serve).await;
    for address in [path(), "/callbell".into(), "/callbell/wrong".into()] {
        for body in ["", " \n", "ping", "\u{feff}", "7", "\"text\""] {
            let answer = stand.post(&address, &[], body).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, OK), "{address} {body:?}");
        }
        assert_eq!(stand.get(&address).await.text, OK);
        let head = stand.request(Method::HEAD, &address).send().await.unwrap();
        assert_eq!(head.status(), 200);
    }
    assert_eq!(stand.request(Method::PUT, &path()).send().await.unwrap().status(), 405);
    let limits = stand.post(&path(), &[("content-encoding", "br")], "ping").await;
    assert_eq!(limits.refused(), 415, "limits come before checks");
    assert_eq!(stand.rows().await, (0, 0));
}

#[tokio::test]
async fn a_message_is_on_disk_with_what_it_started_before_it_is_answered() {
    let stand = Stand::new(Mode::Serve).await;
    let answer = stand.post(&path(), &[], RECEIVED).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, OK));
    assert_eq!(stand.rows().await, (1, 1));
    let with_mark = format!("\u{feff}{RECEIVED}");
    for again in [RECEIVED, with_mark.as_str()] {
        assert_eq!(stand.post(&path(), &[], again.to_owned()).await.text, OK);
    }
    assert_eq!(stand.rows().await, (1, 1), "a second delivery starts nothing");
    assert_eq!(stand.post(&path(), &[], "[]").await.text, OK);
    assert_eq!(stand.post(&path(), &[], r#"{"event":"new_in_2030","payload":{"a":1}}"#).await.text, OK);
    assert_eq!(stand.rows().await, (2, 1), "an unknown event is kept");
    let test = r#"{"event":"relance_test","payload":{"at":"now"}}"#;
    assert_eq!(stand.post("/callbell/wrong", &[], test).await.refused(), 401);
    assert_eq!(stand.post(&path(), &[], test).await.text, OK);
    assert_eq!(stand.rows().await, (2, 1), "the event of `webhooks test` is not");
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_refused_before_the_body_is_read() {
    let stand = Stand::new(Mode::Serve).await;
    for address in ["/callbell", "/callbell/", "/callbell/wrong", "/callbell/canary-url-secre", "/callbell/%ff"] {
        for body in [RECEIVED, "{"] {
            assert_eq!(stand.post(address, &[], body).await.refused(), if address.ends_with("l/") { 404 } else { 401 });
        }
    }
    assert_eq!(stand.post(&format!("{}/more", path()), &[], RECEIVED).await.refused(), 404);
    for broken in ["{", "[1", "{\"event\":\"message_created\",}"] {
        assert_eq!(stand.post(&path(), &[], broken).await.refused(), 400, "{broken}");
    }
    let deep = format!("{{\"event\":\"x\",\"payload\":{}{}}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(stand.post(&path(), &[], deep).await.refused(), 400);
    assert_eq!(stand.post(&path(), &[], "[".repeat(1_000_000)).await.refused(), 400);
    assert_eq!(stand.rows().await, (0, 0));
}

#[tokio::test]
async fn every_secret_that_is_set_must_be_shown() {
    let both = Stand::with(Wanted { signing_secret: true, ..Wanted::default() }).await;
    let good = callbell_signature(SIGNING_SECRET, RECEIVED, 290);
    let old = callbell_signature(SIGNING_SECRET, RECEIVED, 310);
    let forged = callbell_signature("whsec_other", RECEIVED, 0);
    let status = async |stand: &Stand, path: &str, signature: &str| {
        stand.post(path, &[("x-callbell-signature", signature)], RECEIVED).await.status
    };
    assert_eq!(both.post(&path(), &[], RECEIVED).await.refused(), 401, "the signature is missing");
    assert_eq!(status(&both, "/callbell/wrong", &good).await, 401);
    assert_eq!(status(&both, "/callbell", &good).await, 401);
    assert_eq!(status(&both, &path(), &old).await, 401, "older than 300 seconds");
    assert_eq!(status(&both, &path(), &forged).await, 401);
    assert_eq!(both.rows().await, (0, 0));
    assert_eq!(status(&both, &path(), &good).await, 200);

    let signed = Stand::with(Wanted { url_secret: false, signing_secret: true, ..Wanted::default() }).await;
    assert_eq!(status(&signed, "/callbell", &forged).await, 401);
    assert_eq!(status(&signed, "/callbell", &good).await, 200);
    assert_eq!(signed.rows().await, (1, 1));
}

#[tokio::test]
async fn without_any_secret_everything_is_refused_and_said_at_start() {
    let stand = Stand::with(Wanted { url_secret: false, ..Wanted::default() }).await;
    for address in ["/callbell", "/callbell/anything"] {
        assert_eq!(stand.post(address, &[], RECEIVED).await.refused(), 401);
    }
    assert_eq!(stand.rows().await, (0, 0));
    let warnings = relance::http::warnings(&stand.app);
    assert!(warnings.iter().any(|warning| warning.contains("CALLBELL_WEBHOOK_SECRET")), "{warnings:?}");
}

#[tokio::test]
async fn a_message_of_the_customer_is_answered_through_the_account() {
    let stand = Stand::new(Mode::Serve).await;
    let now = jiff_now();
    stand.post(&path(), &[], RECEIVED.replace("2026-03-01T10:30:00.000+01:00", &now)).await;
    stand.engine.quiet().await;
    let deliveries = stand.api("/api/deliveries").await.json();
    let delivery = &deliveries["deliveries"][0];
    assert_eq!(
        (&delivery["workflow"], &delivery["state"]),
        (&Value::from("greeting"), &Value::from("accepted")),
        "{delivery}"
    );
}

/// The instant at which the stand's clock stands.
fn jiff_now() -> String {
    jiff::Timestamp::from_millisecond(crate::http_stand::NOON).unwrap().to_string()
}
