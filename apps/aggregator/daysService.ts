import { olderAggregatorRuns } from '@usage/db/rollups/rollupDays.ts';
import { closeDays, generationsToClose } from './days.ts';
import type { AggregatorMetrics } from './metrics.ts';
import { type Calls, inTurn, type Service } from './runner.ts';

const lookEveryMs = 3_000;

/** Closes days that are over: a piece of each generation by turns. */
export class DaysService implements Service {
  readonly name = 'days';

  constructor(readonly metrics: AggregatorMetrics) {}

  async round(calls: Calls): Promise<number> {
    const nowMs = Date.now();
    const generations = await calls.look((sql) => generationsToClose(sql, nowMs));
    // During an update: days that are half made are nothing that its merges would add to.
    if (generations.length === 0 || (await calls.look(olderAggregatorRuns))) return lookEveryMs;
    let held = 0;
    await inTurn(calls.app, generations, async (generation) => {
      const days = await calls.piece((sql) => closeDays(sql, generation, nowMs));
      if (days === undefined) held++;
      else this.metrics.daysClosed.inc(days);
    });
    if (held === generations.length) {
      await calls.freeStalled();
      return lookEveryMs;
    }
    return 0;
  }
}
