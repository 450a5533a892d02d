//! Runs, identities, definitions.

use super::{Database, NOON, Rig, is_refused, on_both_databases, run};
use crate::run::{Progress, Run, RunState, TraceEntry, WaitingFor};
use crate::store::runs::{DefinitionRow, RunFilter};
use serde_json::json;

on_both_databases!(
    a_run_is_kept_whole_with_the_data_of_its_event,
    an_event_starts_a_workflow_once_for_one_contact,
    a_stale_fence_and_an_ended_run_are_refused,
    due_runs_come_oldest_first,
    an_identity_has_one_holder_and_passes_only_from_the_one_that_was_read,
    runs_are_listed_by_workflow_state_and_contact,
    definitions_stay_as_long_as_something_needs_them,
);

fn whole() -> Run {
    let progress = Progress {
        cursor: "2.cases.0.do.1".into(),
        waiting_for: Some(WaitingFor::Timer),
        vars: json!({"né": 1.5}).as_object().unwrap().clone(),
        trace: vec![TraceEntry { at_ms: NOON, step: "0".into(), what: "waits\u{0}".into() }],
        ..Progress::default()
    };
    Run {
        firing: Some("f1".into()),
        reason: "né".into(),
        progress,
        wake_at_ms: Some(NOON),
        seed: i64::MAX,
        ..run("r1", "c1")
    }
}

async fn a_run_is_kept_whole_with_the_data_of_its_event(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    tx.insert_runs(&[&whole(), &run("r2", "c2")]).await.unwrap();
    tx.commit().await.unwrap();
    let found = rig.store.run("r1").await.unwrap().unwrap();
    assert_eq!(found.run, whole());
    assert!(found.event_data.to_string().contains("né"), "{}", found.event_data);
    assert_eq!(rig.store.run("r2").await.unwrap().unwrap().run, run("r2", "c2"));
    assert!(rig.store.run("r3").await.unwrap().is_none());
    let mut tx = rig.begin().await;
    let mut rows = tx.runs(&["r2", "r1", "r3"]).await.unwrap();
    rows.sort_by(|a, b| a.run.id.cmp(&b.run.id));
    assert_eq!(rows.iter().map(|row| row.run.id.as_str()).collect::<Vec<_>>(), ["r1", "r2"]);
}

