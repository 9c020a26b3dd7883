import { batchIdBlock, insertBatch, takeBatchIds } from '@usage/db/batches.ts';
import type { Sql, Transaction } from '@usage/db/connect.ts';
import { insertDeltas, type NewDelta } from '@usage/db/deltas.ts';
import { copyEvents, findStagedDuplicates, insertStaged, stageEvents } from '@usage/db/events.ts';
import { faultOf } from '@usage/db/faults.ts';
import { openPeriod } from '@usage/db/periods.ts';
import { lockBoundary, readRegistryShared } from '@usage/db/registry.ts';
import { encodeDelta } from '@usage/lib/meter/delta.ts';
import type { Row } from './batch.ts';
import { MeterSet } from './meters.ts';
import { type PeriodRules, periodsAround } from './period.ts';
import { RowBuffer } from './rows.ts';

/**
 * Puts the rows of a batch into the database, each exactly once.
 *
 *   straight   COPY into events: right when no row is stored yet, which the unique index proves
 *   staged     COPY into a temporary table, look for duplicates, insert the rest: for rows that are known to need a
 *              look (period.ts), and for all of them once the straight way has met a duplicate
 *   late       staged, alone beside the neighbouring periods: for rows that may have been overtaken
 */
type Way = 'straight' | 'staged' | 'late';

export interface Stored {
  stored: number;
  duplicates: Row[];
  /** Rows that PostgreSQL refuses, each with the reason. */
  refused: { row: Row; reason: string }[];
}

/** A batch with what can be worked out before its transaction: encoded while the one before is being stored. */
export interface Prepared {
  rows: Row[];
  batchId: bigint;
  straight: RowBuffer;
  staged: Row[];
  meters: MeterSet;
  deltas: NewDelta[];
}

class Overtaken extends Error {}

export class Store {
  #meters: MeterSet | undefined;
  #openPeriods = new Set<number>();
  #nextBatchId = 0n;
  #batchIdsEnd = 0n;
  #buffers = [new RowBuffer(false), new RowBuffer(false)];

  constructor(
    readonly sql: Sql,
    readonly rules: PeriodRules,
    readonly processor: string,
  ) {}

  async prepare(rows: Row[]): Promise<Prepared> {
    const meters = await this.#currentMeters();
    const batchId = await this.#takeBatchId();
    const straight = this.#buffers.reverse()[0]!;
    straight.clear();
    const staged: Row[] = [];
    const direct: Row[] = [];
    for (const row of rows) {
      if (row.lookAround) {
        staged.push(row);
      } else {
        straight.add(row, batchId, 0);
        direct.push(row);
      }
    }
    return { rows, batchId, straight, staged, meters, deltas: deltasOf(meters, direct) };
  }

  /** Rejects with transient faults only: nothing was stored then, and the same call may be made again. */
  async store(prepared: Prepared): Promise<Stored> {
    for (const row of prepared.rows) await this.#ensurePeriod(row.period);
    const outcome: Stored = { stored: 0, duplicates: [], refused: [] };
    await this.#storeRows(prepared.rows, prepared, 'straight', outcome);
    return outcome;
  }

