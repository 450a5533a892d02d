//! Nodes: who lives, who is silent, whose calls nobody answers for, and claims of several writers at once.

use super::{Database, NOON, Rig, delivery, on_both_databases, run};
use crate::delivery::{Attempt, Delivery, DeliveryState};
use crate::message::Form;
use crate::run::Run;
use crate::store::deliveries::DeliveryRow;
use crate::store::{Store, Tx};

on_both_databases!(
    a_node_joins_beats_and_leaves,
    silent_nodes_are_removed_and_oneself_never,
    a_call_is_nobodys_once_its_node_is_gone,
    a_duty_has_one_living_holder,
);

async fn ids(tx: &mut Tx<'_>) -> Vec<String> {
    tx.nodes().await.unwrap().into_iter().map(|(id, _)| id).collect()
}

async fn a_node_joins_beats_and_leaves(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    assert_eq!(tx.beat("n1").await.unwrap(), None, "nobody counts it in yet");
    tx.beat_or_join("n1").await.unwrap();
    tx.beat_or_join("n2").await.unwrap();
    tx.commit().await.unwrap();
    rig.clock.move_to(NOON + 7);
    let mut tx = rig.begin().await;
    assert_eq!(tx.beat("n2").await.unwrap(), Some(0), "nothing is deployed");
    assert_eq!(tx.nodes().await.unwrap(), [("n1".to_owned(), NOON), ("n2".to_owned(), NOON + 7)]);
    tx.remove_node("n1").await.unwrap();
    tx.remove_node("n9").await.unwrap();
    assert_eq!(ids(&mut tx).await, ["n2"]);
    assert_eq!(tx.beat("n1").await.unwrap(), None);
    tx.beat_or_join("n1").await.unwrap();
    assert_eq!(ids(&mut tx).await, ["n1", "n2"]);
}

async fn silent_nodes_are_removed_and_oneself_never(database: Database) {
    let mut rig = Rig::new(database).await;
    for (at_ms, id) in [(0, "n1"), (10, "n2"), (11, "n3"), (20, "n4")] {
        rig.clock.move_to(NOON + at_ms);
        let mut tx = rig.begin().await;
        tx.beat_or_join(id).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = rig.begin().await;
    assert_eq!(tx.remove_silent_nodes("n1", NOON + 10).await.unwrap(), 1);
    assert_eq!(ids(&mut tx).await, ["n1", "n3", "n4"]);
    assert_eq!(tx.remove_silent_nodes("n4", i64::MAX).await.unwrap(), 2, "whoever is alone removes all others");
    assert_eq!(ids(&mut tx).await, ["n4"]);
}

fn sending(id: &str, contact: &str, attempts: u32) -> Delivery {
    Delivery { state: DeliveryState::Sending, attempts, ..delivery(id, contact) }
}

async fn a_call_is_nobodys_once_its_node_is_gone(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let all = [sending("d1", "c1", 1), sending("d2", "c2", 2), sending("d3", "c3", 1)];
    let mut tx = rig.begin().await;
    tx.beat_or_join("n1").await.unwrap();
    tx.beat_or_join("n2").await.unwrap();
    tx.insert_deliveries(&all).await.unwrap();
    let moved: Vec<DeliveryRow> =
        all.iter().map(|one| DeliveryRow { delivery: one.clone(), was: DeliveryState::Queued, status: None }).collect();
    tx.update_deliveries(&moved.iter().collect::<Vec<_>>()).await.unwrap();
    let attempt = |id: &str, delivery: &str, n: u32| Attempt {
        id: id.into(),
        delivery: delivery.into(),
        n,
        form: Form::Text,
        started_at_ms: NOON,
    };
    tx.insert_attempts(&[attempt("a1", "d1", 1), attempt("a2", "d2", 1)], "n1").await.unwrap();
    tx.insert_attempts(&[attempt("a3", "d2", 2)], "n2").await.unwrap();
    tx.insert_attempts(&[attempt("a4", "d3", 1)], "n3").await.unwrap();
    tx.commit().await.unwrap();
    for (node, expected) in [("n1", vec!["d1", "d3"]), ("n2", vec!["d2", "d3"]), ("n4", vec!["d3"])] {
        let mut tx = rig.begin().await;
        let found = tx.unfinished_calls(node, 10).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|row| row.delivery.id.as_str()).collect();
        assert_eq!(ids, expected, "the node's own by the last attempt, and those of nobody: {node}");
        tx.rollback().await.unwrap();
    }
    let mut tx = rig.begin().await;
    tx.remove_silent_nodes("n4", i64::MAX).await.unwrap();
    assert_eq!(tx.unfinished_calls("n4", 10).await.unwrap().len(), 3);
}

