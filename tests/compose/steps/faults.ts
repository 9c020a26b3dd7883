import type { Ledger } from '../ledger.ts';
import type { Reconciliation } from '../numberedLoad.ts';
import { run, type Stack, waitUntil } from '../stack.ts';
import { healthyAll, metricOf, seconds } from './start.ts';

const loadMs = 6_000;

/** Replicas without nginx: the entry spreads connections over all of them. */
export async function scaleWithoutNginx(stack: Stack, ledger: Ledger): Promise<string> {
  await stack.must(['up', '-d', '--no-build', '--scale', 'api_gateway=3']);
  await stack.waitHealthy({ ...healthyAll, api_gateway: 3 });
  const load = ledger.load({ url: stack.apiUrl });
  await Bun.sleep(loadMs / 2);
  const reconciliation = await ledger.close(load);
  return `${described(reconciliation)}; ${await shares(stack)}; ${await ledger.balance()}`;
}

export async function scaleBehindNginx(stack: Stack, ledger: Ledger): Promise<string> {
  const scale = ['--scale', 'api_gateway=3', '--scale', 'event_processor=2'];
  await stack.must(['--profile', 'production', 'up', '-d', '--no-build', ...scale]);
  await stack.waitHealthy({ ...healthyAll, api_gateway: 3, event_processor: 2, nginx: 1 });
  const load = ledger.load({ url: stack.nginxUrl });
  await Bun.sleep(loadMs);
  const reconciliation = await ledger.close(load);
  if (reconciliation.failures.size > 0) throw new Error(`requests failed: ${described(reconciliation)}`);
  const stored = await metricOf(stack, 'event_processor', 8001, 'usage_events_stored_total');
  return `${described(reconciliation)}; ${await shares(stack)}; stored by processors ${stored.join(' + ')}; ${await ledger.balance()}`;
}

/** Kills a service's process under load; Docker starts it again, everything becomes healthy, the events reconcile. */
export async function survivesCrash(stack: Stack, ledger: Ledger, service: string): Promise<string> {
  const load = ledger.load({ url: stack.nginxUrl });
  await Bun.sleep(loadMs / 3);
  const crashedMs = performance.now();
  const container = await stack.crash(service);
  await waitUntil(`${service} started again`, 60_000, async () => {
    const { stdout } = await run([
      'docker',
      'inspect',
      '--format',
      '{{.RestartCount}} {{.State.Running}}',
      container,
    ]);
    return /^[1-9]\d* true/.test(stdout);
  });
  await Bun.sleep(loadMs / 3);
  await stack.waitHealthy({ ...healthyAll, api_gateway: 3, event_processor: 2, nginx: 1 });
  const healthyMs = performance.now();
  const reconciliation = await ledger.close(load);
  return `all healthy again after ${seconds(healthyMs - crashedMs)}; ${described(reconciliation)}; ${await ledger.balance()}`;
}

export function described({ requests, events, failures, longestMs }: Reconciliation): string {
  const failed = [...failures].map(([what, count]) => `${count}× ${what}`).join(', ') || 'none failed';
  return `${requests} requests, ${events} events, ${failed}, longest ${Math.round(longestMs)} ms`;
}

async function shares(stack: Stack): Promise<string> {
  const accepted = await metricOf(stack, 'api_gateway', 8000, 'usage_events_accepted_total');
  if (accepted.some((events) => events === 0))
    throw new Error(`a gateway got nothing: ${accepted.join(', ')}`);
  return `accepted by gateways ${accepted.join(' + ')}`;
}
