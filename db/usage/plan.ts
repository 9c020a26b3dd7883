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
 *   stale minutes                     raw events, as they are corrected
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
  /** Starts of the minutes that a cut divides, but for stale ones. */
  divided: number[];
  /** Starts of the stale minutes between the cuts: nothing else of the plan covers them. */
  stale: number[];
}

/**
 * `cuts` are ascending; nothing before the first or after the last is wanted. Days before `daysClosedBeforeUs`, midnight
 * UTC, have day cells; undefined = none has. `stale` are starts of minutes, ascending, whose events were corrected: their
 * cells, and those of their hours and days, say what was before.
 */
export function planCuts(
  cuts: readonly number[],
  daysClosedBeforeUs: number | undefined,
  stale: readonly number[] = [],
): Plan {
  const fromUs = floorTo(cuts[0]!, minuteUs);
  const toUs = ceilTo(cuts.at(-1)!, minuteUs);
  const inner = { fromUs: ceilTo(fromUs, hourUs), toUs: floorTo(toUs, hourUs) };
  const staleWithin = stale.filter((minute) => minute >= fromUs && minute < toUs);
  const staleHours = starts(staleWithin, hourUs);
  const dividedHours = starts(
    cuts.filter((cut) => cut % hourUs !== 0),
    hourUs,
  );
  const staleMinutes = new Set(staleWithin);
  const days = wholeDays(cuts, staleWithin, daysClosedBeforeUs ?? Number.NEGATIVE_INFINITY);
  const unread = [...days, ...staleHours.map((hour) => ({ fromUs: hour, toUs: hour + hourUs }))];
  const hours =
    inner.fromUs < inner.toUs
      ? around(
          unread.sort((a, b) => a.fromUs - b.fromUs),
          inner,
        )
      : [];
  const dividedInHours = dividedHours.filter(
    (hour) => hour >= inner.fromUs && hour < inner.toUs && !staleHours.includes(hour),
  ).length;
  return {
    days,
    hours: lengthOf(hours) > dividedInHours * hourUs ? hours : [],
    hoursDivided: dividedInHours > 0,
    minutes: minutesOf(merged(dividedHours, staleHours), fromUs, toUs),
    divided: starts(
      cuts.filter((cut) => cut % minuteUs !== 0),
      minuteUs,
    ).filter((minute) => !staleMinutes.has(minute)),
    stale: staleWithin,
  };
}

/** The windows of a length that the times lie in, each once; times and windows ascend. */
function starts(times: readonly number[], stepUs: number): number[] {
  const found: number[] = [];
  for (const time of times) {
    const start = floorTo(time, stepUs);
    if (found.at(-1) !== start) found.push(start);
  }
  return found;
}

function merged(a: readonly number[], b: readonly number[]): number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

/** The parts of these hours that lie within the bounds. */
function minutesOf(hours: readonly number[], fromUs: number, toUs: number): TimeRange[] {
  const minutes: TimeRange[] = [];
  for (const hour of hours) {
    const range = { fromUs: Math.max(hour, fromUs), toUs: Math.min(hour + hourUs, toUs) };
    if (range.fromUs >= range.toUs) continue;
    const last = minutes.at(-1);
    if (last?.toUs === range.fromUs) last.toUs = range.toUs;
    else minutes.push(range);
  }
  return minutes;
}

/** The days between the first and the last cut, and before a bound, that no cut divides and that have no stale minute. */
function wholeDays(cuts: readonly number[], stale: readonly number[], beforeUs: number): TimeRange[] {
  const days: TimeRange[] = [];
  const lastUs = Math.min(floorTo(cuts.at(-1)!, dayUs), beforeUs);
  let fromUs = ceilTo(cuts[0]!, dayUs);
  const divided = starts(
    cuts.filter((cut) => cut % dayUs !== 0),
    dayUs,
  );
  for (const day of stale.length === 0 ? divided : merged(divided, starts(stale, dayUs))) {
    if (day < fromUs) continue;
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
