import type { Aggregation } from '@usage/lib/meter/meter.ts';
import type { Executor } from '../../connection/connect.ts';
import { timesOf } from '../../connection/times.ts';
import { rollupTable, summedMore, summedValue, uniqueTable } from '../../rollups/rollups.ts';
import { bucketOfRow, cellsOf, grainsOf, type TimeRange, type UsagePieces, unionAll } from './pieces.ts';
import { moreColumns, rowsOf, type SummedColumns, type UsageRow } from './summedColumns.ts';

/**
 * The statements of a meter query. Times go in and come out as µs since 1970.
 *
 * `cuts` are ascending instants that cut time into buckets as width_bucket counts them: bucket i is
 * [cuts[i-1], cuts[i]); what lies before the first or at or after the last cut is left out.
 */

/** Which series are summed, and by what they are grouped. */
export interface UsageScope {
  generation: bigint;
  /** 'all': the series of all subjects together; 'each': every subject's own; or those of certain subjects. */
  subjects: 'all' | 'each' | readonly string[];
  /** Values that the group at an index (of groupByNames) may have; no entry = any. */
  allowed: readonly { index: number; values: readonly string[] }[];
  groupBySubject: boolean;
  /** Indexes of groupByNames. */
  groupByIndexes: readonly number[];
}

/** Sums the pieces; at most rowsMax rows, in no order. Each piece is summed by itself, in the order of its index. */
export async function sumRollups(
  tx: Executor,
  scope: UsageScope,
  aggregation: Aggregation,
  pieces: UsagePieces,
  rowsMax: number,
): Promise<UsageRow[]> {
  const grouped = scope.groupBySubject || scope.groupByIndexes.length > 0;
  const series = grouped ? tx`series_id,` : tx``;
  const sums = grainsOf(pieces).map(
    (grain) => tx`
      SELECT ${series} ${bucketOfRow(tx, pieces, grain)} AS bucket, sum(count) AS count, ${summedValue(tx, aggregation)} AS value,
             min(first_at) AS first_at, max(last_at) AS last_at ${summedMore(tx, aggregation)}
      FROM ${cellsOf(tx, pieces, grain, rollupTable(tx, grain))} cells GROUP BY ${series} bucket`,
  );
  if (sums.length === 0) return [];
  const more = moreColumns(tx, aggregation);
  const [found] = await tx<{ columns: SummedColumns }[]>`
    WITH ${parameters(tx, scope, pieces.cuts)},
    summed AS (${unionAll(tx, sums)}),
    answer AS (
      SELECT bucket, ${grouped ? tx`key` : tx`'{}'::text[] AS key`}, sum(count) AS count, ${summedValue(tx, aggregation)}::text AS value,
             (extract(epoch FROM min(first_at)) * 1000000)::bigint AS first_us,
             (extract(epoch FROM max(last_at)) * 1000000)::bigint AS last_us ${summedMore(tx, aggregation)}
      FROM summed ${grouped ? tx`JOIN (SELECT id, ${keyOf(tx, scope)} AS key FROM series) s ON s.id = series_id` : tx``}
      WHERE bucket > 0 AND bucket < ${pieces.cuts.length}
      GROUP BY bucket ${grouped ? tx`, key` : tx``}
      LIMIT ${rowsMax}
    )
    SELECT json_build_object('bucket', json_agg(bucket), 'key', json_agg(key), 'count', json_agg(count), 'value', json_agg(value),
                             'firstUs', json_agg(first_us), 'lastUs', json_agg(last_us) ${more}) AS columns
    FROM answer`;
  return rowsOf(found!.columns);
}

/** A distinct value that is not in the rollups yet. */
export interface UniqueValue {
  bucket: number;
  key: readonly string[];
  value: string;
}

