//! Time: waits, steps between them, and schedules, over restarts, downtime and the changes of the clock.

use crate::database::{Database, on_both_databases};
use crate::harness::{ANA, Plan, World, hours, minutes, ms, seconds, unindent};
use serde_json::json;

on_both_databases!(
    every_form_of_wait_ends_when_it_says_also_over_restarts,
    a_wait_for_what_has_passed_stops_or_goes_on,
    a_wait_that_cannot_be_read_asks_for_a_person,
    branches_variables_and_conditions_lead_the_run,
    a_hole_in_a_text_sends_nothing_and_asks_for_a_person,
    overdue_timers_go_on_after_downtime_each_once,
    after_downtime_overdue_timers_go_on_at_their_rate_and_delay_nothing_that_is_due,
    a_schedule_fires_once_at_each_of_its_instants,
    fixed_times_fire_once_at_the_changes_of_the_clock,
    in_spring_a_time_that_does_not_exist_fires_at_the_change,
    in_autumn_an_hour_that_comes_twice_fires_elapsed_times_twice,
    after_downtime_the_latest_missed_instant_fires_by_default,
    after_downtime_all_or_none_fire_as_written,
    a_changed_schedule_counts_from_now,
    a_schedule_that_is_enabled_again_counts_from_now,
    two_triggers_of_one_instant_fire_apart,
);

fn at_desk(database: Database) -> Plan {
    World::on(database).template("tick", "At {{1}}", &["what"])
}

/// A workflow with this wait, then a message.
fn waiting(wait: &str) -> String {
    let text = "
        name: Waits
        purpose: utility
        when: { webhook: visit.booked }
        contact: { phone: '{{event.phone}}' }
        do:
          - wait: WAIT
          - send_message: { template: tick, values: ['{{workflow.id}}'] }
    ";
    unindent(text).replace("WAIT", wait)
}

/// When each message left: its text without `At `, and the instant.
fn left(world: &World) -> Vec<(String, String)> {
    let instant = |at_ms: i64| jiff::Timestamp::from_millisecond(at_ms).unwrap().to_string();
    let mut left: Vec<_> =
        world.messages().iter().map(|one| (one.text.replace("At ", ""), instant(one.at_ms))).collect();
    left.sort();
    left
}

async fn every_form_of_wait_ends_when_it_says_also_over_restarts(database: Database) {
    // Saturday noon; the night between has the change to summer time.
    let mut world = at_desk(database)
        .at("2026-03-28T11:00:00Z")
        .workflow("a_elapsed", &waiting("24h"))
        .workflow("b_calendar", &waiting("1d"))
        .workflow("c_minutes", &waiting("1h30m"))
        .workflow("d_before", &waiting("{ until: event.starts_at, before: 1d }"))
        .workflow("e_after", &waiting("{ until: event.starts_at, after: PT2H }"))
        .workflow("f_next", &waiting("{ next: monday at 09:00 }"))
        .start()
        .await;
    world.event("visit.booked", json!({"phone": ANA, "starts_at": "2026-03-30T10:00:00+02:00"})).await;
    for _ in 0..6 {
        world.advance(hours(11)).await;
        world.restart().await;
    }
    let expected = [
        ("a_elapsed", "2026-03-29T11:00:00Z"),
        ("b_calendar", "2026-03-29T10:00:00Z"),
        ("c_minutes", "2026-03-28T12:30:00Z"),
        ("d_before", "2026-03-29T08:00:00Z"),
        ("e_after", "2026-03-30T10:00:00Z"),
        ("f_next", "2026-03-30T07:00:00Z"),
    ];
    assert_eq!(left(&world), expected.map(|(name, at)| (name.to_owned(), at.to_owned())));
    assert_eq!(world.run_states().await, ["done"; 6]);
}

async fn a_wait_for_what_has_passed_stops_or_goes_on(database: Database) {
    let world = at_desk(database)
        .workflow("a_stops", &waiting("{ until: event.starts_at }"))
        .workflow("b_goes_on", &waiting("{ until: event.starts_at, if_past: continue }"))
        .start()
        .await;
    world.event("visit.booked", json!({"phone": ANA, "starts_at": "2026-03-02T10:59:00Z"})).await;
    let mut states = world.run_states().await;
    states.sort();
    assert_eq!(states, ["done", "stopped: past"]);
    assert_eq!(world.sent(), ["template: At b_goes_on"]);
}

