//! The consent ledger.

use super::{Database, NOON, Rig, on_both_databases};
use crate::consent::{Act, Entry};
use crate::contact::WithdrawalScope;

on_both_databases!(a_withdrawal_is_found_by_its_mark_and_the_history_by_either);

fn entry(id: &str, contact: &str, person: Option<&str>, act: Act) -> Entry {
    Entry {
        id: id.into(),
        at_ms: NOON,
        contact: contact.into(),
        person: person.map(str::to_owned),
        act,
        scope: WithdrawalScope::All,
        source: "word".into(),
        proof: "stop, event e1".into(),
    }
}

async fn a_withdrawal_is_found_by_its_mark_and_the_history_by_either(database: Database) {
    let mut rig = Rig::new(database).await;
    let entries = [
        entry("1", "c1", Some("m1"), Act::Given),
        entry("2", "c1", Some("m1"), Act::Withdrawn),
        entry("3", "c1", None, Act::Back),
        entry("4", "c2", Some("m2"), Act::Withdrawn),
        entry("5", "c3", Some("m1"), Act::Back),
    ];
    let mut tx = rig.begin().await;
    tx.insert_consents(&entries).await.unwrap();
    tx.insert_consents(&[]).await.unwrap();
    assert!(tx.insert_consents(&entries[..1]).await.is_err(), "an entry is written once");
    tx.rollback().await.unwrap();
    let mut tx = rig.begin().await;
    tx.insert_consents(&entries).await.unwrap();
    let found = tx.withdrawals_of(&["m1", "m3"]).await.unwrap();
    let of_first: Vec<_> = found["m1"].iter().map(|one| one.id.as_str()).collect();
    assert_eq!((of_first, found.len()), (vec!["2", "5"], 1));
    assert_eq!(found["m1"][0], entries[1]);
    tx.commit().await.unwrap();
    let ids = async |contact: &str, marks: &[String]| {
        let history = rig.store.consent_history(Some(contact), marks).await.unwrap();
        history.into_iter().map(|one| one.id).collect::<String>()
    };
    assert_eq!(ids("c1", &[]).await, "123");
    assert_eq!(ids("c3", &["m1".into(), "m2".into()]).await, "1245");
    assert_eq!(ids("c4", &["m4".into()]).await, "");
}
