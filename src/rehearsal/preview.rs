//! Preview: what a workflow would send for one cause, played ahead on a stage until its runs have ended.
//!
//! The cause happens, then time passes to wherever a run or a message of that cause has something due. Invariant: what is
//! told was done by the engine and taken by the fake account; nothing is worked out here.

use super::passage::Restless;
use super::stage::{Opening, Scene, Stage};
use crate::call::HttpCall;
use crate::connector::sandbox::{SandboxMessage, fill_template};
use crate::contact::{Contact, Phone};
use crate::delivery::{Delivery, DeliveryState};
use crate::event::{Evaluation, EvaluationResult};
use crate::run::{Run, RunState};
use crate::store::deliveries::DeliveryFilter;
use crate::store::events::EventFilter;
use crate::store::runs::RunFilter;
use crate::store::schedules::{BadRow, FiringRow};
use crate::trigger::TriggerKind;
use crate::workflow::test_file::{HttpReply, Person};
use anyhow::Context as _;
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How far ahead an event is followed; what is due later is told as waiting.
const AHEAD_MS: i64 = 400 * DAY_MS;
/// How far a schedule is followed: it fires again meanwhile.
const AHEAD_OF_SCHEDULE_MS: i64 = 31 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;
/// Looks at one preview at most.
const MOST_LOOKS: usize = 100_000;
/// Time between two looks, at least; a longer list is looked at more seldom.
const LOOK_MS: i64 = 1_000;
const LONG_LIST: usize = 500;
const SELDOM_MS: i64 = 60_000;
/// Rows of one page of what is stored.
const PAGE: u32 = 5_000;
/// A call to another system that lasts is waited for so long at most.
const CALL_MS: i64 = 60_000;
/// Methods of `http_request`.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

/// What is to be played.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Id of the workflow.
    pub workflow: String,
    pub cause: Cause,
    /// Whom the account knows; when they last wrote decides whether the window is open.
    pub people: Vec<Person>,
    /// When it happens; of a schedule, when it fires. Unix milliseconds.
    pub at_ms: i64,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Cause {
    Webhook {
        event: String,
        data: Value,
    },
    /// The person of that number writes; `media`: address of a file.
    Says {
        from: Phone,
        text: String,
        media: Option<String>,
    },
    /// Somebody gives the person tags in the account.
    Tagged {
        of: Phone,
        tags: Vec<String>,
    },
    /// The schedule's instant comes.
    Fires,
}

/// What came of it.
#[derive(Debug)]
pub struct Ahead {
    /// In the order of time.
    pub messages: Vec<Foreseen>,
    /// Runs that it started, oldest first.
    pub runs: Vec<Run>,
    /// Why else nothing was started, and for how many: refused by a condition, unreadable number.
    pub refused: BTreeMap<String, usize>,
    /// The campaign, when the workflow goes through a list of people.
    pub campaign: Option<FiringRow>,
    /// Calls of these runs to other systems, each answered 200 with nothing; oldest first.
    pub calls: Vec<HttpCall>,
    /// Whom the runs are about.
    pub phones: Vec<Phone>,
    /// Until when it was played. Unix milliseconds.
    pub until_ms: i64,
}

/// One message.
#[derive(Debug)]
pub struct Foreseen {
    pub delivery: Delivery,
    pub contact: Contact,
    /// As the account took it; `None` = it did not get there.
    pub sent: Option<SandboxMessage>,
    /// Why it was kept back at first or still is, in order.
    pub holds: Vec<Hold>,
    /// As the person reads it; as they would read the text of one that was not sent.
    pub reads: String,
    /// The template filled, of one that was not sent.
    pub as_template: String,
}

/// A message was seen kept back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub reason: String,
    /// When it was seen first. Unix milliseconds.
    pub seen_ms: i64,
    /// When it is looked at next. Unix milliseconds.
    pub until_ms: i64,
}

impl Foreseen {
    /// When it was sent, else when its step was reached. Unix milliseconds.
    pub fn at_ms(&self) -> i64 {
        self.sent.as_ref().map_or(self.delivery.planned_at_ms, |sent| sent.at_ms)
    }
}