async fn a_duty_has_one_living_holder(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.beat_or_join("n1").await.unwrap();
    tx.beat_or_join("n2").await.unwrap();
    assert!(tx.take_duty("relay a", "n1").await.unwrap());
    assert!(!tx.take_duty("relay a", "n2").await.unwrap());
    assert!(tx.take_duty("relay b", "n2").await.unwrap());
    assert!(tx.take_duty("relay a", "n1").await.unwrap(), "it keeps it");
    tx.commit().await.unwrap();
    assert_eq!(rig.store.duty("relay a").await.unwrap().as_deref(), Some("n1"));
    let mut tx = rig.begin().await;
    tx.remove_node("n1").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.duty("relay a").await.unwrap(), None, "who is gone holds nothing");
    let mut tx = rig.begin().await;
    assert!(tx.take_duty("relay a", "n2").await.unwrap());
    tx.beat_or_join("n1").await.unwrap();
    assert!(!tx.take_duty("relay a", "n1").await.unwrap(), "who comes back waits");
}

/// Two writers at once are possible on PostgreSQL only.
mod postgres_only {
    use super::*;

    async fn two(rig: &Rig) -> crate::store::Writer {
        Store::open(&rig.database.url).await.unwrap().writer(rig.clock.clone()).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn due_runs_and_deliveries_in_another_writers_hands_are_left_to_it() {
        let mut rig = Rig::with_run(Database::postgres()).await;
        let due = |id: &str, contact: &str| Run { wake_at_ms: Some(NOON), ..run(id, contact) };
        let mut tx = rig.begin().await;
        tx.insert_runs(&[&due("r1", "c1"), &due("r2", "c2"), &due("r3", "c3")]).await.unwrap();
        tx.insert_deliveries(&[delivery("d1", "c1"), delivery("d2", "c2")]).await.unwrap();
        tx.commit().await.unwrap();
        let mut other = two(&rig).await;
        let (mut tx, mut theirs) = (rig.begin().await, other.begin().await.unwrap());
        let ours: Vec<String> = tx.due_runs(0, NOON + 1, 2).await.unwrap().into_iter().map(|row| row.run.id).collect();
        let rest: Vec<String> =
            theirs.due_runs(0, NOON + 1, 10).await.unwrap().into_iter().map(|row| row.run.id).collect();
        assert_eq!((ours, rest), (vec!["r1".to_owned(), "r2".to_owned()], vec!["r3".to_owned()]));
        assert_eq!(tx.claim_due_deliveries("main", 1, (0, 1)).await.unwrap().len(), 1);
        let rest = theirs.claim_due_deliveries("main", 10, (0, 1)).await.unwrap();
        assert_eq!(rest.iter().map(|due| due.delivery.id.as_str()).collect::<Vec<_>>(), ["d2"]);
    }

    /// A claim that is not committed yet keeps its node's row: who finds it silent has to let it live.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_node_that_claims_at_this_moment_is_not_removed() {
        let mut rig = Rig::with_run(Database::postgres()).await;
        let mut tx = rig.begin().await;
        tx.beat_or_join("n1").await.unwrap();
        tx.commit().await.unwrap();
        rig.clock.move_to(NOON + 60_000);
        let mut other = two(&rig).await;
        let mut theirs = other.begin().await.unwrap();
        let mut tx = rig.begin().await;
        tx.beat_or_join("n1").await.unwrap();
        assert_eq!(theirs.remove_silent_nodes("n2", NOON + 30_000).await.unwrap(), 0);
        tx.commit().await.unwrap();
        assert_eq!(theirs.remove_silent_nodes("n2", NOON + 30_000).await.unwrap(), 0);
        assert_eq!(theirs.remove_silent_nodes("n2", NOON + 60_000).await.unwrap(), 1);
    }
}
