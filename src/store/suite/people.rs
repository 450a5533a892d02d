//! What is open for a person, what is about them, and its erasure.

use super::{Database, NOON, Rig, delivery, events, on_both_databases, run};
use crate::delivery::DeliveryState;
use crate::run::{Progress, RunState};
use crate::store::aliases::AliasRow;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryFilter;
use crate::store::endings::EndingRow;
use crate::store::events::EventRow;
use crate::store::people::Numbers;
use serde_json::json;

on_both_databases!(
    open_work_comes_in_parts_and_what_began_later_is_left_out,
    pages_tell_which_events_are_about_a_person,
    what_is_erased_keeps_ids_and_states,
);

async fn open_work_comes_in_parts_and_what_began_later_is_left_out(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    let mut runs: Vec<_> = (1..=5).map(|n| run(&format!("r{n}"), "c1")).collect();
    runs.iter_mut().enumerate().for_each(|(n, run)| run.redrive = u32::try_from(n).unwrap());
    (runs[3].state, runs[3].ended_at_ms) = (RunState::Done, Some(NOON));
    runs[4].started_at_ms += 1;
    runs.push(run("r6", "c2"));
    tx.insert_runs(&runs.iter().collect::<Vec<_>>()).await.unwrap();
    let mut third = delivery("d3", "c2");
    third.run = "r3".into();
    let mut later = delivery("d4", "c1");
    later.planned_at_ms += 1;
    tx.insert_deliveries(&[delivery("d1", "c1"), delivery("d2", "c2"), third, later]).await.unwrap();
    let (started_ms, contact) = (runs[0].started_at_ms, "c1".to_owned());
    let row =
        EndingRow { id: "z".into(), contact, reason: "opted_out".into(), before_ms: started_ms, after: String::new() };
    let words = |(runs, unsent): (Vec<String>, Vec<String>)| format!("{}; {}", runs.join(" "), unsent.join(" "));
    assert_eq!(words(tx.open_work_of(&row, 9).await.unwrap()), "r1 r2 r3; d1");
    assert_eq!(words(tx.open_work_of(&row, 2).await.unwrap()), "r1 r2; d1");
    let mut rest = EndingRow { after: "r2".into(), ..row.clone() };
    assert_eq!(words(tx.open_work_of(&rest, 2).await.unwrap()), "r3; d1");
    rest.id = "r3".into();
    assert_eq!(words(tx.open_work_of(&rest, 2).await.unwrap()), "; d1", "it began after the wish");
    assert!(tx.open_ending().await.unwrap().is_none() && !tx.ending_goes_on().await.unwrap());
    tx.put_endings(std::slice::from_ref(&row)).await.unwrap();
    tx.put_endings(&[EndingRow { after: "r2".into(), ..row.clone() }]).await.unwrap();
    assert_eq!(tx.open_ending().await.unwrap(), Some(EndingRow { after: "r2".into(), ..row }));
    assert!(tx.ending_goes_on().await.unwrap());
    tx.delete_ending("z").await.unwrap();
    assert!(!tx.ending_goes_on().await.unwrap());
}

fn about(id: &str, contact: Option<&str>, data: &str) -> EventRow {
    EventRow { contact: contact.map(str::to_owned), data: data.into(), ..events::event(id, &format!("key of {id}")) }
}

