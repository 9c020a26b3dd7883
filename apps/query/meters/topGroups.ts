import type { Total } from '@usage/db/usage/accumulator.ts';
import { addedAs, measuredValue } from '@usage/db/usage/value.ts';
import { copyOf, mergeCell } from '@usage/lib/cells/cell.ts';
import { compareDecimals } from '@usage/lib/decimal/decimal.ts';
import type { Aggregation, Meter } from '@usage/lib/meter/meter.ts';

export interface TopGroups {
  /** Of the groups with the largest values over the whole range. */
  top: Total[];
  /** All other groups together, one total a window, with an empty key. */
  other: Total[];
}

/**
 * Keeps the `topN` groups whose values over all windows are the largest, and adds the others up. Not for UNIQUE_COUNT: what
 * groups have in common is not known any more. Of equal values the one that comes first in `totals` is kept.
 */
export function topGroups(
  meter: Pick<Meter, 'aggregation' | 'timeUnit'>,
  totals: readonly Total[],
  topN: number,
  percentile?: number,
): TopGroups {
  const aggregation = addedAs(meter.aggregation);
  const groups = new Map<string, Total>();
  for (const total of totals) addTo(aggregation, groups, JSON.stringify(total.key), total);
  const ranked = [...groups]
    .map(([name, total]) => ({ name, value: measuredValue(meter, total, percentile) }))
    .sort((a, b) => compareDecimals(b.value, a.value));
  const kept = new Set(ranked.slice(0, topN).map(({ name }) => name));
  const top: Total[] = [];
  const other = new Map<string, Total>();
  for (const total of totals) {
    if (kept.has(JSON.stringify(total.key))) top.push(total);
    else addTo(aggregation, other, String(total.bucket), { ...total, key: [] });
  }
  return { top, other: [...other.values()] };
}

function addTo(aggregation: Aggregation, sums: Map<string, Total>, name: string, total: Total): void {
  const known = sums.get(name);
  if (known) mergeCell(aggregation, known.cell, total.cell);
  else sums.set(name, { ...total, cell: copyOf(total.cell) });
}
