//! Campaign: a firing over an audience: a file, or the people of a tag (`tagged`). The file is read in chunks; each chunk's runs and the cursor move in one
//! commit, so that a kill goes on at the cursor and nobody is counted twice.
//!
//! Invariant: the file is the one that was fired. A file that changed in the middle stops the campaign.

use super::audience::{self, Audience, CHUNK};
use super::deployed::Definition;
use super::evaluate::{self, Person};
use super::fire::{scheduled_at, scheduled_event};
use super::group::{Accepted, NewArrival};
use super::tagged::{self, Rest};
use super::{Item, Shared, repair};
use crate::consent;
use crate::contact::Phone;
use crate::event::{Evaluation, EvaluationResult};
use crate::store::schedules::{BadRow, FiringCounts, FiringRow};
use crate::store::{Moved, Tx};
use crate::workflow;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Bad rows that are listed one by one; the others are counted.
const LISTED: usize = 1000;

/// A campaign is not read any more: somebody paused or ended it, it goes by another definition, or another node reads it.
#[derive(Debug)]
pub(super) struct Stands;

impl std::fmt::Display for Stands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the campaign is not read any more")
    }
}

impl std::error::Error for Stands {}

/// Rows of an audience to be started in one commit, and the campaign as it stands after them.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) arrivals: Vec<NewArrival>,
    pub(super) firing: FiringRow,
    /// The cursor before them, and the counts.
    pub(super) was: (i64, FiringCounts),
}

impl Chunk {
    /// Moves the campaign's cursor, with what became of each row.
    pub(super) async fn close(&self, tx: &mut Tx<'_>, rows: &[Accepted]) -> anyhow::Result<()> {
        let mut firing = self.firing.clone();
        for (arrival, row) in self.arrivals.iter().zip(rows) {
            count(&mut firing, arrival, row);
        }
        let written = tx.update_firing(&firing, self.was.0, self.was.1).await;
        if written.as_ref().is_err_and(|error| error.is::<Moved>()) {
            let stored = tx.firing(&firing.id).await?;
            let mine = |stored: &FiringRow| goes_on(stored, &firing) && stored.node == firing.node;
            anyhow::ensure!(stored.as_ref().is_some_and(mine), Stands);
        }
        written
    }
}

/// Whether a campaign still is what somebody is at work on: nobody has paused or ended it, or had it go by another definition.
pub(super) fn goes_on(stored: &FiringRow, known: &FiringRow) -> bool {
    stored.id == known.id && stored.state == "running" && stored.definition == known.definition
}

fn count(firing: &mut FiringRow, arrival: &NewArrival, row: &Accepted) {
    let line = arrival.target.as_ref().and_then(|target| target.line).unwrap_or_default();
    let evaluation = row.evaluations.first();
    match evaluation.map(|evaluation| (evaluation.result, evaluation.reason.as_str())) {
        _ if row.duplicate => firing.counts.duplicates += 1,
        Some((EvaluationResult::Started, _)) => firing.counts.started += 1,
        Some((_, reason)) if !evaluation.is_some_and(is_usable) => bad(firing, line, reason.to_owned()),
        _ => firing.counts.refused += 1,
    }
}

/// Whether a row could be judged, whatever came of it.
pub(super) fn is_usable(evaluation: &Evaluation) -> bool {
    match evaluation.result {
        EvaluationResult::Failed => false,
        EvaluationResult::Skipped => !matches!(evaluation.reason.as_str(), "bad_number" | "no_contact"),
        _ => true,
    }
}

fn bad(firing: &mut FiringRow, line: u64, reason: String) {
    firing.counts.bad += 1;
    if firing.bad_rows.len() < LISTED {
        firing.bad_rows.push(BadRow { line, reason });
    }
}

/// Feeds every open campaign of this node to its end, oldest first, as far as the account lets it. `failing_ms`: since when
/// the account does not tell who its people are.
pub(super) async fn feed(
    shared: &Arc<Shared>,
    root: &Path,
    queue: &mpsc::Sender<Item>,
    mut failing_ms: Option<i64>,
) -> anyhow::Result<Rest> {
    while let Some(firing) = shared.store.open_firing(&shared.node).await? {
        if firing.state != "running" {
            // A process that died while it held, released or stopped the runs left this.
            repair::campaigns::go_on(queue, &firing.id, &firing.state).await?;
            continue;
        }
        match definition(shared, &firing).await? {
            Some(definition) => match &definition.workflow.audience {
                Some(workflow::Audience::Tag(tags)) => {
                    let rest = tagged::feed(shared, &definition, tags, firing, queue, failing_ms).await?;
                    failing_ms = rest.failing_ms;
                    if rest.at_ms.is_some_and(|at_ms| at_ms > shared.clock.now_ms()) {
                        return Ok(rest);
                    }
                }
                _ => feed_one(shared, definition, root.to_owned(), firing, queue).await?,
            },
            None => stop(firing, "its definition is missing", queue).await?,
        }
    }
    Ok(Rest::default())
}

/// What it was fired by: what serves, else an older version, or one of the node that fired it.
async fn definition(shared: &Shared, firing: &FiringRow) -> anyhow::Result<Option<Arc<Definition>>> {
    let deployed = shared.deployed();
    let current = deployed.definitions.get(&firing.workflow);
    if let Some(current) = current.filter(|definition| definition.hash == firing.definition) {
        return Ok(Some(current.clone()));
    }
    let stored = shared.store.definition(&firing.definition).await?;
    Ok(stored.and_then(Definition::stored).map(Arc::new))
}

