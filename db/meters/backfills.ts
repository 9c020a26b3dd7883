import { countedBatch } from '../backfills/counted.ts';
import type { Executor, Transaction } from '../connection/connect.ts';

/** The generations whose rollups lack batches that were stored before them, the oldest first. */
export async function openBackfills(sql: Executor, generationsMax: number): Promise<bigint[]> {
  const rows = await sql<{ generation: bigint }[]>`
    SELECT build AS generation FROM meters WHERE backfilled_at IS NULL AND deleted_at IS NULL
    ORDER BY build LIMIT ${generationsMax}`;
  return rows.map(({ generation }) => generation);
}

/**
 * Makes this transaction the only one that reads batches for the generation; false when another is at it. No row of meters is
 * locked: whoever changes or deletes the meter holds the registry's lock, and all commits of batches would wait as well.
 */
export async function tryLockBackfill(tx: Transaction, generation: bigint): Promise<boolean> {
  const [row] = await tx<{ locked: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(hashtextextended('usage.backfill ' || ${String(generation)}::text, 0)) AS locked`;
  return row!.locked;
}

/** A batch that may hold events for the backfill. */
export interface BackfillBatch {
  id: bigint;
  /** Of the type; of all types where the batch isn't described. */
  events: number;
}

export interface BackfillBatches {
  /** In order; none where the ones looked at came with deltas. */
  batches: BackfillBatch[];
  /** The last batch that was looked at; undefined when none is left. */
  last: bigint | undefined;
}

/**
 * The next batches after one that hold events of the type and were stored without deltas of the generation, and those that
 * may (not described: db/events/batchTypes.ts); at most `batchesMax` are looked at. Batches of event backfills that don't count
 * are left out: closing one marks its minutes stale.
 */
export async function nextBackfillBatches(
  tx: Executor,
  of: { namespace: string; type: string; afterBatch: bigint; versionBelow: bigint; batchesMax: number },
): Promise<BackfillBatches> {
  const rows = await tx<{ id: bigint; events: number; open: boolean }[]>`
    SELECT found.batch_id AS id, found.events, coalesce(b.meters_version < ${of.versionBelow}, false) AND ${countedBatch(tx, tx`found.batch_id`)} AS open
    FROM (
      (SELECT batch_id, events FROM batch_types
       WHERE namespace = ${of.namespace} AND type = ${of.type} AND batch_id > ${of.afterBatch} ORDER BY batch_id LIMIT ${of.batchesMax})
      UNION ALL
      (SELECT id, events FROM batches WHERE NOT described AND id > ${of.afterBatch} ORDER BY id LIMIT ${of.batchesMax})
    ) found LEFT JOIN batches b ON b.id = found.batch_id
    ORDER BY 1 LIMIT ${of.batchesMax}`;
  return {
    batches: rows.filter(({ open }) => open).map(({ id, events }) => ({ id, events })),
    last: rows.at(-1)?.id,
  };
}

/** False where the meter was deleted or has a newer generation: then nothing of it may be committed. */
export async function advanceBackfill(
  tx: Executor,
  generation: bigint,
  afterBatch: bigint,
): Promise<boolean> {
  const { count } = await tx`
    UPDATE meters SET backfill_after = ${afterBatch} WHERE build = ${generation} AND deleted_at IS NULL`;
  return count > 0;
}

export async function finishBackfill(tx: Executor, generation: bigint): Promise<void> {
  await tx`UPDATE meters SET backfilled_at = now() WHERE build = ${generation} AND deleted_at IS NULL`;
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
