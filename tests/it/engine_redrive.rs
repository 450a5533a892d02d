//! What is done again, held or begun anew keeps its place: in the limit of its workflow, in its campaign, in its list and in
//! time.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, seconds, words};
use crate::other_system::{Answer, OtherSystem};
use relance::engine::repair::{Act, CampaignAct, Refused};
use relance::engine::{InFlight, Manner};
use relance::run::RunState;
use relance::store::schedules::FiringRow;
use serde_json::json;

on_both_databases!(
    what_the_platform_did_not_deliver_leaves_the_limit_free,
    a_run_begun_anew_is_judged_like_any_other_and_counts_once,
    a_message_that_has_to_wait_waits_as_long_over_a_pause_of_its_run,
    a_paused_campaign_calls_nobody_and_what_waits_to_be_called_again_waits_as_long,
    a_cancelled_campaign_calls_nobody,
    a_row_that_is_judged_again_belongs_to_its_campaign,
    what_is_left_of_a_campaign_begins_by_what_a_deploy_restarts,
    a_campaign_that_a_deploy_overtakes_is_cancelled_with_its_runs,
    a_campaign_whose_list_a_deploy_replaces_needs_a_person,
    a_run_of_a_list_that_begins_anew_knows_what_the_list_says,
);

// --- what is ordered --------------------------------------------------------------------------------------------------

async fn order(world: &World, n: usize, act: Act) -> Result<RunState, Refused> {
    let (engine, run) = (world.engine().clone(), world.runs().await[n].id.clone());
    let obeyed = world.within(async move { engine.order(&run, act, "ops").await }).await.unwrap();
    world.settle().await;
    obeyed
}

async fn replay(world: &World, n: usize) -> Result<String, Refused> {
    let (engine, run) = (world.engine().clone(), world.runs().await[n].id.clone());
    let redriven = world.within(async move { engine.redrive_run(&run, "ops").await }).await.unwrap();
    world.settle().await;
    redriven
}

async fn order_campaign(world: &World, act: CampaignAct) -> Result<String, Refused> {
    let (engine, id) = (world.engine().clone(), campaign(world).await.id);
    let obeyed = world.within(async move { engine.order_campaign(&id, act, "ops").await }).await.unwrap();
    world.settle().await;
    obeyed
}

async fn campaign(world: &World) -> FiringRow {
    world.store(|store| async move { store.firings(true, 1).await }).await.remove(0)
}

// --- limit ------------------------------------------------------------------------------------------------------------

const NEWS: &str = "
    name: News
    purpose: utility
    when: { webhook: news }
    contact: { phone: '{{event.phone}}' }
    settings: { limit: 1 per contact per 7d }
    do:
      - if: event.late
        wait: 1h
      - send_message: { template: news }
";

async fn newsroom(database: Database) -> World {
    World::on(database).template("news", "News", &[]).workflow("news", NEWS).start().await
}

async fn news(world: &World, phone: &str) -> Vec<String> {
    words(&world.event("news", json!({"phone": phone, "late": false})).await.evaluations)
}

/// The platform tells of the message that was sent as the `n`th.
async fn told(world: &World, n: usize, status: &str) {
    let uuid = world.messages()[n].uuid.clone();
    world.told(json!({"event": "message_status_updated", "payload": {"uuid": uuid, "status": status}})).await;
}

async fn what_the_platform_did_not_deliver_leaves_the_limit_free(database: Database) {
    let world = newsroom(database).await;
    assert_eq!(news(&world, ANA).await, ["news started"]);
    assert_eq!(news(&world, ANA).await, ["news skipped: limit"]);
    told(&world, 0, "failed").await;
    assert_eq!(world.runs().await[0].reached_at_ms, None);
    assert_eq!(news(&world, ANA).await, ["news started"], "nothing has reached Ana");
    assert_eq!(news(&world, ANA).await, ["news skipped: limit"]);
    told(&world, 1, "failed").await;
    // It arrived after all.
    told(&world, 0, "delivered").await;
    assert_eq!(world.runs().await[0].reached_at_ms, Some(world.clock.now_ms()));
    assert_eq!(news(&world, ANA).await, ["news skipped: limit"]);
    assert_eq!(world.sent(), ["template: News"; 2]);
}

