//! Why: everything that is kept about one person in a period, for whoever asks why they got something, or nothing.
//!
//! It reads, and decides nothing; how it is told is the business of `http`. Invariant: an event belongs to the person when it
//! is about them, started a run of theirs, or nobody is known to it and it holds one of their names: somebody else's event
//! that merely mentions them does not.

use super::Engine;
use crate::consent::{self, Entry};
use crate::contact::{Contact, Line, Phone, Withdrawal};
use crate::delivery::{Pause, Scope};
use crate::event::Evaluation;
use crate::run::Run;
use crate::store::attempts::AttemptRow;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;
use crate::store::events::{EventFilter, EventRow};
use crate::store::schedules::FiringRow;
use crate::store::why::Naming;
use crate::trigger::TriggerKind;
use crate::workflow::Workflow;
use std::collections::HashSet;

/// Events looked at at a time, and looked at at all: the newest.
const PAGE: u32 = 2_000;
const MOST_LOOKED_AT: usize = 1_000_000;
/// Events, runs and messages that are told: the newest.
const MOST_TOLD: usize = 300;
const MOST_ROWS: u32 = 500;
/// Campaigns looked at: the newest.
const CAMPAIGNS: u32 = 50;
/// Digits at the end of a number by which it is looked for, however its beginning is written.
const TAIL: usize = 8;
/// Digits of a number that must be there to be taken for it.
const ENOUGH: usize = 9;
/// Numbers told that look like the one asked for.
const NEAR: usize = 5;

/// Whom and what is asked about.
#[derive(Debug, Clone)]
pub struct Question {
    /// By any of these.
    pub keys: Vec<ContactKey>,
    /// From this instant on, and before that one. Unix milliseconds.
    pub from_ms: i64,
    pub to_ms: i64,
    /// Only this workflow.
    pub workflow: Option<String>,
}

/// What is kept about it. Rows in no order.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// `None` = nobody is known by these names.
    pub contact: Option<Contact>,
    pub lines: Vec<(String, Line)>,
    pub events: Vec<EventRow>,
    pub runs: Vec<Run>,
    /// Runs that events of the period gave way to, of any time and about anybody.
    pub holders: Vec<Run>,
    pub deliveries: Vec<DeliveryRow>,
    pub attempts: Vec<AttemptRow>,
    pub consents: Vec<Entry>,
    /// What the person wants no more of today; also of who has no record, by number.
    pub withdrawal: Option<Withdrawal>,
    /// Campaigns of the period.
    pub campaigns: Vec<FiringRow>,
    pub pauses: Vec<(Scope, Pause)>,
    /// Numbers on record that look like the one asked for, when nobody has that one.
    pub near: Vec<Phone>,
    /// Of the workflow asked for: each event that starts it, with when the newest one came, of whomever.
    pub newest: Vec<(String, Option<i64>)>,
    /// Older events were not looked at, or older rows not told.
    pub more: bool,
}

impl Engine {
    /// What nothing leaves by now, and why.
    ///
    /// # Errors
    /// What the database said.
    pub async fn pauses(&self) -> anyhow::Result<Vec<(Scope, Pause)>> {
        let mut pauses = self.store().pauses().await?;
        pauses.retain(|(_, pause)| pause.stands(self.clock().now_ms()));
        Ok(pauses)
    }

    /// Everything that is kept about a person in a period.
    ///
    /// # Errors
    /// What the database said.
    pub async fn why(&self, question: &Question) -> anyhow::Result<Kept> {
        let store = self.store();
        let mut kept = Kept::default();
        match store.contact(&question.keys).await? {
            Some((contact, lines)) => {
                kept.consents = self.consent_history(&contact).await?;
                kept.withdrawal.clone_from(&contact.withdrawal);
                (kept.contact, kept.lines) = (Some(contact), lines);
            }
            None => {
                if let Some(phone) = question.number() {
                    kept.consents = self.consent_history_of(&phone).await?;
                    kept.withdrawal = consent::standing(&kept.consents);
                }
            }
        }
        kept.consents.retain(|entry| question.holds(entry.at_ms));
        self.rows_of(question, &mut kept).await?;
        self.events_of(question, &mut kept).await?;
        kept.campaigns = store.firings(true, CAMPAIGNS).await?;
        kept.campaigns.retain(|firing| question.holds(firing.fired_at_ms));
        kept.pauses = self.pauses().await?;
        if kept.contact.is_none() {
            kept.near = near(store.phones_like(&patterns(&question.keys)).await?);
        }
        let asked = question.workflow.as_ref().and_then(|id| self.deployed().definitions.get(id).cloned());
        for name in asked.map(|definition| webhooks(&definition.workflow)).unwrap_or_default() {
            let filter = EventFilter { name: Some(name.clone()), limit: 1, ..EventFilter::default() };
            let newest = store.list_events(&filter).await?.first().map(|event| event.received_at_ms);
            kept.newest.push((name, newest));
        }
        Ok(kept)
    }

