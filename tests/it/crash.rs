//! `kill -9` at any moment: what was acknowledged ends as one message at the vendor, counted there and not here.
//!
//! The one exception is stated by relance itself: a delivery shown as `uncertain`, whose call was open at the kill,
//! may have arrived or not. `RELANCE_TEST_SEED` repeats the moments of a failed test, `RELANCE_TEST_CYCLES` kills more
//! often than at every change.

use crate::database::Database;
use crate::process::{PATIENCE, Process, Site, eventually, list};
use jiff::civil::{Time, Weekday};
use jiff::{ToSpan as _, Unit, Zoned};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};

const CLIENTS: usize = 16;
/// Calls that relance keeps open at once: what a kill may leave uncertain.
const SLOTS: usize = 64;

pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

pub(crate) fn times(usual: u64) -> usize {
    number("RELANCE_TEST_CYCLES").unwrap_or(usual).try_into().unwrap()
}

/// Random moments that can be repeated: the seed is printed when the test fails.
pub(crate) fn moments() -> StdRng {
    let seed = number("RELANCE_TEST_SEED").unwrap_or_else(rand::random);
    eprintln!("RELANCE_TEST_SEED={seed} repeats the moments of this test");
    StdRng::seed_from_u64(seed)
}

/// Orders on their way in.
pub(crate) struct Orders {
    numbers: Range<usize>,
    next: AtomicUsize,
    acknowledged: Mutex<BTreeSet<usize>>,
}

impl Orders {
    pub(crate) fn new(numbers: Range<usize>) -> Arc<Self> {
        Arc::new(Self { next: AtomicUsize::new(numbers.start), numbers, acknowledged: Mutex::default() })
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Posts what nobody has acknowledged yet, by all clients at once, until everything is or the server is gone.
    pub(crate) async fn post(self: &Arc<Self>, site: &Arc<Site>) {
        self.next.store(self.numbers.start, Ordering::SeqCst);
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (orders, site) = (self.clone(), site.clone());
            clients.spawn(async move { orders.post_as_one_client(&site).await });
        }
        let all = async {
            while let Some(ended) = clients.join_next().await {
                ended.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("clients come to an end");
    }

    pub(crate) fn post_meanwhile(self: &Arc<Self>, site: &Arc<Site>) -> JoinHandle<()> {
        let (orders, site) = (self.clone(), site.clone());
        tokio::spawn(async move { orders.post(&site).await })
    }

    async fn post_as_one_client(&self, site: &Site) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.numbers.end {
                return;
            }
            if self.acknowledged.lock().unwrap().contains(&number) {
                continue;
            }
            loop {
                match site.post_order(&order(number)).await {
                    Ok(200) => break,
                    Ok(503) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Ok(other) => panic!("order {number} was answered {other}"),
                    Err(_) => return,
                }
            }
            self.acknowledged.lock().unwrap().insert(number);
        }
    }
}

/// Each has its own person: nobody's line holds another up.
pub(crate) fn order(number: usize) -> Value {
    json!({ "order_id": number.to_string(), "order_number": number, "total": 5, "currency": "EUR",
        "accepts_whatsapp": true, "customer": { "first_name": "Ana", "phone": format!("+346{:08}", number) } })
}

/// What the vendor counted of a pair of the metadata.
pub(crate) async fn counted(site: &Site, pair: &str) -> BTreeMap<usize, usize> {
    let messages = site.messages().await;
    let calls = list(&site.vendor("/sandbox/calls").await);
    let taken = calls.iter().filter(|call| call["path"] == "/v1/messages/send" && call["accepted"].is_string());
    assert_eq!(taken.count(), messages.len(), "every message came by a call of its own");
    let mut count = BTreeMap::new();
    for message in messages {
        *count.entry(message["metadata"][pair].as_str().unwrap().parse().unwrap()).or_insert(0) += 1;
    }
    count
}

/// The field of the events behind the deliveries that are shown as uncertain.
pub(crate) async fn uncertain(site: &Site, field: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for delivery in all_deliveries(site, "state=uncertain").await {
        let run = site.api(&format!("runs/{}", delivery["run"].as_str().unwrap())).await;
        found.insert(run["event"]["data"][field].as_str().unwrap().parse().unwrap());
    }
    found
}

