//! Naming: what is held of others and names a person who is erased, read and written as whole texts.
//!
//! Who knows what a text says decides what becomes of it (`engine::rights::mask`). Invariant: a run that somebody moved since
//! it was read is not written over.

use super::dialect::Statement;
use super::{Moved, Rows, Tx};

/// Where such a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// What the event said, and what came of it.
    Event,
    Evaluations,
    /// What a run that it started holds, and why it stands as it does.
    Run,
    Reason,
    /// What such a run sends, and asks of other systems; and what those answered.
    Message,
    Input,
    Result,
    /// A body on its way to a target of the relay.
    Relay,
}

/// A text, JSON but for a reason, with what it is found by: an id, and of a run its fence, of a call its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Naming {
    pub(crate) place: Place,
    pub(crate) id: String,
    pub(crate) mark: String,
    pub(crate) text: String,
}

macro_rules! reads {
    ($columns:literal, $from:literal) => {
        Statement::new(concat!("select ", $columns, " from {rows: id text} r join ", $from))
    };
}

static EVENTS: Statement = reads!("e.id, '', e.data", "event e on e.id = r.id");
static EVALUATIONS: Statement = reads!("e.id, '', e.evaluations", "event e on e.id = r.id");
static RUNS: Statement = reads!("u.id, cast(u.fence as text), u.progress", "run u on u.event = r.id");
static REASONS: Statement = reads!("u.id, '', u.reason", "run u on u.event = r.id");
static MESSAGES: Statement =
    reads!("d.id, '', d.message", "run u on u.event = r.id join delivery d on d.run = u.id where d.run <> ''");
static INPUTS: Statement = reads!("c.run, c.step, c.input", "run u on u.event = r.id join call c on c.run = u.id");
static RESULTS: Statement =
    reads!("c.run, c.step, c.result", "run u on u.event = r.id join call c on c.run = u.id where c.result is not null");
static RELAYS: Statement = reads!("l.id, '', l.body", "relay l on l.event = r.id");

macro_rules! writes {
    ($change:literal, $found:literal) => {
        Statement::new(concat!("update ", $change, " from {rows: id text, mark text, text text} r where ", $found))
    };
}

static PUT_EVENT: Statement = writes!("event set data = r.text, body_hash = ''", "event.id = r.id");
static PUT_EVALUATIONS: Statement = writes!("event set evaluations = r.text", "event.id = r.id");
/// The fence grows: whoever moves one of them at this moment finds it moved.
static PUT_RUN: Statement =
    writes!("run set progress = r.text, fence = run.fence + 1", "run.id = r.id and cast(run.fence as text) = r.mark");
static PUT_REASON: Statement = writes!("run set reason = r.text", "run.id = r.id");
static PUT_MESSAGE: Statement = writes!("delivery set message = r.text", "delivery.id = r.id");
static PUT_INPUT: Statement = writes!("call set input = r.text", "call.run = r.id and call.step = r.mark");
static PUT_RESULT: Statement = writes!("call set result = r.text", "call.run = r.id and call.step = r.mark");
static PUT_RELAY: Statement = writes!("relay set body = r.text", "relay.id = r.id");

impl Place {
    const ALL: [Self; 8] = [
        Self::Event,
        Self::Evaluations,
        Self::Run,
        Self::Reason,
        Self::Message,
        Self::Input,
        Self::Result,
        Self::Relay,
    ];

    fn reads(self) -> &'static Statement {
        match self {
            Self::Event => &EVENTS,
            Self::Evaluations => &EVALUATIONS,
            Self::Run => &RUNS,
            Self::Reason => &REASONS,
            Self::Message => &MESSAGES,
            Self::Input => &INPUTS,
            Self::Result => &RESULTS,
            Self::Relay => &RELAYS,
        }
    }

    fn writes(self) -> &'static Statement {
        match self {
            Self::Event => &PUT_EVENT,
            Self::Evaluations => &PUT_EVALUATIONS,
            Self::Run => &PUT_RUN,
            Self::Reason => &PUT_REASON,
            Self::Message => &PUT_MESSAGE,
            Self::Input => &PUT_INPUT,
            Self::Result => &PUT_RESULT,
            Self::Relay => &PUT_RELAY,
        }
    }
}

impl Tx<'_> {
    /// Every text that these events are, or brought about.
    pub(crate) async fn namings(&mut self, events: &[String]) -> anyhow::Result<Vec<Naming>> {
        let mut found = Vec::new();
        for place in Place::ALL {
            let mut rows = Rows::default();
            events.iter().for_each(|id| rows.push(&[id.into()]));
            for row in self.fetch(place.reads(), rows).await? {
                found.push(Naming { place, id: row.try_get(0)?, mark: row.try_get(1)?, text: row.try_get(2)? });
            }
        }
        Ok(found)
    }

    /// Writes texts that were changed since they were read; fails when somebody else moved a run meanwhile.
    pub(crate) async fn put_namings(&mut self, changed: &[Naming]) -> anyhow::Result<()> {
        for place in Place::ALL {
            let mut rows = Rows::default();
            let of_place = || changed.iter().filter(|one| one.place == place);
            of_place().for_each(|one| rows.push(&[(&one.id).into(), (&one.mark).into(), (&one.text).into()]));
            let written = self.write(place.writes(), rows).await?;
            anyhow::ensure!(place != Place::Run || written == of_place().count() as u64, Moved);
        }
        Ok(())
    }
}
