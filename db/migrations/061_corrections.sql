-- Up Migration

-- What was corrected after it was stored: the event stays as it came, and counts no more (void) or as it stands here (amend).
-- One correction of an event is in force at a time; those that were undone or replaced are kept.
CREATE TABLE corrections (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace    text COLLATE "C" NOT NULL,
  source       text COLLATE "C" NOT NULL,
  event_id     text COLLATE "C" NOT NULL,
  kind         text        NOT NULL CHECK (kind IN ('void', 'amend')),
  reason       text        NOT NULL,
  actor        text        NOT NULL, -- the key that asked for it
  corrected_at timestamptz NOT NULL DEFAULT now(),
  undone_at    timestamptz,          -- NULL: in force
  undone_by    text,
  -- Of the event as it came.
  type         text COLLATE "C" NOT NULL,
  ingested_at  timestamptz NOT NULL,
  batch_id     bigint      NOT NULL,
  old_time     timestamptz NOT NULL,
  -- The event as it counts now; NULL where it counts no more.
  time         timestamptz,
  subject      text COLLATE "C",
  attributes   json,
  data         json,
  CHECK ((kind = 'amend') = (time IS NOT NULL AND subject IS NOT NULL))
);
CREATE UNIQUE INDEX corrections_in_force ON corrections (namespace, source, event_id) WHERE undone_at IS NULL;
CREATE INDEX corrections_time ON corrections (namespace, type, time) WHERE undone_at IS NULL AND kind = 'amend';
CREATE INDEX corrections_newest ON corrections (namespace, id);

-- Minutes of a meter's rollups (meters.build) in which an event was corrected: until an aggregator has made their cells anew,
-- queries read the events themselves. `marks` changes with every further correction, so that one that comes meanwhile isn't lost.
CREATE TABLE stale_minutes (
  generation bigint      NOT NULL,
  start      timestamptz NOT NULL,
  marks      integer     NOT NULL DEFAULT 1,
  PRIMARY KEY (generation, start)
);

-- Down Migration

DROP TABLE stale_minutes;
DROP TABLE corrections;
