import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../scripts/local/ports.ts';
import { type LocalRedis, startRedis } from '../../scripts/local/redis.ts';
import { temporaryFolder } from './servers.ts';

const slots = 16_384;
const readyMsMax = 30_000;
const pollMs = 50;

export interface ClusterNode {
  server: LocalRedis;
  port: number;
  admin: Redis;
  /** SIGKILL: it does not come back by itself. */
  kill(): Promise<void>;
  /** With the files that it left, on the same port. */
  restart(): Promise<void>;
}

export interface TestCluster {
  /** REDIS_URL. */
  url: string;
  masters: ClusterNode[];
  /** The replicas of each master. */
  replicas: ClusterNode[][];
  /** The master that answers for a key now, as a node that lives says. */
  masterOf(key: string): Promise<ClusterNode>;
  /** The replicas of that node now. */
  replicasOf(master: ClusterNode): Promise<ClusterNode[]>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  masters?: number;
  replicasEach?: number;
  settings?: Record<string, string>;
}

/** A Redis Cluster of real servers, some seconds to start; each master has its share of the slots. */
export async function startTestCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const { masters: mastersMax = 3, replicasEach = 0, settings = {} } = options;
  const count = mastersMax * (1 + replicasEach);
  const folder = await temporaryFolder('usage-test-cluster-');
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(folder, settings)));
  const masters = nodes.slice(0, mastersMax);
  const replicas = masters.map((_, n) =>
    nodes.slice(mastersMax + n * replicasEach, mastersMax + (n + 1) * replicasEach),
  );
  for (const [n, { admin }] of masters.entries()) {
    const [from, to] = [n, n + 1].map((share) => Math.floor((share * slots) / mastersMax)) as [
      number,
      number,
    ];
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', from, to - 1);
    await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', n + 1);
  }
  const [first] = nodes;
  for (const { port, busPort } of nodes.slice(1))
    await first!.admin.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
  await until(async () => (await knownNodes(nodes)).every((known) => known === count));
  for (const [n, group] of replicas.entries()) {
    const id = await masters[n]!.admin.call('CLUSTER', 'MYID');
    for (const { admin } of group) await admin.call('CLUSTER', 'REPLICATE', String(id));
  }
  await until(async () => {
    const infos = await Promise.all(nodes.map(({ admin }) => admin.call('CLUSTER', 'INFO')));
    const linked = await Promise.all(masters.map(({ admin }) => admin.info('replication')));
    return (
      infos.every((info) => String(info).includes('cluster_state:ok')) &&
      linked.every((info) => (info.match(/state=online/g)?.length ?? 0) === replicasEach)
    );
  });
  return {
    url: `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    masters,
    replicas,
    async masterOf(key) {
      const alive = nodes.find(({ admin }) => admin.status === 'ready')!;
      const slot = Number(await alive.admin.call('CLUSTER', 'KEYSLOT', key));
      const ranges = (await alive.admin.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
      const range = ranges.find(([from, to]) => from <= slot && slot <= to)!;
      return nodes.find(({ port }) => port === range[2][1])!;
    },
    async replicasOf(master) {
      const info = await master.admin.info('replication');
      const ports = [...info.matchAll(/^slave\d+:ip=[^,]*,port=(\d+)/gm)].map(([, port]) => Number(port));
      return nodes.filter(({ port }) => ports.includes(port));
    },
    async stop() {
      for (const { admin } of nodes) admin.disconnect();
      await Promise.all(nodes.map(({ server }) => server.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A free port may be taken by somebody else before Redis has it. */
async function startNode(
  parent: string,
  settings: Record<string, string>,
  triesLeft = 5,
): ReturnType<typeof startNodeOnce> {
  try {
    return await startNodeOnce(parent, settings);
  } catch (error) {
    if (triesLeft === 0) throw error;
    return startNode(parent, settings, triesLeft - 1);
  }
}

async function startNodeOnce(parent: string, settings: Record<string, string>) {
  const [port, busPort] = [await freePort(), await freePort()];
  const start = () =>
    startRedis({
      folder: join(parent, String(port)),
      logFile: join(parent, `${port}.log`),
      port,
      settings: {
        'cluster-enabled': 'yes',
        'cluster-node-timeout': '2000',
        'cluster-require-full-coverage': 'no',
        'cluster-port': String(busPort),
        ...settings,
      },
    });
  const server = await start();
  const admin = new Redis(port, '127.0.0.1', { retryStrategy: () => 100, maxRetriesPerRequest: 0 });
  admin.on('error', () => {});
  const node = {
    server,
    port,
    busPort,
    admin,
    async kill() {
      process.kill(node.server.pid, 'SIGKILL');
      await node.server.exited;
    },
    async restart() {
      node.server = await start();
    },
  };
  return node;
}

async function knownNodes(nodes: ClusterNode[]): Promise<number[]> {
  const lists = await Promise.all(nodes.map(({ admin }) => admin.call('CLUSTER', 'NODES')));
  return lists.map((list) => String(list).trim().split('\n').length);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + readyMsMax;
  while (!(await condition().catch(() => false))) {
    if (performance.now() > deadline) throw new Error('the Redis Cluster did not come up');
    await Bun.sleep(pollMs);
  }
}
