import { shardTag } from '../../../lib/stream/shardTag.ts';
import type { ClusterNode } from '../../support/redisCluster.ts';
import type { Arena, Fault } from '../fault.ts';
import type { Stack } from '../stack.ts';

const promotedMsMax = 20_000;
const pollMs = 50;

/** Picks a shard, holds one of its replicas up for a while, so that it lags, and kills the primary for good. */
async function killPrimary(arena: Arena): Promise<ClusterNode> {
  const { stack, load, random, pause, note, broken } = arena;
  const cluster = stack.cluster!;
  const shard = random.between(0, 2);
  const key = `{${shardTag('usage', shard)}}:events`;
  const primary = await cluster.masterOf(key);
  const replicas = await cluster.replicasOf(primary);
  const lagging = random.pick(replicas);
  process.kill(lagging.server.pid, 'SIGSTOP');
  load.hurry();
  await pause(500, 1_200);
  load.calmDown();
  await primary.kill();
  await pause(50, 150);
  process.kill(lagging.server.pid, 'SIGCONT');
  const struckMs = performance.now();
  if (!(await isServed(stack, key, primary))) broken(`no replica took over shard ${shard}`);
  note(
    `shard ${shard}: primary killed behind a stalled replica of ${replicas.length}, another serves after ${Math.round(performance.now() - struckMs)} ms`,
  );
  return primary;
}

async function isServed({ cluster }: Stack, key: string, former: ClusterNode): Promise<boolean> {
  const deadline = performance.now() + promotedMsMax;
  while (performance.now() < deadline) {
    const now = await cluster!.masterOf(key).catch(() => former);
    if (now !== former && (await now.admin.info('replication').catch(() => '')).includes('role:master'))
      return true;
    await Bun.sleep(pollMs);
  }
  return false;
}

export const shardFaults: Fault[] = [
  {
    name: 'shard-primary-killed',
    about:
      "a shard's primary is killed for good while a replica lags, REDIS_REPLICAS_MIN=1 of two: nothing is lost, the other shards go on",
    strikesMax: 1,
    stack: { redisReplicasEach: 2, settings: { REDIS_REPLICAS_MIN: '1' } },
    strike: async (arena) => void (await killPrimary(arena)),
  },
  {
    name: 'shard-primary-killed-without-wait',
    about:
      'the same with REDIS_REPLICAS_MIN=0 and one replica, which lags: what it lacks is lost, and counted here',
    strikesMax: 1,
    stack: { redisReplicasEach: 1 },
    async strike(arena) {
      // What is stored already can't be lost: the frames have to wait.
      const processor = arena.stack.app('processor');
      await processor.stop();
      await killPrimary(arena);
      arena.mayLose(arena.load.totals.accepted);
      processor.start();
    },
  },
  {
    name: 'shard-former-primary-back',
    about:
      'the killed primary comes back with the frames it had: they are not stored again, nor is anything lost',
    strikesMax: 1,
    stack: { redisReplicasEach: 2, settings: { REDIS_REPLICAS_MIN: '1' } },
    async strike(arena) {
      const former = await killPrimary(arena);
      await arena.pause(500, 2_000);
      await former.restart();
      await arena.pause(1_000, 3_000);
    },
  },
];
