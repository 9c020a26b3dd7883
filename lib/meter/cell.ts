import { addDecimals, compareDecimals, type Decimal } from '../decimal/decimal.ts';
import type { Aggregation } from './meter.ts';

/**
 * What some events of one series and window add up to. Cells of disjoint sets of events merge in any order to the
 * same cell: a rollup row, a delta's entry and a query's row are all cells.
 *
 *   SUM, AVG      value = exact sum
 *   MIN, MAX      value = least, greatest
 *   LATEST        value = value of the event with the greatest time; at the same time the greater value
 *   COUNT         value undefined
 *   UNIQUE_COUNT  value undefined, `uniques` holds the distinct values
 */
export interface Cell {
  count: number;
  value: Decimal | undefined;
  /** Time of the first and the last event, in µs since 1970. */
  firstUs: number;
  lastUs: number;
  uniques: Set<string> | undefined;
}

/** Adds `from` to `into`. */
export function mergeCell(aggregation: Aggregation, into: Cell, from: Cell): void {
  into.value = mergeValue(aggregation, into, from);
  into.count += from.count;
  if (from.firstUs < into.firstUs) into.firstUs = from.firstUs;
  if (from.lastUs > into.lastUs) into.lastUs = from.lastUs;
  if (from.uniques) {
    into.uniques ??= new Set();
    for (const value of from.uniques) into.uniques.add(value);
  }
}

function mergeValue(aggregation: Aggregation, a: Cell, b: Cell): Decimal | undefined {
  if (a.value === undefined || b.value === undefined) return a.value ?? b.value;
  switch (aggregation) {
    case 'SUM':
    case 'AVG':
      return addDecimals(a.value, b.value);
    case 'MIN':
      return compareDecimals(a.value, b.value) <= 0 ? a.value : b.value;
    case 'MAX':
      return compareDecimals(a.value, b.value) >= 0 ? a.value : b.value;
    case 'LATEST':
      if (a.lastUs !== b.lastUs) return a.lastUs > b.lastUs ? a.value : b.value;
      return compareDecimals(a.value, b.value) >= 0 ? a.value : b.value;
    case 'COUNT':
    case 'UNIQUE_COUNT':
      return undefined;
    default:
      return aggregation satisfies never;
  }
}
