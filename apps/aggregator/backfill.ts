import type { Sql } from '@usage/db/connection/connect.ts';
import { eventsOfBatches } from '@usage/db/events/events.ts';
import { advanceBackfill, finishBackfill, lockBackfill, nextStretch } from '@usage/db/meters/backfills.ts';
import { getMeterOfGeneration } from '@usage/db/meters/meters.ts';
import { insertDeltas } from '@usage/db/rollups/deltas.ts';
import { CellTable } from '@usage/lib/cells/cellTable.ts';
import { encodeDelta } from '@usage/lib/cells/delta.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { compileMeter } from '@usage/lib/meter/evaluate.ts';

/**
 * Reads the next stretch of batches that were stored before a meter was made, and writes what they add to it as a
 * delta, in one transaction with the mark of how far it has come: a crash repeats nothing and skips nothing.
 * Returns whether there was anything to do.
 */
export async function backfillStretch(sql: Sql, eventsMax: number): Promise<boolean> {
  return (await sql.begin(async (tx) => {
    const backfill = await lockBackfill(tx);
    if (!backfill) return false;
    const meter = await getMeterOfGeneration(tx, backfill.generation);
    const range = { afterBatch: backfill.backfill_after, versionBelow: backfill.generation_version };
    const toBatch = meter && (await nextStretch(tx, { ...range, eventsMax }));
    if (!meter || toBatch === undefined) {
      await finishBackfill(tx, backfill.id);
      return true;
    }
    const { measure, readsAttributes } = compileMeter(meter);
    const table = new CellTable(meter.aggregation);
    const events = eventsOfBatches(tx, {
      ...range,
      toBatch,
      namespace: meter.namespace,
      type: meter.eventType,
      withAttributes: readsAttributes,
    });
    for await (const rows of events) {
      for (const event of rows) {
        const measured = measure(event.data === null ? undefined : parseJson(event.data), event);
        if (typeof measured === 'object') table.addEvent(event.subject, event.time_us, measured);
      }
    }
    if (table.size > 0) {
      await insertDeltas(tx, [
        {
          generation: backfill.generation,
          weight: table.weight,
          arrivedMs: Date.now(),
          payload: encodeDelta(table),
        },
      ]);
    }
    await advanceBackfill(tx, backfill.id, toBatch);
    return true;
  })) as boolean;
}
