import type { Transaction } from '@usage/db/connection/connect.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { getMeterOfGeneration } from '@usage/db/meters/meters.ts';
import {
  type MergeLimits,
  type StoredDelta,
  takeDeltas,
  tryLockGeneration,
} from '@usage/db/rollups/deltas.ts';
import { CellTable } from '@usage/lib/cells/cellTable.ts';
import { decodeDelta } from '@usage/lib/cells/delta.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';

export interface Taken {
  deltas: StoredDelta[];
  /** Undefined where it was deleted or rebuilt: nobody will ask for these deltas. */
  meter: StoredMeter | undefined;
}

/**
 * Takes the oldest deltas of a generation out of those that wait, for this transaction alone; undefined when another one is at
 * it. What comes of them has to be written in the same transaction.
 */
export async function takeOldest(
  tx: Transaction,
  generation: bigint,
  limits: MergeLimits,
  step: 'merge' | 'compaction',
): Promise<Taken | undefined> {
  if (!(await tryLockGeneration(tx, generation))) return undefined;
  const deltas = await takeDeltas(tx, generation, limits);
  failPoint(`${step}-taken`);
  return { deltas, meter: await getMeterOfGeneration(tx, generation) };
}

export function sumOf(aggregation: Aggregation, deltas: readonly StoredDelta[]): CellTable {
  const sum = new CellTable(aggregation);
  for (const { payload } of deltas) sum.addCells(decodeDelta(payload));
  return sum;
}