async fn a_wait_that_cannot_be_read_asks_for_a_person(database: Database) {
    let world = at_desk(database).workflow("a", &waiting("{ until: event.starts_at }")).start().await;
    world.event("visit.booked", json!({"phone": ANA, "starts_at": "soon"})).await;
    world.event("visit.booked", json!({"phone": ANA})).await;
    let states = world.run_states().await;
    assert!(states.iter().all(|state| state.starts_with("needs_attention: couldn't tell")), "{states:?}");
}

async fn branches_variables_and_conditions_lead_the_run(database: Database) {
    let text = unindent(
        "
        name: Story
        purpose: utility
        when: { webhook: visit.booked }
        contact: { phone: '{{event.phone}}' }
        vars: { greeting: 'Hi {{event.name}}', price: 12 }
        do:
          - id: choice
            branch:
              cases:
                - if: event.total > vars.price * 2
                  do:
                    - set: { kind: big }
                    - wait: 1h
                - if: event.total > vars.price
                  do:
                    - set: { kind: small }
              otherwise:
                - stop: 'nothing for {{event.name}}'
          - if: vars.kind == 'big'
            send_message: { template: tick, values: ['{{vars.greeting}}, case {{steps.choice.choice}}'] }
          - set: { greeting: '{{vars.greeting}} again' }
          - stop: '{{vars.greeting}} {{vars.kind}}'
        ",
    );
    let mut world = at_desk(database).workflow("story", &text).start().await;
    for (name, total) in [("Ana", 25), ("Bea", 13), ("Cid", 12)] {
        world.event("visit.booked", json!({"phone": ANA, "name": name, "total": total})).await;
    }
    world.restart().await;
    world.advance(hours(1)).await;
    let states = world.run_states().await;
    assert_eq!(states, ["stopped: Hi Ana again big", "stopped: Hi Bea again small", "stopped: nothing for Cid"]);
    assert_eq!(world.sent(), ["template: At Hi Ana, case 1"]);
    let trace: Vec<String> = world.runs().await[1].progress.trace.iter().map(|entry| entry.what.clone()).collect();
    assert!(trace.iter().any(|what| what.starts_with("case 1 not taken: event.total > vars.price * 2")), "{trace:?}");
    assert!(trace.iter().any(|what| what.starts_with("step left out: vars.kind == 'big'")), "{trace:?}");
}

async fn a_hole_in_a_text_sends_nothing_and_asks_for_a_person(database: Database) {
    let text = waiting("1m").replace("{{workflow.id}}", "{{event.name}}");
    let world = at_desk(database).workflow("a", &text).start().await;
    for data in [json!({"phone": ANA}), json!({"phone": ANA, "name": "  "}), json!({"phone": ANA, "name": ["x"]})] {
        world.event("visit.booked", data).await;
    }
    world.advance(minutes(2)).await;
    let states = world.run_states().await;
    assert!(
        states.iter().all(|state| state.starts_with("needs_attention: ") && state.contains("event.name")),
        "{states:?}"
    );
    assert!(world.deliveries().await.is_empty());
}

async fn overdue_timers_go_on_after_downtime_each_once(database: Database) {
    let mut world = at_desk(database).workflow("a", &waiting("1h")).start().await;
    let people = |n: i64| json!({"phone": format!("+3361234{n:04}")});
    world.events("visit.booked", (0..20).map(people)).await;
    world.crash().await;
    world.clock.move_to(world.clock.now_ms() + 5 * 3_600_000);
    world.start_again().await;
    world.advance(minutes(1)).await;
    let mut phones: Vec<_> = world.messages().into_iter().map(|one| one.phone).collect();
    phones.sort();
    phones.dedup();
    assert_eq!((phones.len(), world.messages().len()), (20, 20));
}

async fn after_downtime_overdue_timers_go_on_at_their_rate_and_delay_nothing_that_is_due(database: Database) {
    let punctual = waiting("10801s").replace("visit.booked", "visit.moved");
    let desk = at_desk(database).workflow("a", &waiting("1h")).workflow("b", &punctual);
    let mut world = desk.start().await;
    let person = |n: i64| json!({"phone": format!("+3361234{n:04}")});
    world.events("visit.booked", (0..600).map(person)).await;
    world.event("visit.moved", person(9_999)).await;
    world.crash().await;
    world.clock.move_to(world.clock.now_ms() + 3 * 3_600_000);
    world.start_again().await;
    world.advance(seconds(1)).await;
    let reached = async |workflow: &str| {
        world.execute(&format!("update delivery set seed = seed where workflow = '{workflow}'")).await
    };
    let first = reached("a").await;
    assert!((200..=250).contains(&first), "{first} within the first second");
    assert_eq!(reached("b").await, 1, "what is due now passes what is overdue");
    world.advance(seconds(1)).await;
    let both = reached("a").await;
    assert!((400..=450).contains(&both), "{both} within two");
    world.advance(seconds(60)).await;
    assert_eq!((reached("a").await, world.messages().len()), (600, 601));
}

