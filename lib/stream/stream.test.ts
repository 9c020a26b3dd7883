import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createRedis, type TestRedis } from '@usage/tests/support/redis.ts';
import { Redis } from 'ioredis';
import { createLog } from '../service/log.ts';
import { refOf } from './entry.ts';
import { processorGroup } from './shard.ts';
import { ShardConsumer } from './shardConsumer.ts';
import { EventStream } from './stream.ts';

const log = createLog('test', 'silent');
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

/** Frames of a processor that is silent for so long are taken over; 0: of any other at its second look. */
async function consumerOf(stream: EventStream, name: string, idleMsMin = 0): Promise<ShardConsumer> {
  const consumer = new ShardConsumer(stream.shard(0), stream.shard(0), name, idleMsMin, log);
  await consumer.ensureGroup();
  await consumer.beat();
  return consumer;
}

/** Looks until there is something: a silent processor is known at the second look. */
async function takenOver(by: ShardConsumer, count = 10) {
  for (;;) {
    const taken = await by.takeOver(count);
    if (taken.length > 0) return taken;
  }
}

const frame = (text: string) => Buffer.from(text);

describe('the consumer group', () => {
  test('a processor that leaves with frames pending stays in the group, and another one has them at once', async () => {
    const stream = new EventStream(redis, 'leaving');
    const leaver = await consumerOf(stream, 'leaver', 60_000);
    await stream.append(frame('frame'), 7);
    // Read, and the reply is lost: only the group knows of the frame.
    await redis.xreadgroup('GROUP', processorGroup, 'leaver', 'STREAMS', stream.key, '>');
    await leaver.leave();
    const other = await consumerOf(stream, 'other', 60_000);
    const entries = await other.takeOver(10);
    // An orderly end is no delivery that failed.
    expect(entries.map(({ events, deliveries }) => [events, deliveries])).toEqual([[7, 1]]);
    expect(await other.ack(entries)).toBe(7);
    await other.leave();
    await leaver.leave();
    expect(await redis.xinfo('CONSUMERS', stream.key, processorGroup)).toEqual([]);
    expect(await redis.hlen(stream.shard(0).beats)).toBe(0);
  });

  test('a living processor keeps its frames, however long Redis says that they have been pending; a silent one does not', async () => {
    const stream = new EventStream(redis, 'silent');
    const owner = await consumerOf(stream, 'owner');
    const other = await consumerOf(stream, 'other');
    await stream.append(frame('frame'), 1);
    const [entry] = await owner.read(10, 0);
    // As after a clock that was set forward by an hour.
    await redis.xclaim(stream.key, processorGroup, 'owner', 0, entry!.id, 'IDLE', 3_600_000, 'JUSTID');
    for (let look = 0; look < 3; look++) {
      await owner.beat();
      expect(await other.takeOver(10)).toEqual([]);
    }
    expect((await takenOver(other)).map(({ id }) => id)).toEqual([entry!.id]);
  });

  test('a reply that never came: its frames are read again by the same processor', async () => {
    const stream = new EventStream(redis, 'lost-reply');
    const consumer = await consumerOf(stream, 'reader', 60_000);
    await stream.append(frame('held'), 1);
    const held = await consumer.read(10, 0);
    await stream.append(frame('lost'), 2);
    await redis.xreadgroup('GROUP', processorGroup, 'reader', 'STREAMS', stream.key, '>');
    const again = await consumer.takeOver(10);
    expect(again.map(({ frame, deliveries }) => [frame.toString(), deliveries])).toEqual([['lost', 2]]);
    expect(await consumer.ack([...held, ...again])).toBe(3);
  });

  test('deliveries are counted; from the third on a frame comes alone, after those that are not suspect', async () => {
    const stream = new EventStream(redis, 'deliveries');
    const deliveriesOf = async (name: string, count: number) => {
      const consumer = await consumerOf(stream, name);
      const taken = await takenOver(consumer, count);
      return taken.map(({ frame, deliveries }) => `${frame} ${deliveries}`);
    };
    const first = await consumerOf(stream, 'first');
    for (const text of ['a', 'b']) await stream.append(frame(text), 1);
    expect((await first.read(10, 0)).map(({ deliveries }) => deliveries)).toEqual([1, 1]);
    expect(await deliveriesOf('second', 10)).toEqual(['a 2', 'b 2']);
    // Each of these ends with its frame in hand; b waits unharmed.
    expect(await deliveriesOf('third', 10)).toEqual(['a 3']);
    const group = await redis.xpending(stream.key, processorGroup, '-', '+', 10);
    expect((group as unknown[][]).map(([, owner, , times]) => [owner, times])).toEqual([
      ['third', 3],
      ['second', 2],
    ]);
  });

  test('the group is lost and the stream is kept: everything is delivered again', async () => {
    const stream = new EventStream(redis, 'no-group');
    const consumer = await consumerOf(stream, 'reader', 60_000);
    await stream.append(frame('frame'), 1);
    await consumer.read(10, 0);
    await redis.xgroup('DESTROY', stream.key, processorGroup);
    expect(await consumer.read(10, 0)).toEqual([]);
    expect((await consumer.read(10, 0)).map(({ events }) => events)).toEqual([1]);
  });
});

