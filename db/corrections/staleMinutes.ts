import { minuteUs } from '@usage/lib/windows/units.ts';
import type { Executor, Transaction } from '../connection/connect.ts';
import { timesOf } from '../connection/times.ts';

/** Minutes that one meter may have stale at once: a query reads their events one by one. */
export const staleMinutesMax = 20_000;

/**
 * Marks the minutes of these times stale for every meter of the type; the caller holds the registry's lock shared, so that no
 * meter is made meanwhile. Returns the largest number of stale minutes that a meter has now.
 */
export async function markStale(
  tx: Transaction,
  namespace: string,
  type: string,
  timesUs: readonly number[],
): Promise<number> {
  const minutes = [...new Set(timesUs.map((us) => Math.floor(us / minuteUs) * minuteUs))].sort(
    (a, b) => a - b,
  );
  await tx`
    INSERT INTO stale_minutes AS s (generation, start)
    SELECT m.build, start FROM meters m, unnest(${timesOf(tx, minutes)}) AS start
    WHERE m.namespace = ${namespace} AND m.event_type = ${type} AND m.deleted_at IS NULL
    ORDER BY 1, 2
    ON CONFLICT (generation, start) DO UPDATE SET marks = s.marks + 1`;
  const [row] = await tx<{ most: number }[]>`
    SELECT coalesce(max(minutes), 0)::int AS most FROM (
      SELECT count(*) AS minutes FROM stale_minutes s JOIN meters m ON m.build = s.generation
      WHERE m.namespace = ${namespace} AND m.event_type = ${type} GROUP BY s.generation) counted`;
  return row!.most;
}

/** Generations with stale minutes whose rollups hold all that is stored, the one that has them longest first. */
export async function generationsWithStaleMinutes(sql: Executor): Promise<bigint[]> {
  const rows = await sql<{ generation: bigint }[]>`
    SELECT s.generation FROM stale_minutes s JOIN meters m ON m.build = s.generation
    WHERE m.deleted_at IS NULL AND m.backfilled_at IS NOT NULL GROUP BY 1 ORDER BY 1`;
  return rows.map(({ generation }) => generation);
}

/**
 * The stale minutes of a generation's first hour that has some, at most `minutesMax`, in µs since 1970, ascending; locked, so
 * that a correction that marks one of them again waits, and this transaction fails where one did so already.
 */
export async function lockStaleMinutes(
  tx: Transaction,
  generation: bigint,
  minutesMax: number,
): Promise<number[]> {
  const rows = await tx<{ us: number }[]>`
    SELECT (extract(epoch FROM start) * 1000000)::float8 AS us FROM stale_minutes
    WHERE generation = ${generation} AND start < date_trunc('hour', (
      SELECT min(start) FROM stale_minutes WHERE generation = ${generation}), 'UTC') + interval '1 hour'
    ORDER BY start LIMIT ${minutesMax} FOR UPDATE`;
  return rows.map(({ us }) => us);
}

export async function clearStaleMinutes(
  tx: Transaction,
  generation: bigint,
  minutesUs: readonly number[],
): Promise<void> {
  await tx`DELETE FROM stale_minutes WHERE generation = ${generation} AND start = ANY(${timesOf(tx, minutesUs)})`;
}

/** Of generations that no meter has any more. */
export async function dropDeadStaleMinutes(sql: Executor): Promise<void> {
  await sql`
    DELETE FROM stale_minutes s
    WHERE NOT EXISTS (SELECT FROM meters m WHERE m.build = s.generation AND m.deleted_at IS NULL)`;
}

/** Of all generations. */
export async function staleMinutes(sql: Executor): Promise<number> {
  const [row] = await sql<{ minutes: number }[]>`SELECT count(*)::int AS minutes FROM stale_minutes`;
  return row!.minutes;
}
