//! Repair as people at a terminal and scripts meet it: causes with their keys, orders, exit codes, and who did what.

use crate::process::{RELANCE_TOKEN, Said, Site, eventually, list};
use serde_json::{Value, json};

/// An order whose customer has no first name, which the message needs.
fn nameless(n: u32) -> Value {
    json!({ "order_id": format!("A-{n}"), "order_number": n, "total": 12.5, "currency": "EUR", "accepts_whatsapp": true,
        "customer": { "phone": format!("+3460000{n:04}") } })
}

fn json_of(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("no JSON: {said:?}"))
}

fn ends(said: &Said, code: i32, stdout: &str) {
    assert_eq!(said.code, code, "{said:?}");
    assert!(said.stdout.contains(stdout), "{stdout} is missing: {said:?}");
}

async fn post(site: &Site, path: &str, body: &Value, token: &str) -> (u16, Value) {
    let url = format!("http://127.0.0.1:{}/api/{path}", site.port);
    let answer = site.http.post(url).bearer_auth(token).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn what_failed_is_found_by_its_cause_and_repaired_at_the_terminal() {
    let mut site = Site::of("shop");
    let project = std::fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    site.write("relance.yaml", &format!("{project}\ntokens:\n  reader: {{ secret: READER_TOKEN, scopes: [read] }}\n"));
    site.set("READER_TOKEN", "canary-reader-token");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    ends(&site.run(&["runs", "attention"]).await, 0, "");
    for n in 1..=4 {
        assert_eq!(site.post_order(&nameless(n)).await.unwrap(), 200);
    }
    let causes = json_of(&site.run(&["--json", "runs", "attention"]).await);
    let causes = list(&causes["causes"]);
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert_eq!((&causes[0]["count"], &causes[0]["kind"], &causes[0]["step"]), (&json!(4), &json!("run"), &json!("0")));
    assert_eq!(causes[0]["acts"], json!(["retry", "skip", "cancel"]));
    let key = causes[0]["key"].as_str().unwrap();
    ends(&site.run(&["runs", "attention"]).await, 0, "contact.first_name is missing");

    let run = causes[0]["examples"][0].as_str().unwrap();
    ends(&site.run(&["runs", "retry", run]).await, 1, "needs_attention: contact.first_name is missing");
    ends(&site.run(&["runs", "skip", run]).await, 0, "done");
    let over = site.run(&["runs", "retry", run]).await;
    ends(&over, 4, "");
    assert!(over.stderr.contains("the run is `done`") && over.stderr.contains("hint: "), "{over:?}");
    ends(&site.run(&["runs", "pause", "nothing"]).await, 4, "");
    ends(&site.run(&["runs", "retry"]).await, 2, "");
    ends(&site.run(&["runs", "resume", "--cause", key]).await, 2, "");
    let (refused, said) = post(&site, &format!("attention/{key}"), &json!({ "act": "resume" }), RELANCE_TOKEN).await;
    assert!(refused == 409 && said["hint"].as_str().unwrap().contains("`retry`"), "{said}");
    ends(&site.run(&["runs", "retry", "--cause", key]).await, 0, "3 done, 0 refused");
    ends(&site.run(&["runs", "cancel", "--cause", key]).await, 0, "3 done, 0 refused");
    ends(&site.run(&["runs", "cancel", "--cause", key]).await, 4, "");
    let ended = list(&json_of(&site.run(&["--json", "runs", "list", "--state", "stopped"]).await)["runs"]);
    assert_eq!((ended.len(), &ended[0]["reason"]), (3, &json!("cancelled")));
    let ended = ended[0]["id"].as_str().unwrap();
    ends(&site.run(&["runs", "redrive", ended]).await, 0, "begun anew as ");
    ends(&site.run(&["runs", "redrive", ended]).await, 4, "");

    // The API says the same, to who may, and keeps who did it.
    let (refused, _) =
        post(&site, &format!("runs/{run}/act"), &json!({ "act": "cancel" }), "canary-reader-token").await;
    assert_eq!(refused, 403);
    let (wrong, said) = post(&site, &format!("runs/{run}/act"), &json!({ "act": "explode" }), RELANCE_TOKEN).await;
    assert_eq!(wrong, 400);
    assert!(said["hint"].as_str().unwrap().contains("`skip`"), "{said}");
    let audit = list(&site.api("audit?limit=50").await["audit"]);
    // The server's own start is on record as well.
    let audit: Vec<&Value> = audit.iter().rev().filter(|row| row["act"] != "deploy").collect();
    let acts: Vec<&str> = audit.iter().map(|row| row["act"].as_str().unwrap()).collect();
    let expected = ["retry", "skip", "retry", "retry", "retry", "cancel", "cancel", "cancel", "redrive"];
    assert_eq!(acts, expected);
    assert!(audit.iter().all(|row| row["who"] == "RELANCE_TOKEN"), "{audit:?}");
}

#[tokio::test]
async fn a_message_is_sent_again_by_the_api_only_when_it_did_not_arrive() {
    let site = Site::of("shop");
    let (_sandbox, _serve) = (site.sandbox().await, site.serve().await);
    let mut order = nameless(7);
    order["customer"]["first_name"] = json!("Ana");
    order["accepts_whatsapp"] = json!(false);
    assert_eq!(site.post_order(&order).await.unwrap(), 200);
    let skipped = eventually("the message is skipped", async || site.deliveries("state=skipped").await.pop()).await;
    let path = format!("deliveries/{}/redrive", skipped["id"].as_str().unwrap());
    let (status, said) = post(&site, &path, &json!({}), RELANCE_TOKEN).await;
    assert_eq!((status, &said["redrive_of"]), (200, &skipped["id"]), "{said}");
    let (status, said) = post(&site, &path, &json!({}), RELANCE_TOKEN).await;
    assert_eq!(status, 409, "{said}");
    site.drained().await;
    assert_eq!(site.deliveries("state=skipped").await.len(), 2, "the gate judged it again, and nothing had changed");

    order["order_id"] = json!("A-8");
    order["accepts_whatsapp"] = json!(true);
    assert_eq!(site.post_order(&order).await.unwrap(), 200);
    let accepted = eventually("the message is taken", async || site.deliveries("state=accepted").await.pop()).await;
    let path = format!("deliveries/{}/redrive", accepted["id"].as_str().unwrap());
    let (status, said) = post(&site, &path, &json!({}), RELANCE_TOKEN).await;
    assert_eq!(status, 409);
    assert!(said["hint"].as_str().unwrap().contains("not sent a second time"), "{said}");
    assert_eq!(site.messages().await.len(), 1);
}
