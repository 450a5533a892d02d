//! Every fault switch has its effect, as often and on what it says.

use super::*;

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

/// A send with this header: status, `Retry-After`, body.
async fn send_asking(stand: &Stand, faults: &str) -> Option<(u16, Option<String>, Value)> {
    let request = reqwest::Client::new().post(format!("{}/v1/messages/send", stand.base)).bearer_auth("right");
    let response = request.header("X-Sandbox-Fault", faults).body(plain("x")).send().await.ok()?;
    let after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    Some((response.status().as_u16(), after, response.json().await.unwrap_or_default()))
}

#[tokio::test]
async fn a_request_asks_for_faults_of_its_own() {
    let stand = stand(|_| {}).await;
    assert_eq!(send_asking(&stand, "dropped_request").await, None);
    assert_eq!(stand.sandbox.messages().len(), 0);
    assert_eq!(send_asking(&stand, "dropped_answer").await, None);
    assert_eq!(stand.sandbox.messages().len(), 1);
    let refused = [
        ("401", 401, "not authorized"),
        ("403", 403, "forbidden"),
        ("500_before", 500, "internal error"),
        ("500_after", 500, "internal error"),
    ];
    for (fault, status, text) in refused {
        assert_eq!(send_asking(&stand, fault).await, Some((status, None, json!({"error": text}))), "{fault}");
    }
    assert_eq!(stand.sandbox.messages().len(), 2, "500_after took its message");
    let too_many = json!({"error": "too many requests"});
    assert_eq!(send_asking(&stand, "429").await, Some((429, Some("1".into()), too_many.clone())));
    assert_eq!(send_asking(&stand, "429_bare").await, Some((429, None, too_many)));
    let (_, date, _) = send_asking(&stand, "429_date").await.unwrap();
    let date = date.unwrap();
    assert!(jiff::fmt::rfc2822::parse(&date).is_ok(), "{date}");
    let (status, _, said) = send_asking(&stand, "drop").await.unwrap();
    assert_eq!((status, said), (400, json!({"error": {"sandbox_fault": ["unknown fault: drop"]}})));
    let (status, said) = stand.get("/v1/templates?sandbox_fault=500_before").await;
    assert_eq!((status, said), (500, json!({"error": "internal error"})));
    assert_eq!(stand.get("/v1/templates").await.0, 200);
}

