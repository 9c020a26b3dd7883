import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { totalOf, withAttempts } from '@usage/db/connection/deadline.ts';
import { terminateStalledBackends } from '@usage/db/connection/stalledBackends.ts';
import type { App } from '@usage/lib/service/app.ts';
import type { AggregatorMetrics, ServiceName } from './metrics.ts';

/** One of the aggregator's jobs. Any number of aggregators may run it at once: each piece of work is claimed by a lock. */
export interface Service {
  /** In logs, metrics and pg_stat_activity. */
  readonly name: ServiceName;
  /** Does what is due, in pieces; resolves to the ms until it should look again, 0 where there is more to do. */
  round(calls: Calls): Promise<number>;
}

/** How a service asks PostgreSQL. */
export interface Calls {
  readonly sql: Sql;
  readonly app: App;
  /** Something that only looks, or takes no longer than that. */
  look<T>(run: (sql: Sql) => Promise<T>): Promise<T>;
  /** A bounded piece of work, which is harmless to do again. */
  piece<T>(run: (sql: Sql) => Promise<T>): Promise<T>;
  /** A row, a lock or a generation is taken: by another aggregator, or by one that is gone and doesn't know. */
  freeStalled(): Promise<void>;
}

/** Runs each one, also after one of them failed; throws the first error at the end. */
export async function inTurn<T>(
  app: App,
  all: readonly T[],
  run: (one: T) => Promise<unknown>,
): Promise<void> {
  const faults: unknown[] = [];
  for (const one of all) {
    if (app.stopping) break;
    await run(one).catch((error) => faults.push(error));
  }
  if (faults.length > 0) throw faults[0];
}

/**
 * A piece takes 1 to 3 s. The first deadline notices an answer that was lost; a slow disk needs the later ones. Three attempts,
 * 86 s in total; then the service reports a fault and begins anew after `backoffMsMin` to `backoffMsMax`.
 */
const pieceMs = [6_000, 20_000, 60_000] as const;
const lookMs = [5_000, 15_000] as const;
/** No call takes longer. */
export const stuckMsMin = totalOf(pieceMs) + 30_000;
const statementMsMax = 65_000;
/** A statement that waits for a lock makes later ones wait behind it: it gives up after this time. */
const lockMsMax = 5_000;
/** An aggregator that has kept PostgreSQL waiting for this long in a transaction is stopped or out of reach. */
const stalledMsMin = 5_000;
const backoffMsMin = 500;
const backoffMsMax = 5_000;

/** Runs one service over a connection of its own, until the app stops. A fault is tried again after a growing pause. */
export class Runner implements Calls {
  readonly sql: Sql;
  #name: string;
  #done: Promise<void> = Promise.resolve();
  #lastAnswerMs = performance.now();
  #failures = 0;
  #fault: string | undefined;

  constructor(
    readonly app: App,
    databaseUrl: string,
    readonly service: Service,
    readonly metrics: AggregatorMetrics,
  ) {
    this.#name = `aggregator ${service.name}`;
    this.sql = connect({ url: databaseUrl, name: this.#name, connectionsMax: 1, statementMsMax, lockMsMax });
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Resolves when the piece under way has ended and the connection is closed; the app is stopping by now. */
  async stopped(): Promise<void> {
    await this.#done;
    await this.sql.end({ timeout: 5 });
  }

  /** Of the last round; undefined where it went well. */
  get fault(): string | undefined {
    return this.#fault;
  }

  get stuck(): string | undefined {
    const silentMs = performance.now() - this.#lastAnswerMs;
    return silentMs > stuckMsMin
      ? `${this.service.name} has had no answer for ${Math.round(silentMs / 1000)} s`
      : undefined;
  }

  look<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#call(lookMs, run);
  }

  piece<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#call(pieceMs, run);
  }

  async freeStalled(): Promise<void> {
    const ended = await this.#call(lookMs, (sql) => terminateStalledBackends(sql, this.#name, stalledMsMin));
    if (ended > 0)
      this.app.log.warn(
        { ended, service: this.service.name },
        'ended transactions whose aggregator is silent',
      );
  }

  async #call<T>(deadlinesMs: readonly number[], run: (sql: Sql) => Promise<T>): Promise<T> {
    try {
      return await withAttempts(
        this.sql,
        deadlinesMs,
        () => run(this.sql),
        () => this.app.stopping,
      );
    } finally {
      this.#lastAnswerMs = performance.now();
    }
  }

  async #run(): Promise<void> {
    while (!this.app.stopping) await this.app.pause(await this.#round());
  }

  async #round(): Promise<number> {
    try {
      const pauseMs = await this.service.round(this);
      this.#failures = 0;
      this.#fault = undefined;
      this.#lastAnswerMs = performance.now();
      return pauseMs;
    } catch (error) {
      const { name } = this.service;
      this.#fault = `${name}: ${(error as Error).message}`;
      this.metrics.faults.inc({ step: name });
      this.app.log.warn({ err: error, step: name }, 'trying again');
      await this.freeStalled().catch(() => {}); // the round's own fault says what is wrong
      return Math.min(backoffMsMin * 2 ** this.#failures++, backoffMsMax) * (0.5 + Math.random() / 2);
    }
  }
}
