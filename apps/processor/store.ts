import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import { NoAnswer, withAttempts, withDeadline } from '@usage/db/connection/deadline.ts';
import {
  errorKindOf,
  lockNotAvailable,
  noPartition,
  undefinedTable,
} from '@usage/db/connection/sqlStates.ts';
import { terminateStalledBackends } from '@usage/db/connection/stalledBackends.ts';
import { committedBatches } from '@usage/db/events/batches.ts';
import { copyEvents } from '@usage/db/events/events.ts';
import { copyIdentities } from '@usage/db/events/identities.ts';
import type { IdentityTables } from '@usage/db/events/identityTables.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { nextTurn } from '@usage/lib/service/pause.ts';
import { apartFromBackfills, BackfillOver, backfillOf, writeOfBackfill } from './backfills.ts';
import type { Row } from './batch.ts';
import type { Ask } from './batchIds.ts';
import { finishBatch } from './finishBatch.ts';
import { addIdentities, knownKeys } from './identities.ts';
import { Evaluation } from './meters.ts';
import {
  type Attempt,
  extentOf,
  NotFresh,
  Outdated,
  type Plan,
  type Prepared,
  type Stored,
  without,
} from './prepared.ts';
import { CopyBuffers } from './reading/copyBuffers.ts';
import { RecentKeys } from './recentKeys.ts';
import { countAsStored, storedBefore } from './redelivered.ts';
import { Remembered } from './remembered.ts';

/** About a millisecond's work: the batch before is on its way to PostgreSQL, whose socket must not run dry. */
const rowsPerTurn = 1_000;
/** In one attempt: a partition that is gone shows first, then the ids. More often the database changes all the time. */
const restartsMax = 2;
/** So often a constraint is violated before rows count as what can't be stored. */
const violationsMax = 3;
/**
 * How long PostgreSQL has for its answer at the first, the second and every further attempt. A batch of 20 thousand rows takes
 * some 0.2 s: a dead connection is noticed by the first, a disk that is slow needs the others. The last is as long as a
 * statement may take (main.ts).
 */
export const answerMs = [6_000, 20_000, 60_000] as const;
/** A processor that has kept PostgreSQL waiting for this long in a transaction is stopped or out of reach. */
const stalledMsMin = 5_000;
/** The lock was not to be had, or no answer came: rows may be held by somebody who is gone. */
const heldCodes = new Set<unknown>([lockNotAvailable, NoAnswer.code]);

/**
 * Puts the rows of a batch into the database, each exactly once, on one of two paths:
 *
 *   COPY     the keys of their identities into the open identity table, themselves into events: right when no key is there
 *            yet, which the table's index proves
 *   doubt    keys are added unless they are there (ON CONFLICT DO NOTHING), and the rows of those that were added are copied:
 *            for rows that this processor has met before, and for all of a batch where COPY has met a duplicate
 *
 * Closed identity tables within the dedupe window are looked into before (db/events/identityTables.ts). Rows that were sent under
 * a backfill are stored in batches of their own (backfills.ts).
 */
export class Store {
  #idleBuffers: CopyBuffers[] = [];
  #recent = new RecentKeys();
  #remembered: Remembered;
  /** Called after every transaction: storing a batch may take many of them. */
  onProgress: () => void = () => {};

  constructor(
    readonly sql: Sql,
    readonly dedupeWindowMs: number,
    readonly processor: string,
    /** Of the pool, as PostgreSQL shows it. */
    readonly poolName = 'processor',
  ) {
    this.#remembered = new Remembered(sql, this.#ask);
  }

