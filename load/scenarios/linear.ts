import { cleanBatches } from '../events.ts';
import { ingest } from '../ingest.ts';
import { round } from '../measure.ts';
import { preload } from '../preload.ts';
import { type Scenario, withStack } from '../scenario.ts';
import { batchConnections, batchSeconds } from './batch.ts';

const fewEvents = 100_000;
const defaultEvents = 10_000_000;
const hourMs = 3_600_000;

/** As batch, on top of a hundred thousand and of ten million rows of the same period. */
export const linear: Scenario = (run) =>
  withStack(run, async (stack) => {
    const many = run.events ?? defaultEvents;
    const plan = {
      workload: cleanBatches,
      connections: batchConnections,
      seconds: run.seconds ?? batchSeconds,
    };
    const lately = () => ({ fromMs: Date.now() - hourMs, toMs: Date.now() });
    await preload(stack, { events: fewEvents, ...lately() }, run.progress);
    const atFew = await ingest(stack, plan, run.progress);
    const missing = Math.max(0, many - fewEvents - atFew.reconciliation.stored);
    await preload(stack, { events: missing, ...lately() }, run.progress);
    const atMany = await ingest(stack, plan, run.progress);
    return {
      name: 'linear',
      ratio: round(atMany.storedPerSecond / atFew.storedPerSecond, 3),
      figures: {
        rowsFew: fewEvents,
        storedPerSecondAtFew: Math.round(atFew.storedPerSecond),
        rowsMany: many,
        storedPerSecondAtMany: Math.round(atMany.storedPerSecond),
        reconciliation: { ...atMany.reconciliation },
      },
    };
  });
