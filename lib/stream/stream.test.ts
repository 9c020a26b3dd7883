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

  await stream.ack(entries);
  await stream.dropConsumer('other');
  await stream.dropConsumer('leaver');
  expect(await redis.xinfo('CONSUMERS', stream.key, 'processors')).toEqual([]);
});

test("a foreign writer's entry without frame or count is an empty frame of no events, and is acked beside others", async () => {
  const stream = new EventStream(redis, 'foreign');
  await stream.ensureGroup();
  await stream.append(Buffer.from('frame'), 7);
  await redis.xadd(stream.key, '*', 'other', 'x');
  await redis.xadd(stream.key, '*', 'f', 'no count');
  await redis.xadd(stream.key, '*', 'f', 'odd counts', 'n', '-3');
  await redis.xadd(stream.key, '*', 'n', 'f', 'f', 'a name as a value');
  const entries = await stream.read('reader', 10, 0);
  expect(entries.map(({ frame, events }) => [frame.toString(), events])).toEqual([
    ['frame', 7],
    ['', 0],
    ['no count', 0],
    ['odd counts', 0],
    ['a name as a value', 0],
  ]);
  expect(await stream.ack(entries)).toBe(7);
  expect(await redis.xlen(stream.key)).toBe(0);
});
