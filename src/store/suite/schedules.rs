//! Schedules and their firings.

use super::{Database, NOON, Rig, is_refused, on_both_databases};
use crate::store::schedules::{BadRow, FiringCounts, FiringRow, ScheduleRow};

on_both_databases!(
    a_schedule_is_kept_changed_and_removed,
    a_schedule_moves_on_only_from_where_it_stood,
    an_instant_fires_once,
    a_campaign_without_a_living_node_is_adopted_once,
    a_campaign_moves_on_only_from_where_it_stood,
    the_oldest_campaign_with_rows_left_comes_first,
    firings_are_listed_newest_first,
);

pub(super) fn firing(id: &str, state: &str, definition: &str) -> FiringRow {
    FiringRow {
        id: id.into(),
        workflow: "w".into(),
        trigger: "schedule:every hour".into(),
        scheduled_at_ms: NOON,
        fired_at_ms: NOON,
        state: state.into(),
        reason: String::new(),
        definition: definition.into(),
        audience: None,
        audience_hash: None,
        walk: None,
        cursor: 0,
        total: 0,
        counts: FiringCounts::default(),
        bad_rows: Vec::new(),
        node: Some("n1".into()),
    }
}

fn schedule(trigger: &str, hwm_ms: i64) -> ScheduleRow {
    let expression = trigger.to_owned();
    ScheduleRow { workflow: "w".into(), trigger: trigger.into(), expression, zone: "Europe/Paris".into(), hwm_ms }
}