  /** `all` in the order of their keys. `fresh` is filled, and must stay as it is until the batch is stored. */
  async prepare(all: Row[], fresh = new CopyBuffers()): Promise<Prepared> {
    const { rows, ofBackfills } = apartFromBackfills(all);
    const meters = await this.#remembered.meters();
    const batchId = await this.#remembered.nextBatchId();
    fresh.begin(batchId.id);
    const doubtful: Row[] = [];
    const evaluation = new Evaluation(meters);
    for (const [n, row] of rows.entries()) {
      if (this.#recent.meet(row.tuples.keys, row.keyAt)) {
        doubtful.push(row);
      } else {
        fresh.add(row);
        evaluation.add(row);
      }
      if (n % rowsPerTurn === rowsPerTurn - 1) await nextTurn();
    }
    const extent = extentOf(rows);
    const contribution = evaluation.contribution(extent.fromMs);
    const any = doubtful.length < rows.length ? fresh : undefined;
    const plan = { rows, extent, batchId, fresh: any, doubtful, meters, contribution };
    return { rows, ofBackfills, plan, attempts: 0, violations: 0, sent: new Map() };
  }

  /**
   * Rejects with transient faults only, and the same call may be made again. What an attempt before has stored (its commit
   * was not answered, or only a part of the rows got so far) counts as stored and not as duplicates. So does what another
   * processor has stored of a frame, and ended before it said so, where a request waits for it.
   */
  async store(prepared: Prepared): Promise<Stored> {
    const outcome: Stored = { stored: 0, duplicates: [], refused: [] };
    const isFirst = prepared.sent.size === 0;
    try {
      // Without any there are dead letters alone.
      if (prepared.rows.length > 0)
        await this.#storeRows(prepared.rows, prepared.plan, { prepared, outcome, restarts: 0 });
      for (const rows of prepared.ofBackfills)
        await this.#storeRows(rows, undefined, { prepared, outcome, restarts: 0 });
      if (!isFirst && outcome.duplicates.length > 0) await this.#countEarlier(prepared, outcome);
      countAsStored(outcome, await storedBefore(outcome.duplicates, (run) => this.#ask(() => run(this.sql))));
    } catch (error) {
      if (error instanceof NoAnswer) prepared.attempts++;
      // Somebody holds these very rows: a processor whose frames were taken over, or a connection of ours that is dead.
      if (heldCodes.has((error as { code?: unknown }).code)) await this.terminateStalled();
      throw error;
    }
    return outcome;
  }

  /** Frees the rows that silent processors hold in transactions they can't finish. */
  async terminateStalled(): Promise<void> {
    await this.#ask(() => terminateStalledBackends(this.sql, this.poolName, stalledMsMin));
  }

  /** One transaction where all goes well; halves of it, down to the single row, where PostgreSQL refuses the data. */
  async #storeRows(rows: Row[], fast: Plan | undefined, attempt: Attempt): Promise<void> {
    const { outcome, prepared } = attempt;
    try {
      const plan = fast ?? (await this.#planInDoubt(rows));
      const duplicates = await this.#commit(plan, prepared);
      outcome.stored += rows.length - duplicates.length;
      outcome.duplicates.push(...duplicates);
    } catch (error) {
      if (error instanceof BackfillOver) return error.refuseIn(outcome, rows);
      if (this.#isOutdated(error) && attempt.restarts++ < restartsMax)
        return this.#storeRows(rows, undefined, attempt);
      const kind = error instanceof NotFresh ? 'duplicate' : errorKindOf(error);
      if (kind === 'duplicate' && fast) {
        prepared.plan = undefined;
        return this.#storeRows(rows, undefined, attempt);
      }
      // No duplicate explains it: a damaged index, or a constraint that the schema doesn't have. The batch's own id is no row's
      // fault: the next attempt has another one.
      const isOfRows = (error as { table_name?: string }).table_name !== 'batches';
      const isRefused = kind === 'duplicate' && isOfRows && ++prepared.violations >= violationsMax;
      if (kind !== 'data' && !isRefused) throw error;
      if (rows.length === 1) {
        outcome.refused.push({ row: rows[0]!, reason: (error as Error).message });
        return;
      }
      const middle = rows.length >> 1;
      await this.#storeRows(rows.slice(0, middle), undefined, attempt);
      await this.#storeRows(rows.slice(middle), undefined, attempt);
    }
  }

  /** Whether the database is another one than was remembered, or has other tables; forgets what is not so any more. */
  #isOutdated(error: unknown): boolean {
    const code = (error as { code?: unknown }).code;
    if (code === noPartition) this.#remembered.forgetPeriods();
    if (code === undefinedTable) this.#remembered.forgetTables();
    return code === noPartition || code === undefinedTable || error instanceof Outdated;
  }

  /** Everything is in doubt. */
  async #planInDoubt(rows: Row[]): Promise<Plan> {
    const meters = await this.#remembered.meters();
    const batchId = await this.#remembered.nextBatchId();
    const extent = extentOf(rows);
    const known = { rows, extent, batchId, meters, backfill: backfillOf(rows) };
    return { ...known, fresh: undefined, doubtful: rows, contribution: { deltas: [], types: [] } };
  }

  /** Resolves to the duplicates. */
  async #commit(plan: Plan, prepared: Prepared): Promise<Row[]> {
    const tables = await this.#remembered.tables();
    await this.#remembered.ensurePeriods(plan.extent.days);
    try {
      const deadlineMs = answerMs[Math.min(prepared.attempts, answerMs.length - 1)]!;
      const write = (tx: Transaction) => this.#write(tx, plan, tables, prepared);
      return await withDeadline(this.sql, deadlineMs, () => this.sql.begin(write) as Promise<Row[]>);
    } finally {
      this.onProgress();
    }
  }

