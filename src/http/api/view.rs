//! Views: rows as the API shows them. Times are ISO 8601 in UTC; what is unknown is null. Pure.

use super::mask::{masked, masked_text};
use crate::attachment::{Attachment, AttachmentState};
use crate::call::{CallState, HttpCall, StepCall};
use crate::consent::Entry;
use crate::contact::{Contact, Line, Withdrawal};
use crate::delivery::{Pause, Scope};
use crate::engine::repair::Cause;
use crate::event::Evaluation;
use crate::relay::{Relay, RelayState};
use crate::run::Run;
use crate::store::attempts::AttemptRow;
use crate::store::audit::AuditRow;
use crate::store::deliveries::DeliveryRow;
use crate::store::events::EventRow;
use crate::store::schedules::FiringRow;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) fn run(run: &Run) -> Value {
    json!({
        "id": run.id,
        "workflow": run.workflow,
        "definition": run.definition,
        "contact": run.contact,
        "event": run.event,
        "firing": run.firing,
        "state": run.state,
        "reason": masked_text(&run.reason),
        "step": run.progress.cursor,
        "waiting_for": run.progress.waiting_for,
        "wake_at": run.wake_at_ms.map(iso),
        "started_at": iso(run.started_at_ms),
        "ended_at": run.ended_at_ms.map(iso),
        "redrive_of": run.redrive_of,
    })
}

/// What needs a person for the same reason.
pub(super) fn cause(cause: &Cause) -> Value {
    json!({
        "key": cause.key,
        "kind": cause.kind,
        "workflow": cause.workflow,
        "step": cause.step,
        "reason": masked_text(&cause.reason),
        "count": cause.count,
        "oldest": iso(cause.oldest_ms),
        "newest": iso(cause.newest_ms),
        "examples": cause.examples,
        "acts": cause.kind.acts(),
    })
}

/// Something that somebody did by hand.
pub(super) fn audit(row: &AuditRow) -> Value {
    json!({
        "id": row.id,
        "at": iso(row.at_ms),
        "who": row.who,
        "act": row.act,
        "subject": masked_text(&row.subject),
        "detail": masked_text(&row.detail),
    })
}

/// The story of a run, in order: as it was written, and in words.
pub(super) fn trace(run: &Run, said: impl Fn(&str) -> String) -> Value {
    let entry = |entry: &crate::run::TraceEntry| {
        let (what, text) = (masked_text(&entry.what), said(&entry.what));
        json!({ "at": iso(entry.at_ms), "step": entry.step, "what": what, "text": text })
    };
    run.progress.trace.iter().map(entry).collect()
}

/// A step's call. Of its address only the host: what fills the rest may be a secret, or about a person.
pub(super) fn call(call: &StepCall) -> Value {
    let http = call.ask.http();
    json!({
        "id": call.id,
        "step": call.step,
        "kind": call.ask.kind(),
        "method": http.map(|http| &http.method),
        "host": http.map(HttpCall::host),
        "state": call.state.as_str(),
        "attempts": call.claims,
        "http_status": call.http_status(),
        "reason": masked_text(call.reason().unwrap_or_default()),
        "planned_at": iso(call.planned_at_ms),
        "due_at": (call.state == CallState::Queued).then(|| iso(call.due_at_ms)),
        "ended_at": call.ended_at_ms.map(iso),
    })
}

/// With what was asked, but for secrets, and answered: only for who asks for it.
pub(super) fn open_call(one: &StepCall) -> Value {
    let mut shown = call(one);
    shown["ask"] = json!(one.ask);
    shown["result"] = json!(one.result);
    shown
}

pub(super) fn event(row: &EventRow) -> Value {
    masked_event(row, masked)
}

/// With its numbers: only for who asks for them.
pub(super) fn open_event(row: &EventRow) -> Value {
    masked_event(row, |value| value)
}

fn masked_event(row: &EventRow, mask: fn(Value) -> Value) -> Value {
    let stored = |text: &str| serde_json::from_str(text).map(mask).unwrap_or_default();
    json!({
        "id": row.id,
        "source": row.source,
        "name": row.name,
        "at": iso(row.at_ms),
        "received_at": iso(row.received_at_ms),
        "contact": row.contact,
        "data": stored(&row.data),
        "evaluations": stored(&row.evaluations),
    })
}

pub(super) fn evaluations(evaluations: &[Evaluation]) -> Value {
    serde_json::to_value(evaluations).map(masked).unwrap_or_default()
}

