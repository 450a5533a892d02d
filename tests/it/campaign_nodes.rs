//! Three servers deliver one campaign at the configured pace while they are killed and replaced: each valid recipient
//! once, or shown as uncertain, and the vendor never has to refuse a request because it came too fast.
//!
//! `RELANCE_TEST_RECIPIENTS=50000` and `RELANCE_TEST_PACE=200` make it large.

use crate::crash::{
    Audience, all_deliveries, judge, moments, number, offset_to_monday, uncertain, what_arrived_becomes_known,
};
use crate::database::Database;
use crate::fleet::{Fleet, some_time};
use crate::process::{Site, eventually, list};
use crate::wire::{prepare, seen};
use jiff::Timestamp;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

const SERVERS: usize = 3;
const RECIPIENTS: u64 = 600;
const PACE: u64 = 100;
/// Members who withdraw before the campaign.
const WITHDRAW: usize = 3;

fn set_up(site: &Site, audience: &Audience, pace: u64) {
    prepare(site);
    site.write("workflows/audiences/members.csv", &audience.csv);
    let project = fs::read_to_string(site.path().join("relance.yaml")).unwrap();
    let paced = project.replace("callbell: { pace: 100000", &format!("callbell: {{ pace: {pace}"));
    assert_ne!(paced, project);
    site.write("relance.yaml", &paced);
}

/// The first life only learns that there is a schedule, and that some members want nothing.
async fn first_life(fleet: &mut Fleet, audience: &Audience) -> Vec<usize> {
    fleet.begin(0);
    fleet.ready(0).await;
    let site = fleet.site(0);
    let (withdrawn, valid) = audience.valid.split_at(WITHDRAW);
    for member in withdrawn {
        site.turn("reply", &json!({ "phone": format!("+346{member:08}"), "text": "stop" })).await;
    }
    eventually("withdrawals are confirmed", async || (site.messages().await.len() == WITHDRAW).then_some(())).await;
    let expected = valid.to_vec();
    fleet.end().await;
    expected
}

async fn campaign(site: &Site) -> Option<Value> {
    let campaign = list(&site.api("campaigns").await["campaigns"]).into_iter().next()?;
    assert_ne!(campaign["state"], "needs_attention", "{campaign}");
    Some(campaign)
}

/// Every row is read, and no message waits.
async fn is_over(site: &Site) -> bool {
    let done = campaign(site).await.is_some_and(|campaign| campaign["state"] == "done");
    done && site.deliveries("state=queued,held&limit=1").await.is_empty()
}

/// Kills and replaces servers until the campaign is over: how often.
async fn kill_until_over(fleet: &mut Fleet, most: Duration, moments: &mut StdRng) -> usize {
    let (begun, mut kills) = (Instant::now(), 0);
    loop {
        some_time(moments, 500..2500).await;
        fleet.serve().await;
        if is_over(fleet.site(kills % SERVERS)).await {
            return kills;
        }
        assert!(begun.elapsed() < most, "not over after {kills} kills");
        fleet.replace_one(moments).await;
        kills += 1;
    }
}

/// In any time no more calls were begun than the rate gives, and the tenth of a second that may go ahead of it: by the
/// database's clock, which no slow machine stretches.
async fn keeps_the_pace(site: &Site, pace: u64) {
    let mut begun = Vec::new();
    for delivery in all_deliveries(site, "").await {
        for attempt in list(&delivery["attempts"]) {
            let at: Timestamp = attempt["started_at"].as_str().unwrap().parse().unwrap();
            begun.push(at.as_microsecond());
        }
    }
    begun.sort_unstable();
    let interval_us = i64::try_from(1_000_000 / pace).unwrap();
    let ahead_us = interval_us.max(100_000) - interval_us;
    let mut free_us = i64::MIN;
    for at_us in begun {
        // The database tells milliseconds.
        let ahead = free_us.saturating_sub(at_us + 999);
        assert!(ahead <= ahead_us, "a call was begun {} us too early at {at_us}", ahead - ahead_us);
        free_us = free_us.max(at_us) + interval_us;
    }
}

#[tokio::test]
async fn three_servers_deliver_a_campaign_once_to_each_at_its_pace_while_they_are_killed_and_replaced() {
    let mut moments = moments();
    let recipients = number("RELANCE_TEST_RECIPIENTS").unwrap_or(RECIPIENTS);
    let pace = number("RELANCE_TEST_PACE").unwrap_or(PACE);
    // 96 of a hundred rows are valid.
    let audience = Audience::of(usize::try_from(recipients.div_ceil(96) * 100).unwrap());
    let mut fleet = Fleet::of(Database::postgres(), SERVERS, |site| set_up(site, &audience, pace)).await;
    let expected = first_life(&mut fleet, &audience).await;
    fleet.site(0).turn("faults", &json!({ "delay": 60, "rate_limit": pace * 5 / 4, "scope": "/" })).await;
    fleet.set_ahead(offset_to_monday());
    let begun = Instant::now();
    fleet.serve().await;
    eventually("messages leave", async || (fleet.site(0).messages().await.len() > WITHDRAW).then_some(())).await;
    let most = Duration::from_secs(120 + 4 * recipients / pace);
    let kills = kill_until_over(&mut fleet, most, &mut moments).await;
    let took = begun.elapsed();
    let site = fleet.settle("").await;
    let (counted, forms) = seen(site, "member").await;
    assert!(forms.values().all(|form| form == "template"), "nobody had written");
    let doubtful = uncertain(site, "member").await;
    eprintln!("{} messages in {took:?}, {kills} kills, {} uncertain", counted.len(), doubtful.len());
    judge(expected, &doubtful, counted.clone());
    what_arrived_becomes_known(site, &doubtful, &counted).await;
    keeps_the_pace(site, pace).await;
    audience.accounts_for(&campaign(site).await.expect("it was begun"));
    assert!(kills > 0, "killed in the middle");
}
