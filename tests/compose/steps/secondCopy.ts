import { Ledger } from '../ledger.ts';
import { mustRun, Stack } from '../stack.ts';
import { healthyAll, makeMeters, seconds } from './start.ts';

const settings = {
  USAGE_NAME: 'usage_second',
  USAGE_SUBNET: '172.29.0.0/16',
  POSTGRES_SHARED_BUFFERS: '128MB',
};

/** The same files as another project, with names, subnet and ports of its own: neither notices the other. */
export async function secondCopy(stack: Stack, ledger: Ledger): Promise<string> {
  const before = await containers(stack);
  const second = await Stack.create(`${stack.project}-second`, settings);
  await second.down();
  const startedMs = performance.now();
  try {
    await second.must(['up', '-d', '--no-build']);
    await second.waitHealthy(healthyAll);
    const healthyMs = performance.now();
    const format = '{{(index .IPAM.Config 0).Subnet}}';
    const { stdout: subnet } = await mustRun([
      ...['docker', 'network', 'inspect', '--format', format, `${settings.USAGE_NAME}_network`],
    ]);
    if (subnet.trim() !== settings.USAGE_SUBNET) throw new Error(`the second copy's subnet is ${subnet}`);
    await makeMeters(second);
    const other = new Ledger(second);
    await other.close(other.load({ url: second.apiUrl, senders: 1 }));
    const balance = await other.balance();
    await ledger.balance();
    if ((await containers(stack)) !== before) throw new Error('the first copy was touched');
    return `healthy after ${seconds(healthyMs - startedMs)} on ${subnet.trim()}, its own reconciliation: ${balance}; the first copy untouched`;
  } finally {
    await second.down();
  }
}

async function containers(stack: Stack): Promise<string> {
  const ids = await Promise.all(Object.keys(healthyAll).map((service) => stack.containers(service)));
  return ids.flat().sort().join();
}
