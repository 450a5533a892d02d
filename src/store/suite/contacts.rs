//! Contacts and their lines.

use super::{Database, NOON, Rig, is_refused, on_both_databases, person};
use crate::contact::Line;
use crate::contact::{Consent, Contact};
use crate::store::contacts::{ContactKey, ContactRow};
use serde_json::json;

on_both_databases!(
    a_contact_is_kept_whole_and_found_by_each_of_its_keys,
    a_contact_is_written_with_its_next_version_only,
    an_identifier_belongs_to_one_person,
    a_line_keeps_what_it_was_not_told,
    the_newest_contacts_come_first,
);

pub(super) fn contact(id: &str, version: i64) -> ContactRow {
    ContactRow { contact: person(id), version, found_as: None }
}

fn row(contact: Contact, version: i64) -> ContactRow {
    ContactRow { contact, version, found_as: None }
}

fn everything() -> Contact {
    Contact {
        uuid: Some("u1".into()),
        bsuid: Some("b1".into()),
        name: Some("Ana 👋 O'Neil".into()),
        tags: vec!["a".into(), "é\"".into()],
        custom: [("Ciudad".to_owned(), json!({"x": [1, null, "né"]}))].into(),
        blocked: true,
        told: true,
        consent: Some(Consent { proof: "event e1".into(), at_ms: NOON }),
        ..person("c1")
    }
}

async fn a_contact_is_kept_whole_and_found_by_each_of_its_keys(database: Database) {
    let mut rig = Rig::new(database).await;
    let written = everything();
    let mut tx = rig.begin().await;
    tx.upsert_contacts(&[row(written.clone(), 1), contact("c2", 1)]).await.unwrap();
    tx.commit().await.unwrap();
    let phone = written.phone.clone().unwrap().digits().to_owned();
    let keys = [
        ContactKey::Id("c1".into()),
        ContactKey::Uuid("u1".into()),
        ContactKey::Bsuid("b1".into()),
        ContactKey::Phone(phone),
    ];
    let mut tx = rig.begin().await;
    for key in &keys {
        let found = tx.contacts_by_keys(std::slice::from_ref(key)).await.unwrap();
        assert_eq!(found.len(), 1, "{key:?}");
        assert_eq!((&found[0].contact, found[0].version), (&written, 1), "{key:?}");
    }
    let crossed = [ContactKey::Id("u1".into()), ContactKey::Uuid("c1".into()), ContactKey::Phone("b1".into())];
    assert!(tx.contacts_by_keys(&crossed).await.unwrap().is_empty(), "each kind of key is its own");
    let mut all = tx.contacts_by_keys(&[&keys[..], &[ContactKey::Id("c2".into())]].concat()).await.unwrap();
    all.sort_by(|a, b| a.contact.id.cmp(&b.contact.id));
    all.dedup_by(|a, b| a.contact.id == b.contact.id);
    assert_eq!(all.iter().map(|row| row.contact.id.as_str()).collect::<Vec<_>>(), ["c1", "c2"]);
}

async fn a_contact_is_written_with_its_next_version_only(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.upsert_contacts(&[contact("c1", 1)]).await.unwrap();
    tx.upsert_contacts(&[row(everything(), 2)]).await.unwrap();
    tx.commit().await.unwrap();
    for stale in [1, 2, 4, 0] {
        let mut tx = rig.begin().await;
        let result = tx.upsert_contacts(&[contact("c9", 1), contact("c1", stale)]).await;
        assert!(is_refused(&result), "version {stale}: {result:?}");
        tx.rollback().await.unwrap();
    }
    let kept = rig.store.contacts(10).await.unwrap();
    assert_eq!(kept, [everything()]);
}

async fn an_identifier_belongs_to_one_person(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.upsert_contacts(&[row(everything(), 1)]).await.unwrap();
    let nobody = |id: &str| Contact { id: id.into(), ..Contact::default() };
    let unknown = [nobody("n1"), nobody("n2")].map(|contact| row(contact, 1));
    tx.upsert_contacts(&unknown).await.unwrap();
    tx.commit().await.unwrap();
    let others = [
        Contact { uuid: Some("u1".into()), ..nobody("x") },
        Contact { bsuid: Some("b1".into()), ..nobody("x") },
        Contact { phone: everything().phone, ..nobody("x") },
    ];
    for other in others {
        let mut tx = rig.begin().await;
        let result = tx.upsert_contacts(&[row(other, 1)]).await;
        assert!(is_refused(&result), "{result:?}");
        tx.rollback().await.unwrap();
    }
}

async fn a_line_keeps_what_it_was_not_told(database: Database) {
    let mut rig = Rig::new(database).await;
    let line = |last_inbound_ms, refused_at_ms| Line { last_inbound_ms, refused_at_ms, ..Line::default() };
    let row = |channel: &str, line| ("c1".to_owned(), channel.to_owned(), line);
    let mut tx = rig.begin().await;
    let first = [row("one", line(Some(1), None)), row("two", line(None, Some(5))), row("three", line(None, None))];
    tx.upsert_lines(&first).await.unwrap();
    tx.upsert_lines(&[row("one", line(None, Some(7))), row("two", line(Some(6), Some(9)))]).await.unwrap();
    let mut found = tx.lines(&["c1".into(), "c2".into()]).await.unwrap();
    found.sort_by(|a, b| a.1.cmp(&b.1));
    let expected =
        [row("one", line(Some(1), Some(7))), row("three", line(None, None)), row("two", line(Some(6), Some(9)))];
    assert_eq!(found, expected);
    assert!(tx.lines(&["c2".into()]).await.unwrap().is_empty());
}

async fn the_newest_contacts_come_first(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    tx.upsert_contacts(&[contact("a", 1), contact("c", 1), contact("b", 1)]).await.unwrap();
    tx.commit().await.unwrap();
    let ids: Vec<_> = rig.store.contacts(2).await.unwrap().into_iter().map(|contact| contact.id).collect();
    assert_eq!(ids, ["c", "b"]);
}