impl Ahead {
    /// Rows of the list that could not be used; the first thousand of them.
    pub fn bad_rows(&self) -> &[BadRow] {
        self.campaign.as_ref().map_or(&[], |campaign| &campaign.bad_rows)
    }
}

/// Plays it.
///
/// # Errors
/// When it cannot be played: the database, an engine that does not come to rest.
pub fn preview(stage: &mut Stage, asked: &Asked) -> anyhow::Result<Ahead> {
    // A schedule has a minute to come: its instant is not the first one of a project that begins to serve.
    let fires = matches!(asked.cause, Cause::Fires);
    let start_ms = if fires { asked.at_ms - 60_000 } else { asked.at_ms };
    let opening = Opening {
        start_ms,
        workflows: beside(stage, &asked.workflow),
        people: asked.people.clone(),
        replies: any_answer()?,
        audience: None,
    };
    let mut scene = stage.begin(&opening)?;
    happen(&mut scene, asked)?;
    let campaign = read_list(&mut scene, asked)?;
    let refused = refused(&scene, asked, campaign.is_some())?;
    let mine: BTreeSet<String> = runs(&scene, asked, None)?.into_iter().map(|run| run.id).collect();
    let horizon_ms = asked.at_ms + if fires { AHEAD_OF_SCHEDULE_MS } else { AHEAD_MS };
    let holds = follow(&mut scene, asked, &mine, horizon_ms)?;
    let messages = messages(&mut scene, &mine, holds)?;
    let calls = calls(&scene, &mine)?;
    let mut runs = runs(&scene, asked, None)?;
    runs.retain(|run| mine.contains(&run.id));
    let phones = phones(&scene, &runs)?;
    let until_ms = scene.now_ms();
    Ok(Ahead { messages, runs, refused, campaign, calls, phones, until_ms })
}

/// The workflows that serve with it: who takes a message depends on the others. One that a schedule starts does not:
/// it would only go through its own list meanwhile.
fn beside(stage: &Stage, workflow: &str) -> Vec<String> {
    let scheduled = |kind: &TriggerKind| matches!(kind, TriggerKind::Schedule { .. });
    let all = stage.project().workflows.values();
    let served = all.filter(|one| one.id == workflow || !one.triggers.iter().any(|trigger| scheduled(&trigger.kind)));
    served.map(|one| one.id.clone()).collect()
}

/// Other systems take whatever they are told, and answer nothing that could be read.
fn any_answer() -> anyhow::Result<Vec<HttpReply>> {
    let address = Regex::new("").context("the empty pattern")?;
    let reply = |method: &str| HttpReply { method: method.into(), address: address.clone(), statuses: vec![200] };
    Ok(METHODS.into_iter().map(reply).collect())
}

fn happen(scene: &mut Scene<'_>, asked: &Asked) -> anyhow::Result<()> {
    match &asked.cause {
        Cause::Webhook { event, data } => scene.event(event, data.clone()),
        Cause::Says { from, text, media } => scene.says(from, text, media.as_deref()),
        Cause::Tagged { of, tags } => scene.tagged(of, tags),
        Cause::Fires => scene.advance(asked.at_ms),
    }
}

/// The list of people is read to its end.
fn read_list(scene: &mut Scene<'_>, asked: &Asked) -> anyhow::Result<Option<FiringRow>> {
    for _ in 0..MOST_LOOKS {
        let firings = scene.read(async |store| store.firings(true, PAGE).await)?;
        let mine = |firing: &FiringRow| firing.workflow == asked.workflow && firing.scheduled_at_ms == asked.at_ms;
        match firings.into_iter().find(mine) {
            Some(firing) if firing.state == "running" => scene.advance(scene.now_ms() + LOOK_MS)?,
            mut found => {
                found.iter_mut().for_each(|firing| firing.bad_rows.sort_by_key(|row| row.line));
                return Ok(found);
            }
        }
    }
    Err(Restless.into())
}

