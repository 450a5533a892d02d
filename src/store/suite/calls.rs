//! Steps that call out.

use super::{Database, NOON, Rig, is_refused, on_both_databases, run};
use crate::call::{Ask, Body, CallState, ContactCall, HttpCall, Part, StepCall};
use crate::run::{Run, RunState};
use serde_json::json;

on_both_databases!(
    a_call_is_taken_once_and_its_result_is_written_over_that_taking_only,
    due_calls_come_oldest_first_without_full_lanes_and_without_runs_that_stand,
    what_a_person_has_done_again_keeps_what_is_done_of_the_same,
    only_what_has_not_begun_is_cancelled,
    calls_of_the_dead_are_found_and_those_of_living_nodes_are_not,
    recent_changes_of_a_person_are_found,
);

pub(super) fn http(run: &str, host: &str) -> StepCall {
    let call = HttpCall {
        method: "GET".into(),
        url: format!("https://{host}/é"),
        headers: vec![("A".into(), "b".into())],
        query: Vec::new(),
        body: Body::Json(json!({"a": 1})),
        timeout_ms: 1,
        expect: vec![200],
    };
    StepCall {
        run: run.into(),
        step: "0".into(),
        id: format!("call {run}"),
        contact: "c1".into(),
        state: CallState::Queued,
        ask: Ask::HttpRequest(call),
        parts_done: Vec::new(),
        claims: 0,
        attempts: 0,
        crashes: 0,
        retry_limit: 5,
        due_at_ms: NOON,
        result: None,
        planned_at_ms: NOON,
        ended_at_ms: None,
    }
}

fn contact(run: &str) -> StepCall {
    let call = ContactCall { note: Some("n".into()), add_tags: vec!["vip".into()], ..ContactCall::default() };
    StepCall { ask: Ask::UpdateContact(call), ..http(run, "") }
}

fn taken(call: &StepCall) -> StepCall {
    StepCall { state: CallState::Started, claims: call.claims + 1, ..call.clone() }
}

pub(super) async fn with_runs(database: Database) -> Rig {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    let other = Run { workflow: "w2".into(), ..run("r4", "c1") };
    tx.insert_runs(&[&run("r1", "c1"), &run("r2", "c2"), &run("r3", "c3"), &other]).await.unwrap();
    tx.commit().await.unwrap();
    rig
}

pub(super) async fn plan(rig: &mut Rig, calls: &[StepCall]) {
    let mut tx = rig.begin().await;
    tx.plan_calls(calls).await.unwrap();
    tx.commit().await.unwrap();
}

