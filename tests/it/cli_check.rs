//! `relance check` as it is called: what it writes, what it says to whom, and what it asks of the account.

use crate::process::{Said, Site};
use serde_json::{Value, json};
use std::fs;

/// A workflow with a mistake that can be mended, one that cannot, and what only the account knows.
const MIXED: &str = r#"name: Mixed   # keep me
purpose: utility
when: { webhook: order.paid }
contact: { phone: "+34600000001", name: event.customer.phone }
if: event.totl > 0
do:
  - update_contact: { team: Salse, add_tags: [nobody_wears_this], assign_to: nobody@nowhere.example }
"#;
const FINE: &str = "name: Fine\nwhen: { message: { is: ping } }\ndo:\n  - send_message: { text: pong }\n";

fn mixed() -> Site {
    let site = Site::of("shop");
    site.write("workflows/mixed.yaml", MIXED);
    site
}

fn codes(said: &Said) -> Vec<String> {
    let shown: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("no JSON: {said:?}"));
    shown["diagnostics"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_can_be_mended_is_written_and_the_rest_is_told() {
    let site = mixed();
    let path = site.path().join("workflows/mixed.yaml");
    let shown = site.run(&["check", "--offline", "--fix", "--diff"]).await;
    assert!(shown.code == 1 && shown.stdout.contains("workflows/mixed.yaml\n"), "{shown:?}");
    assert!(
        shown.stdout.contains("+ contact: { phone: \"+34600000001\", name: \"{{event.customer.phone}}\" }"),
        "{shown:?}"
    );
    assert!(
        shown.stderr.contains("would be mended") && !shown.stdout.contains("would be mended"),
        "a patch: {shown:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), MIXED, "only shown");
    let judged = site.run(&["check", "--offline", "--fix", "--diff", "--json"]).await;
    assert_eq!(codes(&judged), ["R308", "R307"], "what lies there is judged");
    let said = site.run(&["check", "--offline", "--fix"]).await;
    assert!(said.code == 1 && said.stdout.contains("1 mistake mended in 1 file; 1 mistake needs you"), "{said:?}");
    assert!(said.stdout.contains("mixed.yaml:5:") && !said.stdout.contains("R308"), "{said:?}");
    let mended = MIXED.replace("event.customer.phone", "\"{{event.customer.phone}}\"");
    assert_eq!(fs::read_to_string(&path).unwrap(), mended);
    let left: Vec<_> = fs::read_dir(site.path().join("workflows")).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".tmp")), "{left:?}");
    let again = site.run(&["check", "--offline", "--fix"]).await;
    assert!(again.stdout.contains("nothing was mended; 1 mistake needs you"), "{again:?}");
}

#[tokio::test]
async fn warnings_count_only_when_somebody_is_strict() {
    let site = Site::of("shop");
    site.write("workflows/fine.yaml", &FINE.replace("is: ping", "is: [yes]"));
    let usual = site.run(&["check", "--offline"]).await;
    assert!(usual.code == 0 && usual.stdout.contains("warning[R106]"), "{usual:?}");
    assert_eq!(site.run(&["check", "--offline", "--strict"]).await.code, 1);
}

#[tokio::test]
async fn programs_get_annotations_and_sarif() {
    let site = mixed();
    let github = site.run(&["check", "--offline", "--format", "github"]).await;
    let lines: Vec<&str> = github.stdout.lines().collect();
    assert!(github.code == 1 && lines.len() == 2, "{github:?}");
    assert!(lines[0].starts_with("::warning file=") && lines[1].starts_with("::error file="), "{github:?}");
    assert!(lines[1].contains("/workflows/mixed.yaml,line=5,col="), "{github:?}");
    let sarif = site.run(&["check", "--offline", "--format", "sarif"]).await;
    let log: Value = serde_json::from_str(&sarif.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.iter().map(|one| &one["ruleId"]).collect::<Vec<_>>(), ["R308", "R307"]);
    let both = site.run(&["--json", "check", "--format", "sarif"]).await;
    assert_eq!(both.code, 2, "one form at a time: {both:?}");
}

#[tokio::test]
async fn what_the_files_name_of_the_account_is_looked_up_there() {
    let mut site = Site::of("shop");
    site.write(
        "workflows/mixed.yaml",
        &MIXED.replace("event.customer.phone", "\"{{event.customer.phone}}\"").replace("totl", "total"),
    );
    let away = site.run(&["check"]).await;
    assert!(away.code == 3 && away.stderr.contains("not checked against the account (R405): "), "{away:?}");
    let offline = site.run(&["check", "--offline", "--json"]).await;
    assert!(offline.code == 0 && codes(&offline).is_empty(), "{offline:?}");
    let shown: Value = serde_json::from_str(&offline.stdout).unwrap();
    assert_eq!(shown["not_checked"], json!("not checked against the account (R405): `--offline`"));
    // The account has what the project named when it began.
    let named = fs::read_to_string(site.path().join("workflows/mixed.yaml")).unwrap();
    site.write("workflows/mixed.yaml", FINE);
    let _sandbox = site.sandbox().await;
    site.write("workflows/mixed.yaml", &named);
    let said = site.run(&["check"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    for told in [
        "error[R405]: the account has no team `Salse`",
        "hint: did you mean `Sales`?",
        "warning[R405]: nobody in the account has the tag `nobody_wears_this`",
        "warning[R405]: `nobody@nowhere.example` is in no team of the account",
    ] {
        assert!(said.stdout.contains(told), "{told} is missing: {said:?}");
    }
    site.write("workflows/mixed.yaml", FINE);
    let fine = site.run(&["check"]).await;
    assert!(fine.code == 0 && !fine.stderr.contains("not checked"), "{fine:?}");
    let relance = fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    site.write(
        "relance.yaml",
        &relance.replace("3f1c7a90b2d84e65a1f07c9d5e2b4860", "00000000000000000000000000000000"),
    );
    let line = site.run(&["check"]).await;
    assert!(
        line.stdout.contains("error[R405]: the account has no live WhatsApp line for the channel `shop`"),
        "{line:?}"
    );
    let token = site.env["CALLBELL_TOKEN"].clone();
    site.set("CALLBELL_TOKEN", "another-token");
    let refused = site.run(&["check"]).await;
    assert!(refused.code == 4 && refused.stderr.contains("not checked against the account (R405): "), "{refused:?}");
    site.set("CALLBELL_TOKEN", &token);
    let address = site.env["CALLBELL_BASE_URL"].clone();
    site.set("CALLBELL_BASE_URL", "ftp://nowhere");
    assert_eq!(site.run(&["check"]).await.code, 2);
    site.set("CALLBELL_BASE_URL", address);
    site.env.remove("CALLBELL_TOKEN");
    let without = site.run(&["check"]).await;
    assert!(without.code == 0 && without.stderr.contains("CALLBELL_TOKEN is not set"), "{without:?}");
}

#[tokio::test]
async fn a_code_is_explained_in_the_readers_language() {
    let site = Site::of("smallest");
    let english = site.run(&["explain", "r102"]).await;
    assert!(
        english.code == 0 && english.stdout.starts_with("R102: ") && english.stdout.contains("Right:"),
        "{english:?}"
    );
    let french = site.run(&["explain", "R102", "--language", "fr"]).await;
    assert!(french.code == 0 && french.stdout.contains("\nJuste :\n"), "{french:?}");
    let unknown = site.run(&["explain", "R999"]).await;
    assert!(unknown.code == 2 && unknown.stderr.contains("hint: there is R101"), "{unknown:?}");
}
