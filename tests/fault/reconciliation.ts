import type { ReservedSql } from 'postgres';
import { findLeftovers } from './leftovers.ts';
import { amountHundredths } from './load.ts';
import { askTotal, metersOf } from './meters.ts';
import { addUpRaw, checkRollups } from './rollupReconciliation.ts';
import type { Stack } from './stack.ts';

export interface Reconciliation {
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

/**
 * Closes the reconciliation of a round: `numbered` events were all answered 2xx, so every one is stored once, the rollups are
 * what the raw rows add up to, and nothing is left over anywhere.
 */
export async function closeReconciliation(
  stack: Stack,
  round: { type: string; numbered: number; since: string },
): Promise<Reconciliation> {
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

/** The sum that the driver knows, asked of the API; what differs, in sentences. */
export async function checkTotal(stack: Stack, round: { type: string; numbered: number }): Promise<string[]> {
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
