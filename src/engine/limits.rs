//! Limits: how many runs of a workflow reached one contact in a moving period (`limit`, `language.md` §6.4).
//!
//! Judged twice: as a run would start, and again before its first message, where what is on its way at that instant counts
//! as well. For the second look the contacts are locked until the commit, so that two nodes never count past each other.
//! Invariant: a run is counted from the moment its first message may have been handed over, and never twice: one that a
//! person had done again is the same event's, and stands for the one before it. What the platform told to have failed
//! reached nobody.

use super::calendar;
use super::evaluate::Arrival;
use super::unit::Unit;
use crate::rules::RunLimit;
use crate::store::Tx;
use crate::store::deliveries::DueDelivery;
use crate::store::limits::Counted;
use crate::workflow::{Duration, Limit};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashMap};

/// Runs that reached their contacts, as far as somebody asked.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// (workflow, contact) → event of the run → when; [`i64::MAX`] while its first message is on its way.
    runs: HashMap<(String, String), BTreeMap<String, i64>>,
    /// Runs whose first message is due → the contact that they are about, and the event.
    first: HashMap<String, (String, String)>,
}

/// As the definition says, for the message that is planned by it.
pub(super) fn planned(limits: &[Limit]) -> Vec<RunLimit> {
    limits.iter().map(|limit| RunLimit { count: limit.count, days: limit.per.days, ms: limit.per.ms }).collect()
}

/// What reached a contact at this instant counts no more.
fn since_ms(limit: &RunLimit, now_ms: i64, zone: &TimeZone) -> i64 {
    calendar::shift(now_ms, Duration { days: limit.days, ms: limit.ms }, -1, zone)
}

/// The earliest instant that any of them asks for.
fn earliest_ms(limits: &[RunLimit], now_ms: i64, zone: &TimeZone) -> Option<i64> {
    limits.iter().map(|limit| since_ms(limit, now_ms, zone)).min()
}

impl Reached {
    /// Notes a run that reached its contact.
    pub(super) fn note(&mut self, workflow: &str, contact: &str, event: &str, at_ms: i64) {
        let runs = self.runs.entry((workflow.to_owned(), contact.to_owned())).or_default();
        runs.entry(event.to_owned()).and_modify(|known| *known = at_ms.min(*known)).or_insert(at_ms);
    }

    fn know(&mut self, rows: Vec<Counted>) {
        rows.into_iter().for_each(|row| self.note(&row.workflow, &row.contact, &row.event, row.at_ms));
    }

    /// Whether so many other runs reached the contact as any of the limits allows. `on_its_way`: whether those count whose
    /// first message is under way.
    fn is_full(&self, whose: &Whose, limits: &[RunLimit], now_ms: i64, zone: &TimeZone, on_its_way: bool) -> bool {
        let Some(runs) = self.runs.get(&(whose.workflow.to_owned(), whose.contact.to_owned())) else { return false };
        let others =
            || runs.iter().filter(|(event, at_ms)| *event != whose.event && (on_its_way || **at_ms != i64::MAX));
        limits.iter().any(|limit| {
            let since_ms = since_ms(limit, now_ms, zone);
            let count = others().filter(|(_, at_ms)| **at_ms > since_ms).count();
            u32::try_from(count).unwrap_or(u32::MAX) >= limit.count
        })
    }
}

struct Whose<'a> {
    workflow: &'a str,
    contact: &'a str,
    event: &'a str,
}

// --- as a run would start ---------------------------------------------------------------------------------------------

/// Reads what reached the people of those workflows that have a limit.
pub(super) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, arrivals: &[Arrival]) -> anyhow::Result<()> {
    let mut asked = BTreeMap::new();
    for candidate in arrivals.iter().flat_map(|arrival| &arrival.candidates) {
        let settings = &candidate.definition.workflow.settings;
        let Some(contact) = candidate.applies_to().filter(|id| !settings.limit.is_empty() && unit.is_stored(id)) else {
            continue;
        };
        if let Some(since_ms) = earliest_ms(&planned(&settings.limit), tx.now_ms, &settings.timezone) {
            asked.insert((candidate.definition.workflow.id.clone(), contact.to_owned()), since_ms);
        }
    }
    unit.reached.know(read(tx, asked).await?);
    Ok(())
}

impl Unit<'_> {
    /// Whether a run of this workflow about this contact, started by this event, would be one too many.
    pub(super) fn is_over_limit(&self, workflow: &crate::workflow::Workflow, contact: &str, event: &str) -> bool {
        let settings = &workflow.settings;
        let whose = Whose { workflow: &workflow.id, contact, event };
        self.reached.is_full(&whose, &planned(&settings.limit), self.now_ms, &settings.timezone, false)
    }
}