async fn pages_tell_which_events_are_about_a_person(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    let all = [
        about("e2", Some("c1"), "{}"),
        about("e3", None, r#"{"phone":"+33612340001"}"#),
        about("e4", Some("c2"), r#"{"phone":"+33612340002"}"#),
        about("e5", None, "{}"),
        about("e6", Some("c2"), r#"{"to":"+33 6 12-34.00 01"}"#),
    ];
    tx.insert_events(&all).await.unwrap();
    let started = |id: &str, event: &str, contact: &str| crate::run::Run { event: event.into(), ..run(id, contact) };
    tx.insert_runs(&[&started("r1", "e5", "c1"), &started("r2", "e2", "c2")]).await.unwrap();
    let numbers = Numbers::new(["33612340001".to_owned()]);
    let fits = |page: Vec<crate::store::people::AboutRow>| {
        page.into_iter().map(|row| format!("{} {:?}", row.id, row.about)).collect::<Vec<_>>()
    };
    assert_eq!(fits(tx.events_about("c1", &numbers, "", 3).await.unwrap()), ["e1 Nothing", "e2 Several", "e3 Them"]);
    tx.commit().await.unwrap();
    assert_eq!(
        fits(rig.store.events_about("c1", &numbers, "e3", 3).await.unwrap()),
        ["e4 Nothing", "e5 Them", "e6 Another"]
    );
    let nobody = fits(rig.store.events_about("c9", &Numbers::default(), "", 9).await.unwrap());
    assert!(nobody.len() == 6 && nobody.iter().all(|row| row.ends_with("Nothing")), "{nobody:?}");
}

async fn what_is_erased_keeps_ids_and_states(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let evaluations = json!([{ "workflow": "w", "trigger": "t", "result": "started", "run": "r1", "reason": "a b" },
        { "workflow": "v", "trigger": "t", "result": "skipped", "reason": "limit" }]);
    let mut tx = rig.begin().await;
    let keyed = EventRow {
        dedupe_key: "crm 33612340001".into(),
        evaluations: evaluations.to_string(),
        ..about("e2", Some("c1"), r#"{"secret":1}"#)
    };
    tx.insert_events(&[keyed, about("e3", Some("c2"), r#"{"other":1}"#)]).await.unwrap();
    let mut told = run("r1", "c1");
    (told.state, told.reason) = (RunState::NeedsAttention, "the secret is wrong".into());
    told.progress =
        Progress { cursor: "1".into(), vars: json!({"a": "secret"}).as_object().unwrap().clone(), ..told.progress };
    tx.insert_runs(&[&told, &run("r2", "c2")]).await.unwrap();
    tx.insert_deliveries(&[delivery("d1", "c1")]).await.unwrap();
    let key = ContactKey::Phone("33612349999".into());
    tx.insert_aliases(&[AliasRow { key, contact: "c1".into(), source: "mismatch", at_ms: NOON }]).await.unwrap();
    assert_eq!(tx.names_of("c1").await.unwrap(), ["phone:33612349999"]);
    let numbers = Numbers::new(["33612340001".to_owned()]);
    assert!(tx.erase_events(&["e2".into()], &numbers).await.unwrap().is_empty());
    tx.erase_person("c1", &numbers).await.unwrap();
    assert!(tx.names_of("c1").await.unwrap().is_empty());
    assert!(tx.known_keys(&[("shop", "crm 33612340001")]).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    let event = rig.store.event("e2").await.unwrap().unwrap();
    assert_eq!(event.data, "{}");
    let kept: Vec<crate::event::Evaluation> = serde_json::from_str(&event.evaluations).unwrap();
    assert_eq!((kept[0].reason.as_str(), kept[0].run.as_deref(), kept[1].reason.as_str()), ("", Some("r1"), "limit"));
    assert_eq!(rig.store.event("e3").await.unwrap().unwrap().data, r#"{"other":1}"#);
    let erased = rig.store.run("r1").await.unwrap().unwrap().run;
    assert_eq!((erased.state, erased.reason.as_str()), (RunState::NeedsAttention, ""));
    assert_eq!(erased.progress, Progress::default());
    let rows = rig.store.list_deliveries(&DeliveryFilter { limit: 9, ..DeliveryFilter::default() }).await.unwrap();
    assert_eq!((rows[0].delivery.message.plain.is_none(), rows[0].was), (true, DeliveryState::Queued));
    assert_eq!(rig.store.deliveries_of("c1", 9).await.unwrap().len(), 1);
    assert!(rig.store.runs_of("c1", 9).await.unwrap().iter().all(|run| run.id == "r1"));
}
