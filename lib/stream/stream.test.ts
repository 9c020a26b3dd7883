import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createRedis, type TestRedis } from '@usage/tests/support/redis.ts';
import { Redis } from 'ioredis';
import { EventStream } from './stream.ts';

let server: TestRedis;
let redis: Redis;
beforeAll(async () => {
  server = await createRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.drop();
});

test('a processor that leaves with frames pending stays in the group, and another one claims them', async () => {
  const stream = new EventStream(redis, 'leaving');
  await stream.ensureGroup();
  await stream.append(Buffer.from('frame'), 7);
  // Read, and the reply is lost: nobody knows of the frame but the group.
  await stream.read('leaver', 10, 0);
  await stream.dropConsumer('leaver');
  await stream.dropIdleConsumers(-1);
  const { entries } = await stream.claim('other', 0, 10);
  expect(entries.map(({ events }) => events)).toEqual([7]);

  await stream.settle(entries);
  await stream.dropConsumer('other');
  await stream.dropConsumer('leaver');
  expect(await redis.xinfo('CONSUMERS', stream.key, 'processors')).toEqual([]);
});
