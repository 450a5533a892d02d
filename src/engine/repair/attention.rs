//! Attention: everything that needs a person, by cause: runs, events that could not be judged, campaigns that cannot go on,
//! messages in doubt.
//!
//! Invariant: a cause is named by what it is made of, so that its key is the same on every node and after every start.

use super::runs::TOLD;
use super::{Act, Refused, Tally};
use crate::engine::{Busy, Engine};
use crate::event::{Evaluation, EvaluationResult};
use crate::run;
use crate::store::Store;
use crate::store::events::EventRow;
use crate::store::repair::CauseRow;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Causes of one kind that are listed at most, the most frequent first.
const CAUSES: u32 = 500;
/// Events looked at for evaluations that failed, newest first.
const EVENTS: u32 = 1000;
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 16;

/// What needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Run,
    /// Events that a workflow could not judge.
    Evaluation,
    Campaign,
    /// Messages whose fate nobody knows.
    Delivery,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Evaluation => "evaluation",
            Self::Campaign => "campaign",
            Self::Delivery => "delivery",
        }
    }

    /// What may be ordered of all of a cause at once.
    pub fn acts(self) -> &'static [Act] {
        match self {
            Self::Run => &[Act::Retry, Act::Skip, Act::Cancel],
            Self::Evaluation => &[Act::Retry],
            Self::Campaign | Self::Delivery => &[],
        }
    }
}

/// Things that need a person for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Names it in an address.
    pub key: String,
    pub kind: Kind,
    /// Empty for messages of the gateway.
    pub workflow: String,
    /// Path of the step; empty where there is none.
    pub step: String,
    pub reason: String,
    pub count: i64,
    /// Unix milliseconds.
    pub oldest_ms: i64,
    pub newest_ms: i64,
    /// Ids of runs, events, campaigns or deliveries.
    pub examples: Vec<String>,
}

impl Cause {
    fn new(kind: Kind, row: CauseRow) -> Self {
        let CauseRow { workflow, cause, count, oldest_ms, newest_ms, examples } = row;
        let (step, reason) = match kind {
            Kind::Delivery => (cause.as_str(), "uncertain"),
            _ => cause.split_once(' ').unwrap_or(("", &cause)),
        };
        let name = format!("{}\0{workflow}\0{cause}", kind.as_str());
        let mut key = hex::encode(Sha256::digest(name));
        key.truncate(KEY_DIGITS);
        let (step, reason) = (step.to_owned(), reason.to_owned());
        Self { key, kind, workflow, step, reason, count, oldest_ms, newest_ms, examples }
    }

    /// As the run's row has it.
    fn of_runs(&self) -> String {
        format!("{} {}", self.step, self.reason)
    }
}

impl Engine {
    /// Everything that needs a person, by cause.
    ///
    /// # Errors
    /// What the database said.
    pub async fn attention(&self) -> anyhow::Result<Vec<Cause>> {
        read(self.store()).await
    }

    /// Orders something of everything with the cause of this key.
    ///
    /// # Errors
    /// [`Busy`] when the store did not take it; what came before was done. Within, why it is not possible at all.
    pub async fn order_key(&self, key: &str, act: Act, who: &str) -> Result<Result<Tally, Refused>, Busy> {
        let causes = self.attention().await.map_err(|error| unread(&error))?;
        let Some(cause) = causes.into_iter().find(|cause| cause.key == key) else { return Ok(Err(Refused::Unknown)) };
        match cause.kind {
            kind if !kind.acts().contains(&act) => Ok(Err(Refused::NoAct(kind))),
            Kind::Evaluation => self.judge_again(&cause, who).await.map(Ok),
            _ => self.order_cause(&cause.workflow, &cause.of_runs(), act, who).await.map(Ok),
        }
    }

    async fn judge_again(&self, cause: &Cause, who: &str) -> Result<Tally, Busy> {
        let events = self.store().failed_events(EVENTS).await.map_err(|error| unread(&error))?;
        let mut tally = Tally::default();
        for event in &events {
            if !failures(event).iter().any(|(workflow, shared)| (workflow, shared) == (&cause.workflow, &cause.reason))
            {
                continue;
            }
            match self.redrive_evaluation(&event.id, &cause.workflow, who).await? {
                Ok(_) => tally.obeyed += 1,
                Err(refused) => {
                    tally.refused += 1;
                    if tally.told.len() < TOLD {
                        tally.told.push((event.id.clone(), refused));
                    }
                }
            }
        }
        tally.more = events.len() == EVENTS as usize;
        Ok(tally)
    }
}

fn unread(error: &anyhow::Error) -> Busy {
    tracing::error!(error = format!("{error:#}"), "what needs a person could not be read");
    Busy
}

async fn read(store: &Store) -> anyhow::Result<Vec<Cause>> {
    let runs = store.causes(CAUSES).await?.into_iter().map(|row| Cause::new(Kind::Run, row));
    // A run in doubt is told by its message, which is settled.
    let mut causes: Vec<Cause> = runs.filter(|cause| cause.reason != "uncertain").collect();
    causes.extend(evaluations(&store.failed_events(EVENTS).await?));
    let campaigns = store.stranded_campaigns(CAUSES).await?;
    causes.extend(campaigns.into_iter().map(|firing| {
        let cause = format!(" {}", run::common(&firing.reason));
        let (oldest_ms, newest_ms) = (firing.fired_at_ms, firing.fired_at_ms);
        let row = CauseRow {
            workflow: firing.workflow,
            cause,
            count: 1,
            oldest_ms,
            newest_ms,
            examples: vec![firing.id.clone()],
        };
        // Each campaign stands for itself.
        Cause { key: firing.id, ..Cause::new(Kind::Campaign, row) }
    }));
    causes.extend(store.doubts(CAUSES).await?.into_iter().map(|row| Cause::new(Kind::Delivery, row)));
    Ok(causes)
}

/// Workflows that could not judge an event and were not made to since, with what events of the same fault share.
fn failures(event: &EventRow) -> Vec<(String, String)> {
    let evaluations: Vec<Evaluation> = serde_json::from_str(&event.evaluations).unwrap_or_default();
    let mut last = BTreeMap::<&str, &Evaluation>::new();
    for one in &evaluations {
        let known = last.entry(&one.workflow).or_insert(one);
        if one.redrive >= known.redrive {
            *known = one;
        }
    }
    let failed = last.into_values().filter(|one| one.result == EvaluationResult::Failed);
    failed.map(|one| (one.workflow.clone(), run::common(&one.reason))).collect()
}

fn evaluations(events: &[EventRow]) -> Vec<Cause> {
    let mut rows = BTreeMap::<(String, String), CauseRow>::new();
    // Oldest first, so that the first example is the oldest.
    for event in events.iter().rev() {
        for (workflow, reason) in failures(event) {
            let fresh = || CauseRow {
                workflow: workflow.clone(),
                cause: format!(" {reason}"),
                count: 0,
                oldest_ms: event.received_at_ms,
                newest_ms: event.received_at_ms,
                examples: Vec::new(),
            };
            let row = rows.entry((workflow.clone(), reason.clone())).or_insert_with(fresh);
            row.count += 1;
            row.newest_ms = event.received_at_ms;
            row.examples.truncate(1);
            row.examples.push(event.id.clone());
        }
    }
    let mut rows: Vec<CauseRow> = rows.into_values().collect();
    rows.sort_by_key(|row| -row.count);
    rows.into_iter().map(|row| Cause::new(Kind::Evaluation, row)).collect()
}
