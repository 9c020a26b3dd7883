import { generationsWithDeltas, type PendingDeltas, pendingDeltas } from '@usage/db/rollups/deltas.ts';
import type { AggregatorConfig } from './config.ts';
import { mergeGeneration } from './merge.ts';
import type { AggregatorMetrics } from './metrics.ts';
import { type Calls, inTurn, type Service } from './runner.ts';

/** How often it looks for deltas that wait. */
const lookEveryMs = 250;
/** What one transaction takes on: two seconds' work, where no two cells are the same. */
const pieceWeightMax = 200_000;
const pieceBytesMax = 32 * 1024 * 1024;

/**
 * Merges deltas into the rollups. The longer they wait the fewer rows there are to write, and queries add those that wait; so
 * all are merged when
 *
 *   - none has come for mergeQuietMs, or
 *   - the last time was mergeWaitMs ago, or
 *   - there are too many cells in them for queries to add.
 */
export class MergeService implements Service {
  readonly name = 'merge';
  #newest: bigint | undefined;
  #newestSinceMs = 0;
  #mergedMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly config: Pick<
      AggregatorConfig,
      'mergeWaitMs' | 'mergeQuietMs' | 'deltaCellsWaitingMax' | 'mergeDeltasMax'
    >,
    readonly metrics: AggregatorMetrics,
  ) {}

  async round(calls: Calls): Promise<number> {
    if (this.#isDue(await this.#look(calls))) await this.#mergeAll(calls);
    return Math.min(lookEveryMs, this.config.mergeQuietMs);
  }

  #isDue({ newest, weight }: PendingDeltas): boolean {
    if (newest === null) return false;
    const nowMs = performance.now();
    if (newest !== this.#newest) {
      this.#newest = newest;
      this.#newestSinceMs = nowMs;
    }
    const { mergeQuietMs, mergeWaitMs, deltaCellsWaitingMax } = this.config;
    return (
      nowMs - this.#newestSinceMs >= mergeQuietMs ||
      nowMs - this.#mergedMs >= mergeWaitMs ||
      weight >= deltaCellsWaitingMax
    );
  }

  async #look(calls: Calls): Promise<PendingDeltas> {
    const pending = await calls.look(pendingDeltas);
    this.metrics.waiting.set(pending.deltas);
    this.metrics.waitingSeconds.set(pending.pendingMs / 1_000);
    return pending;
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
    this.#mergedMs = performance.now();
    if (held) await calls.freeStalled();
    await this.#look(calls);
  }

  /** How many deltas; undefined where another aggregator is at the generation. */
  async #merge(calls: Calls, generation: bigint): Promise<number | undefined> {
    const startedMs = performance.now();
    const limits = {
      deltasMax: this.config.mergeDeltasMax,
      weightMax: pieceWeightMax,
      bytesMax: pieceBytesMax,
    };
    const merged = await calls.piece((sql) => mergeGeneration(sql, generation, limits));
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
