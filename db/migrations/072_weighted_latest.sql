-- Up Migration

-- Meters of levels that events set: their cells keep the latest value, and each value with its time among the distinct values
-- (unique_minutes, unique_hours, unique_days), as 'µs since 1970, space, value'. Gateways, which make such meters, are updated last.
ALTER TABLE meters DROP CONSTRAINT meters_aggregation_check, ADD CONSTRAINT meters_aggregation_check
  CHECK (aggregation IN ('SUM','COUNT','AVG','MIN','MAX','UNIQUE_COUNT','LATEST','PERCENTILE','WEIGHTED_SUM','WEIGHTED_LATEST'));

-- Down Migration

ALTER TABLE meters DROP CONSTRAINT meters_aggregation_check, ADD CONSTRAINT meters_aggregation_check
  CHECK (aggregation IN ('SUM','COUNT','AVG','MIN','MAX','UNIQUE_COUNT','LATEST','PERCENTILE','WEIGHTED_SUM'));