/// Ends a campaign that cannot go on: a person has to look at it.
pub(super) async fn stop(firing: FiringRow, reason: &str, queue: &mpsc::Sender<Item>) -> anyhow::Result<()> {
    tracing::error!(workflow = firing.workflow, reason, "a campaign stopped");
    let was = (firing.cursor, firing.counts);
    let firing = FiringRow { state: "needs_attention".into(), reason: reason.to_owned(), ..firing };
    offer(Chunk { arrivals: Vec::new(), firing, was }, queue).await.map(drop)
}

pub(super) async fn offer(chunk: Chunk, queue: &mpsc::Sender<Item>) -> anyhow::Result<bool> {
    let (reply, answer) = oneshot::channel();
    queue.send(Item::Chunk { chunk: Box::new(chunk), reply }).await?;
    let kept = answer.await?;
    anyhow::ensure!(kept, "the store did not take a part of the campaign");
    Ok(kept)
}

async fn feed_one(
    shared: &Arc<Shared>,
    definition: Arc<Definition>,
    root: PathBuf,
    mut firing: FiringRow,
    queue: &mpsc::Sender<Item>,
) -> anyhow::Result<()> {
    let (name, skip) = (firing.audience.clone().unwrap_or_default(), firing.cursor);
    let instead = shared.outside.lists.of(&name);
    let opened = tokio::task::spawn_blocking(move || match instead {
        Some(bytes) => Audience::of_bytes(&bytes, skip),
        None => Audience::of_project(&root, &name, skip),
    });
    let opened = opened.await?;
    let mut audience = match opened {
        Ok(audience) => audience,
        Err(error) => return stop(firing, &format!("the audience cannot be read: {error:#}"), queue).await,
    };
    if firing.audience_hash.as_ref().is_some_and(|hash| *hash != audience.hash) {
        return stop(firing, "audience_changed", queue).await;
    }
    (firing.audience_hash, firing.total) = (Some(audience.hash.clone()), audience.total);
    let trigger = definition.workflow.triggers.iter().position(|trigger| trigger.name == firing.trigger);
    let Some(trigger) = trigger else { return stop(firing, "its trigger is missing", queue).await };
    loop {
        let (read_audience, rows) = tokio::task::spawn_blocking(move || {
            let rows = audience.next_chunk();
            (audience, rows)
        })
        .await?;
        audience = read_audience;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return stop(firing, &format!("the audience cannot be read: {error:#}"), queue).await,
        };
        let was = (firing.cursor, firing.counts);
        firing.cursor += rows.len() as i64;
        let last = rows.len() < CHUNK;
        if last {
            firing.state = "done".into();
        }
        let mut arrivals = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Ok((line, data)) => arrivals.push(arrival(&definition, trigger, &firing, shared, line, data)),
                Err(row) => bad(&mut firing, row.line, row.reason),
            }
        }
        offer(Chunk { arrivals, firing: firing.clone(), was }, queue).await?;
        if last {
            return Ok(());
        }
        firing = match shared.store.open_firing(&shared.node).await? {
            Some(stored) if goes_on(&stored, &firing) => stored,
            _ => return Ok(()),
        };
    }
}

fn arrival(
    definition: &Arc<Definition>,
    trigger: usize,
    firing: &FiringRow,
    shared: &Shared,
    line: u64,
    mut data: Map<String, Value>,
) -> NewArrival {
    data.insert("scheduled_at".into(), scheduled_at(firing.scheduled_at_ms).into());
    let data = Value::Object(data);
    let who = evaluate::guarded(|| person(definition, &data, firing.fired_at_ms)).unwrap_or(Err("no_contact"));
    let whom = who.as_ref().ok().and_then(|person| person.keys().into_iter().next());
    // No number stands in the key: it outlives the person.
    let mark = |key| consent::mark(&shared.key, "campaign", &format!("{key:?}"));
    let whom = whom.map_or(format!("line {line}"), mark);
    let key = format!("{} {} {} {whom}", firing.workflow, firing.trigger, firing.scheduled_at_ms);
    scheduled_event(definition, trigger, firing, &shared.clock, data, key, Some(line), who)
}

/// The `contact` map first, then the known columns.
pub(super) fn person(definition: &Definition, row: &Value, now_ms: i64) -> Result<Person, &'static str> {
    let mapped = evaluate::person(&definition.workflow, &definition.settings, row, now_ms);
    let column = |name: &str| row.as_object().and_then(|fields| audience::column(fields, name));
    let mut person = mapped.clone().unwrap_or_default();
    let written = column("phone");
    let region = definition.settings.phone_region.as_deref();
    let own = |text: &String| Phone::parse(text, region).ok();
    person.phone = person.phone.or_else(|| written.as_ref().and_then(own));
    person.uuid = person.uuid.or_else(|| column("uuid"));
    person.bsuid = person.bsuid.or_else(|| column("bsuid"));
    for name in audience::DETAILS {
        if let Some(value) = column(name) {
            person.given.entry(name).or_insert(value.into());
        }
    }
    person.consents |= row.as_object().is_some_and(audience::agrees);
    match person.keys().is_empty() {
        false => Ok(person),
        true if written.is_some() => Err("bad_number"),
        true => mapped.and(Err("no_contact")),
    }
}
