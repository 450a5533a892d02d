//! The gate over time: quiet hours where the person is, how often and how fast a workflow may write, what one person gets of
//! all of them, and campaigns over a tag of the account.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, NOON, Plan, World, hours, minutes, ms, seconds, words};
use relance::connector::sandbox::Fault;
use relance::store::contacts::ContactKey;
use relance::store::schedules::FiringRow;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_databases!(
    at_night_messages_wait_for_the_morning_of_whoever_gets_them,
    the_morning_comes_when_the_clock_of_the_person_says_so,
    who_talks_at_night_gets_what_is_useful_and_answers_pass_what_is_held,
    what_expires_in_quiet_hours_is_left_out_and_the_run_goes_on,
    a_pace_holds_its_own_messages_over_a_restart_and_nobody_elses,
    a_limit_counts_runs_that_reached_the_contact_and_begins_anew_after_its_period,
    of_two_runs_at_once_the_limit_lets_one_through,
    over_the_limit_nothing_is_taken_and_nothing_restarted,
    a_message_of_a_stopped_run_that_was_on_its_way_counts,
    one_person_gets_twenty_messages_a_day_and_colleagues_what_there_is_to_tell,
    a_run_that_asks_for_too_many_messages_needs_a_person,
    everybody_with_the_tag_gets_one_message_over_a_kill_in_the_middle,
    an_account_that_does_not_answer_is_asked_again_and_then_a_person,
);

/// A workflow on `name` events that sends the template `news` to `event.phone`, with these settings.
fn workflow(name: &str, purpose: &str, settings: &str) -> String {
    format!(
        "name: {name}\npurpose: {purpose}\nwhen: {{ webhook: {name} }}\n\
         contact: {{ phone: '{{{{event.phone}}}}', timezone: '{{{{event.zone}}}}' }}\nsettings: {{ {settings} }}\n\
         do:\n  - send_message: {{ template: news, values: ['{name} {{{{default event.n 1}}}}'] }}\n"
    )
}

fn plan(database: Database) -> Plan {
    World::on(database).template("news", "{{1}}", &["what"])
}

fn phone(n: usize) -> String {
    format!("+336120{n:05}")
}

fn to(phone: &str) -> Value {
    json!({ "phone": phone })
}

/// When the call for each delivery began, oldest first; `-` before it did, with why.
async fn began(world: &World) -> Vec<String> {
    let attempts = world.attempts().await;
    let rows = world.deliveries().await;
    let one = |row: &relance::store::deliveries::DeliveryRow| {
        let first =
            attempts.iter().filter(|attempt| attempt.delivery == row.delivery.id).map(|one| one.started_at_ms).min();
        first.map_or(format!("- {}", row.delivery.reason), instant)
    };
    rows.iter().map(one).collect()
}

fn instant(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).unwrap().to_string()
}

// --- quiet hours ------------------------------------------------------------------------------------------------------

async fn at_night_messages_wait_for_the_morning_of_whoever_gets_them(database: Database) {
    // Half past nine in Paris, half past eight on the Canary Islands, afternoon in America.
    let world = plan(database)
        .at("2026-03-02T20:30:00Z")
        .workflow("night", &workflow("night", "utility", "quiet_hours: 21:00-09:00"))
        .start()
        .await;
    world.event("night", to(ANA)).await;
    for other in ["+34600000001", "+525512345678", "+12025550173"] {
        world.event("night", to(other)).await;
    }
    world.event("night", json!({"phone": BOB, "zone": "Asia/Tokyo"})).await;
    let held: Vec<_> = world.deliveries().await.iter().map(|row| row.delivery.due_at_ms).map(instant).collect();
    let now = "2026-03-02T20:30:00Z";
    let ends = ["2026-03-03T08:00:00Z", "2026-03-03T09:00:00Z", now, now, "2026-03-03T00:00:00Z"];
    assert_eq!(held, ends, "Paris; the last of the zones of Spain; Mexico and the States are awake; Tokyo");
    world.advance(hours(13)).await;
    assert_eq!(began(&world).await, ends);
    // Two in the afternoon of Paris: in the States New York is up, and others are not.
    world.advance(hours(3) + minutes(30)).await;
    world.event("night", to("+12025550174")).await;
    world.advance(hours(24)).await;
    assert_eq!(began(&world).await[5], "2026-03-03T19:00:00Z", "nine o'clock in the last zone, which is Hawaii's");
}

