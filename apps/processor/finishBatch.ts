import { insertBackfillBatch } from '@usage/db/backfills/storing.ts';
import type { Transaction } from '@usage/db/connection/connect.ts';
import { insertBatch } from '@usage/db/events/batches.ts';
import { insertBatchTypes } from '@usage/db/events/batchTypes.ts';
import type { IdentityTables } from '@usage/db/events/identityTables.ts';
import { readRegistryShared } from '@usage/db/meters/registry.ts';
import { insertDeltas } from '@usage/db/rollups/deltas.ts';
import type { Row } from './batch.ts';
import { contributionOf, joined } from './meters.ts';
import { Outdated, type Plan } from './prepared.ts';
import type { Remembered } from './remembered.ts';

/** A batch whose keys and events are in place. */
interface Written {
  plan: Plan;
  /** Whose open table holds the keys. */
  tables: IdentityTables;
  /** Doubtful rows that were stored after all. */
  added: readonly Row[];
  /** All that were stored. */
  stored: readonly Row[];
  /** Number of the backfill that they are of: nothing of them counts yet. */
  backfill?: bigint;
}

/**
 * The last statements of a batch's transaction: what is certain only under the registry's lock, and what depends on it. Throws
 * Outdated where what was remembered of the database is not so any more.
 */
export async function finishBatch(
  tx: Transaction,
  remembered: Remembered,
  processor: string,
  { plan, tables, added, stored, backfill }: Written,
): Promise<void> {
  const { rows, extent, batchId, meters } = plan;
  const { version, token, incarnation, identityTable } = await readRegistryShared(tx);
  remembered.keepOnly(incarnation);
  if (incarnation !== batchId.incarnation)
    throw new Outdated('the database is another one than when the batch was begun');
  if (incarnation !== tables.incarnation || identityTable !== tables.open) {
    remembered.forgetTables();
    throw new Outdated('the identity table was closed while the batch was stored');
  }
  let contribution = joined(plan.contribution, contributionOf(meters, added, extent.fromMs));
  if (token !== meters.token || version !== meters.version) {
    const newer = await remembered.metersAnew();
    if (newer.token !== token || newer.version !== version)
      throw new Error('the meters changed while their lock was held');
    contribution = contributionOf(newer, stored, extent.fromMs);
  }
  await Promise.all([
    insertBatch(tx, {
      id: batchId.id,
      processor,
      metersVersion: version,
      events: stored.length,
      duplicates: rows.length - stored.length,
      arrivedFromMs: extent.fromMs,
      arrivedToMs: extent.toMs,
      identityTable,
    }),
    insertBatchTypes(tx, batchId.id, contribution.types),
    backfill === undefined
      ? insertDeltas(tx, contribution.deltas)
      : insertBackfillBatch(tx, batchId.id, backfill, stored.length),
  ]);
}
