import type { Sql } from '@usage/db/connect.ts';
import { type MergeLimits, type StoredDelta, takeDeltas, tryLockBuild } from '@usage/db/deltas.ts';
import { getMeterOfBuild } from '@usage/db/meters.ts';
import { daysClosedBefore } from '@usage/db/rollupDays.ts';
import {
  addToRollups,
  addUniques,
  type Grain,
  type RollupColumns,
  type UniqueColumns,
} from '@usage/db/rollups.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { type Cell, mergeCell } from '@usage/lib/meter/cell.ts';
import { decodeDelta, seriesKey } from '@usage/lib/meter/delta.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import type { Series, SeriesIds } from './series.ts';

/** Rollups of all subjects together are series of this subject. */
const allSubjects = '';
const minutesAnHour = 60;
const minutesADay = 1_440;
const minuteUs = 60_000_000;

/** What is to be added to one series: cells by the minute at which their window starts. */
interface Additions extends Series {
  minutes: Map<number, Cell>;
  hours: Map<number, Cell>;
  /** Closed days alone; days that are not are made from hours later (days.ts). */
  days: Map<number, Cell>;
}

export interface Merged {
  deltas: number;
  rows: number;
  /** Arrival of the oldest event of each delta, ms since 1970. */
  arrivedMs: number[];
}

/**
 * Adds the oldest deltas of a build to its rollups, in one transaction that takes them out of the deltas: each counts
 * exactly once, however often this is tried and however many aggregators there are. Undefined when another one is at it.
 */
export async function mergeBuild(
  sql: Sql,
  ids: SeriesIds,
  build: bigint,
  limits: MergeLimits,
): Promise<Merged | undefined> {
  const found = ids.of(build);
  const merged = (await sql.begin(async (tx) => {
    if (!(await tryLockBuild(tx, build))) return undefined;
    const deltas = await takeDeltas(tx, build, limits);
    failPoint('merge-taken');
    const meter = await getMeterOfBuild(tx, build);
    const done = { deltas: deltas.length, rows: 0, arrivedMs: deltas.map((delta) => delta.arrived_ms) };
    if (!meter || deltas.length === 0) return done; // the meter was deleted or rebuilt: nobody will ask for these
    const closedUs = await daysClosedBefore(tx, build);
    const additions = addUp(meter.aggregation, deltas, closedUs === undefined ? 0 : closedUs / minuteUs);
    await found.resolve(tx, additions);
    additions.sort((a, b) => (a.id < b.id ? -1 : 1));
    for (const grain of ['minute', 'hour', 'day'] as const) {
      const columns = rollupColumns(additions, grain);
      await addToRollups(tx, grain, meter.aggregation, columns);
      if (meter.aggregation === 'UNIQUE_COUNT') await addUniques(tx, grain, uniqueColumns(additions, grain));
      done.rows += columns.series.length;
    }
    failPoint('merge-before-commit');
    return done;
  })) as Merged | undefined;
  failPoint('merge-after-commit');
  if (merged) found.keep();
  return merged;
}

/**
 * First the deltas' cells by series and minute; the hours, closed days, and all subjects together, from the few cells
 * that come out of that: cells merge in any order to the same cell.
 */
function addUp(aggregation: Aggregation, deltas: StoredDelta[], closedBeforeMinute: number): Additions[] {
  const bySeries = new Map<string, Additions>();
  for (const { payload } of deltas) {
    for (const { minute, subject, groups, cell } of decodeDelta(payload)) {
      addCell(aggregation, seriesIn(bySeries, subject, groups).minutes, minute, cell);
    }
  }
  for (const { groups, minutes } of [...bySeries.values()]) {
    const all = seriesIn(bySeries, allSubjects, groups).minutes;
    for (const [minute, cell] of minutes) addCell(aggregation, all, minute, cell);
  }
  for (const { minutes, hours, days } of bySeries.values()) {
    for (const [minute, cell] of minutes)
      addCell(aggregation, hours, minute - (minute % minutesAnHour), cell);
    for (const [hour, cell] of hours) {
      if (hour < closedBeforeMinute) addCell(aggregation, days, hour - (hour % minutesADay), cell);
    }
  }
  return [...bySeries.values()];
}

function seriesIn(bySeries: Map<string, Additions>, subject: string, groups: readonly string[]): Additions {
  const key = seriesKey(subject, groups);
  let additions = bySeries.get(key);
  if (!additions) {
    additions = { id: 0n, key, subject, groups, minutes: new Map(), hours: new Map(), days: new Map() };
    bySeries.set(key, additions);
  }
  return additions;
}

function addCell(aggregation: Aggregation, cells: Map<number, Cell>, start: number, cell: Cell): void {
  const existing = cells.get(start);
  if (existing) mergeCell(aggregation, existing, cell);
  else cells.set(start, { ...cell, uniques: cell.uniques && new Set(cell.uniques) });
}

function rollupColumns(additions: Additions[], grain: Grain): RollupColumns {
  const columns: RollupColumns = {
    series: [],
    startMinutes: [],
    firstUs: [],
    lastUs: [],
    counts: [],
    values: [],
  };
  for (const { id, start, cell } of sortedCells(additions, grain)) {
    columns.series.push(id);
    columns.startMinutes.push(start);
    columns.firstUs.push(cell.firstUs);
    columns.lastUs.push(cell.lastUs);
    columns.counts.push(cell.count);
    columns.values.push(cell.value === undefined ? null : formatDecimal(cell.value));
  }
  return columns;
}

function uniqueColumns(additions: Additions[], grain: Grain): UniqueColumns {
  const columns: UniqueColumns = { series: [], startMinutes: [], values: [] };
  for (const { id, start, cell } of sortedCells(additions, grain)) {
    for (const value of cell.uniques ?? []) {
      columns.series.push(id);
      columns.startMinutes.push(start);
      columns.values.push(value);
    }
  }
  return columns;
}

/** In the order of the primary key: neighbouring index pages one after the other. */
function* sortedCells(
  additions: Additions[],
  grain: Grain,
): Generator<{ id: bigint; start: number; cell: Cell }> {
  for (const { id, minutes, hours, days } of additions) {
    const cells = { minute: minutes, hour: hours, day: days }[grain];
    for (const start of [...cells.keys()].sort((a, b) => a - b)) yield { id, start, cell: cells.get(start)! };
  }
}
