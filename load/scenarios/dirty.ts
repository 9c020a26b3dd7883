import { measureCeiling } from '../ceiling.ts';
import { cleanBatches, type Workload } from '../events.ts';
import { ingest, ingestFigures } from '../ingest.ts';
import { round } from '../measure.ts';
import { type Scenario, withStack } from '../scenario.ts';
import { batchConnections, batchSeconds } from './batch.ts';

/** As batch, with 5 % duplicates, 10 % late by hours or days, 1 % with values that can't be measured. */
export const dirty = likeBatch('dirty', { ...cleanBatches, duplicates: 0.05, late: 0.1, badValues: 0.01 });

/** As batch, with ids that have no order: every one lands on another page of the unique index. */
export const randomIds = likeBatch('random-ids', { ...cleanBatches, ids: 'v4' });

/** Its ratio is to the batch scenario, where that was run before in the same call; its ceiling a COPY of its own rows. */
function likeBatch(name: string, workload: Workload): Scenario {
  return (run) =>
    withStack(run, async (stack) => {
      const plan = { workload, connections: batchConnections, seconds: run.seconds ?? batchSeconds };
      const ingested = await ingest(stack, plan, run.progress);
      run.progress('measuring the ceiling of these rows');
      const ceiling = await measureCeiling(stack, 'text');
      const batch = run.before.findLast((outcome) => outcome.name === 'batch')?.figures.storedPerSecond;
      return {
        name,
        ...(typeof batch === 'number' ? { ratio: round(ingested.storedPerSecond / batch, 3) } : {}),
        figures: {
          ...ingestFigures(ingested),
          ceiling: { ...ceiling },
          ofCeiling: round(ingested.storedPerSecond / ceiling.rowsPerSecond, 3),
        },
      };
    });
}
