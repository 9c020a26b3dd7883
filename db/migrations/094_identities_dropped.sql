-- Up Migration

-- The latest arrival of an event whose identity was dropped with its table. A frame that arrived no later came out of an older
-- copy of Redis: whether it is stored already is asked of the events themselves.
ALTER TABLE storage_settings ADD COLUMN identities_dropped_to timestamptz NOT NULL DEFAULT '-infinity';

-- Down Migration

ALTER TABLE storage_settings DROP COLUMN identities_dropped_to;
