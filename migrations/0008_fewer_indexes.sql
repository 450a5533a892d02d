-- What there is of a person, and what `limit` and the cap of a day count of it, stand in one index each: every message
-- writes in them.
drop index run_contact;
drop index run_reached;
create index run_contact on run (contact, workflow, reached_at_ms);
drop index delivery_contact;
drop index delivery_handed;
create index delivery_contact on delivery (contact, handed_at_ms);
