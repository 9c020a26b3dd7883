import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import type { Total } from '@usage/db/usage/accumulator.ts';
import { bucketOf } from '@usage/db/usage/plan.ts';
import { measuredValue } from '@usage/db/usage/value.ts';
import { rankOf } from '@usage/lib/cells/sketch.ts';
import { compareDecimals, type Decimal } from '@usage/lib/decimal/decimal.ts';

/**
 * The windows that are measured, and those that their percentile is answered for; both as boundaries in µs since 1970. Each inner
 * window lies within one outer window.
 */
export interface NestedWindows {
  inner: readonly number[];
  outer: readonly number[];
  percentile: number;
}

/**
 * The percentile (nearest rank) of what a group came to in each inner window of an outer one: exact. Inner windows without
 * events count as 0. Bucket i of the totals is the ith inner window. Returns a total for each group and outer window with events; its cell's value is the percentile.
 */
export function percentilesOfWindows(
  meter: StoredMeter,
  totals: readonly Total[],
  { inner, outer, percentile }: NestedWindows,
): Total[] {
  const outerOf = (startUs: number) => bucketOf(outer, startUs);
  const windows = new Array<number>(outer.length).fill(0);
  for (const startUs of inner.slice(0, -1)) windows[outerOf(startUs)]!++;
  const placed = totals.map((total) => ({ ...total, bucket: outerOf(inner[total.bucket - 1]!) }));
  const groups = Map.groupBy(placed, ({ bucket, key }) => JSON.stringify([bucket, key]));
  return [...groups.values()].map((own) => {
    const { bucket, key, cell } = own[0]!;
    const values = own.map((total) => measuredValue(meter, total));
    const value = percentileWithZeros(values, windows[bucket]!, percentile);
    return { bucket, key, distinct: 0, cell: { ...cell, value } };
  });
}

/** Of `count` values: these, and zeros. */
function percentileWithZeros(values: readonly Decimal[], count: number, percentile: number): Decimal {
  const sorted = values.toSorted(compareDecimals);
  const zeros = count - sorted.length;
  const below = sorted.filter((value) => compareDecimals(value, 0) < 0).length;
  const rank = rankOf(percentile, count);
  if (rank <= below) return sorted[rank - 1]!;
  return rank <= below + zeros ? 0 : sorted[rank - zeros - 1]!;
}
