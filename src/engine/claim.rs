//! Claim: takes due deliveries, lets the gate judge each, and makes the calls of those that leave.
//!
//! The last step of a group, in its transaction: the attempt is committed before the first byte is written.
//! Invariant: of one person on one line at most one message is on its way.

use super::advance::Input;
use super::deployed::{Deployed, opted_in};
use super::group::{Call, Context, Done, flush};
use super::load::{load_contacts, load_runs};
use super::unit::Unit;
use crate::config::{Channel, Pace};
use crate::connector::wire::{self, Envelope};
use crate::delivery::{Attempt, Delivery, DeliveryState, Settlement};
use crate::message::Message;
use crate::outbox::gate::{self, Decision};
use crate::outbox::{rates, settle};
use crate::store::Tx;
use crate::store::deliveries::{DeliveryRow, DueDelivery};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

pub(super) const ACCOUNT: &str = "account";

pub(super) fn channel_names(deployed: &Deployed) -> Vec<&str> {
    deployed.settings.channels.iter().map(|channel| channel.name.as_str()).collect()
}

pub(super) fn earliest(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

/// Tokens of the account and of each line, taken in memory and written with the group.
struct Buckets {
    tats: HashMap<String, i64>,
    taken: BTreeSet<String>,
    now_ms: i64,
}

impl Buckets {
    async fn load(tx: &mut Tx<'_>, channels: &[&str]) -> anyhow::Result<Self> {
        let scopes: Vec<String> = channels.iter().map(|name| scope_of(name)).chain([ACCOUNT.to_owned()]).collect();
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let tats = tx.buckets(&scopes).await?.into_iter().collect();
        Ok(Self { tats, taken: BTreeSet::new(), now_ms: tx.now_ms })
    }

    /// How many tokens of a scope could be taken now, at most `most`.
    fn available(&self, scope: &str, pace: Pace, most: usize) -> usize {
        let mut tat_us = self.tat_us(scope);
        let mut granted = 0;
        while granted < most
            && let Ok(next) = rates::take(tat_us, pace, self.now_ms)
        {
            (tat_us, granted) = (next, granted + 1);
        }
        granted
    }

    /// When the next token of a scope is due.
    fn next_ms(&self, scope: &str, pace: Pace) -> i64 {
        rates::take(self.tat_us(scope), pace, self.now_ms).err().unwrap_or(self.now_ms)
    }

    fn tat_us(&self, scope: &str) -> i64 {
        self.tats.get(scope).copied().unwrap_or(0)
    }

    fn take(&mut self, scope: &str, pace: Pace) {
        if let Ok(next) = rates::take(self.tat_us(scope), pace, self.now_ms) {
            self.tats.insert(scope.to_owned(), next);
            self.taken.insert(scope.to_owned());
        }
    }

    async fn write(&self, tx: &mut Tx<'_>) -> anyhow::Result<()> {
        let taken: Vec<(String, i64)> =
            self.taken.iter().filter_map(|scope| Some((scope.clone(), *self.tats.get(scope)?))).collect();
        tx.upsert_buckets(&taken).await
    }
}

fn scope_of(channel: &str) -> String {
    format!("channel:{channel}")
}

/// Claims due heads of free lines, as many as there are slots and tokens; the gate decides each.
pub(super) async fn claim(tx: &mut Tx<'_>, context: &Context<'_>, done: &mut Done) -> anyhow::Result<()> {
    let settings = &context.deployed.settings;
    let mut buckets = Buckets::load(tx, &channel_names(context.deployed)).await?;
    let mut free = context.free;
    let mut gated = Gated::default();
    for channel in &settings.channels {
        let scope = scope_of(&channel.name);
        let of_account = buckets.available(ACCOUNT, settings.callbell.pace, free);
        let most = buckets.available(&scope, channel.pace, of_account);
        // Without a token one is looked at all the same, only to know whether anything waits for it.
        let due = tx.claim_due_deliveries(&channel.name, most.max(1)).await?;
        let more = due.len() >= most.max(1);
        for due in due.into_iter().take(most) {
            if gated.judge(due, channel, context, tx.now_ms) {
                buckets.take(ACCOUNT, settings.callbell.pace);
                buckets.take(&scope, channel.pace);
                free -= 1;
            }
        }
        if more && free > 0 {
            let token = buckets.next_ms(ACCOUNT, settings.callbell.pace).max(buckets.next_ms(&scope, channel.pace));
            done.next_due_ms = earliest(done.next_due_ms, Some(token));
        }
        if free == 0 {
            break;
        }
    }
    let moved: Vec<&DeliveryRow> = gated.moved.iter().collect();
    tx.update_deliveries(&moved).await?;
    tx.insert_attempts(&gated.attempts, context.node).await?;
    buckets.write(tx).await?;
    done.calls = std::mem::take(&mut gated.calls);
    if gated.moved.iter().any(|row| row.delivery.state == DeliveryState::Held) {
        // One that steps out of its line makes room for the next, which is due already.
        done.next_due_ms = earliest(done.next_due_ms, Some(tx.now_ms));
    }
    let next = settle_skipped(tx, context, &gated).await?;
    done.next_due_ms = earliest(done.next_due_ms, next);
    Ok(())
}

/// What the gate made of the claimed deliveries.
#[derive(Default)]
struct Gated {
    moved: Vec<DeliveryRow>,
    attempts: Vec<Attempt>,
    calls: Vec<Call>,
    /// Whose call begins in this group: (contact, channel).
    served: HashSet<(String, String)>,
}

impl Gated {
    /// Whether it is sent.
    fn judge(&mut self, due: DueDelivery, channel: &Channel, context: &Context, now_ms: i64) -> bool {
        let DueDelivery { mut delivery, contact, line } = due;
        // Several that stepped out of a person's line may be due at once: the others are looked at after this one.
        let person = (delivery.contact.clone(), delivery.channel.clone());
        if self.served.contains(&person) {
            return false;
        }
        let was = delivery.state;
        let template = delivery.message.template.as_ref();
        let facts = gate::Facts {
            now_ms,
            contact: &contact,
            opted_in: opted_in(&contact, &context.deployed.settings.consent),
            line,
            channel,
            template: template.and_then(|template| context.deployed.template(&template.uuid)),
            // Who sends by the gateway gives the values for what the account says today.
            checked: template
                .filter(|_| delivery.caller.is_none())
                .and_then(|template| context.deployed.catalogue.lock.get(&template.uuid)),
            // By the main line instead of the one that was meant, the person would be written to by a stranger.
            suspended: context.suspended || (channel.listed && channel.uuid.is_none()),
        };
        let decision = gate::gate(&delivery, &facts);
        match decision {
            Decision::Send(form) => {
                delivery.state = DeliveryState::Sending;
                delivery.reason.clear();
                delivery.form = Some(form);
                delivery.attempts += 1;
                let attempt = Attempt {
                    id: context.clock.new_id(),
                    delivery: delivery.id.clone(),
                    n: delivery.attempts,
                    form,
                    started_at_ms: now_ms,
                };
                self.calls.push(call(&delivery, &attempt, &contact, channel, context));
                self.attempts.push(attempt);
                self.served.insert(person);
            }
            Decision::Hold { reason, until_ms } => {
                delivery.state = DeliveryState::Held;
                delivery.reason = reason.to_owned();
                delivery.due_at_ms = until_ms;
                delivery.line_at_ms = now_ms;
            }
            Decision::Skip { reason } => {
                delivery.state = DeliveryState::Skipped;
                delivery.reason = reason.to_owned();
            }
        }
        self.moved.push(DeliveryRow { delivery, was, status: None });
        matches!(decision, Decision::Send(_))
    }
}

fn call(
    delivery: &Delivery,
    attempt: &Attempt,
    contact: &crate::contact::Contact,
    channel: &Channel,
    context: &Context,
) -> Call {
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
    let mut unit = Unit::new(tx.now_ms, context.clock, context.deployed, context.pinned);
    let runs = skipped().map(|row| row.delivery.run.clone()).collect();
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
