//! Two processes on one database, and live runs: one answer, one turn, one stop, whichever of them is told.

use crate::database::Database;
use crate::harness::{ANA, NOON, World, hours, minutes, seconds, words};
use bytes::Bytes;
use futures_util::future::join_all;
use relance::connector::webhook;
use relance::engine::Engine;
use relance::run::RunState;
use serde_json::{Value, json};

/// A file has one process; these are about servers on PostgreSQL.
macro_rules! on_postgres {
    ($($name:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $name() {
                Box::pin(super::$name(super::Database::postgres())).await;
            })*
        }
    };
}

on_postgres!(
    an_answer_told_to_two_nodes_counts_once,
    two_answers_at_two_nodes_are_one_answer,
    runs_about_the_same_go_one_after_the_other_on_two_nodes,
    a_node_of_the_older_deploy_stops_runs_of_the_newer,
    a_stop_of_many_runs_whose_node_died_goes_on_at_another,
);

const ASK: &str = "
    name: Ask
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - send_message: { template: ask }
      - id: answer
        wait_for_reply: { for: 1h, replies: [{ contains: 'yes', do: [{ send_message: { text: '{{steps.answer.text}}' } }] }] }
      - wait_for_reply: { for: 1h, replies: [{ contains: 'yes', do: [{ stop: again }] }] }
";

const SALE: &str = "
    name: Sale
    purpose: utility
    when: { webhook: sale.begun }
    contact: { phone: '{{event.phone}}' }
    stop_when: { webhook: sale.ended, same: [sale] }
    settings: { once_per: event.n, again: queue }
    do:
      - wait: 1m
      - send_message: { template: ask }
";

async fn two_nodes(database: Database) -> World {
    let plan = World::on(database).template("ask", "Is that right?", &[]).workflow("ask", ASK).workflow("sale", SALE);
    let mut world = plan.start().await;
    world.start_peer().await;
    world
}

fn phone(n: usize) -> String {
    format!("+3361234{n:04}")
}

fn said(uuid: &str, phone: &str, text: &str) -> Value {
    let at = jiff::Timestamp::from_millisecond(NOON + 5_000).unwrap().to_string();
    json!({"event": "message_created", "payload": {
        "uuid": uuid, "status": "received", "text": text, "createdAt": at,
        "contact": {"uuid": phone, "phoneNumber": phone.trim_start_matches('+')},
    }})
}

async fn tell(engine: &Engine, body: Value) {
    let raw = Bytes::from(body.to_string());
    let incoming = webhook::read(&raw, NOON + 5_000).unwrap();
    while engine.told(incoming.clone(), raw.clone()).await.is_err() {}
}

async fn asked(database: Database, people: usize) -> World {
    let world = two_nodes(database).await;
    world.events("order.paid", (0..people).map(|n| json!({"phone": phone(n)}))).await;
    world.advance(seconds(5)).await;
    assert!(world.runs().await.iter().all(|run| run.asks.is_some()));
    world
}

/// What was answered, and which runs went on past the second question.
async fn answered(world: &World) -> (usize, usize) {
    let runs = world.runs().await;
    let first = runs.iter().filter(|run| run.progress.steps.contains_key("answer")).count();
    (first, runs.iter().filter(|run| run.reason == "again").count())
}

async fn an_answer_told_to_two_nodes_counts_once(database: Database) {
    let world = asked(database, 20).await;
    let (one, two) = (world.engine().clone(), world.peer().clone());
    let tellings = (0..20).flat_map(|n| {
        [one.clone(), two.clone()]
            .map(|engine| async move { tell(&engine, said(&n.to_string(), &phone(n), "yes")).await })
    });
    join_all(tellings).await;
    world.settle().await;
    assert_eq!(answered(&world).await, (20, 0));
    world.advance(hours(2)).await;
    assert_eq!(world.messages().len(), 40);
}

async fn two_answers_at_two_nodes_are_one_answer(database: Database) {
    let world = asked(database, 20).await;
    let (one, two) = (world.engine().clone(), world.peer().clone());
    let tellings = (0..20).flat_map(|n| {
        [(one.clone(), "a"), (two.clone(), "b")].map(|(engine, which)| async move {
            tell(&engine, said(&format!("{n}{which}"), &phone(n), &format!("yes {which}"))).await;
        })
    });
    join_all(tellings).await;
    world.settle().await;
    // Between the first answer and the second question a message has to leave: the other answer came before that.
    let (first, _) = answered(&world).await;
    assert_eq!(first, 20);
    world.advance(hours(2)).await;
    let answers = world.messages().into_iter().filter(|message| message.text.starts_with("yes")).count();
    assert_eq!(answers, 20);
}

async fn runs_about_the_same_go_one_after_the_other_on_two_nodes(database: Database) {
    let world = two_nodes(database).await;
    let events: Vec<_> =
        (0..24).map(|n| world.new_event("sale.begun", json!({"phone": phone(n), "n": n % 3, "sale": 1}))).collect();
    let (one, two) = (world.engine().clone(), world.peer().clone());
    let offers = events.into_iter().enumerate().map(|(n, event)| {
        let engine = if n % 2 == 0 { one.clone() } else { two.clone() };
        async move { engine.accept(event).await.unwrap() }
    });
    join_all(offers).await;
    for done in 0..=8 {
        let runs = world.runs().await;
        let under_way = runs.iter().filter(|run| run.state == RunState::Waiting).count();
        let ended = runs.iter().filter(|run| run.state == RunState::Done).count();
        assert_eq!((under_way, ended), (if done < 8 { 3 } else { 0 }, done * 3));
        world.advance(minutes(1)).await;
    }
    assert_eq!(world.messages().len(), 24);
}

async fn a_node_of_the_older_deploy_stops_runs_of_the_newer(database: Database) {
    let mut world = two_nodes(database).await;
    world.crash_peer().await;
    world.change("sale", &SALE.replace("sale.ended", "sale.over"));
    world.start_peer().await;
    // They hear of each other every five seconds, and need not wait for that.
    world.post_to_peer(world.new_event("sale.begun", json!({"phone": ANA, "n": 1, "sale": 1}))).await;
    let over = world.event("sale.over", json!({"sale": "1"})).await;
    assert_eq!(words(&over.evaluations), ["sale stopped"]);
    assert_eq!(world.run_states().await, ["stopped: sale.over"]);
    world.advance(minutes(2)).await;
}

async fn a_stop_of_many_runs_whose_node_died_goes_on_at_another(database: Database) {
    let mut world = two_nodes(database).await;
    for part in (0..1_200).collect::<Vec<_>>().chunks(200) {
        world.events("sale.begun", part.iter().map(|n| json!({"phone": phone(*n), "n": n, "sale": 1}))).await;
    }
    world.post_to_peer(world.new_event("sale.ended", json!({"sale": 1}))).await;
    world.crash_peer().await;
    world.advance(seconds(40)).await;
    assert!(world.run_states().await.iter().all(|state| state == "stopped: sale.ended"));
    world.advance(minutes(2)).await;
    assert!(world.messages().is_empty());
}
