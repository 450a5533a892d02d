//! Stop: a message that is a stop word or a back word of the project. It is taken: nobody else answers it. Workflows that
//! observe every message see it too; what a stop word starts tells the person nothing.
//!
//! ```text
//! load    who of the group says stop, and everything under way for them
//! hear    withdrawal, end of that work, confirmation: all in the transaction of the message
//! ```
//! Pure but for `load`'s reads. Invariant: somebody who says stop again and again is answered once a day.

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
    let said = |told: &&&Told| match &told.incoming {
        Incoming::Message(message) => {
            wish(message, &unit.deployed.settings).is_some_and(|wish| wish.what == What::Stop)
        }
        _ => false,
    };
    let who = |told: &&Told| Some(unit.contact_by(&facts_keys(told.facts()?))?.id.clone());
    let stopping: BTreeSet<String> = told.iter().filter(said).filter_map(who).collect();
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
    match wish.what {
        What::Stop => stop(event, &wish, contact, channel, unit),
        What::Back if contact.withdrawal.as_ref().is_some_and(Withdrawal::is_by_word) => {
            let id = contact.id.clone();
            unit.lift(contact, &said(&wish, event), |contact| {
                contact.back_by_word();
            });
            confirm(&wish, &id, channel, unit);
        }
        // Who never withdrew by word means something else by it.
        What::Back => return false,
    }
    true
}

/// The source and the proof of an entry.
fn said(wish: &Wish, event: &str) -> String {
    format!("{} {}, event {event}", crate::consent::WORD, wish.word)
}

fn stop(event: &str, wish: &Wish, mut contact: Contact, channel: &str, unit: &mut Unit) {
    let id = contact.id.clone();
    contact.withdraw(Withdrawal::new(WithdrawalScope::All, said(wish, event), unit.now_ms));
    unit.put_contact(contact);
    unit.rights.stops.push((id.clone(), event.to_owned()));
    unit.end_work_of(&id, OPTED_OUT);
    let Some(mut contact) = unit.contact(&id).cloned() else { return };
    let last_ms = contact.withdrawal.as_ref().and_then(|withdrawal| withdrawal.answered_at_ms);
    if last_ms.is_some_and(|last_ms| unit.now_ms < last_ms + ANSWERED_MS) || !confirm(wish, &id, channel, unit) {
        return;
    }
    if let Some(withdrawal) = &mut contact.withdrawal {
        withdrawal.answered_at_ms = Some(unit.now_ms);
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