#[tokio::test]
async fn what_a_send_asked_for_concerns_its_own_events_and_statuses_only() {
    let stand = stand(|_| {}).await;
    send_asking(&stand, "fail=131026, cloud_payload, duplicate, no_uuid").await.unwrap();
    stand.sandbox.fail_with([131_049]);
    stand.send(plain("y")).await;
    stand.advance(1000).await;
    let events = stand.inbox.take();
    let of = |text: &str| events.iter().filter(|event| event["payload"]["text"] == text).count();
    assert_eq!((of("x"), of("y")), (2, 1));
    let nameless = events.iter().filter(|event| event["payload"].get("uuid").is_none()).count();
    assert_eq!(nameless, 2);
    let codes: Vec<(Option<i64>, bool)> = events
        .iter()
        .filter_map(|event| match webhook::read(event.to_string().as_bytes(), NOW).unwrap().remove(0) {
            Incoming::Status(status) => {
                Some((status.code, event["payload"]["messageStatusPayload"]["messaging"].is_object()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(codes, [(Some(131_026), true), (Some(131_026), true), (Some(131_049), false)]);
    let uuid = stand.sandbox.messages()[0].uuid.clone();
    let (_, status) = stand.get(&format!("/v1/messages/status/{uuid}")).await;
    assert!(status["message"]["messageStatusPayload"]["messaging"].is_object(), "{status}");
}

#[tokio::test]
async fn rates_draw_the_same_for_the_same_seed_and_are_counted() {
    let dropped = async |seed: u64| {
        let stand = stand(|config| config.webhook_url = None).await;
        let wanted = json!({"dropped_answer": {"percent": 20}, "500_before": {"every": 10}, "seed": seed});
        assert_eq!(stand.post("/sandbox/faults", wanted).await.0, 200);
        let client = stand.client("right");
        let mut outcomes = Vec::new();
        for n in 0..60 {
            outcomes.push(client.send(plain(&n.to_string())).await.as_str().to_owned());
        }
        let (_, count) = stand.get("/sandbox/calls/count").await;
        assert_eq!(
            (&count["all"], &count["by_status"]["500"], &count["faults"]["500_before"]),
            (&json!(60), &json!(6), &json!(6))
        );
        let taken = count["faults"]["dropped_answer"].as_u64().unwrap();
        assert_eq!(count["by_status"]["0"].as_u64(), Some(taken));
        assert_eq!(stand.sandbox.messages().len(), 54);
        outcomes
    };
    let first = dropped(7).await;
    assert_eq!(first, dropped(7).await);
    assert_ne!(first, dropped(8).await);
}

#[tokio::test]
async fn too_many_requests_in_a_second_earn_a_429_and_are_counted_apart() {
    let stand = stand(|_| {}).await;
    stand.sandbox.set_faults(&json!({"rate_limit": 3, "429": 1})).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..5 {
        stand.send(plain("x")).await;
        statuses.push(stand.sandbox.calls().last().unwrap().1.status);
    }
    assert_eq!(statuses, [429, 200, 200, 429, 429]);
    let limited: Vec<bool> = stand.sandbox.calls().iter().map(|(_, call)| call.rate_limited).collect();
    assert_eq!(limited, [false, false, false, true, true]);
    assert_eq!(stand.get("/v1/templates").await.0, 429, "every request counts");
    stand.advance(999).await;
    assert_eq!(stand.get("/v1/templates").await.0, 429);
    stand.advance(1).await;
    assert_eq!(stand.get("/v1/templates").await.0, 200);
    let (_, count) = stand.get("/sandbox/calls/count").await;
    assert_eq!((&count["rate_limited"], stand.sandbox.rate_limited()), (&json!(4), 4));
    let (_, earned) = stand.get("/sandbox/calls?status=429&path=/v1/templates").await;
    assert_eq!(earned.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_scope_of_a_switch_is_a_path_and_a_delay_is_real() {
    let stand = stand(|_| {}).await;
    stand.sandbox.set_faults(&json!({"scope": "/contacts", "403": 1, "delay": 1500})).unwrap();
    assert_eq!(stand.send(plain("x")).await.as_str(), "accepted");
    let (slow, quick) = (stand.get("/v1/contacts"), stand.get("/v1/templates"));
    tokio::pin!(slow, quick);
    let (status, _) = tokio::select! {
        biased;
        early = &mut slow => panic!("answered at once: {early:?}"),
        answered = &mut quick => answered,
    };
    assert_eq!((status, slow.await), (200, (403, json!({"error": "forbidden"}))));
}

#[tokio::test]
async fn events_come_late_listed_and_out_of_order_as_the_switches_say() {
    let stand = stand(|_| {}).await;
    stand.sandbox.set_faults(&json!({"webhook_slow": 1, "webhook_delay": 7000, "listed": 1})).unwrap();
    stand.sandbox.reply(PHONE, "late", None).unwrap();
    assert_eq!(stand.events().await.len(), 0);
    stand.advance(6999).await;
    assert_eq!(stand.inbox.take().len(), 0);
    stand.advance(1).await;
    let events = stand.inbox.take();
    assert_eq!(events[0][0]["payload"]["text"], "late");
    let (_, log) = stand.get("/v1/webhooks/events").await;
    assert_eq!(log["webhook_events"][0]["payload"]["text"], "late");
    stand.sandbox.set_faults(&json!({"reordered": 1})).unwrap();
    stand.sandbox.reply(PHONE, "1", None).unwrap();
    stand.sandbox.reply(PHONE, "2", None).unwrap();
    let texts: Vec<Value> = stand.events().await.iter().map(|event| event["payload"]["text"].clone()).collect();
    assert_eq!(texts, ["2", "1"]);
}

#[tokio::test]
async fn contacts_come_as_a_list_wherever_one_is_answered() {
    let stand = stand(|_| {}).await;
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    let path = format!("/v1/contacts/{}", stand.sandbox.people()[0].uuid);
    stand.sandbox.set_fault(Fault::ContactList, u64::MAX);
    let calls = [
        ("GET", path.clone(), Value::Null),
        ("GET", "/v1/contacts/phone/+33600000001".into(), Value::Null),
        ("PATCH", path.clone(), json!({"name": "A"})),
        ("POST", format!("{path}/conversation/open"), Value::Null),
        ("POST", format!("{path}/conversation/close"), Value::Null),
        ("POST", "/v1/contacts".into(), json!({"identifier": "+33600000002", "source": "whatsapp", "name": "B"})),
    ];
    for (method, path, body) in calls {
        let (status, said) = stand.call(method, &path, body).await;
        assert!(status == 200 && said["contact"][0]["uuid"].is_string(), "{method} {path}: {said}");
    }
}
