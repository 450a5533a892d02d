//! What a unit of work plans: the values that questions and texts see, and deliveries with their recipients.

use super::{PlannedDelivery, Unit};
use crate::action::send_message::Recipient;
use crate::call::{Ask, CallState, StepCall};
use crate::config::{ConsentRule, Pace};
use crate::contact::{Consent, Contact, ERASED, Line, Phone};
use crate::delivery::{Delivery, DeliveryState, Purpose, Settlement, VendorStatus};
use crate::engine::advance::Input;
use crate::engine::deployed::{Definition, opted_in, opted_out};
use crate::engine::limits;
use crate::outbox::window;
use crate::rules::{Quiet, Rate, Rules};
use crate::run::Run;
use crate::store::contacts::ContactKey;
use crate::store::deliveries::DeliveryRow;
use crate::workflow::{QuietHours, Workflow};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What `contact` is at an instant: what is known, the window of a line, and over it what an event gave.
pub(in crate::engine) fn person_value(
    contact: &Contact,
    line: Line,
    now_ms: i64,
    given: &Map<String, Value>,
    definition: &Definition,
) -> Value {
    let mut fields = contact.to_value();
    let wrote = line.last_inbound_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    fields.insert("last_message_at".into(), wrote.map_or(Value::Null, |at| at.to_string().into()));
    fields.insert("window_open".into(), window::open(line, now_ms).into());
    let opted_out = opted_out(contact, definition.workflow.purpose);
    let opted_in = !opted_out && opted_in(contact, &definition.settings.consent);
    fields.insert("opted_in".into(), opted_in.into());
    fields.insert("opted_out".into(), opted_out.into());
    for (name, value) in given {
        fields.insert(name.clone(), value.clone());
    }
    if !given.contains_key("first_name")
        && let Some(first) = given.get("name").and_then(Value::as_str).and_then(|name| name.split_whitespace().next())
    {
        fields.insert("first_name".into(), first.into());
    }
    Value::Object(fields)
}

