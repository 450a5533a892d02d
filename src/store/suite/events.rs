//! Events and the keys that recognise a second delivery.

use super::{Database, NOON, Rig, is_refused, on_both_databases};
use crate::store::events::EventRow;

on_both_databases!(
    an_event_is_kept_whole,
    a_key_is_unique_within_its_source,
    an_expired_key_may_be_taken_from_its_old_event,
    the_newest_events_come_first,
);

pub(super) fn event(id: &str, key: &str) -> EventRow {
    EventRow {
        id: id.into(),
        source: "shop".into(),
        name: "order.paid".into(),
        dedupe_key: key.into(),
        dedupe_until_ms: NOON + 10,
        body_hash: "hash".into(),
        at_ms: NOON - 5,
        received_at_ms: NOON,
        contact: None,
        data: r#"{"text": "né \u0000 \" \\"}"#.into(),
        evaluations: "[]".into(),
        failed: None,
    }
}

async fn an_event_is_kept_whole(database: Database) {
    let mut rig = Rig::new(database).await;
    let written =
        EventRow { contact: Some("c1".into()), evaluations: r#"[{"workflow":"w"}]"#.into(), ..event("e1", "k1") };
    let mut tx = rig.begin().await;
    tx.insert_events(&[written.clone(), event("e2", "k2")]).await.unwrap();
    tx.commit().await.unwrap();
    let read = rig.store.event("e1").await.unwrap().unwrap();
    assert_eq!((&read.id, &read.source, &read.name), (&written.id, &written.source, &written.name));
    assert_eq!((read.at_ms, read.received_at_ms), (written.at_ms, written.received_at_ms));
    assert_eq!((read.contact, read.data, read.evaluations), (written.contact, written.data, written.evaluations));
    assert_eq!(rig.store.event("e2").await.unwrap().unwrap().contact, None);
    assert!(rig.store.event("e3").await.unwrap().is_none());
}

async fn a_key_is_unique_within_its_source(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    let elsewhere = EventRow { source: "booking".into(), ..event("e2", "k1") };
    tx.insert_events(&[event("e1", "k1"), elsewhere]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let again = tx.insert_events(&[event("e3", "k1")]).await;
    assert!(is_refused(&again), "{again:?}");
    tx.rollback().await.unwrap();
    let mut tx = rig.begin().await;
    let known = tx.known_keys(&[("shop", "k1"), ("booking", "k1"), ("booking", "k2"), ("other", "k1")]).await.unwrap();
    let mut found: Vec<_> = known.iter().map(|key| (key.source.as_str(), key.event.as_str(), key.until_ms)).collect();
    found.sort_unstable();
    assert_eq!(found, [("booking", "e2", NOON + 10), ("shop", "e1", NOON + 10)]);
    assert_eq!((known[0].key.as_str(), known[0].body_hash.as_str()), ("k1", "hash"));
    assert!(tx.known_keys(&[]).await.unwrap().is_empty());
}

async fn an_expired_key_may_be_taken_from_its_old_event(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.insert_events(&[event("e1", "k1"), event("e2", "k2")]).await.unwrap();
    tx.clear_keys(&["e1".into(), "e9".into()]).await.unwrap();
    tx.insert_events(&[event("e3", "k1")]).await.unwrap();
    let known = tx.known_keys(&[("shop", "k1")]).await.unwrap();
    assert_eq!(known.iter().map(|key| key.event.as_str()).collect::<Vec<_>>(), ["e3"]);
    tx.commit().await.unwrap();
    assert!(rig.store.event("e1").await.unwrap().is_some(), "the old event stays");
}

async fn the_newest_events_come_first(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    let events: Vec<EventRow> = (0..300).map(|n| event(&format!("e{n:03}"), &format!("k{n}"))).collect();
    tx.insert_events(&events).await.unwrap();
    tx.commit().await.unwrap();
    let newest = rig.store.latest_events(2).await.unwrap();
    assert_eq!(newest.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["e299", "e298"]);
    assert_eq!(rig.store.latest_events(1000).await.unwrap().len(), 300);
}
