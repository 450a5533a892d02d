//! Outbound: what follows from outcomes beyond their own delivery: pauses, slower lines, opt-outs. Gathered in the unit of
//! a group, written before its claim, so that the messages behind a failure are held by the same commit.
//!
//! Invariant: a pause that a person has to end is never replaced by one that ends by itself.

use super::claim::earliest;
use super::group::Done;
use super::unit::Unit;
use crate::contact::{Line, Withdrawal, WithdrawalScope};
use crate::delivery::{Pause, Scope};
use crate::outbox::settle::Consequences;
use crate::outbox::{rates, window};
use crate::store::Tx;
use crate::store::audit::AuditRow;
use crate::store::unreadable::PUT_OFF_MS;
use std::collections::{BTreeMap, BTreeSet};

/// Names the alert about rows that cannot be read.
pub(super) const UNREADABLE: &str = "unreadable";
/// How long a line goes at half its pace.
const SLOW_MS: i64 = 60_000;

/// Gathered in a group.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    pauses: BTreeMap<Scope, Pause>,
    slow: BTreeSet<String>,
    silent_until_ms: Option<i64>,
    /// (contact, channel) of people who get nothing for a while; one row each, or the database refuses the group.
    silenced: BTreeMap<(String, String), Line>,
    /// Evidence: attempts that the vendor took, with the message's uuid.
    pub(super) proven: Vec<(String, Option<String>)>,
    /// (contact, channel) pairs that the account was asked for.
    pub(super) asked: Vec<(String, String)>,
    pub(super) audit: Vec<AuditRow>,
    /// What an operator should know.
    pub(super) alerts: Vec<Alert>,
}

/// Something for the log, with what names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Alert {
    /// Deliveries are held until somebody resumes, or until it ends by itself.
    Paused { scope: String, why: String },
    /// The platform does not take what a step sends.
    Content { workflow: String, step: String, code: i64 },
    /// Two attempts of one message were taken.
    Duplicate { delivery: String },
    /// A message without a run whose fate nobody knows.
    Uncertain { delivery: String },
    /// Deliveries wait for a line that the project does not list any more.
    MissingChannel { channel: String },
    /// A row that this release cannot read: what it is of, and its id.
    Unreadable { what: &'static str, id: String },
}

impl Alert {
    pub(super) fn log(&self) {
        match self {
            Self::Paused { scope, why } => {
                let hint = "mend the cause, then `POST /api/resume`; a refused token: start relance with a valid one";
                tracing::error!(scope, why, hint, "paused: its messages are held");
            }
            Self::Content { workflow, step, code } => {
                let meaning = &crate::connector::verdicts::verdict(*code).meaning;
                tracing::error!(workflow, step, code, meaning, "the platform does not take what this step sends");
            }
            Self::Duplicate { delivery } => {
                tracing::error!(delivery, "a message was taken twice: both uuids are kept with its attempts");
            }
            Self::Uncertain { delivery } => {
                let hint = "answer with `POST /api/deliveries/<id>/settle`";
                tracing::error!(delivery, hint, "nobody can tell whether this message was taken");
            }
            Self::MissingChannel { channel } => {
                let hint = "list the channel in relance.yaml again; what is held expires otherwise";
                tracing::error!(channel, hint, "messages wait for a channel that relance.yaml does not list");
            }
            Self::Unreadable { what, id } => {
                let hint = "update this server if a newer one has written it; it is left alone, and tried again";
                tracing::error!(what, id, hint, "a row of the database cannot be read");
            }
        }
    }
}

impl Outbound {
    /// Pauses a scope; of two reasons the one that lasts.
    pub(super) fn pause(&mut self, scope: Scope, pause: Pause) {
        let shorter = |known: &Pause| lasts(known) < lasts(&pause);
        if self.pauses.get(&scope).is_none_or(shorter) {
            self.pauses.insert(scope, pause);
        }
    }

    /// No call of the account before that instant.
    pub(super) fn silence(&mut self, until_ms: i64) {
        self.silent_until_ms = self.silent_until_ms.max(Some(until_ms));
    }

    /// Nothing to a person for a while; of two silences the longer one.
    fn silence_person(&mut self, contact: &str, channel: &str, line: Line) {
        let known = self.silenced.entry((contact.to_owned(), channel.to_owned())).or_insert(line);
        if known.tat_us < line.tat_us {
            *known = line;
        }
    }
}

fn lasts(pause: &Pause) -> i64 {
    pause.until_ms.unwrap_or(i64::MAX)
}