  async #write(tx: Transaction, plan: Plan, tables: IdentityTables, prepared: Prepared): Promise<Row[]> {
    const { rows, batchId, fresh, doubtful } = plan;
    if (plan.backfill) {
      const added = await writeOfBackfill(tx, this.#remembered, this.processor, { plan, tables });
      prepared.sent.set(batchId.id, added);
      return without(rows, added);
    }
    const known = await knownKeys(tx, plan, tables, this.dedupeWindowMs);
    if (fresh) {
      if (known.size > 0) throw new NotFresh('stored before the identity table was closed');
      await copyIdentities(tx, tables.open, fresh.keys());
      await copyEvents(tx, fresh.events());
    }
    failPoint('after-copy');
    const added = await this.#addDoubtful(tx, plan, tables.open, known);
    const duplicates = without(doubtful, added);
    const stored = duplicates.length === 0 ? rows : without(rows, duplicates);
    await finishBatch(tx, this.#remembered, this.processor, { plan, tables, added, stored });
    prepared.sent.set(batchId.id, stored);
    failPoint('before-commit');
    return duplicates;
  }

  /** The doubtful rows whose keys are nowhere yet: copied, and returned. */
  async #addDoubtful(
    tx: Transaction,
    { doubtful, batchId }: Plan,
    table: number,
    known: ReadonlySet<string>,
  ): Promise<Row[]> {
    const rows = await addIdentities(tx, table, doubtful, known);
    if (rows.length === 0) return rows;
    const buffers = this.#idleBuffers.pop() ?? new CopyBuffers();
    buffers.begin(batchId.id);
    for (const row of rows) buffers.add(row);
    try {
      await copyEvents(tx, buffers.events());
    } finally {
      this.#idleBuffers.push(buffers);
    }
    return rows;
  }

  /** What takes milliseconds, and is harmless to do again. */
  readonly #ask: Ask = (run) => withAttempts(this.sql, answerMs, run);

  /** Rows that an attempt before has stored are no duplicates. */
  async #countEarlier({ sent }: Prepared, outcome: Stored): Promise<void> {
    const ids = [...sent.keys()];
    const committed = await this.#ask(() => committedBatches(this.sql, this.processor, ids));
    countAsStored(outcome, new Set(committed.flatMap((id) => sent.get(id)!)));
  }
}
