import type { Sql } from '@usage/db/connection/connect.ts';
import { NoAnswer, Patience } from '@usage/db/connection/patience.ts';
import { terminateStalledBackends } from '@usage/db/connection/stalledBackends.ts';
import {
  generationsWithDeltas,
  type MergeLimits,
  type WaitingDeltas,
  waitingAltogether,
} from '@usage/db/rollups/deltas.ts';
import type { App } from '@usage/lib/service/app.ts';
import { backfillStretch } from './backfill.ts';
import { compactGeneration } from './compact.ts';
import type { AggregatorConfig } from './config.ts';
import { closeDays, generationsToClose } from './days.ts';
import { mergeGeneration } from './merge.ts';
import type { AggregatorMetrics } from './metrics.ts';
import { Upkeep } from './upkeep.ts';

/** A new meter is backfilled, and a day closed, this much later at most. */
const roundMs = 3_000;
/** How often an aggregator looks for deltas while it waits for more of them. */
const lookMs = 250;
/** Compacted deltas that are still more than this share of what may wait hold so many different cells that waiting is of no use. */
const compactedShareMax = 0.5;
/** Where compacting leaves more than this share each batch brings other cells: nothing is compacted for a while then. */
const vainShareMin = 0.75;
const vainPauseMs = 60_000;
const retryMsMin = 500;
const retryMsMax = 5_000;
/** Three seconds' work, where no two cells are the same: a backlog is merged in pieces that end before patience does. */
const mergeWeightMax = 200_000;
/** A merge takes 0.1 to 2 s; where it takes longer, more patience is learned. */
const answerMsMin = 6_000;
const answerMsMax = 105_000;
/** A loop that waits patiently is not stuck. */
export const loopStallMsMax = answerMsMax + 15_000;
/** An aggregator that has kept PostgreSQL waiting for this long in a transaction is stopped or out of reach. */
const stalledMsMin = 5_000;
/** After a call without an answer its transaction is looked for in every round for so long: it isn't silent yet at first. */
const stalledWatchMs = 20_000;

