import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { getMeterOfGeneration } from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { type DaySpan, makeDayCells, makeDayUniques, seriesInOrder } from '@usage/db/rollups/closingDays.ts';
import { tryLockGeneration } from '@usage/db/rollups/deltas.ts';
import {
  type Closing,
  type DaysClosed,
  daysClosed,
  firstHour,
  generationsWithOpenDays,
  setDaysClosed,
} from '@usage/db/rollups/rollupDays.ts';
import { type Aggregation, keepsTexts, keptValues } from '@usage/lib/meter/meter.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { dayMs, dayUs } from '@usage/lib/windows/units.ts';

/** A UTC day is closed this long after its end: events that come later still are added to its day rows one by one. */
const closedAfterMs = 3 * 3_600_000;
const hoursADay = 24;
/** Hour cells that one with a sketch costs as much as. */
const sketchCost = 16;
/** Accepted times lie from here on. */
const beginning: DaysClosed = { beforeUs: 0, closing: undefined };

export interface DayLimits {
  /** Hour cells, or distinct values of hours, read in one transaction: 1 to 2 s. */
  rowsMax: number;
  /** Series whose days are made by one statement; the days of so many at least are one transaction. */
  seriesMax: number;
}
const usualLimits: DayLimits = { rowsMax: 250_000, seriesMax: 5_000 };

/** Midnight UTC before which days may be closed, in µs since 1970. */
function closableBeforeUs(nowMs: number): number {
  return Math.floor((nowMs - closedAfterMs) / dayMs) * dayUs;
}

/** Generations that closeDays has something to do for. */
export async function generationsToClose(sql: Sql, nowMs: number): Promise<bigint[]> {
  return generationsWithOpenDays(sql, closableBeforeUs(nowMs));
}

/**
 * One piece of closing a generation's days that are over: makes day rows from its hour rows, and notes how far it has come,
 * in one transaction that keeps merges out. Once a span of days is made as a whole the mark before which days are closed
 * moves over it. At every commit the day rows before the mark are what the hour rows add up to; what is half made after it
 * nobody reads, and merges add to it (merge.ts).
 *
 * Returns by how many days the mark moved over rows; 0 where it did not, undefined when another aggregator is at the
 * generation.
 */
export async function closeDays(
  sql: Sql,
  generation: bigint,
  nowMs: number,
  limits: DayLimits = usualLimits,
): Promise<number | undefined> {
  const closed = (await sql.begin(async (tx) => {
    if (!(await tryLockGeneration(tx, generation))) return undefined;
    const meter = await getMeterOfGeneration(tx, generation);
    if (!meter) return 0; // deleted or rebuilt meanwhile
    const before = (await daysClosed(tx, generation)) ?? beginning;
    const begun = before.closing ? before : await begin(tx, meter, before, closableBeforeUs(nowMs), limits);
    const after = begun.closing ? await makePiece(tx, meter, begun.beforeUs, begun.closing, limits) : begun;
    if (after !== before) await setDaysClosed(tx, generation, after);
    failPoint('days-before-commit');
    return after.closing ? 0 : (after.beforeUs - begun.beforeUs) / dayUs;
  })) as number | undefined;
  failPoint('days-after-commit');
  return closed;
}

/** The next days with hours to make; where there are none the mark moves to `untilUs`. */
async function begin(
  tx: Transaction,
  { generation, aggregation }: StoredMeter,
  closed: DaysClosed,
  untilUs: number,
  { rowsMax, seriesMax }: DayLimits,
): Promise<DaysClosed> {
  if (closed.beforeUs >= untilUs) return closed;
  const firstUs = await firstHour(tx, generation, closed.beforeUs);
  const fromUs = firstUs === undefined ? untilUs : Math.floor(firstUs / dayUs) * dayUs;
  if (fromUs >= untilUs) return { beforeUs: untilUs, closing: undefined };
  const series = (await seriesInOrder(tx, generation, 0n, seriesMax)).length;
  const days = Math.max(1, Math.floor(rowsMax / (hoursADay * costOf(aggregation) * series)));
  const toUs = Math.min(untilUs, fromUs + days * dayUs);
  const hasUniques = keepsTexts(aggregation);
  return { beforeUs: fromUs, closing: { toUs, unique: undefined, cellsSeries: hasUniques ? undefined : 0n } };
}

async function makePiece(
  tx: Transaction,
  { generation, aggregation }: StoredMeter,
  fromUs: number,
  closing: Closing,
  { rowsMax, seriesMax }: DayLimits,
): Promise<DaysClosed> {
  const span: DaySpan = { generation, fromUs, toUs: closing.toUs };
  let { unique, cellsSeries } = closing;
  let rows = 0;
  while (cellsSeries === undefined && rows < rowsMax) {
    const ids = await seriesInOrder(tx, generation, lastDone(unique), seriesMax);
    const made = await makeDayUniques(tx, span, ids, unique, rowsMax - rows);
    rows += made.rows;
    if (rows >= rowsMax) unique = made.last;
    else if (ids.length === seriesMax) unique = endOf(ids.at(-1)!);
    else cellsSeries = 0n;
  }
  const perSeries = hoursADay * costOf(aggregation) * ((span.toUs - span.fromUs) / dayUs);
  while (cellsSeries !== undefined && rows < rowsMax) {
    const ids = await seriesInOrder(tx, generation, cellsSeries, seriesMax);
    await makeDayCells(tx, span, aggregation, ids);
    failPoint('days-made');
    if (ids.length < seriesMax) return { beforeUs: span.toUs, closing: undefined };
    cellsSeries = ids.at(-1)!;
    rows += ids.length * perSeries;
  }
  return { beforeUs: fromUs, closing: { toUs: span.toUs, unique, cellsSeries } };
}

function costOf(aggregation: Aggregation): number {
  return keptValues[aggregation] === 'sketch' ? sketchCost : 1;
}

const endOfSeries = 'infinity';

/** After every value of the series. */
function endOf(series: bigint): Closing['unique'] {
  return { series, start: endOfSeries, value: '' };
}

/** The last series of which all values are taken; one that was left half way comes next again. */
function lastDone(unique: Closing['unique']): bigint {
  if (!unique) return 0n;
  return unique.start === endOfSeries ? unique.series : unique.series - 1n;
}
