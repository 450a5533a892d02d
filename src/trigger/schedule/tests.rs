use super::{Due, Missed, Schedule, due};
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use proptest::prelude::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn phrase(text: &str) -> Schedule {
    Schedule::parse_phrase(text).unwrap()
}

fn cron(text: &str) -> Schedule {
    Schedule::parse_cron(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next `count` firings after a local time, as local times with their offset.
fn fires(schedule: &Schedule, zone_name: &str, after: &str, count: usize) -> Vec<String> {
    let zone = zone(zone_name);
    let after = zone.to_timestamp(after.parse().unwrap()).unwrap();
    let shown = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string();
    schedule.fires_after(after, &zone).take(count).map(shown).collect()
}

#[test]
fn every_form_of_a_phrase_fires_where_it_says() {
    let table = [
        ("every 15 minutes", vec!["2026-03-02 10:15", "2026-03-02 10:30"]),
        ("every minute", vec!["2026-03-02 10:08", "2026-03-02 10:09"]),
        ("every hour", vec!["2026-03-02 11:00", "2026-03-02 12:00"]),
        ("every 6 hours", vec!["2026-03-02 12:00", "2026-03-02 18:00", "2026-03-03 00:00"]),
        ("every day at 09:30", vec!["2026-03-03 09:30", "2026-03-04 09:30"]),
        ("every weekday at 09:00, 17:00", vec!["2026-03-02 17:00", "2026-03-03 09:00"]),
        ("every weekend at 11:00", vec!["2026-03-07 11:00", "2026-03-08 11:00", "2026-03-14 11:00"]),
        ("every monday at 10:00", vec!["2026-03-09 10:00", "2026-03-16 10:00"]),
        ("Every  Tuesday,friday at 10:00", vec!["2026-03-03 10:00", "2026-03-06 10:00"]),
        ("every month on the 1st at 08:00", vec!["2026-04-01 08:00"]),
        ("every month on the 1st, 15th at 08:00", vec!["2026-03-15 08:00", "2026-04-01 08:00"]),
        ("every month on the 31st at 08:00", vec!["2026-03-31 08:00", "2026-05-31 08:00"]),
        ("every month on the last day at 18:00", vec!["2026-03-31 18:00", "2026-04-30 18:00"]),
        ("every month on the first monday at 10:00", vec!["2026-04-06 10:00", "2026-05-04 10:00"]),
        ("every month on the fourth sunday at 10:00", vec!["2026-03-22 10:00", "2026-04-26 10:00"]),
        ("every month on the last friday at 10:00", vec!["2026-03-27 10:00", "2026-04-24 10:00"]),
        ("on 2026-12-01 at 10:00", vec!["2026-12-01 10:00"]),
    ];
    for (text, expected) in table {
        let shown: Vec<String> = fires(&phrase(text), "UTC", "2026-03-02T10:07:00", expected.len() + 1);
        let local: Vec<&str> = shown.iter().map(|fire| &fire[..16]).collect();
        assert_eq!(local[..expected.len()], expected[..], "{text}");
    }
    assert_eq!(fires(&phrase("on 2026-12-01 at 10:00"), "UTC", "2026-03-02T10:07:00", 5).len(), 1);
}

#[test]
fn every_form_of_a_cron_line_fires_where_it_says() {
    let table = [
        ("*/20 * * * *", vec!["2026-03-02 10:20", "2026-03-02 10:40"]),
        ("0 9-17/4 * * MON-FRI", vec!["2026-03-02 13:00", "2026-03-02 17:00", "2026-03-03 09:00"]),
        ("0 9 * * 7", vec!["2026-03-08 09:00"]),
        ("0 9 * * 0", vec!["2026-03-08 09:00"]),
        ("0 9 * * 1", vec!["2026-03-09 09:00"]),
        ("0 9 * * sat-sun", vec!["2026-03-07 09:00", "2026-03-08 09:00"]),
        ("0 0 31 * *", vec!["2026-03-31 00:00", "2026-05-31 00:00", "2026-07-31 00:00", "2026-08-31 00:00"]),
        ("0 0 29 2 *", vec!["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("0 9 13 * FRI", vec!["2026-03-06 09:00", "2026-03-13 09:00", "2026-03-20 09:00"]),
        ("0 9 1 jan,JUL *", vec!["2026-07-01 09:00", "2027-01-01 09:00"]),
    ];
    for (text, expected) in table {
        let shown = fires(&cron(text), "UTC", "2026-03-02T10:07:00", expected.len());
        let local: Vec<&str> = shown.iter().map(|fire| &fire[..16]).collect();
        assert_eq!(local, expected, "{text}");
    }
}

#[test]
fn a_fixed_time_in_a_gap_fires_once_at_its_end() {
    let paris = |schedule: &Schedule, count| fires(schedule, "Europe/Paris", "2027-03-27T12:00:00", count);
    assert_eq!(paris(&phrase("every day at 02:30"), 2), ["2027-03-28 03:00 +02:00", "2027-03-29 02:30 +02:00"]);
    assert_eq!(paris(&cron("30 2 * * *"), 2), ["2027-03-28 03:00 +02:00", "2027-03-29 02:30 +02:00"]);
    // Three times that meet there fire once.
    assert_eq!(
        paris(&phrase("every day at 02:00, 02:30, 03:00, 03:10"), 3),
        ["2027-03-28 03:00 +02:00", "2027-03-28 03:10 +02:00", "2027-03-29 02:00 +02:00"]
    );
    assert_eq!(paris(&cron("0,30 2 * * *"), 2), ["2027-03-28 03:00 +02:00", "2027-03-29 02:00 +02:00"]);
    assert_eq!(
        fires(&phrase("every day at 02:30"), "America/New_York", "2027-03-13T12:00:00", 1),
        ["2027-03-14 03:00 -04:00"]
    );
    // Midnight itself is missing in Cairo, half an hour on Lord Howe.
    assert_eq!(
        fires(&phrase("every day at 00:00"), "Africa/Cairo", "2026-04-23T12:00:00", 2),
        ["2026-04-24 01:00 +03:00", "2026-04-25 00:00 +03:00"]
    );
    assert_eq!(
        fires(&phrase("every day at 02:10"), "Australia/Lord_Howe", "2026-10-03T12:00:00", 2),
        ["2026-10-04 02:30 +11:00", "2026-10-05 02:10 +11:00"]
    );
    assert_eq!(
        fires(&phrase("every day at 00:00"), "America/Sao_Paulo", "2018-11-03T12:00:00", 1),
        ["2018-11-04 01:00 -02:00"]
    );
}

#[test]
fn a_repeated_fixed_time_fires_once_at_the_first_pass() {
    assert_eq!(
        fires(&phrase("every day at 02:30"), "Europe/Paris", "2026-10-24T12:00:00", 2),
        ["2026-10-25 02:30 +02:00", "2026-10-26 02:30 +01:00"]
    );
    assert_eq!(
        fires(&cron("0,30 2 * * *"), "Europe/Paris", "2026-10-24T12:00:00", 3),
        ["2026-10-25 02:00 +02:00", "2026-10-25 02:30 +02:00", "2026-10-26 02:00 +01:00"]
    );
    assert_eq!(
        fires(&cron("30 1 * * *"), "America/New_York", "2026-10-31T12:00:00", 2),
        ["2026-11-01 01:30 -04:00", "2026-11-02 01:30 -05:00"]
    );
    assert_eq!(
        fires(&phrase("every day at 01:45"), "Australia/Lord_Howe", "2026-04-04T12:00:00", 2),
        ["2026-04-05 01:45 +11:00", "2026-04-06 01:45 +10:30"]
    );
    // From inside the second pass, nothing of the first comes back.
    let paris = zone("Europe/Paris");
    let second_pass = at("2026-10-25T01:10:00Z");
    let next = phrase("every day at 02:30").next_fire_after(second_pass, &paris).unwrap();
    assert_eq!(next, at("2026-10-26T01:30:00Z"));
}

#[test]
fn intervals_and_stars_in_the_hour_follow_elapsed_time() {
    for schedule in [phrase("every 30 minutes"), cron("*/30 * * * *"), cron("0,30 */1 * * *")] {
        assert_eq!(
            fires(&schedule, "Europe/Paris", "2026-10-25T01:45:00", 5),
            [
                "2026-10-25 02:00 +02:00",
                "2026-10-25 02:30 +02:00",
                "2026-10-25 02:00 +01:00",
                "2026-10-25 02:30 +01:00",
                "2026-10-25 03:00 +01:00"
            ]
        );
        assert_eq!(
            fires(&schedule, "Europe/Paris", "2027-03-28T01:15:00", 3),
            ["2027-03-28 01:30 +01:00", "2027-03-28 03:00 +02:00", "2027-03-28 03:30 +02:00"]
        );
    }
    assert_eq!(
        fires(&phrase("every 15 minutes"), "Australia/Lord_Howe", "2026-10-04T01:40:00", 2),
        ["2026-10-04 01:45 +10:30", "2026-10-04 02:30 +11:00"]
    );
}

#[test]
fn a_day_that_a_zone_skipped_moves_to_the_next_and_merges_with_it() {
    assert_eq!(
        fires(&phrase("every day at 10:00"), "Pacific/Apia", "2011-12-29T12:00:00", 2),
        ["2011-12-31 00:00 +14:00", "2011-12-31 10:00 +14:00"]
    );
    assert_eq!(
        fires(&phrase("every day at 00:00"), "Pacific/Apia", "2011-12-29T12:00:00", 2),
        ["2011-12-31 00:00 +14:00", "2012-01-01 00:00 +14:00"]
    );
}

#[test]
fn what_never_fires_is_known_quickly() {
    let now = at("2026-11-01T00:00:00Z");
    for schedule in [cron("0 9 31 2 *"), cron("0 * 31 4,6 *"), phrase("on 2020-01-01 at 10:00")] {
        assert_eq!(schedule.next_fire_after(now, &TimeZone::UTC), None, "{}", schedule.source());
    }
    let far = phrase("on 2099-01-01 at 10:00");
    assert_eq!(far.next_fire_after(now, &TimeZone::UTC), Some(at("2099-01-01T10:00:00Z")));
    let paris = zone("Europe/Paris");
    for instant in [Timestamp::MIN, Timestamp::MAX] {
        for schedule in [phrase("every day at 02:30"), phrase("every hour"), cron("0 0 29 2 *")] {
            let _ = (schedule.next_fire_after(instant, &paris), schedule.last_fire_until(instant, &paris));
        }
    }
}

#[test]
fn a_phrase_that_cannot_be_read_says_what_may_stand_there() {
    let table = [
        (
            "every 7 minutes",
            "does not fit into an hour: `every 5 minutes` or `every 10 minutes`: the number must be 1, 2, 3, 4,",
        ),
        ("every 0 hours", "does not fit into a day"),
        ("every 90 seconds", "is no schedule: `every 15 minutes`"),
        ("every monday", "has no time of day: `every monday at 09:00`"),
        ("every mondays at 10:00", "did you mean `monday`?"),
        ("every monday and friday at 10:00", "divided by commas, `monday, friday`"),
        ("every day at 9:30", "write `09:30`"),
        ("every day at 24:00", "is no time of day: `HH:MM`, 24 hours"),
        ("every day at 9am", "is no time of day"),
        ("every 2 hours at 10:00", "takes no `at`"),
        ("every month at 08:00", "which day of the month is missing"),
        ("every month on the 1th at 08:00", "write `1st`"),
        ("every month on the 32nd at 08:00", "`1st` to `31st`"),
        ("every month on the fifth monday at 08:00", "`fourth` or `last`"),
        ("on 2026-02-30 at 10:00", "is no date"),
        ("on 2026-12-01", "has no time of day"),
        ("0 9 * * MON", "under `cron`"),
        ("monday at 10:00", "is no schedule: `every 15 minutes`"),
        ("", "is no schedule"),
    ];
    for (text, part) in table {
        let said = Schedule::parse_phrase(text).unwrap_err();
        assert!(said.contains(part), "{text}: {said}");
    }
}

#[test]
fn a_cron_line_that_cannot_be_read_names_the_field_and_the_way_out() {
    let table = [
        ("@daily", "`@daily` is not understood"),
        ("0 0 9 * * *", "here are 6: leave out the seconds: `0 9 * * *`"),
        ("0 9 * *", "`cron` takes five fields, and here are 4"),
        ("", "nothing is written"),
        ("60 9 * * *", "minute `60`: `0` to `59`"),
        ("0 24 * * *", "hour `24`: `0` to `23`"),
        ("0 9 L * *", "every month on the last day"),
        ("0 9 15W * *", "day `15W`: `W` is not understood"),
        ("0 9 * * MON#1", "weekday `MON#1`: the first or last such day"),
        ("0 9 ? * MON", "day `?`: `?` is not understood: write `*`"),
        ("0 9 * * FRI-MON", "a range goes upwards"),
        ("0 9 * * MONMON", "`SUN` to `SAT`"),
        ("0 9 * JULY *", "month `JULY`: `1` to `12`"),
        ("MON 9 * * *", "minute `MON`"),
        ("5/10 9 * * *", "a step counts through `*` or a range"),
        ("*/0 9 * * *", "after `/` stands a number"),
        ("*/90 * * * *", "after `/` stands a number from `1` to `59`"),
        ("1,,2 9 * * *", "minute `1,,2`"),
        ("0 9 * * +MON", "weekday `+MON`"),
        ("é 9 * * *", "minute `é`"),
    ];
    for (text, part) in table {
        let said = Schedule::parse_cron(text).unwrap_err();
        assert!(said.contains(part), "{text}: {said}");
    }
}

#[test]
fn numbers_of_weekdays_are_noticed_and_steps_are_not() {
    assert!(cron("0 9 * * 1-5").has_weekday_numbers());
    assert!(cron("0 9 * * MON,6").has_weekday_numbers());
    assert!(!cron("0 9 * * MON-FRI").has_weekday_numbers());
    assert!(!cron("0 9 * * */2").has_weekday_numbers());
    assert!(!cron("0 9 1 * *").has_weekday_numbers());
}

#[test]
fn the_next_instant_of_a_phrase_without_every() {
    let madrid = zone("Europe/Madrid");
    let next = |text: &str| Schedule::parse_next(text).unwrap().next_fire_after(at("2026-03-02T10:00:00Z"), &madrid);
    assert_eq!(next("monday at 09:00"), Some(at("2026-03-09T08:00:00Z")));
    assert_eq!(next("weekday at 12:00"), Some(at("2026-03-02T11:00:00Z")));
    assert_eq!(next("month on the last day at 18:00"), Some(at("2026-03-31T16:00:00Z")));
    for (text, part) in [
        ("every monday at 09:00", "without `every`, `monday at 09:00`"),
        ("monday", "has no time of day"),
        ("15 minutes", "has no time of day"),
        ("2 hours at 10:00", "takes no `at`"),
        ("on 2026-12-01 at 10:00", "`until`"),
    ] {
        let said = Schedule::parse_next(text).unwrap_err();
        assert!(said.contains(part), "{text}: {said}");
    }
}

const HOUR_MS: i64 = 3_600_000;

fn due_utc(text: &str, hwm: &str, now: &str, missed: Missed, catch_up_ms: i64) -> Due {
    due(&phrase(text), &TimeZone::UTC, at(hwm), at(now), missed, catch_up_ms)
}

#[test]
fn an_instant_on_time_fires_whatever_the_policy() {
    for missed in [Missed::Latest, Missed::All, Missed::Skip] {
        let due = due_utc("every hour", "2026-03-02T10:00:00Z", "2026-03-02T11:00:03Z", missed, 0);
        assert_eq!(due.fire, [at("2026-03-02T11:00:00Z")]);
        assert_eq!((due.skipped.len(), due.skipped_before, due.hwm), (0, None, at("2026-03-02T11:00:00Z")));
    }
    let early = due_utc("every hour", "2026-03-02T11:00:00Z", "2026-03-02T11:59:59.999Z", Missed::Latest, HOUR_MS);
    let same = Due { fire: vec![], skipped: vec![], skipped_before: None, hwm: at("2026-03-02T11:00:00Z") };
    assert_eq!(early, same);
    let clock_went_back = due_utc("every hour", "2026-03-02T11:00:00Z", "2026-03-02T08:00:00Z", Missed::All, HOUR_MS);
    assert_eq!(clock_went_back, same);
}

#[test]
fn after_downtime_the_policy_decides_and_every_instant_is_accounted_for() {
    let after = |missed, catch_up| {
        let due = due_utc("every hour", "2026-03-02T05:00:00Z", "2026-03-02T08:30:00Z", missed, catch_up);
        assert_eq!(due.hwm, at("2026-03-02T08:00:00Z"));
        let hours = |instants: &[Timestamp]| -> Vec<i8> {
            instants.iter().map(|at| at.to_zoned(TimeZone::UTC).hour()).collect()
        };
        (hours(&due.fire), hours(&due.skipped))
    };
    assert_eq!(after(Missed::Latest, HOUR_MS), (vec![8], vec![6, 7]));
    assert_eq!(after(Missed::Latest, HOUR_MS / 4), (vec![], vec![6, 7, 8]));
    assert_eq!(after(Missed::All, 2 * HOUR_MS), (vec![7, 8], vec![6]));
    assert_eq!(after(Missed::Skip, 9 * HOUR_MS), (vec![], vec![6, 7, 8]));
}

#[test]
fn three_years_of_a_minute_schedule_cost_no_more_than_a_hundred_instants() {
    let started = std::time::Instant::now();
    let due = due_utc("every minute", "2023-03-02T05:00:00Z", "2026-03-02T08:30:30Z", Missed::All, i64::MAX);
    assert!(started.elapsed() < std::time::Duration::from_secs(1));
    assert_eq!((due.fire.len(), due.skipped.len()), (100, 1));
    assert_eq!(due.skipped.first(), due.skipped_before.as_ref(), "the range stands on a row");
    assert_eq!(due.hwm, at("2026-03-02T08:30:00Z"));
    let due = due_utc("every minute", "2023-03-02T05:00:00Z", "2026-03-02T08:30:30Z", Missed::Latest, HOUR_MS);
    assert_eq!((due.fire.len(), due.skipped.len()), (1, 100));
    assert_eq!(due.skipped_before, Some(at("2026-03-02T06:50:00Z")));
    let due = due_utc("every minute", "2026-03-02T06:49:00Z", "2026-03-02T08:30:30Z", Missed::All, i64::MAX);
    assert_eq!((due.fire.len(), due.skipped.len(), due.skipped_before), (100, 1, None));
}

/// Every instant of a window, found minute by minute: the rule of §6.3 written the slow way.
fn oracle(
    matches: &dyn Fn(DateTime) -> bool,
    elapsed: bool,
    zone: &TimeZone,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Timestamp> {
    let minute = SignedDuration::from_mins(1);
    let mut found = Vec::new();
    let mut now = from;
    let mut highest = zone.to_datetime(from - SignedDuration::from_hours(30));
    while now <= to {
        let shown = zone.to_datetime(now);
        if elapsed {
            found.extend(matches(shown).then_some(now));
        } else {
            // Every civil minute is lived once: those the clock jumps over are lived at the jump.
            let mut civil = if now == from { shown } else { highest };
            let mut hit = now == from && matches(shown);
            while civil < shown {
                civil = civil.checked_add(1.minute()).unwrap();
                hit |= matches(civil);
            }
            found.extend(hit.then_some(now));
        }
        highest = highest.max(shown);
        now += minute;
    }
    found
}

const ZONES: [(&str, &str); 12] = [
    ("Europe/Paris", "2026-10-25T01:00:00Z"),
    ("Europe/Paris", "2027-03-28T01:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("America/New_York", "2027-03-14T07:00:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    ("Africa/Cairo", "2026-10-29T21:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("America/Sao_Paulo", "2019-02-17T02:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Asia/Kathmandu", "2026-10-25T01:00:00Z"),
];

/// A zone and a change of its clock: one of the known ones, or any zone's first change after any
/// time since 1973, when the last zone came to whole minutes.
fn any_change() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    let known = proptest::sample::select(ZONES.as_slice()).prop_map(|(name, change)| (zone(name), at(change)));
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let any = (proptest::sample::select(names), 100_000_000i64..2_200_000_000).prop_map(|(name, second)| {
        let (zone, start) = (zone(&name), Timestamp::from_second(second).unwrap());
        let change = zone.following(start).next().map_or(start, |change| change.timestamp());
        (zone, Timestamp::from_second(change.as_second() / 60 * 60).unwrap())
    });
    prop_oneof![known, any]
}

fn any_times() -> impl Strategy<Value = Vec<(i8, i8)>> {
    proptest::collection::vec((0i8..24, prop_oneof![Just(0i8), Just(30), 0i8..60]), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fixed_times_agree_with_a_minute_by_minute_search(
        (zone, change) in any_change(),
        times in any_times(),
        weekdays in proptest::sample::subsequence(vec!["monday", "wednesday", "saturday", "sunday"], 0..4),
        cut in 0i64..3000,
    ) {
        let clocks: Vec<String> = times.iter().map(|(h, m)| format!("{h:02}:{m:02}")).collect();
        let days = if weekdays.is_empty() { "day".to_owned() } else { weekdays.join(", ") };
        let schedule = phrase(&format!("every {days} at {}", clocks.join(", ")));
        let matches = |shown: DateTime| {
            let named = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
            let today = named[usize::from(shown.weekday().to_monday_zero_offset().unsigned_abs())];
            times.contains(&(shown.hour(), shown.minute())) && (weekdays.is_empty() || weekdays.contains(&today))
        };
        agree(&schedule, &matches, false, &zone, change, cut)?;
    }

    #[test]
    fn elapsed_times_agree_with_a_minute_by_minute_search(
        (zone, change) in any_change(),
        step in proptest::sample::select(vec![1i8, 2, 3, 4, 6, 12]),
        minute in 0i8..60,
        monthday in 1i8..32,
        weekday in 0i8..7,
        cut in 0i64..3000,
    ) {
        let schedule = cron(&format!("{minute} */{step} {monthday} * {weekday}"));
        let matches = |shown: DateTime| {
            let day = shown.day() == monthday || shown.weekday().to_sunday_zero_offset() == weekday;
            day && shown.minute() == minute && shown.hour() % step == 0
        };
        agree(&schedule, &matches, true, &zone, change, cut)?;
    }
}

/// Compares both directions with the oracle, over three days around a change, from a cut inside it.
fn agree(
    schedule: &Schedule,
    matches: &dyn Fn(DateTime) -> bool,
    elapsed: bool,
    zone: &TimeZone,
    change: Timestamp,
    cut: i64,
) -> Result<(), TestCaseError> {
    let (from, to) = (change - SignedDuration::from_hours(36), change + SignedDuration::from_hours(36));
    let expected = oracle(matches, elapsed, zone, from, to);
    let start = from + SignedDuration::from_mins(cut);
    let later: Vec<Timestamp> = expected.iter().copied().filter(|at| *at > start).collect();
    let found: Vec<Timestamp> = schedule.fires_after(start, zone).take_while(|at| *at <= to).collect();
    prop_assert_eq!(&found, &later, "forward, {} in {}", schedule.source(), zone.iana_name().unwrap_or("?"));
    let mut back = Vec::new();
    let mut until = to;
    while let Some(fire) = schedule.last_fire_until(until, zone).filter(|at| *at > start) {
        back.push(fire);
        until = fire - SignedDuration::from_nanos(1);
    }
    back.reverse();
    prop_assert_eq!(&back, &later, "backward, {} in {}", schedule.source(), zone.iana_name().unwrap_or("?"));
    Ok(())
}
