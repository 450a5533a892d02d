-- Runs that live for weeks: questions, turns, stops, steps that call out, limits, the consent ledger, repair.

-- Name of the channel on which it waits for an answer.
alter table run add column asks text;
create index run_asking on run (contact, asks) where asks is not null;
-- Hash of what it is about, where runs about the same go one after the other (`again: queue`).
alter table run add column turn text;
create index run_turn on run (workflow, turn, id) where turn is not null and ended_at_ms is null;
create index run_live on run (contact, workflow, id) where ended_at_ms is null;
-- What there is of a person: shown, handed out, erased.
create index run_contact on run (contact, id);
-- When the first of its messages was handed over: what `limit` counts.
alter table run add column reached_at_ms bigint;
create index run_reached on run (contact, workflow, reached_at_ms) where reached_at_ms is not null;
-- Why it needs a person: its step and the reason without what differs from run to run. What is repaired together.
alter table run add column cause text;
alter table run add column cause_at_ms bigint;
create index run_attention on run (workflow, cause, id) where state = 'needs_attention';
-- The run that a person had done again, and how many times that was.
alter table run add column redrive_of text;
alter table run add column redrive bigint not null default 0;
drop index run_once;
create unique index run_once on run (event, workflow, contact, redrive);
-- The runs of a campaign, part by part.
drop index run_firing;
create index run_firing on run (firing, id) where firing is not null;

-- What an event must say to stop a live run (`stop_when` with `same`): hash of the definition, the entry and its values in
-- the run's event. Gone with the end of the run.
create table subject (
    run text not null,
    entry bigint not null,
    hash text not null,
    primary key (run, entry)
);
create index subject_hash on subject (hash, run);

-- An event that stops more runs than one group takes: how far it is. By person (`contact`) or by what it is about (`hash`).
create table stopping (
    id text primary key,
    event text not null,
    workflow text not null,
    definition text not null,
    entry bigint not null,
    contact text,
    hash text,
    before_ms bigint not null,
    after text not null
);

-- A step that calls out, `http_request` or `update_contact`. Committed before the first byte is written.
create table call (
    run text not null,
    step text not null,
    id text not null,
    contact text not null,
    kind text not null,
    -- Whom it calls: one that does not answer holds up no other.
    lane text not null,
    state text not null,
    input text not null,
    parts_done text not null,
    -- How often it was taken; attempts of the part at hand; takings by processes that died.
    claims bigint not null,
    attempts bigint not null,
    crashes bigint not null,
    retry_limit bigint not null,
    due_at_ms bigint not null,
    node text,
    result text,
    planned_at_ms bigint not null,
    ended_at_ms bigint,
    primary key (run, step)
);
create index call_queued on call (due_at_ms, id) where state = 'queued';
create index call_started on call (id) where state = 'started';
create index call_contact on call (contact, planned_at_ms) where kind = 'update_contact';

-- Who allowed messages, who wanted no more, when, said by whom, with what proof. Append-only; `person` is a keyed hash
-- of the number, so that a withdrawal outlives the contact.
create table consent (
    id text primary key,
    at_ms bigint not null,
    contact text not null,
    person text,
    act text not null,
    scope text not null,
    source text not null,
    proof text not null
);
create index consent_contact on consent (contact, id);
create index consent_person on consent (person, id) where person is not null;

create index delivery_contact on delivery (contact, id);
-- The message that a person had sent again as a new one.
alter table delivery add column redrive_of text;
create unique index delivery_redrive on delivery (redrive_of) where redrive_of is not null;
-- When a message of a run was first handed over: what is counted per person and day.
alter table delivery add column handed_at_ms bigint;
create index delivery_handed on delivery (contact, handed_at_ms) where handed_at_ms is not null;
-- JSON: what the workflow's settings ask of the gate, as the run began with them.
alter table delivery add column rules text;
-- Where it waits for its turn: the channel's name, and behind a space the workflow whose pace holds.
alter table delivery add column lane text not null default '';
update delivery set lane = channel;
drop index delivery_due;
create index delivery_due on delivery (lane, due_at_ms, id) where state in ('queued', 'held');
-- A run has one message per step, and those that were sent again for it.
drop index delivery_step;
create unique index delivery_step on delivery (run, step, coalesce(redrive_of, '')) where run <> '';

-- How many workflows could not judge it, and were not made to since.
alter table event add column failed bigint;
create index event_failed on event (id) where failed > 0;

-- Campaigns that somebody works at: their rows are read, or their runs are held, released or stopped part by part.
drop index firing_open;
create index firing_open on firing (fired_at_ms, id) where state in ('running', 'pausing', 'resuming', 'cancelling');

-- How far the walk through the people of an account is, for a campaign over a tag.
alter table firing add column walk text;
