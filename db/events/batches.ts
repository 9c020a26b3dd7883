import type { Executor, Sql } from '../connection/connect.ts';
import { type Incarnation, incarnation } from '../connection/incarnation.ts';

/** Chunks and partitions are dropped by jobs that may run late. */
const dropLagDays = 2;

export interface BatchRow {
  id: bigint;
  processor: string;
  metersVersion: bigint;
  events: number;
  duplicates: number;
  arrivedFromMs: number;
  arrivedToMs: number;
  /** Where the keys of its events are. */
  identityTable: number;
}

/** The sequence's increment: a block of this many ids belongs to who asked. */
export const batchIdBlock = 64n;

/** The first id of a block of batchIdBlock ids, which is the caller's as long as the incarnation lasts. */
export async function takeBatchIds(sql: Sql): Promise<{ first: bigint; incarnation: Incarnation }> {
  const [row] = await sql<{ first: bigint; incarnation: Incarnation }[]>`
    SELECT nextval('batch_ids') AS first, ${incarnation(sql)} AS incarnation`;
  return row!;
}

/** The caller describes what it holds in the same transaction (batchTypes.ts). */
export async function insertBatch(sql: Executor, batch: BatchRow): Promise<void> {
  await sql`
    INSERT INTO batches (id, processor, meters_version, events, duplicates, arrived_from, arrived_to, described,
                         identity_table)
    VALUES (${batch.id}, ${batch.processor}, ${batch.metersVersion}, ${batch.events}, ${batch.duplicates},
            to_timestamp(${batch.arrivedFromMs}::float8 / 1000), to_timestamp(${batch.arrivedToMs}::float8 / 1000), true,
            ${batch.identityTable})`;
}

/** Those of the ids that a batch of the processor was committed under. */
export async function committedBatches(
  sql: Executor,
  processor: string,
  ids: readonly bigint[],
): Promise<bigint[]> {
  const rows = await sql<{ id: bigint }[]>`
    SELECT id FROM batches WHERE id = ANY(${ids.map(String)}::bigint[]) AND processor = ${processor}`;
  return rows.map(({ id }) => id);
}

/**
 * Forgets batches whose events are all past the retention and dropped, with what batch_types says of them: the oldest, at most
 * `batchesMax` in one transaction. Returns how many. A day's chunk goes up to storage_settings.period_days later.
 */
export async function dropOldBatches(sql: Sql, retentionDays: number, batchesMax: number): Promise<number> {
  return (await sql.begin(async (tx) => {
    const old = await tx<{ id: bigint }[]>`
      SELECT id FROM batches, storage_settings
      WHERE described AND arrived_to < now() - make_interval(days => ${retentionDays}::int + period_days + ${dropLagDays}::int)
      ORDER BY arrived_to, id LIMIT ${batchesMax} FOR UPDATE OF batches SKIP LOCKED`;
    if (old.length === 0) return 0;
    const ids = old.map(({ id }) => id).sort((a, b) => (a < b ? -1 : 1));
    // The range is what the block range index can use.
    await tx`
      DELETE FROM batch_types
      WHERE batch_id BETWEEN ${ids[0]!} AND ${ids.at(-1)!} AND batch_id = ANY(${ids.map(String)}::bigint[])`;
    await tx`DELETE FROM backfill_batches WHERE batch_id = ANY(${ids.map(String)}::bigint[])`;
    await tx`DELETE FROM batches WHERE id = ANY(${ids.map(String)}::bigint[])`;
    return ids.length;
  })) as number;
}
