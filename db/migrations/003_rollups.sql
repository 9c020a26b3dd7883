-- Up Migration

-- What one batch (or one stretch of a backfill) adds to one build of a meter: a compressed list of cells
-- (lib/meter/delta.ts). Lives until an aggregator has merged it; queries add the deltas that are left.
CREATE TABLE deltas (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  build      bigint      NOT NULL,
  cells      integer     NOT NULL, -- its weight: cells and their distinct values
  arrived_at timestamptz NOT NULL, -- arrival of its oldest event
  payload    bytea       NOT NULL
);
ALTER TABLE deltas ALTER COLUMN payload SET STORAGE EXTERNAL; -- is compressed already
CREATE INDEX deltas_build ON deltas (build, id);

-- A build, a subject and the group-by values in the order of the meter's sorted group-by names.
-- subject '' stands for all subjects together (an event's subject is never empty).
CREATE TABLE series (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  build        bigint NOT NULL,
  key          uuid   NOT NULL, -- the first half of the SHA-256 of subject and group values: they may be long
  subject      text   NOT NULL,
  group_values text[] NOT NULL,
  UNIQUE (build, key)
);
CREATE INDEX series_subject ON series (build, subject);

-- One cell a series and minute; `value` is the sum, minimum, maximum or latest, by the meter's aggregation. Half of each
-- page is left free: a merge writes most rows of the present windows anew, and a new version in the same page leaves the
-- index as it is (99 % of them do; with a fifth free 60 % did, and writing a cell took a third longer).
CREATE TABLE rollup_minutes (
  series_id bigint      NOT NULL,
  start     timestamptz NOT NULL,
  first_at  timestamptz NOT NULL, -- time of the cell's first event
  last_at   timestamptz NOT NULL, -- time of its last event
  count     bigint      NOT NULL,
  value     numeric,
  PRIMARY KEY (series_id, start)
) WITH (fillfactor = 50);
CREATE TABLE rollup_hours (LIKE rollup_minutes INCLUDING ALL) WITH (fillfactor = 50);

-- The distinct values of UNIQUE_COUNT meters.
CREATE TABLE unique_minutes (
  series_id bigint      NOT NULL,
  start     timestamptz NOT NULL,
  value     text        NOT NULL, -- itself, or 'sha256:…' where it is longer than 200 characters
  PRIMARY KEY (series_id, start, value)
);
CREATE TABLE unique_hours (LIKE unique_minutes INCLUDING ALL);

-- Down Migration

DROP TABLE unique_hours;
DROP TABLE unique_minutes;
DROP TABLE rollup_hours;
DROP TABLE rollup_minutes;
DROP TABLE series;
DROP TABLE deltas;
