-- Up Migration

-- What a customer may have the use of: a meter, or a part of what it measures.
CREATE TABLE features (
  id               text PRIMARY KEY, -- ULID
  namespace        text NOT NULL,
  key              text NOT NULL,
  name             text NOT NULL,
  metadata         jsonb,
  meter_id         text REFERENCES meters (id), -- NULL: only static and boolean entitlements are possible
  group_by_filters jsonb, -- group-by name to value, as given
  advanced_filters jsonb, -- group-by name to a filter with operators, as given
  unit_cost        jsonb, -- kept as given
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  archived_at      timestamptz
);
CREATE UNIQUE INDEX features_key ON features (namespace, key) WHERE archived_at IS NULL;
CREATE INDEX features_meter ON features (meter_id);

-- That a customer may use a feature: as far as grants reach (metered), by a value (static), or at all (boolean).
CREATE TABLE entitlements (
  id                 text PRIMARY KEY, -- ULID
  namespace          text NOT NULL,
  customer_id        text NOT NULL REFERENCES customers (id),
  feature_id         text NOT NULL REFERENCES features (id),
  feature_key        text NOT NULL,
  type               text NOT NULL CHECK (type IN ('metered', 'static', 'boolean')),
  config             text,    -- of a static one: JSON as given
  is_soft_limit      boolean NOT NULL DEFAULT false,
  issue_amount       numeric, -- granted anew at each reset
  issue_priority     integer,
  preserve_overage   boolean NOT NULL DEFAULT false,
  measure_usage_from timestamptz,
  period_interval    text,    -- DAY, WEEK, MONTH, YEAR or ISO 8601
  period_anchor      timestamptz,
  period_zone        text,
  metadata           jsonb,
  annotations        jsonb,
  active_from        timestamptz NOT NULL,
  active_to          timestamptz, -- exclusive; set when it is deleted or overridden
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  deleted_at         timestamptz,
  CHECK (type <> 'metered' OR (measure_usage_from IS NOT NULL AND period_interval IS NOT NULL AND period_anchor IS NOT NULL))
);
CREATE UNIQUE INDEX entitlements_active ON entitlements (customer_id, feature_key) WHERE deleted_at IS NULL;
CREATE INDEX entitlements_of_customer ON entitlements (customer_id);
CREATE INDEX entitlements_of_feature ON entitlements (feature_id);
CREATE INDEX entitlements_created ON entitlements (namespace, created_at, id);

-- Resets by hand; those of the usage period follow from it and are not stored.
CREATE TABLE entitlement_resets (
  entitlement_id   text        NOT NULL REFERENCES entitlements (id),
  at               timestamptz NOT NULL,
  moves_anchor     boolean     NOT NULL,
  preserve_overage boolean     NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (entitlement_id, at)
);

CREATE TABLE grants (
  id                  text PRIMARY KEY, -- ULID
  namespace           text        NOT NULL,
  entitlement_id      text        NOT NULL REFERENCES entitlements (id),
  amount              numeric     NOT NULL CHECK (amount >= 0),
  priority            integer     NOT NULL CHECK (priority BETWEEN 0 AND 255),
  effective_at        timestamptz NOT NULL,
  expiration_duration text,
  expiration_count    integer,
  expires_at          timestamptz, -- exclusive
  max_rollover        numeric     NOT NULL,
  min_rollover        numeric     NOT NULL,
  recurrence_interval text,
  recurrence_anchor   timestamptz,
  recurrence_zone     text,
  metadata            jsonb,
  annotations         jsonb,
  voided_at           timestamptz,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX grants_of_entitlement ON grants (entitlement_id);
CREATE INDEX grants_created ON grants (namespace, created_at, id);

-- Down Migration

DROP TABLE grants;
DROP TABLE entitlement_resets;
DROP TABLE entitlements;
DROP TABLE features;
