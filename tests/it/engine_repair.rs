//! People repair: what failed is tried again, left out, sent again or given up, by one or by all of a cause, and nothing
//! that arrived goes out twice.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, seconds};
use relance::connector::sandbox::Fault;
use relance::delivery::{DeliveryState, VendorStatus};
use relance::engine::repair::{Act, CampaignAct, Refused, Tally};
use relance::event::Evaluation;
use relance::run::RunState;
use relance::store::repair::CauseRow;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_databases!(
    a_hole_is_filled_and_the_step_tried_again,
    all_runs_of_a_cause_are_tried_again_or_left_out_together,
    a_rejected_message_is_sent_again_once_and_its_run_goes_on,
    a_step_tried_again_links_its_new_message_to_the_old_one,
    what_was_handed_over_is_never_sent_again,
    a_message_in_doubt_is_settled_before_its_run_goes_on,
    an_ended_run_begins_anew_by_the_rules_of_today,
    an_event_that_could_not_be_judged_is_judged_again_by_that_workflow_alone,
    a_paused_run_takes_no_further_step_and_its_timer_stands,
    a_message_of_a_paused_run_waits_and_what_is_under_way_is_recorded,
    a_paused_run_hears_its_answer_and_a_paused_turn_is_not_lost,
    a_campaign_paused_in_the_middle_sends_nothing_until_it_is_resumed,
    a_campaign_is_paused_over_a_new_start_and_its_later_messages_wait_too,
    a_cancelled_campaign_sends_nothing_more_and_its_runs_stop,
    a_campaign_stopped_by_its_file_goes_on_when_the_file_is_back,
);

// --- what is ordered --------------------------------------------------------------------------------------------------

async fn order(world: &World, run: &str, act: Act) -> Result<RunState, Refused> {
    let (engine, run) = (world.engine().clone(), run.to_owned());
    let obeyed = world.within(async move { engine.order(&run, act, "ops").await }).await.unwrap();
    world.settle().await;
    obeyed
}

async fn order_cause(world: &World, cause: &CauseRow, act: Act) -> Tally {
    let (engine, workflow, cause) = (world.engine().clone(), cause.workflow.clone(), cause.cause.clone());
    let tally = world.within(async move { engine.order_cause(&workflow, &cause, act, "ops").await }).await.unwrap();
    world.settle().await;
    tally
}

async fn order_campaign(world: &World, act: CampaignAct) -> Result<String, Refused> {
    let id = world.store(|store| async move { store.firings(true, 1).await }).await.remove(0).id;
    let engine = world.engine().clone();
    world.within(async move { engine.order_campaign(&id, act, "ops").await }).await.unwrap()
}

async fn resend(world: &World, delivery: &str) -> Result<String, Refused> {
    let (engine, delivery) = (world.engine().clone(), delivery.to_owned());
    let redriven = world.within(async move { engine.redrive_delivery(&delivery, "ops").await }).await.unwrap();
    world.settle().await;
    redriven
}

async fn replay(world: &World, run: &str) -> Result<String, Refused> {
    let (engine, run) = (world.engine().clone(), run.to_owned());
    let redriven = world.within(async move { engine.redrive_run(&run, "ops").await }).await.unwrap();
    world.settle().await;
    redriven
}

async fn run_id(world: &World, n: usize) -> String {
    world.runs().await[n].id.clone()
}

async fn causes(world: &World) -> Vec<CauseRow> {
    world.store(|store| async move { store.causes(100).await }).await
}

/// `retry run`, `redrive delivery`, oldest first.
async fn acts(world: &World) -> Vec<String> {
    let mut rows = world.store(|store| async move { store.audit(5000).await }).await;
    rows.reverse();
    // What a deploy did is on record as well, and no order.
    rows.retain(|row| row.act != "deploy");
    assert!(rows.iter().all(|row| row.who == "ops"), "{rows:?}");
    rows.iter().map(|row| format!("{} {}", row.act, row.subject.split(' ').next().unwrap())).collect()
}

fn paid(phone: &str) -> Value {
    json!({ "phone": phone })
}

/// The account tells the person's name.
async fn learn_name(world: &World, phone: &str, name: &str) {
    let payload = json!({"uuid": name, "name": name, "phoneNumber": phone.trim_start_matches('+')});
    world.told(json!({"event": "contact_updated", "payload": payload})).await;
}