    /// Runs and messages that were under way in the period.
    async fn rows_of(&self, question: &Question, kept: &mut Kept) -> anyhow::Result<()> {
        let Some(contact) = &kept.contact else { return Ok(()) };
        let store = self.store();
        kept.runs = store.runs_of(&contact.id, MOST_ROWS).await?;
        kept.deliveries = store.deliveries_of(&contact.id, MOST_ROWS).await?;
        kept.more = kept.runs.len().max(kept.deliveries.len()) == MOST_ROWS as usize;
        kept.runs.retain(|run| {
            run.started_at_ms < question.to_ms && run.ended_at_ms.is_none_or(|at| at >= question.from_ms)
        });
        let under_way: HashSet<&str> = kept.runs.iter().map(|run| run.id.as_str()).collect();
        let of_period = |row: &DeliveryRow| {
            under_way.contains(row.delivery.run.as_str()) || question.holds(row.delivery.planned_at_ms)
        };
        kept.deliveries.retain(of_period);
        let ids: Vec<&str> = kept.deliveries.iter().map(|row| row.delivery.id.as_str()).collect();
        kept.attempts = store.attempts(&ids).await?;
        Ok(())
    }

    async fn events_of(&self, question: &Question, kept: &mut Kept) -> anyhow::Result<()> {
        let names = self.names_of(question, kept.contact.as_ref()).await?;
        let contact = kept.contact.as_ref().map(|contact| contact.id.clone()).unwrap_or_default();
        let mut naming = Naming {
            contact,
            names: names.iter().map(Name::part).collect(),
            after: first_id(question.from_ms),
            before: first_id(question.to_ms),
            most: PAGE,
        };
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            let page = self.store().events_naming(&naming).await?;
            looked_at += page.len();
            let last = page.last().map(|row| row.id.clone()).filter(|_| page.len() == PAGE as usize);
            found.extend(page.into_iter().filter(|row| row.fits).map(|row| row.id));
            match last {
                Some(_) if looked_at >= MOST_LOOKED_AT || found.len() > MOST_TOLD => {
                    kept.more = true;
                    break;
                }
                Some(last) => naming.before = last,
                None => break,
            }
        }
        kept.more |= found.len() > MOST_TOLD;
        found.truncate(MOST_TOLD);
        let runs: HashSet<&str> = kept.runs.iter().map(|run| run.id.as_str()).collect();
        let mut events = self.store().events(&found).await?;
        events.retain(|event| concerns(event, &naming.contact, &names, &runs));
        let mut holders: Vec<String> = events.iter().flat_map(evaluations_of).filter_map(|one| one.held_by).collect();
        holders.sort_unstable();
        holders.dedup();
        if !holders.is_empty() {
            kept.holders = self.store().runs(&holders).await?;
        }
        kept.events = events;
        Ok(())
    }

    async fn names_of(&self, question: &Question, contact: Option<&Contact>) -> anyhow::Result<Vec<Name>> {
        let mut digits: Vec<String> = Vec::new();
        let mut ids: Vec<String> = Vec::new();
        for key in &question.keys {
            match key {
                ContactKey::Phone(one) => digits.push(one.clone()),
                ContactKey::Uuid(one) | ContactKey::Bsuid(one) => ids.push(one.clone()),
                ContactKey::Alias(_) | ContactKey::Id(_) => {}
            }
        }
        if let Some(contact) = contact {
            digits.extend(contact.phone.iter().map(|phone| phone.digits().to_owned()));
            ids.extend(contact.uuid.iter().chain(&contact.bsuid).cloned());
            let others = self.store().names_of(&contact.id).await?;
            digits.extend(others.iter().filter_map(|name| name.strip_prefix("phone:")).map(str::to_owned));
        }
        let mut names: Vec<Name> = Vec::new();
        let all = digits.into_iter().map(Name::Number).chain(ids.into_iter().map(Name::Id));
        for name in all {
            if !names.iter().any(|known| known.part() == name.part()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

impl Question {
    /// The number asked for.
    fn number(&self) -> Option<Phone> {
        self.keys.iter().find_map(|key| match key {
            ContactKey::Phone(digits) => Phone::from_vendor(digits).ok(),
            _ => None,
        })
    }

    fn holds(&self, at_ms: i64) -> bool {
        (self.from_ms..self.to_ms).contains(&at_ms)
    }
}

/// By what a person is found in the data of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// International digits.
    Number(String),
    Id(String),
}

impl Name {
    /// What the data must hold, signs between digits left out.
    fn part(&self) -> String {
        match self {
            Self::Number(digits) => digits[digits.len().saturating_sub(TAIL)..].to_owned(),
            Self::Id(id) => bare(id),
        }
    }

    fn is_in(&self, data: &str) -> bool {
        match self {
            Self::Number(digits) => holds_number(data, digits),
            Self::Id(_) => data.contains(&self.part()),
        }
    }
}

fn bare(text: &str) -> String {
    text.replace([' ', '-', '.'], "")
}

/// Whether the number stands in a text without signs between digits: with its country's code or without, after zeros.
fn holds_number(data: &str, digits: &str) -> bool {
    let (start, tail) = digits.split_at(digits.len().saturating_sub(TAIL));
    data.match_indices(tail).any(|(at, _)| {
        let follows = data[at + tail.len()..].starts_with(|c: char| c.is_ascii_digit());
        let before = &data[..at];
        let written = &before[before.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
        let enough = digits.len().saturating_sub(2).min(ENOUGH);
        // `+33 (0)6`: a zero within the number.
        let inner = |bare: &str| (0..start.len()).any(|cut| bare == format!("{}0{}", &start[..cut], &start[cut..]));
        let bare = written.trim_start_matches('0');
        let fits = start.ends_with(bare) && bare.len() + tail.len() >= enough;
        !follows && (fits || inner(bare))
    })
}

fn concerns(event: &EventRow, contact: &str, names: &[Name], runs: &HashSet<&str>) -> bool {
    if let Some(about) = event.contact.as_deref().filter(|_| !contact.is_empty())
        && about == contact
    {
        return true;
    }
    if evaluations_of(event).iter().filter_map(|one| one.run.as_deref()).any(|run| runs.contains(run)) {
        return true;
    }
    let data = bare(&event.data);
    event.contact.is_none() && names.iter().any(|name| name.is_in(&data))
}

fn evaluations_of(event: &EventRow) -> Vec<Evaluation> {
    serde_json::from_str(&event.evaluations).unwrap_or_default()
}

/// The events of other systems that start a workflow.
fn webhooks(workflow: &Workflow) -> Vec<String> {
    let event = |trigger: &crate::trigger::Trigger| match &trigger.kind {
        TriggerKind::Webhook { event, .. } => Some(event.clone()),
        _ => None,
    };
    workflow.triggers.iter().filter_map(event).collect()
}

/// Numbers that differ in one digit, that have two neighbours changed over, or another beginning.
fn patterns(keys: &[ContactKey]) -> Vec<String> {
    let digits = keys.iter().filter_map(|key| match key {
        ContactKey::Phone(digits) => Some(digits.as_str()),
        _ => None,
    });
    let of = |digits: &str| {
        let at = |n: usize| &digits[n..=n];
        let count = digits.len();
        let other = (0..count).map(|n| format!("{}_{}", &digits[..n], &digits[n + 1..]));
        let swapped = (1..count).map(|n| format!("{}{}{}{}", &digits[..n - 1], at(n), at(n - 1), &digits[n + 1..]));
        let ending = (count > TAIL).then(|| format!("%{}", &digits[count - TAIL..]));
        other.chain(swapped).chain(ending).collect::<Vec<_>>()
    };
    digits.flat_map(of).collect()
}

fn near(phones: Vec<String>) -> Vec<Phone> {
    phones.iter().take(NEAR).filter_map(|digits| Phone::from_vendor(digits).ok()).collect()
}

/// Ids sort by time.
fn first_id(at_ms: i64) -> String {
    ulid::Ulid::from_parts(at_ms.max(0).unsigned_abs(), 0).to_string()
}

#[cfg(test)]
mod tests {
    use super::{bare, holds_number, patterns};
    use crate::store::contacts::ContactKey;

    #[test]
    fn a_number_is_found_however_it_is_written_and_another_is_not() {
        let found = |data: &str| holds_number(&bare(data), "33612340001");
        for data in ["+33612340001", "06 12 34 00 01", "0033 6-12.34.00.01", "612340001", "\"+33 06 12 34 00 01\""] {
            assert!(found(data), "{data}");
        }
        for data in ["12340001", "1612340001", "336123400019", "0712340001", "order 5612340001", ""] {
            assert!(!found(data), "{data}");
        }
        assert!(holds_number("4512345678", "4512345678") && holds_number("12345678", "4512345678"));
    }

    #[test]
    fn near_is_one_digit_off_two_changed_over_or_another_country() {
        let patterns = patterns(&[ContactKey::Phone("34600000012".into())]);
        for wanted in ["_4600000012", "3460000001_", "34600000021", "%00000012"] {
            assert!(patterns.iter().any(|one| one == wanted), "{wanted}: {patterns:?}");
        }
    }
}
