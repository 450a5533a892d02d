//! The life of a version: what a deploy moves, what becomes of live runs, and of folders that are older than what serves.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, seconds, unindent};
use relance::engine::{Busy, InFlight, Manner};
use serde_json::{Value, json};

on_both_databases!(
    a_folder_that_is_older_than_what_serves_does_not_take_it_back,
    a_folder_taken_back_under_a_running_server_is_deployed,
    a_run_that_has_sent_nothing_begins_anew_on_the_new_version,
    a_run_that_has_sent_something_ends_as_it_began,
    a_run_that_the_new_version_would_not_start_is_only_stopped,
    what_a_person_is_told_once_is_told_once_by_a_run_begun_anew,
    runs_of_a_changed_workflow_are_cancelled,
    what_a_dead_process_left_of_it_is_done_by_the_next,
    what_the_account_says_of_templates_is_no_new_version,
);

mod on_postgres {
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_node_with_an_older_folder_leaves_the_schedules_of_the_newer_alone() {
        Box::pin(super::a_node_with_an_older_folder_leaves_the_schedules_of_the_newer_alone()).await;
    }
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_other_nodes_follow_a_deploy() {
        Box::pin(super::the_other_nodes_follow_a_deploy()).await;
    }
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_node_that_cannot_read_what_serves_ends_what_it_began_and_begins_nothing() {
        Box::pin(super::a_node_that_cannot_read_what_serves_ends_what_it_began_and_begins_nothing()).await;
    }
}

/// Sends its words after an hour.
fn order(words: &str) -> String {
    unindent(&format!(
        "
        name: Order
        purpose: utility
        when: {{ webhook: order.paid }}
        contact: {{ phone: '{{{{event.phone}}}}' }}
        do:
          - wait: 1h
          - send_message: {{ template: order, values: ['{words} {{{{event.order}}}}'] }}
        "
    ))
}

fn shop(database: Database) -> Plan {
    World::on(database).template("order", "Your {{1}}", &["order"]).workflow("order", &order("first"))
}

/// A world whose processes do this with live runs.
async fn deploying(plan: Plan, in_flight: InFlight) -> World {
    let mut world = plan.start().await;
    world.manner = Manner { in_flight, goes_back: false };
    world.restart().await;
    world
}

fn paid(number: i64) -> Value {
    json!({"phone": ANA, "order": number})
}

async fn number(world: &World) -> i64 {
    world.store(|store| async move { store.current_deploy().await }).await.unwrap().number
}

