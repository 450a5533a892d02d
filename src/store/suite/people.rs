//! What is open for a person, what is about them, and its erasure.

use super::{Database, NOON, Rig, delivery, events, on_both_databases, run};
use crate::delivery::DeliveryState;
use crate::run::{Progress, RunState};
use crate::store::aliases::AliasRow;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryFilter;
use crate::store::events::EventRow;
use crate::store::people::Numbers;
use serde_json::json;

on_both_databases!(
    open_work_is_bounded_and_the_rest_is_stopped_by_one_statement,
    pages_tell_which_events_are_about_a_person,
    what_is_erased_keeps_ids_and_states,
);

async fn open_work_is_bounded_and_the_rest_is_stopped_by_one_statement(database: Database) {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    let mut runs: Vec<_> = (1..=4).map(|n| run(&format!("r{n}"), "c1")).collect();
    runs.iter_mut().enumerate().for_each(|(n, run)| run.redrive = u32::try_from(n).unwrap());
    (runs[3].state, runs[3].ended_at_ms) = (RunState::Done, Some(NOON));
    runs.push(run("r5", "c2"));
    tx.insert_runs(&runs.iter().collect::<Vec<_>>()).await.unwrap();
    let mut third = delivery("d3", "c2");
    third.run = "r3".into();
    tx.insert_deliveries(&[delivery("d1", "c1"), delivery("d2", "c2"), third]).await.unwrap();
    let words = |ids: Vec<String>| ids.join(" ");
    let (own, unsent) = tx.open_work_of("c1", 9).await.unwrap();
    assert_eq!((words(own), words(unsent)), ("r1 r2 r3".into(), "d1".into()));
    let (own, _) = tx.open_work_of("c1", 2).await.unwrap();
    assert_eq!(words(own), "r1 r2");
    tx.stop_runs_beyond("c1", "r2", "opted_out").await.unwrap();
    let stopped = tx.runs(&["r3"]).await.unwrap().remove(0).run;
    assert_eq!((stopped.state, stopped.reason.as_str(), stopped.fence), (RunState::Stopped, "opted_out", 1));
    assert_eq!(tx.runs(&["r4", "r5"]).await.unwrap().iter().filter(|row| row.run.fence > 0).count(), 0);
    let states: Vec<_> = tx.deliveries(&["d2", "d3"]).await.unwrap();
    let state = |id: &str| states.iter().find(|row| row.delivery.id == id).map(|row| row.was);
    assert_eq!((state("d2"), state("d3")), (Some(DeliveryState::Queued), Some(DeliveryState::Cancelled)));
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
    ];
    tx.insert_events(&all).await.unwrap();
    let started = crate::run::Run { event: "e5".into(), ..run("r1", "c1") };
    tx.insert_runs(&[&started]).await.unwrap();
    let numbers = Numbers::new(["33612340001".to_owned()]);
    let fits = |page: Vec<crate::store::people::AboutRow>| {
        page.into_iter().map(|row| format!("{}{}", row.id, if row.fits { "+" } else { "" })).collect::<Vec<_>>()
    };
    assert_eq!(fits(tx.events_about("c1", &numbers, "", 3).await.unwrap()), ["e1", "e2+", "e3+"]);
    tx.commit().await.unwrap();
    assert_eq!(fits(rig.store.events_about("c1", &numbers, "e3", 3).await.unwrap()), ["e4", "e5+"]);
    let nobody = Numbers::default();
    assert_eq!(fits(rig.store.events_about("c9", &nobody, "", 9).await.unwrap()), ["e1", "e2", "e3", "e4", "e5"]);
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
