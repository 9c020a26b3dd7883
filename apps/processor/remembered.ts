import type { Sql } from '@usage/db/connection/connect.ts';
import type { Incarnation } from '@usage/db/connection/incarnation.ts';
import { type IdentityTables, readIdentityTables } from '@usage/db/events/identityTables.ts';
import { openPeriod } from '@usage/db/events/partitions.ts';
import { type Ask, type BatchId, BatchIds } from './batchIds.ts';
import { MeterSet } from './meters.ts';

/**
 * What a processor remembers of the database between batches. Every transaction reads at its end whether it is still so
 * (Store.#finish): the incarnation, the meters' token, the open identity table.
 */
export class Remembered {
  #meters: MeterSet | undefined;
  #tables: IdentityTables | undefined;
  /** Days of arrival that there is room for, in #incarnation. */
  #periods = new Set<number>();
  #incarnation: Incarnation | undefined;
  #batchIds: BatchIds;

  constructor(
    readonly sql: Sql,
    readonly ask: Ask,
  ) {
    this.#batchIds = new BatchIds(sql, ask);
  }

  async meters(): Promise<MeterSet> {
    this.#meters ??= await this.ask(() => MeterSet.load(this.sql));
    return this.#meters;
  }

  /** Loads them again, within the deadline of the caller's transaction. */
  async metersAnew(): Promise<MeterSet> {
    this.#meters = await MeterSet.load(this.sql);
    return this.#meters;
  }

  async tables(): Promise<IdentityTables> {
    this.#tables ??= await this.ask(() => readIdentityTables(this.sql));
    return this.#tables;
  }

  forgetTables(): void {
    this.#tables = undefined;
  }

  async nextBatchId(): Promise<BatchId> {
    const batchId = await this.#batchIds.next();
    this.keepOnly(batchId.incarnation);
    return batchId;
  }

  async ensurePeriods(days: readonly number[]): Promise<void> {
    for (const day of days) {
      if (this.#periods.has(day)) continue;
      this.keepOnly(await this.ask(() => openPeriod(this.sql, day)));
      this.#periods.add(day);
    }
  }

  forgetPeriods(): void {
    this.#periods.clear();
  }

  /** Forgets what is of another incarnation than this one. The meters have a token of their own. */
  keepOnly(incarnation: Incarnation): void {
    if (incarnation === this.#incarnation) return;
    this.#incarnation = incarnation;
    this.#periods.clear();
    this.#batchIds.keepOnly(incarnation);
    if (this.#tables?.incarnation !== incarnation) this.#tables = undefined;
  }
}
