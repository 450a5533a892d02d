//! Token buckets and pauses, also under two writers.

use super::{Database, NOON, Rig, on_both_databases};
use crate::clock::Clock;
use crate::config::Pace;
use crate::contact::Line;
use crate::delivery::{Pause, Scope};
use crate::outbox::rates::{self, Limit};
use crate::store::Writer;
use crate::store::dialect::Dialect;

on_both_databases!(
    a_bucket_is_written_by_who_holds_it_and_a_silence_never_refills_it,
    a_pause_is_kept_until_it_is_ended_and_comes_with_the_buckets,
    a_line_is_slow_until_an_instant,
    the_bucket_of_a_person_is_never_refilled,
    two_writers_together_keep_the_rate,
);

fn names(scopes: &[&str]) -> Vec<String> {
    scopes.iter().map(|scope| (*scope).to_owned()).collect()
}

async fn tats(rig: &mut Rig, scopes: &[&str]) -> Vec<(String, i64)> {
    let mut tx = rig.begin().await;
    let rows = tx.lock_scopes(&names(scopes)).await.unwrap();
    tx.commit().await.unwrap();
    rows.into_iter().map(|row| (row.scope, row.tat_us)).collect()
}

async fn a_bucket_is_written_by_who_holds_it_and_a_silence_never_refills_it(database: Database) {
    let mut rig = Rig::new(database).await;
    let (account, main) = ("account".to_owned(), "channel:main".to_owned());
    assert_eq!(tats(&mut rig, &["channel:main", "account"]).await, [(account.clone(), 0), (main.clone(), 0)]);
    let mut tx = rig.begin().await;
    tx.update_buckets(&[(account.clone(), 5), (main.clone(), i64::MAX)]).await.unwrap();
    tx.update_buckets(&[(account.clone(), 3)]).await.unwrap();
    tx.raise_buckets(&[(account.clone(), 2), ("template:x".into(), 1)]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(tats(&mut rig, &["account", "channel:main"]).await, [(account.clone(), 3), (main, i64::MAX)]);
    let mut tx = rig.begin().await;
    tx.raise_buckets(&[(account.clone(), 9)]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(tats(&mut rig, &["account"]).await, [(account, 9)]);
}

fn pause(until_ms: Option<i64>) -> Pause {
    Pause { why: "né".into(), code: Some(132_015), since_ms: NOON, until_ms }
}

async fn a_pause_is_kept_until_it_is_ended_and_comes_with_the_buckets(database: Database) {
    let mut rig = Rig::new(database).await;
    let (template, channel) = (Scope::Template("t1".into()), Scope::Channel("main".into()));
    let mut tx = rig.begin().await;
    tx.pause(&[(template.clone(), pause(Some(NOON + 1))), (channel.clone(), pause(None))]).await.unwrap();
    tx.pause(&[(template.clone(), pause(None))]).await.unwrap();
    let rows = tx.lock_scopes(&names(&["account"])).await.unwrap();
    tx.commit().await.unwrap();
    let paused: Vec<_> = rows.into_iter().map(|row| (row.scope, row.pause)).collect();
    let expected = [("account", None), ("channel:main", Some(pause(None))), ("template:t1", Some(pause(None)))];
    assert_eq!(paused, expected.map(|(scope, pause)| (scope.to_owned(), pause)));
    assert_eq!(rig.store.pauses().await.unwrap(), [(channel.clone(), pause(None)), (template.clone(), pause(None))]);
    let mut tx = rig.begin().await;
    assert_eq!(tx.resume(&[template, Scope::Account]).await.unwrap(), 1);
    assert_eq!(tx.pauses().await.unwrap(), [(channel, pause(None))]);
}

async fn a_line_is_slow_until_an_instant(database: Database) {
    let mut rig = Rig::new(database).await;
    let main = "channel:main".to_owned();
    let mut tx = rig.begin().await;
    tx.slow_scopes(&[(main.clone(), NOON + 5)]).await.unwrap();
    tx.update_buckets(&[(main.clone(), 7)]).await.unwrap();
    tx.slow_scopes(&[(main.clone(), NOON + 9)]).await.unwrap();
    let rows = tx.lock_scopes(&[main]).await.unwrap();
    assert_eq!((rows[0].tat_us, rows[0].slow_until_ms, rows.len()), (7, Some(NOON + 9), 1));
}

async fn the_bucket_of_a_person_is_never_refilled(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let line = |tat_us, sent_at_ms| {
        let line = Line { tat_us, sent_at_ms, ..Line::default() };
        [("c1".to_owned(), "main".to_owned(), line)]
    };
    let mut tx = rig.begin().await;
    for (tat_us, sent_at_ms, kept) in
        [(Some(5), Some(1), (5, 1)), (Some(3), None, (5, 1)), (None, Some(2), (5, 2)), (Some(9), None, (9, 2))]
    {
        tx.upsert_lines(&line(tat_us, sent_at_ms)).await.unwrap();
        let found = tx.lines(&["c1".to_owned()]).await.unwrap()[0].2;
        assert_eq!((found.tat_us, found.sent_at_ms), (Some(kept.0), Some(kept.1)));
    }
    // But for what a clock wrote that was ahead.
    for (tat_us, kept) in [(3_600_000_010, 3_600_000_010), (10, 3_600_000_010), (9, 9)] {
        tx.upsert_lines(&line(Some(tat_us), None)).await.unwrap();
        assert_eq!(tx.lines(&["c1".to_owned()]).await.unwrap()[0].2.tat_us, Some(kept));
    }
}

/// Takes what is there, again and again, as a node does; when each token was taken, by the store's time.
async fn take(mut writer: Writer, limit: Limit, rounds: usize) -> Vec<i64> {
    let mut taken = Vec::new();
    for _ in 0..rounds {
        let mut tx = writer.begin().await.unwrap();
        let mut tat_us = tx.lock_scopes(&names(&["account"])).await.unwrap()[0].tat_us;
        for _ in 0..8 {
            if let Ok(next) = rates::take(tat_us, limit, tx.now_ms) {
                tat_us = next;
                taken.push(tx.now_ms);
            }
        }
        tx.update_buckets(&[("account".into(), tat_us)]).await.unwrap();
        tx.commit().await.unwrap();
        tokio::task::yield_now().await;
    }
    taken
}

/// Two nodes on one database. On SQLite the clock stands still: all that may be granted is the burst.
async fn two_writers_together_keep_the_rate(database: Database) {
    let rig = Rig::new(database).await;
    let dialect = rig.store.dialect();
    let limit = Limit::of(Pace { count: 1000, per_ms: 1000 });
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let writer = rig.store.writer(Clock::still(NOON)).await.unwrap();
        nodes.push(tokio::spawn(take(writer, limit, 150)));
    }
    let mut all = Vec::new();
    for node in nodes {
        all.push(node.await.unwrap());
    }
    let both: Vec<i64> = { all.concat() };
    let (first, last) = (both.iter().min().unwrap(), both.iter().max().unwrap());
    let most = 100 + usize::try_from(last - first).unwrap() + 1;
    assert!(both.len() <= most, "{} grants in {} ms at 1000 per second, burst 100", both.len(), last - first);
    match dialect {
        Dialect::Sqlite => assert_eq!(both.len(), 100),
        Dialect::Postgres => assert!(all.iter().all(|one| !one.is_empty()), "both were granted some"),
    }
}
