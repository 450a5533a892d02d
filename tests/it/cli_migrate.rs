//! `relance migrate`: from the SQLite file of one machine to PostgreSQL, as a person does it.

use crate::database::Database;
use crate::hand::{dump, execute};
use crate::process::{Site, eventually};
use serde_json::json;
use sqlx::{AnyConnection, Connection as _, Executor as _};
use std::collections::BTreeSet;

const ANA: &str = "+34600000001";
/// Everything that a line of text may mean to somebody on the way.
const ODD: &str = "tab\t line\n return\r back\\slash \\N \\. 'quote' \"two\" é 👩‍👩‍👧";

/// A shop where one reminder is still to come.
fn shop() -> Site {
    let site = Site::of("shop");
    let slow = "name: Slow\npurpose: utility\nwhen: { webhook: order.slow }\ncontact: { phone: \"{{event.phone}}\" }\n\
        do:\n  - wait: 1d\n  - send_message: { template: order_paid, values: { first_name: Ana, order_number: \"7\", \
        total: \"{{event.note}}\" } }\n";
    site.write("workflows/slow.yaml", slow);
    site
}

fn rows(dump: &str) -> BTreeSet<&str> {
    dump.lines().collect()
}

#[tokio::test]
async fn everything_goes_over_once_and_goes_on_there() {
    let mut site = shop();
    let _sandbox = site.sandbox().await;
    let mut serve = site.serve().await;
    for n in 0..5 {
        let order = json!({ "order_id": format!("o{n}"), "order_number": n, "total": 12.5, "currency": "EUR", "note": ODD,
            "accepts_whatsapp": true, "customer": { "first_name": "Ana", "phone": ANA } });
        assert_eq!(site.post_order(&order).await.unwrap(), 200);
    }
    let data = json!({ "phone": ANA, "note": ODD, "accepts_whatsapp": true }).to_string();
    let slow = site.run(&["trigger", "order.slow", "--data", &data]).await;
    assert_eq!(slow.code, 0, "{slow:?}");
    site.drained().await;
    let sent = site.messages().await.len();
    assert!(sent >= 5, "{sent}");

    let database = Database::postgres();
    site.set("RELANCE_DATABASE_URL", &database.url);
    let busy = site.run(&["migrate"]).await;
    assert_eq!(busy.code, 1, "{busy:?}");
    assert!(busy.stderr.contains("another relance process uses this database"), "{busy:?}");
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);

    let file = format!("sqlite:{}", site.path().join(".relance/relance.db").display());
    let before = dump(&file).await;
    let done = site.run(&["migrate"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains(&format!("{} rows of", before.lines().count())), "{done:?}\n{before}");
    let there = dump(&database.url).await;
    let differing: Vec<_> = rows(&before).symmetric_difference(&rows(&there)).copied().collect();
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(there.contains("back\\"), "{there}");

    let again = site.run(&["migrate"]).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("this SQLite file was carried over to PostgreSQL already"), "{again:?}");
    site.set("RELANCE_CLOCK_OFFSET", "+25h");
    let mut serve = site.serve().await;
    let runs = site.api("runs?workflow=slow").await;
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "{runs}");
    eventually("the reminder", async || (site.messages().await.len() > sent).then_some(())).await;
    site.drained().await;
    assert_eq!(site.messages().await.len(), sent + 1, "what was sent before is not sent again");
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);

    site.set("RELANCE_DATABASE_URL", "");
    let doctor = site.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("has carried this SQLite file over to PostgreSQL"), "{doctor:?}");
    let backup = site.run(&["backup", "late.db"]).await;
    assert_eq!((backup.code, site.path().join("late.db").exists()), (1, false), "{backup:?}");
    let mut old = site.started(&[]);
    assert_eq!(old.ended().await, 78, "{}", old.log());
    assert!(old.log().contains("has carried this SQLite file over to PostgreSQL"), "{}", old.log());
    assert!(old.log().contains("set RELANCE_DATABASE_URL to that server"), "{}", old.log());
}

