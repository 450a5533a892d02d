//! `http_request`: what is called, how often, and what is left of it whatever the other side does.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, BOOKING_SECRET, Plan, World, hours, minutes, seconds, unindent};
use crate::other_system::{Answer, OtherSystem, says};
use relance::call::CallState;
use serde_json::{Value, json};
use std::collections::HashSet;

on_both_databases!(
    a_call_is_made_once_with_everything_filled_in_and_its_answer_is_there_for_the_next_steps,
    what_may_go_better_later_is_called_again_under_the_same_key_as_late_as_the_other_side_asks,
    other_refusals_fail_the_step_at_once_and_say_so,
    a_host_that_is_listed_no_more_is_not_called_by_runs_that_began_before,
    a_secret_reaches_the_wire_and_nothing_else,
    a_call_that_a_kill_cut_off_is_made_again_under_the_same_key,
    a_step_that_kills_its_process_again_and_again_is_put_aside,
    answers_that_never_end_or_lead_elsewhere_have_a_stated_result,
    a_slow_host_holds_up_no_other_and_no_more_calls_are_open_than_there_are_slots,
    the_result_of_a_call_waits_for_a_run_that_was_paused_meanwhile,
    a_run_stopped_while_its_call_is_open_goes_no_further,
    a_drain_lets_open_calls_end_and_begins_no_other,
);

const CALL: &str = "
    name: Call
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - id: call
        http_request:
          STEP
      - stop: 'END'
";

/// A workflow that calls the other system, and leaves `end` as the reason of its end.
fn calls(system: &OtherSystem, step: &str, end: &str) -> String {
    let url = format!("http://127.0.0.1:{}", system.port);
    unindent(CALL).replace("STEP", &step.replace("HOST", &url)).replace("END", end)
}

fn shop(database: Database) -> Plan {
    World::on(database).project("allow_hosts: [127.0.0.1]\n")
}

fn order(phone: &str, number: u32) -> Value {
    json!({"phone": phone, "order": number, "name": "O'Neil \"x\""})
}

/// Status and body, and the reason of a failure.
const WHAT: &str = "{{default steps.call.status 0}} {{default steps.call.body.ok steps.call.body \"-\"}}";

