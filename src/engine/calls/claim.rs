//! Claim: takes calls that are due, as many as there are slots, and of one host only so many.
//!
//! The last step of a group, in its transaction. Invariant: sends come first; what is left of the account's tokens goes to
//! the calls of `update_contact`.

use super::{Errand, ended_before};
use crate::call::{Ask, CallState, ContactCall, Part, StepCall};
use crate::connector::person::Whom;
use crate::engine::advance::Input;
use crate::engine::claim::earliest;
use crate::engine::group::{Context, Done, Work, flush};
use crate::engine::load::{load_contacts, load_runs};
use crate::engine::scopes::Scopes;
use crate::engine::unit::Unit;
use crate::store::Tx;
use crate::store::contacts::{ContactKey, ContactRow};
use std::collections::HashMap;

/// Calls of one host open at once: one that answers for ever holds up no other.
pub(super) const MOST_OF_A_LANE: usize = 16;
/// When a call is looked at again that the account lets nobody make.
const PAUSED_MS: i64 = 60_000;

/// Slots that are free, and how many calls of each lane are open.
#[derive(Debug, Default)]
pub(in crate::engine) struct Room {
    pub(in crate::engine) free: usize,
    pub(super) lanes: HashMap<String, usize>,
    /// Whether there is an account to call.
    pub(super) account: bool,
}

/// Takes what is due; what is to be called stands in `done`.
pub(in crate::engine) async fn claim(
    tx: &mut Tx<'_>,
    unit: &Unit<'_>,
    work: &Work,
    context: &Context<'_>,
    done: &mut Done,
) -> anyhow::Result<()> {
    let room = &context.room;
    // A slot is free again, or a person has let a run go on.
    let may_be_due = context.tick || unit.calls.was_planned || !(work.called.is_empty() && work.changes.is_empty());
    if room.free == 0 || !may_be_due {
        return Ok(());
    }
    let full = room.lanes.iter().filter(|(_, open)| **open >= MOST_OF_A_LANE);
    let full: Vec<&str> = full.map(|(lane, _)| lane.as_str()).collect();
    let due = tx.due_calls(&full, room.free).await?;
    let found = due.len();
    let (ready, due) = due.into_iter().partition(|call: &StepCall| call.result.is_some());
    tell_ended(tx, context, ready, done).await?;
    let mut taking = Taking { taken: Vec::new(), put_off: Vec::new(), passed_over: found >= room.free };
    taking.choose(tx, context, due).await?;
    taking.write(tx, context, done).await?;
    done.next_due_ms = earliest(done.next_due_ms, unit.calls.due_ms.filter(|due_ms| *due_ms > tx.now_ms));
    if context.tick {
        done.next_due_ms = earliest(done.next_due_ms, tx.next_call_due_ms().await?);
    }
    Ok(())
}

struct Taking {
    taken: Vec<StepCall>,
    put_off: Vec<StepCall>,
    /// There may be more that is due.
    passed_over: bool,
}

impl Taking {
    async fn choose(&mut self, tx: &mut Tx<'_>, context: &Context<'_>, due: Vec<StepCall>) -> anyhow::Result<()> {
        let mut lanes = context.room.lanes.clone();
        let mut scopes = None;
        for mut call in due {
            let open = lanes.entry(call.ask.lane()).or_default();
            if *open >= MOST_OF_A_LANE {
                self.passed_over = true;
                continue;
            }
            if matches!(call.ask, Ask::UpdateContact(_)) {
                let scopes = match &mut scopes {
                    Some(scopes) => scopes,
                    None => {
                        let pace = context.deployed.settings.callbell.pace;
                        scopes.insert(Scopes::load(tx, std::iter::empty(), pace).await?)
                    }
                };
                if let Err(due_ms) = token(scopes, &call, context) {
                    call.due_at_ms = due_ms;
                    self.put_off.push(call);
                    continue;
                }
            }
            *open += 1;
            (call.state, call.claims) = (CallState::Started, call.claims + 1);
            self.taken.push(call);
        }
        match scopes {
            Some(scopes) => scopes.write(tx).await,
            None => Ok(()),
        }
    }

    async fn write(self, tx: &mut Tx<'_>, context: &Context<'_>, done: &mut Done) -> anyhow::Result<()> {
        tx.start_calls(&self.taken.iter().collect::<Vec<_>>(), context.node).await?;
        tx.put_off_calls(&self.put_off.iter().collect::<Vec<_>>()).await?;
        let people: Vec<ContactKey> = self
            .taken
            .iter()
            .filter(|call| matches!(call.ask, Ask::UpdateContact(_)))
            .map(|call| ContactKey::Id(call.contact.clone()))
            .collect();
        let people = tx.contacts_by_keys(&people).await?;
        let next_ms = self.put_off.iter().map(|call| call.due_at_ms).min();
        done.next_due_ms = earliest(done.next_due_ms, next_ms);
        if self.passed_over && !self.taken.is_empty() {
            // Full lanes are left out then.
            done.next_due_ms = earliest(done.next_due_ms, Some(tx.now_ms));
        }
        let errand = |call: StepCall| Errand { whom: whom(&call, &people, context), call };
        done.errands = self.taken.into_iter().map(errand).collect();
        Ok(())
    }
}

/// Takes the tokens of the calls that a part makes.
///
/// # Errors
/// When there will be tokens, or the account is to be looked at again.
fn token(scopes: &mut Scopes, call: &StepCall, context: &Context<'_>) -> Result<(), i64> {
    if !context.room.account || scopes.account_is_paused() {
        return Err(scopes.now_ms() + PAUSED_MS);
    }
    let calls = if call.part() == Some(Part::Set) { 2 } else { 1 };
    scopes.take_of_account(calls).map_err(|due_ms| due_ms.max(scopes.now_ms() + 1))
}

fn whom(call: &StepCall, people: &[ContactRow], context: &Context<'_>) -> Whom {
    let Ask::UpdateContact(ContactCall { team, channel, .. }) = &call.ask else { return Whom::default() };
    let Some(row) = people.iter().find(|row| row.contact.id == call.contact) else { return Whom::default() };
    let settings = &context.deployed.settings;
    let line = channel.as_deref().and_then(|name| settings.channel(name)).unwrap_or(settings.default_channel());
    Whom {
        uuid: row.contact.uuid.clone(),
        phone: row.contact.phone.clone(),
        bsuid: row.contact.bsuid.clone(),
        channel_uuid: line.uuid.clone().filter(|_| line.listed),
        team_uuid: team.as_deref().and_then(|team| context.deployed.account.team(team)).map(str::to_owned),
    }
}

/// Calls that ended while their runs were paused: the runs are told now.
async fn tell_ended(
    tx: &mut Tx<'_>,
    context: &Context<'_>,
    ready: Vec<StepCall>,
    done: &mut Done,
) -> anyhow::Result<()> {
    if ready.is_empty() {
        return Ok(());
    }
    let mut unit = Unit::new(tx.now_ms, context.clock, context.deployed, context.pinned, context.key);
    let people = load_runs(tx, &mut unit, ready.iter().map(|call| call.run.clone()).collect()).await?;
    load_contacts(tx, &mut unit, people).await?;
    for (call, called) in ready.iter().filter_map(|call| ended_before(call, tx.now_ms)) {
        unit.move_run(&call.run, &Input::Called { step: call.step.clone(), called });
        unit.calls.settled.push(call);
    }
    flush(tx, &mut unit).await?;
    // What they plan next is claimed by the next group.
    done.next_due_ms = earliest(done.next_due_ms, Some(tx.now_ms));
    Ok(())
}
