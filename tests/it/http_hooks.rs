//! Promise: webhooks of the project's sources are taken in by the order of `semantics.md` §4.1, and what is refused
//! leaves no row.

use crate::http_stand::{BOOKING_TOKEN, CANARY, SHOP_SECRET, Stand, TOKEN, URL_SECRET, Wanted, signed};
use relance::http::Mode;
use relance::http::limits::Limits;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ORDER: &str = r#"{"order":{"id":"A-17"},"phone":"0612340001","name":"Ana","total":12}"#;

#[tokio::test]
async fn each_step_comes_before_the_next() {
    let stand = Stand::new(Mode::Serve).await;
    let large = " ".repeat(1024 * 1024 + 1);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let forged = [("x-signature", "00")];

    // Each request is wrong in everything that comes later as well.
    let unknown = stand.post("/hooks/shpo/order.paid", &[("content-encoding", "gzip")], large.clone()).await;
    assert_eq!(unknown.refused(), 404, "route first");
    assert_eq!(stand.post("/hooks/Shop/order.paid", &forged, "{}").await.refused(), 404, "names are exact");
    assert_eq!(stand.post("/hooks/shop/order.paid", &forged, large).await.refused(), 413, "then limits");
    let compressed = [("content-encoding", "gzip"), ("x-signature", "00")];
    assert_eq!(stand.post("/hooks/shop/order.paid", &compressed, "{").await.refused(), 415);
    let long = "x".repeat(20_000);
    assert_eq!(stand.post("/hooks/shop/order.paid", &[("x-long", &long)], "{").await.refused(), 413);
    assert_eq!(stand.post("/hooks/shop/order.paid", &forged, "{").await.refused(), 401, "then who it is");
    assert_eq!(stand.shop("order.paid", "{").await.refused(), 400, "then what it says");
    assert_eq!(stand.shop("order.paid", &deep).await.refused(), 400);
    assert_eq!(stand.shop("order.paid", "[{}]").await.refused(), 400);
    assert_eq!(stand.shop("order-paid", "{}").await.refused(), 400, "no name of an event");
    assert_eq!(stand.shop("", "{}").await.status, 400, "nor any in the body");
    assert_eq!(stand.get("/hooks/shop/order.paid").await.refused(), 405);
    assert_eq!(stand.rows().await, (0, 0), "nothing of all this was kept");

    let first = stand.shop("order.paid", ORDER).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let body = first.json();
    assert_eq!((body["status"].as_str(), body["duplicate"].as_bool()), (Some("ok"), Some(false)));
    assert_eq!(stand.rows().await, (1, 1), "the event and what it caused are there before the answer");

    let again = stand.shop("order.paid", &ORDER.replace("12", "13")).await.json();
    assert_eq!((&again["event_id"], again["duplicate"].as_bool()), (&body["event_id"], Some(true)));
    assert_eq!(stand.rows().await, (1, 1));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let limits = Limits { body_read: Duration::from_millis(100), ..Limits::default() };
    let stand = Stand::with(Wanted { limits, ..Wanted::default() }).await;
    let head = "POST /hooks/shop/order.paid HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{";
    let answer = stand.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"hint\""), "{answer}");
}

#[tokio::test]
async fn a_body_without_an_announced_length_has_the_same_bounds() {
    let stand = Stand::new(Mode::Serve).await;
    let post = async |pieces: usize| {
        let head = "POST /hooks/shop/order.paid HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        let answer = stand.raw(format!("{head}{}0\r\n\r\n", piece.repeat(pieces)).as_bytes()).await;
        answer["HTTP/1.1 ".len()..][..3].to_owned()
    };
    assert_eq!(post(17).await, "413");
    assert_eq!(post(16).await, "401");
}

#[tokio::test]
async fn strangers_with_large_bodies_shut_nobody_out_who_is_known() {
    let stand = Stand::new(Mode::Serve).await;
    let path = format!("/callbell/{URL_SECRET}");
    let begin = |path: &'static str| stand.begin(path, 1024 * 1024);
    // Who shows a wrong token, or none, gets no room at all.
    for address in ["/callbell/wrong", "/hooks/booking/order.paid", "/hooks/booking/wrong/order.paid"] {
        let (_, said) = begin(address).await;
        assert!(said.starts_with("HTTP/1.1 401 "), "{address}: {said}");
    }
    // Who signs the body is not known yet: such senders have a share, and no more.
    let mut open = Vec::new();
    let refused = loop {
        let (stream, said) = begin("/hooks/shop/order.paid").await;
        if !said.starts_with("HTTP/1.1 100 ") {
            break said;
        }
        open.push(stream);
    };
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.to_lowercase().contains("retry-after"), "{refused}");
    assert_eq!(open.len(), 3);
    let filler = " ".repeat(900_000);
    let large = format!("{{\"event\":\"new_in_2030\",\"payload\":{{}}}}{filler}");
    assert_eq!(stand.post(&path, &[], large.clone()).await.status, 200, "the account");
    let bearer = format!("Bearer {BOOKING_TOKEN}");
    assert_eq!(stand.post("/hooks/booking/order.paid", &[("authorization", &bearer)], large.clone()).await.status, 200);
    let token = format!("Bearer {TOKEN}");
    assert_eq!(stand.post("/api/events/order.paid", &[("authorization", &token)], large).await.status, 200);
    assert_eq!(stand.shop("order.paid", ORDER).await.status, 200, "a small body needs no room");
    assert_eq!(stand.shop("order.paid", &format!("{ORDER}{filler}")).await.refused(), 503);
    drop(open);
}

