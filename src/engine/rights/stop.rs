//! Stop: a message that is a stop word or a back word of the project. It is taken: nobody else answers it. Workflows that
//! observe every message see it too; what a stop word starts tells the person nothing.
//!
//! ```text
//! load    who of the group says stop, and everything under way for them
//! hear    withdrawal, end of that work, confirmation: all in the transaction of the message
//! ```
//! Pure but for `load`'s reads. Words come late and out of order: what the person said last, by the platform's time, counts.
//! Invariant: somebody who says stop again and again is answered once a day.

use super::ending;
use crate::config::ProjectSettings;
use crate::connector::webhook::{Direction, InboundMessage, Incoming};
use crate::contact::{Contact, Withdrawal, WithdrawalScope};
use crate::delivery::Delivery;
use crate::engine::calendar;
use crate::engine::evaluate::Arrival;
use crate::engine::inbound::{Told, facts_keys};
use crate::engine::unit::Unit;
use crate::message::{Message, Plain};
use crate::store::Tx;
use crate::trigger::opt_out::{self, What, Wish};
use std::collections::BTreeSet;

/// How long the confirmation of a withdrawal is not repeated.
const ANSWERED_MS: i64 = 24 * 3_600_000;
/// Why runs end and messages are cancelled.
pub(in crate::engine) const OPTED_OUT: &str = "opted_out";
/// The step of a confirmation, which has no workflow.
pub(crate) const CONFIRMATION: &str = "opt_out";

fn wish(message: &InboundMessage, settings: &ProjectSettings) -> Option<Wish> {
    let received = message.direction == Direction::Received;
    received.then(|| opt_out::read(&message.text, &settings.opt_out)).flatten()
}

/// Reads what is under way for people who say stop.
pub(in crate::engine) async fn load(tx: &mut Tx<'_>, unit: &mut Unit<'_>, told: &[&Told]) -> anyhow::Result<()> {
    let stopping = |told: &&Told| {
        let Incoming::Message(message) = &told.incoming else { return None };
        wish(message, &unit.deployed.settings).filter(|wish| wish.what == What::Stop)?;
        let person = unit.contact_by(&facts_keys(told.facts()?))?;
        (!is_overtaken(message, person)).then(|| person.id.clone())
    };
    let stopping: BTreeSet<String> = told.iter().filter_map(stopping).collect();
    match stopping.is_empty() {
        true => Ok(()),
        false => ending::load(tx, unit, &stopping, OPTED_OUT).await,
    }
}

/// Does what a message wishes; whether it took the message. `event`: the message's.
pub(in crate::engine) fn hear(
    event: &str,
    message: &InboundMessage,
    contact: &Contact,
    channel: &str,
    unit: &mut Unit,
) -> bool {
    let Some(wish) = wish(message, &unit.deployed.settings) else { return false };
    let Some(contact) = unit.contact(&contact.id).cloned() else { return false };
    let said_ms = message.at_ms.min(unit.now_ms);
    match wish.what {
        What::Stop if is_overtaken(message, &contact) => {}
        What::Stop => stop(event, &wish, said_ms, contact, channel, unit),
        // Who never withdrew by word means something else by it.
        What::Back if !contact.withdrawal.as_ref().is_some_and(Withdrawal::is_by_word) => return false,
        What::Back => back(event, &wish, said_ms, contact, channel, unit),
    }
    true
}

/// Whether the person has taken back what this stop word says, after they wrote it.
fn is_overtaken(stop: &InboundMessage, person: &Contact) -> bool {
    person.back_at_ms.is_some_and(|back_ms| stop.at_ms < back_ms)
}

fn back(event: &str, wish: &Wish, said_ms: i64, contact: Contact, channel: &str, unit: &mut Unit) {
    if !contact.withdrawal.as_ref().is_some_and(|withdrawal| withdrawal.is_taken_back_at(said_ms)) {
        return;
    }
    let id = contact.id.clone();
    unit.lift(contact, &said(wish, event), |contact| {
        contact.back_by_word();
        contact.back_at_ms = Some(said_ms);
    });
    confirm(wish, &id, channel, unit);
}

