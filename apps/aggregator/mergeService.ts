import {
  generationsWithDeltas,
  type MergeLimits,
  type PendingDeltas,
  pendingDeltas,
} from '@usage/db/rollups/deltas.ts';
import { compactGeneration } from './compact.ts';
import type { AggregatorConfig } from './config.ts';
import { mergeGeneration } from './merge.ts';
import type { AggregatorMetrics } from './metrics.ts';
import { type Calls, inTurn, type Service } from './runner.ts';

/** How often it looks for deltas that wait. */
const lookEveryMs = 250;
/** What one transaction takes on: two seconds' work, where no two cells are the same. */
const pieceWeightMax = 200_000;
const pieceBytesMax = 32 * 1024 * 1024;
/** Compacted deltas that are still more than this share of what may wait hold so many different cells that they are merged. */
const compactedShareMax = 0.5;

/**
 * Merges deltas into the rollups. The longer they wait the fewer rows there are to write, and queries add those that wait; so
 * all are merged when
 *
 *   - none has come for mergeQuietMs, or
 *   - the last time was mergeWaitMs ago, or
 *   - there are too many cells in them for queries to add, and making one delta of each meter's (compact.ts) leaves more than half.
 */
export class MergeService implements Service {
  readonly name = 'merge';
  #newest: bigint | undefined;
  #newestSinceMs = 0;
  #mergedMs = Number.NEGATIVE_INFINITY;
  #compacts = true;

  constructor(
    readonly config: Pick<
      AggregatorConfig,
      'mergeWaitMs' | 'mergeQuietMs' | 'deltaCellsWaitingMax' | 'mergeDeltasMax'
    >,
    readonly metrics: AggregatorMetrics,
  ) {}

  async round(calls: Calls): Promise<number> {
    const pending = await this.#look(calls);
    if (this.#isDue(pending)) {
      await this.#mergeAll(calls);
      this.#mergedMs = performance.now();
      this.#compacts = true;
    } else if (pending.weight >= this.config.deltaCellsWaitingMax) await this.#makeRoom(calls);
    return Math.min(lookEveryMs, this.config.mergeQuietMs);
  }

  #isDue({ newest }: PendingDeltas): boolean {
    if (newest === null) return false;
    const nowMs = performance.now();
    if (newest !== this.#newest) {
      this.#newest = newest;
      this.#newestSinceMs = nowMs;
    }
    const { mergeQuietMs, mergeWaitMs } = this.config;
    return nowMs - this.#newestSinceMs >= mergeQuietMs || nowMs - this.#mergedMs >= mergeWaitMs;
  }

  async #look(calls: Calls): Promise<PendingDeltas> {
    const pending = await calls.look(pendingDeltas);
    this.metrics.waiting.set(pending.deltas);
    this.metrics.waitingSeconds.set(pending.pendingMs / 1_000);
    return pending;
  }

  /** Where each batch brings other cells compacting is of no use: it is tried again after the next merge that is due. */
  async #makeRoom(calls: Calls): Promise<void> {
    if (this.#compacts) await this.#compactAll(calls);
    const { weight } = await this.#look(calls);
    this.#compacts &&= weight <= this.config.deltaCellsWaitingMax * compactedShareMax;
    if (!this.#compacts) await this.#mergeAll(calls);
  }

  /** What a piece comes to is the newest delta: the next piece begins after what this one took. */
  async #compactAll(calls: Calls): Promise<void> {
    const generations = await calls.look(generationsWithDeltas);
    await inTurn(calls.app, generations, async ({ generation, deltas }) => {
      for (let left = deltas; left > 1 && !calls.app.stopping; ) {
        const taken = await calls.piece((sql) => compactGeneration(sql, generation, this.#limits));
        if (!taken) break;
        this.metrics.compacted.inc(taken);
        left -= taken;
      }
    });
  }

  get #limits(): MergeLimits {
    return { deltasMax: this.config.mergeDeltasMax, weightMax: pieceWeightMax, bytesMax: pieceBytesMax };
  }

  /** The deltas that every generation has now. */
  async #mergeAll(calls: Calls): Promise<void> {
    let held = false;
    const generations = await calls.look(generationsWithDeltas);
    await inTurn(calls.app, generations, async ({ generation, deltas }) => {
      for (let left = deltas; left > 0 && !calls.app.stopping; ) {
        const merged = await this.#merge(calls, generation);
        if (merged === undefined) held = true;
        if (!merged) break;
        left -= merged;
      }
    });
    if (held) await calls.freeStalled();
    await this.#look(calls);
  }

  /** How many deltas; undefined where another aggregator is at the generation. */
  async #merge(calls: Calls, generation: bigint): Promise<number | undefined> {
    const startedMs = performance.now();
    const merged = await calls.piece((sql) => mergeGeneration(sql, generation, this.#limits));
    if (!merged || merged.deltas === 0) return merged?.deltas;
    const { metrics } = this;
    metrics.merged.inc(merged.deltas);
    metrics.rows.inc(merged.rows);
    metrics.mergeSeconds.observe((performance.now() - startedMs) / 1_000);
    const nowMs = Date.now();
    for (const arrivedMs of merged.arrivedMs)
      metrics.rollupDelay.observe(Math.max(0, nowMs - arrivedMs) / 1_000);
    return merged.deltas;
  }
}
