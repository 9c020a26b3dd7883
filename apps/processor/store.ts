import type { Sql, Transaction } from '@usage/db/connection/connect.ts';
import type { Incarnation } from '@usage/db/connection/incarnation.ts';
import { NoAnswer, Patience } from '@usage/db/connection/patience.ts';
import { faultOf, lockNotAvailable, noPartition } from '@usage/db/connection/sqlStates.ts';
import { terminateStalledBackends } from '@usage/db/connection/stalledBackends.ts';
import { insertBatch } from '@usage/db/events/batches.ts';
import { insertBatchTypes } from '@usage/db/events/batchTypes.ts';
import { copyEvents, findStored } from '@usage/db/events/events.ts';
import { openPeriod } from '@usage/db/events/partitions.ts';
import { lockBoundary, readRegistryShared } from '@usage/db/meters/registry.ts';
import { insertDeltas } from '@usage/db/rollups/deltas.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { nextTurn } from '@usage/lib/service/pause.ts';
import type { Row } from './batch.ts';
import { type BatchId, BatchIds } from './batchIds.ts';
import { type Extent, extentOf, identitiesOf, withoutRepeats, withoutRows } from './extent.ts';
import { contributionOf, Evaluation, joined, MeterSet } from './meters.ts';
import { type PeriodRules, periodsAround } from './partition.ts';
import {
  type Attempt,
  OtherIncarnation,
  Overtaken,
  type Prepared,
  type Stored,
  type Unfinished,
  type Way,
} from './prepared.ts';
import { CopyBuffer } from './reading/tuples.ts';
import { RecentIds } from './recentIds.ts';

/** About a millisecond's work: the batch before is on its way to PostgreSQL, whose socket must not run dry. */
const rowsPerTurn = 1_000;

/** For the batches before, while rows of this one are held: as long as one of them takes on a busy machine. */
const earlierMsMax = 1_000;

/** In one attempt: a partition that is gone shows first, then the ids. More often the database changes all the time. */
const restartsMax = 2;

/** A batch of 20 thousand rows takes some 0.2 s. */
const answerMsMin = 6_000;
/** As long as a statement may take (main.ts). */
export const answerMsMax = 60_000;
/** A processor that has kept PostgreSQL waiting for this long in a transaction is stopped or out of reach. */
const stalledMsMin = 5_000;
/** The lock was not to be had, or no answer came: rows may be held by somebody who is gone. */
const heldCodes = new Set<unknown>([lockNotAvailable, NoAnswer.code]);

/**
 * Puts the rows of a batch into the database, each exactly once.
 *
 *   straight   COPY into events: right when no row is stored yet, which the unique index proves. Then suspects, rows that
 *              may be stored already (recentIds.ts, period.ts), are looked for, and those that aren't are copied
 *   sought     every row is looked for first: once the straight way has met a duplicate
 *   late       the same, alone beside the neighbouring periods: for rows that may have been overtaken
 */
export class Store {
  #meters: MeterSet | undefined;
  /** The one that the open periods and the block of ids are of. */
  #incarnation: Incarnation | undefined;
  #openPeriods = new Set<number>();
  #idleBuffers: CopyBuffer[] = [];
  #recent = new RecentIds();
  /** Being stored, by their ids, which rise from batch to batch. */
  #underWay = new Map<bigint, Promise<Stored>>();
  #patience: Patience;
  #batchIds: BatchIds;
  /** Called after every transaction: storing a batch may take many of them. */
  onProgress: () => void = () => {};

  constructor(
    readonly sql: Sql,
    readonly rules: PeriodRules,
    readonly processor: string,
    /** Of the pool, as PostgreSQL shows it. */
    readonly poolName = 'processor',
  ) {
    this.#patience = new Patience(sql, answerMsMin, answerMsMax);
    this.#batchIds = new BatchIds(sql, this.#patience);
  }

  /** `straight` is filled, and must stay as it is until the batch is stored. */
  async prepare(rows: Row[], straight = new CopyBuffer()): Promise<Prepared> {
    const meters = await this.#currentMeters();
    const batchId = await this.#nextBatchId();
    straight.begin(batchId.id);
    const suspects: Row[] = [];
    const evaluation = new Evaluation(meters);
    for (const [n, row] of rows.entries()) {
      const { tuples, start, end, idAt, idEnd } = row;
      if (this.#recent.meet(tuples.bytes, idAt, idEnd) || row.lookAround) {
        suspects.push(row);
      } else {
        straight.add(tuples, start, end);
        evaluation.add(row);
      }
      if (n % rowsPerTurn === rowsPerTurn - 1) await nextTurn();
    }
    const extent = extentOf(rows);
    const contribution = evaluation.contribution(extent.fromMs);
    return { rows, extent, batchId, straight, suspects, meters, contribution, vainWaits: 0 };
  }

