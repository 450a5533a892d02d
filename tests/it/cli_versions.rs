//! `relance serve` with older folders, `relance diff` and `relance backup`, as a person uses them.

use crate::database::Database;
use crate::process::{Site, eventually};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn edited(site: &Site, file: &str, from: &str, to: &str) -> String {
    let old = fs::read_to_string(site.path().join(file)).unwrap();
    assert!(old.contains(from), "{old}");
    site.write(file, &old.replace(from, to));
    old
}

#[tokio::test]
async fn the_folder_and_what_serves_are_compared() {
    let site = Site::of("shop");
    let _sandbox = site.sandbox().await;
    let serve = site.serve().await;
    let same = site.run(&["diff"]).await;
    assert_eq!((same.code, same.stdout.as_str()), (0, "the folder is what serves: deploy 1\n"), "{same:?}");
    assert_eq!(site.run(&["diff", "-q"]).await.stdout, "");
    edited(&site, "workflows/order_paid.yaml", "total > 0", "total > 10");
    let new = fs::read_to_string(site.path().join("workflows/weekly_class.yaml")).unwrap();
    site.write("workflows/another_class.yaml", &new);
    fs::remove_file(site.path().join("workflows/weekly_class.yaml")).unwrap();
    let said = site.run(&["diff"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    for words in [
        "workflow `another_class` added: workflows/another_class.yaml\n",
        "workflow `weekly_class` removed: workflows/weekly_class.yaml\n",
        "workflow `order_paid` changed: workflows/order_paid.yaml\n",
        "total > 0",
        "total > 10",
    ] {
        assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let json = site.run(&["diff", "--json"]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["version"], &json["same"], &json["deploy"]["number"]), (&json!(1), &json!(false), &json!(1)));
    let changes: Vec<_> = json["files"].as_array().unwrap().iter().map(|one| &one["change"]).collect();
    assert_eq!(changes, ["added", "changed", "removed"]);
    serve.signal("HUP");
    eventually("the folder serves", async || (site.run(&["diff"]).await.code == 0).then_some(())).await;
}

#[tokio::test]
async fn a_server_started_on_yesterdays_folder_says_so_and_serves_todays() {
    let site = Site::of("shop");
    let _sandbox = site.sandbox().await;
    let mut serve = site.serve().await;
    let old = edited(&site, "workflows/order_paid.yaml", "total > 0", "total > 10");
    serve.signal("HUP");
    eventually("it is deployed", async || serve.log().contains("read again").then_some(())).await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    site.write("workflows/order_paid.yaml", &old);
    let mut serve = site.serve().await;
    assert!(
        serve.log().contains("the folder is an older one") && serve.log().contains("serve --deploy"),
        "{}",
        serve.log()
    );
    assert_eq!(site.run(&["diff"]).await.code, 1);
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    let _serve = site.serve_with(&["--deploy"]).await;
    assert_eq!(site.run(&["diff"]).await.code, 0);
    assert_eq!(site.api("deploy").await["deploy"]["number"], 3);
}

#[tokio::test]
async fn a_backup_is_made_while_the_server_writes_and_serves_in_its_place() {
    let site = Site::of("shop");
    let _sandbox = site.sandbox().await;
    let serve = site.serve().await;
    let order = |n: usize| {
        json!({ "order_id": format!("o{n}"), "order_number": n, "total": 12.5, "currency": "EUR",
            "accepts_whatsapp": true, "customer": { "first_name": "Ana", "phone": format!("+346000{n:05}") } })
    };
    for n in 0..20 {
        assert_eq!(site.post_order(&order(n)).await.unwrap(), 200);
    }
    let file = site.path().join("backup.db");
    let name = file.to_str().unwrap();
    let made = site.run(&["backup", name]).await;
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "people are in it");
    let again = site.run(&["backup", name]).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("there is a file already"), "{again:?}");
    let left = fs::read_dir(site.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("draft"));
    assert_eq!(left.count(), 0);
    // What comes after it is not in it.
    assert_eq!(site.post_order(&order(99)).await.unwrap(), 200);
    site.drained().await;
    serve.kill();
    for old in ["relance.db", "relance.db-wal", "relance.db-shm"] {
        let _ = fs::remove_file(site.path().join(".relance").join(old));
    }
    fs::rename(&file, site.path().join(".relance/relance.db")).unwrap();
    let _serve = site.serve().await;
    let runs = site.api("runs?workflow=order_paid").await;
    assert_eq!(runs["runs"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn what_cannot_be_backed_up_is_told_with_the_way_out() {
    let mut site = Site::of("shop");
    let none = site.run(&["backup", "x.db"]).await;
    assert_eq!(none.code, 1, "{none:?}");
    assert!(
        none.stderr.contains("there is no database") && none.stderr.contains("`relance serve` makes it"),
        "{none:?}"
    );
    let database = Database::postgres();
    site.set("RELANCE_DATABASE_URL", &database.url);
    let server = site.run(&["backup", "x.db"]).await;
    assert_eq!(server.code, 2, "{server:?}");
    assert!(server.stderr.contains("pg_dump"), "{server:?}");
}
