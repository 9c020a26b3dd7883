import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type RunningApps, startApps } from '../support/apps.ts';
import { type Call, type Called, caller, settled } from './call.ts';
import { type LimitsProcess, startLimits } from './limitsProcess.ts';

/** Reservations through the gateway, with a second limits service beside, against the real processes. */

let apps: RunningApps;
let second: LimitsProcess;
let call: Call;
/** Straight to the two limits services, in turn. */
let either: Call;
const startMsMax = 60_000;
/** 100,000 in the long run: RESERVATION_RACES=100000. */
const races = Number(process.env.RESERVATION_RACES ?? 500);

beforeAll(async () => {
  apps = await startApps();
  second = await startLimits(apps);
  call = caller(apps.url);
  const origins = [caller(apps.limitsUrl), caller(second.url)];
  let turn = 0;
  either = (...request) => origins[turn++ % 2]!(...request);
  await call('POST', '/api/v1/meters', {
    slug: 'jobs',
    eventType: 'job',
    aggregation: 'SUM',
    valueProperty: '$.n',
  });
  await call('POST', '/api/v1/features', { key: 'jobs', name: 'jobs', meterSlug: 'jobs' });
}, startMsMax);
afterAll(async () => {
  await second?.stop();
  await apps?.stop();
}, startMsMax);

async function customer(key: string, amount: number | string) {
  await call('POST', '/api/v1/customers', { name: key, key });
  const { status } = await call('POST', `/api/v2/customers/${key}/entitlements`, {
    type: 'metered',
    featureKey: 'jobs',
    usagePeriod: { interval: 'MONTH', anchor: '2026-01-01T00:00:00Z' },
    measureUsageFrom: 'CURRENT_PERIOD_START',
    issueAfterReset: amount,
  });
  expect(status).toBe(201);
}
const reserve = (key: string, lockId: string, amount: number | string, more: object = {}, ask: Call = call) =>
  ask('POST', `/api/v1/customers/${key}/reservations`, { featureKey: 'jobs', amount, lockId, ...more });
const commit = (id: string, body: object, ask: Call = call) =>
  ask('POST', `/api/v1/reservations/${id}/commit`, body);
const value = async (key: string) =>
  (await call('GET', `/api/v2/customers/${key}/entitlements/jobs/value`)).body;
async function report(subject: string, id: string, n: number) {
  await call(
    'POST',
    '/api/v1/events',
    { specversion: '1.0', id, source: 'jobs', type: 'job', subject, data: { n } },
    { 'Content-Type': 'application/cloudevents+json' },
  );
  await settled(apps.url, 'jobs');
}

test('an amount is held, committed with what was used, and counted once when its event comes', async () => {
  await customer('handover', 100);
  const { status, body: held } = await reserve('handover', 'job-1', 30);
  expect(status).toBe(201);
  expect(held).toMatchObject({ state: 'held', requested: 30, amount: 30, available: 70 });
  expect(await value('handover')).toMatchObject({
    balance: 100,
    reserved: 30,
    available: 70,
    hasAccess: true,
  });
  expect((await commit(held.id, { amount: 20 })).body.detail).toContain('event is missing');
  const event = { source: 'jobs', id: 'job-1' };
  expect((await commit(held.id, { amount: 20, event })).body).toMatchObject({
    state: 'committed',
    amount: 20,
    event,
  });
  expect(await value('handover')).toMatchObject({ balance: 100, reserved: 20, available: 80 });
  await report('handover', 'job-1', 20);
  expect(await value('handover')).toMatchObject({ balance: 80, usage: 20, reserved: 0, available: 80 });
  expect((await commit(held.id, { amount: 20, event })).status).toBe(200);
  expect((await commit(held.id, { amount: 21, event })).status).toBe(409);
});

test('an event that comes before the commit takes the place of the hold at once', async () => {
  await customer('early', 100);
  const event = { source: 'jobs', id: 'early-1' };
  const { body: held } = await reserve('early', 'early-1', 30, { event });
  await report('early', 'early-1', 25);
  expect(await value('early')).toMatchObject({ balance: 75, reserved: 0, available: 75 });
  expect((await commit(held.id, { amount: 30 })).status).toBe(200);
  expect(await value('early')).toMatchObject({ balance: 75, reserved: 0, available: 75 });
});

