//! The control API below `/sandbox`.

use super::*;

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

#[tokio::test]
async fn the_account_is_set_part_by_part_and_a_mistake_changes_nothing() {
    let stand = stand(|_| {}).await;
    let (_, before) = stand.get("/sandbox/account").await;
    let wrong = [
        json!({"tags": ["a"], "nonsense": 1}),
        json!({"tags": ["a"], "teams": [{"name": "no uuid"}]}),
        json!({"tags": ["a"], "templates": [{"uuid": "t"}]}),
        json!({"tags": ["a"], "sessions": [{"user": "nobody@example.org", "action": "user_logged_in"}]}),
        json!({"tags": ["a"], "sessions": [{"user": "lea@example.org", "action": "x"}]}),
        json!({"tags": ["a"], "webhook": {"on": true}}),
    ];
    for wrong in wrong {
        assert_eq!(stand.post("/sandbox/account", wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(stand.get("/sandbox/account").await.1, before);
    let change = json!({
        "tags": ["gold"], "teams": [], "templates": [{"uuid": "n", "text": "Salut {{1}}", "status": "paused"}],
        "custom_fields": [{"name": "Ville"}], "webhook": {"subscriptions": ["contact_created"]},
    });
    let (status, after) = stand.post("/sandbox/account", change).await;
    assert_eq!((status, &after["tags"], &after["users"]), (200, &json!(["gold"]), &before["users"]));
    assert_eq!(after["custom_fields"], json!([{"name": "Ville", "type": "text", "options": []}]));
    assert_eq!(after["webhook"]["subscriptions"], json!(["contact_created"]));
    stand.send(by_template("n", &["Aïcha"])).await;
    stand.advance(1000).await;
    assert_eq!(stand.history(0).last().unwrap(), &("failed", Some(132_015)));
}

#[tokio::test]
async fn a_reset_begins_again_as_configured() {
    let stand = stand(|_| {}).await;
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    stand.send(plain("x")).await;
    stand.post("/sandbox/account", json!({"tags": [], "webhook": {"enabled": false}})).await;
    stand.sandbox.set_faults(&json!({"429": true, "rate_limit": 1})).unwrap();
    assert_eq!(stand.post("/sandbox/reset", json!({})).await, (200, json!({"status": "ok"})));
    assert_eq!((stand.sandbox.messages().len(), stand.sandbox.people().len(), stand.sandbox.calls().len()), (0, 0, 0));
    assert_eq!(stand.sandbox.next_due_ms(), None);
    assert_eq!(stand.send(by_template("t1", &["Aïcha"])).await.as_str(), "accepted");
    assert_eq!((stand.sandbox.messages()[0].n, stand.events().await.len()), (1, 1));
    assert_eq!(stand.get("/sandbox/account").await.1["tags"], json!(["vip", "opted_in", "client"]));
}

#[tokio::test]
async fn calls_hold_the_bodies_of_what_was_asked() {
    let stand = stand(|_| {}).await;
    stand.call("PATCH", "/v1/templates/t1", json!({"title": "Other"})).await;
    stand.call("DELETE", "/v1/messages", json!({"uuid": "x"})).await;
    let (_, calls) = stand.get("/sandbox/calls?path=/v1/templates").await;
    assert_eq!((&calls[0]["method"], &calls[0]["body"]), (&json!("PATCH"), &json!({"title": "Other"})));
    let (_, calls) = stand.get("/sandbox/calls?status=404").await;
    assert_eq!((calls.as_array().unwrap().len(), &calls[0]["n"]), (1, &json!(2)));
    let long = reqwest::Client::new().post(format!("{}/v1/contacts", stand.base)).bearer_auth("right");
    let refused = long.body("x".repeat(3 * 1024 * 1024)).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    let (status, said) = stand.call("POST", "/v1/contacts", json!([])).await;
    assert_eq!((status, said), (400, json!({"error": {"base": ["invalid JSON"]}})));
}

#[tokio::test]
async fn what_the_command_prints_is_there() {
    let stand = stand(|_| {}).await;
    for (call, _) in NOTES {
        let (methods, path) = call.split_once(' ').unwrap();
        for method in methods.split('|') {
            let path = path.split('?').next().unwrap();
            let (status, _) = stand.call(method, path, Value::Null).await;
            let known = if method == "GET" { status == 200 } else { matches!(status, 400 | 415 | 422) };
            assert!(known, "{method} {path}: {status}");
        }
    }
}
