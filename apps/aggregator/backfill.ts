import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { eventsOfBatches } from '@usage/db/events/events.ts';
import {
  advanceBackfill,
  type BackfillBatch,
  finishBackfill,
  nextBackfillBatches,
  tryLockBackfill,
} from '@usage/db/meters/backfills.ts';
import { getMeterOfGeneration } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { insertDeltas } from '@usage/db/rollups/deltas.ts';
import { CellTable } from '@usage/lib/cells/cellTable.ts';
import { encodeDelta } from '@usage/lib/cells/delta.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { compileMeter } from '@usage/lib/meter/evaluate.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';

/** What one transaction reads at most. It ends with a whole batch, which a processor's limits bound. */
export interface BackfillLimits {
  eventsMax: number;
  bytesMax: number;
}

const batchesMax = 1_000;
/** Events read by one statement, unless one batch holds more of them; after each the limits are looked at. */
const eventsAStatement = 5_000;

/** The deltas are rolled back: the meter was deleted or has a newer generation by now. */
class MeterGone extends Error {}

/**
 * Reads the next batches that were stored before a meter was made, and writes what they add to it as a delta, in one
 * transaction with the mark of how far it has come: a crash repeats nothing and skips nothing. The meter's row is locked at
 * the very end only. Returns 'more', or 'done' where there is nothing to read any more; undefined where another aggregator
 * is at it.
 */
export async function backfillPiece(
  sql: Sql,
  generation: bigint,
  limits: BackfillLimits,
): Promise<'more' | 'done' | undefined> {
  return (await sql
    .begin(async (tx) => {
      if (!(await tryLockBackfill(tx, generation))) return undefined;
      const meter = await getMeterOfGeneration(tx, generation);
      if (!meter || meter.backfilledAt) return 'done';
      const { namespace, eventType: type, backfillAfter, generationVersion: versionBelow } = meter;
      const found = await nextBackfillBatches(tx, {
        namespace,
        type,
        afterBatch: backfillAfter,
        versionBelow,
        batchesMax,
      });
      if (found.last === undefined) {
        await finishBackfill(tx, generation);
        return 'done';
      }
      const read = await readBatches(tx, meter, found.batches, limits);
      if (read.table.size > 0) {
        const { table } = read;
        await insertDeltas(tx, [
          { generation, weight: table.weight, arrivedMs: Date.now(), payload: encodeDelta(table) },
        ]);
      }
      failPoint('backfill-before-commit');
      const isStill = await advanceBackfill(tx, generation, read.upTo ?? found.last);
      if (!isStill) throw new MeterGone();
      return 'more';
    })
    .catch((error) => {
      if (error instanceof MeterGone) return 'done';
      throw error;
    })) as 'more' | 'done' | undefined;
}

/** `upTo` is the last batch that was read where the limits ended it; undefined where all were read. */
async function readBatches(
  tx: Transaction,
  meter: StoredMeter,
  batches: readonly BackfillBatch[],
  { eventsMax, bytesMax }: BackfillLimits,
): Promise<{ table: CellTable; upTo: bigint | undefined }> {
  const { namespace, eventType: type } = meter;
  const { measure, readsAttributes: withAttributes } = compileMeter(meter);
  const table = new CellTable(meter.aggregation);
  let events = 0;
  let bytes = 0;
  for (let at = 0; at < batches.length; ) {
    const some = batchesOf(batches, at, Math.min(eventsAStatement, eventsMax));
    at += some.length;
    for await (const rows of eventsOfBatches(tx, { namespace, type, batches: some, withAttributes })) {
      for (const event of rows) {
        events++;
        bytes += (event.data?.length ?? 0) + (event.attributes?.length ?? 0);
        const measured = measure(event.data === null ? undefined : parseJson(event.data), event);
        if (typeof measured === 'object') table.addEvent(event.subject, event.time_us, measured);
      }
    }
    if (at < batches.length && (events >= eventsMax || bytes >= bytesMax))
      return { table, upTo: some.at(-1)! };
  }
  return { table, upTo: undefined };
}

/** Ids of batches from one on, until they hold `eventsMax` events: at least one. */
function batchesOf(batches: readonly BackfillBatch[], from: number, eventsMax: number): bigint[] {
  const ids: bigint[] = [];
  for (let at = from, events = 0; at < batches.length && events < eventsMax; at++) {
    ids.push(batches[at]!.id);
    events += batches[at]!.events;
  }
  return ids;
}
