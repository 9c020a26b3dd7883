import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { OpenMeter } from '@openmeter/sdk';
import { type RunningApps, startApps } from '../support/apps.ts';
import { type Call, caller, settled } from './call.ts';

/** Features, entitlements, grants and checks, by OpenMeter's client and by hand, against the real processes. */

let apps: RunningApps;
let client: OpenMeter;
let call: Call;
let events = 0;
const startMsMax = 60_000;
const hourMs = 3_600_000;

beforeAll(async () => {
  apps = await startApps();
  client = new OpenMeter({ baseUrl: apps.url });
  call = caller(apps.url);
  await client.meters.create({
    slug: 'calls',
    eventType: 'call',
    aggregation: 'SUM',
    valueProperty: '$.n',
    groupBy: { kind: '$.kind' },
  });
}, startMsMax);
afterAll(() => apps?.stop(), startMsMax);

async function use(subject: string, n: number | string, time = new Date(), kind = 'x') {
  const event = { id: `e${events++}`, source: 'test', type: 'call', subject, time, data: { n, kind } };
  await client.events.ingest([event]);
  await settled(apps.url, 'calls');
}

/** A customer of its own with a metered entitlement of its own feature. */
async function metered(name: string, more: object = {}) {
  await client.features.create({ key: name, name, meterSlug: 'calls' });
  await client.customers.create({ name, key: name, usageAttribution: { subjectKeys: [`${name}-s`] } });
  return call('POST', `/api/v2/customers/${name}/entitlements`, {
    type: 'metered',
    featureKey: name,
    usagePeriod: { interval: 'MONTH', anchor: '2026-01-01T00:00:00Z' },
    measureUsageFrom: 'CURRENT_PERIOD_START',
    ...more,
  });
}
const check = async (name: string, query = '') =>
  (await call('GET', `/api/v2/customers/${name}/entitlements/${name}/value${query}`)).body;

test('features are created, listed, got and archived; issues are named', async () => {
  const created = (await client.features.create({
    key: 'feat',
    name: 'Feature',
    meterSlug: 'calls',
    meterGroupByFilters: { kind: 'y' },
  }))!;
  expect(created).toMatchObject({ key: 'feat', meterSlug: 'calls', meterGroupByFilters: { kind: 'y' } });
  expect(await client.features.get(created.id)).toEqual(created);
  expect(await client.features.get('feat')).toEqual(created);
  expect(await client.features.list({ meterSlug: ['calls'] })).toEqual([created] as never);
  expect((await call('GET', '/api/v1/features?page=1')).body).toMatchObject({ totalCount: 1, page: 1 });
  expect((await call('POST', '/api/v1/features', { key: 'feat', name: 'Again' })).status).toBe(409);
  const wrong = await call('POST', '/api/v1/features', {
    key: 'other',
    name: 'x',
    meterSlug: 'calls',
    advancedMeterGroupByFilters: { city: { $eq: 'x' }, kind: { $regex: 'x' } },
  });
  expect(wrong.body.extensions.validationErrors.map(({ field }: { field: string }) => field)).toEqual([
    'advancedMeterGroupByFilters.city',
    'advancedMeterGroupByFilters.kind',
  ]);
  await client.features.delete('feat');
  expect(await client.features.list()).toEqual([]);
  expect((await client.features.get(created.id))!.archivedAt).toBeInstanceOf(Date);
  expect((await call('POST', '/api/v1/features', { key: 'feat', name: 'Again' })).status).toBe(201);
});

