//! What the account holds decides what leaves: templates, lines and teams that change after the check; and the webhook
//! that falls silent.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes};
use crate::targets::HttpTarget;
use relance::config::{LockedTemplate, Secret};
use relance::connector::account::AccountChannel;
use relance::engine::account::AccountFacts;
use relance::engine::care::Care;
use relance::message::Category;
use serde_json::{Value, json};
use std::time::Duration;

on_both_databases!(
    a_template_that_leaves_its_category_is_held_told_and_released,
    a_template_whose_text_changes_is_held_until_the_project_knows_it,
    a_template_that_is_paused_is_asked_for_each_hour,
    a_template_that_the_account_does_not_have_any_more_is_not_sent,
    an_empty_list_of_templates_gives_nothing_up,
    a_line_named_by_its_title_never_sends_by_the_main_line,
    a_team_is_named_by_its_uuid_and_an_unknown_one_is_left_out,
    silence_is_told_the_webhook_subscribed_again_and_the_gap_repaired_in_order,
    a_webhook_that_was_moved_is_told_and_not_taken_back,
    a_foreign_webhook_is_never_replaced,
    events_of_before_the_first_start_are_nobodys,
);

const ORDER: &str = "
    name: Order
    purpose: utility
    when: { webhook: order.paid }
    contact: { phone: '{{event.phone}}' }
    settings: { expires: 90d }
    do:
      - send_message: { template: order, values: ['{{event.order}}'] }
";

fn order(number: u32) -> Value {
    json!({ "phone": ANA, "order": number.to_string() })
}

fn shop(database: Database) -> Plan {
    World::on(database).template("order", "Your order {{1}}", &["order"]).workflow("order", ORDER)
}

/// The template of [`shop`], changed.
fn template(change: impl FnOnce(&mut LockedTemplate)) -> Vec<LockedTemplate> {
    let approved = json!({ "uuid": format!("{:032x}", 1), "title": "order", "text": "Your order {{1}}", "type": "text",
        "category": "utility", "status": "approved", "placeholders": 1 });
    let mut template = serde_json::from_value(approved).unwrap();
    change(&mut template);
    vec![template]
}

fn care(world: &World) -> Care {
    Care::new(world.engine().clone(), world.callbell(), Some(Secret::new(world.webhook_address())))
}

/// The account is asked for its lines, teams and templates, as it is after a start.
pub(crate) async fn know_the_account(world: &World) {
    pass(world, &mut care(world), Duration::ZERO).await;
}

/// Time passes, and the account is cared for whenever that is due.
async fn pass(world: &World, care: &mut Care, time: Duration) {
    let end_ms = world.clock.now_ms() + i64::try_from(time.as_millis()).unwrap();
    loop {
        world.settle().await;
        let due_ms = care.turn().await;
        world.settle().await;
        let now_ms = world.clock.now_ms();
        if now_ms >= end_ms {
            return;
        }
        let next_ms = due_ms.clamp(now_ms + 1, end_ms);
        world.advance(Duration::from_millis((next_ms - now_ms).unsigned_abs())).await;
    }
}

/// What stands of this kind.
async fn alerts(world: &World, kind: &str) -> Vec<String> {
    let all = world.store(|store| async move { store.alerts().await }).await;
    all.into_iter().filter(|alert| alert.name.starts_with(kind)).map(|alert| alert.what).collect()
}

fn asked(world: &World, path: &str) -> usize {
    world.sandbox.calls().iter().filter(|(_, call)| call.path == path).count()
}

async fn a_template_that_leaves_its_category_is_held_told_and_released(database: Database) {
    let mut world = shop(database).start().await;
    let mut caring = care(&world);
    pass(&world, &mut caring, minutes(1)).await;
    world.event("order.paid", order(1)).await;
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    world.sandbox.set_templates(template(|one| one.category = Some(Category::Marketing)));
    pass(&world, &mut caring, hours(25)).await;
    let told = alerts(&world, "drift:").await;
    assert!(
        told.len() == 1 && told[0].contains("`order`") && told[0].contains("R407: its category is `marketing`"),
        "{told:?}"
    );
    world.event("order.paid", order(2)).await;
    let held = ["accepted template", "held: template_category"];
    assert_eq!(world.delivery_states().await, held);
    drop(caring);
    world.restart().await;
    world.event("order.paid", order(3)).await;
    assert_eq!(world.delivery_states().await[1..], [held[1], held[1]], "a new life knows it without asking");
    world.sandbox.set_templates(template(|_| ()));
    let mut caring = care(&world);
    pass(&world, &mut caring, minutes(1)).await;
    assert_eq!(world.delivery_states().await, ["accepted template"; 3]);
    assert_eq!(alerts(&world, "drift:").await, [""; 0]);
}

