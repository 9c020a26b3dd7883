import { drive } from '../driver.ts';
import { cleanBatches } from '../events.ts';
import { ingest, ingestFigures, latencyFigures } from '../ingest.ts';
import { round } from '../measure.ts';
import { startRoute } from '../routeProcess.ts';
import { type Scenario, withStack } from '../scenario.ts';

export const singleConnections = 64;
const defaultSeconds = 20;
export const singleEvents = { ...cleanBatches, eventsPerRequest: 1 };

/** One event a request over 64 connections; its ceiling is the same route without Redis behind it. */
export const single: Scenario = async (run) => {
  const seconds = run.seconds ?? defaultSeconds;
  const plan = { workload: singleEvents, connections: singleConnections, seconds };
  const ingested = await withStack(run, (stack) => ingest(stack, plan, run.progress));
  run.progress('measuring the bare route');
  const route = await startRoute('bareRoute.ts');
  const bare = await drive({
    url: route.url,
    connections: singleConnections,
    secondsMax: seconds,
    workload: singleEvents,
  }).finally(route.stop);
  const barePerSecond = bare.eventsAccepted / ((bare.endedMs - bare.startedMs) / 1_000);
  return {
    name: 'single',
    ratio: round(ingested.acceptedPerSecond / barePerSecond, 3),
    figures: {
      requestsPerSecond: Math.round(ingested.acceptedPerSecond),
      ...ingestFigures(ingested),
      ceilingPerSecond: Math.round(barePerSecond),
      ceilingLatencyMs: latencyFigures(bare),
    },
  };
};
