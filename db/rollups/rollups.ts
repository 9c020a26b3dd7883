import { type Aggregation, keptValues } from '@usage/lib/meter/meter.ts';
import type { Executor, Transaction } from '../connection/connect.ts';

/** Cells to be added to a rollup table, column by column, sorted by series and start. */
export interface RollupColumns {
  series: number[];
  /** Minutes since 1970 at which the cell's window starts. */
  startMinutes: number[];
  firstUs: number[];
  lastUs: number[];
  counts: number[];
  /** Decimal text; null for COUNT, UNIQUE_COUNT and PERCENTILE. */
  values: (string | null)[];
  /** PERCENTILE: JSON of bins and counts; else empty. */
  sketches: string[];
  /** WEIGHTED_SUM: decimal texts; else empty. */
  moments: string[];
}

export type Grain = 'minute' | 'hour' | 'day';

export function rollupTable(sql: Executor, grain: Grain) {
  switch (grain) {
    case 'minute':
      return sql`rollup_minutes`;
    case 'hour':
      return sql`rollup_hours`;
    case 'day':
      return sql`rollup_days`;
    default:
      return grain satisfies never;
  }
}

/** Of the distinct values of UNIQUE_COUNT, and the points of WEIGHTED_LATEST. */
export function uniqueTable(sql: Executor, grain: Grain) {
  switch (grain) {
    case 'minute':
      return sql`unique_minutes`;
    case 'hour':
      return sql`unique_hours`;
    case 'day':
      return sql`unique_days`;
    default:
      return grain satisfies never;
  }
}

/** Adds cells to the rollups of a grain. The same as mergeCell of lib/cells/cell.ts, in SQL. */
export async function addToRollups(
  tx: Transaction,
  grain: Grain,
  aggregation: Aggregation,
  cells: RollupColumns,
): Promise<void> {
  if (cells.series.length === 0) return;
  const more = moreNames(tx, aggregation);
  await tx`
    INSERT INTO ${rollupTable(tx, grain)} AS r (series_id, start, first_at, last_at, count, value ${more})
    SELECT series_id, to_timestamp(start_minute::float8 * 60),
           TIMESTAMPTZ 'epoch' + first_us * INTERVAL '1 microsecond', TIMESTAMPTZ 'epoch' + last_us * INTERVAL '1 microsecond',
           count, value ${more}
    FROM unnest(${arrayText(cells.series)}::text::bigint[], ${arrayText(cells.startMinutes)}::text::int[],
                ${arrayText(cells.firstUs)}::text::float8[], ${arrayText(cells.lastUs)}::text::float8[],
                ${arrayText(cells.counts)}::text::bigint[], ${arrayText(cells.values)}::text::numeric[] ${moreArrays(tx, aggregation, cells)})
      AS c (series_id, start_minute, first_us, last_us, count, value ${more})
    ON CONFLICT (series_id, start) DO UPDATE SET
      first_at = least(r.first_at, excluded.first_at),
      last_at = greatest(r.last_at, excluded.last_at),
      count = r.count + excluded.count,
      value = ${mergedValue(tx, aggregation)} ${mergedMore(tx, aggregation)}`;
}

/** An array of numbers as PostgreSQL writes it; postgres.js would quote and escape every element. */
function arrayText(values: readonly (number | string | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

function mergedValue(tx: Transaction, aggregation: Aggregation) {
  switch (aggregation) {
    case 'SUM':
    case 'AVG':
    case 'WEIGHTED_SUM':
      return tx`r.value + excluded.value`;
    case 'MIN':
      return tx`least(r.value, excluded.value)`;
    case 'MAX':
      return tx`greatest(r.value, excluded.value)`;
    case 'LATEST':
    case 'WEIGHTED_LATEST':
      return tx`CASE WHEN (excluded.last_at, excluded.value) > (r.last_at, r.value) THEN excluded.value ELSE r.value END`;
    case 'COUNT':
    case 'UNIQUE_COUNT':
    case 'PERCENTILE':
      return tx`NULL`;
    default:
      return aggregation satisfies never;
  }
}

/** The value of many cells together; of sums of cells as well. The same as mergeCell of lib/cells/cell.ts, in SQL. */
export function summedValue(tx: Executor, aggregation: Aggregation) {
  switch (aggregation) {
    case 'SUM':
    case 'AVG':
    case 'WEIGHTED_SUM':
      return tx`sum(value)`;
    case 'MIN':
      return tx`min(value)`;
    case 'MAX':
      return tx`max(value)`;
    case 'LATEST':
    case 'WEIGHTED_LATEST':
      return tx`(array_agg(value ORDER BY last_at DESC, value DESC))[1]`;
    case 'COUNT':
    case 'UNIQUE_COUNT':
    case 'PERCENTILE':
      return tx`NULL::numeric`;
    default:
      return aggregation satisfies never;
  }
}

/** The names of what cells keep beside their value, each after a comma; nothing for most aggregations. */
export function moreNames(tx: Executor, aggregation: Aggregation) {
  switch (keptValues[aggregation]) {
    case 'sketch':
      return tx`, sketch`;
    case 'area':
      return tx`, moment`;
    default:
      return tx``;
  }
}

function moreArrays(tx: Transaction, aggregation: Aggregation, { sketches, moments }: RollupColumns) {
  switch (keptValues[aggregation]) {
    case 'sketch':
      return tx`, ${sketches}::text[]::jsonb[]`;
    case 'area':
      return tx`, ${arrayText(moments)}::text::numeric[]`;
    default:
      return tx``;
  }
}

function mergedMore(tx: Transaction, aggregation: Aggregation) {
  switch (keptValues[aggregation]) {
    case 'sketch':
      return tx`, sketch = merged_sketch(jsonb_build_array(r.sketch, excluded.sketch))`;
    case 'area':
      return tx`, moment = r.moment + excluded.moment`;
    default:
      return tx``;
  }
}

/** The same of many cells together, beside summedValue. */
export function summedMore(tx: Executor, aggregation: Aggregation) {
  switch (keptValues[aggregation]) {
    case 'sketch':
      // A cell by itself, as most are where windows are as long as cells, needs no call of the function.
      return tx`, CASE WHEN count(*) = 1 THEN (array_agg(sketch))[1] ELSE merged_sketch(jsonb_agg(sketch)) END AS sketch`;
    case 'area':
      return tx`, sum(moment) AS moment`;
    default:
      return tx``;
  }
}

export interface UniqueColumns {
  series: number[];
  startMinutes: number[];
  values: string[];
}

/** Adds distinct values to those of a grain. */
export async function addUniques(tx: Transaction, grain: Grain, uniques: UniqueColumns): Promise<void> {
  if (uniques.series.length === 0) return;
  await tx`
    INSERT INTO ${uniqueTable(tx, grain)} (series_id, start, value)
    SELECT series_id, to_timestamp(start_minute::float8 * 60), value
    FROM unnest(${arrayText(uniques.series)}::text::bigint[], ${arrayText(uniques.startMinutes)}::text::int[], ${uniques.values}::text[])
      AS u (series_id, start_minute, value)
    ON CONFLICT DO NOTHING`;
}