test('1,000 a month: usage takes from them, at nothing left access ends', async () => {
  expect((await metered('thousand', { issueAfterReset: 1000 })).status).toBe(201);
  expect(await check('thousand')).toEqual({
    hasAccess: true,
    balance: 1000,
    usage: 0,
    overage: 0,
    totalAvailableGrantAmount: 1000,
    reserved: 0,
    available: 1000,
  });
  await use('thousand-s', 999.9);
  expect(await check('thousand')).toMatchObject({ hasAccess: true, balance: 0.1, usage: 999.9 });
  await use('thousand', '0.1');
  expect(await check('thousand')).toMatchObject({ hasAccess: false, balance: 0, usage: 1000, overage: 0 });
  await use('thousand-s', 5);
  expect(await check('thousand')).toMatchObject({ hasAccess: false, balance: 0, usage: 1005, overage: 5 });
  const fresh = await call('GET', '/api/v2/customers/thousand/entitlements/thousand/value', undefined, {
    Prefer: 'wait=5',
  });
  expect(fresh.headers.get('preference-applied')).toBe('wait');
  expect(Date.parse(fresh.headers.get('usage-as-of')!)).toBeGreaterThan(Date.now() - 60_000);
});

test('a check that waits includes what was accepted before it', async () => {
  await metered('waits', { issueAfterReset: 100 });
  for (let n = 1; n <= 5; n++) {
    await client.events.ingest([
      { id: `w${n}`, source: 'test', type: 'call', subject: 'waits', time: new Date(), data: { n: 10 } },
    ]);
    const path = '/api/v2/customers/waits/entitlements/waits/value';
    expect((await call('GET', path, undefined, { Prefer: 'wait=10' })).body).toMatchObject({ usage: 10 * n });
  }
});

test('grants: burn order, exact digits, void, effective dates', async () => {
  await metered('granted');
  const now = Date.now();
  const grant = (amount: number | string, priority: number, more: object = {}) =>
    call('POST', '/api/v2/customers/granted/entitlements/granted/grants', {
      amount,
      priority,
      effectiveAt: new Date(now - hourMs / 60).toISOString(),
      ...more,
    });
  const second = (await grant(50, 2)).body;
  const first = (await grant('12345678901234567890.1', 1, { expiration: { duration: 'DAY', count: 1 } }))
    .body;
  expect(first).toMatchObject({
    amountExact: '12345678901234567890.1',
    expiration: { duration: 'DAY', count: 1 },
  });
  await use('granted', 0.1);
  expect(await check('granted')).toMatchObject({ balanceExact: '12345678901234567940' });
  const voided = await call('DELETE', `/api/v1/grants/${second.id}`);
  expect(voided.status).toBe(204);
  expect((await call('DELETE', `/api/v1/grants/${second.id}`)).status).toBe(409);
  const early = await grant(1, 1, { effectiveAt: '2020-01-01T00:00:00Z' });
  expect([early.status, early.body.detail]).toEqual([400, expect.stringContaining('current usage period')]);
  expect((await grant(-1, 300)).body.extensions.validationErrors.length).toBeGreaterThan(0);
});

test('a reset begins a new period: overage goes, issued amounts come again, events of before count there', async () => {
  await metered('resets', { issueAfterReset: 10 });
  await use('resets', 25, new Date(Date.now() - 1_000));
  expect(await check('resets')).toMatchObject({ balance: 0, overage: 15 });
  expect((await call('POST', '/api/v2/customers/resets/entitlements/resets/reset', {})).status).toBe(204);
  expect(await check('resets')).toMatchObject({ balance: 10, overage: 0, usage: 0 });
  await use('resets', 3);
  await use('resets', 100, new Date(Date.now() - hourMs));
  expect(await check('resets')).toMatchObject({ balance: 7, usage: 3 });
  const again = await call('POST', '/api/v2/customers/resets/entitlements/resets/reset', {
    effectiveAt: '2026-01-05T00:00:00Z',
  });
  expect(again.status).toBe(400);
  const { body } = await call('GET', '/api/v2/customers/resets/entitlements/resets');
  expect(Date.parse(body.lastReset)).toBeGreaterThan(Date.now() - 60_000);
  expect(body.currentUsagePeriod.from).toBe(body.lastReset);
});