async fn a_call_is_taken_once_and_its_result_is_written_over_that_taking_only(database: Database) {
    let mut rig = with_runs(database).await;
    let call = http("r1", "a.example");
    plan(&mut rig, std::slice::from_ref(&call)).await;
    let mut tx = rig.begin().await;
    assert!(tx.has_open_calls().await.unwrap());
    assert_eq!(tx.due_calls(&[], 9).await.unwrap(), std::slice::from_ref(&call));
    let taken = taken(&call);
    tx.start_calls(&[&taken], "n1").await.unwrap();
    assert!(is_refused(&tx.start_calls(&[&taken], "n2").await));
    tx.rollback().await.unwrap();
    let mut tx = rig.begin().await;
    tx.start_calls(&[&taken], "n1").await.unwrap();
    assert_eq!(
        (tx.due_calls(&[], 9).await.unwrap(), tx.step_calls(&[("r1", "0"), ("r1", "1")]).await.unwrap()),
        (vec![], vec![taken.clone()])
    );
    tx.commit().await.unwrap();
    let stored = rig.store.run("r1").await.unwrap().unwrap().run;
    assert_eq!((stored.state, stored.fence), (RunState::Running, 1));
    let done = StepCall {
        state: CallState::Done,
        parts_done: vec![Part::Set],
        attempts: 1,
        crashes: 2,
        result: Some(json!({"outcome": "done"})),
        ended_at_ms: Some(NOON + 1),
        ..taken
    };
    let mut tx = rig.begin().await;
    assert!(is_refused(&tx.settle_step_calls(&[&StepCall { claims: 2, ..done.clone() }]).await));
    tx.rollback().await.unwrap();
    let mut tx = rig.begin().await;
    tx.settle_step_calls(&[&done]).await.unwrap();
    assert!(is_refused(&tx.settle_step_calls(&[&done]).await), "what has ended stays");
    tx.rollback().await.unwrap();
    let mut tx = rig.begin().await;
    tx.settle_step_calls(&[&done]).await.unwrap();
    assert!(!tx.has_open_calls().await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(rig.store.calls_of_run("r1").await.unwrap(), [done]);
}

async fn due_calls_come_oldest_first_without_full_lanes_and_without_runs_that_stand(database: Database) {
    let mut rig = with_runs(database).await;
    let at = |call: StepCall, at_ms| StepCall { planned_at_ms: at_ms, due_at_ms: at_ms, ..call };
    plan(&mut rig, &[at(http("r1", "a.example"), NOON), at(http("r2", "b.example"), NOON - 1), contact("r3")]).await;
    plan(&mut rig, &[at(http("r4", "a.example"), NOON + 5)]).await;
    let mut tx = rig.begin().await;
    let runs = |calls: Vec<StepCall>| calls.into_iter().map(|call| call.run).collect::<Vec<_>>();
    assert_eq!(runs(tx.due_calls(&[], 9).await.unwrap()), ["r2", "r1", "r3"]);
    assert_eq!(runs(tx.due_calls(&[], 1).await.unwrap()), ["r2"]);
    assert_eq!(runs(tx.due_calls(&["b.example"], 9).await.unwrap()), ["r1", "r3"]);
    assert_eq!(runs(tx.due_calls(&["b.example", "a.example", ""], 9).await.unwrap()), [""; 0]);
    assert_eq!(tx.next_call_due_ms().await.unwrap(), Some(NOON + 5));
    tx.put_off_calls(&[&at(http("r2", ""), NOON + 3)]).await.unwrap();
    assert_eq!(tx.next_call_due_ms().await.unwrap(), Some(NOON + 3));
    let paused = Run { state: RunState::Paused, ..run("r1", "c1") };
    tx.update_runs(&[&paused]).await.unwrap();
    assert_eq!(runs(tx.due_calls(&[], 9).await.unwrap()), ["r3"]);
}

async fn what_a_person_has_done_again_keeps_what_is_done_of_the_same(database: Database) {
    let mut rig = with_runs(database).await;
    let call = contact("r1");
    plan(&mut rig, std::slice::from_ref(&call)).await;
    let end = |call: &StepCall, state| StepCall {
        state,
        parts_done: vec![Part::Set],
        result: Some(json!({})),
        ended_at_ms: Some(NOON),
        ..taken(call)
    };
    let again = StepCall { id: "second".into(), ..call.clone() };
    plan(&mut rig, std::slice::from_ref(&again)).await;
    assert_eq!(rig.store.calls_of_run("r1").await.unwrap(), std::slice::from_ref(&call), "it is under way");
    for (state, replanned, id, parts) in [
        (CallState::Uncertain, &again, "call r1", vec![Part::Set]),
        (CallState::Failed, &again, "second", vec![Part::Set]),
        (CallState::Failed, &StepCall { id: "third".into(), ..http("r1", "x") }, "third", vec![]),
    ] {
        let before = rig.store.calls_of_run("r1").await.unwrap().remove(0);
        let mut tx = rig.begin().await;
        tx.start_calls(&[&taken(&before)], "n").await.unwrap();
        tx.settle_step_calls(&[&end(&before, state)]).await.unwrap();
        tx.commit().await.unwrap();
        plan(&mut rig, std::slice::from_ref(replanned)).await;
        let after = rig.store.calls_of_run("r1").await.unwrap().remove(0);
        let expected = StepCall { id: id.into(), parts_done: parts, claims: before.claims + 1, ..replanned.clone() };
        assert_eq!(after, expected, "{state:?}");
    }
}

async fn only_what_has_not_begun_is_cancelled(database: Database) {
    let mut rig = with_runs(database).await;
    plan(&mut rig, &[http("r1", "a"), http("r2", "a"), http("r3", "a")]).await;
    let mut tx = rig.begin().await;
    tx.start_calls(&[&taken(&http("r2", "a"))], "n").await.unwrap();
    tx.cancel_calls_of(&["r1", "r2"]).await.unwrap();
    tx.commit().await.unwrap();
    let mut states = Vec::new();
    for run in ["r1", "r2", "r3"] {
        states.push(rig.store.calls_of_run(run).await.unwrap()[0].state);
    }
    assert_eq!(states, [CallState::Cancelled, CallState::Started, CallState::Queued]);
}

async fn calls_of_the_dead_are_found_and_those_of_living_nodes_are_not(database: Database) {
    let mut rig = with_runs(database).await;
    plan(&mut rig, &[http("r1", "a"), http("r2", "a"), http("r3", "a"), http("r4", "a")]).await;
    let mut tx = rig.begin().await;
    for (run, node) in [("r1", "mine"), ("r2", "living"), ("r3", "dead")] {
        tx.start_calls(&[&taken(&http(run, "a"))], node).await.unwrap();
    }
    tx.beat_or_join("mine").await.unwrap();
    tx.beat_or_join("living").await.unwrap();
    let found = tx.unfinished_step_calls("mine", 9).await.unwrap();
    assert_eq!(found.iter().map(|call| call.run.as_str()).collect::<Vec<_>>(), ["r1", "r3"]);
    assert_eq!(tx.unfinished_step_calls("mine", 1).await.unwrap().len(), 1);
}

async fn recent_changes_of_a_person_are_found(database: Database) {
    let mut rig = with_runs(database).await;
    let ended = |call: &StepCall, at_ms| StepCall { state: CallState::Done, ended_at_ms: Some(at_ms), ..taken(call) };
    plan(&mut rig, &[contact("r1"), contact("r2"), contact("r3"), http("r4", "a")]).await;
    let mut tx = rig.begin().await;
    tx.start_calls(&[&taken(&contact("r1")), &taken(&contact("r2")), &taken(&http("r4", "a"))], "n").await.unwrap();
    let runs = |calls: Vec<StepCall>| calls.into_iter().map(|call| call.run).collect::<Vec<_>>();
    let mut found = runs(tx.contact_calls(&["c1", "c2"], NOON).await.unwrap());
    found.sort();
    assert_eq!(found, ["r1", "r2"], "what has not begun changed nothing");
    tx.settle_step_calls(&[&ended(&contact("r1"), NOON - 1), &ended(&contact("r2"), NOON)]).await.unwrap();
    assert_eq!(runs(tx.contact_calls(&["c1"], NOON).await.unwrap()), ["r2"]);
    assert!(tx.contact_calls(&["c2"], 0).await.unwrap().is_empty());
}
