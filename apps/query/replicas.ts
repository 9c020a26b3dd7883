import { abandonConnections, connect, type Sql } from '@usage/db/connection/connect.ts';
import { type WalPosition, walPosition } from '@usage/db/connection/walPosition.ts';
import { parseDatabaseUrl } from '@usage/lib/service/databaseUrl.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import type { EventStream, StreamPosition } from '@usage/lib/stream/stream.ts';
import { Gauge, type Registry } from 'prom-client';

/** Between two looks at the primary and the replicas; an answer's Usage-As-Of is at most this much older than it could be. */
const pollMs = 250;
/** A server that has not answered a look for this long is left: its queries are asked elsewhere. */
const answerMsMax = 1_000;
const statementMsMax = 5_000;

/** What is known to be in every server that has replayed the WAL up to `lsn`. */
interface Mark extends WalPosition {
  position: StreamPosition;
  takenMs: number;
}

interface Replica {
  name: string;
  sql: Sql;
  usable: boolean;
}

/** Too far behind the primary, or on another timeline: its answer would be older than is allowed, or another history's. */
export class ReplicaBehind extends Error {
  override name = 'ReplicaBehind';
  readonly code = 'REPLICA_BEHIND';
}

/**
 * Read replicas, each with a pool of its own, and what they may promise. Redis says up to which arrival everything is
 * stored; the primary says, asked after that, how far its WAL goes: together a mark. Whatever a server that has replayed a
 * mark's WAL answers is as fresh as the mark says, however long ago it was taken, whether or not the primary is there.
 */
export class Replicas {
  readonly #replicas: Replica[];
  #marks: Mark[] = [];
  #next = 0;
  #timer: Timer | undefined;
  #polling: Promise<unknown> = Promise.resolve();

  constructor(
    url: string,
    readonly primary: Sql,
    readonly stream: EventStream,
    readonly limits: { connectionsMax: number; queryMsMax: number; lagMsMax: number },
    readonly log: Logger,
  ) {
    const target = parseDatabaseUrl(url);
    this.#replicas = target.hosts.map((host) => ({
      name: `${host.host}:${host.port}`,
      usable: false,
      sql: connect({
        url: { ...target, hosts: [host], role: 'any' },
        name: 'query replica',
        connectionsMax: limits.connectionsMax,
        statementMsMax: Math.max(limits.queryMsMax, statementMsMax),
      }),
    }));
  }

  async start(): Promise<void> {
    await this.#poll();
    this.#timer = setInterval(() => {
      this.#polling = this.#polling.then(() => this.#poll());
    }, pollMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#polling;
    await Promise.all(this.#replicas.map(({ sql }) => sql.end({ timeout: 5 })));
  }

  get count(): number {
    return this.#replicas.length;
  }

  /** Those that can be asked now, the one whose turn it is first. */
  inTurn(): Sql[] {
    const usable = this.#replicas.filter((replica) => replica.usable);
    const from = this.#next++ % Math.max(1, usable.length);
    return [...usable.slice(from), ...usable.slice(0, from)].map(({ sql }) => sql);
  }

  /** How fresh a server is that has replayed so far. Throws ReplicaBehind where that is older than allowed. */
  freshnessAt(replayed: WalPosition): StreamPosition {
    const mark = this.#marks.findLast((one) => isIn(one, replayed));
    const newest = this.#marks.at(-1);
    if (!mark || newest!.takenMs - mark.takenMs > this.limits.lagMsMax)
      throw new ReplicaBehind('the replica has not replayed enough of the WAL');
    return mark.position;
  }

  watch(registry: Registry): void {
    const replicas = this.#replicas;
    new Gauge({
      name: 'usage_query_replica_usable',
      help: 'Whether a replica of QUERY_DATABASE_URL answers queries (1) or is left for now (0)',
      labelNames: ['replica'],
      registers: [registry],
      collect() {
        for (const { name, usable } of replicas) this.set({ replica: name }, usable ? 1 : 0);
      },
    });
  }

  async #poll(): Promise<void> {
    await this.#mark().catch(() => {}); // without Redis or the primary the marks that there are go on being true
    await Promise.all(this.#replicas.map((replica) => this.#look(replica)));
  }

  /** In this order: what Redis calls stored is in the WAL by then. */
  async #mark(): Promise<void> {
    const position = await this.stream.position();
    const wal = await inTime(walPosition(this.primary));
    if (wal.timeline !== this.#marks.at(-1)?.timeline) this.#marks = [];
    this.#marks.push({ ...wal, position, takenMs: performance.now() });
    const marksMax = Math.ceil(this.limits.lagMsMax / pollMs) + 8;
    this.#marks.splice(0, this.#marks.length - marksMax);
  }

  async #look(replica: Replica): Promise<void> {
    const before = replica.usable;
    let reason = '';
    try {
      this.freshnessAt(await inTime(walPosition(replica.sql)));
      replica.usable = true;
    } catch (error) {
      replica.usable = false;
      reason = (error as Error).message;
      // What waits for it rejects now, and is asked elsewhere.
      if (!(error instanceof ReplicaBehind)) void abandonConnections(replica.sql);
    }
    if (before === replica.usable) return;
    if (replica.usable) this.log.info({ replica: replica.name }, 'replica answers queries');
    else this.log.warn({ replica: replica.name, reason }, 'replica is left for now');
  }
}

function isIn(mark: Mark, { timeline, lsn }: WalPosition): boolean {
  return mark.lsn <= lsn && (timeline === undefined || timeline === mark.timeline);
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${answerMsMax} ms`)), answerMsMax);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
    answer.catch(() => {});
  }
}
