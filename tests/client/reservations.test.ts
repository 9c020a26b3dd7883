import { afterAll, beforeAll, expect, test } from 'bun:test';
import { LimitReachedError, UsageClient, UsageRequestError } from '../../clients/typescript/src/index.ts';
import { type Call, caller } from '../limits/call.ts';
import { startClientTest } from './stack.ts';

/** Reservations through the client, against the real services. */
let stack: Awaited<ReturnType<typeof startClientTest>>;
let call: Call;
let usage: UsageClient;

beforeAll(async () => {
  stack = await startClientTest();
  await stack.startGateway();
  call = caller(stack.apps.url);
  await call('POST', '/api/v1/meters', {
    slug: 'jobs',
    eventType: 'job',
    aggregation: 'SUM',
    valueProperty: '$.n',
  });
  await call('POST', '/api/v1/features', { key: 'jobs', name: 'jobs', meterSlug: 'jobs' });
  for (const key of ['acme', 'away']) {
    await call('POST', '/api/v1/customers', { name: key, key });
    await call('POST', `/api/v2/customers/${key}/entitlements`, {
      type: 'metered',
      featureKey: 'jobs',
      usagePeriod: { interval: 'MONTH', anchor: '2026-01-01T00:00:00Z' },
      measureUsageFrom: 'CURRENT_PERIOD_START',
      issueAfterReset: 100,
    });
  }
  usage = new UsageClient({
    url: stack.url,
    source: 'workers',
    limits: { lingerMs: 5, retryMsMax: 20, retryForMsMax: 60_000 },
    onError: () => {},
  });
});
afterAll(async () => {
  await usage.close();
  await stack.stop();
});

const balanceOf = async (key: string) =>
  (await call('GET', `/api/v2/customers/${key}/entitlements/jobs/value`)).body;
const jobs = (customer: string, amount: number, more = {}) =>
  usage.reserve(customer, { featureKey: 'jobs', amount, ...more });

test('what is reserved is committed with the event that reports it, and counts once; a release gives it back', async () => {
  const [first, second] = await Promise.all([jobs('acme', 60), jobs('acme', 30)]);
  expect(await balanceOf('acme')).toMatchObject({ reserved: 90, available: 10 });
  const refused = await jobs('acme', 20).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(LimitReachedError);
  expect(refused).toMatchObject({ status: 409, available: '10' });
  expect((await jobs('acme', 20, { onOverage: 'cap', expiresInSeconds: 1, lockId: 'small' })).amount).toBe(
    10,
  );
  expect((await jobs('acme', 20, { onOverage: 'cap', lockId: 'small' })).amount).toBe(10);
  expect(await first.commit({ type: 'job', subject: 'acme', data: { n: 45 } }, 45)).toMatchObject({
    amount: 45,
  });
  expect(await second.release()).toMatchObject({ state: 'released' });
  await usage.flush();
  while ((await balanceOf('acme')).usage !== 45) await Bun.sleep(5);
  while ((await balanceOf('acme')).reserved !== 0) await Bun.sleep(20); // the small one's time comes
  expect(await balanceOf('acme')).toMatchObject({ balance: 55, available: 55 });
});

test('while the gateway is away reserve and commit are tried again, under the same names', async () => {
  const held = await jobs('away', 10);
  await usage.flush();
  await stack.killGateway();
  const committed = held.commit({ type: 'job', subject: 'away', data: { n: 10 } });
  const another = jobs('away', 5);
  await stack.startGateway();
  const [state, other] = await Promise.all([committed, another]);
  expect(state).toMatchObject({ amount: 10 });
  await other.release();
  await usage.flush();
  while ((await balanceOf('away')).usage !== 10) await Bun.sleep(5);
  expect(await balanceOf('away')).toMatchObject({ reserved: 0, available: 90 });
  const error = await usage.reserve('nobody', { featureKey: 'jobs', amount: 1 }).catch((one: unknown) => one);
  expect(error).toBeInstanceOf(UsageRequestError);
  expect(error).toMatchObject({ status: 404 });
});