// --- schedules -------------------------------------------------------------------------------------------------------

fn scheduled(when: &str) -> String {
    let text = "
        name: Ticks
        purpose: utility
        when: WHEN
        contact: { phone: '+33612340001' }
        do:
          - send_message: { template: tick, values: ['{{event.scheduled_at}}'] }
    ";
    unindent(text).replace("WHEN", when)
}

fn ticks(world: &World) -> Vec<String> {
    world.messages().iter().map(|one| one.text.replace("At ", "")).collect()
}

/// `done 2026-…Z`, `skipped: missed 2026-…Z`, oldest first.
async fn firings(world: &World) -> Vec<String> {
    let rows = world.store(|store| async move { store.firings(false, 1000).await }).await;
    let instant = |at_ms| jiff::Timestamp::from_millisecond(at_ms).unwrap();
    let mut words: Vec<_> = rows
        .iter()
        .map(|row| (row.scheduled_at_ms, format!("{} {}", row.state, instant(row.scheduled_at_ms))))
        .collect();
    words.sort();
    words.into_iter().map(|(_, words)| words).collect()
}

async fn a_schedule_fires_once_at_each_of_its_instants(database: Database) {
    let mut world = at_desk(database)
        .workflow("ticks", &scheduled("{ schedule: every 15 minutes }"))
        .workflow("cron", &scheduled("{ cron: '5,35 12-13 * * MON' }"))
        .start()
        .await;
    world.advance(minutes(44)).await;
    world.restart().await;
    world.restart().await;
    world.advance(minutes(16)).await;
    world.deploy().await;
    world.advance(minutes(1)).await;
    let expected = ["11:05", "11:15", "11:30", "11:35", "11:45", "12:00"].map(|at| format!("2026-03-02T{at}:00Z"));
    assert_eq!(ticks(&world), expected);
    assert_eq!(world.runs().await.len(), 6);
    assert!(firings(&world).await.iter().all(|firing| firing.starts_with("done ")));
}

async fn fixed_times_fire_once_at_the_changes_of_the_clock(database: Database) {
    let text = scheduled("[{ schedule: every day at 02:30 }, { cron: '30 2 * * *' }]");
    let world = at_desk(database).at("2026-10-23T22:00:00Z").workflow("ticks", &text).start().await;
    world.advance(hours(24 * 3)).await;
    let autumn = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
    let twice =
        |instants: &[&str]| instants.iter().flat_map(|at| [(*at).to_owned(), (*at).to_owned()]).collect::<Vec<_>>();
    assert_eq!(ticks(&world), twice(&autumn));
}

/// What fires in the two hours from an instant on.
async fn around_a_change(database: Database, from: &str) -> Vec<String> {
    let world = at_desk(database)
        .at(from)
        .workflow("half_hours", &scheduled("{ schedule: every 30 minutes }"))
        .workflow("fixed", &scheduled("{ schedule: every day at 02:30 }"))
        .start()
        .await;
    world.advance(hours(2)).await;
    ticks(&world)
}

async fn in_spring_a_time_that_does_not_exist_fires_at_the_change(database: Database) {
    let fired = around_a_change(database, "2027-03-27T23:50:00Z").await;
    assert_eq!(fired, ["00:00", "00:30", "01:00", "01:00", "01:30"].map(|at| format!("2027-03-28T{at}:00Z")));
}

async fn in_autumn_an_hour_that_comes_twice_fires_elapsed_times_twice(database: Database) {
    let fired = around_a_change(database, "2026-10-24T23:50:00Z").await;
    assert_eq!(fired, ["00:00", "00:30", "00:30", "01:00", "01:30"].map(|at| format!("2026-10-25T{at}:00Z")));
}

async fn down(world: &mut World, until: &str) {
    world.crash().await;
    world.clock.move_to(ms(until));
    world.start_again().await;
    world.settle().await;
}

