//! Live runs found by what they wait for, and by what stops them.

use super::{Database, NOON, Rig, on_both_databases, run};
use crate::run::{Run, RunState};
use crate::store::stops::{Concerns, MOST_STOPPED, Search, StoppingRow};

on_both_databases!(
    runs_that_ask_are_found_by_their_person,
    a_line_is_in_order_and_holds_who_waits_only,
    runs_are_found_by_person_and_definition_and_by_what_they_are_about,
    a_search_of_many_says_that_there_are_more_and_goes_on_where_it_ended,
    a_stop_is_one_row_until_it_is_through,
);

async fn stored(rig: &mut Rig, runs: &[Run]) {
    let mut tx = rig.begin().await;
    tx.insert_runs(&runs.iter().collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
}

/// Runs of one person differ in their workflow: an event starts each once.
fn of(id: &str, contact: &str, workflow: &str) -> Run {
    Run { workflow: workflow.into(), ..run(id, contact) }
}

fn ids<'r>(runs: impl IntoIterator<Item = &'r Run>) -> Vec<&'r str> {
    runs.into_iter().map(|run| run.id.as_str()).collect()
}

async fn runs_that_ask_are_found_by_their_person(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let asks = |run: Run| Run { asks: Some("main".into()), ..run };
    stored(&mut rig, &[asks(of("r1", "c1", "w1")), of("r2", "c1", "w2"), asks(of("r3", "c2", "w1"))]).await;
    let mut tx = rig.begin().await;
    let found = tx.asking_runs(&["c1", "c3"]).await.unwrap();
    assert_eq!(ids(found.iter().map(|row| &row.run)), ["r1"]);
    assert!(found[0].event_data.to_string().contains("né"));
    tx.update_runs(&[&Run { turn: Some("t".into()), ..of("r1", "c1", "w1") }]).await.unwrap();
    assert!(tx.asking_runs(&["c1"]).await.unwrap().is_empty(), "it asks no more");
    tx.commit().await.unwrap();
    assert_eq!(rig.store.run("r1").await.unwrap().unwrap().run.turn.as_deref(), Some("t"));
}

async fn a_line_is_in_order_and_holds_who_waits_only(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let turn = |id: &str, contact: &str, state: RunState, turn: &str| Run {
        state,
        turn: Some(turn.into()),
        ended_at_ms: state.is_terminal().then_some(NOON),
        ..run(id, contact)
    };
    let events = ["e2", "e3", "e4"].map(|id| super::events::event(id, id));
    let mut tx = rig.begin().await;
    tx.insert_events(&events).await.unwrap();
    tx.commit().await.unwrap();
    let line = [
        turn("r1", "c1", RunState::Waiting, "t"),
        turn("r3", "c2", RunState::Queued, "t"),
        turn("r2", "c3", RunState::Queued, "t"),
        Run { event: "e2".into(), ..turn("r0", "c1", RunState::Stopped, "t") },
        Run { event: "e3".into(), ..turn("r4", "c1", RunState::Paused, "t") },
        Run { event: "e4".into(), ..turn("r5", "c1", RunState::Queued, "other") },
    ];
    stored(&mut rig, &line).await;
    let mut tx = rig.begin().await;
    let found = tx.next_in_line(&[("w", "t", "")]).await.unwrap();
    assert_eq!(found.iter().map(|place| place.2.as_str()).collect::<Vec<_>>(), ["r2", "r3"]);
    let found = tx.next_in_line(&[("w", "t", "r2"), ("w", "other", ""), ("v", "t", "")]).await.unwrap();
    assert_eq!(found.iter().map(|place| place.2.as_str()).collect::<Vec<_>>(), ["r3", "r5"]);
}

fn search(definition: &str, concerns: Concerns) -> Search {
    Search { workflow: "w".into(), definition: definition.into(), concerns }
}

