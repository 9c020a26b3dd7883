import type { Ledger } from '../ledger.ts';
import { mustRun, type Stack, waitUntil } from '../stack.ts';
import { described } from './faults.ts';
import { healthyAll, metricOf, seconds } from './start.ts';

const loops = [
  { service: 'event_processor', port: 8001, reason: 'the loop has stalled' },
  { service: 'aggregation_service', port: 8003, reason: 'has had no answer' },
];
const noticedMsMax = 240_000;

/** Processes that live and do nothing: stopped ones, and ones that answer HTTP while their loop stands still. */
export async function stuckLoopsAreNoticed(stack: Stack, ledger: Ledger): Promise<string> {
  await stack.must(['up', '-d', '--no-build']);
  await stack.waitHealthy(healthyAll);
  const load = ledger.load({ url: stack.apiUrl, senders: 1, pauseMs: 100 });
  const shown = [await stopped(stack), await standingStill(stack)];
  await stack.must(['up', '-d', '--no-build']);
  await stack.waitHealthy(healthyAll);
  const reconciliation = await ledger.close(load);
  return `${shown.join('; ')}; healthy again; ${described(reconciliation)}; ${await ledger.balance()}`;
}

async function stopped(stack: Stack): Promise<string> {
  const startedMs = performance.now();
  for (const { service } of loops) await stack.signal(service, 'SIGSTOP');
  const noticed = await Promise.all(loops.map(({ service }) => unhealthy(stack, service, startedMs)));
  for (const { service } of loops) await stack.signal(service, 'SIGCONT');
  await stack.waitHealthy(healthyAll);
  return `stopped (SIGSTOP): ${noticed.join(', ')}`;
}

async function standingStill(stack: Stack): Promise<string> {
  const files = ['-f', 'compose.yaml', '-f', 'tests/compose/stuck.compose.yaml'];
  await stack.must([...files, 'up', '-d', '--no-build', ...loops.map(({ service }) => service)]);
  await stack.waitHealthy(healthyAll);
  for (const { service } of loops) {
    const [container] = await stack.containers(service);
    await mustRun(['docker', 'exec', container!, 'bun', '-e', "await Bun.write('/tmp/still', '')"]);
  }
  const startedMs = performance.now();
  const noticed = await Promise.all(
    loops.map(({ service, reason }) => unhealthy(stack, service, startedMs, reason)),
  );
  for (const { service, port } of loops)
    if ((await metricOf(stack, service, port, 'process_start_time_seconds')).some((time) => !(time > 0)))
      throw new Error(`${service} does not answer`);
  return `loop silent, HTTP answered: ${noticed.join(', ')}`;
}

async function unhealthy(stack: Stack, service: string, sinceMs: number, reason = ''): Promise<string> {
  const [container] = await stack.containers(service);
  await waitUntil(`${service} unhealthy`, noticedMsMax, async () => {
    const { stdout } = await mustRun(['docker', 'inspect', '--format', '{{json .State.Health}}', container!]);
    return stdout.includes('"unhealthy"') && stdout.includes(reason);
  });
  return `${service} unhealthy after ${seconds(performance.now() - sinceMs)}`;
}
