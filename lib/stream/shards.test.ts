import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { startTestCluster, type TestCluster } from '@usage/tests/support/redisCluster.ts';
import { startTestRedis } from '@usage/tests/support/servers.ts';
import { createLog } from '../service/log.ts';
import { parseRedisUrl } from '../service/redisUrl.ts';
import { connectRedis, connectSubscribers, type RedisServers } from './redis.ts';
import { ShardConsumer } from './shardConsumer.ts';
import { shardCountOf } from './shardCount.ts';
import { shardTag, slotOf } from './shardTag.ts';
import { EventStream } from './stream.ts';
import { Subscriber } from './subscriber.ts';

const log = createLog('test', 'silent');
const frame = Buffer.from('frame');

async function connected(url: string): Promise<RedisServers> {
  const redis = connectRedis({ url, name: 'test', log, commandMsMax: 2_000 });
  while (!redis.clients.every(({ status }) => status === 'ready')) await Bun.sleep(5);
  return redis;
}

async function consumersOf(stream: EventStream): Promise<ShardConsumer[]> {
  const consumers = stream.shards.map((shard) => new ShardConsumer(shard, shard, 'reader', 60_000, log));
  for (const consumer of consumers) await consumer.ensureGroup();
  return consumers;
}

describe('the tags of shards', () => {
  test('lie evenly over the masters of a cluster, whatever their number becomes', () => {
    const on = (shards: number, masters: number) => {
      const counts = Array(masters).fill(0);
      for (let n = 0; n < shards; n++)
        counts[Math.floor((slotOf(shardTag('usage', n)) * masters) / 16_384)]++;
      return counts;
    };
    expect(on(3, 3)).toEqual([1, 1, 1]);
    expect(on(6, 3)).toEqual([2, 2, 2]);
    expect(on(6, 6)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(on(12, 6)).toEqual([2, 2, 2, 2, 2, 2]);
    expect(shardTag('usage', 0)).toBe('usage');
  });

  test('have the slots that Redis gives them', () => {
    expect(slotOf('123456789')).toBe(0x31c3);
  });
});

test.each([
  [
    { shards: 1, before: 1, ageMs: 1e15 },
    { read: 1, written: 1 },
  ],
  // A new stream is read at once, and written to when every app reads it.
  [
    { shards: 3, before: 1, ageMs: 1_000 },
    { read: 3, written: 1 },
  ],
  [
    { shards: 3, before: 1, ageMs: 13_000 },
    { read: 3, written: 3 },
  ],
  // One that is to go is written to no more at once, and read on.
  [
    { shards: 2, before: 3, ageMs: 0 },
    { read: 3, written: 2 },
  ],
])('%j: %j', (asked, count) => {
  expect(shardCountOf(asked)).toEqual(count);
});

describe('REDIS_URL', () => {
  const plain = { username: undefined, password: undefined, database: 0, tls: false };

  test.each([
    ['redis://127.0.0.1', { kind: 'servers', servers: [{ ...plain, host: '127.0.0.1', port: 6379 }] }],
    [
      'rediss://app:p%40ss%2F50%off@[2001:db8::1]:6390/3',
      {
        kind: 'servers',
        servers: [
          {
            username: 'app',
            password: 'p@ss/50%off',
            database: 3,
            tls: true,
            host: '2001:db8::1',
            port: 6390,
          },
        ],
      },
    ],
    ['valkeys://h', { kind: 'servers', servers: [{ ...plain, tls: true, host: 'h', port: 6379 }] }],
    [
      'redis://a:1,redis://b:2',
      {
        kind: 'servers',
        servers: [
          { ...plain, host: 'a', port: 1 },
          { ...plain, host: 'b', port: 2 },
        ],
      },
    ],
    [
      'redis+cluster://:secret@a:1,[::1]:2',
      {
        ...{ ...plain, kind: 'cluster', password: 'secret' },
        nodes: [
          { host: 'a', port: 1 },
          { host: '::1', port: 2 },
        ],
      },
    ],
    [
      'valkey+sentinel://:secret@a,b:1/main/2?sentinelPassword=other',
      {
        ...{ ...plain, kind: 'sentinel', password: 'secret', database: 2, primary: 'main' },
        sentinels: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 1 },
        ],
        sentinelUsername: undefined,
        sentinelPassword: 'other',
      },
    ],
  ])('%s', (url, address) => {
    expect(parseRedisUrl(url)).toEqual(address as ReturnType<typeof parseRedisUrl>);
  });

  test.each([
    ['http://a', 'expected redis://'],
    ['redis://a:1,b:2', 'several hosts in one URL'],
    ['redis+sentinel://a', 'name of the primary is missing'],
    ['redis+cluster://a/1', 'database 0 alone'],
    ['redis://a?db=1', 'parameter "db"'],
    ['redis://::1', 'stands in brackets'],
    ['redis+cluster://a,redis://b', 'must be the only URL'],
  ])('%s: refused with what to do', (url, reason) => {
    expect(() => parseRedisUrl(url)).toThrow(reason);
  });
});

