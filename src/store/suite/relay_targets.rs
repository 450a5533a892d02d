//! Targets that were subscribed through the gateway, and what was handed on to them.

use super::{Database, NOON, Rig, on_both_databases};
use crate::store::dialect::Statement;
use crate::store::relay_targets::{RelayedFilter, TargetRow};
use crate::store::{Cell, Rows};

on_both_databases!(a_name_has_one_target, what_was_handed_on_is_listed_page_by_page);

static RELAY: Statement = Statement::new(
    "insert into relay (id, target, event, name, body, state, attempts, due_at_ms, expires_at_ms, http_status)
     select id, target, id, name, 'null', 'queued', attempts, 0, 0, http_status
     from {rows: id text, target text, name text, attempts bigint, http_status bigint} r",
);

async fn a_name_has_one_target(database: Database) {
    let mut rig = Rig::new(database).await;
    let target = |url: &str| TargetRow { name: "crm".into(), url: url.into(), events: vec![], created_at_ms: NOON };
    let mut tx = rig.begin().await;
    assert_eq!(tx.put_target(&target("https://one.example")).await.unwrap(), 1);
    assert_eq!(tx.put_target(&target("https://two.example")).await.unwrap(), 1);
    assert_eq!(tx.subscribed_targets().await.unwrap(), [target("https://two.example")]);
    assert_eq!(tx.drop_target("other").await.unwrap(), 0);
    assert_eq!(tx.drop_target("crm").await.unwrap(), 1);
    assert_eq!(tx.drop_target("crm").await.unwrap(), 0);
    tx.commit().await.unwrap();
}

async fn what_was_handed_on_is_listed_page_by_page(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    let mut rows = Rows::default();
    let all = [
        ("crm", "message_created", 1, Some(200)),
        ("crm", "contact_updated", 3, Some(500)),
        ("crm", "message_created", 1, None),
        ("crm", "message_created", 0, None),
        ("other", "message_created", 1, Some(200)),
    ];
    for (n, (target, name, attempts, status)) in all.into_iter().enumerate() {
        let id = ulid::Ulid::from_parts(NOON.unsigned_abs(), n as u128).to_string();
        let (attempts, status) = (Cell::Number(attempts), Cell::from(status));
        rows.push(&[Cell::Text(&id), Cell::Text(target), Cell::Text(name), attempts, status]);
    }
    tx.write(&RELAY, rows).await.unwrap();
    tx.commit().await.unwrap();
    let list = async |success, events: &[&str], page, items| {
        let events = events.iter().map(|name| (*name).to_owned()).collect();
        let filter = RelayedFilter { target: "crm".into(), success, events, page, items };
        let (rows, all) = rig.store.relayed(&filter).await.unwrap();
        assert!(rows.iter().all(|row| row.at_ms == NOON));
        (rows.into_iter().map(|row| row.http_status).collect::<Vec<_>>(), all)
    };
    assert_eq!(list(None, &[], 1, 3).await, (vec![None, None, Some(500)], 4));
    assert_eq!(list(None, &[], 2, 3).await, (vec![Some(200)], 4));
    assert_eq!(list(Some(true), &[], 1, 3).await, (vec![Some(200)], 1));
    assert_eq!(list(Some(false), &[], 1, 3).await, (vec![None, Some(500)], 2));
    assert_eq!(list(None, &["contact_updated", "x"], 1, 3).await, (vec![Some(500)], 1));
}