/// One message each; for those shown as uncertain, at most one; for others none.
pub(crate) fn judge(
    expected: impl IntoIterator<Item = usize>,
    uncertain: &BTreeSet<usize>,
    mut counted: BTreeMap<usize, usize>,
) {
    for one in expected {
        let count = counted.remove(&one).unwrap_or(0);
        let fine = count == 1 || (count == 0 && uncertain.contains(&one));
        assert!(fine, "{one}: {count} messages, uncertain: {}", uncertain.contains(&one));
    }
    assert!(counted.is_empty(), "nobody asked for these: {counted:?}");
}

/// What arrived although its answer was lost becomes known by the vendor's webhooks, which are repeated until relance
/// is back: only what never arrived stays uncertain. `counted` = the vendor's count.
pub(crate) async fn what_arrived_becomes_known(
    site: &Site,
    uncertain: &BTreeSet<usize>,
    counted: &BTreeMap<usize, usize>,
) {
    let lost = uncertain.iter().filter(|one| !counted.contains_key(one)).count();
    eventually("what arrived is known", async || {
        (all_deliveries(site, "state=uncertain").await.len() == lost).then_some(())
    })
    .await;
}

/// Kills the server while clients post, after that many acknowledgements and a little later.
async fn kill_while_posting(site: &Arc<Site>, serve: Process, orders: &Arc<Orders>, at: usize, later_ms: u64) {
    let posting = orders.post_meanwhile(site);
    eventually("the moment of the kill", async || (orders.acknowledged() >= at).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(later_ms)).await;
    serve.kill();
    posting.await.unwrap();
    assert!(orders.acknowledged() < orders.numbers.len(), "killed in the middle");
}

/// So many cycles of that many orders, each with a kill in its middle and the rest posted to the next life.
async fn cycles(site: Site, database: Option<&Database>, cycles: usize, size: usize) {
    let mut moments = moments();
    let (site, mut last) = (Arc::new(site), (BTreeSet::new(), BTreeMap::new()));
    let _sandbox = site.sandbox().await;
    // Slow enough that calls are open at any moment.
    site.turn("faults", &json!({ "delay": 60 })).await;
    let (mut serve, mut open) = (site.serve().await, 0);
    for cycle in 0..cycles {
        let orders = Orders::new(cycle * size..(cycle + 1) * size);
        let at = moments.random_range(size / 10..size * 8 / 10);
        kill_while_posting(&site, serve, &orders, at, moments.random_range(0..20)).await;
        if let Some(database) = database {
            open += database.execute("select id from delivery where state = 'sending'").await;
        }
        serve = site.serve().await;
        orders.post(&site).await;
        assert_eq!(orders.acknowledged(), orders.numbers.len());
        site.drained().await;
        let uncertain = uncertain(&site, "order_id").await;
        assert!(uncertain.len() <= SLOTS * (cycle + 1), "{} uncertain", uncertain.len());
        eprintln!("cycle {cycle}: killed after {at} orders, {} deliveries uncertain at its end", uncertain.len());
        let counted = counted(&site, "order").await;
        judge(0..orders.numbers.end, &uncertain, counted.clone());
        last = (uncertain, counted);
    }
    what_arrived_becomes_known(&site, &last.0, &last.1).await;
    let log = site.serve_log();
    // On PostgreSQL the vendor may tell of all of them before the dead server has been silent for long enough.
    let in_doubt = log.contains("calls were open when the process ended");
    assert!(open > 0 || in_doubt, "no call was open at any kill\n{log}");
    assert!(serve.peak_memory_mib() <= 150, "{} MiB", serve.peak_memory_mib());
}

#[tokio::test]
async fn kill_9_in_the_middle_of_1000_events_loses_and_doubles_nothing() {
    cycles(Site::of("shop"), None, times(3), 1000).await;
}

