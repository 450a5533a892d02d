//! Two processes on one database: who does what, and what becomes of the work of one that dies, falls silent or leaves.

use crate::database::Database;
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, seconds, unindent};
use crate::other_system::OtherSystem;
use crate::process::eventually;
use crate::targets::HttpTarget;
use futures_util::future::join_all;
use relance::connector::sandbox::Fault;
use relance::connector::webhook;
use relance::delivery::VendorStatus;
use relance::engine::{Busy, Engine};
use relance::event::NewEvent;
use serde_json::{Value, json};
use sqlx::Executor as _;
use std::collections::BTreeSet;

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
    events_told_to_two_nodes_are_each_dealt_with_once,
    a_schedule_fires_once_however_many_nodes_see_it_due,
    two_nodes_that_start_at_once_on_the_same_folder_both_serve,
    the_work_of_a_node_that_died_is_taken_over_within_35_seconds,
    an_answer_that_a_node_still_had_in_its_hands_settles_what_was_taken_over,
    a_refusal_that_comes_after_the_take_over_moves_nothing,
    a_node_that_was_thought_dead_goes_on,
    a_node_that_leaves_leaves_nothing_in_doubt,
    a_node_that_cannot_write_its_heartbeat_calls_nobody,
    a_call_whose_commit_took_too_long_is_given_up_before_its_first_byte,
    a_step_of_a_node_that_died_calls_again_at_another_under_the_same_key,
    a_campaign_of_a_node_that_died_goes_on_at_another,
    a_run_of_a_newer_deploy_goes_on_at_a_node_of_the_older,
    a_status_told_to_one_node_finds_the_answer_of_another,
    a_status_that_fell_between_two_nodes_is_swept_up,
    one_node_is_on_duty_for_a_target_of_the_relay,
);

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - send_message:
          text: 'Order {{event.order}}'
          template: order
          values: ['{{event.order}}']
";

fn later(wait: &str) -> String {
    let waits = format!("do:\n  - wait: {wait}");
    unindent(ORDER).replace("order.paid", "order.sent").replace("do:", &waits)
}

fn shop(database: Database) -> Plan {
    World::on(database)
        .template("order", "Your order {{1}}", &["order"])
        .workflow("order", ORDER)
        .workflow("later", &later("1h"))
}

async fn a_step_of_a_node_that_died_calls_again_at_another_under_the_same_key(database: Database) {
    let system = OtherSystem::start().await;
    let call = "name: Call\npurpose: utility\nwhen: { webhook: order.paid }\ncontact: { phone: '{{event.phone}}' }\ndo:\n  - http_request: { url: HOST }\n";
    let url = format!("http://127.0.0.1:{}/x", system.port);
    let plan = World::on(database).project("allow_hosts: [127.0.0.1]\n").workflow("call", &call.replace("HOST", &url));
    let mut world = plan.start().await;
    world.start_peer().await;
    system.close();
    world.post_to_peer(world.new_event("order.paid", order(ANA, 1))).await;
    system.hears(1).await;
    world.crash_peer().await;
    system.open();
    world.advance(seconds(20)).await;
    assert_eq!((world.run_states().await, system.asked().len()), (vec!["running".to_owned()], 1));
    world.advance(seconds(15)).await;
    let keys: BTreeSet<String> = system.asked().iter().map(|one| one.header("idempotency-key").to_owned()).collect();
    assert_eq!((world.run_states().await, system.asked().len(), keys.len()), (vec!["done".to_owned()], 2, 1));
}

async fn two_nodes(database: Database) -> World {
    let mut world = shop(database).start().await;
    world.start_peer().await;
    world
}

fn order(phone: &str, number: i64) -> Value {
    json!({"phone": phone, "order": number})
}

fn phone(n: i64) -> String {
    format!("+33612341{n:03}")
}

/// What each person got, in the order of numbers.
fn received(world: &World) -> Vec<String> {
    let mut all: Vec<_> = world.messages().iter().map(|one| format!("{} {}", one.phone, one.text)).collect();
    all.sort();
    all
}