test('history by window, and by what changed, adds up', async () => {
  await metered('history', {
    issueAfterReset: 100,
    usagePeriod: { interval: 'DAY', anchor: '2026-01-01T00:00:00Z' },
    measureUsageFrom: '2026-11-01T00:00:00Z',
  });
  await use('history', 30, new Date('2026-11-02T10:00:00Z'));
  await use('history', 90, new Date('2026-11-03T10:00:00Z'));
  await use('history', 20, new Date('2026-11-03T12:00:00Z'));
  const { status, body } = await call(
    'GET',
    '/api/v2/customers/history/entitlements/history/history?windowSize=HOUR&from=2026-11-03T09:00:00Z&to=2026-11-03T13:00:00Z',
  );
  expect(status).toBe(200);
  expect(
    body.windowedHistory.map(({ usage, balanceAtStart }: Record<string, number>) => [usage, balanceAtStart]),
  ).toEqual([
    [0, 100],
    [90, 100],
    [0, 10],
    [20, 10],
  ]);
  const days = await call(
    'GET',
    '/api/v2/customers/history/entitlements/history/history?windowSize=DAY&from=2026-11-02T00:00:00Z&to=2026-11-05T00:00:00Z',
  );
  expect(days.body.burndownHistory.slice(0, 3)).toMatchObject([
    { usage: 30, balanceAtStart: 100, balanceAtEnd: 70, overage: 0 },
    { usage: 110, balanceAtStart: 100, balanceAtEnd: 0, overage: 10 },
    { usage: 0, balanceAtStart: 100, balanceAtEnd: 100 },
  ]);
  const early = await call(
    'GET',
    '/api/v2/customers/history/entitlements/history/history?windowSize=DAY&from=2026-10-01T00:00:00Z',
  );
  expect(early.status).toBe(400);
});

test('static and boolean entitlements; all of a customer at once; many customers at once', async () => {
  await metered('many', { issueAfterReset: 1 });
  for (const key of ['seats', 'sso', 'nothing']) await client.features.create({ key, name: key });
  const create = (input: object) => call('POST', '/api/v2/customers/many/entitlements', input);
  expect((await create({ type: 'static', featureKey: 'seats', config: '{"max":5}' })).status).toBe(201);
  expect((await create({ type: 'boolean', featureKey: 'sso' })).status).toBe(201);
  expect((await create({ type: 'boolean', featureKey: 'sso' })).status).toBe(409);
  expect(
    (await create({ type: 'metered', featureKey: 'nothing', usagePeriod: { interval: 'DAY' } })).status,
  ).toBe(400);
  expect((await create({ type: 'static', featureKey: 'nothing', config: '{' })).status).toBe(400);
  const access = (await client.customers.getAccess('many'))!;
  expect(access.entitlements).toMatchObject({
    many: { hasAccess: true, balance: 1 },
    seats: { hasAccess: true, config: '{"max":5}' },
    sso: { hasAccess: true },
  });
  await use('many-s', 1);
  const { body } = await call('POST', '/api/v3/openmeter/entitlement-access/query', {
    customer: { keys: ['many', 'many-s', 'unknown'] },
    feature: { keys: ['many', 'sso', 'nothing', 'nowhere'] },
  });
  expect(body).toMatchObject({
    data: [
      {
        matched: ['many', 'many-s'],
        customer: { key: 'many' },
        features: {
          many: { has_access: false, reason: { code: 'usage_limit_reached' } },
          sso: { has_access: true },
          nothing: { has_access: false, reason: { code: 'feature_unavailable' } },
          nowhere: { has_access: false, reason: { code: 'feature_not_found' } },
        },
      },
    ],
    errors: [{ code: 'customer_not_found', customer: 'unknown' }],
  });
  expect((await call('DELETE', '/api/v1/customers/many')).status).toBe(400);
});