async fn a_run_begun_anew_is_judged_like_any_other_and_counts_once(database: Database) {
    let world = newsroom(database).await;
    news(&world, ANA).await;
    told(&world, 0, "failed").await;
    replay(&world, 0).await.unwrap();
    assert_eq!((world.sent().len(), world.run_states().await), (2, vec!["done".to_owned(); 2]));
    assert_eq!(news(&world, ANA).await, ["news skipped: limit"]);
    // The first one may have arrived: the run that stands for it is let through all the same.
    world.sandbox.set_fault(relance::connector::sandbox::Fault::ErrorBefore, 1);
    news(&world, BOB).await;
    world.advance(minutes(10)).await;
    let (engine, delivery) = (world.engine().clone(), world.deliveries().await[2].delivery.id.clone());
    let answered = async move { engine.settle(&delivery, relance::engine::Answer::GiveUp, "ops").await };
    world.within(answered).await.unwrap().unwrap();
    order(&world, 2, Act::Cancel).await.unwrap();
    replay(&world, 2).await.unwrap();
    assert_eq!((world.sent().len(), world.run_states().await[3].as_str()), (3, "done"));
    assert_eq!(news(&world, BOB).await, ["news skipped: limit"]);
    // Another event has reached the person since: there is no room for this one any more.
    let late = "+33612340003";
    world.event("news", json!({"phone": late, "late": true})).await;
    order(&world, 4, Act::Cancel).await.unwrap();
    news(&world, late).await;
    assert_eq!(replay(&world, 4).await, Err(Refused::Rules("limit".into())));
    assert_eq!(world.runs().await.len(), 6, "nothing began that would have been stopped before its message");
}

// --- pauses -----------------------------------------------------------------------------------------------------------

async fn a_message_that_has_to_wait_waits_as_long_over_a_pause_of_its_run(database: Database) {
    let text = "
        name: Promo
        purpose: utility
        when: { webhook: news }
        contact: { phone: '{{event.phone}}' }
        settings: { expires: 3d }
        do:
          - send_message: { template: news }
          - wait: 5d
    ";
    let mut world = World::on(database).template("news", "News", &[]).workflow("promo", text).start().await;
    // The platform held it back: not within a day.
    world.sandbox.fail_with([131_049]);
    world.event("news", json!({"phone": ANA})).await;
    world.advance(minutes(1)).await;
    assert_eq!(world.delivery_states().await, ["held: cap"]);
    world.sandbox.fail_with([]);
    let due_ms = world.deliveries().await[0].delivery.due_at_ms;
    for _ in 0..2 {
        order(&world, 0, Act::Pause).await.unwrap();
        assert_eq!(world.delivery_states().await, ["held: run_paused"]);
        world.restart().await;
        world.advance(hours(1)).await;
        order(&world, 0, Act::Resume).await.unwrap();
        assert_eq!(world.delivery_states().await, ["held: cap"]);
    }
    // Others of the same person go before it, as before.
    world.event("news", json!({"phone": ANA})).await;
    assert_eq!(world.sends(), 2);
    let left_ms = due_ms - world.clock.now_ms();
    world.advance(std::time::Duration::from_millis(left_ms.unsigned_abs()) - seconds(1)).await;
    assert_eq!(world.sends(), 2, "not before its day is over");
    world.advance(seconds(1)).await;
    assert_eq!((world.sends(), world.delivery_states().await[0].as_str()), (3, "accepted template"));
    // One that was due in the pause leaves when it is over.
    world.sandbox.fail_with([131_049]);
    world.event("news", json!({"phone": BOB})).await;
    world.advance(minutes(1)).await;
    world.sandbox.fail_with([]);
    order(&world, 2, Act::Pause).await.unwrap();
    world.advance(hours(30)).await;
    assert_eq!(world.sends(), 4);
    order(&world, 2, Act::Resume).await.unwrap();
    assert_eq!(world.sends(), 5);
    world.may_leave_work();
}

const ASK_BOOKING: &str = "
    name: Ask
    purpose: utility
    when: { schedule: every day at 13:00 }
    audience: { file: audiences/members.csv }
    do:
      - wait: 1h
      - http_request: { url: 'http://127.0.0.1:PORT/seats', method: POST }
      - stop: asked
";

fn calling(database: Database, system: &OtherSystem) -> Plan {
    let text = ASK_BOOKING.replace("PORT", &system.port.to_string());
    let list = format!("phone\n{ANA}\n{BOB}\n");
    World::on(database).project("allow_hosts: [127.0.0.1]\n").workflow("ask", &text).audience("members.csv", list)
}