async fn a_schedule_is_kept_changed_and_removed(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.upsert_schedules(&[schedule("a", 1), schedule("b", i64::MAX)]).await.unwrap();
    let moved = ScheduleRow { zone: "UTC".into(), expression: "other".into(), ..schedule("a", 2) };
    tx.upsert_schedules(std::slice::from_ref(&moved)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let mut found = tx.schedules().await.unwrap();
    found.sort_by(|a, b| a.trigger.cmp(&b.trigger));
    assert_eq!(found, [moved, schedule("b", i64::MAX)]);
    tx.delete_schedules(&[&schedule("a", 0), &schedule("c", 0)]).await.unwrap();
    assert_eq!(tx.schedules().await.unwrap(), [schedule("b", i64::MAX)]);
    tx.commit().await.unwrap();
}

async fn a_schedule_moves_on_only_from_where_it_stood(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.upsert_schedules(&[schedule("a", 5), schedule("b", 5)]).await.unwrap();
    tx.upsert_schedules(&[schedule("a", 9)]).await.unwrap();
    assert_eq!(tx.schedules().await.unwrap(), [schedule("a", 5), schedule("b", 5)], "a second deploy moves nothing");
    tx.move_schedules(&[(schedule("a", 7), 5), (schedule("b", 8), 5)]).await.unwrap();
    assert_eq!(tx.schedules().await.unwrap(), [schedule("a", 7), schedule("b", 8)]);
    let stale = tx.move_schedules(&[(schedule("a", 9), 5)]).await;
    assert!(is_refused(&stale), "{stale:?}");
}

async fn an_instant_fires_once(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    let later = FiringRow { scheduled_at_ms: NOON + 1, ..firing("f2", "skipped", "d1") };
    let other = FiringRow { workflow: "w2".into(), ..firing("f3", "done", "d1") };
    tx.insert_firings(&[firing("f1", "done", "d1"), later, other]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let again = tx.insert_firings(&[firing("f4", "done", "d1")]).await;
    assert!(is_refused(&again), "{again:?}");
}

async fn a_campaign_moves_on_only_from_where_it_stood(database: Database) {
    let mut rig = Rig::new(database).await;
    let begun = FiringRow { audience: Some("people.csv".into()), ..firing("f1", "running", "d1") };
    let mut tx = rig.begin().await;
    tx.insert_firings(std::slice::from_ref(&begun)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.open_firing("n1").await.unwrap(), Some(begun.clone()));
    let moved = FiringRow {
        audience_hash: Some("hash".into()),
        cursor: 500,
        total: 1200,
        counts: FiringCounts { started: 490, refused: 5, duplicates: 3, bad: 2 },
        bad_rows: vec![BadRow { line: 7, reason: "né \"x\"".into() }],
        ..begun
    };
    let mut tx = rig.begin().await;
    tx.update_firing(&moved, 0, FiringCounts::default()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.open_firing("n1").await.unwrap(), Some(moved.clone()));
    for was in [0, 499, 1000] {
        let mut tx = rig.begin().await;
        let stale = tx.update_firing(&moved, was, moved.counts).await;
        assert!(is_refused(&stale), "{stale:?}");
        tx.rollback().await.unwrap();
    }
    let ended = FiringRow { state: "done".into(), cursor: 1200, reason: "né".into(), ..moved };
    let mut tx = rig.begin().await;
    tx.update_firing(&ended, 500, ended.counts).await.unwrap();
    let after = tx.update_firing(&ended, 1200, ended.counts).await;
    assert!(is_refused(&after), "an ended campaign never moves: {after:?}");
    tx.rollback().await.unwrap();
}

async fn a_campaign_without_a_living_node_is_adopted_once(database: Database) {
    let mut rig = Rig::new(database).await;
    let at = |id: &str, state: &str, node: Option<&str>| FiringRow {
        trigger: id.into(),
        node: node.map(str::to_owned),
        ..firing(id, state, "d1")
    };
    let mut tx = rig.begin().await;
    tx.beat_or_join("n2").await.unwrap();
    let rows = [
        at("f1", "running", Some("dead")),
        at("f2", "running", None),
        at("f3", "running", Some("n2")),
        at("f4", "done", Some("dead")),
    ];
    tx.insert_firings(&rows).await.unwrap();
    assert_eq!(tx.adopt_firings("n1").await.unwrap(), 2);
    tx.beat_or_join("n1").await.unwrap();
    assert_eq!(tx.adopt_firings("n2").await.unwrap(), 0);
    let mine = FiringRow { node: Some("n1".into()), ..rows[0].clone() };
    tx.update_firing(&FiringRow { cursor: 5, ..mine }, 0, FiringCounts::default()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.open_firing("n1").await.unwrap().unwrap().id, "f1");
    assert_eq!(rig.store.open_firing("n2").await.unwrap().unwrap().id, "f3");
    assert_eq!(rig.store.open_firing("dead").await.unwrap(), None);
    let mut tx = rig.begin().await;
    let former = tx.update_firing(&FiringRow { cursor: 9, ..rows[0].clone() }, 5, FiringCounts::default()).await;
    assert!(is_refused(&former), "who lost it moves nothing: {former:?}");
}

async fn the_oldest_campaign_with_rows_left_comes_first(database: Database) {
    let mut rig = Rig::new(database).await;
    assert_eq!(rig.store.open_firing("n1").await.unwrap(), None);
    let at = |id: &str, state: &str, ms| FiringRow { fired_at_ms: ms, scheduled_at_ms: ms, ..firing(id, state, "d1") };
    let mut tx = rig.begin().await;
    let rows = [at("f1", "done", 1), at("f4", "running", 3), at("f3", "running", 2), at("f2", "needs_attention", 0)];
    tx.insert_firings(&rows).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.open_firing("n1").await.unwrap().unwrap().id, "f3");
}

async fn firings_are_listed_newest_first(database: Database) {
    let mut rig = Rig::new(database).await;
    let at = |id: &str, ms| FiringRow { fired_at_ms: ms, scheduled_at_ms: ms, ..firing(id, "done", "d1") };
    let mut tx = rig.begin().await;
    let campaign = FiringRow { audience: Some("people.csv".into()), ..at("f2", 2) };
    tx.insert_firings(&[at("f1", 1), at("f3", 3), campaign]).await.unwrap();
    tx.commit().await.unwrap();
    let ids = |rows: Vec<FiringRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(rig.store.firings(false, 10).await.unwrap()), ["f3", "f2", "f1"]);
    assert_eq!(ids(rig.store.firings(false, 1).await.unwrap()), ["f3"]);
    assert_eq!(ids(rig.store.firings(true, 10).await.unwrap()), ["f2"]);
}