async fn events_told_to_two_nodes_are_each_dealt_with_once(database: Database) {
    let world = two_nodes(database).await;
    let events =
        |name: &str| -> Vec<NewEvent> { (0..40).map(|n| world.new_event(name, order(&phone(n), n))).collect() };
    for name in ["order.paid", "order.sent"] {
        let events = events(name);
        let twice = events.iter().flat_map(|event| {
            [world.engine(), world.peer()].map(|engine| {
                let (engine, event) = (engine.clone(), event.clone());
                async move { engine.accept(event).await.unwrap().duplicate }
            })
        });
        let duplicates = join_all(twice).await.into_iter().filter(|duplicate| *duplicate).count();
        assert_eq!(duplicates, 40, "{name}: the second telling of each");
    }
    world.advance(seconds(5)).await;
    assert_eq!(world.messages().len(), 40);
    world.advance(hours(1)).await;
    let expected: Vec<String> = (0..40).flat_map(|n| vec![format!("{} Your order {n}", phone(n)); 2]).collect();
    assert_eq!(received(&world), expected);
    assert_eq!(world.run_states().await, vec!["done"; 80]);
    assert_eq!(world.attempts().await.len(), 80);
}

async fn a_schedule_fires_once_however_many_nodes_see_it_due(database: Database) {
    let text = format!(
        "
        name: Tick
        purpose: utility
        when: {{ schedule: every 10 minutes }}
        contact: {{ phone: '{ANA}' }}
        do:
          - send_message: {{ template: order, values: ['{{{{event.scheduled_at}}}}'] }}
        "
    );
    let mut world = shop(database).workflow("tick", &text).start().await;
    world.start_peer().await;
    world.advance(minutes(60)).await;
    world.advance(seconds(5)).await;
    let firings = world.store(|store| async move { store.firings(false, 100).await }).await;
    assert_eq!(firings.len(), 6, "{firings:?}");
    let texts: BTreeSet<String> = world.messages().into_iter().map(|one| one.text).collect();
    assert_eq!((texts.len(), world.messages().len()), (6, 6));
}

async fn two_nodes_that_start_at_once_on_the_same_folder_both_serve(database: Database) {
    let mut world = shop(database).start().await;
    world.crash().await;
    for round in 0..5 {
        // Definitions and schedules that neither of the two has seen.
        for n in 0..5 {
            let schedule = format!("{{ schedule: every day at 0{n}:0{round} }}");
            let text = unindent(ORDER)
                .replace("{ webhook: order.paid }", &schedule)
                .replace("'{{event.phone}}'", "+33612340001");
            world.change(&format!("tick_{n}"), &text.replace("{{event.order}}", &format!("tick {n} of {round}")));
        }
        world.start_both().await;
        world.post(world.new_event("order.paid", order(ANA, 2 * round))).await;
        world.post_to_peer(world.new_event("order.paid", order(BOB, 2 * round + 1))).await;
        world.settle().await;
        world.crash_peer().await;
        world.crash().await;
    }
    world.start_again().await;
    world.advance(seconds(5)).await;
    let texts: BTreeSet<String> = world.messages().into_iter().map(|one| one.text).collect();
    assert_eq!(texts, (0..10).map(|n| format!("Your order {n}")).collect::<BTreeSet<_>>());
    assert_eq!(world.messages().len(), 10);
}

async fn the_work_of_a_node_that_died_is_taken_over_within_35_seconds(database: Database) {
    let mut world = two_nodes(database).await;
    // The vendor does not tell of it either.
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.post_to_peer(world.new_event("order.sent", order(BOB, 1))).await;
    world.gate.close();
    world.post_to_peer(world.new_event("order.paid", order(ANA, 2))).await;
    world.gate.holds(1).await;
    world.crash_peer().await;
    world.advance(seconds(20)).await;
    assert_eq!(world.delivery_states().await, ["sending"], "20 s of silence prove nothing");
    world.advance(seconds(15)).await;
    assert_eq!(world.delivery_states().await, ["uncertain: the process ended while the call was open"]);
    world.gate.open();
    world.settle().await;
    world.advance(hours(1)).await;
    world.advance(seconds(5)).await;
    let mut states = world.delivery_states().await;
    states.sort();
    assert_eq!(states.len(), 2);
    assert!(states[0] == "accepted template" && states[1].starts_with("uncertain"), "{states:?}");
    assert_eq!(received(&world), [format!("{ANA} Your order 2"), format!("{BOB} Your order 1")]);
}

