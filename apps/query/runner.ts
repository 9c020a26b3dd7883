import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { isTemporary, queryCanceled } from '@usage/db/connection/sqlStates.ts';
import { walPosition } from '@usage/db/connection/walPosition.ts';
import { DeltaCache } from '@usage/db/usage/deltaCache.ts';
import { UsageTimeout } from '@usage/db/usage/eventSums.ts';
import { usageSnapshot } from '@usage/db/usage/sql/snapshot.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { ConcurrencyLimit } from '@usage/lib/service/concurrencyLimit.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import type { EventStream, StreamPosition } from '@usage/lib/stream/stream.ts';
import { WindowsError } from '@usage/lib/windows/windows.ts';
import { FairLimit } from './fairLimit.ts';
import type { QueryMetrics } from './metrics.ts';
import type { Replicas } from './replicas.ts';

export interface RunnerLimits {
  /** From the first statement to the last. */
  queryMsMax: number;
  /** Queries that run or wait for a connection; more of them get 503. */
  queriesMax: number;
  queriesPerNamespaceMax: number;
  /** Queries that run on a server at once, and of these for one namespace. */
  connectionsMax: number;
  connectionsPerNamespaceMax: number;
  deltaCellsMax: number;
}

export type QueryKind = 'meter' | 'subjects' | 'group_values' | 'events' | 'portal_token';

/** `primary`: what must be seen at once after it was stored or changed. */
export type ReadFrom = 'primary' | 'replicas';

/** `Prefer: wait` asks for what is stored now: of the primary, however fresh the replicas are. */
export function readFrom(request: Request): ReadFrom {
  return /(?:^|[,;])\s*wait\s*(?:=|,|;|$)/i.test(request.headers.get('prefer') ?? '')
    ? 'primary'
    : 'replicas';
}

/** What a query does on its snapshot. `fresh`: how fresh that is, as headers; of queries of meters alone. */
export type Read<T> = (
  tx: Transaction,
  deadlineMs: number,
  fresh: Promise<Record<string, string>>,
) => Promise<T>;

/** Everything that a read needs, and the one place that decides what its failures mean for the client. */
export class QueryRunner {
  readonly deltas: DeltaCache;
  /** Queries that run or wait. */
  readonly #taken: ConcurrencyLimit;
  readonly #turns: FairLimit;
  #freshnessIssue = false;

  constructor(
    readonly sql: Sql,
    readonly stream: EventStream | undefined,
    readonly limits: RunnerLimits,
    readonly metrics: QueryMetrics,
    readonly log: Logger,
    readonly replicas?: Replicas,
    /** The present: what levels are answered up to. */
    readonly nowMs: () => number = Date.now,
  ) {
    this.deltas = new DeltaCache(limits.deltaCellsMax, metrics);
    this.#taken = new ConcurrencyLimit(limits.queriesMax, limits.queriesPerNamespaceMax);
    const servers = 1 + (replicas?.count ?? 0);
    const connectionsMax = servers * limits.connectionsMax;
    // At least one connection is left to the others, where there are two.
    const eachMax = Math.max(1, Math.min(servers * limits.connectionsPerNamespaceMax, connectionsMax - 1));
    this.#turns = new FairLimit(connectionsMax, eachMax);
  }

  /**
   * Runs `read` on one snapshot: of a replica where there are some and `from` allows it, else of the primary. A replica
   * that fails is left for the next one, and a meter that it doesn't know is looked for on the primary; `read` may so run
   * more than once. Problems: 400 for too many windows, 503 when it takes too long or can't be done now.
   */
  async read<T>(kind: QueryKind, namespace: string, read: Read<T>, from: ReadFrom = 'primary'): Promise<T> {
    if (!this.#taken.take(namespace))
      throw unavailable('As many queries as possible are being answered already.', 1);
    this.metrics.running.set(this.#taken.taken);
    const startedMs = performance.now();
    const deadlineMs = startedMs + this.limits.queryMsMax;
    let running = false;
    try {
      running = await this.#turns.begin(namespace, this.limits.queryMsMax);
      if (!running)
        throw unavailable('Other queries took all of the time that this one may wait.', retrySeconds);
      for (const sql of from === 'replicas' ? (this.replicas?.inTurn() ?? []) : []) {
        try {
          const answer = await this.#readReplica(sql, read, deadlineMs);
          this.metrics.reads.inc({ from: 'replica' });
          return answer;
        } catch (error) {
          if (!mayAnswerElsewhere(error) || performance.now() >= deadlineMs) throw error;
          this.metrics.replicaRetries.inc();
        }
      }
      const fresh = kind === 'meter' ? this.freshness() : noHeaders;
      const run = (tx: Transaction) => read(tx, deadlineMs, fresh);
      const answer = await usageSnapshot(this.sql, this.limits.queryMsMax, fresh, run);
      this.metrics.reads.inc({ from: 'primary' });
      return answer;
    } catch (error) {
      throw toProblem(error, this.limits.queryMsMax);
    } finally {
      if (running) this.#turns.end(namespace);
      this.#taken.give(namespace);
      this.metrics.running.set(this.#taken.taken);
      this.metrics.duration.observe({ kind }, (performance.now() - startedMs) / 1_000);
    }
  }

  /** How far the replica has come is asked before its snapshot is taken: it holds all that the headers promise. */
  async #readReplica<T>(sql: Sql, read: Read<T>, deadlineMs: number): Promise<T> {
    const fresh = Promise.withResolvers<Record<string, string>>();
    fresh.promise.catch(() => {});
    const look = async (tx: Transaction) => {
      try {
        fresh.resolve(freshnessHeaders(this.replicas!.freshnessAt(await walPosition(tx))));
      } catch (error) {
        fresh.reject(error);
        throw error;
      }
    };
    const statementMsMax = Math.max(1, Math.ceil(deadlineMs - performance.now()));
    return await usageSnapshot(
      sql,
      statementMsMax,
      noHeaders,
      (tx) => read(tx, deadlineMs, fresh.promise),
      look,
    );
  }

  /**
   * How fresh answers are that are read from now on, as headers: asked before the snapshot is taken, so that it holds
   * all that the headers promise. None while Redis is away: the answer still holds all usage that is stored.
   */
  async freshness(): Promise<Record<string, string>> {
    try {
      const position = await this.stream?.position();
      if (!position) return {};
      this.#freshnessIssue = false;
      return freshnessHeaders(position);
    } catch (error) {
      if (!this.#freshnessIssue)
        this.log.warn({ err: error }, 'redis is away: answers go without Usage-As-Of');
      this.#freshnessIssue = true;
      return {};
    }
  }
}

const noHeaders = Promise.resolve({});
const retrySeconds = 5;

function freshnessHeaders({ asOfMs, eventsWaiting }: StreamPosition): Record<string, string> {
  return { 'Usage-As-Of': formatTimeUs(asOfMs * 1_000), 'Usage-Events-Waiting': String(eventsWaiting) };
}

/** Of a failure of a replica: whether another server may know or do better. A time-out would only take as long again. */
function mayAnswerElsewhere(error: unknown): boolean {
  if (error instanceof Problem) return error.code === 'not_found';
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string' || code === queryCanceled) return false;
  return !isSqlState(code) || isTemporary(code);
}

function isSqlState(code: string): boolean {
  return code.length === 5 && /\d/.test(code);
}

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
  const temporary = typeof code === 'string' && (!isSqlState(code) || isTemporary(code));
  return temporary ? unavailable('The database does not answer.', 1, error) : error;
}
