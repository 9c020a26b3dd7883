import { dayUs, hourUs, minuteUs } from '@usage/lib/windows/units.ts';
import type { TimeRange } from './sql/pieces.ts';

/**
 * How a list of cuts is answered from cells of whole UTC days, hours and minutes:
 *
 *   closed days that no cut divides   their day cell
 *   other hours that no cut divides   their hour cell
 *   hours that a cut divides          their minute cells
 *   minutes that a cut divides        the minute's cells where each lies on one side of the cuts (a cell knows its
 *                                     first and last event), else the minute's raw events and none of its cells
 *
 * All ranges are ascending and lie apart.
 */
export interface Plan {
  days: TimeRange[];
  /** Hours to be read, but for those among them that a cut divides. */
  hours: TimeRange[];
  /** Whether a cut divides any of these hours. */
  hoursDivided: boolean;
  /** Minutes of divided hours. */
  minutes: TimeRange[];
  /** Starts of the minutes that a cut divides. */
  divided: number[];
}

/**
 * `cuts` are ascending; nothing before the first or after the last is wanted. Days before `daysClosedBeforeUs`,
 * midnight UTC, have day cells; undefined = none has.
 */
export function planCuts(cuts: readonly number[], daysClosedBeforeUs: number | undefined): Plan {
  const fromUs = floorTo(cuts[0]!, minuteUs);
  const toUs = ceilTo(cuts.at(-1)!, minuteUs);
  const inner = { fromUs: ceilTo(fromUs, hourUs), toUs: floorTo(toUs, hourUs) };
  const minutes: TimeRange[] = [];
  const divided: number[] = [];
  let dividedHours = 0;
  for (const cut of cuts) {
    const minute = floorTo(cut, minuteUs);
    if (minute !== cut && divided.at(-1) !== minute) divided.push(minute);
    const hour = floorTo(cut, hourUs);
    if (hour === cut) continue;
    const last = minutes.at(-1);
    if (last && last.toUs > hour) continue;
    if (hour >= inner.fromUs && hour < inner.toUs) dividedHours++;
    if (last?.toUs === hour) last.toUs = Math.min(hour + hourUs, toUs);
    else minutes.push({ fromUs: Math.max(hour, fromUs), toUs: Math.min(hour + hourUs, toUs) });
  }
  const days = wholeDays(cuts, daysClosedBeforeUs ?? Number.NEGATIVE_INFINITY);
  const hours = inner.fromUs < inner.toUs ? around(days, inner) : [];
  return {
    days,
    hours: lengthOf(hours) > dividedHours * hourUs ? hours : [],
    hoursDivided: dividedHours > 0,
    minutes,
    divided,
  };
}

/** The days between the first and the last cut, and before a bound, that no cut divides. */
function wholeDays(cuts: readonly number[], beforeUs: number): TimeRange[] {
  const days: TimeRange[] = [];
  const lastUs = Math.min(floorTo(cuts.at(-1)!, dayUs), beforeUs);
  let fromUs = ceilTo(cuts[0]!, dayUs);
  for (const cut of cuts) {
    const day = floorTo(cut, dayUs);
    if (day === cut || day < fromUs) continue;
    if (day >= lastUs) break;
    if (day > fromUs) days.push({ fromUs, toUs: day });
    fromUs = day + dayUs;
  }
  if (fromUs < lastUs) days.push({ fromUs, toUs: lastUs });
  return days;
}

/** What of the whole lies before, between and after the ranges. */
function around(ranges: readonly TimeRange[], whole: TimeRange): TimeRange[] {
  const rest: TimeRange[] = [];
  let { fromUs } = whole;
  for (const range of ranges) {
    if (range.fromUs > fromUs) rest.push({ fromUs, toUs: range.fromUs });
    fromUs = range.toUs;
  }
  if (fromUs < whole.toUs) rest.push({ fromUs, toUs: whole.toUs });
  return rest;
}

function lengthOf(ranges: readonly TimeRange[]): number {
  return ranges.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
}

/** The ranges without some of their minutes; both ascending. */
export function withoutMinutes(ranges: readonly TimeRange[], minutes: readonly number[]): TimeRange[] {
  if (minutes.length === 0) return [...ranges];
  const left: TimeRange[] = [];
  let next = 0;
  for (const range of ranges) {
    let fromUs = range.fromUs;
    for (; next < minutes.length && minutes[next]! < range.toUs; next++) {
      const minute = minutes[next]!;
      if (minute > fromUs) left.push({ fromUs, toUs: minute });
      fromUs = Math.max(fromUs, minute + minuteUs);
    }
    if (fromUs < range.toUs) left.push({ fromUs, toUs: range.toUs });
  }
  return left;
}

/** Which bucket of width_bucket a time lies in: 0 before the first cut, cuts.length from the last cut on. */
export function bucketOf(cuts: readonly number[], us: number): number {
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cuts[middle]! <= us) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function floorTo(us: number, stepUs: number): number {
  return Math.floor(us / stepUs) * stepUs;
}

export function ceilTo(us: number, stepUs: number): number {
  return -floorTo(-us, stepUs);
}
