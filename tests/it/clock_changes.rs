//! Schedules over both changes of the clock on three servers that share a database: each instant fires once, whoever of
//! them is there first, also where an hour is missing or comes twice (semantics §6.3).
//!
//! Time is crossed in short lives of all three, a few seconds each: some instants pass while they run, the others were
//! missed, and all are made up for.

use crate::database::Database;
use crate::fleet::Fleet;
use crate::process::{Site, eventually};
use jiff::Timestamp;
use serde_json::json;
use std::fs;

/// Before the first instant; the servers only learn that there are schedules.
const SPRING: &str = "2027-03-27T23:50:00Z";
const AUTUMN: &str = "2027-10-30T23:50:00Z";
/// So long before an instant a life begins; a slow start makes up for what it missed.
const BEFORE_S: i64 = 4;

/// Workflow, its triggers in the zone of Madrid.
const SCHEDULES: &[(&str, &str)] = &[
    ("in_the_gap", "{ schedule: every day at 02:30, missed: all, catch_up: 6h }"),
    ("two_in_the_gap", "{ schedule: 'every day at 02:15, 02:45', missed: all, catch_up: 6h }"),
    ("after_the_gap", "{ schedule: every day at 03:00, missed: all, catch_up: 6h }"),
    ("half_hours", "{ schedule: every 30 minutes, missed: all, catch_up: 6h }"),
    ("hours", "{ cron: '0 * * * *', missed: all, catch_up: 6h }"),
];

fn seconds_from_now(instant: &str) -> i64 {
    instant.parse::<Timestamp>().unwrap().as_second() - Timestamp::now().as_second()
}

/// One message each time it fires, to a person of its own.
fn prepare(site: &Site) {
    fs::remove_file(site.path().join("workflows/weekly_class.yaml")).unwrap();
    let project = fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    site.write("relance.yaml", &format!("{project}consent: everyone\n"));
    for (n, (name, trigger)) in SCHEDULES.iter().enumerate() {
        let text = format!(
            "name: Reminder\npurpose: utility\nwhen: {trigger}\ncontact: {{ phone: '+3460000000{n}' }}\ndo:\n  - send_message:\n      \
             template: weekly_class\n      values: {{ first_name: Ana, class: yoga }}\n      metadata: {{ at: \"{{{{event.scheduled_at}}}}\", \
             of: {name} }}\n"
        );
        site.write(&format!("workflows/{name}.yaml"), &text);
    }
}

/// Which workflow fired for which instant, as the vendor saw it.
async fn fired(site: &Site) -> Vec<String> {
    let text = |message: &serde_json::Value, pair: &str| message["metadata"][pair].as_str().unwrap().to_owned();
    let messages = site.messages().await;
    let mut fired: Vec<_> = messages.iter().map(|one| format!("{} {}", text(one, "of"), text(one, "at"))).collect();
    fired.sort();
    fired
}

/// Three servers learn the schedules at `from`, live around each of those instants, and at last after all of them.
async fn cross(from: &str, instants: &[&str], end: &str, expected: &[&str]) {
    let mut fleet = Fleet::of(Database::postgres(), 3, prepare).await;
    let mut lives = vec![from.to_owned()];
    lives.extend(instants.iter().map(|instant| (*instant).to_owned()));
    lives.push(end.to_owned());
    for instant in &lives {
        let at_s = seconds_from_now(instant);
        fleet.set_ahead(at_s - BEFORE_S);
        fleet.serve().await;
        let until = instant.parse::<Timestamp>().unwrap();
        let due = |line: &&&str| line.rsplit_once(' ').is_some_and(|(_, at)| at.parse::<Timestamp>().unwrap() <= until);
        let due = expected.iter().filter(due).count();
        let site = fleet.site(0);
        eventually("what is due has fired", async || (fired(site).await.len() >= due).then_some(())).await;
        fleet.end().await;
    }
    let mut expected: Vec<_> = expected.iter().map(|line| (*line).to_owned()).collect();
    expected.sort();
    assert_eq!(fired(fleet.site(0)).await, expected);
    let calls = fleet.site(0).vendor("/sandbox/calls/count").await;
    assert_eq!(calls["rate_limited"], json!(0));
}

#[tokio::test]
async fn in_spring_three_servers_fire_each_instant_once_and_a_time_that_is_missing_at_the_change() {
    let expected = [
        "half_hours 2027-03-28T00:00:00Z",
        "half_hours 2027-03-28T00:30:00Z",
        "half_hours 2027-03-28T01:00:00Z",
        "half_hours 2027-03-28T01:30:00Z",
        "half_hours 2027-03-28T02:00:00Z",
        "hours 2027-03-28T00:00:00Z",
        "hours 2027-03-28T01:00:00Z",
        "hours 2027-03-28T02:00:00Z",
        "in_the_gap 2027-03-28T01:00:00Z",
        "two_in_the_gap 2027-03-28T01:00:00Z",
        "after_the_gap 2027-03-28T01:00:00Z",
    ];
    cross(SPRING, &["2027-03-28T01:00:00Z"], "2027-03-28T02:05:00Z", &expected).await;
}

#[tokio::test]
async fn in_autumn_three_servers_fire_a_fixed_time_in_the_first_pass_and_elapsed_times_in_both() {
    let expected = [
        "half_hours 2027-10-31T00:00:00Z",
        "half_hours 2027-10-31T00:30:00Z",
        "half_hours 2027-10-31T01:00:00Z",
        "half_hours 2027-10-31T01:30:00Z",
        "half_hours 2027-10-31T02:00:00Z",
        "hours 2027-10-31T00:00:00Z",
        "hours 2027-10-31T01:00:00Z",
        "hours 2027-10-31T02:00:00Z",
        "in_the_gap 2027-10-31T00:30:00Z",
        "two_in_the_gap 2027-10-31T00:15:00Z",
        "two_in_the_gap 2027-10-31T00:45:00Z",
        "after_the_gap 2027-10-31T02:00:00Z",
    ];
    let passes = ["2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z"];
    cross(AUTUMN, &passes, "2027-10-31T02:05:00Z", &expected).await;
}
