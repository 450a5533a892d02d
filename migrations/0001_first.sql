-- One set for SQLite and PostgreSQL: columns text and bigint only; instants are Unix milliseconds, structures JSON text.

-- Something happened. The row exists if and only if everything it caused exists.
create table event (
    id text primary key,
    source text not null,
    name text not null,
    dedupe_key text,
    dedupe_until_ms bigint not null,
    body_hash text not null,
    at_ms bigint not null,
    received_at_ms bigint not null,
    contact text,
    data text not null,
    evaluations text not null
);
create unique index event_dedupe on event (source, dedupe_key) where dedupe_key is not null;

-- A person. `data` is the whole contact; the three identifiers stand beside it to be unique.
create table contact (
    id text primary key,
    version bigint not null,
    phone text,
    uuid text,
    bsuid text,
    data text not null
);
create unique index contact_phone on contact (phone) where phone is not null;
create unique index contact_uuid on contact (uuid) where uuid is not null;
create unique index contact_bsuid on contact (bsuid) where bsuid is not null;

-- A person on a channel: the window ledger.
create table line (
    contact text not null,
    channel text not null,
    last_inbound_ms bigint,
    refused_at_ms bigint,
    primary key (contact, channel)
);

-- A workflow's text with the project files that give it its meaning; immutable, named by its hash.
create table definition (
    hash text primary key,
    workflow text not null,
    files text not null,
    created_at_ms bigint not null
);

create table run (
    id text primary key,
    workflow text not null,
    definition text not null,
    contact text not null,
    event text not null,
    firing text,
    state text not null,
    reason text not null,
    progress text not null,
    wake_at_ms bigint,
    seed bigint not null,
    fence bigint not null,
    started_at_ms bigint not null,
    ended_at_ms bigint
);
-- At most one run per workflow, event and contact.
create unique index run_once on run (event, workflow, contact);
create index run_due on run (wake_at_ms, id) where wake_at_ms is not null;
create index run_firing on run (firing) where firing is not null;
create index run_open on run (definition) where ended_at_ms is null;

-- What a workflow has already been about: `once_per`. Kept for good, hash only.
create table identity (
    workflow text not null,
    hash text not null,
    run text not null,
    primary key (workflow, hash)
);

-- One message to one contact; `message` holds both forms, rendered.
create table delivery (
    id text primary key,
    run text not null,
    workflow text not null,
    step text not null,
    contact text not null,
    channel text not null,
    purpose text not null,
    outside_window text not null,
    message text not null,
    state text not null,
    reason text not null,
    form text,
    due_at_ms bigint not null,
    expires_at_ms bigint not null,
    line_at_ms bigint not null,
    fallback_used bigint not null,
    attempts bigint not null,
    retries bigint not null,
    retry_limit bigint not null,
    seed bigint not null,
    planned_at_ms bigint not null,
    status text
);
create unique index delivery_step on delivery (run, step);
create index delivery_due on delivery (channel, due_at_ms, id) where state in ('queued', 'held');
create index delivery_uncertain on delivery (due_at_ms, id) where state = 'uncertain';
create index delivery_line on delivery (contact, channel, line_at_ms, id)
    where state in ('queued', 'held', 'sending', 'uncertain');
create index delivery_state on delivery (state, id) where state in ('sending', 'uncertain', 'rejected');

-- One API call. Committed before the first byte is written.
create table attempt (
    id text primary key,
    delivery text not null,
    n bigint not null,
    form text not null,
    node text not null,
    started_at_ms bigint not null,
    ended_at_ms bigint,
    outcome text,
    http_status bigint,
    code bigint,
    error text,
    message_uuid text,
    statuses text not null
);
create unique index attempt_number on attempt (delivery, n);
create index attempt_uuid on attempt (message_uuid) where message_uuid is not null;

-- Status events that came before the answer which tells whose they are.
create table early_status (
    uuid text not null,
    status text not null,
    event text not null,
    primary key (uuid, status)
);

-- Token buckets: theoretical arrival time in microseconds, by scope (`account`, `channel:<name>`).
create table bucket (
    scope text primary key,
    tat_us bigint not null
);

-- Up to which instant each trigger has been dealt with.
create table schedule (
    workflow text not null,
    trigger_name text not null,
    expression text not null,
    zone text not null,
    hwm_ms bigint not null,
    primary key (workflow, trigger_name)
);

-- One due instant of a schedule; with an audience it is a campaign, and `cursor_row` says how far it is.
create table firing (
    id text primary key,
    workflow text not null,
    trigger_name text not null,
    scheduled_at_ms bigint not null,
    fired_at_ms bigint not null,
    state text not null,
    reason text not null,
    definition text not null,
    audience text,
    audience_hash text,
    cursor_row bigint not null,
    total_rows bigint not null,
    started bigint not null,
    refused bigint not null,
    duplicates bigint not null,
    bad bigint not null,
    bad_rows text not null
);
create unique index firing_once on firing (workflow, trigger_name, scheduled_at_ms);
create index firing_open on firing (fired_at_ms, id) where state = 'running';

-- Facts of the installation itself: the key that signs `relance_id`.
create table installation (
    name text primary key,
    value text not null
);
