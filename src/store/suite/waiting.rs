//! Many waiting runs: what a group asks of the store finds its rows by an index, however many wait.
//!
//! A small number in every run of the tests; `RELANCE_TEST_WAITING=10000,100000,1000000` measures the curve that stands in
//! `benches/README.md`, where `-- --nocapture` shows it.

use super::{Database, NOON, Rig, delivery, on_both_databases, run};
use crate::run::{Progress, Run, TraceEntry, WaitingFor};
use crate::store::dialect::{Dialect, Kind, Statement};
use crate::store::stops::{Concerns, Search};
use crate::store::{Tx, contacts::ContactKey, deliveries, live, overdue, runs, stops};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, Row as _};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

on_both_databases!(what_waits_is_found_by_an_index_however_much_waits);

/// Enough that reading a table whole is never the cheapest way.
const FEW: u32 = 30_000;
const SEED: &str = include_str!("../../../benches/waiting.sql");
/// Due now, beside those that wait.
const DUE: u32 = 64;
const CALLS: u32 = 64;

async fn what_waits_is_found_by_an_index_however_much_waits(database: Database) {
    let sizes = std::env::var("RELANCE_TEST_WAITING").unwrap_or_else(|_| FEW.to_string());
    let mut rig = Rig::new(database).await;
    let (mut waiting, mut curve) = (0, String::new());
    for size in sizes.split(',').map(|size| size.trim().parse::<u32>().unwrap()) {
        assert!(size > waiting, "sizes grow");
        // One database for each size: a table that was filled in parts is another one than a table of its size.
        if waiting > 0 {
            rig = Rig::new(match rig.store.dialect() {
                Dialect::Sqlite => Database::sqlite(),
                Dialect::Postgres => Database::postgres(),
            })
            .await;
        }
        fill(&mut rig, size).await;
        let plans = plans(&rig).await;
        let whole: Vec<_> = plans.iter().filter(|(_, plan)| reads_a_table_whole(plan)).collect();
        assert!(whole.is_empty(), "{size} rows: {whole:#?}");
        for (name, took) in times(&mut rig).await {
            let _ = writeln!(curve, "{size:>9}  {name:<34} {:>9.3} ms", took.as_secs_f64() * 1000.0);
        }
        waiting = size;
    }
    eprintln!("{:?}\n{curve}", rig.store.dialect());
}

