import type { Aggregation } from '@usage/lib/meter/meter.ts';
import type { Transaction } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';
import type { Closing } from './rollupDays.ts';
import { moreNames, summedMore, summedValue } from './rollups.ts';

/** Which days of a generation are made; µs since 1970, midnights UTC. */
export interface DaySpan {
  generation: bigint;
  fromUs: number;
  toUs: number;
}

/** Of the generation, from one on in the order of their ids: at most `seriesMax`. */
export async function seriesInOrder(
  tx: Transaction,
  generation: bigint,
  afterSeries: bigint,
  seriesMax: number,
): Promise<bigint[]> {
  const rows = await tx<{ id: bigint }[]>`
    SELECT id FROM series WHERE build = ${generation} AND id > ${afterSeries} ORDER BY id LIMIT ${seriesMax}`;
  return rows.map(({ id }) => id);
}

/** Makes the day cells of the series, which have none in the span yet. At most 24 hour cells a series and day are read. */
export async function makeDayCells(
  tx: Transaction,
  { fromUs, toUs }: DaySpan,
  aggregation: Aggregation,
  series: readonly bigint[],
): Promise<void> {
  await tx`
    INSERT INTO rollup_days (series_id, start, first_at, last_at, count, value ${moreNames(tx, aggregation)})
    SELECT series_id, date_trunc('day', start, 'UTC') AS day, min(first_at), max(last_at), sum(count), ${summedValue(tx, aggregation)}
           ${summedMore(tx, aggregation)}
    FROM rollup_hours
    WHERE series_id = ANY(${arrayText(series)}::text::bigint[]) AND start >= ${timeOf(tx, fromUs)} AND start < ${timeOf(tx, toUs)}
    GROUP BY series_id, day ORDER BY series_id, day`;
}

export interface UniquesMade {
  /** Distinct values of hours that were read. */
  rows: number;
  /** The last one, to go on after; undefined where none was read. */
  last: Closing['unique'];
}

/**
 * Adds the hours' distinct values to the days', of these series (ascending) and after the last one that was taken, in the order
 * of (series, start, value): at most `rowsMax` of them.
 */
export async function makeDayUniques(
  tx: Transaction,
  { fromUs, toUs }: DaySpan,
  series: readonly bigint[],
  after: Closing['unique'],
  rowsMax: number,
): Promise<UniquesMade> {
  const [made] = await tx<{ rows: number; series: bigint | null; start: string; value: string }[]>`
    WITH page AS MATERIALIZED (
      SELECT u.series_id, u.start, u.value
      FROM unnest(${arrayText(series)}::text::bigint[]) s (id) CROSS JOIN LATERAL (
        SELECT series_id, start, value FROM unique_hours
        WHERE series_id = s.id AND start >= ${timeOf(tx, fromUs)} AND start < ${timeOf(tx, toUs)}
          AND (start, value) > (CASE WHEN s.id = ${after?.series ?? 0n} THEN ${after?.start ?? '-infinity'}::text::timestamptz ELSE '-infinity' END,
                                CASE WHEN s.id = ${after?.series ?? 0n} THEN ${after?.value ?? ''} ELSE '' END)
        ORDER BY start, value LIMIT ${rowsMax}) u
      LIMIT ${rowsMax}
    ), made AS (
      INSERT INTO unique_days (series_id, start, value)
      SELECT DISTINCT series_id, date_trunc('day', start, 'UTC') AS day, value FROM page ORDER BY series_id, day, value
      ON CONFLICT DO NOTHING
    )
    SELECT (SELECT count(*)::int FROM page) AS rows, last.series_id AS series, last.start::text AS start, last.value
    FROM (SELECT 1) one LEFT JOIN LATERAL (
      SELECT * FROM page ORDER BY series_id DESC, start DESC, value DESC LIMIT 1) last ON true`;
  const { rows, series: lastSeries, start, value } = made!;
  return { rows, last: lastSeries === null ? undefined : { series: lastSeries, start, value } };
}

function arrayText(ids: readonly bigint[]): string {
  return `{${ids.join(',')}}`;
}
