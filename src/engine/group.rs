//! Group: what waits when the last commit ends becomes one transaction.
//!
//! ```text
//! begin ─ load a select per kind ─ decide in memory ─ write a statement per table ─ claim + gate ─ commit ─ answer, call
//! ```
//! A kill before the commit leaves nothing and nobody was answered; after it, everything is there, and the calls that
//! were claimed stand as `sending`. Invariant: facts are read inside the transaction that acts on them, so no decision
//! rests on something another writer has changed; the guards of the statements are the net on PostgreSQL.

use super::advance::Input;
use super::calls;
use super::change::{self, Change, Changed};
use super::claim::{claim, earliest};
use super::deployed::{Definition, Deployed, Pinned};
use super::early;
use super::evaluate::{self, Arrival};
use super::hand_on::hand_on;
use super::identities;
use super::in_hand::InHand;
use super::inbound::{self, Told};
use super::lanes::lane_names;
use super::limits;
use super::load::{load_calls, load_due, load_identities, load_people};
use super::lookup::LookUp;
use super::outbound::{self, Alert};
use super::overdue::LATE_MS;
use super::scopes::Breakers;
use super::sent::settle_calls;
use super::unit::{LiveRun, Unit};
use super::{Outside, porter, repair, rights, routing, stops, tagged, turns};
use crate::clock::Clock;
use crate::connector::webhook::ContactFacts;
use crate::delivery::Outcome;
use crate::event::{Dedupe, Evaluation};
use crate::message::Form;
use crate::run::Run;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use crate::store::{Counted, Tx};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// How long another node may take for the runs it is moving, before they are asked for again.
const ELSEWHERE_MS: i64 = 250;
/// Lanes that deliveries may wait in beside those of the project's channels, at most.
pub(super) const LANES: usize = 1000;

/// Everything a group needs beside its items.
pub(super) struct Context<'a> {
    pub(super) clock: &'a Clock,
    pub(super) deployed: &'a Deployed,
    pub(super) pinned: &'a Pinned,
    /// Installation key.
    pub(super) key: &'a [u8],
    pub(super) node: &'a str,
    pub(super) in_hand: &'a InHand,
    /// Send slots that are free.
    pub(super) free: usize,
    /// Slots for steps that call out.
    pub(super) room: calls::Room,
    /// Which channel begins.
    pub(super) turn: usize,
    /// Lanes that deliveries wait in, beside those of the project's channels.
    pub(super) others: &'a BTreeSet<String>,
    pub(super) breakers: &'a Breakers,
    /// A breaker closed: what it held is looked at again.
    pub(super) breaker_closed: bool,
    /// Look-ups that wait for a token, and how many may begin.
    pub(super) looks_waiting: usize,
    pub(super) looks_room: usize,
    pub(super) outside: &'a Outside,
    /// Whether timers are to be looked at.
    pub(super) tick: bool,
    /// How many long overdue timers may go on.
    pub(super) overdue: usize,
    /// Whether status events wait for the answers that tell whose they are.
    pub(super) early: bool,
    /// Whether a call is open whose answer may tell that. Else a status of an unknown message is of somebody else's:
    /// what people write in the inbox, for instance.
    pub(super) calling: bool,
    /// Whether other nodes may be at work on the same rows.
    pub(super) shared: bool,
    /// Whether the end of what is under way for a person may go on.
    pub(super) ending: bool,
    /// Whether what fell between two nodes is to be looked for.
    pub(super) sweep: bool,
}

/// What is to be decided together. Read only: a group that fails is done again from the same work.
#[derive(Default)]
pub(super) struct Work {
    pub(super) arrivals: Vec<NewArrival>,
    pub(super) told: Vec<Told>,
    pub(super) calls: Vec<CallResult>,
    /// Steps' calls that ended.
    pub(super) called: Vec<calls::Ended>,
    pub(super) changes: Vec<Change>,
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.items() == 0
    }

    pub(super) fn items(&self) -> usize {
        self.arrivals.len() + self.told.len() + self.calls.len() + self.called.len() + self.changes.len()
    }

    /// The same, and these events behind its own.
    pub(super) fn with(&self, more: &[NewArrival]) -> Self {
        let arrivals = self.arrivals.iter().chain(more).cloned().collect();
        let Self { told, calls, called, changes, .. } = self;
        let (told, calls) = (told.clone(), calls.clone());
        Self { arrivals, told, calls, called: called.clone(), changes: changes.clone() }
    }
}

