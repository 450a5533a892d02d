//! A database that an older release wrote, with runs and messages in every state of that time, goes on under this one.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, NOON, Plan, World, hours, minutes, unindent, words};
use relance::contact::{Contact, Phone};
use relance::store::{NewerSchema, Store};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, Connection as _};
use std::path::Path;

on_both_databases!(
    runs_and_messages_of_an_older_release_go_on,
    what_needed_a_person_before_the_upgrade_is_listed_by_cause,
    what_a_server_of_the_older_release_writes_beside_this_one_goes_on,
    a_run_goes_on_by_what_was_no_mistake_when_it_began,
    a_release_refuses_the_database_of_a_newer_one,
    what_an_older_release_did_once_is_not_done_again,
    an_erased_person_whom_an_older_release_filled_again_is_erased,
);

/// The first steps of the schema: what the release before the one that runs for weeks made.
const OLD: [&str; 3] = ["0001_first.sql", "0002_callbell.sql", "0003_nodes.sql"];

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - wait: 1h
      - send_message: { text: 'Order {{event.order}}', template: order, values: ['{{event.order}}'] }
      - send_message: { text: 'Again {{event.order}}', template: order, values: ['again {{event.order}}'] }
";

/// (run, state, where it stands, what for, when it goes on); its only message, where it has one.
type OldRun = (&'static str, &'static str, &'static str, &'static str, Option<i64>, Option<&'static str>);
const RUNS: [OldRun; 13] = [
    ("r_timer", "waiting", "0", "timer", Some(3_600_000), None),
    ("r_overdue", "waiting", "0", "timer", Some(-1), None),
    ("r_queued", "waiting", "1", "delivery", None, Some("queued")),
    ("r_held", "waiting", "1", "delivery", None, Some("held")),
    ("r_sending", "waiting", "1", "delivery", None, Some("sending")),
    ("r_doubt", "waiting", "1", "delivery", None, Some("uncertain")),
    ("r_attention", "needs_attention", "1", "delivery", None, Some("uncertain")),
    ("r_refused", "needs_attention", "1", "", None, Some("rejected")),
    ("r_done", "done", "", "", None, Some("accepted")),
    ("r_left_out", "done", "", "", None, Some("skipped")),
    ("r_stopped", "stopped", "", "", None, Some("cancelled")),
    ("r_skipped", "skipped", "", "", None, None),
    ("r_lost", "waiting", "0", "timer", Some(3_600_000), None),
];

async fn with_old_schema(url: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let folder = tempfile::tempdir().unwrap();
    for step in OLD {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(step);
        std::fs::copy(from, folder.path().join(step)).unwrap();
    }
    let mut connection = AnyConnection::connect(url).await.unwrap();
    Migrator::new(folder.path()).await.unwrap().run(&mut connection).await.unwrap();
    connection
}

fn plan(database: Database) -> Plan {
    World::on(database).template("order", "Your {{1}}", &["order"]).workflow("order", ORDER)
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A row of an old table: what is given, and for every other column that may not be null what it began with.
async fn put(to: &mut AnyConnection, table: &str, columns: &[(&str, String)]) {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<_> = columns.iter().map(|(_, value)| value.as_str()).collect();
    let statement = format!("insert into {table} ({}) values ({})", names.join(", "), values.join(", "));
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(to).await.unwrap();
}

fn text(value: impl AsRef<str>) -> String {
    quoted(value.as_ref())
}

async fn put_run(to: &mut AnyConnection, index: usize) {
    let (id, state, cursor, waits, wake_ms, message) = RUNS[index];
    let phone = format!("+3361234{:04}", 100 + index);
    let person = format!("c_{id}");
    let contact =
        Contact { id: person.clone(), phone: Phone::parse(&phone, None).ok(), told: true, ..Contact::default() };
    let digits = contact.phone.as_ref().unwrap().digits().to_owned();
    put(
        to,
        "contact",
        &[
            ("id", text(&person)),
            ("version", "1".into()),
            ("phone", text(digits)),
            ("data", text(serde_json::to_string(&contact).unwrap())),
        ],
    )
    .await;
    let event = format!("e_{id}");
    let data = json!({"phone": phone, "order": id}).to_string();
    put(
        to,
        "event",
        &[
            ("id", text(&event)),
            ("source", text("api")),
            ("name", text("order.paid")),
            ("dedupe_key", text(&event)),
            ("dedupe_until_ms", (NOON + 1).to_string()),
            ("body_hash", text("")),
            ("at_ms", NOON.to_string()),
            ("received_at_ms", NOON.to_string()),
            ("data", text(data)),
            ("evaluations", text("[]")),
        ],
    )
    .await;
    let mut progress = json!({"cursor": cursor, "trace": [{"at_ms": NOON, "what": "started"}]});
    if !waits.is_empty() {
        progress["waiting_for"] = waits.into();
    }
    let definition = if id == "r_lost" { "nobody has it" } else { "old" };
    let ended = matches!(state, "done" | "stopped" | "skipped").then_some(NOON - 1);
    let or_null = |ms: Option<i64>| ms.map_or("null".to_owned(), |ms| ms.to_string());
    put(
        to,
        "run",
        &[
            ("id", text(id)),
            ("workflow", text("order")),
            ("definition", text(definition)),
            ("contact", text(&person)),
            ("event", text(&event)),
            ("state", text(state)),
            ("reason", text("")),
            ("progress", text(progress.to_string())),
            ("wake_at_ms", or_null(wake_ms.map(|ms| NOON + ms))),
            ("seed", "7".into()),
            ("fence", "3".into()),
            ("started_at_ms", NOON.to_string()),
            ("ended_at_ms", or_null(ended)),
        ],
    )
    .await;
    if let Some(state) = message {
        put_delivery(to, id, &person, state).await;
    }
}

async fn put_delivery(to: &mut AnyConnection, run: &str, person: &str, state: &str) {
    let message = json!({"plain": {"text": "Order"}, "template": {"name": "order", "uuid": format!("{:032x}", 1), "kind": "text", "category": "utility", "values": [run]}});
    let attempts = i64::from(!matches!(state, "queued" | "held" | "skipped" | "cancelled"));
    let due_ms = if state == "held" { NOON + 1_800_000 } else { NOON };
    let reason = if state == "held" { "rate_line" } else { "" };
    let id = format!("d_{run}");
    let n = |number: i64| number.to_string();
    let until = if state == "uncertain" { n(NOON + 600_000) } else { "null".into() };
    put(
        to,
        "delivery",
        &[
            ("id", text(&id)),
            ("run", text(run)),
            ("workflow", text("order")),
            ("step", text("1")),
            ("contact", text(person)),
            ("channel", text("main")),
            ("purpose", text("utility")),
            ("outside_window", text("fail")),
            ("message", text(message.to_string())),
            ("state", text(state)),
            ("reason", text(reason)),
            ("form", if attempts > 0 { text("template") } else { "null".into() }),
            ("due_at_ms", n(due_ms)),
            ("expires_at_ms", n(NOON + 86_400_000)),
            ("line_at_ms", n(NOON)),
            ("fallback_used", n(0)),
            ("attempts", n(attempts)),
            ("retries", n(0)),
            ("retry_limit", n(5)),
            ("seed", n(7)),
            ("planned_at_ms", n(NOON)),
            ("reconcile_until_ms", until),
        ],
    )
    .await;
    if attempts > 0 {
        put(
            to,
            "attempt",
            &[
                ("id", text(format!("a_{run}"))),
                ("delivery", text(id)),
                ("n", n(1)),
                ("form", text("template")),
                ("node", text("dead")),
                ("started_at_ms", n(NOON - 1)),
                ("statuses", text("[]")),
            ],
        )
        .await;
    }
}

/// What an older release left: runs, messages, and everything that stands beside them.
async fn leave_behind(url: &str) {
    let mut to = with_old_schema(url).await;
    let files = json!({
        "relance.yaml": "version: 1\nname: Shop\nsettings: { timezone: Europe/Paris }\nphone_region: FR\nconsent: everyone\n",
        "templates.yaml": format!("order: {{ uuid: \"{:032x}\", values: [order] }}\n", 1),
        "templates.lock.json": json!([{"uuid": format!("{:032x}", 1), "title": "order", "text": "Your {{1}}",
            "type": "text", "category": "utility", "status": "approved", "placeholders": 1}]).to_string(),
        // What that release served said other words.
        "workflows/order.yaml": unindent(ORDER).replace("again {{event.order}}", "old again {{event.order}}"),
    });
    put(
        &mut to,
        "definition",
        &[
            ("hash", text("old")),
            ("workflow", text("order")),
            ("files", text(files.to_string())),
            ("created_at_ms", NOON.to_string()),
        ],
    )
    .await;
    for index in 0..RUNS.len() {
        put_run(&mut to, index).await;
    }
    put(&mut to, "node", &[("id", text("dead")), ("since_ms", "0".into()), ("heartbeat_ms", "0".into())]).await;
    put(&mut to, "bucket", &[("scope", text("account")), ("tat_us", "0".into())]).await;
    put(&mut to, "early_status", &[("uuid", text("u")), ("status", text("read")), ("event", text("{}"))]).await;
    put(&mut to, "alert", &[("name", text("x")), ("what", text("something")), ("since_ms", NOON.to_string())]).await;
    put(&mut to, "identity", &[("workflow", text("order")), ("hash", text("h")), ("run", text("r_done"))]).await;
    to.close().await.unwrap();
}

async fn runs_and_messages_of_an_older_release_go_on(database: Database) {
    leave_behind(&database.url).await;
    let mut world = plan(database).start().await;
    world.settle().await;
    world.advance(minutes(45)).await;
    // A kill after the upgrade changes nothing.
    world.restart().await;
    world.advance(hours(1)).await;
    let mut states: Vec<String> =
        world.runs().await.iter().map(|run| format!("{} {}", run.id, run.state.as_str())).collect();
    states.sort();
    assert_eq!(
        states,
        [
            "r_attention needs_attention",
            "r_done done",
            "r_doubt needs_attention",
            "r_held done",
            "r_left_out done",
            "r_lost needs_attention",
            "r_overdue done",
            "r_queued done",
            "r_refused needs_attention",
            "r_sending needs_attention",
            "r_skipped skipped",
            "r_stopped stopped",
            "r_timer done",
        ]
    );
    let mut deliveries: Vec<String> = world
        .deliveries()
        .await
        .iter()
        .map(|row| format!("{} {} {}", row.delivery.run, row.delivery.step, row.delivery.state.as_str()))
        .collect();
    deliveries.sort();
    let expected = [
        "r_attention 1 uncertain",
        "r_done 1 accepted",
        "r_doubt 1 uncertain",
        "r_held 1 accepted",
        "r_held 2 accepted",
        "r_left_out 1 skipped",
        "r_overdue 1 accepted",
        "r_overdue 2 accepted",
        "r_queued 1 accepted",
        "r_queued 2 accepted",
        "r_refused 1 rejected",
        "r_sending 1 uncertain",
        "r_stopped 1 cancelled",
        "r_timer 1 accepted",
        "r_timer 2 accepted",
    ];
    assert_eq!(deliveries, expected);
    let mut again: Vec<String> = world.sent().into_iter().filter(|sent| sent.contains("again")).collect();
    again.sort();
    let words = |run: &str| format!("template: Your old again {run}");
    assert_eq!(again, ["r_held", "r_overdue", "r_queued", "r_timer"].map(words), "on the definition they began with");
    // New events begin on what serves now.
    world.event("order.paid", json!({"phone": ANA, "order": "new"})).await;
    world.advance(hours(1)).await;
    assert!(world.sent().contains(&"template: Your again new".to_owned()), "{:?}", world.sent());
}

async fn what_needed_a_person_before_the_upgrade_is_listed_by_cause(database: Database) {
    leave_behind(&database.url).await;
    let mut old = AnyConnection::connect(&database.url).await.unwrap();
    let evaluations = json!([
        { "workflow": "order", "trigger": "t", "result": "failed", "reason": "it said \"result\":\"failed\"" },
        { "workflow": "other", "trigger": "t", "result": "failed", "reason": "" },
        { "workflow": "third", "trigger": "t", "result": "started", "reason": "" },
    ]);
    let failed = format!("update event set evaluations = {} where id = 'e_r_done'", text(evaluations.to_string()));
    sqlx::query(sqlx::AssertSqlSafe(failed)).execute(&mut old).await.unwrap();
    let refused = "update run set reason = 'order 123456 is unknown' where id = 'r_refused'";
    sqlx::query(refused).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    let world = plan(database).start().await;
    let causes = world.store(|store| async move { store.causes(10).await }).await;
    let mut words: Vec<String> =
        causes.iter().map(|row| format!("{} {}: {}", row.count, row.cause, row.examples.concat())).collect();
    words.sort();
    let listed = |of: &str| words.iter().any(|line| line.contains(of));
    assert!(listed("1 order … is unknown: r_refused") && listed("r_attention"), "{words:?}");
    assert!(causes.iter().all(|row| row.oldest_ms <= NOON), "{causes:?}");
    let failed = world.store(|store| async move { store.failed_events(10).await }).await;
    let failed: Vec<_> = failed.iter().map(|event| (event.id.as_str(), event.failed)).collect();
    assert_eq!(failed, [("e_r_done", Some(2))]);
    world.may_leave_work();
}

/// Both live: this release has migrated the schema, and the older one goes on writing the columns that it knows.
async fn what_a_server_of_the_older_release_writes_beside_this_one_goes_on(database: Database) {
    let shared = database.url.starts_with("postgres");
    let url = database.url.clone();
    let mut world = plan(database).start().await;
    if !shared {
        // Of SQLite one process writes at a time: the older release was started again in between.
        world.crash().await;
    }
    let mut old = AnyConnection::connect(&url).await.unwrap();
    for index in [0, 2, 3, 7] {
        put_run(&mut old, index).await;
    }
    sqlx::query("update run set definition = (select min(hash) from definition)").execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    if !shared {
        world.start_again().await;
    }
    world.advance(minutes(40)).await;
    let mut states: Vec<String> =
        world.runs().await.iter().map(|run| format!("{} {}", run.id, run.state.as_str())).collect();
    states.sort();
    assert_eq!(states, ["r_held done", "r_queued done", "r_refused needs_attention", "r_timer waiting"]);
    let causes = world.store(|store| async move { store.causes(10).await }).await;
    assert_eq!(causes.len(), 1, "{causes:?}");
    world.advance(hours(1)).await;
    assert_eq!(world.sends(), 6, "two of each run that goes on: {:?}", world.sent());
}

/// `60M` was sixty minutes for an older release; who writes it today is asked whether they mean months.
async fn a_run_goes_on_by_what_was_no_mistake_when_it_began(database: Database) {
    let url = database.url.clone();
    let mut world = plan(database).start().await;
    world.crash().await;
    let mut old = AnyConnection::connect(&url).await.unwrap();
    put_run(&mut old, 0).await;
    let written = "insert into definition (hash, workflow, files, created_at_ms) select 'of then', workflow,
        replace(files, 'wait: 1h', 'wait: 60M'), created_at_ms from definition";
    sqlx::query(written).execute(&mut old).await.unwrap();
    sqlx::query("update run set definition = 'of then'").execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    world.start_again().await;
    world.advance(minutes(59)).await;
    assert_eq!(world.sends(), 0, "{:?}", world.sent());
    world.advance(minutes(2)).await;
    assert_eq!(world.sends(), 2, "{:?}", world.sent());
}

async fn a_release_refuses_the_database_of_a_newer_one(database: Database) {
    drop(Store::open(&database.url).await.unwrap());
    let mut connection = AnyConnection::connect(&database.url).await.unwrap();
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        select 9000, 'of tomorrow', success, checksum, 0 from _sqlx_migrations where version = 1";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let error = Store::open(&database.url).await.unwrap_err();
    assert_eq!(error.downcast_ref::<NewerSchema>().unwrap().found, 9000);
    assert!(error.to_string().contains("a newer relance has written this database"), "{error}");
}

async fn what_an_older_release_did_once_is_not_done_again(database: Database) {
    let once = "
        name: Once
        purpose: utility
        when: { webhook: asked }
        contact: { phone: '{{event.phone}}' }
        settings: { once_per: event.phone, again: skip }
        do: [{ wait: 1h }]
    ";
    let world = plan(database).workflow("once", once).start().await;
    let ask = async || words(&world.event("asked", json!({ "phone": ANA })).await.evaluations).concat();
    assert_eq!(ask().await, "once started");
    let plain = hex::encode(Sha256::digest(json!(ANA).to_string()));
    let kept = world.dump().await;
    assert!(!kept.lines().any(|line| line.starts_with("identity: ") && line.contains(&plain)), "{kept}");
    assert_eq!(world.execute(&format!("update identity set hash = '{plain}'")).await, 1);
    assert_eq!(ask().await, "once skipped: already_running");
    world.advance(hours(2)).await;
    assert_eq!((ask().await, ask().await), ("once started".into(), "once skipped: already_running".into()));
    world.may_leave_work();
}

async fn an_erased_person_whom_an_older_release_filled_again_is_erased(database: Database) {
    let mut old = with_old_schema(&database.url).await;
    for (id, phone, gone) in [("c_gone", ANA, true), ("c_known", BOB, false)] {
        let phone = Phone::parse(phone, None).unwrap();
        let custom = [("state".to_owned(), json!({ "n": 1, "gone": true }))].into();
        let contact = Contact { id: id.into(), phone: Some(phone.clone()), custom, gone, ..Contact::default() };
        let data = text(serde_json::to_string(&contact).unwrap());
        let columns = [("id", text(id)), ("version", "1".into()), ("phone", text(phone.digits())), ("data", data)];
        put(&mut old, "contact", &columns).await;
        let name = text(format!("phone:99{}", phone.digits()));
        let columns = [("name", name), ("contact", text(id)), ("source", text("mismatch")), ("at_ms", "1".into())];
        put(&mut old, "alias", &columns).await;
    }
    old.close().await.unwrap();
    let world = plan(database).start().await;
    let dump = world.dump().await;
    assert!(!dump.contains(ANA.trim_start_matches('+')) && dump.matches(BOB.trim_start_matches('+')).count() > 1);
    world.event("order.paid", json!({ "phone": ANA, "order": "1" })).await;
    world.event("order.paid", json!({ "phone": BOB, "order": "2" })).await;
    let runs = world.runs().await;
    assert!(runs[0].contact != "c_gone" && runs[1].contact == "c_known", "{runs:?}");
    world.may_leave_work();
}