describe('every aggregation', () => {
  const cases = [
    ['COUNT', undefined, { usage: 3, balance: 97 }],
    ['UNIQUE_COUNT', '$.n', { usage: 2, balance: 98 }],
    ['MAX', '$.n', { usage: 7, balance: 93 }],
    ['MIN', '$.n', { usage: 2, balance: 98 }],
    ['AVG', '$.n', { balanceExact: '96.3333333333333333333' }],
    ['LATEST', '$.n', { usage: 2, balance: 98 }],
    // A level of 10 for a second.
    ['WEIGHTED_SUM', '$.n', { usage: 10, balance: 90 }],
    ['WEIGHTED_LATEST', '$.n', { usage: 10, balance: 90 }],
    ['PERCENTILE', '$.n', { usage: 1.99229, balance: 98.00771 }],
  ] as const;
  const values: Record<string, number[]> = { WEIGHTED_SUM: [10, -10, 0], WEIGHTED_LATEST: [10, 0, 0] };
  test.each(cases)('%s', async (aggregation, valueProperty, expected) => {
    const name = aggregation.toLowerCase();
    await call('POST', '/api/v1/meters', {
      slug: name,
      eventType: name,
      aggregation,
      ...(valueProperty && { valueProperty }),
    });
    await client.features.create({ key: name, name, meterSlug: name });
    await client.customers.create({ name, key: name });
    await call('POST', `/api/v2/customers/${name}/entitlements`, {
      type: 'metered',
      featureKey: name,
      usagePeriod: { interval: 'DAY', anchor: '2026-01-01T00:00:00Z' },
      measureUsageFrom: 'CURRENT_PERIOD_START',
      issueAfterReset: 100,
    });
    const start = Date.now() - 30_000;
    await client.events.ingest(
      (values[aggregation] ?? [2, 7, 2]).map((n, i) => ({
        id: `${name}-${i}`,
        source: 'test',
        type: name,
        subject: name,
        time: new Date(start + i * 1_000),
        data: { n },
      })),
    );
    await settled(apps.url, name);
    const value = await check(name);
    expect(value).toMatchObject(JSON.parse(JSON.stringify(expected)));
  });
});

test('features that are parts of one meter are checked together, each by its own filter', async () => {
  await client.customers.create({
    name: 'parts',
    key: 'parts',
    usageAttribution: { subjectKeys: ['parts-2'] },
  });
  const filters = {
    part_a: { meterGroupByFilters: { kind: 'a' } },
    part_b: { meterGroupByFilters: { kind: 'b' } },
    part_not_a: { advancedMeterGroupByFilters: { kind: { $ne: 'a' } } },
    part_all: {},
  };
  for (const [key, filter] of Object.entries(filters)) {
    await client.features.create({ key, name: key, meterSlug: 'calls', ...filter });
    await call('POST', '/api/v2/customers/parts/entitlements', {
      type: 'metered',
      featureKey: key,
      usagePeriod: { interval: 'DAY', anchor: '2026-01-01T00:00:00Z' },
      measureUsageFrom: 'CURRENT_PERIOD_START',
      issueAfterReset: 10,
    });
  }
  await use('parts', 1, new Date(), 'a');
  await use('parts-2', 2, new Date(), 'b');
  await use('parts', 4, new Date(), 'c');
  const { entitlements } = (await client.customers.getAccess('parts'))!;
  expect(Object.fromEntries(Object.entries(entitlements).map(([key, { usage }]) => [key, usage]))).toEqual({
    part_a: 1,
    part_b: 2,
    part_not_a: 6,
    part_all: 7,
  });
});