/// An event as it came.
#[derive(Debug, Clone)]
pub(super) struct NewArrival {
    pub(super) id: String,
    pub(super) event: Arc<crate::event::NewEvent>,
    pub(super) data: Arc<serde_json::Value>,
    /// `data` as it is stored.
    pub(super) text: Arc<str>,
    /// The only trigger it is meant for: firings and rows of an audience.
    pub(super) target: Option<Target>,
}

/// A schedule's trigger, and the row of its audience.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) definition: Arc<Definition>,
    pub(super) trigger: usize,
    pub(super) firing: String,
    /// The line of the audience file; `None` without an audience.
    pub(super) line: Option<u64>,
    pub(super) who: Result<evaluate::Person, &'static str>,
    /// What the account told of the person as it was asked for the people of a tag.
    pub(super) told: Option<Arc<ContactFacts>>,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub(super) struct CallResult {
    pub(super) delivery: String,
    pub(super) channel: String,
    pub(super) attempt: String,
    /// The attempt's number.
    pub(super) n: u32,
    pub(super) form: Form,
    pub(super) started_at_ms: i64,
    pub(super) outcome: Outcome,
}

/// A call to be made after the commit.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) delivery: String,
    /// Name of the channel it leaves by.
    pub(super) channel: String,
    pub(super) attempt: String,
    pub(super) n: u32,
    pub(super) form: Form,
    pub(super) started_at_ms: i64,
    pub(super) body: String,
}

/// What a group came to.
#[derive(Default)]
pub(super) struct Done {
    /// Per arrival, in order.
    pub(super) accepted: Vec<Accepted>,
    /// Per change, in order.
    pub(super) changed: Vec<Changed>,
    pub(super) calls: Vec<Call>,
    /// Deliveries as this group wrote them: those it moved, and those whose calls begin.
    pub(super) written: Vec<DeliveryRow>,
    pub(super) claimed: Vec<DeliveryRow>,
    /// Runs that this group knows, as the store holds them now, by id.
    pub(super) runs: HashMap<String, LiveRun>,
    /// Steps' calls to be made after the commit.
    pub(super) errands: Vec<calls::Errand>,
    /// Keys of the relay's targets that get something.
    pub(super) relayed: Vec<String>,
    /// Files wait to be fetched.
    pub(super) files: bool,
    /// What the account is to be asked for, and how many look-ups got tokens.
    pub(super) look_ups: Vec<LookUp>,
    pub(super) looks_granted: usize,
    pub(super) account_paused: bool,
    /// A campaign is to be fed, or its runs are to be held, released or stopped.
    pub(super) campaigns: bool,
    /// Channels of waiting deliveries that nobody knows any more.
    pub(super) missing_channels: Vec<String>,
    /// Lanes that deliveries were planned for, and those that nothing waits in any more.
    pub(super) planned_by: BTreeSet<String>,
    pub(super) idle_lanes: Vec<String>,
    pub(super) alerts: Vec<Alert>,
    /// Status events are kept that came before their answer.
    pub(super) early: bool,
    /// The end of what is under way for a person goes on.
    pub(super) ending: bool,
    /// Long overdue timers are left.
    pub(super) overdue: bool,
    /// When a timer, a delivery or a token is due next, but for those; `None` = nothing known.
    pub(super) next_due_ms: Option<i64>,
    pub(super) now_ms: i64,
    pub(super) counted: Counted,
}

/// What became of an event.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Its id; of a duplicate the id of the first one.
    pub event: String,
    pub duplicate: bool,
    pub evaluations: Vec<Evaluation>,
}

