//! Relays and the targets that were subscribed.

use super::{Database, NOON, Rig, on_both_databases};
use crate::relay::{Relay, RelayState};
use crate::store::relays::RelayFilter;

on_both_databases!(
    a_target_gets_its_relays_in_their_order,
    what_has_ended_stays_as_it_is,
    a_dead_one_is_repeated_once,
    everything_of_a_target_is_given_up_at_once,
);

fn relay(id: &str, target: &str) -> Relay {
    Relay::new(id.into(), target, "e1", "message_created", format!("{{\"é\": \"{id}\"}}\n"), NOON)
}

async fn with(database: Database, relays: &[Relay]) -> Rig {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.insert_relays(relays).await.unwrap();
    tx.commit().await.unwrap();
    rig
}

async fn note(rig: &mut Rig, relay: &Relay) {
    let mut tx = rig.begin().await;
    tx.note_relays(&[relay]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn listed(rig: &Rig, filter: RelayFilter) -> Vec<String> {
    let listed = rig.store.list_relays(&RelayFilter { limit: 10, ..filter }).await.unwrap();
    listed.into_iter().map(|relay| format!("{} {}", relay.id, relay.state.as_str())).collect()
}

async fn a_target_gets_its_relays_in_their_order(database: Database) {
    let mut rig = with(database, &[relay("3", "a"), relay("1", "a"), relay("2", "b")]).await;
    assert_eq!(rig.store.waiting_targets().await.unwrap(), ["a", "b"]);
    let first = rig.store.next_relay("a").await.unwrap().unwrap();
    assert_eq!(first, relay("1", "a"));
    note(&mut rig, &first.after(Some(500), Err("no".into()), None, NOON)).await;
    let again = rig.store.next_relay("a").await.unwrap().unwrap();
    assert_eq!((again.id.as_str(), again.attempts, again.http_status), ("1", 1, Some(500)));
    assert!(again.due_at_ms > NOON);
    note(&mut rig, &again.after(Some(200), Ok(()), None, NOON)).await;
    assert_eq!(rig.store.next_relay("a").await.unwrap().unwrap().id, "3");
    assert_eq!(rig.store.next_relay("c").await.unwrap(), None);
    assert_eq!(listed(&rig, RelayFilter::default()).await, ["3 queued", "2 queued", "1 delivered"]);
    let of_a = RelayFilter { target: Some("a".into()), state: Some(RelayState::Queued), ..RelayFilter::default() };
    assert_eq!(listed(&rig, of_a).await, ["3 queued"]);
}

async fn what_has_ended_stays_as_it_is(database: Database) {
    let mut rig = with(database, &[relay("1", "a")]).await;
    note(&mut rig, &relay("1", "a").after(Some(204), Ok(()), None, NOON)).await;
    note(&mut rig, &relay("1", "a").after(Some(500), Err("late".into()), None, NOON)).await;
    let kept = &rig.store.list_relays(&RelayFilter { limit: 1, ..RelayFilter::default() }).await.unwrap()[0];
    assert_eq!((kept.state, kept.http_status), (RelayState::Delivered, Some(204)));
    assert_eq!(kept.body, relay("1", "a").body, "the gateway shows what was handed on");
    assert_eq!(kept.ended_at_ms, Some(NOON));
    assert!(rig.store.waiting_targets().await.unwrap().is_empty());
}

async fn a_dead_one_is_repeated_once(database: Database) {
    let mut rig = with(database, &[relay("1", "a"), relay("2", "a")]).await;
    note(&mut rig, &relay("1", "a").dead("expired", NOON)).await;
    assert_eq!(rig.store.dead_relays("a").await.unwrap(), ["1"]);
    let copies = [("4", "1"), ("5", "2"), ("6", "9")].map(|(id, of)| (relay(id, ""), of.to_owned()));
    for expected in [1, 0] {
        let mut tx = rig.begin().await;
        assert_eq!(tx.redrive_relays(&copies).await.unwrap(), expected);
        tx.commit().await.unwrap();
    }
    assert_eq!(listed(&rig, RelayFilter::default()).await, ["4 queued", "2 queued", "1 dead"]);
    assert!(rig.store.dead_relays("a").await.unwrap().is_empty());
    note(&mut rig, &relay("2", "a").after(Some(200), Ok(()), None, NOON)).await;
    let copy = rig.store.next_relay("a").await.unwrap().unwrap();
    assert_eq!((copy.body, copy.redrive_of.as_deref()), (relay("1", "a").body, Some("1")));
}

async fn everything_of_a_target_is_given_up_at_once(database: Database) {
    let mut rig = with(database, &[relay("1", "a"), relay("2", "a"), relay("3", "b")]).await;
    note(&mut rig, &relay("1", "a").after(None, Err("away".into()), None, NOON)).await;
    let mut tx = rig.begin().await;
    assert_eq!(tx.give_up_relays("a", "gone").await.unwrap(), 2);
    tx.commit().await.unwrap();
    let listed = rig.store.list_relays(&RelayFilter { limit: 10, ..RelayFilter::default() }).await.unwrap();
    let errors: Vec<_> = listed.iter().map(|relay| relay.error.as_deref()).collect();
    assert_eq!(errors, [None, Some("gone"), Some("away")]);
    assert_eq!(rig.store.waiting_targets().await.unwrap(), ["b"]);
    assert!(rig.store.subscribed_targets().await.unwrap().is_empty());
}
