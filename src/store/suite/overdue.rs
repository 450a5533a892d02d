//! Since when the oldest work has been due.

use super::calls::{http, plan, with_runs};
use super::{Database, NOON, Rig, delivery, on_both_databases, run};
use crate::call::StepCall;
use crate::delivery::Delivery;
use crate::run::{Run, RunState};
use crate::store::overdue::OldestDue;

on_both_databases!(what_has_been_due_for_longest_is_found_of_each_kind);

async fn oldest(rig: &Rig, now_ms: i64) -> [Option<i64>; 3] {
    let OldestDue { run_ms, call_ms, message_ms } = rig.store.oldest_due(now_ms).await.unwrap();
    [run_ms, call_ms, message_ms].map(|due_ms| due_ms.map(|due_ms| due_ms - NOON))
}

async fn what_has_been_due_for_longest_is_found_of_each_kind(database: Database) {
    let mut rig = with_runs(database).await;
    assert_eq!(oldest(&rig, NOON).await, [None; 3]);
    let waits = |id: &str, at_ms| Run { workflow: id.into(), wake_at_ms: Some(at_ms), ..run(id, "c1") };
    let line = |id: &str, channel: &str, at_ms| Delivery {
        planned_at_ms: at_ms,
        ..Delivery { channel: channel.into(), ..delivery(id, "c1") }
    };
    let mut tx = rig.begin().await;
    tx.insert_runs(&[&waits("r5", NOON - 10), &waits("r6", NOON - 30), &waits("r7", NOON + 1)]).await.unwrap();
    tx.insert_deliveries(&[line("d1", "main", NOON - 5), line("d2", "other", NOON - 7), line("d3", "last", NOON + 1)])
        .await
        .unwrap();
    let stands = Run { state: RunState::Paused, ..run("r2", "c2") };
    tx.update_runs(&[&stands]).await.unwrap();
    tx.commit().await.unwrap();
    let at = |run: &str, at_ms| StepCall { planned_at_ms: at_ms, due_at_ms: at_ms, ..http(run, "a.example") };
    plan(&mut rig, &[at("r1", NOON - 20), at("r2", NOON - 40), at("r3", NOON + 1)]).await;
    assert_eq!(oldest(&rig, NOON).await, [Some(-30), Some(-20), Some(-7)], "who is paused waits for a person");
    assert_eq!(oldest(&rig, NOON - 25).await, [Some(-30), None, None]);
}