async fn the_morning_comes_when_the_clock_of_the_person_says_so(database: Database) {
    for (evening, morning) in
        [("2026-03-28T21:30:00Z", "2026-03-29T06:00:00Z"), ("2026-10-24T20:30:00Z", "2026-10-25T07:00:00Z")]
    {
        let database = match database.url.starts_with("sqlite") {
            true => Database::sqlite(),
            false => Database::postgres(),
        };
        let settings = "quiet_hours: 22:00-08:00, timezone: Europe/Madrid";
        let world =
            plan(database).at(evening).workflow("night", &workflow("night", "marketing", settings)).start().await;
        world.event("night", to("+34600000001")).await;
        world.advance(hours(12)).await;
        assert_eq!(began(&world).await, [morning], "the night of a clock change");
    }
}

async fn who_talks_at_night_gets_what_is_useful_and_answers_pass_what_is_held(database: Database) {
    let answer = "
        name: Answer
        when: { message: { contains: price } }
        settings: { quiet_hours: 21:00-09:00 }
        do:
          - send_message: { text: 'It is 10' }
    ";
    let world = plan(database)
        .at("2026-03-02T22:00:00Z")
        .workflow("useful", &workflow("useful", "utility", "quiet_hours: 21:00-09:00"))
        .workflow("promo", &workflow("promo", "marketing", "quiet_hours: 21:00-09:00"))
        .workflow("answer", answer)
        .start()
        .await;
    world.event("promo", to(ANA)).await;
    world.event("useful", to(ANA)).await;
    world.event("useful", to(BOB)).await;
    assert_eq!(world.delivery_states().await, ["held: quiet_hours"; 3]);
    world.says(ANA, "what is the price?").await;
    let awake = ["held: quiet_hours", "accepted template", "held: quiet_hours", "accepted text"];
    assert_eq!(world.delivery_states().await, awake, "an answer, and what Ana is told while she talks");
    world.advance(minutes(9)).await;
    world.event("useful", to(ANA)).await;
    world.advance(minutes(1)).await;
    world.event("useful", to(ANA)).await;
    let states = world.delivery_states().await;
    assert_eq!(
        states[4..],
        ["accepted text".replace("text", "template"), "held: quiet_hours".into()],
        "ten minutes later"
    );
    world.advance(hours(10)).await;
    assert!(world.delivery_states().await.iter().all(|state| state.starts_with("accepted")));
    assert_eq!(began(&world).await[0], "2026-03-03T08:00:00Z");
}

async fn what_expires_in_quiet_hours_is_left_out_and_the_run_goes_on(database: Database) {
    let text = workflow("night", "utility", "quiet_hours: 21:00-09:00, expires: 2h") + "  - stop: went on\n";
    let world = plan(database).at("2026-03-02T22:00:00Z").workflow("night", &text).start().await;
    world.event("night", to(ANA)).await;
    world.advance(minutes(119)).await;
    assert_eq!(world.delivery_states().await, ["held: quiet_hours"]);
    world.advance(minutes(1)).await;
    assert_eq!(world.delivery_states().await, ["skipped: expired"]);
    assert_eq!(world.run_states().await, ["stopped: went on"]);
}

// --- pace -------------------------------------------------------------------------------------------------------------

async fn a_pace_holds_its_own_messages_over_a_restart_and_nobody_elses(database: Database) {
    let mut world = plan(database)
        .workflow("promo", &workflow("promo", "marketing", "pace: 10 per minute"))
        .workflow("order", &workflow("order", "utility", "retry: 5"))
        .start()
        .await;
    world.events("promo", (0..30).map(|n| to(&phone(n)))).await;
    let mut waiting = vec!["accepted template".to_owned()];
    waiting.resize(30, "queued: pace".into());
    assert_eq!(world.delivery_states().await, waiting, "one now, and the pages show why the others wait");
    // Of whom no promotion was sent yet: it is not in the way.
    world.event("order", to(&phone(29))).await;
    assert_eq!(world.sent(), ["template: promo 1", "template: order 1"]);
    world.advance(seconds(65)).await;
    world.restart().await;
    world.events("order", (0..5).map(|n| to(&phone(n)))).await;
    assert_eq!(world.sent().iter().filter(|sent| sent.contains("order")).count(), 6);
    world.advance(minutes(3)).await;
    let of_promo: BTreeSet<String> = world
        .deliveries()
        .await
        .into_iter()
        .map(|row| row.delivery)
        .filter(|one| one.workflow == "promo")
        .map(|one| one.id)
        .collect();
    let mut at: Vec<i64> = world
        .attempts()
        .await
        .iter()
        .filter(|one| of_promo.contains(&one.delivery))
        .map(|one| one.started_at_ms)
        .collect();
    at.sort_unstable();
    assert_eq!(at.len(), 30);
    let apart: Vec<i64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart.iter().all(|ms| (6_000..6_100).contains(ms)), "{apart:?}");
}

