import type { Sql } from '@usage/db/connection/connect.ts';
import { insertDeltas, type MergeLimits } from '@usage/db/rollups/deltas.ts';
import { encodeDelta } from '@usage/lib/cells/delta.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { sumOf, takeOldest } from './pendingDeltas.ts';

/**
 * Makes one delta of the oldest of a generation, in one transaction. Batch after batch adds to the same minutes and series, so the one
 * weighs a fraction of what they did, and can wait for more where they could not: the rollups are written less often.
 * Returns how many it took; undefined when another aggregator is at it.
 */
export async function compactGeneration(
  sql: Sql,
  generation: bigint,
  limits: MergeLimits,
): Promise<number | undefined> {
  const compacted = (await sql.begin(async (tx) => {
    const taken = await takeOldest(tx, generation, limits, 'compaction');
    if (!taken) return undefined;
    const { deltas, meter } = taken;
    if (!meter || deltas.length === 0) return deltas.length;
    const cells = sumOf(meter.aggregation, deltas);
    const arrivedMs = Math.min(...deltas.map((delta) => delta.arrived_ms));
    await insertDeltas(tx, [{ generation, weight: cells.weight, arrivedMs, payload: encodeDelta(cells) }]);
    failPoint('compaction-before-commit');
    return deltas.length;
  })) as number | undefined;
  failPoint('compaction-after-commit');
  return compacted;
}
