import type { Total } from '@usage/db/usage/accumulator.ts';
import { type Cell, copyOf, mergeCell } from '@usage/lib/cells/cell.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';

/** Windows that overlap, by their ends, ascending; in µs since 1970. Where a clock is set back a later one may begin earlier. */
export interface RollingWindows {
  fromUs: readonly number[];
  toUs: readonly number[];
}

/** Every bound of the windows once, ascending: between two of them each window is there as a whole or not at all. */
export function cutsOf({ fromUs, toUs }: RollingWindows): number[] {
  return [...new Set([...fromUs, ...toUs])].sort((a, b) => a - b);
}

/**
 * What each group comes to in each window, from what it comes to between the windows' cuts; a total's bucket is the number of
 * its window, from 1. Each cell is merged a few times, however many windows it is in. Not for UNIQUE_COUNT.
 */
export function rollingTotals(
  aggregation: Aggregation,
  totals: readonly Total[],
  windows: RollingWindows,
): Total[] {
  const cuts = cutsOf(windows);
  const places = new Map(cuts.map((cut, place) => [cut, place]));
  const rolled: Total[] = [];
  for (const own of Map.groupBy(totals, ({ key }) => JSON.stringify(key)).values()) {
    const cells = own.toSorted((a, b) => a.bucket - b.bucket);
    let queue = new CellQueue(aggregation);
    let next = 0;
    let firstBefore = 0;
    for (let window = 0; window < windows.toUs.length; window++) {
      const first = places.get(windows.fromUs[window]!)! + 1;
      const last = places.get(windows.toUs[window]!)!;
      if (first < firstBefore) {
        queue = new CellQueue(aggregation);
        next = cells.findIndex(({ bucket }) => bucket >= first);
        if (next < 0) next = cells.length;
      }
      firstBefore = first;
      for (; next < cells.length && cells[next]!.bucket <= last; next++)
        queue.push(cells[next]!.bucket, cells[next]!.cell);
      queue.dropBefore(first);
      const cell = queue.merged();
      if (cell) rolled.push({ bucket: window + 1, key: own[0]!.key, cell, distinct: 0 });
    }
  }
  return rolled;
}

/** Cells in order, and what all of them come to: of the older ones from each on, of the newer ones together. */
class CellQueue {
  /** The oldest last; each merged with all that follow it up to the newest of them. */
  #older: { bucket: number; cell: Cell }[] = [];
  #newer: { bucket: number; cell: Cell }[] = [];
  #newerMerged: Cell | undefined;

  constructor(readonly aggregation: Aggregation) {}

  push(bucket: number, cell: Cell): void {
    this.#newer.push({ bucket, cell });
    if (this.#newerMerged) mergeCell(this.aggregation, this.#newerMerged, cell);
    else this.#newerMerged = copyOf(cell);
  }

  /** Drops the cells of buckets before this one. */
  dropBefore(bucket: number): void {
    for (;;) {
      const oldest = this.#older.at(-1) ?? this.#turned();
      if (!oldest || oldest.bucket >= bucket) return;
      this.#older.pop();
    }
  }

  merged(): Cell | undefined {
    const older = this.#older.at(-1)?.cell;
    return older ? this.#together(older, this.#newerMerged) : this.#newerMerged && copyOf(this.#newerMerged);
  }

  /** Makes the newer ones older ones, and returns the oldest. */
  #turned() {
    let merged: Cell | undefined;
    for (const { bucket, cell } of this.#newer.toReversed()) {
      merged = this.#together(cell, merged);
      this.#older.push({ bucket, cell: merged });
    }
    this.#newer = [];
    this.#newerMerged = undefined;
    return this.#older.at(-1);
  }

  #together(a: Cell | undefined, b: Cell | undefined): Cell {
    const cell = copyOf((a ?? b)!);
    if (a && b) mergeCell(this.aggregation, cell, b);
    return cell;
  }
}
