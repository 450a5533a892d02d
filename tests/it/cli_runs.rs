//! What `relance runs` says of a run: in the reader's language, the first thing first.

use crate::process::{Site, eventually, list};
use serde_json::json;

const WORKFLOW: &str = "name: Twice
purpose: utility
when: { webhook: parcel.sent }
contact: { phone: \"{{event.phone}}\" }
do:
  - send_message: { text: The first, outside_window: skip }
  - update_contact: { add_tags: [parcel] }
  - send_message: { text: The second, outside_window: skip }
";

#[tokio::test]
async fn a_run_is_told_in_order_and_in_one_language() {
    let site = Site::of("shop");
    site.write("workflows/twice.yaml", WORKFLOW);
    let _running = (site.sandbox().await, site.serve().await);
    site.customer_writes("+34600000001", "hello").await;
    let event = json!({ "phone": "+34600000001" }).to_string();
    assert_eq!(site.run(&["trigger", "parcel.sent", "--data", &event]).await.code, 0);
    let two = async || {
        let messages = site.deliveries("limit=9").await;
        (messages.len() == 2).then_some(messages)
    };
    let messages = eventually("both messages are planned", two).await;
    let run = list(&site.api("runs").await["runs"])[0]["id"].as_str().unwrap().to_owned();
    let told = site.run(&["runs", "show", &run, "--language", "fr"]).await;
    let at = |step: &str| {
        let message = messages.iter().find(|one| one["step"] == step).unwrap();
        told.stdout.find(&format!("message {}", message["id"].as_str().unwrap())).unwrap()
    };
    assert!(at("0") < at("2"), "the trace begins with the first, and so do the messages: {told:?}");
    assert!(told.stdout.starts_with(&format!("exécution {run}")), "{told:?}");
    assert!(told.stdout.contains("  appel update_contact  fait") && told.stdout.contains("tentatives : 1"), "{told:?}");
    assert!(!told.stdout.contains("attempts") && !told.stdout.contains("call "), "{told:?}");
    let calm = site.run(&["runs", "attention"]).await;
    assert_eq!(
        (calm.code, calm.stdout.as_str(), calm.stderr.as_str()),
        (0, "nothing needs a person\n", ""),
        "{calm:?}"
    );
    let listed = site.run(&["runs", "list", "--language", "fr"]).await;
    let shown = site.run(&["runs", "list", "--language", "en"]).await;
    assert!(listed.code == 0 && listed.stdout != shown.stdout, "{listed:?}\n{shown:?}");
}
