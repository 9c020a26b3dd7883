import type { Fragment } from 'postgres';
import type { Executor } from '../connection/connect.ts';
import { timeOf } from '../connection/times.ts';

/**
 * Whether the events of a batch count: all do but those of backfills that aren't closed, or are reverted; as of a moment (µs
 * since 1970) where that is given.
 */
export function countedBatch(sql: Executor, batchId: Fragment, asOfUs?: number): Fragment {
  const isCounted =
    asOfUs === undefined
      ? sql`f.closed_at IS NOT NULL AND f.reverted_at IS NULL`
      : sql`f.closed_at < ${timeOf(sql, asOfUs)} AND (f.reverted_at IS NULL OR f.reverted_at >= ${timeOf(sql, asOfUs)})`;
  return sql`NOT EXISTS (
    SELECT FROM backfill_batches o JOIN event_backfills f ON f.number = o.backfill
    WHERE o.batch_id = ${batchId} AND (${isCounted}) IS NOT TRUE)`;
}

/** The backfill that an event was sent under. */
export interface EventBackfill {
  id: string;
  /** The event counts only while it is closed. */
  state: 'open' | 'closed' | 'reverted';
}

/** By batch; batches of no backfill are left out. */
export async function backfillsOf(
  sql: Executor,
  batchIds: readonly bigint[],
): Promise<Map<bigint, EventBackfill>> {
  const rows = await sql<{ batch_id: bigint; id: string; state: EventBackfill['state'] }[]>`
    SELECT o.batch_id, f.id, CASE WHEN f.reverted_at IS NOT NULL THEN 'reverted'
                                  WHEN f.closed_at IS NOT NULL THEN 'closed' ELSE 'open' END AS state
    FROM backfill_batches o JOIN event_backfills f ON f.number = o.backfill
    WHERE o.batch_id = ANY(${batchIds.map(String)}::bigint[])`;
  return new Map(rows.map(({ batch_id: batchId, id, state }) => [batchId, { id, state }]));
}