describe('shards on several servers', () => {
  let servers: Awaited<ReturnType<typeof startTestRedis>>[];
  let redis: RedisServers;
  let stream: EventStream;
  beforeAll(async () => {
    servers = await Promise.all([startTestRedis(), startTestRedis(), startTestRedis()]);
    redis = await connected(servers.map(({ url }) => url).join(','));
    stream = new EventStream(redis, 'usage', { shards: 3 });
  });
  afterAll(async () => {
    redis.disconnect();
    for (const server of servers) await server.stop();
  });

  test('frames go to all of them; what waits adds up, As-Of is the earliest; a frame is acked where it lies', async () => {
    const consumers = await consumersOf(stream);
    const placed = await Promise.all(Array.from({ length: 30 }, () => stream.append(frame, 2)));
    const counts = [0, 1, 2].map((shard) => placed.filter((place) => place.shard === shard).length);
    expect(counts).toEqual([10, 10, 10]);
    const oldest = Math.min(...placed.map(({ id }) => Number(id.split('-')[0])));
    expect(await stream.position()).toMatchObject({ eventsWaiting: 60, frames: 30, asOfMs: oldest });
    for (const consumer of consumers) expect(await consumer.ack(await consumer.read(10, 0))).toBe(20);
    expect((await stream.position()).eventsWaiting).toBe(0);
  });

  test('one is away: appends go to the others, and the position stays what it was known to be', async () => {
    await stream.append(frame, 1);
    const before = await stream.position();
    await servers[2]!.stop();
    const placed = [];
    for (let n = 0; n < 30; n++) placed.push(await stream.append(frame, 1));
    expect(new Set(placed.map(({ shard }) => shard))).toEqual(new Set([0, 1]));
    const after = await stream.position();
    expect(after.asOfMs).toBeLessThanOrEqual(before.asOfMs);
    expect(after.eventsWaiting).toBe(before.eventsWaiting + 30);
  });
});

describe('a Redis Cluster of three masters with a replica each', () => {
  let cluster: TestCluster;
  let redis: RedisServers | undefined;
  beforeAll(async () => {
    cluster = await startTestCluster({ masters: 3, replicasEach: 1 });
  }, 60_000);
  afterEach(() => redis?.disconnect());
  afterAll(() => cluster.stop());

  test('three shards lie on three masters; frames, positions, looks and messages get there', async () => {
    redis = await connected(cluster.url);
    const stream = new EventStream(redis, 'usage', { shards: 3 });
    const masters = await Promise.all(stream.shards.map(({ key }) => cluster.masterOf(key)));
    expect(new Set(masters).size).toBe(3);
    const consumers = await consumersOf(stream);
    for (let n = 0; n < 9; n++) await stream.append(frame, 1);
    expect(await stream.position()).toMatchObject({ eventsWaiting: 9 });
    const looks = await stream.look();
    const runIds = looks.map((look) => (look instanceof Error ? look.message : look.server.runId));
    // INFO of the shard's own node, not of any.
    expect(new Set(runIds).size).toBe(3);
    expect(looks).toMatchObject(Array(3).fill({ frames: 3, server: { role: 'master', replicas: 1 } }));
    expect(await stream.shard(1).savePoints()).toBe('');
    const taken = Promise.withResolvers<string>();
    const subscriber = new Subscriber(
      connectSubscribers({ url: cluster.url, name: 'test', log, commandMsMax: 2_000 }),
      log,
    );
    while (!subscriber.isConnected) await Bun.sleep(5);
    await subscriber.listen('channel', taken.resolve);
    await stream.shard(2).client.publish('channel', 'message');
    expect(await taken.promise).toBe('message');
    subscriber.disconnect();
    for (const consumer of consumers) expect(await consumer.ack(await consumer.read(10, 0))).toBe(3);
  });

  test('REDIS_REPLICAS_MIN: acknowledged with the replica, refused without it', async () => {
    redis = await connected(cluster.url);
    const stream = new EventStream(redis, 'usage', { shards: 3, replicasMin: 1, replicasMsMax: 300 });
    const placed = await Promise.all(Array.from({ length: 200 }, () => stream.append(frame, 1)));
    expect(new Set(placed.map(({ id, shard }) => `${shard}/${id}`)).size).toBe(200);
    for (const [node] of cluster.replicas) process.kill(node!.server.pid, 'SIGSTOP');
    await expect(stream.append(frame, 1)).rejects.toThrow(
      '0 of the 1 replicas that REDIS_REPLICAS_MIN asks for',
    );
    for (const [node] of cluster.replicas) process.kill(node!.server.pid, 'SIGCONT');
    expect((await stream.append(frame, 1)).id).toMatch(/^\d+-\d+$/);
  });

  test('a master is killed for good: the others take its frames, its replica takes over with what it had', async () => {
    redis = await connected(cluster.url);
    const stream = new EventStream(redis, 'usage', { shards: 3, replicasMin: 1, replicasMsMax: 500 });
    const before = (await stream.position()).frames;
    for (let n = 0; n < 30; n++) await stream.append(frame, 1);
    await (await cluster.masterOf(stream.shard(1).key)).kill();
    const placed = [];
    for (let n = 0; n < 30; n++) placed.push(await stream.append(frame, 1));
    expect(placed.every(({ shard }) => shard !== 1)).toBe(true);
    // The client learns of the promoted replica by itself.
    for (;;) {
      const [, look] = await stream.look();
      if (look && !(look instanceof Error)) break;
      await Bun.sleep(50);
    }
    expect((await stream.position()).frames).toBe(before + 60);
  }, 30_000);
});
