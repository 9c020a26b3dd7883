-- Up Migration

-- What gateways took and refused in the last hour, in steps of ten seconds: for people who look whether their events
-- arrive. Gateways add to it every few seconds, and delete what is older.
CREATE TABLE activity (
  namespace text        NOT NULL,
  start     timestamptz NOT NULL,
  accepted  bigint      NOT NULL, -- events that Redis acknowledged
  rejected  bigint      NOT NULL, -- requests that were refused, and single events left out of a lenient request
  PRIMARY KEY (namespace, start)
);
CREATE INDEX activity_start ON activity (start);

-- Down Migration

DROP TABLE activity;
