import { cleanBatches } from '../events.ts';
import { ingest, ingestFigures } from '../ingest.ts';
import { type Scenario, withStack } from '../scenario.ts';
import { batchConnections } from './batch.ts';

const defaultSeconds = 60;
const probeSeconds = 5;
/** So small that a minute fills it: the default 512 MB holds tens of millions of events. */
const redisMemory = '48mb';
const recoveryMsMax = 10_000;
const pollMs = 50;

/** Twice what the store takes, into a small stream: refusals that say when to come again, and nothing lost. */
export const overload: Scenario = (run) =>
  withStack(
    run,
    async (stack) => {
      const probe = { workload: cleanBatches, connections: batchConnections, seconds: probeSeconds };
      const capacity = (await ingest(stack, probe, run.progress)).storedPerSecond;
      const ingested = await ingest(
        stack,
        { ...probe, seconds: run.seconds ?? defaultSeconds, eventsPerSecond: 2 * capacity },
        run.progress,
      );
      const { statuses, retryAfters } = ingested.driven;
      const refused = statuses['503'] ?? 0;
      const strange = Object.keys(statuses).filter((status) => status !== '204' && status !== '503');
      if (strange.length > 0)
        throw new Error(`unexpected answers under overload: ${JSON.stringify(statuses)}`);
      if (refused !== retryAfters)
        throw new Error(`${refused - retryAfters} refusals came without Retry-After`);
      return {
        name: 'overload',
        figures: {
          capacityPerSecond: Math.round(capacity),
          offeredPerSecond: Math.round(2 * capacity),
          refusedRequests: refused,
          withRetryAfter: retryAfters,
          reopenedMs: await untilReady(stack.gatewayUrl),
          redisMaxMemory: redisMemory,
          ...ingestFigures(ingested),
        },
      };
    },
    { redis: { maxmemory: redisMemory } },
  );

/** How long after the last event is stored the gateway takes events again by itself. */
async function untilReady(gatewayUrl: string): Promise<number> {
  const startedMs = performance.now();
  while (!(await fetch(`${gatewayUrl}/health/ready`)).ok) {
    if (performance.now() - startedMs > recoveryMsMax)
      throw new Error('the gateway did not recover by itself');
    await Bun.sleep(pollMs);
  }
  return Math.round(performance.now() - startedMs);
}
