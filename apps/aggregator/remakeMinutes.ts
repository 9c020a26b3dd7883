import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { serializationFailure } from '@usage/db/connection/sqlStates.ts';
import { clearStaleMinutes, lockStaleMinutes } from '@usage/db/corrections/staleMinutes.ts';
import { getMeterOfGeneration } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { hasDeltas, type MergeLimits, takeDeltas, tryLockGeneration } from '@usage/db/rollups/deltas.ts';
import { deleteMinutes, remakeDay, remakeHour } from '@usage/db/rollups/remake.ts';
import { lockDaysClosed } from '@usage/db/rollups/rollupDays.ts';
import { rangesOf } from '@usage/db/usage/extent.ts';
import { eventsInRanges } from '@usage/db/usage/sql/events.ts';
import { CellTable } from '@usage/lib/cells/cellTable.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { compileMeter } from '@usage/lib/meter/evaluate.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { dayUs, hourUs, minuteUs } from '@usage/lib/windows/units.ts';
import { addAllSubjects, addUp, writeCells } from './merge.ts';

/** Stale minutes that one transaction makes anew: an hour has no more. */
const minutesMax = 60;

/** Deltas are left that the limits keep out: they have to be merged first. Nothing was changed. */
class TooManyDeltas extends Error {}

/**
 * Makes the rollups of stale minutes anew from the events as they are corrected: those of the generation's first hour that
 * has some, in one transaction on one snapshot.
 *
 *   1. all pending deltas are merged, but for their cells of these minutes: the events of the snapshot are in them already
 *   2. the minutes' cells are deleted, and made from the events
 *   3. the hour, and its day where it is closed, are made from the minutes, for every series that was touched
 *
 * Returns how many minutes; undefined where somebody else is at the generation, or where this has to wait for the closing of
 * a day or for a merge.
 */
export async function remakeStaleMinutes(
  sql: Sql,
  generation: bigint,
  limits: MergeLimits,
): Promise<number | undefined> {
  const remake = async (tx: Transaction) => {
    if (!(await tryLockGeneration(tx, generation))) return undefined;
    const closed = await lockDaysClosed(tx, generation);
    const meter = await getMeterOfGeneration(tx, generation);
    if (!meter?.backfilledAt) return 0;
    if (closed?.closing) return undefined;
    const stale = await lockStaleMinutes(tx, generation, minutesMax);
    if (stale.length === 0) return 0;

    const deltas = await takeDeltas(tx, generation, limits);
    if (await hasDeltas(tx, generation)) throw new TooManyDeltas();
    const except = new Set(stale.map((us) => us / minuteUs));
    await writeCells(tx, meter, addUp(meter.aggregation, deltas, closed, except), closed);
    failPoint('remake-merged');

    const before = await deleteMinutes(tx, generation, stale);
    const minute = await cellsOfEvents(tx, meter, stale);
    const after = await writeCells(tx, meter, { minute }, closed);
    const series = [...new Set([...before, ...after.series])];
    const hour = Math.floor(stale[0]! / hourUs) * hourUs;
    const day = Math.floor(hour / dayUs) * dayUs;
    await remakeHour(tx, meter.aggregation, series, hour);
    if (closed && day < closed.beforeUs) await remakeDay(tx, meter.aggregation, series, day);
    await clearStaleMinutes(tx, generation, stale);
    failPoint('remake-before-commit');
    return stale.length;
  };
  const remade = (await sql.begin('ISOLATION LEVEL REPEATABLE READ', remake).catch((error) => {
    const isTooEarly =
      error instanceof TooManyDeltas || (error as { code?: unknown }).code === serializationFailure;
    if (isTooEarly) return undefined;
    throw error;
  })) as number | undefined;
  failPoint('remake-after-commit');
  return remade;
}

/** What the events of some minutes come to, of each subject and of all together. */
async function cellsOfEvents(
  tx: Transaction,
  meter: StoredMeter,
  minutes: readonly number[],
): Promise<CellTable> {
  const { measure, readsAttributes } = compileMeter(meter);
  const table = new CellTable(meter.aggregation);
  const of = { namespace: meter.namespace, type: meter.eventType, subjects: undefined };
  const ranges = rangesOf(minutes);
  for await (const events of eventsInRanges(tx, of, ranges, readsAttributes)) {
    for (const event of events) {
      const measured = measure(event.data === null ? undefined : parseJson(event.data), event);
      if (typeof measured === 'object') table.addEvent(event.subject, event.time_us, measured);
    }
  }
  addAllSubjects(table);
  return table;
}