async fn a_folder_that_is_older_than_what_serves_does_not_take_it_back(database: Database) {
    let mut world = shop(database).start().await;
    assert_eq!(number(&world).await, 1);
    world.restart().await;
    assert_eq!(number(&world).await, 1, "the same folder is no other deploy");
    world.change("order", &order("second"));
    world.restart().await;
    assert_eq!(number(&world).await, 2);
    world.change("order", &order("first"));
    world.restart().await;
    assert_eq!(number(&world).await, 2);
    world.event("order.paid", paid(1)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Your second 1"]);
    world.manner.goes_back = true;
    world.restart().await;
    assert_eq!(number(&world).await, 3, "an operator who wants to goes back");
    world.event("order.paid", paid(2)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Your second 1", "template: Your first 2"]);
    let acts = world.store(|store| async move { store.audit(10).await }).await;
    let subjects: Vec<String> = acts.into_iter().map(|act| format!("{} {}", act.act, act.subject)).collect();
    assert_eq!(subjects, ["deploy deploy 3", "deploy deploy 2", "deploy deploy 1"]);
}

async fn a_folder_taken_back_under_a_running_server_is_deployed(database: Database) {
    let mut world = shop(database).start().await;
    for (words, expected) in [("second", 2), ("first", 3), ("first", 3)] {
        world.change("order", &order(words));
        world.deploy().await;
        assert_eq!(number(&world).await, expected, "{words}");
    }
    world.event("order.paid", paid(1)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Your first 1"]);
}

async fn a_run_that_has_sent_nothing_begins_anew_on_the_new_version(database: Database) {
    let mut world = deploying(shop(database), InFlight::Restart).await;
    world.event("order.paid", paid(1)).await;
    world.advance(minutes(50)).await;
    world.change("order", &order("second"));
    world.deploy().await;
    world.advance(seconds(20)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "waiting"]);
    let runs = world.runs().await;
    assert_eq!((runs[1].redrive_of.as_ref(), runs[1].redrive), (Some(&runs[0].id), 1));
    assert_eq!(runs[1].event, runs[0].event);
    assert_ne!(runs[1].definition, runs[0].definition);
    world.advance(minutes(30)).await;
    assert_eq!(world.sent(), Vec::<String>::new(), "its hour begins anew");
    world.advance(minutes(30)).await;
    assert_eq!(world.sent(), ["template: Your second 1"]);
    // Once more, from a run that was begun anew itself.
    world.event("order.paid", paid(2)).await;
    for words in ["third", "fourth"] {
        world.change("order", &order(words));
        world.deploy().await;
        world.advance(seconds(20)).await;
    }
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Your second 1", "template: Your fourth 2"]);
    assert_eq!(world.runs().await.last().unwrap().redrive, 2);
}

async fn a_run_that_has_sent_something_ends_as_it_began(database: Database) {
    let twice = |words: &str| {
        order(words) + &order(words).split_once("do:\n").unwrap().1.replace("values: ['", "values: ['again ")
    };
    let mut world = deploying(shop(database).workflow("order", &twice("first")), InFlight::Restart).await;
    world.event("order.paid", paid(1)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Your first 1"]);
    world.change("order", &twice("second"));
    world.deploy().await;
    world.advance(hours(2)).await;
    assert_eq!(world.sent(), ["template: Your first 1", "template: Your again first 1"]);
    assert_eq!(world.run_states().await, ["done"]);
}

async fn a_run_that_the_new_version_would_not_start_is_only_stopped(database: Database) {
    let picky = || order("second").replace("do:\n", "if: event.order > 1\ndo:\n");
    let mut world = deploying(shop(database), InFlight::Restart).await;
    world.event("order.paid", paid(1)).await;
    world.event("order.paid", paid(2)).await;
    world.change("order", &picky());
    world.deploy().await;
    world.advance(seconds(20)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "stopped: restarted", "waiting"]);
    // Its trigger is gone altogether.
    world.change("order", &picky().replace("order.paid", "order.sent"));
    world.deploy().await;
    world.advance(hours(2)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted"; 3]);
    assert_eq!(world.sends(), 0);
}

async fn what_a_person_is_told_once_is_told_once_by_a_run_begun_anew(database: Database) {
    let once = |words: &str| order(words).replace("do:\n", "settings: { once_per: event.order }\ndo:\n");
    let mut world = deploying(shop(database).workflow("order", &once("first")), InFlight::Restart).await;
    world.event("order.paid", paid(1)).await;
    world.change("order", &once("second"));
    world.deploy().await;
    world.advance(seconds(20)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "waiting"]);
    world.event("order.paid", json!({"phone": BOB, "order": 1})).await;
    world.advance(hours(2)).await;
    assert_eq!(world.sent(), ["template: Your second 1"], "the new run holds what the old one held");
}

async fn runs_of_a_changed_workflow_are_cancelled(database: Database) {
    let plan = shop(database).workflow("kept", &order("kept")).workflow("gone", &order("gone"));
    let mut world = deploying(plan, InFlight::Cancel).await;
    world.event("order.paid", paid(1)).await;
    world.change("order", &order("second"));
    world.remove("gone");
    world.deploy().await;
    world.advance(hours(2)).await;
    let runs = world.runs().await;
    let mut ended: Vec<String> =
        runs.iter().map(|run| format!("{} {} {}", run.workflow, run.state.as_str(), run.reason)).collect();
    ended.sort();
    assert_eq!(ended, ["gone done ", "kept done ", "order stopped cancelled"]);
    let mut sent = world.sent();
    sent.sort();
    assert_eq!(sent, ["template: Your gone 1", "template: Your kept 1"]);
}

async fn what_a_dead_process_left_of_it_is_done_by_the_next(database: Database) {
    let mut world = shop(database).start().await;
    world.event("order.paid", paid(1)).await;
    world.change("order", &order("second"));
    world.deploy().await;
    world.settle().await;
    assert_eq!(world.run_states().await, ["waiting"]);
    // As if it had been killed right after the commit of the deploy.
    world.crash().await;
    world.execute("update deploy set in_flight = 'restart' where number = 2").await;
    world.start_again().await;
    world.advance(seconds(60)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "waiting"]);
    let left = world.store(|store| async move { store.current_deploy().await }).await.unwrap().in_flight;
    assert_eq!(left, "", "it is done once");
}

async fn what_the_account_says_of_templates_is_no_new_version(database: Database) {
    let mut world = deploying(shop(database), InFlight::Cancel).await;
    world.event("order.paid", paid(1)).await;
    world.edit("templates.lock.json", "utility", "marketing");
    world.deploy_unchecked().await;
    world.advance(seconds(20)).await;
    assert_eq!((number(&world).await, world.run_states().await), (2, vec!["waiting".to_owned()]));
    world.may_leave_work();
}

async fn a_node_with_an_older_folder_leaves_the_schedules_of_the_newer_alone() {
    let tick = format!(
        "
        name: Tick
        purpose: utility
        when: {{ schedule: every 10 minutes }}
        contact: {{ phone: '{ANA}' }}
        do:
          - send_message: {{ template: order, values: ['{{{{event.scheduled_at}}}}'] }}
        "
    );
    let mut world = shop(Database::postgres()).start().await;
    world.change("tick", &tick);
    world.start_peer().await;
    assert_eq!(number(&world).await, 2);
    world.remove("tick");
    world.restart().await;
    world.crash_peer().await;
    world.advance(minutes(30)).await;
    let firings = world.store(|store| async move { store.firings(false, 100).await }).await;
    assert_eq!((firings.len(), world.messages().len()), (3, 3), "{firings:?}");
}

async fn the_other_nodes_follow_a_deploy() {
    let mut world = shop(Database::postgres()).start().await;
    world.start_peer().await;
    // The peer read the same folder; the first one is told to read another.
    world.change("order", &order("second"));
    world.deploy().await;
    world.advance(seconds(6)).await;
    world.post_to_peer(world.new_event("order.paid", paid(1))).await;
    world.advance(hours(1)).await;
    assert_eq!(world.sent(), ["template: Your second 1"]);
}

async fn a_node_that_cannot_read_what_serves_ends_what_it_began_and_begins_nothing() {
    let world = shop(Database::postgres()).start().await;
    world.event("order.paid", paid(1)).await;
    world.advance(minutes(30)).await;
    world.event("order.paid", paid(2)).await;
    world.gate.close();
    world.clock.move_to(world.clock.now_ms() + 30 * 60_000);
    world.engine().look().await;
    world.gate.holds(1).await;
    let deployed = "insert into deploy (number, hash, files, node, at_ms, in_flight)";
    world.execute(&format!("{deployed} values (9, 'x', '{{}}', '', 0, '')")).await;
    let (engine, event) = (world.engine().clone(), world.new_event("order.paid", paid(3)));
    let told = event.clone();
    assert_eq!(world.within(async move { engine.accept(told).await }).await.map(drop), Err(Busy));
    assert!(world.engine().is_behind());
    world.gate.open();
    world.settle().await;
    assert_eq!(world.delivery_states().await, ["accepted template"], "the result of an open call is written");
    world.advance(hours(2)).await;
    assert_eq!((world.sends(), world.runs().await.len()), (1, 2));
    let alerts = world.engine().alerts().await.unwrap();
    assert_eq!(alerts.iter().map(|alert| alert.name.as_str()).collect::<Vec<_>>(), ["behind", "overdue"]);
    world
        .execute(&format!("{deployed} select 10, hash, files, node, at_ms, in_flight from deploy where number = 1"))
        .await;
    world.advance(seconds(6)).await;
    assert_eq!((world.sends(), world.engine().is_behind()), (2, false), "as soon as it can be read");
    world.post(event).await;
    world.advance(hours(1)).await;
    assert_eq!(world.sends(), 3);
}