/** Distinct values by bucket and group, over the pieces and `more` together. */
export async function countUniques(
  tx: Executor,
  scope: UsageScope,
  pieces: UsagePieces,
  more: readonly UniqueValue[],
): Promise<{ bucket: number; key: string[]; count: number }[]> {
  const addition = JSON.stringify(more.map(({ bucket, key, value }) => ({ b: bucket, k: key, v: value })));
  const found = grainsOf(pieces).map((grain) => {
    const uniques = cellsOf(tx, pieces, grain, uniqueTable(tx, grain));
    // A minute may lie on both sides of a cut; its cell does not, and knows on which.
    return grain === 'minute'
      ? tx`SELECT u.series_id, ${bucketOfRow(tx, pieces, grain)} AS bucket, u.value
           FROM ${uniques} u JOIN rollup_minutes c ON c.series_id = u.series_id AND c.start = u.start`
      : tx`SELECT series_id, ${bucketOfRow(tx, pieces, grain)} AS bucket, value FROM ${uniques} u`;
  });
  const none = tx`SELECT NULL::bigint AS series_id, 0 AS bucket, '' AS value WHERE false`;
  return tx<{ bucket: number; key: string[]; count: number }[]>`
    WITH ${parameters(tx, scope, pieces.cuts)},
    found AS (${unionAll(tx, [none, ...found])}),
    keyed AS (
      SELECT bucket, key, value
      FROM (SELECT DISTINCT series_id, bucket, value FROM found) f
      JOIN (SELECT id, ${keyOf(tx, scope)} AS key FROM series) s ON s.id = f.series_id
      UNION ALL
      SELECT b, k, v FROM jsonb_to_recordset(${addition}::text::jsonb) AS more (b int, k text[], v text)
    )
    SELECT bucket, key, count(DISTINCT value)::float8 AS count FROM keyed
    WHERE bucket > 0 AND bucket < ${pieces.cuts.length} GROUP BY bucket, key`;
}

/** From the first to the last hour that the scope's rollups hold; undefined while there is none. */
export async function rollupExtent(tx: Executor, scope: UsageScope): Promise<TimeRange | undefined> {
  const [row] = await tx<{ from_us: number | null; to_us: number | null }[]>`
    SELECT (extract(epoch FROM min(bounds.first)) * 1000000)::float8 AS from_us,
           (extract(epoch FROM max(bounds.last) + interval '1 hour') * 1000000)::float8 AS to_us
    FROM series s CROSS JOIN LATERAL (
      SELECT (SELECT start FROM rollup_hours WHERE series_id = s.id ORDER BY start LIMIT 1) AS first,
             (SELECT start FROM rollup_hours WHERE series_id = s.id ORDER BY start DESC LIMIT 1) AS last
    ) bounds
    WHERE ${seriesOf(tx, scope)}`;
  if (row?.from_us == null || row.to_us == null) return undefined;
  return { fromUs: row.from_us, toUs: row.to_us };
}

/** The values that a group has in the scope's series, whatever `allowed` says; at most valuesMax. */
export async function groupValues(
  tx: Executor,
  scope: UsageScope,
  index: number,
  valuesMax: number,
): Promise<string[]> {
  const rows = await tx<{ value: string }[]>`
    SELECT DISTINCT group_values[${index + 1}::int] AS value FROM series s
    WHERE ${seriesOf(tx, { ...scope, allowed: [] })} LIMIT ${valuesMax}`;
  return rows.map((row) => row.value);
}

/** The subjects that a generation has series of; at most subjectsMax. */
export async function generationSubjects(
  tx: Executor,
  generation: bigint,
  subjectsMax: number,
): Promise<string[]> {
  const rows = await tx<{ subject: string }[]>`
    SELECT DISTINCT subject FROM series WHERE build = ${generation} AND subject <> '' LIMIT ${subjectsMax}`;
  return rows.map((row) => row.subject);
}

export async function deltaPayloads(
  tx: Executor,
  ids: readonly bigint[],
): Promise<{ id: bigint; payload: Buffer }[]> {
  return tx<{ id: bigint; payload: Buffer }[]>`
    SELECT id, payload FROM deltas WHERE id = ANY(${ids.map(String)}::text[]::bigint[])`;
}

/** The parameters that every row is compared with, worked out once: a cast in place would run for each row. */
export function parameters(tx: Executor, scope: UsageScope, cuts: readonly number[]) {
  return tx`p AS MATERIALIZED (
      SELECT ${timesOf(tx, cuts)} AS cuts, ARRAY(SELECT s.id FROM series s WHERE ${seriesOf(tx, scope)}) AS ids
    )`;
}

/** The rows of all subjects together have the subject ''. No event's subject is empty, but a client may ask for it. */
function seriesOf(tx: Executor, scope: UsageScope) {
  const subject =
    scope.subjects === 'all'
      ? tx`s.subject = ''`
      : scope.subjects === 'each'
        ? tx`s.subject <> ''`
        : tx`s.subject = ANY(${[...scope.subjects]}::text[]) AND s.subject <> ''`;
  return scope.allowed.reduce(
    (condition, { index, values }) =>
      tx`${condition} AND s.group_values[${index + 1}::int] = ANY(${[...values]}::text[])`,
    tx`s.build = ${scope.generation} AND ${subject}`,
  );
}

export function keyOf(tx: Executor, scope: UsageScope) {
  const subject = scope.groupBySubject ? tx`ARRAY[subject]` : tx`'{}'::text[]`;
  return scope.groupByIndexes.reduce(
    (key, index) => tx`${key} || group_values[${index + 1}::int]`,
    tx`${subject}`,
  );
}
