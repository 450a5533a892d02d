//! Unit of work: the rows of one group in memory. Loaded by a select per kind, changed by pure decisions, written back
//! by a statement per table.
//!
//! Items of a group see each other's changes here: two orders of a new person in one group make one contact, and the
//! second of two events on one identity finds it taken. Invariant: what is dirty is written in the same commit, or
//! nothing is.

use super::advance::{self, Effect, Facts, Input};
use super::deployed::{Definition, Deployed, opted_in};
use crate::action::send_message::{Planned, Recipient};
use crate::clock::Clock;
use crate::contact::Line;
use crate::contact::{Consent, Contact, Phone};
use crate::delivery::{Delivery, DeliveryState};
use crate::outbox::window;
use crate::run::{Run, RunState};
use crate::store::attempts::{AttemptEnd, AttemptRow};
use crate::store::contacts::{ContactKey, ContactRow};
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use serde_json::{Map, Value, json};
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
#[derive(Debug)]
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
    pub(super) pinned: &'a HashMap<String, Arc<Definition>>,
    contacts: BTreeMap<String, Known<ContactRow>>,
    by_key: HashMap<ContactKey, String>,
    lines: BTreeMap<(String, String), (Line, bool)>,
    identities: BTreeMap<(String, String), Holder>,
    runs: BTreeMap<String, Known<LiveRun>>,
    planned: Vec<PlannedDelivery>,
    pub(super) deliveries: BTreeMap<String, DeliveryRow>,
    pub(super) moved: BTreeSet<String>,
    pub(super) attempts: BTreeMap<String, AttemptRow>,
    pub(super) told: BTreeSet<String>,
    pub(super) ends: Vec<AttemptEnd>,
    pub(super) early: Vec<(String, String, String)>,
    pub(super) events: Vec<EventRow>,
    pub(super) cancelled: Vec<(String, String)>,
    pub(super) opened: Vec<(String, String)>,
}

impl<'a> Unit<'a> {
    pub(super) fn new(
        now_ms: i64,
        clock: &'a Clock,
        deployed: &'a Deployed,
        pinned: &'a HashMap<String, Arc<Definition>>,
    ) -> Self {
        Self {
            now_ms,
            clock,
            deployed,
            pinned,
            contacts: BTreeMap::new(),
            by_key: HashMap::new(),
            lines: BTreeMap::new(),
            identities: BTreeMap::new(),
            runs: BTreeMap::new(),
            planned: Vec::new(),
            deliveries: BTreeMap::new(),
            moved: BTreeSet::new(),
            attempts: BTreeMap::new(),
            told: BTreeSet::new(),
            ends: Vec::new(),
            early: Vec::new(),
            events: Vec::new(),
            cancelled: Vec::new(),
            opened: Vec::new(),
        }
    }

    // --- contacts -------------------------------------------------------------------------------------------------

    /// Takes in stored contacts.
    pub(super) fn know_contacts(&mut self, rows: Vec<ContactRow>) {
        for row in rows {
            self.index(&row.contact);
            let id = row.contact.id.clone();
            self.contacts.entry(id).or_insert(Known { row, origin: Origin::Stored, dirty: false });
        }
    }

    fn index(&mut self, contact: &Contact) {
        keys_of(contact).into_iter().for_each(|key| {
            self.by_key.insert(key, contact.id.clone());
        });
    }

    pub(super) fn contact(&self, id: &str) -> Option<&Contact> {
        self.contacts.get(id).map(|known| &known.row.contact)
    }

    pub(super) fn contact_by(&self, keys: &[ContactKey]) -> Option<&Contact> {
        keys.iter().find_map(|key| self.by_key.get(key)).and_then(|id| self.contact(id))
    }

    /// Writes a contact, new or changed; a change that changes nothing is none.
    pub(super) fn put_contact(&mut self, contact: Contact) {
        self.index(&contact);
        match self.contacts.get_mut(&contact.id) {
            Some(known) if known.row.contact == contact => {}
            Some(known) => (known.row.contact, known.dirty) = (contact, true),
            None => {
                let id = contact.id.clone();
                let row = ContactRow { contact, version: 0 };
                self.contacts.insert(id, Known { row, origin: Origin::New, dirty: true });
            }
        }
    }

    /// Rows to write, each with its next version.
    pub(super) fn changed_contacts(&self) -> Vec<ContactRow> {
        let next = |known: &Known<ContactRow>| ContactRow { version: known.row.version + 1, ..known.row.clone() };
        self.contacts.values().filter(|known| known.dirty).map(next).collect()
    }

    // --- lines ----------------------------------------------------------------------------------------------------

