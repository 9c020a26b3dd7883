-- Up Migration

-- Amounts that are spoken for before they are used. The states, and how the usage takes the place of the hold:
-- docs/limits.md.
CREATE TABLE reservations (
  id             text PRIMARY KEY, -- ULID
  namespace      text        NOT NULL,
  entitlement_id text        NOT NULL REFERENCES entitlements (id),
  lock_id        text        NOT NULL, -- the client's; the same one reserves once
  requested      numeric     NOT NULL,
  amount         numeric     NOT NULL, -- held: less than requested where it was capped; after the commit what was used
  state          text        NOT NULL CHECK (state IN ('held', 'committed', 'reported', 'released', 'expired')),
  event_source   text,                 -- the event that reports the usage
  event_id       text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  expires_at     timestamptz NOT NULL, -- a hold frees itself, and a commit whose event never comes is given up
  committed_at   timestamptz,
  ended_at       timestamptz,          -- released, expired, or its event was found
  UNIQUE (entitlement_id, lock_id),
  CHECK ((event_source IS NULL) = (event_id IS NULL))
);
-- Counts the reservations made: two transactions that reserve of the same entitlement at once collide here, and one tries again.
ALTER TABLE entitlements ADD COLUMN reserve_version bigint NOT NULL DEFAULT 0;
-- Those that may still count: few.
CREATE INDEX reservations_open ON reservations (entitlement_id) WHERE state IN ('held', 'committed');
CREATE INDEX reservations_open_expiry ON reservations (expires_at) WHERE state IN ('held', 'committed');
CREATE INDEX reservations_ended ON reservations (ended_at) WHERE ended_at IS NOT NULL;

-- Whether an event is stored, by its key in the identity tables (011): some index look-ups. Of events whose identity is no longer
-- kept it says no; a reservation ends long before that.
CREATE FUNCTION event_is_stored(namespace text, source text, id text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
  wanted uuid := identity_key(namespace, source, id);
  n integer;
  found boolean;
BEGIN
  FOR n IN SELECT number FROM identity_tables ORDER BY number DESC LOOP
    BEGIN
      EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE key = $1)', 'identities_' || n) INTO found USING wanted;
    EXCEPTION WHEN undefined_table THEN -- dropped meanwhile: too old
      found := false;
    END;
    IF found THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;

-- Down Migration

DROP FUNCTION event_is_stored(text, text, text);
ALTER TABLE entitlements DROP COLUMN reserve_version;
DROP TABLE reservations;
