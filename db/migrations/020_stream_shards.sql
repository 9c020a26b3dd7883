-- Up Migration

-- Over how many streams of Redis the frames are spread. The apps look at it all the time: query services and processors read
-- a new stream at once, gateways write to it a while later, when all of them read it. Where the number is lowered, gateways
-- write to the others no more, and they are still read: stream_shards_before is the largest number there ever was.
ALTER TABLE storage_settings
  ADD COLUMN stream_shards        integer     NOT NULL DEFAULT 1 CHECK (stream_shards BETWEEN 1 AND 64),
  ADD COLUMN stream_shards_before integer     NOT NULL DEFAULT 1 CHECK (stream_shards_before BETWEEN 1 AND 64),
  ADD COLUMN stream_shards_at     timestamptz NOT NULL DEFAULT '-infinity';

-- Down Migration

ALTER TABLE storage_settings
  DROP COLUMN stream_shards,
  DROP COLUMN stream_shards_before,
  DROP COLUMN stream_shards_at;