async fn a_call_is_made_once_with_everything_filled_in_and_its_answer_is_there_for_the_next_steps(database: Database) {
    let system = OtherSystem::start().await;
    let step = "{ url: 'HOST/orders/{{url event.name}}', query: { q: '{{event.name}}' }, headers: { X-Order: '{{event.order}}' },
            json: { name: '{{event.name}}', n: [1, true], phone: '{{contact.phone}}' } }";
    let form = "{ url: HOST/form, method: PUT, form: { a: '{{event.name}}', b: 'c&d' }, expect: [404] }";
    let world = shop(database)
        .workflow(
            "call",
            &calls(&system, step, "{{steps.call.status}} {{steps.call.headers.x_trace}} {{steps.call.body.id}}"),
        )
        .workflow(
            "form",
            &calls(&system, form, "{{steps.call.status}} {{steps.call.body}}").replace("order.paid", "order.seen"),
        )
        .start()
        .await;
    system.will([Answer::Says(201, vec![("x-trace", "t1".into())], r#"{"id": 42}"#.into()), says(404, "none")]);
    world.event("order.paid", order(ANA, 7)).await;
    world.event("order.seen", order(ANA, 7)).await;
    let [first, second] = &system.asked()[..] else { panic!("{:?}", system.asked()) };
    assert_eq!(first.path, "/orders/O%27Neil%20%22x%22?q=O%27Neil+%22x%22");
    assert_eq!((first.method.as_str(), first.header("x-order")), ("POST", "7"));
    assert_eq!(first.header("content-type"), "application/json");
    let body: Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!(body, json!({"name": "O'Neil \"x\"", "n": [1, true], "phone": ANA}));
    assert_eq!((second.method.as_str(), second.body.as_str()), ("PUT", "a=O%27Neil+%22x%22&b=c%26d"));
    assert_eq!(world.run_states().await, ["stopped: 201 t1 42", "stopped: 404 none"]);
    let run = world.runs().await.remove(0);
    let made = world.store(|store| async move { store.calls_of_run(&run.id).await }).await;
    assert_eq!((made.len(), made[0].state, made[0].claims), (1, CallState::Done, 1));
}

async fn what_may_go_better_later_is_called_again_under_the_same_key_as_late_as_the_other_side_asks(
    database: Database,
) {
    let system = OtherSystem::start().await;
    let mut world =
        shop(database).workflow("call", &calls(&system, "{ url: HOST/x, method: POST }", WHAT)).start().await;
    let wait = |seconds: &str| Answer::Says(429, vec![("retry-after", seconds.to_owned())], String::new());
    system.will([says(503, ""), wait("120")]);
    world.event("order.paid", order(ANA, 1)).await;
    assert_eq!(world.run_states().await, ["waiting: backoff"]);
    world.advance(seconds(10)).await;
    assert_eq!(system.asked().len(), 2);
    world.restart().await;
    world.advance(seconds(100)).await;
    assert_eq!(system.asked().len(), 2, "not before it was asked to");
    world.advance(seconds(20)).await;
    assert_eq!(world.run_states().await, ["stopped: 200 true"]);
    let keys: HashSet<String> = system.asked().iter().map(|one| one.header("idempotency-key").to_owned()).collect();
    assert_eq!((keys.len(), system.asked().len()), (1, 3));
    assert!(!keys.contains(""));
    system.will(std::iter::repeat_n(says(500, "no"), 20));
    world.event("order.paid", order(ANA, 2)).await;
    world.advance(hours(1)).await;
    assert_eq!(world.run_states().await[1], "needs_attention: answered 500");
    assert_eq!(system.asked().len(), 3 + 6, "once, and five times more");
    let keys: HashSet<String> = system.asked().iter().map(|one| one.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys.len(), 2, "another run has another key");
}

async fn other_refusals_fail_the_step_at_once_and_say_so(database: Database) {
    let system = OtherSystem::start().await;
    let plan = shop(database)
        .workflow("bad", &calls(&system, "{ url: HOST/bad }", WHAT))
        .workflow("secret", &calls(&system, "{ url: HOST/x, headers: { A: '{{secret.NOT_SET}}' } }", WHAT))
        .workflow("split", &calls(&system, "{ url: HOST/x, headers: { A: '{{event.evil}}' } }", WHAT));
    let world = plan.start().await;
    system.will([says(422, "no such order")]);
    let event = json!({"phone": ANA, "evil": "a\r\nX-Admin: 1"});
    world.event("order.paid", event).await;
    let mut states = world.run_states().await;
    states.sort();
    let expected = [
        "needs_attention: answered 422",
        "needs_attention: the header `A` would hold a line break or another control character",
        "needs_attention: the secret `NOT_SET` is not set",
    ];
    assert_eq!(states, expected);
    assert_eq!(system.asked().len(), 1);
    let runs = world.runs().await;
    let bad = runs.iter().find(|run| run.workflow == "bad").unwrap();
    assert_eq!(bad.progress.steps["call"]["body"], "no such order");
}

async fn a_host_that_is_listed_no_more_is_not_called_by_runs_that_began_before(database: Database) {
    let system = OtherSystem::start().await;
    let late = calls(&system, "{ url: HOST/x }", WHAT).replace("do:\n", "do:\n  - wait: 1h\n");
    let mut world = shop(database).workflow("late", &late).start().await;
    world.event("order.paid", order(ANA, 1)).await;
    world.edit("relance.yaml", "[127.0.0.1]", "[127.0.0.2]");
    world.remove("late");
    world.deploy().await;
    world.advance(hours(1)).await;
    let states = world.run_states().await;
    assert_eq!(states, ["needs_attention: R602: the host `127.0.0.1` is not in `allow_hosts`"]);
    assert!(system.asked().is_empty());
}

async fn a_secret_reaches_the_wire_and_nothing_else(database: Database) {
    let system = OtherSystem::start().await;
    let step =
        "{ url: 'HOST/{{secret.BOOKING_SECRET}}', headers: { Authorization: 'Bearer {{secret.BOOKING_SECRET}}' },
            query: { k: '{{secret.BOOKING_SECRET}}' }, json: { k: '{{secret.BOOKING_SECRET}} {{event.name}}' } }";
    let world = shop(database).workflow("call", &calls(&system, step, "{{steps.call.body}}")).start().await;
    system.will([Answer::Echo, says(500, BOOKING_SECRET)]);
    let forged = "\u{E000}secret:BOOKING_SECRET\u{E001}";
    world.event("order.paid", json!({"phone": ANA, "name": forged})).await;
    world.event("order.paid", order(BOB, 2)).await;
    let asked = &system.asked()[0];
    assert_eq!(asked.header("authorization"), format!("Bearer {BOOKING_SECRET}"));
    assert_eq!(asked.path, format!("/{BOOKING_SECRET}?k={BOOKING_SECRET}"));
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["k"].as_str().unwrap().matches(BOOKING_SECRET).count(), 1, "what an event says is no mark");
    world.advance(hours(1)).await;
    let shown = format!("{:?}", world.runs().await);
    assert!(shown.contains("[secret BOOKING_SECRET]"), "{shown}");
    assert!(!shown.contains(BOOKING_SECRET));
    for run in world.runs().await {
        let made = world.store(|store| async move { store.calls_of_run(&run.id).await }).await;
        assert!(!format!("{made:?}").contains(BOOKING_SECRET));
    }
    let found = [
        "run set reason = reason where progress",
        "call set node = node where input || coalesce(result, '')",
        "event set name = name where data",
    ];
    for place in found {
        assert_eq!(world.execute(&format!("update {place} like '%canary-of%'")).await, 0, "{place}");
    }
}

