//! Events: all ten kinds, their shapes, their order, their signatures.

use super::*;

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
async fn all_ten_kinds_of_events_are_told() {
    let stand = open_stand().await;
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    stand.send(plain("x")).await;
    stand.advance(1000).await;
    let path = format!("/v1/contacts/{}", stand.sandbox.people()[0].uuid);
    stand.call("PATCH", &path, json!({"tags": ["vip"]})).await;
    stand.post(&format!("{path}/conversation/close"), json!({})).await;
    stand.call("DELETE", &path, Value::Null).await;
    let mut office = stand.get("/sandbox/account").await.1;
    office["users"][0]["available"] = json!(false);
    office["teams"][1]["members"] = json!(["lea@example.org"]);
    let sessions = json!([{"user": "lea@example.org", "action": "user_logged_out"}]);
    let change = json!({"users": office["users"], "teams": office["teams"], "sessions": sessions});
    assert_eq!(stand.post("/sandbox/account", change).await.0, 200);
    let events = stand.events().await;
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = [
        "contact_created",
        "conversation_opened",
        "message_created",
        "message_created",
        "message_status_updated",
        "contact_updated",
        "conversation_closed",
        "contact_deleted",
        "agent_status_updated",
        "team_membership_updated",
        "agent_session_updated",
        "team_membership_updated",
    ];
    let sorted = |names: &[&str]| -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    let of_the_contact: Vec<&str> =
        names.iter().filter(|name| !name.starts_with("agent") && !name.starts_with("team")).copied().collect();
    assert_eq!(of_the_contact, expected[..8], "one contact's events keep their order");
    assert_eq!(sorted(&names), sorted(&expected));
    let find = |name: &str, reason: &str| {
        let fits =
            |event: &&Value| event["event"] == name && (reason.is_empty() || event["payload"]["reason"] == reason);
        events.iter().find(fits).unwrap()["payload"].clone()
    };
    let opened = fixture("conversation_opened");
    assert_eq!(keys(&find("conversation_opened", "")), keys(&opened["payload"]));
    assert_eq!(
        keys(&find("team_membership_updated", "agent_added")),
        ["lastUpdateAt", "reason", "team", "user"].into()
    );
    assert_eq!(find("team_membership_updated", "agent_added")["user"]["email"], "lea@example.org");
    assert_eq!(find("team_membership_updated", "agent_removed")["user"]["email"], "marc@example.org");
    assert_eq!(find("agent_session_updated", "")["action"], "user_logged_out");
    assert_eq!(find("agent_status_updated", "")["available"], json!(false));
    for event in &events {
        assert_ne!(webhook::read(event.to_string().as_bytes(), NOW).unwrap(), [Incoming::Check]);
    }
}
