-- Up Migration

-- Lists of events walk the batches by arrival, newest first. About ten batches a second: it costs nothing.
CREATE INDEX batches_arrived ON batches (arrived_to, id);

-- Down Migration

DROP INDEX batches_arrived;
