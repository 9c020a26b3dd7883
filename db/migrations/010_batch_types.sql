-- Up Migration

-- What a batch holds of each tenant: one row a batch, namespace and type of event, written in the batch's transaction.
-- Lists, backfills and raw queries of one tenant find their batches here and leave all others alone.
CREATE TABLE batch_types (
  batch_id      bigint           NOT NULL,
  namespace     text COLLATE "C" NOT NULL,
  type          text COLLATE "C" NOT NULL,
  events        integer          NOT NULL,
  first_time    timestamptz      NOT NULL, -- of its events' own times
  last_time     timestamptz      NOT NULL,
  first_arrived timestamptz      NOT NULL,
  last_arrived  timestamptz      NOT NULL,
  PRIMARY KEY (namespace, type, batch_id)
);
CREATE INDEX batch_types_arrived ON batch_types (namespace, last_arrived, batch_id);
CREATE INDEX batch_types_time ON batch_types (namespace, last_time, batch_id);
-- Finds the rows of batches that are past the retention.
CREATE INDEX batch_types_batch ON batch_types USING brin (batch_id) WITH (pages_per_range = 16);

-- Whether batch_types says what the batch holds. Batches of before this migration, and those of processors that run on
-- for a while during an update, are described afterwards (describeBatches in db/events/batchTypes.ts); until then any of
-- them may hold events of any tenant.
ALTER TABLE batches ADD COLUMN described boolean NOT NULL DEFAULT false;
CREATE INDEX batches_undescribed ON batches (id) WHERE NOT described;

-- Down Migration

DROP INDEX batches_undescribed;
ALTER TABLE batches DROP COLUMN described;
DROP TABLE batch_types;
