import { type Driven, drive } from '../driver.ts';
import { cleanBatches, type Workload } from '../events.ts';
import { latencyFigures } from '../ingest.ts';
import { round, UseMeter } from '../measure.ts';
import { ReconciliationError } from '../reconciliation.ts';
import type { Figures } from '../report.ts';
import { startRoute } from '../routeProcess.ts';
import { type Run, type Scenario, withStack } from '../scenario.ts';
import { countPlainEvents, createPlainEvents, dropPlainEvents } from '../sql/plainEvents.ts';
import { checkpoint } from '../sql/twin.ts';
import type { Stack } from '../stack.ts';
import { batchConnections, batchSeconds } from './batch.ts';
import { singleConnections, singleEvents } from './single.ts';

/** What people would use instead: a route that INSERTs each request's events, into the same PostgreSQL. No meters. */
export const baseline: Scenario = (run) =>
  withStack(run, async (stack) => ({
    name: 'baseline',
    figures: {
      batch: await insertDirectly(run, stack, cleanBatches, batchConnections),
      single: await insertDirectly(run, stack, singleEvents, singleConnections),
    },
  }));

async function insertDirectly(
  run: Run,
  stack: Stack,
  workload: Workload,
  connections: number,
): Promise<Figures> {
  await dropPlainEvents(stack.sql);
  await createPlainEvents(stack.sql);
  await checkpoint(stack.sql);
  const route = await startRoute('insertRoute.ts', stack.databaseUrl);
  const postgres = stack.processes.filter(({ name }) => name === 'postgres');
  const meter = new UseMeter([...postgres, { name: 'route', pid: route.pid }]);
  try {
    meter.start();
    const driven = await drive(
      { url: route.url, connections, secondsMax: run.seconds ?? batchSeconds, workload },
      ({ events }) => run.progress(`${events} events inserted`),
    );
    const use = meter.stop();
    const stored = await countPlainEvents(stack.sql);
    if (stored !== driven.eventsAccepted) {
      throw new ReconciliationError(
        `of ${driven.eventsAccepted} events that were answered ${stored} are stored`,
      );
    }
    return {
      storedPerSecond: perSecond(driven),
      latencyMs: latencyFigures(driven),
      ...use,
      driver: round(driven.cpuSeconds, 2),
    };
  } finally {
    await route.stop();
    await dropPlainEvents(stack.sql);
  }
}

function perSecond({ eventsAccepted, startedMs, endedMs }: Driven): number {
  return Math.round(eventsAccepted / ((endedMs - startedMs) / 1_000));
}