/// Decides a group inside an open transaction, up to the commit.
pub(super) async fn decide(tx: &mut Tx<'_>, work: &Work, context: &Context<'_>) -> anyhow::Result<Done> {
    let now_ms = tx.now_ms;
    let mut done = Done { now_ms, ..Done::default() };
    let mut unit = Unit::new(now_ms, context.clock, context.deployed, context.pinned, context.key);
    let (known, fresh) = sort_out_duplicates(tx, work, now_ms).await?;
    let mut arrivals = new_arrivals(work, &fresh, context);
    let told: Vec<&Told> = work.told.iter().filter(|told| fresh.contains(&told.id)).collect();
    load_people(tx, &mut unit, &arrivals, &told).await?;
    load_calls(tx, &mut unit, work, &told, context.in_hand).await?;
    routing::load(tx, &mut unit, &told, context.shared).await?;
    rights::stop::load(tx, &mut unit, &told).await?;
    change::load(tx, &mut unit, &work.changes).await?;
    calls::load(tx, &mut unit, &work.called).await?;
    calls::load_own(tx, &mut unit, &told).await?;
    let stop_ms = if context.tick { stops::go_on(tx, &mut unit, context).await? } else { None };
    let end_ms = if context.tick { rights::ending::go_on(tx, &mut unit, context).await? } else { None };
    done.ending = end_ms.is_some() || (context.ending && !context.tick) || unit.has_endings();
    let stop_ms = earliest(stop_ms, end_ms);
    // What a stop under way may still concern does not go on meanwhile.
    let wakes = context.tick && stop_ms.is_none();
    let (due, look_ups) = if wakes { load_due(tx, &mut unit, context.overdue).await? } else { Default::default() };
    done.look_ups = look_ups;

    settle_calls(tx, &mut unit, work, context).await?;
    work.called.iter().for_each(|ended| calls::settle(ended, &mut unit));
    arrivals.append(&mut unit.late_arrivals);
    for change in &work.changes {
        done.changed.push(change::apply(tx, &mut unit, change, context).await?);
    }
    arrivals.extend(told.iter().filter_map(|told| inbound::apply(told, &mut unit)));
    rights::stop::forestall(&mut arrivals, &unit);
    tagged::learn(&mut unit, &work.arrivals, &fresh);
    arrivals.iter_mut().for_each(|arrival| evaluate::judge(arrival, &unit));
    load_identities(tx, &mut unit, &arrivals).await?;
    stops::load(tx, &mut unit, &mut arrivals).await?;
    limits::load(tx, &mut unit, &arrivals).await?;
    done.early = early::tidy(tx, &mut unit, context).await?;
    let evaluations = arrivals.iter_mut().map(|arrival| routing::decide(arrival, &mut unit)).collect();
    // After what happened: an answer that came in time counts, and what was stopped sends nothing.
    due.iter().for_each(|run| wake(run, &mut unit));
    done.next_due_ms = stop_ms.or_else(|| (unit.has_endings() || !unit.stopping.is_empty()).then_some(now_ms));
    if unit.orders.releases() {
        // What goes on may be due later: it is looked for.
        done.next_due_ms = Some(now_ms);
    }
    keep_events(&mut unit, work, &arrivals, &evaluations)?;
    done.accepted = answers(work, &known, &arrivals, evaluations);
    flush(tx, &mut unit).await?;
    outbound::write(tx, &mut unit).await?;
    rights::forget::erase(tx, &mut unit, &mut done.changed).await?;
    done.alerts = std::mem::take(&mut unit.outbound.alerts);
    done.campaigns = unit.orders.campaigns;
    if context.breaker_closed {
        tx.release_holds(&["breaker_open"]).await?;
    }

    if context.free > 0 {
        claim(tx, context, &mut done).await?;
    }
    calls::claim(tx, &unit, work, context, &mut done).await?;
    outbound::put_off_unreadable(tx, &mut done).await?;
    hand_on(tx, &unit, &told, context, &mut done).await?;
    if context.outside.media.is_some() {
        let files: Vec<_> = told.iter().flat_map(|told| porter::files(told, now_ms)).collect();
        done.files = !files.is_empty();
        tx.insert_attachments(&files).await?;
    }
    done.next_due_ms = earliest(done.next_due_ms, unit.next_due_ms());
    if context.shared && context.sweep {
        // Another node may have planned something for a lane that this one has not heard of.
        let waiting = tx.waiting_lanes(LANES).await?;
        tx.planned_by.extend(waiting);
    }
    if context.tick {
        look_ahead(tx, context, due.is_empty(), &mut done).await?;
    }
    (done.written, done.runs) = unit.into_written();
    done.counted = tx.counted;
    done.planned_by = std::mem::take(&mut tx.planned_by);
    Ok(done)
}

