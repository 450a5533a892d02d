-- The whole of Callbell: messages of the gateway, look-ups, pauses, relay, attachments, what the account holds.

-- A message of the gateway is a delivery without a run: `run` and `step` are empty, `caller` names the token it came with.
drop index delivery_step;
create unique index delivery_step on delivery (run, step) where run <> '';
alter table delivery add column caller text;
-- An uncertain one: until when evidence is awaited, look-ups made, and the message of the account that may be it.
alter table delivery add column reconcile_until_ms bigint;
alter table delivery add column looks bigint not null default 0;
alter table delivery add column probable text;
alter table delivery add column possible_duplicate bigint not null default 0;
alter table delivery add column duplicate_confirmed bigint not null default 0;

-- When the account was asked about the person on this channel; the person's token bucket, and when it last granted.
alter table line add column asked_at_ms bigint;
alter table line add column tat_us bigint;
alter table line add column sent_at_ms bigint;

-- Why nothing of a scope (`account`, `channel:<name>`, `template:<uuid>`) leaves, JSON; null = it is not paused.
alter table bucket add column pause text;
-- Until when a line goes at half its pace.
alter table bucket add column slow_until_ms bigint;

-- Other ways to name a person: `phone:<digits>` of a corrected number, `telegram:<id>` of another kind of channel.
create table alias (
    name text primary key,
    contact text not null,
    source text not null,
    at_ms bigint not null
);
create index alias_contact on alias (contact);

-- What the account holds, as it last told: templates, channels, teams. `data` is JSON.
create table account (
    kind text not null,
    uuid text not null,
    data text not null,
    seen_at_ms bigint not null,
    primary key (kind, uuid)
);

-- Who gets the account's events handed on, beside the targets of relance.yaml: subscribed through the gateway.
create table relay_target (
    name text primary key,
    url text not null,
    events text not null,
    created_at_ms bigint not null
);

-- One event on its way to one target, in the order of ids.
create table relay (
    id text primary key,
    target text not null,
    event text not null,
    name text not null,
    body text not null,
    state text not null,
    attempts bigint not null,
    due_at_ms bigint not null,
    expires_at_ms bigint not null,
    ended_at_ms bigint,
    http_status bigint,
    error text,
    redrive_of text
);
create index relay_open on relay (target, id) where state = 'queued';
create index relay_dead on relay (target, id) where state = 'dead';
create unique index relay_redrive on relay (redrive_of) where redrive_of is not null;

-- A file that a customer sent. Its bytes lie in the state folder under its hash.
create table attachment (
    event text not null,
    n bigint not null,
    kind text not null,
    name text not null,
    url text not null,
    state text not null,
    reason text not null,
    content_type text,
    size bigint,
    hash text,
    at_ms bigint not null,
    primary key (event, n)
);
create index attachment_open on attachment (at_ms, event, n) where state = 'queued';

-- What an operator should know, until it is over.
create table alert (
    name text primary key,
    what text not null,
    since_ms bigint not null
);

-- Who did what by hand. Append-only.
create table audit (
    id text primary key,
    at_ms bigint not null,
    who text not null,
    act text not null,
    subject text not null,
    detail text not null
);
