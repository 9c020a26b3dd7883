import { type Cell, copyOf, mergeCell } from '@usage/lib/cells/cell.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';
import type { UniqueValue } from './sql/rollupSums.ts';
import type { SetPoint } from './sql/setPoints.ts';
import type { UsageRow } from './sql/summedColumns.ts';

/** An answer with so many rows is about 15 MB of JSON. */
export const rowsMax = 100_000;
/** Distinct values held in memory while they are not in rollups yet, and bins of sketches: about 50 MB. */
const keptMax = 500_000;

/** What one group comes to in one bucket, from all pieces. */
export interface Total {
  bucket: number;
  key: readonly string[];
  cell: Cell;
  /** UNIQUE_COUNT: distinct values over all pieces. */
  distinct: number;
}

/** Adds up the pieces of a query: rollup rows, cells of deltas, raw events. */
export class Accumulator {
  #totals = new Map<string, Total>();
  #kept = 0;
  /** WEIGHTED_LATEST: what levels are set to, in rollups. */
  points: readonly SetPoint[] = [];

  constructor(readonly aggregation: Aggregation) {}

  /** `cell` is read, not kept: cells of cached deltas stay as they are. */
  add(bucket: number, key: readonly string[], cell: Cell): void {
    const name = nameOf(bucket, key);
    const total = this.#totals.get(name);
    const keptBefore = total ? keptBy(total.cell) : 0;
    if (total) mergeCell(this.aggregation, total.cell, cell);
    else this.#begin(name, bucket, key, cell);
    this.#kept += keptBy(this.#totals.get(name)!.cell) - keptBefore;
    if (this.#kept > keptMax) throw cell.sketch ? tooManyBins() : tooManyUniques();
  }

  addRow({ bucket, key, count, value, firstUs, lastUs, sketch, moment }: UsageRow): void {
    this.add(bucket, key, { count, value, firstUs, lastUs, uniques: undefined, sketch, moment });
  }

  /** Distinct values that came from deltas and raw events. */
  *uniques(): Generator<UniqueValue> {
    for (const { bucket, key, cell } of this.#totals.values()) {
      for (const value of cell.uniques ?? []) yield { bucket, key, value };
    }
  }

  /** Distinct values by bucket and group, where the database has counted them. */
  setDistinct(counts: readonly { bucket: number; key: readonly string[]; count: number }[]): void {
    for (const { bucket, key, count } of counts) {
      const total = this.#totals.get(nameOf(bucket, key));
      if (!total) throw new Error('distinct values without a rollup');
      total.distinct = count;
    }
  }

  /** Distinct values where all of them are here. */
  countOwnUniques(): void {
    for (const total of this.#totals.values()) total.distinct = total.cell.uniques?.size ?? 0;
  }

  totals(): Total[] {
    return [...this.#totals.values()];
  }

  #begin(name: string, bucket: number, key: readonly string[], cell: Cell): void {
    if (this.#totals.size >= rowsMax) throw tooManyRows();
    this.#totals.set(name, { bucket, key, cell: copyOf(cell), distinct: 0 });
  }
}

/** An answer has more rows than are held in memory. */
export class TooManyRows extends Problem {}

export function tooManyRows(): TooManyRows {
  return new TooManyRows(
    'bad_request',
    `The answer would have more than ${rowsMax} rows: ask for a shorter time range, larger windows or fewer groups.`,
  );
}

function tooManyUniques(): Problem {
  return unavailable(
    `More than ${keptMax} distinct values are not in the rollups yet: try again when the aggregation has caught up.`,
    10,
  );
}

function tooManyBins(): Problem {
  return new Problem(
    'bad_request',
    'The percentiles of so many windows and groups would take too much memory: ask for a shorter time range, larger windows or fewer groups.',
  );
}

function keptBy({ uniques, sketch }: Cell): number {
  return (uniques?.size ?? 0) + (sketch?.size ?? 0);
}

function nameOf(bucket: number, key: readonly string[]): string {
  return key.length === 0 ? String(bucket) : `${bucket}\0${key.join('\0')}`;
}