impl Unit<'_> {
    /// What `contact` is for a run: what is known, and over it what the event gave for this run.
    pub(in crate::engine) fn contact_value(
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
    pub(in crate::engine) fn value_of(
        &self,
        contact: &Contact,
        channel: Option<&str>,
        given: &Map<String, Value>,
        definition: &Definition,
    ) -> Value {
        let channel = channel.unwrap_or(&definition.settings.default_channel().name);
        person_value(contact, self.line(&contact.id, channel), self.now_ms, given, definition)
    }

    /// Leaves out what addresses nobody any more; its runs go on, and may plan again: bounded by the steps of the workflow.
    /// Before recipients are looked up, so that those of later steps are among them.
    pub(in crate::engine) fn leave_out_unaddressed(&mut self) {
        let unaddressed = |unit: &Self| {
            let mut planned = unit.planned.iter().enumerate();
            planned.find_map(|(at, planned)| Some((at, unit.not_addressed(planned)?)))
        };
        while let Some((at, reason)) = unaddressed(self) {
            let PlannedDelivery { run, step, .. } = self.planned.remove(at);
            let settlement = Settlement::Skipped { reason: reason.to_owned(), fails: false };
            self.move_run(&run, &Input::Settled { step, settlement });
        }
    }

    /// Phones of recipients beside the runs' contacts, which have to be looked up before [`Unit::settle_recipients`].
    pub(in crate::engine) fn recipient_keys(&self) -> Vec<ContactKey> {
        let phone = |planned: &PlannedDelivery| match &planned.planned.to {
            Recipient::Phone { written, .. } => self.phone(written),
            Recipient::Contact => None,
        };
        self.planned.iter().filter_map(phone).flat_map(|phone| ContactKey::of_phone(&phone)).collect()
    }

    pub(in crate::engine) fn phone(&self, written: &str) -> Option<Phone> {
        Phone::parse(written, self.deployed.settings.phone_region.as_deref()).ok()
    }

    /// Turns what was planned into deliveries, each to a person and a line. A recipient that cannot be read fails its
    /// step.
    pub(in crate::engine) fn settle_recipients(&mut self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        // A step that fails at once moves its run on, which may plan again: bounded by the steps of the workflow.
        while !self.planned.is_empty() {
            for planned in std::mem::take(&mut self.planned) {
                let channel = self.channel(&planned);
                let reason = match (self.recipient(&planned), channel) {
                    (Some(contact), Some(channel)) => {
                        let delivery = self.delivery(planned, contact, channel);
                        delivery.iter().for_each(|delivery| self.vouch(delivery));
                        deliveries.extend(delivery);
                        continue;
                    }
                    (None, _) => "bad_number".to_owned(),
                    // The person wrote on a line of the account that the project does not list.
                    (Some(_), None) => "unknown_channel".to_owned(),
                };
                let settlement = Settlement::Failed { reason };
                self.move_run(&planned.run, &Input::Settled { step: planned.step, settlement });
            }
        }
        deliveries
    }

    /// Why a step addresses nobody any more: who was erased since the event came, and who said stop by it.
    fn not_addressed(&self, planned: &PlannedDelivery) -> Option<&'static str> {
        let run = &self.runs.get(&planned.run)?.row.run;
        match &planned.planned.to {
            Recipient::Phone { written, .. } => (written == ERASED).then_some("contact_gone"),
            Recipient::Contact => run.progress.of_stop.then_some("opted_out"),
        }
    }

    fn recipient(&mut self, planned: &PlannedDelivery) -> Option<String> {
        let Recipient::Phone { written, colleague } = &planned.planned.to else {
            let id = self.runs.get(&planned.run)?.row.run.contact.clone();
            // The account is written to by number or by WhatsApp id: who is known by its uuid alone cannot be reached.
            let reachable = |contact: &Contact| contact.phone.is_some() || contact.bsuid.is_some();
            return self.contact(&id).is_none_or(reachable).then_some(id);
        };
        let phone = self.phone(written)?;
        let known = self.contact_by(&ContactKey::of_phone(&phone).collect::<Vec<_>>()).cloned();
        let mut contact =
            known.unwrap_or_else(|| Contact { id: self.clock.new_id(), phone: Some(phone), ..Contact::default() });
        if *colleague && contact.consent.is_none() {
            contact.consent = Some(Consent { proof: "colleague".into(), at_ms: self.now_ms });
        }
        let id = contact.id.clone();
        self.put_contact(contact);
        Some(id)
    }

    /// `consent: everyone`: whom the project addresses first is entered in the ledger, unless something else proves their
    /// consent. Answers in plain text need none.
    pub(in crate::engine) fn vouch(&mut self, delivery: &Delivery) {
        let asks = delivery.message.template.is_some() || delivery.purpose == Purpose::Marketing;
        if !asks || !matches!(self.deployed.settings.consent, ConsentRule::Everyone) {
            return;
        }
        let told = |known: &&Contact| known.consent.is_some() || known.vouched_at_ms.is_some();
        let known = self.contact(&delivery.contact).filter(|known| !told(known) && known.withdrawal.is_none());
        if let Some(known) = known.cloned() {
            self.put_contact(Contact { vouched_at_ms: Some(self.now_ms), ..known });
        }
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
        let again = self.orders.again.get(&(planned.run.clone(), planned.step.clone())).cloned();
        let (redrive_of, in_doubt) = again.map_or((None, false), |(old, in_doubt)| (Some(old), in_doubt));
        let workflow = &self.definition_of(run)?.workflow;
        let rules = rules(workflow, run, &planned.planned.to);
        let reason = if rules.pace.is_some() { "pace" } else { "" };
        let id = self.clock.new_id();
        Some(Delivery {
            run: planned.run,
            workflow: run.workflow.clone(),
            step: planned.step,
            purpose: workflow.purpose,
            outside_window: planned.planned.outside_window,
            // It stands in nobody's way until it is its workflow's turn.
            reason: reason.to_owned(),
            expires_at_ms: planned.expires_at_ms,
            retry_limit: planned.retry_limit,
            possible_duplicate: in_doubt || run.progress.in_doubt,
            rules,
            redrive_of,
            ..Delivery::queued(id, contact, channel, planned.planned.message, self.now_ms, self.clock.new_seed())
        })
    }

    /// A step's call, which begins when it is claimed.
    pub(super) fn plan_call(&mut self, run: String, step: String, retry_limit: u32, ask: Ask) {
        let Some(contact) = self.runs.get(&run).map(|known| known.row.run.contact.clone()) else { return };
        self.calls.planned.push(StepCall {
            run,
            step,
            id: self.clock.new_id(),
            contact,
            state: CallState::Queued,
            ask,
            parts_done: Vec::new(),
            claims: 0,
            attempts: 0,
            crashes: 0,
            retry_limit,
            due_at_ms: self.now_ms,
            result: None,
            planned_at_ms: self.now_ms,
            ended_at_ms: None,
        });
    }

    pub(in crate::engine) fn definition_of(&self, run: &Run) -> Option<&Arc<Definition>> {
        let current = self.deployed.definitions.get(&run.workflow).filter(|current| current.hash == run.definition);
        current.or_else(|| self.pinned.get(&run.definition))
    }

    /// Changes a known delivery; it is written with the group.
    pub(in crate::engine) fn change_delivery(&mut self, id: &str, change: impl FnOnce(&mut DeliveryRow)) {
        let Some(row) = self.deliveries.get_mut(id) else { return };
        change(row);
        self.moved.insert(id.to_owned());
        let failed = row.status == Some(VendorStatus::Failed);
        if matches!(row.delivery.state, DeliveryState::Accepted | DeliveryState::Uncertain) && !failed {
            row.delivery.hand_over(self.now_ms);
            let run = row.delivery.run.clone();
            self.reach(&run);
        }
    }
}

/// What the settings of the workflow ask of the gate for a message of this run.
fn rules(workflow: &Workflow, run: &Run, to: &Recipient) -> Rules {
    let settings = &workflow.settings;
    let own = matches!(to, Recipient::Contact);
    let given = || run.progress.contact.get("timezone").and_then(Value::as_str).map(str::to_owned);
    let (quiet, limit) = (settings.quiet_hours, limits::planned(&settings.limit));
    let asks = quiet.is_some() || !limit.is_empty();
    Rules {
        quiet: quiet.map(|QuietHours { from, to }| Quiet { from, to }),
        limit,
        pace: settings.pace.map(|Pace { count, per_ms }| Rate { count, per_ms }),
        zone: if asks { settings.timezone.iana_name().unwrap_or("UTC").to_owned() } else { String::new() },
        given_zone: if own && quiet.is_some() { given() } else { None },
        colleague: matches!(to, Recipient::Phone { colleague: true, .. }),
    }
}
