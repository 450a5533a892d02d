//! Templates, lines, teams, colleagues, funnels: what the account holds besides people.

use super::*;

#[tokio::test]
async fn the_account_s_lists_are_read_page_by_page() {
    let many: Vec<LockedTemplate> = (0..45).map(|n| template(&format!("t{n}"), "{{1}} {{2}}")).collect();
    let stand = stand(|config| config.templates = many).await;
    let read = stand.client("right").templates().await.unwrap();
    assert_eq!((read.len(), read[44].uuid.as_str(), read[0].placeholders), (45, "t44", 2));
    let error = stand.client("wrong").templates().await.unwrap_err();
    assert!(format!("{error:#}").contains("401: not authorized"), "{error:#}");
    stand.sandbox.reply(PHONE, "Bonjour", None).unwrap();
    let (_, found) = stand.get("/v1/contacts/phone/+33%206%2000%2000%2000%2001").await;
    let uuid = found["contact"]["uuid"].as_str().unwrap();
    assert_eq!(stand.get(&format!("/v1/contacts/{uuid}")).await.1, found);
    let (_, rows) = stand.get(&format!("/v1/contacts/{uuid}/messages")).await;
    assert_eq!((&rows["messages"][0]["status"], &rows["meta"]["pages"]), (&json!("received"), &json!(1)));
    for unknown in ["/v1/contacts/x", "/v1/messages/status/x", "/v1/templates/x", "/v1/nothing"] {
        assert_eq!(stand.get(unknown).await, (404, json!({"error": "not found"})), "{unknown}");
    }
    let (_, channels) = stand.get("/v1/channels").await;
    assert_eq!((&channels["channels"][0]["title"], &channels["channels"][0]["main"]), (&json!("main"), &json!(true)));
    assert_eq!(stand.get("/v1/contacts?page=501").await.1, json!({"error": "Pagination limit exceeded"}));
}

#[tokio::test]
async fn what_can_be_renamed_keeps_its_new_name() {
    let stand = stand(|_| {}).await;
    let uuid = async |path: &str, list: &str| stand.get(path).await.1[list][0]["uuid"].as_str().unwrap().to_owned();
    let team = uuid("/v1/teams", "teams").await;
    let channel = uuid("/v1/channels", "channels").await;
    let cases = [
        ("templates/t1".to_owned(), "template", "title"),
        (format!("channels/{channel}"), "channel", "title"),
        (format!("teams/{team}"), "team", "name"),
    ];
    for (path, object, field) in cases {
        let path = format!("/v1/{path}");
        let (status, said) = stand.call("PATCH", &path, json!({field: "Other"})).await;
        assert_eq!((status, &said[object][field]), (200, &json!("Other")), "{path}");
        assert_eq!(stand.get(&path).await.1, said);
        let blank = stand.call("PATCH", &path, json!({field: ""})).await;
        assert_eq!(blank, (400, json!({"error": {field: ["can't be blank"]}})), "{path}");
    }
    assert_eq!(stand.call("PATCH", "/v1/templates/x", json!({"title": "a"})).await.0, 404);
}

