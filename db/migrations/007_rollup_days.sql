-- Up Migration

-- One cell a series and UTC day, made from the hours some hours after the day has ended (apps/aggregator/days.ts).
-- All columns lie in the index: a long range over thousands of series is read from its leaves, in order, without a
-- look into the table. Rows are hardly ever updated: only late events do.
CREATE TABLE rollup_days (
  LIKE rollup_hours INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
  PRIMARY KEY (series_id, start) INCLUDE (first_at, last_at, count, value)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05);
CREATE TABLE unique_days (LIKE unique_hours INCLUDING ALL);

-- Before this instant, midnight UTC, a build's day rows hold whatever its hour rows hold; from it on it has none.
-- Changes only under the build's advisory lock. No row: no day is closed.
CREATE TABLE rollup_days_closed (
  build  bigint PRIMARY KEY,
  before timestamptz NOT NULL
);

-- Down Migration

DROP TABLE rollup_days_closed;
DROP TABLE unique_days;
DROP TABLE rollup_days;