// --- limit ------------------------------------------------------------------------------------------------------------

async fn a_limit_counts_runs_that_reached_the_contact_and_begins_anew_after_its_period(database: Database) {
    let text = workflow("news", "utility", "limit: 2 per contact per 1d") + "  - if: event.n == 9\n    stop: never\n";
    let quiet = text.replace("  - send_message", "  - if: event.n != 0\n    send_message");
    let world = plan(database).workflow("news", &quiet).start().await;
    let post = async |n: i64| words(&world.event("news", json!({"phone": ANA, "n": n})).await.evaluations);
    for n in [0, 0, 1, 2] {
        assert_eq!(post(n).await, ["news started"], "a run that sends nothing does not count");
    }
    assert_eq!(post(3).await, ["news skipped: limit"]);
    assert_eq!(words(&world.event("news", to(BOB)).await.evaluations), ["news started"], "somebody else");
    world.advance(hours(24) - seconds(1)).await;
    assert_eq!(post(4).await, ["news skipped: limit"]);
    world.advance(seconds(1)).await;
    assert_eq!(post(5).await, ["news started"], "the day is over");
    assert_eq!(world.sent().len(), 4);
}

/// Sends to somebody else than the contact: messages of two runs are under way at once.
const TO_OTHERS: &str = "
    name: Handed on
    purpose: utility
    when: { webhook: handed }
    contact: { phone: '{{event.phone}}' }
    settings: { limit: 1 per contact per 7d }
    do:
      - send_message: { template: news, values: ['{{event.to}}'], to: '{{event.to}}' }
      - stop: went on
";

fn handed(contact: usize, other: usize) -> Value {
    json!({ "phone": phone(contact), "to": phone(500 + other) })
}

async fn of_two_runs_at_once_the_limit_lets_one_through(database: Database) {
    let world = plan(database).workflow("handed", TO_OTHERS).start().await;
    let accepted = world.events("handed", [handed(1, 1), handed(1, 2), handed(2, 3)]).await;
    assert!(accepted.iter().all(|one| words(&one.evaluations) == ["handed started"]), "nobody was reached yet");
    let mut states = world.delivery_states().await;
    states.sort();
    assert_eq!(states, ["accepted template", "accepted template", "skipped: limit"]);
    let mut runs = world.run_states().await;
    runs.sort();
    assert_eq!(runs, ["skipped: limit", "stopped: went on", "stopped: went on"]);
    let later = world.event("handed", handed(1, 4)).await;
    assert_eq!(
        words(&later.evaluations),
        ["handed skipped: limit"],
        "a message to somebody else counts for the contact"
    );
}

async fn over_the_limit_nothing_is_taken_and_nothing_restarted(database: Database) {
    let text = workflow("news", "utility", "limit: 1 per contact per 1h, once_per: event.order, again: restart")
        + "  - wait: 3h\n";
    let world = plan(database).workflow("news", &text).start().await;
    let post = async |order: i64| {
        let event = json!({"phone": ANA, "order": order, "n": order});
        words(&world.event("news", event).await.evaluations)
    };
    assert_eq!(post(1).await, ["news started"]);
    assert_eq!(post(1).await, ["news skipped: limit"]);
    assert_eq!(post(2).await, ["news skipped: limit"]);
    assert_eq!(world.run_states().await, ["waiting"], "it goes on");
    world.advance(hours(1)).await;
    assert_eq!(post(2).await, ["news started"], "the identity was left free");
    world.advance(hours(1)).await;
    assert_eq!(post(1).await, ["news started"]);
    assert_eq!(world.run_states().await, ["stopped: restarted", "waiting", "waiting"]);
    world.may_leave_work();
}

