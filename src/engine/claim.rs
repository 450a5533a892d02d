//! Claim: takes due deliveries, lets the gate judge each, and makes the calls of those that leave.
//!
//! The last step of a group, in its transaction: the attempt is committed before the first byte is written. Every lane
//! that anything waits in has its turn (`lanes`); they take slots one after the other, and each group begins with another
//! one. Invariant: of one person on one line at most one message is on its way.

use super::advance::Input;
use super::deployed::{Deployed, may_consent, opted_in};
use super::group::{Call, Context, Done, flush};
use super::lanes::{self, Turn, lane_names};
use super::limits::{self, Reached};
use super::load::{load_contacts, load_runs};
use super::lookup::{LookUp, hold_ms};
use super::scopes::Scopes;
use super::unit::Unit;
use crate::config::{Channel, Pace};
use crate::connector::wire::{self, Envelope};
use crate::contact::{Contact, Line};
use crate::delivery::{Attempt, Delivery, DeliveryState, Settlement};
use crate::message::{Form, Message};
use crate::outbox::breaker::{PROBE_MS, Stance};
use crate::outbox::gate::{self, Decision, Stop};
use crate::outbox::{rates, settle};
use crate::rules::{Rate, read_lane};
use crate::store::Tx;
use crate::store::deliveries::{DeliveryRow, DueDelivery};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

/// Calls of the account that one look-up makes.
const CALLS_OF_A_LOOK: usize = 2;