test("a foreign writer's entry without frame or count is an empty frame of no events, and is acked beside others", async () => {
  const stream = new EventStream(redis, 'foreign');
  const consumer = await consumerOf(stream, 'reader', 60_000);
  await stream.append(frame('frame'), 7);
  await redis.xadd(stream.key, '*', 'other', 'x');
  await redis.xadd(stream.key, '*', 'f', 'no count');
  await redis.xadd(stream.key, '*', 'f', 'odd counts', 'n', '-3');
  await redis.xadd(stream.key, '*', 'n', 'f', 'f', 'a name as a value');
  const entries = await consumer.read(10, 0);
  expect(entries.map(({ frame, events }) => [frame.toString(), events])).toEqual([
    ['frame', 7],
    ['', 0],
    ['no count', 0],
    ['odd counts', 0],
    ['a name as a value', 0],
  ]);
  expect(await consumer.ack(entries)).toBe(7);
  expect(await redis.xlen(stream.key)).toBe(0);
});

describe('an older copy of the stream comes back', () => {
  test('a frame that was given an id again is neither deleted by the ack of the frame that had it before, nor taken for it', async () => {
    const stream = new EventStream(redis, 'ids-again');
    const consumer = await consumerOf(stream, 'reader', 60_000);
    await stream.append(frame('before'), 1);
    const [before] = await consumer.read(10, 0);
    await redis.del(stream.key);
    await consumer.ensureGroup();
    await redis.xadd(stream.key, before!.id, 'f', 'other', 'n', '2', 'u', 'another');
    expect(await consumer.ack([before!])).toBe(0);
    const [other] = await consumer.read(10, 0);
    expect(other).toMatchObject({ id: before!.id, events: 2 });
    expect(refOf(other!)).not.toBe(refOf(before!));
    expect(await consumer.ack([other!])).toBe(2);
  });

  test('a clock that was set back: As-Of of an empty stream is not earlier than what arrived', async () => {
    const stream = new EventStream(redis, 'clock-back');
    const aheadMs = Date.now() + 3_600_000;
    const consumer = await consumerOf(stream, 'reader', 60_000);
    await redis.xadd(stream.key, `${aheadMs}-0`, 'f', 'x', 'n', '1');
    await consumer.ack(await consumer.read(10, 0));
    expect((await stream.position()).asOfMs).toBe(aheadMs);
  });
});

describe('the counters', () => {
  const waiting = async (stream: EventStream) => (await stream.position()).eventsWaiting;

  test('are counted anew where they are missing, negative or left over', async () => {
    const stream = new EventStream(redis, 'recount');
    const consumer = await consumerOf(stream, 'reader', 60_000);
    for (let n = 0; n < 120; n++) await stream.append(frame('x'), 5);
    const [accepted, acked] = stream.shard(0).counters;
    expect(await waiting(stream)).toBe(600);
    await redis.del(accepted, acked);
    expect(await waiting(stream)).toBe(600);
    await redis.set(acked, 1_000_000);
    expect(await waiting(stream)).toBe(600);
    // Lost, and begun anew by the next ack or append before anybody looked.
    await redis.set(accepted, 5_000_000);
    await redis.del(acked);
    await consumer.ack(await consumer.read(1, 0));
    expect(await waiting(stream)).toBe(595);
    await redis.del(accepted);
    await stream.append(frame('x'), 5);
    expect(await waiting(stream)).toBe(600);
    await consumer.ack(await consumer.read(500, 0));
    await redis.set(accepted, 7_000_000);
    expect(await waiting(stream)).toBe(0);
    await stream.append(frame('x'), 3);
    expect(await waiting(stream)).toBe(3);
  });

  test('are right after a recount beside which frames come and go', async () => {
    const stream = new EventStream(redis, 'recount-live');
    const consumer = await consumerOf(stream, 'reader', 60_000);
    const { client, key, counters } = stream.shard(0);
    for (let n = 0; n < 50; n++) await stream.append(frame('x'), 2);
    const read = await consumer.read(40, 0);
    expect(await client.usageRecount(4, key, ...counters, 30)).toBe(0);
    await consumer.ack(read.slice(20));
    await stream.append(frame('x'), 11);
    expect(await waiting(stream)).toBe(30 * 2 + 11);
  });
});