async fn a_call_that_a_kill_cut_off_is_made_again_under_the_same_key(database: Database) {
    let system = OtherSystem::start().await;
    let mut world = shop(database)
        .workflow("call", &calls(&system, "{ url: HOST/x, json: { n: '{{event.order}}' } }", WHAT))
        .start()
        .await;
    system.close();
    world.post(world.new_event("order.paid", order(ANA, 5))).await;
    system.hears(1).await;
    assert_eq!(world.run_states().await, ["running"]);
    world.crash().await;
    system.open();
    world.start_again().await;
    world.settle().await;
    assert_eq!(world.run_states().await, ["stopped: 200 true"]);
    let asked = system.asked();
    assert_eq!((asked.len(), &asked[0].body), (2, &asked[1].body));
    assert_eq!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));
}

async fn a_step_that_kills_its_process_again_and_again_is_put_aside(database: Database) {
    let system = OtherSystem::start().await;
    let mut world = shop(database).workflow("call", &calls(&system, "{ url: HOST/x }", WHAT)).start().await;
    system.close();
    world.post(world.new_event("order.paid", order(ANA, 5))).await;
    for life in 1..=3 {
        system.hears(life).await;
        world.crash().await;
        world.start_again().await;
    }
    world.settle().await;
    let states = world.run_states().await;
    assert_eq!(states, ["needs_attention: the process ended while the call was open, 3 times in a row"]);
    assert_eq!(system.asked().len(), 3);
    system.open();
}

async fn answers_that_never_end_or_lead_elsewhere_have_a_stated_result(database: Database) {
    let system = OtherSystem::start().await;
    let slow = "{ url: HOST/slow, timeout: 1s }\n    retry: 0";
    let plan = shop(database)
        .workflow("slow", &calls(&system, slow, WHAT))
        .workflow("moved", &calls(&system, "{ url: HOST/moved }", WHAT).replace("order.paid", "order.moved"))
        .workflow(
            "fast",
            &calls(&system, "{ url: HOST/fast }", "{{truncate steps.call.body 3}}").replace("order.paid", "order.fast"),
        );
    let world = plan.start().await;
    system.will([Answer::ForEver { fast: false }]);
    world.event("order.paid", order(ANA, 1)).await;
    system.will([Answer::ForEver { fast: true }]);
    world.event("order.fast", order(ANA, 2)).await;
    let to = format!("http://127.0.0.1:{}/elsewhere", system.port);
    system.will([Answer::Says(302, vec![("location", to.clone())], String::new())]);
    world.event("order.moved", order(ANA, 3)).await;
    let expected = ["needs_attention: no whole answer within 1 s", "stopped: xx…", "needs_attention: answered 302"];
    assert_eq!(world.run_states().await, expected);
    assert!(system.asked().iter().all(|one| one.path != "/elsewhere"));
    let kept = world.runs().await[1].progress.steps["call"]["body"].as_str().unwrap().len();
    assert_eq!(kept, 256 * 1024, "of 1 MiB that was read");
}

