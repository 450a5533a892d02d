//! Runs, messages, entries of the consent ledger, and campaigns, a line each.

use super::{Line, Teller, filled};
use crate::consent::Entry;
use crate::contact::WithdrawalScope;
use crate::delivery::{Delivery, DeliveryState, VendorStatus};
use crate::http::dashboard::words::word;
use crate::message::Form;
use crate::run::sentence::Sentence;
use crate::run::{Run, RunState, TraceEntry};
use crate::store::deliveries::DeliveryRow;
use crate::store::schedules::FiringRow;

/// Lines of a trace that are told: the first and the last.
const TRACE: usize = 12;
/// Bad rows that are named.
const BAD_ROWS: usize = 3;

impl Teller<'_> {
    pub(super) fn run(&self, run: &Run) -> Line {
        let (why, words) = (self.why, self.words);
        let state = word(&words.run_states, run.state.as_str());
        // The line stands where the run came to what it says of it.
        let at_ms = run.ended_at_ms.unwrap_or_else(|| run.since_ms());
        let reason = self.reason(&run.reason, at_ms);
        let mut line = self.line(at_ms, "run", &run.id, &run.workflow);
        line.run = Some(run.id.clone());
        let stands = if run.ended_at_ms.is_some() { why.run_ended } else { why.run_open };
        line.text = filled(stands, &[&self.moments.at_exactly(run.started_at_ms), state]);
        if !reason.is_empty() {
            line.text = format!("{}, {}", line.text, filled(why.for_this_reason, &[&reason]));
            line.reason.clone_from(&run.reason);
        }
        if let Some(at_ms) = run.wake_at_ms.filter(|_| run.state != RunState::Paused) {
            line.text = format!("{}, {}", line.text, words.goes_on.replace("{}", &self.moments.at(at_ms)));
        }
        let told = |entry: &&TraceEntry| {
            let what = words.told_with(&entry.what, |part| self.reason(part, entry.at_ms));
            format!("{} {what}", self.moments.exact(entry.at_ms))
        };
        let trace: Vec<&TraceEntry> = run.progress.trace.iter().filter(|entry| self.is_news(run, entry)).collect();
        let (first, last) = trace.split_at(trace.len().min(TRACE / 2));
        let left_out = last.len().saturating_sub(TRACE / 2);
        line.facts.extend(first.iter().map(told));
        if left_out > 0 {
            line.facts.push("…".to_owned());
        }
        line.facts.extend(last.iter().skip(left_out).map(told));
        line
    }

    /// How the run ended is said before its trace, and what was sent has a line of its own.
    fn is_news(&self, run: &Run, entry: &TraceEntry) -> bool {
        let ended = run.ended_at_ms == Some(entry.at_ms) && entry.what == Sentence::ending(run.state, &run.reason);
        let sent = matches!(Sentence::read(&entry.what), Some((Sentence::SentAsText | Sentence::SentAsTemplate, _)));
        let told = || self.kept.deliveries.iter().any(|row| row.delivery.run == run.id);
        !(ended || (sent && told()))
    }

    pub(super) fn message(&self, row: &DeliveryRow) -> Line {
        let (delivery, why) = (&row.delivery, self.why);
        let reason = self.reason(&delivery.reason, delivery.planned_at_ms);
        let at_ms = match delivery.state {
            DeliveryState::Accepted => self.sent_at_ms(delivery),
            _ => delivery.planned_at_ms,
        };
        let mut line = self.line(at_ms, "message", &delivery.id, &delivery.workflow);
        line.run = Some(delivery.run.clone()).filter(|run| !run.is_empty());
        line.text = match delivery.state {
            DeliveryState::Accepted => self.sent(row),
            DeliveryState::Held => filled(why.message_held, &[&reason, &self.moments.at_exactly(delivery.due_at_ms)]),
            DeliveryState::Queued => why.message_queued.to_owned(),
            DeliveryState::Sending => why.message_sending.to_owned(),
            DeliveryState::Skipped => filled(why.message_skipped, &[&reason]),
            DeliveryState::Rejected => filled(why.message_rejected, &[&reason]),
            DeliveryState::Cancelled => filled(why.message_cancelled, &[&reason]),
            DeliveryState::Uncertain => why.message_uncertain.to_owned(),
        };
        if delivery.state != DeliveryState::Accepted {
            line.reason.clone_from(&delivery.reason);
            line.facts = self.facts_of_message(delivery);
        }
        line
    }

    fn sent(&self, row: &DeliveryRow) -> String {
        let delivery = &row.delivery;
        let form = match delivery.form {
            Some(Form::Template) => self.words.template,
            _ => self.words.text_form,
        };
        let sent = filled(self.why.message_sent, &[form]);
        match row.status {
            Some(status) if status != VendorStatus::Enqueued => {
                format!("{sent}, {}", filled(self.why.then, &[self.words.status(status)]))
            }
            _ => sent,
        }
    }

    /// When its last attempt began.
    fn sent_at_ms(&self, delivery: &Delivery) -> i64 {
        let begun = self.kept.attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
        begun.map(|attempt| attempt.started_at_ms).max().unwrap_or(delivery.planned_at_ms)
    }

    pub(super) fn consent(&self, entry: &Entry) -> Line {
        let person = self.words.person_page();
        let scope = match entry.scope {
            WithdrawalScope::All => "all",
            WithdrawalScope::Marketing => "marketing",
        };
        let mut line = self.line(entry.at_ms, "consent", &entry.id, "");
        let act = word(&person.acts, entry.act.as_str());
        line.text = format!("{}{}{act} ({})", person.consent, self.words.colon, word(&person.scopes, scope));
        let proof = if entry.proof.is_empty() { String::new() } else { format!(" ({})", entry.proof) };
        line.facts = vec![filled(self.why.said, &[word(&person.sources, &entry.source), &proof])];
        line
    }

    pub(super) fn campaign(&self, firing: &FiringRow) -> Line {
        let mut line = self.line(firing.fired_at_ms, "campaign", &firing.id, &firing.workflow);
        line.text = self.why.campaign_without.to_owned();
        line.reason.clone_from(&firing.reason);
        let state = word(&self.words.campaign_states, &firing.state);
        let reason = self.words.reason(&firing.reason);
        line.facts.push(if reason.is_empty() {
            state.to_owned()
        } else {
            format!("{state}{}{reason}", self.words.colon)
        });
        line.facts.push(filled(self.why.rows, &[&firing.cursor.to_string(), &firing.counts.bad.to_string()]));
        let bad = firing.bad_rows.iter().take(BAD_ROWS).map(|bad| {
            let number = self.words.line.replace("{}", &bad.line.to_string());
            format!("{number}{}{}", self.words.colon, self.words.reason(&bad.reason))
        });
        line.facts.extend(bad);
        line
    }
}
