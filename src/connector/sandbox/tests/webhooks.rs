//! The account's only webhook: subscribing, replacing, disabling, and its log.

use super::*;

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
async fn a_subscription_is_checked_and_shown_as_documented() {
    let stand = stand(|_| {}).await;
    let (status, said) = stand
        .post("/v1/webhooks/subscribe", json!({"url": "http://127.0.0.1:1/", "subscriptions": ["contact_deleted"]}))
        .await;
    let expected = json!({"url": "http://127.0.0.1:1/", "subscriptions": ["contact_deleted"], "enabled": true,
        "createdAt": "2026-03-01 10:30:00 +0100"});
    assert_eq!((status, &said["webhook"]), (200, &expected));
    for url in ["", "ftp://x/", "http://localhost/hook", "nonsense"] {
        let (status, said) = stand.post("/v1/webhooks/subscribe", json!({"url": url, "subscriptions": ["x"]})).await;
        assert_eq!((status, keys(&said["error"])), (400, ["subscriptions", "url"].into()), "{url}");
    }
    let gone = stand.call("DELETE", "/v1/webhooks/unsubscribe", Value::Null).await;
    assert_eq!(gone, (200, json!({"status": "webhook was destroyed"})));
    assert_eq!(stand.get("/sandbox/account").await.1["webhook"]["url"], Value::Null);
}

#[tokio::test]
async fn a_disabled_webhook_hears_nothing_until_it_is_subscribed_again_and_the_log_holds_what_it_missed() {
    let stand = stand(|_| {}).await;
    let hook = stand.get("/sandbox/account").await.1["webhook"]["url"].clone();
    stand.inbox.status.store(503, Ordering::SeqCst);
    stand.sandbox.reply(PHONE, "1", None).unwrap();
    stand.sandbox.settle().await;
    stand.post("/sandbox/account", json!({"webhook": {"enabled": false}})).await;
    stand.inbox.status.store(0, Ordering::SeqCst);
    stand.sandbox.reply(PHONE, "2", None).unwrap();
    stand.advance(60_000).await;
    let texts =
        |events: &[Value]| -> Vec<Value> { events.iter().map(|event| event["payload"]["text"].clone()).collect() };
    assert_eq!(texts(&stand.inbox.take()), ["1"], "the post before it was disabled");
    let (_, log) = stand.get("/v1/webhooks/events?status=failed").await;
    assert_eq!(texts(log["webhook_events"].as_array().unwrap()), ["1", "2"]);
    stand.post("/v1/webhooks/subscribe", json!({"url": hook})).await;
    stand.sandbox.reply(PHONE, "3", None).unwrap();
    assert_eq!(texts(&stand.events().await), ["3"]);
    let (_, log) = stand.get("/v1/webhooks/events?status=success&subscriptions=message_created&items=1").await;
    let row = &log["webhook_events"][0];
    assert_eq!(keys(row), ["createdAt", "event", "payload", "response", "success"].into());
    assert_eq!((&row["response"]["code"], keys(&row["response"])), (&json!(200), ["body", "code", "headers"].into()));
    assert!(row["response"]["headers"]["date"].is_string(), "{row}");
    let (_, none) = stand.get("/v1/webhooks/events?subscriptions=contact_deleted,contact_created").await;
    assert_eq!((&none["webhook_events"], &none["meta"]), (&json!([]), &json!({"page": 1, "pages": 1})));
}

#[tokio::test]
async fn six_hours_without_a_success_disable_the_webhook_when_the_rule_is_on() {
    for rule in [false, true] {
        let stand = stand(|_| {}).await;
        stand.sandbox.set_faults(&json!({"silence_rule": rule})).unwrap();
        stand.inbox.status.store(500, Ordering::SeqCst);
        for hour in 0..7 {
            stand.sandbox.reply(PHONE, &hour.to_string(), None).unwrap();
            stand.sandbox.settle().await;
            stand.advance(3_600_000).await;
        }
        assert_eq!(stand.get("/sandbox/account").await.1["webhook"]["enabled"], json!(!rule));
    }
}