    pub(super) fn know_lines(&mut self, rows: Vec<(String, String, Line)>) {
        for (contact, channel, line) in rows {
            self.lines.entry((contact, channel)).or_insert((line, false));
        }
    }

    pub(super) fn line(&self, contact: &str, channel: &str) -> Line {
        self.lines.get(&(contact.to_owned(), channel.to_owned())).map_or(Line::default(), |(line, _)| *line)
    }

    pub(super) fn put_line(&mut self, contact: &str, channel: &str, line: Line) {
        if self.line(contact, channel) != line {
            self.lines.insert((contact.to_owned(), channel.to_owned()), (line, true));
        }
    }

    pub(super) fn changed_lines(&self) -> Vec<(String, String, Line)> {
        let changed = self.lines.iter().filter(|(_, (_, dirty))| *dirty);
        changed.map(|((contact, channel), (line, _))| (contact.clone(), channel.clone(), *line)).collect()
    }

    // --- identities -----------------------------------------------------------------------------------------------

    pub(super) fn know_identity(&mut self, workflow: String, hash: String, run: String, state: RunState) {
        let holder = Holder { stored: Some(run.clone()), run, state, dirty: false };
        self.identities.entry((workflow, hash)).or_insert(holder);
    }

    /// Who holds it, by the present state of its run.
    pub(super) fn holder(&self, workflow: &str, hash: &str) -> Option<(String, RunState)> {
        let holder = self.identities.get(&(workflow.to_owned(), hash.to_owned()))?;
        let state = self.runs.get(&holder.run).map_or(holder.state, |known| known.row.run.state);
        Some((holder.run.clone(), state))
    }

    pub(super) fn take_identity(&mut self, workflow: &str, hash: &str, run: &Run) {
        let key = (workflow.to_owned(), hash.to_owned());
        let stored = self.identities.get(&key).and_then(|holder| holder.stored.clone());
        self.identities.insert(key, Holder { run: run.id.clone(), state: run.state, stored, dirty: true });
    }

    pub(super) fn taken_identities(&self) -> Vec<(String, String, String, Option<String>)> {
        let taken = self.identities.iter().filter(|(_, holder)| holder.dirty);
        taken
            .map(|((workflow, hash), holder)| {
                (workflow.clone(), hash.clone(), holder.run.clone(), holder.stored.clone())
            })
            .collect()
    }

    // --- runs -----------------------------------------------------------------------------------------------------

    pub(super) fn know_run(&mut self, run: Run, event: Arc<Value>) {
        let row = LiveRun { run, event };
        self.runs.entry(row.run.id.clone()).or_insert(Known { row, origin: Origin::Stored, dirty: false });
    }

    /// Starts a new run and moves it to its first pause.
    pub(super) fn start_run(&mut self, run: Run, definition: &Arc<Definition>, event: Arc<Value>) -> RunState {
        let id = run.id.clone();
        self.runs.insert(id.clone(), Known { row: LiveRun { run, event }, origin: Origin::New, dirty: true });
        self.move_run_with(&id, &Input::Start, definition);
        self.runs.get(&id).map_or(RunState::NeedsAttention, |known| known.row.run.state)
    }

    /// Moves a known run on; one whose definition is gone needs a person.
    pub(super) fn move_run(&mut self, id: &str, input: &Input) {
        let Some(known) = self.runs.get_mut(id).filter(|known| !known.row.run.state.is_terminal()) else { return };
        let run = &known.row.run;
        let current = self.deployed.definitions.get(&run.workflow).filter(|current| current.hash == run.definition);
        match current.or_else(|| self.pinned.get(&run.definition)).cloned() {
            Some(definition) => self.move_run_with(id, input, &definition),
            None => {
                known.row.run.state = RunState::NeedsAttention;
                known.row.run.reason = "its definition is missing".into();
                known.row.run.wake_at_ms = None;
                known.dirty = true;
            }
        }
    }

    fn move_run_with(&mut self, id: &str, input: &Input, definition: &Arc<Definition>) {
        let Some(known) = self.runs.get(id) else { return };
        let LiveRun { run, event } = &known.row;
        let contact =
            self.contact_value(&run.contact, run.progress.channel.as_deref(), &run.progress.contact, definition);
        let facts = Facts {
            workflow: &definition.workflow,
            project: &definition.settings,
            event,
            contact: &contact,
            now_ms: self.now_ms,
        };
        let moved = super::evaluate::guarded(|| advance::advance(run.clone(), input, &facts));
        let (run, effects) = moved.unwrap_or_else(|()| (poisoned(run.clone()), Vec::new()));
        let run_id = run.id.clone();
        if let Some(known) = self.runs.get_mut(id) {
            // A run that has not moved is not written: the guard of a stored one would refuse it for ever.
            known.dirty |= known.row.run != run;
            known.row.run = run;
        }
        for effect in effects {
            let Effect::Deliver { step, expires_at_ms, retry_limit, planned } = effect;
            let run = run_id.clone();
            self.planned.push(PlannedDelivery { run, step, expires_at_ms, retry_limit, planned: *planned });
        }
    }