/// A call is open at the second node, and the first has taken its delivery over.
async fn taken_over(world: &World) {
    world.post_to_peer(world.new_event("order.paid", order(ANA, 1))).await;
    world.gate.holds(1).await;
    world.silence_peer().await;
    world.clock.move_to(world.clock.now_ms() + 6_000);
    let engine = world.engine().clone();
    world
        .within(async move {
            engine.look().await;
            engine.quiet().await
        })
        .await;
    assert_eq!(world.delivery_states().await, ["uncertain: the process ended while the call was open"]);
}

async fn an_answer_that_a_node_still_had_in_its_hands_settles_what_was_taken_over(database: Database) {
    let world = two_nodes(database).await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.gate.close();
    taken_over(&world).await;
    world.gate.open();
    world.settle().await;
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    assert_eq!(world.run_states().await, ["done"]);
    let attempts = world.attempts().await;
    assert_eq!((attempts.len(), attempts[0].outcome.as_deref()), (1, Some("accepted")));
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Enqueued));
}

async fn a_refusal_that_comes_after_the_take_over_moves_nothing(database: Database) {
    let world = two_nodes(database).await;
    world.sandbox.set_fault(Fault::TooMany, 1);
    world.gate.close();
    taken_over(&world).await;
    world.gate.open();
    world.settle().await;
    assert_eq!(world.delivery_states().await, ["uncertain: the process ended while the call was open"]);
    let attempts = world.attempts().await;
    assert_eq!((attempts.len(), attempts[0].outcome.as_deref()), (1, Some("not_sent")), "kept with its attempt");
}

async fn a_node_that_was_thought_dead_goes_on(database: Database) {
    let world = two_nodes(database).await;
    world.gate.close();
    taken_over(&world).await;
    world.gate.open();
    world.settle().await;
    world.post_to_peer(world.new_event("order.paid", order(BOB, 2))).await;
    world.advance(minutes(2)).await;
    assert_eq!(world.delivery_states().await, ["accepted template", "accepted template"]);
    assert_eq!(world.execute("select id from node").await, 2, "it is counted in again");
}

async fn a_node_that_leaves_leaves_nothing_in_doubt(database: Database) {
    let mut world = two_nodes(database).await;
    for n in 0..30 {
        world.post_to_peer(world.new_event("order.paid", order(&phone(n), n))).await;
    }
    world.post_to_peer(world.new_event("order.sent", order(BOB, 99))).await;
    world.drain_peer().await;
    assert_eq!(world.execute("select id from node").await, 1, "it said goodbye");
    // What it was about to ask the account for is asked by the other one when the hold for it ends.
    world.advance(seconds(15)).await;
    assert_eq!(world.delivery_states().await, vec!["accepted template"; 30]);
    world.advance(hours(1)).await;
    assert_eq!(world.messages().len(), 31);
}

async fn a_node_that_cannot_write_its_heartbeat_calls_nobody(database: Database) {
    let world = two_nodes(database).await;
    let node = world.peer().node().to_owned();
    // A row that refuses every change of its own.
    world
        .execute(&format!(
            "create function stuck() returns trigger language plpgsql as $$ begin
                if old.id = '{node}' then raise exception 'stuck'; end if; return new; end $$;
            create trigger stuck before update on node for each row execute function stuck()"
        ))
        .await;
    let (peer, event) = (world.peer().clone(), world.new_event("order.paid", order(ANA, 1)));
    let posted = event.clone();
    assert_eq!(peer.accept(posted).await.map(drop), Err(Busy));
    assert!(world.sandbox.calls().is_empty() && world.deliveries().await.is_empty());
    world.execute("drop trigger stuck on node").await;
    world.post_to_peer(event).await;
    world.settle().await;
    assert_eq!(world.messages().len(), 1);
}

