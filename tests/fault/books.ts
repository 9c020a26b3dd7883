import type { ReservedSql } from 'postgres';
import { amountHundredths } from './load.ts';
import { askTotal, metersOf } from './meters.ts';
import { addUpRaw, checkRollups } from './rollupBooks.ts';
import type { Stack } from './stack.ts';

export interface Books {
  /** Rows of the round. */
  stored: number;
  /** Left out by the processors because their identity was stored. */
  duplicates: number;
  /** Answered 2xx and not there. */
  lost: number;
  /** Rows beyond the first of an event. */
  doubled: number;
  /** Everything else that doesn't add up, in sentences. */
  faults: string[];
}

const streamKey = '{usage}:events';
const group = 'processors';
/** Pool sizes of all apps together, doubled: beyond it connections leak. */
const connectionsMax = 80;

/**
 * Closes the books of a round: `numbered` events were all answered 2xx, so every one is stored once, the rollups are
 * what the raw rows add up to, and nothing is left over anywhere.
 */
export async function closeBooks(
  stack: Stack,
  round: { type: string; numbered: number; since: string },
): Promise<Books> {
  const sql = (await stack.sql.reserve()) as ReservedSql<{ bigint: bigint }>;
  try {
    await sql`SET work_mem = '128MB'`;
    await sql`
      CREATE TEMPORARY TABLE round AS
      SELECT (data ->> 'n')::int AS n, (data ->> 'amount')::numeric AS amount, data ->> 'model' AS model,
             data ->> 'user' AS "user", subject, time
      FROM events WHERE type = ${round.type}`;
    const [counts] = await sql<{ stored: number; numbers: number; in_range: number }[]>`
      SELECT count(*)::int AS stored, count(DISTINCT n)::int AS numbers,
             (count(DISTINCT n) FILTER (WHERE n < ${round.numbered}))::int AS in_range FROM round`;
    const [batches] = await sql<{ duplicates: number }[]>`
      SELECT coalesce(sum(duplicates), 0)::int AS duplicates FROM batches WHERE stored_at >= ${round.since}::text::timestamptz`;
    const { stored, numbers, in_range: inRange } = counts!;
    const faults: string[] = [];
    await addUpRaw(sql);
    for (const meter of metersOf(round.type)) faults.push(...(await checkRollups(sql, meter)));
    await sql`DROP TABLE round, sums`;
    if (numbers !== inRange) faults.push(`${numbers - inRange} events are stored that were never sent`);
    const lost = round.numbered - inRange;
    if (lost === 0) faults.push(...(await checkTotal(stack, round)));
    faults.push(...(await findLeftovers(stack)));
    return { stored, duplicates: batches!.duplicates, lost, doubled: stored - numbers, faults };
  } finally {
    sql.release();
  }
}

/** The sum that the driver knows, asked of the API. */
async function checkTotal(stack: Stack, round: { type: string; numbered: number }): Promise<string[]> {
  let hundredths = 0;
  for (let n = 0; n < round.numbered; n++) hundredths += amountHundredths(n);
  const faults: string[] = [];
  for (const windowSize of [undefined, 'HOUR', 'DAY'] as const) {
    const answered = await askTotal(stack, metersOf(round.type)[0]!.slug, windowSize);
    if (Math.round(answered * 100) !== hundredths)
      faults.push(
        `the API answers a total of ${answered} (windows: ${windowSize ?? 'none'}), the driver knows ${hundredths / 100}`,
      );
  }
  return faults;
}

/** What a round must not leave behind. */
async function findLeftovers(stack: Stack): Promise<string[]> {
  const faults: string[] = [];
  const frames = await stack.admin.xlen(streamKey);
  if (frames > 0) faults.push(`${frames} frames are left in the stream`);
  const pending = (await stack.admin.xpending(streamKey, group).catch(() => [0])) as [number];
  if (pending[0] > 0) faults.push(`${pending[0]} frames are pending`);
  const [accepted, settled] = await stack.admin.mget('{usage}:accepted', '{usage}:settled');
  if (accepted !== settled)
    faults.push(`the stream's counters disagree: ${accepted} accepted, ${settled} settled`);
  const [left] = await stack.sql<
    {
      temporary: number;
      prepared: number;
      waiting: number;
      advisory: number;
      connections: number;
      strange: string | null;
    }[]
  >`
    SELECT (SELECT count(*)::int FROM pg_class WHERE relpersistence = 't' AND relkind = 'r') AS temporary,
           (SELECT count(*)::int FROM pg_prepared_xacts) AS prepared,
           (SELECT count(*)::int FROM pg_locks WHERE NOT granted) AS waiting,
           (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND pid IN (SELECT pid FROM pg_stat_activity WHERE state LIKE 'idle in%' AND now() - state_change > INTERVAL '1 second')) AS advisory,
           (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database()) AS connections,
           (SELECT string_agg(application_name || ': ' || state || ' since ' || (now() - xact_start), ', ') FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend' AND xact_start < now() - INTERVAL '5 seconds') AS strange`;
  const { temporary, prepared, waiting, advisory, connections, strange } = left!;
  if (temporary > 0) faults.push(`${temporary} temporary tables are left`);
  if (prepared > 0) faults.push(`${prepared} prepared transactions are left`);
  if (waiting > 0) faults.push(`${waiting} locks are waited for`);
  if (advisory > 0) faults.push(`${advisory} advisory locks are held by idle transactions`);
  if (connections > connectionsMax) faults.push(`${connections} connections are open`);
  if (strange) faults.push(`transactions are left open: ${strange}`);
  return faults;
}
