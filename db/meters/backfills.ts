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

export interface BackfillProgress {
  /** The rollups have all events; queries read them. */
  is_done: boolean;
  events_done: number;
  events_total: number;
}

/** How far the rollups of a meter are made; undefined where there is no such meter. Reads every batch's row while they are not. */
export async function backfillProgress(
  sql: Executor,
  namespace: string,
  idOrSlug: string,
): Promise<BackfillProgress | undefined> {
  const [row] = await sql<BackfillProgress[]>`
    SELECT m.backfilled_at IS NOT NULL AS is_done, coalesce(b.done, 0)::float8 AS events_done,
           coalesce(b.total, 0)::float8 AS events_total
    FROM meters m
    LEFT JOIN LATERAL (
      SELECT sum(events) AS total, sum(events) FILTER (WHERE id <= m.backfill_after) AS done
      FROM batches WHERE m.backfilled_at IS NULL AND meters_version < m.build_version
    ) b ON true
    WHERE m.namespace = ${namespace} AND (m.slug = ${idOrSlug} OR m.id = ${idOrSlug}) AND m.deleted_at IS NULL
    ORDER BY m.slug = ${idOrSlug} DESC LIMIT 1`;
  return row;
}
