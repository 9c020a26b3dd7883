-- Up Migration

-- Identities of events stand apart from the events: a narrow table of keys, so that events is append-only and can be
-- compressed as soon as a day is over. One identity table takes new keys; it is closed after some days and a new one opened,
-- and dropped once no event that may still be stored can be a copy of one in it (db/events/identityTables.ts).
CREATE TABLE identity_tables (
  number         integer PRIMARY KEY, -- its keys are in the table identities_<number>
  opened_at      timestamptz NOT NULL DEFAULT now(),
  closed_at      timestamptz,         -- NULL: the one that takes new keys
  arrived_to     timestamptz,         -- once closed: no event of its keys arrived later
  newest_ordered uuid                 -- once closed: its largest key that begins with a time
);
CREATE UNIQUE INDEX identity_tables_open ON identity_tables ((closed_at IS NULL)) WHERE closed_at IS NULL;

-- The key of an event's identity, as apps/processor/reading/identity.ts makes it: 16 bytes of the SHA-256 of namespace,
-- source and id, of which the first are replaced by the time in the id (UUIDv7, ULID; milliseconds in 6 bytes), where there
-- is one, else by the byte ff. So ids made one after the other lie beside each other in the index.
CREATE FUNCTION identity_key(namespace text, source text, id text) RETURNS uuid LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  parts bytea[] := ARRAY[convert_to(namespace, 'UTF8'), convert_to(source, 'UTF8'), convert_to(id, 'UTF8')];
  hash bytea := sha256(int4send(length(parts[1])) || parts[1] || int4send(length(parts[2])) || parts[2] ||
                       int4send(length(parts[3])) || parts[3]);
  ms bigint;
  digits text;
BEGIN
  IF length(parts[3]) = 36 AND id ~ '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-7' THEN
    ms := ('x' || lpad(left(id, 8) || substr(id, 10, 4), 16, '0'))::bit(64)::bigint;
  ELSIF length(parts[3]) = 26 AND id ~* '^[0-7][0-9A-HJKMNP-TV-Z]{9}' THEN
    digits := upper(left(id, 10));
    ms := 0;
    FOR n IN 1..10 LOOP
      ms := ms * 32 + position(substr(digits, n, 1) IN '0123456789ABCDEFGHJKMNPQRSTVWXYZ') - 1;
    END LOOP;
  END IF;
  IF ms IS NULL OR ms >= x'ff0000000000'::bigint THEN
    RETURN encode('\xff'::bytea || substr(hash, 2, 15), 'hex')::uuid;
  END IF;
  RETURN encode(substr(int8send(ms), 3, 6) || substr(hash, 7, 10), 'hex')::uuid;
END $$;

INSERT INTO identity_tables (number) VALUES (1);
CREATE TABLE identities_1 (key uuid NOT NULL);

-- What is stored already, as far back as anybody may look: the dedupe window (set by the migrate command), and the longest
-- backlog beside it. Processors go on storing meanwhile: 012 adds what is of other batches than these.
CREATE TABLE identities_filled AS
SELECT id, now() - make_interval(hours => 72 + coalesce(nullif(current_setting('usage.dedupe_window_hours', true), '')::int, 168)) AS since
FROM batches;
INSERT INTO identities_1
SELECT DISTINCT identity_key(namespace, source, id) FROM events, (SELECT min(since) AS since FROM identities_filled) filled
WHERE ingested_at >= since AND period >= since::date - 31
ORDER BY 1;
ALTER TABLE identities_1 ADD PRIMARY KEY (key);

-- Down Migration

DROP TABLE identities_filled;
DO $$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT 'identities_' || number FROM identity_tables LOOP
    EXECUTE format('DROP TABLE %I', name);
  END LOOP;
END $$;
DROP FUNCTION identity_key(text, text, text);
DROP TABLE identity_tables;
