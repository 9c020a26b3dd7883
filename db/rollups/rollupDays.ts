import { type Aggregation, keptValues } from '@usage/lib/meter/meter.ts';
import type { Executor, Transaction } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';
import { summedValue } from './rollups.ts';

/** Midnight UTC before which the generation's day rows say what its hour rows say; undefined while no day is closed. */
export async function daysClosedBefore(sql: Executor, generation: bigint): Promise<number | undefined> {
  const [row] = await sql<{ us: number }[]>`
    SELECT (extract(epoch FROM before) * 1000000)::float8 AS us FROM rollup_days_closed WHERE build = ${generation}`;
  return row?.us;
}

/** The caller holds the generation's lock, and has made the rows of all days before. */
export async function setDaysClosedBefore(
  tx: Transaction,
  generation: bigint,
  beforeUs: number,
): Promise<void> {
  await tx`
    INSERT INTO rollup_days_closed (build, before) VALUES (${generation}, ${timeOf(tx, beforeUs)})
    ON CONFLICT (build) DO UPDATE SET before = excluded.before`;
}

/** Generations in use, with all batches in, of which days before an instant are not closed. */
export async function generationsWithOpenDays(sql: Executor, beforeUs: number): Promise<bigint[]> {
  const rows = await sql<{ generation: bigint }[]>`
    SELECT build AS generation FROM meters m
    WHERE deleted_at IS NULL AND backfilled_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM rollup_days_closed c WHERE c.build = m.build AND c.before >= ${timeOf(sql, beforeUs)})
    ORDER BY build`;
  return rows.map((row) => row.generation);
}

/** How many series the generation has, and the first hour that any of them has from an instant on. */
export async function nextHour(
  tx: Executor,
  generation: bigint,
  fromUs: number,
): Promise<{ series: number; firstUs: number | undefined }> {
  const [row] = await tx<{ series: number; first_us: number | null }[]>`
    SELECT count(*)::int AS series, (extract(epoch FROM min(h.start)) * 1000000)::float8 AS first_us
    FROM series s LEFT JOIN LATERAL (
      SELECT start FROM rollup_hours WHERE series_id = s.id AND start >= ${timeOf(tx, fromUs)} ORDER BY start LIMIT 1
    ) h ON true
    WHERE s.build = ${generation}`;
  return { series: row!.series, firstUs: row!.first_us ?? undefined };
}

/** Which days of which series are made in one statement. */
export interface DayStretch {
  generation: bigint;
  aggregation: Aggregation;
  fromUs: number;
  toUs: number;
  /** The series after this one, in order of their ids, up to `seriesMax`. */
  afterSeries: bigint;
  seriesMax: number;
}

/** Makes the rows of days that have none yet; returns the last series, undefined where there was none left. */
export async function makeDays(tx: Transaction, stretch: DayStretch): Promise<bigint | undefined> {
  const { generation, aggregation, fromUs, toUs, afterSeries, seriesMax } = stretch;
  const [series] = await tx<{ ids: string; last: bigint | null }[]>`
    SELECT array_agg(id)::text AS ids, max(id) AS last
    FROM (SELECT id FROM series WHERE build = ${generation} AND id > ${afterSeries} ORDER BY id LIMIT ${seriesMax}) s`;
  if (series?.last == null) return undefined;
  const hours = tx`
    series_id = ANY(${series.ids}::text::bigint[]) AND start >= ${timeOf(tx, fromUs)} AND start < ${timeOf(tx, toUs)}`;
  await tx`
    INSERT INTO rollup_days (series_id, start, first_at, last_at, count, value)
    SELECT series_id, date_trunc('day', start, 'UTC') AS day, min(first_at), max(last_at), sum(count), ${summedValue(tx, aggregation)}
    FROM rollup_hours WHERE ${hours} GROUP BY series_id, day ORDER BY series_id, day`;
  if (keptValues[aggregation] === 'distinct')
    await tx`
      INSERT INTO unique_days (series_id, start, value)
      SELECT DISTINCT series_id, date_trunc('day', start, 'UTC') AS day, value
      FROM unique_hours WHERE ${hours} ORDER BY series_id, day, value`;
  return series.last;
}
