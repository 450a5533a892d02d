//! Other names of people.

use super::contacts::contact;
use super::{Database, NOON, Rig, on_both_databases, person};
use crate::store::aliases::AliasRow;
use crate::store::contacts::ContactKey;

on_both_databases!(a_person_is_found_by_another_name, a_name_belongs_to_who_had_it_first);

fn alias(key: &ContactKey, contact: &str) -> AliasRow {
    AliasRow { key: key.clone(), contact: contact.into(), source: "mismatch", at_ms: NOON }
}

async fn a_person_is_found_by_another_name(database: Database) {
    let mut rig = Rig::new(database).await;
    let (number, telegram) = (ContactKey::Phone("525512345678".into()), ContactKey::Alias("telegram:7".into()));
    let mut tx = rig.begin().await;
    tx.upsert_contacts(&[contact("c1", 1), contact("c2", 1)]).await.unwrap();
    tx.insert_aliases(&[alias(&number, "c1"), alias(&telegram, "c2")]).await.unwrap();
    tx.insert_aliases(&[alias(&ContactKey::Uuid("u".into()), "c2")]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let own = ContactKey::Phone(person("c2").phone.unwrap().digits().into());
    for (key, id, found_as) in [(&number, "c1", Some(&number)), (&telegram, "c2", Some(&telegram)), (&own, "c2", None)]
    {
        let found = tx.contacts_by_keys(std::slice::from_ref(key)).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| (row.contact.id.as_str(), row.found_as.as_ref())).collect();
        assert_eq!(found, [(id, found_as)]);
    }
    let strangers = [ContactKey::Alias("phone:1".into()), ContactKey::Uuid("u".into()), ContactKey::Id("c3".into())];
    assert!(tx.contacts_by_keys(&strangers).await.unwrap().is_empty());
}

async fn a_name_belongs_to_who_had_it_first(database: Database) {
    let mut rig = Rig::new(database).await;
    let number = ContactKey::Phone("525512345678".into());
    let mut tx = rig.begin().await;
    tx.upsert_contacts(&[contact("c1", 1), contact("c2", 1)]).await.unwrap();
    tx.insert_aliases(&[alias(&number, "c1"), alias(&number, "c2")]).await.unwrap();
    tx.insert_aliases(&[alias(&number, "c2")]).await.unwrap();
    let found = tx.contacts_by_keys(&[number]).await.unwrap();
    assert_eq!(found.iter().map(|row| row.contact.id.as_str()).collect::<Vec<_>>(), ["c1"]);
}
