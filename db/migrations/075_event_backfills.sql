-- Up Migration

-- Events that are sent as a unit: they are stored as they come, and count only when their backfill is closed, all at once.
CREATE TABLE event_backfills (
  number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace   text COLLATE "C" NOT NULL,
  id          text COLLATE "C" NOT NULL,
  reason      text        NOT NULL,
  -- Which events count no more once it is closed; NULL: none. No subjects: of all.
  replaces_types    text[] COLLATE "C",
  replaces_subjects text[] COLLATE "C",
  replaces_from     timestamptz,
  replaces_to       timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now(),
  created_by  text        NOT NULL,
  closed_at   timestamptz,
  closed_by   text,
  reverted_at timestamptz,
  reverted_by text,
  -- Of its closing: events that count; those that were stored outside as well; those that it replaced.
  counted     bigint,
  duplicates  bigint,
  replaced    bigint,
  -- The identity table that took the keys of its events when it was closed.
  identity_table integer,
  CHECK ((replaces_types IS NULL) = (replaces_from IS NULL) AND (replaces_from IS NULL) = (replaces_to IS NULL)),
  UNIQUE (namespace, id)
);

-- The batches that hold a backfill's events, and no others. Events of a batch that isn't here count from their commit on.
CREATE TABLE backfill_batches (
  batch_id bigint  PRIMARY KEY,
  backfill bigint  NOT NULL,
  events   integer NOT NULL
);
CREATE INDEX backfill_batches_of ON backfill_batches (backfill);

-- Keys of the identities in a backfill: within it each is there once, whatever is stored outside.
CREATE TABLE backfill_keys (
  backfill bigint  NOT NULL,
  key      uuid    NOT NULL,
  source   text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  -- Since it was closed: no event outside had the identity, so that its key went to the open identity table.
  is_own   boolean NOT NULL DEFAULT true,
  PRIMARY KEY (backfill, key)
);

-- Of the closing that made the correction, and the correction in whose place it stands.
ALTER TABLE corrections ADD COLUMN backfill bigint, ADD COLUMN replaced bigint;
CREATE INDEX corrections_of_backfill ON corrections (backfill) WHERE backfill IS NOT NULL;

-- A backfill may hold an event with the identity of another one: a correction is of the event in its batch.
CREATE UNIQUE INDEX corrections_of_event ON corrections (namespace, source, event_id, batch_id) WHERE undone_at IS NULL;
DROP INDEX corrections_in_force;

ALTER TABLE dead_letters ADD COLUMN backfill text COLLATE "C";

-- Down Migration

ALTER TABLE dead_letters DROP COLUMN backfill;
CREATE UNIQUE INDEX corrections_in_force ON corrections (namespace, source, event_id) WHERE undone_at IS NULL;
DROP INDEX corrections_of_event;
ALTER TABLE corrections DROP COLUMN backfill, DROP COLUMN replaced;
DROP TABLE backfill_keys;
DROP TABLE backfill_batches;
DROP TABLE event_backfills;
