import { readPoint } from '@usage/lib/cells/points.ts';
import {
  addDecimals,
  compareDecimals,
  type Decimal,
  multiplyDecimals,
  subtractDecimals,
} from '@usage/lib/decimal/decimal.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import type { Total } from './accumulator.ts';
import { bucketOf } from './plan.ts';
import type { SetPoint } from './sql/setPoints.ts';

/** Values that levels are set to in the time that is asked for, in memory: about 100 MB. */
export const pointsMax = 500_000;

export interface SetLevels {
  cuts: readonly number[];
  /** Whether the first bucket is what came before. */
  isCarried: boolean;
  /** The key that is asked for, of a subject and all group values. */
  keyOf(key: readonly string[]): string[];
}

/**
 * The changes of levels that events set, as cells of changes (areas.ts): a value holds until the next one of its subject and
 * group values. `totals` are by subject and all group values: the first bucket's say the level before, those of the others hold
 * the points of deltas and events; `points` are those of the rollups.
 */
export function changesOfLevels(
  totals: readonly Total[],
  points: readonly SetPoint[],
  { cuts, isCarried, keyOf }: SetLevels,
): Total[] {
  const first = isCarried ? 1 : 0;
  const series = new Map<string, { key: readonly string[]; level: Decimal; points: Map<number, Decimal> }>();
  const seriesOf = (key: readonly string[]) => {
    const name = JSON.stringify(key);
    const known = series.get(name) ?? { key, level: 0, points: new Map<number, Decimal>() };
    series.set(name, known);
    return known;
  };
  const set = (key: readonly string[], text: string) => {
    const { timeUs, value } = readPoint(text);
    if (timeUs < cuts[first]! || timeUs >= cuts.at(-1)!) return;
    const { points: own } = seriesOf(key);
    const other = own.get(timeUs);
    // At the same microsecond the greater value, as LATEST has it.
    if (other === undefined || compareDecimals(value, other) > 0) own.set(timeUs, value);
  };
  for (const { bucket, key, cell } of totals) {
    if (bucket <= first) seriesOf(key).level = cell.value!;
    else for (const text of cell.uniques ?? []) set(key, text);
  }
  for (const { key, value } of points) set(key, value);
  const changes = new Changes();
  for (const { key, level: before, points: own } of series.values()) {
    let level = before;
    if (level !== 0) changes.add(1, keyOf(key), cuts[0]!, level);
    for (const [timeUs, value] of [...own].sort(([a], [b]) => a - b)) {
      changes.add(bucketOf(cuts, timeUs), keyOf(key), timeUs, subtractDecimals(value, level));
      level = value;
    }
  }
  return changes.totals();
}

/** Sums of changes by bucket and key. */
class Changes {
  #totals = new Map<string, Total>();

  add(bucket: number, key: readonly string[], timeUs: number, change: Decimal): void {
    const name = JSON.stringify([bucket, key]);
    const moment = multiplyDecimals(change, timeUs);
    const cell = this.#totals.get(name)?.cell;
    if (cell) {
      cell.count++;
      cell.value = addDecimals(cell.value!, change);
      cell.moment = addDecimals(cell.moment!, moment);
      cell.firstUs = Math.min(cell.firstUs, timeUs);
      cell.lastUs = Math.max(cell.lastUs, timeUs);
      return;
    }
    const made = { count: 1, value: change, moment, firstUs: timeUs, lastUs: timeUs };
    this.#totals.set(name, {
      bucket,
      key,
      distinct: 0,
      cell: { ...made, uniques: undefined, sketch: undefined },
    });
  }

  totals(): Total[] {
    return [...this.#totals.values()];
  }
}

export function tooManyPoints(): Problem {
  return new Problem(
    'bad_request',
    `Levels were set more than ${pointsMax} times in that time: ask for a shorter time range, or fewer subjects or groups.`,
  );
}
