import { measureCeiling } from '../ceiling.ts';
import { cleanBatches } from '../events.ts';
import { ingest, ingestFigures } from '../ingest.ts';
import { round } from '../measure.ts';
import { type Scenario, withStack } from '../scenario.ts';
import { storageOf } from '../stack.ts';

export const batchConnections = 10;
export const batchSeconds = 20;

/** 500 events a request, as fast as they are taken; then the same rows by COPY alone, which is the ceiling. */
export const batch: Scenario = (run) =>
  withStack(run, async (stack) => {
    const plan = {
      workload: cleanBatches,
      connections: batchConnections,
      seconds: run.seconds ?? batchSeconds,
    };
    const ingested = await ingest(stack, plan, run.progress);
    run.progress('measuring the ceiling');
    const ceiling = await measureCeiling(stack, 'text');
    const ceilingBinary = await measureCeiling(stack, 'binary');
    return {
      name: 'batch',
      ratio: round(ingested.storedPerSecond / ceiling.rowsPerSecond, 3),
      figures: {
        ...ingestFigures(ingested),
        ceiling: { ...ceiling },
        ceilingBinary: { ...ceilingBinary },
        storage: await storageOf(stack),
      },
    };
  });