async fn a_template_whose_text_changes_is_held_until_the_project_knows_it(database: Database) {
    let mut world = shop(database).start().await;
    let text = "Order {{1}} is on its way";
    world.sandbox.set_templates(template(|one| one.text = text.into()));
    let mut caring = care(&world);
    pass(&world, &mut caring, minutes(1)).await;
    world.event("order.paid", order(1)).await;
    assert_eq!(world.delivery_states().await, ["held: template_changed"]);
    assert!(alerts(&world, "drift:").await[0].contains("R404: the approved text is another one"));
    world.edit("templates.lock.json", "Your order {{1}}", text);
    world.deploy().await;
    world.settle().await;
    assert_eq!(world.sent(), ["template: Order 1 is on its way"]);
    assert_eq!(alerts(&world, "drift:").await, [""; 0]);
}

async fn a_template_that_is_paused_is_asked_for_each_hour(database: Database) {
    let world = shop(database).start().await;
    world.sandbox.set_templates(template(|one| one.status = "paused".into()));
    let mut caring = care(&world);
    pass(&world, &mut caring, minutes(1)).await;
    world.event("order.paid", order(1)).await;
    pass(&world, &mut caring, hours(3)).await;
    assert_eq!(world.delivery_states().await, ["held: template_paused"]);
    assert_eq!(asked(&world, "/v1/templates"), 4, "at the start and each hour");
    world.sandbox.set_templates(template(|_| ()));
    pass(&world, &mut caring, hours(1)).await;
    assert_eq!(world.sent(), ["template: Your order 1"]);
    pass(&world, &mut caring, hours(23)).await;
    assert_eq!(asked(&world, "/v1/templates"), 5, "once more, then a day later");
}

async fn a_template_that_the_account_does_not_have_any_more_is_not_sent(database: Database) {
    let world = shop(database).start().await;
    world.sandbox.set_templates(template(|one| one.uuid = "another".into()));
    pass(&world, &mut care(&world), minutes(1)).await;
    world.event("order.paid", order(1)).await;
    assert_eq!(world.delivery_states().await, ["skipped: template_unavailable"]);
    assert!(alerts(&world, "drift:").await[0].contains("R404: the account does not have it any more"));
}

async fn an_empty_list_of_templates_gives_nothing_up(database: Database) {
    let world = shop(database).start().await;
    world.sandbox.set_templates(Vec::new());
    let mut caring = care(&world);
    pass(&world, &mut caring, minutes(1)).await;
    world.sandbox.set_templates(template(|_| ()));
    world.event("order.paid", order(1)).await;
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    assert_eq!(alerts(&world, "drift:").await, [""; 0]);
}

fn line(uuid: &str, title: &str, main: bool) -> AccountChannel {
    AccountChannel { uuid: uuid.into(), title: title.into(), kind: "whatsapp".into(), main, discarded: false }
}

async fn learn(world: &World, facts: AccountFacts) {
    let (engine, asked_at_ms) = (world.engine().clone(), world.clock.now_ms());
    world.within(async move { engine.learn_account(AccountFacts { asked_at_ms, ..facts }).await }).await.unwrap();
    world.settle().await;
}

async fn a_line_named_by_its_title_never_sends_by_the_main_line(database: Database) {
    let lines = "channels: { first: { title: Main }, shop: { title: The shop, default: true } }\n";
    let mut world = shop(database).project(lines).start().await;
    world.event("order.paid", order(1)).await;
    assert_eq!(world.delivery_states().await, ["held: channel_paused"], "nobody knows its uuid yet");
    let channels = Some(vec![line("main", "Main", true), line("other", "Another shop", false)]);
    learn(&world, AccountFacts { channels, ..AccountFacts::default() }).await;
    assert_eq!(world.delivery_states().await, ["held: channel_paused"]);
    let told = alerts(&world, "drift:").await;
    assert!(told.len() == 1 && told[0].starts_with("R405") && told[0].contains("`shop`"), "{told:?}");
    pass(&world, &mut care(&world), minutes(1)).await;
    assert_eq!(world.delivery_states().await, ["accepted template"]);
    assert_eq!(alerts(&world, "drift:").await, [""; 0]);
    let uuid = world.messages()[0].channel.clone();
    let body: Value = serde_json::from_str(world.messages()[0].body.as_ref().unwrap().get()).unwrap();
    assert_eq!(body["channel_uuid"], uuid);
    world.restart().await;
    world.event("order.paid", order(2)).await;
    assert_eq!(world.messages()[1].channel, uuid, "known without asking again");
}

async fn a_team_is_named_by_its_uuid_and_an_unknown_one_is_left_out(database: Database) {
    let text = ORDER.replace("order, values", "order, team: sales, values");
    let world = shop(database).workflow("order", &text).start().await;
    learn(&world, AccountFacts { teams: Some(Vec::new()), ..AccountFacts::default() }).await;
    world.event("order.paid", order(1)).await;
    let told = alerts(&world, "drift:").await;
    assert!(told.len() == 1 && told[0].starts_with("R405") && told[0].contains("`sales`"), "{told:?}");
    pass(&world, &mut care(&world), minutes(1)).await;
    world.event("order.paid", order(2)).await;
    let body =
        |at: usize| -> Value { serde_json::from_str(world.messages()[at].body.as_ref().unwrap().get()).unwrap() };
    assert_eq!(body(0)["team_uuid"], Value::Null);
    assert!(body(1)["team_uuid"].as_str().is_some_and(|uuid| uuid.len() == 32), "{}", body(1));
    assert_eq!(alerts(&world, "drift:").await, [""; 0]);
}

