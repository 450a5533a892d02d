//! Deliveries, attempts, early statuses, buckets, and what is due next.

use super::{Database, NOON, Rig, delivery, is_refused, on_both_databases, run};
use crate::contact::Line;
use crate::delivery::{Attempt, Delivery, DeliveryState, OutsideWindow, Purpose, VendorStatus};
use crate::message::{Category, Form, Media, MediaKind, Message, Plain, Template, TemplateKind};
use crate::run::Run;
use crate::store::attempts::AttemptEnd;
use crate::store::deliveries::{DeliveryFilter, DeliveryRow};

on_both_databases!(
    a_delivery_is_kept_whole,
    a_step_plans_one_delivery,
    a_delivery_moves_only_from_the_state_it_was_read_in,
    due_heads_are_claimed_oldest_first_with_the_facts_of_the_gate,
    a_line_has_one_head,
    a_call_under_way_or_in_doubt_blocks_its_line_only,
    what_stepped_out_of_its_line_blocks_nobody,
    a_stopped_run_cancels_what_was_not_handed_over,
    what_was_held_is_queued_again_in_line,
    what_is_under_way_or_overdue_is_found,
    deliveries_are_listed_by_state_run_and_contact,
    an_attempt_is_kept_ended_and_found_by_either_id,
    statuses_are_written_to_their_attempt,
    early_statuses_wait_once_each,
    an_early_status_is_found_once_its_answer_is_recorded_and_forgotten_by_age,
    what_waits_again_makes_its_channel_known,
    of_one_person_on_one_line_one_message_is_on_its_way,
    the_next_due_instant_is_the_earliest_that_time_alone_brings,
    what_waited_for_an_answer_of_the_account_keeps_its_place,
    every_lane_that_anything_waits_in_is_found,
    what_evidence_has_proven_stays_proven,
);

/// What is counted against a person: since when, and how many.
const COUNTED: (i64, usize) = (NOON - 1000, 2);

async fn rig(database: Database) -> Rig {
    let mut rig = Rig::with_run(database).await;
    let mut tx = rig.begin().await;
    tx.insert_runs(&[&run("r1", "c1"), &run("r2", "c2")]).await.unwrap();
    tx.commit().await.unwrap();
    rig
}