/// Every delivery that fits a filter, newest first.
pub(crate) async fn all_deliveries(site: &Site, filter: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let before = all.last().map_or_else(String::new, |last| format!("&before={}", last["id"].as_str().unwrap()));
        let page = site.deliveries(&format!("{filter}&limit=1000{before}")).await;
        match page.is_empty() {
            true => return all,
            false => all.extend(page),
        }
    }
}

/// Answers lost after acceptance, events doubled and shuffled, kills in between. `RELANCE_TEST_CHAOS` sets the number of
/// messages; the promise is kept at 2,000.
#[tokio::test]
async fn lost_answers_shuffled_events_and_kills_leave_no_message_lost_or_twice() {
    const KILLS: usize = 4;
    let size: usize = number("RELANCE_TEST_CHAOS").unwrap_or(400).try_into().unwrap();
    let mut moments = moments();
    let site = Arc::new(Site::of("shop"));
    let _sandbox = site.sandbox().await;
    let faults = json!({ "seed": moments.random_range(1..1_000_000), "delay": 40, "dropped_answer": { "percent": 5 },
        "duplicate": { "percent": 50 }, "reordered": { "percent": 50 } });
    site.turn("faults", &faults).await;
    let (begun, mut serve) = (std::time::Instant::now(), site.serve().await);
    for part in 0..KILLS {
        let orders = Orders::new(part * size / KILLS..(part + 1) * size / KILLS);
        // Early, so that of a hundred orders not all are acknowledged before the kill.
        let at = moments.random_range(size / KILLS / 10..size / KILLS / 2);
        kill_while_posting(&site, serve, &orders, at, moments.random_range(0..5)).await;
        serve = site.serve().await;
        orders.post(&site).await;
        site.drained().await;
    }
    let counted = counted(&site, "order").await;
    let doubtful = uncertain(&site, "order_id").await;
    what_arrived_becomes_known(&site, &doubtful, &counted).await;
    let doubtful = uncertain(&site, "order_id").await;
    let all = all_deliveries(&site, "").await;
    assert_eq!(all.len(), size);
    assert!(all.iter().all(|row| row["state"] == "accepted" || row["state"] == "uncertain"), "0 lost");
    let flagged = all.iter().filter(|row| row["duplicate_confirmed"] == true).count();
    let twice = counted.values().filter(|count| **count > 1).count();
    assert_eq!((twice, flagged), (0, 0), "nothing is sent twice by itself");
    judge(0..size, &doubtful, counted);
    let unanswered = |row: &&Value| row["attempts"].as_array().unwrap().iter().any(|one| one["http_status"].is_null());
    // A call that a kill cut off has no end.
    let cut_off = |row: &&Value| row["attempts"].as_array().unwrap().iter().any(|one| one["ended_at"].is_null());
    let (doubts, cut) = (all.iter().filter(unanswered).count(), all.iter().filter(cut_off).count());
    let left: Vec<&Value> = all.iter().filter(|row| row["state"] == "uncertain").collect();
    eprintln!(
        "{size} messages, {KILLS} kills: {doubts} in doubt, {cut} of them cut off by a kill; {} left to a person, {:?}",
        left.len(),
        begun.elapsed()
    );
    assert!(doubts - cut >= size / 100, "answers were lost: {doubts} less {cut}");
    // What the vendor took is known without a person. What a kill kept from ever leaving, nobody can tell.
    assert!(left.iter().all(cut_off), "an answer that was lost is settled by what the account tells: {left:#?}");
    drop(serve);
}

/// A site whose rows are on PostgreSQL, as long as the database lives.
fn on_postgres() -> (Site, Database) {
    let (mut site, database) = (Site::of("shop"), Database::postgres());
    site.set("RELANCE_DATABASE_URL", &database.url);
    (site, database)
}

/// Somebody else's connection to the same database.
async fn stranger(database: &Database) -> PgConnection {
    PgConnection::connect(&database.url).await.unwrap()
}

#[tokio::test]
async fn on_postgresql_orders_are_sent_as_on_sqlite() {
    let (site, _database) = on_postgres();
    crate::serve::a_posted_order_sends_plain_text_or_the_template(&site).await;
}

