import type { Sql } from '@usage/db/connection/connect.ts';
import { getMeterOfGeneration } from '@usage/db/meters/findMeters.ts';
import { insertDeltas, type MergeLimits, takeDeltas, tryLockGeneration } from '@usage/db/rollups/deltas.ts';
import { CellTable } from '@usage/lib/cells/cellTable.ts';
import { decodeDelta, encodeDelta } from '@usage/lib/cells/delta.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';

/**
 * Makes one delta of the oldest of a generation, in one transaction. Batch after batch adds to the same minutes and series, so
 * the one weighs a fraction of what they did, and can wait for more where they could not.
 *
 * Measured on what `bun run load` sends, 2 million events at 133,000/s into three meters: rollup rows per 1,000 events 104 in place
 * of 214 (`dirty`: 376 of 510), PostgreSQL 0.93 µs an event in place of 1.5 (2.5 of 3.1), aggregator 1.1 of 1.6, WAL 40 B of 55.
 *
 * Returns how many it took; undefined when another aggregator is at it.
 */
export async function compactGeneration(
  sql: Sql,
  generation: bigint,
  limits: MergeLimits,
): Promise<number | undefined> {
  const compacted = (await sql.begin(async (tx) => {
    if (!(await tryLockGeneration(tx, generation))) return undefined;
    const deltas = await takeDeltas(tx, generation, limits);
    failPoint('compaction-taken');
    const meter = await getMeterOfGeneration(tx, generation);
    if (!meter || deltas.length === 0) return deltas.length;
    const cells = new CellTable(meter.aggregation);
    for (const { payload } of deltas) cells.addCells(decodeDelta(payload));
    const arrivedMs = Math.min(...deltas.map((delta) => delta.arrived_ms));
    await insertDeltas(tx, [{ generation, weight: cells.weight, arrivedMs, payload: encodeDelta(cells) }]);
    failPoint('compaction-before-commit');
    return deltas.length;
  })) as number | undefined;
  failPoint('compaction-after-commit');
  return compacted;
}
