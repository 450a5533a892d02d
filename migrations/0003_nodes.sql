-- Several servers on one database: who lives, and whose work is whose.

-- A server. One that has not renewed its heartbeat for 30 s is dead to the others, which take its work over.
create table node (
    id text primary key,
    since_ms bigint not null,
    heartbeat_ms bigint not null
);

-- What one node does for all, such as posting to one target of the relay.
create table duty (
    name text primary key,
    node text not null
);

-- Of one person on one line at most one message is on its way, whoever sends it.
drop index delivery_state;
create unique index delivery_sending on delivery (contact, channel) where state = 'sending';

-- The node that reads a campaign's file. It has the folder that fired it.
alter table firing add column node text;

-- Nobody knows whose answer another node still awaits: what came early is forgotten by its age.
alter table early_status add column kept_at_ms bigint not null default 0;
