-- Up Migration

-- The series of a generation in the order of their ids: days are closed, and deleted meters forgotten, so many at a time.
CREATE INDEX series_generation ON series (build, id);

-- Closing days in bounded pieces: how far the day rows from `before` to `closing_to` are made. First the distinct values, in the
-- order of (series, start, value), up to the last one that was taken; then, once cells_series isn't null, the cells of the
-- series up to that one. All null: nothing is half done. `before` moves when everything up to closing_to is made.
ALTER TABLE rollup_days_closed
  ADD COLUMN closing_to    timestamptz,
  ADD COLUMN unique_series bigint,
  ADD COLUMN unique_start  timestamptz,
  ADD COLUMN unique_value  text,
  ADD COLUMN cells_series  bigint;

-- Down Migration

-- Day rows that are half made would be made twice.
DELETE FROM rollup_days d USING series s, rollup_days_closed c
WHERE s.id = d.series_id AND c.build = s.build AND c.closing_to IS NOT NULL AND d.start >= c.before;
DELETE FROM unique_days d USING series s, rollup_days_closed c
WHERE s.id = d.series_id AND c.build = s.build AND c.closing_to IS NOT NULL AND d.start >= c.before;
ALTER TABLE rollup_days_closed
  DROP COLUMN closing_to, DROP COLUMN unique_series, DROP COLUMN unique_start, DROP COLUMN unique_value,
  DROP COLUMN cells_series;
DROP INDEX series_generation;