const GREET: &str = "
    name: Greet
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - id: greeting
        send_message: { template: hello, values: ['{{contact.first_name}}'] }
      - send_message: { template: thanks }
";

fn shop(database: Database) -> Plan {
    World::on(database)
        .template("hello", "Hello {{1}}", &["first_name"])
        .template("thanks", "Thank you", &[])
        .workflow("greet", GREET)
}

/// A line of that number, which the account has only while it is `a`.
fn line(digit: &str) -> String {
    digit.repeat(32)
}

/// A shop whose messages the account refuses.
async fn refused_shop(database: Database, text: &str) -> World {
    let channels = format!("channels: {{ shop: {{ uuid: {}, default: true }} }}\n", line("a"));
    let plan = World::on(database).template("thanks", "Thank you", &[]).template("bye", "Goodbye", &[]);
    let mut world = plan.project(&channels).workflow("order", text).start().await;
    world.edit("relance.yaml", &line("a"), &line("b"));
    world.deploy().await;
    world
}

async fn mend(world: &mut World) {
    world.edit("relance.yaml", &line("b"), &line("a"));
    world.deploy().await;
}

const THANK: &str = "
    name: Thank
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - send_message: { template: thanks }
      - send_message: { template: bye }
";

// --- steps ------------------------------------------------------------------------------------------------------------

async fn a_hole_is_filled_and_the_step_tried_again(database: Database) {
    let mut world = shop(database).start().await;
    world.event("order.paid", paid(ANA)).await;
    assert_eq!(world.run_states().await, ["needs_attention: contact.first_name is missing"]);
    let id = run_id(&world, 0).await;
    assert_eq!(order(&world, &id, Act::Retry).await, Ok(RunState::NeedsAttention), "the name is still missing");
    learn_name(&world, ANA, "Ana").await;
    world.restart().await;
    assert_eq!(order(&world, &id, Act::Resume).await, Ok(RunState::Waiting));
    assert_eq!(world.sent(), ["template: Hello Ana", "template: Thank you"]);
    assert_eq!(world.run_states().await, ["done"]);
    for act in [Act::Retry, Act::Skip, Act::Resume, Act::Pause, Act::Cancel] {
        assert_eq!(order(&world, &id, act).await, Err(Refused::Run(RunState::Done)), "{act:?}");
    }
    assert_eq!(order(&world, "nobody", Act::Retry).await, Err(Refused::Unknown));
    assert_eq!(acts(&world).await, ["retry run", "resume run"]);
    let run = world.runs().await.remove(0);
    assert!(run.progress.trace.iter().any(|entry| entry.what == "tried again by ops"), "{:?}", run.progress.trace);
}

async fn all_runs_of_a_cause_are_tried_again_or_left_out_together(database: Database) {
    let world = shop(database).start().await;
    let phone = |n: usize| format!("+336200{n:05}");
    world.events("order.paid", (0..700).map(|n| paid(&phone(n)))).await;
    let found = causes(&world).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].count, found[0].cause.as_str()), (700, "0 contact.first_name is missing"));
    assert_eq!((found[0].oldest_ms, found[0].examples.len()), (world.clock.now_ms(), 2));
    for n in 0..3 {
        learn_name(&world, &phone(n), &format!("Name{n}")).await;
    }
    let tally = order_cause(&world, &found[0], Act::Retry).await;
    assert_eq!((tally.obeyed, tally.refused, tally.more), (700, 0, false));
    assert_eq!(world.sent().len(), 6, "two messages to each of the three whose name is known now");
    let tally = order_cause(&world, &found[0], Act::Skip).await;
    assert_eq!(tally.obeyed, 697);
    world.advance(minutes(5)).await;
    assert!(causes(&world).await.is_empty());
    assert!(world.run_states().await.iter().all(|state| state == "done"));
    let greeted = world.sent().iter().filter(|text| text.contains("Hello")).count();
    assert_eq!((greeted, world.sent().len()), (3, 3 + 700));
    assert_eq!(acts(&world).await.len(), 700 + 697);
}

// --- messages ---------------------------------------------------------------------------------------------------------