pub(super) fn earliest(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

/// Claims due heads of free lines, as many as there are slots and tokens; the gate decides each.
pub(super) async fn claim(tx: &mut Tx<'_>, context: &Context<'_>, done: &mut Done) -> anyhow::Result<()> {
    let others: BTreeSet<String> = context.others.union(&tx.planned_by).cloned().collect();
    let mut names = lane_names(context.deployed, &others);
    let first = context.turn % names.len().max(1);
    names.rotate_left(first);
    let mut scopes = Scopes::load(tx, names.iter().copied(), context.deployed.settings.callbell.pace).await?;
    let mut gated = Gated { now_ms: tx.now_ms, free: context.free, ..Gated::default() };
    let mut turns = Vec::with_capacity(names.len());
    for name in &names {
        turns.push(lanes::begin(tx, context, &scopes, name, &mut gated.next_ms).await?);
    }
    gated.reached = limits::before_first(tx, turns.iter().flat_map(|turn| &turn.due)).await?;
    gated.go_round(&mut turns, context, &mut scopes);
    done.next_due_ms = earliest(done.next_due_ms, gated.next_ms);
    done.missing_channels =
        turns.iter().filter(|turn| turn.missing && turn.more).map(|turn| turn.channel.name.clone()).collect();
    done.idle_lanes = idle_lanes(tx, context, &turns).await?;
    grant_looks(context, &mut scopes, &mut gated, done);
    write(tx, context, &mut gated, &scopes).await?;
    done.calls = std::mem::take(&mut gated.calls);
    if gated.moved.iter().any(|row| row.delivery.state == DeliveryState::Held) {
        // One that steps out of its line makes room for the next, which is due already.
        done.next_due_ms = earliest(done.next_due_ms, Some(tx.now_ms));
    }
    let next = settle_skipped(tx, context, &gated).await?;
    done.next_due_ms = earliest(done.next_due_ms, next);
    done.claimed = gated.moved;
    Ok(())
}

/// Lanes of workflows with a pace that nothing waits in any more: they have no further turn. Looked for now and then.
async fn idle_lanes(tx: &mut Tx<'_>, context: &Context<'_>, turns: &[Turn<'_>]) -> anyhow::Result<Vec<String>> {
    let idle = turns.iter().filter(|turn| turn.idle && context.tick && read_lane(&turn.lane).1.is_some());
    let mut idle: Vec<String> = idle.map(|turn| turn.lane.clone()).collect();
    let waiting = tx.lanes_with_work(&idle).await?;
    idle.retain(|lane| !waiting.contains(lane));
    Ok(idle)
}

async fn write(tx: &mut Tx<'_>, context: &Context<'_>, gated: &mut Gated, scopes: &Scopes) -> anyhow::Result<()> {
    let moved: Vec<&DeliveryRow> = gated.moved.iter().collect();
    tx.update_deliveries(&moved).await?;
    tx.insert_attempts(&gated.attempts, context.node).await?;
    tx.upsert_lines(&gated.lines).await?;
    scopes.write(tx).await
}

/// What is left of the account's tokens goes to look-ups: sends come first.
fn grant_looks(context: &Context<'_>, scopes: &mut Scopes, gated: &mut Gated, done: &mut Done) {
    done.look_ups.append(&mut gated.look_ups);
    done.account_paused = scopes.account_is_paused();
    let waiting = (context.looks_waiting + done.look_ups.len()).min(context.looks_room);
    if done.account_paused {
        return;
    }
    for _ in 0..waiting {
        if let Err(due_ms) = scopes.take_of_account(CALLS_OF_A_LOOK) {
            done.next_due_ms = earliest(done.next_due_ms, Some(due_ms));
            return;
        }
        done.looks_granted += 1;
    }
}

/// What the gate made of the claimed deliveries.
#[derive(Default)]
struct Gated {
    now_ms: i64,
    /// Send slots left.
    free: usize,
    moved: Vec<DeliveryRow>,
    attempts: Vec<Attempt>,
    calls: Vec<Call>,
    /// What changes of the lines of those who get a message.
    lines: Vec<(String, String, Line)>,
    look_ups: Vec<LookUp>,
    /// What counts against the runs whose first message is due.
    reached: Reached,
    /// Whose call begins in this group: (contact, channel).
    served: HashSet<(String, String)>,
    /// Channels whose breaker gets its one message in this group.
    probed: HashSet<String>,
    /// When a token is due that something waits for.
    next_ms: Option<i64>,
}

impl Gated {
    /// One delivery of each lane after the other, until there is no slot or nothing due.
    fn go_round(&mut self, turns: &mut [Turn], context: &Context, scopes: &mut Scopes) {
        let mut waiting = true;
        while waiting && self.free > 0 {
            waiting = false;
            for turn in turns.iter_mut() {
                if self.free == 0 {
                    break;
                }
                let Some(due) = turn.due.pop_front() else { continue };
                waiting = true;
                if let Err(token_ms) = self.judge(due, turn, context, scopes) {
                    self.next_ms = earliest(self.next_ms, Some(token_ms));
                    // Nothing of this line gets a token now; what needs none was looked at as far as was read.
                    turn.more = false;
                }
            }
        }
        for turn in turns.iter().filter(|turn| turn.more && !turn.missing && self.free > 0) {
            self.next_ms = earliest(self.next_ms, Some(scopes.next_ms(&turn.channel, turn.paced())));
        }
    }

    /// Judges one delivery.
    ///
    /// # Errors
    /// When it may leave, but for a token of its line, its workflow or the account: the instant at which one will be due.
    fn judge(&mut self, due: DueDelivery, turn: &Turn, context: &Context, scopes: &mut Scopes) -> Result<(), i64> {
        let DueDelivery { mut delivery, mut status, contact, line, capped_at_ms } = due;
        // Several that stepped out of a person's line may be due at once: the others are looked at after this one.
        let person = (delivery.contact.clone(), delivery.channel.clone());
        if self.served.contains(&person) {
            return Ok(());
        }
        let was = delivery.state;
        let seen = Seen {
            line,
            stopped: self.stop(turn, context, scopes),
            limit_reached: self.reached.stops(&delivery, self.now_ms),
            capped_until_ms: capped_at_ms.map(|at_ms| at_ms + gate::DAY_MS),
        };
        let mut decision = decide(&delivery, &contact, seen, turn, context, scopes);
        if let Decision::Send(form) = decision {
            match person_token(line, context, self.now_ms) {
                Ok(taken) => {
                    if let Err(due_ms) = scopes.take(&turn.channel, pace_of(&delivery)) {
                        self.leave(DeliveryRow { delivery, was, status });
                        return Err(due_ms);
                    }
                    // What was told is of the attempt before; one that only waits on keeps it: it may have arrived yet.
                    status = None;
                    self.reached.begun(&delivery);
                    self.send(&mut delivery, form, &contact, &turn.channel, context);
                    self.lines.push((person.0.clone(), person.1.clone(), taken));
                    self.served.insert(person);
                }
                Err(due_ms) => {
                    decision = Decision::Hold { reason: "rate_person", until_ms: due_ms.min(delivery.expires_at_ms) };
                }
            }
        }
        match decision {
            Decision::Send(_) => {}
            Decision::Hold { reason, until_ms } => {
                let mut until_ms = until_ms;
                if reason == "contact_unknown" {
                    let before = context.looks_waiting + self.look_ups.len();
                    until_ms = (self.now_ms + hold_ms(before, delivery.seed)).min(delivery.expires_at_ms);
                    self.look_ups.push(LookUp::of_person(&contact, &turn.channel));
                }
                hold(&mut delivery, reason, until_ms, self.now_ms);
            }
            Decision::Skip { reason } => {
                delivery.state = DeliveryState::Skipped;
                delivery.reason = reason.to_owned();
            }
        }
        self.moved.push(DeliveryRow { delivery, was, status });
        Ok(())
    }

    /// One that has a pace and no token stays where it is, out of its person's line: others go before.
    fn leave(&mut self, mut row: DeliveryRow) {
        let delivery = &mut row.delivery;
        if delivery.rules.pace.is_some() && delivery.reason != "pace" {
            delivery.state = DeliveryState::Queued;
            delivery.reason = "pace".into();
            delivery.line_at_ms = self.now_ms;
            self.moved.push(row);
        }
    }

    fn stop(&self, turn: &Turn, context: &Context, scopes: &Scopes) -> Option<Stop> {
        // By the main line instead of the one that was meant, the person would be written to by a stranger.
        let unresolved = turn.channel.listed && turn.channel.uuid.is_none();
        if turn.missing || unresolved {
            return Some(Stop { reason: "channel_paused", until_ms: None });
        }
        let name = &turn.channel.name;
        let stop = scopes.stop(name, context.breakers);
        // Of what waited for the breaker one real message goes, and tells whether the others may.
        let until_ms = Some(self.now_ms + PROBE_MS);
        let probed = || self.probed.contains(name).then_some(Stop { reason: "breaker_open", until_ms });
        stop.or_else(probed)
    }

    fn send(&mut self, delivery: &mut Delivery, form: Form, contact: &Contact, channel: &Channel, context: &Context) {
        delivery.state = DeliveryState::Sending;
        delivery.reason.clear();
        delivery.form = Some(form);
        delivery.attempts += 1;
        let attempt = Attempt {
            id: context.clock.new_id(),
            delivery: delivery.id.clone(),
            n: delivery.attempts,
            form,
            started_at_ms: self.now_ms,
        };
        self.calls.push(call(delivery, &attempt, contact, channel, context));
        self.attempts.push(attempt);
        self.free = self.free.saturating_sub(1);
        let breaker = context.breakers.get(&channel.name);
        if breaker.is_some_and(|breaker| breaker.stance(self.now_ms) == Stance::Probe) {
            self.probed.insert(channel.name.clone());
        }
    }
}

/// What the claim found out for the gate.
struct Seen {
    line: Line,
    stopped: Option<Stop>,
    limit_reached: bool,
    capped_until_ms: Option<i64>,
}

fn decide(
    delivery: &Delivery,
    contact: &Contact,
    seen: Seen,
    turn: &Turn,
    context: &Context,
    scopes: &Scopes,
) -> Decision {
    let Seen { line, stopped, limit_reached, capped_until_ms } = seen;
    let template = delivery.message.template.as_ref();
    let rule = &context.deployed.settings.consent;
    let facts = gate::Facts {
        now_ms: scopes.now_ms(),
        contact,
        opted_in: opted_in(contact, rule),
        may_consent: may_consent(contact, rule),
        can_ask: line.asked_at_ms.is_none() && !delivery.message.is_foreign() && LookUp::is_possible(contact),
        line,
        channel: &turn.channel,
        template: template.and_then(|template| context.deployed.template(&template.uuid)),
        // Who sends by the gateway gives the values for what the account says today.
        checked: template
            .filter(|_| delivery.caller.is_none())
            .and_then(|template| context.deployed.catalogue.lock.get(&template.uuid)),
        stopped,
        template_stopped: template.and_then(|template| scopes.template_stop(&template.uuid)),
        limit_reached,
        capped_until_ms,
    };
    gate::gate(delivery, &facts)
}

fn pace_of(delivery: &Delivery) -> Option<(&str, Pace)> {
    let Rate { count, per_ms } = delivery.rules.pace?;
    Some((&delivery.workflow, Pace { count, per_ms }))
}

fn person_token(line: Line, context: &Context, now_ms: i64) -> Result<Line, i64> {
    match context.deployed.settings.callbell.person {
        Some(pace) => rates::take_of_person(line, pace, now_ms),
        None => Ok(Line { sent_at_ms: Some(now_ms), ..Line::default() }),
    }
}

fn hold(delivery: &mut Delivery, reason: &str, until_ms: i64, now_ms: i64) {
    delivery.state = DeliveryState::Held;
    delivery.reason = reason.to_owned();
    delivery.due_at_ms = until_ms;
    if gate::steps_aside(reason) {
        delivery.line_at_ms = now_ms;
    }
}

fn call(delivery: &Delivery, attempt: &Attempt, contact: &Contact, channel: &Channel, context: &Context) -> Call {
    let envelope = Envelope {
        form: attempt.form,
        phone: contact.phone.as_ref(),
        bsuid: contact.bsuid.as_deref(),
        channel_uuid: channel.uuid.as_deref().filter(|_| channel.listed),
        relance_id: &wire::sign_id(context.key, &attempt.id),
        relance_run: &delivery.run,
        ask_contact: contact.uuid.is_none(),
    };
    Call {
        delivery: delivery.id.clone(),
        channel: channel.name.clone(),
        attempt: attempt.id.clone(),
        n: attempt.n,
        form: attempt.form,
        started_at_ms: attempt.started_at_ms,
        body: wire::send_body(&with_team(delivery, context.deployed), &envelope),
    }
}

/// The message with its team's uuid. Without a team that the account has, it leaves without one: the customer gets what
/// was promised, and nobody is assigned by mistake. A caller of the gateway names the uuid itself.
fn with_team<'a>(delivery: &'a Delivery, deployed: &Deployed) -> Cow<'a, Message> {
    let Some(written) = delivery.message.team.as_ref().filter(|_| delivery.caller.is_none()) else {
        return Cow::Borrowed(&delivery.message);
    };
    let team = deployed.account.team(written).map(str::to_owned);
    if team.is_none() {
        tracing::warn!(
            delivery = delivery.id,
            workflow = delivery.workflow,
            "R405: sent without its team, which the account does not have"
        );
    }
    Cow::Owned(Message { team, ..delivery.message.clone() })
}

/// Runs whose message was skipped go on, or fail; what they plan next is claimed by the next group.
async fn settle_skipped(tx: &mut Tx<'_>, context: &Context<'_>, gated: &Gated) -> anyhow::Result<Option<i64>> {
    let skipped = || gated.moved.iter().filter(|row| row.delivery.state == DeliveryState::Skipped);
    if skipped().next().is_none() {
        return Ok(None);
    }
    let mut unit = Unit::new(tx.now_ms, context.clock, context.deployed, context.pinned, context.key);
    let runs = skipped().map(|row| row.delivery.run.clone()).filter(|run| !run.is_empty()).collect();
    let people = load_runs(tx, &mut unit, runs).await?;
    load_contacts(tx, &mut unit, people).await?;
    for row in skipped() {
        let delivery = &row.delivery;
        let reason = delivery.reason.clone();
        let fails = settle::skip_fails(delivery, &reason);
        let settlement = Settlement::Skipped { reason, fails };
        unit.move_run(&delivery.run, &Input::Settled { step: delivery.step.clone(), settlement });
    }
    flush(tx, &mut unit).await?;
    // What was planned just now, and what stood behind the skipped in its line, is due at once.
    Ok(Some(tx.now_ms))
}