// --- before its first message -----------------------------------------------------------------------------------------

/// Reads, for the messages that are due, which of them are the first of runs with a limit, and what counts against them.
pub(super) async fn before_first<'a>(
    tx: &mut Tx<'_>,
    due: impl Iterator<Item = &'a DueDelivery>,
) -> anyhow::Result<Reached> {
    let limited: Vec<_> = due.map(|due| &due.delivery).filter(|delivery| !delivery.rules.limit.is_empty()).collect();
    let mut reached = Reached::default();
    let ids: Vec<&str> = limited.iter().map(|delivery| delivery.run.as_str()).collect();
    reached.first = tx.first_messages(&ids).await?.into_iter().collect();
    let mut asked = BTreeMap::new();
    for delivery in limited {
        let Some((contact, _)) = reached.first.get(&delivery.run) else { continue };
        let zone = zone_of(&delivery.rules.zone);
        if let Some(since_ms) = earliest_ms(&delivery.rules.limit, tx.now_ms, &zone) {
            let earliest = asked.entry((delivery.workflow.clone(), contact.clone())).or_insert(since_ms);
            *earliest = since_ms.min(*earliest);
        }
    }
    reached.know(read(tx, asked).await?);
    Ok(reached)
}

/// (workflow, contact) → since when.
async fn read(tx: &mut Tx<'_>, asked: BTreeMap<(String, String), i64>) -> anyhow::Result<Vec<Counted>> {
    let rows: Vec<_> = asked.into_iter().map(|((workflow, contact), since_ms)| (workflow, contact, since_ms)).collect();
    tx.reached(&rows).await
}

impl Reached {
    /// Whether a message is the first of its run, and one too many.
    pub(super) fn stops(&self, delivery: &crate::delivery::Delivery, now_ms: i64) -> bool {
        let Some((contact, event)) = self.first.get(&delivery.run) else { return false };
        let whose = Whose { workflow: &delivery.workflow, contact, event };
        self.is_full(&whose, &delivery.rules.limit, now_ms, &zone_of(&delivery.rules.zone), true)
    }

    /// The message is on its way.
    pub(super) fn begun(&mut self, delivery: &crate::delivery::Delivery) {
        if let Some((contact, event)) = self.first.get(&delivery.run).cloned() {
            self.note(&delivery.workflow, &contact, &event, i64::MAX);
        }
    }
}

fn zone_of(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn full(reached: &Reached, limits: &[(u32, i32, i64)], now_ms: i64, on_its_way: bool) -> bool {
        let limits: Vec<_> =
            limits.iter().map(|(count, days, ms)| RunLimit { count: *count, days: *days, ms: *ms }).collect();
        let whose = Whose { workflow: "w", contact: "c", event: "own" };
        reached.is_full(&whose, &limits, now_ms, &zone_of("Europe/Madrid"), on_its_way)
    }

    #[test]
    fn runs_count_for_the_period_and_each_limit_must_hold() {
        let now_ms = 1_772_449_200_000;
        let mut reached = Reached::default();
        assert!(!full(&reached, &[(1, 1, 0)], now_ms, true));
        reached.note("w", "c", "own", now_ms);
        reached.note("w", "other", "r", now_ms);
        reached.note("v", "c", "r", now_ms);
        assert!(!full(&reached, &[(1, 1, 0)], now_ms, true), "the run itself, other people, other workflows");
        reached.note("w", "c", "r1", now_ms - DAY_MS + 1);
        assert!(full(&reached, &[(1, 1, 0)], now_ms, true));
        assert!(!full(&reached, &[(1, 1, 0)], now_ms + 1, true), "a day later it is free again");
        assert!(!full(&reached, &[(2, 1, 0)], now_ms, true));
        assert!(full(&reached, &[(2, 1, 0), (1, 0, 2 * DAY_MS)], now_ms, true));
        reached.note("w", "c", "r2", i64::MAX);
        assert!(full(&reached, &[(2, 1, 0)], now_ms, true) && !full(&reached, &[(2, 1, 0)], now_ms, false));
        assert!(!full(&reached, &[], now_ms, true));
    }

    #[test]
    fn a_day_is_one_of_the_calendar_where_it_was_written_so() {
        // 2026-03-29 has 23 hours in Madrid.
        let noon_ms = "2026-03-29T12:00:00+02:00".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let mut reached = Reached::default();
        reached.note("w", "c", "r", noon_ms - 23 * 3_600_000 - 1);
        assert!(!full(&reached, &[(1, 1, 0)], noon_ms, true));
        assert!(full(&reached, &[(1, 0, DAY_MS)], noon_ms, true));
    }
}
