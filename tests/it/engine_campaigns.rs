//! Campaigns: a schedule over a list of people, in chunks, over kills, with every fault a real list has.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, BOB, Plan, World, hours, minutes, unindent};
use crate::process::eventually;
use relance::engine::repair::CampaignAct;
use relance::store::schedules::{BadRow, FiringRow};
use sqlx::Executor as _;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

on_both_databases!(
    a_list_as_spreadsheets_write_it_reaches_everyone_in_it_once,
    a_kill_in_the_middle_goes_on_where_it_stood_and_counts_nobody_twice,
    a_list_that_changed_in_the_middle_stops_the_campaign,
    a_campaign_ends_on_the_definition_it_began_with,
    a_list_that_is_not_there_asks_for_a_person,
    the_same_list_goes_out_again_at_the_next_instant,
    identities_and_consent_are_judged_per_person,
);

/// A row that somebody else holds keeps a part waiting.
mod postgres_alone {
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_campaign_cancelled_while_its_pause_is_under_way_leaves_no_run_alive() {
        super::a_campaign_cancelled_while_its_pause_is_under_way_leaves_no_run_alive(super::Database::postgres()).await;
    }
}

const REMINDER: &str = "
    name: Reminder
    purpose: utility
    when: { schedule: every day at 13:00 }
    audience: { file: audiences/members.csv }
    contact: { phone: '{{event.Tel_fono}}' }
    if: event.status != 'left'
    do:
      - if: event.status == 'vip'
        send_message: { template: class, values: ['{{contact.first_name}}'] }
      - stop: '{{event.first_name}}'
";

fn gym(database: Database) -> Plan {
    World::on(database).template("class", "See you, {{1}}", &["first_name"]).workflow("reminder", &reminder())
}

fn reminder() -> String {
    unindent(REMINDER).replace("{{event.Tel_fono}}", "{{event.Telefono}}")
}

async fn campaigns(world: &World) -> Vec<FiringRow> {
    let mut rows = world.store(|store| async move { store.firings(true, 100).await }).await;
    rows.reverse();
    rows
}