async fn a_paused_campaign_calls_nobody_and_what_waits_to_be_called_again_waits_as_long(database: Database) {
    let system = OtherSystem::start().await;
    let mut world = calling(database, &system).start().await;
    world.advance(minutes(90)).await;
    assert_eq!(order_campaign(&world, CampaignAct::Pause).await.as_deref(), Ok("paused"));
    world.advance(hours(2)).await;
    assert_eq!(system.asked().len(), 0, "what a timer plans meanwhile waits");
    world.restart().await;
    world.advance(minutes(5)).await;
    assert_eq!(system.asked().len(), 0);
    // One of them is asked to come back later.
    let later = Answer::Says(429, vec![("retry-after", "600".into())], String::new());
    system.will([later]);
    order_campaign(&world, CampaignAct::Resume).await.unwrap();
    assert_eq!(system.asked().len(), 2);
    assert_eq!(order_campaign(&world, CampaignAct::Pause).await.as_deref(), Ok("paused"));
    world.advance(minutes(1)).await;
    order_campaign(&world, CampaignAct::Resume).await.unwrap();
    world.advance(minutes(8)).await;
    assert_eq!(system.asked().len(), 2, "not before it was asked to");
    assert_eq!(order_campaign(&world, CampaignAct::Pause).await.as_deref(), Ok("paused"));
    world.advance(hours(1)).await;
    assert_eq!(system.asked().len(), 2);
    order_campaign(&world, CampaignAct::Resume).await.unwrap();
    assert_eq!((system.asked().len(), world.run_states().await), (3, vec!["stopped: asked".to_owned(); 2]));
}

async fn a_cancelled_campaign_calls_nobody(database: Database) {
    let system = OtherSystem::start().await;
    let world = calling(database, &system).start().await;
    world.advance(minutes(90)).await;
    order_campaign(&world, CampaignAct::Pause).await.unwrap();
    world.advance(hours(1)).await;
    assert_eq!(order_campaign(&world, CampaignAct::Cancel).await.as_deref(), Ok("cancelled"));
    world.advance(hours(1)).await;
    assert_eq!((system.asked().len(), world.run_states().await), (0, vec!["stopped: cancelled".to_owned(); 2]));
    let run = world.runs().await.remove(0).id;
    let calls = world.store(|store| async move { store.calls_of_run(&run).await }).await;
    assert_eq!(calls[0].state.as_str(), "cancelled");
}

// --- campaigns --------------------------------------------------------------------------------------------------------

/// Its words, with the first name that the list gives.
fn invite(words: &str, settings: &str) -> String {
    format!(
        "
        name: Invite
        purpose: utility
        when: {{ schedule: every day at 13:00 }}
        audience: {{ file: audiences/members.csv }}
        contact: {{ phone: '{{{{event.phone}}}}' }}
        settings: {{ {settings} }}
        do:
          - wait: 1h
          - send_message: {{ template: invite, values: ['{words} {{{{contact.first_name}}}}'] }}
        "
    )
}

fn club(database: Database, settings: &str) -> Plan {
    let list = format!("phone,first_name\n{ANA},Ana\n{BOB},\n");
    let plan = World::on(database).template("invite", "Come, {{1}}", &["first_name"]);
    plan.workflow("invite", &invite("dear", settings)).audience("members.csv", list)
}

async fn deploying(plan: Plan, in_flight: InFlight) -> World {
    let mut world = plan.start().await;
    world.manner = Manner { in_flight, goes_back: false };
    world.restart().await;
    world
}

async fn judge_again(world: &World, workflow: &str) -> Result<String, Refused> {
    let failed = world.store(|store| async move { store.failed_events(10).await }).await.remove(0).id;
    let (engine, workflow) = (world.engine().clone(), workflow.to_owned());
    let judged = world.within(async move { engine.redrive_evaluation(&failed, &workflow, "ops").await }).await;
    world.settle().await;
    judged.unwrap()
}

