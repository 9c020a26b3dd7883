import type { Transaction } from '@usage/db/connect.ts';
import { deltaPayloads, waitingDeltas } from '@usage/db/usage.ts';
import { type DeltaCell, decodeDelta } from '@usage/lib/meter/delta.ts';
import type { QueryMetrics } from '../metrics.ts';

/** Payloads fetched at once. */
const payloadsMax = 16;

/** Decoded deltas by id, least recently used out first. A delta never changes, so what is held is always right. */
export class DeltaCache {
  #held = new Map<bigint, DeltaCell[]>();
  #cells = 0;

  /** A cell takes about 300 bytes. */
  constructor(
    readonly cellsMax: number,
    readonly metrics: QueryMetrics,
  ) {}

  /** All cells of a build that are not merged yet, delta by delta. */
  async *of(tx: Transaction, build: bigint): AsyncGenerator<readonly DeltaCell[]> {
    const missing: bigint[] = [];
    for (const { id } of await waitingDeltas(tx, build)) {
      const cells = this.#held.get(id);
      this.metrics.deltaCache.inc({ outcome: cells ? 'hit' : 'miss' });
      if (!cells) {
        missing.push(id);
        continue;
      }
      this.#held.delete(id);
      this.#held.set(id, cells);
      yield cells;
    }
    for (let at = 0; at < missing.length; at += payloadsMax) {
      for (const { id, payload } of await deltaPayloads(tx, missing.slice(at, at + payloadsMax))) {
        const cells = decodeDelta(payload);
        this.#hold(id, cells);
        yield cells;
      }
    }
  }

  #hold(id: bigint, cells: DeltaCell[]): void {
    const held = this.#held.get(id);
    if (held || cells.length > this.cellsMax) return;
    this.#held.set(id, cells);
    this.#cells += cells.length;
    for (const [oldest, dropped] of this.#held) {
      if (this.#cells <= this.cellsMax) break;
      this.#held.delete(oldest);
      this.#cells -= dropped.length;
    }
  }
}