/// So many waiting runs, half of them with a question, each person with a message that is held; and a group's worth of each
/// that is due.
async fn fill(rig: &mut Rig, waiting: u32) {
    let trace = vec![TraceEntry { at_ms: NOON, step: "0".into(), what: "waits until 2026-04-02 12:00".into() }];
    let progress = Progress { cursor: "0".into(), waiting_for: Some(WaitingFor::Timer), trace, ..Progress::default() };
    let first = Run { progress, wake_at_ms: Some(NOON + 86_400_000), ..run("r1", "c1") };
    let mut tx = rig.begin().await;
    tx.insert_events(&[super::events::event("e1", "k1")]).await.unwrap();
    tx.upsert_contacts(&[super::contact("c1", 1)]).await.unwrap();
    tx.insert_runs(&[&first]).await.unwrap();
    tx.insert_deliveries(&[delivery("d1", "c1")]).await.unwrap();
    tx.commit().await.unwrap();
    let filled = [
        ("{n}", waiting.to_string()),
        ("{event}", "e1".into()),
        ("{contact}", "c1".into()),
        ("{run}", "r1".into()),
        ("{delivery}", "d1".into()),
        ("{first_ms}", (NOON + 3_600_000).to_string()),
        ("{step_ms}", "1000".into()),
        ("{asks}", "'main'".into()),
    ];
    let code: String = SEED.lines().filter(|line| !line.starts_with("--")).map(|line| format!("{line}\n")).collect();
    let seed = filled.iter().fold(code, |seed, (name, value)| seed.replace(name, value));
    let due = format!(
        "update run set wake_at_ms = {NOON} - 1 where id > 'r1' and id <= 'r{}';
         update delivery set state = 'queued', due_at_ms = {NOON} where id > 'd1' and id <= 'd{}';",
        1_000_000_000 + DUE,
        1_000_000_000 + CALLS
    );
    let mut connection = AnyConnection::connect(&rig.database.url).await.unwrap();
    let statements = seed.split(';').chain(due.split(';')).map(str::trim).filter(|statement| !statement.is_empty());
    for statement in statements {
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
    if rig.store.dialect() == Dialect::Postgres {
        // As its own housekeeping does within a minute.
        connection.execute("vacuum analyze").await.unwrap();
    }
    connection.close().await.unwrap();
}

// --- plans -----------------------------------------------------------------------------------------------------------

/// How the database means to answer each of the questions.
async fn plans(rig: &Rig) -> Vec<(&'static str, String)> {
    let claimed = [Bound::Number(NOON), Bound::Number(64), Bound::Text("main"), Bound::Number(NOON), Bound::Number(19)];
    let asked: [(&'static str, &Statement, &[Bound]); 9] = [
        ("due runs", &runs::DUE, &[Bound::Number(NOON), Bound::Number(256), Bound::Number(NOON - 60_000)]),
        ("due deliveries", &deliveries::CLAIM, &claimed),
        ("what is due next", &deliveries::NEXT_DUE, &[]),
        ("calls of the dead", &deliveries::UNFINISHED, &[]),
        ("lanes that are waited in", &deliveries::LANES, &[Bound::Number(NOON), Bound::Number(64)]),
        ("the oldest that is due", &overdue::OLDEST, &[]),
        ("questions to a person", &live::ASKING, &[]),
        ("what an event stops, by subject", &stops::OF_HASHES, &[]),
        ("what an event stops, by person", &stops::OF_CONTACTS, &[]),
    ];
    let mut plans = Vec::new();
    for (name, statement, bound) in asked {
        plans.push((name, plan(rig, statement, bound).await));
    }
    plans
}

/// A value of a statement besides its rows.
enum Bound {
    Text(&'static str),
    Number(i64),
}

/// The plan of a statement with one row.
async fn plan(rig: &Rig, statement: &Statement, bound: &[Bound]) -> String {
    let dialect = rig.store.dialect();
    let explain = match dialect {
        Dialect::Sqlite => "explain query plan ",
        Dialect::Postgres => "explain ",
    };
    let mut query = sqlx::query(AssertSqlSafe(format!("{explain}{}", statement.sql(dialect, 0).0)));
    for value in bound {
        query = match value {
            Bound::Text(text) => query.bind(*text),
            Bound::Number(number) => query.bind(*number),
        };
    }
    for kind in statement.kinds() {
        query = match kind {
            Kind::Text => query.bind("main"),
            Kind::Number => query.bind(NOON),
        };
    }
    let mut connection = AnyConnection::connect(&rig.database.url).await.unwrap();
    let rows = query.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let column = if dialect == Dialect::Sqlite { 3 } else { 0 };
    rows.iter().map(|row| row.get::<String, _>(column)).collect::<Vec<_>>().join("\n")
}

/// The big tables, and the names that statements give them.
const BIG: [&str; 10] = ["run", "u", "delivery", "d", "e", "event", "contact", "c", "subject", "s"];
/// Of one message per person at most: it is read whole.
const FEW_AT_ANY_TIME: &str = "delivery_sending";

fn reads_a_table_whole(plan: &str) -> bool {
    plan.lines().map(str::trim).filter(|line| !line.contains(FEW_AT_ANY_TIME)).any(|line| {
        let sqlite = line.strip_prefix("SCAN ").is_some_and(|rest| BIG.contains(&rest.split(' ').next().unwrap_or("")));
        let postgres = line
            .split_once("Seq Scan on ")
            .is_some_and(|(_, rest)| BIG.iter().any(|name| rest.split(' ').next() == Some(*name)));
        sqlite || postgres
    })
}

#[test]
fn a_table_that_is_read_whole_is_noticed() {
    for plan in ["SCAN u", "SCAN run USING INDEX run_live", "x\n  ->  Seq Scan on delivery d  (cost=0"] {
        assert!(reads_a_table_whole(plan), "{plan}");
    }
    for plan in ["SEARCH u USING INDEX run_due (wake_at_ms<?)", "SCAN r", "Index Scan using run_due on run u", "SCAN v"]
    {
        assert!(!reads_a_table_whole(plan), "{plan}");
    }
}

// --- times -----------------------------------------------------------------------------------------------------------

/// The middle of several tries, each in a transaction that is undone.
async fn times(rig: &mut Rig) -> Vec<(&'static str, Duration)> {
    let names = [
        "64 due runs",
        "64 due deliveries",
        "what is due next",
        "64 people by number",
        "64 runs moved",
        "64 people's questions",
        "64 stops by subject",
        "64 stops by person",
    ];
    let mut all = Vec::new();
    for (which, name) in names.into_iter().enumerate() {
        let mut tries = Vec::new();
        for _ in 0..15 {
            let mut tx = rig.begin().await;
            let begun = Instant::now();
            ask(which, &mut tx).await;
            tries.push(begun.elapsed());
            tx.rollback().await.unwrap();
        }
        tries.sort();
        all.push((name, tries[tries.len() / 2]));
    }
    all
}

async fn ask(which: usize, tx: &mut Tx<'_>) {
    match which {
        0 => assert_eq!(tx.due_runs(NOON - 60_000, NOON, 256).await.unwrap().len(), 64),
        1 => assert_eq!(tx.claim_due_deliveries("main", 64, (NOON - 86_400_000, 20)).await.unwrap().len(), 64),
        2 => assert!(tx.next_due_ms(&["main"], NOON - 60_000).await.unwrap().0.is_some()),
        3 => {
            let keys: Vec<_> = (1..=64).map(|n| ContactKey::Phone(format!("33{}", 700_000_000 + n * 100))).collect();
            assert_eq!(tx.contacts_by_keys(&keys).await.unwrap().len(), 64);
        }
        4 => {
            let rows = tx.due_runs(NOON - 60_000, NOON, 256).await.unwrap();
            let moved: Vec<Run> = rows.into_iter().map(|row| Run { wake_at_ms: Some(NOON + 1), ..row.run }).collect();
            tx.update_runs(&moved.iter().collect::<Vec<_>>()).await.unwrap();
        }
        5 => {
            let people = spread('c');
            let people: Vec<&str> = people.iter().map(String::as_str).collect();
            assert_eq!(tx.asking_runs(&people).await.unwrap().len(), 64);
        }
        _ => {
            let concerns = |id| if which == 6 { Concerns::Hash(id) } else { Concerns::Contact(id) };
            let search = |id| Search { workflow: "w".into(), definition: "d1".into(), concerns: concerns(id) };
            let searches: Vec<Search> = spread(if which == 6 { 'h' } else { 'c' }).into_iter().map(search).collect();
            let found = tx.live_runs(&searches).await.unwrap();
            assert!(found.iter().all(|found| found.runs.len() == 1));
        }
    }
}

/// Sixty-four of the rows that were filled in, those with a question.
fn spread(kind: char) -> Vec<String> {
    (1..=64).map(|n| format!("{kind}{}", 1_000_000_000 + n * 200)).collect()
}
