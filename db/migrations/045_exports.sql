-- Up Migration

-- Where exports go (a folder or a bucket), and what went there. A batch is exported once: its id is in `batches` from the
-- moment it is planned. One exporter a target at a time: the owner renews its lease while it works.
CREATE TABLE export_targets (
  target        text COLLATE "C" PRIMARY KEY,
  batches       int8multirange NOT NULL DEFAULT '{}',
  runs          bigint         NOT NULL DEFAULT 0,
  complete_to   timestamptz    NOT NULL DEFAULT '-infinity', -- every batch stored before is in a run
  meters        text           NOT NULL DEFAULT '', -- digest of the meters that the days of usage were read with
  corrected_to  timestamptz    NOT NULL DEFAULT '-infinity', -- corrections up to here have marked their days stale
  owner         uuid,
  leased_until  timestamptz    NOT NULL DEFAULT '-infinity'
);

-- A run writes files of their own, named after its number. One that was planned and isn't done is done again.
CREATE TABLE export_runs (
  target     text COLLATE "C" NOT NULL REFERENCES export_targets,
  run        bigint           NOT NULL,
  batches    int8multirange   NOT NULL,
  planned_at timestamptz      NOT NULL DEFAULT now(),
  done_at    timestamptz,
  PRIMARY KEY (target, run)
);
CREATE INDEX export_runs_open ON export_runs (target) WHERE done_at IS NULL;

-- The UTC days of usage that hold exported events.
CREATE TABLE export_days (
  target   text COLLATE "C" NOT NULL REFERENCES export_targets,
  day      date             NOT NULL,
  revision integer          NOT NULL DEFAULT 0,
  digest   text             NOT NULL DEFAULT '', -- of the newest revision's rows
  is_stale boolean          NOT NULL DEFAULT true,
  PRIMARY KEY (target, day)
);

-- Finds the batches that were stored since the last run.
CREATE INDEX batches_stored ON batches (stored_at);

-- Down Migration

DROP INDEX batches_stored;
DROP TABLE export_days;
DROP TABLE export_runs;
DROP TABLE export_targets;
