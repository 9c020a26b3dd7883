import type { NamedCell } from '@usage/lib/cells/cells.ts';
import { isLevel } from '@usage/lib/meter/meter.ts';
import { hourUs, minuteUs } from '@usage/lib/windows/units.ts';
import { windowUsTypical } from '@usage/lib/windows/windows.ts';
import type { Transaction } from '../connection/connect.ts';
import type { MeterToRead } from '../meters/findMeters.ts';
import type { StoredMeter } from '../meters/meterRow.ts';
import type { UsageQuery, UsageRunner } from './context.ts';
import { deltaCells } from './deltaCells.ts';
import { ceilTo, floorTo } from './plan.ts';
import { eventsExtent } from './sql/events.ts';
import type { TimeRange } from './sql/pieces.ts';
import { rollupExtent, type UsageScope } from './sql/rollupSums.ts';

/** A range that could hold more windows is narrowed to the hours that have events first. */
const windowsUnasked = 2_000;

/** Whether a query is answered from rollups and deltas; else from the events, one by one. */
export function isFromRollups(meter: StoredMeter, { asOfUs }: UsageQuery): boolean {
  return meter.backfilledAt !== undefined && asOfUs === undefined;
}

/** The part of an open or long range that has events, in whole hours; undefined where it has none. */
export async function narrow(
  tx: Transaction,
  found: MeterToRead,
  query: UsageQuery,
  scope: UsageScope,
  range: TimeRange,
  runner: UsageRunner,
): Promise<TimeRange | undefined> {
  if ((range.toUs - range.fromUs) / windowUsTypical[query.windows!.size] <= windowsUnasked) return range;
  const { meter } = found;
  const extents: (TimeRange | undefined)[] = [];
  if (isFromRollups(meter, query)) {
    extents.push(await rollupExtent(tx, scope), ...rangesOf(found.staleMinutes));
    for await (const cells of deltaCells(tx, found, query, runner)) extents.push(extentOf(cells));
  } else {
    const { namespace, eventType: type } = meter;
    const { subjects, asOfUs } = query;
    extents.push(await eventsExtent(tx, { namespace, type, subjects, asOfUs }));
  }
  let fromUs = Number.POSITIVE_INFINITY;
  let toUs = Number.NEGATIVE_INFINITY;
  for (const extent of extents) {
    if (!extent) continue;
    fromUs = Math.min(fromUs, floorTo(extent.fromUs, hourUs));
    toUs = Math.max(toUs, ceilTo(extent.toUs, hourUs));
  }
  // A level lasts after its last change.
  const lastUs = isLevel(meter.aggregation) ? range.toUs : toUs;
  const narrowed = { fromUs: Math.max(range.fromUs, fromUs), toUs: Math.min(range.toUs, lastUs) };
  return narrowed.fromUs < narrowed.toUs ? narrowed : undefined;
}

function extentOf(cells: readonly NamedCell[]): TimeRange | undefined {
  let fromUs = Number.POSITIVE_INFINITY;
  let toUs = Number.NEGATIVE_INFINITY;
  for (const { minute } of cells) {
    fromUs = Math.min(fromUs, minute * minuteUs);
    toUs = Math.max(toUs, (minute + 1) * minuteUs);
  }
  return cells.length > 0 ? { fromUs, toUs } : undefined;
}

/** Minutes, ascending, as ranges: neighbours are one. */
export function rangesOf(minutes: readonly number[]): TimeRange[] {
  const ranges: TimeRange[] = [];
  for (const minute of minutes) {
    const last = ranges.at(-1);
    if (last?.toUs === minute) last.toUs += minuteUs;
    else ranges.push({ fromUs: minute, toUs: minute + minuteUs });
  }
  return ranges;
}
