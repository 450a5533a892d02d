//! Times in questions: reading them, clock changes, day borders, 29 February.

use super::World;
use crate::expr::Question;
use serde_json::json;

#[test]
fn times_are_read_from_iso_text_and_unix_time() {
    World::new().table(
        &[
            ("time(event.starts_at)", "\"2026-03-04T08:30:00Z\""),
            ("time('2026-03-04T08:30:00Z')", "\"2026-03-04T08:30:00Z\""),
            ("time('2026-03-04T09:30')", "\"2026-03-04T08:30:00Z\""),
            ("time('2026-03-04 09:30:00')", "\"2026-03-04T08:30:00Z\""),
            ("time('2026-07-04T09:30')", "\"2026-07-04T07:30:00Z\""),
            ("time('2026-03-04T09:30[Asia/Tokyo]')", "\"2026-03-04T00:30:00Z\""),
            ("time(event.day)", "\"2026-03-03T23:00:00Z\""),
            ("time(event.paid_at)", "\"2026-03-02T09:00:00Z\""),
            ("time(1772442000000)", "\"2026-03-02T09:00:00Z\""),
            ("time(now) == now", "true"),
            ("time(event.french_day, 'dd/MM/yyyy')", "\"2026-03-03T23:00:00Z\""),
            ("time('4/3/26 9:05', 'd/M/yy H:mm')", "\"2026-03-04T08:05:00Z\""),
            ("time('01.02.85', 'dd.MM.yy')", "\"1985-01-31T23:00:00Z\""),
            ("time('2026-03-04T09:30:15', 'yyyy-MM-ddTHH:mm:ss')", "\"2026-03-04T08:30:15Z\""),
            ("time('4/3/2026', 'dd/MM/yyyy')", "? '4/3/2026' is not a time written as `dd/MM/yyyy`"),
            ("time('31/02/2026', 'dd/MM/yyyy')", "? '31/02/2026' is not a time written as `dd/MM/yyyy`"),
            ("time('04/03/2026 x', 'dd/MM/yyyy')", "? '04/03/2026 x' is not a time written as `dd/MM/yyyy`"),
            ("time('soon')", "? 'soon' is not a time"),
            ("time('04/03/2026')", "? '04/03/2026' is not a time"),
            ("time(event.flag)", "? event.flag is yes or no, not a time"),
            ("time(1e300)", "? 1e300 is a number, not a time"),
            ("event.starts_at > now", "true"),
            ("now < event.day", "true"),
            ("now == '2026-03-02T10:00:00+01:00'", "true"),
        ],
        World::ask,
    );
}

#[test]
fn hours_elapse_and_days_follow_the_calendar() {
    World::new().table(
        &[
            ("hours_until(event.starts_at)", "47.5"),
            ("hours_since(event.starts_at)", "-47.5"),
            ("event.starts_at.hours_until() > 47", "true"),
            ("days_until(event.starts_at)", "2"),
            ("days_since(event.day)", "-2"),
            ("days_until(now)", "0"),
            ("days_until('2026-03-02T23:59')", "0"),
            ("days_until('2026-03-03T00:00')", "1"),
            ("days_since('2026-03-01T23:59')", "1"),
            ("days_until('2026-03-02T23:30:00Z')", "1"),
        ],
        World::ask,
    );
    // 23 hours on the day the clocks go forward are one day; 25 when they go back too.
    let spring = World::new().at("2026-03-28T12:00:00+01:00");
    assert_eq!(spring.ask("hours_until('2026-03-29T12:00')"), "23.0");
    assert_eq!(spring.ask("days_until('2026-03-29T12:00')"), "1");
    let autumn = World::new().at("2026-10-24T12:00:00+02:00");
    assert_eq!(autumn.ask("hours_until('2026-10-25T12:00')"), "25.0");
    assert_eq!(autumn.ask("days_until('2026-10-25T12:00')"), "1");
    let far = World::new().zone("Pacific/Auckland").at("2026-03-02T09:00:00Z");
    assert_eq!(far.ask("days_until('2026-03-02T11:30:00Z')"), "1", "it is tomorrow there");
}

#[test]
fn a_birthday_on_29_february_is_kept_on_the_28th_in_common_years() {
    let birthday =
        |now: &str, born: &str| World::new().at(now).event(json!({ "born": born })).ask("is_birthday(event.born)");
    assert_eq!(birthday("2026-03-02T10:00:00+01:00", "1990-03-02"), "true");
    assert_eq!(birthday("2026-03-03T10:00:00+01:00", "1990-03-02"), "false");
    assert_eq!(birthday("2026-02-28T10:00:00+01:00", "2000-02-29"), "true");
    assert_eq!(birthday("2028-02-28T10:00:00+01:00", "2000-02-29"), "false");
    assert_eq!(birthday("2028-02-29T10:00:00+01:00", "2000-02-29"), "true");
    assert_eq!(birthday("2026-03-01T23:30:00Z", "1990-03-02"), "true", "the workflow's day counts");
    assert_eq!(World::new().ask("contact.custom.birthday.is_birthday()"), "true");
    assert_eq!(World::new().ask("is_birthday(contact.custom.none)"), "? contact.custom.none is missing");
}

#[test]
fn weekends_and_clock_times_are_the_workflows() {
    World::new().table(
        &[
            ("is_weekend(now)", "false"),
            ("is_weekend('2026-03-07')", "true"),
            ("is_weekend('2026-03-06T23:30:00Z')", "true"),
            ("is_between(now, '10:00', '10:01')", "true"),
            ("is_between(now, '09:00', '10:00')", "false"),
            ("now.is_between('22:00', '10:00')", "false"),
            ("now.is_between('22:00', '10:01')", "true"),
            ("is_between('2026-03-02T23:00', '22:00', '06:00')", "true"),
            ("is_between(now, '10:00', '10:00')", "false"),
            ("is_between(now, event.status, '20:00')", "? event.status is not a clock time like `09:00`"),
        ],
        World::ask,
    );
}

#[test]
fn an_until_is_an_instant_or_what_time_reads() {
    let world = World::new();
    let until = |source: &str| Question::parse(source).unwrap().instant_ms(&world.scope()).map_err(|why| why.0);
    assert_eq!(until("now"), Ok(world.now_ms));
    assert_eq!(until("event.paid_at"), Ok(world.now_ms));
    assert_eq!(until("event.day"), Ok(1_772_578_800_000));
    assert_eq!(until("event.nothing"), Err("event.nothing is missing".into()));
    assert_eq!(until("event.status"), Err("event.status is not a time".into()));
}
