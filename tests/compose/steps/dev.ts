import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ledger } from '../ledger.ts';
import { root, run, type Stack, waitUntil } from '../stack.ts';
import { described } from './faults.ts';
import { apps, healthyAll, seconds } from './start.ts';

const restartMsMax = 30_000;

/** compose.dev.yaml: a source file that all apps share changes on the host, each of them starts again. */
export async function devRestarts(stack: Stack, ledger: Ledger): Promise<string> {
  const files = ['-f', 'compose.yaml', '-f', 'compose.dev.yaml'];
  await stack.must([...files, 'up', '-d', '--no-build']);
  await stack.waitHealthy(healthyAll);
  const before = await starts(stack);
  const startedMs = performance.now();
  await utimes(join(root, 'lib/service/health.ts'), new Date(), new Date());
  await waitUntil('every app started again', restartMsMax, async () => {
    const after = await starts(stack);
    return apps.every((_, index) => after[index]! > before[index]!);
  });
  const tookMs = performance.now() - startedMs;
  await stack.waitHealthy(healthyAll);
  const load = ledger.load({ url: stack.apiUrl, senders: 1 });
  const reconciliation = await ledger.close(load);
  const balance = await ledger.balance();
  await stack.must(['up', '-d', '--no-build']);
  await stack.waitHealthy(healthyAll);
  return `all four after ${seconds(tookMs)}; ${described(reconciliation)}; ${balance}`;
}

/** Of each app: how often it said that it is at work. */
function starts(stack: Stack): Promise<number[]> {
  return Promise.all(
    apps.map(async (app) => {
      const [container] = await stack.containers(app);
      const { stdout } = await run(['docker', 'logs', container!]);
      return stdout.match(/"msg":"(?:listening|processing|aggregating)"/g)?.length ?? 0;
    }),
  );
}
