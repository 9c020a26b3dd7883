import { openBackfills } from '@usage/db/meters/backfills.ts';
import { backfillPiece } from './backfill.ts';
import type { AggregatorConfig } from './config.ts';
import type { AggregatorMetrics } from './metrics.ts';
import { type Calls, inTurn, type Service } from './runner.ts';

/** A new meter is begun with this much later at most. */
const lookEveryMs = 1_000;
const generationsMax = 100;

/** Reads what was stored before a meter was made: a piece of each meter by turns, so that a large one keeps none waiting. */
export class BackfillService implements Service {
  readonly name = 'backfill';

  constructor(
    readonly config: Pick<AggregatorConfig, 'backfillEventsMax' | 'backfillBytesMax'>,
    readonly metrics: AggregatorMetrics,
  ) {}

  async round(calls: Calls): Promise<number> {
    const limits = { eventsMax: this.config.backfillEventsMax, bytesMax: this.config.backfillBytesMax };
    let more = false;
    let held = false;
    const generations = await calls.look((sql) => openBackfills(sql, generationsMax));
    await inTurn(calls.app, generations, async (generation) => {
      const outcome = await calls.piece((sql) => backfillPiece(sql, generation, limits));
      if (outcome === 'more') this.metrics.backfills.inc();
      more ||= outcome === 'more';
      held ||= outcome === undefined;
    });
    if (held && !more) await calls.freeStalled();
    return more ? 0 : lookEveryMs;
  }
}
