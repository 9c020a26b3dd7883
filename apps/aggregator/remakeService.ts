import {
  dropDeadStaleMinutes,
  generationsWithStaleMinutes,
  staleMinutes,
} from '@usage/db/corrections/staleMinutes.ts';
import type { AggregatorMetrics } from './metrics.ts';
import { remakeStaleMinutes } from './remakeMinutes.ts';
import { type Calls, inTurn, type Service } from './runner.ts';

const lookEveryMs = 1_000;
/** What may be pending of one generation when its minutes are made anew; the merge takes what is more. */
const limits = { deltasMax: 1_000, weightMax: 300_000, bytesMax: 64 * 1024 * 1024 };

/** Makes the rollups of minutes anew in which events were corrected, an hour of each generation by turns. */
export class RemakeService implements Service {
  readonly name = 'remake';

  constructor(readonly metrics: AggregatorMetrics) {}

  async round(calls: Calls): Promise<number> {
    this.metrics.staleMinutes.set(await calls.look(staleMinutes));
    const generations = await calls.look(generationsWithStaleMinutes);
    if (generations.length === 0) {
      await calls.look(dropDeadStaleMinutes);
      return lookEveryMs;
    }
    let remade = 0;
    await inTurn(calls.app, generations, async (generation) => {
      remade += (await calls.piece((sql) => remakeStaleMinutes(sql, generation, limits))) ?? 0;
    });
    this.metrics.remade.inc(remade);
    if (remade > 0) return 0;
    await calls.freeStalled();
    return lookEveryMs;
  }
}
