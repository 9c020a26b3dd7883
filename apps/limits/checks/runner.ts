import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { queryCanceled } from '@usage/db/connection/sqlStates.ts';
import type { UsageRunner } from '@usage/db/usage/context.ts';
import { DeltaCache } from '@usage/db/usage/deltaCache.ts';
import { UsageTimeout } from '@usage/db/usage/eventSums.ts';
import { usageSnapshot } from '@usage/db/usage/sql/snapshot.ts';
import { unavailable } from '@usage/lib/http/problem.ts';
import { ConcurrencyLimit } from '@usage/lib/service/concurrencyLimit.ts';
import type { LimitsConfig } from '../config.ts';
import type { LimitsMetrics } from '../metrics.ts';
import { StateCache } from './stateCache.ts';

export type CheckLimits = Pick<
  LimitsConfig,
  'statementMsMax' | 'requestsMax' | 'requestsPerNamespaceMax' | 'deltaCellsMax' | 'statesMax'
>;

export type CheckKind = 'value' | 'history' | 'access' | 'query' | 'threshold' | 'reserve';

/** Runs what reads usage: on one snapshot, bounded in time and in number. */
export class CheckRunner {
  readonly deltas: DeltaCache;
  readonly states: StateCache;
  readonly #running: ConcurrencyLimit;

  constructor(
    readonly sql: Sql,
    readonly limits: CheckLimits,
    readonly metrics: LimitsMetrics,
  ) {
    this.deltas = new DeltaCache(limits.deltaCellsMax, metrics);
    this.states = new StateCache(limits.statesMax);
    this.#running = new ConcurrencyLimit(limits.requestsMax, limits.requestsPerNamespaceMax);
  }

  /** The snapshot is taken once `before` is settled. Problems: 503 when it takes too long or can't be done now. */
  async read<T>(
    kind: CheckKind,
    namespace: string,
    read: (tx: Transaction, runner: UsageRunner) => Promise<T>,
    before: Promise<unknown> = Promise.resolve(),
  ): Promise<T> {
    const { statementMsMax } = this.limits;
    return this.measured(kind, namespace, () =>
      usageSnapshot(this.sql, statementMsMax, before, (tx) => read(tx, this.usageRunner())),
    );
  }

  /** Counts and times `run`, and makes problems of its time-outs. */
  async measured<T>(kind: CheckKind, namespace: string, run: () => Promise<T>): Promise<T> {
    if (!this.#running.take(namespace))
      throw unavailable('As many checks as possible are being answered already.', 1);
    this.metrics.running.set(this.#running.taken);
    const startedMs = performance.now();
    try {
      return await run();
    } catch (error) {
      if (error instanceof UsageTimeout || (error as { code?: unknown }).code === queryCanceled)
        throw unavailable(`The check took longer than ${this.limits.statementMsMax} ms.`, 5, error);
      throw error;
    } finally {
      this.#running.give(namespace);
      this.metrics.running.set(this.#running.taken);
      this.metrics.duration.observe({ kind }, (performance.now() - startedMs) / 1_000);
    }
  }

  usageRunner(): UsageRunner {
    const deadlineMs = performance.now() + this.limits.statementMsMax;
    return { deltas: this.deltas, metrics: this.metrics, deadlineMs };
  }
}
