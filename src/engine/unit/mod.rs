//! Unit of work: the rows of one group in memory. Loaded by a select per kind, changed by pure decisions, written back
//! by a statement per table.
//!
//! Items of a group see each other's changes here: two orders of a new person in one group make one contact, and the
//! second of two events on one identity finds it taken. Invariant: what is dirty is written in the same commit, or
//! nothing is.

mod people;
mod plan;
mod runs;

pub(super) use plan::person_value;

use super::calls;
use super::deployed::{Deployed, Pinned};
use super::evaluate::Arrival;
use super::hand_on::Late;
use super::limits::Reached;
use super::outbound::Outbound;
use super::repair::Orders;
use super::rights::Rights;
use super::submit::Desk;
use crate::action::send_message::Planned;
use crate::attachment::Attachment;
use crate::clock::Clock;
use crate::contact::{Contact, Line};
use crate::relay::Relay;
use crate::run::{Run, RunState};
use crate::store::aliases::AliasRow;
use crate::store::attempts::{AttemptEnd, AttemptRow};
use crate::store::contacts::{ContactKey, ContactRow};
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use crate::store::stops::StoppingRow;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A row in memory and how it came there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Stored,
    New,
}

#[derive(Debug)]
pub(super) struct Known<T> {
    pub(super) row: T,
    origin: Origin,
    pub(super) dirty: bool,
}

/// A run under way in this group, with what it needs to move.
#[derive(Debug, Clone)]
pub(super) struct LiveRun {
    pub(super) run: Run,
    pub(super) event: Arc<Value>,
}

/// Who holds an identity: the run, its state, and who held it when it was read.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub(super) run: String,
    pub(super) state: RunState,
    stored: Option<String>,
    dirty: bool,
    /// It is being begun anew: its own identity does not refuse it.
    released: bool,
}

/// A delivery planned in this group whose recipient may still have to be found.
#[derive(Debug)]
struct PlannedDelivery {
    run: String,
    step: String,
    expires_at_ms: i64,
    retry_limit: u32,
    planned: Planned,
}

#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) now_ms: i64,
    pub(super) clock: &'a Clock,
    pub(super) deployed: &'a Deployed,
    /// Definitions of older versions that live runs still need, by hash.
    pub(super) pinned: &'a Pinned,
    /// Installation key.
    pub(super) key: &'a [u8],
    contacts: BTreeMap<String, Known<ContactRow>>,
    by_key: HashMap<ContactKey, String>,
    /// Names that people got in this group.
    pub(super) aliases: Vec<AliasRow>,
    lines: BTreeMap<(String, String), (Line, bool)>,
    identities: BTreeMap<(String, String), Holder>,
    runs: BTreeMap<String, Known<LiveRun>>,
    /// Lines of runs about the same (workflow, hash) in which it may be another one's turn.
    pub(super) lines_moved: BTreeSet<(String, String)>,
    /// Stops that go on in later groups.
    pub(super) stopping: Vec<StoppingRow>,
    planned: Vec<PlannedDelivery>,
    /// Steps that call out.
    pub(super) calls: calls::Desk,
    pub(super) deliveries: BTreeMap<String, DeliveryRow>,
    pub(super) moved: BTreeSet<String>,
    pub(super) attempts: BTreeMap<String, AttemptRow>,
    pub(super) told: BTreeSet<String>,
    pub(super) ends: Vec<AttemptEnd>,
    pub(super) early: Vec<(String, String, String)>,
    pub(super) events: Vec<EventRow>,
    pub(super) cancelled: Vec<(String, String)>,
    pub(super) opened: Vec<(String, String)>,
    pub(super) outbound: Outbound,
    /// Runs that reached their contacts, where a workflow asks.
    pub(super) reached: Reached,
    /// Runs that had ended when their first message was handed over, with the instant.
    pub(super) reached_late: Vec<(String, i64)>,
    /// Runs of whose messages the platform told that one has failed, or has arrived after all.
    pub(super) counted_again: BTreeSet<String>,
    /// Messages without a run.
    pub(super) desk: Desk,
    /// What people want no more.
    pub(super) rights: Rights,
    /// Results of the relay's posts.
    pub(super) relayed: Vec<Relay>,
    /// What became of fetching files.
    pub(super) attached: Vec<Attachment>,
    /// Statuses of the gateway's messages that waited for their answer.
    pub(super) late: Vec<Late>,
    /// Events of such statuses, where they may start something.
    pub(super) late_arrivals: Vec<Arrival>,
    /// What people ordered of runs and campaigns.
    pub(super) orders: Orders,
}

impl<'a> Unit<'a> {
    pub(super) fn new(
        now_ms: i64,
        clock: &'a Clock,
        deployed: &'a Deployed,
        pinned: &'a Pinned,
        key: &'a [u8],
    ) -> Self {
        Self {
            now_ms,
            clock,
            deployed,
            pinned,
            key,
            contacts: BTreeMap::new(),
            by_key: HashMap::new(),
            aliases: Vec::new(),
            lines: BTreeMap::new(),
            identities: BTreeMap::new(),
            runs: BTreeMap::new(),
            lines_moved: BTreeSet::new(),
            stopping: Vec::new(),
            planned: Vec::new(),
            calls: calls::Desk::default(),
            deliveries: BTreeMap::new(),
            moved: BTreeSet::new(),
            attempts: BTreeMap::new(),
            told: BTreeSet::new(),
            ends: Vec::new(),
            early: Vec::new(),
            events: Vec::new(),
            cancelled: Vec::new(),
            opened: Vec::new(),
            outbound: Outbound::default(),
            reached: Reached::default(),
            reached_late: Vec::new(),
            counted_again: BTreeSet::new(),
            desk: Desk::default(),
            rights: Rights::default(),
            relayed: Vec::new(),
            attached: Vec::new(),
            late: Vec::new(),
            late_arrivals: Vec::new(),
            orders: Orders::default(),
        }
    }
}

/// A run whose advance panicked: a person has to look at it.
fn poisoned(mut run: Run) -> Run {
    run.state = RunState::NeedsAttention;
    run.reason = "internal error while moving the run on".into();
    run.wake_at_ms = None;
    run.asks = None;
    run
}

/// The keys under which a person is found.
pub(super) fn keys_of(contact: &Contact) -> Vec<ContactKey> {
    let uuid = contact.uuid.clone().map(ContactKey::Uuid);
    let phone = contact.phone.as_ref().map(|phone| ContactKey::Phone(phone.digits().into()));
    let bsuid = contact.bsuid.clone().map(ContactKey::Bsuid);
    [uuid, phone, bsuid, Some(ContactKey::Id(contact.id.clone()))].into_iter().flatten().collect()
}

/// An empty JSON object: the scope of a question asked before anything is known.
pub(super) fn nothing() -> Value {
    json!({})
}
