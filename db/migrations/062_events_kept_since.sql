-- Up Migration

-- Events that arrived before it may have been dropped by EVENT_RETENTION_DAYS; NULL: none ever was. It never goes back.
ALTER TABLE storage_settings ADD COLUMN events_kept_since timestamptz;

-- Down Migration

ALTER TABLE storage_settings DROP COLUMN events_kept_since;
