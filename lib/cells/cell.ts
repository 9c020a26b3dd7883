import { addDecimals, compareDecimals, type Decimal, multiplyDecimals } from '../decimal/decimal.ts';
import type { Measurement } from '../meter/evaluate.ts';
import { type Aggregation, keptValues } from '../meter/meter.ts';
import { pointText } from './points.ts';
import { addToSketch, binOf, type Sketch } from './sketch.ts';

/**
 * What some events of one series and window add up to. Cells of disjoint sets of events merge in any order to the
 * same cell: a rollup row, a delta's entry and a query's row are all cells.
 *
 *   SUM, AVG      value = exact sum
 *   MIN, MAX      value = least, greatest
 *   LATEST        value = value of the event with the greatest time; at the same time the greater value
 *   COUNT         value undefined
 *   UNIQUE_COUNT  value undefined, `uniques` holds the distinct values
 *   PERCENTILE    value undefined, `sketch` says how many values there are of which size
 *   WEIGHTED_SUM  value = exact sum of the changes, `moment` = exact sum of each change × its time in µs since 1970
 *   WEIGHTED_LATEST  as LATEST, and `uniques` holds each value with its time (points.ts)
 */
export interface Cell {
  count: number;
  value: Decimal | undefined;
  /** Time of the first and the last event, in µs since 1970. */
  firstUs: number;
  lastUs: number;
  uniques: Set<string> | undefined;
  sketch: Sketch | undefined;
  moment: Decimal | undefined;
}

/** The cell of one event. */
export function cellOf(aggregation: Aggregation, timeUs: number, { value, unique }: Measurement): Cell {
  const kept = keptValues[aggregation];
  const text = kept === 'points' ? pointText(timeUs, value!) : unique;
  return {
    count: 1,
    value: kept === 'sketch' ? undefined : value,
    firstUs: timeUs,
    lastUs: timeUs,
    uniques: text === undefined ? undefined : new Set([text]),
    sketch: kept === 'sketch' ? new Map([[binOf(value!), 1]]) : undefined,
    moment: kept === 'area' ? multiplyDecimals(value!, timeUs) : undefined,
  };
}

/** One that can be added to while the other stays as it is. */
export function copyOf(cell: Cell): Cell {
  return {
    ...cell,
    uniques: cell.uniques && new Set(cell.uniques),
    sketch: cell.sketch && new Map(cell.sketch),
  };
}

/** Adds `from` to `into`. */
export function mergeCell(aggregation: Aggregation, into: Cell, from: Cell): void {
  into.value = mergeValues(aggregation, into.value, into.lastUs, from.value, from.lastUs);
  into.count += from.count;
  if (from.firstUs < into.firstUs) into.firstUs = from.firstUs;
  if (from.lastUs > into.lastUs) into.lastUs = from.lastUs;
  if (from.uniques) {
    into.uniques ??= new Set();
    for (const value of from.uniques) into.uniques.add(value);
  }
  if (from.sketch) {
    into.sketch ??= new Map();
    addToSketch(into.sketch, from.sketch);
  }
  if (from.moment !== undefined) into.moment = addDecimals(into.moment ?? 0, from.moment);
}

/** The value of two cells together, each with the time of its last event. */
export function mergeValues(
  aggregation: Aggregation,
  a: Decimal | undefined,
  aLastUs: number,
  b: Decimal | undefined,
  bLastUs: number,
): Decimal | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  switch (aggregation) {
    case 'SUM':
    case 'AVG':
    case 'WEIGHTED_SUM':
      return addDecimals(a, b);
    case 'MIN':
      return compareDecimals(a, b) <= 0 ? a : b;
    case 'MAX':
      return compareDecimals(a, b) >= 0 ? a : b;
    case 'LATEST':
    case 'WEIGHTED_LATEST':
      if (aLastUs !== bLastUs) return aLastUs > bLastUs ? a : b;
      return compareDecimals(a, b) >= 0 ? a : b;
    case 'COUNT':
    case 'UNIQUE_COUNT':
    case 'PERCENTILE':
      return undefined;
    default:
      return aggregation satisfies never;
  }
}
