-- Clones one waiting run, with its event and its person, into {n} of each, gives each person a message that is held, and
-- each run something to stop it by. Valid on SQLite and PostgreSQL. Names in braces are filled in: {event}, {contact}, {run}, {delivery} name the row
-- that is cloned; timers end at {first_ms}, {first_ms} + {step_ms} ….

with recursive n (i) as (select 1 union all select i + 1 from n where i < {n})
insert into event (id, source, name, dedupe_key, dedupe_until_ms, body_hash, at_ms, received_at_ms, contact, data, evaluations)
select 'e' || cast(1000000000 + n.i as text), e.source, e.name, 'waiting ' || cast(n.i as text), e.dedupe_until_ms, e.body_hash,
    e.at_ms, e.received_at_ms, 'c' || cast(1000000000 + n.i as text), e.data, e.evaluations
from n, event e where e.id = '{event}';

with recursive n (i) as (select 1 union all select i + 1 from n where i < {n})
insert into contact (id, version, phone, data)
select 'c' || cast(1000000000 + n.i as text), 1, '33' || cast(700000000 + n.i as text),
    replace(replace(c.data, c.id, 'c' || cast(1000000000 + n.i as text)), c.phone, '33' || cast(700000000 + n.i as text))
from n, contact c where c.id = '{contact}';

with recursive n (i) as (select 1 union all select i + 1 from n where i < {n})
insert into run (id, workflow, definition, contact, event, state, reason, progress, wake_at_ms, seed, fence, started_at_ms, asks, redrive)
select 'r' || cast(1000000000 + n.i as text), u.workflow, u.definition, 'c' || cast(1000000000 + n.i as text),
    'e' || cast(1000000000 + n.i as text), u.state, u.reason, u.progress, {first_ms} + {step_ms} * n.i, n.i, u.fence,
    u.started_at_ms, case when n.i % 2 = 0 then {asks} end, 0
from n, run u where u.id = '{run}';

with recursive n (i) as (select 1 union all select i + 1 from n where i < {n})
insert into delivery (id, run, workflow, step, contact, channel, lane, purpose, outside_window, message, state, reason, due_at_ms,
    expires_at_ms, line_at_ms, fallback_used, attempts, retries, retry_limit, seed, planned_at_ms)
select 'd' || cast(1000000000 + n.i as text), 'r' || cast(1000000000 + n.i as text), d.workflow, d.step,
    'c' || cast(1000000000 + n.i as text), d.channel, d.lane, d.purpose, d.outside_window, d.message, 'held', 'quiet_hours',
    d.due_at_ms + 86400000, d.expires_at_ms + 86400000, d.line_at_ms, 0, 0, 0, d.retry_limit, n.i, d.planned_at_ms
from n, delivery d where d.id = '{delivery}';

with recursive n (i) as (select 1 union all select i + 1 from n where i < {n})
insert into subject (run, entry, hash)
select 'r' || cast(1000000000 + n.i as text), 0, 'h' || cast(1000000000 + n.i as text) from n;
