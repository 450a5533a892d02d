//! Promise: a full disk refuses and waits, a broken one ends the process; nothing acknowledged is lost, nothing is sent
//! twice, and it goes on by itself when there is room.
//!
//! The real server has a disk of a size that the test chooses (`tests/fixtures/small_disk.c`): every write that would
//! pass it finds `ENOSPC`, and syncs fail when the test says so. No mount and no privilege is needed.

use crate::crash::{counted, judge, order};
use crate::database::Database;
use crate::harness::{ANA, World, hours, minutes, seconds, words};
use crate::process::{Process, RELANCE_TOKEN, Site, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Of the process whose disk failed.
const BROKEN_DISK: i32 = 74;
const BALLAST: u64 = 16 * 1024 * 1024;

/// What the state folder of a site lies on.
struct SmallDisk {
    folder: PathBuf,
    rules: PathBuf,
}

impl SmallDisk {
    fn below(site: &mut Site) -> Self {
        let root = site.path().canonicalize().unwrap();
        let library = root.join("small_disk.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg("tests/fixtures/small_disk.c").arg("-ldl");
        assert!(
            compiler.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success(),
            "the C compiler that SQLite was built with"
        );
        let disk = Self { folder: root.join(".relance"), rules: root.join("small_disk.rules") };
        site.set("LD_PRELOAD", library.to_str().unwrap());
        site.set("SMALL_DISK", disk.folder.to_str().unwrap());
        site.set("SMALL_DISK_RULES", disk.rules.to_str().unwrap());
        disk
    }

    fn rule(&self, bytes: u64, broken: bool) {
        let draft = self.rules.with_extension("draft");
        fs::write(&draft, format!("{bytes} {}", i32::from(broken))).unwrap();
        fs::rename(draft, &self.rules).unwrap();
    }

    /// Not a byte more than what lies there now.
    fn fill(&self) {
        let files = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
        self.rule(files.filter(|file| file.is_file()).map(|file| file.len()).sum(), false);
    }

    fn make_room(&self) {
        self.rule(1 << 40, false);
    }

    fn ballast(&self) -> u64 {
        self.folder.join("relance.db.ballast").metadata().map_or(0, |file| file.len())
    }
}

/// A shop on a disk of its own. Orders below 100 are answered at once, those above wait for three seconds first.
fn shop() -> (Site, SmallDisk) {
    let mut site = Site::of("shop");
    let now = fs::read_to_string(site.path().join("workflows/order_paid.yaml")).unwrap();
    let later = now.replace("do:\n", "do:\n  - wait: 3s\n").replace("total > 0", "order_number >= 100");
    site.write("workflows/order_paid.yaml", &now.replace("total > 0", "order_number < 100"));
    site.write("workflows/order_later.yaml", &later);
    let disk = SmallDisk::below(&mut site);
    (site, disk)
}

async fn post(site: &Site, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        assert_eq!(site.post_order(&order(number)).await.unwrap(), 200, "{number}");
    }
}

async fn sent(site: &Site) -> usize {
    site.messages().await.len()
}

/// What `/readyz` says: its status, and why.
async fn ready(site: &Site) -> (u16, Value) {
    let answer = site.http.get(format!("http://127.0.0.1:{}/readyz", site.port)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn is_ready(site: &Site) {
    eventually("it is ready again", async || (ready(site).await.0 == 200).then_some(())).await;
}

async fn is_full(site: &Site) {
    eventually("the disk is full", async || {
        let (status, why) = ready(site).await;
        (status == 503 && why["error"].as_str().unwrap().contains("no room")).then_some(())
    })
    .await;
}

/// `wait` of an answer of 503, in seconds.
async fn refused(site: &Site, number: usize) -> Option<u64> {
    let url = format!("http://127.0.0.1:{}/hooks/till/{}/order.paid", site.port, site.env["TILL_TOKEN"]);
    let answer = site.http.post(url).json(&order(number)).send().await.unwrap();
    assert_eq!(answer.status(), 503, "{number}");
    answer.headers().get("retry-after")?.to_str().unwrap().parse().ok()
}

async fn begin() -> (Site, SmallDisk, Process, Process) {
    let (site, disk) = shop();
    let sandbox = site.sandbox().await;
    let serve = site.serve().await;
    eventually("a ballast lies there", async || (disk.ballast() == BALLAST).then_some(())).await;
    (site, disk, sandbox, serve)
}

#[tokio::test]
async fn a_full_disk_refuses_events_begins_no_call_and_goes_on_by_itself_when_there_is_room() {
    let (site, disk, _sandbox, serve) = begin().await;
    // Long enough that the first call is still open when the last one begins, on a slow machine too.
    site.turn("faults", &json!({ "delay": 5_000, "scope": "/messages/send" })).await;
    post(&site, (0..20).chain(100..105)).await;
    let due = Instant::now() + Duration::from_secs(4);
    eventually("calls are open", async || (site.deliveries("state=sending&limit=100").await.len() == 20).then_some(()))
        .await;
    disk.fill();
    for number in 20..30 {
        let seconds = refused(&site, number).await;
        assert!(seconds.is_some_and(|seconds| (1..=5).contains(&seconds)), "{seconds:?}");
    }
    is_full(&site).await;
    let doctor = site.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("no room"), "{}", doctor.stdout);
    let alerts = site.api("alerts").await["alerts"].clone();
    assert_eq!(alerts[0]["name"], "disk", "{alerts}");
    eventually("what was begun is written", async || {
        (site.deliveries("state=accepted&limit=100").await.len() == 20).then_some(())
    })
    .await;
    assert_eq!(disk.ballast(), 0, "it made room for that");
    // Meanwhile more is due, and nobody is in want of events.
    while Instant::now() < due {
        refused(&site, 30).await;
    }
    assert_eq!(sent(&site).await, 20);
    assert_eq!(site.api("runs?state=waiting&limit=100").await["runs"].as_array().unwrap().len(), 5);

    disk.make_room();
    is_ready(&site).await;
    assert_eq!(disk.ballast(), BALLAST);
    assert_eq!(site.api("alerts").await["alerts"], json!([]));
    post(&site, 20..31).await;
    eventually("everything is sent", async || (sent(&site).await == 36).then_some(())).await;
    site.drained().await;
    judge((0..31).chain(100..105), &BTreeSet::new(), counted(&site, "order").await);
    let log = serve.log();
    assert_eq!(log.matches("the database has no room").count(), 1, "{log}");
    assert!(log.contains("the database has room again"), "{log}");
    assert!(site.deliveries("state=uncertain").await.is_empty());
}

#[tokio::test]
async fn a_start_on_a_full_disk_gives_the_ballast_up_and_waits_for_room() {
    let (site, disk, _sandbox, serve) = begin().await;
    post(&site, 100..103).await;
    serve.kill();
    disk.fill();
    let serve = site.started(&["--no-goodbye"]);
    eventually("it listens", async || {
        site.http.get(format!("http://127.0.0.1:{}/healthz", site.port)).send().await.ok()
    })
    .await;
    is_full(&site).await;
    assert_eq!(disk.ballast(), 0, "the start itself needed room");
    assert!(refused(&site, 0).await.is_some());
    let url = format!("http://127.0.0.1:{}/api/contacts/forget", site.port);
    let forget =
        site.http.post(url).bearer_auth(RELANCE_TOKEN).json(&json!({ "phone": order(100)["customer"]["phone"] }));
    let answer = forget.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    let said: Value = answer.json().await.unwrap();
    assert!(said["hint"].as_str().unwrap().contains("what is left is erased then"), "{said}");
    disk.make_room();
    is_ready(&site).await;
    assert_eq!(disk.ballast(), BALLAST);
    post(&site, 0..1).await;
    eventually("everything is sent", async || (sent(&site).await == 4).then_some(())).await;
    site.drained().await;
    judge([0, 100, 101, 102], &BTreeSet::new(), counted(&site, "order").await);
    drop(serve);
}

#[tokio::test]
async fn a_sync_that_fails_ends_the_process_and_the_next_start_has_everything_that_was_acknowledged() {
    let (site, disk, _sandbox, mut serve) = begin().await;
    post(&site, 100..110).await;
    disk.rule(1 << 40, true);
    let answer = site.post_order(&order(0)).await;
    assert!(!matches!(answer, Ok(200)), "it is not on disk: {answer:?}");
    assert_eq!(serve.ended().await, BROKEN_DISK);
    let log = serve.log();
    assert!(log.contains("the disk of the database failed") && !log.contains(RELANCE_TOKEN), "{log}");
    disk.make_room();
    let _serve = site.serve().await;
    post(&site, 0..1).await;
    eventually("everything is sent", async || (sent(&site).await == 11).then_some(())).await;
    site.drained().await;
    judge((0..1).chain(100..110), &BTreeSet::new(), counted(&site, "order").await);
}

const REMIND: &str = "
    name: Remind
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    settings: { once_per: event.n }
    do:
      - wait: 1h
      - send_message: { template: remind }
";

/// The server's own answer, raised by a table that takes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_postgresql_without_room_is_a_busy_store() {
    let plan = World::on(Database::postgres()).template("remind", "Come again", &[]).workflow("remind", REMIND);
    let world = plan.start().await;
    let order = |n: usize| world.new_event("order.paid", json!({ "phone": ANA, "n": n }));
    assert_eq!(words(&world.post(order(1)).await.evaluations), ["remind started"]);
    world
        .execute(
            "create function no_room() returns trigger language plpgsql as $$ begin
               raise exception 'could not extend file: No space left on device' using errcode = '53100';
             end $$",
        )
        .await;
    for table in ["event", "run", "delivery"] {
        let full = format!("create trigger no_room before insert or update on {table} execute function no_room()");
        world.execute(&full).await;
    }
    assert!(world.engine().accept(order(2)).await.is_err());
    assert!(world.engine().is_full());
    assert!(world.engine().accept(order(2)).await.is_err(), "nothing is tried meanwhile");
    world.advance(hours(1) + seconds(10)).await;
    assert_eq!((world.sends(), world.runs().await.len()), (0, 1), "what is due waits");
    let alerts = async || world.engine().alerts().await.unwrap();
    let told = alerts().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].name == "disk" && told[0].what.contains("(disk, memory or connections)"), "{told:?}");
    world.advance(minutes(5)).await;
    let told = alerts().await;
    let names: BTreeSet<&str> = told.iter().map(|alert| alert.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["disk", "overdue"]), "{told:?}");
    world.execute("drop function no_room cascade").await;
    world.advance(seconds(5)).await;
    assert!(!world.engine().is_full());
    assert_eq!((world.sends(), alerts().await), (1, vec![]));
    assert_eq!(words(&world.post(order(2)).await.evaluations), ["remind started"]);
    world.advance(hours(1)).await;
    assert_eq!(world.sends(), 2);
}