/// Stores deliveries, each in its own state with its own instants.
async fn store(rig: &mut Rig, deliveries: &[Delivery]) {
    let mut tx = rig.begin().await;
    tx.insert_deliveries(deliveries).await.unwrap();
    let was = DeliveryState::Queued;
    let rows: Vec<_> = deliveries.iter().cloned().map(|delivery| DeliveryRow { delivery, was, status: None }).collect();
    tx.update_deliveries(&rows.iter().collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn claim(rig: &mut Rig, most: usize) -> Vec<String> {
    let mut tx = rig.begin().await;
    let due = tx.claim_due_deliveries("main", most, COUNTED).await.unwrap();
    tx.rollback().await.unwrap();
    due.into_iter().map(|due| due.delivery.id).collect()
}

fn in_state(id: &str, contact: &str, state: DeliveryState, reason: &str, due_at_ms: i64) -> Delivery {
    Delivery { state, reason: reason.into(), due_at_ms, ..delivery(id, contact) }
}

async fn a_delivery_is_kept_whole(database: Database) {
    let mut rig = rig(database).await;
    let message = Message {
        plain: Some(Plain {
            text: Some("né\n👋".into()),
            media: Some(Media { kind: MediaKind::Image, url: "https://x/y".into() }),
        }),
        template: Some(Template {
            name: "t".into(),
            uuid: "u".into(),
            kind: TemplateKind::Image,
            category: Some(Category::Utility),
            values: vec!["a".into(), "é".into()],
            media_url: Some("https://x".into()),
        }),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
        verbatim: None,
        ..Message::default()
    };
    let planned =
        Delivery { message, purpose: Purpose::Marketing, outside_window: OutsideWindow::Skip, ..delivery("d1", "c1") };
    let mut tx = rig.begin().await;
    tx.insert_deliveries(std::slice::from_ref(&planned)).await.unwrap();
    let found = tx.deliveries(&["d1", "d2"]).await.unwrap();
    assert_eq!((found.len(), &found[0].delivery, found[0].was), (1, &planned, DeliveryState::Queued));
    assert_eq!(found[0].status, None);
    let moved = Delivery {
        state: DeliveryState::Accepted,
        reason: "né".into(),
        form: Some(Form::Template),
        due_at_ms: 1,
        line_at_ms: 2,
        fallback_used: true,
        attempts: 3,
        retries: 4,
        expires_at_ms: 5,
        reconcile_until_ms: Some(6),
        looks: 2,
        probable: Some("p".into()),
        possible_duplicate: true,
        duplicate_confirmed: true,
        ..planned
    };
    let row = DeliveryRow { delivery: moved.clone(), was: DeliveryState::Queued, status: Some(VendorStatus::Read) };
    tx.update_deliveries(&[&row]).await.unwrap();
    let found = tx.deliveries(&["d1"]).await.unwrap();
    assert_eq!((&found[0].delivery, found[0].status), (&moved, Some(VendorStatus::Read)));
    tx.commit().await.unwrap();
}

async fn a_step_plans_one_delivery(database: Database) {
    let mut rig = rig(database).await;
    let mut tx = rig.begin().await;
    let of_other_run = Delivery { run: "r2".into(), step: "d1".into(), ..delivery("d2", "c2") };
    tx.insert_deliveries(&[delivery("d1", "c1"), of_other_run]).await.unwrap();
    let again = tx.insert_deliveries(&[Delivery { step: "d1".into(), ..delivery("d3", "c1") }]).await;
    assert!(is_refused(&again), "{again:?}");
}

async fn a_delivery_moves_only_from_the_state_it_was_read_in(database: Database) {
    let mut rig = rig(database).await;
    store(&mut rig, &[delivery("d1", "c1"), delivery("d2", "c2")]).await;
    let move_from = |id: &str, was| DeliveryRow {
        delivery: Delivery { state: DeliveryState::Sending, ..delivery(id, "c1") },
        was,
        status: None,
    };
    let mut tx = rig.begin().await;
    tx.update_deliveries(&[&move_from("d1", DeliveryState::Queued)]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let (fresh, stale) = (move_from("d2", DeliveryState::Queued), move_from("d1", DeliveryState::Queued));
    let result = tx.update_deliveries(&[&fresh, &stale]).await;
    assert!(is_refused(&result), "{result:?}");
    tx.rollback().await.unwrap();
    let mut tx = rig.begin().await;
    assert_eq!(tx.deliveries(&["d2"]).await.unwrap()[0].was, DeliveryState::Queued);
}

async fn due_heads_are_claimed_oldest_first_with_the_facts_of_the_gate(database: Database) {
    let mut rig = rig(database).await;
    let later = Delivery { due_at_ms: NOON + 1, ..delivery("d3", "c3") };
    let early = Delivery { due_at_ms: NOON - 9, ..delivery("d2", "c2") };
    let elsewhere = Delivery { channel: "other".into(), ..delivery("d4", "c1") };
    store(&mut rig, &[delivery("d1", "c1"), early, later, elsewhere]).await;
    let line = Line { last_inbound_ms: Some(5), refused_at_ms: Some(6), ..Line::default() };
    let mut tx = rig.begin().await;
    let lines = [("c2".to_owned(), "main".to_owned(), line), ("c1".to_owned(), "other".to_owned(), line)];
    tx.upsert_lines(&lines).await.unwrap();
    let due = tx.claim_due_deliveries("main", 10, COUNTED).await.unwrap();
    tx.commit().await.unwrap();
    let facts: Vec<_> = due.iter().map(|due| (due.delivery.id.as_str(), due.contact.id.as_str(), due.line)).collect();
    assert_eq!(facts, [("d2", "c2", line), ("d1", "c1", Line::default())]);
    assert_eq!(claim(&mut rig, 1).await, ["d2"]);
    rig.clock.move_to(NOON + 1);
    assert_eq!(claim(&mut rig, 10).await, ["d2", "d1", "d3"]);
    let mut tx = rig.begin().await;
    assert!(tx.claim_due_deliveries("nowhere", 10, COUNTED).await.unwrap().is_empty());
}

async fn a_line_has_one_head(database: Database) {
    let mut rig = rig(database).await;
    let second = Delivery { line_at_ms: NOON + 1, ..delivery("d1", "c1") };
    let first = Delivery { line_at_ms: NOON, ..delivery("d9", "c1") };
    let equal = Delivery { line_at_ms: NOON, ..delivery("da", "c1") };
    store(&mut rig, &[second, first, equal]).await;
    assert_eq!(claim(&mut rig, 10).await, ["d9"], "by the instant they joined the line, then by id");
    let waits = in_state("d0", "c2", DeliveryState::Held, "backoff", NOON + 5);
    store(&mut rig, &[waits, delivery("d2", "c2")]).await;
    assert_eq!(claim(&mut rig, 10).await, ["d9"], "a head that waits for its next attempt keeps its place");
}

async fn a_call_under_way_or_in_doubt_blocks_its_line_only(database: Database) {
    let mut rig = rig(database).await;
    let sending = in_state("d1", "c1", DeliveryState::Sending, "", NOON);
    let doubt = Delivery {
        reconcile_until_ms: Some(NOON + 10),
        ..in_state("d2", "c2", DeliveryState::Uncertain, "reset", NOON)
    };
    let elsewhere = Delivery { channel: "other".into(), ..in_state("d3", "c3", DeliveryState::Sending, "", NOON) };
    let ended = in_state("d4", "c3", DeliveryState::Accepted, "", NOON);
    store(&mut rig, &[sending, doubt, elsewhere, ended]).await;
    store(&mut rig, &[delivery("e1", "c1"), delivery("e2", "c2"), delivery("e3", "c3")]).await;
    assert_eq!(claim(&mut rig, 10).await, ["e3"]);
    rig.clock.move_to(NOON + 10);
    assert_eq!(claim(&mut rig, 10).await, ["e2", "e3"], "after its deadline only its own run waits");
}

async fn what_stepped_out_of_its_line_blocks_nobody(database: Database) {
    let mut rig = rig(database).await;
    let reasons = ["window_closed", "template_paused", "template_category", "quiet_hours", "cap"];
    assert!(reasons.iter().all(|reason| crate::outbox::gate::steps_aside(reason)), "the gate and the claim agree");
    let held = |(n, reason): (usize, &&str)| in_state(&format!("d{n}"), "c1", DeliveryState::Held, reason, NOON + 10);
    let aside: Vec<Delivery> = reasons.iter().enumerate().map(held).collect();
    store(&mut rig, &aside).await;
    store(&mut rig, &[delivery("e1", "c1")]).await;
    assert_eq!(claim(&mut rig, 10).await, ["e1"]);
    store(&mut rig, &[in_state("a1", "c2", DeliveryState::Held, "channel_paused", NOON + 10), delivery("e2", "c2")])
        .await;
    assert_eq!(claim(&mut rig, 10).await, ["e1"]);
}

async fn states(rig: &mut Rig, ids: &[&str]) -> Vec<String> {
    let mut tx = rig.begin().await;
    let mut rows = tx.deliveries(ids).await.unwrap();
    tx.rollback().await.unwrap();
    rows.sort_by(|a, b| a.delivery.id.cmp(&b.delivery.id));
    let words = |row: &DeliveryRow| {
        let delivery = &row.delivery;
        format!("{} {} {} {}", delivery.id, delivery.state.as_str(), delivery.reason, delivery.due_at_ms - NOON)
    };
    rows.iter().map(words).collect()
}

async fn a_stopped_run_cancels_what_was_not_handed_over(database: Database) {
    let mut rig = rig(database).await;
    let other = Delivery { run: "r2".into(), ..delivery("d5", "c2") };
    let all = [
        delivery("d1", "c1"),
        in_state("d2", "c1", DeliveryState::Held, "backoff", NOON + 5),
        in_state("d3", "c1", DeliveryState::Sending, "", NOON),
        in_state("d4", "c1", DeliveryState::Accepted, "", NOON),
        other,
    ];
    store(&mut rig, &all).await;
    let mut tx = rig.begin().await;
    tx.cancel_deliveries_of(&[("r1".into(), "restarted".into()), ("r9".into(), "x".into())]).await.unwrap();
    tx.commit().await.unwrap();
    let expected =
        ["d1 cancelled restarted 0", "d2 cancelled restarted 5", "d3 sending  0", "d4 accepted  0", "d5 queued  0"];
    assert_eq!(states(&mut rig, &["d1", "d2", "d3", "d4", "d5"]).await, expected);
}

async fn what_was_held_is_queued_again_in_line(database: Database) {
    let mut rig = rig(database).await;
    let held = |id: &str, contact: &str, reason: &str| in_state(id, contact, DeliveryState::Held, reason, NOON + 50);
    let elsewhere = Delivery { channel: "other".into(), ..held("d4", "c1", "window_closed") };
    let all = [
        held("d1", "c1", "window_closed"),
        held("d2", "c1", "window_closed"),
        held("d3", "c1", "template_paused"),
        elsewhere,
        held("d5", "c2", "window_closed"),
        held("d6", "c3", "channel_paused"),
    ];
    store(&mut rig, &all).await;
    let ids = ["d1", "d2", "d3", "d4", "d5", "d6"];
    rig.clock.move_to(NOON + 7);
    let mut tx = rig.begin().await;
    tx.release_window_holds(&[("c1".into(), "main".into()), ("c9".into(), "main".into())]).await.unwrap();
    tx.commit().await.unwrap();
    let expected = [
        "d1 queued  7",
        "d2 queued  7",
        "d3 held template_paused 50",
        "d4 held window_closed 50",
        "d5 held window_closed 50",
        "d6 held channel_paused 50",
    ];
    assert_eq!(states(&mut rig, &ids).await, expected);
    assert_eq!(claim(&mut rig, 10).await, ["d1"], "one at a time, in the order in which they were planned");
    let mut tx = rig.begin().await;
    tx.release_holds(&["template_paused", "channel_paused"]).await.unwrap();
    let mut places: Vec<_> = tx.deliveries(&["d3", "d6"]).await.unwrap();
    places.sort_by(|a, b| a.delivery.id.cmp(&b.delivery.id));
    let places: Vec<_> = places.iter().map(|row| row.delivery.line_at_ms).collect();
    assert_eq!(places, [NOON + 7, NOON], "only what had stepped aside loses its place");
    tx.commit().await.unwrap();
    let after = states(&mut rig, &ids).await;
    assert_eq!([&after[2], &after[5]], ["d3 queued  7", "d6 queued  7"]);
}

async fn what_is_under_way_or_overdue_is_found(database: Database) {
    let mut rig = rig(database).await;
    let all = [
        in_state("d1", "c1", DeliveryState::Sending, "", NOON + 99),
        in_state("d2", "c2", DeliveryState::Sending, "", 0),
        in_state("d3", "c3", DeliveryState::Uncertain, "x", NOON),
        in_state("d4", "c3", DeliveryState::Uncertain, "x", NOON + 1),
        in_state("d5", "c3", DeliveryState::Uncertain, "asked", 0),
        delivery("d6", "c1"),
    ];
    store(&mut rig, &all).await;
    let mut tx = rig.begin().await;
    let ids = |rows: Vec<DeliveryRow>| {
        let mut ids: Vec<_> = rows.into_iter().map(|row| row.delivery.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(tx.unfinished_calls("n1", 10).await.unwrap()), ["d1", "d2"]);
    assert_eq!(tx.unfinished_calls("n1", 1).await.unwrap().len(), 1);
    assert_eq!(ids(tx.overdue_uncertain(10).await.unwrap()), ["d3"], "0 = a person was asked already");
}

async fn deliveries_are_listed_by_state_run_and_contact(database: Database) {
    let mut rig = rig(database).await;
    let other = Delivery { run: "r2".into(), ..delivery("d3", "c1") };
    store(&mut rig, &[delivery("d1", "c1"), in_state("d2", "c2", DeliveryState::Skipped, "expired", NOON), other])
        .await;
    let all = DeliveryFilter { limit: 10, ..DeliveryFilter::default() };
    let cases = [
        (all.clone(), vec!["d3", "d2", "d1"]),
        (DeliveryFilter { limit: 1, ..all.clone() }, vec!["d3"]),
        (DeliveryFilter { before: Some("d3".into()), ..all.clone() }, vec!["d2", "d1"]),
        (DeliveryFilter { states: vec![DeliveryState::Skipped], ..all.clone() }, vec!["d2"]),
        (DeliveryFilter { run: Some("r1".into()), ..all.clone() }, vec!["d2", "d1"]),
        (DeliveryFilter { contact: Some("c1".into()), ..all.clone() }, vec!["d3", "d1"]),
        (DeliveryFilter { contact: Some("c1".into()), run: Some("r2".into()), ..all }, vec!["d3"]),
    ];
    for (filter, expected) in cases {
        let found = rig.store.list_deliveries(&filter).await.unwrap();
        assert_eq!(found.iter().map(|row| row.delivery.id.as_str()).collect::<Vec<_>>(), expected, "{filter:?}");
    }
}

fn attempt(id: &str, n: u32) -> Attempt {
    Attempt { id: id.into(), delivery: "d1".into(), n, form: Form::Text, started_at_ms: NOON }
}

fn end(id: &str, message_uuid: Option<&str>) -> AttemptEnd {
    AttemptEnd {
        id: id.into(),
        ended_at_ms: NOON + 1,
        outcome: "accepted",
        http_status: Some(200),
        code: None,
        error: None,
        message_uuid: message_uuid.map(str::to_owned),
    }
}

async fn an_attempt_is_kept_ended_and_found_by_either_id(database: Database) {
    let mut rig = rig(database).await;
    store(&mut rig, &[delivery("d1", "c1"), delivery("d2", "c2")]).await;
    let mut tx = rig.begin().await;
    let other = Attempt { delivery: "d2".into(), form: Form::Template, ..attempt("a3", 1) };
    tx.insert_attempts(&[attempt("a2", 2), attempt("a1", 1), other], "node").await.unwrap();
    tx.end_attempts(&[end("a1", Some("u1"))]).await.unwrap();
    let failed = AttemptEnd {
        http_status: None,
        code: Some(131_047),
        error: Some("né".into()),
        outcome: "refused",
        ..end("a2", None)
    };
    tx.end_attempts(&[failed, end("a1", None)]).await.unwrap();
    tx.commit().await.unwrap();
    let kept = rig.store.attempts(&["d1", "d2"]).await.unwrap();
    let short: Vec<_> = kept.iter().map(|row| (row.id.as_str(), row.delivery.as_str(), row.n, row.form)).collect();
    assert_eq!(short, [("a1", "d1", 1, Form::Text), ("a2", "d1", 2, Form::Text), ("a3", "d2", 1, Form::Template)]);
    assert_eq!((kept[0].message_uuid.as_deref(), kept[0].http_status), (Some("u1"), Some(200)), "a uuid is never lost");
    let refused = (kept[1].outcome.as_deref(), kept[1].code, kept[1].error.as_deref(), kept[1].ended_at_ms);
    assert_eq!(refused, (Some("refused"), Some(131_047), Some("né"), Some(NOON + 1)));
    assert_eq!((kept[2].outcome.as_deref(), kept[2].ended_at_ms, kept[2].statuses.len()), (None, None, 0));
    let mut tx = rig.begin().await;
    for (uuid, id, expected) in
        [("u1", "", vec!["a1"]), ("", "a2", vec!["a2"]), ("u1", "a1", vec!["a1"]), ("x", "y", vec![])]
    {
        let mut found: Vec<_> = tx.attempts_by(&[(uuid, id)]).await.unwrap().into_iter().map(|row| row.id).collect();
        found.dedup();
        assert_eq!(found, expected, "{uuid} {id}");
    }
    let again = tx.insert_attempts(&[attempt("a4", 2)], "node").await;
    assert!(is_refused(&again), "a number is used once: {again:?}");
}

async fn statuses_are_written_to_their_attempt(database: Database) {
    let mut rig = rig(database).await;
    store(&mut rig, &[delivery("d1", "c1")]).await;
    let mut tx = rig.begin().await;
    tx.insert_attempts(&[attempt("a1", 1), attempt("a2", 2)], "node").await.unwrap();
    let mut rows = tx.attempts_by(&[("", "a1")]).await.unwrap();
    rows[0].statuses = vec!["sent".into(), "né".into()];
    tx.write_statuses(&rows.iter().collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let stale = tx.write_statuses(&rows.iter().collect::<Vec<_>>()).await;
    assert!(is_refused(&stale), "another node told of one meanwhile: {stale:?}");
    tx.rollback().await.unwrap();
    let kept = rig.store.attempts(&["d1"]).await.unwrap();
    assert_eq!((kept[0].statuses.clone(), kept[1].statuses.len()), (vec!["sent".to_owned(), "né".to_owned()], 0));
}

async fn early_statuses_wait_once_each(database: Database) {
    let mut rig = rig(database).await;
    let early = |uuid: &str, status: &str, event: &str| (uuid.to_owned(), status.to_owned(), event.to_owned());
    let mut tx = rig.begin().await;
    assert!(!tx.has_early_statuses().await.unwrap());
    tx.keep_early_statuses(&[early("u1", "sent", "{}"), early("u1", "failed", "x"), early("u2", "sent", "y")])
        .await
        .unwrap();
    tx.keep_early_statuses(&[early("u1", "sent", "again")]).await.unwrap();
    assert!(tx.has_early_statuses().await.unwrap());
    let mut found = tx.early_statuses(&["u1", "u3"]).await.unwrap();
    found.sort();
    assert_eq!(found, [early("u1", "failed", "x"), early("u1", "sent", "{}")], "the first telling is kept");
    tx.forget_early_statuses(&["u1"]).await.unwrap();
    assert!(tx.early_statuses(&["u1"]).await.unwrap().is_empty());
    assert_eq!(tx.early_statuses(&["u2"]).await.unwrap().len(), 1);
}

async fn an_early_status_is_found_once_its_answer_is_recorded_and_forgotten_by_age(database: Database) {
    let mut rig = rig(database).await;
    store(&mut rig, &[delivery("d1", "c1")]).await;
    let early = |uuid: &str| (uuid.to_owned(), "sent".to_owned(), "{}".to_owned());
    let mut tx = rig.begin().await;
    tx.keep_early_statuses(&[early("u1"), early("u2")]).await.unwrap();
    tx.insert_attempts(&[attempt("a1", 1)], "node").await.unwrap();
    assert!(tx.answered_early_statuses(10).await.unwrap().is_empty());
    tx.end_attempts(&[end("a1", Some("u1"))]).await.unwrap();
    assert_eq!(tx.answered_early_statuses(10).await.unwrap(), [early("u1")]);
    tx.forget_early_statuses_until(NOON - 1).await.unwrap();
    assert!(tx.has_early_statuses().await.unwrap());
    tx.forget_early_statuses_until(NOON).await.unwrap();
    assert!(!tx.has_early_statuses().await.unwrap());
}

async fn what_waits_again_makes_its_channel_known(database: Database) {
    let mut rig = rig(database).await;
    let on =
        |id: &str, channel: &str, state| Delivery { channel: channel.into(), ..in_state(id, "c1", state, "", NOON) };
    let before = [on("d1", "a", DeliveryState::Accepted), on("d2", "b", DeliveryState::Uncertain)];
    let third = on("d3", "c", DeliveryState::Uncertain);
    store(&mut rig, &[before[0].clone(), before[1].clone(), third.clone()]).await;
    let after = |delivery: &Delivery, state| DeliveryRow {
        delivery: Delivery { state, ..delivery.clone() },
        was: delivery.state,
        status: None,
    };
    let moved = [
        after(&before[0], DeliveryState::Held),
        after(&before[1], DeliveryState::Queued),
        after(&third, DeliveryState::Cancelled),
    ];
    let mut tx = rig.begin().await;
    tx.update_deliveries(&moved.iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(tx.planned_by.iter().collect::<Vec<_>>(), ["a", "b"]);
    tx.commit().await.unwrap();
}

async fn of_one_person_on_one_line_one_message_is_on_its_way(database: Database) {
    let mut rig = rig(database).await;
    let elsewhere = Delivery { channel: "other".into(), ..delivery("d3", "c1") };
    store(&mut rig, &[delivery("d1", "c1"), delivery("d2", "c1"), elsewhere]).await;
    let sends = |id: &str, channel: &str| DeliveryRow {
        delivery: Delivery { state: DeliveryState::Sending, channel: channel.into(), ..delivery(id, "c1") },
        was: DeliveryState::Queued,
        status: None,
    };
    let mut tx = rig.begin().await;
    tx.update_deliveries(&[&sends("d1", "main"), &sends("d3", "other")]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = rig.begin().await;
    let second = tx.update_deliveries(&[&sends("d2", "main")]).await;
    assert!(is_refused(&second), "whatever another node saw when it claimed: {second:?}");
}

async fn next_due(rig: &mut Rig, channels: &[&str]) -> Option<i64> {
    let mut tx = rig.begin().await;
    let (next, _) = tx.next_due_ms(channels, NOON - 60_000).await.unwrap();
    tx.rollback().await.unwrap();
    next.map(|at_ms| at_ms - NOON)
}

async fn the_next_due_instant_is_the_earliest_that_time_alone_brings(database: Database) {
    let mut rig = rig(database).await;
    assert_eq!(next_due(&mut rig, &["main", "other"]).await, None);
    store(&mut rig, &[delivery("d1", "c1"), in_state("d2", "c1", DeliveryState::Skipped, "", NOON + 1)]).await;
    assert_eq!(next_due(&mut rig, &["main", "other"]).await, None, "what is due already waits for something else");
    let elsewhere =
        Delivery { channel: "other".into(), ..in_state("d3", "c1", DeliveryState::Held, "backoff", NOON + 90) };
    store(&mut rig, &[elsewhere]).await;
    assert_eq!(next_due(&mut rig, &["main", "other"]).await, Some(90));
    assert_eq!(next_due(&mut rig, &["main"]).await, None);
    store(&mut rig, &[in_state("d4", "c2", DeliveryState::Uncertain, "x", NOON + 80)]).await;
    store(&mut rig, &[in_state("d5", "c3", DeliveryState::Uncertain, "asked", 0)]).await;
    assert_eq!(next_due(&mut rig, &["main"]).await, Some(80));
    let mut tx = rig.begin().await;
    tx.insert_runs(&[&Run { workflow: "w2".into(), wake_at_ms: Some(NOON + 70), ..run("r7", "c1") }]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(next_due(&mut rig, &["main", "other"]).await, Some(70));
    store(&mut rig, &[in_state("d6", "c3", DeliveryState::Held, "backoff", NOON + 60)]).await;
    assert_eq!(next_due(&mut rig, &["other", "main"]).await, Some(60));
    let many: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["main"]).collect();
    assert_eq!(next_due(&mut rig, &many).await, Some(60), "whatever part of the question it is in");
}

async fn what_waited_for_an_answer_of_the_account_keeps_its_place(database: Database) {
    let mut rig = rig(database).await;
    let held = |id: &str, contact: &str, reason: &str| in_state(id, contact, DeliveryState::Held, reason, NOON + 50);
    store(&mut rig, &[held("d1", "c1", "contact_unknown"), held("d2", "c1", "backoff")]).await;
    store(&mut rig, &[held("d3", "c2", "contact_unknown")]).await;
    rig.clock.move_to(NOON + 7);
    let mut tx = rig.begin().await;
    tx.release_unknown(&[("c1".into(), "main".into()), ("c2".into(), "other".into())]).await.unwrap();
    let line_at = tx.deliveries(&["d1"]).await.unwrap()[0].delivery.line_at_ms;
    tx.commit().await.unwrap();
    let after = states(&mut rig, &["d1", "d2", "d3"]).await;
    assert_eq!(after, ["d1 queued  7", "d2 held backoff 50", "d3 held contact_unknown 50"]);
    assert_eq!(line_at, NOON);
}

async fn every_lane_that_anything_waits_in_is_found(database: Database) {
    let mut rig = rig(database).await;
    let mut tx = rig.begin().await;
    assert!(tx.waiting_lanes(10).await.unwrap().is_empty());
    tx.rollback().await.unwrap();
    let on = |channel: &str, delivery: Delivery| Delivery { channel: channel.into(), ..delivery };
    let sent = on("sent", in_state("d5", "c1", DeliveryState::Accepted, "", NOON));
    let held = on("b", in_state("d4", "c1", DeliveryState::Held, "backoff", NOON));
    store(
        &mut rig,
        &[on("c", delivery("d1", "c1")), on("a", delivery("d2", "c1")), on("a", delivery("d3", "c2")), held, sent],
    )
    .await;
    let mut tx = rig.begin().await;
    assert_eq!(tx.waiting_lanes(10).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(tx.waiting_lanes(2).await.unwrap(), ["a", "b"]);
}

async fn what_evidence_has_proven_stays_proven(database: Database) {
    let mut rig = rig(database).await;
    store(&mut rig, &[delivery("d1", "c1")]).await;
    let mut tx = rig.begin().await;
    tx.insert_attempts(&[attempt("a1", 1), attempt("a2", 2)], "node").await.unwrap();
    tx.prove_attempts(&[("a1".into(), Some("u1".into())), ("a2".into(), None)]).await.unwrap();
    let lost = |id: &str| AttemptEnd { outcome: "uncertain", http_status: None, ..end(id, None) };
    tx.end_attempts(&[lost("a1"), lost("a2")]).await.unwrap();
    let kept = tx.attempts_of(&["d1"]).await.unwrap();
    let words: Vec<_> = kept.iter().map(|row| (row.outcome.as_deref(), row.message_uuid.as_deref())).collect();
    assert_eq!(words, [(Some("accepted"), Some("u1")), (Some("accepted"), None)]);
    assert!(kept.iter().all(|row| row.ended_at_ms == Some(NOON + 1)));
}
