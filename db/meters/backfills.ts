import type { Executor, Transaction } from '../connection/connect.ts';

export interface Backfill {
  id: string;
  namespace: string;
  generation: bigint;
  generation_version: bigint;
  backfill_after: bigint;
}

/** A meter whose rollups lack the batches stored before it, for this transaction alone. */
export async function lockBackfill(tx: Transaction): Promise<Backfill | undefined> {
  const [row] = await tx<Backfill[]>`
    SELECT id, namespace, build AS generation, build_version AS generation_version, backfill_after FROM meters
    WHERE backfilled_at IS NULL AND deleted_at IS NULL
    ORDER BY build LIMIT 1 FOR UPDATE SKIP LOCKED`;
  return row;
}

/**
 * The last batch of the next stretch to read: batches of older meters after the given one, in order, until they hold
 * `eventsMax` events. Undefined when none is left.
 */
export async function nextStretch(
  tx: Executor,
  of: { afterBatch: bigint; versionBelow: bigint; eventsMax: number },
): Promise<bigint | undefined> {
  const [row] = await tx<{ last: bigint | null }[]>`
    SELECT max(id) AS last FROM (
      SELECT id, sum(events) OVER (ORDER BY id) - events AS before
      FROM (SELECT id, events FROM batches WHERE id > ${of.afterBatch} AND meters_version < ${of.versionBelow} ORDER BY id LIMIT 1000) b
    ) running WHERE before < ${of.eventsMax}`;
  return row?.last ?? undefined;
}

export async function advanceBackfill(tx: Executor, meterId: string, afterBatch: bigint): Promise<void> {
  await tx`UPDATE meters SET backfill_after = ${afterBatch} WHERE id = ${meterId}`;
}

export async function finishBackfill(tx: Executor, meterId: string): Promise<void> {
  await tx`UPDATE meters SET backfilled_at = now() WHERE id = ${meterId}`;
}