/** Rounds of: merge what waits, read a stretch for new meters, close days, now and then the upkeep. Any number may run at once. */
export class Loop {
  #patience: Patience;
  #upkeep: Upkeep;
  #done: Promise<void> = Promise.resolve();
  #lastSeenMs = performance.now();
  #faults = new Map<string, string>();
  #vainWaits = new Map<bigint, number>();
  #newest: bigint | undefined;
  #newestSinceMs = Number.POSITIVE_INFINITY;
  #compactAfterMs = Number.NEGATIVE_INFINITY;
  #watchStalledUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly app: App,
    readonly sql: Sql,
    readonly config: Pick<
      AggregatorConfig,
      | 'mergeWaitMs'
      | 'mergeQuietMs'
      | 'deltaCellsWaitingMax'
      | 'mergeDeltasMax'
      | 'backfillEventsMax'
      | 'dedupeWindowHours'
      | 'retentionDays'
    >,
    readonly metrics: AggregatorMetrics,
  ) {
    this.#patience = new Patience(sql, answerMsMin, answerMsMax);
    this.#upkeep = new Upkeep(app, sql, config, async (run) => {
      const result = await this.#patience.run(run);
      this.#lastSeenMs = performance.now();
      return result;
    });
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Resolves when the transaction under way has ended; the app is stopping by now. */
  async stopped(): Promise<void> {
    await this.#done;
  }

  get fault(): string | undefined {
    return [...this.#faults].map(([step, message]) => `${step}: ${message}`).join('; ') || undefined;
  }

  get stuck(): string | undefined {
    const stalledMs = performance.now() - this.#lastSeenMs;
    return stalledMs > loopStallMsMax
      ? `the loop has stalled for ${Math.round(stalledMs / 1000)} s`
      : undefined;
  }

  async #run(): Promise<void> {
    let failures = 0;
    let mergedMs = Number.NEGATIVE_INFINITY;
    let mergeNow = true;
    while (!this.app.stopping) {
      if (performance.now() < this.#watchStalledUntilMs) await this.#terminateStalled().catch(() => {});
      if (mergeNow || failures > 0 || performance.now() - mergedMs >= this.config.mergeWaitMs) {
        await this.#step('merge', () => this.#mergeAll());
        mergedMs = performance.now();
      }
      const more = await this.#step('backfill', () =>
        this.#patience.run(() => backfillStretch(this.sql, this.config.backfillEventsMax)),
      );
      if (more) this.metrics.backfills.inc();
      const closing = await this.#step('days', () => this.#closeDays());
      await this.#step('upkeep', () => this.#upkeep.round());
      failures = this.#faults.size > 0 ? failures + 1 : 0;
      if (failures > 0) await this.app.pause(Math.min(retryMsMin * 2 ** failures, retryMsMax));
      const mergeDueMs = mergedMs + this.config.mergeWaitMs - performance.now();
      mergeNow = more || closing || (await this.#isMergeDue(Math.min(roundMs, mergeDueMs)));
    }
  }

  /**
   * Waits up to `waitMs`; true where a merge is due before. The more batches one merge takes, the fewer cells there are to
   * write: so deltas are left waiting until none has come for a while. Where there are too many of them for queries to add,
   * they are compacted, and merged only if they are too many still.
   */
  async #isMergeDue(waitMs: number): Promise<boolean> {
    const { mergeQuietMs, deltaCellsWaitingMax } = this.config;
    const endMs = performance.now() + waitMs;
    for (;;) {
      const restMs = endMs - performance.now();
      if (restMs <= 0 || this.app.stopping) return false;
      await this.app.pause(Math.min(lookMs, mergeQuietMs, restMs));
      const lookedMs = performance.now();
      const waiting = await this.#look().catch(() => undefined);
      if (!waiting || waiting.newest === null) continue;
      if (waiting.newest !== this.#newest) {
        this.#newest = waiting.newest;
        this.#newestSinceMs = lookedMs;
      } else if (lookedMs - this.#newestSinceMs >= mergeQuietMs) return true;
      if (waiting.weight < deltaCellsWaitingMax) continue;
      const weight = await this.#compact(waiting.weight);
      if (weight > deltaCellsWaitingMax * compactedShareMax) return true;
    }
  }

  /** Resolves to what is left waiting; that it failed is left to the merge to say, which follows. */
  async #compact(weightBefore: number): Promise<number> {
    if (performance.now() < this.#compactAfterMs) return weightBefore;
    const weight = (await this.#step('compaction', () => this.#compactAll())) ?? weightBefore;
    this.#faults.delete('compaction');
    if (weight > weightBefore * vainShareMin) this.#compactAfterMs = performance.now() + vainPauseMs;
    return weight;
  }

  async #look(): Promise<WaitingDeltas> {
    const waiting = await this.#patience.run(() => waitingAltogether(this.sql));
    this.metrics.waiting.set(waiting.deltas);
    this.metrics.waitingSeconds.set(waiting.waitingMs / 1_000);
    return waiting;
  }

  /** A step that fails is tried again in the next round and does not keep the others from theirs. */
  async #step<T>(name: string, run: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await run();
      this.#faults.delete(name);
      return result;
    } catch (error) {
      this.#faults.set(name, (error as Error).message);
      this.metrics.faults.inc({ step: name });
      if (error instanceof NoAnswer) this.#watchStalledUntilMs = performance.now() + stalledWatchMs;
      this.app.log.warn({ err: error, step: name }, 'trying again in the next round');
      return undefined;
    } finally {
      this.#lastSeenMs = performance.now();
    }
  }

  /** Frees what the dead connections of this and other aggregators have locked. */
  async #terminateStalled(): Promise<void> {
    const ended = await this.#patience.run(() =>
      terminateStalledBackends(this.sql, 'aggregator', stalledMsMin),
    );
    if (ended > 0) this.app.log.warn({ ended }, 'ended transactions whose aggregator does not answer');
  }

  async #mergeAll(): Promise<void> {
    await this.#look();
    await this.#pieceByPiece(0, async (generation) => {
      const merged = await this.#merge(generation);
      await this.#look();
      return merged;
    });
  }

  /** Resolves to what is left waiting. */
  async #compactAll(): Promise<number> {
    // What a piece comes to is the newest delta: the next piece begins after what this one took.
    await this.#pieceByPiece(1, async (generation) => {
      const compact = () => compactGeneration(this.sql, generation, this.#mergeLimits);
      const taken = (await this.#patiently(generation, compact)) ?? 0;
      this.metrics.compacted.inc(taken);
      return taken;
    });
    return (await this.#look()).weight;
  }

  /** Takes the deltas that every generation has now, until at most `restMax` of them are left or none could be taken. */
  async #pieceByPiece(restMax: number, take: (generation: bigint) => Promise<number>): Promise<void> {
    const generations = await this.#patience.run(() => generationsWithDeltas(this.sql));
    await this.#eachGeneration(generations, async ({ generation, deltas }) => {
      for (let left = deltas; left > restMax && !this.app.stopping; ) {
        const taken = await take(generation);
        if (taken === 0) break;
        left -= taken;
      }
    });
  }

  get #mergeLimits(): MergeLimits {
    return { deltasMax: this.config.mergeDeltasMax, weightMax: mergeWeightMax };
  }

  /** One generation's fault does not keep the others from their turn; the first one is thrown at the end. */
  async #eachGeneration<T>(generations: readonly T[], run: (generation: T) => Promise<void>): Promise<void> {
    const faults: unknown[] = [];
    for (const generation of generations) {
      if (this.app.stopping) break;
      await run(generation).catch((error) => faults.push(error));
      this.#lastSeenMs = performance.now();
    }
    if (faults.length > 0) throw faults[0];
  }

  /** Waits for a generation's transaction longer each time that it was waited for in vain. */
  async #patiently<T>(generation: bigint, run: () => Promise<T>): Promise<T> {
    const vainWaits = this.#vainWaits.get(generation) ?? 0;
    try {
      const result = await this.#patience.run(run, vainWaits);
      // Locked says nothing: it may be the transaction that was waited for in vain.
      if (result !== undefined) this.#vainWaits.delete(generation);
      return result;
    } catch (error) {
      if (error instanceof NoAnswer) this.#vainWaits.set(generation, vainWaits + 1);
      throw error;
    }
  }

  async #merge(generation: bigint): Promise<number> {
    const startedMs = performance.now();
    const merge = () => mergeGeneration(this.sql, generation, this.#mergeLimits);
    const merged = await this.#patiently(generation, merge);
    this.#lastSeenMs = performance.now();
    if (!merged) await this.#terminateStalled(); // another one is at it, or was
    if (!merged || merged.deltas === 0) return 0;
    this.metrics.merged.inc(merged.deltas);
    this.metrics.rows.inc(merged.rows);
    this.metrics.mergeSeconds.observe((performance.now() - startedMs) / 1_000);
    const nowMs = Date.now();
    for (const arrivedMs of merged.arrivedMs)
      this.metrics.rollupDelay.observe(Math.max(0, nowMs - arrivedMs) / 1_000);
    return merged.deltas;
  }

  /** One transaction a meter, so that merges have their turn in between; whether there was anything to do. */
  async #closeDays(): Promise<boolean> {
    const nowMs = Date.now();
    let closed = 0;
    const generations = await this.#patience.run(() => generationsToClose(this.sql, nowMs));
    await this.#eachGeneration(generations, async (generation) => {
      const days = (await this.#patiently(generation, () => closeDays(this.sql, generation, nowMs))) ?? 0;
      this.metrics.daysClosed.inc(days);
      closed += days;
    });
    return closed > 0;
  }
}
