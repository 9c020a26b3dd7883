-- Up Migration

-- Meters of percentiles: their cells say how many values there are of which size, as a JSON object of bins and counts
-- (lib/cells/sketch.ts). The rows of all other meters stay as they are. Processors from before this migration can't evaluate such
-- meters: gateways, which make them, are updated last.
ALTER TABLE meters DROP CONSTRAINT meters_aggregation_check, ADD CONSTRAINT meters_aggregation_check
  CHECK (aggregation IN ('SUM','COUNT','AVG','MIN','MAX','UNIQUE_COUNT','LATEST','PERCENTILE'));

ALTER TABLE rollup_minutes ADD COLUMN sketch jsonb;
ALTER TABLE rollup_hours ADD COLUMN sketch jsonb;
ALTER TABLE rollup_days ADD COLUMN sketch jsonb;

-- One sketch of many, which are the elements of an array: the counts of each bin added up.
CREATE FUNCTION merged_sketch(sketches jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT jsonb_object_agg(bin, count)
  FROM (SELECT b.key AS bin, sum(b.value::bigint) AS count
        FROM jsonb_array_elements(sketches) s (sketch), jsonb_each_text(s.sketch) b GROUP BY b.key) bins
$$;

-- Down Migration

DROP FUNCTION merged_sketch(jsonb);
ALTER TABLE rollup_days DROP COLUMN sketch;
ALTER TABLE rollup_hours DROP COLUMN sketch;
ALTER TABLE rollup_minutes DROP COLUMN sketch;
ALTER TABLE meters DROP CONSTRAINT meters_aggregation_check, ADD CONSTRAINT meters_aggregation_check
  CHECK (aggregation IN ('SUM','COUNT','AVG','MIN','MAX','UNIQUE_COUNT','LATEST'));
