-- Up Migration

-- Cumulative sums that came over OTLP: how far each series was counted. One row a series and start of its process. `pending`
-- is a JSON array of the events that the counted points came to, until Redis has acknowledged them: they are written with the
-- state, so that a crash in between neither loses nor doubles them.
CREATE TABLE otlp_series (
  key        text COLLATE "C" PRIMARY KEY, -- hash of namespace, resource, scope, metric, attributes and start
  namespace  text COLLATE "C" NOT NULL,
  counted_ns numeric     NOT NULL DEFAULT 0, -- time of the last point, ns since 1970
  value      numeric     NOT NULL DEFAULT 0,
  pending    text,
  changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX otlp_series_pending ON otlp_series (changed_at) WHERE pending IS NOT NULL;
CREATE INDEX otlp_series_changed ON otlp_series (changed_at);

-- Down Migration

DROP TABLE otlp_series;