test('v1 for subjects, by OpenMeter’s client: create, value, history, reset, override, grants, lists, delete', async () => {
  await client.features.create({ key: 'v1', name: 'v1', meterSlug: 'calls' });
  const v1 = client.entitlementsV1;
  const created = (await v1.create('subject-1', {
    type: 'metered',
    featureKey: 'v1',
    usagePeriod: { interval: 'MONTH', anchor: new Date('2026-01-01') },
    issueAfterReset: 10,
  })) as { id: string };
  expect(created).toMatchObject({
    type: 'metered',
    subjectKey: 'subject-1',
    featureKey: 'v1',
    issueAfterReset: 10,
  });
  expect(await v1.get(created.id)).toMatchObject({ id: created.id });
  expect(await v1.list({ subject: ['subject-1'] })).toHaveLength(1);
  expect(await v1.value('subject-1', 'v1')).toMatchObject({ hasAccess: true, balance: 10 });
  const granted = (await v1.grants.create('subject-1', 'v1', {
    amount: 5,
    effectiveAt: new Date(Date.now() + 1_000),
    expiration: { duration: 'DAY', count: 1 },
  }))!;
  expect(await v1.grants.list('subject-1', 'v1')).toHaveLength(2);
  expect(await v1.grants.listAll({ subject: ['subject-1'] })).toHaveLength(2);
  await v1.grants.void(granted.id);
  await v1.reset('subject-1', created.id, { retainAnchor: true });
  const history = (await v1.history('subject-1', created.id, { windowSize: 'DAY' }))!;
  expect(history.windowedHistory.length).toBeLessThanOrEqual(1);
  const overriding = (await v1.override('subject-1', 'v1', {
    type: 'metered',
    featureKey: 'v1',
    usagePeriod: { interval: 'DAY' },
    issueAfterReset: 3,
  })) as { id: string };
  expect(overriding.id).not.toBe(created.id);
  expect(await v1.value('subject-1', 'v1')).toMatchObject({ balance: 3 });
  await v1.delete('subject-1', overriding.id);
  expect(await v1.value('subject-1', 'v1')).toEqual({ hasAccess: false });
  expect((await call('GET', '/api/v1/subjects/nobody/entitlements/v1/value')).status).toBe(412);
});

test('v2 for customers, by OpenMeter’s client', async () => {
  await client.features.create({ key: 'v2', name: 'v2', meterSlug: 'calls' });
  await client.customers.create({ name: 'v2', key: 'v2' });
  const v2 = client.customers.entitlements;
  const created = (await v2.create('v2', {
    type: 'metered',
    featureKey: 'v2',
    usagePeriod: { interval: 'P1W', anchor: new Date('2026-01-01') },
    issue: { amount: 10, priority: 2 },
    grants: [{ amount: 5, effectiveAt: new Date(Date.now() + 60_000) }],
  })) as { id: string };
  expect(created).toMatchObject({
    customerKey: 'v2',
    issue: { amount: 10, priority: 2 },
    usagePeriod: { intervalISO: 'P1W' },
  });
  expect(await v2.get('v2', 'v2')).toMatchObject({ id: created.id });
  expect(await v2.list('v2')).toMatchObject({ totalCount: 1, items: [{ id: created.id }] });
  expect(await client.entitlements.get(created.id)).toMatchObject({ id: created.id });
  expect(await client.entitlements.list({ query: { customerKeys: ['v2'] } })).toMatchObject({
    totalCount: 1,
  });
  expect(await v2.value('v2', 'v2')).toMatchObject({ hasAccess: true, balance: 10 });
  const grant = (await v2.createGrant('v2', 'v2', {
    amount: 7,
    effectiveAt: new Date(Date.now() + 60_000),
  }))!;
  expect(grant).toMatchObject({ amount: 7, maxRolloverAmount: 7 });
  expect(await v2.listGrants('v2', 'v2')).toMatchObject({ totalCount: 3 });
  expect(await client.entitlements.grants.list({ query: { customer: ['v2'] } })).toMatchObject({
    totalCount: 3,
  });
  await client.entitlements.grants.void(grant.id);
  await v2.resetUsage('v2', 'v2', {});
  expect(await v2.history('v2', 'v2', 'HOUR')).toMatchObject({ burndownHistory: [{ balanceAtStart: 10 }] });
  await v2.override('v2', 'v2', {
    type: 'metered',
    featureKey: 'v2',
    usagePeriod: { interval: 'DAY' },
    isSoftLimit: true,
  });
  expect(await client.customers.entitlementsV1.value('v2', 'v2')).toMatchObject({
    hasAccess: true,
    balance: 0,
  });
  await v2.delete('v2', 'v2');
  expect(await v2.list('v2')).toMatchObject({ totalCount: 0 });
  expect(await v2.list('v2', { query: { includeDeleted: true } })).toMatchObject({ totalCount: 2 });
});
