//! What the account holds, what an installation remembers, and when something was heard and taken.

use super::{Database, NOON, Rig, events, on_both_databases};
use crate::contact::Line;
use crate::delivery::Attempt;
use crate::message::Form;
use crate::store::account::{Holding, HoldingRow};
use crate::store::aliases::AliasRow;
use crate::store::attempts::AttemptEnd;
use crate::store::contacts::ContactKey;
use crate::store::events::{EventFilter, EventRow};
use crate::store::inspect::inspect;

on_both_databases!(
    what_the_account_holds_is_what_it_told_last,
    a_fact_of_the_installation_is_kept_over_the_former_one,
    the_newest_event_of_a_source_and_the_first_call_taken_are_found_by_time,
    events_are_listed_by_what_is_asked,
    a_person_is_read_with_their_lines_by_the_first_key_that_somebody_has,
    a_look_from_outside_tells_the_schema_and_takes_nothing,
);

fn row(kind: Holding, uuid: &str, data: &str, seen_at_ms: i64) -> HoldingRow {
    HoldingRow { kind, uuid: uuid.into(), data: data.into(), seen_at_ms }
}

async fn what_the_account_holds_is_what_it_told_last(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    assert_eq!(tx.holdings().await.unwrap(), []);
    tx.put_holdings(Holding::Template, &[("t2", "{\"é\":\"'\"}".into()), ("t1", "{}".into())], 1).await.unwrap();
    tx.put_holdings(Holding::Team, &[], 2).await.unwrap();
    tx.put_holdings(Holding::Template, &[("t2", "[]".into()), ("t2", "[1]".into())], 3).await.unwrap();
    tx.commit().await.unwrap();
    let left =
        [row(Holding::Team, "", "", 2), row(Holding::Template, "", "", 3), row(Holding::Template, "t2", "[]", 3)];
    assert_eq!(rig.store.holdings().await.unwrap(), left);
}

async fn a_fact_of_the_installation_is_kept_over_the_former_one(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.remember(&[("a".into(), "1".into()), ("b".into(), "2".into())]).await.unwrap();
    tx.remember(&[("a".into(), "3".into())]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.remembered("a").await.unwrap().as_deref(), Some("3"));
    assert_eq!(rig.store.remembered("b").await.unwrap().as_deref(), Some("2"));
    assert_eq!(rig.store.remembered("c").await.unwrap(), None);
}

/// An id of this instant.
fn id(at_ms: i64, n: u128) -> String {
    ulid::Ulid::from_parts(at_ms.unsigned_abs(), n).to_string()
}

async fn the_newest_event_of_a_source_and_the_first_call_taken_are_found_by_time(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    let event = |source: &str, at_ms: i64| EventRow {
        source: source.into(),
        received_at_ms: at_ms,
        ..events::event(&id(at_ms, 7), &format!("k{at_ms}"))
    };
    tx.insert_events(&[event("callbell", NOON), event("callbell", NOON + 5), event("shop", NOON + 9)]).await.unwrap();
    let attempt = |at_ms: i64| Attempt {
        id: id(at_ms, 7),
        delivery: "d1".into(),
        n: u32::try_from(at_ms - NOON).unwrap(),
        form: Form::Text,
        started_at_ms: at_ms,
    };
    tx.insert_attempts(&[attempt(NOON + 1), attempt(NOON + 2), attempt(NOON + 3)], "n").await.unwrap();
    let end = |at_ms: i64, outcome: &'static str| AttemptEnd {
        id: id(at_ms, 7),
        ended_at_ms: at_ms + 100,
        outcome,
        http_status: None,
        code: None,
        error: None,
        message_uuid: None,
    };
    tx.end_attempts(&[end(NOON + 1, "refused"), end(NOON + 2, "accepted"), end(NOON + 3, "accepted")]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rig.store.heard_since("callbell", NOON).await.unwrap(), Some(NOON + 5));
    assert_eq!(rig.store.heard_since("callbell", NOON + 6).await.unwrap(), None);
    assert_eq!(rig.store.first_accepted_since(NOON).await.unwrap(), Some(NOON + 2));
    assert_eq!(rig.store.first_accepted_since(NOON + 3).await.unwrap(), Some(NOON + 3));
    assert_eq!(rig.store.first_accepted_since(NOON + 4).await.unwrap(), None);
}

async fn events_are_listed_by_what_is_asked(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    let event = |id: &str, source: &str, name: &str| EventRow {
        source: source.into(),
        name: name.into(),
        ..events::event(id, &format!("key of {id}"))
    };
    tx.insert_events(&[event("e1", "shop", "paid"), event("e2", "shop", "sent"), event("e3", "till", "paid")])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let word = |text: &str| Some(text.to_owned());
    let all = EventFilter { limit: 9, ..EventFilter::default() };
    for (filter, expected) in [
        (all.clone(), &["e3", "e2", "e1"][..]),
        (EventFilter { limit: 1, ..all.clone() }, &["e3"]),
        (EventFilter { name: word("paid"), ..all.clone() }, &["e3", "e1"]),
        (EventFilter { name: word("paid"), source: word("shop"), ..all.clone() }, &["e1"]),
        (EventFilter { id: word("e2"), ..all.clone() }, &["e2"]),
        (EventFilter { id: word("e2"), source: word("till"), ..all.clone() }, &[]),
    ] {
        let found = rig.store.list_events(&filter).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}

async fn a_person_is_read_with_their_lines_by_the_first_key_that_somebody_has(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    let line = Line { last_inbound_ms: Some(NOON), ..Line::default() };
    tx.upsert_lines(&[("c1".into(), "main".into(), line)]).await.unwrap();
    let alias = AliasRow {
        key: ContactKey::Phone("34600000009".into()),
        contact: "c1".into(),
        source: "mismatch",
        at_ms: NOON,
    };
    tx.insert_aliases(std::slice::from_ref(&alias)).await.unwrap();
    tx.commit().await.unwrap();
    for keys in [vec![ContactKey::Id("c1".into())], vec![ContactKey::Uuid("nobody".into()), alias.key]] {
        let (contact, lines) = rig.store.contact(&keys).await.unwrap().unwrap();
        assert_eq!((contact.id.as_str(), lines), ("c1", vec![("main".to_owned(), line)]), "{keys:?}");
    }
    assert_eq!(rig.store.contact(&[ContactKey::Alias("telegram:1".into())]).await.unwrap(), None);
}

/// While the writer of a running process holds the database.
async fn a_look_from_outside_tells_the_schema_and_takes_nothing(database: Database) {
    let mut rig = Rig::new(database).await;
    let tx = rig.begin().await;
    tx.commit().await.unwrap();
    let found = inspect(&rig.database.url).await.unwrap();
    assert_eq!((found.schema, found.refuses), (Some(found.expected), None));
    assert!(found.server.starts_with("SQLite 3.") || found.server.starts_with("PostgreSQL "), "{}", found.server);
    rig.begin().await.commit().await.unwrap();
}
