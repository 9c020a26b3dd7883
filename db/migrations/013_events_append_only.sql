-- Up Migration

-- Identity tables decide now what is a duplicate: events needs no unique index, and can be compressed at any time.
DROP INDEX events_identity;

-- From now on `period` is the day of arrival (before: the first day of a longer period, by which identities were told apart).
-- With TimescaleDB a chunk holds a day; partitions of plain PostgreSQL hold storage_settings.period_days from an aligned day on.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
     AND EXISTS (SELECT FROM pg_class WHERE oid = 'events'::regclass AND relkind = 'r') THEN
    PERFORM set_chunk_time_interval('events', INTERVAL '1 day');
  END IF;
END $$;

DROP FUNCTION open_period(date);
-- Makes room for the events that arrived on a day. May be called at any time and from several places at once. A partition is
-- made as a table of its own and then attached: batches go on beside that.
CREATE FUNCTION open_period(arrival_day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  days integer;
  first_day date := arrival_day;
  name text;
BEGIN
  IF EXISTS (SELECT FROM pg_class WHERE oid = 'events'::regclass AND relkind = 'p') THEN
    PERFORM pg_advisory_xact_lock(hashtext('usage.events.partitions'));
    SELECT period_days INTO days FROM storage_settings;
    first_day := DATE '1969-12-29' + (arrival_day - DATE '1969-12-29') / days * days; -- a Monday
    name := 'events_' || to_char(first_day, 'YYYYMMDD');
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass AND inhrelid = to_regclass(name)) THEN
      EXECUTE format('CREATE TABLE IF NOT EXISTS %I (LIKE events INCLUDING ALL)', name);
      EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, first_day, first_day + days);
    END IF;
  END IF;
  INSERT INTO periods (period) VALUES (first_day) ON CONFLICT DO NOTHING;
END $$;

-- Down Migration

-- The older build doesn't recognise what was stored meanwhile under another `period` than its own.
DROP FUNCTION open_period(date);
CREATE FUNCTION open_period(period_start date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  days integer;
BEGIN
  INSERT INTO periods (period) VALUES (period_start) ON CONFLICT DO NOTHING;
  IF NOT FOUND OR EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    RETURN;
  END IF;
  SELECT period_days INTO days FROM storage_settings;
  EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
                 'events_' || to_char(period_start, 'YYYYMMDD'), period_start, period_start + days);
END $$;
CREATE UNIQUE INDEX events_identity ON events (id, source, namespace, period);