#[tokio::test]
async fn objects_have_the_documented_keys() {
    let stand = stand(|_| {}).await;
    let team = stand.get("/v1/teams").await.1["teams"][0]["uuid"].as_str().unwrap().to_owned();
    let members = format!("/v1/teams/{team}/members");
    let cases: [(&str, &str, &[&str]); 6] = [
        ("/v1/templates", "templates", &["category", "createdAt", "status", "templateType", "text", "title", "uuid"]),
        ("/v1/channels", "channels", &["discardedAt", "main", "title", "type", "uuid"]),
        ("/v1/teams", "teams", &["createdAt", "default", "members", "name", "uuid"]),
        (&members, "users", &["available", "email", "lastUpdatedAt", "name", "userCustomStatus"]),
        ("/v1/custom_statuses", "customStatuses", &["createdAt", "emoji", "id", "name", "updatedAt"]),
        ("/v1/plan", "teams", &["createdAt", "default", "members", "name", "uuid"]),
    ];
    for (path, list, fields) in cases {
        let (status, said) = stand.get(path).await;
        assert_eq!((status, keys(&said[list][0])), (200, fields.iter().copied().collect()), "{path}");
    }
    let me = stand.get("/v1/auth/me").await.1;
    assert_eq!((keys(&me), &me["status"]), (["api_key", "status", "user_email", "user_name"].into(), &json!("ok")));
    let plan = stand.get("/v1/plan").await.1;
    assert_eq!(keys(&plan), ["activeUsers", "includedChannels", "licenses", "plan", "teams"].into());
    for (status, emails) in [("available", 1), ("away", 1), ("x", 2)] {
        let (_, said) = stand.get(&format!("{members}?status={status}")).await;
        assert_eq!(said["users"].as_array().unwrap().len(), emails, "{status}");
    }
    let lines = json!([{"uuid": "a", "title": "A"}, {"uuid": "b", "title": "B", "discarded_ms": NOW}]);
    stand.post("/sandbox/account", json!({"channels": lines})).await;
    for (query, uuids) in
        [("active=true", vec!["a"]), ("active=false", vec!["b"]), ("type=telegram", vec![]), ("", vec!["a", "b"])]
    {
        let (_, said) = stand.get(&format!("/v1/channels?{query}")).await;
        let found: Vec<&str> =
            said["channels"].as_array().unwrap().iter().map(|row| row["uuid"].as_str().unwrap()).collect();
        assert_eq!(found, uuids, "{query}");
    }
    assert_eq!(stand.get("/v1/channels/b").await.1["channel"]["discardedAt"], "2026-03-01T09:30:00Z");
}

#[tokio::test]
async fn colleagues_have_statuses_of_their_own() {
    let stand = open_stand().await;
    let (_, made) = stand.post("/v1/custom_statuses", json!({"name": "Meeting", "emoji": "💬"})).await;
    let id = made["customStatus"]["id"].as_str().unwrap().to_owned();
    assert_eq!((id.len(), &made["customStatus"]["createdAt"]), (36, &json!("2026-03-01 10:30:00 +0100")));
    let path = format!("/v1/custom_statuses/{id}");
    assert_eq!(stand.call("PUT", &path, json!({"name": "Call"})).await.1["customStatus"]["name"], "Call");
    assert_eq!(stand.get(&path).await.1["customStatus"]["emoji"], "💬");
    let user = stand.get("/sandbox/account").await.1["users"][1]["uuid"].as_str().unwrap().to_owned();
    let status = format!("/v1/users/{user}/status");
    let (code, said) = stand.call("PUT", &status, json!({"available": true, "custom_status_uuid": id})).await;
    let at = json!("2026-03-01T10:30:00.000+01:00");
    let expected = json!({"user_status": {
        "custom_status": {"id": id, "name": "Call", "last_updated_at": at},
        "appearance": {"available": true, "last_updated_at": at},
    }});
    assert_eq!((code, &said), (200, &expected));
    let told = stand.events().await;
    assert_eq!((told.len(), &told[0]["event"]), (1, &json!("agent_status_updated")));
    assert_eq!(told[0]["payload"]["userCustomStatus"]["name"], "Call");
    assert_eq!(stand.call("PUT", &status, json!({"custom_status_uuid": "x"})).await.0, 422);
    assert_eq!(stand.get(&status).await, (200, expected));
    assert_eq!(stand.call("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(stand.events().await[0]["payload"]["userCustomStatus"], Value::Null);
    assert_eq!(stand.get(&status).await.1["user_status"]["custom_status"], Value::Null);
    for (method, path) in [("DELETE", path.as_str()), ("GET", &path), ("GET", "/v1/users/x/status")] {
        assert_eq!(stand.call(method, path, Value::Null).await.0, 404, "{method} {path}");
    }
}
