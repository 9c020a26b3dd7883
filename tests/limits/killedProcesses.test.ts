import { afterAll, beforeAll, expect, test } from 'bun:test';
import { freePort } from '../../scripts/local/ports.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { createRedis, type TestRedis } from '../support/redis.ts';
import { type AppName, spawnApp } from '../support/spawnApp.ts';
import { type Call, caller } from './call.ts';
import { Receiver } from './receiver.ts';

/**
 * Every process between an event and its webhook is killed at random while events come: each threshold fires once, none is
 * lost, no hold leaks. Longer: LIMITS_KILLS=200.
 */
const kills = Number(process.env.LIMITS_KILLS ?? 5);
const startMsMax = 120_000;
const customers = 6;
const perCustomer = 30;
const thresholds = [10, 20, 30];
const batch = { 'Content-Type': 'application/cloudevents-batch+json' };

let database: TestDatabase;
let redis: TestRedis;
let receiver: Receiver;
let call: Call;
let origin: string;
const running = new Map<string, ReturnType<typeof spawnApp<'inherit'>>>();
let env: Record<string, string | undefined>;

beforeAll(async () => {
  [database, redis] = await Promise.all([createDatabase(), createRedis()]);
  receiver = new Receiver();
  receiver.secret = Buffer.from('a secret of twenty-four b').toString('base64');
  const [gateway, limits, query] = await Promise.all([freePort(), freePort(), freePort()]);
  env = {
    ...process.env,
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    AUTH: 'off',
    WEBHOOK_ADDRESSES: 'any',
    API_PORT: `${gateway}`,
    LIMITS_PORT: `${limits}`,
    QUERY_PORT: `${query}`,
    PROCESSOR_PORT: '0',
    AGGREGATOR_PORT: '0',
    LIMITS_URL: `http://127.0.0.1:${limits}`,
    QUERY_URL: `http://127.0.0.1:${query}`,
    CLAIM_IDLE_MS: '1000',
    MERGE_WAIT_MS: '200',
  };
  origin = `http://127.0.0.1:${gateway}`;
  call = caller(origin);
  for (const name of ['gateway', 'query', 'processor', 'aggregator', 'limits'] as const) start(name);
  // A second one that answers nobody takes the watch over.
  start('limits', 'limits2', { LIMITS_PORT: '0' });
  await until(async () => (await call('GET', '/api/v1/customers')).status === 200);
  await call('POST', '/api/v1/meters', { slug: 'calls', eventType: 'call', aggregation: 'COUNT' });
  await call('POST', '/api/v1/features', { key: 'calls', name: 'calls', meterSlug: 'calls' });
  for (let i = 0; i < customers; i++) {
    await call('POST', '/api/v1/customers', { name: `c${i}`, key: `c${i}` });
    await call('POST', `/api/v2/customers/c${i}/entitlements`, {
      type: 'metered',
      featureKey: 'calls',
      usagePeriod: { interval: 'YEAR', anchor: '2026-01-01T00:00:00Z' },
      measureUsageFrom: 'CURRENT_PERIOD_START',
      issueAfterReset: 1000,
    });
  }
  const { body: channel } = await call('POST', '/api/v1/notification/channels', {
    type: 'WEBHOOK',
    name: 'hook',
    url: receiver.url('/'),
    signingSecret: receiver.secret,
  });
  await call('POST', '/api/v1/notification/rules', {
    type: 'entitlements.balance.threshold',
    name: 'rule',
    thresholds: thresholds.map((value) => ({ type: 'usage_value', value })),
    channels: [channel.id],
  });
}, startMsMax);

afterAll(async () => {
  for (const child of running.values()) child.kill('SIGTERM');
  await Promise.all([...running.values()].map((child) => child.exited));
  await receiver?.stop();
  await redis?.drop();
  await database?.drop();
}, startMsMax);

function start(name: AppName, as: string = name, more: Record<string, string> = {}): void {
  const child = spawnApp(name, { ...env, ...more }, 'inherit');
  running.set(as, child);
  void (async () => {
    for await (const _ of child.stdout) {
      // read, so that the pipe never fills up
    }
  })();
}

async function until(isSo: () => Promise<boolean>, msMax = 60_000): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > deadline) throw new Error('it did not come to that in time');
    await Bun.sleep(50);
  }
}

test(
  `${kills} kills under load: every threshold fires once, every webhook comes, no hold is left`,
  async () => {
    let sent = 0;
    let reserved = 0;
    const send = async (i: number) => {
      for (let n = 0; n < perCustomer; n++) {
        const event = { specversion: '1.0', id: `${i}-${n}`, source: 'test', type: 'call', subject: `c${i}` };
        await until(async () => (await call('POST', '/api/v1/events', [event], batch)).status === 204);
        sent++;
        const hold = { featureKey: 'calls', amount: 1, lockId: `${i}-${n}`, expiresInSeconds: 2 };
        const held = await call('POST', `/api/v1/customers/c${i}/reservations`, hold).catch(() => undefined);
        if (held?.status === 201) reserved++;
      }
    };
    const sending = Promise.all(Array.from({ length: customers }, (_, i) => send(i)));
    const victims: [string, AppName, Record<string, string>?][] = [
      ['limits', 'limits'],
      ['limits2', 'limits', { LIMITS_PORT: '0' }],
      ['processor', 'processor'],
      ['aggregator', 'aggregator'],
      ['gateway', 'gateway'],
    ];
    for (let n = 0; n < kills; n++) {
      await Bun.sleep(200 + Math.random() * 800);
      const [as, name, more] = victims[Math.floor(Math.random() * victims.length)]!;
      const child = running.get(as)!;
      child.kill('SIGKILL');
      await child.exited;
      start(name, as, more);
    }
    await sending;
    expect(sent).toBe(customers * perCustomer);
    expect(reserved).toBeGreaterThan(0);
    const fired = async () => {
      const { body } = await call('GET', '/api/v1/notification/events?page=1&pageSize=1000');
      return body.items as {
        id: string;
        payload: { data: { customer: { key: string }; threshold: object; skippedThresholds: object[] } };
      }[];
    };
    const keys = (events: Awaited<ReturnType<typeof fired>>) =>
      events.flatMap(({ payload: { data } }) =>
        [data.threshold, ...data.skippedThresholds].map(
          (one) => `${data.customer.key} ${JSON.stringify(one)}`,
        ),
      );
    await until(async () => new Set(keys(await fired())).size === customers * thresholds.length);
    const events = await fired();
    expect(keys(events)).toHaveLength(customers * thresholds.length);
    await until(async () => events.every(({ id }) => receiver.received.some((one) => one.id === id)));
    await until(async () => {
      const { body } = await call('GET', '/api/v2/customers/c0/entitlements/calls/value');
      return body.reserved === 0 && body.usage === perCustomer;
    });
  },
  120_000 + kills * 3_000,
);
