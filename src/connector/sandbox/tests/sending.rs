//! Sending over HTTP: the client against the fake vendor, its window, refusals, lines and memory.

use super::*;

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
async fn a_deleted_message_loses_its_text_under_both_spellings_and_both_ids() {
    let stand = stand(|_| {}).await;
    stand.sandbox.reply(PHONE, "secret", None).unwrap();
    stand.send(plain("one")).await;
    stand.send(plain("two")).await;
    let path = format!("/v1/contacts/{}/messages", stand.sandbox.people()[0].uuid);
    let listed = stand.get(&path).await.1["messages"][2]["uuid"].clone();
    let sent: Vec<String> = stand.sandbox.messages()[1..].iter().map(|message| message.uuid.clone()).collect();
    assert_eq!(stand.call("DELETE", &format!("/v1/messages/{}", sent[0]), Value::Null).await, (204, Value::Null));
    assert_eq!(stand.call("DELETE", "/v1/messages", json!({"uuid": sent[1]})).await.0, 204);
    assert_eq!(stand.call("DELETE", "/v1/messages", json!({"uuid": listed})).await.0, 204);
    let (_, said) = stand.get(&path).await;
    let texts: Vec<&Value> = said["messages"].as_array().unwrap().iter().map(|row| &row["text"]).collect();
    assert_eq!(texts, ["", "", ""]);
    assert_eq!(stand.sandbox.messages()[1].text, "one", "the person still has it");
    for (path, body, status) in [
        ("/v1/messages/x", Value::Null, 404),
        ("/v1/messages", json!({"uuid": "x"}), 404),
        ("/v1/messages", json!({}), 400),
    ] {
        assert_eq!(stand.call("DELETE", path, body).await.0, status);
    }
}

#[tokio::test]
async fn all_unknown_references_are_told_at_once() {
    let stand = stand(|_| {}).await;
    let mut body: Value = serde_json::from_str(&by_template("nope", &[])).unwrap();
    body["channel_uuid"] = json!("c");
    body["team_uuid"] = json!("t");
    let (status, said) = stand.post("/v1/messages/send", body).await;
    let fields = ["channel_uuid", "team_uuid", "template_uuid"];
    assert_eq!((status, keys(&said["error"])), (422, fields.into()));
    let lines = json!([{"uuid": "a", "title": "A"}, {"uuid": "b", "title": "B", "discarded_ms": 1}]);
    stand.post("/sandbox/account", json!({"channels": lines})).await;
    let mut body: Value = serde_json::from_str(&plain("x")).unwrap();
    body["channel_uuid"] = json!("b");
    assert_eq!(stand.post("/v1/messages/send", body).await.0, 422, "the line is out of service");
}

#[tokio::test]
async fn the_answer_and_the_status_hold_what_was_asked_for() {
    let stand = stand(|_| {}).await;
    let body: Value = serde_json::from_str(&plain("x")).unwrap();
    let (_, said) = stand.post("/v1/messages/send?fields=contact,%20conversation,x", body).await;
    assert_eq!(keys(&said["message"]), ["contact", "conversation", "status", "uuid"].into());
    assert_eq!(keys(&said["message"]["contact"]), ["email", "name", "phone", "uuid"].into());
    assert_eq!(keys(&said["message"]["conversation"]), ["createdAt", "href", "source"].into());
    let uuid = said["message"]["uuid"].as_str().unwrap();
    let (_, status) = stand.get(&format!("/v1/messages/status/{uuid}")).await;
    assert_eq!(
        keys(&status["message"]),
        ["contact", "conversation", "messageStatusPayload", "metadata", "status", "uuid"].into()
    );
    assert_eq!(
        (&status["message"]["status"], &status["message"]["contact"]["phoneNumber"]),
        (&json!("enqueued"), &json!(PHONE))
    );
}
