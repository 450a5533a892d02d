//! What the account holds, what an installation remembers, and when something was heard and taken.

use super::{Database, NOON, Rig, events, on_both_databases};
use crate::delivery::Attempt;
use crate::message::Form;
use crate::store::account::{Holding, HoldingRow};
use crate::store::attempts::AttemptEnd;
use crate::store::events::EventRow;

on_both_databases!(
    what_the_account_holds_is_what_it_told_last,
    a_fact_of_the_installation_is_kept_over_the_former_one,
    the_newest_event_of_a_source_and_the_first_call_taken_are_found_by_time,
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
