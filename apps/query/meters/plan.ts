import type { TimeRange } from '@usage/db/usage.ts';

/**
 * How a list of cuts is answered from cells of whole hours and whole minutes:
 *
 *   hours that no cut divides     their hour cell
 *   hours that a cut divides      their minute cells
 *   minutes that a cut divides    the minute's cells where each lies on one side of the cuts (a cell knows its first
 *                                 and last event), else the minute's raw events and none of its cells
 */
export interface Plan {
  /** Which hours are left whole. */
  hours: 'all' | 'undivided' | 'none';
  /** Minutes of divided hours, as ranges. */
  minutes: TimeRange[];
  /** Starts of the minutes that a cut divides. */
  divided: number[];
}

export const minuteUs = 60_000_000;
export const hourUs = 60 * minuteUs;

/** `cuts` are ascending; nothing before the first or after the last is wanted. */
export function planCuts(cuts: readonly number[]): Plan {
  const fromUs = floorTo(cuts[0]!, minuteUs);
  const toUs = -floorTo(-cuts.at(-1)!, minuteUs);
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
    dividedHours++;
    if (last?.toUs === hour) last.toUs = Math.min(hour + hourUs, toUs);
    else minutes.push({ fromUs: Math.max(hour, fromUs), toUs: Math.min(hour + hourUs, toUs) });
  }
  const hours = (-floorTo(-toUs, hourUs) - floorTo(fromUs, hourUs)) / hourUs;
  const left = dividedHours === 0 ? 'all' : hours > dividedHours ? 'undivided' : 'none';
  return { hours: left, minutes, divided };
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
