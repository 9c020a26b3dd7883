-- Up Migration

-- Counts changes of the meters. A batch is stored with the version its deltas were evaluated with, under a shared
-- advisory lock; whoever changes a meter takes that lock exclusively. So for every build of a meter's rollups it is
-- certain which batches came with deltas and which the backfill has to read.
CREATE TABLE meter_registry (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version  bigint NOT NULL
);
INSERT INTO meter_registry (version) VALUES (1);

CREATE SEQUENCE meter_builds AS bigint;

CREATE TABLE meters (
  id             text PRIMARY KEY, -- ULID
  namespace      text NOT NULL,
  slug           text NOT NULL,
  name           text NOT NULL,
  description    text,
  event_type     text NOT NULL,
  event_from     timestamptz,
  aggregation    text NOT NULL CHECK (aggregation IN ('SUM','COUNT','AVG','MIN','MAX','UNIQUE_COUNT','LATEST')),
  value_property text,
  group_by       jsonb NOT NULL DEFAULT '{}', -- name to JSONPath
  metadata       jsonb,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  deleted_at     timestamptz,
  -- The rollups belong to a build; a change of group_by starts a new one.
  build            bigint NOT NULL DEFAULT nextval('meter_builds'),
  build_version    bigint NOT NULL, -- batches with a lower meters_version must be backfilled
  backfill_after   bigint NOT NULL DEFAULT -1, -- batches up to this id are in deltas already
  backfilled_at    timestamptz      -- NULL while the backfill runs: queries read raw events until then
);
CREATE UNIQUE INDEX meters_slug ON meters (namespace, slug) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX meters_build ON meters (build);

CREATE TABLE subjects (
  id                   text PRIMARY KEY, -- ULID
  namespace            text NOT NULL,
  key                  text NOT NULL,
  display_name         text,
  metadata             jsonb,
  current_period_start timestamptz,
  current_period_end   timestamptz,
  stripe_customer_id   text,
  created_at           timestamptz NOT NULL DEFAULT now(),
  updated_at           timestamptz NOT NULL DEFAULT now(),
  UNIQUE (namespace, key)
);

-- Down Migration

DROP TABLE subjects;
DROP TABLE meters;
DROP SEQUENCE meter_builds;
DROP TABLE meter_registry;
