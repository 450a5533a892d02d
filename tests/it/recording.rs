//! Promise: a run of a server becomes a test that passes on the project as it is, holds nobody's data, and fails when the
//! workflow changes.

use crate::process::{Said, Site, eventually, list};
use serde_json::{Value, json};
use std::fs;

const ANA: &str = "+34655123456";
const WORKFLOW: &str = "name: Parcel
purpose: utility
when: { webhook: parcel.sent }
contact: { phone: \"{{event.customer.phone}}\", first_name: \"{{event.customer.first_name}}\" }
settings: { once_per: event.parcel }
do:
  - wait: 1s
  - send_message: { text: \"Hi {{contact.first_name}}, parcel {{event.parcel}} is on its way to {{event.address}}. Fine?\", outside_window: skip }
  - wait_for_reply:
      for: 1d
      replies:
        - is: [yes please, ok]
          do:
            - send_message: { text: \"Thanks {{upper contact.first_name}}\" }
";

/// A server on which a run was answered and is done; its id.
async fn answered(site: &Site) -> String {
    site.customer_writes(ANA, "hello, Ana here").await;
    let event = json!({ "parcel": "P-7", "address": "Calle Mayor 5", "customer": { "phone": ANA, "first_name": "Ana" }, "from": ANA,
            "recipient": { "phone": "612 345 678", "name": "leo" }, "wa_id": "34655999888" });
    let said = site.run(&["trigger", "parcel.sent", "--data", &event.to_string()]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let sent = async |many: usize| {
        eventually("it is sent", async || (site.messages().await.len() >= many).then_some(())).await;
        site.drained().await;
    };
    sent(1).await;
    site.customer_writes(ANA, "OK").await;
    sent(2).await;
    let done = async || list(&site.api("runs?state=done").await["runs"]).first().map(|run| run["id"].clone());
    eventually("the run is done", done).await.as_str().unwrap().to_owned()
}

fn recorded(site: &Site) -> (String, String) {
    let folder = fs::read_dir(site.path().join("workflows")).unwrap().map(|entry| entry.unwrap().path());
    let path =
        folder.into_iter().find(|path| path.to_string_lossy().ends_with(".test.yaml")).expect("a test was written");
    let text = fs::read_to_string(&path).unwrap();
    (path.file_name().unwrap().to_str().unwrap().to_owned(), text)
}

async fn play(site: &Site) -> Said {
    site.run(&["test"]).await
}

#[tokio::test]
async fn a_recorded_run_passes_until_its_workflow_changes_and_holds_nobodys_data() {
    let site = Site::of("shop");
    site.write("workflows/parcel.yaml", WORKFLOW);
    let _running = (site.sandbox().await, site.serve().await);
    let run = answered(&site).await;

    let said = site.run(&["test", "--record", &run]).await;
    let (name, text) = recorded(&site);
    assert!(said.code == 0 && said.stderr.contains("written: workflows/parcel_"), "{said:?}\n{text}");
    assert!(said.stdout.contains("1 test passed"), "{said:?}\n{text}");
    for secret in ["Ana", "ANA", "655123456", "123456", "Calle Mayor", "612 345", "345678", "leo", "999888"] {
        assert!(!text.contains(secret), "{secret}:\n{text}");
    }
    for part in ["webhook: parcel.sent", "text: OK", "run: done", "P-7", "expect: [{ message: {"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert_eq!(site.run(&["fmt", "--check"]).await.code, 0, "{text}");
    assert_eq!(play(&site).await.code, 0);

    let there = site.run(&["test", "--record", &run]).await;
    assert!(there.code == 2 && there.stderr.contains("--force"), "{there:?}");
    assert_eq!(recorded(&site), (name, text.clone()));
    let masked = site.api(&format!("runs/{run}/record?show_pii=0")).await.to_string();
    assert!(masked.contains("parcel.sent") && !masked.contains("Ana"), "{masked}");
    let open = site.run(&["test", "--record", &run, "--force", "--show-pii"]).await;
    let (_, shown) = recorded(&site);
    assert!(open.code == 0 && shown.contains("Hi Ana") && shown.contains(ANA), "{open:?}\n{shown}");

    for (was, is) in [("Thanks", "Thank you"), ("wait: 1s", "wait: 2h"), ("is: [yes please, ok]", "is: [sure]")] {
        site.write("workflows/parcel.yaml", &WORKFLOW.replace(was, is));
        let failed = play(&site).await;
        assert!(failed.code == 1 && failed.stdout.contains("1 of 1 test"), "{was}: {failed:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_played_again_is_refused_plainly() {
    let site = Site::of("shop");
    site.write("workflows/parcel.yaml", &WORKFLOW.replace("wait: 1s", "wait: 1d"));
    let _running = (site.sandbox().await, site.serve().await);
    let unknown = site.run(&["test", "--record", "nobody"]).await;
    assert!(unknown.code == 4 && unknown.stderr.contains("(404)"), "{unknown:?}");
    let event = json!({ "parcel": "P-8", "customer": { "phone": ANA, "first_name": "Ana" } });
    assert_eq!(site.run(&["trigger", "parcel.sent", "--data", &event.to_string()]).await.code, 0);
    let waits = async || list(&site.api("runs?state=waiting").await["runs"]).first().map(|run| run["id"].clone());
    let run: Value = eventually("the run waits", waits).await;
    let run = run.as_str().unwrap();
    assert_eq!(site.run(&["runs", "cancel", run]).await.code, 0);
    let refused = site.run(&["test", "--record", run]).await;
    assert!(refused.code == 4 && refused.stderr.contains("a person took a hand in the run"), "{refused:?}");
    assert!(refused.stderr.contains("hint: take a run that nobody paused"), "{refused:?}");
    let forgotten = site.run(&["contacts", "forget", ANA, "--yes"]).await;
    assert_eq!(forgotten.code, 0, "{forgotten:?}");
    let refused = site.run(&["test", "--record", run]).await;
    assert!(refused.code == 4 && refused.stderr.contains("not kept any more"), "{refused:?}");
}