async fn a_slow_host_holds_up_no_other_and_no_more_calls_are_open_than_there_are_slots(database: Database) {
    let (slow, quick) = (OtherSystem::start().await, OtherSystem::start().await);
    // What is counted is the host, whatever its port.
    let other =
        calls(&quick, "{ url: HOST/x }", WHAT).replace("127.0.0.1", "localhost").replace("order.paid", "order.seen");
    let world = World::on(database)
        .project("allow_hosts: [127.0.0.1, localhost, '[::1]']\n")
        .workflow("slow", &calls(&slow, "{ url: HOST/x }", WHAT))
        .workflow("quick", &other)
        .start()
        .await;
    slow.close();
    for n in 0..40 {
        world.post(world.new_event("order.paid", order(ANA, n))).await;
    }
    slow.hears(16).await;
    world.post(world.new_event("order.seen", order(ANA, 99))).await;
    quick.hears(1).await;
    assert_eq!(slow.asked().len(), 16);
    slow.open();
    world.settle().await;
    let states = world.run_states().await;
    assert_eq!(states.iter().filter(|state| *state == "stopped: 200 true").count(), 41, "{states:?}");
    assert_eq!(slow.asked().len(), 40, "each once");
}

async fn the_result_of_a_call_waits_for_a_run_that_was_paused_meanwhile(database: Database) {
    let system = OtherSystem::start().await;
    let world = shop(database).workflow("call", &calls(&system, "{ url: HOST/x }", WHAT)).start().await;
    system.close();
    world.post(world.new_event("order.paid", order(ANA, 1))).await;
    system.hears(1).await;
    assert_eq!(world.execute("update run set state = 'paused', fence = fence + 1").await, 1);
    system.open();
    world.advance(hours(1)).await;
    assert_eq!(world.run_states().await, ["paused"]);
    world.execute("update run set state = 'running', fence = fence + 1").await;
    world.advance(minutes(1)).await;
    assert_eq!((world.run_states().await, system.asked().len()), (vec!["stopped: 200 true".to_owned()], 1));
}

async fn a_run_stopped_while_its_call_is_open_goes_no_further(database: Database) {
    let system = OtherSystem::start().await;
    let step = "{ url: HOST/x }";
    let workflow =
        calls(&system, step, WHAT).replace("when:", "settings: { once_per: contact.id, again: restart }\nwhen:");
    let world = shop(database).workflow("call", &workflow).start().await;
    system.close();
    world.post(world.new_event("order.paid", order(ANA, 1))).await;
    system.hears(1).await;
    world.post(world.new_event("order.paid", order(ANA, 2))).await;
    system.hears(2).await;
    system.will([says(503, "")]);
    system.open();
    world.settle().await;
    world.advance(minutes(10)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "stopped: 200 true"]);
    let runs = world.runs().await;
    let states = world
        .store(|store| async move {
            let mut states = Vec::new();
            for run in runs {
                states.push(store.calls_of_run(&run.id).await?[0].state);
            }
            Ok(states)
        })
        .await;
    assert_eq!(states[1], CallState::Done);
    assert!(matches!(states[0], CallState::Cancelled | CallState::Done), "{states:?}");
    assert!(system.asked().len() <= 3, "what was stopped is not tried again");
}

async fn a_drain_lets_open_calls_end_and_begins_no_other(database: Database) {
    let system = OtherSystem::start().await;
    let mut world = shop(database).workflow("call", &calls(&system, "{ url: HOST/x }", WHAT)).start().await;
    system.close();
    for n in 0..20 {
        world.post(world.new_event("order.paid", order(ANA, n))).await;
    }
    system.hears(16).await;
    let engine = world.engine().clone();
    let draining = tokio::spawn(async move { engine.drain().await });
    tokio::task::yield_now().await;
    assert!(!draining.is_finished());
    system.open();
    draining.await.unwrap();
    let asked = system.asked().len();
    let states = world.run_states().await;
    let done = states.iter().filter(|state| *state == "stopped: 200 true").count();
    assert_eq!((done, states.iter().filter(|state| *state == "queued").count()), (asked, 20 - asked), "{states:?}");
    world.restart().await;
    assert!(world.run_states().await.iter().all(|state| state == "stopped: 200 true"));
    assert_eq!(system.asked().len(), 20, "each once");
}
