-- What ends for a person who wants no more or is erased, in parts; and what older releases left, in the form of today.

-- More is under way for a person than one group ends: how far it is. Runs and messages that began later are not concerned.
create table ending (
    id text primary key,
    contact text not null,
    reason text not null,
    before_ms bigint not null,
    after text not null
);

-- Runs that an older release brought to a person's attention: their cause is computed from what they hold.
create index run_causeless on run (id) where state = 'needs_attention' and cause is null;

-- Events that an older release could not judge. One that was judged again since says so, and is left alone.
update event
    set failed = (length(evaluations) - length(replace(evaluations, '"result":"failed"', ''))) / length('"result":"failed"')
    where failed is null and evaluations like '%"result":"failed"%' and evaluations not like '%"redrive":%';