async fn a_message_of_a_stopped_run_that_was_on_its_way_counts(database: Database) {
    let text = workflow("news", "utility", "limit: 1 per contact per 1d, once_per: event.order, again: restart");
    let world = plan(database).workflow("news", &text).start().await;
    world.gate.close();
    world.post(world.new_event("news", json!({"phone": ANA, "order": 1}))).await;
    world.gate.holds(1).await;
    world.post(world.new_event("news", json!({"phone": ANA, "order": 1, "n": 2}))).await;
    world.gate.open();
    world.settle().await;
    assert_eq!(world.run_states().await, ["stopped: restarted", "skipped: limit"]);
    assert_eq!(world.sent(), ["template: news 1"]);
    let runs = world.runs().await;
    assert_eq!(runs[0].reached_at_ms, Some(NOON), "although it had ended");
}

/// Two processes that take runs about the same person at the same moment: whatever they see, one message goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_nodes_at_once_let_one_through_the_limit() {
    let mut world = Box::pin(plan(Database::postgres()).workflow("handed", TO_OTHERS).start()).await;
    world.start_peer().await;
    for n in 0..8 {
        let [one, other] = [2 * n, 2 * n + 1].map(|to| world.new_event("handed", handed(n, to)));
        tokio::join!(world.post(one), world.post_to_peer(other));
    }
    world.settle().await;
    assert_eq!(world.sent().len(), 8, "{:?}", world.delivery_states().await);
    let reached = world.runs().await.into_iter().filter(|run| run.reached_at_ms.is_some());
    let people: BTreeSet<String> = reached.map(|run| run.contact).collect();
    assert_eq!(people.len(), 8);
}

// --- loop guards ------------------------------------------------------------------------------------------------------

async fn one_person_gets_twenty_messages_a_day_and_colleagues_what_there_is_to_tell(database: Database) {
    let told = "
        name: Told
        purpose: utility
        when: { webhook: told }
        contact: { phone: '{{event.phone}}' }
        do:
          - send_message: { template: news, values: [told], to: boss }
    ";
    let world = plan(database)
        .project(&format!("colleagues: {{ boss: '{BOB}' }}\n"))
        .workflow("loop", &workflow("loop", "utility", "expires: 30h"))
        .workflow("told", told)
        .start()
        .await;
    for n in 0..22 {
        world.event("loop", json!({"phone": ANA, "n": n})).await;
        world.advance(seconds(1)).await;
    }
    let states = world.delivery_states().await;
    assert!(states[..20].iter().all(|state| state == "accepted template"), "{states:?}");
    assert_eq!(states[20..], ["held: cap", "held: cap"]);
    world.events("told", (0..25).map(|n| to(&phone(n)))).await;
    world.advance(seconds(5)).await;
    assert_eq!(world.sent().len(), 45, "a colleague is no loop");
    world.advance(hours(24) - seconds(28)).await;
    assert_eq!(world.delivery_states().await[20], "held: cap");
    world.advance(seconds(3)).await;
    assert_eq!(world.delivery_states().await[20..22], ["accepted template", "accepted template"]);
    let began = began(&world).await;
    assert_eq!(began[20..22], [instant(NOON + 86_400_000), instant(NOON + 86_401_000)], "as the day of each is over");
}

async fn a_run_that_asks_for_too_many_messages_needs_a_person(database: Database) {
    let text = workflow("many", "utility", "retry: 5");
    let step = text.lines().last().unwrap().to_owned() + "\n";
    let world = plan(database).workflow("many", &(text + &step.repeat(50))).start().await;
    // One person in between, else the twenty of a day come first.
    world.event("many", to(ANA)).await;
    world.advance(hours(24 * 4)).await;
    let run = world.runs().await.remove(0);
    assert_eq!((run.progress.sends, run.state.as_str()), (50, "needs_attention"), "{}", run.reason);
    assert_eq!(world.deliveries().await.len(), 50);
}

// --- everybody with a tag ---------------------------------------------------------------------------------------------

