//! Conversations: open and closed, notes, funnels, the bot, and the list of messages.

use super::*;

/// A stand with one person who wrote, and the person's path.
async fn talking() -> (Stand, String) {
    let stand = open_stand().await;
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    stand.events().await;
    let path = format!("/v1/contacts/{}", stand.sandbox.people()[0].uuid);
    (stand, path)
}

#[tokio::test]
async fn a_conversation_is_closed_with_its_reason_and_opened_by_whoever_writes() {
    let (stand, path) = talking().await;
    let close = format!("{path}/conversation/close");
    let (status, closed) = stand.post(&close, json!({"closing_reason": "issue_resolved"})).await;
    let at = json!("2026-03-01T09:30:00Z");
    assert_eq!((status, &closed["closedAt"], &closed["contact"]["closedAt"]), (200, &at, &at));
    let events = stand.events().await;
    let payload = &events[0]["payload"];
    let fields = ["closedAt", "closingReason", "contact", "createdAt", "href", "source"];
    assert_eq!((events.len(), &events[0]["event"], keys(payload)), (1, &json!("conversation_closed"), fields.into()));
    assert_eq!(payload["closingReason"], "issue_resolved");
    assert_eq!(stand.call("POST", &close, Value::Null).await.0, 200);
    assert_eq!(stand.events().await.len(), 0, "it was closed already");
    let (_, opened) = stand.call("POST", &format!("{path}/conversation/open"), Value::Null).await;
    assert_eq!((&opened["closedAt"], &opened["contact"]["closedAt"]), (&Value::Null, &Value::Null));
    assert_eq!(stand.events().await[0]["event"], "conversation_opened");
    for writes in [true, false] {
        stand.call("POST", &close, Value::Null).await;
        match writes {
            true => drop(stand.sandbox.reply(PHONE, "encore", None).unwrap()),
            false => drop(stand.send(plain("x")).await),
        }
        let events: Vec<Value> = stand.events().await.into_iter().map(|event| event["event"].clone()).collect();
        assert_eq!(events, ["conversation_closed", "conversation_opened", "message_created"]);
    }
    assert_eq!(stand.post("/v1/contacts/x/conversation/close", json!({})).await.0, 404);
}

#[tokio::test]
async fn notes_stand_between_the_messages_newest_first() {
    let (stand, path) = talking().await;
    let note = format!("{path}/conversation/note");
    assert_eq!(stand.post(&note, json!({"text": "@Léa please"})).await, (200, json!({"success": true})));
    assert_eq!(stand.post(&note, json!({"text": " "})).await, (400, json!({"error": {"text": ["can't be blank"]}})));
    stand.call("PATCH", &path, json!({"assigned_user": "lea@example.org"})).await;
    stand.send(plain("Bonjour Aïcha")).await;
    let (_, said) = stand.get(&format!("{path}/messages")).await;
    let rows = said["messages"].as_array().unwrap();
    let texts: Vec<&Value> = rows.iter().map(|row| &row["text"]).collect();
    assert_eq!(texts, ["Bonjour Aïcha", "Conversation was assigned to Léa Martin", "@Léa please", "Bonjour"]);
    let statuses: Vec<&Value> = rows.iter().map(|row| &row["status"]).collect();
    assert_eq!(statuses, ["sent", "note", "note", "received"]);
    assert!(rows[1].get("uuid").is_none() && rows[1]["from"] == rows[1]["to"], "{}", rows[1]);
    assert!(rows[2]["uuid"].is_string() && rows[2]["from"] != rows[2]["to"], "{}", rows[2]);
    let fields = ["channel", "createdAt", "from", "status", "text", "to", "uuid"];
    assert_eq!((keys(&rows[0]), &said["meta"]), (fields.into(), &json!({"page": 1, "pages": 1})));
}

#[tokio::test]
async fn funnels_are_set_under_both_spellings() {
    let (stand, path) = talking().await;
    let (_, funnels) = stand.get("/v1/funnels").await;
    let list = funnels["funnels"].as_array().unwrap();
    assert_eq!(keys(&list[0]), ["createdAt", "emoji", "name", "position", "uuid"].into());
    assert_eq!(list[0]["createdAt"], "2026-01-01 01:00:00 +0100");
    for (n, (method, tail)) in
        [("PUT", "conversation/update_funnel"), ("POST", "messages/update_funnel")].into_iter().enumerate()
    {
        let (status, said) = stand.call(method, &format!("{path}/{tail}"), json!({"funnel_id": list[n]["uuid"]})).await;
        assert_eq!((status, &said["contact"]["funnelId"]), (200, &list[n]["uuid"]));
    }
    let tail = format!("{path}/conversation/update_funnel");
    let (status, said) = stand.call("PUT", &tail, json!({"funnel_id": "f"})).await;
    assert_eq!((status, said), (422, json!({"error": {"funnel_id": ["not found"]}})));
}

#[tokio::test]
async fn the_bot_is_started_and_ended_by_the_api_and_by_a_send() {
    let (stand, path) = talking().await;
    let bot = format!("{path}/bot");
    let (_, said) = stand.post(&bot, json!({"status": "bot_start"})).await;
    let fields = ["conversationStartedAt", "latestBotVersion", "name", "status", "uuid", "version"];
    assert_eq!((keys(&said["bot"]), &said["bot"]["status"]), (fields.into(), &json!("started")));
    let mut body: Value = serde_json::from_str(&plain("x")).unwrap();
    body["bot_status"] = json!("bot_end");
    stand.send(body.to_string()).await;
    assert_eq!(stand.get(&bot).await.1["bot"]["status"], "ended");
    let (status, said) = stand.post(&bot, json!({"status": "on"})).await;
    assert_eq!((status, said), (400, json!({"error": {"status": ["is not included in the list"]}})));
    stand.post("/sandbox/account", json!({"bot": null})).await;
    assert_eq!(stand.get(&bot).await.0, 404);
}

#[tokio::test]
async fn a_send_hands_the_conversation_over() {
    let (stand, path) = talking().await;
    let team = stand.get("/v1/teams").await.1["teams"][1]["uuid"].clone();
    let send = async |assigned: &str, team: Value| {
        let mut body: Value = serde_json::from_str(&plain("x")).unwrap();
        body["assigned_user"] = assigned.into();
        body["team_uuid"] = team;
        stand.send(body.to_string()).await
    };
    assert_eq!(send("lea@example.org", team.clone()).await.as_str(), "accepted");
    let contact = stand.get(&path).await.1["contact"].clone();
    assert_eq!((&contact["team"]["uuid"], &contact["assignedUser"]), (&team, &json!("")), "Léa is not in that team");
    assert_eq!(send("marc@example.org", Value::Null).await.as_str(), "accepted");
    assert_eq!(stand.get(&path).await.1["contact"]["assignedUser"], "marc@example.org");
    assert_eq!(send("nobody@example.org", Value::Null).await.as_str(), "accepted");
    let refused = Outcome::Refused { status: 422, code: None, error: "team_uuid: not found".into() };
    assert_eq!(send("", json!("t")).await, refused);
    let events: Vec<Value> = stand.events().await.into_iter().map(|event| event["event"].clone()).collect();
    let expected = ["contact_updated", "message_created", "contact_updated", "message_created", "message_created"];
    assert_eq!(events, expected);
}