async fn a_rejected_message_is_sent_again_once_and_its_run_goes_on(database: Database) {
    let mut world = refused_shop(database, THANK).await;
    world.event("order.paid", paid(ANA)).await;
    assert_eq!(world.run_states().await, ["needs_attention: rejected:422"]);
    let old = world.deliveries().await.remove(0).delivery.id;
    mend(&mut world).await;
    let new = resend(&world, &old).await.unwrap();
    assert_eq!(resend(&world, &old).await, Err(Refused::Redriven(new.clone())));
    world.restart().await;
    assert_eq!(resend(&world, &old).await, Err(Refused::Redriven(new.clone())));
    assert_eq!(world.sent(), ["template: Thank you", "template: Goodbye"]);
    assert_eq!(world.run_states().await, ["done"]);
    let rows = world.deliveries().await;
    let linked: Vec<_> = rows.iter().map(|row| row.delivery.redrive_of.as_deref()).collect();
    assert_eq!((linked, rows[1].delivery.id.as_str()), (vec![None, Some(old.as_str()), None], new.as_str()));
    assert_eq!(rows[0].delivery.state, DeliveryState::Rejected, "the old one never changes");
    assert_eq!(acts(&world).await, ["redrive delivery"]);
}

async fn a_step_tried_again_links_its_new_message_to_the_old_one(database: Database) {
    let mut world = refused_shop(database, THANK).await;
    world.event("order.paid", paid(ANA)).await;
    let id = run_id(&world, 0).await;
    assert_eq!(order(&world, &id, Act::Retry).await, Ok(RunState::Waiting));
    assert_eq!(world.delivery_states().await, ["rejected: rejected:422"; 2]);
    mend(&mut world).await;
    assert_eq!(order(&world, &id, Act::Retry).await, Ok(RunState::Waiting));
    assert_eq!(world.sent(), ["template: Thank you", "template: Goodbye"]);
    let rows = world.deliveries().await;
    let chain: Vec<_> = rows.iter().map(|row| row.delivery.redrive_of.clone()).collect();
    let expected = [None, Some(rows[0].delivery.id.clone()), Some(rows[1].delivery.id.clone()), None];
    assert_eq!(chain, expected);
}

async fn what_was_handed_over_is_never_sent_again(database: Database) {
    let mut world = refused_shop(database, THANK).await;
    mend(&mut world).await;
    world.event("order.paid", paid(ANA)).await;
    let accepted = world.deliveries().await.remove(0).delivery.id;
    let stands = |delivery: &str| Refused::Message { delivery: delivery.to_owned(), state: DeliveryState::Accepted };
    assert_eq!(resend(&world, &accepted).await, Err(stands(&accepted)));
    let id = run_id(&world, 0).await;
    assert_eq!(replay(&world, &id).await, Err(stands(&accepted)));
    // What the platform itself says has failed did not arrive.
    let uuid = world.messages()[0].uuid.clone();
    let told = |status: &str| json!({"event": "message_status_updated", "payload": {"uuid": uuid, "status": status}});
    world.told(told("failed")).await;
    assert_eq!(world.deliveries().await[0].status, Some(VendorStatus::Failed));
    let new = resend(&world, &accepted).await.unwrap();
    assert_eq!(world.messages().iter().filter(|message| message.text == "Thank you").count(), 2);
    world.told(told("delivered")).await;
    assert_eq!(resend(&world, &new).await, Err(stands(&new)));
    assert_eq!(resend(&world, "nothing").await, Err(Refused::Unknown));
}