/// When something is due next, as the store knows it. `none_due`: no timer was there to be taken.
async fn look_ahead(tx: &mut Tx<'_>, context: &Context<'_>, none_due: bool, done: &mut Done) -> anyhow::Result<()> {
    let now_ms = tx.now_ms;
    let others: BTreeSet<String> = context.others.union(&tx.planned_by).cloned().collect();
    let lanes = lane_names(context.deployed, &others);
    let (next_ms, overdue_ms) = tx.next_due_ms(&lanes, now_ms - LATE_MS).await?;
    done.overdue = overdue_ms.is_some();
    // What is due and was not there to be taken is in another node's hands until its commit.
    let elsewhere = context.shared && none_due;
    let next_ms = next_ms.map(|at_ms| if elsewhere { at_ms.max(now_ms + ELSEWHERE_MS) } else { at_ms });
    done.next_due_ms = earliest(done.next_due_ms, next_ms);
    Ok(())
}

// --- load -------------------------------------------------------------------------------------------------------------

/// Keys seen before (source and key → first event), and the ids of the account's events that are new.
type KnownKeys = HashMap<(String, String), String>;

async fn sort_out_duplicates(
    tx: &mut Tx<'_>,
    work: &Work,
    now_ms: i64,
) -> anyhow::Result<(KnownKeys, HashSet<String>)> {
    let arrivals = work.arrivals.iter().map(|new| (&new.id, new.event.source.as_str(), &new.event.dedupe));
    let told = work.told.iter().filter_map(|told| Some((&told.id, inbound::SOURCE, told.dedupe()?)));
    let all: Vec<_> = arrivals.chain(told).collect();
    let replayed = work.told.iter().filter(|told| told.replayed).filter_map(|told| told.dedupe());
    let replayed: HashSet<&str> = replayed.map(|dedupe| dedupe.key.as_str()).collect();
    let keys: Vec<(&str, &str)> = all.iter().map(|(_, source, dedupe)| (*source, dedupe.key.as_str())).collect();
    let mut known = KnownKeys::new();
    let mut expired = Vec::new();
    for row in tx.known_keys(&keys).await? {
        let kept_ms = if replayed.contains(row.key.as_str()) { Dedupe::ID_MS } else { 0 };
        match row.until_ms.saturating_add(kept_ms) > now_ms {
            true => drop(known.insert((row.source, row.key), row.event)),
            false => expired.push(row.event),
        }
    }
    tx.clear_keys(&expired).await?;
    let mut fresh = HashSet::new();
    for (id, source, dedupe) in all {
        // The second of two in one group finds the first. A group that got through although its commit seemed to fail
        // finds itself, and is not done again.
        if let Entry::Vacant(vacant) = known.entry((source.to_owned(), dedupe.key.clone())) {
            vacant.insert(id.clone());
            fresh.insert(id.clone());
        }
    }
    Ok((known, fresh))
}

fn new_arrivals(work: &Work, fresh: &HashSet<String>, context: &Context) -> Vec<Arrival> {
    let is_new = |new: &&NewArrival| fresh.contains(&new.id);
    let arrival = |new: &NewArrival| Arrival {
        id: new.id.clone(),
        event: new.event.clone(),
        data: new.data.clone(),
        contact: None,
        firing: new.target.as_ref().map(|target| target.firing.clone()),
        channel: None,
        contents: None,
        stops: match &new.target {
            None => stops::of_webhook(&new.event, &new.data, context.deployed, context.pinned),
            Some(_) => Vec::new(),
        },
        candidates: match &new.target {
            None => evaluate::candidates(context.deployed, &new.event, &new.data),
            Some(target) => vec![evaluate::Candidate::new(
                &target.definition,
                target.trigger,
                evaluate::Route::Observes,
                target.who.clone(),
            )],
        },
    };
    work.arrivals.iter().filter(is_new).map(arrival).collect()
}

fn first_of<'a>(new: &NewArrival, known: &'a KnownKeys) -> Option<&'a String> {
    known.get(&(new.event.source.clone(), new.event.dedupe.key.clone()))
}

// --- decide -----------------------------------------------------------------------------------------------------------

fn wake(run: &str, unit: &mut Unit) {
    match unit.run(run).is_some_and(Run::is_in_line) {
        true => turns::look_at(run, unit),
        false => unit.move_run(run, &Input::TimerDue),
    }
}