  /**
   * Rejects with transient faults only, and the same call may be made again: what had been stored is found then, and is
   * among the duplicates.
   */
  async store(prepared: Prepared): Promise<Stored> {
    const stored = this.#store(prepared);
    this.#underWay.set(prepared.batchId.id, stored);
    return await stored.finally(() => this.#underWay.delete(prepared.batchId.id));
  }

  async #store(prepared: Prepared): Promise<Stored> {
    const outcome: Stored = { stored: 0, duplicates: [], refused: [] };
    if (prepared.rows.length === 0) return outcome; // dead letters alone
    try {
      const attempt = { outcome, vainWaits: prepared.vainWaits, restarts: 0 };
      await this.#storeRows(prepared.rows, prepared, 'straight', attempt);
    } catch (error) {
      if (error instanceof NoAnswer) prepared.vainWaits++;
      // Somebody holds these very rows: a processor whose frames were taken over, or a connection of ours that is dead.
      if (heldCodes.has((error as { code?: unknown }).code)) await this.terminateStalled();
      throw error;
    }
    return outcome;
  }

  /** Frees the rows that silent processors hold in transactions they can't finish. */
  async terminateStalled(): Promise<void> {
    await this.#patience.run(() => terminateStalledBackends(this.sql, this.poolName, stalledMsMin));
  }