async fn after_downtime_the_latest_missed_instant_fires_by_default(database: Database) {
    let mut world = at_desk(database).workflow("ticks", &scheduled("{ schedule: every hour }")).start().await;
    down(&mut world, "2026-03-02T15:20:00Z").await;
    assert_eq!(ticks(&world), ["2026-03-02T15:00:00Z"]);
    let skipped = ["12:00", "13:00", "14:00"].map(|at| format!("skipped 2026-03-02T{at}:00Z"));
    let mut expected = skipped.to_vec();
    expected.push("done 2026-03-02T15:00:00Z".into());
    assert_eq!(firings(&world).await, expected);
    world.advance(minutes(40)).await;
    assert_eq!(ticks(&world), ["2026-03-02T15:00:00Z", "2026-03-02T16:00:00Z"]);
}

async fn after_downtime_all_or_none_fire_as_written(database: Database) {
    let text = |missed: &str| scheduled(&format!("{{ schedule: every hour, missed: {missed}, catch_up: 150m }}"));
    let all = text("all").replace("{{event.scheduled_at}}", "all {{event.scheduled_at}}");
    let world = at_desk(database).workflow("all", &all).workflow("none", &text("skip"));
    let mut world = world.workflow("late", &scheduled("{ schedule: every day at 12:30 }")).start().await;
    down(&mut world, "2026-03-02T15:20:00Z").await;
    let fired = ["13:00", "14:00", "15:00"].map(|at| format!("all 2026-03-02T{at}:00Z"));
    assert_eq!(ticks(&world), fired, "within `catch_up` only");
    let skipped = firings(&world).await.into_iter().filter(|one| one.starts_with("skipped ")).count();
    assert_eq!(skipped, 1 + 4 + 1, "every instant is fired or recorded");
}

async fn a_changed_schedule_counts_from_now(database: Database) {
    let mut world = at_desk(database).workflow("ticks", &scheduled("{ schedule: every hour }")).start().await;
    world.advance(hours(1)).await;
    world.crash().await;
    world.clock.move_to(ms("2026-03-02T15:20:00Z"));
    world.change("ticks", &scheduled("{ schedule: every 30 minutes, missed: all, catch_up: 24h }"));
    world.start_again().await;
    world.advance(minutes(40)).await;
    assert_eq!(ticks(&world), ["2026-03-02T12:00:00Z", "2026-03-02T15:30:00Z", "2026-03-02T16:00:00Z"]);
    // What is not the schedule may change without losing an instant.
    world.crash().await;
    world.clock.move_to(ms("2026-03-02T16:40:00Z"));
    world.change(
        "ticks",
        &scheduled("{ schedule: every 30 minutes, missed: all, catch_up: 24h }").replace("Ticks", "Tocks"),
    );
    world.start_again().await;
    world.settle().await;
    assert_eq!(ticks(&world)[3..], ["2026-03-02T16:30:00Z"]);
    world.crash().await;
    world.edit("relance.yaml", "Europe/Paris", "Asia/Kolkata");
    world.clock.move_to(ms("2026-03-02T17:40:00Z"));
    world.start_again().await;
    world.settle().await;
    assert_eq!(ticks(&world).len(), 4, "another zone counts from now too");
}

async fn a_schedule_that_is_enabled_again_counts_from_now(database: Database) {
    let on = scheduled("{ schedule: every hour, missed: all, catch_up: 24h }");
    let mut world = at_desk(database).workflow("ticks", &on).start().await;
    world.change("ticks", &on.replace("name: Ticks", "name: Ticks\nenabled: false"));
    world.deploy().await;
    world.advance(hours(3)).await;
    world.change("ticks", &on);
    world.deploy().await;
    world.advance(minutes(59)).await;
    assert!(ticks(&world).is_empty());
    world.advance(minutes(1)).await;
    assert_eq!(ticks(&world), ["2026-03-02T15:00:00Z"]);
}

async fn two_triggers_of_one_instant_fire_apart(database: Database) {
    let text = scheduled("[{ schedule: every day at 12:30 }, { cron: '30 12 * * *', if: event.scheduled_at != null }]");
    let world = at_desk(database).workflow("ticks", &text).start().await;
    world.advance(hours(1)).await;
    assert_eq!(firings(&world).await.len(), 2);
    let runs = world.runs().await;
    assert_eq!(runs.len(), 2);
    assert!(runs[0].firing.is_some() && runs[0].firing != runs[1].firing);
}