async fn campaign(world: &World) -> FiringRow {
    let mut rows = campaigns(world).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

/// `Teléfono,first_name,status`, one row per number.
fn list(numbers: std::ops::Range<u32>) -> String {
    let row = |n| format!("+336{:08},Name{n},{}\n", 12_000_000 + n, if n % 100 == 0 { "vip" } else { "member" });
    format!("Teléfono,first_name,status\n{}", numbers.map(row).collect::<String>())
}

async fn a_list_as_spreadsheets_write_it_reaches_everyone_in_it_once(database: Database) {
    // Windows-1252, `;`, CRLF, quotes with a line break inside.
    let mut bytes = b"Tel\xe9fono;first_name;status;note\r\n".to_vec();
    bytes.extend(b"06 12 34 00 01;Ren\xe9;vip;\r\n");
    bytes.extend(b"+33612340001;Again;vip;\r\n");
    bytes.extend(b"+33612340002;\"B\xe9a; the second\";member;\"two\r\nlines\"\r\n");
    bytes.extend(b"12;Nobody;member;\r\n");
    bytes.extend(b";Nobody;member;\r\n");
    bytes.extend(b"+33612340003;Too;many;fields;here\r\n");
    bytes.extend(b"+33612340004;Gone;left;\r\n");
    bytes.extend(b"\r\n+33612340005;;vip;\r\n");
    bytes.extend(b"13;Nobody;member;\r\n");
    for n in 0..1200 {
        bytes.extend(format!("+336200{n:05};Name{n};member;\r\n").as_bytes());
    }
    bytes.extend(b";the last, without a line break;member;");
    let world = gym(database).audience("members.csv", bytes).start().await;
    world.advance(hours(2)).await;
    let campaign = campaign(&world).await;
    assert_eq!((campaign.state.as_str(), campaign.total, campaign.cursor), ("done", 1210, 1210));
    let counts = campaign.counts;
    assert_eq!((counts.started, counts.refused, counts.duplicates, counts.bad), (1203, 1, 1, 5));
    let bad = |line, reason: &str| BadRow { line, reason: reason.into() };
    let expected = [
        bad(6, "bad_number"),
        bad(7, "no_contact"),
        bad(8, "5 fields, the header has 4"),
        bad(12, "bad_number"),
        bad(1213, "no_contact"),
    ];
    let mut rows = campaign.bad_rows;
    rows.sort_by_key(|row| row.line);
    assert_eq!(rows, expected);
    assert_eq!(world.sent(), ["template: See you, René"]);
    let runs = world.runs().await;
    assert!(runs.iter().any(|run| run.reason == "Béa; the second"));
    let unnamed = runs.iter().find(|run| run.reason.contains("contact.first_name")).unwrap();
    assert_eq!(unnamed.state.as_str(), "needs_attention");
}

/// Waits until a part of the list was dealt with, and kills the process there.
async fn kill_in_the_middle(world: &mut World) {
    world.clock.move_to(world.clock.now_ms() + 3_600_000);
    world.engine().look().await;
    loop {
        let rows = campaigns(world).await;
        if let Some(row) = rows.first().filter(|row| row.cursor > 0) {
            assert!(row.cursor < row.total, "the whole list was dealt with before the kill");
            return world.crash().await;
        }
        tokio::task::yield_now().await;
    }
}

async fn a_kill_in_the_middle_goes_on_where_it_stood_and_counts_nobody_twice(database: Database) {
    let mut world = gym(database).audience("members.csv", list(0..4000)).start().await;
    kill_in_the_middle(&mut world).await;
    world.start_again().await;
    world.advance(minutes(30)).await;
    let campaign = campaign(&world).await;
    assert_eq!((campaign.state.as_str(), campaign.total, campaign.cursor), ("done", 4000, 4000));
    assert_eq!((campaign.counts.started, campaign.counts.duplicates, campaign.counts.bad), (4000, 0, 0));
    let runs = world.runs().await;
    let people: BTreeSet<&str> = runs.iter().map(|run| run.contact.as_str()).collect();
    assert_eq!((runs.len(), people.len()), (4000, 4000));
    assert!(runs.iter().all(|run| run.firing.as_ref() == Some(&campaign.id)));
    let states = world.delivery_states().await;
    let sent = states.iter().filter(|state| *state == "accepted template").count();
    let in_doubt = states.iter().filter(|state| state.starts_with("uncertain: the process ended")).count();
    assert_eq!((states.len(), sent + in_doubt), (40, 40), "{states:?}");
    // A call that had not reached the vendor stays in doubt; what had reached it is settled by what the vendor tells.
    let phones: BTreeSet<String> = world.messages().into_iter().map(|one| one.phone).collect();
    assert_eq!((phones.len(), world.messages().len()), (sent, sent));
}

async fn a_list_that_changed_in_the_middle_stops_the_campaign(database: Database) {
    let mut world = gym(database).audience("members.csv", list(0..4000)).start().await;
    kill_in_the_middle(&mut world).await;
    world.write_audience("members.csv", list(1..4001));
    world.start_again().await;
    world.advance(minutes(30)).await;
    let campaign = campaign(&world).await;
    assert_eq!((campaign.state.as_str(), campaign.reason.as_str()), ("needs_attention", "audience_changed"));
    assert!(campaign.cursor < 4000);
    assert_eq!(i64::try_from(world.runs().await.len()).unwrap(), campaign.counts.started);
    world.restart().await;
    assert_eq!(campaigns(&world).await[0].state, "needs_attention");
}

async fn a_campaign_ends_on_the_definition_it_began_with(database: Database) {
    let mut world = gym(database).audience("members.csv", list(0..4000)).start().await;
    kill_in_the_middle(&mut world).await;
    world.change(
        "reminder",
        &reminder().replace("See you", "Bye").replace("stop: '{{event.first_name}}'", "stop: other"),
    );
    world.start_again().await;
    world.advance(minutes(30)).await;
    assert_eq!(campaign(&world).await.state, "done");
    let runs = world.runs().await;
    assert_eq!(runs.len(), 4000);
    assert!(runs.iter().all(|run| run.reason.starts_with("Name") || run.reason == "uncertain"), "{:?}", runs.last());
    world.advance(hours(24)).await;
    assert!(world.runs().await[4000..].iter().all(|run| run.reason == "other"));
}

async fn a_list_that_is_not_there_asks_for_a_person(database: Database) {
    let world = gym(database).audience("members.csv", list(0..1)).start().await;
    world.remove_audience("members.csv");
    world.advance(hours(2)).await;
    let missing = campaign(&world).await;
    assert_eq!(missing.state, "needs_attention");
    assert!(missing.reason.contains("members.csv"), "{}", missing.reason);
    world.write_audience("members.csv", "");
    world.advance(hours(24)).await;
    assert_eq!(campaigns(&world).await[1].state, "needs_attention");
    assert!(world.runs().await.is_empty());
}

async fn the_same_list_goes_out_again_at_the_next_instant(database: Database) {
    let mut world = gym(database).audience("members.csv", list(0..3)).start().await;
    world.advance(hours(24)).await;
    world.write_audience("members.csv", list(0..5));
    world.restart().await;
    world.advance(hours(24)).await;
    let started: Vec<_> = campaigns(&world).await.iter().map(|one| one.counts.started).collect();
    assert_eq!(started, [3, 5]);
    assert_eq!(world.sent(), ["template: See you, Name0"; 2]);
}

async fn identities_and_consent_are_judged_per_person(database: Database) {
    let text = unindent(
        "
        name: Welcome
        purpose: marketing
        when: { schedule: every day at 13:00 }
        audience: { file: audiences/people.csv }
        settings: { once_per: contact.id }
        do:
          - send_message: { template: class, values: ['{{contact.first_name}}'] }
        ",
    );
    let people = format!("Phone,Name,Consent\n{ANA},Ana Gil,yes\n{BOB},Bob,no\n");
    let world = World::on(database)
        .consent("")
        .template("class", "See you, {{1}}", &["first_name"])
        .workflow("welcome", &text)
        .audience("people.csv", people)
        .start()
        .await;
    world.advance(hours(24)).await;
    assert_eq!(world.delivery_states().await, ["accepted template", "skipped: no_consent"]);
    world.advance(hours(24)).await;
    assert_eq!(world.sent(), ["template: See you, Ana"]);
    let refused: Vec<_> = campaigns(&world).await.iter().map(|one| (one.counts.started, one.counts.refused)).collect();
    assert_eq!(refused, [(2, 0), (0, 2)]);
}

/// Has an order go as far as it may now; whether it waits.
async fn waits_for_answer<T>(order: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
    poll_fn(|context| Poll::Ready(order.as_mut().poll(context).is_pending())).await
}

async fn a_campaign_cancelled_while_its_pause_is_under_way_leaves_no_run_alive(database: Database) {
    let text = "
        name: Reminder
        purpose: utility
        when: { schedule: every day at 13:00 }
        audience: { file: audiences/members.csv }
        contact: { phone: '{{event.Telefono}}' }
        do:
          - send_message: { template: class, values: ['{{contact.first_name}}'] }
    ";
    let slow = "channels: { shop: { uuid: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, default: true, pace: 1 per minute } }\n";
    let plan = gym(database).project(slow).workflow("reminder", text).audience("members.csv", list(0..2000));
    let world = plan.start().await;
    world.advance(hours(1)).await;
    assert_eq!((campaign(&world).await.state.as_str(), world.runs().await.len()), ("done", 2000));
    let (id, engine) = (campaign(&world).await.id, world.engine().clone());
    let mut holder = world.stranger().await;
    let last = "begin; select 1 from delivery where run = (select max(id) from run) for update";
    sqlx::raw_sql(last).execute(&mut holder).await.unwrap();
    let mut pause = Box::pin(engine.order_campaign(&id, CampaignAct::Pause, "ops"));
    let waits = async || {
        assert!(waits_for_answer(&mut pause).await);
        (world
            .execute("select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
            .await
            > 0)
        .then_some(())
    };
    eventually("the pause waits at its last run", waits).await;
    let mut cancel = Box::pin(engine.order_campaign(&id, CampaignAct::Cancel, "ops"));
    assert!(waits_for_answer(&mut cancel).await);
    holder.execute("commit").await.unwrap();
    let (_, cancelled) = tokio::join!(pause, cancel);
    assert_eq!(cancelled.unwrap().as_deref(), Ok("cancelled"));
    let alive = world.run_states().await.iter().filter(|state| *state != "stopped: cancelled").count();
    assert_eq!(alive, 1, "but for the one whose message had left");
}