  /** One transaction where all goes well; halves of it, down to the single row, where PostgreSQL refuses the data. */
  async #storeRows(rows: Row[], prepared: Prepared | undefined, way: Way, attempt: Attempt): Promise<void> {
    const { outcome, vainWaits } = attempt;
    try {
      const duplicates =
        prepared && way === 'straight'
          ? await this.#commitPrepared(prepared)
          : await this.#commitSought(rows, way, vainWaits);
      outcome.stored += rows.length - duplicates.length;
      outcome.duplicates.push(...duplicates);
    } catch (error) {
      const partitionGone = (error as { code?: unknown }).code === noPartition;
      if (partitionGone) this.#openPeriods.clear();
      if ((partitionGone || error instanceof OtherIncarnation) && attempt.restarts++ < restartsMax)
        return this.#storeRows(rows, undefined, way === 'straight' ? 'sought' : way, attempt);
      if (error instanceof Overtaken) return this.#storeRows(rows, undefined, 'late', attempt);
      const fault = faultOf(error);
      if (fault === 'duplicate' && way === 'straight')
        return this.#storeRows(rows, undefined, 'sought', attempt);
      if (fault !== 'data') throw error;
      if (rows.length === 1) {
        outcome.refused.push({ row: rows[0]!, reason: (error as Error).message });
        return;
      }
      const middle = rows.length >> 1;
      const next: Way = way === 'straight' ? 'sought' : way;
      await this.#storeRows(rows.slice(0, middle), undefined, next, attempt);
      await this.#storeRows(rows.slice(middle), undefined, next, attempt);
    }
  }

  async #commitPrepared(prepared: Prepared): Promise<Row[]> {
    const { rows, extent, batchId, straight, suspects, meters } = prepared;
    await this.#ensurePeriods(extent);
    return this.#transaction(async (tx) => {
      if (suspects.length < rows.length) await copyEvents(tx, straight.finish());
      failPoint('after-copy');
      if (suspects.length > 0) await this.#earlierEnded(batchId.id);
      const duplicates = await this.#copyNew(tx, suspects, batchId.id, 'straight');
      const contribution = joined(
        prepared.contribution,
        contributionOf(meters, withoutRows(suspects, duplicates), extent.fromMs),
      );
      await this.#finish(tx, { rows, extent, duplicates, batchId, meters, contribution, way: 'straight' });
      return duplicates;
    }, prepared.vainWaits);
  }

  /**
   * What is looked for may be on its way in the batch before: it is found once that one is committed. Where that takes too
   * long it is not waited for: the unique index knows the row then.
   */
  async #earlierEnded(batchId: bigint): Promise<void> {
    const earlier = [...this.#underWay].filter(([id]) => id < batchId).map(([, stored]) => stored);
    if (earlier.length > 0) await Promise.race([Promise.allSettled(earlier), Bun.sleep(earlierMsMax)]);
  }

  async #commitSought(rows: Row[], way: Way, vainWaits: number): Promise<Row[]> {
    const meters = await this.#currentMeters();
    const batchId = await this.#nextBatchId();
    const extent = extentOf(rows);
    await this.#ensurePeriods(extent);
    return this.#transaction(async (tx) => {
      const duplicates = await this.#copyNew(tx, rows, batchId.id, way);
      const contribution = contributionOf(meters, withoutRows(rows, duplicates), extent.fromMs);
      await this.#finish(tx, { rows, extent, duplicates, batchId, meters, contribution, way });
      return duplicates;
    }, vainWaits);
  }

  /** Copies those of the rows that are not stored yet; returns the others. */
  async #copyNew(tx: Transaction, given: Row[], batchId: bigint, way: Way): Promise<Row[]> {
    if (given.length === 0) return [];
    const { firsts, repeats } = withoutRepeats(given);
    const { fromMs, toMs, periods, lookAround } = extentOf(given);
    const around = way === 'late' || lookAround;
    if (around) await lockBoundary(tx, way === 'late' ? 'exclusive' : 'shared');
    const found = await findStored(
      tx,
      identitiesOf(firsts),
      around ? periodsAround(fromMs, toMs, this.rules) : periods,
    );
    const duplicates = [...repeats, ...found.map((n) => firsts[n]!)];
    await this.#copy(tx, withoutRows(given, duplicates), batchId);
    return duplicates;
  }

  async #copy(tx: Transaction, rows: Row[], batchId: bigint): Promise<void> {
    if (rows.length === 0) return;
    const buffer = this.#idleBuffers.pop() ?? new CopyBuffer();
    buffer.begin(batchId);
    for (const { tuples, start, end } of rows) buffer.add(tuples, start, end);
    try {
      await copyEvents(tx, buffer.finish());
    } finally {
      this.#idleBuffers.push(buffer);
    }
  }

  /** The last statements: what is certain only under the registry's lock, and what depends on it. */
  async #finish(tx: Transaction, batch: Unfinished): Promise<void> {
    const { rows, extent, duplicates, batchId, way } = batch;
    const { version, token, incarnation, newestPeriod } = await readRegistryShared(tx);
    this.#remember(incarnation);
    if (incarnation !== batchId.incarnation)
      throw new OtherIncarnation('the database is another one than when the batch was begun');
    if (way !== 'late' && newestPeriod !== undefined && newestPeriod > extent.overtakable)
      throw new Overtaken();
    let { contribution } = batch;
    if (token !== batch.meters.token || version !== batch.meters.version) {
      this.#meters = await MeterSet.load(this.sql);
      if (this.#meters.token !== token || this.#meters.version !== version)
        throw new Error('the meters changed while their lock was held');
      contribution = contributionOf(this.#meters, withoutRows(rows, duplicates), extent.fromMs);
    }
    await Promise.all([
      insertBatch(tx, {
        id: batchId.id,
        processor: this.processor,
        metersVersion: version,
        events: rows.length - duplicates.length,
        duplicates: duplicates.length,
        arrivedFromMs: extent.fromMs,
        arrivedToMs: extent.toMs,
      }),
      insertBatchTypes(tx, batchId.id, contribution.types),
      insertDeltas(tx, contribution.deltas),
    ]);
    failPoint('before-commit');
  }

  async #currentMeters(): Promise<MeterSet> {
    this.#meters ??= await this.#patience.run(() => MeterSet.load(this.sql));
    return this.#meters;
  }

  async #transaction<T>(run: (tx: Transaction) => Promise<T>, vainWaits: number): Promise<T> {
    try {
      return await this.#patience.run(() => this.sql.begin(run) as Promise<T>, vainWaits);
    } finally {
      this.onProgress();
    }
  }

  async #nextBatchId(): Promise<BatchId> {
    const batchId = await this.#batchIds.next();
    this.#remember(batchId.incarnation);
    return batchId;
  }

  async #ensurePeriods({ periods }: Extent): Promise<void> {
    for (const period of periods) {
      if (this.#openPeriods.has(period)) continue;
      this.#remember(await this.#patience.run(() => openPeriod(this.sql, period)));
      this.#openPeriods.add(period);
    }
  }

  /** Forgets what was true of another incarnation: its open periods and ids may be lost, or be given to others. */
  #remember(incarnation: Incarnation): void {
    if (incarnation === this.#incarnation) return;
    this.#incarnation = incarnation;
    this.#openPeriods.clear();
    this.#batchIds.keepOnly(incarnation);
  }
}