    /// Stops a live run; what it has not handed over is cancelled.
    pub(super) fn stop_run(&mut self, id: &str, reason: &str) {
        let now_ms = self.now_ms;
        let Some(known) = self.runs.get_mut(id) else { return };
        let run = &mut known.row.run;
        if run.state.is_terminal() {
            return;
        }
        run.state = RunState::Stopped;
        run.reason = reason.to_owned();
        run.wake_at_ms = None;
        run.ended_at_ms = Some(now_ms);
        run.progress.waiting_for = None;
        let what = format!("stopped: {reason}");
        run.progress.trace.push(crate::run::TraceEntry { at_ms: now_ms, step: run.progress.cursor.clone(), what });
        known.dirty = true;
        self.planned.retain(|planned| planned.run != id);
        self.cancelled.push((id.to_owned(), reason.to_owned()));
    }

    /// Why the run of a delivery was stopped, if it was.
    pub(super) fn stopped_reason(&self, delivery: &str) -> Option<String> {
        let run = &self.runs.get(&self.deliveries.get(delivery)?.delivery.run)?.row.run;
        (run.state == RunState::Stopped).then(|| run.reason.clone())
    }

    /// The people of loaded runs that have a step left: it may ask for them.
    pub(super) fn people_of_runs_that_go_on(&self) -> impl Iterator<Item = String> {
        let goes_on = |run: &&Run| match self.definition_of(run) {
            Some(definition) => definition.workflow.next_after(&run.progress.cursor).is_some(),
            None => false,
        };
        self.runs.values().map(|known| &known.row.run).filter(goes_on).map(|run| run.contact.clone())
    }

    pub(super) fn knows_run(&self, id: &str) -> bool {
        self.runs.contains_key(id)
    }

    pub(super) fn new_runs(&self) -> Vec<&Run> {
        let new = self.runs.values().filter(|known| known.origin == Origin::New);
        new.map(|known| &known.row.run).collect()
    }

    pub(super) fn changed_runs(&self) -> Vec<&Run> {
        let changed = self.runs.values().filter(|known| known.origin == Origin::Stored && known.dirty);
        changed.map(|known| &known.row.run).collect()
    }