async fn runs_are_found_by_person_and_definition_and_by_what_they_are_about(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let ended = Run { state: RunState::Done, ended_at_ms: Some(NOON), ..run("r3", "c3") };
    stored(&mut rig, &[run("r1", "c1"), Run { definition: "d2".into(), ..run("r2", "c2") }, ended]).await;
    let mut tx = rig.begin().await;
    let subjects = [("r1", "h"), ("r2", "h"), ("r3", "h"), ("r2", "i")];
    let subjects: Vec<_> =
        subjects.iter().enumerate().map(|(n, (run, hash))| ((*run).into(), n, (*hash).into())).collect();
    tx.insert_subjects(&subjects).await.unwrap();
    let contact = |id: &str| Concerns::Contact(id.into());
    let hash = |hash: &str| Concerns::Hash(hash.into());
    let searches = [
        search("d1", contact("c1")),
        search("d1", hash("h")),
        search("d1", contact("c2")),
        search("d2", contact("c2")),
        search("d1", contact("c3")),
        search("d1", hash("i")),
        search("d1", hash("nothing")),
    ];
    let found = tx.live_runs(&searches).await.unwrap();
    let found_ids: Vec<Vec<&str>> = found.iter().map(|found| ids(&found.runs)).collect();
    assert_eq!(found_ids, [vec!["r1"], vec!["r1", "r2", "r3"], vec![], vec!["r2"], vec![], vec!["r2"], vec![]]);
    assert!(found.iter().all(|found| !found.more));
    tx.delete_subjects(&["r2"]).await.unwrap();
    assert_eq!(ids(&tx.live_runs(&searches[1..2]).await.unwrap()[0].runs), ["r1", "r3"]);
    assert!(tx.live_runs(&[]).await.unwrap().is_empty());
}

fn stop(concerns: Concerns) -> StoppingRow {
    StoppingRow {
        id: "s1".into(),
        event: "e1".into(),
        search: search("d1", concerns),
        entry: 2,
        before_ms: NOON,
        after: String::new(),
    }
}

async fn a_search_of_many_says_that_there_are_more_and_goes_on_where_it_ended(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let many = MOST_STOPPED + 10;
    let event = |n: usize| format!("m{n:04}");
    let events: Vec<_> = (0..many).map(|n| super::events::event(&event(n), &event(n))).collect();
    let runs: Vec<_> = (0..many).map(|n| Run { event: event(n), ..run(&format!("r{n:04}"), "c1") }).collect();
    let mut tx = rig.begin().await;
    tx.insert_events(&events).await.unwrap();
    tx.commit().await.unwrap();
    stored(&mut rig, &runs).await;
    let later = Run { started_at_ms: NOON + 1, event: "e1".into(), ..run("r9998", "c1") };
    let same_instant = Run { ..of("t0001", "c2", "w2") };
    stored(&mut rig, &[later, same_instant]).await;
    let mut tx = rig.begin().await;
    let all = ["r9998", "t0001"].map(str::to_owned).into_iter().chain(runs.iter().map(|run| run.id.clone()));
    tx.insert_subjects(&all.map(|run| (run, 0, "h".to_owned())).collect::<Vec<_>>()).await.unwrap();
    for concerns in [Concerns::Contact("c1".into()), Concerns::Hash("h".into())] {
        let few = search("d1", Concerns::Contact("c2".into()));
        let found = tx.live_runs(&[few.clone(), search("d1", concerns.clone()), few]).await.unwrap();
        let asks_people = matches!(concerns, Concerns::Contact(_));
        assert_eq!(found.iter().map(|found| found.more).collect::<Vec<_>>(), [false, true, asks_people]);
        assert_eq!(found[1].runs.len(), MOST_STOPPED);
        let last = found[1].runs.last().unwrap().id.clone();
        let rest = tx.rest_of_stop(&StoppingRow { after: last, ..stop(concerns.clone()) }).await.unwrap();
        let concerned = rest.runs.iter().filter(|run| stop(concerns.clone()).concerns(run)).count();
        assert!(!rest.more && concerned == 10, "neither what began later nor what has a later id");
        assert!(tx.rest_of_stop(&stop(concerns)).await.unwrap().more);
    }
}

async fn a_stop_is_one_row_until_it_is_through(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    assert!(tx.open_stop().await.unwrap().is_none() && !tx.stop_goes_on().await.unwrap());
    tx.put_stopping(&[stop(Concerns::Hash("h".into()))]).await.unwrap();
    tx.put_stopping(&[StoppingRow { after: "r7".into(), ..stop(Concerns::Hash("h".into())) }]).await.unwrap();
    let open = tx.open_stop().await.unwrap().unwrap();
    assert_eq!(
        (open.row.after.as_str(), open.row.entry, &open.row.search.concerns),
        ("r7", 2, &Concerns::Hash("h".into()))
    );
    assert!(open.data.contains("né") && tx.stop_goes_on().await.unwrap());
    tx.delete_stopping("s1").await.unwrap();
    assert!(tx.open_stop().await.unwrap().is_none());
}
