import { backfillPiece } from '@usage/aggregator/backfill.ts';
import { compactGeneration } from '@usage/aggregator/compact.ts';
import { closeDays, generationsToClose } from '@usage/aggregator/days.ts';
import { mergeGeneration } from '@usage/aggregator/merge.ts';
import { remakeStaleMinutes } from '@usage/aggregator/remakeMinutes.ts';
import type { Sql } from '@usage/db/connection/connect.ts';
import { generationsWithStaleMinutes } from '@usage/db/corrections/staleMinutes.ts';
import { openBackfills } from '@usage/db/meters/backfills.ts';
import { generationsWithDeltas, type MergeLimits } from '@usage/db/rollups/deltas.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { Batch } from '@usage/processor/batch.ts';
import { inOrderOfKeys } from '@usage/processor/keyOrder.ts';
import type { Stored } from '@usage/processor/prepared.ts';
import { Store } from '@usage/processor/store.ts';
import { streamEntry } from '../support/frames.ts';

/** The processor's and the aggregator's own code on a database, one step at a time and without Redis between them. */
export class Pipeline {
  #sequence = 0;

  private constructor(
    readonly sql: Sql,
    readonly store: Store,
  ) {}

  static async open(sql: Sql): Promise<Pipeline> {
    return new Pipeline(sql, new Store(sql, 86_400_000, 'test'));
  }

  /** Stores one batch; events as JSON text. Returns how many rows are new. */
  async process(events: readonly string[], arrivedMs: number, backfill?: string): Promise<number> {
    const { stored, refused } = await this.processAll(events, arrivedMs, backfill);
    if (refused.length > 0) throw new Error(refused[0]!.reason);
    return stored;
  }

  /** The same; refused events are the caller's. */
  async processAll(events: readonly string[], arrivedMs: number, backfill?: string): Promise<Stored> {
    const batch = new Batch();
    const part = {
      namespace: 'default',
      receivedMs: arrivedMs,
      events: `[${events.join(',')}]`,
      count: events.length,
      ...(backfill !== undefined && { backfill }),
    };
    const id = `${arrivedMs}-${this.#sequence++}`;
    batch.add(streamEntry(id, encodeFrame([part]), events.length));
    if (batch.rejected.length > 0) throw new Error(batch.rejected[0]!.reason);
    return await this.store.store(await this.store.prepare(inOrderOfKeys(batch.rows)));
  }

  async backfill(): Promise<void> {
    for (let open = await openBackfills(this.sql, 10); open.length > 0; ) {
      for (const generation of open)
        await backfillPiece(this.sql, generation, { eventsMax: 10, bytesMax: 1_000 });
      open = await openBackfills(this.sql, 10);
    }
  }

  /** Merges a share of the waiting deltas of every generation. */
  async aggregate(share: number): Promise<void> {
    await this.#shareOfDeltas(share, (generation, limits) => mergeGeneration(this.sql, generation, limits));
  }

  /** Makes one of a share of the waiting deltas of every generation. */
  async compact(share: number): Promise<void> {
    await this.#shareOfDeltas(share, (generation, limits) => compactGeneration(this.sql, generation, limits));
  }

  async #shareOfDeltas(share: number, take: (generation: bigint, limits: MergeLimits) => Promise<unknown>) {
    for (const { generation, deltas } of await generationsWithDeltas(this.sql)) {
      const deltasMax = Math.ceil(deltas * share);
      if (deltasMax > 0)
        await take(generation, {
          deltasMax,
          weightMax: Number.MAX_SAFE_INTEGER,
          bytesMax: Number.MAX_SAFE_INTEGER,
        });
    }
  }

  /** Makes the rollups of stale minutes anew, but for those that have to wait for the closing of a day. */
  async remake(): Promise<number> {
    const all = Number.MAX_SAFE_INTEGER;
    const limits = { deltasMax: 1_000_000, weightMax: all, bytesMax: all };
    let minutes = 0;
    for (const generation of await generationsWithStaleMinutes(this.sql)) {
      for (let remade: number | undefined = 1; remade; minutes += remade ?? 0)
        remade = await remakeStaleMinutes(this.sql, generation, limits);
    }
    return minutes;
  }

  /** Closes all days of every generation that are over at an instant, in pieces of a few series and rows. */
  async closeDays(nowMs: number): Promise<number> {
    let days = 0;
    while ((await generationsToClose(this.sql, nowMs)).length > 0)
      days += await this.closeSomeDays(nowMs, { rowsMax: 5_000, seriesMax: 100 });
    return days;
  }

  /** One piece of each generation: days may be half made afterwards. */
  async closeSomeDays(nowMs: number, limits = { rowsMax: 100, seriesMax: 3 }): Promise<number> {
    let days = 0;
    for (const generation of await generationsToClose(this.sql, nowMs))
      days += (await closeDays(this.sql, generation, nowMs, limits)) ?? 0;
    return days;
  }
}