pub(super) fn delivery(row: &DeliveryRow, attempts: Vec<Value>) -> Value {
    let delivery = &row.delivery;
    json!({
        "id": delivery.id,
        "run": delivery.run,
        "workflow": delivery.workflow,
        "step": delivery.step,
        "caller": delivery.caller,
        "contact": delivery.contact,
        "channel": delivery.channel,
        "purpose": delivery.purpose,
        "state": delivery.state,
        "reason": masked_text(&delivery.reason),
        "form": delivery.form,
        "status": row.status,
        "planned_at": iso(delivery.planned_at_ms),
        "due_at": Some(delivery.due_at_ms).filter(|due_ms| *due_ms > 0).map(iso),
        "expires_at": iso(delivery.expires_at_ms),
        "fallback_used": delivery.fallback_used,
        "reconcile_until": delivery.reconcile_until_ms.map(iso),
        "probable": delivery.probable,
        "possible_duplicate": delivery.possible_duplicate,
        "duplicate_confirmed": delivery.duplicate_confirmed,
        "redrive_of": delivery.redrive_of,
        "attempts": attempts,
    })
}

/// Why nothing of a scope leaves.
pub(super) fn pause((scope, pause): &(Scope, Pause)) -> Value {
    json!({
        "scope": scope.to_string(),
        "why": masked_text(&pause.why),
        "code": pause.code,
        "since": iso(pause.since_ms),
        "until": pause.until_ms.map(iso),
    })
}

/// Attempts by the id of their delivery, in order.
pub(super) fn by_delivery(attempts: Vec<AttemptRow>) -> HashMap<String, Vec<Value>> {
    let mut by_delivery = HashMap::<_, Vec<_>>::new();
    for row in attempts {
        let shown = attempt(&row);
        by_delivery.entry(row.delivery).or_default().push(shown);
    }
    by_delivery
}

fn attempt(row: &AttemptRow) -> Value {
    json!({
        "id": row.id,
        "n": row.n,
        "form": row.form,
        "started_at": iso(row.started_at_ms),
        "ended_at": row.ended_at_ms.map(iso),
        "outcome": row.outcome,
        "http_status": row.http_status,
        "code": row.code,
        "error": row.error.as_deref().map(masked_text),
        "message_uuid": row.message_uuid,
        "statuses": row.statuses,
    })
}

/// How far a campaign is: `done` rows of `total`.
pub(super) fn campaign(row: &FiringRow) -> Value {
    json!({
        "id": row.id,
        "workflow": row.workflow,
        "trigger": row.trigger,
        "audience": row.audience,
        "scheduled_at": iso(row.scheduled_at_ms),
        "fired_at": iso(row.fired_at_ms),
        "state": row.state,
        "reason": row.reason,
        "total": row.total,
        "done": row.cursor,
        "started": row.counts.started,
        "refused": row.counts.refused,
        "duplicates": row.counts.duplicates,
        "bad": row.counts.bad,
        "bad_rows": row.bad_rows,
    })
}

/// One event on its way to one target, without its body.
pub(super) fn relay(row: &Relay) -> Value {
    json!({
        "id": row.id,
        "target": row.target,
        "event": row.event,
        "name": row.name,
        "state": row.state.as_str(),
        "attempts": row.attempts,
        "due_at": (row.state == RelayState::Queued).then(|| iso(row.due_at_ms)),
        "expires_at": iso(row.expires_at_ms),
        "ended_at": row.ended_at_ms.map(iso),
        "http_status": row.http_status,
        "error": row.error.as_deref().map(masked_text),
        "redrive_of": row.redrive_of,
    })
}

/// A person, with the lines they wrote on. Not masked.
pub(super) fn contact(contact: &Contact, lines: &[(String, Line)]) -> Value {
    let mut shown = Value::Object(contact.to_value());
    shown["bsuid"] = json!(contact.bsuid);
    shown["blocked"] = contact.blocked.into();
    shown["known_to_account"] = contact.told.into();
    let consent = contact.consent.as_ref();
    shown["withdrawal"] = json!(contact.withdrawal.as_ref().map(withdrawal));
    shown["consent"] = json!(consent.map(|consent| json!({ "proof": consent.proof, "at": iso(consent.at_ms) })));
    let line = |(channel, line): &(String, Line)| json!({ "channel": channel, "last_message_at": line.last_inbound_ms.map(iso) });
    shown["lines"] = lines.iter().map(line).collect();
    shown
}

/// What a person wants no more of.
pub(super) fn withdrawal(one: &Withdrawal) -> Value {
    json!({ "scope": one.scope, "proof": one.source, "at": iso(one.at_ms) })
}

/// An entry of the consent ledger.
pub(super) fn consent(entry: &Entry) -> Value {
    json!({
        "at": iso(entry.at_ms),
        "contact": entry.contact,
        "act": entry.act,
        "scope": entry.scope,
        "source": entry.source,
        "proof": entry.proof,
    })
}

/// A file of a message. Its address at the vendor is left out: it is signed, and dead by now.
pub(super) fn attachment(row: &Attachment) -> Value {
    let kept = row.state == AttachmentState::Kept;
    json!({
        "n": row.n,
        "kind": row.kind,
        "name": row.name,
        "state": row.state.as_str(),
        "reason": row.reason,
        "content_type": row.content_type,
        "size": row.size,
        "sha256": row.hash,
        "href": kept.then(|| format!("/api/attachments/{}/{}", row.event, row.n)),
    })
}

pub(super) fn iso(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).unwrap_or_default().to_string()
}
