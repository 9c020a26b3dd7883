import type { RawQuestion } from './rawUsage.ts';

/** OpenMeter's events table and its meter query, as ClickHouse's SQL. `load/peers/clickhouse.py` runs it. */
export const createDatabase = 'CREATE DATABASE openmeter';

export const createEvents = `
  CREATE TABLE openmeter.om_events (
    namespace String, id String, type LowCardinality(String), subject String, source String, time DateTime,
    data String, ingested_at DateTime, stored_at DateTime,
    INDEX om_events_stored_at stored_at TYPE minmax GRANULARITY 4,
    store_row_id String
  ) ENGINE = MergeTree
  PARTITION BY toYYYYMM(time)
  ORDER BY (namespace, type, subject, toStartOfHour(time))`;

/** The columns of one batch, from the Python program's variable of that name. */
export const insertBatch = `
  INSERT INTO openmeter.om_events
    (namespace, id, type, subject, source, time, data, ingested_at, stored_at, store_row_id)
  SELECT 'default', id, type, subject, source, time, data, ingested_at, ingested_at, store_row_id
  FROM Python(batch)`;

/** One part a partition: what background merges come to in the end. */
export const mergeAll = 'OPTIMIZE TABLE openmeter.om_events FINAL';

export const eventsOnDisk = `
  SELECT toFloat64(sum(bytes_on_disk)), toFloat64(sum(rows)) FROM system.parts
  WHERE active AND database = 'openmeter' AND table = 'om_events'`;

const intervals = { minute: 'toIntervalMinute(1)', hour: 'toIntervalHour(1)', day: 'toIntervalDay(1)' };

/** Rows of windowstart, windowend, value and the groups; times as seconds since 1970. */
export function sumEvents(of: RawQuestion, secondsMax: number): string {
  const path = (key: string) => `JSON_VALUE(om_events.data, ${text(`$.${key}`)})`;
  const interval = of.window && intervals[of.window];
  const windows = interval
    ? [
        `tumbleStart(om_events.time, ${interval}, 'UTC') AS windowstart`,
        of.window === 'day'
          ? `windowstart + ${interval} AS windowend`
          : `tumbleEnd(om_events.time, ${interval}, 'UTC') AS windowend`,
      ]
    : [
        'tumbleStart(min(om_events.time), toIntervalMinute(1)) AS windowstart',
        'tumbleEnd(max(om_events.time), toIntervalMinute(1)) AS windowend',
      ];
  const value = `sum(ifNotFinite(toFloat64OrNull(${path(of.value)}), null)) AS value`;
  const groups = of.groupBy.map((key) => `${path(key)} AS ${key}`);
  const grouped = [...(interval ? ['windowstart', 'windowend'] : []), ...of.groupBy];
  const conditions = [
    `om_events.namespace = 'default'`,
    `om_events.type = ${text(of.type)}`,
    ...(of.subject === undefined ? [] : [`om_events.subject IN (${text(of.subject)})`]),
    `om_events.time >= ${of.from.getTime() / 1_000}`,
    `om_events.time < ${of.to.getTime() / 1_000}`,
  ];
  return `
    SELECT ${[...windows, value, ...groups].join(', ')} FROM openmeter.om_events
    WHERE ${conditions.join(' AND ')}
    ${grouped.length > 0 ? `GROUP BY ${grouped.join(', ')}` : ''}
    ${interval ? 'ORDER BY windowstart' : ''}
    SETTINGS max_execution_time = ${secondsMax}, date_time_output_format = 'unix_timestamp'`;
}

function text(value: string): string {
  return `'${value.replaceAll(/['\\]/g, '\\$&')}'`;
}
