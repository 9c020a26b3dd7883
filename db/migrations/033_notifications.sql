-- Up Migration

-- Where notifications go: webhooks.
CREATE TABLE notification_channels (
  id              text PRIMARY KEY, -- ULID
  namespace       text NOT NULL,
  type            text NOT NULL CHECK (type = 'WEBHOOK'),
  name            text NOT NULL,
  disabled        boolean NOT NULL DEFAULT false,
  url             text NOT NULL,
  custom_headers  jsonb,
  signing_secret  text NOT NULL, -- base64, of the Standard Webhooks signature
  metadata        jsonb,
  annotations     jsonb,
  failing_since   timestamptz,   -- the first failed attempt since the last one that succeeded
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  deleted_at      timestamptz
);
CREATE INDEX notification_channels_created ON notification_channels (namespace, created_at, id);

-- What is notified, and to which channels.
CREATE TABLE notification_rules (
  id          text PRIMARY KEY, -- ULID
  namespace   text NOT NULL,
  type        text NOT NULL CHECK (type IN ('entitlements.balance.threshold', 'entitlements.reset', 'usage.threshold')),
  name        text NOT NULL,
  disabled    boolean NOT NULL DEFAULT false,
  thresholds  jsonb, -- as given
  feature_ids text[],  -- NULL = all
  meter_id    text REFERENCES meters (id), -- of usage.threshold
  usage       jsonb, -- of usage.threshold: what is watched
  channel_ids text[] NOT NULL,
  metadata    jsonb,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  deleted_at  timestamptz,
  swept_at    timestamptz -- NULL until everything that the rule is about was looked at once
);
CREATE INDEX notification_rules_active ON notification_rules (namespace, type) WHERE deleted_at IS NULL AND NOT disabled;
CREATE INDEX notification_rules_created ON notification_rules (namespace, created_at, id);

CREATE TABLE notification_events (
  id          text PRIMARY KEY, -- ULID; the webhook-id that receivers recognise repeats by
  namespace   text NOT NULL,
  type        text NOT NULL,
  rule_id     text NOT NULL,
  rule        jsonb NOT NULL, -- as it was
  payload     jsonb NOT NULL,
  feature_id  text,
  feature_key text,
  subject     text,
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notification_events_created ON notification_events (namespace, created_at, id);

-- What has fired. The primary key is what keeps a threshold from firing twice in a period, whoever tries again.
CREATE TABLE threshold_firings (
  rule_id     text        NOT NULL,
  target      text        NOT NULL, -- an entitlement, a subject, a customer, a group
  period_from timestamptz NOT NULL,
  threshold   text        NOT NULL,
  event_id    text        NOT NULL,
  fired_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (rule_id, target, period_from, threshold)
);

CREATE TABLE notification_deliveries (
  event_id        text NOT NULL REFERENCES notification_events (id),
  channel_id      text NOT NULL REFERENCES notification_channels (id),
  state           text NOT NULL CHECK (state IN ('SUCCESS', 'FAILED', 'SENDING', 'PENDING', 'RESENDING')),
  reason          text NOT NULL DEFAULT '',
  tries           integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz, -- NULL = none
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (event_id, channel_id)
);
CREATE INDEX notification_deliveries_due ON notification_deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE TABLE notification_attempts (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id    text NOT NULL,
  channel_id  text NOT NULL,
  state       text NOT NULL,
  status_code integer,
  body        text NOT NULL, -- the start of the answer, or what went wrong
  duration_ms integer NOT NULL,
  url         text NOT NULL,
  at          timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (event_id, channel_id) REFERENCES notification_deliveries (event_id, channel_id)
);
CREATE INDEX notification_attempts_of ON notification_attempts (event_id, channel_id, id);

-- Which generations of rollups are looked at for thresholds.
CREATE VIEW watched_generations AS
  SELECT m.build, m.id AS meter_id, m.namespace FROM meters m
  WHERE m.deleted_at IS NULL AND (
    EXISTS (SELECT FROM notification_rules r WHERE r.meter_id = m.id AND r.deleted_at IS NULL AND NOT r.disabled)
    OR (EXISTS (SELECT FROM notification_rules r WHERE r.namespace = m.namespace AND r.deleted_at IS NULL AND NOT r.disabled
                  AND r.type = 'entitlements.balance.threshold')
        AND EXISTS (SELECT FROM features f WHERE f.meter_id = m.id)));

-- Deltas that were merged before the limits service had looked at them, so that no usage stays unlooked at, however long it is
-- away. They are put here as they leave the table of deltas, in the aggregator's transaction: storing events does nothing
-- for it. Beyond 10,000 only that something was merged is noted (payload NULL): then all of the meter is looked at.
CREATE TABLE delta_feed (
  id      bigint PRIMARY KEY,
  build   bigint NOT NULL,
  payload bytea
);
ALTER TABLE delta_feed ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE FUNCTION feed_deltas() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM watched_generations w JOIN gone g ON g.build = w.build) THEN
    INSERT INTO delta_feed (id, build, payload)
    SELECT g.id, g.build, CASE WHEN (SELECT count(*) FROM (SELECT FROM delta_feed LIMIT 10000) f) < 10000 THEN g.payload END
    FROM gone g WHERE EXISTS (SELECT FROM watched_generations w WHERE w.build = g.build)
    ON CONFLICT (id) DO NOTHING;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER deltas_fed AFTER DELETE ON deltas REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION feed_deltas();

-- Entitlements that somebody changed (created, granted, reset, …): their thresholds are looked at again.
CREATE TABLE entitlement_changes (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entitlement_id text NOT NULL
);

-- When its balance changes by itself next: a reset, a grant that begins, ends or recurs. NULL where no rule asks for it.
ALTER TABLE entitlements ADD COLUMN next_change_at timestamptz;
-- Resets up to here were notified.
ALTER TABLE entitlements ADD COLUMN resets_seen_to timestamptz;
CREATE INDEX entitlements_next_change ON entitlements (next_change_at) WHERE deleted_at IS NULL AND next_change_at IS NOT NULL;

-- Which of several limits services looks at thresholds.
CREATE TABLE limit_leases (
  name   text PRIMARY KEY,
  holder text NOT NULL,
  until  timestamptz NOT NULL
);

-- Down Migration

DROP TABLE limit_leases;
ALTER TABLE entitlements DROP COLUMN resets_seen_to;
ALTER TABLE entitlements DROP COLUMN next_change_at;
DROP TABLE entitlement_changes;
DROP TRIGGER deltas_fed ON deltas;
DROP FUNCTION feed_deltas();
DROP TABLE delta_feed;
DROP VIEW watched_generations;
DROP TABLE notification_attempts;
DROP TABLE notification_deliveries;
DROP TABLE threshold_firings;
DROP TABLE notification_events;
DROP TABLE notification_rules;
DROP TABLE notification_channels;