async fn a_message_in_doubt_is_settled_before_its_run_goes_on(database: Database) {
    let mut world = refused_shop(database, THANK).await;
    mend(&mut world).await;
    world.sandbox.set_fault(Fault::ErrorBefore, 1);
    world.event("order.paid", paid(ANA)).await;
    world.advance(minutes(10)).await;
    assert_eq!(world.run_states().await, ["needs_attention: uncertain"]);
    let doubts = world.store(|store| async move { store.doubts(10).await }).await;
    assert_eq!((doubts.len(), doubts[0].count), (1, 1));
    let delivery = world.deliveries().await.remove(0).delivery.id;
    let stands = Refused::Message { delivery: delivery.clone(), state: DeliveryState::Uncertain };
    let id = run_id(&world, 0).await;
    for act in [Act::Retry, Act::Skip, Act::Resume] {
        assert_eq!(order(&world, &id, act).await, Err(stands.clone()), "{act:?}");
    }
    assert_eq!(resend(&world, &delivery).await, Err(stands));
    let engine = world.engine().clone();
    let give_up = relance::engine::Answer::GiveUp;
    world.within(async move { engine.settle(&delivery, give_up, "ops").await }).await.unwrap().unwrap();
    assert_eq!(world.run_states().await, ["needs_attention: given_up"]);
    assert_eq!(order(&world, &id, Act::Skip).await, Ok(RunState::Waiting));
    assert_eq!(world.sent(), ["template: Goodbye"]);
    let given_up = world.deliveries().await.remove(0).delivery.id;
    resend(&world, &given_up).await.unwrap();
    let last = world.deliveries().await.pop().unwrap().delivery;
    assert!(last.possible_duplicate, "it may have arrived, and says so");
    assert_eq!(world.run_states().await, ["done"]);
}

// --- runs and events --------------------------------------------------------------------------------------------------

async fn an_ended_run_begins_anew_by_the_rules_of_today(database: Database) {
    let text = GREET.replace("    do:", "    settings: { once_per: event.phone }\n    if: event.phone != ''\n    do:");
    let plan = World::on(database).template("hello", "Hello {{1}}", &["first_name"]);
    let mut world = plan.template("thanks", "Thank you", &[]).workflow("greet", &text).start().await;
    world.event("order.paid", paid(ANA)).await;
    let old = run_id(&world, 0).await;
    assert_eq!(replay(&world, &old).await, Err(Refused::Run(RunState::NeedsAttention)));
    assert_eq!(order(&world, &old, Act::Cancel).await, Ok(RunState::Stopped));
    world.change("greet", &text.replace("{{contact.first_name}}", "you"));
    world.deploy().await;
    let new = replay(&world, &old).await.unwrap();
    assert_eq!(world.sent(), ["template: Hello you", "template: Thank you"]);
    assert_eq!(replay(&world, &old).await, Err(Refused::Redriven(new.clone())));
    let runs = world.runs().await;
    assert_eq!((runs[1].id.as_str(), runs[1].redrive, runs[1].redrive_of.as_deref()), (new.as_str(), 1, Some(&*old)));
    assert_eq!((runs[0].event.as_str(), runs[0].contact.as_str()), (runs[1].event.as_str(), runs[1].contact.as_str()));
    assert_eq!(world.run_states().await, ["stopped: cancelled", "done"]);
    // The identity is the new one's now: the same order starts nothing.
    let again = world.event("order.paid", paid(ANA)).await;
    assert_eq!(crate::harness::words(&again.evaluations), ["greet skipped: already_done"]);

    // What was sent is not sent again by beginning anew; and the rules of today hold.
    world.event("order.paid", paid(BOB)).await;
    let greeted = run_id(&world, 2).await;
    assert!(matches!(replay(&world, &greeted).await, Err(Refused::Message { .. })));
    let pending = json!({"phone": "+33612340003"});
    world.change("greet", &text);
    world.deploy().await;
    world.event("order.paid", pending).await;
    let third = run_id(&world, 3).await;
    order(&world, &third, Act::Cancel).await.unwrap();
    world.change("greet", &text.replace("event.phone != ''", "event.phone == 'x'"));
    world.deploy().await;
    assert!(matches!(replay(&world, &third).await, Err(Refused::Rules(reason)) if reason.contains("event.phone")));
    world.remove("greet");
    world.deploy().await;
    assert_eq!(replay(&world, &third).await, Err(Refused::Gone));
    assert_eq!(acts(&world).await, ["cancel run", "redrive run", "cancel run"]);
}

