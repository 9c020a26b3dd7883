import { type Aggregation, keepsTexts } from '@usage/lib/meter/meter.ts';
import type { Transaction } from '../connection/connect.ts';
import { timeOf, timesOf } from '../connection/times.ts';
import { type Grain, moreNames, rollupTable, summedMore, summedValue, uniqueTable } from './rollups.ts';

/** Deletes the cells and distinct values of a generation's minutes (µs since 1970); returns the series that had some. */
export async function deleteMinutes(
  tx: Transaction,
  generation: bigint,
  minutesUs: readonly number[],
): Promise<number[]> {
  const ofGeneration = tx`
    series_id IN (SELECT id FROM series WHERE build = ${generation}) AND start = ANY(${timesOf(tx, minutesUs)})`;
  await tx`DELETE FROM unique_minutes WHERE ${ofGeneration}`;
  const rows = await tx<{ id: number }[]>`
    DELETE FROM rollup_minutes WHERE ${ofGeneration} RETURNING series_id::float8 AS id`;
  return [...new Set(rows.map(({ id }) => id))];
}

/** Makes the hour cells of some series anew from their minutes. */
export async function remakeHour(
  tx: Transaction,
  aggregation: Aggregation,
  series: readonly number[],
  hourUs: number,
): Promise<void> {
  await remake(tx, aggregation, series, { from: 'minute', to: 'hour', startUs: hourUs, length: '1 hour' });
}

/** Makes the day cells of some series anew from their hours. */
export async function remakeDay(
  tx: Transaction,
  aggregation: Aggregation,
  series: readonly number[],
  dayUs: number,
): Promise<void> {
  await remake(tx, aggregation, series, { from: 'hour', to: 'day', startUs: dayUs, length: '1 day' });
}

async function remake(
  tx: Transaction,
  aggregation: Aggregation,
  series: readonly number[],
  { from, to, startUs, length }: { from: Grain; to: Grain; startUs: number; length: string },
): Promise<void> {
  if (series.length === 0) return;
  const start = timeOf(tx, startUs);
  const ofSeries = tx`series_id = ANY(${`{${series.join(',')}}`}::text::bigint[])`;
  const within = tx`${ofSeries} AND start >= ${start} AND start < ${start} + ${length}::text::interval`;
  await tx`DELETE FROM ${rollupTable(tx, to)} WHERE ${ofSeries} AND start = ${start}`;
  await tx`
    INSERT INTO ${rollupTable(tx, to)} (series_id, start, first_at, last_at, count, value ${moreNames(tx, aggregation)})
    SELECT series_id, ${start}, min(first_at), max(last_at), sum(count), ${summedValue(tx, aggregation)}
           ${summedMore(tx, aggregation)}
    FROM ${rollupTable(tx, from)} WHERE ${within} GROUP BY series_id ORDER BY series_id`;
  if (!keepsTexts(aggregation)) return;
  await tx`DELETE FROM ${uniqueTable(tx, to)} WHERE ${ofSeries} AND start = ${start}`;
  await tx`
    INSERT INTO ${uniqueTable(tx, to)} (series_id, start, value)
    SELECT DISTINCT series_id, ${start}, value FROM ${uniqueTable(tx, from)} WHERE ${within} ORDER BY 1, 3`;
}
