import type { Executor, Transaction } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';

/** How far the day rows of a generation are made; times in µs since 1970, midnights UTC. */
export interface DaysClosed {
  /** The day rows before it say what the hour rows say. 0: no day is closed. */
  beforeUs: number;
  /** What is half done after that; undefined: nothing. */
  closing: Closing | undefined;
}

/** The day rows from beforeUs to `toUs` are being made: first distinct values, then cells, both in the order of the series. */
export interface Closing {
  toUs: number;
  /** The last distinct value that was taken; undefined before the first. */
  unique: { series: bigint; start: string; value: string } | undefined;
  /** The cells of the series up to this one are made; undefined while distinct values are. */
  cellsSeries: bigint | undefined;
}

/** Undefined while no day was ever closed. */
export async function daysClosed(sql: Executor, generation: bigint): Promise<DaysClosed | undefined> {
  const [row] = await closedRow(sql, generation);
  return row && toDaysClosed(row);
}

/** The same, and nobody changes it until the transaction ends; SQLSTATE 40001 where somebody has since its snapshot. */
export async function lockDaysClosed(tx: Transaction, generation: bigint): Promise<DaysClosed | undefined> {
  const [row] = await tx<ClosedRow[]>`${closedRow(tx, generation)} FOR UPDATE`;
  return row && toDaysClosed(row);
}

function closedRow(sql: Executor, generation: bigint) {
  return sql<ClosedRow[]>`
    SELECT (extract(epoch FROM before) * 1000000)::float8 AS before_us,
           (extract(epoch FROM closing_to) * 1000000)::float8 AS to_us,
           unique_series, unique_start::text, unique_value, cells_series
    FROM rollup_days_closed WHERE build = ${generation}`;
}

function toDaysClosed(row: ClosedRow): DaysClosed {
  const { before_us: beforeUs, to_us: toUs, unique_series: series, cells_series: cellsSeries } = row;
  if (toUs === null) return { beforeUs, closing: undefined };
  const unique = series === null ? undefined : { series, start: row.unique_start!, value: row.unique_value! };
  return { beforeUs, closing: { toUs, unique, cellsSeries: cellsSeries ?? undefined } };
}

interface ClosedRow {
  before_us: number;
  to_us: number | null;
  unique_series: bigint | null;
  unique_start: string | null;
  unique_value: string | null;
  cells_series: bigint | null;
}

/** The caller holds the generation's lock, and has made the day rows that this says are there. */
export async function setDaysClosed(
  tx: Transaction,
  generation: bigint,
  { beforeUs, closing }: DaysClosed,
): Promise<void> {
  const unique = closing?.unique;
  await tx`
    INSERT INTO rollup_days_closed AS c (build, before, closing_to, unique_series, unique_start, unique_value, cells_series)
    VALUES (${generation}, ${timeOf(tx, beforeUs)}, ${closing ? timeOf(tx, closing.toUs) : null}, ${unique?.series ?? null},
            ${unique?.start ?? null}::text::timestamptz, ${unique?.value ?? null}, ${closing?.cellsSeries ?? null})
    ON CONFLICT (build) DO UPDATE SET
      (before, closing_to, unique_series, unique_start, unique_value, cells_series) =
      (excluded.before, excluded.closing_to, excluded.unique_series, excluded.unique_start, excluded.unique_value, excluded.cells_series)`;
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

/**
 * The first hour that the generation's rollups hold from an instant on, in µs since 1970. Asked of the series of all subjects
 * together alone: they have an hour wherever any series has one, and are as many as there are groups.
 */
export async function firstHour(
  tx: Executor,
  generation: bigint,
  fromUs: number,
): Promise<number | undefined> {
  const [row] = await tx<{ us: number | null }[]>`
    SELECT (extract(epoch FROM min(h.start)) * 1000000)::float8 AS us
    FROM series s CROSS JOIN LATERAL (
      SELECT start FROM rollup_hours WHERE series_id = s.id AND start >= ${timeOf(tx, fromUs)} ORDER BY start LIMIT 1
    ) h
    WHERE s.build = ${generation} AND s.subject = ''`;
  return row!.us ?? undefined;
}

/** Whether an aggregator of before bounded closing runs: its merges know nothing of days that are half made. */
export async function olderAggregatorRuns(sql: Executor): Promise<boolean> {
  const [row] = await sql<{ runs: boolean }[]>`
    SELECT EXISTS (
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'aggregator') AS runs`;
  return row!.runs;
}
