//! Which events may be about a person, and whose number is near one.

use super::{Database, Rig, contact, events, on_both_databases, run};
use crate::contact::Phone;
use crate::store::contacts::ContactRow;
use crate::store::events::EventRow;
use crate::store::why::{Naming, NamingRow};

on_both_databases!(
    events_that_may_be_about_a_person_come_newest_first_however_the_number_is_written,
    near_numbers_are_found_by_patterns,
);

fn about(id: &str, contact: Option<&str>, data: &str) -> EventRow {
    EventRow { contact: contact.map(str::to_owned), data: data.into(), ..events::event(id, &format!("key of {id}")) }
}

async fn events_that_may_be_about_a_person_come_newest_first_however_the_number_is_written(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    let all = [
        about("e2", Some("c1"), "{}"),
        about("e3", None, r#"{"phone":"06 12-34.00 01"}"#),
        about("e4", Some("c2"), r#"{"phone":"+33612340002"}"#),
        about("e5", None, "{}"),
        about("e6", None, r#"{"uuid":"0a1b-2c3d"}"#),
    ];
    tx.insert_events(&all).await.unwrap();
    let started = crate::run::Run { event: "e5".into(), ..run("r9", "c1") };
    tx.insert_runs(&[&started]).await.unwrap();
    tx.commit().await.unwrap();
    let fits = |page: Vec<NamingRow>| {
        page.into_iter().map(|row| format!("{}{}", row.id, if row.fits { "+" } else { "" })).collect::<Vec<_>>()
    };
    let naming = Naming {
        contact: "c1".into(),
        names: vec!["12340001".into(), "0a1b2c3d".into()],
        after: "e1".into(),
        before: "e7".into(),
        most: 3,
    };
    assert_eq!(fits(rig.store.events_naming(&naming).await.unwrap()), ["e6+", "e5+", "e4"]);
    let rest = Naming { before: "e4".into(), ..naming };
    assert_eq!(fits(rig.store.events_naming(&rest).await.unwrap()), ["e3+", "e2+"]);
    let nobody = Naming { contact: String::new(), names: Vec::new(), most: 9, ..rest };
    assert_eq!(fits(rig.store.events_naming(&nobody).await.unwrap()), ["e3", "e2"]);
    let mut found: Vec<String> = rig
        .store
        .events(&["e2".into(), "e6".into(), "e8".into()])
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.id)
        .collect();
    found.sort();
    assert_eq!(found, ["e2", "e6"]);
}

async fn near_numbers_are_found_by_patterns(database: Database) {
    let mut rig = Rig::new(database).await;
    let mut tx = rig.begin().await;
    let known = |id: &str, digits: &str| {
        let mut row: ContactRow = contact(id, 1);
        row.contact.phone = Phone::from_vendor(digits).ok();
        row
    };
    tx.upsert_contacts(&[known("a", "33612340001"), known("b", "33612340002"), known("c", "33698765432")])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let like = |patterns: &[&str]| patterns.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let found = rig.store.phones_like(&like(&["3361234000_", "_3612340001", "%12340002"])).await.unwrap();
    assert_eq!(found, ["33612340001", "33612340002"]);
    assert_eq!(rig.store.phones_like(&[]).await.unwrap(), [] as [String; 0]);
}
