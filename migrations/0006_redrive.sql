-- A message held because its run or campaign is paused: until when it waited for something else that a resume does not
-- bring, and why. A call of a paused campaign stands as `held`.
alter table delivery add column not_before_ms bigint;
alter table delivery add column not_before_why text;
