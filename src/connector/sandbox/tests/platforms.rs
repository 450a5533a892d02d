//! Lines of other platforms than WhatsApp: people known by an id, no window, no templates.

use super::*;

async fn stand_with_telegram() -> Stand {
    stand(|config| {
        config.subscriptions = None;
        config.further = vec![LineKind::Telegram];
    })
    .await
}

fn to_telegram() -> Value {
    json!({ "to": "712-ana", "from": "telegram", "type": "text", "content": { "text": "Bonjour" } })
}

#[tokio::test]
async fn a_message_to_another_platform_arrives_without_a_window_and_nothing_tells_of_its_way() {
    let stand = stand_with_telegram().await;
    let (status, said) = stand.post("/v1/messages/send?fields=conversation", to_telegram()).await;
    assert_eq!((status, &said["message"]["conversation"]["source"]), (200, &json!("telegram")));
    stand.advance(5000).await;
    let message = &stand.sandbox.messages()[0];
    assert_eq!((message.status(), message.phone.as_str()), ("delivered", ""));
    assert_eq!(message.body.as_ref().unwrap().get(), to_telegram().to_string());
    let events = stand.events().await;
    let told: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["contact_created", "conversation_opened", "message_created"]);
    let created = &events[2]["payload"];
    assert_eq!((&created["channel"], &created["to"]), (&json!("telegram"), &json!("712-ana")));
    assert_eq!((&created["contact"]["phoneNumber"], &created["contact"]["source"]), (&Value::Null, &json!("telegram")));
    assert_eq!(created["contact"]["channel"]["type"], "telegram");
    let mut template = to_telegram();
    (template["template_uuid"], template["optin_contact"]) = (json!("t1"), json!(true));
    stand.post("/v1/messages/send", template).await;
    stand.advance(5000).await;
    assert_eq!(stand.history(1).last().unwrap(), &("failed", None));
    assert_eq!(stand.sandbox.people().len(), 1);
}

#[tokio::test]
async fn each_kind_has_a_main_line_of_its_own_and_a_line_serves_its_kind_only() {
    let stand = stand(|_| {}).await;
    let refused = json!({ "error": { "from": ["has no channel"] } });
    assert_eq!(stand.post("/v1/messages/send", to_telegram()).await, (422, refused));
    let lines = json!([{ "uuid": "w", "title": "W" }, { "uuid": "t1", "title": "T1", "type": "telegram" },
        { "uuid": "t2", "title": "T2", "type": "telegram", "main": true }, { "uuid": "i", "title": "I", "type": "instagram" }]);
    assert_eq!(stand.post("/sandbox/account", json!({ "channels": lines })).await.0, 200);
    let (_, listed) = stand.get("/v1/channels").await;
    let main: Vec<&Value> = listed["channels"].as_array().unwrap().iter().filter(|line| line["main"] == true).collect();
    assert_eq!(main.iter().map(|line| &line["uuid"]).collect::<Vec<_>>(), ["w", "t2", "i"]);
    assert_eq!(stand.get("/v1/channels?type=telegram").await.1["channels"].as_array().unwrap().len(), 2);
    for (uuid, status) in [(Value::Null, 200), (json!("t1"), 200), (json!("w"), 422), (json!("i"), 422)] {
        let mut body = to_telegram();
        body["channel_uuid"] = uuid.clone();
        assert_eq!(stand.post("/v1/messages/send", body).await.0, status, "{uuid}");
    }
    let used: Vec<String> = stand.sandbox.messages().into_iter().map(|message| message.channel).collect();
    assert_eq!(used, ["t2", "t1"]);
    let facebook = json!([{ "uuid": "f", "title": "F", "type": "fax" }]);
    assert_eq!(stand.post("/sandbox/account", json!({ "channels": facebook })).await.0, 400);
}

#[tokio::test]
async fn people_of_another_platform_write_and_are_kept_by_their_id() {
    let stand = stand_with_telegram().await;
    let line = stand.get("/v1/channels?type=telegram").await.1["channels"][0]["uuid"].clone();
    let said = json!({ "platform_id": "712-ana", "channel_uuid": line, "text": "hello" });
    assert_eq!(stand.post("/sandbox/reply", said.clone()).await.0, 200);
    for (wrong, key) in [("+33600000001", "phone"), ("FR.1", "bsuid")] {
        let mut said = said.clone();
        said[key] = json!(wrong);
        assert_eq!(stand.post("/sandbox/reply", said).await.0, 400, "{key}");
    }
    let new = |identifier: &str| json!({ "identifier": identifier, "source": "telegram", "name": "Bob" });
    assert_eq!(stand.post("/v1/contacts", new("bob")).await.1["contact"]["phoneNumber"], Value::Null);
    assert_eq!(stand.post("/v1/contacts", new("712-ana")).await.0, 422, "she is there");
    let (_, listed) = stand.get("/v1/contacts?source=telegram").await;
    assert_eq!(listed["contacts"].as_array().unwrap().len(), 2);
    assert!(stand.get("/v1/contacts?source=whatsapp").await.1["contacts"].as_array().unwrap().is_empty());
    let ids: Vec<_> = stand.sandbox.people().into_iter().map(|person| (person.source, person.platform_id)).collect();
    assert_eq!(ids, [(LineKind::Telegram, Some("712-ana".into())), (LineKind::Telegram, Some("bob".into()))]);
}
