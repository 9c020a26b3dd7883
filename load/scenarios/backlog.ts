import { prepareDriver } from '../driver.ts';
import { cleanBatches } from '../events.ts';
import { round } from '../measure.ts';
import { OpenReconciliation } from '../reconciliation.ts';
import { type Scenario, withStack } from '../scenario.ts';
import { batchConnections } from './batch.ts';

const defaultSeconds = 15;
const pollMs = 20;

/** What `batch` sends, while the processor is stopped; then it goes on, and nobody sends: how fast the backlog drains. */
export const backlog: Scenario = (run) =>
  withStack(run, async (stack) => {
    const processor = stack.processes.find(({ name }) => name === 'processor');
    if (!processor) throw new Error('backlog stops the processor: it needs a stack of its own');
    const driver = await prepareDriver({
      url: `${stack.gatewayUrl}/api/v1/events`,
      headers: stack.headers,
      connections: batchConnections,
      secondsMax: run.seconds ?? defaultSeconds,
      workload: cleanBatches,
    });
    const reconciliation = await OpenReconciliation.open(stack);
    process.kill(processor.pid, 'SIGSTOP');
    const driven = await driver.go().finally(() => process.kill(processor.pid, 'SIGCONT'));
    const startedMs = Date.now();
    const { eventsWaiting } = await stack.stream.position();
    run.progress(`${eventsWaiting} events wait`);
    while ((await stack.stream.position()).frames > 0) await Bun.sleep(pollMs);
    const storedSeconds = (Date.now() - startedMs) / 1_000;
    const rolledUpSeconds = ((await reconciliation.settled()) - startedMs) / 1_000;
    return {
      name: 'backlog',
      figures: {
        backlog: eventsWaiting,
        drainedPerSecond: Math.round(eventsWaiting / storedSeconds),
        rolledUpPerSecond: Math.round(eventsWaiting / rolledUpSeconds),
        seconds: round(storedSeconds, 1),
        reconciliation: { ...(await reconciliation.close(driven.eventsAccepted)) },
        statuses: driven.statuses,
      },
    };
  });
