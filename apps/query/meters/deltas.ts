import type { Transaction } from '@usage/db/connect.ts';
import { deltaPayloads, waitingDeltas } from '@usage/db/usage.ts';
import type { Cells } from '@usage/lib/meter/cells.ts';
import { allSubjects, CellTable } from '@usage/lib/meter/cellTable.ts';
import { decodeDelta } from '@usage/lib/meter/delta.ts';
import type { QueryMetrics } from '../metrics.ts';

type Waiting = Awaited<ReturnType<typeof waitingDeltas>>;
type Awaitable = Waiting | Promise<Waiting>;

/** Payloads fetched at once. */
const payloadsMax = 16;

/** A delta, and its cells over all subjects once somebody asked for those. */
class HeldDelta {
  #overall: CellTable | undefined;

  constructor(readonly cells: Cells) {}

  get overall(): Cells {
    if (!this.#overall) {
      this.#overall = new CellTable(this.cells.aggregation);
      this.#overall.addCells(this.cells, { subject: allSubjects });
    }
    return this.#overall;
  }
}

/** Decoded deltas by id, least recently used out first. A delta never changes, so what is held is always right. */
export class DeltaCache {
  #held = new Map<bigint, HeldDelta>();
  #cells = 0;

  /** A cell takes about 70 bytes. */
  constructor(
    readonly cellsMax: number,
    readonly metrics: QueryMetrics,
  ) {}

  /** All cells of a build that are not merged yet, delta by delta: of each subject, or of all subjects together. */
  async *of(
    tx: Transaction,
    build: bigint,
    subjects: 'each' | 'all',
    waiting: Awaitable = waitingDeltas(tx, build),
  ): AsyncGenerator<Cells> {
    const cellsOf = (delta: HeldDelta) => (subjects === 'all' ? delta.overall : delta.cells);
    const missing: bigint[] = [];
    for (const { id } of await waiting) {
      const delta = this.#held.get(id);
      this.metrics.deltaCache.inc({ outcome: delta ? 'hit' : 'miss' });
      if (!delta) {
        missing.push(id);
        continue;
      }
      this.#held.delete(id);
      this.#held.set(id, delta);
      yield cellsOf(delta);
    }
    for (let at = 0; at < missing.length; at += payloadsMax) {
      for (const { id, payload } of await deltaPayloads(tx, missing.slice(at, at + payloadsMax))) {
        const delta = new HeldDelta(decodeDelta(payload));
        this.#hold(id, delta);
        yield cellsOf(delta);
      }
    }
  }

  #hold(id: bigint, delta: HeldDelta): void {
    const { size } = delta.cells;
    if (this.#held.has(id) || size > this.cellsMax) return;
    this.#held.set(id, delta);
    this.#cells += size;
    for (const [oldest, { cells }] of this.#held) {
      if (this.#cells <= this.cellsMax) break;
      this.#held.delete(oldest);
      this.#cells -= cells.size;
    }
  }
}