#[tokio::test]
async fn on_postgresql_kill_9_in_the_middle_loses_and_doubles_nothing() {
    let (site, database) = on_postgres();
    cycles(site, Some(&database), times(1), 200).await;
}

/// What the database does not take is not acknowledged; the sender posts it again, and it goes out once.
#[tokio::test]
async fn on_postgresql_an_order_that_cannot_be_stored_is_answered_503_and_taken_later() {
    let (site, database) = on_postgres();
    let _running = (site.sandbox().await, site.serve().await);
    let mut holder = stranger(&database).await;
    holder.execute("begin; lock table event in access exclusive mode").await.unwrap();
    assert_eq!(site.post_order(&order(1)).await.unwrap(), 503);
    holder.execute("rollback").await.unwrap();
    eventually("the order is taken", async || (site.post_order(&order(1)).await.unwrap() == 200).then_some(())).await;
    site.drained().await;
    judge([1], &BTreeSet::new(), counted(&site, "order").await);
}

/// Every connection of the server is cut again and again while orders come in: the process lives on, senders are asked
/// to post again, and what calls told is kept until it can be written down.
#[tokio::test]
async fn on_postgresql_connections_that_break_lose_and_double_nothing() {
    let (site, database) = on_postgres();
    let site = Arc::new(site);
    let _sandbox = site.sandbox().await;
    site.turn("faults", &json!({ "delay": 30 })).await;
    let _serve = site.serve().await;
    let orders = Orders::new(0..300);
    let mut stranger = stranger(&database).await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    let posting = orders.post_meanwhile(&site);
    for part in 1..=4 {
        eventually("the moment of the cut", async || (orders.acknowledged() >= part * 50).then_some(())).await;
        stranger.execute(cut).await.unwrap();
    }
    posting.await.unwrap();
    assert_eq!(orders.acknowledged(), 300);
    site.drained().await;
    let uncertain = uncertain(&site, "order_id").await;
    judge(0..300, &uncertain, counted(&site, "order").await);
    assert!(uncertain.is_empty(), "every answer was heard, none may be forgotten: {uncertain:?}");
}

/// Bad rows that a campaign lists at most.
const LISTED_BAD: usize = 1000;

/// What the file of people holds, by what becomes of the row.
#[derive(Default)]
pub(crate) struct Audience {
    pub(crate) csv: String,
    line: u64,
    pub(crate) valid: Vec<usize>,
    bad_lines: BTreeSet<u64>,
    duplicates: u64,
    refused: u64,
}

impl Audience {
    /// Good rows, and among them: numbers and rows that cannot be read, people listed twice, and people who paused.
    pub(crate) fn of(rows: usize) -> Self {
        let mut audience =
            Self { csv: "phone,first_name,class,status,consent,member\n".into(), line: 2, ..Self::default() };
        (0..rows).for_each(|member| audience.row(member));
        audience
    }

    /// Every row is in the campaign's account of itself.
    pub(crate) fn accounts_for(&self, campaign: &Value) {
        let shown =
            ["total", "done", "started", "refused", "duplicates", "bad"].map(|count| campaign[count].as_u64().unwrap());
        let (valid, bad) = (self.valid.len() as u64, self.bad_lines.len() as u64);
        let rows = valid + self.refused + self.duplicates + bad;
        assert_eq!(shown, [rows, rows, valid, self.refused, self.duplicates, bad]);
        let lines = list(&campaign["bad_rows"]);
        let lines: BTreeSet<_> = lines.iter().map(|row| row["line"].as_u64().unwrap()).collect();
        assert!(lines.is_subset(&self.bad_lines) && lines.len() == self.bad_lines.len().min(LISTED_BAD), "{lines:?}");
    }