/// Why the workflow started nothing for an event, and for how many. What is wrong with a row of a list is told with its line.
fn refused(scene: &Scene<'_>, asked: &Asked, of_list: bool) -> anyhow::Result<BTreeMap<String, usize>> {
    let filter = EventFilter { limit: u32::MAX, ..EventFilter::default() };
    let events = scene.read(async |store| store.list_events(&filter).await)?;
    let mut refused = BTreeMap::new();
    for event in events.iter().filter(|event| event.received_at_ms >= asked.at_ms) {
        let evaluations: Vec<Evaluation> = serde_json::from_str(&event.evaluations).unwrap_or_default();
        let mine = evaluations.into_iter().filter(|one| one.workflow == asked.workflow);
        let unusable = |one: &Evaluation| {
            one.result == EvaluationResult::Failed || matches!(one.reason.as_str(), "bad_number" | "no_contact")
        };
        let mine = mine.filter(|one| one.result != EvaluationResult::Started && !(of_list && unusable(one)));
        for one in mine {
            *refused.entry(one.reason).or_default() += 1;
        }
    }
    Ok(refused)
}

fn phones(scene: &Scene<'_>, runs: &[Run]) -> anyhow::Result<Vec<Phone>> {
    let ids: BTreeSet<&str> = runs.iter().map(|run| run.contact.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut phones = Vec::new();
    for some in ids.chunks(PAGE as usize) {
        let contacts = scene.read(async |store| store.contacts_of(some).await)?;
        phones.extend(contacts.into_iter().filter_map(|contact| contact.phone));
    }
    Ok(phones)
}

/// Runs of the workflow, oldest first; `None` = in any state.
fn runs(scene: &Scene<'_>, asked: &Asked, state: Option<RunState>) -> anyhow::Result<Vec<Run>> {
    let mut all: Vec<Run> = Vec::new();
    loop {
        let before = all.last().map(|run| run.id.clone());
        let workflow = Some(asked.workflow.clone());
        let filter = RunFilter { workflow, state, before, limit: PAGE, ..RunFilter::default() };
        let page = scene.read(async |store| store.list_runs(&filter).await)?;
        let whole = page.len() == PAGE as usize;
        all.extend(page);
        if !whole {
            all.reverse();
            return Ok(all);
        }
    }
}

/// Messages of these runs, oldest first; no states = in any.
fn deliveries(scene: &Scene<'_>, mine: &BTreeSet<String>, states: &[DeliveryState]) -> anyhow::Result<Vec<Delivery>> {
    let mut all: Vec<Delivery> = Vec::new();
    let mut before = None;
    loop {
        let filter = DeliveryFilter { states: states.to_vec(), before, limit: PAGE, ..DeliveryFilter::default() };
        let page = scene.read(async |store| store.list_deliveries(&filter).await)?;
        let whole = page.len() == PAGE as usize;
        before = page.last().map(|row| row.delivery.id.clone());
        all.extend(page.into_iter().map(|row| row.delivery).filter(|delivery| mine.contains(&delivery.run)));
        if !whole {
            all.reverse();
            return Ok(all);
        }
    }
}

/// Lets time pass until nothing of these runs is due any more, or the horizon is reached; why messages were kept back.
fn follow(
    scene: &mut Scene<'_>,
    asked: &Asked,
    mine: &BTreeSet<String>,
    horizon_ms: i64,
) -> anyhow::Result<HashMap<String, Vec<Hold>>> {
    const OPEN: [DeliveryState; 4] =
        [DeliveryState::Queued, DeliveryState::Held, DeliveryState::Sending, DeliveryState::Uncertain];
    let mut holds = HashMap::new();
    let mut called_ms = 0;
    for _ in 0..MOST_LOOKS {
        let now_ms = scene.now_ms();
        let open = deliveries(scene, mine, &OPEN)?;
        open.iter().for_each(|delivery| note(&mut holds, delivery, now_ms));
        let mut due_ms = open.iter().map(|delivery| delivery.due_at_ms).min();
        for state in [RunState::Waiting, RunState::Queued] {
            let waiting = runs(scene, asked, Some(state))?;
            let wakes = waiting.iter().filter(|run| mine.contains(&run.id)).filter_map(|run| run.wake_at_ms);
            due_ms = due_ms.into_iter().chain(wakes).min();
        }
        let calling = runs(scene, asked, Some(RunState::Running))?;
        if calling.iter().any(|run| mine.contains(&run.id)) && called_ms < CALL_MS {
            called_ms += LOOK_MS;
            due_ms = Some(now_ms);
        }
        let Some(due_ms) = due_ms.filter(|due_ms| *due_ms <= horizon_ms) else { return Ok(holds) };
        let step_ms = if open.len() > LONG_LIST { SELDOM_MS } else { LOOK_MS };
        scene.advance(due_ms.max(now_ms + step_ms))?;
    }
    Err(Restless.into())
}

fn note(holds: &mut HashMap<String, Vec<Hold>>, delivery: &Delivery, now_ms: i64) {
    if delivery.state != DeliveryState::Held {
        return;
    }
    let known = holds.entry(delivery.id.clone()).or_default();
    match known.last_mut().filter(|hold| hold.reason == delivery.reason) {
        Some(hold) => hold.until_ms = delivery.due_at_ms,
        None => known.push(Hold { reason: delivery.reason.clone(), seen_ms: now_ms, until_ms: delivery.due_at_ms }),
    }
}

/// What these runs asked of other systems.
fn calls(scene: &Scene<'_>, mine: &BTreeSet<String>) -> anyhow::Result<Vec<HttpCall>> {
    let ids: Vec<&str> = mine.iter().map(String::as_str).collect();
    let mut calls = Vec::new();
    for some in ids.chunks(PAGE as usize) {
        calls.extend(scene.read(async |store| store.calls_of_runs(some).await)?);
    }
    calls.retain(|call| call.http_status().is_some());
    calls.sort_by_key(|call| call.planned_at_ms);
    Ok(calls.into_iter().filter_map(|call| call.ask.http().cloned()).collect())
}

/// Every message of these runs with what the account took.
fn messages(
    scene: &mut Scene<'_>,
    mine: &BTreeSet<String>,
    mut holds: HashMap<String, Vec<Hold>>,
) -> anyhow::Result<Vec<Foreseen>> {
    let (sent, _) = scene.look();
    let mut sent: HashMap<String, SandboxMessage> =
        sent.into_iter().map(|message| (message.uuid.clone(), message)).collect();
    let deliveries = deliveries(scene, mine, &[])?;
    let mut foreseen = Vec::with_capacity(deliveries.len());
    for some in deliveries.chunks(PAGE as usize) {
        let ids: Vec<&str> = some.iter().map(|delivery| delivery.id.as_str()).collect();
        let attempts = scene.read(async |store| store.attempts(&ids).await)?;
        let ids: BTreeSet<&str> = some.iter().map(|delivery| delivery.contact.as_str()).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let contacts = scene.read(async |store| store.contacts_of(&ids).await)?;
        let contacts: HashMap<&str, &Contact> = contacts.iter().map(|one| (one.id.as_str(), one)).collect();
        for delivery in some {
            let last = attempts.iter().filter(|one| one.delivery == delivery.id).max_by_key(|one| one.n);
            let taken = last.and_then(|attempt| sent.remove(attempt.message_uuid.as_deref()?));
            let taken = taken.filter(|_| delivery.state == DeliveryState::Accepted);
            foreseen.push(Foreseen {
                as_template: if taken.is_none() { filled(scene, delivery) } else { String::new() },
                reads: taken.as_ref().map_or_else(|| plain(delivery), |taken| taken.text.clone()),
                contact: contacts.get(delivery.contact.as_str()).map(|one| (*one).clone()).unwrap_or_default(),
                sent: taken,
                holds: holds.remove(&delivery.id).unwrap_or_default(),
                delivery: delivery.clone(),
            });
        }
    }
    let order = |one: &Foreseen| (one.at_ms(), one.sent.as_ref().map(|sent| sent.n));
    foreseen.sort_by_key(order);
    Ok(foreseen)
}

fn plain(delivery: &Delivery) -> String {
    delivery.message.plain.as_ref().and_then(|plain| plain.text.clone()).unwrap_or_default()
}

/// The template with its values.
fn filled(scene: &Scene<'_>, delivery: &Delivery) -> String {
    let Some(template) = &delivery.message.template else { return String::new() };
    let locked = scene.project().catalogue.lock.get(&template.uuid);
    locked.map(|locked| fill_template(&locked.text, &template.values)).unwrap_or_default()
}