async fn an_event_starts_a_workflow_once_for_one_contact(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    let other = Run { workflow: "w2".into(), ..run("r3", "c1") };
    tx.insert_runs(&[&run("r1", "c1"), &run("r2", "c2"), &other]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let again = tx.insert_runs(&[&run("r4", "c1")]).await;
    assert!(is_refused(&again), "{again:?}");
}

async fn a_stale_fence_and_an_ended_run_are_refused(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    tx.insert_runs(&[&run("r1", "c1"), &run("r2", "c2")]).await.unwrap();
    let moved = Run { reason: "moved".into(), wake_at_ms: Some(5), ..run("r1", "c1") };
    tx.update_runs(&[&moved, &run("r2", "c2")]).await.unwrap();
    tx.commit().await.unwrap();
    let stored = rig.store.run("r1").await.unwrap().unwrap().run;
    assert_eq!(stored, Run { fence: 1, ..moved.clone() });
    for fence in [0, 2] {
        let mut tx = rig.begin().await;
        let stale = tx.update_runs(&[&Run { fence: 1, ..run("r2", "c2") }, &Run { fence, ..moved.clone() }]).await;
        assert!(is_refused(&stale), "{stale:?}");
        tx.rollback().await.unwrap();
    }
    let ended = Run { state: RunState::Done, ended_at_ms: Some(NOON), wake_at_ms: None, fence: 1, ..moved };
    let mut tx = rig.begin().await;
    tx.update_runs(&[&ended]).await.unwrap();
    let after = tx.update_runs(&[&Run { fence: 2, ..ended }]).await;
    assert!(is_refused(&after), "{after:?}");
}

async fn due_runs_come_oldest_first(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let at = |id: &str, contact: &str, wake_at_ms| Run { wake_at_ms, ..run(id, contact) };
    let mut tx = rig.begin().await;
    let other = Run { workflow: "w2".into(), ..at("r4", "c1", Some(NOON - 1)) };
    let runs = [at("r1", "c1", Some(NOON)), at("r2", "c2", Some(NOON + 1)), at("r3", "c3", None), other];
    tx.insert_runs(&runs.iter().collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let ids = |rows: Vec<crate::store::runs::RunRow>| rows.into_iter().map(|row| row.run.id).collect::<Vec<_>>();
    assert_eq!(ids(tx.due_runs(0, NOON, 10).await.unwrap()), ["r4", "r1"]);
    assert_eq!(ids(tx.due_runs(0, NOON, 1).await.unwrap()), ["r4"]);
    assert_eq!(ids(tx.due_runs(NOON - 1, NOON, 10).await.unwrap()), ["r1"], "those that are later than that");
    assert_eq!(ids(tx.due_runs(i64::MIN, NOON - 1, 10).await.unwrap()), ["r4"], "those that are not");
    assert_eq!(tx.next_due_ms(&["main"], NOON - 1).await.unwrap(), (Some(NOON), Some(NOON - 1)), "each for itself");
    assert_eq!(tx.next_due_ms(&["main"], NOON - 2).await.unwrap(), (Some(NOON - 1), None));
    assert_eq!(tx.next_due_ms(&["main", "other"], NOON + 1).await.unwrap(), (None, Some(NOON - 1)));
    tx.rollback().await.unwrap();
    let mut tx = rig.begin().await;
    assert_eq!(ids(tx.due_runs(0, NOON + 1, 10).await.unwrap()), ["r4", "r1", "r2"]);
    tx.rollback().await.unwrap();
}

async fn an_identity_has_one_holder_and_passes_only_from_the_one_that_was_read(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let take = |run: &str, held_by: Option<&str>| {
        vec![("w".to_owned(), "h".to_owned(), run.to_owned(), held_by.map(str::to_owned))]
    };
    let mut tx = rig.begin().await;
    tx.insert_runs(&[&run("r1", "c1"), &run("r2", "c2"), &run("r3", "c3")]).await.unwrap();
    tx.take_identities(&take("r1", None)).await.unwrap();
    let other = [("w".into(), "h2".into(), "r1".into(), None), ("w2".into(), "h".into(), "r1".into(), None)];
    tx.take_identities(&other).await.unwrap();
    tx.commit().await.unwrap();
    for (run, held_by) in [("r2", None), ("r2", Some("r3")), ("r2", Some("r2"))] {
        let mut tx = rig.begin().await;
        let result = tx.take_identities(&take(run, held_by)).await;
        assert!(is_refused(&result), "{held_by:?}: {result:?}");
        tx.rollback().await.unwrap();
    }
    let mut tx = rig.begin().await;
    tx.take_identities(&take("r2", Some("r1"))).await.unwrap();
    let held = tx.identities(&[("w", "h"), ("w", "unknown"), ("w2", "h")]).await.unwrap();
    let mut held: Vec<_> = held.iter().map(|row| (row.workflow.as_str(), row.run.as_str(), row.state)).collect();
    held.sort_by_key(|row| row.0);
    assert_eq!(held, [("w", "r2", RunState::Waiting), ("w2", "r1", RunState::Waiting)]);
    assert_eq!(tx.identities(&[("w", "h")]).await.unwrap()[0].hash, "h");
}

async fn runs_are_listed_by_workflow_state_and_contact(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let done = Run { state: RunState::Done, ended_at_ms: Some(NOON), ..run("r2", "c2") };
    let other = Run { workflow: "w2".into(), ..run("r3", "c1") };
    let mut tx = rig.begin().await;
    tx.insert_runs(&[&run("r1", "c1"), &done, &other]).await.unwrap();
    tx.commit().await.unwrap();
    let all = RunFilter { limit: 10, ..RunFilter::default() };
    let cases = [
        (all.clone(), vec!["r3", "r2", "r1"]),
        (RunFilter { limit: 2, ..all.clone() }, vec!["r3", "r2"]),
        (RunFilter { limit: 0, ..all.clone() }, vec![]),
        (RunFilter { before: Some("r3".into()), ..all.clone() }, vec!["r2", "r1"]),
        (RunFilter { workflow: Some("w".into()), ..all.clone() }, vec!["r2", "r1"]),
        (RunFilter { state: Some(RunState::Done), ..all.clone() }, vec!["r2"]),
        (RunFilter { contact: Some("c1".into()), ..all.clone() }, vec!["r3", "r1"]),
        (RunFilter { workflow: Some("w".into()), contact: Some("c1".into()), ..all.clone() }, vec!["r1"]),
        (RunFilter { workflow: Some("none".into()), ..all }, vec![]),
    ];
    for (filter, expected) in cases {
        let found = rig.store.list_runs(&filter).await.unwrap();
        assert_eq!(found.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), expected, "{filter:?}");
    }
}

async fn definitions_stay_as_long_as_something_needs_them(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let definition =
        |hash: &str, files: &str| DefinitionRow { hash: hash.into(), workflow: "w".into(), files: files.into() };
    let mut tx = rig.begin().await;
    tx.insert_definitions(&[definition("d1", "{}"), definition("d2", "{}"), definition("d3", "né")]).await.unwrap();
    tx.insert_definitions(&[definition("d1", "changed")]).await.unwrap();
    assert!(tx.open_definitions().await.unwrap().is_empty());
    tx.insert_runs(&[
        &run("r1", "c1"),
        &Run { state: RunState::Done, ended_at_ms: Some(1), definition: "d2".into(), ..run("r2", "c2") },
    ])
    .await
    .unwrap();
    tx.insert_firings(&[super::schedules::firing("f1", "running", "d3")]).await.unwrap();
    let mut open = tx.open_definitions().await.unwrap();
    open.sort_by(|a, b| a.hash.cmp(&b.hash));
    let open: Vec<_> = open.iter().map(|row| (row.hash.as_str(), row.workflow.as_str(), row.files.as_str())).collect();
    assert_eq!(open, [("d1", "w", "{}"), ("d3", "w", "né")], "a definition never changes");
}