    fn row(&mut self, member: usize) {
        let line = self.line;
        let (phone, status, class) = match member % 100 {
            7 => ("12".to_owned(), "active", "yoga"),
            // The same person as 40 rows before, written in another way.
            57 => (format!("6 {:08}", member - 40), "active", "yoga"),
            77 => (format!("+346{member:08}"), "paused", "yoga"),
            // A break in quotes: lines and rows are not the same thing.
            99 => (format!("+346{member:08}"), "active", "\"yoga\nand stretching\""),
            _ => (format!("+346{member:08}"), "active", "yoga"),
        };
        self.line += 1 + class.matches('\n').count() as u64;
        let short = member % 100 == 87;
        let rest = if short { "" } else { ",yes" };
        let _ = writeln!(self.csv, "{phone},Ana,{class},{status}{rest},{member}");
        match member % 100 {
            7 | 87 => drop(self.bad_lines.insert(line)),
            57 => self.duplicates += 1,
            77 => self.refused += 1,
            _ => self.valid.push(member),
        }
    }
}

/// Seconds that the clock must be ahead to stand one minute after the next Monday 10:00 in Madrid.
pub(crate) fn offset_to_monday() -> i64 {
    let now = Zoned::now().in_tz("Europe/Madrid").unwrap();
    // Far enough away that the first start is surely before it.
    let from = now.checked_add(10.minutes()).unwrap();
    let days = i64::from(from.weekday().until(Weekday::Monday));
    let at = |days: i64| {
        let day = from.date().checked_add(days.days()).unwrap();
        day.to_datetime(Time::constant(10, 1, 0, 0)).in_tz("Europe/Madrid").unwrap()
    };
    let instant = if at(days) > from { at(days) } else { at(days + 7) };
    now.until((Unit::Second, &instant)).unwrap().get_seconds()
}

#[tokio::test]
async fn the_weekly_reminder_goes_out_once_to_each_valid_row_under_kill_9_with_flat_memory() {
    const ROWS: usize = 10_000;
    let mut moments = moments();
    let mut site = Site::of("shop");
    let audience = Audience::of(ROWS);
    site.write("workflows/audiences/members.csv", &audience.csv);
    // The first life only learns that there is a schedule: nothing before it is made up for.
    let mut first = site.serve().await;
    assert_eq!(site.api("campaigns").await["campaigns"], json!([]));
    first.signal("TERM");
    assert_eq!(first.ended().await, 0);
    site.set("RELANCE_CLOCK_OFFSET", format!("+{}s", offset_to_monday()));
    let _sandbox = site.sandbox().await;
    // Killed once while people are read from the file, and once while messages leave.
    let second = site.serve().await;
    let at = moments.random_range(500..ROWS as u64 / 2);
    let done = eventually("people are read", async || {
        let campaigns = list(&site.api("campaigns").await["campaigns"]);
        campaigns.first().and_then(|campaign| campaign["done"].as_u64()).filter(|done| *done >= at)
    })
    .await;
    let mut peak_mib = second.peak_memory_mib();
    second.kill();
    let third = site.serve().await;
    let at = moments.random_range(ROWS / 10..ROWS * 8 / 10);
    eventually("messages leave", async || {
        let later = list(&site.vendor(&format!("/sandbox/messages?limit=1&after={at}")).await);
        (!later.is_empty()).then_some(())
    })
    .await;
    eprintln!("killed after {done} of {ROWS} rows, and after {at} messages");
    peak_mib = peak_mib.max(third.peak_memory_mib());
    third.kill();
    let fourth = site.serve().await;
    let campaign = eventually("the campaign is done", async || {
        let campaign = site.api("campaigns").await["campaigns"][0].clone();
        assert_ne!(campaign["state"], "needs_attention", "{campaign}");
        (campaign["state"] == "done").then_some(campaign)
    })
    .await;
    site.drained().await;
    let uncertain = uncertain(&site, "member").await;
    assert!(uncertain.len() <= 2 * SLOTS, "{} uncertain", uncertain.len());
    let counted = counted(&site, "member").await;
    judge(audience.valid.iter().copied(), &uncertain, counted.clone());
    what_arrived_becomes_known(&site, &uncertain, &counted).await;
    audience.accounts_for(&campaign);
    peak_mib = peak_mib.max(fourth.peak_memory_mib());
    assert!(peak_mib <= 150, "{peak_mib} MiB");
    eprintln!("peak memory: {peak_mib} MiB");
}