#[tokio::test]
async fn what_cannot_be_carried_over_stays_and_serves_as_before() {
    let mut site = shop();
    let without = site.run(&["migrate"]).await;
    assert_eq!(without.code, 2, "{without:?}");
    assert!(without.stderr.contains("set RELANCE_DATABASE_URL to `postgres://…`"), "{without:?}");
    let database = Database::postgres();
    site.set("RELANCE_DATABASE_URL", &database.url);
    let nothing = site.run(&["migrate"]).await;
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(nothing.stderr.contains("there is no database: "), "{nothing:?}");

    site.set("RELANCE_DATABASE_URL", "");
    let mut serve = site.serve().await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    // The server takes everything but one table.
    site.set("RELANCE_DATABASE_URL", &database.url);
    let mut serve = site.serve().await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    for table in dump(&database.url)
        .await
        .lines()
        .filter_map(|row| row.split_once(": "))
        .map(|(table, _)| table.to_owned())
        .collect::<BTreeSet<_>>()
    {
        database.execute(&format!("delete from \"{table}\"")).await;
    }
    let own = Database::postgres();
    let foreign = site.run(&["migrate", "--from", "nowhere.db"]).await;
    assert_eq!(foreign.code, 1, "{foreign:?}");
    assert!(foreign.stderr.contains("there is no database: nowhere.db"), "{foreign:?}");
    own.execute("create table event (id text)").await;
    own.execute("insert into event values ('somebody else')").await;
    site.set("RELANCE_DATABASE_URL", &own.url);
    let taken = site.run(&["migrate"]).await;
    assert_eq!(taken.code, 1, "{taken:?}");
    assert!(taken.stderr.contains("the PostgreSQL database is not empty: `event`"), "{taken:?}");
    assert_eq!(dump(&own.url).await, "event: somebody else\n", "nothing of it was touched");
    site.set("RELANCE_DATABASE_URL", &database.url);
    database.execute("alter table installation add constraint no_key check (name <> 'relance_id key')").await;
    let refused = site.run(&["migrate"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    for words in ["the rows of `installation` could not be carried over", "the file serves as before"] {
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    assert_eq!(dump(&database.url).await, "", "all or nothing");
    // Killed before everything was there.
    let mut holder = AnyConnection::connect(&database.url).await.unwrap();
    let mut tx = holder.begin().await.unwrap();
    tx.execute("lock table installation in share mode").await.unwrap();
    let broken_off = site.start("migrate", &["migrate"]);
    somebody_waits(&mut tx).await;
    broken_off.kill();
    tx.rollback().await.unwrap();
    site.set("RELANCE_DATABASE_URL", "");
    let mut serve = site.serve().await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
}

/// What a kill leaves behind: the mark of the file that is on its way, with everything there or nothing.
#[tokio::test]
async fn one_that_was_broken_off_is_brought_to_its_end_by_the_same_server_and_no_other() {
    let mut site = shop();
    let mut serve = site.serve().await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    let (server, other) = (Database::postgres(), Database::postgres());
    let file = format!("sqlite:{}", site.path().join(".relance/relance.db").display());
    let before = dump(&file).await;
    let way = server.url.rsplit_once('@').unwrap().1;
    let marked = format!("insert into installation values ('left for a server', '{way}')");
    execute(&file, &marked).await;

    let mut old = site.started(&[]);
    assert_eq!(old.ended().await, 78, "{}", old.log());
    assert!(
        old.log().contains(&format!("was broken off while it carried this SQLite file over to {way}")),
        "{}",
        old.log()
    );
    site.set("RELANCE_DATABASE_URL", &other.url);
    let elsewhere = site.run(&["migrate"]).await;
    assert_eq!(elsewhere.code, 1, "{elsewhere:?}");
    assert!(elsewhere.stderr.contains(&format!("this SQLite file was on its way to {way}")), "{elsewhere:?}");

    // Killed before the commit: nothing has arrived.
    site.set("RELANCE_DATABASE_URL", &server.url);
    let done = site.run(&["migrate"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(rows(&dump(&server.url).await), rows(&before));

    // Killed after it, before the file said so.
    execute(&file, "delete from installation where name = 'left for a server'").await;
    execute(&file, &marked).await;
    let done = site.run(&["migrate"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(rows(&dump(&server.url).await), rows(&before), "nothing twice");
    let gone = site.run(&["migrate"]).await;
    assert!(gone.stderr.contains("was carried over to PostgreSQL already"), "{gone:?}");
}

/// A shop that has served, and its file.
async fn served() -> (Site, String) {
    let site = shop();
    let mut serve = site.serve().await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    let file = format!("sqlite:{}", site.path().join(".relance/relance.db").display());
    (site, file)
}

/// As a kill around the commit leaves the file.
async fn mark(file: &str, database: &Database) {
    let way = database.url.rsplit_once('@').unwrap().1;
    execute(file, &format!("insert into installation values ('left for a server', '{way}')")).await;
}

/// Until another connection to this server's database waits for a table.
async fn somebody_waits(server: &mut AnyConnection) {
    let waits = "select count(*) from pg_locks where not granted and locktype = 'relation' and database =
        (select oid from pg_database where datname = current_database())";
    let waiting = async || {
        let waits: i64 = sqlx::query_scalar(waits).fetch_one(&mut *server).await.unwrap();
        (waits > 0).then_some(())
    };
    eventually("another connection waits for a table", waiting).await;
}

#[tokio::test]
async fn one_that_was_broken_off_serves_again_as_soon_as_the_server_shows_that_nothing_arrived() {
    let (mut site, file) = served().await;
    let (taken, other) = (Database::postgres(), Database::postgres());

    // A server that is not there shows nothing.
    mark(&file, &taken).await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.set("RELANCE_DATABASE_URL", format!("postgres://u@{nowhere}/d"));
    let silent = site.run(&["migrate"]).await;
    assert_eq!(silent.code, 1, "{silent:?}");
    assert!(!silent.stderr.contains("the file serves as before"), "{silent:?}");
    for words in ["nothing is served from the file", "before anything is served there"] {
        assert!(silent.stderr.contains(words), "{silent:?}");
    }

    // Somebody served from the server in between: its rows are others.
    site.set("RELANCE_DATABASE_URL", &taken.url);
    let mut serve = site.serve().await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    let theirs = dump(&taken.url).await;
    let refused = site.run(&["migrate"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("the PostgreSQL database is not empty: "), "{refused:?}");
    assert_eq!(dump(&taken.url).await, theirs);

    // With this it is a first try again: the file serves, and may go anywhere.
    site.set("RELANCE_DATABASE_URL", "");
    let mut serve = site.serve().await;
    serve.signal("TERM");
    assert_eq!(serve.ended().await, 0);
    site.set("RELANCE_DATABASE_URL", &other.url);
    let done = site.run(&["migrate", "--quiet"]).await;
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
}

#[tokio::test]
async fn a_commit_that_is_still_under_way_is_waited_for() {
    let (mut site, file) = served().await;
    let server = Database::postgres();
    server.execute("create table installation (name text primary key, value text)").await;
    mark(&file, &server).await;
    let key =
        dump(&file).await.lines().find_map(|row| row.strip_prefix("installation: relance_id key|").map(str::to_owned));
    let mut first = AnyConnection::connect(&server.url).await.unwrap();
    let mut tx = first.begin().await.unwrap();
    let arrives = sqlx::query("insert into installation values ('relance_id key', $1)").bind(key.unwrap());
    arrives.execute(&mut *tx).await.unwrap();

    site.set("RELANCE_DATABASE_URL", &server.url);
    let commits = async {
        somebody_waits(&mut tx).await;
        tx.commit().await.unwrap();
    };
    let (done, ()) = tokio::join!(site.run(&["migrate"]), commits);
    assert_eq!(done.code, 0, "{done:?}");
    site.set("RELANCE_DATABASE_URL", "");
    let mut old = site.started(&[]);
    assert_eq!(old.ended().await, 78, "{}", old.log());
    assert!(old.log().contains("has carried this SQLite file over to PostgreSQL"), "{}", old.log());
}