/// The claim is held up inside its transaction until the heartbeat in it is too old for a call, and no other can be
/// written.
async fn a_call_whose_commit_took_too_long_is_given_up_before_its_first_byte(database: Database) {
    let world = shop(database).start().await;
    world
        .execute(
            "create table stuck (n bigint);
            create sequence refused;
            create function refuse() returns trigger language plpgsql as $$ begin
                if exists (select 1 from stuck) then perform nextval('refused'); raise exception 'stuck'; end if;
                return new;
            end $$;
            create trigger refuse before update on node for each row execute function refuse();
            create function wait() returns trigger language plpgsql as $$ begin
                perform set_config('lock_timeout', '0', true); perform pg_advisory_xact_lock(7); return new;
            end $$;
            create trigger wait before insert on attempt for each row execute function wait()",
        )
        .await;
    let mut holder = world.stranger().await;
    holder.execute("select pg_advisory_lock(7)").await.unwrap();
    let (engine, event) = (world.engine().clone(), world.new_event("order.paid", order(ANA, 1)));
    let posted = tokio::spawn(async move { engine.accept(event).await });
    let waits = "select 1 from pg_locks where locktype = 'advisory' and not granted";
    eventually("the claim waits", async || (world.execute(waits).await == 1).then_some(())).await;
    world.clock.move_to(world.clock.now_ms() + 6_000);
    world.execute("insert into stuck values (1)").await;
    holder.execute("select pg_advisory_unlock(7)").await.unwrap();
    posted.await.unwrap().unwrap();
    eventually("no heartbeat is taken", async || {
        (world.execute("select 1 from refused where is_called").await == 1).then_some(())
    })
    .await;
    world.execute("delete from stuck").await;
    world.settle().await;
    assert_eq!(world.sends(), 0);
    assert_eq!(world.delivery_states().await, ["held: backoff"]);
    world.advance(seconds(10)).await;
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    let outcomes: Vec<_> = world.attempts().await.into_iter().map(|one| one.outcome.unwrap()).collect();
    assert_eq!((outcomes, world.messages().len()), (vec!["not_sent".to_owned(), "accepted".to_owned()], 1));
}

async fn a_campaign_of_a_node_that_died_goes_on_at_another(database: Database) {
    let text = "
        name: Reminder
        purpose: utility
        when: { schedule: every day at 13:00 }
        audience: { file: audiences/members.csv }
        do:
          - stop: '{{event.name}}'
    ";
    let rows: String = (0..4000).map(|n| format!("+336{:08},Name{n}\n", 12_000_000 + n)).collect();
    let plan = shop(database).workflow("reminder", text).audience("members.csv", format!("phone,name\n{rows}"));
    let mut world = plan.start().await;
    world.start_peer().await;
    world.crash().await;
    world.clock.move_to(world.clock.now_ms() + 3_600_000);
    let store = world.peer().store().clone();
    world.peer().look().await;
    let cursor = loop {
        let firings = store.firings(true, 10).await.unwrap();
        if let Some(firing) = firings.first().filter(|firing| firing.cursor > 0) {
            break firing.cursor;
        }
        tokio::task::yield_now().await;
    };
    drop(store);
    world.crash_peer().await;
    assert!(cursor < 4000);
    world.start_again().await;
    world.settle().await;
    let campaign = async || world.store(|store| async move { store.firings(true, 10).await }).await.remove(0);
    let before = campaign().await;
    assert_eq!(before.state, "running", "whose it is has not been silent for long");
    world.advance(seconds(35)).await;
    let after = campaign().await;
    assert_eq!((after.state.as_str(), after.cursor, after.counts.started), ("done", 4000, 4000), "{after:?}");
    assert_eq!(after.node.as_deref(), Some(world.engine().node()));
    assert_eq!(world.runs().await.len(), 4000);
}

