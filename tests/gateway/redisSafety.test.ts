import { afterEach, describe, expect, test } from 'bun:test';
import { eventText, startGateway, type TestGateway } from './start.ts';

let gateway: TestGateway;
afterEach(() => gateway.stop());

async function refusal(): Promise<string> {
  await gateway.gate.poll();
  const response = await gateway.post(eventText('1'));
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('1');
  expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(503);
  return ((await response.json()) as { detail: string }).detail;
}

async function expectTaken(): Promise<void> {
  await gateway.gate.poll();
  expect((await gateway.post(eventText('1'))).status).toBe(204);
}

describe('a Redis that evicts keys without a TTL', () => {
  test.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random'])(
    '%s: 503 that names the setting',
    async (policy) => {
      gateway = await startGateway({}, { 'maxmemory-policy': policy });
      expect(await refusal()).toContain(`maxmemory-policy ${policy}`);
      await gateway.admin.config('SET', 'maxmemory-policy', 'noeviction');
      await expectTaken();
    },
  );

  test('the policy is changed while the gateway runs: refused with the next look', async () => {
    gateway = await startGateway();
    await expectTaken();
    await gateway.admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await refusal()).toContain('would drop accepted events');
  });

  test('a Redis that hides CONFIG, as managed ones do: refused all the same', async () => {
    gateway = await startGateway({}, { 'maxmemory-policy': 'allkeys-lru' });
    await gateway.admin.acl('SETUSER', 'default', '-config');
    expect(await refusal()).toContain('maxmemory-policy allkeys-lru');
  });
});

test('other keys fill Redis: the refusal does not put it on the stream, and ends with them', async () => {
  gateway = await startGateway();
  await gateway.admin.set('cache', Buffer.alloc(14 * 1_048_576));
  await gateway.admin.config('SET', 'maxmemory', 16 * 1_048_576);
  expect(await refusal()).toMatch(
    /Redis is full \(\d\d MB\), but the event stream takes only 0 MB of it: other keys/,
  );
  await gateway.admin.del('cache');
  // Redis gives the memory of the key and of its connection's buffer back a moment later, in several steps.
  while ((await gateway.post(eventText('1'))).status !== 204) await gateway.gate.poll();
});

test('counters that were evicted while the stream is kept: what waits is still known', async () => {
  gateway = await startGateway();
  for (let n = 0; n < 3; n++)
    expect((await gateway.post(`[${eventText('a')},${eventText('b')}]`)).status).toBe(204);
  await gateway.admin.del('{usage}:accepted', '{usage}:settled');
  await gateway.gate.poll();
  expect(gateway.gate.looks).toMatchObject([{ eventsWaiting: 6, frames: 3 }]);
});

describe('persistence', () => {
  const inMemory = { appendonly: 'no', save: '' };

  test('none: refused by name, unless a setting allows it', async () => {
    gateway = await startGateway({}, inMemory);
    expect(await refusal()).toContain('REDIS_PERSISTENCE=optional');
    await gateway.stop();
    gateway = await startGateway({ REDIS_PERSISTENCE: 'optional' }, inMemory);
    await expectTaken();
  });

  test('snapshots alone: taken', async () => {
    gateway = await startGateway({}, { appendonly: 'no', save: '3600 1' });
    await expectTaken();
  });
});

test('a replica: refused by name', async () => {
  gateway = await startGateway();
  await gateway.admin.call('REPLICAOF', '127.0.0.1', '1');
  expect(await refusal()).toContain('a replica, which takes no events');
});

test('fewer replicas than REDIS_REPLICAS_MIN: refused by name', async () => {
  gateway = await startGateway({ REDIS_REPLICAS_MIN: '1' });
  expect(await refusal()).toContain('0 replicas in step, and REDIS_REPLICAS_MIN asks for 1');
});

test('an older copy of the stream comes back: the gateway counts and reports it', async () => {
  gateway = await startGateway();
  await expectTaken();
  const copy = await gateway.admin.dumpBuffer('{usage}:events');
  await expectTaken();
  await gateway.gate.poll();
  await gateway.admin.restore('{usage}:events', 0, copy, 'REPLACE');
  await gateway.gate.poll();
  expect(await gateway.registry.metrics()).toContain('usage_stream_went_back_total 1');
  await expectTaken();
});