const ECHO: &str = "
    name: Echo
    purpose: service
    when: { message: any }
    do:
      - send_message: { text: 'You said {{event.text}}' }
";

async fn silence_is_told_the_webhook_subscribed_again_and_the_gap_repaired_in_order(database: Database) {
    let world = World::on(database).workflow("echo", ECHO).start().await;
    let mut caring = care(&world);
    let (engine, address) = (world.engine().clone(), Secret::new(world.webhook_address()));
    world.within(async move { engine.webhook_connected(&address).await }).await.unwrap();
    pass(&world, &mut caring, minutes(1)).await;
    world.says(ANA, "one").await;
    world.stop_hearing();
    world.sandbox.reply(BOB, "two", None).unwrap();
    world.sandbox.reply(BOB, "three", None).unwrap();
    pass(&world, &mut caring, minutes(9)).await;
    assert_eq!(alerts(&world, "webhook:").await, [""; 0], "nine minutes are not ten");
    assert_eq!(asked(&world, "/v1/webhooks/subscribe"), 0);
    pass(&world, &mut caring, minutes(3)).await;
    assert!(alerts(&world, "webhook:").await[0].contains("nothing was heard"));
    assert_eq!(asked(&world, "/v1/webhooks/subscribe"), 0, "the account has not disabled it");
    assert_eq!(world.sent(), ["text: You said one"], "the account has not given them up yet");
    pass(&world, &mut caring, minutes(60)).await;
    assert_eq!(world.sent(), ["text: You said one", "text: You said two", "text: You said three"]);
    assert_eq!(alerts(&world, "webhook:").await.len(), 1, "what was read from the log is no sign of life");
    assert_eq!(asked(&world, "/v1/webhooks/subscribe"), 0);
    pass(&world, &mut caring, minutes(292)).await;
    assert_eq!(asked(&world, "/v1/webhooks/subscribe"), 1, "six hours are over");
    world.hear_again();
    world.says(ANA, "four").await;
    pass(&world, &mut caring, hours(9)).await;
    let said: Vec<String> = world.sent();
    assert_eq!(said.iter().filter(|text| text.ends_with("two")).count(), 1, "{said:?}");
    assert_eq!(said.len(), 4, "{said:?}");
}

async fn a_webhook_that_was_moved_is_told_and_not_taken_back(database: Database) {
    let world = World::on(database).workflow("echo", ECHO).start().await;
    let (engine, address) = (world.engine().clone(), Secret::new(world.webhook_address()));
    world.within(async move { engine.webhook_connected(&address).await }).await.unwrap();
    let mut caring = care(&world);
    pass(&world, &mut caring, minutes(1)).await;
    world.says(ANA, "one").await;
    let somebody = HttpTarget::start().await;
    world.sandbox.set_webhook(Some(somebody.url.clone()));
    pass(&world, &mut caring, hours(9)).await;
    let told = alerts(&world, "webhook:").await;
    assert!(told.len() == 1 && told[0].contains("nothing was heard"), "a quiet log says nothing: {told:?}");
    world.says(ANA, "two").await;
    pass(&world, &mut caring, minutes(20)).await;
    assert!(alerts(&world, "webhook:elsewhere").await[0].contains("to another address"));
    somebody.refuse(Some(503), None);
    world.says(ANA, "three").await;
    pass(&world, &mut caring, hours(9)).await;
    assert_eq!(asked(&world, "/v1/webhooks/subscribe"), 0, "it fails, and is somebody's all the same");
}

async fn a_foreign_webhook_is_never_replaced(database: Database) {
    let world = World::on(database).workflow("echo", ECHO).start().await;
    let mut caring = care(&world);
    pass(&world, &mut caring, minutes(1)).await;
    world.says(ANA, "one").await;
    world.stop_hearing();
    world.sandbox.reply(ANA, "two", None).unwrap();
    pass(&world, &mut caring, hours(2)).await;
    assert!(alerts(&world, "webhook:").await[0].contains("nothing was heard"));
    assert_eq!(asked(&world, "/v1/webhooks/subscribe"), 0, "relance did not connect it");
    world.hear_again();
}

async fn events_of_before_the_first_start_are_nobodys(database: Database) {
    let world = World::on(database).workflow("echo", ECHO).start().await;
    world.stop_hearing();
    world.sandbox.reply(ANA, "to somebody else", None).unwrap();
    world.advance(hours(30)).await;
    world.hear_again();
    pass(&world, &mut care(&world), hours(1)).await;
    assert_eq!(world.sent(), [""; 0]);
}
