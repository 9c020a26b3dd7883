import { backfillStretch } from '@usage/aggregator/backfill.ts';
import { compactBuild } from '@usage/aggregator/compact.ts';
import { buildsToClose, closeDays } from '@usage/aggregator/days.ts';
import { mergeBuild } from '@usage/aggregator/merge.ts';
import { SeriesIds } from '@usage/aggregator/series.ts';
import type { Sql } from '@usage/db/connection/connect.ts';
import { periodDays } from '@usage/db/events/partitions.ts';
import { buildsWithDeltas, type MergeLimits } from '@usage/db/rollups/deltas.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { Batch } from '@usage/processor/batch.ts';
import { Store } from '@usage/processor/store.ts';

/** The processor's and the aggregator's own code on a database, one step at a time and without Redis between them. */
export class Pipeline {
  #sequence = 0;

  private constructor(
    readonly sql: Sql,
    readonly store: Store,
    readonly rules: { periodDays: number; dedupeWindowMs: number },
  ) {}

  static async open(sql: Sql): Promise<Pipeline> {
    const rules = { periodDays: await periodDays(sql), dedupeWindowMs: 86_400_000 };
    return new Pipeline(sql, new Store(sql, rules, 'test'), rules);
  }

  /** Stores one batch; events as JSON text. Returns how many rows are new. */
  async process(events: readonly string[], arrivedMs: number): Promise<number> {
    const batch = new Batch();
    const part = {
      namespace: 'default',
      receivedMs: arrivedMs,
      events: `[${events.join(',')}]`,
      count: events.length,
    };
    const id = `${arrivedMs}-${this.#sequence++}`;
    batch.add({ id, frame: encodeFrame([part]), events: events.length }, this.rules);
    if (batch.rejected.length > 0) throw new Error(batch.rejected[0]!.reason);
    const { stored, refused } = await this.store.store(await this.store.prepare(batch.rows));
    if (refused.length > 0) throw new Error(refused[0]!.reason);
    return stored;
  }

  async backfill(): Promise<void> {
    while (await backfillStretch(this.sql, 10));
  }

  /** Merges a share of the waiting deltas of every build. */
  async aggregate(share: number): Promise<void> {
    const ids = new SeriesIds();
    await this.#shareOfDeltas(share, (build, limits) => mergeBuild(this.sql, ids, build, limits));
  }

  /** Makes one of a share of the waiting deltas of every build. */
  async compact(share: number): Promise<void> {
    await this.#shareOfDeltas(share, (build, limits) => compactBuild(this.sql, build, limits));
  }

  async #shareOfDeltas(share: number, take: (build: bigint, limits: MergeLimits) => Promise<unknown>) {
    for (const { build, deltas } of await buildsWithDeltas(this.sql)) {
      const deltasMax = Math.ceil(deltas * share);
      if (deltasMax > 0) await take(build, { deltasMax, weightMax: Number.MAX_SAFE_INTEGER });
    }
  }

  /** Closes all days of every build that are over at an instant, in stretches of a few series and days. */
  async closeDays(nowMs: number): Promise<number> {
    let days = 0;
    for (let builds = await buildsToClose(this.sql, nowMs); builds.length > 0; ) {
      for (const build of builds)
        days += (await closeDays(this.sql, build, nowMs, { cellsMax: 200, seriesMax: 3 })) ?? 0;
      builds = await buildsToClose(this.sql, nowMs);
    }
    return days;
  }
}