const BIRTHDAY: &str = "
    name: Birthday wishes
    purpose: marketing
    when: { schedule: every day at 13:00 }
    audience: { tag: [vip, opted_in] }
    if: is_birthday(contact.custom.birthday)
    settings: { limit: 1 per contact per 300d }
    do:
      - send_message: { template: news, values: [\"{{default contact.first_name 'friend'}}\"] }
";

async fn campaign(world: &World) -> FiringRow {
    let mut rows = world.store(|store| async move { store.firings(true, 10).await }).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

/// So many people in the account of whom relance was never told; each hundredth has a birthday today.
async fn people(world: &World, count: usize, tags: &[&str]) {
    world.sandbox.set_fault(Fault::WebhookOff, 1_000_000);
    let person = |n| {
        let birthday = if n % 100 == 7 { "1990-03-02" } else { "1990-06-01" };
        let tags = if n % 100 == 50 { &["other"] } else { tags };
        let name = format!("Name{n} Surname");
        json!({"phone": phone(n), "name": name, "tags": tags, "custom": {"birthday": birthday}})
    };
    world.turn_often("people", (0..count).map(person)).await;
    world.sandbox.set_fault(Fault::WebhookOff, 0);
}

async fn everybody_with_the_tag_gets_one_message_over_a_kill_in_the_middle(database: Database) {
    let mut world = plan(database).workflow("birthday", BIRTHDAY).start().await;
    people(&world, 700, &["Opted_In"]).await;
    world.turn("people", json!({"phone": phone(7), "tags": ["VIP", "opted_in"]})).await;
    // The first part is as long as the tokens of one instant allow; the process dies behind it.
    world.clock.move_to(NOON + 3_600_000);
    world.engine().look().await;
    while world
        .store(|store| async move { store.firings(true, 1).await })
        .await
        .first()
        .is_none_or(|row| row.cursor == 0)
    {
        tokio::task::yield_now().await;
    }
    assert!(campaign(&world).await.cursor < 693);
    world.crash().await;
    world.start_again().await;
    world.advance(minutes(5)).await;
    let campaign = campaign(&world).await;
    assert_eq!((campaign.state.as_str(), campaign.audience.as_deref()), ("done", Some("tag:vip,opted_in")));
    let counts = campaign.counts;
    assert_eq!((counts.started, counts.refused + counts.duplicates, counts.bad), (7, 686, 0), "{counts:?}");
    assert_eq!(counts.duplicates, 0, "nobody is asked for again");
    let runs = world.runs().await;
    let reached: BTreeSet<&str> = runs.iter().map(|run| run.contact.as_str()).collect();
    assert_eq!((runs.len(), reached.len()), (7, 7));
    assert!(world.sent().contains(&"template: Name107".to_owned()), "{:?}", world.sent());
    let doubled = world.messages().len() - world.messages().iter().map(|one| &one.phone).collect::<BTreeSet<_>>().len();
    assert_eq!(doubled, 0);
    let key = [ContactKey::Phone("33612000008".into())];
    let (known, _) = world.store(|store| async move { store.contact(&key).await }).await.unwrap();
    assert_eq!(known.tags, ["Opted_In"], "whom the account names is written down");
    world.may_leave_work();
}

async fn an_account_that_does_not_answer_is_asked_again_and_then_a_person(database: Database) {
    let world = plan(database).workflow("birthday", BIRTHDAY).start().await;
    people(&world, 8, &["opted_in"]).await;
    world.turn("faults", json!({"scope": "/contacts", "500_before": true})).await;
    world.advance(minutes(90)).await;
    assert_eq!(campaign(&world).await.state, "running");
    world.turn("faults", json!({"500_before": false})).await;
    world.advance(minutes(5)).await;
    assert_eq!((campaign(&world).await.state.as_str(), world.sent().len()), ("done", 1));
    world.turn("faults", json!({"500_before": true})).await;
    world.advance(hours(26)).await;
    let rows = world.store(|store| async move { store.firings(true, 10).await }).await;
    assert_eq!((rows.len(), rows[0].state.as_str()), (2, "needs_attention"));
    assert!(rows[0].reason.starts_with("the account does not tell who has the tag: "), "{}", rows[0].reason);
    assert_eq!(rows[0].scheduled_at_ms, ms("2026-03-03T12:00:00Z"));
}
