import { addDecimals, type Decimal, multiplyDecimals, subtractDecimals } from '@usage/lib/decimal/decimal.ts';
import { rowsMax, type Total, tooManyRows } from './accumulator.ts';

/**
 * The area under a level over time: events say by how much it changes. Of a bucket from a to b, where the level is L at its
 * beginning and the changes v come at the times t, the area is L · (b - a) + Σ v · (b - t), and the level after it is L + Σ v:
 * both are made of the sums of v and of v · t, which cells keep.
 *
 * Returns a total for each group and bucket in which the group's level is not zero or changes; its cell's value is the area, in
 * value × µs. With `isCarried` the first bucket holds what came before those that are asked for: it makes the levels, and the
 * buckets behind it count from 1. Problems: 400 for too many rows.
 */
export function areasOf(totals: readonly Total[], cuts: readonly number[], isCarried: boolean): Total[] {
  const before = isCarried ? 1 : 0;
  const areas: Total[] = [];
  for (const own of Map.groupBy(totals, ({ key }) => JSON.stringify(key)).values()) {
    for (const area of areasOfGroup(own, cuts)) {
      if (area.bucket <= before) continue;
      if (areas.length >= rowsMax) throw tooManyRows();
      areas.push({ ...area, bucket: area.bucket - before });
    }
  }
  return areas;
}

function* areasOfGroup(totals: readonly Total[], cuts: readonly number[]): Generator<Total> {
  const { key } = totals[0]!;
  const changed = totals.toSorted((a, b) => a.bucket - b.bucket);
  let level: Decimal = 0;
  let next = 0;
  for (let bucket = changed[0]!.bucket; bucket < cuts.length; bucket++) {
    if (level === 0 && next < changed.length) ({ bucket } = changed[next]!);
    if (level === 0 && next === changed.length) return;
    const [fromUs, toUs] = [cuts[bucket - 1]!, cuts[bucket]!];
    const cell = changed[next]?.bucket === bucket ? changed[next++]!.cell : undefined;
    const [sum, moment] = [cell?.value ?? 0, cell?.moment ?? 0];
    const held = multiplyDecimals(level, toUs - fromUs);
    const value = addDecimals(held, subtractDecimals(multiplyDecimals(sum, toUs), moment));
    const firstUs = level === 0 ? cell!.firstUs : fromUs;
    const area = { count: cell?.count ?? 0, value, firstUs, lastUs: toUs - 1 };
    yield {
      bucket,
      key,
      distinct: 0,
      cell: { ...area, uniques: undefined, sketch: undefined, moment: undefined },
    };
    level = addDecimals(level, sum);
  }
}
