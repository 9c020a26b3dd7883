-- Up Migration

-- Meters of levels over time: their cells keep the sum of the changes (value), and of each change times its time in µs since 1970
-- (moment). The rows of all other meters stay as they are. Processors from before this migration can't evaluate such meters:
-- gateways, which make them, are updated last.
ALTER TABLE meters DROP CONSTRAINT meters_aggregation_check, ADD CONSTRAINT meters_aggregation_check
  CHECK (aggregation IN ('SUM','COUNT','AVG','MIN','MAX','UNIQUE_COUNT','LATEST','PERCENTILE','WEIGHTED_SUM'));
ALTER TABLE meters ADD COLUMN time_unit text; -- value × what a WEIGHTED_SUM is answered in; NULL: SECOND

ALTER TABLE rollup_minutes ADD COLUMN moment numeric;
ALTER TABLE rollup_hours ADD COLUMN moment numeric;
ALTER TABLE rollup_days ADD COLUMN moment numeric;

-- Down Migration

ALTER TABLE rollup_days DROP COLUMN moment;
ALTER TABLE rollup_hours DROP COLUMN moment;
ALTER TABLE rollup_minutes DROP COLUMN moment;
ALTER TABLE meters DROP COLUMN time_unit;
ALTER TABLE meters DROP CONSTRAINT meters_aggregation_check, ADD CONSTRAINT meters_aggregation_check
  CHECK (aggregation IN ('SUM','COUNT','AVG','MIN','MAX','UNIQUE_COUNT','LATEST','PERCENTILE'));
