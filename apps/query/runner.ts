import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { isTemporary, queryCanceled } from '@usage/db/connection/sqlStates.ts';
import { DeltaCache } from '@usage/db/usage/deltaCache.ts';
import { UsageTimeout } from '@usage/db/usage/eventSums.ts';
import { usageSnapshot } from '@usage/db/usage/sql/rollupSums.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { ConcurrencyLimit } from '@usage/lib/http/concurrencyLimit.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { WindowsError } from '@usage/lib/windows/windows.ts';
import type { QueryMetrics } from './metrics.ts';

export interface RunnerLimits {
  /** From the first statement to the last. */
  queryMsMax: number;
  /** Queries that run or wait for a connection; more of them get 503. */
  queriesMax: number;
  queriesPerNamespaceMax: number;
  deltaCellsMax: number;
}

export type QueryKind = 'meter' | 'subjects' | 'group_values' | 'events' | 'portal_token';

/** Everything that a read needs, and the one place that decides what its failures mean for the client. */
export class QueryRunner {
  readonly deltas: DeltaCache;
  readonly #running: ConcurrencyLimit;
  #freshnessFault = false;

  constructor(
    readonly sql: Sql,
    readonly stream: EventStream | undefined,
    readonly limits: RunnerLimits,
    readonly metrics: QueryMetrics,
    readonly log: Logger,
  ) {
    this.deltas = new DeltaCache(limits.deltaCellsMax, metrics);
    this.#running = new ConcurrencyLimit(limits.queriesMax, limits.queriesPerNamespaceMax);
  }

  /**
   * Runs `read` on one snapshot that is taken once `before` is settled. Problems: 400 for too many windows, 503 when it
   * takes too long or can't be done now.
   */
  async read<T>(
    kind: QueryKind,
    namespace: string,
    read: (tx: Transaction, deadlineMs: number) => Promise<T>,
    before: Promise<unknown> = nothing,
  ): Promise<T> {
    if (!this.#running.take(namespace))
      throw unavailable('As many queries as possible are being answered already.', 1);
    this.metrics.running.set(this.#running.taken);
    const startedMs = performance.now();
    try {
      const deadlineMs = startedMs + this.limits.queryMsMax;
      return await usageSnapshot(this.sql, this.limits.queryMsMax, before, (tx) => read(tx, deadlineMs));
    } catch (error) {
      throw toProblem(error, this.limits.queryMsMax);
    } finally {
      this.#running.give(namespace);
      this.metrics.running.set(this.#running.taken);
      this.metrics.duration.observe({ kind }, (performance.now() - startedMs) / 1_000);
    }
  }

  /**
   * How fresh answers are that are read from now on, as headers: asked before the snapshot is taken, so that it holds
   * all that the headers promise. None while Redis is away: usage that is stored can be told all the same.
   */
  async freshness(): Promise<Record<string, string>> {
    try {
      const position = await this.stream?.position();
      if (!position) return {};
      this.#freshnessFault = false;
      return {
        'Usage-As-Of': formatTimeUs(position.asOfMs * 1_000),
        'Usage-Events-Waiting': String(position.eventsWaiting),
      };
    } catch (error) {
      if (!this.#freshnessFault)
        this.log.warn({ err: error }, 'redis is away: answers go without Usage-As-Of');
      this.#freshnessFault = true;
      return {};
    }
  }
}

const nothing = Promise.resolve();
const retrySeconds = 5;

function toProblem(error: unknown, msMax: number): unknown {
  if (error instanceof Problem) return error;
  if (error instanceof WindowsError) return new Problem('bad_request', `${error.message}.`);
  const code = (error as { code?: unknown }).code;
  if (error instanceof UsageTimeout || code === queryCanceled) {
    return unavailable(
      `The query took longer than ${msMax} ms: ask for a shorter time range, fewer groups or subjects.`,
      retrySeconds,
      error,
    );
  }
  const sqlState = typeof code === 'string' && code.length === 5 && /\d/.test(code);
  const temporary = sqlState ? isTemporary(code as string) : typeof code === 'string';
  return temporary ? unavailable('The database does not answer.', 1, error) : error;
}