impl Unit<'_> {
    /// What follows from the end of an attempt, begun at `started_at_ms`, for everything but its delivery.
    pub(super) fn follow(&mut self, delivery: &str, started_at_ms: i64, consequences: Consequences) {
        let Some(row) = self.deliveries.get(delivery) else { return };
        let (contact, channel) = (row.delivery.contact.clone(), row.delivery.channel.clone());
        let (workflow, step) = (row.delivery.workflow.clone(), row.delivery.step.clone());
        if consequences.window_refused {
            let line = window::after_refusal(self.line(&contact, &channel), started_at_ms);
            self.put_line(&contact, &channel, line);
        }
        let person = consequences.person_until_ms.zip(self.deployed.settings.callbell.person);
        if let Some((until_ms, pace)) = person {
            self.outbound.silence_person(&contact, &channel, rates::silence_person(until_ms, pace));
        }
        if consequences.slow_line {
            self.outbound.slow.insert(channel);
        }
        if let Some((scope, pause)) = consequences.pause {
            self.outbound.pause(scope, pause);
        }
        if let Some(until_ms) = consequences.silent_until_ms {
            self.outbound.silence(until_ms);
        }
        if let Some(code) = consequences.content_code {
            self.outbound.alerts.push(Alert::Content { workflow, step, code });
        }
        self.note_person(&contact, delivery, consequences.withdrawn, consequences.undeliverable);
        self.settle_run(delivery, consequences.settlement);
    }

    fn note_person(
        &mut self,
        contact: &str,
        delivery: &str,
        withdrawn: Option<(WithdrawalScope, i64)>,
        undeliverable: bool,
    ) {
        let Some(mut contact) = self.contact(contact).cloned() else { return };
        if let Some((scope, code)) = withdrawn {
            contact.withdraw(Withdrawal::new(scope, format!("code {code}, message {delivery}"), self.now_ms));
        }
        if undeliverable {
            contact.undeliverable_at_ms = Some(self.now_ms);
        }
        self.put_contact(contact);
    }
}

/// Writes what was gathered, before the claim of the same group looks at it.
pub(super) async fn write(tx: &mut Tx<'_>, unit: &mut Unit<'_>) -> anyhow::Result<()> {
    let pace = unit.deployed.settings.callbell.pace;
    let gathered = &mut unit.outbound;
    write_pauses(tx, gathered).await?;
    let slow = gathered.slow.iter().map(|name| (Scope::Channel(name.clone()).to_string(), tx.now_ms + SLOW_MS));
    tx.slow_scopes(&slow.collect::<Vec<_>>()).await?;
    if let Some(until_ms) = gathered.silent_until_ms {
        let tat_us = rates::silence(until_ms, rates::Limit::of(pace));
        tx.raise_buckets(&[(Scope::Account.to_string(), tat_us)]).await?;
    }
    let silenced = std::mem::take(&mut gathered.silenced).into_iter();
    let silenced: Vec<_> = silenced.map(|((contact, channel), line)| (contact, channel, line)).collect();
    tx.upsert_lines(&silenced).await?;
    tx.release_unknown(&gathered.asked).await?;
    tx.insert_audit(&gathered.audit).await
}

async fn write_pauses(tx: &mut Tx<'_>, gathered: &mut Outbound) -> anyhow::Result<()> {
    if gathered.pauses.is_empty() {
        return Ok(());
    }
    let known: BTreeMap<Scope, Pause> = tx.pauses().await?.into_iter().collect();
    let now_ms = tx.now_ms;
    let outlasts = |known: &Pause, pause: &Pause| lasts(known) > now_ms && lasts(known) >= lasts(pause);
    let pauses = std::mem::take(&mut gathered.pauses).into_iter();
    let fresh: Vec<(Scope, Pause)> =
        pauses.filter(|(scope, pause)| known.get(scope).is_none_or(|known| !outlasts(known, pause))).collect();
    tx.pause(&fresh).await?;
    let alert = |(scope, pause): &(Scope, Pause)| Alert::Paused { scope: scope.to_string(), why: pause.why.clone() };
    gathered.alerts.extend(fresh.iter().map(alert));
    Ok(())
}

/// Puts off what is due and cannot be read, so that it holds up nothing else, and says so.
pub(super) async fn put_off_unreadable(tx: &mut Tx<'_>, done: &mut Done) -> anyhow::Result<()> {
    let rows = tx.put_off_unreadable().await?;
    if rows.is_empty() {
        return Ok(());
    }
    let what = "this release cannot read rows of the database, and leaves them alone: its log names them";
    tx.raise_alerts(&[(UNREADABLE.to_owned(), what.to_owned())]).await?;
    done.next_due_ms = earliest(done.next_due_ms, Some(tx.now_ms + PUT_OFF_MS));
    done.alerts.extend(rows.into_iter().map(|(table, id)| Alert::Unreadable { what: table.as_str(), id }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_silences_of_one_person_are_one_row_with_the_longer() {
        let mut outbound = Outbound::default();
        let line = |tat_us| Line { tat_us: Some(tat_us), ..Line::default() };
        for (contact, tat_us) in [("c1", 7), ("c1", 9), ("c1", 8), ("c2", 3)] {
            outbound.silence_person(contact, "main", line(tat_us));
        }
        let kept: Vec<_> =
            outbound.silenced.iter().map(|((contact, _), line)| (contact.as_str(), line.tat_us)).collect();
        assert_eq!(kept, [("c1", Some(9)), ("c2", Some(3))]);
    }
}
