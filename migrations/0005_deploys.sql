-- What serves, and what served before: the highest number serves, on every node.
create table deploy (
    number bigint primary key,
    -- Of the texts that decide what its workflows do.
    hash text not null,
    -- JSON object, path to text; empty once a higher number serves.
    files text not null,
    node text not null,
    at_ms bigint not null,
    -- What is still to be done with live runs of older versions: `restart`, `cancel`; empty = nothing (any more).
    in_flight text not null
);
create index deploy_hash on deploy (hash);
