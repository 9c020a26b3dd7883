import type { Cells } from '@usage/lib/cells/cells.ts';
import { allSubjects, CellTable } from '@usage/lib/cells/cellTable.ts';
import { decodeDelta } from '@usage/lib/cells/delta.ts';
import type { Counter } from 'prom-client';
import type { Transaction } from '../connection/connect.ts';
import type { Incarnation } from '../connection/incarnation.ts';
import type { MeterToRead } from '../meters/findMeters.ts';
import { deltaPayloads } from './sql/rollupSums.ts';

/** What reading usage counts. */
export interface UsageMetrics {
  deltaCache: Counter<'outcome'>;
  rawEvents: Counter<'reason'>;
}

/** Payloads fetched at once. */
const payloadsMax = 16;

/** A delta, and its cells over all subjects once somebody asked for those. */
class HeldDelta {
  #overall: CellTable | undefined;
  /** Of all that it holds by now. */
  weight: number;

  constructor(
    readonly incarnation: Incarnation,
    readonly generation: bigint,
    readonly id: bigint,
    readonly cells: Cells,
  ) {
    this.weight = cells.weight;
  }

  get overall(): Cells {
    if (!this.#overall) {
      this.#overall = new CellTable(this.cells.aggregation);
      this.#overall.addCells(this.cells, { subject: allSubjects });
      this.weight += this.#overall.weight;
    }
    return this.#overall;
  }
}

/**
 * Decoded deltas by id, least recently used out first, and those that were merged. A delta never changes, so what is held
 * is right as long as the database's incarnation lasts; another one may have given the id to another delta. Servers that are
 * asked by turns (a primary and its replicas) are incarnations of their own, and what is held of each stays.
 */
export class DeltaCache {
  #held = new Map<string, HeldDelta>();
  #weight = 0;

  /** A cell takes 55 to 80 bytes, a distinct value of UNIQUE_COUNT, which weighs as much as a cell, 170. */
  constructor(
    readonly weightMax: number,
    readonly metrics: UsageMetrics,
  ) {}

  /** Of what is held. */
  get weight(): number {
    return this.#weight;
  }

  /** The cells of a generation's deltas that wait, delta by delta: of each subject, or of all subjects together. */
  async *of(
    tx: Transaction,
    { meter: { generation }, incarnation, waiting }: MeterToRead,
    subjects: 'each' | 'all',
  ): AsyncGenerator<Cells> {
    this.#dropGone(incarnation, generation, new Set(waiting));
    const missing: bigint[] = [];
    for (const id of waiting) {
      const delta = this.#held.get(nameOf(incarnation, id));
      this.metrics.deltaCache.inc({ outcome: delta ? 'hit' : 'miss' });
      if (delta) yield this.#cellsOf(delta, subjects);
      else missing.push(id);
    }
    for (let at = 0; at < missing.length; at += payloadsMax) {
      for (const { id, payload } of await deltaPayloads(tx, missing.slice(at, at + payloadsMax)))
        yield this.#cellsOf(new HeldDelta(incarnation, generation, id, decodeDelta(payload)), subjects);
    }
  }

  /** Of the delta, which is held from now on as the one that was used last. */
  #cellsOf(delta: HeldDelta, subjects: 'each' | 'all'): Cells {
    const name = nameOf(delta.incarnation, delta.id);
    this.#drop(name); // before its weight may grow
    const cells = subjects === 'all' ? delta.overall : delta.cells;
    if (delta.weight > this.weightMax) return cells;
    this.#held.set(name, delta);
    this.#weight += delta.weight;
    for (const oldest of this.#held.keys()) {
      if (this.#weight <= this.weightMax) break;
      this.#drop(oldest);
    }
    return cells;
  }

  /** Merged ones. A snapshot older than the merge reads them again; what another incarnation leaves is used last. */
  #dropGone(incarnation: Incarnation, generation: bigint, waiting: ReadonlySet<bigint>): void {
    for (const [name, delta] of this.#held) {
      if (delta.incarnation !== incarnation || delta.generation !== generation) continue;
      if (!waiting.has(delta.id)) this.#drop(name);
    }
  }

  #drop(name: string): void {
    this.#weight -= this.#held.get(name)?.weight ?? 0;
    this.#held.delete(name);
  }
}

function nameOf(incarnation: Incarnation, id: bigint): string {
  return `${id} ${incarnation}`;
}