async fn an_event_that_could_not_be_judged_is_judged_again_by_that_workflow_alone(database: Database) {
    let broken = THANK.replace("    do:", "    settings: { once_per: event.lines }\n    do:");
    let plan = World::on(database).template("thanks", "Thank you", &[]).template("bye", "Goodbye", &[]);
    let other = "
        name: Other
        purpose: utility
        when: { webhook: order.paid }
        contact: { phone: '{{event.phone}}' }
        do:
          - stop: seen
    ";
    let mut world = plan.workflow("broken", &broken).workflow("other", other).start().await;
    let event = world.event("order.paid", json!({"phone": ANA, "lines": ["A"]})).await;
    assert_eq!(world.run_states().await, ["stopped: seen"]);
    let failed = world.store(|store| async move { store.failed_events(10).await }).await;
    assert_eq!((failed.len(), failed[0].failed), (1, Some(1)));
    let judge = async |world: &World, workflow: &str| {
        let (engine, event, workflow) = (world.engine().clone(), event.event.clone(), workflow.to_owned());
        let judged = world.within(async move { engine.redrive_evaluation(&event, &workflow, "ops").await });
        let judged = judged.await.unwrap();
        world.settle().await;
        judged
    };
    assert_eq!(judge(&world, "broken").await.as_deref(), Ok("failed"), "nothing was mended yet");
    assert_eq!(judge(&world, "other").await, Err(Refused::NotFailed));
    world.change("broken", &THANK.replace("    do:", "    settings: { once_per: event.phone }\n    do:"));
    world.deploy().await;
    assert_eq!(judge(&world, "broken").await.as_deref(), Ok("started"));
    assert_eq!(judge(&world, "broken").await, Err(Refused::NotFailed));
    assert_eq!(world.sent(), ["template: Thank you", "template: Goodbye"]);
    assert!(world.store(|store| async move { store.failed_events(10).await }).await.is_empty());
    let id = event.event.clone();
    let row = world.store(|store| async move { store.event(&id).await }).await.unwrap();
    let kept: Vec<Evaluation> = serde_json::from_str(&row.evaluations).unwrap();
    let of_broken: Vec<_> = kept.iter().filter(|one| one.workflow == "broken").collect();
    assert_eq!(of_broken.iter().map(|one| one.redrive).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(of_broken[2].run.as_deref(), Some(world.runs().await[1].id.as_str()));
    assert_eq!(world.runs().await.len(), 2, "the other workflow did not start again");
    assert_eq!(acts(&world).await, ["redrive event", "redrive event"]);
}

// --- pauses -----------------------------------------------------------------------------------------------------------

const LATER: &str = "
    name: Later
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    do:
      - wait: 1h
      - send_message: { template: thanks }
      - wait: 1h
      - send_message: { template: bye }
";

async fn a_paused_run_takes_no_further_step_and_its_timer_stands(database: Database) {
    let plan = World::on(database).template("thanks", "Thank you", &[]).template("bye", "Goodbye", &[]);
    let mut world = plan.workflow("later", LATER).start().await;
    world.event("order.paid", paid(ANA)).await;
    let id = run_id(&world, 0).await;
    assert_eq!(order(&world, &id, Act::Pause).await, Ok(RunState::Paused));
    assert_eq!(order(&world, &id, Act::Pause).await, Err(Refused::Run(RunState::Paused)));
    assert_eq!(order(&world, &id, Act::Retry).await, Err(Refused::Run(RunState::Paused)));
    world.advance(minutes(30)).await;
    assert_eq!(order(&world, &id, Act::Resume).await, Ok(RunState::Waiting));
    world.advance(minutes(29)).await;
    assert!(world.sent().is_empty(), "the wait still ends when it was to end");
    assert_eq!(order(&world, &id, Act::Pause).await, Ok(RunState::Paused));
    world.restart().await;
    world.advance(hours(3)).await;
    assert!(world.sent().is_empty());
    order(&world, &id, Act::Resume).await.unwrap();
    assert_eq!(world.sent(), ["template: Thank you"], "what was due meanwhile is due at once");
    assert_eq!(order(&world, &id, Act::Pause).await, Ok(RunState::Paused));
    assert_eq!(order(&world, &id, Act::Cancel).await, Ok(RunState::Stopped));
    world.advance(hours(3)).await;
    assert_eq!(world.sent().len(), 1);
    assert_eq!(acts(&world).await, ["pause run", "resume run", "pause run", "resume run", "pause run", "cancel run"]);
}

async fn a_message_of_a_paused_run_waits_and_what_is_under_way_is_recorded(database: Database) {
    let mut world = refused_shop(database, THANK).await;
    mend(&mut world).await;
    world.gate.close();
    let event = world.new_event("order.paid", paid(ANA));
    world.post(event).await;
    world.gate.holds(1).await;
    let id = run_id(&world, 0).await;
    let engine = world.engine().clone();
    let paused = id.clone();
    world.within(async move { engine.order(&paused, Act::Pause, "ops").await }).await.unwrap().unwrap();
    world.gate.open();
    world.advance(hours(1)).await;
    assert_eq!(world.delivery_states().await, ["accepted template"], "the call ended and is recorded");
    assert_eq!(world.run_states().await, ["paused"]);
    order(&world, &id, Act::Resume).await.unwrap();
    assert_eq!(world.sent(), ["template: Thank you", "template: Goodbye"]);

    // One that has not left is held, steps out of the person's line, and leaves when the run goes on.
    world.sandbox.set_fault(Fault::TooMany, 1);
    world.event("order.paid", paid(ANA)).await;
    let second = run_id(&world, 1).await;
    assert_eq!(order(&world, &second, Act::Pause).await, Ok(RunState::Paused));
    assert_eq!(world.delivery_states().await[2], "held: run_paused");
    world.advance(hours(1)).await;
    world.event("order.paid", paid(ANA)).await;
    world.advance(minutes(1)).await;
    assert_eq!((world.sent().len(), world.run_states().await[2].as_str()), (4, "done"));
    order(&world, &second, Act::Resume).await.unwrap();
    world.advance(minutes(1)).await;
    assert_eq!((world.sent().len(), world.run_states().await[1].as_str()), (6, "done"));
}

const ASK: &str = "
    name: Ask
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    settings: { once_per: event.phone, again: queue }
    do:
      - send_message: { template: thanks }
      - id: answer
        wait_for_reply:
          for: 2h
          replies:
            - contains: fine
              do:
                - set: { heard: 'yes' }
          no_reply:
            - send_message: { template: bye }
      - stop: '{{steps.answer.text}}'
";

async fn a_paused_run_hears_its_answer_and_a_paused_turn_is_not_lost(database: Database) {
    let plan = World::on(database).template("thanks", "Thank you", &[]).template("bye", "Goodbye", &[]);
    let world = plan.workflow("ask", ASK).start().await;
    world.event("order.paid", paid(ANA)).await;
    world.event("order.paid", paid(ANA)).await;
    let (asks, next) = (run_id(&world, 0).await, run_id(&world, 1).await);
    for run in [&asks, &next] {
        assert_eq!(order(&world, run, Act::Pause).await, Ok(RunState::Paused));
    }
    world.says(ANA, "fine").await;
    world.advance(hours(3)).await;
    assert_eq!((world.run_states().await, world.sent().len()), (vec!["paused".to_owned(); 2], 1));
    assert_eq!(order(&world, &asks, Act::Resume).await, Ok(RunState::Stopped));
    assert_eq!(world.run_states().await, ["stopped: fine", "paused"]);
    order(&world, &next, Act::Resume).await.unwrap();
    assert_eq!((world.run_states().await[1].as_str(), world.sent().len()), ("waiting", 2));
    world.advance(hours(3)).await;
    assert_eq!(world.sent()[2], "template: Goodbye");
}

// --- campaigns --------------------------------------------------------------------------------------------------------

const INVITE: &str = "
    name: Invite
    purpose: utility
    when: { schedule: every day at 13:00 }
    audience: { file: audiences/members.csv }
    do:
      - send_message: { template: thanks }
      - wait: 2h
      - send_message: { template: bye }
";

fn members(count: u32) -> String {
    let rows: String = (0..count).map(|n| format!("+336{:08}\n", 12_000_000 + n)).collect();
    format!("phone\n{rows}")
}

fn club(database: Database, count: u32, text: &str) -> Plan {
    let slow = format!("channels: {{ shop: {{ uuid: {}, default: true, pace: 10 per second }} }}\n", line("a"));
    let plan = World::on(database).template("thanks", "Thank you", &[]).template("bye", "Goodbye", &[]);
    plan.project(&slow).workflow("invite", text).audience("members.csv", members(count))
}

async fn campaign_state(world: &World) -> String {
    world.store(|store| async move { store.firings(true, 1).await }).await.remove(0).state
}

fn once() -> String {
    INVITE.lines().take(7).map(|line| format!("{line}\n")).collect()
}

async fn a_campaign_paused_in_the_middle_sends_nothing_until_it_is_resumed(database: Database) {
    let world = club(database, 600, &once()).start().await;
    world.advance(hours(1) + seconds(40)).await;
    let before = world.sends();
    assert!((100..550).contains(&before), "{before}");
    assert_eq!(order_campaign(&world, CampaignAct::Pause).await.as_deref(), Ok("paused"));
    let before = world.sends();
    world.advance(minutes(30)).await;
    assert_eq!((world.sends(), campaign_state(&world).await.as_str()), (before, "paused"));
    let held = world.delivery_states().await.iter().filter(|state| *state == "held: campaign_paused").count();
    assert_eq!(held, 600 - before);
    assert_eq!(order_campaign(&world, CampaignAct::Pause).await, Err(Refused::Campaign("paused".into())));
    assert_eq!(order_campaign(&world, CampaignAct::Resume).await.as_deref(), Ok("done"));
    world.advance(minutes(3)).await;
    let phones: BTreeSet<String> = world.messages().into_iter().map(|message| message.phone).collect();
    assert_eq!((phones.len(), world.messages().len(), world.sends()), (600, 600, 600));
    assert_eq!(order_campaign(&world, CampaignAct::Cancel).await, Err(Refused::Campaign("done".into())));
    assert_eq!(acts(&world).await, ["pause campaign", "resume campaign"]);
}

async fn a_campaign_is_paused_over_a_new_start_and_its_later_messages_wait_too(database: Database) {
    let mut world = club(database, 30, INVITE).start().await;
    world.advance(hours(2)).await;
    assert_eq!(world.sends(), 30);
    assert_eq!(order_campaign(&world, CampaignAct::Pause).await.as_deref(), Ok("paused"));
    world.restart().await;
    world.advance(hours(2)).await;
    assert_eq!(world.sends(), 30, "what a timer plans meanwhile waits");
    let one = run_id(&world, 0).await;
    assert_eq!(order(&world, &one, Act::Pause).await, Ok(RunState::Paused));
    assert_eq!(order_campaign(&world, CampaignAct::Resume).await.as_deref(), Ok("done"));
    world.advance(minutes(1)).await;
    assert_eq!(world.sends(), 59, "a run that is paused itself stays so");
    assert_eq!(order_campaign(&world, CampaignAct::Pause).await.as_deref(), Ok("paused"));
    order(&world, &one, Act::Resume).await.unwrap();
    world.advance(minutes(1)).await;
    assert_eq!(world.sends(), 59, "the campaign holds it now");
    order_campaign(&world, CampaignAct::Resume).await.unwrap();
    world.advance(minutes(1)).await;
    assert_eq!(world.sends(), 60);
}

async fn a_cancelled_campaign_sends_nothing_more_and_its_runs_stop(database: Database) {
    let mut world = club(database, 600, INVITE).start().await;
    world.advance(hours(1) + seconds(30)).await;
    assert_eq!(order_campaign(&world, CampaignAct::Cancel).await.as_deref(), Ok("cancelled"));
    world.settle().await;
    let before = world.sends();
    world.restart().await;
    world.advance(hours(5)).await;
    assert_eq!((world.sends(), campaign_state(&world).await.as_str()), (before, "cancelled"));
    let states = world.run_states().await;
    assert!(!states.is_empty() && states.iter().all(|state| state == "stopped: cancelled"), "{:?}", states.first());
    let unsent = world.delivery_states().await.iter().filter(|state| *state == "cancelled: cancelled").count();
    assert_eq!(unsent + before, states.len());
    assert_eq!(order_campaign(&world, CampaignAct::Resume).await, Err(Refused::Campaign("cancelled".into())));
}

async fn a_campaign_stopped_by_its_file_goes_on_when_the_file_is_back(database: Database) {
    let world = club(database, 5, &once()).start().await;
    world.remove_audience("members.csv");
    world.advance(hours(2)).await;
    assert_eq!(campaign_state(&world).await, "needs_attention");
    let stranded = world.store(|store| async move { store.stranded_campaigns(10).await }).await;
    assert_eq!(stranded.len(), 1);
    world.write_audience("members.csv", members(5));
    order_campaign(&world, CampaignAct::Resume).await.unwrap();
    world.advance(minutes(1)).await;
    assert_eq!((campaign_state(&world).await.as_str(), world.sends()), ("done", 5));
}