test('the same lock reserves once, whatever is asked for at the same time', async () => {
  await customer('locks', 100);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => reserve('locks', 'one', 10, {}, either)),
  );
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(await value('locks')).toMatchObject({ reserved: 10 });
  expect((await reserve('locks', 'one', 11)).status).toBe(409);
  const released = await call('POST', `/api/v1/reservations/${answers[0]!.body.id}/release`);
  expect(released.body).toMatchObject({ state: 'released' });
  expect((await call('POST', `/api/v1/reservations/${answers[0]!.body.id}/release`)).status).toBe(200);
  expect((await commit(answers[0]!.body.id, { amount: 1, event: { source: 'jobs', id: 'x' } })).status).toBe(
    409,
  );
  expect(await value('locks')).toMatchObject({ reserved: 0 });
});

test('what is more than is left is refused, or capped', async () => {
  await customer('over', '10.5');
  expect((await reserve('over', 'a', 11)).body).toMatchObject({
    status: 409,
    extensions: { reason: 'usage_limit_reached', available: '10.5' },
  });
  expect((await reserve('over', 'a', 11, { onOverage: 'cap' })).body).toMatchObject({
    amount: 10.5,
    requested: 11,
    available: 0,
  });
  expect((await reserve('over', 'b', '0.1', { onOverage: 'cap' })).status).toBe(409);
  expect(await value('over')).toMatchObject({ hasAccess: false, available: 0 });
  expect((await reserve('nobody', 'a', 1)).status).toBe(404);
});

test('a hold that expired has freed itself; its commit counts all the same', async () => {
  await customer('expiry', 10);
  const { body: held } = await reserve('expiry', 'a', 10, { expiresInSeconds: 0.2 });
  expect((await reserve('expiry', 'b', 1)).status).toBe(409);
  let freed: Called;
  do freed = await reserve('expiry', 'b', 4);
  while (freed.status === 409);
  expect(freed.body).toMatchObject({ amount: 4, available: 6 });
  expect((await commit(held.id, { amount: 10, event: { source: 'jobs', id: 'late' } })).body.state).toBe(
    'committed',
  );
  expect(await value('expiry')).toMatchObject({ reserved: 14, available: 0, hasAccess: false });
});

test(
  `${races} races between two services: never more than is left, nothing leaks`,
  async () => {
    const customers = 4;
    const amount = 50;
    for (let i = 0; i < customers; i++) await customer(`race-${i}`, amount);
    let done = 0;
    let lock = 0;
    const held = Array.from({ length: customers }, () => 0);
    let most = 0;
    const run = async () => {
      while (done < races) {
        done++;
        const i = Math.floor(Math.random() * customers);
        const wanted = 1 + Math.floor(Math.random() * 20);
        const answer = await reserve(`race-${i}`, `lock-${lock++}`, wanted, { onOverage: 'cap' }, either);
        if (answer.status === 409 || answer.status === 503) continue;
        expect(answer.status).toBe(201);
        held[i]! += answer.body.amount;
        most = Math.max(most, held[i]!);
        await new Promise((resolve) => setImmediate(resolve));
        // Taken off before it is released: so `held` is never more than is really held.
        held[i]! -= answer.body.amount;
        await either('POST', `/api/v1/reservations/${answer.body.id}/release`);
      }
    };
    await Promise.all(Array.from({ length: 32 }, run));
    expect(most).toBeLessThanOrEqual(amount);
    for (let i = 0; i < customers; i++)
      expect(await value(`race-${i}`)).toMatchObject({ reserved: 0, available: amount });
  },
  120_000 + races * 20,
);

test('of many who ask at once for all that is left, they get exactly that together', async () => {
  await customer('all', 100);
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, i) => reserve('all', `l${i}`, 7, { onOverage: 'cap' }, either)),
  );
  const got = answers.filter(({ status }) => status === 201).map(({ body }) => body.amount as number);
  expect(got.reduce((sum, one) => sum + one, 0)).toBe(100);
});
