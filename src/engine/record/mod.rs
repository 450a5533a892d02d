//! Record: a run as a test file, made of what is kept of it: who it was about, what happened to it, and what it did; an
//! event as a sample.
//!
//! ```text
//! run, event, deliveries, calls, what the person wrote ──► story (pure) ──► disguise (pure) ──► a test file, as JSON
//! ```
//! It reads, and decides nothing of the run. Invariant: what cannot be played again is refused, never left out; without
//! leave, nobody's number, name or address stands in what comes out.

mod disguise;
mod story;
mod times;

use super::Engine;
use super::deployed::Definition;
use super::why::Question;
use crate::call::StepCall;
use crate::contact::{Contact, Line};
use crate::event::Evaluation;
use crate::run::Run;
use crate::store::attempts::AttemptRow;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use crate::store::schedules::FiringRow;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// How long before the run the person's messages are looked for: a window is open as long.
const BEFORE_MS: i64 = 24 * 3_600_000;

/// What ended a run may be told of after its end.
const AFTER_MS: i64 = 60_000;

/// What is left of what an event said when its time is over.
const GONE: &str = "{}";

/// Why a run or an event cannot be recorded, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRecorded {
    Unknown,
    Refused(&'static str, &'static str),
}

/// Everything that is kept of a run.
struct Kept {
    run: Run,
    definition: Arc<Definition>,
    event: EventRow,
    contact: Contact,
    lines: Vec<(String, Line)>,
    /// What concerned the person from a day before the run on.
    events: Vec<EventRow>,
    deliveries: Vec<DeliveryRow>,
    attempts: Vec<AttemptRow>,
    calls: Vec<StepCall>,
    firing: Option<FiringRow>,
    /// Who got messages of the run, by their ids.
    people: HashMap<String, Contact>,
}

impl Engine {
    /// The run as a test file. `open`: with numbers and names as they are.
    ///
    /// # Errors
    /// What the database said; within, why it is not possible.
    pub async fn record(&self, id: &str, open: bool) -> anyhow::Result<Result<Value, NotRecorded>> {
        let kept = match self.kept_of(id).await? {
            Ok(kept) => kept,
            Err(why) => return Ok(Err(why)),
        };
        Ok(kept.story().map(|told| match open {
            true => told,
            false => kept.disguised(told),
        }))
    }

    /// What an event said, as a sample: with stand-ins for people and without their texts, unless it is `open`.
    ///
    /// # Errors
    /// What the database said; within, why it is not possible.
    pub async fn sample(&self, id: &str, open: bool) -> anyhow::Result<Result<Value, NotRecorded>> {
        let Some(event) = self.store().event(id).await? else { return Ok(Err(NotRecorded::Unknown)) };
        if event.data == GONE {
            let hint = "what events say is kept 30 days; take a newer one";
            return Ok(Err(NotRecorded::Refused("nothing is kept of what the event said", hint)));
        }
        if open {
            return Ok(Ok(data_of(&event)));
        }
        let contact = match &event.contact {
            Some(id) => self.store().contact(&[ContactKey::Id(id.clone())]).await?.map(|(contact, _)| contact),
            None => None,
        };
        Ok(Ok(disguise::sample(data_of(&event), contact.as_ref(), &self.deployed())))
    }

    async fn kept_of(&self, id: &str) -> anyhow::Result<Result<Kept, NotRecorded>> {
        let store = self.store();
        let Some(row) = store.run(id).await? else { return Ok(Err(NotRecorded::Unknown)) };
        let run = row.run;
        let event = store.event(&run.event).await?.filter(|event| event.data != GONE);
        let (Some(event), false) = (event, run.progress.trace.is_empty()) else {
            let hint = "events and messages are kept 30 days; take a newer run";
            return Ok(Err(NotRecorded::Refused("what the run was made of is not kept any more", hint)));
        };
        let stored = store.definition(&run.definition).await?.and_then(Definition::stored);
        let Some(definition) = stored else {
            let hint = "it is kept as long as its runs are; take a newer run";
            return Ok(Err(NotRecorded::Refused("the workflow as it was then is not kept any more", hint)));
        };
        let key = ContactKey::Id(run.contact.clone());
        let Some((contact, lines)) = store.contact(std::slice::from_ref(&key)).await?.filter(|(one, _)| !one.gone)
        else {
            let hint = "nothing is kept of who was erased; take a run about somebody else";
            return Ok(Err(NotRecorded::Refused("the person is not known any more", hint)));
        };
        let question = Question {
            keys: vec![key],
            from_ms: run.started_at_ms - BEFORE_MS,
            to_ms: run.ended_at_ms.map_or(self.clock().now_ms(), |at_ms| at_ms + AFTER_MS) + 1,
            workflow: None,
        };
        let heard = self.why(&question).await?;
        if heard.more {
            let hint = "take a run about somebody who wrote less, or a shorter one";
            return Ok(Err(NotRecorded::Refused("more happened to the person meanwhile than can be told", hint)));
        }
        let mut events = heard.events;
        events.sort_by_key(|event| event.received_at_ms);
        let deliveries = store.deliveries_of_runs(&[id]).await?;
        let ids: Vec<&str> = deliveries.iter().map(|row| row.delivery.id.as_str()).collect();
        let attempts = store.attempts(&ids).await?;
        let calls = store.calls_of_run(id).await?;
        let firing = match &run.firing {
            Some(firing) => store.firing(firing).await?,
            None => None,
        };
        let others: Vec<&str> = deliveries.iter().map(|row| row.delivery.contact.as_str()).collect();
        let people = store.contacts_of(&others).await?.into_iter().map(|one| (one.id.clone(), one)).collect();
        let definition = definition.into();
        Ok(Ok(Kept { run, definition, event, contact, lines, events, deliveries, attempts, calls, firing, people }))
    }
}

fn data_of(event: &EventRow) -> Value {
    serde_json::from_str(&event.data).unwrap_or_default()
}

fn evaluations_of(event: &EventRow) -> Vec<Evaluation> {
    serde_json::from_str(&event.evaluations).unwrap_or_default()
}
