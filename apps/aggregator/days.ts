import type { Sql } from '@usage/db/connection/connect.ts';
import { getMeterOfGeneration } from '@usage/db/meters/meters.ts';
import { tryLockGeneration } from '@usage/db/rollups/deltas.ts';
import {
  daysClosedBefore,
  generationsWithOpenDays,
  makeDays,
  nextHour,
  setDaysClosedBefore,
} from '@usage/db/rollups/rollupDays.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { dayMs, dayUs } from '@usage/lib/windows/units.ts';

/** A UTC day is closed this long after its end: events that come later still are added to its day rows one by one. */
const closedAfterMs = 3 * 3_600_000;
const stretch = {
  /** Hour cells read in one transaction, unless one day has more of them: 2 to 4 s. */
  cellsMax: 1_000_000,
  /** Series whose days are made by one statement: half a million hour cells a day. */
  seriesMax: 20_000,
};
/** Accepted times lie from here on. */
const beginningUs = 0;

/** Midnight UTC before which days may be closed, in µs since 1970. */
function closableBeforeUs(nowMs: number): number {
  return Math.floor((nowMs - closedAfterMs) / dayMs) * dayUs;
}

/** Generations that closeDays has something to do for. */
export async function generationsToClose(sql: Sql, nowMs: number): Promise<bigint[]> {
  return generationsWithOpenDays(sql, closableBeforeUs(nowMs));
}

/**
 * Makes day rows from a generation's hour rows, for its next days that are over, and moves the mark before which days are
 * closed, in one transaction that keeps merges of the generation out: at every commit the day rows before the mark are what
 * the hour rows add up to, and there are none after it. Merges keep it so (merge.ts).
 *
 * Returns by how many days the mark moved over rows; 0 where there was nothing to make, undefined when another
 * aggregator is at the generation.
 */
export async function closeDays(
  sql: Sql,
  generation: bigint,
  nowMs: number,
  { cellsMax, seriesMax } = stretch,
): Promise<number | undefined> {
  const closed = (await sql.begin(async (tx) => {
    if (!(await tryLockGeneration(tx, generation))) return undefined;
    const meter = await getMeterOfGeneration(tx, generation);
    if (!meter) return 0; // deleted or rebuilt meanwhile
    const closedUs = (await daysClosedBefore(tx, generation)) ?? beginningUs;
    const untilUs = closableBeforeUs(nowMs);
    if (closedUs >= untilUs) return 0;
    const { series, firstUs } = await nextHour(tx, generation, closedUs);
    const fromUs = firstUs === undefined ? untilUs : Math.floor(firstUs / dayUs) * dayUs;
    const days = Math.max(1, Math.floor(cellsMax / (24 * Math.max(1, series))));
    const toUs = Math.min(untilUs, fromUs + days * dayUs);
    for (let last: bigint | undefined = 0n; last !== undefined && fromUs < toUs; ) {
      const { aggregation } = meter;
      last = await makeDays(tx, { generation, aggregation, fromUs, toUs, afterSeries: last, seriesMax });
    }
    failPoint('days-made');
    await setDaysClosedBefore(tx, generation, toUs);
    failPoint('days-before-commit');
    return Math.max(0, (toUs - fromUs) / dayUs);
  })) as number | undefined;
  failPoint('days-after-commit');
  return closed;
}