async fn a_row_that_is_judged_again_belongs_to_its_campaign(database: Database) {
    // Bob has no first name, so that nobody can tell what his run would be about.
    let mut world = club(database, "once_per: contact.first_name").start().await;
    world.advance(minutes(61)).await;
    let read = campaign(&world).await;
    assert_eq!((read.counts.started, read.counts.bad), (1, 1));
    world.change("invite", &invite("dear", "once_per: contact.phone").replace("{{contact.first_name}}", "you"));
    world.deploy().await;
    order_campaign(&world, CampaignAct::Pause).await.unwrap();
    assert_eq!(judge_again(&world, "invite").await.as_deref(), Ok("started"));
    let runs = world.runs().await;
    assert_eq!((runs[1].firing.as_deref(), &runs[1].firing), (Some(read.id.as_str()), &runs[0].firing));
    let read = campaign(&world).await;
    assert_eq!((read.counts.started, read.counts.bad, read.state.as_str()), (2, 0, "paused"));
    world.advance(hours(2)).await;
    assert_eq!(world.delivery_states().await, ["held: campaign_paused"; 2]);
    order_campaign(&world, CampaignAct::Resume).await.unwrap();
    let mut sent = world.sent();
    sent.sort();
    assert_eq!(sent, ["template: Come, dear Ana", "template: Come, dear you"]);
    // Of a cancelled one nothing begins any more.
    world.change("invite", &invite("dear", "once_per: contact.email"));
    world.deploy().await;
    world.advance(hours(22)).await;
    assert_eq!(campaign(&world).await.counts.bad, 2);
    world.execute("update firing set state = 'cancelled' where bad = 2").await;
    world.change("invite", &invite("dear", "once_per: contact.phone"));
    world.deploy().await;
    assert_eq!(judge_again(&world, "invite").await, Err(Refused::Campaign("cancelled".into())));
    world.may_leave_work();
}

/// A campaign that stands before its first row: its list was not there.
async fn stranded(plan: Plan, in_flight: InFlight) -> World {
    let world = deploying(plan, in_flight).await;
    world.remove_audience("members.csv");
    world.advance(minutes(61)).await;
    assert_eq!(campaign(&world).await.state, "needs_attention");
    world.write_audience("members.csv", format!("phone,first_name\n{ANA},Ana\n"));
    world
}

async fn what_is_left_of_a_campaign_begins_by_what_a_deploy_restarts(database: Database) {
    let mut world = stranded(club(database, "once_per: contact.phone"), InFlight::Restart).await;
    world.change("invite", &invite("dearest", "once_per: contact.phone"));
    world.deploy().await;
    world.advance(seconds(20)).await;
    assert_eq!(order_campaign(&world, CampaignAct::Resume).await.as_deref(), Ok("running"));
    world.advance(hours(2)).await;
    assert_eq!(world.sent(), ["template: Come, dearest Ana"]);
    let run = world.runs().await.remove(0);
    assert_eq!((run.definition, run.redrive), (campaign(&world).await.definition, 0), "it began once, by what serves");
}

async fn a_campaign_that_a_deploy_overtakes_is_cancelled_with_its_runs(database: Database) {
    let mut world = stranded(club(database, "once_per: contact.phone"), InFlight::Cancel).await;
    world.change("invite", &invite("dearest", "once_per: contact.phone"));
    world.deploy().await;
    world.advance(seconds(20)).await;
    assert_eq!(campaign(&world).await.state, "cancelled");
    assert_eq!(order_campaign(&world, CampaignAct::Resume).await, Err(Refused::Campaign("cancelled".into())));
    let acts = world.store(|store| async move { store.audit(1).await }).await;
    assert_eq!((acts[0].who.as_str(), acts[0].act.as_str()), ("serve", "cancel"));
}

async fn a_campaign_whose_list_a_deploy_replaces_needs_a_person(database: Database) {
    let plan = club(database, "once_per: contact.phone").audience("others.csv", format!("phone\n{BOB}\n"));
    let mut world = stranded(plan, InFlight::Restart).await;
    let begun = campaign(&world).await.definition;
    let other = invite("dearest", "once_per: contact.phone").replace("members.csv", "others.csv");
    world.change("invite", &other);
    world.deploy().await;
    world.advance(seconds(20)).await;
    let firing = campaign(&world).await;
    assert_eq!((firing.state.as_str(), firing.reason.as_str()), ("needs_attention", "audience_changed"));
    assert_eq!(firing.definition, begun, "where the old list was left means nothing in the other");
}

async fn a_run_of_a_list_that_begins_anew_knows_what_the_list_says(database: Database) {
    let plan =
        club(database, "once_per: contact.phone").audience("members.csv", format!("phone,first_name\n{ANA},Ana\n"));
    let mut world = deploying(plan, InFlight::Restart).await;
    world.advance(minutes(61)).await;
    world.change("invite", &invite("dearest", "once_per: contact.phone"));
    world.deploy().await;
    world.advance(hours(2)).await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "done"]);
    assert_eq!(world.sent(), ["template: Come, dearest Ana"]);
}
