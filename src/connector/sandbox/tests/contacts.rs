//! `/v1/contacts`: shapes, pages and cursors, filters, checks of a change, deletion.

use super::*;

const CONTACT: [&str; 19] = [
    "assignedUser",
    "avatarUrl",
    "blockedAt",
    "bsuid",
    "channel",
    "closedAt",
    "conversationHref",
    "createdAt",
    "customFields",
    "customFieldsMetadata",
    "funnelId",
    "href",
    "name",
    "note",
    "phoneNumber",
    "source",
    "tags",
    "team",
    "uuid",
];

async fn known(stand: &Stand) -> String {
    let body = json!({"identifier": PHONE, "source": "whatsapp", "name": "Aïcha"});
    let (status, said) = stand.post("/v1/contacts", body).await;
    assert_eq!(status, 200, "{said}");
    said["contact"]["uuid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_contact_is_made_found_in_three_ways_and_never_twice() {
    let stand = open_stand().await;
    let team = stand.get("/v1/teams").await.1["teams"][1]["uuid"].clone();
    let body = json!({
        "identifier": "+33 6 00 00 00 01", "source": "whatsapp", "name": "Aïcha", "tags": ["VIP"],
        "custom_fields": {"City": "Lyon", "Days": ["Monday"]}, "assigned_user": "marc@example.org",
        "team_uuid": team, "bot_status": "bot_start", "note": "prefers mornings",
    });
    let (status, made) = stand.post("/v1/contacts", body.clone()).await;
    let contact = &made["contact"];
    assert_eq!((status, keys(contact)), (200, CONTACT.into()), "{made}");
    assert_eq!((&contact["phoneNumber"], &contact["tags"]), (&json!(PHONE), &json!(["vip"])));
    assert_eq!(contact["customFields"], json!({"City": "Lyon", "Days": "[\"Monday\"]"}));
    assert_eq!((&contact["assignedUser"], &contact["note"]), (&json!("marc@example.org"), &json!("prefers mornings")));
    assert_eq!((&contact["team"]["uuid"], &contact["createdAt"]), (&team, &json!("2026-03-01T09:30:00Z")));
    let uuid = contact["uuid"].as_str().unwrap();
    for path in [format!("/v1/contacts/{uuid}"), "/v1/contacts/phone/33600000001".into()] {
        assert_eq!(stand.get(&path).await, (200, made.clone()), "{path}");
    }
    stand.post("/sandbox/people", json!({"bsuid": "FR.abc"})).await;
    let (_, hidden) = stand.get("/v1/contacts/bsuid/FR.abc").await;
    assert_eq!((&hidden["contact"]["bsuid"], &hidden["contact"]["phoneNumber"]), (&json!("FR.abc"), &Value::Null));
    let (status, again) = stand.post("/v1/contacts", body).await;
    assert_eq!((status, again), (422, json!({"error": {"identifier": ["has already been taken"]}})));
    let names: Vec<Value> = stand.events().await.into_iter().map(|event| event["event"].clone()).collect();
    assert_eq!(names, ["contact_created", "contact_created"]);
}

#[tokio::test]
async fn a_contact_is_looked_up_on_the_line_that_has_it() {
    let stand = stand(|_| {}).await;
    let lines = json!([{"uuid": "a", "title": "A", "main": true}, {"uuid": "b", "title": "B"}]);
    assert_eq!(stand.post("/sandbox/account", json!({"channels": lines})).await.0, 200);
    stand.sandbox.reply_on(Some("b"), PHONE, "Bonjour", None).unwrap();
    let path = "/v1/contacts/phone/+33600000001";
    assert_eq!(stand.get(path).await.0, 404, "the main line does not know this person");
    let (status, found) = stand.get(&format!("{path}?channel_uuid=b")).await;
    assert_eq!((status, &found["contact"]["channel"]["uuid"]), (200, &json!("b")));
    assert_eq!(stand.get(&format!("{path}?channel_uuid=z")).await.0, 404);
}

#[tokio::test]
async fn all_faults_of_a_contact_are_told_at_once_and_nothing_is_changed() {
    let stand = open_stand().await;
    let wrong = json!({"identifier": "06", "source": "fax", "note": "x".repeat(1001), "tags": 3,
        "custom_fields": {"Points": 7, "Days": "Monday"}, "bot_status": "on"});
    let (status, said) = stand.post("/v1/contacts", wrong).await;
    let fields = ["bot_status", "custom_fields.Days", "custom_fields.Points", "name", "note", "source", "tags"];
    assert_eq!((status, keys(&said["error"])), (400, fields.into()), "{said}");
    let uuid = known(&stand).await;
    stand.events().await;
    let path = format!("/v1/contacts/{uuid}");
    let unknown = json!({"tags": ["vip", "nope"], "custom_fields": {"Shoe size": "42"}, "team_uuid": "t",
        "assigned_user": "nobody@example.org", "name": "Other"});
    let (status, said) = stand.call("PATCH", &path, unknown).await;
    let fields = ["assigned_user", "custom_fields.Shoe size", "tags", "team_uuid"];
    assert_eq!((status, keys(&said["error"])), (422, fields.into()), "{said}");
    assert_eq!(said["error"]["tags"], json!(["not found"]));
    assert_eq!(stand.get(&path).await.1["contact"]["name"], "Aïcha");
    assert_eq!(stand.call("PATCH", "/v1/contacts/x", json!({"name": "A"})).await.0, 404);
    assert_eq!(stand.events().await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_change_replaces_tags_merges_fields_and_leaves_what_it_does_not_name() {
    let stand = open_stand().await;
    let uuid = known(&stand).await;
    let path = format!("/v1/contacts/{uuid}");
    let change = async |body: Value| stand.call("PATCH", &path, body).await.1["contact"].clone();
    change(json!({"tags": ["vip", "client"], "custom_fields": {"City": "Lyon", "Points": "3"}, "note": "n",
        "assigned_user": "lea@example.org"}))
    .await;
    let now = change(json!({"tags": "opted_in", "custom_fields": {"Points": null, "Plan": "Gold"}})).await;
    assert_eq!((&now["tags"], &now["customFields"]), (&json!(["opted_in"]), &json!({"City": "Lyon", "Plan": "Gold"})));
    assert_eq!((&now["note"], &now["assignedUser"]), (&json!("n"), &json!("lea@example.org")));
    let now = change(json!({"note": "", "unassign_user": true, "tags": []})).await;
    assert_eq!((&now["note"], &now["assignedUser"], &now["tags"]), (&Value::Null, &json!(""), &json!([])));
    stand.events().await;
    change(json!({"name": "Aïcha", "tags": []})).await;
    assert_eq!(stand.events().await.len(), 0, "a change to the same is not told");
    let (_, typed) = stand.get(&format!("{path}?include_field_types=true")).await;
    let plan = json!({"value": "Gold", "type": "dropdown", "options": ["Basic", "Gold"]});
    assert_eq!(typed["contact"]["customFieldsMetadata"]["Plan"], plan);
}

#[tokio::test]
async fn pages_end_at_500_and_the_cursor_walks_on_without_those_who_came_later() {
    let stand = stand(|_| {}).await;
    let phone = |n: usize| format!("+3360000{n:04}");
    for n in 0..45 {
        stand.sandbox.reply(&phone(n), "Bonjour", None).unwrap();
    }
    let (status, refused) = stand.get("/v1/contacts?page=501").await;
    assert_eq!((status, refused), (400, json!({"error": "Pagination limit exceeded"})));
    let phones = |said: &Value| -> Vec<String> {
        let rows = said["contacts"].as_array().unwrap().iter();
        rows.map(|row| row["phoneNumber"].as_str().unwrap().to_owned()).collect()
    };
    let (_, first) = stand.get("/v1/contacts").await;
    assert_eq!((phones(&first).len(), &first["meta"]["pages"]), (20, &json!(3)));
    assert_eq!(phones(&first)[0], phone(44), "newest first");
    stand.sandbox.reply(&phone(99), "later", None).unwrap();
    stand.sandbox.reply(&phone(0), "again", None).unwrap();
    let (mut seen, mut said) = (phones(&first), first);
    while let Some(cursor) = said["meta"]["next"].as_str() {
        said = stand.get(&format!("/v1/contacts?page=7&after={cursor}")).await.1;
        seen.extend(phones(&said));
    }
    let all: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!((seen.len(), all), (45, (0..45).map(phone).collect()));
    let (status, refused) = stand.get("/v1/contacts?after=zzz").await;
    assert_eq!((status, refused), (400, json!({"error": "Invalid pagination cursor"})));
    let (_, last) = stand.get("/v1/contacts?page=3").await;
    assert_eq!((phones(&last).len(), &last["meta"]["next"]), (6, &Value::Null));
}

#[tokio::test]
async fn contacts_are_listed_by_tags_team_and_source() {
    let stand = stand(|_| {}).await;
    let team = stand.get("/v1/teams").await.1["teams"][0]["uuid"].as_str().unwrap().to_owned();
    for (n, tags) in [["vip", "client"], ["vip", "opted_in"]].iter().enumerate() {
        let body =
            json!({"identifier": format!("+3360000000{n}"), "source": "whatsapp", "name": n.to_string(), "tags": tags});
        let (_, made) = stand.post("/v1/contacts", body).await;
        if n == 1 {
            let path = format!("/v1/contacts/{}", made["contact"]["uuid"].as_str().unwrap());
            stand.call("PATCH", &path, json!({"team_uuid": team})).await;
        }
    }
    let cases = [
        ("tags=VIP", 2),
        ("tags=vip,client", 1),
        ("tags[]=Client", 1),
        ("tags%5B%5D=vip&tags%5B%5D=opted_in", 1),
        ("tags=nobody", 0),
        ("source=whatsapp", 2),
        ("source=telegram", 0),
        (&format!("team_uuid={team}"), 1),
    ];
    for (query, found) in cases {
        let (_, said) = stand.get(&format!("/v1/contacts?{query}")).await;
        assert_eq!(said["contacts"].as_array().unwrap().len(), found, "{query}");
    }
}

#[tokio::test]
async fn a_deleted_contact_is_gone_with_its_messages() {
    let stand = open_stand().await;
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    let uuid = stand.sandbox.people()[0].uuid.clone();
    let path = format!("/v1/contacts/{uuid}");
    stand.events().await;
    assert_eq!(stand.call("DELETE", &path, Value::Null).await, (200, json!({"status": "contact was destroyed"})));
    assert_eq!((stand.get(&path).await.0, stand.call("DELETE", &path, Value::Null).await.0), (404, 404));
    let deleted = json!({"event": "contact_deleted", "payload": {"uuid": uuid, "deleted": "2026-03-01T09:30:00.000Z"}});
    assert_eq!(stand.events().await, [deleted]);
    stand.send(by_template("t1", &["Aïcha"])).await;
    let (_, rows) = stand.get(&format!("{path}/messages")).await;
    assert_eq!(rows["messages"].as_array().unwrap().len(), 1, "what was before the deletion stays gone");
}