  /** One transaction where all goes well; halves of it, down to the single row, where PostgreSQL refuses the data. */
  async #storeRows(rows: Row[], prepared: Prepared | undefined, way: Way, outcome: Stored): Promise<void> {
    try {
      const duplicates =
        prepared && way === 'straight'
          ? await this.#commitPrepared(prepared)
          : await this.#commitStaged(rows, way);
      outcome.stored += rows.length - duplicates.length;
      outcome.duplicates.push(...duplicates);
    } catch (error) {
      if (error instanceof Overtaken) return this.#storeRows(rows, undefined, 'late', outcome);
      const fault = faultOf(error);
      if (fault === 'duplicate' && way === 'straight')
        return this.#storeRows(rows, undefined, 'staged', outcome);
      if (fault !== 'data') throw error;
      if (rows.length === 1) {
        outcome.refused.push({ row: rows[0]!, reason: (error as Error).message });
        return;
      }
      const middle = rows.length >> 1;
      const next: Way = way === 'straight' ? 'staged' : way;
      await this.#storeRows(rows.slice(0, middle), undefined, next, outcome);
      await this.#storeRows(rows.slice(middle), undefined, next, outcome);
    }
  }

  async #commitPrepared({ rows, batchId, straight, staged, meters, deltas }: Prepared): Promise<Row[]> {
    return this.#transaction(async (tx) => {
      if (staged.length < rows.length) await copyEvents(tx, straight.finish());
      const duplicates = await this.#insertStaged(tx, staged, batchId, 'straight');
      const fresh = withoutRows(staged, duplicates);
      await this.#finish(tx, { rows, duplicates, batchId, meters, way: 'straight' }, () => {
        return fresh.length === 0 ? deltas : deltasOf(meters, withoutRows(rows, duplicates));
      });
      return duplicates;
    });
  }

  async #commitStaged(rows: Row[], way: Way): Promise<Row[]> {
    const meters = await this.#currentMeters();
    const batchId = await this.#takeBatchId();
    return this.#transaction(async (tx) => {
      const duplicates = await this.#insertStaged(tx, rows, batchId, way);
      await this.#finish(tx, { rows, duplicates, batchId, meters, way }, () =>
        deltasOf(meters, withoutRows(rows, duplicates)),
      );
      return duplicates;
    });
  }

  async #insertStaged(tx: Transaction, rows: Row[], batchId: bigint, way: Way): Promise<Row[]> {
    if (rows.length === 0) return [];
    const buffer = new RowBuffer(true);
    rows.forEach((row, n) => {
      buffer.add(row, batchId, n);
    });
    const around = way === 'late' || rows.some((row) => row.lookAround);
    if (around) await lockBoundary(tx, way === 'late' ? 'exclusive' : 'shared');
    await stageEvents(tx, buffer.finish());
    const periods = around
      ? periodsAround(...arrivals(rows), this.rules)
      : [...new Set(rows.map((row) => row.period))];
    const numbers = await findStagedDuplicates(tx, periods);
    await insertStaged(tx, numbers);
    return numbers.map((n) => rows[n]!);
  }

  /** The last statements: what is certain only under the registry's lock, and what depends on it. */
  async #finish(
    tx: Transaction,
    batch: { rows: Row[]; duplicates: Row[]; batchId: bigint; meters: MeterSet; way: Way },
    evaluate: () => NewDelta[],
  ): Promise<void> {
    const { rows, duplicates, batchId, way } = batch;
    const { version, newestPeriod } = await readRegistryShared(tx);
    if (
      way !== 'late' &&
      rows.some((row) => row.mayBeOvertaken && newestPeriod !== undefined && newestPeriod > row.period)
    ) {
      throw new Overtaken();
    }
    let deltas: NewDelta[];
    if (version === batch.meters.version) {
      deltas = evaluate();
    } else {
      this.#meters = await MeterSet.load(this.sql);
      if (this.#meters.version !== version) throw new Error('the meters changed while their lock was held');
      deltas = deltasOf(this.#meters, withoutRows(rows, duplicates));
    }
    const [arrivedFromMs, arrivedToMs] = arrivals(rows);
    await Promise.all([
      insertBatch(tx, {
        id: batchId,
        processor: this.processor,
        metersVersion: version,
        events: rows.length - duplicates.length,
        duplicates: duplicates.length,
        arrivedFromMs,
        arrivedToMs,
      }),
      insertDeltas(tx, deltas),
    ]);
  }

  async #currentMeters(): Promise<MeterSet> {
    this.#meters ??= await MeterSet.load(this.sql);
    return this.#meters;
  }

  #transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.sql.begin(run) as Promise<T>;
  }

  async #ensurePeriod(period: number): Promise<void> {
    if (this.#openPeriods.has(period)) return;
    await openPeriod(this.sql, period);
    this.#openPeriods.add(period);
  }

  async #takeBatchId(): Promise<bigint> {
    if (this.#nextBatchId === this.#batchIdsEnd) {
      this.#nextBatchId = await takeBatchIds(this.sql);
      this.#batchIdsEnd = this.#nextBatchId + batchIdBlock;
    }
    return this.#nextBatchId++;
  }
}

/** What the rows add to each meter, encoded. */
function deltasOf(meters: MeterSet, rows: Row[]): NewDelta[] {
  const deltas = meters.evaluate(rows);
  if (deltas.size === 0) return [];
  const [arrivedMs] = arrivals(rows);
  return [...deltas]
    .filter(([, delta]) => delta.size > 0)
    .map(([build, delta]) => ({ build, cells: delta.size, arrivedMs, payload: encodeDelta(delta.cells()) }));
}

function withoutRows(rows: Row[], without: Row[]): Row[] {
  if (without.length === 0) return rows;
  const left = new Set(without);
  return rows.filter((row) => !left.has(row));
}

function arrivals(rows: Row[]): [fromMs: number, toMs: number] {
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = 0;
  for (const { arrivedMs } of rows) {
    if (arrivedMs < fromMs) fromMs = arrivedMs;
    if (arrivedMs > toMs) toMs = arrivedMs;
  }
  return [fromMs, toMs];
}
