import { cleanBatches } from '../events.ts';
import { ingest, ingestFigures } from '../ingest.ts';
import { median, memoryMb } from '../measure.ts';
import type { Figures } from '../report.ts';
import { type Scenario, withStack } from '../scenario.ts';
import type { Stack } from '../stack.ts';
import { batchConnections } from './batch.ts';

const defaultSeconds = 600;
const probeSeconds = 5;
const sampleMs = 1_000;

interface Sample {
  eventsWaiting: number;
  memoryMb: Record<string, number>;
}

/** Half of capacity for long: memory of every process and the number of waiting events must stay level. */
export const soak: Scenario = (run) =>
  withStack(run, async (stack) => {
    const probe = { workload: cleanBatches, connections: batchConnections, seconds: probeSeconds };
    const capacity = (await ingest(stack, probe, run.progress)).storedPerSecond;
    const samples: Sample[] = [];
    const sampling = setInterval(async () => samples.push(await sample(stack)), sampleMs);
    const ingested = await ingest(
      stack,
      { ...probe, seconds: run.seconds ?? defaultSeconds, eventsPerSecond: capacity / 2 },
      run.progress,
    ).finally(() => clearInterval(sampling));
    return {
      name: 'soak',
      figures: {
        capacityPerSecond: Math.round(capacity),
        offeredPerSecond: Math.round(capacity / 2),
        ...drift(samples),
        ...ingestFigures(ingested),
      },
    };
  });

async function sample(stack: Stack): Promise<Sample> {
  const { eventsWaiting } = await stack.stream.position();
  return {
    eventsWaiting,
    memoryMb: Object.fromEntries(stack.processes.map((process) => [process.name, memoryMb(process)])),
  };
}

/** Medians of the second and of the last fifth: the first fifth fills caches and heaps. */
function drift(samples: readonly Sample[]): Figures {
  const fifth = Math.floor(samples.length / 5);
  const early = samples.slice(fifth, 2 * fifth);
  const late = samples.slice(samples.length - fifth);
  const names = Object.keys(samples[0]?.memoryMb ?? {});
  const memory = (some: readonly Sample[]) =>
    Object.fromEntries(
      names.map((name) => [name, Math.round(median(some.map((one) => one.memoryMb[name]!)))]),
    );
  const waiting = (some: readonly Sample[]) => median(some.map((one) => one.eventsWaiting));
  return {
    eventsWaitingEarly: waiting(early),
    eventsWaitingLate: waiting(late),
    eventsWaitingMax: Math.max(0, ...samples.map((one) => one.eventsWaiting)),
    memoryMbEarly: memory(early),
    memoryMbLate: memory(late),
  };
}