/// The source and the proof of an entry.
fn said(wish: &Wish, event: &str) -> String {
    format!("{} {}, event {event}", crate::consent::WORD, wish.word)
}

fn stop(event: &str, wish: &Wish, said_ms: i64, mut contact: Contact, channel: &str, unit: &mut Unit) {
    let id = contact.id.clone();
    contact.withdraw(Withdrawal::new(WithdrawalScope::All, said(wish, event), unit.now_ms));
    unit.put_contact(contact);
    unit.rights.stops.push((id.clone(), event.to_owned()));
    // What was to confirm an earlier word and has not left goes with everything else: this one is confirmed in its place.
    let unconfirmed = unit.awaits_confirmation(&id);
    unit.end_work_of(&id, OPTED_OUT);
    let last_ms = |contact: &Contact| contact.withdrawal.as_ref().and_then(|withdrawal| withdrawal.answered_at_ms);
    let answered = unit.contact(&id).and_then(last_ms).is_some_and(|last_ms| unit.now_ms < last_ms + ANSWERED_MS);
    let confirmed = (unconfirmed || !answered) && confirm(wish, &id, channel, unit);
    let Some(mut contact) = unit.contact(&id).cloned() else { return };
    if let Some(withdrawal) = &mut contact.withdrawal {
        withdrawal.said_at_ms = withdrawal.said_at_ms.max(Some(said_ms)).filter(|_| withdrawal.is_by_word());
        withdrawal.answered_at_ms = if confirmed { Some(unit.now_ms) } else { withdrawal.answered_at_ms };
    }
    unit.write_contact(contact);
}

/// Plans the answer, plain text into the window that the message has opened; whether it could be. A line that the project
/// does not list sends nothing.
fn confirm(wish: &Wish, contact: &str, channel: &str, unit: &mut Unit) -> bool {
    let settings = unit.deployed.settings.clone();
    let Some(person) = unit.contact(contact).filter(|person| person.phone.is_some() || person.bsuid.is_some()) else {
        return false;
    };
    let Some(channel) = settings.channel(channel) else { return false };
    let text = opt_out::answer(wish, &settings.opt_out, person.language.as_deref(), &settings.language);
    let defaults = &settings.defaults;
    let message = Message { plain: Some(Plain { text: Some(text), media: None }), ..Message::default() };
    let id = unit.clock.new_id();
    unit.desk.deliveries.push(Delivery {
        step: CONFIRMATION.to_owned(),
        expires_at_ms: calendar::shift(unit.now_ms, defaults.expires, 1, &defaults.timezone),
        retry_limit: defaults.retry,
        ..Delivery::queued(id, contact.to_owned(), channel.name.clone(), message, unit.now_ms, unit.clock.new_seed())
    });
    true
}

impl Unit<'_> {
    /// Whether an event of this group is a stop word.
    pub(in crate::engine) fn says_stop(&self, event: &str) -> bool {
        self.rights.stops.iter().any(|(_, said)| said == event)
    }

    /// Whether the answer to a word of this person waits to be sent.
    fn awaits_confirmation(&self, contact: &str) -> bool {
        let is_answer = |id: &String| {
            self.deliveries.get(id).is_some_and(|row| row.delivery.run.is_empty() && row.delivery.step == CONFIRMATION)
        };
        self.unsent_to(contact).iter().any(is_answer)
    }
}

/// What the same person wrote before the stop word, in the same group, starts nothing any more: its runs would be stopped.
pub(in crate::engine) fn forestall(arrivals: &mut [Arrival], unit: &Unit) {
    for (contact, event) in &unit.rights.stops {
        let before = arrivals.iter_mut().take_while(|arrival| arrival.id != *event);
        let of_person = before.filter(|arrival| arrival.contact.as_ref() == Some(contact));
        of_person.for_each(|arrival| {
            arrival.candidates.clear();
            arrival.stops.clear();
            arrival.contents = None;
        });
    }
}
