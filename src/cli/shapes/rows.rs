//! Shapes that several commands share. Pure.

use super::notation::{Shape, anything, flag, instant, list, map, object, text, whole};

/// A row of a list of people that could not be used.
pub(super) fn bad_rows() -> Shape {
    list(object([("line", whole().about("from 1, the header is line 1")), ("reason", text())]))
}

pub(super) fn diagnostics() -> Shape {
    list(object([
        ("code", text().about("`R102`: `relance explain R102` tells what it means")),
        ("severity", text().about("error, warning")),
        ("file", text()),
        ("line", whole().about("from 1")),
        ("column", whole().about("in characters, from 1")),
        ("width", whole().about("characters at fault")),
        ("message", text()),
        ("hint", text()),
        ("fixable", flag().about("`check --fix` mends it")),
    ]))
}

pub(super) fn run() -> Shape {
    object([
        ("id", text()),
        ("workflow", text()),
        ("definition", text().about("hash of the workflow as it began")),
        ("contact", text()),
        ("event", text()),
        ("firing", text().or_null()),
        ("state", text().about("queued, running, waiting, paused, needs_attention, done, stopped, skipped")),
        ("reason", text()),
        ("step", text().about("path of the step where it stands, from 0")),
        ("waiting_for", text().or_null().about("timer, delivery, reply, call, turn")),
        ("wake_at", instant().or_null()),
        ("started_at", instant()),
        ("ended_at", instant().or_null()),
        ("redrive_of", text().or_null()),
    ])
}

pub(super) fn delivery() -> Shape {
    object([
        ("id", text()),
        ("run", text()),
        ("workflow", text()),
        ("step", text()),
        ("caller", text().or_null().about("name of the token of a message sent through the gateway")),
        ("contact", text()),
        ("channel", text()),
        ("purpose", text()),
        ("state", text().about("queued, held, sending, accepted, uncertain, rejected, skipped, cancelled")),
        ("reason", text()),
        ("form", text().or_null().about("text, template")),
        ("status", text().or_null().about("the vendor's: sent, delivered, read, failed, mismatch")),
        ("planned_at", instant()),
        ("due_at", instant().or_null()),
        ("expires_at", instant()),
        ("fallback_used", flag()),
        ("reconcile_until", instant().or_null()),
        ("probable", text().or_null()),
        ("possible_duplicate", flag()),
        ("duplicate_confirmed", flag()),
        ("redrive_of", text().or_null()),
        ("attempts", list(attempt())),
    ])
}

fn attempt() -> Shape {
    object([
        ("id", text()),
        ("n", whole()),
        ("form", text()),
        ("started_at", instant()),
        ("ended_at", instant().or_null()),
        ("outcome", text().or_null()),
        ("http_status", whole().or_null()),
        ("code", whole().or_null()),
        ("error", text().or_null()),
        ("message_uuid", text().or_null()),
        ("statuses", list(text())),
    ])
}

pub(super) fn call() -> Shape {
    object([
        ("id", text()),
        ("step", text()),
        ("kind", text()),
        ("method", text().or_null()),
        ("host", text().or_null()),
        ("state", text()),
        ("attempts", whole()),
        ("http_status", whole().or_null()),
        ("reason", text()),
        ("planned_at", instant()),
        ("due_at", instant().or_null()),
        ("ended_at", instant().or_null()),
    ])
}

pub(super) fn evaluations() -> Shape {
    list(object([
        ("workflow", text()),
        ("trigger", text()),
        ("result", text().about("started, woke, stopped, not_matched, skipped, failed")),
        ("reason?", text()),
        ("run?", text()),
        ("held_by?", text().about("the run that was there first, of one that `once_per` refused")),
        ("redrive?", whole()),
    ]))
}

pub(super) fn event() -> Shape {
    object([
        ("id", text()),
        ("source", text()),
        ("name", text()),
        ("at", instant()),
        ("received_at", instant()),
        ("contact", text().or_null()),
        ("data", anything()),
        ("evaluations", evaluations()),
    ])
}

pub(super) fn campaign() -> Shape {
    object([
        ("id", text()),
        ("workflow", text()),
        ("trigger", text()),
        ("audience", text().or_null()),
        ("scheduled_at", instant()),
        ("fired_at", instant()),
        ("state", text()),
        ("reason", text()),
        ("total", whole().about("rows of the list")),
        ("done", whole()),
        ("started", whole()),
        ("refused", whole()),
        ("duplicates", whole()),
        ("bad", whole()),
        ("bad_rows", bad_rows()),
    ])
}

/// A person as the server shows them.
pub(super) fn contact() -> Shape {
    object([
        ("id", text()),
        ("uuid", text().or_null()),
        ("bsuid", text().or_null()),
        ("phone", text().or_null().about("masked unless `--show-pii`")),
        ("name", text().or_null()),
        ("first_name", text().or_null()),
        ("email", text().or_null()),
        ("language", text().or_null()),
        ("timezone", text().or_null()),
        ("tags", list(text())),
        ("custom", map(anything())),
        ("assigned_to", text().or_null()),
        ("team", text().or_null()),
        ("blocked", flag()),
        ("known_to_account", flag()),
        ("withdrawal", withdrawal().or_null()),
        ("consent", object([("proof", text()), ("at", instant())]).or_null()),
        ("lines", list(object([("channel", text()), ("last_message_at", instant().or_null())]))),
    ])
}

/// What a person wants no more of.
pub(super) fn withdrawal() -> Shape {
    object([("scope", text().about("all, marketing")), ("proof", text()), ("at", instant())])
}

/// Entries of the ledger of consents.
pub(super) fn consents() -> Shape {
    list(object([
        ("at", instant()),
        ("contact", text()),
        ("act", text().about("given, withdrawn, back")),
        ("scope", text()),
        ("source", text()),
        ("proof", text()),
    ]))
}

pub(super) fn attachment() -> Shape {
    object([
        ("n", whole()),
        ("kind", text()),
        ("name", text().or_null()),
        ("state", text()),
        ("reason", text().or_null()),
        ("content_type", text().or_null()),
        ("size", whole().or_null()),
        ("sha256", text().or_null()),
        ("href", text().or_null()),
    ])
}