async fn a_run_of_a_newer_deploy_goes_on_at_a_node_of_the_older(database: Database) {
    let mut world = shop(database).start().await;
    world.change("later", &later("30m"));
    world.start_peer().await;
    world.post_to_peer(world.new_event("order.sent", order(ANA, 1))).await;
    world.crash_peer().await;
    world.advance(minutes(40)).await;
    assert_eq!(world.run_states().await, ["done"]);
    assert_eq!(world.sent(), ["template: Your order 1"]);
}

async fn a_status_told_to_one_node_finds_the_answer_of_another(database: Database) {
    let world = two_nodes(database).await;
    world.says(ANA, "hello").await;
    world.gate.close();
    world.post_to_peer(world.new_event("order.paid", order(ANA, 1))).await;
    world.gate.holds(1).await;
    let uuid = world.messages()[0].uuid.clone();
    let body = json!({"event": "message_status_updated", "payload": {
        "uuid": uuid, "status": "failed", "messageStatusPayload": {"payload": {"code": 470}},
    }});
    let raw = body.to_string();
    let incoming = webhook::read(raw.as_bytes(), world.clock.now_ms()).unwrap();
    world.engine().told(incoming, raw.into()).await.unwrap();
    assert_eq!(world.delivery_states().await, ["sending"]);
    world.gate.open();
    world.settle().await;
    assert_eq!(world.sent(), ["text: Order 1", "template: Your order 1"]);
}

async fn a_status_that_fell_between_two_nodes_is_swept_up(database: Database) {
    let world = two_nodes(database).await;
    world.sandbox.set_fault(Fault::WebhookOff, u64::MAX);
    world.event("order.paid", order(ANA, 1)).await;
    let uuid = world.messages()[0].uuid.clone();
    // Kept by one node while the other recorded the answer.
    let kept = json!({"status": "read", "code": null});
    let now_ms = world.clock.now_ms();
    let rows = format!("('{uuid}', 'read', '{kept}', {now_ms}), ('of the inbox', 'sent', '{kept}', {now_ms})");
    world.execute(&format!("insert into early_status (uuid, status, event, kept_at_ms) values {rows}")).await;
    world.advance(seconds(35)).await;
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Read));
    assert_eq!(world.execute("select uuid from early_status").await, 1);
    world.advance(minutes(11)).await;
    assert_eq!(world.execute("select uuid from early_status").await, 0, "nobody awaits it any more");
}

/// A message of the customer, told to one of the two.
async fn tell(engine: &Engine, now_ms: i64, uuid: &str) {
    let body = json!({"event": "message_created", "payload": {
        "uuid": uuid, "status": "received", "text": "hello", "contact": {"uuid": "ana"},
    }});
    let raw = body.to_string();
    let incoming = webhook::read(raw.as_bytes(), now_ms).unwrap();
    engine.told(incoming, raw.into()).await.unwrap();
}

async fn one_node_is_on_duty_for_a_target_of_the_relay(database: Database) {
    let target = HttpTarget::start().await;
    let relay = format!("relay:\n  - {{ url: {}, signature: callbell, secret: CRM_SECRET }}\n", target.url);
    let mut world = shop(database).project(&relay).start().await;
    world.start_peer().await;
    for n in 0..10 {
        let engine = if n % 2 == 0 { world.engine() } else { world.peer() };
        tell(engine, world.clock.now_ms(), &format!("{n}")).await;
        world.advance(seconds(5)).await;
    }
    assert_eq!(target.posts().len(), 10, "each is posted once, whoever was told of it");
    tell(world.peer(), world.clock.now_ms(), "last").await;
    world.crash_peer().await;
    tell(world.engine(), world.clock.now_ms(), "after it").await;
    world.advance(seconds(35)).await;
    let taken = target.taken();
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 12, "{taken:?}");
    assert_eq!(world.execute("select id from relay where state = 'queued'").await, 0);
    assert_eq!(world.execute("select name from duty").await, 1);
}