    /// The earliest instant that something changed in this group is due at; what is due now was claimed or waits for a
    /// call to end.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        let wakes = self.runs.values().filter(|known| known.dirty).filter_map(|known| known.row.run.wake_at_ms);
        let held = self.moved.iter().filter_map(|id| self.deliveries.get(id)).filter(|row| {
            matches!(row.delivery.state, DeliveryState::Held | DeliveryState::Uncertain) && row.delivery.due_at_ms > 0
        });
        wakes.chain(held.map(|row| row.delivery.due_at_ms)).min()
    }

    // --- values and deliveries ------------------------------------------------------------------------------------

    /// What `contact` is for a run: what is known, and over it what the event gave for this run.
    pub(super) fn contact_value(
        &self,
        id: &str,
        channel: Option<&str>,
        given: &Map<String, Value>,
        definition: &Definition,
    ) -> Value {
        let unknown = Contact { id: id.to_owned(), ..Contact::default() };
        self.value_of(self.contact(id).unwrap_or(&unknown), channel, given, definition)
    }

    /// As [`Unit::contact_value`], for a contact that is not stored yet.
    pub(super) fn value_of(
        &self,
        contact: &Contact,
        channel: Option<&str>,
        given: &Map<String, Value>,
        definition: &Definition,
    ) -> Value {
        let mut fields = contact.to_value();
        let channel = channel.unwrap_or(&definition.settings.default_channel().name);
        let line = self.line(&contact.id, channel);
        let wrote = line.last_inbound_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        fields.insert("last_message_at".into(), wrote.map_or(Value::Null, |at| at.to_string().into()));
        fields.insert("window_open".into(), window::open(line, self.now_ms).into());
        fields.insert("opted_in".into(), opted_in(contact, &definition.settings.consent).into());
        fields.insert("opted_out".into(), false.into());
        for (name, value) in given {
            fields.insert(name.clone(), value.clone());
        }
        if !given.contains_key("first_name")
            && let Some(first) =
                given.get("name").and_then(Value::as_str).and_then(|name| name.split_whitespace().next())
        {
            fields.insert("first_name".into(), first.into());
        }
        Value::Object(fields)
    }

    /// Phones of recipients beside the runs' contacts, which have to be looked up before [`Unit::settle_recipients`].
    pub(super) fn recipient_keys(&self) -> Vec<ContactKey> {
        let key = |planned: &PlannedDelivery| match &planned.planned.to {
            Recipient::Phone { written, .. } => {
                self.phone(written).map(|phone| ContactKey::Phone(phone.digits().into()))
            }
            Recipient::Contact => None,
        };
        self.planned.iter().filter_map(key).collect()
    }

    pub(super) fn phone(&self, written: &str) -> Option<Phone> {
        Phone::parse(written, self.deployed.settings.phone_region.as_deref()).ok()
    }

    /// Turns what was planned into deliveries, each to a person and a line. A recipient that cannot be read fails its
    /// step.
    pub(super) fn settle_recipients(&mut self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        // A step that fails at once moves its run on, which may plan again: bounded by the steps of the workflow.
        while !self.planned.is_empty() {
            for planned in std::mem::take(&mut self.planned) {
                let channel = self.channel(&planned);
                let reason = match (self.recipient(&planned), channel) {
                    (Some(contact), Some(channel)) => {
                        deliveries.extend(self.delivery(planned, contact, channel));
                        continue;
                    }
                    (None, _) => "bad_number".to_owned(),
                    // The person wrote on a line of the account that the project does not list.
                    (Some(_), None) => "unknown_channel".to_owned(),
                };
                let settlement = crate::delivery::Settlement::Failed { reason };
                self.move_run(&planned.run, &Input::Settled { step: planned.step, settlement });
            }
        }
        deliveries
    }

    fn recipient(&mut self, planned: &PlannedDelivery) -> Option<String> {
        let Recipient::Phone { written, colleague } = &planned.planned.to else {
            return Some(self.runs.get(&planned.run)?.row.run.contact.clone());
        };
        let phone = self.phone(written)?;
        let known = self.contact_by(&[ContactKey::Phone(phone.digits().into())]).cloned();
        let mut contact =
            known.unwrap_or_else(|| Contact { id: self.clock.new_id(), phone: Some(phone), ..Contact::default() });
        if *colleague && contact.consent.is_none() {
            contact.consent = Some(Consent { proof: "colleague".into(), at_ms: self.now_ms });
        }
        let id = contact.id.clone();
        self.put_contact(contact);
        Some(id)
    }

    /// The line it leaves by: the step's, the one the person wrote on, the default one. `None` = not one of the project's.
    fn channel(&self, planned: &PlannedDelivery) -> Option<String> {
        let settings = &self.deployed.settings;
        let own = || self.runs.get(&planned.run).and_then(|known| known.row.run.progress.channel.as_deref());
        let wanted = planned.planned.channel.as_deref().or_else(own).unwrap_or(&settings.default_channel().name);
        settings.channel(wanted).map(|channel| channel.name.clone())
    }

    fn delivery(&self, planned: PlannedDelivery, contact: String, channel: String) -> Option<Delivery> {
        let run = &self.runs.get(&planned.run)?.row.run;
        let purpose = self.definition_of(run).map(|definition| definition.workflow.purpose)?;
        Some(Delivery {
            id: self.clock.new_id(),
            run: planned.run,
            workflow: run.workflow.clone(),
            step: planned.step,
            contact,
            channel,
            purpose,
            outside_window: planned.planned.outside_window,
            message: planned.planned.message,
            state: DeliveryState::Queued,
            reason: String::new(),
            form: None,
            due_at_ms: self.now_ms,
            expires_at_ms: planned.expires_at_ms,
            line_at_ms: self.now_ms,
            fallback_used: false,
            attempts: 0,
            retries: 0,
            retry_limit: planned.retry_limit,
            seed: self.clock.new_seed(),
            planned_at_ms: self.now_ms,
        })
    }

    fn definition_of(&self, run: &Run) -> Option<&Arc<Definition>> {
        let current = self.deployed.definitions.get(&run.workflow).filter(|current| current.hash == run.definition);
        current.or_else(|| self.pinned.get(&run.definition))
    }

    /// Changes a known delivery; it is written with the group.
    pub(super) fn change_delivery(&mut self, id: &str, change: impl FnOnce(&mut DeliveryRow)) {
        if let Some(row) = self.deliveries.get_mut(id) {
            change(row);
            self.moved.insert(id.to_owned());
        }
    }
}

/// A run whose advance panicked: a person has to look at it.
fn poisoned(mut run: Run) -> Run {
    run.state = RunState::NeedsAttention;
    run.reason = "internal error while moving the run on".into();
    run.wake_at_ms = None;
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