fn keep_events(
    unit: &mut Unit<'_>,
    work: &Work,
    arrivals: &[Arrival],
    evaluations: &Vec<Vec<Evaluation>>,
) -> anyhow::Result<()> {
    let texts: HashMap<&str, &Arc<str>> = work.arrivals.iter().map(|new| (new.id.as_str(), &new.text)).collect();
    for (arrival, evaluations) in arrivals.iter().zip(evaluations) {
        let event = &arrival.event;
        unit.events.push(EventRow {
            id: arrival.id.clone(),
            source: event.source.clone(),
            name: event.name.clone(),
            dedupe_key: event.dedupe.key.clone(),
            dedupe_until_ms: unit.now_ms.saturating_add(event.dedupe.keep_ms),
            body_hash: event.dedupe.body_hash.clone(),
            at_ms: event.at_ms,
            received_at_ms: unit.now_ms,
            contact: arrival.contact.clone(),
            data: match texts.get(arrival.id.as_str()) {
                Some(text) => text.to_string(),
                None => serde_json::to_string(&arrival.data)?,
            },
            evaluations: serde_json::to_string(evaluations)?,
            failed: crate::event::failed(evaluations),
        });
    }
    Ok(())
}

fn answers(work: &Work, known: &KnownKeys, arrivals: &[Arrival], evaluations: Vec<Vec<Evaluation>>) -> Vec<Accepted> {
    let ids = arrivals.iter().map(|arrival| arrival.id.as_str());
    let mut by_id: HashMap<&str, Vec<Evaluation>> = ids.zip(evaluations).collect();
    let answer = |new: &NewArrival| {
        let first = first_of(new, known).unwrap_or(&new.id).clone();
        let duplicate = first != new.id;
        let evaluations = by_id.remove(new.id.as_str()).unwrap_or_default();
        Accepted { event: first, duplicate, evaluations }
    };
    work.arrivals.iter().map(answer).collect()
}

// --- write ------------------------------------------------------------------------------------------------------------

pub(super) async fn flush(tx: &mut Tx<'_>, unit: &mut Unit<'_>) -> anyhow::Result<()> {
    turns::pass(tx, unit).await?;
    unit.leave_out_unaddressed();
    let recipients: Vec<ContactKey> = unit.recipient_keys();
    rights::know_people(tx, unit, &recipients).await?;
    let mut planned = unit.settle_recipients();
    planned.append(&mut unit.desk.deliveries);
    repair::hold_what_stands(tx, unit, &planned).await?;
    rights::guard::hold(tx, unit, &planned).await?;
    tx.insert_events(&std::mem::take(&mut unit.events)).await?;
    tx.upsert_contacts(&unit.changed_contacts()).await?;
    tx.insert_consents(&std::mem::take(&mut unit.rights.entries)).await?;
    tx.insert_aliases(&std::mem::take(&mut unit.aliases)).await?;
    tx.upsert_lines(&unit.changed_lines()).await?;
    tx.insert_runs(&unit.new_runs()).await?;
    identities::write(tx, unit).await?;
    tx.end_attempts(&unit.ends).await?;
    tx.prove_attempts(&std::mem::take(&mut unit.outbound.proven)).await?;
    let told: Vec<_> = unit.told.iter().filter_map(|id| unit.attempts.get(id)).collect();
    tx.write_statuses(&told).await?;
    tx.keep_early_statuses(&unit.early).await?;
    let moved: Vec<_> = unit.moved.iter().filter_map(|id| unit.deliveries.get(id)).collect();
    tx.update_deliveries(&moved).await?;
    // After the moves: what came back unsent in this very group is cancelled as well.
    tx.cancel_deliveries_of(&unit.cancelled).await?;
    tx.note_attachments(&unit.attached.iter().collect::<Vec<_>>()).await?;
    tx.note_relays(&unit.relayed.iter().collect::<Vec<_>>()).await?;
    tx.update_runs(&unit.changed_runs()).await?;
    stops::write(tx, unit).await?;
    rights::ending::write(tx, unit).await?;
    tx.reach_runs(&std::mem::take(&mut unit.reached_late)).await?;
    let counted_again = std::mem::take(&mut unit.counted_again);
    tx.count_again(&counted_again.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    tx.insert_deliveries(&planned).await?;
    calls::write(tx, unit).await?;
    repair::write(tx, &unit.orders).await?;
    tx.release_window_holds(&unit.opened).await
}