#[tokio::test]
async fn the_event_is_named_by_the_address_or_by_the_body() {
    let stand = Stand::new(Mode::Serve).await;
    for (address, body) in [("order/paid", r#"{"order":{"id":1}}"#), ("", r#"{"type":"order.paid","order":{"id":2}}"#)]
    {
        let taken = stand.shop(address, body).await.json();
        let event = stand.engine.store().event(taken["event_id"].as_str().unwrap()).await.unwrap().unwrap();
        assert_eq!((event.source.as_str(), event.name.as_str()), ("shop", "order.paid"));
    }
}

#[tokio::test]
async fn a_path_token_is_shown_in_a_header_or_in_the_address() {
    let stand = Stand::new(Mode::Serve).await;
    let bearer = format!("Bearer {BOOKING_TOKEN}");
    let status =
        async |path: &str, headers: &[(&str, &str)], body: &'static str| stand.post(path, headers, body).await.status;
    assert_eq!(status("/hooks/booking/order.paid", &[("authorization", &bearer)], r#"{"n":1}"#).await, 200);
    assert_eq!(status(&format!("/hooks/booking/{BOOKING_TOKEN}/order.paid"), &[], r#"{"n":2}"#).await, 200);
    assert_eq!(status(&format!("/hooks/booking/{BOOKING_TOKEN}"), &[], r#"{"type":"order.paid","n":3}"#).await, 200);
    assert_eq!(status("/hooks/booking/order.paid", &[], "{}").await, 401);
    assert_eq!(status("/hooks/booking/wrong/order.paid", &[], "{}").await, 401);
    assert_eq!(status("/hooks/booking/order.paid", &[("authorization", "Bearer ")], "{}").await, 401);
    assert_eq!(stand.rows().await.0, 3);
}

#[tokio::test]
async fn a_source_without_its_secret_takes_nothing_and_what_is_loosened_is_named_at_start() {
    let stand = Stand::new(Mode::Serve).await;
    let body = "{}";
    for secret in ["", "NEVER_SET", SHOP_SECRET] {
        let signature = format!("sha256={}", signed(secret, body.as_bytes()));
        assert_eq!(stand.post("/hooks/silent/push", &[("x-hub-signature-256", &signature)], body).await.refused(), 401);
    }
    let warnings = relance::http::warnings(&stand.app);
    let named: Vec<_> = warnings.iter().filter(|warning| warning.contains("`NEVER_SET`")).collect();
    assert!(named.len() == 1 && named[0].contains("`silent`"), "{warnings:?}");
    let plain: Vec<_> = warnings.iter().filter(|warning| warning.contains("without encryption")).collect();
    assert!(plain.len() == 1 && plain[0].contains("`http://desk.example.com`"), "{warnings:?}");
}

#[tokio::test]
async fn the_source_local_needs_nothing_in_dev_and_is_unknown_to_serve() {
    let serve = Stand::new(Mode::Serve).await;
    assert_eq!(serve.post("/hooks/local/order.paid", &[], ORDER).await.refused(), 404);
    let dev = Stand::new(Mode::Dev).await;
    assert_eq!(dev.post("/hooks/local/order.paid", &[], ORDER).await.status, 200);
    assert_eq!(dev.rows().await, (1, 1));
    assert_eq!(dev.post("/hooks/shop/order.paid", &[], ORDER).await.refused(), 401, "other sources stay as they are");
    // A page of another site must not post to the developer's machine.
    let foreign = [("origin", "https://evil.example"), ("content-type", "text/plain")];
    assert_eq!(dev.post("/hooks/local/order.paid", &foreign, r#"{"n":1}"#).await.refused(), 403);
    let rebound = [("host", "evil.example:4000")];
    assert_eq!(dev.post("/hooks/local/order.paid", &rebound, r#"{"n":1}"#).await.refused(), 421);
    assert_eq!(dev.rows().await, (1, 1));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One thread, so that everything the server logs goes to this test's subscriber.
#[tokio::test(flavor = "current_thread")]
async fn no_secret_and_no_number_comes_out_in_answers_or_logs() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    // With a single subscriber, a line first met by another test's thread would be off for this one as well.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let stand = Stand::new(Mode::Serve).await;
    let good = format!("/hooks/booking/{BOOKING_TOKEN}/order.paid");
    let answers = [
        stand.shop("order.paid", ORDER).await,
        stand.shop("order.paid", "{").await,
        stand.post(&good, &[], ORDER).await,
        stand.post(&good, &[], "{").await,
        stand.post(&format!("/hooks/booking/x{BOOKING_TOKEN}/order.paid"), &[], "{}").await,
        stand.post(&format!("/hook/{BOOKING_TOKEN}"), &[], "{}").await,
        stand.post("/callbell/canary-guess", &[], "{}").await,
    ];
    stand.engine.quiet().await;
    tracing::info!("the end");
    for answer in answers {
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("the end") && logged.contains("a webhook was refused"), "{logged}");
    for private in [CANARY, "612340001", "Ana"] {
        let at = logged.find(private);
        assert!(at.is_none(), "{private}: {}", &logged[at.unwrap().saturating_sub(300)..]);
    }
}
