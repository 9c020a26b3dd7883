import type { Sql } from '@usage/db/connect.ts';
import {
  insertDeltas,
  type MergeLimits,
  type StoredDelta,
  takeDeltas,
  tryLockBuild,
} from '@usage/db/deltas.ts';
import { getMeterOfBuild } from '@usage/db/meters.ts';
import { CellTable } from '@usage/lib/meter/cellTable.ts';
import { decodeDelta, encodeDelta } from '@usage/lib/meter/delta.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';

/**
 * Makes one delta of the oldest of a build, in one transaction. Batch after batch adds to the same minutes and series, so the one
 * weighs a fraction of what they did, and can wait for more where they could not: the rollups are written less often.
 * Returns how many it took; undefined when another aggregator is at it.
 */
export async function compactBuild(
  sql: Sql,
  build: bigint,
  limits: MergeLimits,
): Promise<number | undefined> {
  const compacted = (await sql.begin(async (tx) => {
    if (!(await tryLockBuild(tx, build))) return undefined;
    const deltas = await takeDeltas(tx, build, limits);
    failPoint('compaction-taken');
    const meter = await getMeterOfBuild(tx, build);
    if (!meter || deltas.length === 0) return deltas.length; // the meter was deleted or rebuilt: nobody will ask for these
    const cells = sumOf(meter.aggregation, deltas);
    const arrivedMs = Math.min(...deltas.map((delta) => delta.arrived_ms));
    await insertDeltas(tx, [{ build, weight: cells.weight, arrivedMs, payload: encodeDelta(cells) }]);
    failPoint('compaction-before-commit');
    return deltas.length;
  })) as number | undefined;
  failPoint('compaction-after-commit');
  return compacted;
}

export function sumOf(aggregation: Aggregation, deltas: readonly StoredDelta[]): CellTable {
  const sum = new CellTable(aggregation);
  for (const { payload } of deltas) sum.addCells(decodeDelta(payload));
  return sum;
}
